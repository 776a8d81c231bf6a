// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The filter language: verdicts, precedence against brute force, and where every error points. */
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

#include "expr.h"

struct probe_event {
	struct nt_event head;
	uint64_t tx_bytes, duration_ns, skaddr;
	uint32_t srtt_us, retrans;
	uint16_t queue;   /* all ones: unknown */
	uint8_t backlog;  /* unknown unless known */
	uint8_t known;
	uint8_t partial, end, state, cause;
	int32_t ret;
	char label[16];
	uint8_t saddr[16];
	char query[32];
};

#define EV struct probe_event

static const char *const ends[] = { "unknown", "local", "refused", "timeout", NULL, "reset" };
static const char *const states[] = { NULL, "ESTABLISHED", "SYN_SENT" };
static const char *const causes[] = {
	"an_abnormally_long_name_0", "an_abnormally_long_name_1", "an_abnormally_long_name_2",
	"an_abnormally_long_name_3", "an_abnormally_long_name_4", "an_abnormally_long_name_5",
};

static const struct column columns[] = {
	COLUMN_TIME(EV),
	COLUMN_PID(EV),
	COLUMN_COMM(EV),
	COLUMN_UID(EV),
	COLUMN_IP(EV),
	COLUMN_LADDR(EV),
	COLUMN_LPORT(EV),
	COLUMN_RADDR(EV),
	COLUMN_RPORT(EV),
	{ .name = "tx_bytes", .type = COL_BYTES, COL_AT(EV, tx_bytes) },
	{ .name = "duration_ns", .type = COL_NSEC, COL_AT(EV, duration_ns) },
	{ .name = "srtt_us", .type = COL_USEC, COL_AT(EV, srtt_us), .flags = COL_NULL_ZERO },
	{ .name = "retrans", .type = COL_NUM, COL_AT(EV, retrans) },
	{ .name = "queue", .type = COL_NUM, COL_AT(EV, queue), .flags = COL_NULL_ONES },
	{ .name = "backlog", .type = COL_NUM, COL_AT(EV, backlog), .flags = COL_GUARDED,
	  .guard = offsetof(EV, known) },
	{ .name = "ret", .type = COL_INT, COL_AT(EV, ret) },
	{ .name = "partial", .type = COL_BOOL, COL_AT(EV, partial) },
	{ .name = "end", .type = COL_ENUM, COL_AT(EV, end), .names = ends, .n_names = 6 },
	{ .name = "state", .type = COL_ENUM, COL_AT(EV, state), .flags = COL_GUARDED,
	  .guard = offsetof(EV, known), .names = states, .n_names = 3 },
	{ .name = "cause", .type = COL_ENUM, COL_AT(EV, cause), .names = causes, .n_names = 6 },
	{ .name = "label", .type = COL_STR, COL_AT(EV, label), .flags = COL_GUARDED,
	  .guard = offsetof(EV, known) },
	{ .name = "saddr", .type = COL_ADDR, COL_AT(EV, saddr) },
	{ .name = "skaddr", .type = COL_HEX, COL_AT(EV, skaddr) },
	{ .name = "query", .type = COL_STR, COL_AT(EV, query) },
	{ 0 },
};

static const struct tool probe_tool = {
	.name = "probe",
	.fields = FIELDS_OWNER | FIELDS_FLOW,
	.columns = columns,
	.event_size = sizeof(EV),
};

static const struct tool bare_tool = {
	.name = "bare",
	.columns = (const struct column[]){
		{ .name = "lport", .type = COL_NUM, COL_AT(EV, head.lport) },
		{ .name = "total_ns", .type = COL_NSEC, COL_AT(EV, duration_ns) },
		{ 0 },
	},
	.event_size = sizeof(EV),
};

static struct filter_node *parse(const struct tool *tool, const char *text)
{
	struct session_opts opts = { 0 };
	struct filter_node *node = NULL;
	struct expr_error err;
	int ret = expr_parse(&node, text, tool, &opts, &err);

	if (ret)
		fail_msg("'%s' at %zu+%zu: %s", text, err.at, err.len, err.why);
	assert_non_null(node);
	return node;
}

static bool holds(const char *text, const EV *ev)
{
	struct filter_node *node = parse(&probe_tool, text);
	bool verdict = filter_eval(node, ev, sizeof(*ev));

	filter_free(node);
	return verdict;
}

static void check_true(const EV *ev, const char *const *texts)
{
	for (; *texts; texts++)
		if (!holds(*texts, ev))
			fail_msg("'%s' does not hold", *texts);
}

static void check_false(const EV *ev, const char *const *texts)
{
	for (; *texts; texts++)
		if (holds(*texts, ev))
			fail_msg("'%s' holds", *texts);
}

#define TRUE(ev, ...) check_true(ev, (const char *const[]){ __VA_ARGS__, NULL })
#define FALSE(ev, ...) check_false(ev, (const char *const[]){ __VA_ARGS__, NULL })

static EV sample(void)
{
	EV ev = {
		.head = {
			.lport = 8000, .rport = 443, .ip = 4, .netns = 4026531840,
			.owner = { .pid = 181, .tid = 182, .uid = 1000, .comm = "a b",
				   .how = NT_OWNER_ACCEPT },
		},
		.tx_bytes = 1536, .duration_ns = 1500000000, .srtt_us = 500, .retrans = 3,
		.queue = 7, .backlog = 5, .known = 1, .partial = 1, .end = 2, .state = 1,
		.label = "blue",
	};

	inet_pton(AF_INET6, "::ffff:10.1.2.3", ev.head.laddr);
	inet_pton(AF_INET6, "::ffff:192.0.2.1", ev.head.raddr);
	inet_pton(AF_INET6, "2001:db8::1", ev.saddr);
	return ev;
}

static void test_fields(void **state)
{
	EV ev = sample();

	(void)state;
	TRUE(&ev, "port 8000", "port 443", "port 80,443", "port 8000-8080", "lport 8000",
	     "rport=443", "rport == 443",
	     "rport != 80", "port !80", "port !80,81", "not port 80", "!port 80",
	     "port = !80", "port != !443", "  port\t443\n", "pid 181", "tid 182", "uid 1000",
	     "netns 4026531840", "lport !=80");
	FALSE(&ev, "port 80", "port !443", "port !80,443", "port != 443", "!port 443", "rport 8000",
	      "lport 443", "pid != 181", "pid !1,181", "not not port 80", "!!port 80");
	TRUE(&ev, "host 10.1.2.3", "host 192.0.2.1", "net 10.0.0.0/8", "addr 192.0.2.0/24,::1",
	     "laddr 10.1.2.3", "raddr !10.0.0.0/8", "ip", "ip = 4",
	     "ip != 6", "ip=4,6", "not ip6", "!ip6", "(ip)", "ip < 6", "ip >= 4");
	FALSE(&ev, "host 10.1.2.4", "net !10.0.0.0/8", "raddr 10.0.0.0/8", "ip6", "!ip", "ip = 6",
	      "ip > 4");
	TRUE(&ev, "comm 'a b'", "comm \"a b\"", "comm x,'a b'", "comm 'a b',x", "comm a' 'b",
	     "comm !x", "comm ='a b'", "(comm='a b')and pid 181");
	FALSE(&ev, "comm a", "comm !'a b'", "comm != 'a b'", "comm 'a  b'");
}

static void test_field_order(void **state)
{
	EV ev = sample();

	(void)state;
	TRUE(&ev, "lport > 1024", "rport < 1024", "port < 1024", "port > 7999", "port >= 8000",
	     "pid >= 181", "uid > 999", "pid<182");
	FALSE(&ev, "lport < 1024", "rport > 1024", "port > 8000", "port < 443", "uid > 1000");
	ev.head.rport = 0;
	FALSE(&ev, "port < 8000", "rport < 8000", "rport >= 0");
	TRUE(&ev, "port <= 8000");
	ev.head.owner.how = NT_OWNER_NONE;
	FALSE(&ev, "pid >= 0", "pid < 500");
	ev.head.owner.uid = UINT32_MAX;
	FALSE(&ev, "uid >= 1000", "uid > 4294967293", "uid < 1000");
	TRUE(&ev, "uid != 0");
}

static void test_numbers(void **state)
{
	EV ev = sample();

	(void)state;
	TRUE(&ev, "tx_bytes = 1536", "tx_bytes == 1.5K", "tx = 1.5k", "tx_bytes>=1.5K", "tx < 2K",
	     "tx != 1K", "tx < 1M", "tx < 0.5g", "tx <= 1536", "tx > 1.499K", "tx > 1535.5",
	     "tx < 1536.5", "tx >= 1535.1", "tx <= '1.5K'");
	FALSE(&ev, "tx > 1.5K", "tx < 1.5K", "tx_bytes != 1536", "tx = 1", "tx > 1536.5",
	      "tx >= 1536.1", "tx <= 1535.9");
	TRUE(&ev, "duration = 1.5s", "duration_ns = 1500000000", "duration = 1500ms",
	     "duration = 1500000us", "duration = 0.025m", "duration > 1s", "duration < 1m",
	     "duration < 1h", "duration >= 1500000000ns", "duration <= 1.5s",
	     "duration < 1.500000001s", "duration > 1.499999999999s", "duration < 5000h");
	FALSE(&ev, "duration > 1.5s", "duration < 1.5s", "duration != 1.5s", "duration <= 2");
	TRUE(&ev, "srtt = 500", "srtt_us = 0.5ms", "srtt > 499us", "srtt >= 0.5ms", "srtt < 501",
	     "srtt > 499999ns", "srtt < 500001ns", "srtt <= 500001ns", "srtt <= 1s", "srtt < 1h");
	FALSE(&ev, "srtt > 0.5ms", "srtt > 500001ns", "srtt >= 500001ns", "srtt < 499.9us",
	      "srtt != 500");
	TRUE(&ev, "retrans = 3", "retrans > 2", "retrans < 4294967295", "retrans <= 4294967295",
	     "retrans >= 0", "retrans != 4294967295", "retrans = 0003");
	FALSE(&ev, "retrans > 3", "retrans = 0", "retrans >= 4294967295", "retrans <= 0");
	ev.skaddr = 0xffff888012345678;
	TRUE(&ev, "skaddr = ffff888012345678", "skaddr == 0xFFFF888012345678", "skaddr != 12345678",
	     "skaddr > ffff888012345677", "not skaddr < 10");
	FALSE(&ev, "skaddr = 888012345678", "skaddr != ffff888012345678");
	ev.duration_ns = UINT64_MAX;
	TRUE(&ev, "duration = 18446744073709551615", "duration > 18446744073709551614",
	     "duration >= 18446744073709551614.5ns");
}

static void test_signed(void **state)
{
	EV ev = sample();

	(void)state;
	ev.ret = -98;
	TRUE(&ev, "ret = -98", "ret != 0", "ret < 0", "ret <= -98", "ret >= -98", "ret > -99",
	     "ret < 5", "ret > -100 and ret < -97", "ret != 98", "ret >= -2147483648",
	     "ret <= 2147483647", "not ret = 0");
	FALSE(&ev, "ret = 98", "ret = 0", "ret > 0", "ret >= 0", "ret < -98", "ret > -98",
	      "ret = -97", "ret = -2147483648");
	ev.ret = 0;
	TRUE(&ev, "ret = 0", "ret = -0", "ret >= 0", "ret <= 0", "ret > -1", "ret < 1",
	     "ret >= -5", "ret >= -2147483648");
	FALSE(&ev, "ret != 0", "ret < 0", "ret > 0", "ret <= -1", "ret >= 1", "ret < -5");
	ev.ret = 7;
	TRUE(&ev, "ret > 0", "ret >= -7", "ret = 7", "ret <= 2147483647", "ret > -2147483648");
	FALSE(&ev, "ret < 0", "ret <= 6", "ret = -7");
	ev.ret = INT32_MIN;
	TRUE(&ev, "ret = -2147483648", "ret < 0", "ret <= 5", "ret < -2147483647");
	FALSE(&ev, "ret > -2147483648", "ret >= 0");
}

static void test_unknown(void **state)
{
	EV ev = sample();

	(void)state;
	ev.srtt_us = 0;
	FALSE(&ev, "srtt < 1s", "srtt <= 500", "srtt > 0", "srtt >= 0", "srtt = 5", "srtt != 0");
	TRUE(&ev, "srtt != 5", "srtt = 0", "not srtt >= 0");
	TRUE(&ev, "queue < 8", "queue > 6", "queue <= 65535", "queue >= 7");
	ev.queue = UINT16_MAX;
	FALSE(&ev, "queue > 6", "queue >= 0", "queue <= 65535", "queue < 65535", "queue = 7");
	TRUE(&ev, "queue != 7", "queue = 65535");
	TRUE(&ev, "backlog = 5", "backlog < 6", "backlog != 6", "state ESTABLISHED",
	     "label blue", "label !red", "state !SYN_SENT");
	FALSE(&ev, "backlog != 5", "label != blue", "state != ESTABLISHED", "label !blue");
	ev.known = 0;
	FALSE(&ev, "backlog = 5", "backlog < 6", "backlog > 1", "backlog >= 0", "label blue",
	      "state ESTABLISHED", "label != !blue", "label ~ u");
	TRUE(&ev, "backlog != 5", "label != blue", "label !blue", "state != ESTABLISHED",
	     "state !ESTABLISHED,SYN_SENT", "not backlog >= 0");
}

static void test_names(void **state)
{
	EV ev = sample();

	(void)state;
	TRUE(&ev, "end refused", "end refused,timeout", "end = refused", "end == timeout,refused",
	     "end != timeout", "end !timeout,reset", "end REFUSED", "end local,reset,refused",
	     "end != !refused", "end 'refused'", "end unknown,local,refused,timeout,reset");
	FALSE(&ev, "end timeout", "end != refused", "end !refused", "end local,timeout",
	      "end reset");
	TRUE(&ev, "partial", "partial = true", "partial != false", "partial and end refused");
	FALSE(&ev, "!partial", "partial = false", "partial == false", "partial != true");
	TRUE(&ev, "saddr 2001:db8::/32", "saddr !::1", "saddr = 2001:db8::1,10.0.0.1");
	FALSE(&ev, "saddr ::1", "saddr != 2001:db8::1");
	TRUE(&ev, "label red,blue", "label = 'blue'");
	FALSE(&ev, "label red", "label !red,blue");
	TRUE(&ev, "label ~ lu", "label~blue", "label ~ x,e", "label ~ !x", "not label ~ x",
	     "comm ~ 'a b'", "comm ~ ' '", "(comm ~ a)and label ~ b");
	FALSE(&ev, "label ~ bu", "label ~ !x,e", "label ~ bluer", "comm ~ x,y");
	ev.end = 4;
	FALSE(&ev, "end unknown,local,refused,timeout,reset");
	ev.partial = 0;
	TRUE(&ev, "!partial", "partial = false", "not partial");
}

static void test_bare(void **state)
{
	struct filter_node *node = parse(&bare_tool, "lport = 8000 and total >= 1s");
	EV ev = sample();

	(void)state;
	assert_true(filter_eval(node, &ev, sizeof(ev)));
	filter_free(node);
}

/* A field that no column shows is a number all the same. */
static void test_order_without_column(void **state)
{
	static const struct column none[] = { { 0 } };
	static const struct tool plain_tool = {
		.name = "plain", .fields = FIELDS_OWNER | FIELDS_FLOW, .columns = none,
		.event_size = sizeof(EV),
	};
	struct filter_node *node =
		parse(&plain_tool, "pid > 180 and port < 444 and uid >= 1000 and ip < 6");
	EV ev = sample();

	(void)state;
	assert_true(filter_eval(node, &ev, sizeof(ev)));
	ev.head.owner.pid = 180;
	assert_false(filter_eval(node, &ev, sizeof(ev)));
	filter_free(node);
}

/* Brute force: each atom has the set of the 16 events it holds for, as bits. */

static const struct {
	const char *text;
	uint16_t holds;
} atoms[] = {
	{ "pid 1", 0xaaaa }, { "partial", 0xcccc }, { "end refused", 0xf0f0 },
	{ "retrans>2", 0xff00 },
};

static uint64_t seed = 88172645463325252;

static unsigned int below(unsigned int n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed >> 20) % n;
}

static uint16_t verdicts(const struct filter_node *node)
{
	uint16_t bits = 0;
	int i;

	for (i = 0; i < 16; i++) {
		EV ev = { .head.owner.pid = i & 1, .partial = i >> 1 & 1,
			  .end = i & 4 ? 2 : 0, .retrans = i & 8 ? 3 : 0 };

		bits |= filter_eval(node, &ev, sizeof(ev)) << i;
	}
	return bits;
}

/* A random expression with no more parentheses than it needs. Levels: 0 or, 1 and, 2 not. */
static uint16_t write_random(FILE *f, int level, int size)
{
	static const char *const ors[] = { " or ", "||", " || " };
	static const char *const ands[] = { " and ", "&&" };
	static const char *const nots[] = { "not ", "!", "! " };
	unsigned int kind = size > 1 ? below(4) : 3;
	uint16_t bits;

	if (kind == 3 && below(4)) {
		kind = below(sizeof(atoms) / sizeof(atoms[0]));
		fputs(atoms[kind].text, f);
		return atoms[kind].holds;
	}
	if (kind == 3 || (int)kind < level) {
		fputs("(", f);
		bits = write_random(f, 0, size);
		fputs(")", f);
	} else if (kind == 0) {
		bits = write_random(f, 0, size / 2);
		fputs(ors[below(3)], f);
		bits |= write_random(f, 1, size - size / 2);
	} else if (kind == 1) {
		bits = write_random(f, 1, size / 2);
		fputs(ands[below(2)], f);
		bits &= write_random(f, 2, size - size / 2);
	} else {
		fputs(nots[below(3)], f);
		bits = ~write_random(f, 2, size - 1);
	}
	return bits;
}

static void test_random_trees(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 20000; i++) {
		struct filter_node *node;
		char *text = NULL;
		size_t len;
		FILE *f = open_memstream(&text, &len);
		uint16_t want = write_random(f, 0, 1 + below(16)), got;

		fclose(f);
		node = parse(&probe_tool, text);
		got = verdicts(node);
		if (got != want)
			fail_msg("'%s' holds for %04x, not %04x", text, got, want);
		filter_free(node);
		free(text);
	}
}

/* Chains without parentheses, judged by splitting at "or", then at "and". */
static void test_chains(void **state)
{
	static const char *const ops[] = { " or ", " and " };
	int i, j, n;

	(void)state;
	for (i = 0; i < 5000; i++) {
		uint16_t want = 0, group = 0xffff, atom;
		struct filter_node *node;
		char text[512] = "";

		for (n = 1 + below(8), j = 0; j < n; j++) {
			unsigned int which = below(4), nots = below(3), op = below(2);

			atom = nots & 1 ? ~atoms[which].holds : atoms[which].holds;
			strcat(text, nots == 2 ? "not !" : nots ? "not " : "");
			strcat(text, atoms[which].text);
			group &= atom;
			if (!op || j == n - 1) {
				want |= group;
				group = 0xffff;
			}
			if (j < n - 1)
				strcat(text, ops[op]);
		}
		node = parse(&probe_tool, text);
		if (verdicts(node) != want)
			fail_msg("'%s' holds for %04x, not %04x", text, verdicts(node), want);
		filter_free(node);
	}
}

static void refuses(const struct tool *tool, const char *text, size_t at, size_t len,
		    const char *why)
{
	struct session_opts opts = { 0 };
	struct filter_node *node = (void *)&opts;
	struct expr_error err;
	int ret = expr_parse(&node, text, tool, &opts, &err);

	if (ret != -EINVAL || node)
		fail_msg("'%s' is not refused: %d", text, ret);
	if (err.at != at || err.len != len || strcmp(err.why, why))
		fail_msg("'%s': %zu+%zu '%s', not %zu+%zu '%s'", text, err.at, err.len, err.why, at,
			 len, why);
}

struct refusal {
	const char *text;
	size_t at, len;
	const char *why;
};

static void check_refusals(const struct refusal *r)
{
	for (; r->text; r++)
		refuses(&probe_tool, r->text, r->at, r->len, r->why);
}

static void test_structure_errors(void **state)
{
	static const struct refusal refusals[] = {
		{ "", 0, 1, "an empty expression" },
		{ "  ", 2, 1, "an empty expression" },
		{ "port 80 pid 1", 8, 3, "expected 'and' or 'or', found 'pid'" },
		{ "(port 80 pid 1)", 9, 3, "expected 'and' or 'or', found 'pid'" },
		{ "port 80 !ip", 8, 1, "expected 'and' or 'or', found '!'" },
		{ "port 80 (ip)", 8, 1, "expected 'and' or 'or', found '('" },
		{ "ip6 = 4", 4, 1, "expected 'and' or 'or', found '='" },
		{ "ip 4", 3, 1, "expected 'and' or 'or', found '4'" },
		{ "partial true", 8, 4, "expected 'and' or 'or', found 'true'" },
		{ "port 80 and", 11, 1, "expected a field" },
		{ "port 80 or  ", 12, 1, "expected a field" },
		{ "not", 3, 1, "expected a field" },
		{ "(", 1, 1, "expected a field" },
		{ "()", 1, 1, "expected a field, found ')'" },
		{ "and ip", 0, 3, "expected a field, found 'and'" },
		{ "ip or && ip6", 6, 2, "expected a field, found '&&'" },
		{ "= 80", 0, 1, "expected a field, found '='" },
		{ ")", 0, 1, "expected a field, found ')'" },
		{ "ip and (port 80 or (ip6)", 7, 1, "'(' without ')'" },
		{ "((ip)", 0, 1, "'(' without ')'" },
		{ "(ip))", 4, 1, "')' without '('" },
		{ "port 80) or ip", 7, 1, "')' without '('" },
		{ "ip & ip6", 3, 1, "a single '&': write it twice, or quote the word" },
		{ "ip or port |80", 11, 1, "a single '|': write it twice, or quote the word" },
		{ "comm 'a b", 5, 1, "a quote without its end" },
		{ "comm don't", 8, 1, "a quote without its end" },
		{ 0 },
	};

	(void)state;
	check_refusals(refusals);
}

static void test_word_errors(void **state)
{
	static const struct refusal refusals[] = {
		{ "prot 80", 0, 4, "probe has no field 'prot'; did you mean 'port'?" },
		{ "ip and PORT 80", 7, 4, "probe has no field 'PORT'; did you mean 'port'?" },
		{ "pdi 1", 0, 3, "probe has no field 'pdi'; did you mean 'pid'?" },
		{ "foo 1", 0, 3, "probe has no field 'foo'" },
		{ "x 1", 0, 1, "probe has no field 'x'" },
		{ "duratoin > 1s", 0, 8,
		  "probe has no field 'duratoin'; did you mean 'duration'?" },
		{ "tx_byte > 1", 0, 7, "probe has no field 'tx_byte'; did you mean 'tx_bytes'?" },
		{ "srt > 1", 0, 3, "probe has no field 'srt'; did you mean 'srtt'?" },
		{ "ipv6", 0, 4, "probe has no field 'ipv6'; did you mean 'ip6'?" },
		{ "nto ip", 0, 3, "probe has no field 'nto'; did you mean 'not'?" },
		{ "'port' 80", 0, 6, "probe has no field ''port''; did you mean 'port'?" },
		{ "a_word_that_is_far_too_long_to_be_shown_as_a_whole_here", 0, 55,
		  "probe has no field 'a_word_that_is_far_too_long_to_be_shown_'" },
		{ "port 80 or 443", 11, 3,
		  "expected a field, found '443'; a list is one word: port 80,443" },
		{ "query x", 0, 5, "'query' is no column to filter by" },
		{ "time > 1", 0, 4, "'time' is no column to filter by" },
		{ 0 },
	};

	(void)state;
	check_refusals(refusals);
	refuses(&bare_tool, "port 80", 0, 4, "bare has no field 'port'; did you mean 'lport'?");
	refuses(&bare_tool, "ip6", 0, 3, "bare has no field 'ip6'");
	refuses(&bare_tool, "net 10.0.0.0/8", 0, 3, "bare has no field 'net'; did you mean 'not'?");
	refuses(&bare_tool, "comm x", 0, 4, "bare has no field 'comm'");
	refuses(&bare_tool, "lport 80", 6, 2,
		"expected = != < <= > or >= after 'lport', found '80'");
}

static void test_list_errors(void **state)
{
	static const struct refusal refusals[] = {
		{ "port", 4, 1, "expected a value after 'port'" },
		{ "port =", 6, 1, "expected a value after 'port'" },
		{ "port and ip", 5, 3, "expected a value after 'port', found 'and'" },
		{ "(port)", 5, 1, "expected a value after 'port', found ')'" },
		{ "port not 80", 5, 3, "expected a value after 'port', found 'not'" },
		{ "port !", 6, 1, "expected a value after 'port'" },
		{ "port ! 80", 5, 1, "a '!' stands right before its list: !80,443" },
		{ "port !!80", 6, 1, "expected a value after 'port', found '!'" },
		{ "port (80)", 5, 1, "expected a value after 'port', found '('" },
		{ "port 80, 443", 5, 3, "a list is one word: no blanks around its commas" },
		{ "port 80 ,443", 8, 4, "a list is one word: no blanks around its commas" },
		{ "port 80 , 443", 8, 1, "a list is one word: no blanks around its commas" },
		{ "port 80,", 8, 1, "empty element" },
		{ "comm a,,b", 7, 1, "empty element" },
		{ "comm 'a b',,b", 11, 1, "empty element" },
		{ "comm x,'one that is too long',b", 7, 22, "longer than 15 bytes" },
		{ "comm !x,one_that_is_too_long", 8, 20, "longer than 15 bytes" },
		{ "comm ''", 5, 1, "empty list" },
		{ "host 10.0.0.1,10.0.0.0/33", 14, 11, "prefix is not 0 to 32" },
		{ "saddr ::1,!!", 6, 4, "a list is one word: no blanks around its commas" },
		{ "saddr ::1,x", 10, 1, "not an address" },
		{ "label !one_that_is_too_long", 7, 20, "longer than 15 bytes" },
		{ "comm < x", 5, 1, "'comm' takes = and !=, not <" },
		{ "host >= 10.0.0.1", 5, 2, "'host' takes = and !=, not >=" },
		{ "end <= local", 4, 2, "'end' takes = and !=, not <=" },
		{ "partial > 1", 8, 1, "'partial' takes = and !=, not >" },
		{ "partial = 1", 10, 1, "expected true or false after 'partial', found '1'" },
		{ "partial =", 9, 1, "expected true or false after 'partial'" },
		{ "end local,foo", 10, 3,
		  "no value of 'end'; known: unknown, local, refused, timeout, reset" },
		{ "end !foo,local", 5, 3,
		  "no value of 'end'; known: unknown, local, refused, timeout, reset" },
		{ "end local,,foo", 10, 1, "empty element" },
		{ "end", 3, 1, "expected a value after 'end'" },
		{ "end ~ local", 4, 1, "'end' is no text: ~ asks for a part of one" },
		{ "port ~ 8", 5, 1, "'port' is no text: ~ asks for a part of one" },
		{ "ip ~ 4", 3, 1, "'ip' is no text: ~ asks for a part of one" },
		{ "query ~ x", 6, 1, "'query' is no text: ~ asks for a part of one" },
		{ "comm ~", 6, 1, "expected a value after 'comm'" },
		{ "comm ~ ~", 7, 1, "expected a value after 'comm', found '~'" },
		{ "comm a~b", 6, 1, "expected 'and' or 'or', found '~'" },
		{ "comm ~ one_that_is_too_long", 7, 20, "longer than 15 bytes" },
		{ "cause x", 6, 1, "no value of 'cause'; known: an_abnormally_long_name_0, "
		  "an_abnormally_long_name_1, an_abnormally_long_name_2, "
		  "an_abnormally_long_name_3, ..." },
		{ 0 },
	};

	(void)state;
	check_refusals(refusals);
}

static void test_number_errors(void **state)
{
#define SIZE "not a size; 512, 64K or 1.5M is one"
#define DURATION "not a duration; 10ms, 1.5s or 2m is one"
#define OPERATOR "expected = != < <= > or >= after 'retrans'"
	static const struct refusal refusals[] = {
		{ "retrans", 7, 1, OPERATOR },
		{ "retrans 5", 8, 1, OPERATOR ", found '5'" },
		{ "retrans >", 9, 1, "expected a value after 'retrans'" },
		{ "retrans > and ip", 10, 3, "expected a value after 'retrans', found 'and'" },
		{ "retrans = !5", 10, 1, "expected a value after 'retrans', found '!'" },
		{ "retrans => 5", 9, 1, "expected a value after 'retrans', found '>'" },
		{ "retrans > 5x", 10, 2, "not a whole number" },
		{ "retrans > 1.5", 10, 3, "not a whole number" },
		{ "retrans > -1", 10, 2, "not a whole number" },
		{ "retrans > +1", 10, 2, "not a whole number" },
		{ "retrans > 1K", 10, 2, "not a whole number" },
		{ "retrans = 1,2", 10, 3, "not a whole number" },
		{ "retrans > ''", 10, 2, "not a whole number" },
		{ "retrans > 4294967296", 10, 10, "too large for this column" },
		{ "retrans > 4294967295", 10, 10, "nothing is above 4294967295" },
		{ "ip and retrans < 0", 17, 1, "nothing is below 0" },
		{ "ret > 1.5", 6, 3, "not a whole number" },
		{ "ret = --1", 6, 3, "not a whole number" },
		{ "ret = -", 6, 1, "not a whole number" },
		{ "ret = -x", 6, 2, "not a whole number" },
		{ "ret = 2147483648", 6, 10, "too large for this column" },
		{ "ret = -2147483649", 6, 11, "too large for this column" },
		{ "ret < -2147483648", 6, 11, "nothing is below -2147483648" },
		{ "ret > 2147483647", 6, 10, "nothing is above 2147483647" },
		{ "lport > 65536", 8, 5, "too large for this column" },
		{ "port > 65535", 7, 5, "nothing is above 65535" },
		{ "uid > 4294967294", 6, 10, "nothing is above 4294967294" },
		{ "srtt < 1", 7, 1, "nothing is below 1; 0 is unknown" },
		{ "srtt <= 0", 8, 1, "nothing is at or below 0; 0 is unknown" },
		{ "queue >= 65535", 9, 5, "nothing is at or above 65535" },
		{ "tx > 1T", 5, 2, SIZE },
		{ "tx > 1KB", 5, 3, SIZE },
		{ "tx > 1.", 5, 2, SIZE },
		{ "tx > .5", 5, 2, SIZE },
		{ "tx > 1..5", 5, 4, SIZE },
		{ "tx > K", 5, 1, SIZE },
		{ "tx > 0x10", 5, 4, SIZE },
		{ "tx > -1", 5, 2, SIZE },
		{ "tx = 0.3K", 5, 4, "not a whole number of bytes" },
		{ "tx > 17179869184G", 5, 12, "too large for this column" },
		{ "tx > 18446744073709551615.5", 5, 22, "too large for this column" },
		{ "skaddr = xyz", 9, 3, "not a hexadecimal number" },
		{ "skaddr = 0x", 9, 2, "not a hexadecimal number" },
		{ "skaddr = -1", 9, 2, "not a hexadecimal number" },
		{ "skaddr = 12345678123456789", 9, 17, "too large for this column" },
		{ "duration > 1S", 11, 2, DURATION },
		{ "duration > 1.5ss", 11, 5, DURATION },
		{ "duration > 5M", 11, 2, DURATION },
		{ "duration = 1.5", 11, 3, "not a whole number of ns" },
		{ "duration > 6000000h", 11, 8, "too large for this column" },
		{ "duration > 99999999999999999999999999999999999999999999h", 11, 45,
		  "too large for this column" },
		{ "duration > 0.0000000000000000001h", 11, 22, "too many decimals" },
		{ "duration < 0s", 11, 2, "nothing is below 0s" },
		{ "srtt = 1500ns", 7, 6, "not a whole number of us" },
		{ "srtt > 2h", 7, 2, "too large for this column" },
		{ "tx > 1000000000000000000000000000000000000000000000000000000000000000000000",
		  5, 70, "too long a number" },
		{ 0 },
	};

	(void)state;
	check_refusals(refusals);
}

static void test_depth(void **state)
{
	char text[3 * EXPR_MAX_DEPTH + 16] = "";
	int i;

	(void)state;
	for (i = 0; i < EXPR_MAX_DEPTH; i++)
		text[i] = i % 2 ? '!' : '(';
	strcpy(text + i, "ip");
	for (i += 2; i < EXPR_MAX_DEPTH + 2 + EXPR_MAX_DEPTH / 2; i++)
		text[i] = ')';
	filter_free(parse(&probe_tool, text));
	memmove(text + EXPR_MAX_DEPTH + 1, text + EXPR_MAX_DEPTH, EXPR_MAX_DEPTH);
	text[EXPR_MAX_DEPTH] = '!';
	refuses(&probe_tool, text, EXPR_MAX_DEPTH, 1, "nested more than 64 deep");
	memset(text, '(', sizeof(text) - 1);
	refuses(&probe_tool, text, EXPR_MAX_DEPTH, 1, "nested more than 64 deep");
}

/* Side by side is no nesting: only memory limits it. */
static void test_long_chain(void **state)
{
	static char text[40000];
	struct filter_node *node;
	EV ev = sample();
	size_t at = 0;

	(void)state;
	while (at < sizeof(text) - 40)
		at += sprintf(text + at, "!(ip6) && (port 80 or ip) and ");
	strcpy(text + at, "ip");
	node = parse(&probe_tool, text);
	assert_true(filter_eval(node, &ev, sizeof(ev)));
	filter_free(node);
}

/* The error of a text whose words are looked up on this host. */
static struct expr_error error_of(const char *text)
{
	struct session_opts opts = { 0 };
	struct filter_node *node;
	struct expr_error err;

	assert_int_equal(expr_parse(&node, text, &probe_tool, &opts, &err), -EINVAL);
	return err;
}

static void test_host_words(void **state)
{
	struct session_opts opts = { 0 };
	struct filter_node *node;
	struct expr_error err;

	(void)state;
	assert_int_equal(expr_parse(&node, "mntns 5", &probe_tool, &opts, &err), 0);
	assert_true(opts.want_mntns);
	filter_free(node);
	filter_free(parse(&probe_tool, "uid root"));
	err = error_of("cgroup /no/such/cgroup");
	assert_int_equal(err.at, 7);
	assert_int_equal(err.len, 15);
	err = error_of("uid 0,no_such_user");
	assert_int_equal(err.at, 6);
	assert_int_equal(err.len, 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_field_order),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_signed), cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_bare),
		cmocka_unit_test(test_order_without_column),
		cmocka_unit_test(test_random_trees),
		cmocka_unit_test(test_chains),
		cmocka_unit_test(test_structure_errors),
		cmocka_unit_test(test_word_errors),
		cmocka_unit_test(test_list_errors),
		cmocka_unit_test(test_number_errors),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_long_chain),
		cmocka_unit_test(test_host_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
