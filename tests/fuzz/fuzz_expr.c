// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Any text as a filter of any tool, which the first byte tells: it is refused with a place inside
 * it, or it compiles and has a verdict.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>

#include "expr.h"

#define MAX_TEXT 512

struct fuzz_event {
	struct nt_event head;
	uint64_t tx_bytes, duration_ns;
	uint32_t srtt_us;
	uint16_t queue;
	uint8_t partial, end;
	char label[16];
};

#define EV struct fuzz_event

static const char *const ends[] = { "unknown", "local", NULL, "refused" };

static const struct column columns[] = {
	COLUMN_PID(EV),
	COLUMN_UID(EV),
	COLUMN_IP(EV),
	COLUMN_LPORT(EV),
	COLUMN_RPORT(EV),
	{ .name = "tx_bytes", .type = COL_BYTES, COL_AT(EV, tx_bytes) },
	{ .name = "duration_ns", .type = COL_NSEC, COL_AT(EV, duration_ns) },
	{ .name = "srtt_us", .type = COL_USEC, COL_AT(EV, srtt_us), .flags = COL_NULL_ZERO },
	{ .name = "queue", .type = COL_NUM, COL_AT(EV, queue), .flags = COL_NULL_ONES },
	{ .name = "partial", .type = COL_BOOL, COL_AT(EV, partial) },
	{ .name = "end", .type = COL_ENUM, COL_AT(EV, end), .flags = COL_GUARDED,
	  .guard = offsetof(EV, partial), .names = ends, .n_names = 4 },
	{ .name = "label", .type = COL_STR, COL_AT(EV, label), COL_OWNED(EV),
	  .flags = COL_GUARDED },
	{ .name = "saddr", .type = COL_ADDR, COL_AT(EV, head.laddr) },
	{ .name = "skaddr", .type = COL_HEX, COL_AT(EV, tx_bytes) },
	{ 0 },
};

static const struct tool made_up = {
	.name = "fuzz",
	.fields = FIELDS_OWNER | FIELDS_FLOW,
	.columns = columns,
	.event_size = sizeof(EV),
};

#define TOOL(name) extern const struct tool name##_tool;
#include "tools.def"
#undef TOOL

static const struct tool *const tools[] = {
	&made_up,
#define TOOL(name) &name##_tool,
#include "tools.def"
#undef TOOL
};
#define N_TOOLS (sizeof(tools) / sizeof(*tools))

/* Their values are looked up in the file system. */
static bool asks_the_host(const char *text)
{
	return strstr(text, "cgroup") || strstr(text, "unit") || strstr(text, "container") ||
	       strstr(text, "netns") || strstr(text, "mntns");
}

static void check_error(const char *text, int ret, const struct expr_error *err)
{
	size_t len = strlen(text);

	if (ret != -EINVAL || err->at > len || !err->len)
		abort();
	if (err->at + err->len > len + (err->at == len))
		abort();
	if (!*err->why || !memchr(err->why, '\0', sizeof(err->why)))
		abort();
}

/* The event is in memory of its size: what looks beyond it is caught. */
static void check_filter(const struct filter_node *node, const struct tool *tool)
{
	static struct bpf_insn insns[NT_FILTER_SLOTS];
	int n = filter_compile(node, insns, NT_FILTER_SLOTS);
	void *event = calloc(1, tool->event_size);

	if (n == 0 || n == -EINVAL || !event)
		abort();
	filter_eval(node, event, tool->event_size);
	memset(event, 0xff, tool->event_size);
	filter_eval(node, event, tool->event_size);
	free(event);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct session_opts opts = { 0 };
	struct filter_node *node;
	const struct tool *tool;
	struct expr_error err;
	char *text;
	int ret;

	if (!size || size > MAX_TEXT)
		return -1;
	tool = tools[*data % N_TOOLS];
	text = strndup((const char *)data + 1, size - 1);
	if (!text)
		return 0;
	if (!asks_the_host(text)) {
		ret = expr_parse(&node, text, tool, &opts, &err);
		if (ret)
			check_error(text, ret, &err);
		else
			check_filter(node, tool);
		if (ret && node)
			abort();
		filter_free(node);
	}
	free(text);
	return 0;
}
