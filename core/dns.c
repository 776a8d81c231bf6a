// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Reads DNS answers and remembers the names of addresses. */
#include "dns.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "filter.h"

#define NAME_MAX_BYTES 255 /* of a name on the wire, the empty label at its end included */
#define MAX_ALIASES 16     /* of one name; resolvers give up much earlier */
#define MAX_JUMPS 127      /* in one name: it cannot have more labels */
#define BUCKETS 4096
#define HEAD_BYTES 12
#define RECORD_BYTES 10 /* what stands between the owner of a record and its data */

enum { TYPE_A = 1, TYPE_CNAME = 5, TYPE_AAAA = 28 };
enum { CLASS_IN = 1 };
enum { FLAG_ANSWER = 0x8000, FLAG_OPCODE = 0x7800, FLAG_ERROR = 0x000f };

struct message {
	const uint8_t *data;
	size_t len;
	size_t answers;    /* where they begin */
	uint16_t n_answers;
};

/* Lower case, uncompressed: labels with their lengths before them. */
struct name {
	uint8_t bytes[NAME_MAX_BYTES];
	size_t len;
};

struct record {
	struct name owner;
	uint16_t type, class;
	uint32_t ttl;      /* seconds */
	size_t data, len;  /* where its data is */
};

struct entry {
	struct entry *next;            /* of the same bucket */
	struct entry *older, *newer;   /* by use */
	uint8_t addr[16];
	uint64_t end;                  /* ns, CLOCK_MONOTONIC: the name is good until then */
	char *name;
};

struct dns {
	struct entry *buckets[BUCKETS];
	struct entry *oldest, *newest;
	size_t n;
};

/* Messages */

static uint16_t u16_at(const struct message *m, size_t at)
{
	return m->data[at] << 8 | m->data[at + 1];
}

static uint32_t u32_at(const struct message *m, size_t at)
{
	return (uint32_t)u16_at(m, at) << 16 | u16_at(m, at + 2);
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

static bool put_label(struct name *name, const uint8_t *label, size_t len)
{
	if (name->len + 1 + len > NAME_MAX_BYTES)
		return false;
	name->bytes[name->len++] = len;
	while (len--)
		name->bytes[name->len++] = lower(*label++);
	return true;
}

/*
 * Reads the name at *at and moves *at behind it. A pointer has to lead further back than the one
 * before, so there are no loops.
 */
static bool read_name(const struct message *m, size_t *at, struct name *name)
{
	size_t i = *at, limit = *at;
	int jumps = 0;
	uint8_t len;

	name->len = 0;
	for (;;) {
		if (i >= m->len)
			return false;
		len = m->data[i++];
		if (len >= 0xc0) {
			if (i >= m->len || jumps++ == MAX_JUMPS)
				return false;
			if (jumps == 1)
				*at = i + 1;
			i = (len & 0x3f) << 8 | m->data[i];
			if (i >= limit)
				return false;
			limit = i;
			continue;
		}
		if (len >= 0x40 || len > m->len - i || !put_label(name, m->data + i, len))
			return false;
		i += len;
		if (!len)
			break;
	}
	if (!jumps)
		*at = i;
	return true;
}

static bool read_record(const struct message *m, size_t *at, struct record *r)
{
	if (!read_name(m, at, &r->owner) || m->len - *at < RECORD_BYTES)
		return false;
	r->type = u16_at(m, *at);
	r->class = u16_at(m, *at + 2);
	r->ttl = u32_at(m, *at + 4);
	if (r->ttl > INT32_MAX) /* RFC 2181, 8 */
		r->ttl = 0;
	r->len = u16_at(m, *at + 8);
	r->data = *at + RECORD_BYTES;
	if (r->len > m->len - r->data)
		return false;
	*at = r->data + r->len;
	return true;
}

/* The next record of `owner` among the answers from *at, number *i, on. */
static bool next_of(const struct message *m, const struct name *owner, size_t *at, uint16_t *i,
		    struct record *r)
{
	while ((*i)++ < m->n_answers) {
		if (!read_record(m, at, r))
			return false;
		if (r->class == CLASS_IN && r->owner.len == owner->len &&
		    !memcmp(r->owner.bytes, owner->bytes, owner->len))
			return true;
	}
	return false;
}

/* Follows the aliases of `name` to their end; *ttl is made the least of theirs. */
static bool follow(const struct message *m, struct name *name, uint32_t *ttl)
{
	struct record r;
	int aliases = 0;
	uint16_t i = 0;
	size_t at = m->answers;

	while (next_of(m, name, &at, &i, &r)) {
		if (r.type != TYPE_CNAME)
			continue;
		if (++aliases > MAX_ALIASES || !read_name(m, &r.data, name))
			return false;
		if (r.ttl < *ttl)
			*ttl = r.ttl;
		at = m->answers;
		i = 0;
	}
	return true;
}

/* The head and the question; exactly one is asked (RFC 9619). */
static bool read_question(struct message *m, struct name *name)
{
	uint16_t flags;
	size_t at = HEAD_BYTES;

	if (m->len < HEAD_BYTES)
		return false;
	flags = u16_at(m, 2);
	if (!(flags & FLAG_ANSWER) || flags & (FLAG_OPCODE | FLAG_ERROR) || u16_at(m, 4) != 1)
		return false;
	m->n_answers = u16_at(m, 6);
	if (!read_name(m, &at, name) || m->len - at < 4)
		return false;
	m->answers = at + 4;
	return true;
}

/* Text */

static char *put_byte(char *to, uint8_t c)
{
	if (c > 0x20 && c < 0x7f) {
		if (c == '.' || c == '\\')
			*to++ = '\\';
		*to++ = c;
		return to;
	}
	*to++ = '\\';
	*to++ = '0' + c / 100;
	*to++ = '0' + c / 10 % 10;
	*to++ = '0' + c % 10;
	return to;
}

static void put_name(char text[DNS_NAME_SIZE], const struct name *name)
{
	char *to = text;
	size_t at, i;

	for (at = 0; name->bytes[at]; at += name->bytes[at] + 1) {
		if (at)
			*to++ = '.';
		for (i = 1; i <= name->bytes[at]; i++)
			to = put_byte(to, name->bytes[at + i]);
	}
	if (to == text)
		*to++ = '.';
	*to = '\0';
}

/* Addresses */

static struct entry **bucket_of(struct dns *dns, const uint8_t addr[16])
{
	uint64_t a, b;

	memcpy(&a, addr, 8);
	memcpy(&b, addr + 8, 8);
	return &dns->buckets[((a ^ b * 0x9e3779b97f4a7c15ull) * 0xff51afd7ed558ccdull) >> 52];
}

static struct entry *find(struct dns *dns, const uint8_t addr[16])
{
	struct entry *entry = *bucket_of(dns, addr);

	while (entry && memcmp(entry->addr, addr, 16))
		entry = entry->next;
	return entry;
}

static void take_out(struct dns *dns, struct entry *entry)
{
	*(entry->older ? &entry->older->newer : &dns->oldest) = entry->newer;
	*(entry->newer ? &entry->newer->older : &dns->newest) = entry->older;
}

static void put_newest(struct dns *dns, struct entry *entry)
{
	entry->newer = NULL;
	entry->older = dns->newest;
	*(dns->newest ? &dns->newest->newer : &dns->oldest) = entry;
	dns->newest = entry;
}

static void forget(struct dns *dns, struct entry *entry)
{
	struct entry **at = bucket_of(dns, entry->addr);

	while (*at != entry)
		at = &(*at)->next;
	*at = entry->next;
	take_out(dns, entry);
	free(entry->name);
	free(entry);
	dns->n--;
}

static void remember(struct dns *dns, const uint8_t addr[16], const char *name, uint64_t end)
{
	struct entry *entry = find(dns, addr), **bucket;
	char *copy = strdup(name);

	if (!copy)
		return;
	if (entry) {
		take_out(dns, entry);
		free(entry->name);
	} else {
		if (dns->n == DNS_MAX_ADDRS)
			forget(dns, dns->oldest);
		entry = calloc(1, sizeof(*entry));
		if (!entry) {
			free(copy);
			return;
		}
		bucket = bucket_of(dns, addr);
		memcpy(entry->addr, addr, 16);
		entry->next = *bucket;
		*bucket = entry;
		dns->n++;
	}
	entry->name = copy;
	entry->end = end;
	put_newest(dns, entry);
}

int dns_new(struct dns **dns)
{
	*dns = calloc(1, sizeof(**dns));
	return *dns ? 0 : -ENOMEM;
}

void dns_free(struct dns *dns)
{
	while (dns && dns->oldest)
		forget(dns, dns->oldest);
	free(dns);
}

static bool address_of(const struct message *m, const struct record *r, uint8_t addr[16])
{
	if (r->type == TYPE_A && r->len == 4) {
		memcpy(addr, filter_ipv4.addr, FILTER_MAPPED);
		memcpy(addr + FILTER_MAPPED, m->data + r->data, 4);
		return true;
	}
	if (r->type != TYPE_AAAA || r->len != 16)
		return false;
	memcpy(addr, m->data + r->data, 16);
	return true;
}

void dns_learn(struct dns *dns, uint64_t time, const void *message, size_t len)
{
	struct message m = { .data = message, .len = len };
	char text[DNS_NAME_SIZE];
	uint32_t ttl, least = UINT32_MAX;
	struct name name;
	struct record r;
	uint8_t addr[16];
	uint16_t i = 0;
	size_t at;

	if (!read_question(&m, &name))
		return;
	put_name(text, &name);
	if (!follow(&m, &name, &least))
		return;
	at = m.answers;
	while (next_of(&m, &name, &at, &i, &r)) {
		if (!address_of(&m, &r, addr))
			continue;
		ttl = r.ttl < least ? r.ttl : least;
		remember(dns, addr, text, time + (ttl ? ttl : 1) * 1000000000ull);
	}
}

const char *dns_name(struct dns *dns, const uint8_t addr[16], uint64_t time)
{
	struct entry *entry = find(dns, addr);

	if (!entry)
		return NULL;
	if (time > entry->end) {
		forget(dns, entry);
		return NULL;
	}
	take_out(dns, entry);
	put_newest(dns, entry);
	return entry->name;
}
