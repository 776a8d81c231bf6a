/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a queue of a network device moved in an interval. */
#ifndef NT_NETQTOP_H
#define NT_NETQTOP_H

#include "abi.h"

enum { NETQTOP_TX, NETQTOP_RX };

#define NETQTOP_PLACES 256 /* for rows without a hash; a power of two */

struct netqtop_key {
	__u32 netns; /* another namespace may have a device with the same index */
	__u32 ifindex;
	__u16 queue;
	__u16 dir;
};

struct netqtop_event {
	struct nt_event head;
	__u64 interval_ns;
	char dev[16];     /* IFNAMSIZ, include/uapi/linux/if.h */
	__u64 packets;    /* as the stack sees them: before GSO, after GRO */
	__u64 bytes;
	__u64 sizes[5];   /* packets below 64, 512, 2K, 16K, 64K bytes, each only once */
	struct netqtop_key key;
	__u16 queues[2];  /* that the device uses, in each direction */
};

#endif
