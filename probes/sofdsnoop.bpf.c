// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* One event for each descriptor that was passed over a UNIX socket. */
#include "kernel.h"
#include "sofdsnoop.bpf.h"
#include "sofdsnoop.h"

/* Called for messages with control data only; netlink does too. */
SEC("fentry/__scm_send")
int BPF_PROG(sofdsnoop_send, struct socket *sock)
{
	if (sock->sk->__sk_common.skc_family == AF_UNIX &&
	    !begin(bpf_get_current_pid_tgid(), SOFDSNOOP_SEND))
		nt_lost_map();
	return 0;
}

/* What calls fget_raw() from now on (dup()) passes nothing. */
SEC("fexit/__scm_send")
int BPF_PROG(sofdsnoop_send_complete)
{
	__u32 tid = bpf_get_current_pid_tgid();
	struct call *call = bpf_map_lookup_elem(&nt_task_tool, &tid);

	if (call)
		call->complete = 1;
	return 0;
}

static __always_inline int sent(__u32 fd, struct file *file, enum nt_way way)
{
	__u32 tid = bpf_get_current_pid_tgid();
	struct call *call = bpf_map_lookup_elem(&nt_task_tool, &tid);
	struct sofdsnoop_event *e;

	if (!file || !call || call->action != SOFDSNOOP_SEND || call->complete)
		return 0;
	e = keep(tid, call, fd);
	if (e)
		nt_link_read(&e->link, file, way);
	return 0;
}

SEC("fexit/fget_raw")
int BPF_PROG(sofdsnoop_sent, __u32 fd, struct file *file)
{
	return sent(fd, file, NT_PROBE);
}

SEC("fexit/fget_raw")
int BPF_PROG(sofdsnoop_sent_cast, __u32 fd, struct file *file)
{
	return sent(fd, file, NT_DIRECT);
}

/* A stream takes nothing from a message without data, its descriptors neither. */
SEC("fexit/unix_stream_sendmsg")
int BPF_PROG(sofdsnoop_stream_sent, struct socket *sock, void *msg, __u64 len, int ret)
{
	return end_send(sock, ret > 0);
}

SEC("fexit/unix_dgram_sendmsg")
int BPF_PROG(sofdsnoop_dgram_sent, struct socket *sock, void *msg, __u64 len, int ret)
{
	return end_send(sock, ret >= 0);
}

static __always_inline struct sofdsnoop_event *keep_received(int fd)
{
	__u32 tid = bpf_get_current_pid_tgid();
	struct call *call = bpf_map_lookup_elem(&nt_task_tool, &tid);

	if (!call || call->action != SOFDSNOOP_RECV)
		call = begin(tid, SOFDSNOOP_RECV);
	if (call)
		return keep(tid, call, fd);
	nt_lost_map();
	return NULL;
}

/* Others that give a descriptor (pidfd_getfd(), seccomp) are other calls. */
static __always_inline bool receiving(void)
{
	int socket;

	return nt_syscall_now(&socket) == NR_IO_URING_ENTER || socket >= 0;
}

/* `ufd`: only for control messages the number is written to user memory. */
static __always_inline int received(struct file *file, const void *ufd, int fd, enum nt_way way)
{
	struct sofdsnoop_event *e;

	/*
	 * A direct load in any case: where the arguments are others, the verifier refuses it, and
	 * with it the variant.
	 */
	if (!ufd || fd < 0 || !file->f_inode)
		return 0;
	e = keep_received(fd);
	if (e)
		nt_link_read(&e->link, file, way);
	return 0;
}

/* 6.8 (4e94ddfe2aab) */
SEC("fexit/receive_fd")
int BPF_PROG(sofdsnoop_received, struct file *file, int *ufd, __u32 flags, int ret)
{
	return received(file, ufd, ret, NT_PROBE);
}

SEC("fexit/receive_fd")
int BPF_PROG(sofdsnoop_received_cast, struct file *file, int *ufd, __u32 flags, int ret)
{
	return received(file, ufd, ret, NT_DIRECT);
}

SEC("fexit/__receive_fd")
int BPF_PROG(sofdsnoop_received_6_7, struct file *file, int *ufd, __u32 flags, int ret)
{
	return received(file, ufd, ret, NT_PROBE);
}

SEC("fexit/__receive_fd")
int BPF_PROG(sofdsnoop_received_6_7_cast, struct file *file, int *ufd, __u32 flags, int ret)
{
	return received(file, ufd, ret, NT_DIRECT);
}

/* 5.10 lets nobody look at `ufd`: a pointer to what is no struct. */
SEC("fexit/__receive_fd")
int BPF_PROG(sofdsnoop_received_5_10, int fd, struct file *file, int *ufd, __u32 flags, int ret)
{
	return receiving() ? received(file, file, ret, NT_PROBE) : 0;
}

SEC("fexit/scm_detach_fds")
int BPF_PROG(sofdsnoop_detached)
{
	return end_recv(NT_PROBE);
}

SEC("fexit/scm_detach_fds")
int BPF_PROG(sofdsnoop_detached_cast)
{
	return end_recv(NT_DIRECT);
}

/* SCM_PIDFD, from 6.5 on (5e2ff6704a27): a descriptor of the sender's process. */
static __always_inline int on_pidfd(int fd, enum nt_way way)
{
	struct sofdsnoop_event *e;

	if (fd < 0 || !receiving())
		return 0;
	e = keep_received(fd);
	if (!e)
		return 0;
	e->link.kind = NT_LINK_PIDFD;
	return end_recv(way);
}

SEC("fexit/pidfd_prepare")
int BPF_PROG(sofdsnoop_pidfd, void *pid, __u32 flags, void *file, int fd)
{
	return on_pidfd(fd, NT_PROBE);
}

SEC("fexit/pidfd_prepare")
int BPF_PROG(sofdsnoop_pidfd_cast, void *pid, __u32 flags, void *file, int fd)
{
	return on_pidfd(fd, NT_DIRECT);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(sofdsnoop_exit, struct pt_regs *regs, long ret)
{
	long nr = nt_syscall_nr(regs);
	struct scan *scan;
	__u32 zero = 0;
	int i;

	if (ret < 0 || nt_syscall_socket(regs) < 0)
		return 0;
	scan = bpf_map_lookup_elem(&nt_scan, &zero);
	if (!scan || !nt_scm_begin(&scan->scm, nt_syscall_arg(regs, 1),
				   nr == NR_SENDMSG || nr == NR_RECVMSG, ret))
		return 0;
	scan->e.has_socket = 0;
	scan->e.sock_fd = nt_syscall_arg(regs, 0);
	scan->e.action = nr == NR_SENDMSG || nr == NR_SENDMMSG ? SOFDSNOOP_SEND : SOFDSNOOP_RECV;
	for (i = 0; i < 512; i++)
		if (sofdsnoop_scan_some() == NT_SCM_END)
			break;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
