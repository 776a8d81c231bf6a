// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Packets and bytes of each queue of each device. */
#include "kernel.h"
#include "netqtop.h"

#define NT_SUMS_KIND BPF_MAP_TYPE_PERCPU_HASH
#define NT_SUMS_KEY struct netqtop_key
#define NT_SUMS_ROW struct netqtop_event
#include "sums.bpf.h"

/*
 * To find a row in a hash costs more than all else together, so the first row that falls on a place
 * here stays out of it. What a place has is each CPU's own: another CPU may have another row there.
 * The reader takes the half that nt_half does not name.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2 * NETQTOP_PLACES);
	__type(key, __u32);
	__type(value, struct netqtop_event);
} nt_places SEC(".maps");

volatile __u32 nt_half SEC(".data.half") = 0;

static __always_inline int size_class(__u32 len)
{
	return len < 64 ? 0 : len < 512 ? 1 : len < 2048 ? 2 : len < 16384 ? 3 : 4;
}

static __always_inline int add(struct netqtop_event *row, __u32 len)
{
	if (row->head.out)
		return 0;
	row->packets++;
	row->bytes += len;
	if (len < 65536)
		row->sizes[size_class(len)]++;
	return 0;
}

static __always_inline void begin(struct netqtop_event *row, const struct netqtop_key *key,
				  const struct net_device *dev)
{
	row->key = *key;
	row->head.netns = key->netns;
	row->queues[NETQTOP_TX] = dev->real_num_tx_queues;
	row->queues[NETQTOP_RX] = dev->real_num_rx_queues;
	*(__u64 *)row->dev = *(__u64 *)dev->name;
	*(__u64 *)(row->dev + 8) = *(__u64 *)(dev->name + 8);
	nt_row_filled(row);
}

/* The row is not in its place: that is free, or else another row's. */
static __attribute__((noinline)) int on_first(const struct net_device *dev, __u32 len, __u16 queue,
					      __u8 dir, struct netqtop_event *row)
{
	struct netqtop_key key = { .queue = queue, .dir = dir };
	bool fresh = !row->head.time;

	key.netns = dev->nd_net.net->ns.inum;
	key.ifindex = dev->ifindex;
	if (!fresh)
		row = nt_row(&key, &fresh);
	if (!row)
		return 0;
	if (fresh)
		begin(row, &key, dev);
	return add(row, len);
}

/*
 * The part of a row that belongs to this CPU. Packets are sent and received with softirqs disabled
 * (__dev_queue_xmit(), netif_receive_skb(), net/core/dev.c): nobody else adds to it meanwhile.
 */
static __always_inline int on_packet(const struct net_device *dev, __u32 len, __u16 queue, __u8 dir)
{
	__u32 netns = dev->nd_net.net->ns.inum, ifindex = dev->ifindex, place;
	struct netqtop_event *row;

	place = ((netns + ifindex * 8 + queue) * 2 + dir) % NETQTOP_PLACES + nt_half;
	row = bpf_map_lookup_elem(&nt_places, &place);
	if (!row)
		return 0;
	if (row->key.ifindex != ifindex || row->key.netns != netns || row->key.queue != queue)
		return on_first(dev, len, queue, dir, row);
	return add(row, len);
}

SEC("tp_btf/net_dev_start_xmit")
int BPF_PROG(netqtop_xmit, const struct sk_buff *skb, const struct net_device *dev)
{
	return on_packet(dev, skb->len, skb->queue_mapping, NETQTOP_TX);
}

/* A receive queue is recorded as its number plus one, skb_record_rx_queue(). */
SEC("tp_btf/netif_receive_skb")
int BPF_PROG(netqtop_receive, const struct sk_buff *skb)
{
	__u16 queue = skb->queue_mapping;

	return on_packet(skb->dev, skb->len, queue ? queue - 1 : 0, NETQTOP_RX);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
