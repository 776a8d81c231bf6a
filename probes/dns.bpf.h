/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Answers of DNS servers on their way to any UDP socket, whatever call will read them. They are
 * only carried (struct nt_dns); user space reads them. The root of the cgroup v2 hierarchy is
 * asked about every packet that a socket gets, so the tool loads this when names are wanted only.
 */
#ifndef NT_DNS_BPF_H
#define NT_DNS_BPF_H

#include "event.bpf.h"
#include "sock.bpf.h"

#define IPPROTO_UDP 17
#define DNS_PORT 53
#define DNS_HEAD_BYTES 12

struct nt_dns_place {
	__u32 at, len; /* of the DNS message in the packet */
};

/* `ip` is the packet's IP header. Extension headers of IPv6 do not come with DNS. */
static __always_inline bool nt_find_dns(const struct __sk_buff *skb, struct nt_dns_place *place,
					struct nt_event *e)
{
	const __u8 *ip = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	__u32 udp;

	if (ip + 20 > end)
		return false;
	if (ip[0] >> 4 == 4) {
		if (ip[9] != IPPROTO_UDP)
			return false;
		udp = (ip[0] & 15) * 4;
		nt_put_ip4(e->raddr, *(__be32 *)(ip + 12));
		e->ip = 4;
	} else {
		if (ip + 40 > end || ip[6] != IPPROTO_UDP)
			return false;
		udp = 40;
		nt_put_ip6(e->raddr, (__be32 *)(ip + 8));
		e->ip = 6;
	}
	if (ip + udp + 8 > end || *(__be16 *)(ip + udp) != bpf_htons(DNS_PORT))
		return false;
	place->at = udp + 8;
	place->len = skb->len - place->at;
	return (int)place->len >= DNS_HEAD_BYTES;
}

/* `room` is NT_DNS_SMALL or NT_DNS_LARGE. What is longer is cut off. */
static __always_inline void nt_carry_dns(struct __sk_buff *skb, const struct nt_dns_place *place,
					 const struct nt_event *head, __u32 room)
{
	const __u64 size = sizeof(struct nt_dns) - NT_DNS_LARGE + room;
	struct nt_dns *dns = bpf_ringbuf_reserve(&nt_events, size, 0);
	struct nt_counters *count;
	__u32 len = place->len;

	if (!dns) { /* rows will have no names: that is a loss to be told */
		count = nt_count();
		NT_COUNT(count, seen);
		NT_COUNT(count, lost_buffer);
		return;
	}
	if (len > room)
		len = room;
	dns->head = *head;
	dns->len = len;
	asm volatile("" : "+r"(len)); /* one register, or the verifier loses its bounds */
	if (len < DNS_HEAD_BYTES || len > room ||
	    bpf_skb_load_bytes(skb, place->at, dns->data, len))
		bpf_ringbuf_discard(dns, BPF_RB_NO_WAKEUP);
	else
		bpf_ringbuf_submit(dns, nt_wakeup());
}

SEC("cgroup_skb/ingress")
int nt_dns_answer(struct __sk_buff *skb)
{
	struct nt_event head = { .kind = NT_DNS, .rport = DNS_PORT };
	struct nt_dns_place place;

	if (!nt_find_dns(skb, &place, &head))
		return 1;
	head.time = bpf_ktime_get_ns();
	head.tool = nt_params.tool;
	if (place.len <= NT_DNS_SMALL)
		nt_carry_dns(skb, &place, &head, NT_DNS_SMALL);
	else
		nt_carry_dns(skb, &place, &head, NT_DNS_LARGE);
	return 1;
}

#endif
