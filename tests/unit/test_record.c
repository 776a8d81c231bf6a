/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Recordings: what was written comes back, and what was damaged is never taken for whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "record.h"
#include "tcplife.h"

#define CLOCK_OFFSET (-5000000123ll)
#define N_EVENTS 4
#define HEAD 16       /* bytes: magic, byte order, version */
#define BLOCK_HEAD 24 /* bytes: kind, len, value, crc, pad */

extern const struct tool tcplife_tool;

struct fixture {
	char dir[64];
	char path[PATH_MAX];
	unsigned char *data; /* a whole recording */
	size_t len;
};

static struct fixture fix;

static struct tcplife_event event_of(int i)
{
	struct tcplife_event e;

	memset(&e, i, sizeof(e));
	e.head.time = 1000000000ull * (unsigned int)i;
	e.tx_bytes = UINT64_MAX - (unsigned int)i;
	return e;
}

/* Head, tool, clock, events with a name between them whose length needs padding, end. */
static void write_recording(const char *path)
{
	const struct tool *tools[] = { &tcplife_tool };
	struct recorder *rec = NULL;
	struct tcplife_event e;

	assert_int_equal(recorder_open(&rec, path, tools, 1), 0);
	assert_int_equal(recorder_clock(rec, CLOCK_OFFSET), 0);
	for (int i = 0; i < N_EVENTS; i++) {
		e = event_of(i);
		assert_int_equal(recorder_event(rec, &e, sizeof(e)), 0);
		if (i == 1)
			assert_int_equal(recorder_cgroup(rec, 77, "/a.slice"), 0);
	}
	assert_int_equal(recorder_flush(rec), 0);
	assert_int_equal(recorder_close(rec), 0);
}

static unsigned char *slurp(const char *path, size_t *len)
{
	unsigned char *data;
	FILE *f = fopen(path, "rb");
	struct stat st;

	assert_non_null(f);
	assert_int_equal(fstat(fileno(f), &st), 0);
	*len = (size_t)st.st_size;
	data = malloc(*len + 1);
	assert_non_null(data);
	assert_int_equal(fread(data, 1, *len, f), *len);
	fclose(f);
	return data;
}

static const char *in_dir(const char *name)
{
	int len = snprintf(fix.path, sizeof(fix.path), "%s/%s", fix.dir, name);

	assert_in_range(len, 1, sizeof(fix.path) - 1);
	return fix.path;
}

static int setup(void **state)
{
	(void)state;
	snprintf(fix.dir, sizeof(fix.dir), "/tmp/test_record.XXXXXX");
	if (!mkdtemp(fix.dir))
		return -1;
	write_recording(in_dir("whole.nt"));
	fix.data = slurp(fix.path, &fix.len);
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = { "whole.nt", "target", "link", "other.nt" };

	(void)state;
	free(fix.data);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		unlink(in_dir(names[i]));
	return rmdir(fix.dir);
}

/* What reading to the end said. */
struct reading {
	int opened;  /* of recording_open_mem() */
	int ended;   /* the last answer: 0 or an error */
	int blocks, events;
	size_t at;
};

static struct reading read_all_of(const void *data, size_t len)
{
	struct reading r = { .ended = 1 };
	struct recording *rec = NULL;
	struct record_block block;
	struct tcplife_event want, got;

	r.opened = recording_open_mem(&rec, data, len);
	if (r.opened)
		return r;
	while ((r.ended = recording_next(rec, &block, &r.at)) == 1) {
		r.blocks++;
		if (block.kind != RECORD_EVENT)
			continue;
		want = event_of(r.events++);
		assert_int_equal(block.len, sizeof(want));
		memcpy(&got, block.data, sizeof(got));
		assert_memory_equal(&got, &want, sizeof(want));
	}
	recording_close(rec);
	return r;
}

static void test_back(void **state)
{
	struct recording *rec = NULL;
	struct record_block block;
	struct tcplife_event e;
	size_t at;

	(void)state;
	assert_int_equal(recording_open(&rec, in_dir("whole.nt")), 0);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(recording_next(rec, &block, &at), 1);
		assert_int_equal(at, HEAD);
		assert_int_equal(block.kind, RECORD_TOOL);
		assert_string_equal(block.text, "tcplife");
		assert_int_equal(block.value, record_schema(&tcplife_tool));
		assert_int_equal(recording_next(rec, &block, &at), 1);
		assert_int_equal(block.kind, RECORD_CLOCK);
		assert_true((int64_t)block.value == CLOCK_OFFSET);
		for (int i = 0; i < N_EVENTS; i++) {
			assert_int_equal(recording_next(rec, &block, &at), 1);
			assert_int_equal(block.kind, RECORD_EVENT);
			assert_int_equal(block.len, sizeof(e));
			assert_int_equal((uintptr_t)block.data % 8, 0);
			e = event_of(i);
			assert_memory_equal(block.data, &e, sizeof(e));
			if (i != 1)
				continue;
			assert_int_equal(recording_next(rec, &block, &at), 1);
			assert_int_equal(block.kind, RECORD_CGROUP);
			assert_int_equal(block.value, 77);
			assert_string_equal(block.text, "/a.slice");
		}
		assert_int_equal(recording_next(rec, &block, &at), 0);
		assert_int_equal(at, fix.len - BLOCK_HEAD);
		recording_rewind(rec);
	}
	recording_close(rec);
	recording_close(NULL);
}

static void test_empty_run(void **state)
{
	struct recorder *rec = NULL;
	struct reading r;
	unsigned char *data;
	size_t len;

	(void)state;
	assert_int_equal(recorder_open(&rec, in_dir("other.nt"), NULL, 0), 0);
	assert_int_equal(recorder_close(rec), 0);
	assert_int_equal(recorder_close(NULL), 0);
	data = slurp(fix.path, &len);
	assert_int_equal(len, HEAD + BLOCK_HEAD);
	r = read_all_of(data, len);
	assert_int_equal(r.opened, 0);
	assert_int_equal(r.ended, 0);
	assert_int_equal(r.blocks, 0);
	free(data);
}

/* Offsets where blocks of the whole recording end; returns how many there are. */
static int block_ends(size_t ends[16], bool event[16])
{
	size_t at = HEAD;
	uint32_t kind, len;
	int n = 0;

	while (at < fix.len) {
		memcpy(&kind, fix.data + at, 4);
		memcpy(&len, fix.data + at + 4, 4);
		at += BLOCK_HEAD + (len + 7) / 8 * 8;
		event[n] = kind == RECORD_EVENT;
		ends[n++] = at;
		assert_true(n < 16);
	}
	assert_int_equal(at, fix.len);
	return n;
}

static void test_every_truncation(void **state)
{
	size_t ends[16], last;
	bool event[16];
	int n = block_ends(ends, event);

	(void)state;
	assert_int_equal(n, 1 + 1 + N_EVENTS + 1 + 1);
	for (size_t len = 0; len < fix.len; len++) {
		/* Just as long as it is, so that the sanitizer sees a byte too many. */
		unsigned char *cut = malloc(len ? len : 1);
		int events = 0, blocks = 0;
		struct reading r;

		assert_non_null(cut);
		memcpy(cut, fix.data, len);
		last = HEAD;
		for (int i = 0; i < n && ends[i] <= len; i++) {
			events += event[i];
			blocks++;
			last = ends[i];
		}
		r = read_all_of(cut, len);
		if (len < HEAD) {
			assert_int_equal(r.opened, -EINVAL);
		} else {
			assert_int_equal(r.opened, 0);
			assert_int_equal(r.ended, -EBADMSG);
			assert_int_equal(r.events, events);
			assert_int_equal(r.blocks, blocks);
			assert_int_equal(r.at, last);
		}
		free(cut);
	}
}

/* Also in the bytes that fill a block up. */
static void test_every_flip(void **state)
{
	unsigned char *copy = malloc(fix.len);
	size_t missed = 0;

	(void)state;
	assert_non_null(copy);
	for (size_t i = 0; i < fix.len; i++)
		for (int bit = 0; bit < 8; bit++) {
			struct reading r;

			memcpy(copy, fix.data, fix.len);
			copy[i] ^= 1 << bit;
			r = read_all_of(copy, fix.len);
			if (i < 8)
				assert_int_equal(r.opened, -EINVAL);
			else if (i < HEAD)
				assert_int_equal(r.opened, -ENOTSUP);
			else if (r.ended != -EBADMSG && !missed++)
				print_message("bit %d of byte %zu is not checked\n", bit, i);
		}
	free(copy);
	assert_int_equal(missed, 0);
}

static void test_foreign(void **state)
{
	static const char text[] = "a file of another kind, long enough for a head\n";
	struct recording *rec = NULL;
	unsigned char *copy = malloc(fix.len);
	uint32_t word;

	(void)state;
	assert_non_null(copy);
	assert_int_equal(recording_open_mem(&rec, text, sizeof(text)), -EINVAL);
	assert_int_equal(recording_open_mem(&rec, "", 0), -EINVAL);
	memcpy(copy, fix.data, fix.len);
	memcpy(&word, copy + 8, 4);
	word = __builtin_bswap32(word);
	memcpy(copy + 8, &word, 4);
	assert_int_equal(recording_open_mem(&rec, copy, fix.len), -ENOTSUP);
	memcpy(copy, fix.data, fix.len);
	memcpy(&word, copy + 12, 4);
	word++;
	memcpy(copy + 12, &word, 4);
	assert_int_equal(recording_open_mem(&rec, copy, fix.len), -ENOTSUP);
	assert_int_equal(recording_open(&rec, in_dir("is-not-there")), -ENOENT);
	assert_int_equal(recording_open(&rec, fix.dir), -EISDIR);
	assert_int_equal(recording_open(&rec, "/dev/null"), -EINVAL);
	assert_null(rec);
	free(copy);
}

static void test_unaligned(void **state)
{
	(void)state;
	for (size_t shift = 1; shift < 8; shift++) {
		unsigned char *memory = malloc(fix.len + shift);
		struct reading r;

		assert_non_null(memory);
		memcpy(memory + shift, fix.data, fix.len);
		r = read_all_of(memory + shift, fix.len);
		assert_int_equal(r.ended, 0);
		assert_int_equal(r.events, N_EVENTS);
		free(memory);
	}
}

/* A block made by hand, with a right checksum; returns its length. */
static size_t make_block(unsigned char *to, uint32_t kind, uint64_t value, const void *data,
			 uint32_t len)
{
	uint32_t crc;

	memset(to, 0, BLOCK_HEAD + len + 8);
	memcpy(to, &kind, 4);
	memcpy(to + 4, &len, 4);
	memcpy(to + 8, &value, 8);
	memcpy(to + BLOCK_HEAD, data, len);
	crc = (uint32_t)crc32(0, to, BLOCK_HEAD + len);
	memcpy(to + 16, &crc, 4);
	return BLOCK_HEAD + (len + 7) / 8 * 8;
}

static void expect_block(int want, uint32_t kind, uint64_t value, const void *data, uint32_t len)
{
	unsigned char file[1024];
	struct recording *rec = NULL;
	struct record_block block;
	size_t at, n;

	memcpy(file, fix.data, HEAD);
	n = HEAD + make_block(file + HEAD, kind, value, data, len);
	assert_int_equal(recording_open_mem(&rec, file, n), 0);
	assert_int_equal(recording_next(rec, &block, &at), want);
	recording_close(rec);
}

/* Blocks with a right checksum that are wrong in themselves. */
static void test_wrong_blocks(void **state)
{
	struct tcplife_event e = event_of(1);

	(void)state;
	expect_block(1, RECORD_EVENT, 0, &e, sizeof(e));
	expect_block(1, RECORD_EVENT, 0, &e, sizeof(struct nt_event));
	expect_block(-EBADMSG, RECORD_EVENT, 0, &e, sizeof(struct nt_event) - 1);
	expect_block(-EBADMSG, RECORD_EVENT, 0, "", 0);
	expect_block(1, RECORD_CGROUP, 5, "/x", 3);
	expect_block(-EBADMSG, RECORD_CGROUP, 5, "/x", 2);
	expect_block(-EBADMSG, RECORD_TOOL, 5, "", 0);
	expect_block(1, RECORD_CLOCK, 5, "", 0);
	expect_block(0, RECORD_END, 0, "", 0);
	expect_block(-EBADMSG, RECORD_END, 1, "", 0);
	expect_block(-EBADMSG, 0, 0, "", 0);
	expect_block(-EBADMSG, RECORD_END + 1, 0, "", 0);
	expect_block(-EBADMSG, UINT32_MAX, 0, "", 0);
}

static void test_huge_length(void **state)
{
	static const uint32_t lengths[] = { 1 << 20, (1 << 20) + 1, INT32_MAX, UINT32_MAX - 7,
					    UINT32_MAX };
	unsigned char file[HEAD + BLOCK_HEAD + 16];

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		struct recording *rec = NULL;
		struct record_block block;
		size_t at;

		memcpy(file, fix.data, HEAD);
		make_block(file + HEAD, RECORD_CGROUP, 1, "/", 2);
		memcpy(file + HEAD + 4, &lengths[i], 4);
		assert_int_equal(recording_open_mem(&rec, file, HEAD + BLOCK_HEAD + 8), 0);
		assert_int_equal(recording_next(rec, &block, &at), -EBADMSG);
		assert_int_equal(at, HEAD);
		recording_close(rec);
	}
}

static void test_symlink(void **state)
{
	char target[PATH_MAX];
	struct recorder *rec = NULL;
	struct stat st;

	(void)state;
	snprintf(target, sizeof(target), "%s", in_dir("target"));
	assert_int_equal(symlink(target, in_dir("link")), 0);
	/* It leads nowhere: following it would create a file. */
	assert_int_equal(recorder_open(&rec, in_dir("link"), NULL, 0), -ELOOP);
	assert_int_equal(stat(target, &st), -1);
	/* It leads to a file: following it would cut it. */
	write_recording(target);
	assert_int_equal(recorder_open(&rec, in_dir("link"), NULL, 0), -ELOOP);
	assert_int_equal(stat(target, &st), 0);
	assert_int_equal(st.st_size, fix.len);
	assert_null(rec);
}

static void test_file(void **state)
{
	struct recorder *rec = NULL;
	struct stat st;
	FILE *f;

	(void)state;
	f = fopen(in_dir("other.nt"), "w");
	assert_non_null(f);
	for (int i = 0; i < 100000; i++)
		fputc('x', f);
	fclose(f);
	write_recording(fix.path);
	assert_int_equal(stat(fix.path, &st), 0);
	assert_int_equal(st.st_size, fix.len);
	/* Names of processes and peers are nobody else's business. */
	unlink(fix.path);
	umask(0);
	write_recording(fix.path);
	assert_int_equal(stat(fix.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(recorder_open(&rec, fix.dir, NULL, 0), -EISDIR);
	assert_int_equal(recorder_open(&rec, in_dir("no/such/dir"), NULL, 0), -ENOENT);
	assert_null(rec);
}

static void test_full_disk(void **state)
{
	struct tcplife_event e = event_of(1);
	struct recorder *rec = NULL;
	int err = 0;

	(void)state;
	assert_int_equal(recorder_open(&rec, "/dev/full", NULL, 0), 0);
	for (int i = 0; i < 1000 && !err; i++)
		err = recorder_event(rec, &e, sizeof(e));
	assert_int_equal(err, -ENOSPC);
	assert_int_not_equal(recorder_close(rec), 0);
	/* What fits in the buffer fails when it is written. */
	assert_int_equal(recorder_open(&rec, "/dev/full", NULL, 0), 0);
	assert_int_equal(recorder_event(rec, &e, sizeof(e)), 0);
	assert_int_equal(recorder_flush(rec), -ENOSPC);
	assert_int_equal(recorder_close(rec), -ENOSPC);
	assert_int_equal(recorder_open(&rec, "/dev/full", NULL, 0), 0);
	assert_int_equal(recorder_close(rec), -ENOSPC);
}

/* The disk has room again when the batch is flushed: what is missing is missing all the same. */
static void test_full_for_a_while(void **state)
{
	const struct tool *tools[] = { &tcplife_tool };
	const struct tcplife_event e = event_of(1);
	struct rlimit limit, none;
	struct recorder *rec = NULL;
	int i, err = 0;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &none), 0);
	limit = none;
	limit.rlim_cur = 1 << 14;
	assert_int_equal(recorder_open(&rec, in_dir("other.nt"), tools, 1), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	for (i = 0; i < 10000 && !err; i++)
		err = recorder_event(rec, &e, sizeof(e));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	assert_int_equal(err, -EFBIG);
	for (i = 0; i < 100; i++)
		recorder_event(rec, &e, sizeof(e));
	assert_int_equal(recorder_flush(rec), -EFBIG);
	assert_int_equal(errno, EFBIG);
	assert_int_equal(recorder_close(rec), -EFBIG);
}

static void test_schema(void **state)
{
	static const struct column base[] = {
		{ .name = "a", .title = "A", .off = 0, .size = 8 },
		{ .name = "b", .title = "B", .off = 8, .size = 4 },
		{ 0 },
	};
	struct column cols[3];
	struct tool tool = { .name = "x", .columns = base, .event_size = 112 };
	uint32_t schema = record_schema(&tool);

	(void)state;
	assert_int_equal(record_schema(&tool), schema);
	memcpy(cols, base, sizeof(cols));
	tool.columns = cols;
	/* Words for people may change. */
	cols[0].title = "other";
	cols[0].help = "other";
	cols[0].width = 20;
	assert_int_equal(record_schema(&tool), schema);
	tool.event_size = 120;
	assert_int_not_equal(record_schema(&tool), schema);
	tool.event_size = 112;
	cols[1].off = 12;
	assert_int_not_equal(record_schema(&tool), schema);
	cols[1].off = 8;
	cols[1].size = 2;
	assert_int_not_equal(record_schema(&tool), schema);
	cols[1].size = 4;
	cols[1].name = "c";
	assert_int_not_equal(record_schema(&tool), schema);
	cols[1].name = NULL;
	assert_int_not_equal(record_schema(&tool), schema);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_back),
		cmocka_unit_test(test_empty_run),
		cmocka_unit_test(test_every_truncation),
		cmocka_unit_test(test_every_flip),
		cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_unaligned),
		cmocka_unit_test(test_wrong_blocks),
		cmocka_unit_test(test_huge_length),
		cmocka_unit_test(test_symlink),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_full_for_a_while),
		cmocka_unit_test(test_schema),
	};

	return cmocka_run_group_tests_name("record", tests, setup, teardown);
}
