/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Numbers, addresses and texts of any bytes, as bytes that are safe to print. */
#include <stdbool.h>

#include "put.h"

#define EACH(byte) (0x0101010101010101ULL * (byte))

static const char hex_digits[] = "0123456789abcdef";

/* Apart, so that the common case saves no registers. */
static __attribute__((noinline)) char *put_long(char *p, uint64_t v)
{
	p = put_u64(p, v / 100000000);
	return put_digits(p, (uint32_t)(v % 100000000), 8);
}

char *put_u64(char *p, uint64_t v)
{
	unsigned int zeros;
	uint64_t x;

	if (v < 10) {
		*p = (char)('0' + v);
		return p + 1;
	}
	if (v < 10000) {
		uint32_t four = put_four((uint32_t)v);

		zeros = (unsigned int)__builtin_ctz(four) & 24;
		four = htole32((four | 0x30303030) >> zeros);
		memcpy(p, &four, 4);
		return p + 4 - zeros / 8;
	}
	if (v >= 100000000)
		return put_long(p, v);
	x = put_eight((uint32_t)v);
	zeros = (unsigned int)__builtin_ctzll(x) & 56;
	x = htole64((x | EACH('0')) >> zeros);
	memcpy(p, &x, 8);
	return p + 8 - zeros / 8;
}

/* The eight digits of v as bytes in memory, the first digit first. */
static inline uint64_t put_eight_hex(uint32_t v)
{
	uint64_t x = v;

	x = (x << 16 | x) & 0x0000ffff0000ffff;
	x = (x << 8 | x) & 0x00ff00ff00ff00ff;
	x = (x << 4 | x) & 0x0f0f0f0f0f0f0f0f;
	/* 10 to 15 carry into bit 4 when 6 is added; 'a' is 39 above '0' + 10 */
	x += EACH('0') + ((x + EACH(6)) >> 4 & EACH(1)) * 39;
	return htobe64(x);
}

char *put_hex(char *p, uint64_t v)
{
	unsigned int zeros = (unsigned int)__builtin_clzll(v | 1) / 4;
	uint64_t digits[3] = { put_eight_hex((uint32_t)(v >> 32)), put_eight_hex((uint32_t)v) };

	memcpy(p, (char *)digits + zeros, 8);
	if (zeros < 8)
		memcpy(p + 8, (char *)digits + zeros + 8, 8);
	return p + 16 - zeros;
}

#define TEN(t) t "0", t "1", t "2", t "3", t "4", t "5", t "6", t "7", t "8", t "9"
#define NINETY(t) TEN(t "1"), TEN(t "2"), TEN(t "3"), TEN(t "4"), TEN(t "5"), TEN(t "6"), \
		  TEN(t "7"), TEN(t "8"), TEN(t "9")

static inline char *put_octet(char *p, unsigned char v)
{
	static const char octets[256][4] = {
		TEN(""), NINETY(""), TEN("10"), NINETY("1"), TEN("20"), TEN("21"), TEN("22"),
		TEN("23"), TEN("24"), "250", "251", "252", "253", "254", "255",
	};

	uint32_t x;

	memcpy(&x, octets[v], 4);
	memcpy(p, &x, 4);
	x = le32toh(x); /* every digit has bit 4, NUL has not */
	return p + 1 + (x >> 12 & 1) + (x >> 20 & 1);
}

static inline char *put_word(char *p, uint32_t v)
{
	uint32_t x = v >> 12 | (v & 0xf00) | (v & 0xf0) << 12 | (v & 0xf) << 24;
	unsigned int zeros = (unsigned int)__builtin_ctz(x | 1U << 24) / 8;

	/* 10 to 15 carry into bit 4 when 6 is added; 'a' is 39 above '0' + 10 */
	x += 0x30303030 + ((x + 0x06060606) >> 4 & 0x01010101) * 39;
	x = htole32(x >> 8 * zeros);
	memcpy(p, &x, 4);
	return p + 4 - zeros;
}

/* The longest run of zero words, the first of several; a single one is not shortened. */
static size_t longest_gap(const uint32_t *word, size_t *len)
{
	size_t gap = 8;

	*len = 1;
	for (size_t i = 0, run = 0; i < 8; i++) {
		run = word[i] ? 0 : run + 1;
		if (run > *len) {
			*len = run;
			gap = i + 1 - run;
		}
	}
	return gap;
}

static char *put_ipv6(char *p, const unsigned char *addr)
{
	size_t gap, gap_len;
	uint32_t word[8];

	for (size_t i = 0; i < 8; i++)
		word[i] = (uint32_t)addr[2 * i] << 8 | addr[2 * i + 1];
	gap = longest_gap(word, &gap_len);
	for (size_t i = 0; i < 8; i++) {
		if (i == gap) {
			*p++ = ':';
			i += gap_len - 1;
			if (i == 7)
				*p++ = ':';
			continue;
		}
		if (i)
			*p++ = ':';
		p = put_word(p, word[i]);
	}
	return p;
}

char *put_addr(char *p, const void *addr)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
	const unsigned char *a = addr;

	if (memcmp(a, mapped, sizeof(mapped)))
		return put_ipv6(p, a);
	p = put_octet(p, a[12]);
	*p++ = '.';
	p = put_octet(p, a[13]);
	*p++ = '.';
	p = put_octet(p, a[14]);
	*p++ = '.';
	return put_octet(p, a[15]);
}

/*
 * The length of the sequence at s, 0 if it is none: by table 3-7 of the Unicode standard, which has
 * no overlong forms, no surrogates and nothing above U+10FFFF.
 */
static size_t utf8_len(const unsigned char *s, const unsigned char *end)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t n;

	if (*s < 0x80)
		return 1;
	if (*s < 0xc2 || *s > 0xf4)
		return 0;
	n = *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : 4;
	if ((size_t)(end - s) < n)
		return 0;
	if (*s == 0xe0)
		low = 0xa0;
	else if (*s == 0xed)
		high = 0x9f;
	else if (*s == 0xf0)
		low = 0x90;
	else if (*s == 0xf4)
		high = 0x8f;
	if (s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if (s[i] < 0x80 || s[i] > 0xbf)
			return 0;
	return n;
}

/* C1 controls too: a terminal obeys U+009B as it obeys ESC [. */
static bool is_control(const unsigned char *s)
{
	return *s < 0x20 || *s == 0x7f || (*s == 0xc2 && s[1] < 0xa0);
}

static char *put_byte(char *p, const char *mark, unsigned char byte)
{
	size_t len = strlen(mark);

	memcpy(p, mark, len);
	p[len] = hex_digits[byte >> 4];
	p[len + 1] = hex_digits[byte & 15];
	return p + len + 2;
}

/* Writes the n bytes at s that may not be printed as they are. */
static char *put_escape(char *p, const unsigned char *s, size_t n, enum put_as as)
{
	if (as == PUT_JSON && n) /* the last byte of a C1 control is its number */
		return put_byte(p, "\\u00", s[n - 1]);
	if (as == PUT_JSON)
		return put_byte(p, "\\\\x", *s);
	do
		p = put_byte(p, "\\x", *s++);
	while (n-- > 1);
	return p;
}

static __attribute__((noinline)) char *put_rough(char *p, const char *text, const char *limit,
						 enum put_as as, size_t *hidden)
{
	const unsigned char *s = (const unsigned char *)text;
	const unsigned char *end = s + strnlen(text, (size_t)(limit - text));

	while (s < end) {
		size_t n = utf8_len(s, end);

		if (!n || is_control(s) || (*s == '\\' && as != PUT_JSON)) {
			p = put_escape(p, s, n, as);
			s += n ? n : 1;
			continue;
		}
		if (as == PUT_CSV && (*s == '"' || *s == ','))
			return NULL;
		if (as == PUT_JSON && (*s == '"' || *s == '\\'))
			*p++ = '\\';
		if (as == PUT_QUOTED && *s == '"')
			*p++ = '"';
		*hidden += n - 1;
		while (n--)
			*p++ = (char)*s++;
	}
	return p;
}

/*
 * Copies 8 bytes and returns how many of them, from the first on, are plain. Comma and quote are
 * not plain in any format: that costs a slower walk now and then, no more. The arithmetic marks a
 * byte that is not plain in its high bit; what borrow and carry mark wrongly lies above one such.
 */
static inline size_t put_plain(char *p, const char *s)
{
	uint64_t w, rough;

	memcpy(&w, s, 8);
	memcpy(p, &w, 8);
	w = le64toh(w);
	rough = (w - EACH(0x20)) | (w + EACH(1)) | w | ((w ^ EACH('"')) - EACH(1)) |
		((w ^ EACH(',')) - EACH(1)) | ((w ^ EACH('\\')) - EACH(1));
	rough &= EACH(0x80);
	return rough ? (size_t)__builtin_ctzll(rough) / 8 : 8;
}

static inline bool is_plain(char c)
{
	static const bool rough[256] = {
		[0 ... 0x1f] = true, ['"'] = true, [','] = true, ['\\'] = true,
		[0x7f ... 0xff] = true,
	};

	return !rough[(unsigned char)c];
}

char *put_text(char *p, const char *s, size_t size, enum put_as as, size_t *hidden)
{
	const char *end = s + size;
	size_t n = 8;

	for (; end - s >= 8 && n == 8; s += n, p += n)
		n = put_plain(p, s);
	if (n == 8 && s < end) {
		if (size >= 8) { /* the last 8 bytes again, some of them for the second time */
			p -= 8 - (end - s);
			s = end - 8;
			n = put_plain(p, s);
			s += n;
			p += n;
		} else {
			while (s < end && is_plain(*s))
				*p++ = *s++;
		}
	}
	return s == end || !*s ? p : put_rough(p, s, end, as, hidden);
}
