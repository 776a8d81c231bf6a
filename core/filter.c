/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The tree of predicates that a filter is: building, copying, and its verdict in user space. */
#include <stdlib.h>
#include <string.h>

#include "column.h"
#include "filter.h"

static struct filter_node *new_node(enum filter_kind kind, struct filter_node *a,
				    struct filter_node *b)
{
	struct filter_node *node = calloc(1, sizeof(*node));

	if (!node) {
		filter_free(a);
		filter_free(b);
		return NULL;
	}
	node->kind = kind;
	node->a = a;
	node->b = b;
	return node;
}

static size_t element_size(enum filter_kind kind)
{
	switch (kind) {
	case FILTER_NUM:
	case FILTER_BITS:
		return sizeof(struct filter_range);
	case FILTER_ADDR:
		return sizeof(struct filter_net);
	case FILTER_STR:
	case FILTER_PART:
		return sizeof(char[16]);
	default:
		return 0;
	}
}

static bool eval_num(const struct filter_node *node, const uint8_t *at)
{
	size_t from = 0, to = node->n;
	uint64_t value = cell_load(at, node->size);

	while (from < to) {
		size_t mid = from + (to - from) / 2;

		if (value < node->ranges[mid].lo)
			to = mid;
		else if (value > node->ranges[mid].hi)
			from = mid + 1;
		else
			return true;
	}
	return false;
}

static bool eval_addr(const struct filter_node *node, const uint8_t *at)
{
	bool ipv4 = filter_is_mapped(at);

	for (size_t i = 0; i < node->n; i++) {
		const struct filter_net *net = &node->nets[i];

		if (filter_net_is_ipv4(net) == ipv4 && filter_net_covers(net, at))
			return true;
	}
	return false;
}

static bool eval_str(const struct filter_node *node, const uint8_t *at)
{
	for (size_t i = 0; i < node->n; i++) {
		if (!memcmp(node->names[i], at, sizeof(node->names[i])))
			return true;
	}
	return false;
}

static bool eval_part(const struct filter_node *node, const uint8_t *at)
{
	for (size_t i = 0; i < node->n; i++) {
		if (memmem(at, 16, node->names[i], strnlen(node->names[i], 16)))
			return true;
	}
	return false;
}

static bool eval_bits(const struct filter_node *node, const uint8_t *at)
{
	return node->n && cell_load(at, node->size) & node->ranges[0].lo;
}

struct filter_node *filter_and(struct filter_node *a, struct filter_node *b)
{
	if (!a)
		return b;
	if (!b)
		return a;
	return new_node(FILTER_AND, a, b);
}

struct filter_node *filter_or(struct filter_node *a, struct filter_node *b)
{
	if (!a || !b) {
		filter_free(a);
		filter_free(b);
		return NULL;
	}
	return new_node(FILTER_OR, a, b);
}

struct filter_node *filter_not(struct filter_node *a)
{
	return a ? new_node(FILTER_NOT, a, NULL) : NULL;
}

void filter_free(struct filter_node *root)
{
	/* Long chains of and/or lean to the left: recursing to the right keeps the stack flat. */
	while (root) {
		struct filter_node *left = root->a;

		filter_free(root->b);
		free(root->ranges);
		free(root);
		root = left;
	}
}

struct filter_node *filter_at(const struct filter_node *node, uint16_t off)
{
	struct filter_node *copy = new_node(node->kind, NULL, NULL);
	size_t bytes = node->n * element_size(node->kind);

	if (!copy)
		return NULL;
	copy->off = off;
	copy->size = node->size;
	if (bytes) {
		copy->ranges = malloc(bytes);
		if (!copy->ranges)
			goto fail;
		memcpy(copy->ranges, node->ranges, bytes);
		copy->n = node->n;
	}
	if (node->a) {
		copy->a = filter_at(node->a, off);
		if (!copy->a)
			goto fail;
	}
	if (node->b) {
		copy->b = filter_at(node->b, off);
		if (!copy->b)
			goto fail;
	}
	return copy;
fail:
	filter_free(copy);
	return NULL;
}

struct filter_node *filter_either(struct filter_node *node, uint16_t off)
{
	struct filter_node *list;

	if (!node)
		return NULL;
	if (node->kind != FILTER_NOT)
		return filter_or(node, filter_at(node, off));
	list = node->a;
	node->a = filter_or(list, filter_at(list, off));
	if (node->a)
		return node;
	filter_free(node);
	return NULL;
}

bool filter_eval(const struct filter_node *root, const void *event, size_t len)
{
	const uint8_t *at;

	if (!root)
		return true;
	switch (root->kind) {
	case FILTER_AND:
		return filter_eval(root->a, event, len) && filter_eval(root->b, event, len);
	case FILTER_OR:
		return filter_eval(root->a, event, len) || filter_eval(root->b, event, len);
	case FILTER_NOT:
		return !filter_eval(root->a, event, len);
	default:
		break;
	}
	if ((size_t)root->off + root->size > len)
		return false;
	at = (const uint8_t *)event + root->off;
	switch (root->kind) {
	case FILTER_NUM:
		return eval_num(root, at);
	case FILTER_ADDR:
		return eval_addr(root, at);
	case FILTER_STR:
		return eval_str(root, at);
	case FILTER_PART:
		return eval_part(root, at);
	case FILTER_BITS:
		return eval_bits(root, at);
	default:
		return false;
	}
}

const struct filter_net filter_ipv4 = { .addr = { [10] = 0xff, [11] = 0xff }, .prefix = 96 };

bool filter_is_mapped(const uint8_t addr[16])
{
	return !memcmp(addr, filter_ipv4.addr, FILTER_MAPPED);
}

bool filter_net_covers(const struct filter_net *net, const uint8_t addr[16])
{
	size_t bytes = net->prefix / 8, bits = net->prefix % 8;

	if (memcmp(net->addr, addr, bytes))
		return false;
	return !bits || !((net->addr[bytes] ^ addr[bytes]) >> (8 - bits));
}

bool filter_net_is_ipv4(const struct filter_net *net)
{
	return net->prefix >= 96 && filter_is_mapped(net->addr);
}

bool filter_reads(const struct filter_node *root, uint16_t off, uint16_t size)
{
	if (root->kind == FILTER_AND || root->kind == FILTER_OR)
		return filter_reads(root->a, off, size) || filter_reads(root->b, off, size);
	if (root->kind == FILTER_NOT)
		return filter_reads(root->a, off, size);
	return root->off < off + size && off < root->off + root->size;
}
