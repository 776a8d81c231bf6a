/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Names of what the kernel tells by number: reasons of dropped packets, below 2^32, and addresses
 * of its code, above. Nothing is read before the first question.
 */
#ifndef NT_NAMES_H
#define NT_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "filter.h"

struct names;

/* Without `host` (replay) only what was learnt is known. Returns 0 or -ENOMEM. */
int names_new(struct names **names, bool host);
void names_free(struct names *names);

/*
 * NULL: unknown. An address: "tcp_v4_do_rcv+0xb4", or "" for a frame of a BPF program. A reason: as
 * the kernel's BTF has it, "NETFILTER_DROP". The text lives until another is learnt for the id.
 */
const char *names_of(struct names *names, uint64_t id);
/* The same without what is behind the name of a function. The text lives until the next call. */
const char *names_of_function(struct names *names, uint64_t address);
/* Reads the kernel's functions now, and not for the first row that needs them. 0 or -ENOMEM. */
int names_read_functions(struct names *names);

/*
 * The ids that a word stands for: a reason, or a function where the kernel has no reasons. Returns
 * how many ranges (from malloc()) there are; -ENOENT: none; or -ENOMEM.
 */
int names_find(struct names *names, const char *word, size_t len, struct filter_range **ranges);
/* What to say of a word that names_find() does not know. */
const char *names_refusal(struct names *names);

/* Remembers a name (replay). Returns 0 or -ENOMEM. */
int names_learn(struct names *names, uint64_t id, const char *text);
/* Makes all reasons of the kernel known, for names_new_names(). */
void names_all_reasons(struct names *names);
/* Calls `each` for every id that got a name and was not yet told. */
void names_new_names(struct names *names, void (*each)(void *ctx, uint64_t id, const char *text),
		     void *ctx);

#endif
