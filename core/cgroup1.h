/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Cgroup v1 directories as filters: a probe can follow a task to its cgroup of one controller. */
#ifndef NT_CGROUP1_H
#define NT_CGROUP1_H

#include <stdbool.h>

#include "session.h"

/* Whether a directory is a cgroup of v1. */
bool cgroup1_is(const char *dir);

/*
 * Fills the cgroup1_* members for those of opts->cgroups that are v1 directories. Returns an exit
 * code.
 */
int cgroups1_params(const struct session_opts *opts, struct nt_params *params, struct fault *fault);

#endif
