/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the filter of system calls says, by an interpreter of this test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/bpf.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "seccomp.h"

#ifdef __x86_64__
#define ARCH AUDIT_ARCH_X86_64
#define OTHER AUDIT_ARCH_I386
#else
#define ARCH AUDIT_ARCH_AARCH64
#define OTHER AUDIT_ARCH_ARM
#endif
#define REFUSED (SECCOMP_RET_ERRNO | EPERM)

static uint32_t verdict(const struct seccomp_data *data)
{
	struct sock_filter insns[SECCOMP_MAX_INSNS];
	int n = seccomp_program(insns), pc;
	uint32_t a = 0;

	assert_in_range(n, 1, SECCOMP_MAX_INSNS);
	for (pc = 0; pc < n; pc++) {
		const struct sock_filter *i = &insns[pc];

		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			memcpy(&a, (const char *)data + i->k, sizeof(a));
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += a == i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			pc += a >= i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			pc += a & i->k ? i->jt : i->jf;
			break;
		case BPF_RET | BPF_K:
			return i->k;
		default:
			fail_msg("instruction %d has the code %x", pc, i->code);
		}
	}
	fail_msg("it ran off its end");
	return 0;
}

static uint32_t call(int nr, uint64_t a, uint64_t b, uint64_t c)
{
	struct seccomp_data data = { .nr = nr, .arch = ARCH, .args = { a, b, c } };

	return verdict(&data);
}

static void allowed(void **state)
{
	static const int calls[] = { SYS_read, SYS_write, SYS_writev, SYS_close, SYS_epoll_pwait,
				     SYS_ppoll, SYS_munmap, SYS_brk, SYS_exit_group, SYS_sendmsg,
				     SYS_getdents64, SYS_restart_syscall, SYS_rt_sigreturn,
				     SYS_sysinfo };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		assert_int_equal(call(calls[i], 0, 0, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(call(SYS_openat, 0, 0, O_RDONLY | O_CLOEXEC), SECCOMP_RET_ALLOW);
	assert_int_equal(call(SYS_openat, 0, 0, O_RDONLY | O_DIRECTORY), SECCOMP_RET_ALLOW);
	assert_int_equal(call(SYS_mmap, 0, 0, PROT_READ | PROT_WRITE), SECCOMP_RET_ALLOW);
	assert_int_equal(call(SYS_bpf, BPF_MAP_LOOKUP_ELEM, 0, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(call(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, 0, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(call(SYS_ioctl, 0, TIOCGWINSZ, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(call(SYS_ioctl, 0, TCSETS, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(call(SYS_tgkill, getpid(), 0, 0), SECCOMP_RET_ALLOW);
}

static void refused(void **state)
{
	static const int calls[] = { SYS_execve, SYS_execveat, SYS_clone, SYS_ptrace, SYS_mount,
				     SYS_socket, SYS_bind, SYS_unlinkat, SYS_renameat2,
				     SYS_setns, SYS_unshare, SYS_perf_event_open, SYS_kill,
				     SYS_open_by_handle_at, SYS_init_module, SYS_setresuid,
				     SYS_prctl, SYS_seccomp, SYS_process_vm_writev, 100000 };
	static const int opens[] = { O_WRONLY, O_RDWR, O_RDONLY | O_CREAT, O_RDONLY | O_TRUNC,
				     O_WRONLY | O_APPEND, O_TMPFILE | O_RDWR };
	static const int commands[] = { BPF_PROG_LOAD, BPF_MAP_CREATE, BPF_OBJ_PIN, BPF_OBJ_GET,
					BPF_PROG_ATTACH, BPF_LINK_CREATE, BPF_BTF_LOAD,
					BPF_PROG_GET_FD_BY_ID, BPF_MAP_GET_FD_BY_ID };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		if (call(calls[i], 0, 0, 0) != REFUSED)
			fail_msg("call %d is not refused", calls[i]);
	for (i = 0; i < sizeof(opens) / sizeof(*opens); i++)
		assert_int_equal(call(SYS_openat, 0, 0, opens[i]), REFUSED);
	for (i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		assert_int_equal(call(SYS_bpf, commands[i], 0, 0), REFUSED);
	assert_int_equal(call(SYS_mmap, 0, 0, PROT_READ | PROT_EXEC), REFUSED);
	assert_int_equal(call(SYS_mprotect, 0, 0, PROT_EXEC), REFUSED);
	assert_int_equal(call(SYS_ioctl, 0, TIOCSTI, 0), REFUSED);
	assert_int_equal(call(SYS_tgkill, getpid() + 1, 0, 0), REFUSED);
}

static void other_architectures(void **state)
{
	struct seccomp_data data = { .nr = SYS_read, .arch = OTHER };

	(void)state;
	assert_int_equal(verdict(&data), SECCOMP_RET_KILL_PROCESS);
#ifdef __x86_64__
	assert_int_equal(call(SYS_read | 0x40000000, 0, 0, 0), SECCOMP_RET_KILL_PROCESS);
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(allowed),
		cmocka_unit_test(refused),
		cmocka_unit_test(other_architectures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
