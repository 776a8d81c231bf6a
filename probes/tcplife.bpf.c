// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* One event at the end of each TCP session. */
#include "kernel.h"
#include "sock.bpf.h"
#include "owner.bpf.h"
#include "tcplife.h"

static __always_inline bool fin_sent(int oldstate)
{
	return oldstate == TCP_FIN_WAIT1 || oldstate == TCP_FIN_WAIT2 || oldstate == TCP_CLOSING ||
	       oldstate == TCP_LAST_ACK;
}

/*
 * bytes_acked counts sequence space: our SYN if we called connect() (tcp_snd_una_update(); a child
 * starts behind it, tcp_create_openreq_child()) and our FIN. Of a session older than us nobody
 * remembers who connected: then what was sent and is not in flight tells.
 */
static __always_inline __u64 tx_payload(const struct tcp_sock *tp, const struct nt_sock *s,
					int oldstate)
{
	__u32 una = tp->snd_una, nxt = tp->snd_nxt;
	bool all_acked = una == tp->write_seq;
	__u64 acked = tp->bytes_acked, flight = nxt - una;
	bool fin = fin_sent(oldstate);

	if (fin && all_acked && acked)
		acked--;
	if (s && s->birth)
		return acked && s->active ? acked - 1 : acked;
	if (fin && !all_acked && nxt == tp->write_seq)
		flight--;
	return acked && acked > tp->bytes_sent - tp->bytes_retrans - flight ? acked - 1 : acked;
}

/* A FIN received in order is counted too (tcp_rcv_nxt_update()); tcp_fin() then sets SOCK_DONE. */
static __always_inline __u64 rx_payload(const struct tcp_sock *tp, const struct sock *sk)
{
	const __u64 sock_done = 1 << 1; /* enum sock_flags, include/net/sock.h */
	__u64 received = tp->bytes_received;

	return received && sk->__sk_common.skc_flags & sock_done ? received - 1 : received;
}

static __always_inline enum tcplife_end how_ended(const struct sock *sk, int oldstate, __u16 lport)
{
	switch (sk->sk_err) {
	case ECONNREFUSED:
		return oldstate == TCP_SYN_SENT ? TCPLIFE_REFUSED : TCPLIFE_RESET_RECEIVED;
	case ECONNRESET:
	case EPIPE:
		return TCPLIFE_RESET_RECEIVED;
	case ETIMEDOUT:
		return TCPLIFE_TIMEOUT;
	case EHOSTUNREACH:
		return oldstate == TCP_SYN_SENT ? TCPLIFE_UNKNOWN : TCPLIFE_TIMEOUT;
	}
	if (oldstate == TCP_LAST_ACK)
		return TCPLIFE_REMOTE_CLOSE;
	if (fin_sent(oldstate))
		return TCPLIFE_LOCAL_CLOSE;
	if (!lport)
		return TCPLIFE_UNKNOWN; /* connect() found no free port */
	return oldstate == TCP_SYN_SENT ? TCPLIFE_LOCAL_CLOSE : TCPLIFE_RESET_SENT;
}

static __always_inline void session_end(struct sock *sk, int oldstate)
{
	const struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct nt_sock *s = nt_sock(sk);
	struct tcplife_event e = {};

	/* A child that died before its handshake was complete was never a session. */
	if (!tp || oldstate == TCP_LISTEN || (oldstate == TCP_SYN_RECV && (!s || !s->birth)))
		return;
	e.head.time = bpf_ktime_get_ns();
	nt_fill_flow(&e.head, sk, tp->inet_conn.icsk_inet.inet_sport);
	nt_fill_owner(&e.head, sk, s);
	e.partial = !s || !s->birth;
	e.duration_ns = e.head.time - (e.partial ? nt_params.start : s->birth);
	e.tx_bytes = tx_payload(tp, s, oldstate);
	e.rx_bytes = rx_payload(tp, sk);
	e.retrans = tp->total_retrans;
	e.srtt_us = tp->srtt_us >> 3;
	e.end = how_ended(sk, oldstate, e.head.lport);
	nt_emit(&e, sizeof(e));
}

static __always_inline int on_state(struct sock *sk, int oldstate, int newstate, enum nt_turn turn)
{
	if (sk->sk_protocol != IPPROTO_TCP || newstate == TCP_SYN_RECV ||
	    newstate == TCP_CLOSE_WAIT || newstate == TCP_FIN_WAIT2 || newstate == TCP_CLOSING)
		return 0;
	if (nt_is_done(sk, newstate, turn))
		return 0;
	nt_on_state(sk, oldstate, newstate);
	if (newstate == TCP_CLOSE)
		session_end(sk, oldstate);
	nt_done(sk, newstate);
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(tcplife_state, struct sock *sk, int oldstate, int newstate)
{
	return on_state(sk, oldstate, newstate, NT_FIRST);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(tcplife_state_again, struct sock *sk, int oldstate, int newstate)
{
	return on_state(sk, oldstate, newstate, NT_SECOND);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
