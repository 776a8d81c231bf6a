/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Filters run by the kernel itself (BPF_PROG_TEST_RUN), as they are spliced into the probes.
 *
 *     filterrun pairs N [SEED]   at least N random pairs of an expression and an event of a real
 *                                tool: the kernel, the evaluator of replay and a reference that
 *                                knows only the language must agree
 *     filterrun cost             what expressions cost: ns a run; in a guest that counts
 *                                instructions, these
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <ctype.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include "expr.h"
#include "fields.h"

#define TOOL(name) extern const struct tool name##_tool;
#include "tools.def"
#undef TOOL

static const struct tool *const tools[] = {
#define TOOL(name) &name##_tool,
#include "tools.def"
#undef TOOL
};
#define N_TOOLS (sizeof(tools) / sizeof(*tools))

#define EVENTS 64     /* for each expression */
#define MAX_LIST 24
#define NOWHERE SIZE_MAX
#define AT(member) offsetof(struct nt_event, member)
#define SIZE_OF(member) sizeof(((struct nt_event *)0)->member)

enum op { EQ, NE, LT, LE, GT, GE };

enum kind { AND, OR, NOT, NUMBERS, ORDER, ADDRS, NAMES, PARTS, ENUM, TRUTH, FAMILY, CGROUPS };

/* What stands in the expression, as the language defines it; no part of the product's form. */
struct term {
	enum kind kind;
	struct term *a, *b;
	const struct column *col; /* of its flags, guard and names; NULL: a field */
	size_t off, other, size;  /* `other`: the remote side, or NOWHERE */
	enum op op;
	bool negated, is_signed;  /* a '!' before the list */
	uint64_t lo[MAX_LIST], hi[MAX_LIST];
	uint8_t addr[MAX_LIST][16];
	unsigned int prefix[MAX_LIST];
	char name[MAX_LIST][32];
	enum cgroup_by by;
	int n;
};

static void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static uint64_t seed = 0x9e3779b97f4a7c15;

static uint64_t rng(void)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return seed * 0x2545f4914f6cdd1dULL;
}

static unsigned int below(unsigned int n)
{
	return (rng() >> 20) % n;
}

static uint64_t max_of(size_t size)
{
	return size == 8 ? UINT64_MAX : (1ULL << size * 8) - 1;
}

/* ---- values, the same few for expressions and events, so that they meet */

static uint64_t some_number(size_t size)
{
	static const uint64_t often[] = {
		0, 1, 2, 3, 4, 5, 6, 7, 80, 443, 1000, 1024, 1536, 8000, 65535, 1000000, 1500000,
		1000000000, 1500000000, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff,
		0x100000000, 0x7fffffffffffffff, 0x8000000000000000, 0xfffffffffffffffe,
		0xffffffffffffffff,
	};
	uint64_t value = often[below(below(2) ? 8 : sizeof(often) / sizeof(*often))];

	if (!below(8))
		value = rng() >> below(64);
	return value & max_of(size);
}

static void some_addr(uint8_t addr[16])
{
	static const char *const often[] = {
		"::ffff:10.1.2.3", "::ffff:10.0.0.1", "::ffff:192.168.1.1", "::ffff:0.0.0.0",
		"::ffff:127.0.0.1", "2001:db8::1", "fe80::1", "::1", "::",
	};

	inet_pton(AF_INET6, often[below(sizeof(often) / sizeof(*often))], addr);
	if (below(2))
		addr[15] ^= 1 << below(8);
	if (!below(4))
		addr[below(16)] ^= 1 << below(8);
}

static void some_name(char name[16])
{
	static const char *const often[] = {
		"a", "b", "ab", "ba", "a b", "nginx", "nginx-worker", "or", "fifteen-bytes-x",
	};

	memset(name, 0, 16);
	strncpy(name, often[below(sizeof(often) / sizeof(*often))], 15);
}

/* ---- the reference */

static uint64_t number_at(const uint8_t *event, size_t off, size_t size)
{
	uint64_t value = 0;

	memcpy(&value, event + off, size); /* little endian, as all kernels that are tried */
	return value;
}

static bool is_unknown(const struct column *col, const uint8_t *event, uint64_t value)
{
	if (!col)
		return false;
	return (col->flags & COL_GUARDED && !event[col->guard]) ||
	       (col->flags & COL_NULL_ZERO && !value) ||
	       (col->flags & COL_NULL_ONES && value == max_of(col->size));
}

static bool is_guarded_off(const struct term *t, const uint8_t *event)
{
	return t->col && t->col->flags & COL_GUARDED && !event[t->col->guard];
}

static bool in_list(const struct term *t, uint64_t value)
{
	for (int i = 0; i < t->n; i++)
		if (value >= t->lo[i] && value <= t->hi[i])
			return true;
	return false;
}

static int64_t as_signed(uint64_t value, size_t size)
{
	return (int64_t)(value << (64 - size * 8)) >> (64 - size * 8);
}

static int compare(const struct term *t, uint64_t value)
{
	int64_t a = as_signed(value, t->size), b = as_signed(t->lo[0], t->size);

	if (t->is_signed)
		return (a > b) - (a < b);
	return (value > t->lo[0]) - (value < t->lo[0]);
}

static bool ordered(const struct term *t, const uint8_t *event, size_t off,
		    const struct column *col)
{
	uint64_t value = number_at(event, off, t->size);
	int diff = compare(t, value);

	if (t->op == EQ || t->op == NE)
		return (!is_guarded_off(t, event) && !diff) == (t->op == EQ);
	if (is_unknown(col, event, value))
		return false;
	if (t->op == LT || t->op == LE)
		return t->op == LT ? diff < 0 : diff <= 0;
	return t->op == GT ? diff > 0 : diff >= 0;
}

static bool bit(const uint8_t *addr, unsigned int i)
{
	return addr[i / 8] >> (7 - i % 8) & 1;
}

static bool is_ipv4(const uint8_t *addr)
{
	for (unsigned int i = 0; i < 96; i++)
		if (bit(addr, i) != (i >= 80))
			return false;
	return true;
}

static bool in_nets(const struct term *t, const uint8_t *addr)
{
	for (int i = 0; i < t->n; i++) {
		bool net4 = t->prefix[i] >= 96 && is_ipv4(t->addr[i]);
		unsigned int same = 0;

		while (same < t->prefix[i] && bit(addr, same) == bit(t->addr[i], same))
			same++;
		if (same == t->prefix[i] && net4 == is_ipv4(addr))
			return true;
	}
	return false;
}

static bool in_names(const struct term *t, const char *text)
{
	char whole[17] = "";

	memcpy(whole, text, 16);
	for (int i = 0; i < t->n; i++)
		if (t->kind == PARTS ? strstr(whole, t->name[i]) != NULL :
				       !strcmp(whole, t->name[i]))
			return true;
	return false;
}

static bool is_chosen(const struct term *t, const uint8_t *event)
{
	uint64_t value = number_at(event, t->off, t->size);
	const struct column *col = t->col;

	if (value >= col->n_names || !col->names[value] || is_unknown(col, event, value))
		return false;
	for (int i = 0; i < t->n; i++)
		if (!strcasecmp(col->names[value], t->name[i]))
			return true;
	return false;
}

static bool listed(const struct term *t, const uint8_t *event)
{
	bool far = t->other != NOWHERE;

	switch (t->kind) {
	case NUMBERS:
		return in_list(t, number_at(event, t->off, t->size)) ||
		       (far && in_list(t, number_at(event, t->other, t->size)));
	case ADDRS:
		return in_nets(t, event + t->off) || (far && in_nets(t, event + t->other));
	case ENUM:
		return is_chosen(t, event);
	case TRUTH:
		return (number_at(event, t->off, t->size) != 0) == (t->lo[0] != 0);
	case FAMILY:
		return event[AT(ip)] == t->lo[0];
	case CGROUPS:
		return number_at(event, AT(owner.cgroup_bits), 2) & t->lo[0];
	default:
		return in_names(t, (const char *)event + t->off);
	}
}

static bool holds(const struct term *t, const uint8_t *event)
{
	static const struct column rport = { .flags = COL_NULL_ZERO, .size = 2 };

	switch (t->kind) {
	case AND:
		return holds(t->a, event) && holds(t->b, event);
	case OR:
		return holds(t->a, event) || holds(t->b, event);
	case NOT:
		return !holds(t->a, event);
	case ORDER:
		return ordered(t, event, t->off, t->col) ||
		       (t->other != NOWHERE && ordered(t, event, t->other, &rport));
	default:
		break;
	}
	return (!is_guarded_off(t, event) && listed(t, event)) != (t->negated != (t->op == NE));
}

/* ---- writing expressions */

static void write_unit(FILE *f, uint64_t value, const uint64_t *scales, const char *const *units)
{
	for (int i = 0; units[i]; i++) {
		if (!value || value % scales[i] || below(2))
			continue;
		fprintf(f, "%llu%s", (unsigned long long)(value / scales[i]), units[i]);
		return;
	}
	fprintf(f, "%llu", (unsigned long long)value);
}

static void write_number(FILE *f, enum col_type type, uint64_t value, size_t size)
{
	static const uint64_t bytes[] = { 1 << 30, 1 << 20, 1 << 10 };
	static const char *const byte_units[] = { "G", "M", "k", NULL };
	static const uint64_t times[] = { 1000000000, 1000000, 1000, 1 };
	static const char *const ns_units[] = { "s", "ms", "us", "ns", NULL };
	static const char *const us_units[] = { "s", "ms", "us", NULL };

	if (type == COL_INT)
		fprintf(f, "%lld", (long long)as_signed(value, size));
	else if (type == COL_BYTES && value % 1024 == 512)
		fprintf(f, "%llu.5K", (unsigned long long)(value / 1024));
	else if (type == COL_BYTES)
		write_unit(f, value, bytes, byte_units);
	else if (type == COL_NSEC)
		write_unit(f, value, times, ns_units);
	else if (type == COL_USEC)
		write_unit(f, value, times + 1, us_units);
	else
		fprintf(f, "%llu", (unsigned long long)value);
}

static void write_op(FILE *f, enum op op)
{
	static const char *const texts[] = { "=", "!=", "<", "<=", ">", ">=" };

	fprintf(f, below(2) ? " %s " : "%s", op == EQ && below(2) ? "==" : texts[op]);
}

/* "=", "!=" or nothing, then "!" or nothing. */
static void write_list_op(FILE *f, struct term *t)
{
	t->op = below(4) ? EQ : NE;
	t->negated = !below(4);
	t->n = below(8) ? 1 + below(3) : 1 + below(MAX_LIST);
	if (t->op == NE || !below(4))
		write_op(f, t->op);
	else
		fputc(' ', f);
	if (t->negated)
		fputc('!', f);
}

static void write_numbers(FILE *f, struct term *t, uint64_t max, bool ranges)
{
	write_list_op(f, t);
	for (int i = 0; i < t->n; i++) {
		do
			t->lo[i] = some_number(t->size);
		while (t->lo[i] > max);
		t->hi[i] = t->lo[i];
		fprintf(f, "%s%llu", i ? "," : "", (unsigned long long)t->lo[i]);
		if (!ranges || below(2))
			continue;
		t->hi[i] += below(3) ? below(4) : below(2000);
		if (t->hi[i] > max)
			t->hi[i] = t->lo[i];
		if (t->hi[i] != t->lo[i])
			fprintf(f, "-%llu", (unsigned long long)t->hi[i]);
	}
}

static void write_addrs(FILE *f, struct term *t)
{
	char text[INET6_ADDRSTRLEN];

	write_list_op(f, t);
	for (int i = 0; i < t->n; i++) {
		uint8_t *addr = t->addr[i];
		bool as4;

		some_addr(addr);
		as4 = is_ipv4(addr) && below(4);
		inet_ntop(as4 ? AF_INET : AF_INET6, as4 ? addr + 12 : addr, text, sizeof(text));
		fprintf(f, "%s%s", i ? "," : "", text);
		t->prefix[i] = 128;
		if (below(2))
			continue;
		t->prefix[i] = as4 ? 96 + below(33) : below(129);
		fprintf(f, "/%u", as4 ? t->prefix[i] - 96 : t->prefix[i]);
	}
}

static void write_names(FILE *f, struct term *t)
{
	if (t->kind == PARTS) {
		t->op = EQ;
		t->n = 1 + below(2);
		t->negated = !below(4);
		fprintf(f, below(2) ? "~%s" : " ~ %s", t->negated ? "!" : "");
	} else {
		write_list_op(f, t);
	}
	for (int i = 0; i < t->n; i++) {
		const char *quote = below(2) ? "'" : "\"";

		some_name(t->name[i]);
		fprintf(f, "%s%s%s%s", i ? "," : "", quote, t->name[i], quote);
	}
}

static void write_chosen(FILE *f, struct term *t)
{
	const struct column *col = t->col;

	write_list_op(f, t);
	for (int i = 0; i < t->n; i++) {
		unsigned int which;

		do
			which = below(col->n_names);
		while (!col->names[which] || (col->flags & COL_NULL_ZERO && !which));
		snprintf(t->name[i], sizeof(t->name[i]), "%s", col->names[which]);
		for (char *c = t->name[i]; *c; c++)
			*c = below(2) ? toupper(*c) : tolower(*c);
		fprintf(f, strpbrk(t->name[i], "<>-") || !below(4) ? "%s'%s'" : "%s%s",
			i ? "," : "", t->name[i]);
	}
}

static void write_truth(FILE *f, struct term *t)
{
	t->lo[0] = 1;
	if (below(2))
		return;
	t->op = below(2) ? EQ : NE;
	t->lo[0] = below(2);
	write_op(f, t->op);
	fputs(t->lo[0] ? "true" : "false", f);
}

static void write_cgroups(FILE *f, struct term *t)
{
	static const char *const words[] = { "/a", "/a/b", "c.service", "deadbeef" };

	write_list_op(f, t);
	for (int i = 0; i < t->n; i++) {
		snprintf(t->name[i], sizeof(t->name[i]), "%s", words[below(4)]);
		fprintf(f, "%s%s", i ? "," : "", t->name[i]);
	}
}

static void write_order(FILE *f, struct term *t, enum op least, enum col_type type)
{
	t->kind = ORDER;
	t->op = least + below(GE - least + 1);
	t->lo[0] = some_number(t->size);
	write_op(f, t->op);
	write_number(f, type, t->lo[0], t->size);
}

/* The head's numbers and what is unknown of them. */
static const struct head {
	enum field field;
	size_t off, size;
	uint64_t max;
	struct column col;
} heads[] = {
	{ FIELD_PID, AT(owner.pid), 4, UINT32_MAX - 1,
	  { .flags = COL_GUARDED, .guard = AT(owner.how), .size = 4 } },
	{ FIELD_TID, AT(owner.tid), 4, UINT32_MAX - 1, { .flags = COL_NULL_ZERO, .size = 4 } },
	{ FIELD_UID, AT(owner.uid), 4, UINT32_MAX - 1, { .flags = COL_NULL_ONES, .size = 4 } },
	{ FIELD_PORT, AT(lport), 2, 65535, { .flags = COL_NULL_ZERO, .size = 2 } },
	{ FIELD_LPORT, AT(lport), 2, 65535, { .flags = COL_NULL_ZERO, .size = 2 } },
	{ FIELD_RPORT, AT(rport), 2, 65535, { .flags = COL_NULL_ZERO, .size = 2 } },
	{ FIELD_NETNS, AT(netns), 4, UINT32_MAX, { .flags = COL_NULL_ZERO, .size = 4 } },
	{ FIELD_MNTNS, AT(owner.mntns), 4, UINT32_MAX, { .size = 4 } },
	{ FIELD_COUNT, 0, 0, 0, { 0 } },
};

static void write_head(FILE *f, struct term *t, const struct head *head)
{
	bool port = head->field == FIELD_PORT || head->field == FIELD_LPORT ||
		    head->field == FIELD_RPORT;

	t->kind = NUMBERS;
	t->off = head->off;
	t->size = head->size;
	t->other = head->field == FIELD_PORT ? AT(rport) : NOWHERE;
	fputs(fields_info[head->field].name, f);
	if (head->field == FIELD_MNTNS || below(2)) {
		write_numbers(f, t, head->max, port);
		return;
	}
	t->col = &head->col;
	write_order(f, t, LT, COL_NUM);
}

static void write_family(FILE *f, struct term *t)
{
	t->kind = FAMILY;
	t->lo[0] = below(2) ? 4 : 6;
	fputs(t->lo[0] == 4 ? "ip" : "ip6", f);
}

static void write_address(FILE *f, struct term *t, enum field field)
{
	static const char *const either[] = { "addr", "host", "net" };

	t->kind = ADDRS;
	t->off = field == FIELD_RADDR ? AT(raddr) : AT(laddr);
	if (field == FIELD_ADDR)
		t->other = AT(raddr);
	fputs(field == FIELD_ADDR ? either[below(3)] : fields_info[field].name, f);
	write_addrs(f, t);
}

static void write_field(FILE *f, struct term *t, enum field field)
{
	const struct head *head = heads;

	while (head->field != FIELD_COUNT && head->field != field)
		head++;
	if (head->field == field) {
		write_head(f, t, head);
	} else if (field == FIELD_IP) {
		write_family(f, t);
	} else if (field == FIELD_ADDR || field == FIELD_LADDR || field == FIELD_RADDR) {
		write_address(f, t, field);
	} else if (field == FIELD_COMM) {
		t->kind = below(3) ? NAMES : PARTS;
		t->off = AT(owner.comm);
		fputs("comm", f);
		write_names(f, t);
	} else {
		t->kind = CGROUPS;
		t->by = field == FIELD_CGROUP ? CGROUP_PATH :
			field == FIELD_UNIT   ? CGROUP_UNIT : CGROUP_CONTAINER;
		fputs(fields_info[field].name, f);
		write_cgroups(f, t);
	}
}

static const char *suffix(enum col_type type)
{
	return type == COL_BYTES ? "_bytes" : type == COL_NSEC ? "_ns" :
	       type == COL_USEC  ? "_us" : "";
}

/* Is a column by itself, and one to filter by? */
static bool is_own(const struct tool *tool, const struct column *col)
{
	for (enum field field = 0; field < FIELD_COUNT; field++)
		if (!(fields_info[field].fields & ~tool->fields) &&
		    !strcmp(fields_info[field].name, col->name))
			return false;
	switch (col->type) {
	case COL_NUM:
	case COL_BYTES:
	case COL_NSEC:
	case COL_USEC:
	case COL_INT:
	case COL_BOOL:
	case COL_ADDR:
		return true;
	case COL_ENUM:
		return col->n_names > 1;
	case COL_STR:
		return col->size == 16;
	default:
		return false;
	}
}

static void write_column(FILE *f, struct term *t, const struct column *col)
{
	size_t len = strlen(col->name), tail = strlen(suffix(col->type));

	t->col = col;
	t->off = col->off;
	t->size = col->size;
	if (len > tail && !strcmp(col->name + len - tail, suffix(col->type)) && below(2))
		len -= tail;
	fprintf(f, "%.*s", (int)len, col->name);
	switch (col->type) {
	case COL_BOOL:
		t->kind = TRUTH;
		write_truth(f, t);
		break;
	case COL_ENUM:
		t->kind = ENUM;
		write_chosen(f, t);
		break;
	case COL_ADDR:
		t->kind = ADDRS;
		write_addrs(f, t);
		break;
	case COL_STR:
		t->kind = below(3) ? NAMES : PARTS;
		write_names(f, t);
		break;
	default:
		t->is_signed = col->type == COL_INT;
		write_order(f, t, EQ, col->type);
	}
}

static struct term *new_term(enum kind kind)
{
	struct term *t = calloc(1, sizeof(*t));

	if (!t)
		die("no memory");
	t->kind = kind;
	t->other = NOWHERE;
	return t;
}

static struct term *write_leaf(FILE *f, const struct tool *tool)
{
	const struct column *own[64];
	enum field fields[FIELD_COUNT];
	struct term *t = new_term(NUMBERS);
	unsigned int n_own = 0, n_fields = 0;

	for (const struct column *col = tool->columns; col->name; col++)
		if (is_own(tool, col) && n_own < 64)
			own[n_own++] = col;
	for (enum field field = 0; field < FIELD_COUNT; field++)
		if (!(fields_info[field].fields & ~tool->fields))
			fields[n_fields++] = field;
	if (n_own && (!n_fields || below(2)))
		write_column(f, t, own[below(n_own)]);
	else
		write_field(f, t, fields[below(n_fields)]);
	return t;
}

/* Levels: 0 or, 1 and, 2 not; parentheses where they are needed, and sometimes elsewhere. */
static struct term *write_term(FILE *f, const struct tool *tool, int level, int size)
{
	static const char *const ors[] = { " or ", "||", " || " };
	static const char *const ands[] = { " and ", "&&" };
	static const char *const nots[] = { "not ", "!", "! " };
	unsigned int kind = size > 1 ? below(4) : 3;
	struct term *t;

	if (kind == 3 && below(6))
		return write_leaf(f, tool);
	if (kind == 3 || (int)kind < level) {
		fputc('(', f);
		t = write_term(f, tool, 0, size);
		fputc(')', f);
		return t;
	}
	t = new_term((enum kind[]){ OR, AND, NOT }[kind]);
	if (kind == 2) {
		fputs(nots[below(3)], f);
		t->a = write_term(f, tool, 2, size - 1);
		return t;
	}
	t->a = write_term(f, tool, kind, size / 2);
	fputs(kind ? ands[below(2)] : ors[below(3)], f);
	t->b = write_term(f, tool, kind + 1, size - size / 2);
	return t;
}

static void free_term(struct term *t)
{
	if (!t)
		return;
	free_term(t->a);
	free_term(t->b);
	free(t);
}

/* Which bit a cgroup has is the parser's choice, and no part of the language. */
static void give_bits(struct term *t, const struct session_opts *opts)
{
	if (!t)
		return;
	give_bits(t->a, opts);
	give_bits(t->b, opts);
	for (int i = 0; t->kind == CGROUPS && i < t->n; i++)
		for (int c = 0; c < opts->n_cgroups; c++)
			if (opts->cgroups[c].by == t->by &&
			    !strcmp(opts->cgroups[c].word, t->name[i]))
				t->lo[0] |= 1 << c;
}

/* ---- events */

static void some_owner(struct nt_owner *owner)
{
	memset(owner, 0, sizeof(*owner));
	owner->uid = UINT32_MAX;
	if (!below(5))
		return;
	owner->how = NT_OWNER_INHERITED + below(NT_OWNER_CONNECT);
	owner->pid = some_number(4);
	owner->tid = some_number(4);
	owner->uid = some_number(4);
	owner->mntns = some_number(4);
	owner->cgroup = some_number(8);
	owner->cgroup_bits = rng();
	some_name(owner->comm);
}

static void some_event(const struct tool *tool, uint8_t *event)
{
	struct nt_event *head = (struct nt_event *)event;
	const struct column *col;

	for (size_t i = 0; i < tool->event_size; i++)
		event[i] = below(4) ? rng() : 0;
	for (col = tool->columns; col->name; col++) {
		if (!is_own(tool, col))
			continue;
		if (col->type == COL_ADDR)
			some_addr(event + col->off);
		else if (col->type == COL_STR)
			some_name((char *)event + col->off);
		else
			memcpy(event + col->off, &(uint64_t){ col->type == COL_ENUM ?
							      below(col->n_names + 1) :
							      some_number(col->size) }, col->size);
	}
	for (col = tool->columns; col->name; col++)
		if (col->flags & COL_GUARDED && !below(3))
			event[col->guard] = 0;
	if (!tool->fields)
		return;
	some_owner(&head->owner);
	some_addr(head->laddr);
	some_addr(head->raddr);
	head->lport = some_number(2);
	head->rport = some_number(2);
	head->netns = some_number(4);
	head->ip = below(2) ? 4 : 6;
}

/* ---- the kernel */

#define ETHERNET 14 /* what BPF_PROG_TEST_RUN takes from the packet before it is one */

struct judge {
	int map, prog;
	uint8_t *events; /* the map's, in our memory */
	size_t stride;
};

static void open_events(struct judge *judge, size_t size)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);

	judge->stride = (size + 7) & ~7ul;
	judge->map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "events", 4, judge->stride, EVENTS, &opts);
	if (judge->map < 0)
		die("a map is refused: %s", strerror(-judge->map));
	judge->events = mmap(NULL, judge->stride * EVENTS, PROT_READ | PROT_WRITE, MAP_SHARED,
			     judge->map, 0);
	if (judge->events == MAP_FAILED)
		die("the map of events: %s", strerror(errno));
}

/*
 * The packet says which event. Without a filter (n is 0) the verdict is that of a probe that has
 * none.
 */
static int load(const struct judge *judge, const struct bpf_insn *filter, int n)
{
	const struct bpf_insn keep = { .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = 1 };
	const struct bpf_insn call = { .code = BPF_JMP | BPF_CALL, .src_reg = BPF_PSEUDO_CALL,
				       .imm = 1 };
	const struct bpf_insn head[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = ETHERNET },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 3, .src_reg = 10 },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 3, .imm = -4 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 4, .imm = 4 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_skb_load_bytes },
		{ .code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = 0, .off = 8 },
		{ .code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = 1, .src_reg = BPF_PSEUDO_MAP_FD,
		  .imm = judge->map },
		{ 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 2, .src_reg = 10 },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 2, .imm = -4 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_map_lookup_elem },
		{ .code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = 0, .off = 2 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 1, .src_reg = 0 },
		n ? call : keep,
		{ .code = BPF_JMP | BPF_EXIT },
	};
	size_t n_head = sizeof(head) / sizeof(*head);
	struct bpf_insn *insns = calloc(n_head + n + 1, sizeof(*insns));
	int fd;

	memcpy(insns, head, sizeof(head));
	memcpy(insns + n_head, filter, n * sizeof(*filter));
	insns[n_head + n] = (struct bpf_insn){ .code = BPF_JMP | BPF_EXIT };
	fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "filter", "GPL", insns,
			   n_head + (n ? n + 1 : 0), NULL);
	free(insns);
	return fd;
}

static int run(const struct judge *judge, uint32_t which, int repeat, uint32_t *ns)
{
	uint8_t packet[ETHERNET + 50] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = sizeof(packet),
		    .repeat = repeat);
	int err;

	memcpy(packet + ETHERNET, &which, sizeof(which));
	err = bpf_prog_test_run_opts(judge->prog, &opts);
	if (err)
		die("BPF_PROG_TEST_RUN: %s", strerror(-err));
	if (ns)
		*ns = opts.duration;
	return opts.retval;
}

/* ---- pairs */

struct tally {
	unsigned long pairs, kept, expressions, refused, large;
};

static void judge_events(struct judge *judge, const struct tool *tool, const char *text,
			 const struct term *term, const struct filter_node *node,
			 struct tally *tally)
{
	for (uint32_t i = 0; i < EVENTS; i++) {
		uint8_t *event = judge->events + i * judge->stride;
		int want, replayed, verdict;

		some_event(tool, event);
		want = holds(term, event);
		replayed = filter_eval(node, event, tool->event_size);
		verdict = run(judge, i, 1, NULL);
		if (want != replayed || want != verdict)
			die("%s: %s\nreference %d, replay %d, kernel %d", tool->name, text, want,
			    replayed, verdict);
		tally->kept += want;
		tally->pairs++;
	}
}

static void judge_term(struct judge *judge, const struct tool *tool, const char *text,
		       struct term *term, struct tally *tally)
{
	static struct bpf_insn code[NT_FILTER_SLOTS];
	struct session_opts opts = { .replaying = true };
	struct filter_node *node;
	struct expr_error err;
	int n;

	n = expr_parse(&node, text, tool, &opts, &err);
	if (n && strncmp(err.why, "nothing is ", 11))
		die("%s: %s\n%zu: %s", tool->name, text, err.at, err.why);
	tally->refused += n != 0;
	give_bits(term, &opts);
	n = n ? -EINVAL : filter_compile(node, code, NT_FILTER_SLOTS);
	tally->large += n == -E2BIG;
	if (n > 0) {
		judge->prog = load(judge, code, n);
		if (judge->prog < 0)
			die("%s: %s\nis refused: %s", tool->name, text, strerror(-judge->prog));
		judge_events(judge, tool, text, term, node, tally);
		tally->expressions++;
		close(judge->prog);
	}
	filter_free(node);
	for (int i = 0; i < opts.n_cgroups; i++)
		free(opts.cgroups[i].word);
}

static int pairs(unsigned long least)
{
	struct judge judges[N_TOOLS];
	struct tally tally = { 0 };

	for (size_t i = 0; i < N_TOOLS; i++)
		open_events(&judges[i], tools[i]->event_size);
	for (size_t i = 0; tally.pairs < least; i = (i + 1) % N_TOOLS) {
		char *text = NULL;
		size_t len;
		FILE *f = open_memstream(&text, &len);
		struct term *term = write_term(f, tools[i], 0, 1 + below(16));

		fclose(f);
		judge_term(&judges[i], tools[i], text, term, &tally);
		free_term(term);
		free(text);
	}
	printf("{\"pairs\": %lu, \"expressions\": %lu, \"kept\": %lu, \"refused\": %lu, "
	       "\"large\": %lu, \"tools\": %zu}\n",
	       tally.pairs, tally.expressions, tally.kept, tally.refused, tally.large, N_TOOLS);
	return 0;
}

/* ---- cost */

#define REPEAT 20000

/* A flow over IPv4 that none of the expressions below wants. */
static void plain_event(uint8_t *event)
{
	struct nt_event *head = (struct nt_event *)event;

	inet_pton(AF_INET6, "::ffff:192.168.1.2", head->laddr);
	inet_pton(AF_INET6, "::ffff:192.168.1.3", head->raddr);
	head->lport = 40000;
	head->rport = 443;
	head->ip = 4;
	head->netns = 5;
	head->owner = (struct nt_owner){ .pid = 100, .tid = 100, .uid = 1000, .comm = "curl",
					 .how = NT_OWNER_CONNECT, .cgroup = 7 };
}

static double cost_of(struct judge *judge, const struct tool *tool, const char *text)
{
	static struct bpf_insn code[NT_FILTER_SLOTS];
	struct session_opts opts = { .replaying = true };
	struct filter_node *node = NULL;
	struct expr_error err;
	uint32_t ns, least = UINT32_MAX;
	int n = 0;

	if (text && expr_parse(&node, text, tool, &opts, &err))
		die("%s: %s", text, err.why);
	if (text)
		n = filter_compile(node, code, NT_FILTER_SLOTS);
	judge->prog = n < 0 ? n : load(judge, code, n);
	if (judge->prog < 0)
		die("%s: %s", text, strerror(-judge->prog));
	for (int i = 0; i < 5; i++) {
		if (run(judge, 0, REPEAT, &ns) != !text)
			die("%s: the event passes", text);
		if (ns < least)
			least = ns;
	}
	close(judge->prog);
	filter_free(node);
	return least;
}

static int cost(void)
{
	static const char *const single[] = {
		"pid 1", "lport 80", "port 80", "port 80,443-500,8000-8080 and lport 1",
		"comm nginx", "comm nginx,haproxy", "uid 0", "ip6", "raddr 10.0.0.1",
		"host 10.0.0.1",
		"net 10.0.0.0/8", "net 2001:db8::/32", "cgroup /a", "duration > 1s", "tx > 1M",
		"end refused", "not ip",
	};
	static const char *const many[] = {
		"pid 1", "comm nginx", "lport 80", "uid 0", "raddr 10.0.0.1", "duration > 1s",
		"end refused", "laddr 10.0.0.0/8", "tx > 1M", "rport 80", "comm haproxy", "pid < 9",
		"host 172.16.0.0/12", "netns 7", "rx > 1M", "ip6",
	};
	const struct tool *tool = tools[0];
	struct judge judge;
	char text[1024] = "";
	double base, first = 0, now;

	open_events(&judge, tool->event_size);
	plain_event(judge.events);
	base = cost_of(&judge, tool, NULL);
	printf("a rejected event, above one without a filter (%.0f)\n", base);
	for (size_t i = 0; i < sizeof(single) / sizeof(*single); i++)
		printf("  %-40s %6.0f\n", single[i], cost_of(&judge, tool, single[i]) - base);
	for (size_t i = 0; i < sizeof(many) / sizeof(*many); i++) {
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? " or " : "",
			 many[i]);
		now = cost_of(&judge, tool, text) - base;
		first = i ? first : now;
		printf("  %2zu joined with or, the last %-12s %6.0f", i + 1, many[i], now);
		printf(i ? ", %.1f for each further one\n" : "\n", (now - first) / (i ? i : 1));
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 3)
		seed += 2 * strtoull(argv[3], NULL, 0); /* odd: never 0 */
	if (argc > 2 && !strcmp(argv[1], "pairs"))
		return pairs(strtoul(argv[2], NULL, 0));
	if (argc == 2 && !strcmp(argv[1], "cost"))
		return cost();
	die("usage: filterrun pairs N [SEED] | filterrun cost");
}
