/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A connect() when its SYN goes out, for kernels that allow neither fentry nor kprobes: the
 * callback of tcp_connect() for programs at the root of the cgroup v2 hierarchy. The caller is the
 * current task and the local port is known.
 *
 *	SEC("sockops")
 *	int name(struct bpf_sock_ops *ops)
 *
 * is called for other reasons too, must return 1 and leave the context alone: what it writes there
 * would be an answer.
 */
#ifndef NT_SOCKOPS_BPF_H
#define NT_SOCKOPS_BPF_H

#include "kernel.h"

#define BPF_SOCK_OPS_TCP_CONNECT_CB 3

/* include/uapi/linux/bpf.h */
struct bpf_sock_ops {
	__u32 op;
	__u32 between[45];
	struct bpf_sock *sk;
};

/* The socket that connects, or NULL: the reason is another one. */
static __always_inline struct sock *nt_connecting(struct bpf_sock_ops *ops)
{
	struct bpf_sock *sk;

	if (ops->op != BPF_SOCK_OPS_TCP_CONNECT_CB)
		return NULL;
	sk = ops->sk;
	return sk ? (struct sock *)bpf_skc_to_tcp_sock(sk) : NULL;
}

#endif
