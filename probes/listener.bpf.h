/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * For tools about listeners.
 *
 * Their owners: nt_listener_state keeps the map of sockets, of listeners only (ATTACH_LISTENERS).
 *
 * What arrives at a listener, for kernels that allow neither fentry nor kprobes: the packets that
 * programs at the root of the cgroup v2 hierarchy are asked about. TCP asks with the listener for a
 * SYN and for the acknowledgement that ends a handshake, before it looks at them itself
 * (tcp_filter(), net/ipv4/tcp_ipv4.c).
 *
 *	SEC("cgroup_skb/ingress")
 *	int name(struct __sk_buff *skb)
 *
 * is called for every packet that any socket receives and must return 1: 0 would drop it.
 */
#ifndef NT_LISTENER_BPF_H
#define NT_LISTENER_BPF_H

#include "owner.bpf.h"

static __always_inline __u8 nt_ip_of_skb(const struct sk_buff *skb, enum nt_way way)
{
	return NT_READ(way, skb->protocol) == bpf_htons(ETH_P_IP) ? 4 : 6;
}

/* NULL: the packet is for another kind of socket. */
static __always_inline const struct tcp_sock *nt_listener(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;

	return sk && sk->state == TCP_LISTEN ? bpf_skc_to_tcp_sock(sk) : NULL;
}

/* The packet begins with its IP header. 0: behind an extension header of IPv6. */
static __always_inline __u8 nt_tcp_flags(struct __sk_buff *skb)
{
	__u32 at = 40;
	__u8 byte = 0;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		if (bpf_skb_load_bytes(skb, 0, &byte, 1))
			return 0;
		at = (byte & 15) * 4;
	} else if (bpf_skb_load_bytes(skb, 6, &byte, 1) || byte != IPPROTO_TCP) {
		return 0;
	}
	return bpf_skb_load_bytes(skb, at + 13, &byte, 1) ? 0 : byte;
}

/* One that the program does not see leave LISTEN stays in the map: its address is told anew. */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(nt_listener_state, struct sock *sk, int oldstate, int newstate)
{
	__u64 key = (__u64)sk;

	if (newstate == TCP_LISTEN) {
		nt_remember(sk, 0, false, NT_OWNER_LISTEN);
	} else if (oldstate == TCP_LISTEN && newstate == TCP_CLOSE) {
		bpf_map_delete_elem(&nt_socks, &key);
		key = sk->__sk_common.skc_cookie.counter;
		if (key)
			bpf_map_delete_elem(&nt_held, &key);
	}
	return 0;
}

#endif
