/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * When the sums of a run's tools are read, and what becomes of the rows. Times are ns,
 * CLOCK_MONOTONIC.
 */
#ifndef NT_READINGS_H
#define NT_READINGS_H

#include "record.h"
#include "rows.h"
#include "sums.h"

#define READINGS_MAX_PARTS 64

struct readings {
	const struct session_opts *opts;
	struct rows *rows;
	struct recorder **recorder; /* where it will be, if there is one */
	struct session_stats *stats;
	struct fault *fault;
	struct reading_tool {
		struct sums *sums;  /* NULL: the tool has none */
		uint64_t last;
		uint64_t next;      /* 0: only at the end */
		const struct filter_node *filter; /* that asks for sums: no probe can answer */
		struct filter_node parts[READINGS_MAX_PARTS]; /* of what the probe can */
	} tools[SESSION_MAX_TOOLS];
};

/*
 * Where the filter of the i-th tool asks for sums, this is answered here, when they are read:
 * *filter becomes what is left for the probe, NULL: nothing. 0, or -E2BIG.
 */
int readings_filter(struct readings *r, int i, const struct filter_node **filter);
/* Of the i-th tool; nothing to do if it has no sums. Returns an exit code. */
int readings_open(struct readings *r, int i, const struct probe *probe, uint64_t now);
void readings_close(struct readings *r);
/* The intervals begin anew: after what had to be done before, with the run. */
void readings_start(struct readings *r, uint64_t now);

#define READINGS_LOAD 64
/* /proc/loadavg, as rows_reading() takes it. */
void readings_load(char to[READINGS_LOAD]);

uint64_t readings_next(const struct readings *r); /* 0: none is set */
/* Those that are due. false: that was enough, or something failed (the fault says what). */
bool readings_due(struct readings *r, uint64_t now);
/* What was added up since, at the end of the run. */
void readings_last(struct readings *r, uint64_t now);

#endif
