// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* An event for each retransmitted TCP segment, or a sum of them for each flow. */
#include "kernel.h"
#include "sock.bpf.h"
#include "owner.bpf.h"
#include "track.bpf.h"
#include "skb.bpf.h"
#include "lossprobe.bpf.h"
#include "tcpretrans.h"

#define NT_SUMS_KIND BPF_MAP_TYPE_HASH
#define NT_SUMS_KEY struct tcpretrans_flow
#define NT_SUMS_ROW struct tcpretrans_count
#include "sums.bpf.h"

/*
 * The tracepoint stands in __tcp_retransmit_skb(), which everybody calls; who did shows in the
 * socket. A timeout has set Loss by then (tcp_enter_loss()), and so has a smaller path MTU, which
 * leaves no undo_marker (tcp_simple_retransmit()). Acknowledgements lead to Recovery before
 * anything is sent again; then the timer of a probe may still be set. A probe is planned in Open
 * and CWR only (tcp_schedule_loss_probe()).
 */
static __always_inline __u8 cause_of(const struct tcp_sock *tp, __u8 state, __u8 flags)
{
	const struct inet_connection_sock *icsk = &tp->inet_conn;
	__u32 ca_state = BPF_CORE_READ_BITFIELD(icsk, icsk_ca_state);

	if (flags & TCPHDR_SYN)
		return state == TCP_SYN_SENT ? TCPRETRANS_BY_SYN : TCPRETRANS_BY_SYNACK;
	if (ca_state == TCP_CA_Recovery)
		return TCPRETRANS_BY_FAST;
	if (ca_state == TCP_CA_Loss && (icsk->icsk_retransmits || tp->undo_marker))
		return TCPRETRANS_BY_RTO;
	if (ca_state < TCP_CA_Recovery && icsk->icsk_pending == ICSK_TIME_LOSS_PROBE)
		return TCPRETRANS_BY_TLP;
	return TCPRETRANS_BY_OTHER;
}

static __always_inline __u8 type_of(__u8 cause)
{
	if (cause == TCPRETRANS_BY_SYNACK)
		return TCPRETRANS_SYNACK;
	return cause == TCPRETRANS_BY_TLP ? TCPRETRANS_TLP : TCPRETRANS_RETRANSMIT;
}

/*
 * Two programs of one body, as on transitions (owner.bpf.h): what is received while a task works
 * off its backlog may make another socket retransmit. The mark is a number that grows with each,
 * but by 128 it is the same again: the first does not ask.
 */
static __always_inline bool is_done(const struct sock *sk, const struct tcp_sock *tp,
				    enum nt_turn turn)
{
	__u8 mark = 0x80 | tp->total_retrans; /* no state has this bit */

	if (turn == NT_SECOND && nt_is_done(sk, mark, NT_SECOND))
		return true;
	nt_done(sk, mark);
	return false;
}

static __always_inline void count(const struct nt_event *head, __u32 segs)
{
	struct tcpretrans_flow key = { .netns = head->netns, .lport = head->lport,
				       .rport = head->rport };
	struct tcpretrans_count *row;
	bool fresh = false;

	__builtin_memcpy(key.laddr, head->laddr, sizeof(key.laddr));
	__builtin_memcpy(key.raddr, head->raddr, sizeof(key.raddr));
	row = nt_row(&key, &fresh);
	if (!row)
		return;
	if (fresh) {
		row->sum.head = *head;
		nt_row_filled(row);
	}
	if (segs) /* to add nothing is made an atomic OR, which 5.10 does not have */
		__sync_fetch_and_add(&row->retransmits, segs);
}

/*
 * A filter in each turn of the loop is more than the verifier takes unless it is short: it is asked
 * once where it does not look at what the rows differ in.
 */
static __always_inline void emit(struct tcpretrans_event *e, __u32 segs, __u32 size)
{
	bool passes;
	__u32 i;

	e->type = type_of(e->cause);
	if (nt_params.flags & TCPRETRANS_COUNT) {
		count(&e->head, segs);
		return;
	}
	e->segs = 1;
	passes = nt_params.each_row || nt_filter(e);
	for (i = 1; i < TCPRETRANS_ROWS && i < segs; i++) {
		nt_output(e, sizeof(*e), nt_counted(e, nt_params.each_row ? nt_filter(e) : passes));
		e->seq = (__u32)e->seq + size;
	}
	e->segs = segs - i + 1;
	nt_output(e, sizeof(*e), nt_counted(e, nt_params.each_row ? nt_filter(e) : passes));
}

static __always_inline void fill(struct tcpretrans_event *e, const struct sock *sk, __be16 sport)
{
	e->head.time = bpf_ktime_get_ns();
	nt_fill_flow(&e->head, sk, sport);
	nt_fill_owner(&e->head, sk, nt_sock(sk));
	e->state = sk->__sk_common.skc_state;
}

/* Before 6.18 the tracepoint tells only of what was sent. */
static __always_inline bool was_sent(const void *ctx)
{
	if (!bpf_core_field_exists(struct trace_event_raw_tcp_retransmit_skb, err))
		return true;
	return !(int)((const volatile __u64 *)ctx)[2];
}

static __always_inline int on_retransmit(const void *ctx, const struct sock *sk,
					 const struct sk_buff *skb, enum nt_turn turn)
{
	const struct tcp_sock *tp = bpf_skc_to_tcp_sock((void *)sk);
	struct tcpretrans_event e = {};

	if (!tp || !was_sent(ctx) || is_done(sk, tp, turn))
		return 0;
	fill(&e, sk, tp->inet_conn.icsk_inet.inet_sport);
	e.seq = NT_CB(skb, seq);
	e.cause = cause_of(tp, e.state, NT_CB(skb, tcp_flags));
	emit(&e, NT_CB(skb, tcp_gso_segs), NT_CB(skb, tcp_gso_size));
	return 0;
}

SEC("tp_btf/tcp_retransmit_skb")
int BPF_PROG(tcpretrans_skb, const struct sock *sk, const struct sk_buff *skb)
{
	return on_retransmit(ctx, sk, skb, NT_FIRST);
}

SEC("tp_btf/tcp_retransmit_skb")
int BPF_PROG(tcpretrans_skb_again, const struct sock *sk, const struct sk_buff *skb)
{
	return on_retransmit(ctx, sk, skb, NT_SECOND);
}

/* `sk` is the listener, or with Fast Open the socket itself. */
SEC("tp_btf/tcp_retransmit_synack")
int BPF_PROG(tcpretrans_synack, const struct sock *sk, const struct request_sock *req)
{
	struct tcp_request_sock *treq = bpf_skc_to_tcp_request_sock((void *)req);
	struct tcpretrans_event e = { .cause = TCPRETRANS_BY_SYNACK };

	if (sk->__sk_common.skc_state == TCP_LISTEN)
		sk = (const struct sock *)req; /* of both only the struct sock_common is read */
	fill(&e, sk, bpf_htons(sk->__sk_common.skc_num));
	e.seq = treq ? treq->snt_isn : -1;
	emit(&e, 1, 0);
	return 0;
}

static __always_inline void nt_on_probe(const struct sock *sk, __be16 sport, __u32 seq)
{
	struct tcpretrans_event e = { .seq = seq, .cause = TCPRETRANS_BY_TLP };

	if (nt_params.flags & TCPRETRANS_COUNT)
		return;
	fill(&e, sk, sport);
	emit(&e, 0, 0);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
