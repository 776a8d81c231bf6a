// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Reads the rows that a probe adds up. */
#include "sums.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"

#define BATCH 512 /* more than one bucket of the kernel's table ever has, as a rule */

struct sums {
	const struct tool *tool;
	int outer, inner[2];
	int now;      /* which of the two the probe writes to */
	int parts;    /* of a row */
	uint32_t entries;
	bool array;
	size_t stride; /* bytes between parts: the kernel rounds up to 8 */
	size_t key_size;
	uint32_t room; /* rows that fit the two below */
	unsigned char *keys, *values;
	int places, half; /* -1: the tool has none */
	uint32_t n_places; /* of a half */
	unsigned char *rows; /* of a tool with places, until they are put together */
	size_t n_rows, rows_room;
	int err; /* of collect() */
};

static int make_room(struct sums *sums, uint32_t rows)
{
	free(sums->keys);
	free(sums->values);
	sums->keys = malloc(rows * sums->key_size);
	sums->values = malloc(rows * sums->stride * sums->parts);
	sums->room = rows;
	return sums->keys && sums->values ? 0 : -ENOMEM;
}

static int look_at(struct sums *sums)
{
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);

	if (bpf_obj_get_info_by_fd(sums->inner[0], &info, &len))
		return -errno;
	if (info.value_size != sums->tool->event_size)
		return -EINVAL;
	sums->key_size = info.key_size;
	sums->stride = (info.value_size + 7) / 8 * 8;
	sums->entries = info.max_entries;
	sums->array = info.type == BPF_MAP_TYPE_ARRAY || info.type == BPF_MAP_TYPE_PERCPU_ARRAY;
	sums->parts = 1;
	if (info.type == BPF_MAP_TYPE_PERCPU_HASH || info.type == BPF_MAP_TYPE_PERCPU_ARRAY)
		sums->parts = libbpf_num_possible_cpus();
	if (sums->parts < 0)
		return sums->parts;
	return make_room(sums, BATCH);
}

/* Rows that stay out of the hash: see probes/netqtop.bpf.c. */
static int look_at_places(struct sums *sums, const struct probe *probe)
{
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);

	sums->places = probe_map(probe, "nt_places");
	sums->half = probe_map(probe, ".data.half");
	if (sums->places < 0)
		return 0;
	if (bpf_obj_get_info_by_fd(sums->places, &info, &len))
		return -errno;
	sums->n_places = info.max_entries / 2;
	return sums->half < 0 || info.value_size != sums->tool->event_size ? -EINVAL : 0;
}

int sums_open(struct sums **out, const struct probe *probe)
{
	struct sums *sums = calloc(1, sizeof(*sums));
	int err;

	if (!sums)
		return -ENOMEM;
	sums->tool = probe->tool;
	sums->outer = probe_map(probe, "nt_sums");
	sums->inner[0] = probe_map(probe, "nt_sums_a");
	sums->inner[1] = probe_map(probe, "nt_sums_b");
	if (sums->outer < 0 || sums->inner[0] < 0 || sums->inner[1] < 0)
		err = -ENOENT;
	else
		err = look_at(sums);
	if (!err)
		err = look_at_places(sums, probe);
	if (err) {
		sums_close(sums);
		return err;
	}
	*out = sums;
	return 0;
}

void sums_close(struct sums *sums)
{
	if (!sums)
		return;
	free(sums->keys);
	free(sums->values);
	free(sums->rows);
	free(sums);
}

static void add_number(unsigned char *to, const unsigned char *more, bool largest)
{
	uint64_t a, b;

	memcpy(&a, to, sizeof(a));
	memcpy(&b, more, sizeof(b));
	a = !largest ? a + b : a > b ? a : b;
	memcpy(to, &a, sizeof(a));
}

void sums_add(const struct column *columns, void *row, const void *part)
{
	const struct column *col, *hist = NULL;
	const unsigned char *more;
	unsigned char *to;
	size_t at;

	for (col = columns; col->name; col++) {
		to = (unsigned char *)row + col->off;
		more = (const unsigned char *)part + col->off;
		if (col->flags & (COL_ADD | COL_MAX))
			add_number(to, more, col->flags & COL_MAX);
		if (col->flags & COL_NULL_ONES && memcmp(to, more, col->size))
			memset(to, 0xff, col->size); /* the sum has no such value */
		if (col->type != COL_HIST || (hist && hist->off == col->off))
			continue; /* one histogram may have several columns, with other titles */
		hist = col;
		for (at = 0; at < col->size; at += sizeof(uint64_t))
			add_number(to + at, more + at, at == offsetof(struct nt_hist, max));
	}
}

/* Each CPU has asked the filter for its own part. */
static void *joined(const struct sums *sums, struct nt_event *row, struct nt_event *part)
{
	if (!row || row->out)
		return part;
	if (!part->out)
		sums_add(sums->tool->columns, row, part);
	return row;
}

/* A part that its CPU never touched has no head. */
static void *put_together(const struct sums *sums, unsigned char *parts)
{
	struct nt_event *row = NULL, *part;
	int i;

	for (i = 0; i < sums->parts; i++) {
		part = (struct nt_event *)(parts + i * sums->stride);
		if (part->time)
			row = joined(sums, row, part);
	}
	return row;
}

/* Elements of an array are not deleted but written over. */
static int read_array(struct sums *sums, int old, void (*each)(void *ctx, void *row), void *ctx)
{
	size_t size = sums->stride * sums->parts;
	unsigned char *none = sums->values + size;
	uint32_t i;
	void *row;

	memset(none, 0, size);
	for (i = 0; i < sums->entries; i++) {
		if (bpf_map_lookup_elem(old, &i, sums->values))
			return -errno;
		row = put_together(sums, sums->values);
		if (!row)
			continue;
		if (bpf_map_update_elem(old, &i, none, BPF_ANY))
			return -errno;
		each(ctx, row);
	}
	return 0;
}

static int read_hash(struct sums *sums, int old, void (*each)(void *ctx, void *row), void *ctx)
{
	uint64_t token = 0;
	void *from = NULL, *row;
	uint32_t n, i;
	int err = 0;

	while (!err) {
		n = sums->room;
		if (bpf_map_lookup_and_delete_batch(old, from, &token, sums->keys, sums->values,
						    &n, NULL))
			err = -errno;
		if (err == -ENOSPC) { /* one bucket holds more */
			err = make_room(sums, sums->room * 2);
			continue;
		}
		if (err && err != -ENOENT)
			return err;
		for (i = 0; i < n; i++) {
			row = put_together(sums, sums->values + i * sums->stride * sums->parts);
			if (row)
				each(ctx, row);
		}
		from = &token;
	}
	return err == -ENOENT ? 0 : err;
}

/* Keeps a copy of the row. */
static void collect(void *ctx, void *row)
{
	struct sums *sums = ctx;
	size_t size = sums->tool->event_size;

	if (array_grow(&sums->rows, &sums->rows_room, sums->n_rows + 1, size)) {
		sums->err = -ENOMEM;
		return;
	}
	memcpy(sums->rows + sums->n_rows++ * size, row, size);
}

/* The parts of a place may be of several rows. */
static int read_places(struct sums *sums, uint32_t from)
{
	size_t size = sums->stride * sums->parts, before;
	unsigned char *none = sums->values + size, *part;
	uint32_t i;

	memset(none, 0, size);
	for (i = from; i < from + sums->n_places; i++) {
		if (bpf_map_lookup_elem(sums->places, &i, sums->values))
			return -errno;
		before = sums->n_rows;
		for (part = sums->values; part < none; part += sums->stride)
			if (((struct nt_event *)part)->time)
				collect(sums, part);
		if (sums->n_rows > before &&
		    bpf_map_update_elem(sums->places, &i, none, BPF_ANY))
			return -errno;
	}
	return 0;
}

static int by_key(const void *a, const void *b, void *ctx)
{
	const struct sums *sums = ctx;
	size_t at = sums->tool->sums->key_at;

	return memcmp((const char *)a + at, (const char *)b + at, sums->key_size);
}

static void each_key(struct sums *sums, void (*each)(void *ctx, void *row), void *ctx)
{
	unsigned char *rows = sums->rows, *part;
	size_t size = sums->tool->event_size, i;
	void *row = NULL;

	if (sums->n_rows)
		qsort_r(rows, sums->n_rows, size, by_key, sums);
	for (i = 0; i < sums->n_rows; i++) {
		part = rows + i * size;
		if (row && by_key(row, part, sums)) {
			each(ctx, row);
			row = NULL;
		}
		row = joined(sums, row, (struct nt_event *)part);
	}
	if (row)
		each(ctx, row);
}

/* The other half is not written to: the update of the outer map has waited for that too. */
static int read_all(struct sums *sums, int old, void (*each)(void *ctx, void *row), void *ctx)
{
	uint32_t from = sums->now ? 0 : sums->n_places;
	int err;

	sums->n_rows = 0;
	sums->err = 0;
	err = read_places(sums, from);
	if (!err)
		err = read_hash(sums, old, collect, sums);
	if (!err)
		err = sums->err;
	if (!err)
		each_key(sums, each, ctx);
	return err;
}

int sums_read(struct sums *sums, void (*each)(void *ctx, void *row), void *ctx)
{
	uint32_t zero = 0, half = sums->now ? 0 : sums->n_places;
	int old = sums->inner[sums->now];

	if (sums->places >= 0 && bpf_map_update_elem(sums->half, &zero, &half, BPF_ANY))
		return -errno;
	if (bpf_map_update_elem(sums->outer, &zero, &sums->inner[!sums->now], BPF_ANY))
		return -errno;
	sums->now = !sums->now;
	if (sums->places >= 0)
		return read_all(sums, old, each, ctx);
	return sums->array ? read_array(sums, old, each, ctx) : read_hash(sums, old, each, ctx);
}
