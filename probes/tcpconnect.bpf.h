/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the hooks of tcpconnect have in common: a connect() becomes an event, or one of a sum. */
#ifndef NT_TCPCONNECT_BPF_H
#define NT_TCPCONNECT_BPF_H

#include "kernel.h"
#include "sock.bpf.h"
#include "sockaddr.bpf.h"
#include "task.bpf.h"
#include "tcpconnect.h"

#define NT_SUMS_KIND BPF_MAP_TYPE_HASH
#define NT_SUMS_KEY struct tcpconnect_flow
#define NT_SUMS_ROW struct tcpconnect_count
#include "sums.bpf.h"

/* The filter is about the process too, which the row of a flow is not. */
static __always_inline void count(const struct tcpconnect_event *e)
{
	struct tcpconnect_flow flow = { .rport = e->head.rport };
	struct tcpconnect_count *row;
	bool fresh;

	if (!nt_passes(&e->head))
		return;
	if (nt_params.flags & TCPCONNECT_LPORT)
		flow.lport = e->head.lport;
	__builtin_memcpy(flow.laddr, e->head.laddr, sizeof(flow.laddr));
	__builtin_memcpy(flow.raddr, e->head.raddr, sizeof(flow.raddr));
	row = nt_row(&flow, &fresh);
	if (!row)
		return;
	if (fresh) {
		__builtin_memcpy(row->head.laddr, flow.laddr, sizeof(flow.laddr));
		__builtin_memcpy(row->head.raddr, flow.raddr, sizeof(flow.raddr));
		row->head.lport = flow.lport;
		row->head.rport = flow.rport;
		row->head.ip = e->head.ip;
		nt_row_begun(row);
	}
	__sync_fetch_and_add(&row->connects, 1);
}

static __always_inline void tell(struct tcpconnect_event *e)
{
	if (nt_params.flags & TCPCONNECT_COUNT)
		count(e);
	else
		nt_emit(e, sizeof(*e));
}

static __always_inline void fill(struct tcpconnect_event *e, const struct sock *sk, enum nt_way way)
{
	e->head.time = bpf_ktime_get_ns();
	nt_read_flow(&e->head, sk, bpf_htons(NT_READ(way, sk->__sk_common.skc_num)), way);
	nt_current(&e->head.owner, NT_OWNER_CONNECT);
}

static __always_inline int on_syn(const struct sock *sk, enum nt_way way)
{
	struct tcpconnect_event e = {};

	fill(&e, sk, way);
	tell(&e);
	return 0;
}

static __always_inline int on_failure(const struct sock *sk, const struct nt_sockaddr *peer,
				      int ret, enum nt_way way)
{
	struct tcpconnect_event e = { .error = -ret };
	__u32 *laddr = (__u32 *)e.head.laddr;

	fill(&e, sk, way);
	if (!nt_put_peer(&e.head, peer))
		return 0;
	if (!laddr[0] && !laddr[1] && laddr[2] == NT_MAPPED_PREFIX && !laddr[3])
		laddr[2] = 0; /* 0.0.0.0 is no address */
	tell(&e);
	return 0;
}

#endif
