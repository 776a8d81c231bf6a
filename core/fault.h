/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What went wrong, in a sentence, with the exit code it deserves. Only cmd/main prints it. */
#ifndef NT_FAULT_H
#define NT_FAULT_H

enum exit_code {
	EXIT_DONE = 0,
	EXIT_RUNNING = 1,    /* failed while running: full disk, damaged recording */
	EXIT_USAGE = 2,
	EXIT_PRIVILEGE = 3,
	EXIT_KERNEL = 4,     /* this kernel cannot do it */
	EXIT_LOST = 5,       /* events were lost and --strict was given */
};

struct fault {
	char text[1024]; /* without a final newline */
};

/* Fills `fault` (the first one wins) and returns `code`. */
int fault_set(struct fault *fault, enum exit_code code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
