// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Reads the effective capabilities from /proc/self/status. */
#include "caps.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>

static uint64_t effective(void)
{
	FILE *status = fopen("/proc/self/status", "re");
	uint64_t caps = 0;
	char line[256];

	while (status && fgets(line, sizeof(line), status))
		if (sscanf(line, "CapEff: %" SCNx64, &caps) == 1)
			break;
	if (status)
		fclose(status);
	return caps;
}

bool caps_missing(const int *wanted, char *text, size_t size)
{
	uint64_t have = effective();
	size_t at = 0;
	int i;

	if (have & 1ull << CAPS_SYS_ADMIN)
		return false;
	for (i = 0; wanted[i] >= 0; i++) {
		if (have & 1ull << wanted[i])
			continue;
		at += snprintf(text + at, at < size ? size - at : 0, "%s%s", at ? ", " : "",
			       wanted[i] == CAPS_BPF ? "CAP_BPF" : "CAP_PERFMON");
	}
	return at;
}
