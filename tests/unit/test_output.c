/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rows to text: types, formats, hostile bytes, widths, --columns, merged views, failing writes. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "out.h"

#define REALTIME INT64_C(1795341901123456789) /* 2026-11-22T10:05:01.123456789Z */
#define SECOND UINT64_C(1000000000)

struct row {
	uint64_t time, num64, bytes, nsec, usec, id;
	uint32_t num32, uid, kind;
	uint16_t num16;
	uint8_t num8, flag, guard;
	char comm[16];
	uint8_t addr[16];
};

#define AT(f) .off = offsetof(struct row, f), .size = sizeof(((struct row *)0)->f)

static const char *const kinds[] = { "none", NULL, "conn,\"x\"" };

static const struct column all[] = {
	{ "time", "TIME", "when", COL_TIME, AT(time) },
	{ "elapsed", "TIME(s)", "since the first", COL_ELAPSED, AT(time), .flags = COL_TABLE_ONLY },
	{ "num", "NUM", "a number", COL_NUM, AT(num32), .width = 6, .flags = COL_LEFT },
	{ "bytes", "KB", "bytes", COL_BYTES, AT(bytes), .width = 6 },
	{ "nsec", "MS", "ns", COL_NSEC, AT(nsec), .flags = COL_LOWER_BOUND,
	  .guard = offsetof(struct row, guard) },
	{ "usec", "LAT(ms)", "us", COL_USEC, AT(usec), .width = 8 },
	{ "comm", "COMM", "name", COL_STR, AT(comm), .width = 8 },
	{ "addr", "ADDR", "address", COL_ADDR, AT(addr), .width = 15 },
	{ "kind", "KIND", "kind", COL_ENUM, AT(kind), .names = kinds, .n_names = 3 },
	{ "flag", "FLAG", "bool", COL_BOOL, AT(flag) },
	{ "hex", "HEX", "hex", COL_HEX, AT(num64) },
	{ "cgroup", "CGROUP", "path", COL_NAME, AT(id), .flags = COL_HIDDEN },
	{ "host", "HOST", "name of addr", COL_HOST, AT(addr), .flags = COL_HIDDEN | COL_ASKED },
	{ 0 },
};

static char name_text[70000];

static const char *name_of(void *ctx, const struct column *col, uint64_t id)
{
	assert_string_equal(col->name, "cgroup");
	if (id == 7)
		return "/system.slice/a.service";
	return id == 8 ? ctx : NULL;
}

static const char *host_of(void *ctx, const uint8_t addr[16])
{
	assert_ptr_equal(ctx, name_text);
	return addr[15] == 30 ? "www.example.com" : addr[15] == 31 ? "a\"b,c\x1b" : NULL;
}

struct sink {
	struct out *out;
	int fd;
	off_t read;
	char *text;
};

static void sink_open(struct sink *s, enum out_format format, bool header)
{
	struct out_names names = { .name = name_of, .host = host_of, .ctx = name_text };

	memset(s, 0, sizeof(*s));
	s->fd = memfd_create("out", 0);
	assert_true(s->fd >= 0);
	assert_int_equal(out_new(&s->out, s->fd, format, header, names), 0);
	out_set_clock(s->out, REALTIME);
}

/* What was written since the last call, as a string. */
static const char *sink_text(struct sink *s)
{
	off_t end;

	assert_int_equal(out_flush(s->out), 0);
	end = lseek(s->fd, 0, SEEK_END);
	s->text = realloc(s->text, (size_t)(end - s->read) + 1);
	assert_non_null(s->text);
	assert_int_equal(pread(s->fd, s->text, (size_t)(end - s->read), s->read), end - s->read);
	s->text[end - s->read] = 0;
	s->read = end;
	return s->text;
}

static void sink_close(struct sink *s)
{
	out_free(s->out);
	close(s->fd);
	free(s->text);
}

static struct view *make_view(struct sink *s, const char *tool, const struct column *columns,
			      const char *spec)
{
	const char *bad = NULL;
	size_t bad_len = 0;
	struct view *view;

	assert_int_equal(
		view_new(&view, s->out,
			 &(struct view_opts){
				 .tool = tool, .columns = columns, .spec = spec, .unhide = NULL },
			 &bad, &bad_len),
		0);
	return view;
}

/* One row, no heading, these columns. The text lives until the next call. */
static const char *one(enum out_format format, const struct column *columns, const char *spec,
		       const struct row *row)
{
	static char text[4096];
	struct sink s;
	struct view *view;

	sink_open(&s, format, false);
	view = make_view(&s, "t", columns, spec);
	assert_int_equal(view_row(view, row), 0);
	snprintf(text, sizeof(text), "%s", sink_text(&s));
	view_free(view);
	sink_close(&s);
	return text;
}

static struct row sample(void)
{
	struct row row = {
		.time = 2 * SECOND, .num64 = 0xffff888000abcdef, .bytes = 123456, .nsec = 12345678,
		.usec = 1234567, .id = 7, .num32 = 42, .uid = 1000, .kind = 0, .num16 = 65535,
		.num8 = 255, .flag = 1, .comm = "nginx",
		.addr = { [10] = 0xff, [11] = 0xff, 10, 1, 200, 30 },
	};

	return row;
}

static void check(const char *col, const struct row *row, const char *table, const char *csv,
		  const char *json)
{
	char want[1024];

	snprintf(want, sizeof(want), "%s\n", table);
	assert_string_equal(one(OUT_TABLE, all, col, row), want);
	snprintf(want, sizeof(want), "%s\n", csv);
	assert_string_equal(one(OUT_CSV, all, col, row), want);
	snprintf(want, sizeof(want), "{\"tool\":\"t\",\"%s\":%s}\n", col, json);
	assert_string_equal(one(OUT_JSON, all, col, row), want);
}

static void test_types(void **state)
{
	struct row row = sample();

	(void)state;
	check("time", &row, "10:05:03", "2026-11-22T10:05:03.123456789Z",
	      "\"2026-11-22T10:05:03.123456789Z\"");
	check("elapsed", &row, "0.000000", "0.000000000", "0.000000000");
	check("num", &row, "42", "42", "42");
	check("bytes", &row, "   120", "123456", "123456");
	check("nsec", &row, "12.35", "12345678", "12345678");
	check("usec", &row, "1234.567", "1234567", "1234567");
	check("comm", &row, "nginx", "nginx", "\"nginx\"");
	check("addr", &row, "10.1.200.30", "10.1.200.30", "\"10.1.200.30\"");
	check("kind", &row, "none", "none", "\"none\"");
	check("flag", &row, "true", "true", "true");
	check("hex", &row, "ffff888000abcdef", "ffff888000abcdef", "\"ffff888000abcdef\"");
	check("cgroup", &row, "/system.slice/a.service", "/system.slice/a.service",
	      "\"/system.slice/a.service\"");
	check("host", &row, "www.example.com", "www.example.com", "\"www.example.com\"");
	row.addr[15] = 31;
	check("host", &row, "a\"b,c\\x1b", "\"a\"\"b,c\\x1b\"", "\"a\\\"b,c\\u001b\"");
	row.flag = 0;
	check("flag", &row, "false", "false", "false");
	row.kind = 2;
	check("kind", &row, "conn,\"x\"", "\"conn,\"\"x\"\"\"", "\"conn,\\\"x\\\"\"");
	row.kind = 3;
	check("kind", &row, "3", "3", "\"3\"");
	row.num64 = 0;
	check("hex", &row, "0", "0", "\"0\"");
	row.guard = 1;
	check("nsec", &row, ">12.35", "12345678", "12345678");
}

static void test_sizes(void **state)
{
	static const struct column cols[] = {
		{ "a", "A", "", COL_NUM, AT(num8) }, { "b", "B", "", COL_NUM, AT(num16) },
		{ "c", "C", "", COL_NUM, AT(num32) }, { "d", "D", "", COL_NUM, AT(num64) }, { 0 },
	};
	struct row row = { .num8 = 255, .num16 = 65535, .num32 = UINT32_MAX, .num64 = UINT64_MAX };

	(void)state;
	assert_string_equal(one(OUT_CSV, cols, "a,b,c,d", &row),
			    "255,65535,4294967295,18446744073709551615\n");
	assert_string_equal(one(OUT_TABLE, cols, NULL, &row),
			    "255 65535 4294967295 18446744073709551615\n");
}

static void test_signed(void **state)
{
	static const struct column cols[] = {
		{ "a", "A", "", COL_INT, AT(num8) }, { "b", "B", "", COL_INT, AT(num16) },
		{ "c", "C", "", COL_INT, AT(num32) }, { "d", "D", "", COL_INT, AT(num64) }, { 0 },
	};
	struct row row = { .num8 = 127, .num16 = 0, .num32 = -98, .num64 = INT64_MAX };

	(void)state;
	assert_string_equal(one(OUT_CSV, cols, "a,b,c,d", &row), "127,0,-98,9223372036854775807\n");
	assert_string_equal(one(OUT_JSON, cols, "c", &row), "{\"tool\":\"t\",\"c\":-98}\n");
	row = (struct row){ .num8 = 128, .num16 = UINT16_MAX, .num32 = 1u << 31,
			    .num64 = 1ull << 63 };
	assert_string_equal(one(OUT_TABLE, cols, NULL, &row),
			    "-128 -1 -2147483648 -9223372036854775808\n");
}

static void test_numbers(void **state)
{
	char want[128], got[128];
	struct row row = { 0 };

	(void)state;
	for (uint64_t v = 1; v; v = v > UINT64_MAX / 10 ? 0 : v * 10) {
		for (int d = -1; d <= 1; d++) {
			row.num64 = v + (uint64_t)d;
			snprintf(want, sizeof(want), "{\"tool\":\"t\",\"hex\":\"%llx\"}\n",
				 (unsigned long long)row.num64);
			assert_string_equal(one(OUT_JSON, all, "hex", &row), want);
			row.bytes = row.num64;
			snprintf(want, sizeof(want), "%llu\n", (unsigned long long)row.bytes);
			assert_string_equal(one(OUT_CSV, all, "bytes", &row), want);
		}
	}
	row.bytes = UINT64_MAX;
	assert_string_equal(one(OUT_CSV, all, "bytes", &row), "18446744073709551615\n");
	for (uint32_t v = 0; v < 120000; v++) {
		static const struct column num = { "n", "N", "", COL_NUM, AT(num32) };

		row.num32 = v < 20000 ? v : v * 35791;
		snprintf(want, sizeof(want), "%u", row.num32);
		assert_int_equal(cell_text(got, sizeof(got), &num, &row), strlen(want));
		assert_string_equal(got, want);
	}
}

static void test_scaling(void **state)
{
	struct row row = { 0 };

	(void)state;
	check("nsec", &row, "0.00", "0", "0");
	row.nsec = 4999;
	check("nsec", &row, "0.00", "4999", "4999");
	row.nsec = 5000;
	check("nsec", &row, "0.01", "5000", "5000");
	row.nsec = 999995000;
	check("nsec", &row, "1000.00", "999995000", "999995000");
	row.nsec = UINT64_MAX;
	check("nsec", &row, "18446744073709.55", "18446744073709551615", "18446744073709551615");
	row.usec = 7;
	check("usec", &row, "   0.007", "7", "7");
	row.usec = UINT64_MAX;
	check("usec", &row, "18446744073709551.615", "18446744073709551615",
	      "18446744073709551615");
	row.bytes = 1023;
	check("bytes", &row, "     0", "1023", "1023");
	row.bytes = 2047;
	check("bytes", &row, "     1", "2047", "2047");
	row.bytes = UINT64_MAX;
	check("bytes", &row, "18014398509481983", "18446744073709551615", "18446744073709551615");
}

static void check_null(const struct column *cols, const struct row *row, bool null)
{
	const char *json = one(OUT_JSON, cols, "x", row);

	assert_int_equal(!strcmp(json, "{\"tool\":\"t\",\"x\":null}\n"), null);
	assert_int_equal(!strncmp(one(OUT_TABLE, cols, "x,num", row), "- ", 2), null);
	if (null) {
		assert_string_equal(one(OUT_CSV, cols, "x,num", row), ",5\n");
		assert_string_equal(one(OUT_TABLE, cols, "x,num", row), "- 5\n");
	}
}

static void test_nulls(void **state)
{
	struct column cols[] = { { .name = "x", .title = "" },
				 { "num", "", "", COL_NUM, AT(num32) }, { 0 } };
	static const struct column kind[] = {
		{ .type = COL_NUM, AT(num8) }, { .type = COL_NUM, AT(num16) },
		{ .type = COL_NUM, AT(uid) }, { .type = COL_NUM, AT(num64) },
		{ .type = COL_BYTES, AT(bytes) }, { .type = COL_NSEC, AT(nsec) },
		{ .type = COL_USEC, AT(usec) }, { .type = COL_TIME, AT(time) },
		{ .type = COL_ELAPSED, AT(time) }, { .type = COL_STR, AT(comm) },
		{ .type = COL_ADDR, AT(addr) }, { .type = COL_ENUM, AT(kind) },
		{ .type = COL_BOOL, AT(flag) }, { .type = COL_HEX, AT(num64) },
	};
	struct row zero = { .num32 = 5 }, ones, some = sample();

	(void)state;
	memset(&ones, 0xff, sizeof(ones));
	ones.num32 = some.num32 = 5;
	some.kind = some.num8 = 1;
	some.num16 = 2;
	ones.guard = 0;
	for (size_t i = 0; i < sizeof(kind) / sizeof(kind[0]); i++) {
		static const struct {
			uint16_t flags;
			uint8_t guard;
			bool zero, ones, some;
		} want[] = {
			{ 0, 0, false, false, false },
			{ COL_NULL_ZERO, 0, true, false, false },
			{ COL_NULL_ONES, 0, false, true, false },
			{ COL_GUARDED, 0, true, true, true },
			{ COL_GUARDED, 9, false, false, false },
			{ COL_GUARDED | COL_NULL_ZERO, 9, true, false, false },
			{ COL_GUARDED | COL_NULL_ONES | COL_LOWER_BOUND, 0, true, true, true },
		};

		for (size_t j = 0; j < sizeof(want) / sizeof(want[0]); j++) {
			cols[0] = kind[i];
			cols[0].name = "x";
			cols[0].title = "";
			cols[0].guard = offsetof(struct row, guard);
			cols[0].flags = want[j].flags;
			zero.guard = ones.guard = some.guard = want[j].guard;
			check_null(cols, &zero, want[j].zero);
			check_null(cols, &ones, want[j].ones);
			check_null(cols, &some, want[j].some);
		}
	}
}

static void test_null_names(void **state)
{
	struct row row = sample();
	struct sink s;
	struct view *view;

	(void)state;
	row.kind = 1;
	/* a single empty cell of CSV must not be an empty line */
	check("kind", &row, "-", "\"\"", "null");
	row.id = 9;
	check("cgroup", &row, "-", "\"\"", "null");
	row.addr[15] = 1;
	check("host", &row, "-", "\"\"", "null");
	sink_open(&s, OUT_JSON, true);
	out_free(s.out);
	assert_int_equal(out_new(&s.out, s.fd, OUT_JSON, true, (struct out_names){ 0 }), 0);
	view = make_view(&s, "t", all, "cgroup");
	row.id = 7;
	assert_int_equal(view_row(view, &row), 0);
	assert_string_equal(sink_text(&s), "{\"tool\":\"t\",\"cgroup\":null}\n");
	view_free(view);
	row.addr[15] = 30;
	view = make_view(&s, "t", all, "host");
	assert_int_equal(view_row(view, &row), 0);
	assert_string_equal(sink_text(&s), "{\"tool\":\"t\",\"host\":null}\n");
	view_free(view);
	sink_close(&s);
}

static void check_comm(const char *bytes, size_t len, const char *table, const char *csv,
		       const char *json)
{
	struct row row = sample();

	memset(row.comm, 0, sizeof(row.comm));
	memcpy(row.comm, bytes, len);
	memset(row.addr, 0xff, sizeof(row.addr)); /* what follows must not leak in */
	check("comm", &row, table, csv, json);
}

#define COMM(bytes, table, csv, json) check_comm(bytes, sizeof(bytes) - 1, table, csv, json)

static void test_hostile_comm(void **state)
{
	(void)state;
	COMM("0123456789abcdef", "0123456789abcdef", "0123456789abcdef", "\"0123456789abcdef\"");
	COMM("01234567", "01234567", "01234567", "\"01234567\"");
	COMM("", "", "\"\"", "\"\"");
	COMM("a b", "a b", "a b", "\"a b\"");
	COMM("a\"b", "a\"b", "\"a\"\"b\"", "\"a\\\"b\"");
	COMM("a,b", "a,b", "\"a,b\"", "\"a,b\"");
	COMM("a\\b", "a\\x5cb", "a\\x5cb", "\"a\\\\b\"");
	COMM("a\nb\r", "a\\x0ab\\x0d", "a\\x0ab\\x0d", "\"a\\u000ab\\u000d\"");
	COMM("\x1b[31mred\x7f", "\\x1b[31mred\\x7f", "\\x1b[31mred\\x7f",
	     "\"\\u001b[31mred\\u007f\"");
	COMM("\xc2\x9b" "31m", "\\xc2\\x9b31m", "\\xc2\\x9b31m", "\"\\u009b31m\"");
	COMM("\xc2\xa0", "\xc2\xa0", "\xc2\xa0", "\"\xc2\xa0\"");
	COMM("caf\xc3\xa9", "caf\xc3\xa9", "caf\xc3\xa9", "\"caf\xc3\xa9\"");
	COMM("\xf0\x9f\x90\x9d", "\xf0\x9f\x90\x9d", "\xf0\x9f\x90\x9d", "\"\xf0\x9f\x90\x9d\"");
	COMM("\xff", "\\xff", "\\xff", "\"\\\\xff\"");
	COMM("\xc0\xaf", "\\xc0\\xaf", "\\xc0\\xaf", "\"\\\\xc0\\\\xaf\"");
	COMM("\xe0\x80\xaf", "\\xe0\\x80\\xaf", "\\xe0\\x80\\xaf", "\"\\\\xe0\\\\x80\\\\xaf\"");
	COMM("\xed\xa0\x80", "\\xed\\xa0\\x80", "\\xed\\xa0\\x80", "\"\\\\xed\\\\xa0\\\\x80\"");
	COMM("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", "\\xf4\\x90\\x80\\x80",
	     "\"\\\\xf4\\\\x90\\\\x80\\\\x80\"");
	COMM("\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf", "\"\xf4\x8f\xbf\xbf\"");
	COMM("\xe2\x82", "\\xe2\\x82", "\\xe2\\x82", "\"\\\\xe2\\\\x82\"");
	COMM("0123456789abcde\xc3", "0123456789abcde\\xc3", "0123456789abcde\\xc3",
	     "\"0123456789abcde\\\\xc3\""); /* what follows would complete the sequence */
	COMM("a,\xff\n\"", "a,\\xff\\x0a\"", "\"a,\\xff\\x0a\"\"\"", "\"a,\\\\xff\\u000a\\\"\"");
	COMM("\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1",
	     "\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01",
	     "\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01",
	     "\"\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001"
	     "\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\\u0001\"");
}

/* Each byte at each place, so that no lane of the eight-at-a-time scan is missed. */
static void test_every_byte(void **state)
{
	static const char as[] = "aaaaaaaaaaaaaaaa";
	struct row row = sample();
	char want[128], text[64];
	size_t len;

	(void)state;
	for (int c = 1; c < 256; c++) {
		for (size_t at = 0; at < 16; at++) {
			memset(row.comm, 'a', sizeof(row.comm));
			row.comm[at] = (char)c;
			if (c < 0x20 || c >= 0x7f || c == '\\')
				snprintf(text, sizeof(text), "\\x%02x", c);
			else
				snprintf(text, sizeof(text), "%c", c);
			snprintf(want, sizeof(want), "%.*s%s%.*s", (int)at, as, text,
				 15 - (int)at, as);
			len = cell_text(text, sizeof(text), &all[6], &row);
			assert_int_equal(len, strlen(want));
			assert_string_equal(text, want);
		}
	}
}

static void check_addr(const char *hex, const char *want)
{
	struct row row = sample();
	char json[80];

	for (size_t i = 0; i < 16; i++) {
		unsigned int byte;

		assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
		row.addr[i] = (uint8_t)byte;
	}
	snprintf(json, sizeof(json), "\"%s\"", want);
	check("addr", &row, want, want, json);
}

/* `parts` without the NUL at its end, in a field that is just as long if `fits`. */
static void check_pattern(uint8_t kind, const char *parts, size_t len, const char *table,
			  const char *json)
{
	static const char *const patterns[] = {
		NULL, "socket:[#]", "*", "@", "...* (gone)", "@:[#]", "",
	};
	static const struct column cols[] = {
		{ .name = "x", .title = "X", .type = COL_PATTERN, AT(comm),
		  .number = offsetof(struct row, num64), .guard = offsetof(struct row, guard),
		  .prefix = offsetof(struct row, num32), .flags = COL_PREFIX,
		  .names = patterns, .n_names = 7 },
		{ 0 },
	};
	struct row row = { .num32 = 24, .num64 = UINT64_MAX, .guard = kind };
	char want[256];

	memcpy(row.comm, parts, len);
	snprintf(want, sizeof(want), "%s%s\n", *table == '-' ? "" : "24:", table);
	assert_string_equal(one(OUT_TABLE, cols, "x", &row), want);
	row.num32 = UINT32_MAX;
	snprintf(want, sizeof(want), "%s\n", table);
	assert_string_equal(one(OUT_TABLE, cols, "x", &row), want);
	snprintf(want, sizeof(want), "{\"tool\":\"t\",\"x\":%s}\n", json);
	assert_string_equal(one(OUT_JSON, cols, "x", &row), want);
}

static void test_patterns(void **state)
{
	(void)state;
	check_pattern(0, "a", 1, "-", "null");
	check_pattern(7, "a", 1, "-", "null");
	check_pattern(255, "a", 1, "-", "null");
	check_pattern(1, "a", 1, "socket:[18446744073709551615]",
		      "\"socket:[18446744073709551615]\"");
	check_pattern(2, "", 0, "/", "\"/\"");
	check_pattern(2, "file", 4, "/file", "\"/file\"");
	check_pattern(2, "file\0d\0e\0", 9, "/e/d/file", "\"/e/d/file\"");
	check_pattern(2, "sixteen bytes!!!", 16, "/sixteen bytes!!!", "\"/sixteen bytes!!!\"");
	check_pattern(2, "c\0a name of 14!!", 16, "/a name of 14!!/c", "\"/a name of 14!!/c\"");
	check_pattern(2, "file\0\0rest", 10, "/file", "\"/file\"");
	check_pattern(2, "\"\n\xff\0d", 5, "/d/\"\\x0a\\xff", "\"/d/\\\"\\u000a\\\\xff\"");
	check_pattern(3, "first\0second", 12, "first", "\"first\"");
	check_pattern(3, "", 0, "", "\"\"");
	check_pattern(4, "a\0b", 3, ".../b/a (gone)", "\".../b/a (gone)\"");
	check_pattern(5, "net", 3, "net:[18446744073709551615]",
		      "\"net:[18446744073709551615]\"");
	check_pattern(6, "a", 1, "", "\"\"");
}

static void test_table_names(void **state)
{
	static const char *const words[] = { "send", "recv" }, *const shown[] = { "SEND", "RECV" };
	static const struct column cols[] = {
		{ .name = "x", .title = "X", .type = COL_ENUM, AT(kind), .names = words,
		  .table_names = shown, .n_names = 2 },
		{ 0 },
	};
	struct row row = { .kind = 1 };

	(void)state;
	assert_string_equal(one(OUT_TABLE, cols, "x", &row), "RECV\n");
	assert_string_equal(one(OUT_CSV, cols, "x", &row), "recv\n");
	assert_string_equal(one(OUT_JSON, cols, "x", &row), "{\"tool\":\"t\",\"x\":\"recv\"}\n");
	row.kind = 2;
	assert_string_equal(one(OUT_TABLE, cols, "x", &row), "2\n");
}

static void test_addresses(void **state)
{
	(void)state;
	check_addr("00000000000000000000ffff00000000", "0.0.0.0");
	check_addr("00000000000000000000ffffffffffff", "255.255.255.255");
	check_addr("00000000000000000000ffff09630a64", "9.99.10.100");
	check_addr("00000000000000000000000000000000", "::");
	check_addr("00000000000000000000000000000001", "::1");
	check_addr("fe800000000000000000000000000000", "fe80::");
	check_addr("20010db8010203040506070818191a1b", "2001:db8:102:304:506:708:1819:1a1b");
	check_addr("ffffffffffffffffffffffffffffffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	check_addr("20010db8000000010001000100010001", "2001:db8:0:1:1:1:1:1");
	check_addr("20010db8000000000001000000000001", "2001:db8::1:0:0:1");
	check_addr("20010000000000010000000000000001", "2001:0:0:1::1");
	check_addr("00000000000100010001000100000000", "::1:1:1:1:0:0");
	check_addr("0001000000010001000100010001000a", "1:0:1:1:1:1:1:a");
	check_addr("00010002000300040005000600000000", "1:2:3:4:5:6::");
	check_addr("0064ff9b0000000000000000c0000201", "64:ff9b::c000:201");
	for (unsigned int i = 0; i < 256; i++) {
		char hex[40], want[20];

		snprintf(hex, sizeof(hex), "00000000000000000000ffff%02x%02x%02x%02x",
			 i, 255 - i, i, i);
		snprintf(want, sizeof(want), "%u.%u.%u.%u", i, 255 - i, i, i);
		check_addr(hex, want);
	}
	for (unsigned int i = 1; i < 65536; i += 7) {
		struct row row = { .addr = { (uint8_t)(i >> 8), (uint8_t)i } };
		char got[64], want[64];

		snprintf(want, sizeof(want), "%x::", i);
		cell_text(got, sizeof(got), &all[7], &row);
		assert_string_equal(got, want);
	}
}

static void test_endpoints(void **state)
{
	static const struct column cols[] = {
		{ "end", "END", "", COL_ENDPOINT, AT(addr), .guard = offsetof(struct row, num16) },
		{ 0 },
	};
	struct row row = sample();

	(void)state;
	assert_string_equal(one(OUT_TABLE, cols, NULL, &row), "10.1.200.30:65535\n");
	assert_string_equal(one(OUT_CSV, cols, "end", &row), "10.1.200.30:65535\n");
	assert_string_equal(one(OUT_JSON, cols, NULL, &row),
			    "{\"tool\":\"t\",\"end\":\"10.1.200.30:65535\"}\n");
	row.num16 = 0;
	assert_string_equal(one(OUT_TABLE, cols, NULL, &row), "10.1.200.30:-\n");
	memset(row.addr, 0xff, sizeof(row.addr));
	row.num16 = 65535;
	assert_string_equal(one(OUT_TABLE, cols, NULL, &row),
			    "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535\n");
	memset(row.addr, 0, sizeof(row.addr));
	assert_string_equal(one(OUT_TABLE, cols, NULL, &row), "[::]:65535\n");
}

static void test_time(void **state)
{
	static const char spec[] = "time,elapsed";
	struct row row = { .time = 0 };
	struct sink s;
	struct view *view;
	int64_t clock = INT64_C(1709251199) * 1000000000; /* 2024-02-29T23:59:59Z */

	(void)state;
	sink_open(&s, OUT_CSV, false);
	out_set_clock(s.out, clock);
	view = make_view(&s, "t", all, spec);
	row.time = 999999999;
	view_row(view, &row);
	row.time = SECOND;
	view_row(view, &row);
	row.time = 999999998; /* back over the boundary, and before the first row */
	view_row(view, &row);
	row.time = 2 * SECOND - 1;
	view_row(view, &row);
	out_set_clock(s.out, clock - 1000000000);
	view_row(view, &row);
	assert_string_equal(sink_text(&s),
			    "2024-02-29T23:59:59.999999999Z,0.000000000\n"
			    "2024-03-01T00:00:00.000000000Z,0.000000001\n"
			    "2024-02-29T23:59:59.999999998Z,-0.000000001\n"
			    "2024-03-01T00:00:00.999999999Z,1.000000000\n"
			    "2024-02-29T23:59:59.999999999Z,1.000000000\n");
	view_free(view);
	sink_close(&s);

	setenv("TZ", "IST-05:30", 1);
	sink_open(&s, OUT_TABLE, false);
	out_set_clock(s.out, clock);
	view = make_view(&s, "t", all, spec);
	row.time = 999999999;
	view_row(view, &row);
	row.time = SECOND + 499;
	view_row(view, &row);
	row.time = 999999998;
	view_row(view, &row);
	row.time = 11 * SECOND + 123456499;
	view_row(view, &row);
	row.time = 900000000;
	view_row(view, &row);
	assert_string_equal(sink_text(&s), "05:29:59 0.000000\n05:30:00 0.000001\n"
					   "05:29:59 0.000000\n05:30:10 10.123457\n"
					   "05:29:59 -0.100000\n");
	view_free(view);
	sink_close(&s);
	setenv("TZ", "UTC0", 1);
}

static void test_widths(void **state)
{
	struct row row = sample();
	struct sink s;
	struct view *view;

	(void)state;
	sink_open(&s, OUT_TABLE, true);
	view = make_view(&s, "t", all, "num,bytes,comm,usec,kind");
	view_row(view, &row);
	row.num32 = 1234567;
	row.bytes = UINT64_C(1) << 40;
	memcpy(row.comm, "caf\xc3\xa9 \xe2\x82\xac", 10); /* 6 places in 9 bytes */
	view_row(view, &row);
	memcpy(row.comm, "\xff\xff\0", 3);
	row.usec = 1234567890123;
	view_row(view, &row);
	row = (struct row){ .comm = "0123456789abcde" };
	view_row(view, &row);
	row = sample();
	view_row(view, &row);
	assert_int_equal(view_header(view), 0);
	assert_string_equal(sink_text(&s),
		"NUM        KB COMM      LAT(ms) KIND\n"
		"42        120 nginx    1234.567 none\n"
		"1234567 1073741824 caf\xc3\xa9 \xe2\x82\xac   1234.567 none\n"
		"1234567 1073741824 \\xff\\xff 1234567890.123 none\n"
		"0                0 0123456789abcde          0.000 none\n"
		"42             120 nginx                 1234.567 none\n"
		"NUM             KB COMM                   LAT(ms) KIND\n");
	view_free(view);
	sink_close(&s);
}

static void test_defaults(void **state)
{
	static const char *const unhide[] = { "no such", "cgroup", NULL };
	struct row row = sample();
	struct sink s;
	struct view *view;

	(void)state;
	sink_open(&s, OUT_TABLE, true);
	view = make_view(&s, "t", all, NULL);
	view_row(view, &row);
	assert_string_equal(sink_text(&s),
		"TIME TIME(s) NUM        KB MS  LAT(ms) COMM     ADDR            KIND FLAG HEX\n"
		"10:05:03 0.000000 42        120 12.35 1234.567 nginx    10.1.200.30     none true "
		"ffff888000abcdef\n");
	view_free(view);
	sink_close(&s);

	sink_open(&s, OUT_TABLE, true);
	assert_int_equal(
		view_new(&view, s.out,
			 &(struct view_opts){
				 .tool = "t", .columns = all, .spec = NULL, .unhide = unhide },
			 NULL, NULL),
		0);
	view_row(view, &row);
	assert_non_null(strstr(sink_text(&s), " KIND FLAG HEX CGROUP\n"));
	assert_non_null(strstr(s.text, " none true ffff888000abcdef /system.slice/a.service\n"));
	view_free(view);
	sink_close(&s);

	sink_open(&s, OUT_CSV, true);
	view = make_view(&s, "t", all, NULL);
	view_row(view, &row);
	view_row(view, &row);
	assert_int_equal(view_header(view), 0);
	assert_string_equal(sink_text(&s),
		"tool,time,num,bytes,nsec,usec,comm,addr,kind,flag,hex,cgroup\n"
		"t,2026-11-22T10:05:03.123456789Z,42,123456,12345678,1234567,nginx,10.1.200.30,"
		"none,true,ffff888000abcdef,/system.slice/a.service\n"
		"t,2026-11-22T10:05:03.123456789Z,42,123456,12345678,1234567,nginx,10.1.200.30,"
		"none,true,ffff888000abcdef,/system.slice/a.service\n");
	view_free(view);
	sink_close(&s);

	sink_open(&s, OUT_JSON, true);
	view = make_view(&s, "t", all, NULL);
	assert_int_equal(view_header(view), 0);
	view_row(view, &row);
	assert_string_equal(sink_text(&s),
		"{\"tool\":\"t\",\"time\":\"2026-11-22T10:05:03.123456789Z\",\"num\":42,"
		"\"bytes\":123456,\"nsec\":12345678,\"usec\":1234567,"
		"\"comm\":\"nginx\",\"addr\":\"10.1.200.30\","
		"\"kind\":\"none\",\"flag\":true,\"hex\":\"ffff888000abcdef\","
		"\"cgroup\":\"/system.slice/a.service\"}\n");
	view_free(view);
	sink_close(&s);
}

/* The order of the table, what is always there, what is there when asked for. */
static void test_table_list(void **state)
{
	static const char *const table[] = { "addr", "+cgroup", "num", "no such", NULL };
	static const char *const hidden[] = { "num", "cgroup", NULL };
	static const char *const unhide[] = { "cgroup", NULL };
	const struct {
		const char *const *table, *const *unhide;
		const char *want;
	} cases[] = {
		{ table, NULL, "ADDR            CGROUP NUM\n" },
		{ table, unhide, "ADDR            CGROUP NUM\n" },
		{ hidden, NULL, "NUM\n" },
		{ hidden, unhide, "NUM    CGROUP\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct view_opts opts = { .tool = "t", .columns = all, .table = cases[i].table,
					  .unhide = cases[i].unhide };
		struct view *view;
		struct sink s;

		sink_open(&s, OUT_TABLE, true);
		assert_int_equal(view_new(&view, s.out, &opts, NULL, NULL), 0);
		assert_int_equal(view_header(view), 0);
		assert_string_equal(sink_text(&s), cases[i].want);
		view_free(view);
		sink_close(&s);
	}
}

/* A column that has to be asked for is in no form without that. */
static void test_asked(void **state)
{
	static const char *const asked[] = { "host", NULL };
	const struct view_opts opts = { .tool = "t", .columns = all, .unhide = asked };
	struct row row = sample();
	struct view *view;
	struct sink s;

	(void)state;
	for (int format = OUT_TABLE; format <= OUT_JSON; format++) {
		sink_open(&s, format, true);
		assert_int_equal(view_new(&view, s.out, &opts, NULL, NULL), 0);
		view_row(view, &row);
		assert_non_null(strstr(sink_text(&s), "www.example.com"));
		view_free(view);
		sink_close(&s);
	}
}

static void check_spec(enum out_format format, const char *spec, const char *want)
{
	struct row row = sample();
	struct sink s;
	struct view *view;

	sink_open(&s, format, true);
	view = make_view(&s, "tool_t", all, spec);
	view_row(view, &row);
	assert_string_equal(sink_text(&s), want);
	view_free(view);
	sink_close(&s);
}

static void test_columns(void **state)
{
	(void)state;
	check_spec(OUT_CSV, "num,time", "num,time\n42,2026-11-22T10:05:03.123456789Z\n");
	check_spec(OUT_CSV, "num,tool", "num,tool\n42,tool_t\n");
	check_spec(OUT_CSV, "tool", "tool\ntool_t\n");
	check_spec(OUT_CSV, "num,num", "num\n42\n");
	check_spec(OUT_CSV,
		   "-time,-nsec,-usec,-comm,-addr,-kind,-flag,-hex,-cgroup,-bytes,+elapsed",
		   "tool,num,elapsed\ntool_t,42,0.000000000\n");
	check_spec(OUT_CSV, "-tool,-time,-nsec,-usec,-addr,-kind,-flag,-hex,-cgroup,-elapsed,-num,"
		   "+num,+comm", "bytes,comm,num\n123456,nginx,42\n");
	check_spec(OUT_TABLE, "comm,num", "COMM     NUM\nnginx    42\n");
	check_spec(OUT_TABLE, "num,bytes", "NUM        KB\n42        120\n");
	check_spec(OUT_TABLE, "tool,num", "TOOL   NUM\ntool_t 42\n");
	check_spec(OUT_TABLE, "num,tool", "NUM    TOOL\n42     tool_t\n");
	check_spec(OUT_TABLE, "-time,-nsec,-usec,-addr,-kind,-flag,-hex,-elapsed,-bytes,+cgroup",
		   "NUM    COMM     CGROUP\n42     nginx    /system.slice/a.service\n");
	check_spec(OUT_JSON, "num,tool,comm",
		   "{\"tool\":\"tool_t\",\"num\":42,\"comm\":\"nginx\"}\n");
	check_spec(OUT_JSON, "tool", "{\"tool\":\"tool_t\"}\n");
	check_spec(OUT_JSON, "elapsed", "{\"tool\":\"tool_t\",\"elapsed\":0.000000000}\n");
}

static void check_unhide(enum out_format format, const char *const *unhide, const char *spec,
			 const char *want)
{
	static const char *const table[] = { "num", "cgroup", "comm", NULL };
	struct row row = sample();
	struct view *view;
	struct sink s;

	sink_open(&s, format, true);
	assert_int_equal(
		view_new(&view, s.out,
			 &(struct view_opts){ .tool = "t", .columns = all, .table = table,
					      .spec = spec, .unhide = unhide },
			 NULL, NULL),
		0);
	view_row(view, &row);
	assert_string_equal(sink_text(&s), want);
	view_free(view);
	sink_close(&s);
}

static void test_replaced(void **state)
{
	static const char *const more[] = { "cgroup,num=bytes", NULL };
	static const char *const two[] = { "num=kind,comm=flag", "cgroup", NULL };
	static const char *const hidden[] = { "cgroup=flag", NULL };
	static const char *const again[] = { "num=comm,nu=kind,numb=kind,comm=nope", NULL };

	(void)state;
	check_unhide(OUT_TABLE, NULL, NULL, "NUM    COMM\n42     nginx\n");
	check_unhide(OUT_TABLE, more, NULL,
		     "    KB CGROUP COMM\n   120 /system.slice/a.service nginx\n");
	check_unhide(OUT_TABLE, two, NULL,
		     "KIND CGROUP FLAG\nnone /system.slice/a.service true\n");
	/* What is not shown is not replaced. */
	check_unhide(OUT_TABLE, hidden, NULL, "NUM    COMM\n42     nginx\n");
	check_unhide(OUT_TABLE, again, NULL, "COMM\nnginx\n");
	check_unhide(OUT_TABLE, two, "+num,-flag",
		     "KIND CGROUP NUM\nnone /system.slice/a.service 42\n");
	check_unhide(OUT_TABLE, two, "num,comm", "NUM    COMM\n42     nginx\n");
	check_unhide(OUT_CSV, two, "num,comm", "num,comm\n42,nginx\n");
}

/* Whole nanoseconds since the first row, which came before an earlier one. */
static void test_elapsed_ns(void **state)
{
	static const struct column ns[] = {
		{ "ns", "TIME(ns)", "since the first", COL_ELAPSED, AT(time),
		  .flags = COL_NANO | COL_LEFT },
		{ 0 },
	};
	static const char *const want[] = {
		"TIME(ns)\n0\n1234567890123\n-1\n", "tool,ns\nt,0\nt,1234567890123\nt,-1\n",
		"{\"tool\":\"t\",\"ns\":0}\n{\"tool\":\"t\",\"ns\":1234567890123}\n"
		"{\"tool\":\"t\",\"ns\":-1}\n",
	};
	struct row row = sample();
	struct view *view;
	struct sink s;

	(void)state;
	for (enum out_format format = OUT_TABLE; format <= OUT_JSON; format++) {
		sink_open(&s, format, true);
		view = make_view(&s, "t", ns, NULL);
		row.time = 5;
		view_row(view, &row);
		row.time = 1234567890128;
		view_row(view, &row);
		row.time = 4;
		view_row(view, &row);
		assert_string_equal(sink_text(&s), want[format]);
		view_free(view);
		sink_close(&s);
	}
}

static void check_bad(enum out_format format, const char *spec, int err, size_t at, size_t len)
{
	const char *bad = NULL;
	size_t bad_len = 99;
	struct view *view;
	struct sink s;

	sink_open(&s, format, true);
	assert_int_equal(
		view_new(&view, s.out,
			 &(struct view_opts){
				 .tool = "t", .columns = all, .spec = spec, .unhide = NULL },
			 &bad, &bad_len),
		err);
	assert_ptr_equal(bad, spec + at);
	assert_int_equal(bad_len, len);
	sink_close(&s);
}

static void test_bad_columns(void **state)
{
	static const char none[] = "-time,-num,-bytes,-nsec,-usec,-comm,-addr,-kind,-flag,-hex,"
				   "-cgroup,-elapsed";
	static const struct column empty[] = { { 0 } };
	struct view *view;
	struct sink s;

	(void)state;
	for (enum out_format format = OUT_TABLE; format <= OUT_JSON; format++) {
		check_bad(format, "num,nope,time", -ENOENT, 4, 4);
		check_bad(format, "nu", -ENOENT, 0, 2);
		check_bad(format, "NUM", -ENOENT, 0, 3);
		check_bad(format, "+num,-numb", -ENOENT, 5, 5);
		check_bad(format, "num, time", -ENOENT, 4, 5);
		check_bad(format, "", -EINVAL, 0, 0);
		check_bad(format, "num,", -EINVAL, 4, 0);
		check_bad(format, ",num", -EINVAL, 0, 0);
		check_bad(format, "num,,time", -EINVAL, 4, 0);
		check_bad(format, "+num,-", -EINVAL, 5, 1);
		check_bad(format, "num,+time", -EINVAL, 4, 5);
		check_bad(format, "-num,time", -EINVAL, 5, 4);
		check_bad(format, none, -ENODATA, 0, strlen(none));
	}
	sink_open(&s, OUT_JSON, true);
	assert_int_equal(
		view_new(&view, s.out,
			 &(struct view_opts){
				 .tool = "t", .columns = empty, .spec = NULL, .unhide = NULL },
			 NULL, NULL),
		-ENODATA);
	assert_int_equal(
		view_new(&view, s.out,
			 &(struct view_opts){
				 .tool = "t", .columns = all, .spec = "no", .unhide = NULL },
			 NULL, NULL),
		-ENOENT);
	sink_close(&s);
}

static void test_merged(void **state)
{
	static const enum out_format formats[] = { OUT_TABLE, OUT_TABLE, OUT_CSV, OUT_JSON };
	static const char *const want[] = {
		"NUM    COMM\n42     nginx\n"
		"TOOL    NUM    COMM\ntcplife 42     nginx\ntcplife 42     nginx\n"
		"TOOL        KB ADDR\ntcpdrop    120 10.1.200.30\n"
		"TOOL    NUM    COMM\ntcplife 42     nginx\n",
		"42     nginx\ntcplife 42     nginx\ntcplife 42     nginx\n"
		"tcpdrop    120 10.1.200.30\ntcplife 42     nginx\n",
		"num,comm\n42,nginx\n42,nginx\n42,nginx\n"
		"bytes,addr\n123456,10.1.200.30\nnum,comm\n42,nginx\n",
		"{\"tool\":\"tcplife\",\"num\":42,\"comm\":\"nginx\"}\n"
		"{\"tool\":\"tcplife\",\"num\":42,\"comm\":\"nginx\"}\n"
		"{\"tool\":\"tcplife\",\"num\":42,\"comm\":\"nginx\"}\n"
		"{\"tool\":\"tcpdrop\",\"bytes\":123456,\"addr\":\"10.1.200.30\"}\n"
		"{\"tool\":\"tcplife\",\"num\":42,\"comm\":\"nginx\"}\n",
	};
	struct row row = sample();

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct view *life, *drop;
		struct sink s;

		sink_open(&s, formats[i], i != 1);
		life = make_view(&s, "tcplife", all, "num,comm");
		view_row(life, &row);
		drop = make_view(&s, "tcpdrop", all, "bytes,addr");
		view_row(life, &row);
		view_row(life, &row);
		view_row(drop, &row);
		view_free(drop);
		view_row(life, &row);
		assert_string_equal(sink_text(&s), want[i]);
		view_free(life);
		sink_close(&s);
	}
}

static void test_merged_tool(void **state)
{
	struct row row = sample();
	struct view *life, *drop;
	struct sink s;

	(void)state;
	sink_open(&s, OUT_TABLE, true); /* who lists TOOL does not get it twice */
	life = make_view(&s, "l", all, "num,tool");
	drop = make_view(&s, "a-long-name", all, "num");
	view_row(life, &row);
	view_row(drop, &row);
	assert_string_equal(sink_text(&s), "NUM    TOOL\n42     l\n"
					   "TOOL        NUM\na-long-name 42\n");
	view_free(life);
	view_free(drop);
	sink_close(&s);

	sink_open(&s, OUT_CSV, true);
	life = make_view(&s, "l", all, "tool,num");
	drop = make_view(&s, "d", all, "tool,comm");
	view_row(life, &row);
	view_row(drop, &row);
	assert_string_equal(sink_text(&s), "tool,num\nl,42\ntool,comm\nd,nginx\n");
	view_free(life);
	view_free(drop);
	sink_close(&s);
}

static void test_header(void **state)
{
	struct row row = sample();
	struct view *view;
	struct sink s;

	(void)state;
	sink_open(&s, OUT_TABLE, true);
	view = make_view(&s, "t", all, "num");
	assert_int_equal(view_header(view), 0);
	view_row(view, &row);
	assert_int_equal(out_text(s.out, "-- 10:05 --\n", 12), 0);
	assert_int_equal(out_text(s.out, "", 0), 0);
	assert_int_equal(view_header(view), 0);
	view_row(view, &row);
	assert_string_equal(sink_text(&s), "NUM\n42\n-- 10:05 --\nNUM\n42\n");
	view_free(view);
	sink_close(&s);

	sink_open(&s, OUT_TABLE, false);
	view = make_view(&s, "t", all, "num");
	assert_int_equal(view_header(view), 0);
	view_row(view, &row);
	assert_string_equal(sink_text(&s), "42\n");
	view_free(view);
	sink_close(&s);
}

/* A name longer than the buffer: the row is whole, and in a table the column stays that wide. */
static void test_long(void **state)
{
	static const enum out_format formats[] = { OUT_TABLE, OUT_CSV, OUT_JSON };
	static const size_t grown[] = { 4, 4, 6 };
	struct row row = sample();

	(void)state;
	memset(name_text, 1, sizeof(name_text) - 1);
	for (size_t i = 0; i < 3; i++) {
		size_t len = (sizeof(name_text) - 1) * grown[i], first, rest;
		struct view *view;
		struct sink s;

		sink_open(&s, formats[i], false);
		view = make_view(&s, "t", all, "cgroup,num");
		row.id = 8;
		assert_int_equal(view_row(view, &row), 0);
		first = strlen(sink_text(&s));
		row.id = 7;
		assert_int_equal(view_row(view, &row), 0);
		assert_int_equal(view_row(view, &row), 0);
		rest = strlen(sink_text(&s));
		if (formats[i] == OUT_TABLE) {
			assert_int_equal(first, len + strlen(" 42\n"));
			assert_int_equal(rest, 2 * first);
		} else {
			first += strlen("/system.slice/a.service") - len;
			assert_int_equal(rest, 2 * first);
		}
		assert_int_equal(out_text(s.out, name_text, sizeof(name_text) - 1), 0);
		assert_int_equal(strlen(sink_text(&s)), sizeof(name_text) - 1);
		view_free(view);
		sink_close(&s);
	}
}

/* Rows leave when the buffer is full, whole and in order. */
static void test_full_buffer(void **state)
{
	struct row row = sample();
	struct view *view;
	struct sink s;
	const char *text;
	char want[64];

	(void)state;
	sink_open(&s, OUT_JSON, true);
	view = make_view(&s, "t", all, "num,comm");
	for (row.num32 = 0; row.num32 < 20000; row.num32++)
		assert_int_equal(view_row(view, &row), 0);
	assert_true(lseek(s.fd, 0, SEEK_END) > 65536);
	text = sink_text(&s);
	for (uint32_t i = 0; i < 20000; i++) {
		snprintf(want, sizeof(want), "{\"tool\":\"t\",\"num\":%u,\"comm\":\"nginx\"}\n", i);
		assert_memory_equal(text, want, strlen(want));
		text += strlen(want);
	}
	assert_string_equal(text, "");
	view_free(view);
	sink_close(&s);
}

static void test_write_error(void **state)
{
	struct row row = sample();
	struct view *view;
	struct sink s;
	int full = open("/dev/full", O_WRONLY), null = open("/dev/null", O_WRONLY);

	(void)state;
	assert_true(full >= 0 && null >= 0);
	sink_open(&s, OUT_TABLE, true);
	assert_true(dup2(full, s.fd) >= 0);
	view = make_view(&s, "t", all, "num");
	assert_int_equal(view_row(view, &row), 0);
	assert_int_equal(out_flush(s.out), -ENOSPC);
	assert_true(dup2(null, s.fd) >= 0); /* the error stays though a write would do now */
	assert_int_equal(out_flush(s.out), -ENOSPC);
	assert_int_equal(view_row(view, &row), -ENOSPC);
	assert_int_equal(view_header(view), -ENOSPC);
	assert_int_equal(out_text(s.out, "x", 1), -ENOSPC);
	view_free(view);
	sink_close(&s);

	sink_open(&s, OUT_JSON, true); /* the same when the buffer fills */
	assert_true(dup2(full, s.fd) >= 0);
	view = make_view(&s, "t", all, NULL);
	for (int i = 0; i < 1000; i++)
		if (view_row(view, &row))
			break;
	assert_int_equal(view_row(view, &row), -ENOSPC);
	assert_int_equal(out_text(s.out, name_text, sizeof(name_text)), -ENOSPC);
	view_free(view);
	sink_close(&s);
	close(full);
	close(null);
}

static void test_closed_pipe(void **state)
{
	struct row row = sample();
	struct view *view;
	struct sink s;
	int ends[2];

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(ends), 0);
	sink_open(&s, OUT_TABLE, true);
	assert_true(dup2(ends[1], s.fd) >= 0);
	close(ends[1]);
	close(ends[0]);
	view = make_view(&s, "t", all, "num");
	assert_int_equal(view_row(view, &row), 0);
	assert_int_equal(out_flush(s.out), -EPIPE);
	assert_int_equal(view_row(view, &row), -EPIPE);
	view_free(view);
	sink_close(&s);
}

/* A child reads from a pipe smaller than the buffer that does not block: part writes and EAGAIN. */
static void test_slow_reader(void **state)
{
	enum { LINES = 50000 };
	struct row row = sample();
	struct view *view;
	struct sink s;
	int ends[2], status;
	pid_t child;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	fcntl(ends[1], F_SETPIPE_SZ, 4096);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		FILE *in = fdopen(ends[0], "r");
		unsigned int n = 0, value;

		close(ends[1]);
		while (fscanf(in, "%u\n", &value) == 1 && value == n)
			n++;
		_exit(!feof(in) || n != LINES);
	}
	close(ends[0]);
	fcntl(ends[1], F_SETFL, O_NONBLOCK);
	sink_open(&s, OUT_CSV, false);
	assert_true(dup2(ends[1], s.fd) >= 0);
	close(ends[1]);
	view = make_view(&s, "t", all, "num");
	for (row.num32 = 0; row.num32 < LINES; row.num32++)
		assert_int_equal(view_row(view, &row), 0);
	assert_int_equal(out_flush(s.out), 0);
	view_free(view);
	sink_close(&s);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void test_help(void **state)
{
	static const struct column cols[] = {
		{ "duration_ns", "MS", "how long", COL_NSEC, AT(nsec) },
		{ "x", "LONG_TITLE", "a thing", COL_NUM, AT(num8) },
		{ 0 },
	};
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	(void)state;
	columns_help(to, cols);
	fclose(to);
	assert_string_equal(text, "tool         TOOL        the tool that the row is from\n"
				  "duration_ns  MS          how long\n"
				  "x            LONG_TITLE  a thing\n");
	free(text);
}

static void test_cell_text(void **state)
{
	struct row row = sample();
	char buf[8];

	(void)state;
	assert_int_equal(cell_text(buf, sizeof(buf), &all[7], &row), 11);
	assert_string_equal(buf, "10.1.20");
	assert_int_equal(cell_text(NULL, 0, &all[7], &row), 11);
	assert_int_equal(cell_text(buf, 1, &all[7], &row), 11);
	assert_string_equal(buf, "");
	assert_int_equal(cell_text(buf, sizeof(buf), &all[11], &row), 1);
	assert_string_equal(buf, "7");
	assert_int_equal(cell_text(buf, sizeof(buf), &all[0], &row), 8);
	assert_string_equal(buf, "2.00000");
	row.kind = 1;
	assert_int_equal(cell_text(buf, sizeof(buf), &all[8], &row), 1);
	assert_string_equal(buf, "-");
}

/* The length of the sequence at s, 0 if invalid; decodes, where the code tested compares bytes. */
static size_t decode(const unsigned char *s, size_t len, uint32_t *code)
{
	static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = s[0] < 0xc0 ? s[0] < 0x80 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

	if (!n || n > len)
		return 0;
	if (s[0] > 0xf7)
		return 0;
	*code = n == 1 ? s[0] : s[0] & (0x7fU >> n);
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (s[i] & 0x3f);
	}
	if (*code < least[n] || *code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000))
		return 0;
	return n;
}

/* What a reader of the format has to get for this comm. */
static void expect(char *to, const char *comm, bool json)
{
	const unsigned char *s = (const unsigned char *)comm;
	size_t len = strnlen(comm, 16), n;
	uint32_t code = 0;

	for (; len; s += n, len -= n) {
		bool valid = (n = decode(s, len, &code)) != 0;

		n = valid ? n : 1;
		if (!valid || (!json && (code < 32 || code == '\\' ||
					 (code >= 0x7f && code < 0xa0))))
			for (size_t i = 0; i < n; i++)
				to += sprintf(to, "\\x%02x", s[i]);
		else
			to = (char *)memcpy(to, s, n) + n;
	}
	*to = 0;
}

/* Reads a strict JSON string at s; returns what follows it or NULL. */
static const char *json_string(const char *s, char *to)
{
	uint32_t code;
	size_t n;

	if (*s++ != '"')
		return NULL;
	while (*s != '"') {
		n = decode((const unsigned char *)s, strlen(s), &code);
		if (!n || code < 0x20 || (code >= 0x7f && code < 0xa0))
			return NULL;
		if (*s != '\\') {
			to = (char *)memcpy(to, s, n) + n;
			s += n;
		} else if (s[1] == '"' || s[1] == '\\') {
			*to++ = s[1];
			s += 2;
		} else {
			if (strncmp(s, "\\u00", 4) || strspn(s + 4, "0123456789abcdef") < 2 ||
			    sscanf(s + 4, "%2x", &code) != 1)
				return NULL;
			if (code >= 0x80)
				*to++ = (char)0xc2;
			*to++ = (char)code;
			s += 6;
		}
	}
	*to = 0;
	return s + 1;
}

/* Reads a CSV field at s; returns what follows it or NULL. */
static const char *csv_field(const char *s, char *to)
{
	if (*s != '"') {
		size_t n = strcspn(s, ",\n");

		if (memchr(s, '"', n))
			return NULL;
		memcpy(to, s, n);
		to[n] = 0;
		return s + n;
	}
	for (s++; *s != '"' || s[1] == '"'; s++) {
		if (!*s)
			return NULL;
		s += *s == '"';
		*to++ = *s;
	}
	*to = 0;
	return s + 1;
}

static void random_comm(char *comm)
{
	static const char odd[] = "\"\\,\n\r\t\x1b\x7f\xc2\x80\xe0\xa0\xed\x9f"
				  "\xf0\x90\xf4\x8f\xff ";
	size_t n = (size_t)random() % 17;

	memset(comm, 0, 16);
	for (size_t i = 0; i < n; i++) {
		long r = random();

		if (r & 1)
			comm[i] = (char)('a' + r / 2 % 26);
		else if (r & 2)
			comm[i] = odd[(size_t)(r / 4) % (sizeof(odd) - 1)];
		else
			comm[i] = (char)(r / 4 % 64 + 0x80);
	}
}

static void test_random_comm(void **state)
{
	struct row row = sample();
	struct view *json_view, *csv_view;
	struct sink json, csv;
	char want[128], got[128];
	const char *s;

	(void)state;
	srandom(20261122);
	sink_open(&json, OUT_JSON, true);
	sink_open(&csv, OUT_CSV, false);
	json_view = make_view(&json, "t", all, "comm,num");
	csv_view = make_view(&csv, "t", all, "comm,num");
	for (int i = 0; i < 50000; i++) {
		random_comm(row.comm);
		assert_int_equal(view_row(json_view, &row), 0);
		assert_int_equal(view_row(csv_view, &row), 0);
		s = sink_text(&json);
		assert_memory_equal(s, "{\"tool\":\"t\",\"comm\":", 19);
		s = json_string(s + 19, got);
		assert_non_null(s);
		assert_string_equal(s, ",\"num\":42}\n");
		expect(want, row.comm, true);
		assert_string_equal(got, want);
		s = csv_field(sink_text(&csv), got);
		assert_non_null(s);
		assert_string_equal(s, ",42\n");
		expect(want, row.comm, false);
		assert_string_equal(got, want);
		cell_text(got, sizeof(got), &all[6], &row);
		assert_string_equal(got, want);
	}
	view_free(json_view);
	view_free(csv_view);
	sink_close(&json);
	sink_close(&csv);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_sizes), cmocka_unit_test(test_signed),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_scaling),
		cmocka_unit_test(test_nulls),
		cmocka_unit_test(test_null_names),
		cmocka_unit_test(test_hostile_comm),
		cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_endpoints),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_widths),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_table_list),
		cmocka_unit_test(test_asked),
		cmocka_unit_test(test_columns),
		cmocka_unit_test(test_replaced),
		cmocka_unit_test(test_elapsed_ns),
		cmocka_unit_test(test_bad_columns),
		cmocka_unit_test(test_merged),
		cmocka_unit_test(test_merged_tool),
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_full_buffer),
		cmocka_unit_test(test_write_error),
		cmocka_unit_test(test_closed_pipe),
		cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_cell_text),
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_table_names),
		cmocka_unit_test(test_random_comm),
	};

	setenv("TZ", "UTC0", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
