// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* An event for each dropped TCP packet, or a sum of them for each flow and reason. */
#include "kernel.h"
#include "sock.bpf.h"
#include "owner.bpf.h"
#include "track.bpf.h"
#include "listener.bpf.h"
#include "skb.bpf.h"
#include "receiver.bpf.h"
#include "stack.bpf.h"
#include "tcpdrop.h"

#define NT_SUMS_KIND BPF_MAP_TYPE_HASH
#define NT_SUMS_KEY struct tcpdrop_flow
#define NT_SUMS_ROW struct tcpdrop_count
#include "sums.bpf.h"

#include "tcpdrop.bpf.h"

/* The socket that was looked up for it, on kernels that tell (6.11, c53795d48ee8). */
static __always_inline __u64 rx_socket(const void *ctx)
{
	if (!bpf_core_field_exists(struct trace_event_raw_kfree_skb, rx_sk))
		return 0;
	return nt_address((const void *)ARG(ctx, 3));
}

SEC("tp_btf/kfree_skb")
int BPF_PROG(tcpdrop_cast, struct sk_buff *skb, void *location, __u32 reason)
{
	__u64 sk;

	if (is_noise(reason) || told_before(skb))
		return 0;
	sk = nt_address(skb->sk);
	if (!sk)
		sk = rx_socket(ctx);
	return on_drop(ctx, skb, (__u64)location, reason, sk, NT_DIRECT);
}

static __always_inline __u64 receiving_socket(const struct sk_buff *skb)
{
	const struct nt_receiving *now = nt_receiver((__u64)skb);

	return now ? now->sk : 0;
}

SEC("tp_btf/kfree_skb")
int BPF_PROG(tcpdrop_read, struct sk_buff *skb, void *location, __u32 reason)
{
	__u64 sk;

	if (is_noise(reason) || told_before(skb))
		return 0;
	sk = (__u64)skb->sk;
	if (!sk)
		sk = receiving_socket(skb);
	return on_drop(ctx, skb, (__u64)location, reason, sk, NT_TYPED);
}

SEC("tp_btf/kfree_skb")
int BPF_PROG(tcpdrop_old, struct sk_buff *skb, void *location)
{
	const struct nt_receiving *now = nt_receiver((__u64)skb);
	__u64 sk = (__u64)skb->sk;

	if (told_before(skb) || is_old_noise(now, skb))
		return 0;
	if (!sk && now)
		sk = now->sk;
	return on_drop(ctx, skb, (__u64)location, 0, sk, NT_TYPED);
}

/*
 * A packet that ends, or acknowledges after the peer has ended: tcp_rcv_state_process() gives it to
 * tcp_drop() when it is done with it.
 */
static __always_inline bool is_teardown(const struct nt_receiving *now, const struct sk_buff *skb,
					__u8 state)
{
	if (nt_params.flags & TCPDROP_ALL)
		return false;
	if (state != now->state)
		return true;
	return (state == TCP_CLOSE_WAIT || state == TCP_LAST_ACK || state == TCP_CLOSING) &&
	       NT_CB(skb, seq) == NT_CB(skb, end_seq);
}

extern const void __kfree_skb __ksym __attribute__((weak));

/* tcp_drop() of these kernels, which has no place of its own. Listeners: see tcpdrop_full. */
SEC("fentry/__kfree_skb")
int BPF_PROG(tcpdrop_freed, struct sk_buff *skb)
{
	struct nt_receiving *now = nt_receiver((__u64)skb);
	const struct sock *sk;
	__u8 state;

	if (!now || now->state == TCP_LISTEN || now->state == TCP_TIME_WAIT)
		return 0;
	sk = (const struct sock *)now->sk;
	if ((__u32)NT_READ(NT_PROBE, sk->sk_drops.counter) == now->drops)
		return 0;
	now->skb = 0;
	state = NT_READ(NT_PROBE, sk->__sk_common.skc_state);
	if (is_teardown(now, skb, state))
		return 0;
	return on_drop(ctx, skb, nt_caller(ctx, &__kfree_skb), 0, now->sk, NT_TYPED);
}

/* tcp_conn_request() frees the packet as one that was used: nobody tells that it was dropped. */
SEC("fentry/tcp_conn_request")
int BPF_PROG(tcpdrop_syn_fentry, void *rsk_ops, void *af_ops, struct sock *sk, struct sk_buff *skb)
{
	return on_syn(ctx, skb, bpf_skc_to_tcp_sock(sk), NT_DIRECT);
}

SEC("fentry/tcp_v4_syn_recv_sock")
int BPF_PROG(tcpdrop_ack4_fentry, const struct sock *sk, struct sk_buff *skb)
{
	return sk->__sk_common.skc_family == AF_INET ? on_ack(ctx, skb, sk, NT_DIRECT) : 0;
}

SEC("fentry/tcp_v6_syn_recv_sock")
int BPF_PROG(tcpdrop_ack6_fentry, const struct sock *sk, struct sk_buff *skb)
{
	return on_ack(ctx, skb, sk, NT_DIRECT);
}

SEC("kprobe/tcp_conn_request")
int BPF_KPROBE(tcpdrop_syn_kprobe, void *rsk_ops, void *af_ops, struct sock *sk,
	       struct sk_buff *skb)
{
	return on_syn(ctx, skb, (const struct tcp_sock *)sk, NT_PROBE);
}

SEC("kprobe/tcp_v4_syn_recv_sock")
int BPF_KPROBE(tcpdrop_ack4_kprobe, const struct sock *sk, struct sk_buff *skb)
{
	if (NT_READ(NT_PROBE, sk->__sk_common.skc_family) != AF_INET)
		return 0;
	return on_ack(ctx, skb, sk, NT_PROBE);
}

SEC("kprobe/tcp_v6_syn_recv_sock")
int BPF_KPROBE(tcpdrop_ack6_kprobe, const struct sock *sk, struct sk_buff *skb)
{
	return on_ack(ctx, skb, sk, NT_PROBE);
}

/*
 * Asked with the listener about what is for a handshake of its, too: a SYN that was sent again is
 * no new one, and an acknowledgement without a handshake ends none.
 */
SEC("cgroup_skb/ingress")
int tcpdrop_ingress(struct __sk_buff *ctx)
{
	const struct tcp_sock *tp = nt_listener(ctx);
	struct nt_packet packet = {};
	const struct sk_buff *skb;
	const struct sock *sk;

	if (!tp)
		return 1;
	sk = &tp->inet_conn.icsk_inet.sk;
	if (full_for_syn(tp, NT_DIRECT) == TCPDROP_COUNTERS && !full_for_ack(sk, NT_DIRECT))
		return 1;
	skb = to_kern_ctx(ctx);
	if (!nt_read_packet(&packet, skb, NT_DIRECT))
		return 1;
	if (packet.flags & TCPHDR_SYN) {
		if (!nt_has_request(ctx, &packet))
			on_syn(NULL, skb, tp, NT_DIRECT);
	} else if (packet.flags & TCPHDR_ACK && !(packet.flags & TCPHDR_RST)) {
		if (nt_has_request(ctx, &packet))
			on_ack(NULL, skb, sk, NT_DIRECT);
	}
	return 1;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
