/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A run of one tool or several: what the command line asked for, and doing it. */
#ifndef NT_SESSION_H
#define NT_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "cgroup.h"
#include "devices.h"
#include "fault.h"
#include "filter.h"
#include "names.h"
#include "out.h"
#include "plan.h"
#include "tool.h"

#define SESSION_MAX_TOOLS NT_MAX_TOOLS
#define SESSION_MAX_DEVICES 32
#define SESSION_MAX_SHOW 16

enum { PINNED_CGROUPS, PINNED_MNTNS, PINNED_COUNT }; /* see core/pinned.h */

struct session_opts {
	const struct tool *tools[SESSION_MAX_TOOLS];
	int n_tools;
	enum out_format format;
	bool header;
	const char *columns;      /* --columns or NULL */
	/* the table's columns, hidden or not, those that the tool has; NULL-terminated, or empty */
	const char *table[SESSION_MAX_SHOW + 1];
	const char *show[SESSION_MAX_SHOW + 1]; /* hidden columns to show, NULL-terminated */
	struct filter_node *common; /* what the options say, for every tool */
	struct filter_node *expr[SESSION_MAX_TOOLS]; /* what --filter says, in each tool's fields */
	struct filter_node both[SESSION_MAX_TOOLS];
	/* the AND of the two (borrowed); NULL: everything passes */
	struct filter_node *filter[SESSION_MAX_TOOLS];
	struct session_cgroup {
		enum cgroup_by by;
		char *word;       /* as the user wrote it */
		char *dir;        /* what it means on this host; NULL in a replay */
	} cgroups[NT_MAX_CGROUPS]; /* [i]: bit i of nt_owner.cgroup_bits */
	int n_cgroups;
	struct names *names;      /* or NULL: numbers have none */
	const char *pinned[PINNED_COUNT]; /* paths of maps that owners must be in, or NULL */
	bool want_mntns;
	uint64_t duration_ns;     /* 0: until stopped */
	uint64_t max_events;      /* 0: any number */
	uint64_t interval_ns;     /* between readings of tool->sums; 0: as the tool says */
	uint64_t readings;        /* stop after so many; 0: any number */
	uint64_t rows;            /* of a reading; 0: as the tool says */
	const char *sort;         /* column; NULL: as the tool says */
	struct device devices[SESSION_MAX_DEVICES]; /* OPT_DEVICES; none: all */
	int n_devices;
	uint32_t devices_netns;   /* inode of the namespace that they are in */
	int unit;                 /* out_set_unit() */
	struct nets *nets;        /* the networks that sums are of, or NULL */
	char title;               /* of readings: '+' yes, '-' no, 0: as the tool says */
	uint32_t flags;           /* nt_params.flags */
	uint64_t ring_bytes;      /* a power of two */
	uint32_t max_sockets;     /* 0: by how many are open */
	const char *record, *ready_file;
	int ready_fd;             /* gets a byte when the probes are attached; 0: none */
	const char *replay;       /* the recording */
	struct recording *recording; /* it, when it was opened before */
	bool replaying;
	bool journal;
	bool plain;               /* no screen */
	bool explain, stats, strict, verbose, debug;
};

/*
 * Counters of one run, the sum of its tools'. seen == filtered + sent + lost_buffer + lost_map +
 * lost_stack.
 */
struct session_stats {
	uint64_t seen, filtered, sent, lost_buffer, lost_map, lost_stack;
	uint64_t missed; /* runs that the kernel skipped (recursion_misses, 5.12+) */
	uint64_t time;   /* ns, CLOCK_MONOTONIC */
};

/* Does its filter look at a column with COL_EACH? */
bool session_asks_each(const struct session_opts *opts, int i);

/* All return an exit code; `fault` has the sentence when it is not 0. */
int session_run(const struct session_opts *opts, struct fault *fault);
/*
 * Which hooks the first tool of such a run would use: `plan` has what was chosen and tried, or
 * nothing if the host was not even asked. Attaches nothing.
 */
int session_plan(const struct session_opts *opts, struct plan *plan, struct fault *fault);
int session_replay(const struct session_opts *opts, struct fault *fault);
/*
 * Opens opts->recording and takes its tools, which `known` (NULL-terminated) should have, into
 * opts->tools: what options mean depends on them. 0, or -errno with nothing changed.
 */
int session_open_recording(struct session_opts *opts, const char *path,
			   const struct tool *const *known);

#endif
