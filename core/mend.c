// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What to type. */
#include "mend.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "caps.h"

/* "cap_bpf,cap_perfmon,...": those that a file may well have; CAP_SYS_ADMIN is as good as root. */
static void list_caps(const struct host *host, char *text, size_t size)
{
	const struct caps_need *need;
	const char *name;
	size_t at = 0;

	for (need = caps_needs; need->what; need++) {
		if (need->cap == CAPS_SYS_ADMIN || !host_needs(host, need))
			continue;
		if (at && at + 1 < size)
			text[at++] = ',';
		for (name = caps_name(need->cap); *name && at + 1 < size; name++)
			text[at++] = tolower(*name);
	}
	text[at] = 0;
}

void mend_privilege(const struct mend *mend, char *text, size_t size)
{
	char caps[128];

	list_caps(mend->host, caps, sizeof(caps));
	if (mend->host->contained)
		snprintf(text, size,
			 "leave the user namespace: sudo nettrace %s on the host itself",
			 mend->tool);
	else if (mend->host->root)
		snprintf(text, size,
			 "give the container or service these capabilities: %s "
			 "(docker run --cap-add BPF --cap-add PERFMON --cap-add NET_ADMIN ...)",
			 caps);
	else
		snprintf(text, size, "sudo nettrace %s, or once: sudo setcap %s+ep %s", mend->tool,
			 caps, mend->self);
}

void mend_btf(const struct mend *mend, char *text, size_t size)
{
	if (!mend->host->sysfs)
		snprintf(text, size, "mount -t sysfs sysfs /sys");
	else if (mend->host->btf_covered)
		snprintf(text, size, "umount /sys/kernel/btf");
	else
		snprintf(text, size, "boot a kernel with CONFIG_DEBUG_INFO_BTF=y");
}

void mend_lockdown(const struct mend *mend, char *text, size_t size)
{
	if (!mend->host->lockdown[0])
		snprintf(text, size, "mount -t securityfs securityfs /sys/kernel/security");
	else if (strcmp(mend->host->lockdown, "none"))
		snprintf(text, size, "boot with lockdown=none on the kernel's command line");
	else
		text[0] = 0;
}

void mend_tracefs(const struct mend *mend, char *text, size_t size)
{
	if (mend->host->tracefs[0])
		text[0] = 0;
	else
		snprintf(text, size, "mount -t tracefs tracefs /sys/kernel/tracing");
}

void mend_cgroup2(const struct mend *mend, char *text, size_t size)
{
	if (mend->host->cgroup2[0])
		text[0] = 0;
	else if (mend->host->cgroup1)
		snprintf(text, size, "mkdir -p /sys/fs/cgroup/unified && "
				     "mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified");
	else
		snprintf(text, size, "mount -t cgroup2 cgroup2 /sys/fs/cgroup");
}

/* bpf(2) said EPERM although the capabilities are there. */
static void mend_refusal(const struct mend *mend, char *text, size_t size)
{
	if (!mend->host->jit)
		snprintf(text, size, "sysctl -w net.core.bpf_jit_enable=1");
	else if (!mend->host->lockdown[0])
		snprintf(text, size,
			 "boot with lockdown=none if the kernel is locked down, which this shows: "
			 "mount -t securityfs securityfs /sys/kernel/security");
	else if (strcmp(mend->host->lockdown, "none"))
		mend_lockdown(mend, text, size);
	else
		snprintf(text, size, "boot a kernel whose security modules permit it");
}

void mend_failure(const struct mend *mend, const struct plan_failure *failure, const char *hook,
		  char *text, size_t size)
{
	switch (failure->lack) {
	case PLAN_LACKS_NET_ADMIN:
		mend_privilege(mend, text, size);
		return;
	case PLAN_LACKS_CGROUP2:
		mend_cgroup2(mend, text, size);
		return;
	case PLAN_LACKS_KPROBES:
		snprintf(text, size, "boot a kernel with CONFIG_KPROBES=y");
		return;
	case PLAN_LACKS_FENTRY:
		snprintf(text, size,
			 "boot a kernel with CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS=y");
		return;
	case PLAN_LACKS_PERF:
		snprintf(text, size, "sudo nettrace %s, or: sysctl -w kernel.perf_event_paranoid=2",
			 mend->tool);
		return;
	case PLAN_LACKS_PERMISSION:
		mend_refusal(mend, text, size);
		return;
	case PLAN_LACKS_UNKNOWN: /* helpers that a lockdown takes away are "Invalid argument" */
		mend_lockdown(mend, text, size);
		if (mend->host->lockdown[0] && text[0])
			return;
		/* fall through */
	case PLAN_LACKS_HOOK:
		snprintf(text, size, "boot a kernel that has %s", hook);
		return;
	}
}
