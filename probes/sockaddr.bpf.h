/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The address that a system call was given, as the peer of an event. */
#ifndef NT_SOCKADDR_BPF_H
#define NT_SOCKADDR_BPF_H

#include "kernel.h"
#include "sock.bpf.h"

/* What struct sockaddr_in and struct sockaddr_in6 have in common (include/uapi/linux/in6.h). */
struct nt_sockaddr {
	__u16 family;
	__be16 port;
	__be32 ip4; /* of the other: its flow label */
	__be32 ip6[4];
};

/* sizeof(struct sockaddr_in); one of IPv6 has at least SIN6_LEN_RFC2133, 24 (net/ipv6.h) */
#define SOCKADDR_IN_LEN 16

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct sockaddr_in6 {
	unsigned short sin6_family;
	__be16 sin6_port;
	__be32 sin6_flowinfo;
	struct in6_addr sin6_addr;
};

#pragma clang attribute pop

/*
 * From kernel memory, in a program that reads directly or in one that does not. `len` is the
 * caller's: what is behind it on the kernel's stack is no address (move_addr_to_kernel()).
 */
static __always_inline void nt_read_sockaddr(struct nt_sockaddr *to, const void *addr, __u32 len,
					     enum nt_way way)
{
	const struct sockaddr_in6 *in6;

	if (len < SOCKADDR_IN_LEN)
		return;
	if (way == NT_DIRECT && nt_can_cast() && nt_params.casts) {
		in6 = NT_CAST(NT_DIRECT, sockaddr_in6, addr);
		to->family = in6->sin6_family;
		to->port = in6->sin6_port;
		to->ip4 = in6->sin6_flowinfo;
		nt_put_ip6((__u8 *)to->ip6, in6->sin6_addr.in6_u.u6_addr32);
	} else {
		bpf_probe_read_kernel(to, sizeof(*to), addr);
	}
	if (to->family == AF_INET6 && len < sizeof(*to))
		to->family = 0;
}

/* The same from user memory. */
static __always_inline void nt_read_user_sockaddr(struct nt_sockaddr *to, const void *addr,
						  __u32 len)
{
	if (len >= sizeof(*to))
		bpf_probe_read_user(to, sizeof(*to), addr);
	else if (len >= SOCKADDR_IN_LEN)
		bpf_probe_read_user(to, offsetof(struct nt_sockaddr, ip6), addr);
	if (to->family == AF_INET6 && len < sizeof(*to))
		to->family = 0;
}

/* false: neither an IPv4 nor an IPv6 address, or not all of one. */
static __always_inline bool nt_put_peer(struct nt_event *e, const struct nt_sockaddr *peer)
{
	if (peer->family == AF_INET)
		nt_put_ip4(e->raddr, peer->ip4);
	else if (peer->family == AF_INET6)
		nt_put_ip6(e->raddr, peer->ip6);
	else
		return false;
	e->rport = bpf_ntohs(peer->port);
	e->ip = nt_ip_of(e->raddr);
	return true;
}

#endif
