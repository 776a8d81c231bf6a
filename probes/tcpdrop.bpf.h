/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is known of a dropped packet, whichever hook saw it. */
#ifndef NT_TCPDROP_BPF_H
#define NT_TCPDROP_BPF_H

/* The numbers are not ABI: these are the running kernel's. */
#define REASON(name) bpf_core_enum_value(enum skb_drop_reason, name)
#define HAS_REASON(name) bpf_core_enum_value_exists(enum skb_drop_reason, name)
#define HAS_REASONS bpf_core_field_exists(struct trace_event_raw_kfree_skb, reason)

/* A volatile load: no compiler may move it to where the argument does not exist. */
#define ARG(ctx, n) (((const volatile __u64 *)(ctx))[n])

/* The struct sk_buff of a program that is called for packets (6.2, fd264ca02094); NT_CAST(). */
static __always_inline void *to_kern_ctx(void *ctx)
{
	register void *from asm("r1") = ctx;
	register void *to asm("r0");

	asm volatile("call %2"
		     : "=r"(to), "+r"(from)
		     : "i"(NT_MARK_CALL + NT_CAST_TO_KERN_CTX)
		     : "r2", "r3", "r4", "r5");
	return to;
}

/* A pointer that is none leads to no such number (PROC_DYNAMIC_FIRST, fs/proc/generic.c). */
static __always_inline __u32 netns_of(const struct net *net, enum nt_way way)
{
	__u32 inum = NT_READ(way, net->ns.inum);

	return inum >= 0xefffff00 ? inum : 0;
}

/*
 * The namespace of the packet's device, and that, NULL: unknown. sk_buff.dev is something else
 * while TCP has the packet. Then the route tells the namespace, and the device of what leaves, or
 * came by loopback.
 */
static __always_inline __u32 netns_by_device(const struct net_device **named,
					     const struct sk_buff *skb, bool leaving,
					     enum nt_way way)
{
	const struct net_device *dev = NT_CAST(way, net_device, NT_READ(way, skb->dev));
	const enum nt_way other = NT_OTHER(way);
	const struct dst_entry *dst;
	__u32 netns;

	*named = dev;
	netns = netns_of(NT_READ(other, dev->nd_net.net), other);
	if (!netns) {
		dst = NT_CAST(way, dst_entry, NT_READ(way, skb->_skb_refdst) & ~1ul);
		dev = NT_READ(other, dst->dev);
		netns = netns_of(NT_READ(other, dev->nd_net.net), other);
		*named = dev;
		if (!netns || (!leaving && (int)NT_READ(other, dev->ifindex) !=
						   (int)NT_READ(way, skb->skb_iif)))
			*named = NULL;
	}
	return NT_FORGET(netns, nt_address(skb));
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

/* A socket that stands for something else (a namespace's for answers) has other ports. */
static __always_inline bool is_of(const struct sock *sk, const struct nt_event *head,
				  enum nt_way way)
{
	__u16 port = bpf_ntohs(NT_READ(way, sk->__sk_common.skc_dport));

	if (NT_READ(way, sk->__sk_common.skc_state) == TCP_LISTEN)
		return NT_READ(way, sk->__sk_common.skc_num) == head->lport;
	return port && port == head->rport;
}

static __always_inline void fill_ends(struct nt_event *head, const struct nt_packet *packet,
				      bool leaving)
{
	head->ip = packet->ip;
	head->lport = leaving ? packet->sport : packet->dport;
	head->rport = leaving ? packet->dport : packet->sport;
	__builtin_memcpy(head->laddr, leaving ? packet->saddr : packet->daddr, 16);
	__builtin_memcpy(head->raddr, leaving ? packet->daddr : packet->saddr, 16);
}

/* What the socket knows of the ends, when the packet does not know them yet. */
static __always_inline bool read_unsent(struct nt_event *head, struct nt_packet *packet,
					const struct sk_buff *skb, const struct sock *sk,
					enum nt_way way)
{
	const enum nt_way other = NT_OTHER(way);
	__u8 state = NT_READ(other, sk->__sk_common.skc_state);

	if (state == TCP_TIME_WAIT || state == TCP_NEW_SYN_RECV || state == TCP_LISTEN ||
	    !NT_READ(way, skb->transport_header))
		return false;
	nt_read_flow(head, sk, bpf_htons(NT_READ(other, sk->__sk_common.skc_num)), other);
	nt_read_unsent(packet, head, skb, way);
	return true;
}

/* A packet of either family looks the same to the verifier from here on. */
static __always_inline void forget(struct nt_packet *packet, __u64 unknown)
{
	nt_forget(packet->saddr, unknown);
	nt_forget(packet->daddr, unknown);
	packet->sport = NT_FORGET(packet->sport, unknown);
	packet->dport = NT_FORGET(packet->dport, unknown);
	packet->flags = NT_FORGET(packet->flags, unknown);
	packet->ip = NT_FORGET(packet->ip, unknown);
}

/*
 * The head of an event but for its time and owner, and the packet. `number`: the address of the
 * packet's socket; 0: there is none, and it becomes 0 when that is not one of TCP.
 */
static __always_inline bool look_at(struct nt_event *head, struct nt_packet *packet,
				    const struct net_device **dev, const struct sk_buff *skb,
				    __u64 *number, enum nt_way way)
{
	const struct sock *sk = NT_CAST(way, sock, *number);
	bool leaving = NT_READ(way, skb->sk) && !NT_READ(way, skb->skb_iif);
	const enum nt_way other = NT_OTHER(way);
	const struct net *net;

	if (*number && !is_tcp(sk, other))
		*number = 0;
	if (!nt_read_packet(packet, skb, way) &&
	    !(*number && leaving && !NT_READ(way, skb->protocol) &&
	      read_unsent(head, packet, skb, sk, way)))
		return false;
	forget(packet, nt_address(skb));
	head->owner.uid = -1;
	fill_ends(head, packet, leaving);
	head->netns = netns_by_device(dev, skb, leaving, way);
	if (!*number)
		return true;
	net = NT_READ(other, sk->__sk_common.skc_net.net);
	head->netns = NT_READ(other, net->ns.inum);
	return true;
}

/*
 * Not every use of kfree_skb() is a drop: what has no reason of its own is teardown as a rule, and
 * what a socket's queue still holds when it is destroyed is its peer's FIN.
 */
static __always_inline bool is_noise(__u32 reason)
{
	if (nt_params.flags & TCPDROP_ALL)
		return false;
	return (HAS_REASON(SKB_CONSUMED) && reason == REASON(SKB_CONSUMED)) ||
	       (HAS_REASON(SKB_DROP_REASON_QUEUE_PURGE) &&
		reason == REASON(SKB_DROP_REASON_QUEUE_PURGE)) ||
	       reason == REASON(SKB_DROP_REASON_NOT_SPECIFIED);
}

/*
 * Before 5.17 there is no reason. What a socket in TIME_WAIT has looked at is freed here too, and
 * what the queues of a destroyed one still hold.
 */
static __always_inline bool is_old_noise(const struct nt_receiving *now, const struct sk_buff *skb)
{
	const struct sock *sk = NT_READ(NT_PROBE, skb->sk);

	if (nt_params.flags & TCPDROP_ALL)
		return false;
	if (now && now->state == TCP_TIME_WAIT)
		return true;
	return sk && NT_READ(NT_PROBE, skb->skb_iif) && is_tcp(sk, NT_PROBE) &&
	       NT_READ(NT_PROBE, sk->__sk_common.skc_state) == TCP_CLOSE;
}

struct drop {
	__u64 reason, location;
	__u32 code;
};

static __always_inline void count_drop(const struct sk_buff *skb, const struct drop *drop, __u64 sk,
				       enum nt_way way)
{
	struct tcpdrop_count new = { .reason = drop->reason, .reason_code = drop->code,
				     .drops = 1 }, *row;
	struct tcpdrop_flow key = { .reason = drop->reason };
	struct nt_event *head = &new.sum.head;
	const struct net_device *dev;
	struct nt_packet packet = {};

	if (!look_at(head, &packet, &dev, skb, &sk, way))
		return;
	key.netns = head->netns;
	key.sport = new.sport = packet.sport;
	key.dport = new.dport = packet.dport;
	__builtin_memcpy(key.saddr, packet.saddr, 16);
	__builtin_memcpy(key.daddr, packet.daddr, 16);
	__builtin_memcpy(new.saddr, packet.saddr, 16);
	__builtin_memcpy(new.daddr, packet.daddr, 16);
	row = nt_row_or(&key, &new);
	if (row)
		__sync_fetch_and_add(&row->drops, 1);
}

/* `ctx` NULL: a kind of program that may not ask for the stack. */
static __always_inline void tell_drop(void *ctx, const struct sk_buff *skb, const struct drop *drop,
				      __u64 number, enum nt_way way)
{
	struct tcpdrop_event e = { .reason = drop->reason, .location = drop->location,
				   .reason_code = drop->code };
	const struct sock *sk = NT_CAST(way, sock, number);
	const enum nt_way other = NT_OTHER(way);
	const struct net_device *dev;
	struct nt_packet packet = {};

	if (!look_at(&e.head, &packet, &dev, skb, &number, way))
		return;
	e.head.time = bpf_ktime_get_ns();
	__builtin_memcpy(e.saddr, packet.saddr, 16);
	__builtin_memcpy(e.daddr, packet.daddr, 16);
	e.sport = packet.sport;
	e.dport = packet.dport;
	e.flags = packet.flags;
	if (dev)
		nt_peek((__u32 *)e.dev, dev->name, other);
	if (number && is_of(sk, &e.head, other)) {
		e.state = NT_READ(other, sk->__sk_common.skc_state);
		if (nt_params.want_owners)
			nt_read_owner(&e.head, sk, nt_sock((const struct sock *)number), other);
	}
	if (!ctx || nt_params.flags & TCPDROP_NO_STACK)
		nt_emit(&e, sizeof(e));
	else
		nt_emit_stack(ctx, &e, sizeof(e));
}

static __always_inline int tell(void *ctx, const struct sk_buff *skb, const struct drop *drop,
				__u64 sk, enum nt_way way)
{
	if (nt_params.flags & TCPDROP_COUNT)
		count_drop(skb, drop, sk, way);
	else
		tell_drop(ctx, skb, drop, sk, way);
	return 0;
}

static __always_inline int on_drop(void *ctx, const struct sk_buff *skb, __u64 location,
				   __u32 reason, __u64 sk, enum nt_way way)
{
	struct drop drop = { .reason = reason ? reason : location, .location = location,
			     .code = reason };

	return tell(ctx, skb, &drop, sk, way);
}

/*
 * The acknowledgement that finds the accept queue full is told when it does, and freed a little
 * later, for no reason: that is told only where all are.
 */
static __always_inline bool told_before(const struct sk_buff *skb)
{
	return (nt_params.flags & TCPDROP_ALL || !HAS_REASONS) && nt_was_told(nt_address(skb));
}

static __always_inline int on_full(void *ctx, const struct sk_buff *skb, const struct sock *sk,
				   enum tcpdrop_counter counter, enum nt_way way)
{
	struct drop drop = { .reason = NT_NAME_OWN + counter };

	if (counter == TCPDROP_LISTEN_OVERFLOWS &&
	    HAS_REASON(SKB_DROP_REASON_TCP_LISTEN_OVERFLOW)) {
		drop.code = REASON(SKB_DROP_REASON_TCP_LISTEN_OVERFLOW);
		drop.reason = drop.code;
	}
	return tell(ctx, skb, &drop, nt_address(sk), way);
}

/* Which counter a SYN will add to, as tcp_conn_request() decides; TCPDROP_COUNTERS: none. */
static __always_inline enum tcpdrop_counter full_for_syn(const struct tcp_sock *tp, enum nt_way way)
{
	const struct sock *sk = &tp->inet_conn.icsk_inet.sk;
	const struct net *net;

	if (nt_syn_queue_full(tp, way)) {
		net = NT_READ(way, sk->__sk_common.skc_net.net);
		if (!NT_READ(way, net->ipv4.sysctl_tcp_syncookies))
			return TCPDROP_REQ_Q_FULL_DROP;
	}
	return nt_accept_queue_full(sk, way) ? TCPDROP_LISTEN_OVERFLOWS : TCPDROP_COUNTERS;
}

static __always_inline int on_syn(void *ctx, const struct sk_buff *skb, const struct tcp_sock *tp,
				  enum nt_way way)
{
	enum tcpdrop_counter counter = TCPDROP_COUNTERS;

	if (tp)
		counter = full_for_syn(tp, way);
	if (counter == TCPDROP_COUNTERS)
		return 0;
	return on_full(ctx, skb, &tp->inet_conn.icsk_inet.sk, counter, way);
}

/* Since 6.15 tcp_check_req() has a reason for it, which kfree_skb tells. */
static __always_inline bool full_for_ack(const struct sock *sk, enum nt_way way)
{
	return !HAS_REASON(SKB_DROP_REASON_TCP_LISTEN_OVERFLOW) && nt_accept_queue_full(sk, way);
}

static __always_inline int on_ack(void *ctx, const struct sk_buff *skb, const struct sock *sk,
				  enum nt_way way)
{
	if (!full_for_ack(sk, way))
		return 0;
	if (nt_params.flags & TCPDROP_ALL || !HAS_REASONS)
		nt_tell(nt_address(skb));
	return on_full(ctx, skb, sk, TCPDROP_LISTEN_OVERFLOWS, way);
}

#endif
