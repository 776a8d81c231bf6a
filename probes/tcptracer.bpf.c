// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * One event for each connection that is established by connect(), returned by accept(), or closed.
 * The close is that of the last descriptor where tcp_close() can be watched, else the transition
 * that it causes: a FIN or reset of either side, whichever ends ESTABLISHED (CLOSE_WAIT) for us.
 */
#include "kernel.h"
#include "sock.bpf.h"
#include "owner.bpf.h"
#include "syscall.bpf.h"
#include "tcptracer.h"

#define SEND_SHUTDOWN 2 /* include/net/sock.h */

/* What two programs see besides transitions, see nt_is_done(). */
enum { DONE_ACCEPT = 0x40, DONE_CLOSE };

/* Who sees close(). */
enum closes { CLOSE_BY_CALL, CLOSE_BY_STATE };

/* `s`: what is known of the socket, or NULL. */
static __always_inline void send(const struct sock *sk, const struct nt_sock *s, __be16 sport,
				 enum tcptracer_type type, enum nt_way way)
{
	struct tcptracer_event stack, *e = nt_begin(&stack, sizeof(stack));

	if (!e)
		return;
	*e = (struct tcptracer_event){ .head.time = bpf_ktime_get_ns(), .type = type };
	nt_read_flow(&e->head, sk, sport, way);
	if (nt_is_tcp(sk, way))
		nt_read_owner(&e->head, sk, s, way);
	else /* the map does not have MPTCP's own sockets */
		nt_current(&e->head.owner, NT_OWNER_ACCEPT);
	nt_send(e, sizeof(*e));
}

/* A child is born in SYN_RECV; a socket that connects gets there when its peer connects too. */
static __always_inline bool connects(const struct nt_sock *s, int oldstate)
{
	return oldstate == TCP_SYN_SENT || (oldstate == TCP_SYN_RECV && s && s->active);
}

/*
 * close() of a subflow of MPTCP is no call of tcp_close(), nor is connect() to AF_UNSPEC, which is
 * the only one to reach CLOSE from here in a task without an error or a shutdown. Who is in no
 * process's hands was never accepted; subflows are put down before they are closed.
 */
static __always_inline bool is_closed(const struct sock *sk, const struct tcp_sock *tp,
				      int newstate, enum closes closes)
{
	if (bpf_core_field_exists(tp->is_mptcp) && tp->is_mptcp)
		return true;
	if (closes == CLOSE_BY_STATE)
		return sk->sk_socket;
	return newstate == TCP_CLOSE && nt_in_task(sk) && !sk->sk_err &&
	       !(sk->sk_shutdown & SEND_SHUTDOWN);
}

static __always_inline void on_state(struct sock *sk, const struct nt_sock *s, int oldstate,
				     int newstate, enum closes closes)
{
	const struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	bool connect = connects(s, oldstate), open;

	open = oldstate == TCP_ESTABLISHED || oldstate == TCP_CLOSE_WAIT ||
	       (oldstate == TCP_SYN_RECV && !connect && sk->sk_socket);
	if (!tp)
		return;
	if (newstate == TCP_ESTABLISHED ? !connect : !open || !is_closed(sk, tp, newstate, closes))
		return;
	send(sk, s, tp->inet_conn.icsk_inet.inet_sport,
	     newstate == TCP_ESTABLISHED ? TCPTRACER_CONNECT : TCPTRACER_CLOSE, NT_DIRECT);
}

static __always_inline void on_state_only(struct sock *sk, const struct nt_sock *s, int oldstate,
					  int newstate)
{
	on_state(sk, s, oldstate, newstate, CLOSE_BY_STATE);
}

static __always_inline void on_state_too(struct sock *sk, const struct nt_sock *s, int oldstate,
					 int newstate)
{
	on_state(sk, s, oldstate, newstate, CLOSE_BY_CALL);
}

NT_STATE_PROGRAMS(tcptracer_state, nt_wants_state, on_state_too)
NT_STATE_PROGRAMS(tcptracer_ends, nt_wants_state, on_state_only)

/*
 * Of a socket in CLOSE only what it has received tells whether it was ever established:
 * tcp_connect_init() makes rcv_nxt zero, and connect() that fails and says so clears the port.
 */
static __always_inline bool was_open(const struct sock *sk, const struct tcp_sock *tp,
				     enum nt_way way)
{
	const struct nt_sock *s;

	switch (NT_READ(way, sk->__sk_common.skc_state)) {
	case TCP_LISTEN:
	case TCP_SYN_SENT:
		return false;
	case TCP_SYN_RECV:
		s = nt_sock(sk);
		return !s || !s->active;
	case TCP_CLOSE:
		return NT_READ(way, sk->__sk_common.skc_dport) && NT_READ(way, tp->rcv_nxt);
	}
	return true;
}

static __always_inline int on_close(const struct sock *sk, const struct tcp_sock *tp,
				    enum nt_turn turn, enum nt_way way)
{
	if (!was_open(sk, tp, way) || nt_is_done(sk, DONE_CLOSE, turn))
		return 0;
	nt_claim(sk, NT_OWNER_IO);
	send(sk, nt_sock(sk), NT_READ(way, tp->inet_conn.icsk_inet.inet_sport), TCPTRACER_CLOSE,
	     way);
	nt_done(sk, DONE_CLOSE);
	return 0;
}

#define CLOSE_PROGRAM(name, turn)                                                                  \
	SEC("fentry/tcp_close")                                                                    \
	int BPF_PROG(name, struct sock *sk)                                                        \
	{                                                                                          \
		const struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);                               \
		return tp ? on_close(sk, tp, turn, NT_DIRECT) : 0;                                 \
	}
CLOSE_PROGRAM(tcptracer_close_fentry, NT_FIRST)
CLOSE_PROGRAM(tcptracer_close_again, NT_SECOND)

SEC("kprobe/tcp_close")
int BPF_KPROBE(tcptracer_close_kprobe, struct sock *sk)
{
	return on_close(sk, (const struct tcp_sock *)sk, NT_FIRST, NT_PROBE);
}

/* MPTCP's own socket would never leave the map again; its subflow is another socket. */
static __always_inline int on_accept(const struct sock *sk, __be16 sport, enum nt_turn turn,
				     enum nt_way way)
{
	if (!nt_is_tcp(sk, way)) {
		if (turn == NT_FIRST && nt_is_stream(sk, way))
			send(sk, NULL, sport, TCPTRACER_ACCEPT, way);
		return 0;
	}
	if (nt_is_done(sk, DONE_ACCEPT, turn))
		return 0;
	nt_claim(sk, NT_OWNER_ACCEPT);
	send(sk, nt_sock(sk), sport, TCPTRACER_ACCEPT, way);
	nt_done(sk, DONE_ACCEPT);
	return 0;
}

#define ACCEPT_PROGRAM(name, turn)                                                                 \
	SEC("fentry/security_sock_graft")                                                          \
	int BPF_PROG(name, struct sock *sk)                                                        \
	{                                                                                          \
		const struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);                               \
		__be16 num = bpf_htons(sk->__sk_common.skc_num);                                   \
		return on_accept(sk, tp ? tp->inet_conn.icsk_inet.inet_sport : num, turn,          \
				 NT_DIRECT);                                                       \
	}
ACCEPT_PROGRAM(tcptracer_accept_fentry, NT_FIRST)
ACCEPT_PROGRAM(tcptracer_accept_again, NT_SECOND)

static __always_inline int on_probed_accept(const struct sock *sk)
{
	const struct inet_sock *inet = (const void *)sk;

	return on_accept(sk, NT_READ(NT_PROBE, inet->inet_sport), NT_FIRST, NT_PROBE);
}

SEC("kprobe/security_sock_graft")
int BPF_KPROBE(tcptracer_accept_kprobe, struct sock *sk)
{
	return on_probed_accept(sk);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(tcptracer_accept_exit, struct pt_regs *regs, long ret)
{
	long nr = nt_syscall_nr(regs);
	const struct sock *sk;

	if ((nr != NR_ACCEPT && nr != NR_ACCEPT4) || ret < 0 || nt_syscall_is_compat())
		return 0;
	sk = nt_fd_sock(ret);
	return sk ? on_probed_accept(sk) : 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
