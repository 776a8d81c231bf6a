/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which name was asked for when a DNS server answered with an address (RFC 1035). Answers come from
 * the network: nothing in them is trusted.
 */
#ifndef NT_DNS_H
#define NT_DNS_H

#include <stddef.h>
#include <stdint.h>

#define DNS_MAX_ADDRS 10240 /* remembered; the one that was not needed for longest goes first */
#define DNS_NAME_SIZE 1025  /* a name as text: 255 bytes at most, each "\DDD" at worst */

struct dns;

int dns_new(struct dns **dns); /* 0 or -ENOMEM */
void dns_free(struct dns *dns);

/*
 * Takes an answer that came at `time` (ns, CLOCK_MONOTONIC). What is damaged, cut off, no answer or
 * without addresses says nothing; of an answer that was cut off, what is whole counts.
 */
void dns_learn(struct dns *dns, uint64_t time, const void *message, size_t len);

/*
 * The name whose address `addr` is (network order, IPv4 as ::ffff:a.b.c.d) at `time`: as it was
 * asked for, in lower case, in the form of zone files ("\." is a dot inside a label, "\000" a
 * byte), without the last dot. An answer is good as long as its records live (TTL), those that live
 * no second for a second. NULL: unknown. The text lives until the next call of dns_learn().
 */
const char *dns_name(struct dns *dns, const uint8_t addr[16], uint64_t time);

#endif
