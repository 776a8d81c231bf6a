/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The current task as an owner, and what only filters ask of it: mount namespace, cgroups. */
#ifndef NT_TASK_BPF_H
#define NT_TASK_BPF_H

#include "event.bpf.h"

#ifdef NT_FILTERED

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct mnt_namespace {
	struct ns_common ns;
};

/*
 * The member moved into struct ns_common of every namespace type long before 5.10; mnt_namespace
 * keeps it at `ns`.
 */
struct nsproxy {
	struct mnt_namespace *mnt_ns;
};

struct kernfs_node {
	__u64 id;
};

struct cgroup {
	struct kernfs_node *kn;
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
};

struct css_set {
	struct cgroup_subsys_state *subsys[16];
};

#pragma clang attribute pop

/* enum bpf_func_id of the running kernel tells which helpers it has. */
enum bpf_func_id___nt {
	BPF_FUNC_get_current_task_btf___nt = 158,
};

static __always_inline bool nt_has_task_btf(void)
{
	return bpf_core_enum_value_exists(enum bpf_func_id___nt,
					  BPF_FUNC_get_current_task_btf___nt);
}

static __always_inline __u32 nt_mntns(void)
{
	struct task_struct *task;

	if (nt_has_task_btf()) {
		task = bpf_get_current_task_btf();
		return task->nsproxy ? task->nsproxy->mnt_ns->ns.inum : 0;
	}
	/*
	 * 5.10 has no typed pointer to the current task; every kernel that forbids reading memory
	 * has one.
	 */
	task = (void *)bpf_get_current_task();
	return BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum);
}

/*
 * The task's cgroup of a v1 controller, or one above it, is `id`. Hierarchies count as at most 32
 * deep.
 */
static __always_inline bool nt_in_cgroup1(__u32 subsys, __u64 id)
{
	struct cgroup_subsys_state *css;
	struct task_struct *task;
	int i;

	if (nt_has_task_btf()) {
		task = bpf_get_current_task_btf();
		css = task->cgroups->subsys[subsys & 15];
		for (i = 0; i < 32 && css; i++, css = css->parent)
			if (css->cgroup->kn->id == id)
				return true;
		return false;
	}
	task = (void *)bpf_get_current_task();
	css = BPF_CORE_READ(task, cgroups, subsys[subsys & 15]);
	for (i = 0; i < 32 && css; i++, css = BPF_CORE_READ(css, parent))
		if (BPF_CORE_READ(css, cgroup, kn, id) == id)
			return true;
	return false;
}

#else

static __always_inline __u32 nt_mntns(void)
{
	return 0;
}

static __always_inline bool nt_in_cgroup1(__u32 subsys, __u64 id)
{
	return false;
}

#endif

struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_ARRAY);
	__uint(max_entries, NT_MAX_CGROUPS);
	__type(key, __u32);
	__type(value, __u32);
} nt_cgroups SEC(".maps");

static __always_inline __u16 nt_cgroup_bits(void)
{
	__u16 bits = 0;
	__u32 i;

	for (i = 0; i < NT_MAX_CGROUPS; i++) {
		if (i >= nt_params.n_cgroups)
			break;
		if (nt_params.cgroup1_ids[i]) {
			if (nt_in_cgroup1(nt_params.cgroup1_subsys[i], nt_params.cgroup1_ids[i]))
				bits |= 1 << i;
		} else if (bpf_current_task_under_cgroup(&nt_cgroups, i) == 1) {
			bits |= 1 << i;
		}
	}
	return bits;
}

static __attribute__((noinline)) int nt_current(struct nt_owner *owner, enum nt_owner_how how)
{
	__u64 id = bpf_get_current_pid_tgid();

	owner->pid = id >> 32;
	owner->tid = id;
	owner->uid = bpf_get_current_uid_gid();
	owner->cgroup = bpf_get_current_cgroup_id();
	bpf_get_current_comm(owner->comm, sizeof(owner->comm));
	if (nt_params.want_mntns)
		owner->mntns = nt_mntns();
	if (nt_params.n_cgroups)
		owner->cgroup_bits = nt_cgroup_bits();
	owner->how = how; /* last: until then another CPU takes the owner for unknown */
	return 0;
}

#endif
