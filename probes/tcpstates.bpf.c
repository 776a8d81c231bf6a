// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* One event for each transition of a TCP socket. */
#include "kernel.h"
#include "sock.bpf.h"
#include "owner.bpf.h"
#include "sockops.bpf.h"
#include "tcpstates.h"

struct seen {
	__u64 since;    /* ns, CLOCK_MONOTONIC: when the present state began */
	__u32 cpu_pid;  /* of a row held back */
	__u16 held;     /* the old state of a row held back, 0: none is */
	__u16 state;    /* the present state */
	char cpu_comm[NT_COMM_LEN];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* the session sets the size */
	__type(key, __u64);
	__type(value, struct seen);
} nt_sock_tool SEC(".maps");

static __always_inline void fill(struct tcpstates_event *e, struct sock *sk, int oldstate,
				 int newstate)
{
	const struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	__be16 sport = tp ? tp->inet_conn.icsk_inet.inet_sport : 0;

	nt_fill_flow(&e->head, sk, NT_FORGET(sport, e->head.time));
	nt_fill_owner(&e->head, sk, nt_sock(sk));
	e->skaddr = (__u64)sk;
	e->old_state = oldstate;
	e->new_state = newstate;
}

/*
 * Two transitions are announced before the ports are there, and their rows wait for them: SYN_SENT
 * (tcp_v4_connect() calls tcp_set_state(), then inet_hash_connect()) for tcp_connect() or else for
 * the next transition; SYN_RECV of a child, where inet_csk_clone_lock() has not set the peer yet
 * (kernels before 6.18), for the next transition.
 */
static __always_inline bool must_wait(const struct sock *sk, int newstate)
{
	return newstate == TCP_SYN_SENT || (newstate == TCP_SYN_RECV && !sk->__sk_common.skc_dport);
}

static __always_inline void release_held(struct sock *sk, struct seen *seen)
{
	struct tcpstates_event e = {};

	if (!seen->held)
		return;
	e.head.time = seen->since;
	e.cpu_pid = seen->cpu_pid;
	__builtin_memcpy(e.cpu_comm, seen->cpu_comm, sizeof(e.cpu_comm));
	fill(&e, sk, seen->held, seen->state);
	seen->held = 0;
	nt_emit(&e, sizeof(e));
}

static __always_inline void remember(__u64 key, const struct seen *now)
{
	struct nt_counters *count;

	if (bpf_map_update_elem(&nt_sock_tool, &key, now, BPF_ANY)) {
		count = nt_count();
		NT_COUNT(count, seen);
		NT_COUNT(count, lost_map);
	}
}

static __always_inline void transition(struct sock *sk, struct seen *seen, int oldstate,
				       int newstate, __u64 time)
{
	struct tcpstates_event e = { .head.time = time };

	if (seen && seen->since)
		e.duration_ns = time - seen->since;
	else if (oldstate != TCP_CLOSE && newstate != TCP_SYN_RECV)
		e.duration_ns = -1; /* it began before us; a new socket, or a child, begins now */
	e.cpu_pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(e.cpu_comm, sizeof(e.cpu_comm));
	fill(&e, sk, oldstate, newstate);
	nt_emit(&e, sizeof(e));
}

/* A subflow of MPTCP may be set to the state it has. */
static __always_inline bool wants(const struct sock *sk, int oldstate, int newstate)
{
	return sk->sk_protocol == IPPROTO_TCP && oldstate != newstate;
}

static __always_inline void on_state(struct sock *sk, int oldstate, int newstate)
{
	struct seen now = { .since = bpf_ktime_get_ns() };
	struct seen *seen = NULL;
	__u64 key = (__u64)sk;

	oldstate = NT_FORGET(oldstate, now.since);
	newstate = NT_FORGET(newstate, now.since);
	now.state = newstate;
	if (must_wait(sk, newstate)) {
		now.held = oldstate;
		now.cpu_pid = bpf_get_current_pid_tgid() >> 32;
		bpf_get_current_comm(now.cpu_comm, sizeof(now.cpu_comm));
		remember(key, &now);
		return;
	}
	/* A new socket, or a child being born, has no past of its own. */
	if (oldstate != TCP_CLOSE && !(oldstate == TCP_LISTEN && newstate == TCP_SYN_RECV))
		seen = bpf_map_lookup_elem(&nt_sock_tool, &key);
	if (seen)
		release_held(sk, seen);
	transition(sk, seen, oldstate, newstate, now.since);
	if (newstate == TCP_CLOSE)
		bpf_map_delete_elem(&nt_sock_tool, &key);
	else if (seen)
		*seen = now; /* under the socket's lock; an update costs several times as much */
	else
		remember(key, &now);
}

NT_STATE_PROGRAMS(tcpstates_state, wants, on_state)

static __always_inline int on_connect(struct sock *sk)
{
	__u64 key = (__u64)sk;
	struct seen *seen = bpf_map_lookup_elem(&nt_sock_tool, &key);

	if (seen)
		release_held(sk, seen);
	return 0;
}

/* Of a connect that is not answered, where tcp_connect() cannot be watched. */
SEC("tp_btf/tcp_retransmit_skb")
int BPF_PROG(tcpstates_retransmit_tp, struct sock *sk)
{
	if (sk->__sk_common.skc_state == TCP_SYN_SENT)
		return on_connect(sk);
	return 0;
}

SEC("fentry/tcp_connect")
int BPF_PROG(tcpstates_connect_fentry, struct sock *sk)
{
	return on_connect(sk);
}

SEC("sockops")
int tcpstates_connect_sockops(struct bpf_sock_ops *ops)
{
	struct sock *sk = nt_connecting(ops);

	if (sk)
		on_connect(sk);
	return 1;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
