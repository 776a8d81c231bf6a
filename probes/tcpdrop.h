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
	TCPDROP_NETNS_ID = 1 << 3,
	TCPDROP_PID_NETNS = 1 << 4,
};

/* What the kernel counts (/proc/net/netstat) but has no reason for: NT_NAME_OWN + one of these. */
enum tcpdrop_counter {
	TCPDROP_LISTEN_OVERFLOWS,
	TCPDROP_REQ_Q_FULL_DROP,
	TCPDROP_COUNTERS,
};

/*
 * nt_event.laddr and so on: the end that is here. `reason` is the kernel's enum skb_drop_reason; or
 * NT_NAME_OWN + enum tcpdrop_counter; or, where the kernel has no reasons, the address where the
 * packet was dropped.
 */
struct tcpdrop_event {
	struct nt_event head;
	__u64 reason;
	__u64 location;            /* kernel address behind the call that dropped it; 0: unknown */
	__u8 saddr[16], daddr[16]; /* of the packet, network order; IPv4 as ::ffff:a.b.c.d */
	__u16 sport, dport;        /* host order; 0: a later fragment */
	__u32 reason_code;         /* the kernel's number of the reason; 0: it has none */
	char dev[16];              /* network device; empty: unknown */
	__u16 flags;               /* of the TCP header, FIN is bit 0; all ones: a later fragment */
	__u8 state;                /* include/net/tcp_states.h; 0: no socket */
	__u8 pad[5];
	__u64 stack[];             /* NT_STACK_FRAMES kernel addresses, innermost first, zeros
				      behind them; or left out */
};

/* What -c adds up, and by what. */
struct tcpdrop_flow {
	__u64 reason;
	__u8 saddr[16], daddr[16];
	__u32 netns;
	__u16 sport, dport;
};

struct tcpdrop_count {
	struct nt_sum sum;
	__u64 reason, drops;
	__u8 saddr[16], daddr[16];
	__u16 sport, dport;
	__u32 reason_code;
};

#endif
