/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How long a listener's queues are when something arrives for them. */
#ifndef NT_TCPSYNBL_H
#define NT_TCPSYNBL_H

#include "abi.h"

/* nt_params.flags */
enum {
	TCPSYNBL_SYN_QUEUE = 1 << 0, /* lengths of the SYN queue too */
};

enum tcpsynbl_queue {
	TCPSYNBL_ACCEPT, /* connections that wait for accept() */
	TCPSYNBL_SYN,    /* handshakes that have begun */
	TCPSYNBL_QUEUES,
};

struct tcpsynbl_key {
	__u64 listener;    /* the kernel's address of the socket */
	__u32 backlog_max;
	__u16 lport;       /* another socket may get the address: it has another port */
	__u8 ip;
	__u8 queue;
};

struct tcpsynbl_row {
	struct nt_event head; /* the listener; `ip` is that of its connections */
	__u64 interval_ns;
	__u64 overflows;      /* what found the queue full */
	struct nt_hist length;
	__u32 backlog_max;    /* the limit of both queues */
	__u8 queue;           /* enum tcpsynbl_queue */
	__u8 pad[3];
};

#endif
