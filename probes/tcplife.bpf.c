// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* One event at the end of each TCP session. */
#include "kernel.h"
#include "sock.bpf.h"
#include "owner.bpf.h"
#include "tcplife.h"

enum syn {
	SYN_NONE,    /* it was accepted: nt_sock.active */
	SYN_COUNTED, /* it called connect() */
	SYN_UNKNOWN, /* older than us */
};

static __always_inline bool fin_sent(int oldstate)
{
	const __u32 states = 1 << TCP_FIN_WAIT1 | 1 << TCP_FIN_WAIT2 | 1 << TCP_CLOSING |
			     1 << TCP_LAST_ACK;

	return states >> (oldstate & 31) & 1;
}

/*
 * bytes_acked counts sequence space: our SYN if we called connect() (tcp_snd_una_update(); a child
 * starts behind it, tcp_create_openreq_child()) and our FIN, when nothing is left to send. Of a
 * session older than us nobody remembers who connected: then what was sent (`sent`, without
 * retransmits) and is not in flight tells.
 */
NT_GLOBAL __u64 tcplife_tx(__u64 acked, __u64 sent, __u32 flight, __u32 fin, enum syn syn)
{
	if (fin && !flight && acked)
		acked--;
	if (fin && flight)
		flight--;
	if (syn == SYN_UNKNOWN)
		return acked && acked > sent - flight ? acked - 1 : acked;
	return acked && syn == SYN_COUNTED ? acked - 1 : acked;
}

static __always_inline __u64 tx_payload(const struct tcp_sock *tp, int oldstate, enum syn syn)
{
	bool fin = fin_sent(oldstate) && tp->snd_nxt == tp->write_seq;

	return tcplife_tx(tp->bytes_acked, tp->bytes_sent - tp->bytes_retrans,
			  tp->snd_nxt - tp->snd_una, fin, syn);
}

/* A FIN received in order is counted too (tcp_rcv_nxt_update()); tcp_fin() then sets SOCK_DONE. */
static __always_inline __u64 rx_payload(const struct tcp_sock *tp, const struct sock *sk)
{
	const int sock_done = 1; /* enum sock_flags, include/net/sock.h */
	__u64 received = tp->bytes_received;

	return received ? received - (sk->__sk_common.skc_flags >> sock_done & 1) : 0;
}

NT_GLOBAL enum tcplife_end tcplife_how_ended(int err, int oldstate, __u16 lport)
{
	switch (err) {
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

static __always_inline void session_end(struct sock *sk, const struct nt_sock *s, int oldstate)
{
	const struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct tcplife_event e = { .head.time = bpf_ktime_get_ns() };
	__u64 birth = 0;
	__u32 active = 0;

	/* First, and all at once: behind it the verifier need not tell the two paths apart. */
	if (nt_likely(s)) {
		birth = s->birth;
		active = s->active;
		e.head.owner = s->owner;
	}
	birth = NT_FORGET(birth, e.head.time);
	active = NT_FORGET(active, e.head.time);
	/* A child that died before its handshake was complete was never a session. */
	if (!tp || NT_FORGET(oldstate, e.head.time) == TCP_LISTEN ||
	    (NT_FORGET(oldstate, e.head.time) == TCP_SYN_RECV && !birth))
		return;
	nt_fill_flow(&e.head, sk, tp->inet_conn.icsk_inet.inet_sport);
	if (!e.head.owner.how)
		nt_fill_owner(&e.head, sk, NULL);
	e.partial = !birth;
	e.duration_ns = e.head.time - (birth ? birth : nt_params.start);
	e.tx_bytes = tx_payload(tp, oldstate, birth ? active : SYN_UNKNOWN);
	e.rx_bytes = rx_payload(tp, sk);
	e.retrans = tp->total_retrans;
	e.srtt_us = tp->srtt_us >> 3;
	e.end = tcplife_how_ended(sk->sk_err, oldstate, e.head.lport);
	nt_emit(&e, sizeof(e));
}

static __always_inline void on_state(struct sock *sk, const struct nt_sock *s, int oldstate,
				     int newstate)
{
	if (newstate == TCP_CLOSE)
		session_end(sk, s, oldstate);
}

NT_STATE_PROGRAMS(tcplife_state, nt_wants_state, on_state)

char LICENSE[] SEC("license") = "Dual BSD/GPL";
