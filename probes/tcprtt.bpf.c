// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Adds up the smoothed round trip time at each segment that an established connection receives. */
#include "kernel.h"
#include "tcprtt.h"

#define NT_SUMS_KIND BPF_MAP_TYPE_PERCPU_HASH
#define NT_SUMS_KEY struct tcprtt_key
#define NT_SUMS_ROW struct tcprtt_row
#include "hist.bpf.h"
#include "sums.bpf.h"
#include "track.bpf.h"

static __always_inline bool wanted(const struct sock *sk, const struct tcp_sock *tp)
{
	struct nt_event e = {};

	nt_fill_flow(&e, sk, tp->inet_conn.icsk_inet.inet_sport);
	if (nt_params.want_owners)
		nt_fill_owner(&e, sk, nt_sock(sk));
	return nt_passes(&e);
}

#define BY_LADDR (nt_params.flags & TCPRTT_LADDR)
#define BY_RADDR (nt_params.flags & TCPRTT_RADDR)

static __always_inline void begin(struct tcprtt_row *row, const struct tcprtt_key *key)
{
	row->by_laddr = !!BY_LADDR;
	row->by_raddr = !!BY_RADDR;
	row->by_none = !BY_LADDR && !BY_RADDR;
	row->in_ms = !!(nt_params.flags & TCPRTT_MS);
	if (BY_LADDR)
		__builtin_memcpy(row->head.laddr, key->addr[0], sizeof(key->addr[0]));
	if (BY_RADDR)
		__builtin_memcpy(row->head.raddr, BY_LADDR ? key->addr[1] : key->addr[0],
				 sizeof(key->addr[0]));
	nt_row_begun(row);
}

/* At the start of tcp_rcv_established(), before the segment changes anything. */
SEC("tp_btf/tcp_probe")
int BPF_PROG(tcprtt_segment, struct sock *sk)
{
	const struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct tcprtt_key key = {};
	struct tcprtt_row *row;
	bool fresh;
	__u32 rtt;

	if (!tp || (NT_IS_FILTERED && !wanted(sk, tp)))
		return 0;
	if (BY_LADDR)
		nt_fill_laddr(key.addr[0], sk);
	if (BY_RADDR)
		nt_fill_raddr(BY_LADDR ? key.addr[1] : key.addr[0], sk);
	row = nt_row(&key, &fresh);
	if (!row)
		return 0;
	if (fresh)
		begin(row, &key);
	rtt = tp->srtt_us >> 3;
	if (nt_params.flags & TCPRTT_MS)
		rtt /= 1000;
	nt_hist_add(&row->rtt, rtt);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
