/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The command, or the change to the host, that would mend what is missing. Empty: nothing would. */
#ifndef NT_MEND_H
#define NT_MEND_H

#include <stddef.h>

#include "host.h"
#include "plan.h"

struct mend {
	const struct host *host;
	const char *self, *tool; /* path of this program, name of the tool */
};

void mend_privilege(const struct mend *mend, char *text, size_t size);
void mend_btf(const struct mend *mend, char *text, size_t size);
void mend_lockdown(const struct mend *mend, char *text, size_t size);
void mend_tracefs(const struct mend *mend, char *text, size_t size);
void mend_cgroup2(const struct mend *mend, char *text, size_t size);
/* A variant that failed; `hook` is what it is attached to. */
void mend_failure(const struct mend *mend, const struct plan_failure *failure, const char *hook,
		  char *text, size_t size);

#endif
