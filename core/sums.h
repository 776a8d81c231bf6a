/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reads the rows that a probe adds up (probes/sums.bpf.h), losing nothing between two readings. */
#ifndef NT_SUMS_H
#define NT_SUMS_H

#include <stddef.h>

#include "probe.h"

struct sums;

/* 0 or -errno. */
int sums_open(struct sums **sums, const struct probe *probe);
void sums_close(struct sums *sums);

/*
 * Calls `each` for every row since the last reading, its parts put together. `row` is `each`'s to
 * change. 0 or -errno.
 */
int sums_read(struct sums *sums, void (*each)(void *ctx, void *row), void *ctx);

/* Adds `part` to `row` as the columns say: COL_ADD, COL_MAX, COL_HIST. */
void sums_add(const struct column *columns, void *row, const void *part);

#endif
