/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whose packet TCP is looking at on this CPU, for kernels that do not tell when they drop it. */
#ifndef NT_RECEIVER_BPF_H
#define NT_RECEIVER_BPF_H

#include "kernel.h"

struct nt_receiving {
	__u64 skb, sk;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct nt_receiving);
} nt_receiving SEC(".maps");

static __always_inline int nt_on_receive(const struct sock *sk, const struct sk_buff *skb)
{
	__u32 zero = 0;
	struct nt_receiving *now = bpf_map_lookup_elem(&nt_receiving, &zero);

	if (now) {
		now->skb = (__u64)skb;
		now->sk = (__u64)sk;
	}
	return 0;
}

SEC("fentry/tcp_v4_do_rcv")
int BPF_PROG(nt_receive4, struct sock *sk, struct sk_buff *skb)
{
	return nt_on_receive(sk, skb);
}

SEC("fentry/tcp_v6_do_rcv")
int BPF_PROG(nt_receive6, struct sock *sk, struct sk_buff *skb)
{
	return nt_on_receive(sk, skb);
}

/*
 * NULL: not known. It may be wrong when the packet's memory is used again: its ports have to be
 * compared.
 */
static __always_inline const struct sock *nt_receiver(const struct sk_buff *skb)
{
	__u32 zero = 0;
	struct nt_receiving *now = bpf_map_lookup_elem(&nt_receiving, &zero);

	return now && now->skb == (__u64)skb ? (const struct sock *)now->sk : NULL;
}

#endif
