/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A dropped TCP packet. */
#ifndef NT_TCPDROP_H
#define NT_TCPDROP_H

#include "abi.h"

/* Of nt_params.flags. */
enum {
	TCPDROP_COUNT = 1 << 0,
	TCPDROP_ALL = 1 << 1,      /* what the kernel gives no reason for, too */
	TCPDROP_NO_STACK = 1 << 2,
};

/* Drops without a reason of the kernel's have the name of its counter (/proc/net/netstat). */
enum tcpdrop_counter {
	TCPDROP_LISTEN_OVERFLOWS,
	TCPDROP_REQ_Q_FULL_DROP,
	TCPDROP_LISTEN_DROPS,
};

/*
 * nt_event.laddr and so on: the end that is here. `reason`: the kernel's enum skb_drop_reason; or
 * NT_NAME_OWN + enum tcpdrop_counter; or, where the kernel has no reasons, the address where the
 * packet was dropped.
 */
struct tcpdrop_event {
	struct nt_event head;
	__u64 reason;
	__u8 saddr[16], daddr[16]; /* of the packet, network order; IPv4 as ::ffff:a.b.c.d */
	__u16 sport, dport;        /* host order; 0: a fragment without them */
	__u32 reason_code;         /* the kernel's number of the reason; 0: it has none */
	__u16 flags;               /* of the TCP header, FIN is bit 0; all ones: a fragment */
	__u8 state;                /* include/net/tcp_states.h; 0: no socket */
	__u8 arrow;                /* always 0: the ">" in the table */
	__u8 pad[4];
	char dev[16];              /* network device; empty: unknown */
	__u64 stack[];             /* NT_STACK_FRAMES kernel addresses, innermost first, zeros
				      behind them; or nothing */
};

#endif
