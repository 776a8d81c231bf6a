/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A tool's BPF object: configured, loaded and attached by way of the planner. The only part that
 * speaks to libbpf.
 */
#ifndef NT_PROBE_H
#define NT_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plan.h"
#include "session.h"

struct bpf_insn;
struct bpf_link;
struct bpf_object;

struct probe_config {
	struct nt_params params;
	/* entries of the maps of sockets, and of sockets open at the start */
	uint32_t max_sockets, max_held;
	bool owners;       /* a tool of the run keeps the map of sockets */
	bool states;       /* and one its states */
	uint32_t max_tasks; /* of the maps of tasks inside a call */
	uint32_t max_sums; /* rows of a hash of sums */
	uint32_t sum_key;  /* bytes of their keys; 0: as the object says */
	const struct nets *nets; /* of nt_nets, or NULL */
	bool one_sum;      /* all keys are 0: the row has a place instead */
	const struct bpf_insn *filter; /* NULL: none */
	int filter_len;
	const int *pinned;             /* maps of others, see core/pinned.h */
	const struct session_cgroup *cgroups; /* params.n_cgroups of them */
	bool attach;                   /* false: load only (--explain) */
	const struct probe *earlier;   /* of the run: their maps are used where they have them */
	int n_earlier;
};

struct probe {
	const struct tool *tool;
	struct plan plan;
	struct bpf_object *object;
	struct bpf_link *links[PLAN_MAX_SLOTS * PLAN_MAX_PROGS];
	int n_links;
};

/*
 * Sends libbpf's and the verifier's words to stderr, or (the default) keeps them to explain
 * failures.
 */
void probe_debug(bool on);

/*
 * Before the first of several is opened: what each names of the kernel is then looked up in one go.
 */
void probe_expect(const struct tool *tool, bool filtered);
/* 0 or -errno; -EOPNOTSUPP: *missing is the slot that nothing could fill, probe->plan says why. */
int probe_open(struct probe *probe, const struct tool *tool, const struct probe_config *config,
	       int *missing);
/* Stops the events; what is in the ring stays readable. */
void probe_detach(struct probe *probe);
void probe_close(struct probe *probe);

int probe_map(const struct probe *probe, const char *name); /* fd or -errno */
/* Adds the counters of all CPUs, and the runs that the kernel skipped. 0 or -errno. */
int probe_stats(const struct probe *probe, struct session_stats *stats);

/* Overwrites the mark and no-ops of an object file image with a filter. -ENOENT: no mark. */
int probe_splice(void *image, size_t len, const struct bpf_insn *filter, int n);

struct probe_hook {
	char program[64];
	char hook[64]; /* "fentry/tcp_connect" */
};

/*
 * What each program of the tool's object is for, at most `max` of them: no privilege is needed.
 * Returns how many.
 */
int probe_hooks(const struct tool *tool, struct probe_hook *hooks, int max);

/* What each slot uses, and what was tried, to stdout (--explain) or stderr (-v). */
void probe_explain(const struct probe *probe, void *file);

#endif
