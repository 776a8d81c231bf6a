/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is read of packets. */
#ifndef NT_SKB_BPF_H
#define NT_SKB_BPF_H

#include "kernel.h"

/* A member of what TCP keeps in sk_buff.cb while it has the packet. Direct loads. */
#define NT_CB(skb, member)                                                                         \
	(*(typeof(((struct tcp_skb_cb *)0)->member) *)((const void *)(skb) +                       \
		bpf_core_field_offset(struct sk_buff, cb) +                                        \
		bpf_core_field_offset(struct tcp_skb_cb, member)))

#endif
