/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A connect() that has ended, and how long it took. */
#ifndef NT_TCPCONNLAT_H
#define NT_TCPCONNLAT_H

#include "abi.h"

enum tcpconnlat_result {
	TCPCONNLAT_ESTABLISHED,
	TCPCONNLAT_REFUSED,     /* the SYN was answered with a reset, or ICMP port unreachable */
	TCPCONNLAT_RESET,       /* a reset later in the handshake (both ends connected at once) */
	TCPCONNLAT_TIMEOUT,     /* no answer to any SYN */
	TCPCONNLAT_UNREACHABLE, /* ICMP says that there is no way, or it is forbidden */
	TCPCONNLAT_ABORTED,     /* ended here: close(), exit, ss -K, no free port */
};

struct tcpconnlat_event {
	struct nt_event head;   /* time: the moment it ended */
	__u64 latency_ns;       /* since SYN_SENT; all ones: it began before us */
	__u8 result;            /* enum tcpconnlat_result */
	__u8 pad[7];
};

#endif
