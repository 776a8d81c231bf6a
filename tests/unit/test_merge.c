/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Events of several tools come out in the order of their times, each of them once and unchanged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "abi.h"
#include "merge.h"

#define MAX_TAIL 24
#define MANY 50000

/*
 * As long as the events of a tool, with a number that says which one it is in every byte behind its
 * head.
 */
struct event {
	struct nt_event head;
	uint32_t number;
	uint8_t tail[MAX_TAIL];
};

static size_t len_of(uint32_t number)
{
	return offsetof(struct event, tail) + number % (MAX_TAIL + 1);
}

static void add(struct merge *merge, uint64_t time, uint32_t number)
{
	struct event e = { .head.time = time, .number = number };

	memset(e.tail, (uint8_t)number, sizeof(e.tail));
	assert_int_equal(merge_add(merge, &e, len_of(number)), 0);
	memset(&e, 0xee, sizeof(e)); /* it was copied */
}

struct got {
	size_t n;
	uint64_t time[MANY];
	uint32_t number[MANY];
};

static struct got got;

static void take(void *ctx, const void *event, size_t len)
{
	struct got *to = ctx;
	struct event e = { 0 };
	size_t i;

	assert_int_equal((uintptr_t)event % 8, 0);
	assert_true(len <= sizeof(e));
	memcpy(&e, event, len);
	assert_int_equal(len, len_of(e.number));
	for (i = 0; i < len - offsetof(struct event, tail); i++)
		assert_int_equal(e.tail[i], (uint8_t)e.number);
	assert_true(to->n < MANY);
	to->time[to->n] = e.head.time;
	to->number[to->n++] = e.number;
}

static void drain(struct merge *merge, uint64_t until)
{
	got.n = 0;
	merge_drain(merge, until, take, &got);
}

static void expect(const uint32_t *numbers, size_t n)
{
	size_t i;

	assert_int_equal(got.n, n);
	for (i = 0; i < n; i++)
		assert_int_equal(got.number[i], numbers[i]);
}

#define EXPECT(...)                                                                                \
	expect((const uint32_t[]){ __VA_ARGS__ }, sizeof((const uint32_t[]){ __VA_ARGS__ }) / 4)

static void test_empty(void **state)
{
	struct merge merge = { 0 };

	(void)state;
	drain(&merge, 0);
	assert_int_equal(got.n, 0);
	drain(&merge, UINT64_MAX);
	assert_int_equal(got.n, 0);
	merge_free(&merge);
	merge_free(&merge);
	drain(&merge, UINT64_MAX);
	assert_int_equal(got.n, 0);
}

static void test_order(void **state)
{
	struct merge merge = { 0 };

	(void)state;
	add(&merge, 30, 3);
	add(&merge, 10, 1);
	add(&merge, UINT64_MAX, 5);
	add(&merge, 20, 2);
	add(&merge, 1ull << 40, 4);
	add(&merge, 0, 0);
	drain(&merge, UINT64_MAX);
	EXPECT(0, 1, 2, 3, 4, 5);
	assert_int_equal(merge.n, 0);
	drain(&merge, UINT64_MAX);
	assert_int_equal(got.n, 0);
	merge_free(&merge);
}

static void test_equal_times(void **state)
{
	struct merge merge = { 0 };
	uint32_t i;

	(void)state;
	for (i = 0; i < 1000; i++)
		add(&merge, i % 3, i);
	drain(&merge, UINT64_MAX);
	assert_int_equal(got.n, 1000);
	for (i = 1; i < 1000; i++) {
		assert_true(got.time[i - 1] <= got.time[i]);
		if (got.time[i - 1] == got.time[i])
			assert_true(got.number[i - 1] < got.number[i]);
	}
	merge_free(&merge);
}

/* What is kept is still in front of what came later at the same time. */
static void test_equal_times_kept(void **state)
{
	struct merge merge = { 0 };

	(void)state;
	add(&merge, 7, 0);
	add(&merge, 9, 2);
	add(&merge, 5, 1);
	add(&merge, 7, 3);
	drain(&merge, 5);
	EXPECT(1);
	add(&merge, 7, 4);
	add(&merge, 6, 5);
	add(&merge, 9, 6);
	drain(&merge, 7);
	EXPECT(5, 0, 3, 4);
	add(&merge, 9, 7);
	add(&merge, 8, 8);
	drain(&merge, 9);
	EXPECT(8, 2, 6, 7);
	merge_free(&merge);
}

static void test_until(void **state)
{
	struct merge merge = { 0 };

	(void)state;
	add(&merge, 200, 2);
	add(&merge, 101, 1);
	add(&merge, 100, 0);
	drain(&merge, 99);
	assert_int_equal(got.n, 0);
	assert_int_equal(merge.n, 3);
	drain(&merge, 100);
	EXPECT(0);
	assert_int_equal(merge.n, 2);
	drain(&merge, 100);
	assert_int_equal(got.n, 0);
	/* One that comes late is not lost, and not behind those that are kept. */
	add(&merge, 50, 3);
	drain(&merge, 101);
	EXPECT(3, 1);
	drain(&merge, UINT64_MAX);
	EXPECT(2);
	merge_free(&merge);
}

static uint32_t next(uint32_t *random)
{
	*random = *random * 1664525 + 1013904223;
	return *random >> 8;
}

/* As CPUs do: each event is a little late, and a batch ends before the youngest of them. */
static void test_batches(void **state)
{
	struct merge merge = { 0 };
	static struct got all;
	uint32_t random = 1, i;
	size_t most = 0, k;

	(void)state;
	all.n = 0;
	for (i = 0; i < MANY; i++) {
		add(&merge, 1000 + i - next(&random) % 100, i);
		most = merge.n > most ? merge.n : most;
		if (i % 777 == 776)
			merge_drain(&merge, 1000 + i - 100, take, &all);
	}
	merge_drain(&merge, UINT64_MAX, take, &all);
	assert_int_equal(all.n, MANY);
	for (k = 1; k < MANY; k++) {
		assert_true(all.time[k - 1] <= all.time[k]);
		assert_true(all.time[k - 1] != all.time[k] || all.number[k - 1] < all.number[k]);
	}
	assert_true(most < 2 * 777);
	merge_free(&merge);
}

static void test_growth(void **state)
{
	struct merge merge = { 0 };
	uint32_t i;

	(void)state;
	for (i = 0; i < MANY; i++)
		add(&merge, i * 7919ull % MANY, i);
	assert_int_equal(merge.n, MANY);
	drain(&merge, MANY / 2 - 1);
	assert_int_equal(got.n, MANY / 2);
	for (i = 0; i < got.n; i++)
		assert_int_equal(got.time[i], i);
	drain(&merge, UINT64_MAX);
	assert_int_equal(got.n, MANY - MANY / 2);
	for (i = 0; i < got.n; i++) {
		assert_int_equal(got.time[i], MANY / 2 + i);
		assert_int_equal(got.number[i] * 7919ull % MANY, got.time[i]);
	}
	merge_free(&merge);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_equal_times),
		cmocka_unit_test(test_equal_times_kept),
		cmocka_unit_test(test_until),
		cmocka_unit_test(test_batches),
		cmocka_unit_test(test_growth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
