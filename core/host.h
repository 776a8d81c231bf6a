/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What can be read of a host without trying anything. */
#ifndef NT_HOST_H
#define NT_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "caps.h"

struct host {
	char kernel[65], machine[65]; /* uname(2) */
	uint32_t version;   /* host_version() */
	int btf;            /* errno of opening the kernel's BTF; 0: it is there */
	bool btf_covered;   /* something is mounted over its directory */
	bool sysfs;
	char lockdown[32];  /* the mode that is on; "": unknown */
	int jit;            /* net.core.bpf_jit_enable; -1: unknown */
	char tracefs[256];  /* where it is mounted; "": nowhere */
	char cgroup2[256];  /* where the root of the v2 hierarchy is; "": nowhere */
	bool cgroup1;       /* there are v1 hierarchies */
	uint64_t held;      /* caps_held() */
	bool contained;     /* caps_contained() */
	bool root;          /* the user is root */
};

/*
 * major << 16 | minor << 8 | the stable release, which is 255 where it is larger. Distributions
 * that keep the release of uname(2) at .0 tell elsewhere what they contain.
 */
#define HOST_VERSION(major, minor, stable)                                                         \
	((uint32_t)(major) << 16 | (minor) << 8 | ((stable) > 255 ? 255 : (stable)))

/*
 * From what uname(2) calls release and version, and Ubuntu's /proc/version_signature or NULL.
 * 0: unknown.
 */
uint32_t host_parse_version(const char *release, const char *version, const char *signature);

uint32_t host_version(const char *root);

/*
 * A listener takes one handshake more than its backlog (3479c7549fb1, in 6.13, and the stable
 * releases of January 2025): no type of the kernel shows it.
 */
bool host_takes_one_more(uint32_t version);

/*
 * A direct load from a bad address fails and no more. Before ("bpf: ensure main program has an
 * extable", 6.4 and the stable releases of June 2023) the kernel may die of it if the program has
 * functions.
 */
bool host_survives_faults(uint32_t version);

/* Maps count as locked memory (RLIMIT_MEMLOCK), for root too: until 5.11 (97306be45fbe). */
bool host_locks_maps(uint32_t version);

/*
 * 1: processes have the numbers here that probes see, those of the first PID namespace
 * (PROC_PID_INIT_INO, include/linux/proc_ns.h); 0: they do not, and nothing translates them; or
 * -errno.
 */
int host_pids_known(void);

/* Whether the capability is of any use on this host. */
bool host_needs(const struct host *host, const struct caps_need *need);

/* `root` is put before every path: "" but in tests. */
void host_read(struct host *host, const char *root);

#endif
