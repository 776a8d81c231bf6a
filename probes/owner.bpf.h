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
	__uint(key_size, sizeof(__u64)); /* no types: the session sets this size too */
	__uint(value_size, sizeof(struct nt_sock));
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
 * The entry begins empty and is made once: accept() may come before the child is ESTABLISHED
 * (inet_csk_complete_hashdance()), on another CPU, and neither may undo what the other knows.
 */
NT_GLOBAL int nt_remember_key(__u64 key)
{
	struct nt_sock new = { .owner.uid = -1 };
	struct nt_reader *reader;
	__u32 zero = 0;

	if (!bpf_map_update_elem(&nt_socks, &key, &new, BPF_NOEXIST) ||
	    bpf_map_lookup_elem(&nt_socks, &key))
		return 0;
	nt_lost_map();
	reader = bpf_map_lookup_elem(&nt_reader, &zero);
	if (reader)
		reader->map_full = 1;
	return 0;
}

/*
 * What is remembered of a socket, from now on at least, or NULL: a full map is a counted loss, the
 * session will be reported, but as one whose beginning is unknown.
 */
static __always_inline struct nt_sock *nt_remember(__u64 key)
{
	struct nt_sock *s = bpf_map_lookup_elem(&nt_socks, &key);

	if (s)
		return s;
	nt_remember_key(key);
	return bpf_map_lookup_elem(&nt_socks, &key);
}

/*
 * The kernel may have skipped our run for the end of a socket (nt_destroy_tp): what is remembered
 * at its address is not the new one's.
 */
static __always_inline void nt_begin_anew(struct nt_sock *s)
{
	s->closed = 0;
	s->birth = 0;
	s->syn_sent = 0;
	s->active = 0;
	s->listened = 0;
	s->owner.how = NT_OWNER_NONE;
}

NT_GLOBAL int nt_claim_key(__u64 key, __u32 how)
{
	struct nt_sock *s = nt_remember(key);

	if (s && s->closed && how == NT_OWNER_ACCEPT)
		nt_begin_anew(s);
	if (s && s->owner.how < how)
		nt_current(&s->owner, how);
	return 0;
}

/* The current task uses `sk`. A weaker claim than the one known changes nothing. */
static __always_inline void nt_claim(const struct sock *sk, enum nt_owner_how how)
{
	nt_claim_key(nt_address(sk), how);
}

/*
 * listen() of a socket that was not bound is announced before the kernel has chosen its port
 * (inet_csk_listen_start()): its entry waits under port 0 for its first child, which tells the
 * port. When two wait in a namespace nobody can tell whose child is born: then it has no owner.
 */
static __always_inline bool nt_listens_unbound(void)
{
	__u32 zero = 0;
	const struct nt_reader *reader = bpf_map_lookup_elem(&nt_reader, &zero);

	return reader && reader->unbound;
}

static __always_inline void nt_count_unbound(int more)
{
	__u32 zero = 0;
	struct nt_reader *reader = bpf_map_lookup_elem(&nt_reader, &zero);

	if (reader)
		__sync_fetch_and_add(&reader->unbound, more);
}

static __always_inline void nt_any_addr(struct nt_listener *key)
{
	__builtin_memset(key->addr, 0, sizeof(key->addr));
	if (key->family == AF_INET)
		nt_put_ip4(key->addr, 0);
}

static __always_inline void nt_listens(struct nt_listener *key)
{
	struct nt_owner owner = {}, *other = NULL;

	nt_current(&owner, NT_OWNER_INHERITED); /* the owner of its children */
	if (!key->port)
		other = bpf_map_lookup_elem(&nt_listeners, key);
	if (other && other->pid != owner.pid) {
		__builtin_memset(&owner, 0, sizeof(owner));
		owner.uid = -1;
	}
	if (bpf_map_update_elem(&nt_listeners, key, &owner, BPF_ANY))
		nt_lost_map();
	else if (!key->port && !other)
		nt_count_unbound(1);
}

/* Its entry under port 0 becomes that of its port, unless it has one; or is just removed. */
static __always_inline void nt_leaves_port_0(struct nt_listener *key, bool tells_port)
{
	__u16 port = key->port;
	struct nt_owner owner, *found;

	key->port = 0;
	found = bpf_map_lookup_elem(&nt_listeners, key);
	if (!found)
		return;
	owner = *found;
	if (!bpf_map_delete_elem(&nt_listeners, key))
		nt_count_unbound(-1);
	key->port = port;
	if (tells_port && bpf_map_update_elem(&nt_listeners, key, &owner, BPF_ANY))
		nt_lost_map();
}

/* `from`, `addr0`, `addr1`: words of a struct nt_listener. Not claimed here: the stack is short. */
NT_GLOBAL int nt_on_listen_key(__u64 from, __u64 addr0, __u64 addr1, int newstate)
{
	struct nt_listener key;
	__u64 *words = (__u64 *)&key;

	words[0] = from;
	words[1] = addr0;
	words[2] = addr1;
	if (newstate == TCP_LISTEN)
		nt_listens(&key);
	if (newstate != TCP_SYN_RECV || bpf_map_lookup_elem(&nt_listeners, &key))
		return 0;
	nt_any_addr(&key);
	if (!bpf_map_lookup_elem(&nt_listeners, &key))
		nt_leaves_port_0(&key, true);
	return 0;
}

/* Of a listener whose port the kernel chose skc_num is 0 again when it has left LISTEN. */
static __always_inline __u16 nt_listen_port(const struct sock *sk)
{
	const struct tcp_sock *tp;

	if (sk->__sk_common.skc_num)
		return sk->__sk_common.skc_num;
	tp = bpf_skc_to_tcp_sock((void *)sk);
	return tp ? bpf_ntohs(tp->inet_conn.icsk_inet.inet_sport) : 0;
}

static __always_inline void nt_fill_listener(struct nt_listener *key, const struct sock *sk,
					     __u16 port)
{
	key->netns = sk->__sk_common.skc_net.net->ns.inum;
	key->port = NT_FORGET(port, nt_address(sk));
	key->family = sk->__sk_common.skc_family;
	nt_fill_laddr(key->addr, sk);
}

/* LISTEN: one begins; SYN_RECV: a child is born, which has its port. */
static __always_inline void nt_on_listener(const struct sock *sk, int newstate)
{
	struct nt_listener key = {};
	__u64 *words = (__u64 *)&key;

	nt_fill_listener(&key, sk, sk->__sk_common.skc_num);
	nt_on_listen_key(words[0], words[1], words[2], newstate);
}

/* It is destroyed. Not before: its children in the queue leave after it. */
static __always_inline void nt_forget_listener(const struct sock *sk)
{
	struct nt_listener key = {};

	nt_fill_listener(&key, sk, nt_listen_port(sk));
	if (bpf_map_delete_elem(&nt_listeners, &key))
		nt_leaves_port_0(&key, false);
}

/* Transitions that make nothing known of a socket's owner. */
static __always_inline bool nt_tells_nothing(int oldstate, int newstate)
{
	if (newstate == TCP_SYN_RECV)
		return oldstate != TCP_LISTEN || !nt_listens_unbound();
	return newstate == TCP_CLOSE_WAIT || newstate == TCP_FIN_WAIT2 || newstate == TCP_CLOSING;
}

/* For tools that look at the others only: see NT_STATE_PROGRAMS(). */
static __always_inline bool nt_wants_state(const struct sock *sk, int oldstate, int newstate)
{
	return sk->sk_protocol == IPPROTO_TCP && !nt_tells_nothing(oldstate, newstate);
}

/*
 * The kernel does not run a program again on a CPU where it is running (since 6.1, 05b24ff9b2cf): a
 * packet or another task that interrupts it, on its way to another socket's transition, would go
 * unseen. So tools have two programs on transitions with the same body. The first that runs marks
 * the socket as done with this state, the second finds the mark; interrupting one leaves the other.
 */
enum nt_turn { NT_FIRST, NT_SECOND };

static __always_inline bool nt_is_done(const struct sock *sk, __u8 mark, enum nt_turn turn)
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

NT_GLOBAL int nt_done_key(__u64 key, __u32 mark)
{
	struct nt_sock *s = nt_remember(key);

	if (s)
		s->done[nt_params.tool & (NT_MAX_TOOLS - 1)] = mark;
	return 0;
}

static __always_inline void nt_done(const struct sock *sk, __u8 mark)
{
	nt_done_key(nt_address(sk), mark);
}

/* What a transition makes known of a socket. Also of a connect() that began before us. */
static __always_inline void nt_update(struct nt_sock *s, int oldstate, int newstate,
				      enum nt_owner_how claim)
{
	if (newstate == TCP_CLOSE)
		s->closed = 1;
	else if (s->closed)
		nt_begin_anew(s);
	if (newstate == TCP_SYN_SENT && nt_params.keep_owners) {
		s->birth = bpf_ktime_get_ns();
		s->syn_sent = s->birth;
		s->active = true;
		s->owner.how = NT_OWNER_NONE; /* of an earlier connect() */
	} else if (newstate == TCP_ESTABLISHED && nt_params.keep_owners == NT_KEEP_ALL) {
		s->birth = bpf_ktime_get_ns();
		if (oldstate == TCP_SYN_SENT)
			s->active = true;
	}
	if (newstate == TCP_LISTEN || oldstate == TCP_LISTEN)
		s->listened = newstate != TCP_SYN_RECV;
	if (s->owner.how < claim)
		nt_current(&s->owner, claim);
}

NT_CALLED int nt_on_listen(const struct sock *sk, int oldstate, int newstate)
{
	if (newstate == TCP_LISTEN ||
	    (oldstate == TCP_LISTEN && newstate == TCP_SYN_RECV && nt_listens_unbound()))
		nt_on_listener(sk, newstate);
	return 0;
}

static __always_inline enum nt_owner_how nt_claim_of(const struct sock *sk, int oldstate,
						     int newstate)
{
	if (newstate == TCP_SYN_SENT && nt_params.keep_owners)
		return NT_OWNER_CONNECT;
	if (nt_params.keep_owners != NT_KEEP_ALL)
		return NT_OWNER_NONE;
	if (newstate == TCP_LISTEN)
		return NT_OWNER_LISTEN;
	if (oldstate != TCP_LISTEN && nt_in_task(sk) &&
	    (newstate == TCP_FIN_WAIT1 || newstate == TCP_LAST_ACK || newstate == TCP_CLOSE))
		return NT_OWNER_IO;
	return NT_OWNER_NONE;
}

/*
 * Called on every transition of a TCP socket that a tool looks at, before it does: what is known of
 * the socket now, or NULL. It is done with this state, see nt_is_done(). One look-up for all of it.
 */
NT_CALLED struct nt_sock *nt_on_state(const struct sock *sk, int oldstate, int newstate)
{
	__u64 key = nt_address(sk);
	enum nt_owner_how claim;
	struct nt_sock *s;

	if (nt_params.keep_owners == NT_KEEP_ALL)
		nt_on_listen(sk, NT_FORGET(oldstate, key), NT_FORGET(newstate, key));
	claim = nt_claim_of(sk, NT_FORGET(oldstate, key), NT_FORGET(newstate, key));
	claim = NT_FORGET(claim, key);
	s = nt_remember(key);
	if (!s)
		return NULL;
	nt_update(s, NT_FORGET(oldstate, key), NT_FORGET(newstate, key), claim);
	s->done[nt_params.tool & (NT_MAX_TOOLS - 1)] = newstate;
	return s;
}

/*
 * NAME and NAME_again, of which the second does the same where the kernel skipped the first. They
 * do what nt_on_state() does, then on_state(sk, s, oldstate, newstate); `s`: what is known of the
 * socket, or NULL. The second calls the first by a map: so the verifier walks the body
 * once, not twice, and it may run within itself: so its stack must not be the one per CPU that
 * programs have since 6.13, unless they have tail calls (check_max_stack_depth(),
 * kernel/bpf/verifier.c). What the first did last on this CPU it leaves in the counters, which is
 * cheaper to look at than the socket's mark.
 */
static __always_inline __u64 nt_transition(const struct sock *sk, int newstate)
{
	return nt_address(sk) << 8 | newstate;
}

static __always_inline void nt_was_first(const struct sock *sk, int newstate)
{
	struct nt_counters *count = nt_count();

	if (count)
		count->transition = nt_transition(sk, newstate);
}

static __always_inline bool nt_is_first_done(const struct sock *sk, int newstate)
{
	struct nt_counters *count = nt_count();

	if (!count || count->transition != nt_transition(sk, newstate))
		return nt_is_done(sk, newstate, NT_SECOND);
	count->transition = 0;
	return true;
}

#define NT_STATE_PROGRAMS(name, wants, on_state)                                                   \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_PROG_ARRAY);                                             \
		__uint(max_entries, 1);                                                            \
		__type(key, __u32);                                                                \
		__type(value, __u32);                                                              \
	} name##_map SEC(".maps");                                                                 \
	SEC("tp_btf/inet_sock_set_state")                                                          \
	int BPF_PROG(name, struct sock *sk, int oldstate, int newstate)                            \
	{                                                                                          \
		if (!wants(sk, oldstate, newstate))                                                \
			return 0;                                                                  \
		oldstate = NT_FORGET(oldstate, nt_address(sk));                                    \
		newstate = NT_FORGET(newstate, nt_address(sk));                                    \
		if (!nt_params.ring_bytes) /* never */                                             \
			bpf_tail_call(ctx, &name##_map, 0);                                        \
		on_state(sk, nt_on_state(sk, oldstate, newstate), oldstate, newstate);             \
		nt_was_first(sk, newstate);                                                        \
		return 0;                                                                          \
	}                                                                                          \
	SEC("tp_btf/inet_sock_set_state")                                                          \
	int BPF_PROG(name##_again, struct sock *sk, int oldstate, int newstate)                    \
	{                                                                                          \
		if (wants(sk, oldstate, newstate) && !nt_is_first_done(sk, newstate))              \
			bpf_tail_call(ctx, &name##_map, 0);                                        \
		return 0;                                                                          \
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
	nt_any_addr(&key);
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
		found = &s->owner;
	} else {
		cookie = NT_READ(way, sk->__sk_common.skc_cookie.counter);
		if (cookie)
			found = bpf_map_lookup_elem(&nt_held, &cookie);
		if (!found)
			found = nt_listener_of(e, NT_READ(way, sk->__sk_common.skc_family));
	}
	if (found)
		e->owner = *found;
	else
		e->owner.uid = -1;
}

NT_CALLED int nt_fill_owner(struct nt_event *e, const struct sock *sk, const struct nt_sock *s)
{
	nt_read_owner(e, sk, s, NT_DIRECT);
	return 0;
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
	__u64 key = (__u64)sk;
	const struct nt_sock *s;

	/* a listener or its child */
	if (nt_params.keep_owners == NT_KEEP_ALL && sk->sk_max_ack_backlog) {
		s = nt_sock(sk);
		if (s && s->listened)
			nt_forget_listener(sk);
	}
	bpf_map_delete_elem(&nt_socks, &key);
	key = sk->__sk_common.skc_cookie.counter;
	if (key)
		bpf_map_delete_elem(&nt_held, &key); /* it may be in the snapshot */
	return 0;
}

#endif
