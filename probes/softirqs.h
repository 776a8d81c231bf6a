/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a softirq took in an interval. */
#ifndef NT_SOFTIRQS_H
#define NT_SOFTIRQS_H

#include "abi.h"

#define SOFTIRQS 10 /* NR_SOFTIRQS, include/linux/interrupt.h */

enum {
	SOFTIRQS_DIST = 1 << 0, /* nt_params.flags: the histograms are wanted */
	SOFTIRQS_COUNTS = 1 << 1, /* of the table only, as the next */
	SOFTIRQS_NSECS = 1 << 2,
};

struct softirqs_event {
	struct nt_event head;
	__u64 interval_ns;
	__u64 total_ns;
	__u64 count;
	__u64 max_ns;
	__u32 cpu;      /* all ones: several */
	__u8 softirq;   /* include/linux/interrupt.h */
	__u8 pad[3];
	struct nt_hist ns, us;
};

#endif
