// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* One event for each transition of a TCP socket. */
#include "kernel.h"
#include "sock.bpf.h"
#include "owner.bpf.h"
#include "sockops.bpf.h"
#include "tcpstates.h"

static __always_inline void fill(struct tcpstates_event *e, struct sock *sk,
				 const struct nt_sock *s, int oldstate, int newstate)
{
	const struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	__be16 sport = tp ? tp->inet_conn.icsk_inet.inet_sport : 0;

	nt_fill_flow(&e->head, sk, sport);
	nt_fill_owner(&e->head, sk, s);
	e->skaddr = nt_address(sk);
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

static __always_inline void release_held(struct sock *sk, struct nt_sock *s)
{
	struct tcpstates_event stack, *e;
	struct nt_state *held = &s->state;
	int oldstate = held->held;

	if (!oldstate)
		return;
	held->held = 0;
	e = nt_begin(&stack, sizeof(stack));
	if (!e)
		return;
	*e = (struct tcpstates_event){ .head.time = held->since, .cpu_pid = held->cpu_pid };
	__builtin_memcpy(e->cpu_comm, held->cpu_comm, sizeof(e->cpu_comm));
	fill(e, sk, s, oldstate, held->state);
	nt_send(e, sizeof(*e));
}

static __always_inline void transition(struct sock *sk, const struct nt_sock *s, int oldstate,
				       int newstate, __u64 time, __u64 since)
{
	struct tcpstates_event stack, *e = nt_begin(&stack, sizeof(stack));

	if (!e)
		return;
	*e = (struct tcpstates_event){ .head.time = time };
	if (since)
		e->duration_ns = time - since;
	else if (oldstate != TCP_CLOSE && newstate != TCP_SYN_RECV)
		e->duration_ns = -1; /* it began before us; a new socket, or a child, begins now */
	e->cpu_pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(e->cpu_comm, sizeof(e->cpu_comm));
	fill(e, sk, s, oldstate, newstate);
	nt_send(e, sizeof(*e));
}

/* A subflow of MPTCP may be set to the state it has. */
static __always_inline bool wants(const struct sock *sk, int oldstate, int newstate)
{
	return sk->sk_protocol == IPPROTO_TCP && oldstate != newstate;
}

static __always_inline void hold(struct nt_state *state, int oldstate)
{
	state->held = oldstate;
	state->cpu_pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(state->cpu_comm, sizeof(state->cpu_comm));
}

static __always_inline void on_state(struct sock *sk, struct nt_sock *s, int oldstate,
				     int newstate)
{
	__u64 time = bpf_ktime_get_ns(), since = 0;

	oldstate = NT_FORGET(oldstate, time);
	newstate = NT_FORGET(newstate, time);
	/* A new socket, or a child being born, has no past of its own. */
	if (s && oldstate != TCP_CLOSE && !(oldstate == TCP_LISTEN && newstate == TCP_SYN_RECV)) {
		release_held(sk, s);
		since = s->state.since;
	}
	if (s) {
		s->state.held = 0;
		s->state.state = newstate;
		s->state.since = newstate == TCP_CLOSE ? 0 : time;
	}
	if (s && must_wait(sk, newstate))
		hold(&s->state, oldstate);
	else
		transition(sk, s, oldstate, newstate, time, since);
}

NT_STATE_PROGRAMS(tcpstates_state, wants, on_state)

static __always_inline int on_connect(struct sock *sk)
{
	struct nt_sock *s = nt_sock(sk);

	if (s)
		release_held(sk, s);
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
