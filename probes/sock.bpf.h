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

/*
 * The port comes from inet_sport, not skc_num: __inet_put_port() has cleared skc_num when CLOSE is
 * announced. An IPv6 socket with a mapped peer counts as IPv4.
 */
static __always_inline void nt_fill_flow(struct nt_event *e, const struct sock *sk, __be16 sport)
{
	e->netns = sk->__sk_common.skc_net.net->ns.inum;
	e->lport = bpf_ntohs(sport);
	e->rport = bpf_ntohs(sk->__sk_common.skc_dport);
	nt_put_ip6(e->laddr, sk->__sk_common.skc_v6_rcv_saddr.in6_u.u6_addr32);
	nt_put_ip6(e->raddr, sk->__sk_common.skc_v6_daddr.in6_u.u6_addr32);
	if (sk->__sk_common.skc_family == AF_INET) {
		nt_put_ip4(e->laddr, sk->__sk_common.skc_rcv_saddr);
		nt_put_ip4(e->raddr, sk->__sk_common.skc_daddr);
	}
	e->ip = *(__u64 *)e->raddr == 0 && *(__u32 *)(e->raddr + 8) == NT_MAPPED_PREFIX ? 4 : 6;
}

#endif
