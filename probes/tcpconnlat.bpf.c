// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* One event for each connect() that ends, well or not. */
#include "kernel.h"
#include "sock.bpf.h"
#include "owner.bpf.h"
#include "tcpconnlat.h"

/*
 * Until 6.11 (853c3bd7b791) the caller may take the error between sk_error_report() and CLOSE. When
 * it is the timer's doing no timer is set any more; ICMP leaves that of the SYN.
 */
static __always_inline enum tcpconnlat_result result_taken(const struct tcp_sock *tp)
{
	const struct inet_connection_sock *icsk = &tp->inet_conn;

	if (bpf_core_field_exists(icsk->icsk_pending) && !icsk->icsk_pending)
		return TCPCONNLAT_TIMEOUT;
	return TCPCONNLAT_UNREACHABLE;
}

/*
 * tcp_reset(), tcp_v4_err() and tcp_write_err() set sk_err before they announce CLOSE. A close(),
 * and a connect() that found no port, leave it zero; tcp_abort() leaves ECONNABORTED. All other
 * errors stand for what ICMP says (icmp_err_convert[], icmpv6_err_convert()), be it at once or,
 * kept in sk_err_soft meanwhile, when the SYNs have come to an end.
 */
static __always_inline enum tcpconnlat_result
result_of(const struct sock *sk, const struct tcp_sock *tp, int newstate)
{
	if (newstate == TCP_ESTABLISHED)
		return TCPCONNLAT_ESTABLISHED;
	switch (sk->sk_err) {
	case 0:
		return nt_in_task(sk) ? TCPCONNLAT_ABORTED : result_taken(tp);
	case ECONNABORTED:
		return TCPCONNLAT_ABORTED;
	case ECONNREFUSED:
		return TCPCONNLAT_REFUSED;
	case ECONNRESET:
	case EPIPE:
		return TCPCONNLAT_RESET;
	case ETIMEDOUT:
		return TCPCONNLAT_TIMEOUT;
	}
	return TCPCONNLAT_UNREACHABLE;
}

static __always_inline void connect_end(struct sock *sk, const struct nt_sock *s, int newstate)
{
	const struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct tcpconnlat_event stack, *e = tp ? nt_begin(&stack, sizeof(stack)) : NULL;

	if (!e)
		return;
	*e = (struct tcpconnlat_event){ .head.time = bpf_ktime_get_ns() };
	e->latency_ns = s && s->syn_sent ? e->head.time - s->syn_sent : -1;
	e->result = result_of(sk, tp, newstate);
	nt_fill_flow(&e->head, sk, tp->inet_conn.icsk_inet.inet_sport);
	nt_fill_owner(&e->head, sk, s);
	nt_send(e, sizeof(*e));
}

/*
 * Only connects, unless all owners are wanted. Both ends may connect at once: SYN_SENT, SYN_RECV,
 * ESTABLISHED. A child begins in SYN_RECV and has no sk_socket before accept().
 */
static __always_inline bool wants(const struct sock *sk, int oldstate, int newstate)
{
	if (nt_tells_nothing(oldstate, newstate) || sk->sk_protocol != IPPROTO_TCP)
		return false;
	return newstate == TCP_SYN_SENT || oldstate == TCP_SYN_SENT ||
	       nt_params.keep_owners == NT_KEEP_ALL || (oldstate == TCP_SYN_RECV && sk->sk_socket);
}

static __always_inline void on_state(struct sock *sk, const struct nt_sock *s, int oldstate,
				     int newstate)
{
	if (oldstate == TCP_SYN_SENT || (oldstate == TCP_SYN_RECV && s && s->active))
		connect_end(sk, s, newstate);
}

NT_STATE_PROGRAMS(tcpconnlat_state, wants, on_state)

char LICENSE[] SEC("license") = "Dual BSD/GPL";
