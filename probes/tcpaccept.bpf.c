// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * One event for each connection that accept() returns, in the acceptor's context.
 *
 * inet_csk_accept() knows the listener and the new socket, but its return is not seen of a call
 * that was already waiting when we attached. security_sock_graft() comes right after it, of every
 * call, and knows the new socket only. So the first sends the row and leaves a mark, and the second
 * sends the rows that have no mark. Should the kernel skip one of the two, the other stands in.
 */
#include "kernel.h"
#include "sock.bpf.h"
#include "syscall.bpf.h"
#include "task.bpf.h"
#include "tcpaccept.h"

/*
 * By thread, which is in one accept() at a time: that its row was sent, or its listener. An accept
 * that fails leaves its entry behind, until the thread's next one or for want of room.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u32);
	__type(value, const struct sock *);
} nt_accepts SEC(".maps");

/* `listener` may be NULL. */
static __always_inline void send(const struct sock *sk, __be16 sport, const struct sock *listener,
				 enum nt_way way)
{
	struct tcpaccept_event e = { .backlog = -1, .backlog_max = -1 };

	e.head.time = bpf_ktime_get_ns();
	nt_read_flow(&e.head, sk, sport, way);
	nt_current(&e.head.owner, NT_OWNER_ACCEPT);
	if (listener) {
		e.backlog = NT_READ(way, listener->sk_ack_backlog);
		e.backlog_max = NT_READ(way, listener->sk_max_ack_backlog);
	}
	nt_emit(&e, sizeof(e));
}

/* Of MPTCP, both are subflows. */
static __always_inline int on_return(struct sock *listener, struct sock *sk)
{
	__u32 thread = bpf_get_current_pid_tgid();
	const struct sock *mark = sk; /* of what a helper has seen the verifier forgets the type */
	const struct tcp_sock *tp;

	if (!sk)
		return 0;
	tp = bpf_skc_to_tcp_sock(sk);
	if (tp && !bpf_map_update_elem(&nt_accepts, &thread, &mark, BPF_ANY))
		send(sk, tp->inet_conn.icsk_inet.inet_sport, listener, NT_DIRECT);
	return 0;
}

struct proto_accept_arg {
	int flags;
};

/* The result is behind the arguments: (sk, flags, err, kern), since 6.10 (sk, arg). */
SEC("fexit/inet_csk_accept")
int tcpaccept_return_fexit(__u64 *ctx)
{
	if (bpf_core_type_exists(struct proto_accept_arg))
		return on_return((struct sock *)ctx[0], (struct sock *)ctx[2]);
	return on_return((struct sock *)ctx[0], (struct sock *)ctx[4]);
}

SEC("fentry/security_sock_graft")
int BPF_PROG(tcpaccept_graft_fentry, struct sock *sk)
{
	__u32 thread = bpf_get_current_pid_tgid();
	const struct tcp_sock *tp;

	if (!nt_is_stream(sk, NT_DIRECT) || !bpf_map_delete_elem(&nt_accepts, &thread))
		return 0;
	tp = bpf_skc_to_tcp_sock(sk);
	send(sk, tp ? tp->inet_conn.icsk_inet.inet_sport : bpf_htons(sk->__sk_common.skc_num), NULL,
	     NT_DIRECT);
	return 0;
}

/* Not at its return: a kretprobe takes an instance for each waiting call, and has few. */
SEC("kprobe/inet_csk_accept")
int BPF_KPROBE(tcpaccept_call_kprobe, const struct sock *listener)
{
	__u32 thread = bpf_get_current_pid_tgid();

	bpf_map_update_elem(&nt_accepts, &thread, &listener, BPF_ANY);
	return 0;
}

static __always_inline void send_by_probe(const struct sock *sk, const struct sock *listener)
{
	sk = nt_subflow(sk);
	send(sk, NT_READ(NT_PROBE, ((const struct inet_sock *)sk)->inet_sport), listener, NT_PROBE);
}

SEC("kprobe/security_sock_graft")
int BPF_KPROBE(tcpaccept_graft_kprobe, const struct sock *sk)
{
	__u32 thread = bpf_get_current_pid_tgid();
	const struct sock **listener;

	if (!nt_is_stream(sk, NT_PROBE))
		return 0;
	listener = bpf_map_lookup_elem(&nt_accepts, &thread);
	send_by_probe(sk, listener ? *listener : NULL);
	if (listener)
		bpf_map_delete_elem(&nt_accepts, &thread);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(tcpaccept_exit_tp, struct pt_regs *regs, long ret)
{
	long nr = nt_syscall_nr(regs);
	const struct sock *sk, *listener;

	if ((nr != NR_ACCEPT && nr != NR_ACCEPT4) || ret < 0 || nt_syscall_is_compat())
		return 0;
	sk = nt_fd_sock(ret);
	if (!sk || !nt_is_stream(sk, NT_PROBE))
		return 0;
	listener = nt_fd_sock(nt_syscall_arg(regs, 0));
	send_by_probe(sk, listener ? nt_subflow(listener) : NULL);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
