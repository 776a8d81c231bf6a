/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Lists of networks: what the map finds is the first of the list that has the address inside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nets.h"

#define MOST 64

/* What BPF_MAP_TYPE_LPM_TRIE does: entries with the same prefix replace each other. */
struct trie {
	struct nt_net_key keys[MOST];
	const struct nt_net *values[MOST];
	size_t n;
};

static void fill(struct trie *t, const struct nets *nets)
{
	const struct nt_net *value;
	struct nt_net_key key;
	uint32_t i;
	size_t k;

	t->n = 0;
	for (i = 0; i <= nets_count(nets); i++) {
		value = nets_entry(nets, i, &key);
		for (k = 0; k < t->n && memcmp(&t->keys[k], &key, sizeof(key)); k++)
			;
		t->keys[k] = key;
		t->values[k] = value;
		t->n += k == t->n;
	}
}

static bool covers(const uint8_t *net, uint32_t prefix, const uint8_t *addr)
{
	uint32_t bit;

	for (bit = 0; bit < prefix; bit++)
		if ((net[bit / 8] ^ addr[bit / 8]) & 0x80 >> bit % 8)
			return false;
	return true;
}

static int look_up(const struct trie *t, const uint8_t *addr)
{
	int best = -1;
	size_t k;

	for (k = 0; k < t->n; k++)
		if (covers(t->keys[k].addr, t->keys[k].prefix, addr) &&
		    (best < 0 || t->keys[k].prefix > t->keys[best].prefix))
			best = (int)k;
	return best < 0 || t->values[best]->index == NT_NO_NET ? -1 : (int)t->values[best]->index;
}

static void address(uint8_t to[16], const char *text)
{
	memset(to, 0, 16);
	if (inet_pton(AF_INET, text, to + 12) == 1)
		memset(to + 10, 0xff, 2);
	else
		assert_int_equal(inet_pton(AF_INET6, text, to), 1);
}

static struct nets *parse(const char *text)
{
	struct filter_error err;
	struct nets *nets;

	assert_int_equal(nets_parse(&nets, text, &err), 0);
	return nets;
}

static void check(const char *list, const char *addr, int want)
{
	struct nets *nets = parse(list);
	uint8_t bytes[16];
	struct trie t;

	fill(&t, nets);
	address(bytes, addr);
	if (look_up(&t, bytes) != want)
		fail_msg("%s in %s: expected %d, got %d", addr, list, want, look_up(&t, bytes));
	nets_free(nets);
}

static void test_first(void **state)
{
	const char *bcc = "127.0.0.1/32,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,0.0.0.0/0";

	(void)state;
	check(bcc, "127.0.0.1", 0);
	check(bcc, "127.0.0.2", 4);
	check(bcc, "10.255.0.1", 1);
	check(bcc, "172.31.255.255", 2);
	check(bcc, "172.32.0.0", 4);
	check(bcc, "192.168.1.1", 3);
	check(bcc, "::1", -1);
	check(bcc, "::", -1);
	check("10.0.0.0/8,10.1.0.0/16", "10.1.2.3", 0); /* a narrower one behind gets nothing */
	check("10.1.0.0/16,10.0.0.0/8", "10.1.2.3", 0);
	check("10.1.0.0/16,10.0.0.0/8", "10.2.2.3", 1);
	check("0.0.0.0/0,10.1.0.0/16", "10.1.2.3", 0);
	check("10.0.0.0/8,10.0.0.0/8,10.9.9.9/8", "10.1.2.3", 0);
	check("10.0.0.0/8", "11.0.0.0", -1);
	check("10.1.2.3", "10.1.2.3", 0);
}

/* IPv4 is no part of IPv6's networks, mapped it is IPv4. */
static void test_families(void **state)
{
	(void)state;
	check("::/0", "10.1.2.3", -1);
	check("::/0", "2001:db8::1", 0);
	check("::/0,0.0.0.0/0", "10.1.2.3", 1);
	check("0.0.0.0/0,::/0", "2001:db8::1", 1);
	check("::/90,10.0.0.0/8", "10.1.2.3", 1);
	check("::/90,10.0.0.0/8", "11.1.2.3", -1);
	check("::ffff:10.0.0.0/104", "10.1.2.3", 0);
	check("::ffff:0:0/96,::/0", "10.1.2.3", 0);
	check("fd00::/8,::/0", "fd12::1", 0);
	check("::/0,fd00::/8", "fd12::1", 0);
	check("::1/128", "::1", 0);
}

/* All lists of networks of few bits against the plain loop over the list. */
static void test_any(void **state)
{
	struct nets *nets;
	char list[512];
	uint8_t addr[16];
	struct trie t;
	int i, n, k, want;
	size_t at;

	(void)state;
	srand(1);
	for (i = 0; i < 3000; i++) {
		uint32_t base[8], bits[8];

		n = rand() % 8 + 1;
		for (at = 0, k = 0; k < n; k++) {
			base[k] = (uint32_t)rand() % 16;
			bits[k] = (uint32_t)rand() % 5;
			at += snprintf(list + at, sizeof(list) - at, "%s%u.0.0.0/%u", k ? "," : "",
				       base[k] << 4, bits[k]);
		}
		nets = parse(list);
		fill(&t, nets);
		for (uint32_t a = 0; a < 16; a++) {
			address(addr, "0.0.0.0");
			addr[12] = a << 4;
			for (want = 0; want < n && (a ^ base[want]) >> (4 - bits[want]); want++)
				;
			if (look_up(&t, addr) != (want < n ? want : -1))
				fail_msg("%u of %s: expected %d", a, list, want);
			if (want < n)
				assert_int_equal(nets_shadowed(nets, want), -1);
		}
		nets_free(nets);
	}
}

static void test_shadowed(void **state)
{
	struct nets *nets = parse("10.0.0.0/8,fd00::/8,10.1.0.0/16,fd00::1,10.0.0.1/8,11.0.0.0/8");

	(void)state;
	assert_int_equal(nets_shadowed(nets, 0), -1);
	assert_int_equal(nets_shadowed(nets, 1), -1);
	assert_int_equal(nets_shadowed(nets, 2), 0);
	assert_int_equal(nets_shadowed(nets, 3), 1);
	assert_int_equal(nets_shadowed(nets, 4), 0);
	assert_int_equal(nets_shadowed(nets, 5), -1);
	assert_string_equal(nets_text(nets, 4), "10.0.0.1/8");
	nets_free(nets);
}

static void test_refused(void **state)
{
	static const struct { const char *list, *bad; } cases[] = {
		{ "", "" }, { ",", "" }, { "10.0.0.0/8,", "" }, { "10.0.0.0/8,,1.2.3.4", "" },
		{ "10.0.0.0/33", "10.0.0.0/33" }, { "10.0.0.0/8,x/8", "x/8" },
		{ "!10.0.0.0/8", "!10.0.0.0/8" }, { "10.0.0.0/", "10.0.0.0/" },
		{ "10.0.0.0/-1", "10.0.0.0/-1" }, { "10.0.0/8", "10.0.0/8" },
		{ "::/129", "::/129" }, { "10.0.0.0/8 ", "10.0.0.0/8 " },
		{ "255.255.255.0/255.255.255.0", "255.255.255.0/255.255.255.0" },
	};
	struct filter_error err;
	struct nets *nets;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(nets_parse(&nets, cases[i].list, &err), -EINVAL);
		assert_int_equal(err.bad_len, strlen(cases[i].bad));
		assert_memory_equal(err.bad, cases[i].bad, err.bad_len);
		assert_non_null(err.why);
	}
}

/* The longest text that an address and its prefix can have is kept whole. */
static void test_text(void **state)
{
	const char *longest = "0000:0000:0000:0000:0000:ffff:255.255.255.255/128";
	struct nets *nets = parse(longest);

	(void)state;
	assert_string_equal(nets_text(nets, 0), longest);
	nets_free(nets);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first),	 cmocka_unit_test(test_families),
		cmocka_unit_test(test_any),	 cmocka_unit_test(test_shadowed),
		cmocka_unit_test(test_refused),	 cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
