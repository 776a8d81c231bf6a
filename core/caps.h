/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The capabilities of this process, and what each is needed for. */
#ifndef NT_CAPS_H
#define NT_CAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* include/uapi/linux/capability.h */
#define CAPS_DAC_READ_SEARCH 2
#define CAPS_NET_ADMIN 12
#define CAPS_SYS_PTRACE 19
#define CAPS_SYS_ADMIN 21 /* contains CAPS_PERFMON and CAPS_BPF */
#define CAPS_SYS_RESOURCE 24
#define CAPS_PERFMON 38
#define CAPS_BPF 39
#define CAPS_COUNT 41

enum caps_for {
	CAPS_FOR_EVERY, /* no tool runs without it */
	CAPS_FOR_CGROUP_HOOKS, /* programs of cgroups: sockops, cgroup_skb */
	CAPS_FOR_OLD_MAPS, /* nothing, but where host_locks_maps() */
	CAPS_FOR_OWNERS, /* owners of sockets that were open before the start */
};

struct caps_need {
	int cap;
	enum caps_for why;
	const char *what; /* a sentence's second half */
};

extern const struct caps_need caps_needs[]; /* ends with an entry without `what` */

/*
 * What this process may do to the host: the effective set, or nothing in a user namespace of its
 * own, where all it holds is for that namespace only.
 */
uint64_t caps_held(void);
/* The permitted or the effective set, of whatever user namespace; 0: it cannot be read. */
uint64_t caps_read(bool permitted);
/* Whether the effective set is one of another user namespace than the first. */
bool caps_contained(void);
bool caps_has(uint64_t held, int cap); /* CAPS_SYS_ADMIN stands for those it contains */
const char *caps_name(int cap); /* "CAP_BPF"; NULL: unknown */

/*
 * What `held` lacks of caps_needs for `why`: its names, "CAP_BPF, CAP_PERFMON". true: something.
 */
bool caps_missing(uint64_t held, enum caps_for why, char *text, size_t size);

#endif
