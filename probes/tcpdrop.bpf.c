// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* An event for each dropped TCP packet. */
#include "kernel.h"
#include "sock.bpf.h"
#include "owner.bpf.h"
#include "track.bpf.h"
#include "skb.bpf.h"
#include "receiver.bpf.h"
#include "stack.bpf.h"
#include "tcpdrop.h"

#define REASON(name) bpf_core_enum_value(enum skb_drop_reason, name)
#define HAS_REASON(name) bpf_core_enum_value_exists(enum skb_drop_reason, name)

/* Not every use of kfree_skb() is a drop: what has no reason of its own is teardown as a rule. */
static __always_inline bool is_noise(__u32 reason)
{
	if (nt_params.flags & TCPDROP_ALL)
		return false;
	if (HAS_REASON(SKB_CONSUMED) && reason == REASON(SKB_CONSUMED))
		return true;
	return HAS_REASON(SKB_DROP_REASON_NOT_SPECIFIED) &&
	       reason == REASON(SKB_DROP_REASON_NOT_SPECIFIED);
}

static __always_inline __u32 netns_of(const struct net *net, enum nt_way way)
{
	const __u32 least = 0xe0000000; /* a pointer that is none leads to no such number */
	__u32 inum = NT_READ(way, net->ns.inum);

	return inum >= least ? inum : 0;
}

static __always_inline void fill_device(struct tcpdrop_event *e, const struct sk_buff *skb,
					enum nt_way way)
{
	const struct net_device *dev = NT_CAST(way, skb->dev, struct net_device);
	const struct dst_entry *dst;

	e->head.netns = netns_of(NT_READ(way, dev->nd_net.net), way);
	if (e->head.netns) {
		nt_peek((__u32 *)e->dev, dev->name, way);
		return;
	}
	dst = NT_CAST(way, (void *)(skb->_skb_refdst & ~1ul), struct dst_entry);
	dev = NT_READ(way, dst->dev);
	e->head.netns = netns_of(NT_READ(way, dev->nd_net.net), way);
}

/* Those before and after a connection are smaller, and have no protocol. */
static __always_inline bool is_tcp(const struct sock *sk, enum nt_way way)
{
	__u16 family = NT_READ(way, sk->__sk_common.skc_family);
	__u8 state = NT_READ(way, sk->__sk_common.skc_state);

	if (family != AF_INET && family != AF_INET6)
		return false;
	return state == TCP_TIME_WAIT || state == TCP_NEW_SYN_RECV || nt_is_tcp(sk, way);
}

/* A socket that stands for something else (a namespace's for answers) has not the packet's ports. */
static __always_inline bool is_of(const struct sock *sk, const struct nt_packet *packet,
				  bool leaving, enum nt_way way)
{
	__u16 port = bpf_ntohs(NT_READ(way, sk->__sk_common.skc_dport));
	__u8 state = NT_READ(way, sk->__sk_common.skc_state);

	if (state == TCP_LISTEN)
		return NT_READ(way, sk->__sk_common.skc_num) == packet->dport;
	return state && port && port == (leaving ? packet->dport : packet->sport);
}

static __always_inline void fill_ends(struct tcpdrop_event *e, const struct nt_packet *packet,
				      bool leaving)
{
	e->head.ip = packet->ip;
	e->head.lport = leaving ? packet->sport : packet->dport;
	e->head.rport = leaving ? packet->dport : packet->sport;
	__builtin_memcpy(e->head.laddr, leaving ? packet->saddr : packet->daddr, 16);
	__builtin_memcpy(e->head.raddr, leaving ? packet->daddr : packet->saddr, 16);
	__builtin_memcpy(e->saddr, packet->saddr, 16);
	__builtin_memcpy(e->daddr, packet->daddr, 16);
	e->sport = packet->sport;
	e->dport = packet->dport;
	e->flags = packet->flags;
}

/* `sk`: the packet's socket, NULL: not known. */
static __always_inline bool fill(struct tcpdrop_event *e, const struct sk_buff *skb,
				 const struct sock *sk, enum nt_way way)
{
	bool leaving = skb->sk && !skb->skb_iif;
	struct nt_packet packet = {};
	const struct net *net;

	if (!nt_read_packet(&packet, skb, way))
		return false;
	e->head.time = bpf_ktime_get_ns();
	e->head.owner.uid = -1;
	fill_ends(e, &packet, leaving);
	fill_device(e, skb, way);
	if (!sk || !is_tcp(sk, way))
		return true;
	net = NT_READ(way, sk->__sk_common.skc_net.net);
	e->head.netns = NT_READ(way, net->ns.inum);
	if (is_of(sk, &packet, leaving, way)) {
		e->state = NT_READ(way, sk->__sk_common.skc_state);
		nt_read_owner(&e->head, sk, nt_sock(sk), way);
	}
	return true;
}

static __always_inline void emit(void *ctx, struct tcpdrop_event *e, __u64 first, __u32 skip)
{
	if (nt_params.flags & TCPDROP_NO_STACK)
		nt_emit(e, sizeof(*e));
	else
		nt_emit_stack(ctx, e, sizeof(*e), first, skip);
}

static __always_inline int on_drop(void *ctx, const struct sk_buff *skb, __u64 location,
				   __u32 reason, const struct sock *sk, enum nt_way way)
{
	struct tcpdrop_event e = {};

	if (!fill(&e, skb, sk, way))
		return 0;
	e.reason = reason ? reason : location;
	e.reason_code = reason;
	emit(ctx, &e, location, 0);
	return 0;
}

/* A volatile load: no compiler may move it to where the argument does not exist. */
#define ARG(ctx, n) (((const volatile __u64 *)(ctx))[n])

SEC("tp_btf/kfree_skb")
int BPF_PROG(tcpdrop_cast, struct sk_buff *skb, void *location, __u32 reason, struct sock *rx_sk)
{
	const void *sk = skb->sk;

	if (is_noise(reason))
		return 0;
	if (!sk)
		sk = rx_sk;
	return on_drop(ctx, skb, (__u64)location, reason, NT_CAST(NT_DIRECT, sk, struct sock),
		       NT_DIRECT);
}

SEC("tp_btf/kfree_skb")
int BPF_PROG(tcpdrop_cast_old, struct sk_buff *skb, void *location, __u32 reason)
{
	if (is_noise(reason))
		return 0;
	return on_drop(ctx, skb, (__u64)location, reason,
		       NT_CAST(NT_DIRECT, skb->sk, struct sock), NT_DIRECT);
}

/* Before 5.17 there is no reason, before 6.11 no socket of received packets. */
SEC("tp_btf/kfree_skb")
int BPF_PROG(tcpdrop_read, struct sk_buff *skb, void *location)
{
	const struct sock *sk = skb->sk;
	__u32 reason = 0;

	if (bpf_core_field_exists(struct trace_event_raw_kfree_skb, reason))
		reason = ARG(ctx, 2);
	if (is_noise(reason))
		return 0;
	if (!sk)
		sk = nt_receiver(skb);
	return on_drop(ctx, skb, (__u64)location, reason, sk, NT_PROBE);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
