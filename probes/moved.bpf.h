/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Payload that programs send and receive on TCP and MPTCP sockets: what the calls returned. The
 * includer defines on_moved(), the body of all hooks below. Its `sk` may be a struct mptcp_sock,
 * and is not locked; `bytes` is not 0; the current task made the call.
 *
 * All that a program does with a socket goes through its protocol's sendmsg() and recvmsg(): also
 * sendfile() and splice() to it (MSG_SPLICE_PAGES since 6.5, sendpage before), io_uring, kernel-TLS
 * (plain text). They are looked at one level above TCP, so MPTCP's subflows, which no program sees,
 * are not counted again. splice() from a socket is another way out; where MPTCP has none of its own
 * (mptcp_splice_read()) it goes through recvmsg().
 */
#ifndef NT_MOVED_BPF_H
#define NT_MOVED_BPF_H

#include "owner.bpf.h"

enum nt_dir { NT_SENT, NT_RECEIVED };

static __always_inline void on_moved(const struct sock *sk, __u32 bytes, enum nt_dir dir,
				     enum nt_way way);

static __always_inline int nt_on_moved(const struct sock *sk, long ret, enum nt_dir dir,
				       enum nt_way way)
{
	if (ret > 0 && sk && nt_is_stream(sk, way))
		on_moved(sk, ret, dir, way);
	return 0;
}

static __always_inline bool nt_is_mptcp(const struct sock *sk, enum nt_way way)
{
	return NT_READ(way, sk->sk_protocol) == IPPROTO_MPTCP;
}

/* What was received may still be read when CLOSE has cleared skc_num. */
static __always_inline __be16 nt_sport_of(const struct sock *sk, enum nt_way way)
{
	const struct inet_sock *inet = (const void *)sk;
	const struct tcp_sock *tp;

	if (way == NT_PROBE)
		return NT_READ(NT_PROBE, inet->inet_sport);
	tp = bpf_skc_to_tcp_sock((void *)sk);
	return tp ? tp->inet_conn.icsk_inet.inet_sport : bpf_htons(sk->__sk_common.skc_num);
}

/*
 * The owner of `sk`; `e` is filled but for it. A socket of MPTCP is not among those remembered: its
 * end is not announced.
 */
static __always_inline void nt_read_mover(struct nt_event *e, const struct sock *sk,
					  enum nt_way way)
{
	if (nt_is_mptcp(sk, way)) {
		nt_current(&e->owner, NT_OWNER_IO);
	} else {
		nt_claim(sk, NT_OWNER_IO);
		nt_read_owner(e, sk, nt_sock(sk), way);
	}
}

/* What stays in the queue was not received; errors that send() left behind are no payload. */
static __always_inline bool nt_takes(int flags)
{
	const int msg_peek = 2, msg_errqueue = 0x2000; /* include/linux/socket.h */

	return !(flags & (msg_peek | msg_errqueue));
}

/* Since 6.3 (6e6eda44b939), behind every call of the protocol's (net/socket.c). */
SEC("tp_btf/sock_send_length")
int BPF_PROG(nt_sent_tp, struct sock *sk, int ret)
{
	return nt_on_moved(sk, ret, NT_SENT, NT_DIRECT);
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(nt_received_tp, struct sock *sk, int ret, int flags)
{
	return nt_takes(flags) ? nt_on_moved(sk, ret, NT_RECEIVED, NT_DIRECT) : 0;
}

SEC("fexit/inet_sendmsg")
int BPF_PROG(nt_sent4_fexit, struct socket *socket, void *msg, __u64 size, int ret)
{
	return nt_on_moved(socket->sk, ret, NT_SENT, NT_DIRECT);
}

SEC("fexit/inet6_sendmsg")
int BPF_PROG(nt_sent6_fexit, struct socket *socket, void *msg, __u64 size, int ret)
{
	return nt_on_moved(socket->sk, ret, NT_SENT, NT_DIRECT);
}

/* Of both families. What has no sendpage of its own (MPTCP) goes on to inet_sendmsg(). */
SEC("fexit/inet_sendpage")
int BPF_PROG(nt_sendpage_fexit, struct socket *socket, void *page, int offset, __u64 size,
	     int flags, long ret)
{
	const struct sock *sk = socket->sk;

	if (!sk || sk->sk_protocol != IPPROTO_TCP)
		return 0;
	return nt_on_moved(sk, ret, NT_SENT, NT_DIRECT);
}

SEC("fexit/inet_recvmsg")
int BPF_PROG(nt_received4_fexit, struct socket *socket, void *msg, __u64 size, int flags, int ret)
{
	return nt_takes(flags) ? nt_on_moved(socket->sk, ret, NT_RECEIVED, NT_DIRECT) : 0;
}

SEC("fexit/inet6_recvmsg")
int BPF_PROG(nt_received6_fexit, struct socket *socket, void *msg, __u64 size, int flags, int ret)
{
	return nt_takes(flags) ? nt_on_moved(socket->sk, ret, NT_RECEIVED, NT_DIRECT) : 0;
}

SEC("fexit/tcp_splice_read")
int BPF_PROG(nt_spliced_fexit, struct socket *socket, void *pos, void *pipe, __u64 len,
	     unsigned int flags, long ret)
{
	return nt_on_moved(socket->sk, ret, NT_RECEIVED, NT_DIRECT);
}

SEC("fexit/mptcp_splice_read")
int BPF_PROG(nt_mptcp_spliced_fexit, struct socket *socket, void *pos, void *pipe, __u64 len,
	     unsigned int flags, long ret)
{
	return nt_on_moved(socket->sk, ret, NT_RECEIVED, NT_DIRECT);
}

/* Whose call it is that a task is in, for kretprobes; NULL: one that does not count. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH); /* a return may go unseen */
	__uint(max_entries, 8192);
	__type(key, __u32);
	__type(value, const struct sock *);
} nt_moving SEC(".maps");

static __always_inline int nt_on_move(const struct socket *socket, bool counts)
{
	const struct sock *sk = counts ? NT_READ(NT_PROBE, socket->sk) : NULL;
	__u32 tid = bpf_get_current_pid_tgid();

	bpf_map_update_elem(&nt_moving, &tid, &sk, BPF_ANY);
	return 0;
}

static __always_inline int nt_on_move_end(long ret, enum nt_dir dir)
{
	__u32 tid = bpf_get_current_pid_tgid();
	const struct sock **found = bpf_map_lookup_elem(&nt_moving, &tid), *sk;

	if (!found)
		return 0;
	sk = *found;
	bpf_map_delete_elem(&nt_moving, &tid);
	return nt_on_moved(sk, ret, dir, NT_PROBE);
}

/* `flags` may stand in `counts`; `type`: what the function returns. */
#define NT_MOVE_KPROBES(name, function, type, counts, dir)                                         \
	SEC("kprobe/" #function)                                                                   \
	int BPF_KPROBE(name##_kprobe, struct socket *socket, void *msg, __u64 size, int flags)     \
	{                                                                                          \
		return nt_on_move(socket, counts);                                                 \
	}                                                                                          \
                                                                                                   \
	SEC("kretprobe/" #function)                                                                \
	int BPF_KRETPROBE(name##_kret, type ret)                                                   \
	{                                                                                          \
		return nt_on_move_end(ret, dir);                                                   \
	}

NT_MOVE_KPROBES(nt_sent4, inet_sendmsg, int, true, NT_SENT)
NT_MOVE_KPROBES(nt_sent6, inet6_sendmsg, int, true, NT_SENT)
/* Where inet_sendmsg() is inside of it, that one's return leaves nothing to count here. */
NT_MOVE_KPROBES(nt_sendpage, inet_sendpage, long, true, NT_SENT)
NT_MOVE_KPROBES(nt_received4, inet_recvmsg, int, nt_takes(flags), NT_RECEIVED)
NT_MOVE_KPROBES(nt_received6, inet6_recvmsg, int, nt_takes(flags), NT_RECEIVED)
NT_MOVE_KPROBES(nt_spliced, tcp_splice_read, long, true, NT_RECEIVED)
NT_MOVE_KPROBES(nt_mptcp_spliced, mptcp_splice_read, long, true, NT_RECEIVED)

#endif
