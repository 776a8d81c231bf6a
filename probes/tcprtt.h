/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Smoothed round trip times, one for each segment received in ESTABLISHED. */
#ifndef NT_TCPRTT_H
#define NT_TCPRTT_H

#include "abi.h"

/* nt_params.flags */
enum {
	TCPRTT_LADDR = 1 << 0, /* a row for each local address */
	TCPRTT_RADDR = 1 << 1, /* for each remote address; both: for each pair */
	TCPRTT_MS = 1 << 2,    /* the histogram is of ms instead of us */
};

/* The addresses that rows are told apart by, as in nt_event, the local one first. */
struct tcprtt_key {
	__u8 addr[2][16];
};

struct tcprtt_row {
	struct nt_event head; /* only the addresses of the key are set */
	__u64 interval_ns;
	struct nt_hist rtt;
	/* What the row is: 0 or 1. */
	__u8 by_laddr, by_raddr, by_none, in_ms;
	__u8 all; /* 0: the "*******" of the table */
	__u8 pad[3];
};

#endif
