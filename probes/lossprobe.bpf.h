/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Tail loss probes that send new data: those that retransmit have a tracepoint of their own. */
#ifndef NT_LOSSPROBE_BPF_H
#define NT_LOSSPROBE_BPF_H

#include "sock.bpf.h"

/* Defined by the includer. `seq`: the first sequence number of what was sent. */
static __always_inline void nt_on_probe(const struct sock *sk, __be16 sport, __u32 seq);

/* Being sent on this CPU: packets of the socket are not processed meanwhile. */
struct nt_probing {
	__u64 sk;
	__u32 snd_nxt;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct nt_probing);
} nt_probing SEC(".maps");

SEC("fentry/tcp_send_loss_probe")
int BPF_PROG(nt_probe_fentry, struct sock *sk)
{
	const struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	__u32 zero = 0;
	struct nt_probing *now = bpf_map_lookup_elem(&nt_probing, &zero);

	if (now && tp) {
		now->sk = (__u64)sk;
		now->snd_nxt = tp->snd_nxt;
	}
	return 0;
}

/* Only new data moves snd_nxt. */
SEC("fexit/tcp_send_loss_probe")
int BPF_PROG(nt_probe_fexit, struct sock *sk)
{
	const struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	__u32 zero = 0;
	struct nt_probing *now = bpf_map_lookup_elem(&nt_probing, &zero);

	if (now && tp && now->sk == (__u64)sk && now->snd_nxt != tp->snd_nxt)
		nt_on_probe(sk, tp->inet_conn.icsk_inet.inet_sport, now->snd_nxt);
	return 0;
}

static __always_inline bool nt_timer_is_set(const struct tcp_sock *tp)
{
	const struct sock *sk = &tp->inet_conn.icsk_inet.sk;

	if (bpf_core_field_exists(sk->tcp_retransmit_timer))
		return BPF_CORE_READ(sk, tcp_retransmit_timer.entry.pprev);
	return BPF_CORE_READ(tp, inet_conn.icsk_retransmit_timer.entry.pprev);
}

/*
 * From the packet, where the function cannot be watched: the timer was set for a probe and has
 * fired, no process has the socket, and what leaves is what comes next. The verifier takes this
 * pointer for a struct sock and no more, so the rest is read by a helper.
 */
SEC("tp_btf/net_dev_queue")
int BPF_PROG(nt_probe_tp, struct sk_buff *skb)
{
	const struct sock *sk = skb->sk;
	const struct tcp_sock *tp = (const void *)sk;
	__be32 seq = 0;

	if (!sk || !nt_is_tcp(sk, NT_DIRECT) || sk->__sk_common.skc_state == TCP_TIME_WAIT ||
	    sk->__sk_common.skc_state == TCP_NEW_SYN_RECV || sk->sk_lock.owned ||
	    BPF_CORE_READ(tp, inet_conn.icsk_pending) != ICSK_TIME_LOSS_PROBE ||
	    nt_timer_is_set(tp))
		return 0;
	bpf_probe_read_kernel(&seq, sizeof(seq), skb->head + skb->transport_header + 4);
	if (bpf_ntohl(seq) == BPF_CORE_READ(tp, snd_nxt))
		nt_on_probe(sk, BPF_CORE_READ(tp, inet_conn.icsk_inet.inet_sport), bpf_ntohl(seq));
	return 0;
}

#endif
