/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A transition of a TCP socket from one state to another. */
#ifndef NT_TCPSTATES_H
#define NT_TCPSTATES_H

#include "abi.h"

struct tcpstates_event {
	struct nt_event head;
	__u64 skaddr;      /* the kernel's address of the socket */
	__u64 duration_ns; /* in the old state; all ones: it began before us */
	__u32 cpu_pid;     /* who was on the CPU; often not the owner */
	__u8 old_state;    /* include/net/tcp_states.h */
	__u8 new_state;
	__u8 arrow;        /* always 0: the "->" between the two in the table */
	__u8 pad;
	char cpu_comm[NT_COMM_LEN];
};

#endif
