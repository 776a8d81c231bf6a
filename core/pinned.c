// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Filters by maps that somebody else keeps. */
#include "pinned.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *option, *map;
	uint32_t value_size; /* bcc's docs/special_filtering.md; keys are 8 bytes */
} pinned[PINNED_COUNT] = {
	[PINNED_CGROUPS] = { "--cgroupmap", "nt_cgroupmap", 8 },
	[PINNED_MNTNS] = { "--mntnsmap", "nt_mntnsmap", 4 },
};

static int open_one(const char *path, int i, struct fault *fault, int *fd)
{
	struct bpf_map_info info = { 0 };
	uint32_t len = sizeof(info);

	*fd = bpf_obj_get(path);
	if (*fd < 0)
		return fault_set(fault, EXIT_USAGE, "%s: '%s': %s", pinned[i].option, path,
				 strerror(errno));
	if (bpf_obj_get_info_by_fd(*fd, &info, &len) || info.type != BPF_MAP_TYPE_HASH ||
	    info.key_size != 8 || info.value_size != pinned[i].value_size)
		return fault_set(fault, EXIT_USAGE,
				 "%s: '%s' is no hash map with keys of 8 bytes and values of %u",
				 pinned[i].option, path, pinned[i].value_size);
	return 0;
}

int pinned_open(const struct session_opts *opts, int fds[PINNED_COUNT], struct fault *fault)
{
	int i, code = 0;

	for (i = 0; i < PINNED_COUNT; i++)
		fds[i] = -1;
	for (i = 0; i < PINNED_COUNT && !code; i++)
		if (opts->pinned[i])
			code = open_one(opts->pinned[i], i, fault, &fds[i]);
	return code;
}

void pinned_close(const int fds[PINNED_COUNT])
{
	int i;

	for (i = 0; i < PINNED_COUNT; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

int pinned_use(struct bpf_object *object, const int fds[PINNED_COUNT])
{
	struct bpf_map *map;
	int i, err = 0;

	for (i = 0; i < PINNED_COUNT && !err; i++) {
		map = bpf_object__find_map_by_name(object, pinned[i].map);
		if (map && fds[i] >= 0)
			err = bpf_map__reuse_fd(map, fds[i]);
	}
	return err;
}

uint8_t pinned_bits(const struct session_opts *opts)
{
	return (opts->pinned[PINNED_CGROUPS] ? NT_PINNED_CGROUPS : 0) |
	       (opts->pinned[PINNED_MNTNS] ? NT_PINNED_MNTNS : 0);
}
