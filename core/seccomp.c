// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A list of what is allowed, as classic BPF. What is not in it fails with EPERM. Killing would take
 * from the user what was seen so far, for a call that a C library makes on a path of its own; EPERM
 * takes nothing, and gives no more to whoever took over the process. Another architecture's calls
 * are never ours: those do kill.
 */
#include "seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#else
#error "no list of system calls for this architecture"
#endif

#define X32_BIT 0x40000000 /* __X32_SYSCALL_BIT, arch/x86/include/uapi/asm/unistd.h */

/* Allowed whatever their arguments are: they reach nothing that is not open. */
static const int always[] = {
	/* files, pipes, the journal's socket */
	SYS_read, SYS_write, SYS_writev, SYS_pread64, SYS_close, SYS_lseek, SYS_fsync, SYS_fstat,
	SYS_newfstatat, SYS_statx, SYS_fcntl, SYS_sendmsg, SYS_sendto, SYS_getdents64,
	SYS_readlinkat, SYS_faccessat, SYS_ftruncate, SYS_getcwd,
	/* waiting and time */
	SYS_epoll_pwait, SYS_epoll_ctl, SYS_ppoll, SYS_pselect6, SYS_nanosleep,
	SYS_clock_nanosleep, SYS_clock_gettime, SYS_gettimeofday, SYS_restart_syscall,
	/* memory */
	SYS_brk, SYS_munmap, SYS_mremap, SYS_madvise, SYS_futex, SYS_getrandom,
	/* itself */
	SYS_exit, SYS_exit_group, SYS_rt_sigreturn, SYS_rt_sigprocmask, SYS_rt_sigaction,
	SYS_getpid, SYS_gettid, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_sched_yield,
	SYS_sched_getaffinity, SYS_uname, SYS_sysinfo, /* qsort() asks how much memory there is */
	/* the journal's socket again, when journald was started anew; signals as events */
	SYS_connect, SYS_signalfd4, SYS_epoll_create1,
#ifdef SYS_epoll_wait
	SYS_epoll_wait,
#endif
#ifdef SYS_poll
	SYS_poll,
#endif
#ifdef SYS_select
	SYS_select,
#endif
#ifdef SYS_stat
	SYS_stat,
#endif
#ifdef SYS_lstat
	SYS_lstat,
#endif
#ifdef SYS_readlink
	SYS_readlink,
#endif
#ifdef SYS_access
	SYS_access,
#endif
#ifdef SYS_time
	SYS_time,
#endif
};

/* bpf(2): maps are read, their rows taken, and one put in another's place. Nothing is made. */
static const unsigned int map_commands[] = {
	BPF_MAP_LOOKUP_ELEM, BPF_MAP_UPDATE_ELEM, BPF_MAP_DELETE_ELEM, BPF_MAP_GET_NEXT_KEY,
	BPF_MAP_LOOKUP_AND_DELETE_ELEM, BPF_MAP_LOOKUP_BATCH, BPF_MAP_LOOKUP_AND_DELETE_BATCH,
	BPF_MAP_UPDATE_BATCH, BPF_MAP_DELETE_BATCH, BPF_OBJ_GET_INFO_BY_FD,
};

/* The terminal's size and modes; the end of a kprobe. */
static const unsigned int ioctls[] = {
	TCGETS, TCSETS, TCSETSW, TCSETSF, TIOCGWINSZ, FIONREAD, PERF_EVENT_IOC_DISABLE,
};

/* Files are opened for reading only: /proc/loadavg, time zones, names of cgroups. */
#define OPEN_FORBIDDEN (O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND)

struct writer {
	struct sock_filter *insns;
	int n;
};

static void put(struct writer *w, struct sock_filter insn)
{
	w->insns[w->n++] = insn;
}

static void put_verdict(struct writer *w, unsigned int verdict)
{
	put(w, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, verdict));
}

static void load(struct writer *w, size_t offset)
{
	put(w, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset));
}

/* If what was loaded is `value` the next `n` instructions run, else they are skipped. */
static void if_equal(struct writer *w, unsigned int value, int n)
{
	put(w, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, n));
}

/* Both architectures are little endian: the low half of an argument comes first. */
static size_t argument(int i)
{
	return offsetof(struct seccomp_data, args) + i * sizeof(__u64);
}

static void allow(struct writer *w, int call)
{
	if_equal(w, call, 1);
	put_verdict(w, SECCOMP_RET_ALLOW);
}

static const unsigned int refusal = SECCOMP_RET_ERRNO | EPERM;

/* `call` with one of these values in its i-th argument. */
static void allow_values(struct writer *w, int call, int i, const unsigned int *values, int n)
{
	int v;

	if_equal(w, call, 2 + 2 * n);
	load(w, argument(i));
	for (v = 0; v < n; v++) {
		if_equal(w, values[v], 1);
		put_verdict(w, SECCOMP_RET_ALLOW);
	}
	put_verdict(w, refusal);
}

/* `call` with none of these bits in its i-th argument. */
static void allow_without(struct writer *w, int call, int i, unsigned int bits)
{
	if_equal(w, call, 4);
	load(w, argument(i));
	put(w, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 1, 0));
	put_verdict(w, SECCOMP_RET_ALLOW);
	put_verdict(w, refusal);
}

/*
 * `calls` in ascending order, as a tree: the kernel runs it once for each call there is when the
 * filter is set (since 5.11, 8e01b51a31a1), before on every call.
 */
static void allow_tree(struct writer *w, const int *calls, int n)
{
	int half = n / 2, fork, i;

	if (n > 4) {
		fork = w->n;
		put(w, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, calls[half], 0, 0));
		allow_tree(w, calls, half);
		w->insns[fork].jt = w->n - fork - 1;
		allow_tree(w, calls + half, n - half);
		return;
	}
	for (i = 0; i < n; i++)
		allow(w, calls[i]);
	put_verdict(w, refusal);
}

static int compare_calls(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void allow_always(struct writer *w)
{
	int calls[sizeof(always) / sizeof(*always)];

	memcpy(calls, always, sizeof(always));
	qsort(calls, sizeof(calls) / sizeof(*calls), sizeof(*calls), compare_calls);
	allow_tree(w, calls, sizeof(calls) / sizeof(*calls));
}

int seccomp_program(struct sock_filter *insns)
{
	const unsigned int own = getpid();
	struct writer w = { .insns = insns };

	load(&w, offsetof(struct seccomp_data, arch));
	put(&w, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OUR_ARCH, 1, 0));
	put_verdict(&w, SECCOMP_RET_KILL_PROCESS);
	load(&w, offsetof(struct seccomp_data, nr));
#ifdef __x86_64__
	put(&w, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1));
	put_verdict(&w, SECCOMP_RET_KILL_PROCESS);
#endif
	allow_values(&w, SYS_bpf, 0, map_commands, sizeof(map_commands) / sizeof(*map_commands));
	allow_values(&w, SYS_ioctl, 1, ioctls, sizeof(ioctls) / sizeof(*ioctls));
	allow_values(&w, SYS_tgkill, 0, &own, 1); /* raise() */
	allow_without(&w, SYS_openat, 2, OPEN_FORBIDDEN);
	allow_without(&w, SYS_mmap, 2, PROT_EXEC);
	allow_without(&w, SYS_mprotect, 2, PROT_EXEC);
	allow_always(&w);
	return w.n;
}

/* Sanitizers make calls of their own. */
#if defined(__SANITIZE_ADDRESS__)
#define IS_SANITIZED 1
#else
#define IS_SANITIZED 0
#endif

int seccomp_enter(void)
{
	struct sock_filter insns[SECCOMP_MAX_INSNS];
	struct sock_fprog program = { .filter = insns };

	if (IS_SANITIZED)
		return 0;
	program.len = seccomp_program(insns);
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) ? -errno : 0;
}
