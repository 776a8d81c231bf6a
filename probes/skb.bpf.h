/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is read of packets. */
#ifndef NT_SKB_BPF_H
#define NT_SKB_BPF_H

#include "sock.bpf.h"

/* A member of what TCP keeps in sk_buff.cb while it has the packet. Direct loads. */
#define NT_CB(skb, member)                                                                         \
	(*(typeof(((struct tcp_skb_cb *)0)->member) *)((const void *)(skb) +                       \
		bpf_core_field_offset(struct sk_buff, cb) +                                        \
		bpf_core_field_offset(struct tcp_skb_cb, member)))

/* 16 bytes from anywhere. */
static __always_inline void nt_peek(__u32 *to, const void *from, enum nt_way way)
{
	const struct in6_addr *words;

	if (way != NT_DIRECT) {
		if (bpf_probe_read_kernel(to, 16, from))
			__builtin_memset(to, 0, 16);
		return;
	}
	words = NT_CAST(NT_DIRECT, in6_addr, from);
	to[0] = words->in6_u.u6_addr32[0];
	to[1] = words->in6_u.u6_addr32[1];
	to[2] = words->in6_u.u6_addr32[2];
	to[3] = words->in6_u.u6_addr32[3];
}

#define NT_NO_FLAGS 0xffff /* of a packet that does not have the TCP header */

struct nt_packet {
	__u8 saddr[16], daddr[16]; /* network order; IPv4 as ::ffff:a.b.c.d */
	__u16 sport, dport;        /* host order; 0: unknown */
	__u16 flags;               /* of the TCP header, FIN is bit 0, AE bit 8; or NT_NO_FLAGS */
	__u8 ip;
};

/* The linear part of a packet: where `head` points to, and how many bytes of it are in use. */
struct nt_linear {
	const unsigned char *head;
	__u32 tail;
	__u16 network;
};

/* Of the first words of a TCP header. */
static __always_inline void nt_take_tcp(struct nt_packet *packet, const __u32 *words)
{
	packet->sport = bpf_ntohl(words[0]) >> 16;
	packet->dport = bpf_ntohl(words[0]);
	packet->flags = bpf_ntohl(words[3]) >> 16 & 0x1ff;
}

/* `at`: where the TCP header begins; 0: it is not in this packet. */
static __always_inline void nt_read_tcp(struct nt_packet *packet, const struct nt_linear *data,
					__u32 at, enum nt_way way)
{
	__u32 words[4];

	packet->flags = NT_NO_FLAGS;
	if (!at || at + 16 > data->tail)
		return;
	nt_peek(words, data->head + at, way);
	nt_take_tcp(packet, words);
}

static __always_inline bool nt_read_ip4(struct nt_packet *packet, const struct nt_linear *data,
					enum nt_way way)
{
	const unsigned char *header = data->head + data->network;
	__u32 words[9], first; /* with the beginning of the TCP header */

	if (way == NT_DIRECT) {
		nt_peek(words, header, way);
		nt_peek(words + 4, header + 16, way);
	} else if (bpf_probe_read_kernel(words, sizeof(words), header)) {
		return false;
	}
	first = bpf_ntohl(words[0]);
	if (first >> 28 != 4 || (bpf_ntohl(words[2]) >> 16 & 0xff) != IPPROTO_TCP)
		return false;
	packet->ip = 4;
	nt_put_ip4(packet->saddr, words[3]);
	nt_put_ip4(packet->daddr, words[4]);
	/* As a rule one read is enough; behind the linear part is the skb_shared_info. */
	if (way != NT_DIRECT && first >> 24 == 0x45 && !(bpf_ntohl(words[1]) & 0x1fff) &&
	    data->network + 36 <= data->tail) {
		nt_take_tcp(packet, words + 5);
		return true;
	}
	/* Only the first fragment has the header of TCP. */
	nt_read_tcp(packet, data,
		    bpf_ntohl(words[1]) & 0x1fff ? 0 : data->network + (first >> 24 & 0xf) * 4,
		    way);
	return true;
}

/* include/uapi/linux/in6.h: headers that may come before TCP's. */
enum { NT_HOPOPTS = 0, NT_ROUTING = 43, NT_FRAGMENT = 44, NT_AUTH = 51, NT_DSTOPTS = 60 };

/* Where the TCP header begins behind four others at most; -1: it is not TCP; 0: a later part. */
static __always_inline int nt_skip_some(__u64 head, __u32 at, __u32 next, enum nt_way way)
{
	__u32 words[4], first;
	int i;

	for (i = 0; i < 4 && next != IPPROTO_TCP; i++) {
		if (next != NT_HOPOPTS && next != NT_ROUTING && next != NT_FRAGMENT &&
		    next != NT_AUTH && next != NT_DSTOPTS)
			return -1;
		nt_peek(words, (const void *)(head + at), way);
		first = bpf_ntohl(words[0]);
		if (next == NT_FRAGMENT && first & 0xfff8)
			return first >> 24 == IPPROTO_TCP ? 0 : -1;
		at += next == NT_FRAGMENT ? 8 : next == NT_AUTH ? ((first >> 16 & 0xff) + 2) * 4 :
								  ((first >> 16 & 0xff) + 1) * 8;
		next = first >> 24;
	}
	return next == IPPROTO_TCP ? (int)at : -1;
}

NT_GLOBAL int nt_skip_direct(__u64 head, __u32 at, __u32 next)
{
	return nt_skip_some(head, at, next, NT_DIRECT);
}

NT_GLOBAL int nt_skip_probe(__u64 head, __u32 at, __u32 next)
{
	return nt_skip_some(head, at, next, NT_PROBE);
}

static __always_inline int nt_skip_headers(const struct nt_linear *data, __u32 at, __u8 next,
					   enum nt_way way)
{
	__u64 head = nt_address(data->head);

	if (next == IPPROTO_TCP)
		return at;
	return way == NT_DIRECT ? nt_skip_direct(head, at, next) : nt_skip_probe(head, at, next);
}

static __always_inline bool nt_read_ip6(struct nt_packet *packet, const struct nt_linear *data,
					enum nt_way way)
{
	const unsigned char *header = data->head + data->network;
	__u32 words[4];
	int at;

	nt_peek(words, header, way);
	if (bpf_ntohl(words[0]) >> 28 != 6)
		return false;
	at = nt_skip_headers(data, data->network + 40, bpf_ntohl(words[1]) >> 8, way);
	if (at < 0)
		return false;
	packet->ip = 6;
	nt_peek((__u32 *)packet->saddr, header + 8, way);
	nt_peek((__u32 *)packet->daddr, header + 24, way);
	nt_read_tcp(packet, data, at, way);
	return true;
}

/* false: no TCP packet, or its IP header is not there yet. `packet` is all zero. */
static __always_inline bool nt_read_packet(struct nt_packet *packet, const struct sk_buff *skb,
					   enum nt_way way)
{
	const struct nt_linear data = { .head = NT_READ(way, skb->head),
					.tail = NT_READ(way, skb->tail),
					.network = NT_READ(way, skb->network_header) };
	__be16 protocol = NT_READ(way, skb->protocol);

	if (protocol == bpf_htons(ETH_P_IP))
		return nt_read_ip4(packet, &data, way);
	return protocol == bpf_htons(ETH_P_IPV6) && nt_read_ip6(packet, &data, way);
}

/*
 * Of a TCP socket whose packet has no IP header yet, as far as the TCP header is there. `head` has
 * the socket's ends.
 */
static __always_inline void nt_read_unsent(struct nt_packet *packet, const struct nt_event *head,
					   const struct sk_buff *skb, enum nt_way way)
{
	const struct nt_linear data = { .head = NT_READ(way, skb->head),
					.tail = NT_READ(way, skb->tail) };

	__builtin_memcpy(packet->saddr, head->laddr, 16);
	__builtin_memcpy(packet->daddr, head->raddr, 16);
	packet->ip = head->ip;
	nt_read_tcp(packet, &data, NT_READ(way, skb->transport_header), way);
	packet->sport = head->lport;
	packet->dport = head->rport;
}

#endif
