/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A call of listen(). */
#ifndef NT_SOLISTEN_H
#define NT_SOLISTEN_H

#include "abi.h"

enum solisten_proto {
	SOLISTEN_TCP4, SOLISTEN_TCP6, /* by the socket's family, whatever its address is */
	SOLISTEN_MPTCP4, SOLISTEN_MPTCP6,
};

struct solisten_event {
	/* time: when the call returns; owner: its caller; the remote end repeats the local one */
	struct nt_event head;
	__u32 backlog; /* the argument, cut to net.core.somaxconn as the kernel does */
	__s32 ret;     /* 0, or a negative errno */
	__u8 proto;    /* enum solisten_proto */
	__u8 pad[7];
};

#endif
