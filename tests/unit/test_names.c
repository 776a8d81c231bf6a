// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Functions of the kernel by address and by name, reasons of drops by number and by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fields.h"
#include "ksyms.h"
#include "names.h"

/* Out of order, with data, an alias, two functions of one name, a module and a BPF program. */
static const char text[] =
	"ffffffff81002000 T tcp_v4_rcv\n"
	"ffffffff81001000 T tcp_rcv_established\n"
	"ffffffff81003000 D tcp_prot\n"
	"ffffffff81004000 t twice\n"
	"ffffffff81005000 W weak_name\n"
	"ffffffff81005000 T strong_name\n"
	"ffffffff81006000 t twice\n"
	"ffffffffc0201000 t nft_do_chain\t[nf_tables]\n"
	"ffffffffc0301000 t bpf_prog_6deef7357e7b4530_entry\t[bpf]\n";

static struct ksyms *symbols(const char *of)
{
	struct ksyms *k;

	assert_int_equal(ksyms_parse(&k, of, strlen(of)), 0);
	return k;
}

static void assert_name(struct ksyms *k, uint64_t address, const char *want)
{
	char name[160];

	assert_true(ksyms_name(k, address, name, sizeof(name)));
	assert_string_equal(name, want);
}

static void test_addresses(void **state)
{
	struct ksyms *k = symbols(text);
	char name[160];

	(void)state;
	assert_name(k, 0xffffffff81001000, "tcp_rcv_established+0x0");
	assert_name(k, 0xffffffff81001fff, "tcp_rcv_established+0xfff");
	assert_name(k, 0xffffffff810020b4, "tcp_v4_rcv+0xb4");
	assert_name(k, 0xffffffff81003000, "tcp_v4_rcv+0x1000"); /* data is no function */
	assert_name(k, 0xffffffffc0201010, "nft_do_chain+0x10");
	assert_name(k, 0xffffffffc0301010, "");
	assert_false(ksyms_name(k, 0xffffffff81000fff, name, sizeof(name)));
	assert_false(ksyms_name(k, 0xffffffff90000000, name, sizeof(name)));
	ksyms_free(k);
}

static void test_words(void **state)
{
	struct ksyms *k = symbols(text);
	struct filter_range *ranges;

	(void)state;
	assert_int_equal(ksyms_find(k, "twice", 5, &ranges), 2);
	assert_true(ranges[0].lo == 0xffffffff81004000 && ranges[0].hi == 0xffffffff81004fff);
	assert_true(ranges[1].lo == 0xffffffff81006000);
	free(ranges);
	assert_int_equal(ksyms_find(k, "twice more", 5, &ranges), 2);
	free(ranges);
	assert_int_equal(ksyms_find(k, "twic", 4, &ranges), -ENOENT);
	assert_int_equal(ksyms_find(k, "tcp_prot", 8, &ranges), -ENOENT);
	ksyms_free(k);
}

/* kptr_restrict: zeros for addresses. A text that ends within a line; no text at all. */
static void test_hidden(void **state)
{
	static const char *const texts[] = {
		"0000000000000000 T tcp_v4_rcv\n", "ffffffff81002000 T tcp_v4", "", "\n\n", "x\n",
	};
	struct filter_range *ranges;
	struct ksyms *k;
	char name[160];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		k = symbols(texts[i]);
		assert_false(ksyms_name(k, 0xffffffff81002000, name, sizeof(name)));
		assert_int_equal(ksyms_find(k, "tcp_v4_rcv", 10, &ranges), -ENOENT);
		ksyms_free(k);
	}
}

static void count(void *ctx, uint64_t id, const char *name)
{
	int *told = ctx;

	assert_true(id && name);
	++*told;
}

/* A replay knows what the recording told, and nothing of the host. */
static void test_learnt(void **state)
{
	struct filter_range *ranges;
	struct names *names;
	char word[16];
	int told = 0;
	uint64_t i;

	(void)state;
	assert_int_equal(names_new(&names, false), 0);
	assert_null(names_of(names, 2));
	assert_int_equal(names_find(names, "no_socket", 9, &ranges), -ENOENT);
	for (i = 1; i <= 1000; i++) {
		snprintf(word, sizeof(word), "REASON_%u", (unsigned int)i);
		assert_int_equal(names_learn(names, i, word), 0);
	}
	assert_int_equal(names_learn(names, 3, "NO_SOCKET"), 0);
	assert_int_equal(names_learn(names, 1ull << 63 | 16, "tcp_drop+0x10"), 0);
	assert_int_equal(names_learn(names, 1ull << 63 | 32, "tcp_drop+0x20"), 0);
	assert_string_equal(names_of(names, 3), "NO_SOCKET");
	assert_string_equal(names_of(names, 1000), "REASON_1000");
	assert_string_equal(names_of_function(names, 1ull << 63 | 16), "tcp_drop");
	assert_null(names_of_function(names, 1ull << 63 | 17));
	assert_int_equal(names_find(names, "no_socket", 9, &ranges), 1);
	assert_true(ranges[0].lo == 3 && ranges[0].hi == 3);
	free(ranges);
	assert_int_equal(names_find(names, "REASON_1", 8, &ranges), 1);
	free(ranges);
	assert_int_equal(names_find(names, "tcp_drop", 8, &ranges), 2);
	assert_true(ranges[0].lo == (1ull << 63 | 16) && ranges[1].lo == (1ull << 63 | 32));
	free(ranges);
	names_new_names(names, count, &told);
	assert_int_equal(told, 1003);
	names_new_names(names, count, &told);
	assert_int_equal(told, 1003);
	names_free(names);
}

/* The id that has no next one. */
static void test_highest(void **state)
{
	const struct column col = { .type = COL_REASON, .size = 8 };
	struct session_opts *opts = calloc(1, sizeof(*opts));
	struct filter_node *node = NULL;
	struct filter_error err = { 0 };

	(void)state;
	assert_int_equal(names_new(&opts->names, false), 0);
	assert_int_equal(names_learn(opts->names, UINT64_MAX, "last"), 0);
	assert_int_equal(names_learn(opts->names, UINT64_MAX - 1, "first"), 0);
	assert_int_equal(fields_reasons(&node, &col, "last,first,last", opts, &err), 0);
	assert_int_equal(node->n, 1);
	assert_true(node->ranges[0].lo == UINT64_MAX - 1 && node->ranges[0].hi == UINT64_MAX);
	filter_free(node);
	names_free(opts->names);
	free(opts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses), cmocka_unit_test(test_words),
		cmocka_unit_test(test_hidden), cmocka_unit_test(test_learnt),
		cmocka_unit_test(test_highest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
