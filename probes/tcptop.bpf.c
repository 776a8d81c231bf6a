// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Adds up what each TCP connection moves. */
#include "kernel.h"
#include "tcptop.h"

#define NT_SUMS_KIND BPF_MAP_TYPE_HASH
#define NT_SUMS_KEY __u64
#define NT_SUMS_ROW struct tcptop_row
#include "sums.bpf.h"
#include "moved.bpf.h"
#include "track.bpf.h"

/*
 * A socket that is gone may leave its address to another one, within one interval, so the address
 * is not enough: with it goes the hash of namespace, addresses and ports, of MPTCP the ports.
 */
static __always_inline __u64 key_of(const struct sock *sk, enum nt_way way)
{
	__u64 flow;

	if (nt_is_mptcp(sk, way))
		flow = NT_READ(way, sk->__sk_common.skc_portpair);
	else
		flow = NT_READ(way, sk->__sk_common.skc_hash);
	return nt_address(sk) ^ flow << 32;
}

static __always_inline void begin(struct tcptop_row *row, const struct sock *sk, enum nt_way way)
{
	nt_read_flow(&row->head, sk, nt_sport_of(sk, way), way);
	nt_read_mover(&row->head, sk, way);
	nt_row_filled(row);
}

static __always_inline void on_moved(const struct sock *sk, __u32 bytes, enum nt_dir dir,
				     enum nt_way way)
{
	__u64 key = key_of(sk, way);
	struct tcptop_row *row;
	bool fresh;

	row = nt_row(&key, &fresh);
	if (!row)
		return;
	if (fresh)
		begin(row, sk, way);
	if (!row->head.out)
		__sync_fetch_and_add(dir == NT_SENT ? &row->tx_bytes : &row->rx_bytes, bytes);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
