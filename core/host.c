// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Reads /proc and /sys; what is hidden there is unknown. */
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "mountinfo.h"

#define PID_NS_FIRST 0xeffffffcu

static FILE *open_below(const char *root, const char *path)
{
	char whole[PATH_MAX];

	snprintf(whole, sizeof(whole), "%s%s", root, path);
	return fopen(whole, "re");
}

/* The word in brackets of "none [integrity] confidentiality". */
static void read_lockdown(struct host *host, const char *root)
{
	FILE *file = open_below(root, "/sys/kernel/security/lockdown");

	if (!file)
		return;
	if (fscanf(file, "%*[^[][%31[^]]", host->lockdown) != 1) {
		rewind(file);
		if (fscanf(file, "[%31[^]]", host->lockdown) != 1)
			host->lockdown[0] = 0;
	}
	fclose(file);
}

static void read_jit(struct host *host, const char *root)
{
	FILE *file = open_below(root, "/proc/sys/net/core/bpf_jit_enable");

	host->jit = -1;
	if (!file)
		return;
	if (fscanf(file, "%d", &host->jit) != 1)
		host->jit = -1;
	fclose(file);
}

/* The first one counts; half a path is none. */
static void take_path(char *path, size_t size, const char *at)
{
	if (!*path && strlen(at) < size)
		memcpy(path, at, strlen(at) + 1);
}

static int read_mount(void *ctx, const struct mountinfo *mount)
{
	struct host *host = ctx;

	if (!strcmp(mount->type, "sysfs"))
		host->sysfs |= !strcmp(mount->at, "/sys");
	if (!strncmp(mount->at, "/sys/kernel/btf", 15))
		host->btf_covered = true;
	if (!strcmp(mount->type, "tracefs"))
		take_path(host->tracefs, sizeof(host->tracefs), mount->at);
	if (!strcmp(mount->type, "cgroup"))
		host->cgroup1 = true;
	if (!strcmp(mount->type, "cgroup2") && !strcmp(mount->root, "/"))
		take_path(host->cgroup2, sizeof(host->cgroup2), mount->at);
	return 0;
}

static uint32_t parse_release(const char *text)
{
	unsigned int major, minor, stable = 0;

	if (!text || sscanf(text, "%u.%u.%u", &major, &minor, &stable) < 2)
		return 0;
	return HOST_VERSION(major, minor, stable);
}

uint32_t host_parse_version(const char *release, const char *version, const char *signature)
{
	const char *debian = strstr(version, "Debian "), *last = NULL;
	uint32_t found = 0;

	if (signature)
		last = strrchr(signature, ' ');
	if (last)
		found = parse_release(last + 1);
	if (!found && debian)
		found = parse_release(debian + strlen("Debian "));
	return found ? found : parse_release(release);
}

uint32_t host_version(const char *root)
{
	FILE *file = open_below(root, "/proc/version_signature");
	char line[256], *signature = NULL;
	struct utsname name;

	if (file) {
		signature = fgets(line, sizeof(line), file);
		fclose(file);
	}
	return uname(&name) ? 0 : host_parse_version(name.release, name.version, signature);
}

bool host_takes_one_more(uint32_t version)
{
	static const uint32_t first[] = {
		HOST_VERSION(5, 4, 290), HOST_VERSION(5, 10, 234), HOST_VERSION(5, 15, 177),
		HOST_VERSION(6, 1, 125), HOST_VERSION(6, 6, 72), HOST_VERSION(6, 12, 10),
	};
	size_t i;

	for (i = 0; i < sizeof(first) / sizeof(*first); i++) {
		if (first[i] >> 8 == version >> 8)
			return version >= first[i];
	}
	return version >= HOST_VERSION(6, 13, 0);
}

bool host_survives_faults(uint32_t version)
{
	return version >= HOST_VERSION(6, 3, 9); /* before 6.2 there are no casts */
}

int host_pids_known(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) ? -errno : st.st_ino == PID_NS_FIRST;
}

bool host_locks_maps(uint32_t version)
{
	return version < HOST_VERSION(5, 11, 0);
}

bool host_needs(const struct host *host, const struct caps_need *need)
{
	return need->why != CAPS_FOR_OLD_MAPS || host_locks_maps(host->version);
}

void host_read(struct host *host, const char *root)
{
	struct utsname name;
	FILE *btf;

	memset(host, 0, sizeof(*host));
	if (!uname(&name)) {
		snprintf(host->kernel, sizeof(host->kernel), "%s", name.release);
		snprintf(host->machine, sizeof(host->machine), "%s", name.machine);
	}
	host->version = host_version(root);
	btf = open_below(root, "/sys/kernel/btf/vmlinux");
	host->btf = btf ? 0 : errno;
	if (btf)
		fclose(btf);
	read_lockdown(host, root);
	read_jit(host, root);
	mountinfo_each(root, read_mount, host);
	host->held = caps_held();
	host->contained = caps_contained();
	host->root = !geteuid();
}
