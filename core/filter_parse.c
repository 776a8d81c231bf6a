/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The values of filter options: comma-separated lists of numbers, users, names and addresses. */
#include <arpa/inet.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "filter.h"

#define NAME_MAX_LEN 15 /* TASK_COMM_LEN - 1 */
#define UID_MAX_VALID (UINT32_MAX - 1) /* (uid_t)-1 is "no user" */

struct word {
	const char *text;
	size_t len;
	const char *why; /* set by the parser that refuses it */
};

/* How one kind of list reads a word into the i-th element of its node. */
struct list {
	int (*parse)(const struct list *list, struct word *word, struct filter_node *node,
		     size_t i);
	enum filter_kind kind;
	uint16_t size;
	size_t element;
	/* numbers only */
	uint64_t max;
	bool ranges;
	const char *what;
};

static bool parse_number(const char *text, size_t len, uint64_t max, uint64_t *value)
{
	uint64_t n = 0;

	if (!len)
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned int digit = (unsigned char)text[i] - '0';

		if (digit > 9 || digit > max || n > (max - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	*value = n;
	return true;
}

static int refuse(struct word *word, const char *why)
{
	word->why = why;
	return -EINVAL;
}

static int parse_range(const struct list *list, struct word *word, struct filter_node *node,
		       size_t i)
{
	const char *dash = list->ranges ? memchr(word->text, '-', word->len) : NULL;
	size_t lo_len = dash ? (size_t)(dash - word->text) : word->len;
	struct filter_range *range = &node->ranges[i];

	if (!parse_number(word->text, lo_len, list->max, &range->lo))
		return refuse(word, list->what);
	if (!dash)
		range->hi = range->lo;
	else if (!parse_number(dash + 1, word->len - lo_len - 1, list->max, &range->hi))
		return refuse(word, list->what);
	if (range->lo > range->hi)
		return refuse(word, "range ends before it begins");
	return 0;
}

/* Not getpwnam(): a static glibc would need its NSS modules at run time. */
static int find_user(struct word *word, uint64_t *uid)
{
	FILE *file = fopen("/etc/passwd", "re");
	int err = refuse(word, "no such user");
	struct passwd *entry;

	if (!file) {
		word->why = "not a number, and /etc/passwd cannot be read";
		return -errno;
	}
	while ((entry = fgetpwent(file))) {
		if (strlen(entry->pw_name) != word->len ||
		    memcmp(entry->pw_name, word->text, word->len))
			continue;
		*uid = entry->pw_uid;
		err = 0;
		break;
	}
	fclose(file);
	return err;
}

static int parse_user(const struct list *list, struct word *word, struct filter_node *node,
		      size_t i)
{
	struct filter_range *range = &node->ranges[i];
	int err = 0;

	if (strspn(word->text, "0123456789") < word->len)
		err = find_user(word, &range->lo);
	else if (!parse_number(word->text, word->len, list->max, &range->lo))
		err = refuse(word, list->what);
	range->hi = range->lo;
	return err;
}

static int parse_name(const struct list *list, struct word *word, struct filter_node *node,
		      size_t i)
{
	(void)list;
	if (word->len > NAME_MAX_LEN)
		return refuse(word, "longer than 15 bytes");
	memcpy(node->names[i], word->text, word->len);
	return 0;
}

static void clear_host_bits(struct filter_net *net)
{
	for (unsigned int i = 0; i < sizeof(net->addr); i++) {
		if (net->prefix <= i * 8)
			net->addr[i] = 0;
		else if (net->prefix < i * 8 + 8)
			net->addr[i] &= 0xff << (i * 8 + 8 - net->prefix);
	}
}

static int parse_net(const struct list *list, struct word *word, struct filter_node *node,
		     size_t i)
{
	const char *slash = memchr(word->text, '/', word->len);
	size_t len = slash ? (size_t)(slash - word->text) : word->len;
	struct filter_net *net = &node->nets[i];
	char text[INET6_ADDRSTRLEN];
	uint64_t prefix;
	bool ipv6;

	(void)list;
	if (len >= sizeof(text))
		return refuse(word, "not an address");
	memcpy(text, word->text, len);
	text[len] = '\0';
	ipv6 = inet_pton(AF_INET6, text, net->addr) == 1;
	if (!ipv6) {
		memcpy(net->addr, filter_ipv4.addr, FILTER_MAPPED);
		if (inet_pton(AF_INET, text, net->addr + FILTER_MAPPED) != 1)
			return refuse(word, "not an address");
	}
	prefix = ipv6 ? 128 : 32;
	if (slash && !parse_number(slash + 1, word->len - len - 1, prefix, &prefix))
		return refuse(word, ipv6 ? "prefix is not 0 to 128" : "prefix is not 0 to 32");
	net->prefix = ipv6 ? prefix : 96 + prefix;
	clear_host_bits(net);
	return 0;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct filter_range *x = a, *y = b;

	return (x->lo > y->lo) - (x->lo < y->lo);
}

size_t filter_merge_ranges(struct filter_range *ranges, size_t n)
{
	struct filter_range *last = ranges;

	qsort(ranges, n, sizeof(*ranges), compare_ranges);
	for (size_t i = 1; i < n; i++) {
		if (last->hi == UINT64_MAX || ranges[i].lo <= last->hi + 1) {
			if (ranges[i].hi > last->hi)
				last->hi = ranges[i].hi;
		} else {
			*++last = ranges[i];
		}
	}
	return last - ranges + 1;
}

static int fail(struct filter_error *err, const struct word *word, int code)
{
	*err = (struct filter_error){ .bad = word->text, .bad_len = word->len, .why = word->why };
	return code;
}

static int parse_words(const struct list *list, const char *text, struct filter_node *node,
		       struct filter_error *err)
{
	for (size_t i = 0; i < node->n; i++) {
		struct word word = { .text = text, .len = strcspn(text, ",") };
		int code = word.len ? list->parse(list, &word, node, i) :
				      refuse(&word, "empty element");

		if (code)
			return fail(err, &word, code);
		text += word.len + 1;
	}
	return 0;
}

static int parse_list(struct filter_node **out, const struct list *list, const char *text,
		      uint16_t off, struct filter_error *err)
{
	bool negate = *text == '!';
	const char *words = text + negate;
	struct word whole = { .text = text, .len = strlen(text), .why = "out of memory" };
	struct filter_node *node;
	int code;

	*out = NULL;
	if (!*words)
		return fail(err, &whole, refuse(&whole, "empty list"));
	node = calloc(1, sizeof(*node));
	if (!node)
		return fail(err, &whole, -ENOMEM);
	node->kind = list->kind;
	node->off = off;
	node->size = list->size;
	for (node->n = 1; *words; words++)
		node->n += *words == ',';
	node->ranges = calloc(node->n, list->element);
	code = node->ranges ? parse_words(list, text + negate, node, err) :
			      fail(err, &whole, -ENOMEM);
	if (code) {
		filter_free(node);
		return code;
	}
	if (node->kind == FILTER_NUM)
		node->n = filter_merge_ranges(node->ranges, node->n);
	*out = negate ? filter_not(node) : node;
	return *out ? 0 : fail(err, &whole, -ENOMEM);
}

int filter_parse_numbers(struct filter_node **node, const char *text, uint16_t off, uint16_t size,
			 uint64_t max, bool ranges, const char *what, struct filter_error *err)
{
	const struct list list = {
		.parse = parse_range,
		.kind = FILTER_NUM,
		.size = size,
		.element = sizeof(struct filter_range),
		.max = max,
		.ranges = ranges,
		.what = what,
	};

	return parse_list(node, &list, text, off, err);
}

int filter_parse_users(struct filter_node **node, const char *text, uint16_t off,
		       struct filter_error *err)
{
	static const struct list list = {
		.parse = parse_user,
		.kind = FILTER_NUM,
		.size = sizeof(uint32_t),
		.element = sizeof(struct filter_range),
		.max = UID_MAX_VALID,
		.what = "not a user",
	};

	return parse_list(node, &list, text, off, err);
}

int filter_parse_names(struct filter_node **node, const char *text, uint16_t off,
		       struct filter_error *err)
{
	static const struct list list = {
		.parse = parse_name,
		.kind = FILTER_STR,
		.size = sizeof(char[16]),
		.element = sizeof(char[16]),
	};

	return parse_list(node, &list, text, off, err);
}

int filter_parse_parts(struct filter_node **node, const char *text, uint16_t off,
		       struct filter_error *err)
{
	static const struct list list = {
		.parse = parse_name,
		.kind = FILTER_PART,
		.size = sizeof(char[16]),
		.element = sizeof(char[16]),
	};

	return parse_list(node, &list, text, off, err);
}

int filter_parse_addrs(struct filter_node **node, const char *text, uint16_t off,
		       struct filter_error *err)
{
	static const struct list list = {
		.parse = parse_net,
		.kind = FILTER_ADDR,
		.size = 16,
		.element = sizeof(struct filter_net),
	};

	return parse_list(node, &list, text, off, err);
}
