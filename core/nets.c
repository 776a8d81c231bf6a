// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Ordered lists of networks. */
#include "nets.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct nets {
	struct filter_node *list; /* FILTER_ADDR */
	struct nt_net entries[];  /* what nt_nets has for each of them */
};

/* The longest prefix that has an address inside stands for all the others that do: they hold it. */
static uint32_t first_to_hold(const struct filter_node *list, uint32_t i)
{
	const struct filter_net *net = &list->nets[i], *other;
	uint32_t k;

	for (k = 0; k < i; k++) {
		other = &list->nets[k];
		if (other->prefix <= net->prefix && filter_net_covers(other, net->addr) &&
		    filter_net_is_ipv4(other) == filter_net_is_ipv4(net))
			break;
	}
	return k;
}

static void name_entries(struct nets *nets, const char *text)
{
	size_t len, i;

	for (i = 0; i < nets->list->n; i++, text += len + 1) {
		len = strcspn(text, ",");
		snprintf(nets->entries[i].text, NT_NET_TEXT, "%.*s", (int)len, text);
		nets->entries[i].index = i;
	}
}

int nets_parse(struct nets **out, const char *text, struct filter_error *err)
{
	struct filter_node *list;
	struct nets *nets;
	int ret;

	if (*text == '!') {
		*err = (struct filter_error){ text, strlen(text), "not a network" };
		return -EINVAL;
	}
	ret = filter_parse_addrs(&list, text, 0, err);
	if (ret)
		return ret;
	nets = calloc(1, sizeof(*nets) + list->n * sizeof(nets->entries[0]));
	if (!nets) {
		filter_free(list);
		return -ENOMEM;
	}
	nets->list = list;
	name_entries(nets, text);
	*out = nets;
	return 0;
}

void nets_free(struct nets *nets)
{
	if (!nets)
		return;
	filter_free(nets->list);
	free(nets);
}

uint32_t nets_count(const struct nets *nets)
{
	return nets->list->n;
}

const struct nt_net *nets_entry(const struct nets *nets, uint32_t i, struct nt_net_key *key)
{
	static const struct nt_net none = { .index = NT_NO_NET };
	const struct filter_node *list = nets->list;
	/* IPv4 addresses are inside of ::/0 as they are stored but not as networks. */
	const struct filter_net *net = i ? &list->nets[i - 1] : &filter_ipv4;

	memcpy(key->addr, net->addr, sizeof(key->addr));
	key->prefix = net->prefix;
	return i ? &nets->entries[first_to_hold(list, i - 1)] : &none;
}

int nets_put(const struct nets *nets, int map)
{
	const struct nt_net *entry;
	struct nt_net_key key;
	uint32_t i;

	for (i = 0; i <= nets->list->n; i++) {
		entry = nets_entry(nets, i, &key);
		if (bpf_map_update_elem(map, &key, entry, BPF_ANY))
			return -errno;
	}
	return 0;
}

const char *nets_text(const struct nets *nets, uint32_t i)
{
	return nets->entries[i].text;
}

int nets_shadowed(const struct nets *nets, uint32_t i)
{
	uint32_t first = first_to_hold(nets->list, i);

	return first < i ? (int)first : -1;
}
