/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What connections with a network moved in an interval. */
#ifndef NT_TCPSUBNET_H
#define NT_TCPSUBNET_H

#include "abi.h"

struct tcpsubnet_row {
	struct nt_event head; /* only the time is set */
	__u64 interval_ns;
	__u64 tx_bytes;       /* payload, to addresses of the network */
	__u64 rx_bytes;       /* from them */
	char subnet[NT_NET_TEXT];
};

#endif
