// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Reads /proc/self/mountinfo. */
#include "mountinfo.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

/* \040 and the like, in place. */
static void unescape(char *text)
{
	char *to = text;

	for (; *text; to++) {
		if (text[0] == '\\' && text[1] && text[2] && text[3]) {
			*to = (text[1] - '0') << 6 | (text[2] - '0') << 3 | (text[3] - '0');
			text += 4;
		} else {
			*to = *text++;
		}
	}
	*to = '\0';
}

static bool parse(struct mountinfo *mount, char *line)
{
	unsigned int major, minor;
	char *field[5], *rest = line;
	size_t i;

	line[strcspn(line, "\n")] = '\0';
	for (i = 0; i < 5; i++)
		if (!(field[i] = strsep(&rest, " ")))
			return false;
	rest = rest ? strstr(rest, " - ") : NULL;
	if (!rest || sscanf(field[2], "%u:%u", &major, &minor) != 2)
		return false;
	rest += 3;
	unescape(field[4]);
	*mount = (struct mountinfo){ .dev = makedev(major, minor), .root = field[3],
				     .at = field[4], .type = strsep(&rest, " ") };
	strsep(&rest, " "); /* the source */
	mount->options = rest;
	return rest;
}

int mountinfo_each(const char *root, int (*each)(void *ctx, const struct mountinfo *mount),
		   void *ctx)
{
	struct mountinfo mount;
	char path[PATH_MAX], *line = NULL;
	size_t size = 0;
	FILE *file;
	int ret = 0;

	snprintf(path, sizeof(path), "%s/proc/self/mountinfo", root);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	while (!ret && getline(&line, &size, file) > 0)
		if (parse(&mount, line))
			ret = each(ctx, &mount);
	free(line);
	fclose(file);
	return ret;
}
