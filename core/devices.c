// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What sysfs says of network devices. */
#include "devices.h"

#include <dirent.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

/* /sys may be mounted in another namespace, and show devices of the same names. */
static bool is_shown(const char *name, unsigned int index)
{
	unsigned int shown = 0;
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/class/net/%s/ifindex", name);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (fscanf(file, "%u", &shown) != 1)
		shown = 0;
	fclose(file);
	return shown == index;
}

static uint32_t count(const char *name, const char *kind)
{
	uint32_t n = 0;
	struct dirent *entry;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/class/net/%s/queues", name);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		n += !strncmp(entry->d_name, kind, strlen(kind));
	if (dir)
		closedir(dir);
	return n ? n : 1;
}

bool device_read(struct device *device, const char *name)
{
	unsigned int index = if_nametoindex(name);
	bool shown = index && is_shown(name, index);

	memset(device, 0, sizeof(*device));
	snprintf(device->name, sizeof(device->name), "%s", name);
	device->queues[0] = shown ? count(name, "tx-") : 1;
	device->queues[1] = shown ? count(name, "rx-") : 1;
	return index;
}
