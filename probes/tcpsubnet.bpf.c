// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Adds up what connections with the listed networks move. */
#include "kernel.h"
#include "tcpsubnet.h"

#define NT_SUMS_KIND BPF_MAP_TYPE_PERCPU_ARRAY
#define NT_SUMS_KEY __u32
#define NT_SUMS_ROW struct tcpsubnet_row
#include "sums.bpf.h"
#include "moved.bpf.h"
#include "nets.bpf.h"
#include "track.bpf.h"

static __always_inline bool wanted(const struct sock *sk, enum nt_way way)
{
	struct nt_event e = {};

	nt_read_flow(&e, sk, nt_sport_of(sk, way), way);
	if (nt_params.want_owners)
		nt_read_mover(&e, sk, way);
	return nt_passes(&e);
}

static __always_inline void begin(struct tcpsubnet_row *row, const struct sock *sk,
				  enum nt_way way)
{
	const struct nt_net *net = nt_find_net(sk, way);

	if (net)
		__builtin_memcpy(row->subnet, net->text, sizeof(row->subnet));
	nt_row_begun(row);
}

static __always_inline void on_moved(const struct sock *sk, __u32 bytes, enum nt_dir dir,
				     enum nt_way way)
{
	__u32 net = nt_net_of_peer(sk, way);
	struct tcpsubnet_row *row;
	bool fresh;

	if (net == NT_NO_NET || (NT_IS_FILTERED && !wanted(sk, way)))
		return;
	row = nt_row(&net, &fresh);
	if (!row)
		return;
	/* It is fresh; the head is another line of memory than the sums. */
	if (!row->tx_bytes && !row->rx_bytes)
		begin(row, sk, way);
	__sync_fetch_and_add(dir == NT_SENT ? &row->tx_bytes : &row->rx_bytes, bytes);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
