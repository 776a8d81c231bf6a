/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rows of readings: parts put together, sorted, cut, and what their filters look at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "filter.h"
#include "rows.h"
#include "sums.h"

struct row {
	struct nt_event head;
	uint64_t interval_ns;
	uint64_t tx, rx, most;
	struct nt_hist hist;
};

static const struct column columns[] = {
	{ .name = "lport", .title = "LPORT", .type = COL_NUM, COL_AT(struct row, head.lport) },
	{ .name = "tx", .title = "TX", .type = COL_NUM, COL_AT(struct row, tx), .flags = COL_ADD },
	{ .name = "rx", .title = "RX", .type = COL_NUM, COL_AT(struct row, rx), .flags = COL_ADD },
	{ .name = "most", .title = "MOST", .type = COL_NUM, COL_AT(struct row, most),
	  .flags = COL_MAX },
	{ .name = "us", .title = "usecs", .type = COL_HIST, COL_AT(struct row, hist),
	  .flags = COL_HIDDEN },
	{ .name = "ms", .title = "msecs", .type = COL_HIST, COL_AT(struct row, hist),
	  .flags = COL_HIDDEN },
	{ 0 },
};

static void test_add(void **state)
{
	struct row a = { .tx = 1, .rx = 10, .most = 7, .head.lport = 80 },
		   b = { .tx = 2, .rx = 20, .most = 5, .head.lport = 81 };

	(void)state;
	a.hist = (struct nt_hist){ .count = 1, .sum = 9, .max = 9, .slots[3] = 1 };
	b.hist = (struct nt_hist){ .count = 2, .sum = 3, .max = 2, .slots = { 1, 1 } };
	sums_add(columns, &a, &b);
	assert_int_equal(a.tx, 3);
	assert_int_equal(a.rx, 30);
	assert_int_equal(a.most, 7);
	assert_int_equal(a.head.lport, 80);
	assert_int_equal(a.hist.count, 3); /* once, although two columns show it */
	assert_int_equal(a.hist.sum, 12);
	assert_int_equal(a.hist.max, 9);
	assert_int_equal(a.hist.slots[0], 1);
	assert_int_equal(a.hist.slots[1], 1);
	assert_int_equal(a.hist.slots[3], 1);
}

static void test_filter_reads(void **state)
{
	struct filter_error err;
	struct filter_node *port = NULL, *tx = NULL, *both;
	uint16_t off = offsetof(struct row, tx);

	(void)state;
	assert_int_equal(filter_parse_numbers(&port, "80", offsetof(struct row, head.lport), 2,
					      65535, true, "", &err), 0);
	assert_int_equal(filter_parse_numbers(&tx, "5", off, 8, UINT64_MAX, true, "", &err), 0);
	assert_false(filter_reads(port, off, 8));
	assert_true(filter_reads(tx, off, 8));
	both = filter_and(port, filter_not(tx));
	assert_true(filter_reads(both, off, 8));
	assert_false(filter_reads(both, offsetof(struct row, rx), 8));
	filter_free(both);
}

static struct tool_sums sums = { .sort = "tx+rx", .rows = 2, .title = "at %S, load %L" };

/* What a reading of three rows prints with these options. */
static void print_reading(struct session_opts *opts, char *text, size_t size)
{
	static const struct tool tool = { .name = "t", .columns = columns, .sums = &sums,
					  .event_size = sizeof(struct row) };
	struct row rows[3] = { { .tx = 5, .rx = 1, .head.lport = 81 },
			       { .tx = 1, .rx = 9, .head.lport = 256 },
			       { .tx = 3, .head.lport = 81 } };
	int saved = dup(STDOUT_FILENO), fds[2], i;
	struct fault fault = { 0 };
	struct rows r;
	ssize_t n;

	assert_return_code(pipe(fds), 0);
	assert_return_code(dup2(fds[1], STDOUT_FILENO), 0);
	opts->tools[0] = &tool;
	opts->n_tools = 1;
	opts->header = true;
	opts->replaying = true;
	assert_int_equal(rows_open(&r, opts, &fault), 0);
	for (i = 0; i < 3; i++)
		assert_true(rows_event(&r, &rows[i], sizeof(rows[i])));
	rows_reading(&r, 0, 7000000000, "0.5");
	assert_true(rows_flush(&r));
	rows_close(&r);
	assert_return_code(dup2(saved, STDOUT_FILENO), 0);
	n = read(fds[0], text, size - 1);
	text[n > 0 ? n : 0] = 0;
	close(saved);
	close(fds[0]);
	close(fds[1]);
}

static void test_reading(void **state)
{
	struct session_opts opts = { .columns = "tx,rx" };
	char text[512];

	(void)state;
	print_reading(&opts, text, sizeof(text));
	assert_string_equal(text, "at 07, load 0.5\n" "TX RX\n" " 1  9\n" " 5  1\n");
	opts.sort = "tx";
	opts.rows = 3;
	opts.title = '-';
	print_reading(&opts, text, sizeof(text));
	assert_string_equal(text, "TX RX\n" " 5  1\n" " 3  0\n" " 1  9\n");
	opts.format = OUT_CSV;
	opts.rows = 1;
	print_reading(&opts, text, sizeof(text));
	assert_string_equal(text, "tx,rx\n" "5,1\n");
}

/* Rows that look the same are one; they come in the order of what is shown. */
static void test_merged(void **state)
{
	struct session_opts opts = { .columns = "lport,tx,rx" };
	char text[512];

	(void)state;
	sums = (struct tool_sums){ .merged = true };
	print_reading(&opts, text, sizeof(text));
	assert_string_equal(text, "LPORT TX RX\n" "   81  8  1\n" "  256  1  9\n");
	opts.columns = "rx,tx";
	print_reading(&opts, text, sizeof(text));
	assert_string_equal(text, "RX TX\n" "10  9\n");
	sums.sort = "tx";
	opts.columns = "most,rx,lport";
	print_reading(&opts, text, sizeof(text));
	assert_string_equal(text, "MOST RX LPORT\n" "   0  1    81\n" "   0  9   256\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add),
		cmocka_unit_test(test_filter_reads),
		cmocka_unit_test(test_reading),
		cmocka_unit_test(test_merged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
