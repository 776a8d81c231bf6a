/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A connect(), or how many there were. */
#ifndef NT_TCPCONNECT_H
#define NT_TCPCONNECT_H

#include "abi.h"

/* nt_params.flags */
enum {
	TCPCONNECT_COUNT = 1 << 0, /* rows of sums instead of events */
	TCPCONNECT_LPORT = 1 << 1, /* each local port has a row of its own */
	TCPCONNECT_DNS = 1 << 2,
};

struct tcpconnect_event {
	struct nt_event head; /* laddr is all zero where none was chosen yet */
	__u16 error;          /* errno; 0: the SYN was sent */
	__u8 pad[6];
};

/* Key of the rows of sums. */
struct tcpconnect_flow {
	__u8 laddr[16];
	__u8 raddr[16];
	__u16 lport; /* host order; 0 unless asked for */
	__u16 rport; /* host order */
};

struct tcpconnect_count {
	union {
		struct nt_sum sum;
		struct nt_event head;
	};
	__u64 connects;
};

#endif
