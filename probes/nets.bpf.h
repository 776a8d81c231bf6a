/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Networks that the user listed (core/nets.h fills the map so that the first one counts). */
#ifndef NT_NETS_BPF_H
#define NT_NETS_BPF_H

#include "sock.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1); /* the session sets the size */
	__type(key, struct nt_net_key);
	__type(value, struct nt_net);
} nt_nets SEC(".maps");

/* The network of the remote address; NULL: none of the list. */
static __always_inline const struct nt_net *nt_net_of_peer(const struct sock *sk, enum nt_way way)
{
	struct {
		__u32 pad; /* an address is written in halves, on the stack only where they belong */
		struct nt_net_key key;
	} __attribute__((aligned(8))) at = { .key.prefix = 128 };
	const struct nt_net *net;

	nt_read_raddr(at.key.addr, sk, way);
	net = bpf_map_lookup_elem(&nt_nets, &at.key);
	return net && net->index != NT_NO_NET ? net : NULL;
}

#endif
