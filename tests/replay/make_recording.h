/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Recordings with chosen values, the same bytes on every run. A tool's make.c defines the two
 * tables at the end.
 */
#ifndef NT_MAKE_RECORDING_H
#define NT_MAKE_RECORDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record.h"

#define MAKE_SECOND 1000000000ull
/* CLOCK_MONOTONIC, ns, of 2026-11-22T10:05:01Z by the clock that every recording begins with. */
#define MAKE_TIME (1000 * MAKE_SECOND)
#define MAKE_CLOCK (1795341901ll * 1000000000 - 1000 * 1000000000ll)

struct made_file {
	const char *name; /* ends with ".nt" */
	void (*write)(struct recorder *rec);
	bool variant;     /* the rows of made_tool->variant */
};

/* They end the program when the disk is full. */
void make_event(struct recorder *rec, const void *event, size_t len);
void make_cgroup(struct recorder *rec, uint64_t id, const char *path);
/* What was added since the last one is one reading, `ns` after MAKE_TIME. */
void make_reading(struct recorder *rec, uint64_t ns, const char *load);
void make_clock(struct recorder *rec, int64_t offset);

/* "10.1.2.3" or "2001:db8::1" to the 16 bytes of an event. */
void make_addr(uint8_t to[16], const char *text);
/* A comm from a string; what is behind it stays zero. */
void make_comm(char to[NT_COMM_LEN], const char *text);

extern const struct tool *const made_tool;
extern const struct made_file made_files[]; /* ends with an entry without a name */

#endif
