/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A TCP session that has ended. */
#ifndef NT_TCPLIFE_H
#define NT_TCPLIFE_H

#include "abi.h"

enum tcplife_end {
	TCPLIFE_UNKNOWN,
	TCPLIFE_LOCAL_CLOSE,    /* our FIN came first */
	TCPLIFE_REMOTE_CLOSE,   /* the peer's FIN came first */
	TCPLIFE_RESET_SENT,     /* aborted here: unread data, SO_LINGER 0, ss -K */
	TCPLIFE_RESET_RECEIVED,
	TCPLIFE_TIMEOUT,        /* retransmits or keepalives without an answer */
	TCPLIFE_REFUSED,        /* our SYN was answered with a reset */
};

struct tcplife_event {
	struct nt_event head;   /* time: the moment of CLOSE */
	__u64 tx_bytes;         /* payload that the peer acknowledged */
	__u64 rx_bytes;         /* payload received in order */
	__u64 duration_ns;      /* since ESTABLISHED, or SYN_SENT; partial: since we started */
	__u32 retrans;          /* segments retransmitted */
	__u32 srtt_us;          /* smoothed round trip time, 0: never measured */
	__u8 partial;           /* it began before us: duration_ns is a lower bound */
	__u8 end;               /* enum tcplife_end */
	__u8 pad[6];
};

#endif
