// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The lengths of a listener's two queues: of the accept queue when the last packet of a handshake
 * arrives, as bcc has it; of the SYN queue when a SYN does. Either is dropped when the accept queue
 * is longer than the limit then.
 */
#include "kernel.h"
#include "listener.bpf.h"
#include "tcpsynbl.h"

#define NT_SUMS_KIND BPF_MAP_TYPE_HASH
#define NT_SUMS_KEY struct tcpsynbl_key
#define NT_SUMS_ROW struct tcpsynbl_row
#include "hist.bpf.h"
#include "sums.bpf.h"

static __always_inline struct tcpsynbl_row *row_of(const struct sock *sk, __u8 ip, __u8 queue,
						   enum nt_way way)
{
	struct tcpsynbl_key key = { .listener = (__u64)sk, .ip = ip, .queue = queue };
	struct tcpsynbl_row *row;
	bool fresh;

	key.backlog_max = NT_READ(way, sk->sk_max_ack_backlog);
	key.lport = NT_READ(way, sk->__sk_common.skc_num);
	row = nt_row(&key, &fresh);
	if (!row)
		return NULL;
	if (fresh) {
		nt_read_flow(&row->head, sk, bpf_htons(key.lport), way);
		row->head.ip = ip;
		nt_read_owner(&row->head, sk, nt_sock(sk), way);
		row->backlog_max = key.backlog_max;
		row->queue = queue;
		nt_row_filled(row);
	}
	return row->head.out ? NULL : row;
}

static __always_inline int on_handshake(const struct sock *sk, __u8 ip, enum nt_way way)
{
	__u32 length = NT_READ(way, sk->sk_ack_backlog);
	struct tcpsynbl_row *row = row_of(sk, ip, TCPSYNBL_ACCEPT, way);

	if (!row)
		return 0;
	nt_hist_add(&row->length, length);
	if (length > row->backlog_max)
		__sync_fetch_and_add(&row->overflows, 1);
	return 0;
}

static __always_inline int on_syn(const struct tcp_sock *tp, __u8 ip, enum nt_way way)
{
	const struct sock *sk = &tp->inet_conn.icsk_inet.sk;
	__u32 length = NT_READ(way, tp->inet_conn.icsk_accept_queue.qlen.counter);
	bool full = nt_syn_queue_full(tp, way);
	struct tcpsynbl_row *row;

	if (nt_accept_queue_full(sk, way)) {
		row = row_of(sk, ip, TCPSYNBL_ACCEPT, way);
		if (row)
			__sync_fetch_and_add(&row->overflows, 1);
	}
	if (!full && !(nt_params.flags & TCPSYNBL_SYN_QUEUE))
		return 0;
	row = row_of(sk, ip, TCPSYNBL_SYN, way);
	if (!row)
		return 0;
	nt_hist_add(&row->length, length);
	if (full)
		__sync_fetch_and_add(&row->overflows, 1);
	return 0;
}

/* tcp_v6_syn_recv_sock() calls this one for IPv4 and has been seen then. */
SEC("fentry/tcp_v4_syn_recv_sock")
int BPF_PROG(tcpsynbl_v4_fentry, const struct sock *sk)
{
	return sk->__sk_common.skc_family == AF_INET ? on_handshake(sk, 4, NT_DIRECT) : 0;
}

SEC("fentry/tcp_v6_syn_recv_sock")
int BPF_PROG(tcpsynbl_v6_fentry, const struct sock *sk, struct sk_buff *skb)
{
	return on_handshake(sk, nt_ip_of_skb(skb, NT_DIRECT), NT_DIRECT);
}

SEC("fentry/tcp_conn_request")
int BPF_PROG(tcpsynbl_syn_fentry, void *rsk_ops, void *af_ops, struct sock *sk, struct sk_buff *skb)
{
	const struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);

	return tp ? on_syn(tp, nt_ip_of_skb(skb, NT_DIRECT), NT_DIRECT) : 0;
}

SEC("kprobe/tcp_v4_syn_recv_sock")
int BPF_KPROBE(tcpsynbl_v4_kprobe, const struct sock *sk)
{
	if (NT_READ(NT_PROBE, sk->__sk_common.skc_family) != AF_INET)
		return 0;
	return on_handshake(sk, 4, NT_PROBE);
}

SEC("kprobe/tcp_v6_syn_recv_sock")
int BPF_KPROBE(tcpsynbl_v6_kprobe, const struct sock *sk, struct sk_buff *skb)
{
	return on_handshake(sk, nt_ip_of_skb(skb, NT_PROBE), NT_PROBE);
}

SEC("kprobe/tcp_conn_request")
int BPF_KPROBE(tcpsynbl_syn_kprobe, void *rsk_ops, void *af_ops, struct sock *sk,
	       struct sk_buff *skb)
{
	return on_syn((const struct tcp_sock *)sk, nt_ip_of_skb(skb, NT_PROBE), NT_PROBE);
}

SEC("cgroup_skb/ingress")
int tcpsynbl_ingress(struct __sk_buff *skb)
{
	const struct tcp_sock *tp = nt_listener(skb);
	__u8 ip = skb->protocol == bpf_htons(ETH_P_IP) ? 4 : 6, flags;

	if (!tp)
		return 1;
	flags = nt_tcp_flags(skb);
	if (flags & TCPHDR_SYN)
		on_syn(tp, ip, NT_DIRECT);
	else if (flags & TCPHDR_ACK && !(flags & TCPHDR_RST))
		on_handshake(&tp->inet_conn.icsk_inet.sk, ip, NT_DIRECT);
	return 1;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
