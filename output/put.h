/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Small texts written by hand, because the printf family costs more than all the rest of a row.
 * Each writes at p, adds no NUL and returns the end. The caller has room for the text and PUT_SPARE
 * bytes more: whole blocks are copied where that is cheaper than exact lengths.
 */
#ifndef NT_PUT_H
#define NT_PUT_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PUT_BLOCK 16
#define PUT_SPARE 64
#define PUT_GROWTH 6 /* a byte becomes at most so many: \u00NN */

/* Where a text of any bytes goes; the result is always valid UTF-8 without control characters. */
enum put_as {
	PUT_TABLE,  /* \xNN for what is not text and for the backslash itself */
	PUT_CSV,    /* the same; NULL when the text has to be quoted */
	PUT_QUOTED, /* the same between CSV quotes */
	PUT_JSON,   /* between JSON quotes: \u00NN, and \\xNN for what is not UTF-8 */
};

char *put_u64(char *p, uint64_t v);
char *put_hex(char *p, uint64_t v); /* no 0x, no leading zeros */

/* 16 bytes, network order; RFC 5952, v4-mapped as IPv4. */
char *put_addr(char *p, const void *addr);

/*
 * The text at s ends at NUL or after `size` bytes. *hidden grows by the bytes that take no place on
 * the screen (all but the first of a UTF-8 sequence).
 */
char *put_text(char *p, const char *s, size_t size, enum put_as as, size_t *hidden);

/* The four digits of v < 10^4 as four bytes, the first digit lowest: halves, then single digits. */
static inline uint32_t put_four(uint32_t v)
{
	uint32_t high = v * 5243 >> 19; /* 5243 / 2^19 is just above 1 / 100 */
	uint32_t x = high | (v - 100 * high) << 16;

	high = x * 103 >> 10 & 0x000f000f; /* 103 / 2^10 is just above 1 / 10 */
	return high | (x - 10 * high) << 8;
}

/* The same with eight digits of v < 10^8. */
static inline uint64_t put_eight(uint32_t v)
{
	uint64_t x = v / 10000 | (uint64_t)(v % 10000) << 32;
	uint64_t high = x * 10486 >> 20 & 0x7f0000007f; /* 10486 / 2^20 is just above 1 / 100 */

	x = high | (x - 100 * high) << 16;
	high = x * 103 >> 10 & 0x000f000f000f000f;
	return high | (x - 10 * high) << 8;
}

/* Exactly n <= 8 digits of v < 10^n, with leading zeros; writes 8 bytes. */
static inline char *put_digits(char *p, uint32_t v, unsigned int n)
{
	uint64_t x = n <= 4 ? (uint64_t)put_four(v) << 32 : put_eight(v);

	x = htole64((x | 0x3030303030303030) >> (64 - 8 * n));
	memcpy(p, &x, 8);
	return p + n;
}

/* The nine digits after the point of a second. */
static inline char *put_nine(char *p, uint32_t ns)
{
	*p = (char)('0' + ns / 100000000);
	return put_digits(p + 1, ns % 100000000, 8);
}

static inline char *put_spaces(char *p, size_t n)
{
	memcpy(p, "                ", PUT_BLOCK);
	for (size_t i = PUT_BLOCK; i < n; i += PUT_BLOCK)
		memcpy(p + i, "                ", PUT_BLOCK);
	return p + n;
}

/* `from` is padded to whole blocks, at least one. */
static inline char *put_blocks(char *p, const char *from, size_t len)
{
	memcpy(p, from, PUT_BLOCK);
	for (size_t i = PUT_BLOCK; i < len; i += PUT_BLOCK)
		memcpy(p + i, from + i, PUT_BLOCK);
	return p + len;
}

#endif
