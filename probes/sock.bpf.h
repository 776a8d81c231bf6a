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

static __always_inline void nt_put_ip6(__u8 *to, const struct in6_addr *addr)
{
	*(__u32 *)to = addr->in6_u.u6_addr32[0];
	*(__u32 *)(to + 4) = addr->in6_u.u6_addr32[1];
	*(__u32 *)(to + 8) = addr->in6_u.u6_addr32[2];
	*(__u32 *)(to + 12) = addr->in6_u.u6_addr32[3];
}

/*
 * The port comes from inet_sport, not skc_num: __inet_put_port() has cleared skc_num when CLOSE is announced.
 * An IPv6 socket with a mapped peer counts as IPv4.
 */
static __always_inline void nt_fill_flow(struct nt_event *e, const struct sock *sk, __be16 sport)
{
	const struct sock_common *c = &sk->__sk_common;

	e->netns = c->skc_net.net->ns.inum;
	e->lport = bpf_ntohs(sport);
	e->rport = bpf_ntohs(c->skc_dport);
	if (c->skc_family == AF_INET) {
		e->ip = 4;
		nt_put_ip4(e->laddr, c->skc_rcv_saddr);
		nt_put_ip4(e->raddr, c->skc_daddr);
		return;
	}
	nt_put_ip6(e->laddr, &c->skc_v6_rcv_saddr);
	nt_put_ip6(e->raddr, &c->skc_v6_daddr);
	e->ip = *(__u64 *)e->raddr == 0 && *(__u32 *)(e->raddr + 8) == NT_MAPPED_PREFIX ? 4 : 6;
}

#endif
