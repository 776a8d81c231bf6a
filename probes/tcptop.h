/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a connection moved in an interval. */
#ifndef NT_TCPTOP_H
#define NT_TCPTOP_H

#include "abi.h"

struct tcptop_row {
	struct nt_event head;
	__u64 interval_ns;
	__u64 tx_bytes, rx_bytes; /* payload */
};

#endif
