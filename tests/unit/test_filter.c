/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Filters: parsing; one verdict from evaluator, naive reference, compiled code and kernel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <cmocka.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi.h"
#include "filter.h"

#define AT(member) offsetof(struct nt_event, member)
#define LEN sizeof(struct nt_event)
#define MAX_INSNS 40000

struct field {
	enum filter_kind kind;
	uint16_t off, size;
};

static const struct field fields[] = {
	{ FILTER_NUM, AT(time), 8 },
	{ FILTER_NUM, AT(netns), 4 },
	{ FILTER_NUM, AT(lport), 2 },
	{ FILTER_NUM, AT(rport), 2 },
	{ FILTER_NUM, AT(owner.cgroup), 8 },
	{ FILTER_NUM, AT(owner.pid), 4 },
	{ FILTER_NUM, AT(owner.uid), 4 },
	{ FILTER_NUM, AT(owner.how), 1 },
	{ FILTER_NUM, AT(ip), 1 },
	{ FILTER_BITS, AT(owner.cgroup_bits), 2 },
	{ FILTER_BITS, AT(owner.mntns), 4 },
	{ FILTER_BITS, AT(owner.cgroup), 8 },
	{ FILTER_STR, AT(owner.comm), 16 },
	{ FILTER_PART, AT(owner.comm), 16 },
	{ FILTER_ADDR, AT(laddr), 16 },
	{ FILTER_ADDR, AT(raddr), 16 },
};
#define N_FIELDS (sizeof(fields) / sizeof(fields[0]))

/* ---- random numbers: the same on every run */

static uint64_t rng_state = 0x9e3779b97f4a7c15ULL;

static uint64_t rng(void)
{
	rng_state ^= rng_state >> 12;
	rng_state ^= rng_state << 25;
	rng_state ^= rng_state >> 27;
	return rng_state * 0x2545f4914f6cdd1dULL;
}

static uint64_t below(uint64_t n)
{
	return (rng() >> 11) % n;
}

static uint64_t max_of(size_t size)
{
	return size == 8 ? UINT64_MAX : (1ULL << size * 8) - 1;
}

static uint64_t random_number(size_t size)
{
	static const uint64_t edges[] = {
		0, 1, 127, 128, 255, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xfffffffe,
		0xffffffff, 0x100000000, 0x7fffffffffffffff, 0x8000000000000000,
		0xffffffff7fffffff, 0xffffffff80000000, 0xffffffffffffffff,
	};

	switch (below(3)) {
	case 0:
		return edges[below(sizeof(edges) / sizeof(edges[0]))] & max_of(size);
	case 1:
		return below(12);
	default:
		return (rng() >> below(size * 8) % 64) & max_of(size);
	}
}

/* ---- the naive reference */

static uint64_t ref_number(const uint8_t *at, size_t size)
{
	uint64_t value = 0;

	for (size_t i = 0; i < size; i++) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
		value |= (uint64_t)at[i] << i * 8;
#else
		value = value << 8 | at[i];
#endif
	}
	return value;
}

static int ref_bit(const uint8_t *addr, unsigned int i)
{
	return addr[i / 8] >> (7 - i % 8) & 1;
}

static bool ref_ipv4(const uint8_t *addr)
{
	for (unsigned int i = 0; i < 96; i++) {
		if (ref_bit(addr, i) != (i >= 80))
			return false;
	}
	return true;
}

static bool ref_net(const struct filter_net *net, const uint8_t *addr)
{
	bool is_net4 = net->prefix >= 96 && ref_ipv4(net->addr);

	for (unsigned int i = 0; i < net->prefix; i++) {
		if (ref_bit(net->addr, i) != ref_bit(addr, i))
			return false;
	}
	return is_net4 || !ref_ipv4(addr);
}

static bool ref_part(const char *part, const uint8_t *at)
{
	size_t len = strlen(part), same;

	for (size_t from = 0; from + len <= 16; from++) {
		for (same = 0; same < len && at[from + same] == (uint8_t)part[same]; same++)
			;
		if (same == len)
			return true;
	}
	return false;
}

static bool ref_leaf(const struct filter_node *node, size_t i, const uint8_t *at)
{
	uint64_t value = node->size <= 8 ? ref_number(at, node->size) : 0;
	bool same = true;

	switch (node->kind) {
	case FILTER_NUM:
		return value >= node->ranges[i].lo && value <= node->ranges[i].hi;
	case FILTER_BITS:
		return (value & node->ranges[0].lo) != 0;
	case FILTER_ADDR:
		return ref_net(&node->nets[i], at);
	case FILTER_PART:
		return ref_part(node->names[i], at);
	default:
		for (size_t b = 0; b < 16; b++)
			same &= (uint8_t)node->names[i][b] == at[b];
		return same;
	}
}

static bool reference(const struct filter_node *node, const uint8_t *event)
{
	bool any = false;

	if (node->kind == FILTER_AND)
		return reference(node->a, event) && reference(node->b, event);
	if (node->kind == FILTER_OR)
		return reference(node->a, event) || reference(node->b, event);
	if (node->kind == FILTER_NOT)
		return !reference(node->a, event);
	for (size_t i = 0; i < node->n; i++)
		any |= ref_leaf(node, i, event + node->off);
	return any;
}

/* ---- a BPF interpreter that knows what a filter may do */

static bool is_jump(const struct bpf_insn *insn)
{
	return BPF_CLASS(insn->code) == BPF_JMP || BPF_CLASS(insn->code) == BPF_JMP32;
}

static bool may_use(unsigned int reg)
{
	return reg == 0 || (reg >= 2 && reg <= 5);
}

/* Registers, jumps forward and inside, nothing unreachable: for all instructions, run or not. */
static void check_shape(const struct bpf_insn *code, int n)
{
	bool *reached = calloc(n + 2, sizeof(*reached));
	bool *middle = calloc(n + 2, sizeof(*middle));

	for (int i = 0; i < n; i++) {
		middle[i + 1] = code[i].code == (BPF_LD | BPF_IMM | BPF_DW);
		i += middle[i + 1];
	}
	reached[0] = true;
	for (int i = 0; i < n; i++) {
		const struct bpf_insn *insn = &code[i];

		assert_true(reached[i] || middle[i]);
		if (middle[i]) {
			reached[i + 1] = true;
			continue;
		}
		assert_true(may_use(insn->dst_reg));
		assert_true(may_use(insn->src_reg) ||
			    (insn->src_reg == 1 && BPF_CLASS(insn->code) == BPF_LDX));
		if (is_jump(insn)) {
			assert_true(insn->off >= 0);
			assert_true(i + 1 + insn->off <= n);
			assert_false(middle[i + 1 + insn->off]);
			reached[i + 1 + insn->off] = true;
		}
		if (insn->code != (BPF_JMP | BPF_JA))
			reached[i + 1] = true;
	}
	assert_true(reached[n]);
	free(reached);
	free(middle);
}

static bool compare(uint8_t op, uint64_t a, uint64_t b)
{
	switch (op) {
	case BPF_JEQ:
		return a == b;
	case BPF_JNE:
		return a != b;
	case BPF_JGT:
		return a > b;
	case BPF_JGE:
		return a >= b;
	case BPF_JLT:
		return a < b;
	case BPF_JLE:
		return a <= b;
	case BPF_JSET:
		return a & b;
	default:
		fail_msg("jump %#x", op);
		return false;
	}
}

static uint64_t swap(uint64_t value, int bits)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return __builtin_bswap64(value) >> (64 - bits);
#else
	return value & max_of(bits / 8);
#endif
}

static uint64_t load(const struct bpf_insn *insn, const uint8_t *event, const bool *named)
{
	size_t size = BPF_SIZE(insn->code) == BPF_B ? 1 :
		      BPF_SIZE(insn->code) == BPF_H ? 2 :
		      BPF_SIZE(insn->code) == BPF_W ? 4 : 8;

	assert_int_equal(insn->src_reg, 1);
	assert_true(insn->off >= 0 && insn->off % size == 0 && insn->off + size <= LEN);
	for (size_t i = 0; i < size; i++)
		assert_true(named[insn->off + i]);
	return ref_number(event + insn->off, size);
}

/* Runs `insn`, not a jump; `imm` is its constant or its source register. */
static void step(const struct bpf_insn *insn, uint64_t *reg, uint64_t imm, const uint8_t *event,
		 const bool *named)
{
	uint64_t *dst = &reg[insn->dst_reg];

	switch (insn->code) {
	case BPF_LDX | BPF_MEM | BPF_B:
	case BPF_LDX | BPF_MEM | BPF_H:
	case BPF_LDX | BPF_MEM | BPF_W:
	case BPF_LDX | BPF_MEM | BPF_DW:
		*dst = load(insn, event, named);
		break;
	case BPF_LD | BPF_IMM | BPF_DW:
		*dst = (uint32_t)insn->imm | (uint64_t)(uint32_t)insn[1].imm << 32;
		break;
	case BPF_ALU64 | BPF_MOV | BPF_K:
		*dst = imm;
		break;
	case BPF_ALU64 | BPF_AND | BPF_K:
	case BPF_ALU64 | BPF_AND | BPF_X:
		*dst &= imm;
		break;
	case BPF_ALU | BPF_AND | BPF_K:
		*dst = (uint32_t)(*dst & imm);
		break;
	case BPF_ALU | BPF_END | BPF_TO_BE:
		*dst = swap(*dst, insn->imm);
		break;
	default:
		fail_msg("instruction %#x", insn->code);
	}
}

/* Returns the verdict, adds up the instructions run. */
static bool interpret(const struct bpf_insn *code, int n, const uint8_t *event, const bool *named,
		      unsigned int *executed)
{
	uint64_t reg[6] = { 0 };
	bool set[6] = { [1] = true };
	int i = 0;

	for (*executed = 0; i < n; i++) {
		const struct bpf_insn *insn = &code[i];
		bool writes = insn->code == (BPF_LD | BPF_IMM | BPF_DW) ||
			      BPF_CLASS(insn->code) == BPF_LDX ||
			      insn->code == (BPF_ALU64 | BPF_MOV | BPF_K);
		bool by_reg = BPF_SRC(insn->code) == BPF_X && BPF_OP(insn->code) != BPF_END;
		uint64_t imm = by_reg ? reg[insn->src_reg] : (uint64_t)insn->imm;
		uint64_t a = reg[insn->dst_reg];

		++*executed;
		if (insn->code == (BPF_JMP | BPF_JA)) {
			i += insn->off;
			continue;
		}
		assert_true(set[insn->src_reg] || !by_reg || writes);
		assert_true(set[insn->dst_reg] || writes);
		set[insn->dst_reg] = true;
		if (BPF_CLASS(insn->code) == BPF_JMP32) {
			if (compare(BPF_OP(insn->code), (uint32_t)a, (uint32_t)imm))
				i += insn->off;
		} else if (BPF_CLASS(insn->code) == BPF_JMP) {
			if (compare(BPF_OP(insn->code), a, imm))
				i += insn->off;
		} else {
			step(insn, reg, imm, event, named);
			i += insn->code == (BPF_LD | BPF_IMM | BPF_DW);
		}
	}
	assert_int_equal(i, n);
	assert_true(set[0] && reg[0] <= 1);
	return reg[0];
}

static void mark_named(const struct filter_node *node, bool *named)
{
	if (!node)
		return;
	mark_named(node->a, named);
	mark_named(node->b, named);
	for (size_t i = 0; i < node->size; i++)
		named[node->off + i] = true;
}

/* ---- random trees and events */

static struct filter_node *leaf(enum filter_kind kind, uint16_t off, uint16_t size, size_t n,
				size_t element)
{
	struct filter_node *node = calloc(1, sizeof(*node));

	node->kind = kind;
	node->off = off;
	node->size = size;
	node->n = n;
	node->ranges = calloc(n + 1, element);
	return node;
}

static size_t random_count(void)
{
	switch (below(6)) {
	case 0:
		return 1 + below(60);
	case 1:
		return 1 + below(6);
	default:
		return 1;
	}
}

static struct filter_node *random_num(const struct field *field)
{
	char text[4096], *end = text;
	struct filter_error err;
	struct filter_node *node;
	size_t n = random_count();

	if (below(12) == 0) { /* past the end of the type, always, never */
		node = leaf(FILTER_NUM, field->off, field->size, 2, sizeof(*node->ranges));
		node->n = below(3);
		node->ranges[0].lo = below(2) ? random_number(field->size) : 0;
		node->ranges[0].hi = max_of(field->size);
		if (node->n == 1)
			node->ranges[0].hi = UINT64_MAX;
		node->ranges[1].lo = max_of(field->size) + 1;
		node->ranges[1].hi = UINT64_MAX;
		if (field->size == 8 && node->n == 2)
			node->n = 1;
		return node;
	}
	for (size_t i = 0; i < n; i++) {
		uint64_t lo = random_number(field->size), hi = lo;

		if (below(2))
			hi = below(2) ? random_number(field->size) : lo + below(4);
		if (hi < lo || hi > max_of(field->size))
			hi = lo;
		end += sprintf(end, i ? "," : "");
		end += sprintf(end, "%llu", (unsigned long long)lo);
		if (hi != lo)
			end += sprintf(end, "-%llu", (unsigned long long)hi);
	}
	assert_int_equal(filter_parse_numbers(&node, text, field->off, field->size,
					      max_of(field->size), true, "", &err), 0);
	return node;
}

static struct filter_node *random_bits(const struct field *field)
{
	struct filter_node *node = leaf(FILTER_BITS, field->off, field->size, below(20) > 0,
					sizeof(*node->ranges));

	node->ranges[0].lo = below(4) ? 1ULL << below(field->size * 8) : rng();
	if (below(20) == 0)
		node->ranges[0].lo = 0;
	return node;
}

static void random_name(char name[16])
{
	size_t len = 1 + below(15);

	memset(name, 0, 16);
	for (size_t i = 0; i < len; i++)
		name[i] = below(30) ? "ab\xff"[below(3)] : (char)(1 + below(255));
}

static struct filter_node *random_str(const struct field *field)
{
	size_t n = below(30) ? random_count() : 0;
	struct filter_node *node = leaf(FILTER_STR, field->off, 16, n, 16);

	for (size_t i = 0; i < n; i++)
		random_name(node->names[i]);
	return node;
}

static struct filter_node *random_part(const struct field *field)
{
	size_t n = below(30) ? 1 + below(3) : 0;
	struct filter_node *node = leaf(FILTER_PART, field->off, 16, n, 16);

	for (size_t i = 0; i < n; i++) {
		random_name(node->names[i]);
		memset(node->names[i] + 1 + below(15), 0, 1);
	}
	return node;
}

/* Few different bits, so that networks touch, nest and are hit. */
static void random_address(uint8_t addr[16])
{
	static const uint8_t bytes[] = { 0, 0, 0, 0xff, 0xff, 1, 0x80, 0x7f, 0xfe };
	unsigned int kind = below(8);

	for (int i = 0; i < 16; i++)
		addr[i] = below(4) ? bytes[below(sizeof(bytes))] : below(256);
	if (kind > 2)
		memset(addr, 0, kind == 3 ? 8 : kind == 4 ? 15 : 10);
	if (kind > 4)
		memset(addr + 10, 0xff, 2);
	if (kind == 7) {
		addr[12] = 10;
		addr[13] = 0;
		addr[14] = below(2);
	}
	if (kind == 1)
		memcpy(addr, "\x20\x01\x0d\xb8\0\0\0", 8);
	if (below(50) == 0)
		memcpy(addr, "\0\0\0\0\0\0\0\0\0\0\xff\xfe", 12);
}

static struct filter_node *random_addr(const struct field *field)
{
	char text[4096], *end = text;
	struct filter_error err;
	struct filter_node *node;
	size_t n = random_count();

	if (below(30) == 0)
		return leaf(FILTER_ADDR, field->off, 16, 0, sizeof(*node->nets));
	for (size_t i = 0; i < n; i++) {
		uint8_t addr[16];
		bool ipv4;

		random_address(addr);
		ipv4 = ref_ipv4(addr) && below(2);
		end += sprintf(end, i ? "," : "");
		inet_ntop(ipv4 ? AF_INET : AF_INET6, ipv4 ? addr + 12 : addr, end,
			  INET6_ADDRSTRLEN);
		end += strlen(end);
		if (below(2))
			end += sprintf(end, "/%u", (unsigned int)below(ipv4 ? 33 : 129));
	}
	assert_int_equal(filter_parse_addrs(&node, text, field->off, &err), 0);
	return node;
}

static struct filter_node *random_tree(unsigned int depth)
{
	const struct field *field = &fields[below(N_FIELDS)];

	switch (depth ? below(5) : 4) {
	case 0:
	case 1:
		return filter_and(random_tree(depth - 1), random_tree(depth - 1));
	case 2:
		return filter_or(random_tree(depth - 1), random_tree(depth - 1));
	case 3:
		return filter_not(random_tree(depth - 1));
	default:
		break;
	}
	switch (field->kind) {
	case FILTER_NUM:
		return random_num(field);
	case FILTER_BITS:
		return random_bits(field);
	case FILTER_STR:
		return random_str(field);
	case FILTER_PART:
		return random_part(field);
	default:
		return random_addr(field);
	}
}

static void put_number(uint8_t *at, size_t size, uint64_t value)
{
	for (size_t i = 0; i < size; i++) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
		at[i] = value >> i * 8;
#else
		at[i] = value >> (size - 1 - i) * 8;
#endif
	}
}

static void random_event(uint8_t *event)
{
	for (size_t i = 0; i < LEN; i++)
		event[i] = below(256);
	for (size_t i = 0; i < N_FIELDS; i++) {
		const struct field *field = &fields[i];

		if (field->size <= 8)
			put_number(event + field->off, field->size, random_number(field->size));
		else if (field->kind == FILTER_STR)
			random_name((char *)event + field->off);
		else
			random_address(event + field->off);
	}
}

/* Makes the event hit, or just miss, some of the predicates. */
static void aim(const struct filter_node *node, uint8_t *event)
{
	size_t i = node->n ? below(node->n) : 0;
	uint8_t *at = event + node->off;

	if (node->a)
		aim(node->a, event);
	if (node->b)
		aim(node->b, event);
	if (!node->n || below(3) == 0)
		return;
	switch (node->kind) {
	case FILTER_NUM:
		put_number(at, node->size, (below(2) ? node->ranges[i].lo : node->ranges[i].hi) +
						   below(3) - 1);
		break;
	case FILTER_BITS:
		put_number(at, node->size, below(2) ? node->ranges[0].lo : ~node->ranges[0].lo);
		break;
	case FILTER_STR:
		memcpy(at, node->names[i], 16);
		if (below(2))
			at[below(16)] ^= 1 << below(8);
		break;
	case FILTER_PART:
		i = below(17 - strlen(node->names[i]));
		memcpy(at + i, node->names[0], strnlen(node->names[0], 16 - i));
		if (below(2))
			at[below(16)] ^= 1 << below(8);
		break;
	case FILTER_ADDR:
		memcpy(at, node->nets[i].addr, 16);
		for (unsigned int bit = node->nets[i].prefix; bit < 128; bit++)
			at[bit / 8] |= below(2) << (7 - bit % 8);
		if (below(2))
			at[below(16)] ^= 1 << below(8);
		break;
	default:
		break;
	}
}

/* ---- what a verdict may cost */

static unsigned int log2_of(size_t n)
{
	unsigned int log = 0;

	while (n > 1) {
		n = (n + 1) / 2;
		log++;
	}
	return log;
}

/* Instructions that a predicate may run; for one value, range, network or name at most 12. */
static unsigned int budget(const struct filter_node *node)
{
	unsigned int levels = log2_of(node->n), family;

	switch (node->kind) {
	case FILTER_AND:
	case FILTER_OR:
		return budget(node->a) + budget(node->b);
	case FILTER_NOT:
		return budget(node->a);
	case FILTER_NUM:
		return node->size == 8 ? (levels ? 9 + 2 * levels : 7) : levels ? 7 + levels : 5;
	case FILTER_BITS:
		return 5;
	case FILTER_STR:
		return levels ? 12 + 2 * levels : 8;
	case FILTER_PART: /* three for each byte of each place */
		return 2 + 225 * node->n;
	default:
		/* IPv6 halves at odd prefixes, and around IPv4, are the dear ones. */
		family = levels ? 20 + 4 * levels : 12;
		for (size_t i = 0; i < node->n; i++) {
			if (!ref_ipv4(node->nets[i].addr) || node->nets[i].prefix < 96)
				return family;
		}
		return levels ? 14 + levels : 11;
	}
}

/* ---- the kernel as the judge */

#define ETHERNET 14 /* what BPF_PROG_TEST_RUN takes from the packet before it is one */

static int kernel_load(const struct bpf_insn *filter, int n)
{
	const struct bpf_insn head[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = ETHERNET },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 3, .src_reg = 10 },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 3, .imm = -(int)LEN },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 4, .imm = LEN },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_skb_load_bytes },
		{ .code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = 0, .off = 3 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 1, .src_reg = 10 },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 1, .imm = -(int)LEN },
		{ .code = BPF_JMP | BPF_CALL, .src_reg = BPF_PSEUDO_CALL, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	const struct bpf_insn tail = { .code = BPF_JMP | BPF_EXIT };
	size_t n_head = sizeof(head) / sizeof(head[0]);
	struct bpf_insn *insns = calloc(n_head + n + 1, sizeof(*insns));
	int fd;

	memcpy(insns, head, sizeof(head));
	memcpy(insns + n_head, filter, n * sizeof(*filter));
	insns[n_head + n] = tail;
	fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "filter", "GPL", insns, n_head + n + 1, NULL);
	free(insns);
	return fd;
}

static bool kernel_run(int fd, const uint8_t *event)
{
	uint8_t packet[ETHERNET + LEN] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = sizeof(packet));

	memcpy(packet + ETHERNET, event, LEN);
	assert_int_equal(bpf_prog_test_run_opts(fd, &opts), 0);
	assert_true(opts.retval <= 1);
	return opts.retval;
}

static void need_kernel(void)
{
	const struct bpf_insn keep = { .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = 1 };
	const uint8_t event[LEN] = { 0 };
	int fd = kernel_load(&keep, 1);

	if (fd < 0) {
		print_message("bpf(2) is not permitted here (%s): not run in the kernel\n",
			      strerror(-fd));
		skip();
	}
	assert_true(kernel_run(fd, event));
	close(fd);
}

/* ---- tests: parsing */

static struct filter_node *ports(const char *text)
{
	struct filter_error err = { 0 };
	struct filter_node *node;

	assert_int_equal(filter_parse_numbers(&node, text, AT(lport), 2, 65535, true, "not a port",
					      &err), 0);
	return node;
}

static struct filter_node *parsed(int (*parse)(struct filter_node **, const char *, uint16_t,
					       struct filter_error *),
				  const char *text, uint16_t off)
{
	struct filter_error err = { 0 };
	struct filter_node *node;

	assert_int_equal(parse(&node, text, off, &err), 0);
	return node;
}

static struct filter_node *addrs(const char *text)
{
	return parsed(filter_parse_addrs, text, AT(raddr));
}

static struct filter_node *names(const char *text)
{
	return parsed(filter_parse_names, text, AT(owner.comm));
}

static void test_numbers(void **state)
{
	static const struct filter_range want[] = {
		{ 1, 3 }, { 7, 12 }, { 80, 80 }, { 65535, 65535 },
	};
	struct filter_node *node = ports("80,7-10,2,1,3,65535,9-12,080");

	(void)state;
	assert_int_equal(node->kind, FILTER_NUM);
	assert_int_equal(node->off, AT(lport));
	assert_int_equal(node->size, 2);
	assert_int_equal(node->n, 4);
	assert_memory_equal(node->ranges, want, sizeof(want));
	filter_free(node);
	node = ports("!0-65535");
	assert_int_equal(node->kind, FILTER_NOT);
	assert_int_equal(node->a->n, 1);
	filter_free(node);
}

struct bad {
	const char *text;
	size_t at, len;
	const char *why;
};

static void check_bad(const struct bad *bad, int code, const struct filter_node *node,
		      const struct filter_error *err)
{
	if (code != -EINVAL || node || err->bad != bad->text + bad->at ||
	    err->bad_len != bad->len || strcmp(err->why, bad->why))
		fail_msg("'%s': %d, '%.*s' at %d, %s", bad->text, code, (int)err->bad_len, err->bad,
			 (int)(err->bad - bad->text), err->why);
}

static void test_bad_ports(void **state)
{
	static const char no[] = "not a port";
	static const struct bad bads[] = {
		{ "", 0, 0, "empty list" }, { "!", 0, 1, "empty list" },
		{ "80,,81", 3, 0, "empty element" }, { ",80", 0, 0, "empty element" },
		{ "80,", 3, 0, "empty element" }, { "!80,", 4, 0, "empty element" },
		{ "80x", 0, 3, no }, { "-1", 0, 2, no }, { "70000", 0, 5, no },
		{ "65536", 0, 5, no }, { "18446744073709551616", 0, 20, no },
		{ "18446744073709551696", 0, 20, no }, { " 80", 0, 3, no }, { "80 ", 0, 3, no },
		{ "80, 81", 3, 3, no }, { "0x50", 0, 4, no }, { "+80", 0, 3, no },
		{ "8e1", 0, 3, no }, { "80-", 0, 3, no }, { "1,80--81,5", 2, 6, no },
		{ "80-70000", 0, 8, no }, { "1-2-3", 0, 5, no }, { "-", 0, 1, no },
		{ "!!80", 1, 3, no }, { "80,!81", 3, 3, no }, { "http", 0, 4, no },
		{ "22,8080-8000", 3, 9, "range ends before it begins" },
	};
	struct filter_error err;
	struct filter_node *node;
	int code;

	(void)state;
	for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
		code = filter_parse_numbers(&node, bads[i].text, AT(lport), 2, 65535, true, no,
					    &err);
		check_bad(&bads[i], code, node, &err);
	}
	code = filter_parse_numbers(&node, "1-2", AT(owner.pid), 4, 5, false, "not a pid", &err);
	check_bad(&(struct bad){ err.bad, 0, 3, "not a pid" }, code, node, &err);
	code = filter_parse_numbers(&node, "7", AT(owner.pid), 4, 5, false, "not a pid", &err);
	check_bad(&(struct bad){ err.bad, 0, 1, "not a pid" }, code, node, &err);
}

static void test_wide_numbers(void **state)
{
	struct filter_error err;
	struct filter_node *node;

	(void)state;
	assert_int_equal(filter_parse_numbers(&node, "18446744073709551615,0", AT(time), 8,
					      UINT64_MAX, false, "", &err), 0);
	assert_int_equal(node->n, 2);
	assert_true(node->ranges[1].lo == UINT64_MAX && node->ranges[1].hi == UINT64_MAX);
	filter_free(node);
	assert_int_equal(filter_parse_numbers(&node, "5-18446744073709551615,9", AT(time), 8,
					      UINT64_MAX, true, "", &err), 0);
	assert_int_equal(node->n, 1);
	filter_free(node);
}

static void test_users(void **state)
{
	static const struct bad bads[] = {
		{ "4294967295", 0, 10, "not a user" }, { "", 0, 0, "empty list" },
		{ "0,no such user", 2, 12, "no such user" }, { "roo", 0, 3, "no such user" },
		{ "root ", 0, 5, "no such user" }, { "-1", 0, 2, "no such user" },
		{ "1-2", 0, 3, "no such user" },
	};
	struct filter_error err;
	struct filter_node *node;
	int code;

	(void)state;
	node = parsed(filter_parse_users, "root,1000,4294967294", AT(owner.uid));
	assert_int_equal(node->n, 3);
	assert_int_equal(node->size, 4);
	assert_true(node->ranges[0].lo == 0 && node->ranges[0].hi == 0);
	assert_true(node->ranges[1].lo == 1000 && node->ranges[2].hi == 4294967294);
	filter_free(node);
	for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
		code = filter_parse_users(&node, bads[i].text, AT(owner.uid), &err);
		check_bad(&bads[i], code, node, &err);
	}
}

static void test_names(void **state)
{
	static const struct bad bads[] = {
		{ "", 0, 0, "empty list" }, { "!", 0, 1, "empty list" },
		{ "a,,b", 2, 0, "empty element" },
		{ "curl,sixteen-bytes-xx", 5, 16, "longer than 15 bytes" },
	};
	struct filter_node *node = names("!nginx,fifteen-bytes-x,a b");
	struct filter_error err;
	int code;

	(void)state;
	assert_int_equal(node->kind, FILTER_NOT);
	assert_int_equal(node->a->n, 3);
	assert_memory_equal(node->a->names[0], "nginx\0\0\0\0\0\0\0\0\0\0", 16);
	assert_memory_equal(node->a->names[1], "fifteen-bytes-x", 16);
	assert_string_equal(node->a->names[2], "a b");
	filter_free(node);
	for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
		code = filter_parse_names(&node, bads[i].text, AT(owner.comm), &err);
		check_bad(&bads[i], code, node, &err);
	}
}

static void test_addrs(void **state)
{
	static const struct {
		const char *text, *addr;
		uint8_t prefix;
	} good[] = {
		{ "10.0.0.1", "::ffff:10.0.0.1", 128 },
		{ "10.1.2.3/8", "::ffff:10.0.0.0", 104 },
		{ "10.1.2.255/25", "::ffff:10.1.2.128", 121 },
		{ "1.2.3.4/0", "::ffff:0.0.0.0", 96 },
		{ "::1", "::1", 128 },
		{ "2001:db8:ffff::1/33", "2001:db8:8000::", 33 },
		{ "ffff::/0", "::", 0 },
		{ "::ffff:10.0.0.1", "::ffff:10.0.0.1", 128 },
		{ "::ffff:10.9.0.1/104", "::ffff:10.0.0.0", 104 },
		{ "::ffff:10.0.0.1/95", "::fffe:0:0", 95 },
	};
	static const struct bad bads[] = {
		{ "", 0, 0, "empty list" }, { "::1,,::2", 4, 0, "empty element" },
		{ "!", 0, 1, "empty list" }, { "10.0.0.0/33", 0, 11, "prefix is not 0 to 32" },
		{ "::1,::/129", 4, 6, "prefix is not 0 to 128" },
		{ "10.0.0.0/", 0, 9, "prefix is not 0 to 32" },
		{ "10.0.0.0/-1", 0, 11, "prefix is not 0 to 32" },
		{ "10.0.0.0/8/8", 0, 12, "prefix is not 0 to 32" },
		{ "10.0.0.0/8x", 0, 11, "prefix is not 0 to 32" },
		{ "10.0.0", 0, 6, "not an address" }, { "10.0.0.256", 0, 10, "not an address" },
		{ "1.2.3.4 ", 0, 8, "not an address" }, { "[::1]", 0, 5, "not an address" },
		{ "fe80::1%lo", 0, 10, "not an address" }, { ":::", 0, 3, "not an address" },
		{ "1111:2222:3333:4444:5555:6666:7777:8888:9999:a", 0, 46, "not an address" },
		{ "/8", 0, 2, "not an address" }, { "localhost", 0, 9, "not an address" },
		{ "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa", 0, 49, "not an address" },
	};
	struct filter_error err;
	struct filter_node *node;
	uint8_t addr[16];
	int code;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		node = addrs(good[i].text);
		inet_pton(AF_INET6, good[i].addr, addr);
		assert_memory_equal(node->nets[0].addr, addr, 16);
		assert_int_equal(node->nets[0].prefix, good[i].prefix);
		filter_free(node);
	}
	for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
		code = filter_parse_addrs(&node, bads[i].text, AT(raddr), &err);
		check_bad(&bads[i], code, node, &err);
	}
}

/* ---- tests: verdicts */

static bool compiled_verdict(const struct filter_node *node, const uint8_t *event)
{
	static struct bpf_insn code[MAX_INSNS];
	bool named[LEN] = { 0 };
	unsigned int executed;
	int n = filter_compile(node, code, MAX_INSNS);

	assert_true(n > 0);
	check_shape(code, n);
	mark_named(node, named);
	return interpret(code, n, event, named, &executed);
}

static void expect(const struct filter_node *node, const struct nt_event *event, bool want)
{
	uint8_t bytes[LEN];

	memcpy(bytes, event, LEN);
	assert_int_equal(filter_eval(node, bytes, LEN), want);
	assert_int_equal(compiled_verdict(node, bytes), want);
}

static void expect_addr(const char *list, const char *addr, bool want)
{
	struct filter_node *node = addrs(list), *inverse = filter_not(filter_at(node, AT(laddr)));
	struct nt_event event = { 0 };

	assert_int_equal(inet_pton(AF_INET6, addr, event.raddr), 1);
	memcpy(event.laddr, event.raddr, 16);
	expect(node, &event, want);
	expect(inverse, &event, !want);
	filter_free(node);
	filter_free(inverse);
}

/* Long lists are compiled to intervals: their edges. */
static void test_list_edges(void **state)
{
	static const char six[] = "::/32,2001:db8::/32,fe80::/10";

	(void)state;
	expect_addr(six, "::fffe:ffff:ffff", true);
	expect_addr(six, "::ffff:0.0.0.0", false);
	expect_addr(six, "::ffff:255.255.255.255", false);
	expect_addr(six, "::1:0:0:0", true);
	expect_addr(six, "0:1::", false);
	expect_addr(six, "::ffff:ffff:ffff:ffff:ffff:ffff", true);
	expect_addr(six, "0:0:ffff:ffff:ffff:ffff:ffff:ffff", true);
	expect_addr(six, "0:1:0:0:ffff:ffff:ffff:ffff", false);
	expect_addr(six, "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", false);
	expect_addr(six, "2001:db8::", true);
	expect_addr(six, "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true);
	expect_addr(six, "fec0::", false);
	expect_addr("10.0.0.1,10.0.0.3", "::ffff:10.0.0.2", false);
	expect_addr("10.0.0.1,10.0.0.3", "::ffff:10.0.0.3", true);
	expect_addr("10.0.0.0/31,10.0.0.3", "::ffff:10.0.0.2", false);
	expect_addr("10.0.0.0/31,10.0.0.2/31", "::ffff:10.0.0.3", true);
	expect_addr("10.0.0.0/31,10.0.0.2/31", "::ffff:10.0.0.4", false);
}

static void test_families(void **state)
{
	(void)state;
	expect_addr("::/0", "::ffff:10.0.0.1", false);
	expect_addr("::/0", "::1", true);
	expect_addr("::/0", "::", true);
	expect_addr("::/64", "::ffff:10.0.0.1", false);
	expect_addr("::/64", "::fffe:10.0.0.1", true);
	expect_addr("::/80", "::1:ffff:1:1", false);
	expect_addr("::fffe:0:0/95", "::ffff:1.2.3.4", false);
	expect_addr("::fffe:0:0/95", "::fffe:1.2.3.4", true);
	expect_addr("0.0.0.0/0", "::ffff:255.0.0.1", true);
	expect_addr("0.0.0.0/0", "::1", false);
	expect_addr("::ffff:0:0/96", "::ffff:255.0.0.1", true);
	expect_addr("::/0,10.0.0.0/8", "::ffff:10.0.0.1", true);
	expect_addr("::/0,10.0.0.0/8", "::ffff:11.0.0.1", false);
	expect_addr("::/0,::1,::2,2001:db8::/32", "::ffff:11.0.0.1", false);
	expect_addr("10.0.0.0/8,::1", "::10.0.0.1", false);
	expect_addr("10.0.0.0/8,10.2.0.0/16,11.0.0.0/8", "::ffff:11.255.255.255", true);
	expect_addr("10.0.0.0/8,10.2.0.0/16,11.0.0.0/8", "::ffff:12.0.0.0", false);
	expect_addr("1.2.3.4,128.0.0.1", "::ffff:128.0.0.1", true);
	expect_addr("0.0.0.0,255.255.255.255", "::ffff:255.255.255.255", true);
}

static void test_verdicts(void **state)
{
	struct nt_event event = { .lport = 80, .rport = 5000, .owner.comm = "nginx" };
	struct filter_node *node;

	(void)state;
	expect(NULL, &event, true);
	node = filter_either(ports("80,443"), AT(rport));
	expect(node, &event, true);
	event.lport = 81;
	expect(node, &event, false);
	event.rport = 443;
	expect(node, &event, true);
	filter_free(node);

	node = filter_either(ports("!443"), AT(rport)); /* neither side */
	expect(node, &event, false);
	event.rport = 5000;
	expect(node, &event, true);
	filter_free(node);

	node = filter_and(NULL, names("curl,nginx"));
	assert_int_equal(node->kind, FILTER_STR);
	expect(node, &event, true);
	event.owner.comm[5] = 'x';
	expect(node, &event, false);
	event.owner.comm[5] = 0;
	node = filter_and(node, ports("!81"));
	expect(node, &event, false);
	event.lport = 82;
	expect(node, &event, true);
	node = filter_and(node, NULL);
	filter_free(node);

	assert_null(filter_not(NULL));
	assert_null(filter_or(NULL, ports("1")));
	assert_null(filter_or(ports("1"), NULL));
	assert_null(filter_and(NULL, NULL));
	assert_null(filter_either(NULL, 0));
	filter_free(NULL);
}

static void test_parts(void **state)
{
	static const struct bad bads[] = {
		{ "", 0, 0, "empty list" }, { "a,", 2, 0, "empty element" },
		{ "sixteen-bytes-xx", 0, 16, "longer than 15 bytes" },
	};
	struct nt_event event = { .owner.comm = "dbus-daemon" };
	struct filter_node *node;
	struct filter_error err;
	int code;

	(void)state;
	node = parsed(filter_parse_parts, "x,daem", AT(owner.comm));
	assert_int_equal(node->kind, FILTER_PART);
	expect(node, &event, true);
	memcpy(event.owner.comm, "dbus-demon", 11);
	expect(node, &event, false);
	memcpy(event.owner.comm, "no room left dae", 16);
	expect(node, &event, false);
	memcpy(event.owner.comm, "no room lef daem", 16);
	expect(node, &event, true);
	event.owner.comm[0] = 'x';
	expect(node, &event, true);
	filter_free(node);
	node = parsed(filter_parse_parts, "!fifteen-bytes-x", AT(owner.comm));
	memcpy(event.owner.comm, "xfifteen-bytes-x", 16);
	expect(node, &event, false);
	event.owner.comm[15] = 'y';
	expect(node, &event, true);
	filter_free(node);
	for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
		code = filter_parse_parts(&node, bads[i].text, AT(owner.comm), &err);
		check_bad(&bads[i], code, node, &err);
	}
}

static void test_short_event(void **state)
{
	struct nt_event event = { .lport = 80, .rport = 80 };
	struct filter_node *node = ports("80"), *other = filter_not(filter_at(node, AT(rport)));

	(void)state;
	assert_true(filter_eval(node, &event, AT(lport) + 2));
	assert_false(filter_eval(node, &event, AT(lport) + 1));
	assert_false(filter_eval(node, &event, 0));
	assert_false(filter_eval(other, &event, LEN));
	assert_true(filter_eval(other, &event, AT(rport) + 1));
	filter_free(node);
	filter_free(other);
	node = names("nginx");
	assert_false(filter_eval(node, &event, AT(owner.comm) + 15));
	filter_free(node);
}

static struct filter_node *wide_tree(unsigned int n)
{
	if (n == 1)
		return ports("1");
	return filter_and(wide_tree(n / 2), wide_tree(n - n / 2));
}

static void test_limits(void **state)
{
	static struct bpf_insn code[MAX_INSNS];
	struct filter_node *node = filter_and(ports("80,443"), addrs("10.0.0.0/8,::1"));
	struct filter_node *chain = ports("1"), *wide = wide_tree(10923), *last;
	int n = filter_compile(node, code, MAX_INSNS);

	(void)state;
	assert_true(n > 0);
	assert_int_equal(filter_compile(node, code, n), n);
	for (int max = 0; max < n; max++) {
		memset(code, 0xee, sizeof(code[0]) * (n + 1));
		assert_int_equal(filter_compile(node, code, max), -E2BIG);
		for (size_t i = 0; i < sizeof(code[0]); i++)
			assert_int_equal(((uint8_t *)&code[max])[i], 0xee);
	}
	filter_free(node);
	/* The first of 10923 predicates jumps by 32767; one instruction more is too far. */
	assert_int_equal(filter_compile(wide, code, MAX_INSNS), 32771);
	for (last = wide; last->b; last = last->b)
		;
	last->ranges[0].hi = 2;
	assert_int_equal(filter_compile(wide, code, MAX_INSNS), -E2BIG);
	filter_free(wide);
	for (int i = 1; i < 2000; i++)
		chain = filter_and(chain, ports("1"));
	assert_int_equal(filter_compile(chain, code, MAX_INSNS), 2 + 3 * 2000);
	chain = filter_and(chain, ports("1"));
	assert_int_equal(filter_compile(chain, code, MAX_INSNS), -E2BIG);
	filter_free(chain);
	assert_int_equal(filter_compile(NULL, code, 2), 2);
}

static void test_misuse(void **state)
{
	static const struct field bad[] = {
		{ FILTER_NUM, 2, 4 }, { FILTER_NUM, 4, 8 }, { FILTER_NUM, 0, 3 },
		{ FILTER_NUM, 0, 0 }, { FILTER_BITS, 1, 2 }, { FILTER_BITS, 0, 16 },
		{ FILTER_ADDR, 4, 16 }, { FILTER_STR, 12, 16 }, { FILTER_NUM, 40000, 4 },
		{ (enum filter_kind)99, 0, 4 },
	};
	struct bpf_insn code[64];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct filter_node *node = leaf(bad[i].kind, bad[i].off, bad[i].size, 1,
						sizeof(struct filter_net));

		node->ranges[0].lo = 1;
		assert_int_equal(filter_compile(node, code, 64), -EINVAL);
		filter_free(node);
	}
}

#define TREES 6000
#define EVENTS 40

static void test_agreement(void **state)
{
	struct bpf_insn *code = calloc(MAX_INSNS, sizeof(*code));
	uint8_t *event = malloc(LEN);
	unsigned int executed, kept = 0;

	(void)state;
	for (int t = 0; t < TREES; t++) {
		struct filter_node *tree = random_tree(below(5));
		int n = filter_compile(tree, code, MAX_INSNS);
		bool named[LEN] = { 0 };

		assert_true(n > 0);
		check_shape(code, n);
		mark_named(tree, named);
		for (int e = 0; e < EVENTS; e++) {
			bool want;

			random_event(event);
			aim(tree, event);
			want = reference(tree, event);
			kept += want;
			assert_int_equal(filter_eval(tree, event, LEN), want);
			assert_int_equal(interpret(code, n, event, named, &executed), want);
			if (executed > 2 + budget(tree))
				fail_msg("tree %d runs %u instructions, may run %u", t, executed,
					 2 + budget(tree));
		}
		filter_free(tree);
	}
	print_message("%d pairs agree, %d%% kept\n", TREES * EVENTS,
		      (int)(100LL * kept / (TREES * EVENTS)));
	assert_in_range(kept, TREES * EVENTS / 5, TREES * EVENTS / 5 * 4);
	free(code);
	free(event);
}

/* ---- tests: costs */

/* The most instructions that a rejected and a kept event run. */
static void cost_of(const struct filter_node *node, unsigned int most[2])
{
	static struct bpf_insn code[MAX_INSNS];
	int n = filter_compile(node, code, MAX_INSNS);
	bool named[LEN] = { 0 };
	uint8_t event[LEN];

	most[0] = most[1] = 0;
	assert_true(n > 0);
	mark_named(node, named);
	for (int e = 0; e < 4000; e++) {
		unsigned int executed;
		bool keep;

		random_event(event);
		aim(node, event);
		keep = interpret(code, n, event, named, &executed);
		if (executed > most[keep])
			most[keep] = executed;
	}
}

/* Owns `node`. */
static void check_cost(const char *what, struct filter_node *node, unsigned int reject,
		       unsigned int keep)
{
	static struct bpf_insn code[MAX_INSNS];
	unsigned int most[2];

	cost_of(node, most);
	print_message("  %-34s %5d instructions, runs at most %2u to reject, %2u to keep\n", what,
		      filter_compile(node, code, MAX_INSNS), most[0], most[1]);
	if (most[0] > reject || most[1] > keep)
		fail_msg("%s: more than %u to reject or %u to keep", what, reject, keep);
	filter_free(node);
}

static struct filter_node *many_ports(int n)
{
	struct filter_node *node = leaf(FILTER_NUM, AT(lport), 2, n, sizeof(*node->ranges));

	for (int i = 0; i < n; i++)
		node->ranges[i].lo = node->ranges[i].hi = 7 + i * 3;
	return node;
}

static struct filter_node *many_addrs(int n, bool ipv6)
{
	struct filter_node *node = leaf(FILTER_ADDR, AT(raddr), 16, n, sizeof(*node->nets));

	for (int i = 0; i < n; i++) {
		uint8_t *addr = node->nets[i].addr;

		memset(addr + 10, 0xff, 2);
		if (ipv6)
			memcpy(addr, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0", 12);
		addr[6] = ipv6 ? i : 0;
		addr[13] = i / 256;
		addr[14] = i;
		addr[15] = i * 7 & 0xfe;
		node->nets[i].prefix = 128;
	}
	return node;
}

static struct filter_node *many_names(int n)
{
	struct filter_node *node = leaf(FILTER_STR, AT(owner.comm), 16, n, 16);

	for (int i = 0; i < n; i++)
		snprintf(node->names[i], 16, "worker-%d", i % 1000 * 37 % 99999);
	return node;
}

static struct filter_node *pids(const char *text)
{
	struct filter_error err;
	struct filter_node *node;

	assert_int_equal(filter_parse_numbers(&node, text, AT(owner.pid), 4, UINT32_MAX, false,
					      "not a pid", &err), 0);
	return node;
}

static void test_costs(void **state)
{
	struct filter_node *all;

	(void)state;
	check_cost("nothing", leaf(FILTER_NUM, 0, 8, 0, sizeof(struct filter_range)), 3, 3);
	check_cost("pid 181", pids("181"), 4, 5);
	check_cost("not pid 181", pids("!181"), 4, 5);
	check_cost("port 8000-8080, one side", ports("8000-8080"), 5, 6);
	check_cost("port 80,443,8000-8080, one side", ports("80,443,8000-8080"), 7, 8);
	check_cost("port 80, either side", filter_either(ports("80"), AT(rport)), 7, 8);
	check_cost("not port 80, either side", filter_either(ports("!80"), AT(rport)), 7, 8);
	check_cost("comm nginx", names("nginx"), 8, 9);
	check_cost("comm nginx,curl", names("nginx,curl"), 9, 10);
	check_cost("comm fifteen-bytes-x", names("fifteen-bytes-x"), 9, 10);
	check_cost("raddr 10.0.0.1", addrs("10.0.0.1"), 8, 9);
	check_cost("raddr 10.0.0.0/8", addrs("10.0.0.0/8"), 10, 11);
	check_cost("raddr 0.0.0.0/0", addrs("0.0.0.0/0"), 7, 8);
	check_cost("raddr ::1", addrs("::1"), 8, 9);
	check_cost("raddr 2001:db8::/32", addrs("2001:db8::/32"), 4, 5);
	check_cost("raddr ::/0", addrs("::/0"), 7, 8);
	check_cost("raddr 10.0.0.0/8,::1", addrs("10.0.0.0/8,::1"), 14, 12);
	check_cost("raddr, three IPv4", addrs("10.0.0.0/8,127.0.0.1,192.168.0.0/16"), 13, 14);
	check_cost("8 ports", many_ports(8), 9, 9);
	check_cost("64 ports", many_ports(64), 12, 12);
	check_cost("1024 ports", many_ports(1024), 16, 16);
	check_cost("256 IPv4 addresses", many_addrs(256, false), 19, 20);
	check_cost("256 IPv6 addresses", many_addrs(256, true), 25, 25);
	check_cost("100 names", many_names(100), 20, 20);
	all = filter_and(pids("181"), names("nginx"));
	all = filter_and(all, filter_either(ports("80"), AT(rport)));
	all = filter_and(all, filter_either(addrs("10.0.0.0/8"), AT(laddr)));
	check_cost("pid, comm, port and addr together", all, 12 * 6, 12 * 6);
}

/* ---- tests: the kernel */

#define KERNEL_TREES 400
#define KERNEL_EVENTS 64

static void check_in_kernel(const struct filter_node *tree, int events)
{
	static struct bpf_insn code[MAX_INSNS];
	int n = filter_compile(tree, code, MAX_INSNS), fd;
	uint8_t event[LEN];

	assert_true(n > 0);
	fd = kernel_load(code, n);
	if (fd < 0)
		fail_msg("%d instructions: %s", n, strerror(-fd));
	for (int e = 0; e < events; e++) {
		random_event(event);
		aim(tree, event);
		assert_int_equal(kernel_run(fd, event), reference(tree, event));
	}
	close(fd);
}

static void test_kernel(void **state)
{
	struct filter_node *big[4];

	(void)state;
	need_kernel();
	big[0] = many_ports(1024);
	big[1] = many_addrs(256, false);
	big[2] = many_addrs(256, true);
	big[3] = many_names(100);
	for (int t = 0; t < KERNEL_TREES; t++) {
		struct filter_node *tree = random_tree(below(6));

		check_in_kernel(tree, KERNEL_EVENTS);
		filter_free(tree);
	}
	for (size_t i = 0; i < sizeof(big) / sizeof(big[0]); i++) {
		check_in_kernel(big[i], 300);
		filter_free(big[i]);
	}
	print_message("%d pairs agree with the kernel\n", KERNEL_TREES * KERNEL_EVENTS + 4 * 300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_bad_ports),
		cmocka_unit_test(test_wide_numbers),
		cmocka_unit_test(test_users),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_addrs),
		cmocka_unit_test(test_list_edges),
		cmocka_unit_test(test_families),
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_short_event),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_misuse),
		cmocka_unit_test(test_agreement),
		cmocka_unit_test(test_costs),
		cmocka_unit_test(test_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
