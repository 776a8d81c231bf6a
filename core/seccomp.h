/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The system calls that a run needs once its probes are attached. */
#ifndef NT_SECCOMP_H
#define NT_SECCOMP_H

#include <linux/filter.h>

#define SECCOMP_MAX_INSNS 512

/* The filter's instructions; how many. */
int seccomp_program(struct sock_filter *insns);
/* Needs PR_SET_NO_NEW_PRIVS. 0 or -errno. */
int seccomp_enter(void);

#endif
