/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Recordings: the raw events of a run and the names they need, in a file. Byte order is the writing
 * host's (marked in the head); each block carries a CRC-32, so that damage is seen and what is
 * whole can still be read.
 */
#ifndef NT_RECORD_H
#define NT_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "tool.h"

struct recorder;

/* The file is created new or cut, never through a symbolic link. 0 or -errno. */
int recorder_open(struct recorder **rec, const char *path, const struct tool *const *tools,
		  int n_tools);
int recorder_clock(struct recorder *rec, int64_t realtime_minus_monotonic);
int recorder_cgroup(struct recorder *rec, uint64_t id, const char *path);
/* Of struct out_names, but for cgroups: reasons, functions. */
int recorder_name(struct recorder *rec, uint64_t id, const char *text);
int recorder_event(struct recorder *rec, const void *event, size_t len);
/* The events of the tool `tool` since the last of these are the rows of one reading. */
int recorder_reading(struct recorder *rec, uint8_t tool, uint64_t time, const char *load);
/* A sentence about what was lost, without its end. */
int recorder_loss(struct recorder *rec, const char *text);
/* 0 or -errno of the first write that failed since it was opened. */
int recorder_flush(struct recorder *rec);
/* The same. Writes the end mark, without which a recording counts as cut off. Frees in any case. */
int recorder_close(struct recorder *rec);

struct recording;

struct record_block {
	enum record_kind {
		/* text: its name; value: crc of its columns, see record_schema() */
		RECORD_TOOL = 1,
		RECORD_CLOCK,    /* value: realtime minus monotonic, ns, two's complement */
		RECORD_CGROUP,   /* value: id; text: path */
		RECORD_EVENT,    /* data: the event */
		RECORD_END,      /* value: number of events */
		/* value: ns, CLOCK_MONOTONIC; text: a byte that is the tool, then /proc/loadavg */
		RECORD_READING,
		RECORD_NAME,     /* value: id; text: what core/names.h says of it */
		RECORD_LOSS,     /* text: a sentence, see recorder_loss() */
	} kind;
	uint64_t value;
	const char *text;  /* NUL-terminated */
	const void *data;  /* 8-byte aligned */
	size_t len;
};

/*
 * Reads from memory (borrowed) or a whole file. -EINVAL: not a recording; -ENOTSUP: another version
 * or byte order.
 */
int recording_open_mem(struct recording **rec, const void *data, size_t len);
int recording_open(struct recording **rec, const char *path);
void recording_close(struct recording *rec);
/*
 * 1: *block is the next one (valid until the next call); 0: the end mark was read; -EBADMSG:
 * damaged or cut off here (*at is the offset in the file).
 */
int recording_next(struct recording *rec, struct record_block *block, size_t *at);
void recording_rewind(struct recording *rec);

/* A fingerprint of the columns' names and places: events of another layout are not read as ours. */
uint32_t record_schema(const struct tool *tool);

#endif
