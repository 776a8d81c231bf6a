/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Histograms: bcc's drawing to the byte, JSON, CSV, percentiles, odd contents, wide terminals. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "out.h"

#define HEAD "     usecs               : count     distribution\n"
#define NONE "                                        "
#define STARS "****************************************"

struct hist {
	uint64_t count, sum, max, slots[64];
};

struct row {
	uint8_t addr[16];
	uint16_t port;
	char comm[16];
	uint64_t time, id;
	struct hist hist;
};

#define AT(f) .off = offsetof(struct row, f), .size = sizeof(((struct row *)0)->f)
#define FEW(n) .off = offsetof(struct row, hist), .size = 24 + 8 * (n)

static const struct column all[] = {
	{ "time", "TIME", "when", COL_TIME, AT(time), .flags = COL_HIDDEN },
	{ "laddr", "Local Address", "address", COL_ADDR, AT(addr), .flags = COL_NULL_ZERO },
	{ "lport", "LPORT", "port", COL_NUM, AT(port), .flags = COL_HIDDEN, .width = 6 },
	{ "comm", "COMM", "name", COL_STR, AT(comm), .flags = COL_HIDDEN },
	{ "cgroup", "CGROUP", "path", COL_NAME, AT(id), .flags = COL_HIDDEN },
	{ "avg", "AVG", "mean", COL_AVG, AT(hist), .flags = COL_HIDDEN | COL_TABLE_ONLY },
	{ "us", "usecs", "times", COL_HIST, AT(hist) },
	{ "few", "msecs", "times", COL_HIST, FEW(3), .flags = COL_HIDDEN | COL_TABLE_ONLY },
	{ 0 },
};

static const struct column *tested = all;
static char name_text[70000];

static const char *name_of(void *ctx, const struct column *col, uint64_t id)
{
	(void)ctx;
	(void)col;
	return id ? name_text : NULL;
}

static void add(struct hist *h, uint64_t value, uint64_t times, unsigned int slots)
{
	unsigned int slot = value < 2 ? 0 : 63 - (unsigned int)__builtin_clzll(value);

	h->slots[slot < slots ? slot : slots - 1] += times;
	h->count += times;
	h->sum += value * times;
	if (value > h->max)
		h->max = value;
}

static struct row sample(void)
{
	struct row row = { .addr = { [10] = 0xff, [11] = 0xff, 10, 0, 0, 1 }, .port = 80,
			   .comm = "nginx" };

	add(&row.hist, 5, 1, 64);
	add(&row.hist, 17, 4, 64);
	add(&row.hist, 30, 4, 64);
	add(&row.hist, 33, 2, 64);
	return row;
}

/* One row written to fd by a view of its own, or by the second of two views. */
static void print_to(int fd, enum out_format format, bool header, bool merged, const char *spec,
		     const struct row *row)
{
	const struct view_opts opts = { .tool = "t", .columns = tested, .spec = spec };
	struct view *view, *other = NULL;
	struct out *out;

	assert_int_equal(out_new(&out, fd, format, header, (struct out_names){ name_of }), 0);
	if (merged)
		assert_int_equal(view_new(&other, out, &opts, NULL, NULL), 0);
	assert_int_equal(view_new(&view, out, &opts, NULL, NULL), 0);
	assert_int_equal(view_row(view, row), 0);
	assert_int_equal(out_flush(out), 0);
	view_free(view);
	view_free(other);
	out_free(out);
}

static const char *text_of(enum out_format format, bool header, bool merged, const char *spec,
			   const struct row *row)
{
	static char text[1 << 20];
	int fd = memfd_create("out", 0);
	ssize_t n;

	assert_true(fd >= 0);
	print_to(fd, format, header, merged, spec, row);
	n = pread(fd, text, sizeof(text) - 1, 0);
	assert_true(n >= 0);
	text[n] = 0;
	close(fd);
	return text;
}

static const char *one(enum out_format format, const char *spec, const struct row *row)
{
	return text_of(format, true, false, spec, row);
}

#define SAMPLE_BARS                                                                                \
	"         0 -> 1          : 0        |" NONE "|\n"                                         \
	"         2 -> 3          : 0        |" NONE "|\n"                                         \
	"         4 -> 7          : 1        |*****                                   |\n"         \
	"         8 -> 15         : 0        |" NONE "|\n"                                         \
	"        16 -> 31         : 8        |" STARS "|\n"                                        \
	"        32 -> 63         : 2        |**********                              |\n"

static void test_table(void **state)
{
	struct row row = sample();

	(void)state;
	assert_string_equal(one(OUT_TABLE, "us", &row), "\n" HEAD SAMPLE_BARS);
	assert_string_equal(one(OUT_TABLE, "us,laddr", &row),
			    "\nLocal Address = 10.0.0.1\n" HEAD SAMPLE_BARS);
	assert_string_equal(one(OUT_TABLE, "laddr,lport,us,avg", &row),
			    "\nLocal Address = 10.0.0.1, LPORT = 80 [AVG 23]\n" HEAD SAMPLE_BARS);
	assert_string_equal(one(OUT_TABLE, "avg,us", &row), "\n[AVG 23]\n" HEAD SAMPLE_BARS);
	assert_string_equal(text_of(OUT_TABLE, false, false, "us", &row), "\n" SAMPLE_BARS);
	assert_string_equal(text_of(OUT_TABLE, true, true, "us", &row),
			    "\nTOOL = t\n" HEAD SAMPLE_BARS);
	assert_string_equal(text_of(OUT_TABLE, true, true, "lport,tool,us", &row),
			    "\nLPORT = 80, TOOL = t\n" HEAD SAMPLE_BARS);
	memset(row.addr, 0, sizeof(row.addr));
	assert_string_equal(one(OUT_TABLE, "laddr,us", &row),
			    "\nLocal Address = -\n" HEAD SAMPLE_BARS);
}

#define SUMMARY "\"unit\":\"us\",\"count\":11,\"sum\":259," \
		"\"p50\":25,\"p90\":32,\"p99\":33,\"max\":33"
#define BUCKETS "\"buckets\":[{\"lo\":4,\"hi\":7,\"count\":1}," \
		"{\"lo\":8,\"hi\":15,\"count\":0}," \
		"{\"lo\":16,\"hi\":31,\"count\":8},{\"lo\":32,\"hi\":63,\"count\":2}]"

static void test_json(void **state)
{
	struct row row = sample();

	(void)state;
	assert_string_equal(one(OUT_JSON, "us", &row),
			    "{\"tool\":\"t\"," SUMMARY "," BUCKETS "}\n");
	assert_string_equal(one(OUT_JSON, "us,lport,avg", &row),
			    "{\"tool\":\"t\",\"lport\":80,\"avg\":23," SUMMARY "," BUCKETS "}\n");
	assert_string_equal(one(OUT_JSON, NULL, &row),
			    "{\"tool\":\"t\",\"time\":\"1970-01-01T00:00:00.000000000Z\","
			    "\"laddr\":\"10.0.0.1\",\"lport\":80,\"comm\":\"nginx\","
			    "\"cgroup\":null," SUMMARY "," BUCKETS "}\n");
}

static void test_csv(void **state)
{
	struct row row = sample();

	(void)state;
	assert_string_equal(one(OUT_CSV, "us", &row), "unit,lo,hi,count\n"
			    "us,4,7,1\nus,8,15,0\nus,16,31,8\nus,32,63,2\n");
	assert_string_equal(one(OUT_CSV, "-time,-comm,-cgroup", &row),
			    "tool,laddr,lport,unit,lo,hi,count\n"
			    "t,10.0.0.1,80,us,4,7,1\nt,10.0.0.1,80,us,8,15,0\n"
			    "t,10.0.0.1,80,us,16,31,8\nt,10.0.0.1,80,us,32,63,2\n");
	assert_string_equal(text_of(OUT_CSV, false, false, "cgroup,us", &row),
			    ",us,4,7,1\n,us,8,15,0\n,us,16,31,8\n,us,32,63,2\n");
}

static void test_empty(void **state)
{
	struct row row = { .port = 80 };

	(void)state;
	assert_string_equal(one(OUT_TABLE, "us", &row), "\n");
	assert_string_equal(one(OUT_TABLE, "lport,avg,us", &row), "\nLPORT = 80 [AVG -]\n");
	assert_string_equal(one(OUT_CSV, "lport,avg,us", &row),
			    "lport,avg,unit,lo,hi,count\n80,,us,,,0\n");
	assert_string_equal(one(OUT_CSV, "us", &row), "unit,lo,hi,count\nus,,,0\n");
	assert_string_equal(one(OUT_JSON, "lport,avg,us", &row),
			    "{\"tool\":\"t\",\"lport\":80,\"avg\":null,\"unit\":\"us\",\"count\":0,"
			    "\"sum\":0,\"p50\":null,\"p90\":null,\"p99\":null,\"max\":null,"
			    "\"buckets\":[]}\n");
}

static void test_zeros(void **state)
{
	struct row row = { 0 };

	(void)state;
	add(&row.hist, 0, 7, 64);
	assert_string_equal(one(OUT_TABLE, "us", &row),
			    "\n" HEAD "         0 -> 1          : 7        |" STARS "|\n");
	assert_string_equal(one(OUT_JSON, "us", &row),
			    "{\"tool\":\"t\",\"unit\":\"us\",\"count\":7,\"sum\":0,\"p50\":0,"
			    "\"p90\":0,\"p99\":0,\"max\":0,"
			    "\"buckets\":[{\"lo\":0,\"hi\":1,\"count\":7}]}\n");
	assert_string_equal(one(OUT_CSV, "us", &row), "unit,lo,hi,count\nus,0,1,7\n");
}

/* The last slot says how far it really reaches, and only then. */
static void test_last_slot(void **state)
{
	struct row row = { 0 };

	(void)state;
	add(&row.hist, 1, 1, 3);
	add(&row.hist, 6, 1, 3);
	assert_string_equal(one(OUT_CSV, "few", &row),
			    "unit,lo,hi,count\nfew,0,1,1\nfew,2,3,0\nfew,4,7,1\n");
	add(&row.hist, 1000, 1, 3);
	assert_string_equal(one(OUT_CSV, "few", &row),
			    "unit,lo,hi,count\nfew,0,1,1\nfew,2,3,0\nfew,4,1000,2\n");
	assert_string_equal(one(OUT_TABLE, "us,few", &row), /* the last one named */
			    "\n     msecs               : count     distribution\n"
			    "         0 -> 1          : 1        |********************"
			    "                    |\n"
			    "         2 -> 3          : 0        |" NONE "|\n"
			    "         4 -> 1000       : 2        |" STARS "|\n");
	assert_non_null(strstr(one(OUT_JSON, "few", &row), "\"p50\":502,\"p90\":1000,"));
	row.hist.max = UINT64_C(1) << 32;
	assert_non_null(strstr(one(OUT_TABLE, "few", &row),
			       "                   4 -> 4294967296           : 2        |"));
}

static void test_huge(void **state)
{
	struct row row = { 0 };
	struct hist *h = &row.hist;
	const char *text;

	(void)state;
	add(h, UINT32_MAX, 1, 64);
	text = one(OUT_TABLE, "us", &row); /* 32 bits still are the narrow form */
	assert_memory_equal(text, "\n" HEAD, strlen("\n" HEAD));
	assert_non_null(strstr(text, "\n2147483648 -> 4294967295 : 1        |" STARS "|\n"));
	h->slots[0] = 99999999;
	assert_non_null(strstr(one(OUT_TABLE, "us", &row), " -> 1          : 99999999 |" STARS));
	h->slots[0] = 1234567890;
	text = one(OUT_TABLE, "us", &row);
	assert_non_null(strstr(text, "\n     usecs               : count       distribution\n"
			       "         0 -> 1          : 1234567890 |" STARS "|\n"
			       "         2 -> 3          : 0          |" NONE "|\n"));
	h->slots[0] = h->slots[63] = h->count = h->sum = h->max = UINT64_MAX;
	text = one(OUT_TABLE, "us", &row);
	assert_non_null(strstr(text,
		"\n               usecs                         : count                 "
		"distribution\n"
		"                   0 -> 1                    : 18446744073709551615 |"
		"********************|\n"
		"                   2 -> 3                    : 0                    |"
		"                    |\n"));
	assert_non_null(strstr(text,
		"\n 9223372036854775808 -> 18446744073709551615 : 18446744073709551615 |"
		"********************|\n"));
	text = one(OUT_JSON, "us", &row);
	assert_non_null(strstr(text, "\"p50\":4294967295,\"p90\":16602069666338596453,"
				     "\"p99\":18262276632972456099,\"max\":18446744073709551615,"));
	assert_non_null(strstr(text, ",{\"lo\":9223372036854775808,\"hi\":18446744073709551615,"
				     "\"count\":18446744073709551615}]}\n"));
	for (int i = 0; i < 64; i++)
		h->slots[i] = UINT64_MAX; /* the longest texts of all */
	assert_int_equal(strlen(one(OUT_TABLE, "us", &row)), 1 + 82 + 64 * 91);
	assert_string_equal(strrchr(one(OUT_JSON, "us", &row), '}'), "}\n");
	assert_string_equal(strrchr(one(OUT_CSV, "us", &row), ','), ",18446744073709551615\n");
}

/* Read while the kernel writes: parts that do not fit each other give sane text. */
static void test_torn(void **state)
{
	struct row row = { 0 };

	(void)state;
	row.hist.slots[4] = 3;
	assert_string_equal(one(OUT_JSON, "us", &row),
			    "{\"tool\":\"t\",\"unit\":\"us\",\"count\":0,\"sum\":0,\"p50\":0,"
			    "\"p90\":0,\"p99\":0,\"max\":null,"
			    "\"buckets\":[{\"lo\":16,\"hi\":31,\"count\":3}]}\n");
	row.hist = (struct hist){ .count = 2, .sum = 9, .max = 9 };
	assert_string_equal(one(OUT_JSON, "us,avg", &row),
			    "{\"tool\":\"t\",\"avg\":4,\"unit\":\"us\",\"count\":2,\"sum\":9,"
			    "\"p50\":null,\"p90\":null,\"p99\":null,\"max\":9,\"buckets\":[]}\n");
	assert_string_equal(one(OUT_TABLE, "us", &row), "\n");
}

static uint64_t number_behind(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	assert_non_null(at);
	return strtoull(at + strlen(key), NULL, 10);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* The true percentile and the one told lie in one bucket; nothing lies above the largest value. */
static void test_percentiles(void **state)
{
	static const char *const keys[] = { "\"p50\":", "\"p90\":", "\"p99\":" };
	static const unsigned int percents[] = { 50, 90, 99 };
	uint64_t values[300];

	(void)state;
	srandom(20261122);
	for (unsigned int round = 0; round < 2000; round++) {
		unsigned int n = 1 + round % 300, bits = 1 + (unsigned int)random() % 63;
		struct row row = { 0 };
		const char *text;

		for (unsigned int i = 0; i < n; i++) {
			values[i] = ((uint64_t)random() << 33 ^ (uint64_t)random() << 10) >>
				    (64 - 1 - (unsigned int)random() % bits);
			add(&row.hist, values[i], 1, 64);
		}
		qsort(values, n, sizeof(values[0]), by_value);
		text = one(OUT_JSON, "us", &row);
		for (int i = 0; i < 3; i++) {
			uint64_t got = number_behind(text, keys[i]);
			uint64_t want = values[(n * percents[i] + 99) / 100 - 1];

			assert_int_equal(63 - __builtin_clzll(got | 1),
					 63 - __builtin_clzll(want | 1));
			assert_true(got <= row.hist.max);
			assert_true(n > 1 || got == want);
		}
	}
}

static void test_hostile_keys(void **state)
{
	struct row row = { 0 };

	(void)state;
	memcpy(row.comm, "\x1b[2J\n\",\xff\xc3\xa9", 10);
	add(&row.hist, 1, 2, 64);
	assert_string_equal(one(OUT_TABLE, "comm,us", &row),
			    "\nCOMM = \\x1b[2J\\x0a\",\\xff\xc3\xa9\n" HEAD
			    "         0 -> 1          : 2        |" STARS "|\n");
	add(&row.hist, 3, 1, 64);
	assert_string_equal(one(OUT_CSV, "comm,us", &row),
			    "comm,unit,lo,hi,count\n"
			    "\"\\x1b[2J\\x0a\"\",\\xff\xc3\xa9\",us,0,1,2\n"
			    "\"\\x1b[2J\\x0a\"\",\\xff\xc3\xa9\",us,2,3,1\n");
	assert_non_null(strstr(one(OUT_JSON, "comm,us", &row),
			       "\"comm\":\"\\u001b[2J\\u000a\\\",\\\\xff\xc3\xa9\",\"unit\":"));
}

/* Keys longer than the buffer, on every line of CSV. */
static void test_long_keys(void **state)
{
	struct row row = sample();
	size_t len = sizeof(name_text) - 1;
	const char *text;

	(void)state;
	memset(name_text, 'x', len);
	row.id = 1;
	text = text_of(OUT_CSV, false, false, "cgroup,lport,us", &row);
	assert_int_equal(strlen(text), 4 * len + strlen(",80,us,4,7,1\n,80,us,8,15,0\n"
						       ",80,us,16,31,8\n,80,us,32,63,2\n"));
	assert_string_equal(strrchr(text, 'x'), "x,80,us,32,63,2\n");
	text = one(OUT_TABLE, "cgroup,lport,us", &row);
	assert_string_equal(strrchr(text, 'x'), "x, LPORT = 80\n" HEAD SAMPLE_BARS);
	text = one(OUT_JSON, "cgroup,us", &row);
	text += strlen("{\"tool\":\"t\",\"cgroup\":\"");
	assert_int_equal(strspn(text, "x"), len);
	assert_string_equal(text + len, "\"," SUMMARY "," BUCKETS "}\n");
}

/* Without its histogram a view is like any other, and the histogram is a count. */
static void test_cells(void **state)
{
	struct row row = sample();
	char text[32];

	(void)state;
	assert_string_equal(one(OUT_TABLE, "lport,avg,comm", &row),
			    " LPORT AVG COMM\n    80  23 nginx\n");
	assert_string_equal(one(OUT_CSV, "lport,avg", &row), "lport,avg\n80,23\n");
	row.hist.sum = 0;
	assert_int_equal(cell_text(text, sizeof(text), &all[6], &row), 2);
	assert_string_equal(text, "11");
	assert_int_equal(cell_text(text, sizeof(text), &all[5], &row), 1);
	assert_string_equal(text, "0");
}

/* The heading of another view's rows is repeated after a histogram. */
static void test_two_views(void **state)
{
	struct row row = sample();
	struct view *rows, *hist;
	int fd = memfd_create("out", 0);
	struct out *out;
	char text[4096] = "";

	(void)state;
	assert_int_equal(out_new(&out, fd, OUT_CSV, true, (struct out_names){ 0 }), 0);
	assert_int_equal(view_new(&rows, out, &(struct view_opts){ "r", all, NULL, "lport" }, NULL,
				  NULL), 0);
	assert_int_equal(view_new(&hist, out, &(struct view_opts){ "h", all, NULL, "lport,few" },
				  NULL, NULL), 0);
	memset(&row.hist, 0, sizeof(row.hist));
	add(&row.hist, 2, 5, 64);
	assert_int_equal(view_row(rows, &row), 0);
	assert_int_equal(view_row(hist, &row), 0);
	assert_int_equal(view_row(hist, &row), 0);
	assert_int_equal(view_header(hist), 0);
	assert_int_equal(view_row(rows, &row), 0);
	assert_int_equal(out_flush(out), 0);
	assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
	assert_string_equal(text, "lport\n80\nlport,unit,lo,hi,count\n80,few,2,3,5\n80,few,2,3,5\n"
				  "lport\n80\n");
	view_free(rows);
	view_free(hist);
	out_free(out);
	close(fd);
}

/* What a terminal with so many columns gets. */
static const char *on_terminal(unsigned short columns, const struct row *row)
{
	static char text[1 << 16];
	struct winsize size = { .ws_row = 24, .ws_col = columns };
	int master = posix_openpt(O_RDWR | O_NOCTTY), slave;
	struct termios raw;
	size_t len = 0;
	ssize_t n;

	assert_true(master >= 0);
	assert_int_equal(grantpt(master) | unlockpt(master), 0);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY);
	assert_true(slave >= 0);
	assert_int_equal(tcgetattr(slave, &raw), 0);
	cfmakeraw(&raw);
	assert_int_equal(tcsetattr(slave, TCSANOW, &raw), 0);
	assert_int_equal(ioctl(slave, TIOCSWINSZ, &size), 0);
	print_to(slave, OUT_TABLE, true, false, "us", row);
	close(slave);
	while ((n = read(master, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = 0;
	close(master);
	return text;
}

/* Every bar's line is `width` long, and the full one is full. */
static void check_bars(const char *text, size_t width, size_t stars)
{
	size_t full = 0, lines = 0;

	text = strchr(text + 1, '\n'); /* the empty line and the heading */
	assert_non_null(text);
	for (text++; *text; text += width + 1, lines++) {
		const char *bar = strchr(text, '|');

		assert_int_equal(strcspn(text, "\n"), width);
		assert_non_null(bar);
		if (strspn(bar + 1, "*") > full)
			full = strspn(bar + 1, "*");
	}
	assert_int_equal(full, stars);
	assert_true(lines > 0);
}

static void test_terminals(void **state)
{
	struct row row = sample();

	(void)state;
	assert_string_equal(on_terminal(0, &row), "\n" HEAD SAMPLE_BARS);
	assert_string_equal(on_terminal(60, &row), "\n" HEAD SAMPLE_BARS);
	assert_string_equal(on_terminal(99, &row), "\n" HEAD SAMPLE_BARS);
	check_bars(on_terminal(100, &row), 100, 62);
	check_bars(on_terminal(237, &row), 237, 199);
	row.hist.slots[0] = UINT64_MAX;
	check_bars(on_terminal(100, &row), 100, 50);
	row.hist.slots[32] = 1;
	check_bars(on_terminal(99, &row), 90, 20);
	check_bars(on_terminal(100, &row), 100, 30);
	check_bars(on_terminal(150, &row), 150, 80);
}

/* What a row is called, and in which unit it is, is up to the row. */
static void test_guards(void **state)
{
	static const struct column columns[] = {
		{ "laddr", "Local", "address", COL_ADDR, AT(addr),
		  .guard = offsetof(struct row, comm), .flags = COL_GUARDED },
		{ "lport", "LPORT", "port", COL_NUM, AT(port), .flags = COL_QUIET },
		{ "avg", "AVG", "mean", COL_AVG, AT(hist) },
		{ "us", "usecs", "times", COL_HIST, AT(hist) },
		{ "ms", "msecs", "times", COL_HIST, AT(hist),
		  .guard = offsetof(struct row, comm) + 1, .flags = COL_GUARDED },
		{ 0 },
	};
	static const struct {
		char comm[2];
		uint16_t port;
		const char *text;
	} cases[] = {
		{ { 1, 0 }, 80, "\nLocal = 10.0.0.1, LPORT = 80 [AVG 23]\n     usecs " },
		{ { 1, 1 }, 0, "\nLocal = 10.0.0.1 [AVG 23]\n     msecs " },
		{ { 0, 1 }, 80, "\nLPORT = 80 [AVG 23]\n     msecs " },
		{ { 0, 0 }, 0, "\n[AVG 23]\n     usecs " },
	};
	struct row row = sample();

	(void)state;
	tested = columns;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memcpy(row.comm, cases[i].comm, sizeof(cases[i].comm));
		row.port = cases[i].port;
		assert_memory_equal(one(OUT_TABLE, NULL, &row), cases[i].text,
				    strlen(cases[i].text));
	}
	row.comm[1] = 1;
	assert_non_null(strstr(one(OUT_JSON, NULL, &row),
			       "\"t\",\"laddr\":null,\"lport\":0,\"avg\":23,\"unit\":\"ms\","));
	assert_non_null(strstr(one(OUT_CSV, NULL, &row), "\nt,,0,23,ms,4,7,1\n"));
	tested = all;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_csv),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_zeros),
		cmocka_unit_test(test_last_slot),
		cmocka_unit_test(test_huge),
		cmocka_unit_test(test_torn),
		cmocka_unit_test(test_percentiles),
		cmocka_unit_test(test_hostile_keys),
		cmocka_unit_test(test_long_keys),
		cmocka_unit_test(test_cells),
		cmocka_unit_test(test_two_views),
		cmocka_unit_test(test_terminals),
		cmocka_unit_test(test_guards),
	};

	setenv("TZ", "UTC0", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
