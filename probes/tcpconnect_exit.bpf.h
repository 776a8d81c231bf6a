/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Variants of tcpconnect for kernels that allow neither fexit nor kprobes: the end of the system
 * call tells of failures. An error may be the one of an earlier call whose SYN is out, so these
 * sockets are remembered until that attempt has ended.
 */
#ifndef NT_TCPCONNECT_EXIT_BPF_H
#define NT_TCPCONNECT_EXIT_BPF_H

#include "sockops.bpf.h"
#include "syscall.bpf.h"
#include "tcpconnect.bpf.h"

struct attempt {
	__u64 time;            /* of a row held back */
	struct nt_owner owner; /* of it */
	__u64 told;            /* the row is out */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1); /* the session sets the size */
	__type(key, __u64);
	__type(value, struct attempt);
} nt_sock_tool SEC(".maps");

static __always_inline void remember(const struct sock *sk, const struct attempt *attempt)
{
	__u64 key = (__u64)sk;

	if (bpf_map_update_elem(&nt_sock_tool, &key, attempt, BPF_ANY))
		nt_lost_map();
}

SEC("sockops")
int tcpconnect_sockops(struct bpf_sock_ops *ops)
{
	const struct attempt attempt = { .told = 1 };
	const struct sock *sk = nt_connecting(ops);

	if (sk) {
		on_syn(sk, NT_DIRECT);
		remember(sk, &attempt);
	}
	return 1;
}

/* The row waits for the port: nothing else tells that the SYN is out. */
static __always_inline int on_news(const struct sock *sk)
{
	__u64 key = (__u64)sk;
	struct attempt *attempt = bpf_map_lookup_elem(&nt_sock_tool, &key);
	const struct tcp_sock *tp = bpf_skc_to_tcp_sock((void *)sk);
	struct tcpconnect_event e = {};

	if (!attempt || attempt->told || !tp)
		return 0;
	if (!tp->inet_conn.icsk_inet.inet_sport) { /* there was none left */
		bpf_map_delete_elem(&nt_sock_tool, &key);
		return 0;
	}
	e.head.time = attempt->time;
	e.head.owner = attempt->owner;
	attempt->told = 1;
	nt_fill_flow(&e.head, sk, tp->inet_conn.icsk_inet.inet_sport);
	tell(&e);
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(tcpconnect_state_tp, struct sock *sk, int oldstate, int newstate)
{
	struct attempt attempt = {};

	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	if (oldstate == TCP_SYN_SENT)
		return on_news(sk);
	if (newstate != TCP_SYN_SENT)
		return 0;
	attempt.time = bpf_ktime_get_ns();
	nt_current(&attempt.owner, NT_OWNER_CONNECT);
	remember(sk, &attempt);
	return 0;
}

SEC("tp_btf/tcp_retransmit_skb")
int BPF_PROG(tcpconnect_retransmit_tp, struct sock *sk)
{
	return sk->__sk_common.skc_state == TCP_SYN_SENT ? on_news(sk) : 0;
}

SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(tcpconnect_destroy_tp, struct sock *sk)
{
	__u64 key = (__u64)sk;

	bpf_map_delete_elem(&nt_sock_tool, &key);
	return 0;
}

/* More than the errors that have names: the call will be repeated. */
static __always_inline bool goes_on(long ret)
{
	return ret == -EINPROGRESS || ret == -EALREADY || ret == -EINTR || ret < -MAX_ERROR;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(tcpconnect_exit_tp, struct pt_regs *regs, long ret)
{
	struct nt_sockaddr peer = {};
	const struct sock *sk;
	__u64 key;

	if (nt_syscall_nr(regs) != NR_CONNECT || nt_syscall_is_compat())
		return 0;
	sk = nt_fd_sock(nt_syscall_arg(regs, 0));
	if (!sk || goes_on(ret) || !nt_is_stream(sk, NT_PROBE))
		return 0;
	key = (__u64)nt_subflow(sk);
	if (!bpf_map_delete_elem(&nt_sock_tool, &key) || !ret || ret == -EISCONN)
		return 0;
	nt_read_user_sockaddr(&peer, (const void *)nt_syscall_arg(regs, 1),
			      nt_syscall_arg(regs, 2));
	return on_failure(sk, &peer, ret, NT_PROBE);
}

#endif
