/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A retransmitted TCP segment. */
#ifndef NT_TCPRETRANS_H
#define NT_TCPRETRANS_H

#include "abi.h"

/* Of nt_params.flags. */
enum {
	TCPRETRANS_COUNT = 1 << 0,
	TCPRETRANS_PROBES = 1 << 1, /* tail loss probes that send new data, too */
};

enum tcpretrans_type {
	TCPRETRANS_RETRANSMIT,
	TCPRETRANS_TLP,    /* tail loss probe */
	TCPRETRANS_SYNACK,
};

enum tcpretrans_cause {
	TCPRETRANS_BY_OTHER, /* the path's MTU shrank, and what is rarer */
	TCPRETRANS_BY_RTO,   /* retransmission timeout, and all that follows until it is mended */
	TCPRETRANS_BY_FAST,  /* the peer's acknowledgements showed the loss */
	TCPRETRANS_BY_TLP,
	TCPRETRANS_BY_SYN,
	TCPRETRANS_BY_SYNACK,
};

struct tcpretrans_event {
	struct nt_event head;
	__u64 seq;   /* first sequence number of the segment; all ones: unknown */
	__u32 segs;  /* segments that the row stands for, see TCPRETRANS_ROWS; 0: new data */
	__u8 state;  /* include/net/tcp_states.h */
	__u8 type;   /* enum tcpretrans_type */
	__u8 cause;  /* enum tcpretrans_cause */
	__u8 pad;
};

/* A row for each of so many segments that leave in one piece; the last row stands for the rest. */
#define TCPRETRANS_ROWS 64

/* What -c adds up, and by what. */
struct tcpretrans_flow {
	__u8 laddr[16], raddr[16]; /* network order; IPv4 as ::ffff:a.b.c.d */
	__u32 netns;
	__u16 lport, rport;        /* host order */
};

struct tcpretrans_count {
	struct nt_sum sum;
	__u64 retransmits; /* segments */
};

#endif
