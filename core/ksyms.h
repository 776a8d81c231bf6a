/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Functions of the running kernel by address and by name (/proc/kallsyms). */
#ifndef NT_KSYMS_H
#define NT_KSYMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "filter.h"

struct ksyms;

/*
 * Where the kernel hides its addresses (kernel.kptr_restrict), that is said on stderr, and nothing
 * is known. Returns 0 or -ENOMEM.
 */
int ksyms_new(struct ksyms **ksyms);
void ksyms_free(struct ksyms *ksyms);

/*
 * "tcp_v4_do_rcv+0xb4"; "" for a BPF program. false: unknown. What was loaded since is looked for
 * again, once a second at most.
 */
bool ksyms_name(struct ksyms *ksyms, uint64_t address, char *text, size_t size);
/* See names_find(). */
int ksyms_find(struct ksyms *ksyms, const char *word, size_t len, struct filter_range **ranges);

/* The same from a text like that of /proc/kallsyms. */
int ksyms_parse(struct ksyms **ksyms, const char *text, size_t len);

#endif
