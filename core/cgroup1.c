// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Finds the controller of a cgroup v1 directory and the running kernel's number for it. */
#include "cgroup1.h"

#include <bpf/btf.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "mountinfo.h"

#define CGROUP_SUPER_MAGIC 0x27e0eb /* include/uapi/linux/magic.h */

/* enum cgroup_subsys_id differs with the kernel's configuration, so its BTF is asked. */
static int subsys_number(const struct btf *btf, const char *controller)
{
	int id = btf__find_by_name_kind(btf, "cgroup_subsys_id", BTF_KIND_ENUM), i;
	const struct btf_type *type = btf__type_by_id(btf, id);
	const char *name;
	size_t len = strlen(controller);

	for (i = 0; id > 0 && i < btf_vlen(type); i++) {
		name = btf__name_by_offset(btf, btf_enum(type)[i].name_off);
		if (!strncmp(name, controller, len) && !strcmp(name + len, "_cgrp_id"))
			return btf_enum(type)[i].val;
	}
	return -ENOENT;
}

struct wanted {
	const struct btf *btf;
	dev_t dev;
	int number; /* or -ENOENT */
};

/* The super block's options name the controllers of a v1 hierarchy. */
static int find_subsys(void *ctx, const struct mountinfo *mount)
{
	struct wanted *wanted = ctx;
	char *word;

	if (mount->dev != wanted->dev)
		return 0;
	for (word = strtok(mount->options, ","); word && wanted->number < 0;
	     word = strtok(NULL, ","))
		wanted->number = subsys_number(wanted->btf, word);
	return wanted->number >= 0;
}

static int subsys_of(const struct btf *btf, dev_t dev)
{
	struct wanted wanted = { .btf = btf, .dev = dev, .number = -ENOENT };

	mountinfo_each("", find_subsys, &wanted);
	return wanted.number;
}

bool cgroup1_is(const char *dir)
{
	struct statfs fs;

	return !statfs(dir, &fs) && fs.f_type == CGROUP_SUPER_MAGIC;
}

int cgroups1_params(const struct session_opts *opts, struct nt_params *params, struct fault *fault)
{
	struct btf *btf = NULL;
	struct stat st;
	int i, number, code = 0;

	for (i = 0; i < opts->n_cgroups && !code; i++) {
		if (stat(opts->cgroups[i].dir, &st))
			code = fault_set(fault, EXIT_USAGE, "--cgroup: '%s': %s",
					 opts->cgroups[i].dir, strerror(errno));
		else if (cgroup1_is(opts->cgroups[i].dir)) {
			btf = btf ? btf : btf__load_vmlinux_btf();
			number = btf ? subsys_of(btf, st.st_dev) : -ENOENT;
			if (number < 0)
				code = fault_set(fault, EXIT_KERNEL,
						 "--cgroup: '%s' is in a cgroup v1 hierarchy "
						 "without a controller: its tasks cannot be told "
						 "in the kernel",
						 opts->cgroups[i].dir);
			params->cgroup1_ids[i] = st.st_ino;
			params->cgroup1_subsys[i] = number;
		}
	}
	btf__free(btf);
	return code;
}
