// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Prints a recording through the same rows, filters and formats as a live run. */
#include <errno.h>
#include <string.h>

#include "quote.h"
#include "record.h"
#include "rows.h"

struct replay {
	const struct session_opts *opts;
	struct rows rows;
	int n_tools; /* of the file, met so far */
	int code;
	struct fault *fault;
	size_t at;
};

/* The tool, or its variant where the columns are that one's. */
static const struct tool *tool_of(const struct tool *const *known, const struct record_block *block)
{
	const struct tool *variant;

	for (; *known; known++) {
		if (strcmp((*known)->name, block->text))
			continue;
		variant = (*known)->variant;
		return variant && record_schema(variant) == block->value ? variant : *known;
	}
	return NULL;
}

int session_open_recording(struct session_opts *opts, const char *path,
			   const struct tool *const *known)
{
	const struct tool *tool;
	struct record_block block;
	size_t at;
	int err;

	err = recording_open(&opts->recording, path);
	if (err)
		return err;
	opts->n_tools = 0;
	while (opts->n_tools < SESSION_MAX_TOOLS &&
	       recording_next(opts->recording, &block, &at) == 1 && block.kind == RECORD_TOOL) {
		tool = tool_of(known, &block);
		if (!tool)
			break;
		opts->tools[opts->n_tools++] = tool;
	}
	recording_rewind(opts->recording);
	if (!names_new(&opts->names, false))
		while (recording_next(opts->recording, &block, &at) == 1)
			if (block.kind == RECORD_NAME)
				names_learn(opts->names, block.value, block.text);
	recording_rewind(opts->recording);
	return 0;
}

/*
 * The tools of the file are those of opts, in the same order, unless we have not got one of them.
 */
static int check_tool(struct replay *r, const struct record_block *block)
{
	const struct session_opts *opts = r->opts;
	const struct tool *tool = r->n_tools < opts->n_tools ? opts->tools[r->n_tools] : NULL;

	if (!tool || strcmp(tool->name, block->text))
		return fault_set(r->fault, EXIT_USAGE,
				 "%s: made by a tool '%s' that this nettrace does not have",
				 opts->replay, block->text);
	if (block->value != record_schema(tool))
		return fault_set(r->fault, EXIT_USAGE, "%s: made by another version of %s",
				 opts->replay, tool->name);
	r->n_tools++;
	return 0;
}

/* The bits in the file answer the recording's question, not ours. */
static uint16_t cgroup_bits(struct replay *r, uint64_t id)
{
	const struct session_opts *opts = r->opts;
	const char *path = opts->n_cgroups ? cgroups_path(r->rows.cgroups, id) : NULL;
	uint16_t bits = 0;
	int i;

	for (i = 0; path && i < opts->n_cgroups; i++)
		if (cgroup_matches(opts->cgroups[i].by, opts->cgroups[i].word, path))
			bits |= 1 << i;
	return bits;
}

/*
 * false: enough, or the output failed. The event is copied: its tool's number is ours, not the
 * file's.
 */
static bool replay_event(struct replay *r, const struct record_block *block)
{
	const struct nt_event *head = block->data;
	uint64_t copy[ROWS_MAX_EVENT / 8];
	struct nt_event *e = (struct nt_event *)copy;
	const struct filter_node *filter;
	const struct tool *tool;
	size_t len = 0;

	if (head->kind != NT_ROW) {
		rows_learn(&r->rows, block->data, block->len);
		return true;
	}
	tool = head->tool < r->n_tools ? r->opts->tools[head->tool] : NULL;
	if (tool && block->len <= tool->event_size)
		len = rows_padded(tool, copy, sizeof(copy), block->data, block->len);
	if (!len) {
		r->code = fault_set(r->fault, EXIT_RUNNING, "%s: an event of no tool at byte %zu",
				    r->opts->replay, r->at);
		return false;
	}
	e->owner.cgroup_bits = cgroup_bits(r, e->owner.cgroup);
	filter = r->opts->filter[e->tool];
	if (filter && !filter_eval(filter, e, len))
		return true;
	return rows_event(&r->rows, e, len);
}

static bool replay_reading(struct replay *r, const struct record_block *block)
{
	uint8_t tool = *block->text;

	if (tool >= r->n_tools || !r->opts->tools[tool]->sums) {
		r->code = fault_set(r->fault, EXIT_RUNNING,
				    "%s: a reading of no tool at byte %zu", r->opts->replay, r->at);
		return false;
	}
	return rows_reading(&r->rows, tool, block->value, block->text + 1);
}

static bool replay_block(struct replay *r, const struct record_block *block)
{
	switch (block->kind) {
	case RECORD_TOOL:
		r->code = check_tool(r, block);
		return !r->code;
	case RECORD_CLOCK:
		out_set_clock(r->rows.out, block->value);
		return true;
	case RECORD_CGROUP:
	case RECORD_NAME:
		return true;
	case RECORD_LOSS:
		fputs("when this was recorded: ", stderr);
		quote_plain(stderr, block->text, strlen(block->text));
		fputc('\n', stderr);
		return true;
	case RECORD_EVENT:
		return replay_event(r, block);
	case RECORD_READING:
		return replay_reading(r, block);
	case RECORD_END:
		break;
	}
	return false;
}

/* Names may come after the first event that needs them. */
static void learn_names(struct replay *r, struct recording *rec)
{
	struct record_block block;

	while (recording_next(rec, &block, &r->at) == 1)
		if (block.kind == RECORD_CGROUP)
			cgroups_learn(r->rows.cgroups, block.value, block.text);
	recording_rewind(rec);
}

static int print_all(struct replay *r, struct recording *rec)
{
	struct record_block block;
	bool more = true;
	int ret = 1;

	while (more && (ret = recording_next(rec, &block, &r->at)) == 1) {
		more = replay_block(r, &block);
		if (r->rows.error)
			break;
	}
	if (!r->code && !r->rows.printed && !r->rows.readings)
		rows_headers(&r->rows);
	rows_flush(&r->rows);
	if (r->code)
		return r->code;
	if (ret == -EBADMSG)
		return fault_set(r->fault, EXIT_RUNNING,
				 "%s: damaged or cut off at byte %zu; what came before is printed",
				 r->opts->replay, r->at);
	return rows_result(&r->rows, r->fault);
}

static int why_not(const struct session_opts *opts, int err, struct fault *fault)
{
	if (err == -EINVAL)
		return fault_set(fault, EXIT_USAGE, "%s: not a recording of nettrace",
				 opts->replay);
	if (err == -ENOTSUP)
		return fault_set(fault, EXIT_USAGE,
				 "%s: a recording of another version or byte order", opts->replay);
	return fault_set(fault, EXIT_USAGE, "%s: %s", opts->replay, strerror(-err));
}

int session_replay(const struct session_opts *opts, struct fault *fault)
{
	struct replay r = { .opts = opts, .fault = fault };
	struct recording *rec = opts->recording;
	int err = 0, code;

	if (!rec)
		err = recording_open(&rec, opts->replay);
	if (err)
		return why_not(opts, err, fault);
	code = rows_open(&r.rows, opts, fault);
	if (!code) {
		learn_names(&r, rec);
		code = print_all(&r, rec);
	}
	rows_close(&r.rows);
	recording_close(rec);
	return code;
}
