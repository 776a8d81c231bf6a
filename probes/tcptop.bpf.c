// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Adds up what each TCP connection moves. */
#include "kernel.h"
#include "tcptop.h"

/* A socket that is gone may leave its address to another one, within one interval. */
struct tcptop_key {
	__u64 sk;
	__u32 flow; /* of TCP the hash of namespace, addresses and ports; of MPTCP the ports */
	__u32 pad;
};

#define NT_SUMS_KIND BPF_MAP_TYPE_HASH
#define NT_SUMS_KEY struct tcptop_key
#define NT_SUMS_ROW struct tcptop_row
#include "sums.bpf.h"
#include "moved.bpf.h"
#include "track.bpf.h"

static __always_inline bool is_mptcp(const struct sock *sk, enum nt_way way)
{
	return NT_READ(way, sk->sk_protocol) == IPPROTO_MPTCP;
}

/* What was received may still be read when CLOSE has cleared skc_num. */
static __always_inline __be16 sport_of(const struct sock *sk, enum nt_way way)
{
	const struct inet_sock *inet = (const void *)sk;
	const struct tcp_sock *tp;

	if (way == NT_PROBE)
		return NT_READ(NT_PROBE, inet->inet_sport);
	tp = bpf_skc_to_tcp_sock((void *)sk);
	return tp ? tp->inet_conn.icsk_inet.inet_sport : bpf_htons(sk->__sk_common.skc_num);
}

/* A socket of MPTCP is not among those remembered: its end is not announced. */
static __always_inline void begin(struct tcptop_row *row, const struct sock *sk, enum nt_way way)
{
	nt_read_flow(&row->head, sk, sport_of(sk, way), way);
	if (is_mptcp(sk, way)) {
		nt_current(&row->head.owner, NT_OWNER_IO);
	} else {
		nt_claim(sk, NT_OWNER_IO);
		nt_read_owner(&row->head, sk, nt_sock(sk), way);
	}
	nt_row_filled(row);
}

static __always_inline void on_moved(const struct sock *sk, __u32 bytes, enum nt_dir dir,
				     enum nt_way way)
{
	struct tcptop_key key = { .sk = nt_address(sk) };
	struct tcptop_row *row;
	bool fresh;

	if (is_mptcp(sk, way))
		key.flow = NT_READ(way, sk->__sk_common.skc_portpair);
	else
		key.flow = NT_READ(way, sk->__sk_common.skc_hash);
	row = nt_row(&key, &fresh);
	if (!row)
		return;
	if (fresh)
		begin(row, sk, way);
	if (!row->head.out)
		__sync_fetch_and_add(dir == NT_SENT ? &row->tx_bytes : &row->rx_bytes, bytes);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
