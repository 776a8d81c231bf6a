// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the values of a column are, in words. */
#include "out_priv.h"

bool column_is_number(const struct column *col)
{
	switch (col->type) {
	case COL_NUM:
	case COL_INT:
	case COL_BYTES:
	case COL_NSEC:
	case COL_USEC:
	case COL_ELAPSED:
	case COL_AVG:
	case COL_RATIO:
		return true;
	default:
		return false;
	}
}

const char *column_type(const struct column *col)
{
	if (column_is_number(col))
		return "number";
	switch (col->type) {
	case COL_TIME:
		return "time";
	case COL_ADDR:
		return "address";
	case COL_ENUM:
		return "name";
	case COL_FLAGS:
	case COL_STACK:
		return "array";
	case COL_BOOL:
		return "boolean";
	case COL_HIST:
		return "histogram";
	case COL_STR:
	case COL_HEX:
	case COL_NAME:
	case COL_HOST:
	case COL_PATTERN:
	case COL_ENDPOINT:
	case COL_REASON:
		return "string";
	default:
		return NULL;
	}
}

const char *column_unit(const struct column *col)
{
	switch (col->type) {
	case COL_BYTES: return "bytes";
	case COL_NSEC: return "ns";
	case COL_USEC: return "us";
	case COL_ELAPSED: return col->flags & COL_NANO ? "ns" : "s";
	case COL_HIST: return col->name;
	case COL_RATIO: return col->flags & COL_PER_SECOND ? "1/s" : NULL;
	default: return NULL;
	}
}
