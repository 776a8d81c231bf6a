// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* list, help --json, install-links, completion. */
#include "commands.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "complete.h"
#include "expr_help.h"
#include "nearest.h"
#include "session.h"

const struct command commands[] = {
	{ "list", "", "the tools, a line each" },
	{ "help", "[TOOL|filter]", "options and examples of a tool, or the language of --filter;"
				   " --json: of all, for machines" },
	{ "doctor", "[--json] [--selftest]", "what works on this host, and why not" },
	{ "replay", "FILE [OPTIONS]", "print a recording made with --record" },
	{ "install-links", "DIR", "symlinks named after the tools" },
	{ "completion", "bash|zsh|fish", "text that makes a shell complete the command line" },
	{ "--version", "", "which nettrace this is" },
	{ "--help", "", "this text" },
	{ 0 },
};

const char *nearest_tool(const char *word)
{
	const struct tool *const *tool;
	struct nearest nearest;

	nearest_start(&nearest, word, strlen(word));
	for (tool = all_tools; *tool; tool++)
		nearest_try(&nearest, (*tool)->name, strlen((*tool)->name));
	return nearest.best;
}

int cmd_list(void)
{
	const struct tool *const *tool;

	for (tool = all_tools; *tool; tool++)
		printf("%-12s %s\n", (*tool)->name, (*tool)->summary);
	return EXIT_DONE;
}

bool cmd_usage(const char *word)
{
	const struct command *c = commands;

	while (c->name && strcmp(c->name, word))
		c++;
	if (!c->name || !strcmp(word, "doctor") || !strcmp(word, "replay")) /* by argp */
		return false;
	printf("usage: nettrace %s%s%s\n%s\n", word, *c->args ? " " : "", c->args, c->help);
	return true;
}

static int count_tools(void)
{
	int n = 0;

	while (all_tools[n])
		n++;
	return n;
}

int cmd_registry(void)
{
	registry_print(stdout, commands, all_tools, count_tools());
	return EXIT_DONE;
}

int cmd_complete(int argc, char **argv)
{
	complete_print(stdout, commands, all_tools, count_tools(), argc - 1, argv + 1);
	return EXIT_DONE;
}

int cmd_completion(int argc, char **argv)
{
	const char *script = argc == 2 ? complete_script(argv[1]) : NULL;
	const struct tool *const *tool;

	if (!script) {
		fprintf(stderr, "nettrace: '%s' is no shell; completion takes bash, zsh or fish\n",
			argc < 2 ? "" : argv[argc - 1]);
		return EXIT_USAGE;
	}
	for (; *script; script++) {
		if (!strncmp(script, "@\n", 2))
			for (tool = all_tools; *tool; tool++)
				printf("%s%s", tool == all_tools ? "" : " ", (*tool)->name);
		else
			putchar(*script);
	}
	return EXIT_DONE;
}

int cmd_help_filter(const struct tool *only)
{
	const struct tool *const *tool;

	expr_help_language(stdout);
	for (tool = all_tools; *tool; tool++)
		if (!only || *tool == only)
			expr_help_tool(stdout, *tool);
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
