// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The order matters: what takes a capability comes before that capability goes. */
#include "sandbox.h"

#include <bpf/bpf.h>
#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "caps.h"
#include "seccomp.h"

/* A whole number, as sudo writes it. */
static bool read_id(const char *name, unsigned int *id)
{
	const char *text = getenv(name);
	char *end;
	unsigned long value;

	if (!text || !isdigit((unsigned char)*text))
		return false;
	errno = 0;
	value = strtoul(text, &end, 10);
	*id = value;
	return !*end && !errno && value < UINT32_MAX;
}

bool sandbox_caller(unsigned int *uid, unsigned int *gid)
{
	return !getuid() && !geteuid() && read_id("SUDO_UID", uid) && read_id("SUDO_GID", gid) &&
	       *uid;
}

static int set_caps(uint64_t permitted, uint64_t effective)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ .permitted = permitted, .effective = effective },
		{ .permitted = permitted >> 32, .effective = effective >> 32 },
	};

	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

/* What an exec could give back. Without CAP_SETPCAP it stays, and no_new_privs makes it useless. */
static void drop_bounding(void)
{
	int cap;

	for (cap = 0; cap < 64; cap++)
		prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

static int become_caller(void)
{
	unsigned int uid, gid;
	gid_t group;

	if (!sandbox_caller(&uid, &gid))
		return 0;
	group = gid;
	prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0); /* they go next */
	if (setgroups(1, &group) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid))
		return -errno;
	prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
	return 0;
}

static bool can_read(int map)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);

	return !bpf_obj_get_info_by_fd(map, &info, &len) || errno != EPERM;
}

/* All of them, unless the kernel then lets us read no map. */
static int drop_caps(int map)
{
	uint64_t held = caps_read(true), one = 1ull << CAPS_BPF;
	int err;

	if (!(held & one))
		one = 1ull << CAPS_SYS_ADMIN;
	one &= held;
	err = set_caps(one, 0);
	if (!err)
		err = can_read(map) ? set_caps(0, 0) : set_caps(one, one);
	return err;
}

int sandbox_enter(int map, const char **what)
{
	int err;

	drop_bounding();
	*what = "becoming the user who called sudo";
	err = become_caller();
	if (err)
		return err;
	*what = "giving up capabilities";
	err = drop_caps(map);
	if (err)
		return err;
	*what = "PR_SET_NO_NEW_PRIVS";
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	*what = "the filter of system calls";
	err = seccomp_enter();
	return err == -EINVAL ? 0 : err; /* a kernel without CONFIG_SECCOMP_FILTER */
}
