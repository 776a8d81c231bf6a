// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * One event for each listen() on a TCP or MPTCP socket, when it returns. Until 6.4 mptcp_listen()
 * calls inet_listen() for its subflow: that one is left out.
 */
#include "kernel.h"
#include "sock.bpf.h"
#include "syscall.bpf.h"
#include "task.bpf.h"
#include "solisten.h"

static __always_inline int send(const struct sock *sk, __u32 backlog, int ret, enum nt_way way)
{
	struct solisten_event e = { .backlog = backlog, .ret = ret };

	if (!nt_is_stream(sk, way))
		return 0;
	e.head.time = bpf_ktime_get_ns();
	nt_read_flow(&e.head, sk, bpf_htons(NT_READ(way, sk->__sk_common.skc_num)), way);
	/* So that filters by either end, and by family, mean the one there is. */
	__builtin_memcpy(e.head.raddr, e.head.laddr, sizeof(e.head.raddr));
	e.head.rport = e.head.lport;
	e.head.ip = nt_ip_of(e.head.laddr);
	e.proto = NT_READ(way, sk->__sk_common.skc_family) == AF_INET ? SOLISTEN_TCP4
								      : SOLISTEN_TCP6;
	if (NT_READ(way, sk->sk_protocol) == IPPROTO_MPTCP)
		e.proto += SOLISTEN_MPTCP4;
	nt_current(&e.head.owner, NT_OWNER_LISTEN);
	nt_emit(&e, sizeof(e));
	return 0;
}

SEC("fexit/inet_listen")
int BPF_PROG(solisten_inet_fexit, struct socket *socket, int backlog, int ret)
{
	const struct tcp_sock *tp = bpf_skc_to_tcp_sock(socket->sk);

	if (!tp || (bpf_core_field_exists(tp->is_mptcp) && tp->is_mptcp))
		return 0;
	return send(socket->sk, backlog, ret, NT_DIRECT);
}

SEC("fexit/mptcp_listen")
int BPF_PROG(solisten_mptcp_fexit, struct socket *socket, int backlog, int ret)
{
	return send(socket->sk, backlog, ret, NT_DIRECT);
}

/* A call that kprobes have seen begin, until it returns. */
struct call {
	const struct sock *sk;
	__u64 backlog;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH); /* a return may go unseen */
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, struct call);
} nt_listens SEC(".maps");

/* The one may be inside of the other. */
enum { INET, MPTCP };

static __always_inline __u64 key_of(int which)
{
	return (bpf_get_current_pid_tgid() & 0xffffffff) << 1 | which;
}

static __always_inline int on_call(const struct socket *socket, int backlog, int which)
{
	struct call call = { .sk = NT_READ(NT_PROBE, socket->sk), .backlog = backlog };
	const struct tcp_sock *tp = (const void *)call.sk;
	__u64 key = key_of(which);

	if (which == INET && bpf_core_field_exists(tp->is_mptcp) &&
	    NT_READ(NT_PROBE, tp->is_mptcp))
		return 0;
	bpf_map_update_elem(&nt_listens, &key, &call, BPF_ANY);
	return 0;
}

static __always_inline int on_return(int ret, int which)
{
	__u64 key = key_of(which);
	const struct call *call = bpf_map_lookup_elem(&nt_listens, &key);

	if (!call)
		return 0;
	send(call->sk, call->backlog, ret, NT_PROBE);
	bpf_map_delete_elem(&nt_listens, &key);
	return 0;
}

SEC("kprobe/inet_listen")
int BPF_KPROBE(solisten_inet_kprobe, const struct socket *socket, int backlog)
{
	return on_call(socket, backlog, INET);
}

SEC("kretprobe/inet_listen")
int BPF_KRETPROBE(solisten_inet_kret, int ret)
{
	return on_return(ret, INET);
}

SEC("kprobe/mptcp_listen")
int BPF_KPROBE(solisten_mptcp_kprobe, const struct socket *socket, int backlog)
{
	return on_call(socket, backlog, MPTCP);
}

SEC("kretprobe/mptcp_listen")
int BPF_KRETPROBE(solisten_mptcp_kret, int ret)
{
	return on_return(ret, MPTCP);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(solisten_exit_tp, struct pt_regs *regs, long ret)
{
	const struct net *net;
	const struct sock *sk;
	__u32 backlog, most;

	if (nt_syscall_nr(regs) != NR_LISTEN || nt_syscall_is_compat())
		return 0;
	sk = nt_fd_sock(nt_syscall_arg(regs, 0));
	if (!sk)
		return 0;
	net = NT_READ(NT_PROBE, sk->__sk_common.skc_net.net);
	most = NT_READ(NT_PROBE, net->core.sysctl_somaxconn);
	backlog = nt_syscall_arg(regs, 1);
	return send(sk, backlog < most ? backlog : most, ret, NT_PROBE);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
