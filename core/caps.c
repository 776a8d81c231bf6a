// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Asks the kernel for the effective set: /proc may be hidden. */
#include "caps.h"

#include <inttypes.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

const struct caps_need caps_needs[] = {
	{ CAPS_BPF, CAPS_FOR_EVERY, "loads programs and maps" },
	{ CAPS_PERFMON, CAPS_FOR_EVERY, "lets programs read the kernel's memory" },
	{ CAPS_NET_ADMIN, CAPS_FOR_CGROUP_HOOKS, "attaches programs to cgroups" },
	{ CAPS_SYS_RESOURCE, CAPS_FOR_OLD_MAPS, "raises the limit of locked memory" },
	{ CAPS_SYS_PTRACE, CAPS_FOR_OWNERS, "looks into processes of other users" },
	{ CAPS_DAC_READ_SEARCH, CAPS_FOR_OWNERS, "lists their descriptors" },
	{ CAPS_SYS_ADMIN, CAPS_FOR_OWNERS, "lists sockets of other network namespaces" },
	{ 0 },
};

static const char *const names[CAPS_COUNT] = {
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID",
	"CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE",
	"CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW",
	"CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE",
	"CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE",
	"CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL", "CAP_SETFCAP", "CAP_MAC_OVERRIDE",
	"CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ",
	"CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
};

const char *caps_name(int cap)
{
	return cap >= 0 && cap < CAPS_COUNT ? names[cap] : NULL;
}

uint64_t caps_read(bool permitted)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	if (syscall(SYS_capget, &header, data))
		return 0;
	if (permitted)
		return data[0].permitted | (uint64_t)data[1].permitted << 32;
	return data[0].effective | (uint64_t)data[1].effective << 32;
}

/* The first user namespace maps all ids to themselves, and no other can (user_namespaces(7)). */
bool caps_contained(void)
{
	FILE *map = fopen("/proc/self/uid_map", "re");
	uint32_t inside, outside, count;
	int n;

	if (!map)
		return false;
	n = fscanf(map, "%" SCNu32 " %" SCNu32 " %" SCNu32, &inside, &outside, &count);
	fclose(map);
	return n <= 0 || (n == 3 && (inside || outside || count != UINT32_MAX));
}

uint64_t caps_held(void)
{
	return caps_contained() ? 0 : caps_read(false);
}

bool caps_has(uint64_t held, int cap)
{
	if ((cap == CAPS_BPF || cap == CAPS_PERFMON) && held & 1ull << CAPS_SYS_ADMIN)
		return true;
	return held & 1ull << cap;
}

bool caps_missing(uint64_t held, enum caps_for why, char *text, size_t size)
{
	const struct caps_need *need;
	size_t at = 0;

	for (need = caps_needs; need->what; need++)
		if (need->why == why && !caps_has(held, need->cap) && at < size)
			at += snprintf(text + at, size - at, "%s%s", at ? ", " : "",
				       caps_name(need->cap));
	return at;
}
