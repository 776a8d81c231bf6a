/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A list of networks of which the first that has an address inside counts, for a map of the kernel
 * that finds the longest prefix (BPF_MAP_TYPE_LPM_TRIE).
 */
#ifndef NT_NETS_H
#define NT_NETS_H

#include "abi.h"
#include "filter.h"

struct nets;

/*
 * `text`: "A/N,A/N", IPv4 and IPv6. Returns 0 or -errno; `err` as filter_parse_addrs() has it.
 */
int nets_parse(struct nets **nets, const char *text, struct filter_error *err);
void nets_free(struct nets *nets);

uint32_t nets_count(const struct nets *nets); /* as many as the list has */
/*
 * What the map has to hold: nets_count() + 1 entries, of which one may take an earlier one's place.
 */
const struct nt_net *nets_entry(const struct nets *nets, uint32_t i, struct nt_net_key *key);
/* Fills the map. 0 or -errno. */
int nets_put(const struct nets *nets, int map);

/* As it stands in the list. */
const char *nets_text(const struct nets *nets, uint32_t i);
/* The one before the i-th that takes all that it could get, or -1. */
int nets_shadowed(const struct nets *nets, uint32_t i);

#endif
