/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A connection that a process accepted. */
#ifndef NT_TCPACCEPT_H
#define NT_TCPACCEPT_H

#include "abi.h"

struct tcpaccept_event {
	struct nt_event head; /* owner: the caller of accept() */
	/* Of the listener, after this connection was taken; all ones: unknown. */
	__u32 backlog;        /* connections that wait: sk_ack_backlog */
	__u32 backlog_max;    /* the limit that listen() set: sk_max_ack_backlog */
};

#endif
