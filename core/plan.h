/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which variant of each hook is used: the best one that the running kernel really takes. "Exists"
 * is not "works": a variant is tried by loading and attaching it, and when that fails the next one
 * is tried.
 */
#ifndef NT_PLAN_H
#define NT_PLAN_H

#include "tool.h"

#define PLAN_NONE (-1) /* an optional slot that no variant could fill */

/* What the host lacks, as far as it is known: what would mend it depends on it. */
enum plan_lack {
	PLAN_LACKS_UNKNOWN,
	PLAN_LACKS_HOOK,      /* this kernel has no such function or tracepoint */
	PLAN_LACKS_PERMISSION, /* EPERM from bpf(2) */
	PLAN_LACKS_KPROBES,
	PLAN_LACKS_FENTRY,    /* it loads them, but attaches none */
	PLAN_LACKS_PERF,      /* no event may be opened by perf_event_open(2) */
	PLAN_LACKS_CGROUP2,   /* no hierarchy is mounted whose root we see */
	PLAN_LACKS_NET_ADMIN,
};

struct plan_failure {
	int error;         /* errno, positive */
	enum plan_lack lack;
	char why[120];     /* a sentence's second half: "fentry programs are not permitted" */
};

struct plan {
	const struct attach_slot *slots;
	int n_slots;
	int chosen[PLAN_MAX_SLOTS]; /* index into alts, or PLAN_NONE */
	struct plan_failure failures[PLAN_MAX_SLOTS][PLAN_MAX_ALTS];
};

/* The kernel, or a fake one in tests. */
struct plan_kernel {
	/*
	 * Tries the whole choice at once. 0: it works. -errno with *slot set: this slot's variant
	 * failed, *failure says why.
	 * -errno with *slot < 0: it failed for a reason that no other choice would mend.
	 */
	int (*attempt)(void *ctx, const struct plan *plan, int *slot, struct plan_failure *failure);
	void *ctx;
};

void plan_init(struct plan *plan, const struct attach_slot *slots);
/*
 * 0: plan->chosen works. -EOPNOTSUPP: the slot *missing has no variant left and is not optional.
 * Other errors are those of attempt().
 */
int plan_run(struct plan *plan, const struct plan_kernel *kernel, int *missing);
/* The chosen variant of a slot, or NULL. */
const struct attach_alt *plan_alt(const struct plan *plan, int slot);

/* A program of the choice. */
struct plan_program {
	const char *name;
	int slot, place; /* place in attach_alt.progs */
};

/* All of them. `at` is a struct plan_program. */
#define plan_each(plan, at)                                                                        \
	for (*(at) = (struct plan_program){ 0 }; plan_program(plan, at); (at)->place++)
bool plan_program(const struct plan *plan, struct plan_program *at);

struct plan_misses {
	int slot;
	const char *hook;
	uint64_t missed; /* runs that the kernel skipped */
};

/* Runs that no other program made good: of those of a slot on one hook only one has to run. */
uint64_t plan_missed(const struct plan_misses *programs, int n);

#endif
