// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * libbpf parses the kernel's BTF when it sees a program of type TRACING. So it sees another type
 * until the moment of loading, when we set the type and the hook's id.
 */
#include "hook.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kbtf.h"

static const struct {
	const char *section;
	enum bpf_attach_type type;
} sections[] = {
	{ "tp_btf", BPF_TRACE_RAW_TP },
	{ "fentry", BPF_TRACE_FENTRY },
	{ "fexit", BPF_TRACE_FEXIT },
};

/* libbpf's handlers of sections belong to the process, and so does the kernel's BTF. */
static struct {
	bool registered;
	struct kbtf *kbtf;
	bool due; /* something was noted since the last pass */
} hooks;

/* What it is attached to, NULL: it is no program of these. */
static const char *target_of(const struct bpf_program *program)
{
	const char *section = bpf_program__section_name(program);
	size_t i, len;

	for (i = 0; i < sizeof(sections) / sizeof(*sections); i++) {
		len = strlen(sections[i].section);
		if (!strncmp(section, sections[i].section, len) && section[len] == '/')
			return section + len + 1;
	}
	return NULL;
}

static int before_load(struct bpf_program *program, struct bpf_prog_load_opts *opts, long cookie)
{
	int id;

	(void)cookie;
	if (bpf_program__type(program) == BPF_PROG_TYPE_TRACING)
		return 0; /* libbpf has found it */
	id = hooks.kbtf ? kbtf_hook(hooks.kbtf, bpf_program__section_name(program)) : -ESRCH;
	if (id < 0)
		return -ESRCH;
	opts->attach_btf_id = id;
	return bpf_program__set_type(program, BPF_PROG_TYPE_TRACING);
}

int hook_init(void)
{
	LIBBPF_OPTS(libbpf_prog_handler_opts, opts, .prog_prepare_load_fn = before_load);
	char section[16];
	size_t i;
	int id;

	for (i = 0; !hooks.registered && i < sizeof(sections) / sizeof(*sections); i++) {
		snprintf(section, sizeof(section), "%s+", sections[i].section);
		id = libbpf_register_prog_handler(section, BPF_PROG_TYPE_RAW_TRACEPOINT,
						  sections[i].type, &opts);
		if (id < 0)
			return id;
	}
	hooks.registered = true;
	return 0;
}

static int note(const void *object, size_t len)
{
	int err;

	if (!hooks.kbtf)
		hooks.kbtf = kbtf_new();
	if (!hooks.kbtf)
		return -ENOMEM;
	err = kbtf_want(hooks.kbtf, object, len);
	hooks.due |= err > 0;
	return err < 0 ? err : 0;
}

void hook_note(const void *object, size_t len)
{
	note(object, len);
}

const char *hook_btf(const void *object, size_t len)
{
	if (note(object, len) || (hooks.due && kbtf_find(hooks.kbtf)))
		return NULL;
	hooks.due = false;
	return kbtf_path(hooks.kbtf);
}

int hook_set(struct bpf_program *program, bool found)
{
	const char *target = target_of(program);
	int id, err;

	if (!target)
		return 0;
	if (found) {
		id = kbtf_hook(hooks.kbtf, bpf_program__section_name(program));
		return id < 0 ? id : 0;
	}
	err = bpf_program__set_type(program, BPF_PROG_TYPE_TRACING);
	return err ? err : bpf_program__set_attach_target(program, 0, target);
}

struct bpf_link *hook_attach(const struct bpf_program *program)
{
	return target_of(program) ? bpf_program__attach_trace(program) :
				    bpf_program__attach(program);
}
