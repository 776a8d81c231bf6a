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

/* The last IPv4 address that this CPU found, and in the low half the network's index plus one. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} nt_last_net SEC(".maps");

static __always_inline const struct nt_net *nt_find_net(const struct sock *sk, enum nt_way way)
{
	struct {
		__u32 pad; /* an address is written in halves, which the stack has in places of 8 */
		struct nt_net_key key;
	} __attribute__((aligned(8))) at = { .key.prefix = 128 };

	nt_read_raddr(at.key.addr, sk, way);
	return bpf_map_lookup_elem(&nt_nets, &at.key);
}

/*
 * The index of the remote address's network, or NT_NO_NET. A trie is a walk over memory that is not
 * in the cache after a large copy: one stream should not pay for it each time.
 */
static __always_inline __u32 nt_net_of_peer(const struct sock *sk, enum nt_way way)
{
	const struct sock_common *skc = &sk->__sk_common;
	const struct nt_net *net;
	__u64 *last, known, addr = 0;
	__u32 zero = 0, index;

	last = bpf_map_lookup_elem(&nt_last_net, &zero);
	known = last ? *(const volatile __u64 *)last : 0;
	if (NT_READ(way, skc->skc_family) == AF_INET)
		addr = NT_READ(way, skc->skc_daddr);
	if (addr && known >> 32 == addr)
		return (__u32)known - 1;
	net = nt_find_net(sk, way);
	index = net ? net->index : NT_NO_NET;
	/* in one store, as above in one load: tasks may interrupt us */
	if (last && addr)
		*last = addr << 32 | (__u32)(index + 1);
	return index;
}

#endif
