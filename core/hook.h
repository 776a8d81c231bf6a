/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Programs on BTF tracepoints and functions (tp_btf, fentry, fexit), and the kernel's types that
 * programs are relocated against: found by us (kbtf.h), or else by libbpf, which takes much longer.
 */
#ifndef NT_HOOK_H
#define NT_HOOK_H

#include <stdbool.h>
#include <stddef.h>

struct bpf_link;
struct bpf_program;

/* Before any object is opened. 0 or -errno. */
int hook_init(void);
/* Notes what an object file names, so that one pass finds it for all of them. */
void hook_note(const void *object, size_t len);
/* The BTF to open it with, or NULL: libbpf has to look for itself. */
const char *hook_btf(const void *object, size_t len);

/*
 * Of a program that will be loaded, before it is. `found`: the object was opened with hook_btf().
 * 0 or -errno; -ESRCH: the kernel has no such hook; -EAGAIN: we did not find it, libbpf may.
 */
int hook_set(struct bpf_program *program, bool found);
/*
 * Whether the kernel loads the program but attaches none of its kind: fentry and fexit, on arm64
 * before 6.5. Only attaching would tell, which --explain does not.
 */
bool hook_unattachable(const struct bpf_program *program);
/*
 * A function of the kernel that the program which was loaded last, or could not be, calls and this
 * kernel does not have, or NULL.
 */
const char *hook_lacks(void);
struct bpf_link *hook_attach(const struct bpf_program *program); /* NULL: see errno */

#endif
