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
#include "skb.bpf.h"

static __always_inline __u8 nt_ip_of_skb(const struct sk_buff *skb, enum nt_way way)
{
	return NT_READ(way, skb->protocol) == bpf_htons(ETH_P_IP) ? 4 : 6;
}

/* sk_acceptq_is_full(), include/net/sock.h: a SYN, or what ends a handshake, is dropped then. */
static __always_inline bool nt_accept_queue_full(const struct sock *sk, enum nt_way way)
{
	return NT_READ(way, sk->sk_ack_backlog) > NT_READ(way, sk->sk_max_ack_backlog);
}

/* inet_csk_reqsk_queue_is_full(): a SYN is dropped then, unless cookies make up for it. */
static __always_inline bool nt_syn_queue_full(const struct tcp_sock *tp, enum nt_way way)
{
	__u32 limit = NT_READ(way, tp->inet_conn.icsk_inet.sk.sk_max_ack_backlog);
	__u32 length = NT_READ(way, tp->inet_conn.icsk_accept_queue.qlen.counter);

	return nt_params.one_more ? length > limit : length >= limit;
}

/* NULL: the packet is for another kind of socket. */
static __always_inline const struct tcp_sock *nt_listener(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;

	return sk && sk->state == TCP_LISTEN ? bpf_skc_to_tcp_sock(sk) : NULL;
}

/* The packet belongs to a handshake that is under way: TCP gives it to that one's request. */
static __always_inline bool nt_has_request(struct __sk_buff *skb, const struct nt_packet *packet)
{
	const bool v4 = packet->ip == 4;
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *sk;
	bool found;

	if (v4) {
		tuple.ipv4.saddr = *(__be32 *)(packet->saddr + 12);
		tuple.ipv4.daddr = *(__be32 *)(packet->daddr + 12);
		tuple.ipv4.sport = bpf_htons(packet->sport);
		tuple.ipv4.dport = bpf_htons(packet->dport);
	} else {
		__builtin_memcpy(tuple.ipv6.saddr, packet->saddr, 16);
		__builtin_memcpy(tuple.ipv6.daddr, packet->daddr, 16);
		tuple.ipv6.sport = bpf_htons(packet->sport);
		tuple.ipv6.dport = bpf_htons(packet->dport);
	}
	sk = bpf_skc_lookup_tcp(skb, &tuple, v4 ? sizeof(tuple.ipv4) : sizeof(tuple.ipv6),
				BPF_F_CURRENT_NETNS, 0);
	if (!sk)
		return false;
	found = sk->state == TCP_NEW_SYN_RECV;
	bpf_sk_release(sk);
	return found;
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
		bpf_map_delete_elem(&nt_socks, &key);
		nt_claim(sk, NT_OWNER_LISTEN);
	} else if (oldstate == TCP_LISTEN && newstate == TCP_CLOSE) {
		bpf_map_delete_elem(&nt_socks, &key);
		key = sk->__sk_common.skc_cookie.counter;
		if (key)
			bpf_map_delete_elem(&nt_held, &key);
	}
	return 0;
}

#endif
