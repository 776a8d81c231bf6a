/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A TCP connection that was made, accepted or closed. */
#ifndef NT_TCPTRACER_H
#define NT_TCPTRACER_H

#include "abi.h"

enum tcptracer_type {
	TCPTRACER_CONNECT, /* by us: it is established */
	TCPTRACER_ACCEPT,  /* accept() returns it */
	TCPTRACER_CLOSE,   /* close() of its last descriptor */
};

struct tcptracer_event {
	struct nt_event head;
	__u8 type;         /* enum tcptracer_type */
	__u8 pad[7];
};

#endif
