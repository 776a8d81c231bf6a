// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Puts what the snapshot finds into the probes' maps. */
#include "holders.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "snapshot.h"

struct holders {
	const struct session_opts *opts;
	int held, listeners;
	struct holders_missing *missing;
	struct member {
		uint32_t pid;
		uint16_t bits;
	} *members; /* of the cgroups that filters ask for */
	size_t n_members, room;
	uint16_t bit;
};

static void add_member(void *ctx, uint32_t pid)
{
	struct holders *h = ctx;

	if (array_grow(&h->members, &h->room, h->n_members + 1, sizeof(*h->members)))
		return;
	h->members[h->n_members++] = (struct member){ pid, h->bit };
}

static int by_pid(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

/* Sorted by process, each of which is there once for each cgroup it is in. */
static void list_members(struct holders *h)
{
	int i;

	for (i = 0; i < h->opts->n_cgroups; i++) {
		h->bit = 1 << i;
		cgroup_members(h->opts->cgroups[i].dir, add_member, h);
	}
	if (h->n_members)
		qsort(h->members, h->n_members, sizeof(*h->members), by_pid);
}

static uint16_t bits_of(const struct holders *h, uint32_t pid)
{
	const struct member wanted = { .pid = pid }, *first, *end = h->members + h->n_members, *m;
	uint16_t bits = 0;

	first = bsearch(&wanted, h->members, h->n_members, sizeof(*h->members), by_pid);
	if (!first)
		return 0;
	while (first > h->members && first[-1].pid == pid)
		first--;
	for (m = first; m < end && m->pid == pid; m++)
		bits |= m->bits;
	return bits;
}

static int hold(void *ctx, const struct snapshot_socket *sock, const struct nt_owner *holder)
{
	struct holders *h = ctx;
	struct nt_listener key = { .netns = sock->netns,
				   .port = sock->lport,
				   .family = sock->family };
	struct nt_owner owner = *holder;
	int err;

	if (owner.how == NT_OWNER_NONE)
		return 0;
	if (h->n_members)
		owner.cgroup_bits = bits_of(h, owner.pid);
	err = bpf_map_update_elem(h->held, &sock->cookie, &owner, BPF_ANY);
	if (!err && sock->state == TCP_LISTEN) {
		memcpy(key.addr, sock->laddr, sizeof(key.addr));
		owner.how = NT_OWNER_INHERITED; /* the owner of its children */
		err = bpf_map_update_elem(h->listeners, &key, &owner, BPF_NOEXIST);
		if (err && errno == EEXIST)
			err = 0; /* it began to listen while we looked: the probe knows better */
	}
	if (err)
		h->missing->full++;
	return 0;
}

int holders_put(const struct session_opts *opts, int held, int listeners,
		struct holders_missing *missing)
{
	struct holders h = { .opts = opts, .held = held, .listeners = listeners,
			     .missing = missing };
	int err;

	list_members(&h);
	err = snapshot_sockets(hold, &h, &missing->unreadable);
	free(h.members);
	return err;
}
