/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What probes name of the kernel, found in one pass over its BTF. libbpf takes the 4 MB of it
 * apart, and then walks all types again for each name: together that was most of our start.
 *
 * What is found: the ids of the hooks, and a small BTF of the types that are relocated against,
 * with the members that are read, which libbpf takes in place of the kernel's.
 */
#ifndef NT_KBTF_H
#define NT_KBTF_H

#include <stddef.h>
#include <stdint.h>

struct kbtf;

/* The length of a type's name without its flavour: "sock___old" is the kernel's "sock". */
size_t kbtf_plain_len(const char *name);

struct kbtf *kbtf_new(void); /* NULL: no memory */
void kbtf_free(struct kbtf *kbtf);

/*
 * Notes what an object file names. 1: something new, the pass is due; 0: nothing new; -errno.
 * -EOPNOTSUPP: it has relocations that only libbpf can do, as those to a type's id.
 */
int kbtf_want(struct kbtf *kbtf, const void *object, size_t len);
/* Asks for the id of a type or function of vmlinux, BTF_KIND_*. 0 or -errno. */
int kbtf_want_id(struct kbtf *kbtf, const char *name, uint32_t kind);
/* The pass over the running kernel's BTF. 0 or -errno. */
int kbtf_find(struct kbtf *kbtf);
/* The same over an image of BTF, without modules. */
int kbtf_find_in(struct kbtf *kbtf, const void *btf, size_t len);

/* What kbtf_want_id() asked for; 0: there is none. */
uint32_t kbtf_id(const struct kbtf *kbtf, const char *name);
/* The small BTF: a path for libbpf, good as long as `kbtf` is. */
const char *kbtf_path(const struct kbtf *kbtf);
/*
 * The id of what a section is attached to ("fentry/tcp_connect"). -ESRCH: the kernel has no such
 * hook. -EAGAIN: ask libbpf; it is in a module, or was not noted.
 */
int kbtf_hook(const struct kbtf *kbtf, const char *section);

#endif
