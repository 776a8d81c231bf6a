/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Filters: a tree of predicates over the bytes of an event, compiled to BPF and spliced into the
 * probes, and evaluated from the same tree by replay. Options and the expression language both
 * build this tree.
 * Functions return 0 or -errno; -E2BIG: a documented limit is exceeded.
 */
#ifndef NT_FILTER_H
#define NT_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bpf_insn;

enum filter_kind {
	FILTER_AND,
	FILTER_OR,
	FILTER_NOT,   /* only `a` */
	FILTER_NUM,   /* the number at off/size is inside one of the ranges */
	FILTER_ADDR,  /* the 16 bytes at off are inside one of the networks */
	FILTER_STR,   /* the 16 bytes at off equal one of the names, NUL-padded */
	FILTER_PART,  /* one of the names is a part of the 16 bytes at off */
	FILTER_BITS,  /* the number at off/size has one of the bits of ranges[0].lo set */
};

struct filter_range {
	uint64_t lo, hi; /* inclusive */
};

/* Sorts them and makes those that touch one. Returns how many of the n > 0 are left. */
size_t filter_merge_ranges(struct filter_range *ranges, size_t n);

struct filter_net {
	uint8_t addr[16]; /* network order, IPv4 as ::ffff:a.b.c.d, host bits zero */
	uint8_t prefix;   /* over the 16 bytes, IPv4 /n is 96+n; below 96 (even ::/0): never IPv4 */
};

struct filter_node {
	enum filter_kind kind;
	struct filter_node *a, *b;
	uint16_t off, size; /* in the event; NUM and BITS: 1, 2, 4 or 8 bytes; others: 16 */
	size_t n;
	union {
		struct filter_range *ranges; /* sorted, merged */
		struct filter_net *nets;     /* any order, may overlap */
		char (*names)[16];           /* any order */
	};
};

/*
 * Nodes and their arrays come from malloc(). Constructors own what they are given; short of memory
 * they free it and return NULL. A NULL argument of filter_and() is "no condition": the other one
 * is returned.
 */
struct filter_node *filter_and(struct filter_node *a, struct filter_node *b);
struct filter_node *filter_or(struct filter_node *a, struct filter_node *b);
struct filter_node *filter_not(struct filter_node *a);
void filter_free(struct filter_node *root);

/*
 * The values of the uniform options: a comma-separated list, a leading '!' negates the whole list.
 * On error `bad` points at the offending word inside `text`, `bad_len` is its length (0: an empty
 * element), `why` is a short constant reason ("not an address", "empty list"...). `what` is the
 * reason for a word that is no number up to `max`: "not a port".
 */
struct filter_error {
	const char *bad;
	size_t bad_len;
	const char *why;
};
int filter_parse_numbers(struct filter_node **node, const char *text, uint16_t off, uint16_t size,
			 uint64_t max, bool ranges, const char *what, struct filter_error *err);
int filter_parse_users(struct filter_node **node, const char *text, uint16_t off,
		       struct filter_error *err);
int filter_parse_names(struct filter_node **node, const char *text, uint16_t off,
		       struct filter_error *err);
int filter_parse_parts(struct filter_node **node, const char *text, uint16_t off,
		       struct filter_error *err);
int filter_parse_addrs(struct filter_node **node, const char *text, uint16_t off,
		       struct filter_error *err);
/* The same list on another field: a deep copy of `node` whose predicates look at `off`. */
struct filter_node *filter_at(const struct filter_node *node, uint16_t off);
/*
 * The list on its own field or on the one at `off`, negated as a whole: "!80" is neither lport nor
 * rport. Owns `node`.
 */
struct filter_node *filter_either(struct filter_node *node, uint16_t off);

/*
 * Compiles to BPF that starts with r1 = the event, only jumps forward, ends by falling off its end
 * with r0 = 1 (keep) or 0, and uses r0, r2..r5 only. Returns the number of instructions, or -E2BIG
 * when they exceed `max` or what a jump can reach, or when the tree is more than 2000 nodes deep
 * ("a or b or c ..." leans to one side). A NULL root keeps everything.
 * Reads only the bytes its predicates name, each load aligned to its size; -EINVAL if a predicate's
 * offset does not allow that (ADDR and STR are read as 8 bytes).
 */
int filter_compile(const struct filter_node *root, struct bpf_insn *insns, size_t max);

/* The same verdict in user space. `len` is the event's size: a predicate beyond it is false. */
bool filter_eval(const struct filter_node *root, const void *event, size_t len);

/* Does it look at one of the `size` bytes at `off`? */
bool filter_reads(const struct filter_node *root, uint16_t off, uint16_t size);

extern const struct filter_net filter_ipv4; /* ::ffff:0:0/96, all IPv4 addresses */
#define FILTER_MAPPED 12 /* bytes of it before an IPv4 address */
bool filter_is_mapped(const uint8_t addr[16]); /* an IPv4 address, ::ffff:a.b.c.d */
/* The bare prefix compare: does not know that IPv6 networks have no IPv4 inside. */
bool filter_net_covers(const struct filter_net *net, const uint8_t addr[16]);
bool filter_net_is_ipv4(const struct filter_net *net);

#endif
