// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * libbpf parses the kernel's BTF when it sees a program of type TRACING. So it sees another type
 * until the moment of loading, when we set the type and the hook's id.
 */
#include "hook.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi.h"
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
	bool due;        /* something was noted since the last pass */
	bool found;      /* there was a pass */
	struct btf *btf; /* of the kernel, where there was none */
	const char *lacks; /* hook_lacks() */
} hooks;

#define NAME_OF(name) #name,
static const char *const type_names[] = { NT_KERNEL_TYPES(NAME_OF) };
static const char *const kfunc_names[] = {
	[NT_RDONLY_CAST] = "bpf_rdonly_cast",
	[NT_CAST_TO_KERN_CTX] = "bpf_cast_to_kern_ctx",
};

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

static uint32_t id_of(const char *name, uint32_t kind)
{
	char plain[64];
	int id;

	if (hooks.found)
		return kbtf_id(hooks.kbtf, name);
	if (!hooks.btf)
		hooks.btf = btf__load_vmlinux_btf();
	snprintf(plain, sizeof(plain), "%.*s", (int)kbtf_plain_len(name), name);
	id = hooks.btf ? btf__find_by_name_kind(hooks.btf, plain, kind) : 0;
	return id > 0 ? id : 0;
}

/* register_fentry(), kernel/bpf/trampoline.c; x86 does without where functions are not traced. */
#define DIRECT_CALLS "register_ftrace_direct"

bool hook_unattachable(const struct bpf_program *program)
{
#if defined(__x86_64__)
	(void)program;
	return false;
#else
	const char *section = bpf_program__section_name(program);

	return (!strncmp(section, "fentry/", 7) || !strncmp(section, "fexit/", 6)) &&
	       !id_of(DIRECT_CALLS, BTF_KIND_FUNC);
#endif
}

/* A function that the kernel lacks stays what it is not: one of its helpers. */
static void put_call(struct bpf_insn *insn, const char *name)
{
	uint32_t id = id_of(name, BTF_KIND_FUNC);

	if (!id) {
		hooks.lacks = name;
		return;
	}
	insn->src_reg = BPF_PSEUDO_KFUNC_CALL;
	insn->imm = id;
}

/* probes/abi.h: NT_MARK_*. */
static void put_number(struct bpf_insn *insn)
{
	const uint8_t constant = BPF_ALU64 | BPF_MOV | BPF_K, call = BPF_JMP | BPF_CALL;
	uint32_t mark = insn->imm;

	if (insn->code == call && !insn->src_reg && mark - NT_MARK_CALL < NT_KFUNC_COUNT)
		put_call(insn, kfunc_names[mark - NT_MARK_CALL]);
	else if (insn->code == constant && mark - NT_MARK_HAS < NT_KFUNC_COUNT)
		insn->imm = id_of(kfunc_names[mark - NT_MARK_HAS], BTF_KIND_FUNC) != 0;
	else if (insn->code == constant && mark - NT_MARK_TYPE < NT_TYPE_COUNT)
		insn->imm = id_of(type_names[mark - NT_MARK_TYPE], BTF_KIND_STRUCT);
}

static int put_numbers(struct bpf_program *program)
{
	size_t n = bpf_program__insn_cnt(program), i;
	struct bpf_insn *insns = malloc(n * sizeof(*insns));
	int err;

	if (!insns)
		return -ENOMEM;
	memcpy(insns, bpf_program__insns(program), n * sizeof(*insns));
	for (i = 0; i < n; i++)
		put_number(&insns[i]);
	err = bpf_program__set_insns(program, insns, n);
	free(insns);
	return err;
}

static int before_load(struct bpf_program *program, struct bpf_prog_load_opts *opts, long cookie)
{
	int id, err;

	(void)cookie;
	hooks.lacks = NULL;
	err = put_numbers(program);
	if (err)
		return err;
	if (bpf_program__type(program) == BPF_PROG_TYPE_TRACING || !target_of(program))
		return 0; /* libbpf has found it; nothing is to be found */
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

	if (hooks.registered)
		return 0;
	/* They call functions of the kernel too. */
	id = libbpf_register_prog_handler("cgroup_skb/ingress", BPF_PROG_TYPE_CGROUP_SKB,
					  BPF_CGROUP_INET_INGRESS, &opts);
	if (id < 0)
		return id;
	for (i = 0; i < sizeof(sections) / sizeof(*sections); i++) {
		snprintf(section, sizeof(section), "%s+", sections[i].section);
		id = libbpf_register_prog_handler(section, BPF_PROG_TYPE_RAW_TRACEPOINT,
						  sections[i].type, &opts);
		if (id < 0)
			return id;
	}
	hooks.registered = true;
	return 0;
}

/* With the ids that any object may ask for. */
static struct kbtf *new_kbtf(void)
{
	struct kbtf *kbtf = kbtf_new();
	int err = kbtf ? 0 : -ENOMEM;
	size_t i;

	for (i = 0; i < NT_KFUNC_COUNT && !err; i++)
		err = kbtf_want_id(kbtf, kfunc_names[i], BTF_KIND_FUNC);
	for (i = 0; i < NT_TYPE_COUNT && !err; i++)
		err = kbtf_want_id(kbtf, type_names[i], BTF_KIND_STRUCT);
	if (!err)
		err = kbtf_want_id(kbtf, DIRECT_CALLS, BTF_KIND_FUNC);
	if (!err)
		return kbtf;
	kbtf_free(kbtf);
	return NULL;
}

static int note(const void *object, size_t len)
{
	int err;

	if (!hooks.kbtf)
		hooks.kbtf = new_kbtf();
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
	hooks.found = true;
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

const char *hook_lacks(void)
{
	return hooks.lacks;
}

struct bpf_link *hook_attach(const struct bpf_program *program)
{
	return target_of(program) ? bpf_program__attach_trace(program) :
				    bpf_program__attach(program);
}
