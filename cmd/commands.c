// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* list, help --json, install-links. */
#include "commands.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nearest.h"
#include "options.h"

const char *nearest_tool(const char *word)
{
	const struct tool *const *tool;
	struct nearest nearest;

	nearest_start(&nearest, word, strlen(word));
	for (tool = all_tools; *tool; tool++)
		nearest_try(&nearest, (*tool)->name);
	return nearest.best;
}

int cmd_list(void)
{
	const struct tool *const *tool;

	for (tool = all_tools; *tool; tool++)
		printf("%-12s %s\n", (*tool)->name, (*tool)->summary);
	return EXIT_DONE;
}

int cmd_registry(void)
{
	int n = 0;

	while (all_tools[n])
		n++;
	options_registry(stdout, all_tools, n);
	return EXIT_DONE;
}

/* 0: made or already ours; -1: said why not. */
static int make_link(const char *dir, const char *name, const char *target)
{
	char path[PATH_MAX], old[PATH_MAX];
	ssize_t n;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path)) {
		fprintf(stderr, "nettrace: '%s' is too long a path\n", dir);
		return -1;
	}
	n = readlink(path, old, sizeof(old) - 1);
	if (n > 0) {
		old[n] = 0;
		if (!strcmp(old, target))
			return 0;
	}
	if (!symlink(target, path))
		return 0;
	fprintf(stderr, "nettrace: '%s': %s\n", path,
		errno == EEXIST ? "exists and is not ours; nothing was overwritten" :
				  strerror(errno));
	return -1;
}

int cmd_install_links(int argc, char **argv)
{
	const struct tool *const *tool;
	char self[PATH_MAX];
	ssize_t n;
	int failed = 0;

	if (argc != 2) {
		fprintf(stderr, "nettrace: install-links takes one directory\n");
		return EXIT_USAGE;
	}
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n <= 0) {
		fprintf(stderr, "nettrace: /proc/self/exe: %s\n", strerror(errno));
		return EXIT_RUNNING;
	}
	self[n] = 0;
	for (tool = all_tools; *tool; tool++)
		failed |= make_link(argv[1], (*tool)->name, self);
	return failed ? EXIT_RUNNING : EXIT_DONE;
}
