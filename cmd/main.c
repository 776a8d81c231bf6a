// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* nettrace: finds the tool by the first argument or by the name it was called by, and runs it. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands.h"
#include "options.h"
#include "quote.h"

#define TOOL(name) extern const struct tool name##_tool;
#include "tools.def"
#undef TOOL

const struct tool *const all_tools[] = {
#define TOOL(name) &name##_tool,
#include "tools.def"
#undef TOOL
	NULL,
};
_Static_assert(sizeof(all_tools) / sizeof(*all_tools) - 1 <= SESSION_MAX_TOOLS,
	       "a run or a replay may have all of them");
_Static_assert(!(NT_MAX_TOOLS & (NT_MAX_TOOLS - 1)), "probes take a tool's number modulo it");

const struct tool *find_tool(const char *name)
{
	const struct tool *const *tool;

	for (tool = all_tools; *tool; tool++)
		if (!strcmp((*tool)->name, name))
			return *tool;
	return NULL;
}

static int usage(FILE *to, int code)
{
	const struct command *c;
	char line[64];

	fputs("usage: nettrace TOOL [OPTIONS] [ARGS]        trace; several tools: TOOL,TOOL,...\n",
	      to);
	for (c = commands; c->name; c++) {
		snprintf(line, sizeof(line), "%s %s", c->name, c->args);
		fprintf(to, "       nettrace %-28s %s\n", line, c->help);
	}
	return code;
}

static int run(struct session_opts *opts, const char *name, bool replay, int argc, char **argv)
{
	struct fault fault = { 0 };
	int code;

	options_parse(opts, name, replay, argc, argv);
	code = replay ? session_replay(opts, &fault) : session_run(opts, &fault);
	if (code) {
		fprintf(stderr, "%s: ", name);
		quote_plain(stderr, fault.text, strlen(fault.text));
		fputc('\n', stderr);
	}
	options_free(opts);
	return code;
}

static int unknown_tool(const char *word)
{
	const char *near = nearest_tool(word);

	if (near)
		fprintf(stderr, "nettrace: '%s' is no tool; did you mean '%s'?\n", word, near);
	else
		fprintf(stderr, "nettrace: '%s' is no tool; 'nettrace list' shows them\n", word);
	return EXIT_USAGE;
}

static int run_tools(char *words, int argc, char **argv)
{
	static struct session_opts opts;
	char name[128], *word, *rest = strdup(words), *next = rest;
	const struct tool *tool;
	int i;

	snprintf(name, sizeof(name), "nettrace %s", words);
	while ((word = strsep(&next, ","))) {
		tool = find_tool(word);
		if (!tool)
			return unknown_tool(word);
		for (i = 0; i < opts.n_tools; i++)
			if (opts.tools[i] == tool) {
				fprintf(stderr, "nettrace: '%s' is named twice\n", word);
				return EXIT_USAGE;
			}
		opts.tools[opts.n_tools++] = tool;
	}
	free(rest);
	return run(&opts, name, false, argc, argv);
}

static bool is_file(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISREG(st.st_mode);
}

/*
 * Filters and columns are those of the tools in the recording, so it is opened before the options
 * are read: the first word, or behind options the first that is a recording.
 */
static int run_replay(int argc, char **argv)
{
	static struct session_opts opts;
	int i;

	for (i = 1; i < argc && !opts.recording; i++)
		if (*argv[i] != '-' && (i == 1 || is_file(argv[i])))
			session_open_recording(&opts, argv[i], all_tools);
	while (!opts.recording && all_tools[opts.n_tools]) {
		opts.tools[opts.n_tools] = all_tools[opts.n_tools];
		opts.n_tools++;
	}
	return run(&opts, "nettrace replay", true, argc, argv);
}

/* Of a command that takes `n` words at most. */
static bool too_many(int argc, char **argv, int n)
{
	if (argc - 1 > n)
		fprintf(stderr, "nettrace: '%s' is one argument too many\n", argv[n + 1]);
	return argc - 1 > n;
}

static int run_help(int argc, char **argv)
{
	bool filter = argc > 1 && !strcmp(argv[1], "filter");
	const struct tool *tool;

	if (too_many(argc, argv, filter ? 2 : 1))
		return EXIT_USAGE;
	if (argc == 1)
		return usage(stdout, EXIT_DONE);
	if (!strcmp(argv[1], "--json"))
		return cmd_registry();
	if (argc == 2 && filter)
		return cmd_help_filter(NULL);
	tool = find_tool(argv[argc - 1]);
	if (!tool)
		return unknown_tool(argv[argc - 1]);
	if (filter)
		return cmd_help_filter(tool);
	return run_tools((char *)tool->name, 2, (char *[]){ "", "--help", NULL });
}

static int run_command(int argc, char **argv)
{
	const char *word = argv[1];

	if (!strcmp(word, "--help") || !strcmp(word, "-h") || !strcmp(word, "-?"))
		return usage(stdout, EXIT_DONE);
	if (!strcmp(word, "--version") || !strcmp(word, "-V"))
		return puts("nettrace " NETTRACE_VERSION) < 0;
	if (argc == 3 && !strcmp(argv[2], "--help") && cmd_usage(word))
		return EXIT_DONE;
	if (!strcmp(word, "list"))
		return too_many(argc, argv, 1) ? EXIT_USAGE : cmd_list();
	if (!strcmp(word, "install-links"))
		return cmd_install_links(argc - 1, argv + 1);
	if (!strcmp(word, "complete")) /* asked by what `completion` prints */
		return cmd_complete(argc - 1, argv + 1);
	if (!strcmp(word, "completion"))
		return cmd_completion(argc - 1, argv + 1);
	if (!strcmp(word, "doctor"))
		return cmd_doctor(argc - 1, argv + 1);
	if (!strcmp(word, "replay"))
		return run_replay(argc - 1, argv + 1);
	if (!strcmp(word, "help"))
		return run_help(argc - 1, argv + 1);
	if (*word == '-') {
		fprintf(stderr,
			"nettrace: '%s' is no option here; 'nettrace --help' shows the use\n",
			word);
		return EXIT_USAGE;
	}
	return run_tools(argv[1], argc - 1, argv + 1);
}

/* argp prints help and ends the process by itself; that too may have gone nowhere. */
static void check_stdout(void)
{
	if (!fflush(stdout) && !ferror(stdout))
		return;
	if (errno == EPIPE)
		return;
	fprintf(stderr, "nettrace: writing the output failed: %s\n", strerror(errno));
	_exit(EXIT_RUNNING);
}

int main(int argc, char **argv)
{
	const char *called = program_invocation_short_name;

	atexit(check_stdout);
	signal(SIGPIPE, SIG_IGN); /* a reader that goes away is EPIPE, and no failure */
	if (!strncmp(called, "nettrace-", 9) && find_tool(called + 9))
		called += 9;
	if (find_tool(called))
		return run_tools((char *)called, argc, argv);
	if (argc < 2)
		return usage(stderr, EXIT_USAGE);
	return run_command(argc, argv);
}
