/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The planner against a kernel of this test's own, which takes what it is told to take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "plan.h"

#define MAX_TRIES 64

struct fake {
	bool takes[PLAN_MAX_SLOTS][PLAN_MAX_ALTS];
	int hopeless_at;          /* the attempt, from 1, that fails for good; 0: none */
	int bad_slot;             /* reported instead of the one that failed; 0: none */
	int tries;
	int tried[MAX_TRIES][PLAN_MAX_SLOTS];
};

static const struct attach_slot slots[] = {
	{ .what = "first", .alts = { { { "a0" } }, { { "a1", "a1b" } }, { { "a2" } } } },
	{ .what = "second", .optional = true, .alts = { { { "b0" } }, { { "b1" } } } },
	{ .what = "third",
	  .alts = { { { "c0" } }, { { "c1" } }, { { "c2" } }, { { "c3" } }, { { "c4" } } } },
	{ 0 },
};
static const int n_alts[] = { 3, 2, 5 };
#define N_SLOTS 3
#define ALL_ALTS (3 + 2 + 5)

static int attempt(void *ctx, const struct plan *plan, int *slot, struct plan_failure *failure)
{
	struct fake *fake = ctx;
	int s, alt;

	assert_true(fake->tries < MAX_TRIES);
	for (s = 0; s < plan->n_slots; s++)
		fake->tried[fake->tries][s] = plan->chosen[s];
	fake->tries++;
	if (fake->tries == fake->hopeless_at)
		return -ENOMEM;
	for (s = 0; s < plan->n_slots; s++) {
		alt = plan->chosen[s];
		if (alt == PLAN_NONE || fake->takes[s][alt])
			continue;
		*slot = fake->bad_slot ? fake->bad_slot : s;
		failure->error = 100 + 10 * s + alt;
		snprintf(failure->why, sizeof(failure->why), "no %s",
			 plan->slots[s].alts[alt].progs[0]);
		return -ENOENT;
	}
	return 0;
}

static int run(struct fake *fake, struct plan *plan, const struct attach_slot *with, int *missing)
{
	struct plan_kernel kernel = { attempt, fake };

	*missing = -7;
	plan_init(plan, with);
	return plan_run(plan, &kernel, missing);
}

static void take(struct fake *fake, int s, unsigned int alts)
{
	for (int a = 0; a < PLAN_MAX_ALTS; a++)
		fake->takes[s][a] = alts >> a & 1;
}

static struct fake taking(unsigned int first, unsigned int second, unsigned int third)
{
	struct fake fake = { 0 };

	take(&fake, 0, first);
	take(&fake, 1, second);
	take(&fake, 2, third);
	return fake;
}

static void test_init(void **state)
{
	struct attach_slot full[PLAN_MAX_SLOTS];
	struct plan plan;

	(void)state;
	memset(&plan, 0xff, sizeof(plan));
	plan_init(&plan, slots);
	assert_int_equal(plan.n_slots, N_SLOTS);
	assert_ptr_equal(plan_alt(&plan, 2), &slots[2].alts[0]);
	assert_int_equal(plan.failures[2][4].error, 0);
	/* No slot is free for the one that ends the list. */
	for (int i = 0; i < PLAN_MAX_SLOTS; i++)
		full[i] = slots[0];
	plan_init(&plan, full);
	assert_int_equal(plan.n_slots, PLAN_MAX_SLOTS);
	plan_init(&plan, &slots[N_SLOTS]);
	assert_int_equal(plan.n_slots, 0);
}

static void test_first_choice(void **state)
{
	struct fake fake = taking(7, 3, 31);
	struct plan plan;
	int missing;

	(void)state;
	assert_int_equal(run(&fake, &plan, slots, &missing), 0);
	assert_int_equal(fake.tries, 1);
	assert_int_equal(missing, -7);
	for (int s = 0; s < N_SLOTS; s++) {
		assert_int_equal(plan.chosen[s], 0);
		assert_int_equal(plan.failures[s][0].error, 0);
	}
	assert_string_equal(plan_alt(&plan, 0)->progs[0], "a0");
}

static void test_no_slots(void **state)
{
	struct fake fake = { 0 };
	struct plan plan;
	int missing;

	(void)state;
	assert_int_equal(run(&fake, &plan, &slots[N_SLOTS], &missing), 0);
	assert_int_equal(fake.tries, 1);
}

static void test_falls_back_in_order(void **state)
{
	struct fake fake = taking(7, 3, 8);
	struct plan plan;
	int missing;

	(void)state;
	assert_int_equal(run(&fake, &plan, slots, &missing), 0);
	assert_int_equal(fake.tries, 4);
	for (int t = 0; t < fake.tries; t++) {
		assert_int_equal(fake.tried[t][0], 0);
		assert_int_equal(fake.tried[t][1], 0);
		assert_int_equal(fake.tried[t][2], t);
	}
	assert_string_equal(plan_alt(&plan, 2)->progs[0], "c3");
}

/* A choice that failed once is not tried again when another slot has moved on. */
static void test_several_slots(void **state)
{
	struct fake fake = taking(4, 2, 2);
	struct plan plan;
	int missing;

	(void)state;
	assert_int_equal(run(&fake, &plan, slots, &missing), 0);
	assert_int_equal(plan.chosen[0], 2);
	assert_int_equal(plan.chosen[1], 1);
	assert_int_equal(plan.chosen[2], 1);
	assert_int_equal(fake.tries, 1 + 2 + 1 + 1);
	for (int t = 1; t < fake.tries; t++)
		for (int s = 0; s < N_SLOTS; s++)
			assert_true(fake.tried[t][s] >= fake.tried[t - 1][s]);
}

static void test_optional_runs_out(void **state)
{
	struct fake fake = taking(1, 0, 1);
	struct plan plan;
	int missing;

	(void)state;
	assert_int_equal(run(&fake, &plan, slots, &missing), 0);
	assert_int_equal(plan.chosen[1], PLAN_NONE);
	assert_null(plan_alt(&plan, 1));
	assert_int_equal(missing, -7);
	assert_int_equal(fake.tries, 3);
	assert_int_equal(fake.tried[2][1], PLAN_NONE);
	assert_int_equal(plan.chosen[0], 0);
	assert_int_equal(plan.chosen[2], 0);
	assert_string_equal(plan.failures[1][0].why, "no b0");
	assert_string_equal(plan.failures[1][1].why, "no b1");
}

static void test_required_runs_out(void **state)
{
	struct fake fake = taking(1, 1, 0);
	struct plan plan;
	int missing;

	(void)state;
	assert_int_equal(run(&fake, &plan, slots, &missing), -EOPNOTSUPP);
	assert_int_equal(missing, 2);
	assert_int_equal(fake.tries, n_alts[2]);
	assert_int_equal(plan.chosen[2], PLAN_NONE);
}

static void test_failures_are_kept(void **state)
{
	struct fake fake = taking(2, 0, 16);
	struct plan plan;
	int missing;
	char why[16];

	(void)state;
	assert_int_equal(run(&fake, &plan, slots, &missing), 0);
	for (int s = 0; s < N_SLOTS; s++) {
		int failed = plan.chosen[s] == PLAN_NONE ? n_alts[s] : plan.chosen[s];

		for (int a = 0; a < failed; a++) {
			snprintf(why, sizeof(why), "no %s", slots[s].alts[a].progs[0]);
			assert_string_equal(plan.failures[s][a].why, why);
			assert_int_equal(plan.failures[s][a].error, 100 + 10 * s + a);
		}
		for (int a = failed; a < PLAN_MAX_ALTS; a++)
			assert_int_equal(plan.failures[s][a].error, 0);
	}
}

static void test_hopeless(void **state)
{
	struct plan plan;
	int missing;

	(void)state;
	for (int at = 1; at <= 3; at++) {
		struct fake fake = taking(0, 0, 0);

		fake.hopeless_at = at;
		assert_int_equal(run(&fake, &plan, slots, &missing), -ENOMEM);
		assert_int_equal(fake.tries, at);
		assert_int_equal(missing, -7);
		assert_int_equal(plan.chosen[0], at - 1);
	}
}

/* A kernel that blames a slot that is not there, or one given up, is not believed for ever. */
static void test_wrong_blame(void **state)
{
	struct fake fake = taking(0, 3, 31);
	struct plan plan;
	int missing;

	(void)state;
	fake.bad_slot = N_SLOTS;
	assert_int_equal(run(&fake, &plan, slots, &missing), -EINVAL);
	assert_int_equal(fake.tries, 1);
	fake = taking(0, 0, 31);
	fake.bad_slot = 1;
	assert_int_equal(run(&fake, &plan, slots, &missing), -EINVAL);
	assert_int_equal(fake.tries, 3);
	assert_int_equal(plan.chosen[1], PLAN_NONE);
}

static int best(unsigned int alts)
{
	return alts ? __builtin_ctz(alts) : PLAN_NONE;
}

/* Every kernel there can be: the best that it takes is found, and no alternative is tried twice. */
static void test_all_kernels(void **state)
{
	struct plan plan;
	struct fake fake;
	int missing, err;

	(void)state;
	for (unsigned int bits = 0; bits < 1u << ALL_ALTS; bits++) {
		unsigned int takes[] = { bits & 7, bits >> 3 & 3, bits >> 5 };

		fake = taking(takes[0], takes[1], takes[2]);
		err = run(&fake, &plan, slots, &missing);
		assert_true(fake.tries <= ALL_ALTS);
		if (!takes[0] || !takes[2]) {
			assert_int_equal(err, -EOPNOTSUPP);
			assert_int_equal(missing, takes[0] ? 2 : 0);
			continue;
		}
		assert_int_equal(err, 0);
		for (int s = 0; s < N_SLOTS; s++)
			assert_int_equal(plan.chosen[s], best(takes[s]));
	}
}

/* Slot by slot; slots that were given up have none. */
static void test_programs(void **state)
{
	static const struct attach_slot with[] = {
		{ .what = "first", .alts = { { { "a", "b", "c" } } } },
		{ .what = "second", .optional = true, .alts = { { { "d" } } } },
		{ .what = "third", .alts = { { { "e" } }, { { "f", "g", "h", "i", "j" } } } },
		{ 0 },
	};
	char names[16] = "", places[16] = "", slots_of[16] = "";
	struct plan_program at;
	struct plan plan;
	int n = 0;

	(void)state;
	plan_init(&plan, with);
	plan.chosen[1] = PLAN_NONE;
	plan.chosen[2] = 1;
	plan_each(&plan, &at) {
		assert_in_range(n, 0, 14);
		names[n] = at.name[0];
		places[n] = (char)('0' + at.place);
		slots_of[n++] = (char)('0' + at.slot);
	}
	assert_string_equal(names, "abcfghij");
	assert_string_equal(places, "01201234");
	assert_string_equal(slots_of, "00022222");
	plan_init(&plan, &with[3]);
	plan_each(&plan, &at)
		fail();
}

static void test_missed(void **state)
{
	const struct plan_misses programs[] = {
		{ 0, "tp_btf/inet_sock_set_state", 7 }, /* either of two is enough */
		{ 1, "fentry/tcp_connect", 5 },         /* alone */
		{ 0, "tp_btf/inet_sock_set_state", 3 },
		{ 2, "tp_btf/inet_sock_set_state", 11 }, /* for another purpose */
		{ 0, "tp_btf/tcp_destroy_sock", 2 },     /* another hook of the same slot */
		{ 3, "kprobe/x", 9 },
		{ 3, "kprobe/x", 0 },
		{ 4, "kprobe/y", 4 },
		{ 4, "kprobe/y", 4 },
		{ 4, "kprobe/y", 6 },
	};

	(void)state;
	assert_int_equal(plan_missed(programs, 0), 0);
	assert_int_equal(plan_missed(programs, 1), 7);
	assert_int_equal(plan_missed(programs, 2), 12);
	assert_int_equal(plan_missed(programs, 3), 8);
	assert_int_equal(plan_missed(programs, 5), 3 + 5 + 11 + 2);
	assert_int_equal(plan_missed(programs, 7), 3 + 5 + 11 + 2);
	assert_int_equal(plan_missed(programs, 10), 3 + 5 + 11 + 2 + 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_init),
		cmocka_unit_test(test_first_choice),
		cmocka_unit_test(test_no_slots),
		cmocka_unit_test(test_falls_back_in_order),
		cmocka_unit_test(test_several_slots),
		cmocka_unit_test(test_optional_runs_out),
		cmocka_unit_test(test_required_runs_out),
		cmocka_unit_test(test_failures_are_kept),
		cmocka_unit_test(test_hopeless),
		cmocka_unit_test(test_wrong_blame),
		cmocka_unit_test(test_all_kernels),
		cmocka_unit_test(test_programs),
		cmocka_unit_test(test_missed),
	};

	return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
