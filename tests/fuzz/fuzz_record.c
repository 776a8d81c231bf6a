/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Any bytes as a recording: through the reader, filters and all formats of the real tools.
 * Checksums are not looked at
 * in this build (record.c). Seeds: tests/replay/TOOL/ (the .nt files).
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "expr.h"
#include "fields.h"
#include "record.h"
#include "rows.h"

#define MAX_SIZE (64 << 10)
#define ALL_FIELDS (FIELDS_OWNER | FIELDS_FLOW) /* that the filter below asks for */

#define TOOL(name) extern const struct tool name##_tool;
#include "tools.def"
#undef TOOL

static const struct tool *const tools[] = {
#define TOOL(name) &name##_tool,
#include "tools.def"
#undef TOOL
	NULL,
};
#define N_TOOLS (sizeof(tools) / sizeof(*tools) - 1)

/* a replay with a filter that looks at many fields and rejects little */
static struct session_opts opts;
static struct rows rows;         /* of the direct way; a replay opens its own */
static int memory = -1;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int failed)
{
	if (failed)
		abort();
}

static void add_common(enum field field, const char *list)
{
	struct filter_node *node = NULL;
	struct filter_error err;

	must(fields_parse(&node, field, list, &opts, &err));
	opts.common = filter_and(opts.common, node);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char expr[] = "not (lport 1-5,7 and host 10.0.0.0/8) or comm nginx "
				   "or pid > 5 or cgroup /a";
	struct expr_error error;
	struct fault fault = { 0 };
	static char path[64];
	int null = open("/dev/null", O_WRONLY);

	(void)argc;
	(void)argv;
	must(null < 0 || dup2(null, STDOUT_FILENO) < 0);
	memory = memfd_create("recording", 0);
	must(memory < 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", memory);
	opts.replaying = opts.header = true;
	opts.replay = path;
	for (size_t i = 0; i < N_TOOLS; i++)
		opts.tools[opts.n_tools++] = tools[i];
	add_common(FIELD_CGROUP, "!/no/such");
	add_common(FIELD_UNIT, "!none");
	add_common(FIELD_CONTAINER, "!deadbeef");
	for (int i = 0; i < opts.n_tools; i++) {
		if ((opts.tools[i]->fields & ALL_FIELDS) != ALL_FIELDS)
			continue;
		must(expr_parse(&opts.expr[i], expr, opts.tools[i], &opts, &error));
		opts.both[i] = (struct filter_node){ .kind = FILTER_AND, .a = opts.common,
						     .b = opts.expr[i] };
		opts.filter[i] = &opts.both[i];
	}
	must(rows_open(&rows, &opts, &fault));
	return 0;
}

/* The event alone in memory of its size: what reads beyond it is caught. */
static void one_event(const struct record_block *block)
{
	struct nt_event *event = malloc(block->len);

	must(!event);
	memcpy(event, block->data, block->len);
	event->tool %= N_TOOLS;
	if (filter_eval(opts.filter[event->tool], event, block->len))
		must(!rows_event(&rows, event, block->len));
	free(event);
}

/* The bytes where they are, at an address that may be odd and with nothing behind them. */
static void read_directly(const uint8_t *data, size_t size)
{
	struct recording *rec = NULL;
	struct record_block block;
	size_t at = 0, last = 0;
	int ret;

	if (recording_open_mem(&rec, data, size))
		return;
	while ((ret = recording_next(rec, &block, &at)) == 1) {
		must(at < last || at >= size);
		last = at;
		if (block.kind == RECORD_TOOL || block.kind == RECORD_CGROUP)
			must(strlen(block.text) >= block.len);
		if (block.kind == RECORD_CLOCK)
			out_set_clock(rows.out, (int64_t)block.value);
		if (block.kind == RECORD_EVENT)
			one_event(&block);
	}
	must(at > size);
	recording_close(rec);
	must(!rows_flush(&rows));
}

/* A variant, which is none of ours, goes without. */
static struct filter_node *filter_of(const struct tool *tool)
{
	for (int i = 0; i < opts.n_tools; i++)
		if (opts.tools[i] == tool)
			return opts.filter[i];
	return NULL;
}

static void replay(const uint8_t *data, size_t size)
{
	static const enum out_format formats[] = { OUT_TABLE, OUT_CSV, OUT_JSON };
	struct session_opts of_file;
	struct fault fault;

	must(ftruncate(memory, 0) || pwrite(memory, data, size, 0) != (ssize_t)size);
	for (size_t i = 0; i < 3; i++) {
		of_file = opts;
		session_open_recording(&of_file, opts.replay, tools);
		for (int t = 0; t < of_file.n_tools; t++)
			of_file.filter[t] = filter_of(of_file.tools[t]);
		memset(&fault, 0, sizeof(fault));
		of_file.format = formats[i];
		/* What is refused is refused with a sentence. */
		must(session_replay(&of_file, &fault) && !*fault.text);
		names_free(of_file.names);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > MAX_SIZE)
		return -1;
	read_directly(data, size);
	replay(data, size);
	return 0;
}
