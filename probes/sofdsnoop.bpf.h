/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Descriptors on their way into a message, or out of one. Each is seen by itself and kept until the
 * kernel is done with all of the message: only then is it known whether they were sent.
 */
#ifndef NT_SOFDSNOOP_BPF_H
#define NT_SOFDSNOOP_BPF_H

#include "kernel.h"
#include "file.bpf.h"
#include "scm.bpf.h"
#include "syscall.bpf.h"
#include "task.bpf.h"
#include "sofdsnoop.h"

#define SCM_MAX_FD 253 /* include/net/scm.h; of one message */
#define SOCK_STREAM 1

/* What a task is passing. */
struct call {
	__u64 socket;
	__u32 sock_fd;
	__u32 netns;
	__u32 count;
	__u8 action;
	__u8 complete;   /* nothing is added any more */
	__u8 has_socket; /* `socket` is known */
	__u8 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* the session sets the sizes */
	__type(key, __u32);     /* thread id */
	__type(value, struct call);
} nt_task_tool SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u64);     /* thread id << 32 | which one */
	__type(value, struct sofdsnoop_event);
} nt_task_items SEC(".maps");

/* Zeros: an event is larger than a program's stack. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sofdsnoop_event);
} nt_blank SEC(".maps");

static __always_inline struct call *begin(__u32 tid, enum sofdsnoop_action action)
{
	struct call new = { .action = action };

	if (bpf_map_update_elem(&nt_task_tool, &tid, &new, BPF_ANY))
		return NULL;
	return bpf_map_lookup_elem(&nt_task_tool, &tid);
}

/* Keeps descriptor `fd`; its link remains to be read. */
static __always_inline struct sofdsnoop_event *keep(__u32 tid, struct call *call, int fd)
{
	__u64 key = (__u64)tid << 32 | call->count;
	struct sofdsnoop_event *e;
	__u32 zero = 0;

	e = bpf_map_lookup_elem(&nt_blank, &zero);
	if (!e || bpf_map_update_elem(&nt_task_items, &key, e, BPF_ANY)) {
		nt_lost_map();
		return NULL;
	}
	call->count++;
	e = bpf_map_lookup_elem(&nt_task_items, &key);
	if (e) {
		e->head.time = bpf_ktime_get_ns();
		nt_current(&e->head.owner, NT_OWNER_IO);
		e->action = call->action;
		e->fd = fd;
	}
	return e;
}

/* A global function: the verifier looks at it, and at the filter in it, once and not 253 times. */
__attribute__((noinline)) int sofdsnoop_pass(__u64 key, bool passed)
{
	struct sofdsnoop_event *e = bpf_map_lookup_elem(&nt_task_items, &key);
	__u32 tid = key >> 32;
	struct call *call = bpf_map_lookup_elem(&nt_task_tool, &tid);

	if (!e || !call)
		return 0;
	if (passed) {
		e->socket = call->socket;
		e->has_socket = call->has_socket;
		e->sock_fd = call->sock_fd;
		e->head.netns = call->netns;
		nt_emit(e, sizeof(*e));
	}
	bpf_map_delete_elem(&nt_task_items, &key);
	return 0;
}

static __always_inline void pass_all(__u32 tid, const struct call *call, bool passed)
{
	__u32 i;

	for (i = 0; i < SCM_MAX_FD && i < call->count; i++)
		sofdsnoop_pass((__u64)tid << 32 | i, passed);
	bpf_map_delete_elem(&nt_task_tool, &tid);
}

static __always_inline int end_send(struct socket *sock, bool passed)
{
	__u32 tid = bpf_get_current_pid_tgid();
	struct call *call = bpf_map_lookup_elem(&nt_task_tool, &tid);
	int sock_fd;

	if (!call || call->action != SOFDSNOOP_SEND)
		return 0;
	call->has_socket = 1;
	call->socket = sock->file->f_inode->i_ino;
	call->netns = sock->sk->__sk_common.skc_net.net->ns.inum;
	nt_syscall_now(&sock_fd);
	call->sock_fd = sock_fd;
	pass_all(tid, call, passed);
	return 0;
}

/* What the current task's descriptor `fd` refers to: it is in a call on it. */
static __always_inline const struct file *own_file(int fd, enum nt_way way)
{
	const struct timespec64 *slot; /* see nt_link_copy() */
	const struct fdtable *table;

	if (way == NT_PROBE)
		return nt_file(fd);
	table = bpf_get_current_task_btf()->files->fdt;
	if ((__u32)fd >= table->max_fds)
		return NULL;
	slot = NT_CAST(way, timespec64, table->fd + fd);
	return NT_CAST(way, file, slot->tv_sec);
}

/*
 * The functions that lead here do not have the socket, and those that have it may have been waiting
 * since before we attached: it is found by its number.
 */
static __always_inline int end_recv(enum nt_way way)
{
	__u32 tid = bpf_get_current_pid_tgid();
	struct call *call = bpf_map_lookup_elem(&nt_task_tool, &tid);
	const struct socket *socket;
	const struct inode *inode;
	const struct file *file;
	const struct net *net;
	const struct sock *sk;
	int sock_fd;

	if (!call || call->action != SOFDSNOOP_RECV)
		return 0;
	nt_syscall_now(&sock_fd);
	call->sock_fd = sock_fd;
	file = sock_fd >= 0 ? own_file(sock_fd, way) : NULL;
	inode = file ? NT_READ(way, file->f_inode) : NULL;
	if (inode && (NT_READ(way, inode->i_mode) & S_IFMT) == S_IFSOCK) {
		socket = NT_CAST(way, socket, NT_READ(way, file->private_data));
		sk = NT_READ(way, socket->sk);
		net = NT_READ(way, sk->__sk_common.skc_net.net);
		call->netns = NT_READ(way, net->ns.inum);
		call->socket = NT_READ(way, inode->i_ino);
		call->has_socket = 1;
	}
	pass_all(tid, call, true);
	return 0;
}

/*
 * Where functions cannot be watched: the system calls, when they return. The descriptors are in the
 * caller's memory and in its table then.
 */
struct scan {
	struct sofdsnoop_event e;
	struct nt_scm scm;
	__u8 stream; /* takes nothing from a message without data */
	__u8 pad[7];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scan);
} nt_scan SEC(".maps");

/* Who passes, and over which socket; false: what was found in memory means nothing. */
static __always_inline bool scan_begin(struct scan *scan)
{
	struct socket *socket = nt_file_socket(nt_file(scan->e.sock_fd));
	struct sock *sk = socket ? NT_READ(NT_PROBE, socket->sk) : NULL;

	if (!sk || NT_READ(NT_PROBE, sk->__sk_common.skc_family) != AF_UNIX ||
	    nt_syscall_is_compat())
		return false;
	scan->e.head.time = bpf_ktime_get_ns();
	nt_current(&scan->e.head.owner, NT_OWNER_IO);
	scan->e.head.netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	scan->e.socket = BPF_CORE_READ(socket, file, f_inode, i_ino);
	scan->e.has_socket = 1;
	scan->stream = NT_READ(NT_PROBE, socket->type) == SOCK_STREAM;
	return true;
}

/* The next two are global functions for the same reason as above. */
__attribute__((noinline)) int sofdsnoop_scan_one(void)
{
	__u32 zero = 0;
	struct scan *scan = bpf_map_lookup_elem(&nt_scan, &zero);
	const struct file *file;
	int fd;

	if (!scan)
		return NT_SCM_END;
	fd = nt_scm_step(&scan->scm);
	if (fd < 0)
		return fd;
	if (!scan->e.has_socket && !scan_begin(scan))
		return NT_SCM_END;
	if (scan->stream && !scan->scm.len && scan->e.action == SOFDSNOOP_SEND)
		return fd;
	scan->e.fd = fd;
	scan->e.link.kind = NT_LINK_UNKNOWN;
	file = nt_file(fd);
	if (file)
		nt_link_read(&scan->e.link, file, NT_PROBE);
	nt_emit(&scan->e, sizeof(scan->e));
	return fd;
}

__attribute__((noinline)) int sofdsnoop_scan_some(void)
{
	int i;

	for (i = 0; i < 512; i++)
		if (sofdsnoop_scan_one() == NT_SCM_END)
			return NT_SCM_END;
	return NT_SCM_MORE;
}

#endif
