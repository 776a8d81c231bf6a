/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The column: the one description that table, CSV, JSON, --columns, filters and docs are made from.
 */
#ifndef NT_COLUMN_H
#define NT_COLUMN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * What the bytes in the row mean. Numbers are host order, `size` bytes (1, 2, 4 or 8), unsigned but
 * for COL_INT.
 */
enum col_type {
	COL_NUM,     /* a plain number */
	COL_BYTES,   /* bytes; table: whole KiB, cut as integers are (bcc's TX_KB) */
	COL_NSEC,    /* a duration in ns; table: milliseconds with two decimals, see COL_FINE */
	COL_USEC,    /* a duration in us; table: milliseconds with three decimals */
	/*
	 * u64 CLOCK_MONOTONIC ns; JSON, CSV: RFC 3339 UTC with nanoseconds; table: local HH:MM:SS
	 */
	COL_TIME,
	/* the same field; everywhere: seconds since the first row, table %.6f; see COL_NANO */
	COL_ELAPSED,
	COL_STR,     /* char[size], ends at NUL or at size; any byte may occur */
	COL_ADDR,    /* 16 bytes, network order, IPv4 as ::ffff:a.b.c.d and printed as IPv4 */
	COL_ENUM,    /* index into names[]; beyond n_names: the number as text */
	COL_BOOL,    /* 0 or 1; JSON true/false, CSV and table true/false */
	COL_HEX,     /* table and CSV: hex without 0x; JSON: the same text as a string */
	COL_NAME,    /* u64 id that struct out_names turns into text (cgroup path) */
	/*
	 * A log2 histogram: u64 count, sum and max of the values, then u64 slots to the end of
	 * `size`, 64 at most. Slot 0 counts the values 0 and 1, slot i those from 2^i on below
	 * 2^(i + 1), the last one all larger ones too. `name` is the unit ("us"), `title` heads the
	 * values in the table ("usecs"). Of the flags COL_HIDDEN, COL_TABLE_ONLY and COL_GUARDED
	 * count; see view_row() in out.h.
	 */
	COL_HIST,
	COL_AVG,     /* of the values of a COL_HIST at the same place, rounded down; or unknown */
	COL_RATIO,   /* the u64 at `off` divided by that at `guard`, rounded down; 0 if that is 0 */
	COL_INT,     /* a plain number that may be below 0; it has no COL_NULL_* */
	COL_HOST,    /* an address as COL_ADDR, that struct out_names turns into its name */
	/*
	 * A text made by a pattern: names[] of the byte at `guard`; NULL, or none: unknown. In it
	 * '@' stands for the first of the texts in char[size], each of which ends with NUL, '*' for
	 * all of them, the last one first, with a '/' before each, '#' for the u64 at `number`.
	 */
	COL_PATTERN,
	/*
	 * As COL_ADDR, and a port, u16 at `guard`, 0 unknown: "10.1.2.3:80", "[::1]:80", "[::1]:-"
	 */
	COL_ENDPOINT,
	/* As COL_NAME: a drop reason. NT_NAME_OWN + n (abi.h) is names[n]. */
	COL_REASON,
	/* Bits: names[i] of bit i. JSON: an array; table and CSV: the names joined by '|'. */
	COL_FLAGS,
	/*
	 * u64 addresses that struct out_names turns into text, the innermost first, zeros behind
	 * them; none: unknown. It begins at the address that is the u64 at `guard`, if that is
	 * among them; an empty name is left out. JSON: an array; CSV: joined by ';'; table: lines
	 * below the row, behind a tab each, and an empty line.
	 */
	COL_STACK,
};

enum {
	COL_HIDDEN = 1 << 0,     /* not in the default table */
	COL_TABLE_ONLY = 1 << 1, /* not among the default columns of CSV and JSON */
	COL_NULL_ZERO = 1 << 2,  /* zero means unknown */
	COL_NULL_ONES = 1 << 3,  /* all bits set means unknown */
	COL_GUARDED = 1 << 4,    /* unknown when the byte at `guard` is zero */
	/* table: a '>' before the value when the byte at `guard` is not zero */
	COL_LOWER_BOUND = 1 << 5,
	COL_LEFT = 1 << 6,       /* table: numbers left-aligned too; text always is */
	COL_FINE = 1 << 7,       /* table: COL_NSEC with three decimals */
	COL_MICRO = 1 << 8,      /* table: COL_NSEC in whole microseconds */
	/* table: COL_NSEC as it is; everywhere: COL_ELAPSED in whole ns */
	COL_NANO = 1 << 9,
	COL_PER_SECOND = 1 << 10, /* COL_RATIO: the divisor is in ns */
	COL_SHORT = 1 << 11,     /* table: above 1000 as 1.23K, above 1000000 as 1.23M */
	COL_PARENS = 1 << 12,    /* table: in parentheses */
	COL_UNIT = 1 << 13,      /* table: COL_BYTES in the unit of out_set_unit() */
	COL_QUIET = 1 << 14,     /* what names a histogram in the table: left out when it is zero */
	/* Of rows that are put together from parts: the sum, the largest; u64. */
	COL_ADD = 1 << 15,
	COL_MAX = 1 << 16,
	COL_ASKED = 1 << 17,     /* in no form by default, unless an option shows it */
	COL_EACH = 1 << 18,      /* rows of one event differ in it */
	COL_PREFIX = 1 << 19,    /* table: COL_PATTERN after the u32 at `prefix` and a ':', unless
				    that has all bits set */
};

/* Bytes: the longest cell that is not a text, in any format. */
#define CELL_MAX 64

struct column {
	const char *name;   /* in JSON, CSV, --columns and filters: lower case */
	const char *title;  /* heading in the table */
	const char *help;   /* what it is, with its unit */
	enum col_type type;
	uint16_t off, size; /* where in the row, in bytes */
	/* offset, see COL_GUARDED, COL_LOWER_BOUND, COL_ENDPOINT, COL_STACK */
	uint16_t guard;
	uint16_t number, prefix; /* offsets of numbers, see COL_PATTERN and COL_PREFIX */
	uint32_t flags;
	uint8_t width;      /* least width in the table; grows, never cuts */
	uint8_t n_names;
	/*
	 * COL_ENUM, COL_FLAGS, COL_PATTERN, COL_REASON; a NULL entry is unknown. COL_NUM: the
	 * table shows the first one for unknown
	 */
	const char *const *names;
	const char *const *table_names; /* COL_ENUM in the table; NULL: as names */
};

/* The number of `size` bytes at `at`; 0 of those that no number has. */
static inline uint64_t cell_load(const void *at, size_t size)
{
	uint64_t u64;
	uint32_t u32;
	uint16_t u16;

	switch (size) {
	case 8:
		memcpy(&u64, at, 8);
		return u64;
	case 4:
		memcpy(&u32, at, 4);
		return u32;
	case 2:
		memcpy(&u16, at, 2);
		return u16;
	case 1:
		return *(const unsigned char *)at;
	default:
		return 0;
	}
}

/* Orders rows by one column: numbers by their size, others by their bytes. */
int column_compare(const struct column *col, const void *a, const void *b);
/* The name ends after `len` bytes. NULL: there is none. */
const struct column *column_find(const struct column *columns, const char *name, size_t len);

#endif
