/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Splicing a filter into the embedded objects of all tools, and into made-up images. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "filter.h"
#include "probe.h"

#define INSN sizeof(struct bpf_insn)
#define MARK_LEN (2 * INSN)
#define ROOM (NT_FILTER_SLOTS * INSN)

#define TOOL(name) extern const struct tool name##_tool;
#include "tools.def"
#undef TOOL

static const struct tool *const tools[] = {
#define TOOL(name) &name##_tool,
#include "tools.def"
#undef TOOL
};

static const struct bpf_insn nop = { .code = BPF_JMP | BPF_JA };

static const struct bpf_insn mark[2] = {
	{ .code = BPF_LD | BPF_DW | BPF_IMM, .imm = (int)(uint32_t)NT_FILTER_MARK },
	{ .imm = (int)((uint64_t)NT_FILTER_MARK >> 32) },
};

/* An image with the mark at `at`, no-ops behind it, and bytes that are neither around them. */
static unsigned char *made_up(size_t len, size_t at)
{
	unsigned char *image = malloc(len ? len : 1);

	assert_non_null(image);
	for (size_t i = 0; i < len; i++)
		image[i] = (unsigned char)(i * 7 + 3);
	if (at + MARK_LEN <= len)
		memcpy(image + at, mark, MARK_LEN);
	for (size_t i = 0; i < NT_FILTER_SLOTS && at + MARK_LEN + (i + 1) * INSN <= len; i++)
		memcpy(image + at + MARK_LEN + i * INSN, &nop, INSN);
	return image;
}

/* Instructions that are unlike each other and unlike no-ops. */
static struct bpf_insn *numbered(int n)
{
	struct bpf_insn *insns = calloc((size_t)n + 1, INSN);

	assert_non_null(insns);
	for (int i = 0; i < n; i++)
		insns[i] = (struct bpf_insn){ .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = i };
	return insns;
}

/*
 * Splices n instructions: they stand where the mark was, and behind them a jump that lands behind
 * the no-ops. Beside that not a byte may change.
 */
static void check_splice(const unsigned char *image, size_t len, size_t at, int n)
{
	struct bpf_insn *insns = numbered(n), skip[2];
	unsigned char *copy = malloc(len);
	size_t jump = at + (size_t)n * INSN, rest = jump + sizeof(skip), end = at + MARK_LEN + ROOM;

	assert_non_null(copy);
	memcpy(copy, image, len);
	assert_int_equal(probe_splice(copy, len, insns, n), 0);
	assert_memory_equal(copy, image, at);
	assert_memory_equal(copy + at, insns, (size_t)n * INSN);
	memcpy(skip, copy + jump, sizeof(skip));
	/*
	 * A jump on a register that was just set: always taken, and not a no-op for the verifier's
	 * pruning.
	 */
	assert_int_equal(skip[0].code, BPF_ALU64 | BPF_MOV | BPF_K);
	assert_int_equal(skip[1].code, BPF_JMP | BPF_JEQ | BPF_K);
	assert_int_equal(skip[0].dst_reg, skip[1].dst_reg);
	assert_in_range(skip[0].dst_reg, BPF_REG_2, BPF_REG_5); /* nt_filter() gives these away */
	assert_int_equal(skip[0].imm, skip[1].imm);
	assert_int_equal(rest + (size_t)skip[1].off * INSN, end);
	if (rest < len)
		assert_memory_equal(copy + rest, image + rest, len - rest);
	free(copy);
	free(insns);
}

static void test_made_up(void **state)
{
	static const int lengths[] = { 1, 2, 3, 100, NT_FILTER_SLOTS - 1, NT_FILTER_SLOTS };
	static const size_t places[] = { 0, 8, 64, 4096 };
	static const size_t behind[] = { 0, 1, 7, 8, 1000 };

	(void)state;
	for (size_t p = 0; p < sizeof(places) / sizeof(*places); p++)
		for (size_t b = 0; b < sizeof(behind) / sizeof(*behind); b++)
			for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
				size_t len = places[p] + MARK_LEN + ROOM + behind[b];
				unsigned char *image = made_up(len, places[p]);

				check_splice(image, len, places[p], lengths[i]);
				free(image);
			}
}

static void expect_unchanged(unsigned char *image, size_t len, int n, int error)
{
	struct bpf_insn *insns = numbered(n);
	unsigned char *before = malloc(len + 1);

	assert_non_null(before);
	memcpy(before, image, len);
	assert_int_equal(probe_splice(image, len, insns, n), error);
	assert_memory_equal(image, before, len);
	free(before);
	free(insns);
	free(image);
}

static void test_no_mark(void **state)
{
	size_t len = 64 + MARK_LEN + ROOM;
	unsigned char *image;

	(void)state;
	expect_unchanged(made_up(0, 0), 0, 1, -ENOENT);
	expect_unchanged(made_up(INSN, len), INSN, 1, -ENOENT);
	expect_unchanged(made_up(len, len), len, 1, -ENOENT);
	/* Cut off inside the no-ops: the filter could reach beyond the image. */
	expect_unchanged(made_up(len - 1, 64), len - 1, 1, -ENOENT);
	/* Half of the mark, or its halves with another instruction. */
	image = made_up(len, 64);
	image[64 + INSN + offsetof(struct bpf_insn, imm)] ^= 1;
	expect_unchanged(image, len, 1, -ENOENT);
	image = made_up(len, 64);
	image[64 + offsetof(struct bpf_insn, imm)] ^= 1;
	expect_unchanged(image, len, 1, -ENOENT);
	image = made_up(len, 64);
	image[64] = BPF_ALU64 | BPF_MOV | BPF_K;
	expect_unchanged(image, len, 1, -ENOENT);
}

static void test_too_long(void **state)
{
	size_t len = 64 + MARK_LEN + ROOM + 4096;

	(void)state;
	expect_unchanged(made_up(len, 64), len, NT_FILTER_SLOTS + 1, -E2BIG);
	expect_unchanged(made_up(len, 64), len, NT_FILTER_SLOTS + 100, -E2BIG);
}

static unsigned char *inflate_object(const struct probe_object *probe, size_t *len)
{
	size_t room = 8 << 20;
	unsigned char *image = malloc(room);
	z_stream z = { .next_in = (unsigned char *)probe->start,
		       .avail_in = (unsigned int)(probe->end - probe->start) };

	assert_non_null(image);
	assert_int_equal(inflateInit2(&z, 16 + MAX_WBITS), Z_OK);
	z.next_out = image;
	z.avail_out = (unsigned int)room;
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	*len = z.total_out;
	inflateEnd(&z);
	return image;
}

static size_t count_marks(const unsigned char *image, size_t len, size_t *at)
{
	size_t found = 0;

	for (size_t i = 0; i + MARK_LEN <= len; i++) {
		struct bpf_insn pair[2];

		memcpy(pair, image + i, MARK_LEN);
		if (pair[0].imm != mark[0].imm || pair[1].imm != mark[1].imm)
			continue;
		*at = i;
		found++;
	}
	return found;
}

/* If the compiler made a second copy of nt_filter(), its events would all pass. */
static void check_filtered(const struct probe_object *probe)
{
	struct bpf_insn insn;
	size_t len, at = 0;
	unsigned char *image = inflate_object(probe, &len);

	assert_int_equal(count_marks(image, len, &at), 1);
	assert_int_equal(at % INSN, 0);
	assert_int_equal(image[at], BPF_LD | BPF_DW | BPF_IMM);
	assert_int_equal(image[at + 1] & 0xf, BPF_REG_0);
	for (size_t i = 0; i < NT_FILTER_SLOTS; i++)
		assert_memory_equal(image + at + MARK_LEN + i * INSN, &nop, INSN);
	/* What follows the filter returns its verdict: r0 is not touched any more. */
	memcpy(&insn, image + at + MARK_LEN + ROOM, INSN);
	assert_int_equal(insn.code, BPF_JMP | BPF_EXIT);
	check_splice(image, len, at, 1);
	check_splice(image, len, at, NT_FILTER_SLOTS);
	free(image);
}

static void test_filtered_objects(void **state)
{
	(void)state;
	for (size_t t = 0; t < sizeof(tools) / sizeof(*tools); t++) {
		print_message("%s\n", tools[t]->name);
		check_filtered(&tools[t]->filtered);
	}
}

/* The object for runs without a filter has no place for one, and says so. */
static void test_plain_objects(void **state)
{
	(void)state;
	for (size_t t = 0; t < sizeof(tools) / sizeof(*tools); t++) {
		size_t len, at = 0;
		unsigned char *image = inflate_object(&tools[t]->probe, &len);

		print_message("%s\n", tools[t]->name);
		assert_int_equal(count_marks(image, len, &at), 0);
		expect_unchanged(image, len, 1, -ENOENT);
	}
}

/* A compiled filter, not just numbers. The mark is gone then: a second filter finds no place. */
static void test_real_filter(void **state)
{
	struct bpf_insn insns[NT_FILTER_SLOTS];
	struct filter_node *node = NULL;
	struct filter_error err;
	unsigned char *image;
	size_t len, at = 0;
	int n;

	(void)state;
	assert_int_equal(filter_parse_numbers(&node, "80,443,8000-8080",
					      offsetof(struct nt_event, lport), 2,
					      65535, true, "not a port", &err), 0);
	n = filter_compile(node, insns, NT_FILTER_SLOTS);
	assert_true(n > 2);
	image = inflate_object(&tools[0]->filtered, &len);
	assert_int_equal(count_marks(image, len, &at), 1);
	assert_int_equal(probe_splice(image, len, insns, n), 0);
	assert_memory_equal(image + at, insns, (size_t)n * INSN);
	assert_memory_equal(image + at + ((size_t)n + 2) * INSN, &nop, INSN);
	assert_int_equal(count_marks(image, len, &at), 0);
	expect_unchanged(image, len, 1, -ENOENT);
	filter_free(node);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_made_up),
		cmocka_unit_test(test_no_mark),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_filtered_objects),
		cmocka_unit_test(test_plain_objects),
		cmocka_unit_test(test_real_filter),
	};

	return cmocka_run_group_tests_name("splice", tests, NULL, NULL);
}
