/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * System calls at their end, for kernels that allow neither fentry nor kprobes:
 *
 *	SEC("tp_btf/sys_exit")
 *	int BPF_PROG(name, struct pt_regs *regs, long ret)
 *
 * sees every call of every process, also one that was waiting when we attached, so it begins with
 * the number of the call. io_uring makes no system calls, and those of 32-bit programs have other
 * numbers: neither is seen. What lies behind a descriptor takes reading kernel memory (not under
 * lockdown=confidentiality, where fentry works).
 */
#ifndef NT_SYSCALL_BPF_H
#define NT_SYSCALL_BPF_H

#include "kernel.h"

#if defined(__TARGET_ARCH_x86)
enum {
	NR_CONNECT = 42,
	NR_ACCEPT = 43,
	NR_SENDMSG = 46,
	NR_RECVMSG = 47,
	NR_LISTEN = 50,
	NR_ACCEPT4 = 288,
	NR_RECVMMSG = 299,
	NR_SENDMMSG = 307,
	NR_IO_URING_ENTER = 426,
	/* of 32-bit programs */
	NR_COMPAT_RECVMMSG = 337,
	NR_COMPAT_SENDMMSG = 345,
	NR_COMPAT_SENDMSG = 370,
	NR_COMPAT_RECVMSG = 372,
};
#elif defined(__TARGET_ARCH_arm64)
enum {
	NR_LISTEN = 201,
	NR_ACCEPT = 202,
	NR_CONNECT = 203,
	NR_SENDMSG = 211,
	NR_RECVMSG = 212,
	NR_ACCEPT4 = 242,
	NR_RECVMMSG = 243,
	NR_SENDMMSG = 269,
	NR_IO_URING_ENTER = 426,
};
#endif

#define S_IFMT 0170000 /* include/uapi/linux/stat.h */
#define S_IFSOCK 0140000

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

#if defined(__TARGET_ARCH_arm64)
struct pt_regs {
	__u64 regs[31];
	__u64 orig_x0; /* regs[0] has the result by now */
	__s32 syscallno;
};
#endif

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

#pragma clang attribute pop

/* enum bpf_func_id of the running kernel tells which helpers it has. */
enum bpf_func_id___regs {
	BPF_FUNC_task_pt_regs___regs = 175,
};

static __always_inline long nt_syscall_nr(const struct pt_regs *regs)
{
#if defined(__TARGET_ARCH_x86)
	return regs->orig_ax;
#else
	return regs->syscallno;
#endif
}

/* Argument `n`, from 0 to 3, a constant. */
static __always_inline __u64 nt_syscall_arg(const struct pt_regs *regs, int n)
{
#if defined(__TARGET_ARCH_x86)
	return n == 0 ? regs->di : n == 1 ? regs->si : n == 2 ? regs->dx : regs->r10;
#else
	return n == 0 ? regs->orig_x0 : regs->regs[n];
#endif
}

static __always_inline int nt_syscall_socket(const struct pt_regs *regs)
{
	switch (nt_syscall_nr(regs)) {
	case NR_SENDMSG:
	case NR_RECVMSG:
	case NR_SENDMMSG:
	case NR_RECVMMSG:
		return nt_syscall_arg(regs, 0);
#if defined(__TARGET_ARCH_x86)
	case NR_COMPAT_SENDMSG:
	case NR_COMPAT_RECVMSG:
	case NR_COMPAT_SENDMMSG:
	case NR_COMPAT_RECVMMSG:
		return regs->bx;
#endif
	}
	return -1;
}

/*
 * The number of the system call that the current task is in, for programs inside of it; *socket is
 * what sendmsg(), sendmmsg(), recvmsg() or recvmmsg() was given, or -1 (io_uring).
 */
static __always_inline long nt_syscall_now(int *socket)
{
	__attribute__((unused)) const struct task_struct *task;
	struct pt_regs copy = {};
	const struct pt_regs *regs;

	if (bpf_core_enum_value_exists(enum bpf_func_id___regs, BPF_FUNC_task_pt_regs___regs)) {
		regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
		*socket = nt_syscall_socket(regs);
		return nt_syscall_nr(regs);
	}
#if defined(__TARGET_ARCH_x86)
	/* 5.10: task_pt_regs(), where the stack has the usual THREAD_SIZE */
	task = (void *)bpf_get_current_task();
	bpf_probe_read_kernel(&copy, sizeof(copy),
			      NT_READ(NT_PROBE, task->stack) + 16384 - sizeof(copy));
#endif
	*socket = nt_syscall_socket(&copy);
	return nt_syscall_nr(&copy);
}

/* A call of a 32-bit program; to be asked once the number is the wanted one. */
static __always_inline bool nt_syscall_is_compat(void)
{
	const struct task_struct *task = (void *)bpf_get_current_task();

#if defined(__TARGET_ARCH_x86)
	return NT_READ(NT_PROBE, task->thread_info.status) & 2; /* TS_COMPAT */
#else
	return NT_READ(NT_PROBE, task->thread_info.flags) >> 22 & 1; /* TIF_32BIT */
#endif
}

/* What the current task's descriptor `fd` refers to, or NULL. */
static __always_inline struct file *nt_file(int fd)
{
	const struct task_struct *task = (void *)bpf_get_current_task();
	const struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file *file = NULL;

	if ((__u32)fd < NT_READ(NT_PROBE, table->max_fds))
		bpf_probe_read_kernel(&file, sizeof(file), NT_READ(NT_PROBE, table->fd) + fd);
	return file;
}

/*
 * The socket that a file is, or NULL. The inode alone does not tell: a UNIX socket in a file system
 * can be opened with O_PATH.
 */
static __always_inline struct socket *nt_file_socket(const struct file *file)
{
	struct socket *socket;

	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return NULL;
	socket = NT_READ(NT_PROBE, file->private_data);
	return NT_READ(NT_PROBE, socket->file) == file ? socket : NULL;
}

/* The sock behind the current task's descriptor `fd`, or NULL. */
static __always_inline struct sock *nt_fd_sock(int fd)
{
	struct socket *socket = nt_file_socket(nt_file(fd));

	return socket ? NT_READ(NT_PROBE, socket->sk) : NULL;
}

#endif
