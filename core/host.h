/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What can be read of a host without trying anything. */
#ifndef NT_HOST_H
#define NT_HOST_H

#include <stdbool.h>
#include <stdint.h>

struct host {
	char kernel[65], machine[65]; /* uname(2) */
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

/* `root` is put before every path: "" but in tests. */
void host_read(struct host *host, const char *root);

#endif
