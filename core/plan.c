// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Tries variants of hooks until the kernel takes them all. */
#include "plan.h"

#include <errno.h>
#include <string.h>

static int n_alts(const struct attach_slot *slot)
{
	int n = 0;

	while (n < PLAN_MAX_ALTS && slot->alts[n].progs[0])
		n++;
	return n;
}

void plan_init(struct plan *plan, const struct attach_slot *slots)
{
	memset(plan, 0, sizeof(*plan));
	plan->slots = slots;
	while (plan->n_slots < PLAN_MAX_SLOTS && slots[plan->n_slots].what)
		plan->n_slots++;
}

const struct attach_alt *plan_alt(const struct plan *plan, int slot)
{
	int alt = plan->chosen[slot];

	return alt == PLAN_NONE ? NULL : &plan->slots[slot].alts[alt];
}

bool plan_program(const struct plan *plan, struct plan_program *at)
{
	const struct attach_alt *alt;

	for (; at->slot < plan->n_slots; at->slot++, at->place = 0) {
		alt = plan_alt(plan, at->slot);
		for (; alt && at->place < PLAN_MAX_PROGS; at->place++) {
			at->name = alt->progs[at->place];
			if (at->name)
				return true;
		}
	}
	return false;
}

/* The least of each group, found at its first member. */
uint64_t plan_missed(const struct plan_misses *programs, int n)
{
	uint64_t sum = 0, least;
	bool first;
	int i, j;

	for (i = 0; i < n; i++) {
		least = programs[i].missed;
		first = true;
		for (j = 0; j < n && first; j++) {
			if (programs[j].slot != programs[i].slot ||
			    strcmp(programs[j].hook, programs[i].hook))
				continue;
			first = j >= i;
			if (programs[j].missed < least)
				least = programs[j].missed;
		}
		sum += first ? least : 0;
	}
	return sum;
}

int plan_run(struct plan *plan, const struct plan_kernel *kernel, int *missing)
{
	struct plan_failure failure;
	int slot, err;

	for (;;) {
		slot = -1;
		memset(&failure, 0, sizeof(failure));
		err = kernel->attempt(kernel->ctx, plan, &slot, &failure);
		if (!err || slot < 0)
			return err;
		if (slot >= plan->n_slots || plan->chosen[slot] == PLAN_NONE)
			return -EINVAL;
		plan->failures[slot][plan->chosen[slot]] = failure;
		if (++plan->chosen[slot] < n_alts(&plan->slots[slot]))
			continue;
		plan->chosen[slot] = PLAN_NONE;
		if (!plan->slots[slot].optional) {
			*missing = slot;
			return -EOPNOTSUPP;
		}
	}
}
