/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A descriptor passed over a UNIX socket. */
#ifndef NT_SOFDSNOOP_H
#define NT_SOFDSNOOP_H

#include "abi.h"

enum sofdsnoop_action { SOFDSNOOP_SEND, SOFDSNOOP_RECV };

struct sofdsnoop_event {
	struct nt_event head;   /* time: when the kernel took or gave the descriptor */
	__u64 socket;           /* inode number of the socket */
	__u32 sock_fd;          /* the caller's number of the socket, -1: unknown */
	__u32 fd;               /* the caller's number of what was passed */
	__u8 action;            /* enum sofdsnoop_action */
	__u8 has_socket;        /* `socket` is known */
	__u8 pad[6];
	struct nt_link link;    /* what was passed */
};

#endif
