/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a run gives away once its probes are attached: capabilities, root where sudo gave it, and
 * every system call that reading and printing do not need.
 */
#ifndef NT_SANDBOX_H
#define NT_SANDBOX_H

#include <stdbool.h>

/*
 * `map`: a map of the run, to find out what the kernel still asks for to read one. Before 5.19 that
 * may be CAP_BPF (kernel.unprivileged_bpf_disabled): then this alone is kept, and what it allows is
 * cut down by the filter of system calls. 0 or -errno; *what says what failed.
 */
int sandbox_enter(int map, const char **what);
/*
 * The user and group that called sudo. false: nobody did.
 */
bool sandbox_caller(unsigned int *uid, unsigned int *gid);

#endif
