/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A socket's addresses, ports and namespace, read once and the same way by every tool. */
#ifndef NT_SOCK_BPF_H
#define NT_SOCK_BPF_H

#include "kernel.h"

#define NT_MAPPED_PREFIX bpf_htonl(0x0000ffff) /* ::ffff:0:0/96, the third word */

static __always_inline void nt_put_ip4(__u8 *to, __be32 addr)
{
	*(__u64 *)to = 0;
	*(__u32 *)(to + 8) = NT_MAPPED_PREFIX;
	*(__u32 *)(to + 12) = addr;
}

static __always_inline void nt_put_ip6(__u8 *to, const __be32 *addr)
{
	__builtin_memcpy(to, addr, 16);
}

/* Of the first and the third word of an address. */
NT_GLOBAL int nt_ip_of_words(__u64 first, __u32 third)
{
	return first == 0 && third == NT_MAPPED_PREFIX ? 4 : 6;
}

/* 4 or 6. An IPv4-mapped address is one of IPv4. */
static __always_inline __u8 nt_ip_of(const __u8 *addr)
{
	return nt_ip_of_words(*(__u64 *)addr, *(__u32 *)(addr + 8));
}

/* An address of either family looks the same to the verifier from here on. */
static __always_inline void nt_forget(__u8 *addr, __u64 unknown)
{
	__u64 *half = (__u64 *)addr;

	half[0] = NT_FORGET(half[0], unknown);
	half[1] = NT_FORGET(half[1], unknown);
}

static __always_inline bool nt_is_tcp(const struct sock *sk, enum nt_way way)
{
	__u16 family = NT_READ(way, sk->__sk_common.skc_family);

	return (family == AF_INET || family == AF_INET6) &&
	       NT_READ(way, sk->sk_protocol) == IPPROTO_TCP;
}

/* TCP, or MPTCP as a program has it: its subflows are TCP sockets that no program sees. */
static __always_inline bool nt_is_stream(const struct sock *sk, enum nt_way way)
{
	__u16 family = NT_READ(way, sk->__sk_common.skc_family);
	__u16 protocol = NT_READ(way, sk->sk_protocol);

	return (family == AF_INET || family == AF_INET6) &&
	       (protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP);
}

/* The TCP socket below a socket of MPTCP; a socket of TCP is that itself. By NT_PROBE only. */
static __always_inline const struct sock *nt_subflow(const struct sock *sk)
{
	const struct mptcp_sock *msk = (const void *)sk;
	const struct sock *first = NULL;

	if (bpf_core_field_exists(msk->first) &&
	    NT_READ(NT_PROBE, sk->sk_protocol) == IPPROTO_MPTCP)
		first = NT_READ(NT_PROBE, msk->first);
	return first ? first : sk;
}

/*
 * The port comes from inet_sport, not skc_num: __inet_put_port() has cleared skc_num when CLOSE is
 * announced. An IPv6 socket with a mapped peer counts as IPv4.
 */
static __always_inline void nt_read_flow(struct nt_event *e, const struct sock *sk, __be16 sport,
					 enum nt_way way)
{
	const struct sock_common *skc = &sk->__sk_common;
	const struct net *net = NT_READ(way, skc->skc_net.net);
	__u64 unknown = nt_address(sk);

	e->netns = NT_READ(way, net->ns.inum);
	e->lport = bpf_ntohs(sport);
	e->rport = bpf_ntohs(NT_READ(way, skc->skc_dport));
	if (NT_READ(way, skc->skc_family) == AF_INET) {
		nt_put_ip4(e->laddr, NT_READ(way, skc->skc_rcv_saddr));
		nt_put_ip4(e->raddr, NT_READ(way, skc->skc_daddr));
	} else if (way == NT_DIRECT) {
		nt_put_ip6(e->laddr, skc->skc_v6_rcv_saddr.in6_u.u6_addr32);
		nt_put_ip6(e->raddr, skc->skc_v6_daddr.in6_u.u6_addr32);
	} else {
		bpf_core_read(e->laddr, 16, &skc->skc_v6_rcv_saddr);
		bpf_core_read(e->raddr, 16, &skc->skc_v6_daddr);
	}
	nt_forget(e->laddr, unknown);
	nt_forget(e->raddr, unknown);
	e->ip = nt_ip_of(e->raddr);
}

/* One of its addresses. */
static __always_inline void nt_fill_laddr(__u8 *to, const struct sock *sk)
{
	const struct sock_common *skc = &sk->__sk_common;

	if (skc->skc_family == AF_INET)
		nt_put_ip4(to, skc->skc_rcv_saddr);
	else
		nt_put_ip6(to, skc->skc_v6_rcv_saddr.in6_u.u6_addr32);
}

static __always_inline void nt_read_raddr(__u8 *to, const struct sock *sk, enum nt_way way)
{
	const struct sock_common *skc = &sk->__sk_common;

	if (NT_READ(way, skc->skc_family) == AF_INET)
		nt_put_ip4(to, NT_READ(way, skc->skc_daddr));
	else if (way == NT_DIRECT)
		nt_put_ip6(to, skc->skc_v6_daddr.in6_u.u6_addr32);
	else
		bpf_core_read(to, 16, &skc->skc_v6_daddr);
}

static __always_inline void nt_fill_raddr(__u8 *to, const struct sock *sk)
{
	nt_read_raddr(to, sk, NT_DIRECT);
}

NT_CALLED int nt_fill_flow(struct nt_event *e, const struct sock *sk, __be16 sport)
{
	nt_read_flow(e, sk, sport, NT_DIRECT);
	return 0;
}

#endif
