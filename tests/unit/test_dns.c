/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* DNS answers put together by hand: right ones, and all that can be wrong with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns.h"

#define SECOND 1000000000ull
#define START (1000 * SECOND)
#define ANSWER 0x8180 /* with recursion */
#define POINTER(at) 0xc0 | (at) >> 8, (at) & 0xff

enum { A = 1, NS = 2, CNAME = 5, TXT = 16, AAAA = 28 };

struct message {
	uint8_t data[4096];
	size_t len;
};

static void put(struct message *m, const void *data, size_t len)
{
	assert_true(m->len + len <= sizeof(m->data));
	memcpy(m->data + m->len, data, len);
	m->len += len;
}

static void put16(struct message *m, uint16_t value)
{
	put(m, (uint8_t[]){ value >> 8, value & 0xff }, 2);
}

static void put32(struct message *m, uint32_t value)
{
	put16(m, value >> 16);
	put16(m, value & 0xffff);
}

/* "www.example.com", uncompressed. Returns where it stands. */
static size_t put_name(struct message *m, const char *name)
{
	size_t at = m->len, len;

	while (*name) {
		len = strcspn(name, ".");
		put(m, (uint8_t[]){ len }, 1);
		put(m, name, len);
		name += len + (name[len] == '.');
	}
	put(m, "", 1);
	return at;
}

static void put_head(struct message *m, uint16_t flags, uint16_t questions, uint16_t answers)
{
	m->len = 0;
	put16(m, 4711);
	put16(m, flags);
	put16(m, questions);
	put16(m, answers);
	put32(m, 0);
}

/* The head and one question of `type`. Returns where the name stands. */
static size_t ask(struct message *m, const char *name, uint16_t type, uint16_t answers)
{
	size_t at;

	put_head(m, ANSWER, 1, answers);
	at = put_name(m, name);
	put16(m, type);
	put16(m, 1);
	return at;
}

static void put_record(struct message *m, uint16_t type, uint32_t ttl, const void *data, size_t len)
{
	put16(m, type);
	put16(m, 1);
	put32(m, ttl);
	put16(m, len);
	put(m, data, len);
}

/* The owner is a pointer to `at`. */
static void put_addr(struct message *m, size_t at, const char *addr, uint32_t ttl)
{
	bool six = strchr(addr, ':');
	uint8_t bytes[16];

	assert_int_equal(inet_pton(six ? AF_INET6 : AF_INET, addr, bytes), 1);
	put(m, (uint8_t[]){ POINTER(at) }, 2);
	put_record(m, six ? AAAA : A, ttl, bytes, six ? 16 : 4);
}

/* Returns where the other name stands. */
static size_t put_alias(struct message *m, size_t at, const char *other, uint32_t ttl)
{
	struct message name = { .len = 0 };
	size_t place;

	put_name(&name, other);
	put(m, (uint8_t[]){ POINTER(at) }, 2);
	place = m->len + 10;
	put_record(m, CNAME, ttl, name.data, name.len);
	return place;
}

static struct dns *dns;

static int set_up(void **state)
{
	(void)state;
	return dns_new(&dns);
}

static int tear_down(void **state)
{
	(void)state;
	dns_free(dns);
	return 0;
}

/* From memory that ends where the message ends: a sanitizer sees what reads too far. */
static void learn_at(const struct message *m, uint64_t time)
{
	void *exact = malloc(m->len ? m->len : 1);

	memcpy(exact, m->data, m->len);
	dns_learn(dns, time, exact, m->len);
	free(exact);
}

static const char *name_at(const char *addr, uint64_t time)
{
	uint8_t bytes[16] = { [10] = 0xff, [11] = 0xff };
	bool six = strchr(addr, ':');

	assert_int_equal(inet_pton(six ? AF_INET6 : AF_INET, addr, six ? bytes : bytes + 12), 1);
	return dns_name(dns, bytes, time);
}

static void learn(const struct message *m)
{
	learn_at(m, START);
}

static void check(const char *addr, const char *name)
{
	const char *found = name_at(addr, START + 1);

	if (name)
		assert_non_null(found);
	if (found || name)
		assert_string_equal(found ? found : "", name ? name : "nothing");
}

static void test_addresses(void **state)
{
	struct message m;
	size_t at;

	(void)state;
	check("10.1.2.3", NULL);
	at = ask(&m, "www.example.com", A, 2);
	put_addr(&m, at, "10.1.2.3", 60);
	put_addr(&m, at, "10.1.2.4", 60);
	learn(&m);
	check("10.1.2.3", "www.example.com");
	check("10.1.2.4", "www.example.com");
	check("10.1.2.5", NULL);
	check("::ffff:10.1.2.3", "www.example.com");
	at = ask(&m, "six.example.com", AAAA, 1);
	put_addr(&m, at, "2001:db8::1", 60);
	learn(&m);
	check("2001:db8::1", "six.example.com");
	/* The last one counts. */
	at = ask(&m, "other.example.org", A, 1);
	put_addr(&m, at, "10.1.2.3", 60);
	learn(&m);
	check("10.1.2.3", "other.example.org");
	check("10.1.2.4", "www.example.com");
}

static void test_case(void **state)
{
	struct message m;
	size_t at = ask(&m, "wWw.ExAmPlE.cOm", A, 1);

	(void)state;
	put_name(&m, "www.example.COM"); /* the owner may be written otherwise */
	put_record(&m, A, 60, (uint8_t[]){ 10, 0, 0, 1 }, 4);
	assert_int_equal(at, 12);
	learn(&m);
	check("10.0.0.1", "www.example.com");
}

static void test_text(void **state)
{
	static const uint8_t odd[] = "\7a.b\\c \x1f\3\xff\"\x7f";
	struct message m;

	(void)state;
	put_head(&m, ANSWER, 1, 1);
	put(&m, odd, sizeof(odd)); /* with its NUL, the root */
	put16(&m, A);
	put16(&m, 1);
	put_addr(&m, 12, "10.0.0.1", 60);
	learn(&m);
	check("10.0.0.1", "a\\.b\\\\c\\032\\031.\\255\"\\127");
	/* The root itself. */
	ask(&m, "", A, 1);
	put_addr(&m, 12, "10.0.0.2", 60);
	learn(&m);
	check("10.0.0.2", ".");
}

static void test_longest(void **state)
{
	char label[64], text[256], want[1024] = "";
	struct message m;
	size_t i;

	(void)state;
	/* 63 + 63 + 63 + 61 bytes, their lengths and the root: 255 */
	memset(label, 'x', 63);
	label[63] = 0;
	snprintf(text, sizeof(text), "%s.%s.%s.%.61s", label, label, label, label);
	ask(&m, text, A, 1);
	put_addr(&m, 12, "10.0.0.1", 60);
	learn(&m);
	check("10.0.0.1", text);
	/* Each of its bytes four characters long. */
	for (i = 0; text[i]; i++)
		if (text[i] == 'x')
			text[i] = '\1';
	ask(&m, text, A, 1);
	put_addr(&m, 12, "10.0.0.2", 60);
	learn(&m);
	for (i = 0; text[i]; i++)
		strcat(want, text[i] == '.' ? "." : "\\001");
	check("10.0.0.2", want);
	/* One byte more is too much. */
	snprintf(text, sizeof(text), "%s.%s.%s.%.62s", label, label, label, label);
	ask(&m, text, A, 1);
	put_addr(&m, 12, "10.0.0.3", 60);
	learn(&m);
	check("10.0.0.3", NULL);
}

static void test_aliases(void **state)
{
	size_t at, one, two;
	struct message m;

	(void)state;
	at = ask(&m, "www.example.com", A, 4);
	one = put_alias(&m, at, "cdn.example.net", 60);
	two = put_alias(&m, one, "host7.example.org", 60);
	put_addr(&m, two, "10.0.0.1", 60);
	put_addr(&m, at, "10.0.0.9", 60); /* of the name that is an alias: not believed */
	learn(&m);
	check("10.0.0.1", "www.example.com");
	check("10.0.0.9", NULL);
	/* In another order; the address before its name. */
	at = ask(&m, "a.example", AAAA, 3);
	put_name(&m, "c.example");
	put_record(&m, A, 60, (uint8_t[]){ 10, 0, 0, 2 }, 4);
	put_name(&m, "b.example");
	put_record(&m, CNAME, 60, "\1c\7example", 11);
	put_alias(&m, at, "b.example", 60);
	learn(&m);
	check("10.0.0.2", "a.example");
}

static void test_alias_loop(void **state)
{
	struct message m;
	size_t at, to;

	(void)state;
	at = ask(&m, "a.example", A, 3);
	to = put_alias(&m, at, "b.example", 60);
	put(&m, (uint8_t[]){ POINTER(to) }, 2);
	put_record(&m, CNAME, 60, "\1a\7example", 11);
	put_addr(&m, at, "10.0.0.1", 60);
	learn(&m);
	check("10.0.0.1", NULL);
	/* Many, but they end. */
	for (int n = 16; n <= 17; n++) {
		at = ask(&m, "n0", A, n + 1);
		for (int i = 1; i <= n; i++) {
			char name[8];

			snprintf(name, sizeof(name), "n%d", i);
			at = put_alias(&m, at, name, 60);
		}
		put_addr(&m, at, n == 16 ? "10.0.0.16" : "10.0.0.17", 60);
		learn(&m);
	}
	check("10.0.0.16", "n0");
	check("10.0.0.17", NULL);
}

static void test_other_records(void **state)
{
	struct message m;
	size_t at;

	(void)state;
	at = ask(&m, "x.example", A, 6);
	put(&m, (uint8_t[]){ POINTER(at) }, 2);
	put_record(&m, TXT, 60, "\4text", 5);
	put(&m, (uint8_t[]){ POINTER(at) }, 2);
	put_record(&m, NS, 60, (uint8_t[]){ POINTER(at) }, 2);
	put_addr(&m, at, "10.0.0.1", 60);
	put(&m, (uint8_t[]){ POINTER(at) }, 2);
	put_record(&m, A, 60, "\12\0\0\2\0", 5); /* no address has five bytes */
	put_name(&m, "y.example");
	put_record(&m, A, 60, (uint8_t[]){ 10, 0, 0, 3 }, 4); /* nobody asked for it */
	put(&m, (uint8_t[]){ POINTER(at) }, 2);
	put16(&m, A);
	put16(&m, 3); /* CHAOS */
	put32(&m, 60);
	put16(&m, 4);
	put(&m, "\12\0\0\4", 4);
	learn(&m);
	check("10.0.0.1", "x.example");
	check("10.0.0.2", NULL);
	check("10.0.0.3", NULL);
	check("10.0.0.4", NULL);
	/* More records than it says: those are of other sections. */
	at = ask(&m, "z.example", A, 1);
	put_addr(&m, at, "10.0.0.5", 60);
	put_addr(&m, at, "10.0.0.6", 60);
	learn(&m);
	check("10.0.0.5", "z.example");
	check("10.0.0.6", NULL);
}

static void test_no_answers(void **state)
{
	static const uint16_t flags[] = { 0x0100, 0x8183, 0x8182, 0xa180 };
	struct message m;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(flags) / sizeof(*flags); i++) { /* a question, errors, an update */
		ask(&m, "x.example", A, 1);
		m.data[2] = flags[i] >> 8;
		m.data[3] = flags[i] & 0xff;
		put_addr(&m, 12, "10.0.0.1", 60);
		learn(&m);
	}
	for (i = 0; i < 3; i += 2) { /* no question, two */
		ask(&m, "x.example", A, 1);
		m.data[5] = i;
		put_addr(&m, 12, "10.0.0.1", 60);
		learn(&m);
	}
	ask(&m, "x.example", A, 0);
	learn(&m);
	check("10.0.0.1", NULL);
}

/* Of a message that was cut off, what is whole counts. */
static void test_cut(void **state)
{
	struct message m;
	size_t at = ask(&m, "x.example", A, 3), one, whole;

	(void)state;
	put_addr(&m, at, "10.0.0.1", 60);
	one = m.len;
	put_addr(&m, at, "10.0.0.2", 60);
	put_addr(&m, at, "10.0.0.3", 60);
	whole = m.len;
	m.data[2] |= 2; /* TC */
	for (m.len = 0; m.len < whole; m.len++) {
		dns_free(dns);
		assert_int_equal(dns_new(&dns), 0);
		learn(&m);
		check("10.0.0.1", m.len < one ? NULL : "x.example");
		check("10.0.0.2", m.len < one + 16 ? NULL : "x.example");
		check("10.0.0.3", NULL);
	}
	learn(&m);
	check("10.0.0.3", "x.example");
}

static void test_pointers(void **state)
{
	struct message m;
	size_t at, i, record;

	(void)state;
	/* Back to labels, and from there back again. */
	at = ask(&m, "www.example.com", A, 2);
	record = m.len;
	put(&m, (uint8_t[]){ 3, 'w', 'w', 'w', POINTER(at + 4) }, 6);
	put_record(&m, A, 60, (uint8_t[]){ 10, 0, 0, 1 }, 4);
	put(&m, (uint8_t[]){ POINTER(record) }, 2);
	put_record(&m, A, 60, (uint8_t[]){ 10, 0, 0, 2 }, 4);
	learn(&m);
	check("10.0.0.1", "www.example.com");
	check("10.0.0.2", "www.example.com");
	/* To itself, forward, beyond the end, and labels of an unknown kind. */
	for (i = 0; i < 4; i++) {
		ask(&m, "x.example", A, 1);
		at = m.len;
		put(&m, (uint8_t[]){ POINTER(i == 0 ? at : i == 1 ? at + 2 : 0x3fff) }, 2);
		if (i == 3)
			m.data[at] = 0x40;
		put_record(&m, A, 60, (uint8_t[]){ 10, 0, 0, 3 }, 4);
		learn(&m);
	}
	check("10.0.0.3", NULL);
	/* A question that points into the head. */
	put_head(&m, ANSWER, 1, 1);
	put(&m, (uint8_t[]){ POINTER(4) }, 2);
	put16(&m, A);
	put16(&m, 1);
	put_addr(&m, 12, "10.0.0.4", 60);
	learn(&m);
	check("10.0.0.4", "."); /* odd, and harmless: a zero is a name */
}

static void test_pointer_chain(void **state)
{
	struct message m;
	size_t at, i;

	(void)state;
	/* Each to the one before it, as far as they reach. */
	at = ask(&m, "x.example", A, 3);
	put(&m, (uint8_t[]){ POINTER(at) }, 2);
	put16(&m, TXT);
	put16(&m, 1);
	put32(&m, 60);
	put16(&m, 2 * 1000);
	for (i = 0; i < 1000; i++) {
		put(&m, (uint8_t[]){ POINTER(at) }, 2);
		at = m.len - 2;
	}
	put_addr(&m, at - 2 * 950, "10.0.0.1", 60);
	put_addr(&m, at, "10.0.0.2", 60);
	learn(&m);
	check("10.0.0.1", "x.example");
	check("10.0.0.2", NULL);
}

static void test_ttl(void **state)
{
	size_t at, one;
	struct message m;

	(void)state;
	at = ask(&m, "minute", A, 1);
	put_addr(&m, at, "10.0.0.1", 60);
	learn(&m);
	at = ask(&m, "none", A, 1);
	put_addr(&m, at, "10.0.0.2", 0);
	learn(&m);
	at = ask(&m, "alias", A, 2);
	one = put_alias(&m, at, "real", 5);
	put_addr(&m, one, "10.0.0.3", 60);
	learn(&m);
	at = ask(&m, "negative", A, 1);
	put_addr(&m, at, "10.0.0.4", 0x80000000);
	learn(&m);
	at = ask(&m, "forever", A, 1);
	put_addr(&m, at, "10.0.0.5", INT32_MAX);
	learn(&m);
	assert_string_equal(name_at("10.0.0.2", START + SECOND), "none");
	assert_string_equal(name_at("10.0.0.4", START + SECOND), "negative");
	assert_null(name_at("10.0.0.2", START + SECOND + 1));
	assert_null(name_at("10.0.0.2", START)); /* forgotten by then */
	assert_null(name_at("10.0.0.4", START + SECOND + 1));
	assert_string_equal(name_at("10.0.0.3", START + 5 * SECOND), "alias");
	assert_null(name_at("10.0.0.3", START + 5 * SECOND + 1));
	assert_string_equal(name_at("10.0.0.1", START + 60 * SECOND), "minute");
	assert_null(name_at("10.0.0.1", START + 60 * SECOND + 1));
	assert_string_equal(name_at("10.0.0.5", START + 60ull * 365 * 86400 * SECOND), "forever");
	/* An answer that comes again begins anew. */
	at = ask(&m, "minute", A, 1);
	put_addr(&m, at, "10.0.0.1", 60);
	learn_at(&m, START + 100 * SECOND);
	assert_string_equal(name_at("10.0.0.1", START + 160 * SECOND), "minute");
}

/* Which is forgotten when there are too many: the one that nobody asked about for longest. */
static void test_bounded(void **state)
{
	struct message m;
	char text[24];
	size_t at;
	int i;

	(void)state;
	for (i = 0; i <= DNS_MAX_ADDRS; i++) {
		snprintf(text, sizeof(text), "10.%d.%d.%d", i >> 16, i >> 8 & 255, i & 255);
		at = ask(&m, "x.example", A, 1);
		put_addr(&m, at, text, 60);
		learn(&m);
		check("10.0.0.0", "x.example");
	}
	check("10.0.0.1", NULL);
	check("10.0.0.2", "x.example");
	check(text, "x.example");
}

/* Whatever bytes: it says nothing wrong, and reads nothing it should not. */
static void test_damaged(void **state)
{
	struct message m, damaged;
	size_t at, one, i;
	unsigned int random = 1;

	(void)state;
	at = ask(&m, "www.example.com", A, 3);
	one = put_alias(&m, at, "cdn.example.net", 60);
	put_addr(&m, one, "10.0.0.1", 60);
	put_addr(&m, one, "2001:db8::1", 60);
	for (i = 0; i < 200000; i++) {
		damaged = m;
		for (int n = 0; n < 3; n++) {
			random = random * 1103515245 + 12345;
			damaged.data[(random >> 8) % m.len] = random >> 20;
		}
		damaged.len = i % 3 ? m.len : (random >> 4) % m.len;
		learn(&damaged);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_addresses, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_case, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_text, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_longest, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_aliases, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_alias_loop, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_other_records, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_answers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_cut, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_pointers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_pointer_chain, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_ttl, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bounded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_damaged, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
