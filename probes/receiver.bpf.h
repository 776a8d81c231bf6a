/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which packet TCP is looking at on this CPU, for kernels that do not tell whose it was when they
 * drop it, and for those whose TCP drops packets without telling at all: tcp_drop() before 5.17
 * counts in sk_drops and calls __kfree_skb().
 */
#ifndef NT_RECEIVER_BPF_H
#define NT_RECEIVER_BPF_H

#include "kernel.h"

struct nt_receiving {
	__u64 skb, sk;
	__u64 told; /* a packet that is dropped, which has been told before it is freed */
	__u32 drops; /* sk_drops of the socket when the packet came */
	__u32 state;
};

/*
 * One for packet processing, one for a task that works off its socket's backlog, which packet
 * processing may interrupt.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct nt_receiving);
} nt_receiving SEC(".maps");

static __always_inline int nt_on_receive(const struct sock *sk, const struct sk_buff *skb,
					 __u32 in_task, __u32 state, enum nt_way way)
{
	struct nt_receiving *now = bpf_map_lookup_elem(&nt_receiving, &in_task);

	if (now) {
		now->skb = (__u64)skb;
		now->sk = (__u64)sk;
		now->state = state;
		now->drops = state == TCP_TIME_WAIT ? 0 : NT_READ(way, sk->sk_drops.counter);
	}
	return 0;
}

static __always_inline int nt_on_do_rcv(const struct sock *sk, const struct sk_buff *skb,
					enum nt_way way)
{
	return nt_on_receive(sk, skb, NT_READ(way, sk->sk_lock.owned) != 0,
			     NT_READ(way, sk->__sk_common.skc_state), way);
}

SEC("fentry/tcp_v4_do_rcv")
int BPF_PROG(nt_receive4, struct sock *sk, struct sk_buff *skb)
{
	return nt_on_do_rcv(sk, skb, NT_DIRECT);
}

SEC("fentry/tcp_v6_do_rcv")
int BPF_PROG(nt_receive6, struct sock *sk, struct sk_buff *skb)
{
	return nt_on_do_rcv(sk, skb, NT_DIRECT);
}

SEC("fentry/tcp_timewait_state_process")
int BPF_PROG(nt_receive_timewait, struct inet_timewait_sock *tw, struct sk_buff *skb)
{
	return nt_on_receive((const struct sock *)tw, skb, 0, TCP_TIME_WAIT, NT_DIRECT);
}

SEC("kprobe/tcp_v4_do_rcv")
int BPF_KPROBE(nt_receive4_kprobe, struct sock *sk, struct sk_buff *skb)
{
	return nt_on_do_rcv(sk, skb, NT_PROBE);
}

SEC("kprobe/tcp_v6_do_rcv")
int BPF_KPROBE(nt_receive6_kprobe, struct sock *sk, struct sk_buff *skb)
{
	return nt_on_do_rcv(sk, skb, NT_PROBE);
}

SEC("kprobe/tcp_timewait_state_process")
int BPF_KPROBE(nt_receive_timewait_kprobe, struct inet_timewait_sock *tw, struct sk_buff *skb)
{
	return nt_on_receive((const struct sock *)tw, skb, 0, TCP_TIME_WAIT, NT_PROBE);
}

/*
 * NULL: not known. It may be wrong when the packet's memory is used again: its ports have to be
 * compared.
 */
static __always_inline struct nt_receiving *nt_receiver(__u64 skb)
{
	__u32 packets = 0, task = 1;
	struct nt_receiving *now = bpf_map_lookup_elem(&nt_receiving, &packets);

	if (now && now->skb == skb)
		return now;
	now = bpf_map_lookup_elem(&nt_receiving, &task);
	return now && now->skb == skb ? now : NULL;
}

static __always_inline void nt_tell(__u64 skb)
{
	__u32 zero = 0;
	struct nt_receiving *now = bpf_map_lookup_elem(&nt_receiving, &zero);

	if (now)
		now->told = skb;
}

static __always_inline bool nt_was_told(__u64 skb)
{
	__u32 zero = 0;
	struct nt_receiving *now = bpf_map_lookup_elem(&nt_receiving, &zero);

	if (!now || now->told != skb)
		return false;
	now->told = 0;
	return true;
}

#endif
