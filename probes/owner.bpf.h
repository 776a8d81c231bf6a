/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whose socket is it: the one rule for every tool. The strongest of these wins, see enum
 * nt_owner_how: the caller of connect(), accept(), listen(); the first to receive or close; who
 * held it when we started; the listener's owner.
 *
 * The current task stands for the socket only where the kernel holds the socket lock for a task
 * (sk_lock.owned): in softirq context it is never set, so whoever a packet interrupted is never
 * taken for the owner.
 */
#ifndef NT_OWNER_BPF_H
#define NT_OWNER_BPF_H

#include "event.bpf.h"
#include "sock.bpf.h"
#include "task.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* the session sets the sizes */
	__type(key, __u64);
	__type(value, struct nt_sock);
} nt_socks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u64); /* socket cookie: what both sock_diag and we can know */
	__type(value, struct nt_owner);
} nt_held SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct nt_listener);
	__type(value, struct nt_owner);
} nt_listeners SEC(".maps");

static __always_inline bool nt_in_task(const struct sock *sk)
{
	return sk->sk_lock.owned != 0;
}

static __always_inline struct nt_sock *nt_sock(const struct sock *sk)
{
	__u64 key = (__u64)sk;

	return bpf_map_lookup_elem(&nt_socks, &key);
}

/*
 * Remembers a socket. A full map is a counted loss: the session will be reported, but as one whose
 * beginning is unknown.
 */
static __always_inline void nt_remember(const struct sock *sk, __u64 birth, bool active,
					enum nt_owner_how how)
{
	struct nt_sock new = { .birth = birth,
			       .syn_sent = how == NT_OWNER_CONNECT ? birth : 0,
			       .active = active };
	struct nt_counters *count;
	struct nt_reader *reader;
	__u32 zero = 0;
	__u64 key = (__u64)sk;

	if (how)
		nt_current(&new.owner, how);
	else
		new.owner.uid = -1;
	if (bpf_map_update_elem(&nt_socks, &key, &new, BPF_ANY)) {
		count = nt_count();
		NT_COUNT(count, seen);
		NT_COUNT(count, lost_map);
		reader = bpf_map_lookup_elem(&nt_reader, &zero);
		if (reader)
			reader->map_full = 1;
	}
}

/* The current task uses `sk`. A weaker claim than the one known changes nothing. */
static __always_inline void nt_claim(const struct sock *sk, enum nt_owner_how how)
{
	struct nt_sock *s = nt_sock(sk);

	if (!s)
		nt_remember(sk, 0, false, how);
	else if (s->owner.how < how)
		nt_current(&s->owner, how);
}

/* LISTEN to SYN_RECV is a child being born, not the listener. */
static __always_inline void nt_on_listen(const struct sock *sk, int oldstate, int newstate)
{
	struct nt_listener key = { .family = sk->__sk_common.skc_family };
	struct nt_owner owner = {};
	struct nt_counters *count;

	if (newstate != TCP_LISTEN && newstate != TCP_CLOSE)
		return;
	key.netns = sk->__sk_common.skc_net.net->ns.inum;
	key.port = sk->__sk_common.skc_num;
	if (key.family == AF_INET)
		nt_put_ip4(key.addr, sk->__sk_common.skc_rcv_saddr);
	else
		nt_put_ip6(key.addr, sk->__sk_common.skc_v6_rcv_saddr.in6_u.u6_addr32);
	if (newstate == TCP_CLOSE) {
		bpf_map_delete_elem(&nt_listeners, &key);
		return;
	}
	nt_claim(sk, NT_OWNER_LISTEN);
	nt_current(&owner, NT_OWNER_LISTEN);
	if (bpf_map_update_elem(&nt_listeners, &key, &owner, BPF_ANY)) {
		count = nt_count();
		NT_COUNT(count, seen);
		NT_COUNT(count, lost_map);
	}
}

/* `active` of a connect() that began before us too. */
static __always_inline void nt_on_established(const struct sock *sk, bool active)
{
	struct nt_sock *s = nt_sock(sk);

	if (s)
		s->birth = bpf_ktime_get_ns();
	else
		nt_remember(sk, bpf_ktime_get_ns(), active, NT_OWNER_NONE);
}

/*
 * The kernel does not run a program again on a CPU where it is running (since 6.1, 05b24ff9b2cf): a
 * packet or another task that interrupts it, on its way to another socket's transition, would go
 * unseen. So tools have two programs on transitions with the same body. The first that runs marks
 * the socket as done with this state, the second finds the mark; interrupting one leaves the other.
 */
enum nt_turn { NT_FIRST, NT_SECOND };

static __always_inline bool nt_is_done(const struct sock *sk, __u16 mark, enum nt_turn turn)
{
	const struct nt_sock *s = nt_sock(sk);
	const struct nt_reader *reader;
	__u32 zero = 0;

	if (s)
		return s->done[nt_params.tool & (NT_MAX_TOOLS - 1)] == mark;
	if (turn == NT_FIRST)
		return false;
	/* The first marks every socket, but for want of room. */
	reader = bpf_map_lookup_elem(&nt_reader, &zero);
	return reader && reader->map_full;
}

static __always_inline void nt_done(const struct sock *sk, __u16 mark)
{
	struct nt_sock *s = nt_sock(sk);

	if (!s) {
		nt_remember(sk, 0, false, NT_OWNER_NONE);
		s = nt_sock(sk);
	}
	if (s)
		s->done[nt_params.tool & (NT_MAX_TOOLS - 1)] = mark;
}

/* Called on every transition of a TCP socket, before the tool looks at it. */
static __always_inline void nt_on_state(const struct sock *sk, int oldstate, int newstate)
{
	if (!nt_params.keep_owners)
		return;
	if (newstate == TCP_SYN_SENT)
		nt_remember(sk, bpf_ktime_get_ns(), true, NT_OWNER_CONNECT);
	else if (nt_params.keep_owners == NT_KEEP_CONNECTS)
		return;
	else if (newstate == TCP_ESTABLISHED)
		nt_on_established(sk, oldstate == TCP_SYN_SENT);
	else if (newstate == TCP_LISTEN || oldstate == TCP_LISTEN)
		nt_on_listen(sk, oldstate, newstate);
	else if ((newstate == TCP_FIN_WAIT1 || newstate == TCP_LAST_ACK || newstate == TCP_CLOSE) &&
		 nt_in_task(sk))
		nt_claim(sk, NT_OWNER_IO);
}

static __always_inline const struct nt_owner *nt_listener_of(const struct nt_event *e,
							     __u16 family)
{
	struct nt_listener key = { .netns = e->netns, .port = e->lport, .family = family };
	const struct nt_owner *found;

	__builtin_memcpy(key.addr, e->laddr, sizeof(key.addr));
	found = bpf_map_lookup_elem(&nt_listeners, &key);
	if (found)
		return found;
	__builtin_memset(key.addr, 0, sizeof(key.addr));
	if (key.family == AF_INET)
		nt_put_ip4(key.addr, 0);
	return bpf_map_lookup_elem(&nt_listeners, &key);
}

/*
 * The owner of `sk` by the rule above; `s` is what is remembered of it or NULL. `e` is filled but
 * for its owner.
 */
static __always_inline void nt_read_owner(struct nt_event *e, const struct sock *sk,
					  const struct nt_sock *s, enum nt_way way)
{
	const struct nt_owner *found = NULL;
	__u64 cookie;

	if (s && s->owner.how) {
		e->owner = s->owner;
		return;
	}
	cookie = NT_READ(way, sk->__sk_common.skc_cookie.counter);
	if (cookie)
		found = bpf_map_lookup_elem(&nt_held, &cookie);
	if (found) {
		e->owner = *found;
		return;
	}
	found = nt_listener_of(e, NT_READ(way, sk->__sk_common.skc_family));
	if (found) {
		e->owner = *found;
		e->owner.how = NT_OWNER_INHERITED;
	} else {
		e->owner.uid = -1;
	}
}

static __always_inline void nt_fill_owner(struct nt_event *e, const struct sock *sk,
					  const struct nt_sock *s)
{
	nt_read_owner(e, sk, s, NT_DIRECT);
}

/*
 * The variants of seeing accept(): sock_graft() ties the new socket to its file, in the acceptor's
 * context, after any wait. Other families accept that way too, and would never leave the map again.
 */
static __always_inline int nt_on_accept(const struct sock *sk, enum nt_way way)
{
	if (nt_is_tcp(sk, way))
		nt_claim(sk, NT_OWNER_ACCEPT);
	return 0;
}

SEC("fentry/security_sock_graft")
int BPF_PROG(nt_accept_fentry, struct sock *sk)
{
	return nt_on_accept(sk, NT_DIRECT);
}

SEC("kprobe/security_sock_graft")
int BPF_KPROBE(nt_accept_kprobe, struct sock *sk)
{
	return nt_on_accept(sk, NT_PROBE);
}

/*
 * Fires in tcp_recvmsg() when data was copied (and in tcp_read_sock(), which may run in softirq
 * context).
 */
SEC("tp_btf/tcp_rcv_space_adjust")
int BPF_PROG(nt_recv_tp, struct sock *sk)
{
	if (nt_in_task(sk))
		nt_claim(sk, NT_OWNER_IO);
	return 0;
}

SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(nt_destroy_tp, struct sock *sk)
{
	const struct nt_sock *s = nt_sock(sk);
	bool ours = s && s->birth;
	__u64 key = (__u64)sk;

	if (s)
		bpf_map_delete_elem(&nt_socks, &key);
	key = sk->__sk_common.skc_cookie.counter;
	if (!ours && key)
		bpf_map_delete_elem(&nt_held, &key); /* older than us: it may be in the snapshot */
	return 0;
}

#endif
