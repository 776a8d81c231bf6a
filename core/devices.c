// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What sysfs says of network devices. */
#include "devices.h"

#include <dirent.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

/* /sys may be mounted in another namespace, and show devices of the same names. */
static bool is_ours(const char *name)
{
	unsigned int index = 0;
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/class/net/%s/ifindex", name);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (fscanf(file, "%u", &index) != 1)
		index = 0;
	fclose(file);
	return index && index == if_nametoindex(name);
}

uint32_t devices_queues(const char *name, bool receive)
{
	const char *kind = receive ? "rx-" : "tx-";
	uint32_t n = 0;
	struct dirent *entry;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/class/net/%s/queues", name);
	dir = is_ours(name) ? opendir(path) : NULL;
	while (dir && (entry = readdir(dir)))
		n += !strncmp(entry->d_name, kind, strlen(kind));
	if (dir)
		closedir(dir);
	return n ? n : 1;
}
