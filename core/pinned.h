/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * bcc's --cgroupmap and --mntnsmap: maps that somebody else made, pinned in a bpffs and keeps. A
 * row passes while its owner's cgroup or mount namespace is a key of it.
 */
#ifndef NT_PINNED_H
#define NT_PINNED_H

#include "session.h"

struct bpf_object;

/*
 * Opens those that opts names into fds[], -1 for the others; also on failure the
 * caller closes them. Returns an exit code.
 */
int pinned_open(const struct session_opts *opts, int fds[PINNED_COUNT], struct fault *fault);
void pinned_close(const int fds[PINNED_COUNT]);
/* Puts them in the place of the object's own. 0, or -errno. */
int pinned_use(struct bpf_object *object, const int fds[PINNED_COUNT]);
/* nt_params.pinned */
uint8_t pinned_bits(const struct session_opts *opts);

#endif
