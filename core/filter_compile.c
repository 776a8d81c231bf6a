/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Compiles a filter to BPF: short-circuit jumps for and/or/not, decision trees for long lists. */
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "filter.h"

#define EVENT BPF_REG_1
#define VALUE BPF_REG_2 /* the field that is being tested */
#define WIDE BPF_REG_3  /* a constant that does not fit an instruction */

#define MAX_LABELS UINT16_MAX /* until finish(), a jump's `off` holds its label */
#define NOWHERE MAX_LABELS

#define MAX_DEPTH 2000 /* gen() recurses */

/* ::ffff:0:0/96 as the low half of an address */
#define MAPPED_FIRST 0x0000ffff00000000ULL
#define MAPPED_LAST 0x0000ffffffffffffULL

struct gen {
	struct bpf_insn *insns;
	size_t n, cap;
	size_t *labels; /* where each one is */
	size_t n_labels, cap_labels;
	bool wide; /* VALUE has 64 bits, not up to 32 */
	unsigned int depth;
	int err;
};

/*
 * Where a test leads; `next` is the label that comes right after its code, or NOWHERE. Tests of
 * spans take `yes` from the span.
 */
struct way {
	unsigned int yes, no, next;
};

/* A piece of a field's value range, and where it leads. */
struct span {
	uint64_t lo, hi;
	unsigned int yes;
};

/* A set of 16-byte values: those with the first half in one interval, the second in the other. */
struct key {
	uint64_t first_lo, first_hi, second_lo, second_hi;
};

/* A part of a 16-byte value that has to be equal under a mask, in memory order. */
struct part {
	uint16_t at, size;
	uint64_t mask, value;
};

static void *array_of(struct gen *g, size_t n, size_t size)
{
	void *array = calloc(n + 1, size);

	if (!array)
		g->err = -ENOMEM;
	return array;
}

static void emit(struct gen *g, uint8_t code, uint8_t dst, uint8_t src, uint16_t off, uint32_t imm)
{
	if (!g->err)
		g->err = array_grow(&g->insns, &g->cap, g->n + 1, sizeof(*g->insns));
	if (g->err)
		return;
	g->insns[g->n++] = (struct bpf_insn){
		.code = code,
		.dst_reg = dst,
		.src_reg = src,
		.off = (int16_t)off,
		.imm = (int32_t)imm,
	};
}

static unsigned int new_label(struct gen *g)
{
	if (!g->err)
		g->err = g->n_labels == MAX_LABELS ? -E2BIG :
			 array_grow(&g->labels, &g->cap_labels, g->n_labels + 1,
				    sizeof(*g->labels));
	return g->err ? NOWHERE : g->n_labels++;
}

static void place(struct gen *g, unsigned int label)
{
	if (!g->err)
		g->labels[label] = g->n;
}

static void go(struct gen *g, unsigned int label, unsigned int next)
{
	if (label != next)
		emit(g, BPF_JMP | BPF_JA, 0, 0, label, 0);
}

static void load(struct gen *g, size_t off, size_t size)
{
	static const uint8_t widths[] = { [1] = BPF_B, [2] = BPF_H, [4] = BPF_W, [8] = BPF_DW };

	if (off % size || off > INT16_MAX) {
		g->err = -EINVAL;
		return;
	}
	emit(g, BPF_LDX | BPF_MEM | widths[size], VALUE, EVENT, off, 0);
	g->wide = size == 8;
}

/*
 * The verifier knows that VALUE is a copy of what lies on the stack, so what a test tells of one it
 * tells of the other, and no two ways through the filter are the same to it any more: minutes, or
 * more than it takes. An operation that changes nothing makes VALUE a number of its own
 * (adjust_reg_min_max_vals() in kernel/bpf/verifier.c).
 */
static void forget(struct gen *g)
{
	emit(g, BPF_ALU64 | BPF_AND | BPF_K, VALUE, 0, 0, -1);
}

/* An instruction's constant is sign-extended to 64 bits. */
static bool fits(uint64_t value)
{
	return (uint64_t)(int32_t)value == value;
}

static void load_wide(struct gen *g, uint64_t value)
{
	emit(g, BPF_LD | BPF_IMM | BPF_DW, WIDE, 0, 0, value);
	emit(g, 0, 0, 0, 0, value >> 32);
}

static void jump_if(struct gen *g, uint8_t op, uint64_t value, unsigned int label)
{
	if (!g->wide) {
		emit(g, BPF_JMP32 | op | BPF_K, VALUE, 0, label, value);
	} else if (fits(value)) {
		emit(g, BPF_JMP | op | BPF_K, VALUE, 0, label, value);
	} else {
		load_wide(g, value);
		emit(g, BPF_JMP | op | BPF_X, VALUE, WIDE, label, 0);
	}
}

static void mask(struct gen *g, uint64_t bits)
{
	if (!g->wide) {
		emit(g, BPF_ALU | BPF_AND | BPF_K, VALUE, 0, 0, bits);
	} else if (fits(bits)) {
		emit(g, BPF_ALU64 | BPF_AND | BPF_K, VALUE, 0, 0, bits);
	} else {
		load_wide(g, bits);
		emit(g, BPF_ALU64 | BPF_AND | BPF_X, VALUE, WIDE, 0, 0);
	}
}

static uint8_t opposite(uint8_t op)
{
	switch (op) {
	case BPF_JEQ:
		return BPF_JNE;
	case BPF_JNE:
		return BPF_JEQ;
	case BPF_JGE:
		return BPF_JLT;
	default: /* BPF_JLE */
		return BPF_JGT;
	}
}

/* The last test of a predicate: both outcomes leave. */
static void decide(struct gen *g, uint8_t op, uint64_t value, struct way way)
{
	if (way.yes == way.next) {
		jump_if(g, opposite(op), value, way.no);
	} else {
		jump_if(g, op, value, way.yes);
		go(g, way.no, way.next);
	}
}

/* Tests VALUE, known to be inside `in`, against spans in ascending order one after the other. */
static void gen_chain(struct gen *g, const struct span *s, size_t n, struct span in,
		      struct way way)
{
	if (!n)
		go(g, way.no, way.next);
	for (; n; s++, n--) {
		uint8_t op = s->lo == s->hi ? BPF_JEQ : BPF_JLE;

		way.yes = s->yes;
		if (s->lo <= in.lo && s->hi >= in.hi) {
			go(g, way.yes, way.next);
			return;
		}
		if (s->hi >= in.hi && op != BPF_JEQ) {
			decide(g, BPF_JGE, s->lo, way);
			return;
		}
		if (s->lo > in.lo && op != BPF_JEQ) {
			jump_if(g, BPF_JLT, s->lo, way.no);
			in.lo = s->lo;
		}
		if (n == 1)
			decide(g, op, s->hi, way);
		else
			jump_if(g, op, s->hi, way.yes);
		if (s->lo == in.lo)
			in.lo = s->hi + 1;
	}
}

/* Few spans are a chain; many are halved first, so that the instructions run are O(log n). */
static void gen_spans(struct gen *g, const struct span *s, size_t n, struct span in,
		      struct way way)
{
	struct span left = in, right = in;
	unsigned int label;
	size_t tests = 0;

	for (size_t i = 0; i < n && tests <= 4; i++)
		tests += s[i].lo == s[i].hi ? 1 : 2;
	if (n < 2 || tests <= (g->wide ? 2 : 4)) {
		gen_chain(g, s, n, in, way);
		return;
	}
	label = new_label(g);
	left.hi = s[n / 2].lo - 1;
	right.lo = s[n / 2].lo;
	jump_if(g, BPF_JGE, right.lo, label);
	gen_spans(g, s, n / 2, left, (struct way){ 0, way.no, label });
	place(g, label);
	gen_spans(g, s + n / 2, n - n / 2, right, way);
}

static bool is_width(size_t size)
{
	return size == 1 || size == 2 || size == 4 || size == 8;
}

static uint64_t max_of(size_t size)
{
	return size == 8 ? UINT64_MAX : (1ULL << size * 8) - 1;
}

static void gen_num(struct gen *g, const struct filter_node *node, struct way way)
{
	struct span in = { .hi = max_of(node->size) };
	struct span *spans = array_of(g, node->n, sizeof(*spans));
	size_t n = 0;

	for (; spans && n < node->n && node->ranges[n].lo <= in.hi; n++) {
		spans[n].lo = node->ranges[n].lo;
		spans[n].hi = node->ranges[n].hi < in.hi ? node->ranges[n].hi : in.hi;
		spans[n].yes = way.yes;
	}
	load(g, node->off, node->size);
	forget(g);
	if (!g->err)
		gen_spans(g, spans, n, in, way);
	free(spans);
}

static void gen_bits(struct gen *g, const struct filter_node *node, struct way way)
{
	uint64_t bits = node->n ? node->ranges[0].lo & max_of(node->size) : 0;

	if (!bits) {
		go(g, way.no, way.next);
		return;
	}
	load(g, node->off, node->size);
	if (way.yes == way.next) {
		mask(g, bits);
		jump_if(g, BPF_JEQ, 0, way.no);
	} else {
		forget(g);
		jump_if(g, BPF_JSET, bits, way.yes);
		go(g, way.no, way.next);
	}
}

static void add_part(struct part *parts, size_t *n, const uint8_t *addr, size_t at, size_t size,
		     size_t bits)
{
	struct part *part = &parts[(*n)++];
	uint8_t ones[8] = { 0 }, value[8] = { 0 };
	uint32_t word[2];

	for (size_t i = 0; i < size; i++) {
		if (bits > i * 8)
			ones[i] = bits >= i * 8 + 8 ? 0xff : 0xff << (i * 8 + 8 - bits);
		value[i] = addr[at + i] & ones[i];
	}
	*part = (struct part){ .at = at, .size = size };
	if (size == 8) {
		memcpy(&part->mask, ones, sizeof(part->mask));
		memcpy(&part->value, value, sizeof(part->value));
		return;
	}
	memcpy(&word[0], ones, sizeof(word[0]));
	memcpy(&word[1], value, sizeof(word[1]));
	part->mask = word[0];
	part->value = word[1];
}

/* Last part first: that is where unrelated addresses differ. */
static size_t split_half(struct part *parts, size_t n, const uint8_t *addr, size_t at, size_t bits)
{
	if (bits == 64) {
		add_part(parts, &n, addr, at, 8, 64);
		return n;
	}
	if (bits > 32)
		add_part(parts, &n, addr, at + 4, 4, bits - 32);
	if (bits)
		add_part(parts, &n, addr, at, 4, bits < 32 ? bits : 32);
	return n;
}

static void gen_parts(struct gen *g, size_t off, const struct part *part, size_t n, struct way way)
{
	if (!n)
		go(g, way.yes, way.next);
	for (; n; part++, n--) {
		load(g, off + part->at, part->size);
		if (part->mask != max_of(part->size))
			mask(g, part->mask);
		else
			forget(g);
		if (n == 1)
			decide(g, BPF_JEQ, part->value, way);
		else
			jump_if(g, BPF_JNE, part->value, way.no);
	}
}

static void gen_net(struct gen *g, size_t off, const struct filter_net *net, struct way way)
{
	struct part parts[4];
	size_t n = 0;

	if (net->prefix > 64)
		n = split_half(parts, n, net->addr, 8, net->prefix - 64);
	n = split_half(parts, n, net->addr, 0, net->prefix < 64 ? net->prefix : 64);
	gen_parts(g, off, parts, n, way);
}

static bool has_ipv4_inside(const struct filter_net *net)
{
	return net->prefix < 96 && filter_net_covers(net, filter_ipv4.addr);
}

static void gen_net6(struct gen *g, size_t off, const struct filter_net *net, struct way way)
{
	unsigned int inside;

	if (!has_ipv4_inside(net)) {
		gen_net(g, off, net, way);
		return;
	}
	inside = new_label(g);
	gen_net(g, off, net, (struct way){ inside, way.no, inside });
	place(g, inside);
	gen_net(g, off, &filter_ipv4, (struct way){ way.no, way.yes, way.next });
}

static int compare_spans(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	return (x->lo > y->lo) - (x->lo < y->lo);
}

static uint64_t from_be(const uint8_t *at, size_t size)
{
	uint64_t value = 0;

	while (size--)
		value = value << 8 | *at++;
	return value;
}

/* Fills sorted, merged spans: of host order numbers if `swapped`, else of words as they lie. */
static size_t spans_of_net4(const struct filter_net *nets, size_t n, struct span *spans,
			    bool *swapped)
{
	size_t m = 0;

	for (size_t i = 0; i < n; i++) {
		spans[i].lo = from_be(nets[i].addr + 12, 4);
		spans[i].hi = spans[i].lo | (max_of(4) >> (nets[i].prefix - 96));
	}
	qsort(spans, n, sizeof(*spans), compare_spans);
	for (size_t i = 1; i < n; i++) {
		if (spans[i].lo > spans[m].hi + 1)
			spans[++m] = spans[i];
		else if (spans[i].hi > spans[m].hi)
			spans[m].hi = spans[i].hi;
	}
	n = m + 1;
	*swapped = false;
	for (size_t i = 0; i < n; i++)
		*swapped |= spans[i].lo != spans[i].hi;
	for (size_t i = 0; i < n && !*swapped; i++) {
		const uint8_t bytes[4] = { spans[i].lo >> 24, spans[i].lo >> 16, spans[i].lo >> 8,
					   spans[i].lo };
		uint32_t word;

		memcpy(&word, bytes, sizeof(word));
		spans[i].lo = spans[i].hi = word;
	}
	if (!*swapped)
		qsort(spans, n, sizeof(*spans), compare_spans);
	return n;
}

/* The last word first, as it rejects most; whether the address is IPv4 at all is asked once. */
static void gen_nets4(struct gen *g, size_t off, const struct filter_net *nets, size_t n,
		      struct way way)
{
	const struct span in = { .hi = max_of(4) };
	unsigned int found;
	struct span *spans;
	bool swapped;

	if (n == 1) {
		gen_net(g, off, nets, way);
		return;
	}
	spans = array_of(g, n, sizeof(*spans));
	if (!spans)
		return;
	n = spans_of_net4(nets, n, spans, &swapped);
	found = new_label(g);
	for (size_t i = 0; i < n; i++)
		spans[i].yes = found;
	load(g, off + 12, 4);
	if (swapped)
		emit(g, BPF_ALU | BPF_END | BPF_TO_BE, VALUE, 0, 0, 32);
	else
		forget(g);
	gen_spans(g, spans, n, in, (struct way){ 0, way.no, found });
	place(g, found);
	gen_net(g, off, &filter_ipv4, way);
	free(spans);
}

static void load_half(struct gen *g, size_t off, bool swapped)
{
	load(g, off, 8);
	if (swapped)
		emit(g, BPF_ALU | BPF_END | BPF_TO_BE, VALUE, 0, 0, 64);
	else
		forget(g);
}

static bool any_second(const struct key *key)
{
	return key->second_lo == 0 && key->second_hi == UINT64_MAX;
}

/* A decision tree over the first halves; its leaves are decision trees over the second ones. */
static void gen_keys(struct gen *g, size_t off, const struct key *keys, size_t n, bool swapped,
		     struct way way)
{
	const struct span in = { .hi = UINT64_MAX };
	struct span *firsts = array_of(g, n, sizeof(*firsts));
	struct span *seconds = array_of(g, n, sizeof(*seconds));
	size_t n_firsts = 0;
	size_t nested = 0; /* one past the last of firsts that goes on to the second half */

	for (size_t i = 0; firsts && i < n; i++) {
		struct span *last = n_firsts ? &firsts[n_firsts - 1] : NULL;

		if (last && last->lo == keys[i].first_lo)
			continue;
		firsts[n_firsts].lo = keys[i].first_lo;
		firsts[n_firsts].hi = keys[i].first_hi;
		firsts[n_firsts++].yes = any_second(&keys[i]) ? way.yes : new_label(g);
		if (!any_second(&keys[i]))
			nested = n_firsts;
	}
	load_half(g, off, swapped);
	if (g->err)
		goto out;
	gen_spans(g, firsts, n_firsts, in, (struct way){ 0, way.no, nested ? NOWHERE : way.next });
	for (size_t f = 0, i = 0; f < nested; f++) {
		unsigned int next = f == nested - 1 ? way.next : NOWHERE;
		size_t m = 0;

		for (; i < n && keys[i].first_lo == firsts[f].lo; i++, m++) {
			seconds[m].lo = keys[i].second_lo;
			seconds[m].hi = keys[i].second_hi;
			seconds[m].yes = way.yes;
		}
		if (firsts[f].yes == way.yes)
			continue;
		place(g, firsts[f].yes);
		load_half(g, off + 8, swapped);
		gen_spans(g, seconds, m, in, (struct way){ 0, way.no, next });
	}
out:
	free(firsts);
	free(seconds);
}

static size_t keys_of_net6(const struct filter_net *net, struct key *keys)
{
	uint64_t first = from_be(net->addr, 8), second = from_be(net->addr + 8, 8);
	struct key key = { first, first, second, second };
	size_t n = 0;

	if (net->prefix < 64)
		key.first_hi |= UINT64_MAX >> net->prefix;
	if (net->prefix <= 64)
		key.second_hi = UINT64_MAX;
	else if (net->prefix < 128)
		key.second_hi |= UINT64_MAX >> (net->prefix - 64);
	if (!has_ipv4_inside(net)) {
		keys[n++] = key;
		return n;
	}
	if (key.second_lo < MAPPED_FIRST)
		keys[n++] = (struct key){ 0, 0, key.second_lo, MAPPED_FIRST - 1 };
	if (key.second_hi > MAPPED_LAST)
		keys[n++] = (struct key){ 0, 0, MAPPED_LAST + 1, key.second_hi };
	if (key.first_hi)
		keys[n++] = (struct key){ 1, key.first_hi, 0, UINT64_MAX };
	return n;
}

static void gen_nets6(struct gen *g, size_t off, const struct filter_net *nets, size_t n,
		      struct way way)
{
	struct key *keys;
	size_t n_keys = 0;

	if (n == 1) {
		gen_net6(g, off, nets, way);
		return;
	}
	if (n == 2) {
		unsigned int second = new_label(g);

		gen_net6(g, off, nets, (struct way){ way.yes, second, second });
		place(g, second);
		gen_net6(g, off, nets + 1, way);
		return;
	}
	keys = array_of(g, n + 2, sizeof(*keys)); /* the one around IPv4 makes up to three */
	if (!keys)
		return;
	for (size_t i = 0; i < n; i++)
		n_keys += keys_of_net6(&nets[i], keys + n_keys);
	gen_keys(g, off, keys, n_keys, true, way);
	free(keys);
}

static int compare_nets(const void *a, const void *b)
{
	const struct filter_net *x = a, *y = b;
	int diff = memcmp(x->addr, y->addr, sizeof(x->addr));

	return diff ? diff : x->prefix - y->prefix;
}

/* Copies the nets of one family, sorted; those inside another of them are left out. */
static size_t pick_nets(const struct filter_node *node, bool ipv4, struct filter_net *nets)
{
	size_t n = 0, m = 0;

	for (size_t i = 0; i < node->n; i++) {
		if (filter_net_is_ipv4(&node->nets[i]) == ipv4)
			nets[n++] = node->nets[i];
	}
	if (!n)
		return 0;
	qsort(nets, n, sizeof(*nets), compare_nets);
	for (size_t i = 1; i < n; i++) {
		if (!filter_net_covers(&nets[m], nets[i].addr))
			nets[++m] = nets[i];
	}
	return m + 1;
}

static void gen_addr(struct gen *g, const struct filter_node *node, struct way way)
{
	struct filter_net *nets = array_of(g, node->n, sizeof(*nets));
	struct filter_net *nets6;
	size_t n4, n6;

	if (!nets)
		return;
	n4 = pick_nets(node, true, nets);
	nets6 = nets + n4;
	n6 = pick_nets(node, false, nets6);
	if (n4 && n6) {
		unsigned int six = new_label(g);

		gen_nets4(g, node->off, nets, n4, (struct way){ way.yes, six, six });
		place(g, six);
	} else if (n4) {
		gen_nets4(g, node->off, nets, n4, way);
	}
	if (n6)
		gen_nets6(g, node->off, nets6, n6, way);
	if (!node->n)
		go(g, way.no, way.next);
	free(nets);
}

static int compare_keys(const void *a, const void *b)
{
	const struct key *x = a, *y = b;

	if (x->first_lo != y->first_lo)
		return x->first_lo < y->first_lo ? -1 : 1;
	return (x->second_lo > y->second_lo) - (x->second_lo < y->second_lo);
}

static void gen_str(struct gen *g, const struct filter_node *node, struct way way)
{
	struct key *keys = array_of(g, node->n, sizeof(*keys));
	size_t n = 0;

	for (size_t i = 0; keys && i < node->n; i++) {
		memcpy(&keys[i].first_lo, node->names[i], 8);
		memcpy(&keys[i].second_lo, node->names[i] + 8, 8);
		keys[i].first_hi = keys[i].first_lo;
		keys[i].second_hi = keys[i].second_lo;
	}
	if (keys && node->n) {
		qsort(keys, node->n, sizeof(*keys), compare_keys);
		for (size_t i = 1; i < node->n; i++) {
			if (compare_keys(&keys[n], &keys[i]))
				keys[++n] = keys[i];
		}
		n++;
	}
	if (n == 1) {
		const struct part parts[] = {
			{ 0, 8, UINT64_MAX, keys->first_lo },
			{ 8, 8, UINT64_MAX, keys->second_lo },
		};

		gen_parts(g, node->off, parts, 2, way);
	} else {
		gen_keys(g, node->off, keys, n, false, way);
	}
	free(keys);
}

/* Byte by byte, as the stack is read by aligned loads only. */
static void gen_part(struct gen *g, const struct filter_node *node, struct way way)
{
	for (size_t i = 0; i < node->n; i++) {
		size_t len = strnlen(node->names[i], sizeof(node->names[i]));

		for (size_t from = 0; from + len <= sizeof(node->names[i]); from++) {
			unsigned int next = new_label(g);

			for (size_t k = 0; k < len; k++) {
				load(g, node->off + from + k, 1);
				forget(g);
				jump_if(g, BPF_JNE, (unsigned char)node->names[i][k], next);
			}
			go(g, way.yes, NOWHERE);
			place(g, next);
		}
	}
	go(g, way.no, way.next);
}

static void gen(struct gen *g, const struct filter_node *node, struct way way)
{
	unsigned int mid;

	if (++g->depth > MAX_DEPTH)
		g->err = -E2BIG;
	else if ((node->kind == FILTER_NUM || node->kind == FILTER_BITS) && !is_width(node->size))
		g->err = -EINVAL;
	if (g->err)
		return;
	switch (node->kind) {
	case FILTER_AND:
		mid = new_label(g);
		gen(g, node->a, (struct way){ mid, way.no, mid });
		place(g, mid);
		gen(g, node->b, way);
		break;
	case FILTER_OR:
		mid = new_label(g);
		gen(g, node->a, (struct way){ way.yes, mid, mid });
		place(g, mid);
		gen(g, node->b, way);
		break;
	case FILTER_NOT:
		gen(g, node->a, (struct way){ way.no, way.yes, way.next });
		break;
	case FILTER_NUM:
		gen_num(g, node, way);
		break;
	case FILTER_ADDR:
		gen_addr(g, node, way);
		break;
	case FILTER_STR:
		gen_str(g, node, way);
		break;
	case FILTER_PART:
		gen_part(g, node, way);
		break;
	case FILTER_BITS:
		gen_bits(g, node, way);
		break;
	default:
		g->err = -EINVAL;
	}
	g->depth--;
}

static bool is_load_wide(const struct bpf_insn *insn)
{
	return insn->code == (BPF_LD | BPF_IMM | BPF_DW);
}

static bool is_jump(const struct bpf_insn *insn)
{
	return BPF_CLASS(insn->code) == BPF_JMP || BPF_CLASS(insn->code) == BPF_JMP32;
}

static size_t target(const struct gen *g, const struct bpf_insn *insn)
{
	return g->labels[(uint16_t)insn->off];
}

/* All jumps go forward, so one pass finds what can run. */
static void mark_reached(const struct gen *g, bool *reached)
{
	reached[0] = true;
	for (size_t i = 0; i < g->n; i++) {
		const struct bpf_insn *insn = &g->insns[i];

		if (!reached[i])
			continue;
		if (is_jump(insn))
			reached[target(g, insn)] = true;
		if (is_load_wide(insn))
			reached[++i] = true;
		if (insn->code != (BPF_JMP | BPF_JA))
			reached[i + 1] = true;
	}
}

/* A jump over nothing but instructions that are left out. */
static bool is_idle(const struct gen *g, const bool *reached, size_t i)
{
	size_t to;

	if (g->insns[i].code != (BPF_JMP | BPF_JA))
		return false;
	to = target(g, &g->insns[i]);
	while (++i < to) {
		if (reached[i])
			return false;
	}
	return true;
}

/*
 * Copies what can be reached, as the verifier refuses the rest (a predicate that is always true or
 * always false leaves some), and turns labels into offsets.
 */
static int finish(const struct gen *g, struct bpf_insn *out, size_t max)
{
	bool *reached = calloc(g->n + 1, sizeof(*reached));
	size_t *at = calloc(g->n + 1, sizeof(*at)); /* where each instruction goes */
	int n = -ENOMEM;

	if (!reached || !at)
		goto out;
	mark_reached(g, reached);
	for (size_t i = 0; i < g->n; i++) {
		if (is_idle(g, reached, i))
			reached[i] = false;
		at[i + 1] = at[i] + reached[i];
	}
	n = -E2BIG;
	if (at[g->n] > max || at[g->n] > INT32_MAX)
		goto out;
	for (size_t i = 0; i < g->n; i++) {
		struct bpf_insn *insn = &out[at[i]];
		size_t distance;

		if (!reached[i])
			continue;
		*insn = g->insns[i];
		if (!is_jump(insn))
			continue;
		distance = at[target(g, insn)] - at[i] - 1;
		if (distance > INT16_MAX)
			goto out;
		insn->off = distance;
	}
	n = at[g->n];
out:
	free(reached);
	free(at);
	return n;
}

int filter_compile(const struct filter_node *root, struct bpf_insn *insns, size_t max)
{
	struct gen g = { 0 };
	unsigned int keep = new_label(&g), end = new_label(&g);
	int n;

	/* The verdict is "drop" from the start: a predicate that fails jumps right to the end. */
	emit(&g, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0);
	if (root)
		gen(&g, root, (struct way){ keep, end, keep });
	place(&g, keep);
	emit(&g, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 1);
	place(&g, end);
	n = g.err ? g.err : finish(&g, insns, max);
	free(g.insns);
	free(g.labels);
	return n;
}
