// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Has no opinion of its own about what the kernel can do: it plans each tool as a run would and
 * says in words what came of it.
 */
#include "doctor.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "caps.h"
#include "mend.h"
#include "options.h"
#include "session.h"

__attribute__((format(printf, 4, 5))) static void append(char *text, size_t size, const char *sep,
							  const char *format, ...)
{
	size_t at = strlen(text);
	va_list args;

	if (at)
		at += snprintf(text + at, size - at, "%s", sep);
	if (at >= size)
		return;
	va_start(args, format);
	vsnprintf(text + at, size - at, format, args);
	va_end(args);
}

static struct mend mend_of(const struct doctor *doctor, const struct tool *tool)
{
	return (struct mend){ .host = &doctor->host,
			      .self = doctor->self,
			      .tool = tool ? tool->name : "doctor" };
}

static struct doctor_fact *say(struct doctor *doctor, enum doctor_facts which, const char *name,
			       const char *title, enum doctor_state state, const char *text)
{
	struct doctor_fact *fact = &doctor->facts[which];

	fact->name = name;
	fact->title = title;
	fact->state = state;
	snprintf(fact->text, sizeof(fact->text), "%s", text);
	return fact;
}

static void say_cgroup(struct doctor *doctor)
{
	const struct host *host = &doctor->host;
	const struct mend mend = mend_of(doctor, NULL);
	const char *version = host->cgroup2[0] ? (host->cgroup1 ? "mixed" : "v2") :
						 (host->cgroup1 ? "v1" : "");
	struct doctor_fact *fact = say(doctor, FACT_CGROUP, "cgroup", "cgroup",
				       *version ? DOCTOR_TEXT : DOCTOR_UNKNOWN, version);

	mend_cgroup2(&mend, fact->mend, sizeof(fact->mend));
}

void doctor_facts(struct doctor *doctor)
{
	const struct host *host = &doctor->host;
	const struct mend mend = mend_of(doctor, NULL);
	struct doctor_fact *fact;

	say(doctor, FACT_KERNEL, "kernel", "kernel", DOCTOR_TEXT, host->kernel);
	say(doctor, FACT_MACHINE, "architecture", "architecture", DOCTOR_TEXT, host->machine);
	fact = say(doctor, FACT_BTF, "btf", "BTF", host->btf ? DOCTOR_NO : DOCTOR_YES,
		   host->btf ? strerror(host->btf) : "");
	if (host->btf)
		mend_btf(&mend, fact->mend, sizeof(fact->mend));
	fact = say(doctor, FACT_LOCKDOWN, "lockdown", "lockdown",
		   host->lockdown[0] ? DOCTOR_TEXT : DOCTOR_UNKNOWN, host->lockdown);
	mend_lockdown(&mend, fact->mend, sizeof(fact->mend));
	fact = say(doctor, FACT_JIT, "jit", "JIT",
		   host->jit < 0 ? DOCTOR_UNKNOWN : host->jit ? DOCTOR_YES : DOCTOR_NO,
		   host->jit < 0 ? "net.core.bpf_jit_enable is for root to read" : "");
	if (!host->jit)
		snprintf(fact->mend, sizeof(fact->mend), "sysctl -w net.core.bpf_jit_enable=1");
	say(doctor, FACT_KPROBES, "kprobes", "kprobes", DOCTOR_UNKNOWN, "not tried");
	say(doctor, FACT_FENTRY, "fentry", "fentry", DOCTOR_UNKNOWN, "not tried");
	fact = say(doctor, FACT_TRACEFS, "tracefs", "tracefs",
		   host->tracefs[0] ? DOCTOR_TEXT : DOCTOR_NO,
		   host->tracefs[0] ? host->tracefs : "not mounted");
	mend_tracefs(&mend, fact->mend, sizeof(fact->mend));
	say_cgroup(doctor);
}

static bool refused_all(const struct plan *plan, int slot)
{
	return plan->chosen[slot] == PLAN_NONE && plan->failures[slot][0].error;
}

void doctor_tried(struct doctor *doctor, enum doctor_facts which, const struct doctor_asked *asked)
{
	const struct mend mend = mend_of(doctor, NULL);
	struct doctor_fact *fact = &doctor->facts[which];

	if (!asked->code) {
		fact->state = DOCTOR_YES;
		fact->text[0] = 0;
	} else if (asked->plan->n_slots && refused_all(asked->plan, 0)) {
		fact->state = DOCTOR_NO;
		snprintf(fact->text, sizeof(fact->text), "%s", asked->plan->failures[0][0].why);
		mend_failure(&mend, &asked->plan->failures[0][0], fact->name, fact->mend,
			     sizeof(fact->mend));
	} else if (asked->code == EXIT_PRIVILEGE) {
		snprintf(fact->text, sizeof(fact->text), "cannot be tried: %s", asked->fault);
		mend_privilege(&mend, fact->mend, sizeof(fact->mend));
	} else {
		snprintf(fact->text, sizeof(fact->text), "cannot be tried: %s", asked->fault);
		mend_btf(&mend, fact->mend, sizeof(fact->mend));
	}
}

/* Where a program is attached. */
static const char *hook_of(const struct doctor_tool *t, const char *program)
{
	int i;

	for (i = 0; i < t->n_hooks; i++)
		if (!strcmp(t->hooks[i].program, program))
			return t->hooks[i].hook;
	return program;
}

static void list_hooks(const struct doctor_tool *t, const struct attach_alt *alt, char *text,
		       size_t size)
{
	const char *hook;
	int p;

	text[0] = 0;
	for (p = 0; p < PLAN_MAX_PROGS && alt->progs[p]; p++) {
		hook = hook_of(t, alt->progs[p]);
		if (!strstr(text, hook)) /* two programs on one hook are one way to see it */
			append(text, size, ", ", "%s", hook);
	}
}

static void name_option(const struct tool *tool, uint32_t flag, char *text, size_t size)
{
	const struct opt *o;

	text[0] = 0;
	for (o = tool->opts; flag && (o->letter || o->name); o++) {
		if (!(o->flag & flag))
			continue;
		if (o->letter)
			snprintf(text, size, "-%c", o->letter);
		else
			snprintf(text, size, "--%s", o->name);
		return;
	}
}

/* What it takes to mend a variant: a command is less than another kernel. */
static int effort(const struct plan *plan, int slot, int alt)
{
	static const int efforts[] = {
		[PLAN_LACKS_NET_ADMIN] = 0, [PLAN_LACKS_CGROUP2] = 1, [PLAN_LACKS_PERMISSION] = 2,
		[PLAN_LACKS_PERF] = 1,	    [PLAN_LACKS_KPROBES] = 3, [PLAN_LACKS_FENTRY] = 3,
		[PLAN_LACKS_HOOK] = 3,	    [PLAN_LACKS_UNKNOWN] = 3,
	};

	return efforts[plan->failures[slot][alt].lack];
}

/* What is missing in a part, and what would mend it: of several ways the easiest. */
static void judge_part(struct doctor *doctor, struct doctor_tool *t, const struct plan *plan,
		       int slot, struct doctor_part *part)
{
	const struct attach_slot *s = &plan->slots[slot];
	const struct mend mend = mend_of(doctor, t->tool);
	const char *loses = part->hooks[0] ? part->loses : "nothing sees it";
	char wanted[300];
	int a, best = -1;

	if (!loses)
		return;
	append(t->why, sizeof(t->why), "; ", "%s%s%s%s: %s", s->what, part->option[0] ? " (" : "",
	       part->option, part->option[0] ? ")" : "", loses);
	if (t->verdict == DOCTOR_FINE)
		t->verdict = DOCTOR_REDUCED;
	for (a = 0; a < PLAN_MAX_ALTS && s->alts[a].progs[0]; a++)
		if (plan->failures[slot][a].error &&
		    (best < 0 || effort(plan, slot, a) < effort(plan, slot, best)))
			best = a;
	if (best < 0 || t->mend[0])
		return;
	list_hooks(t, &s->alts[best], wanted, sizeof(wanted));
	mend_failure(&mend, &plan->failures[slot][best], wanted, t->mend, sizeof(t->mend));
}

/* A variant by the first hook that is not in use; --explain has them all. */
static void add_tried(const struct doctor_tool *t, struct doctor_part *part,
		      const struct attach_alt *alt, const char *why)
{
	char text[300];
	int p = 0;

	while (p + 1 < PLAN_MAX_PROGS && alt->progs[p + 1] &&
	       strstr(part->hooks, hook_of(t, alt->progs[p])))
		p++;
	snprintf(text, sizeof(text), "%s: %s", hook_of(t, alt->progs[p]), why);
	if (!strstr(part->tried, text))
		append(part->tried, sizeof(part->tried), "; ", "%s", text);
}

static void add_part(struct doctor *doctor, struct doctor_tool *t, const struct doctor_asked *asked,
		     int slot)
{
	const struct plan *plan = asked->plan;
	const struct attach_slot *s = &plan->slots[slot];
	const struct attach_alt *alt = plan_alt(plan, slot);
	struct doctor_part *part = &t->parts[t->n_parts];
	int a;

	if (t->n_parts == PLAN_MAX_SLOTS * 2 || s->flag != asked->flag ||
	    (!alt && !plan->failures[slot][0].error))
		return; /* not part of such a run */
	memset(part, 0, sizeof(*part));
	part->what = s->what;
	name_option(t->tool, s->flag, part->option, sizeof(part->option));
	/* of a plan that failed elsewhere nothing was tried but what failed */
	if (asked->code && alt)
		return;
	if (alt) {
		list_hooks(t, alt, part->hooks, sizeof(part->hooks));
		part->loses = alt->loses;
	}
	for (a = 0; a < PLAN_MAX_ALTS && s->alts[a].progs[0]; a++)
		if (plan->failures[slot][a].error)
			add_tried(t, part, &s->alts[a], plan->failures[slot][a].why);
	t->n_parts++;
	judge_part(doctor, t, plan, slot, part);
}

/* Not one program could be tried: what a run would try first. */
static void add_untried(struct doctor_tool *t, const struct attach_slot *s)
{
	struct doctor_part *part = &t->parts[t->n_parts];

	if (t->n_parts == PLAN_MAX_SLOTS * 2)
		return;
	memset(part, 0, sizeof(*part));
	part->what = s->what;
	name_option(t->tool, s->flag, part->option, sizeof(part->option));
	list_hooks(t, &s->alts[0], part->first, sizeof(part->first));
	t->n_parts++;
}

static void judge_owners(struct doctor *doctor, struct doctor_tool *t, const struct plan *plan)
{
	const struct mend mend = mend_of(doctor, t->tool);
	char missing[128];
	bool keeps = false;
	int s;

	for (s = 0; s < plan->n_slots; s++)
		keeps |= plan->chosen[s] != PLAN_NONE &&
			 (plan->slots[s].owners || plan->slots[s].listeners);
	if (!keeps || !caps_missing(doctor->host.held, CAPS_FOR_OWNERS, missing, sizeof(missing)))
		return;
	append(t->why, sizeof(t->why), "; ",
	       "owners of sockets of others that were open before the start: %s missing", missing);
	if (t->verdict == DOCTOR_FINE)
		t->verdict = DOCTOR_REDUCED;
	if (!t->mend[0])
		mend_privilege(&mend, t->mend, sizeof(t->mend));
}

/* What stopped it is a slot that nothing fits; otherwise it is something about all of them. */
static bool lacks_a_hook(const struct plan *plan)
{
	int s;

	for (s = 0; s < plan->n_slots; s++)
		if (!plan->slots[s].optional && plan->chosen[s] == PLAN_NONE &&
		    plan->failures[s][0].error)
			return true;
	return false;
}

void doctor_judge(struct doctor *doctor, struct doctor_tool *t, const struct doctor_asked *asked)
{
	const struct mend mend = mend_of(doctor, t->tool);
	const struct plan *plan = asked->plan;
	int s;

	if (asked->code && !lacks_a_hook(plan)) {
		t->verdict = DOCTOR_CANNOT;
		snprintf(t->why, sizeof(t->why), "%s", asked->fault);
		for (s = 0; s < plan->n_slots; s++)
			add_untried(t, &plan->slots[s]);
		if (asked->code == EXIT_PRIVILEGE)
			mend_privilege(&mend, t->mend, sizeof(t->mend));
		else if (doctor->host.btf)
			mend_btf(&mend, t->mend, sizeof(t->mend));
		return;
	}
	for (s = 0; s < plan->n_slots; s++)
		add_part(doctor, t, asked, s);
	if (asked->code && !asked->flag) /* an option alone leaves the rest of the tool */
		t->verdict = DOCTOR_CANNOT;
	if (!asked->flag)
		judge_owners(doctor, t, plan);
}

static int ask(const struct tool *tool, uint32_t flag, struct plan *plan, struct fault *fault)
{
	struct session_opts opts = { .tools = { tool }, .n_tools = 1 };
	char *argv[] = { (char *)tool->name, NULL };
	int code;

	options_parse(&opts, tool->name, false, 1, argv);
	opts.flags |= flag;
	memset(fault, 0, sizeof(*fault));
	code = session_plan(&opts, plan, fault);
	options_free(&opts);
	return code;
}

static void examine_tool(struct doctor *doctor, struct doctor_tool *t)
{
	uint32_t done = 0, flag;
	struct fault fault;
	struct plan plan;
	struct doctor_asked asked = { .plan = &plan, .fault = fault.text };
	int s;

	t->n_hooks = probe_hooks(t->tool, t->hooks, DOCTOR_MAX_HOOKS);
	asked.code = ask(t->tool, 0, &plan, &fault);
	doctor_judge(doctor, t, &asked);
	for (s = 0; s < plan.n_slots && !asked.code; s++) {
		flag = plan.slots[s].flag;
		if (!flag || done & flag)
			continue;
		done |= flag;
		asked.flag = flag;
		asked.code = ask(t->tool, flag, &plan, &fault);
		doctor_judge(doctor, t, &asked);
		asked.code = 0;
	}
}

/* The first variant of any tool that is made of such programs only. */
static const struct attach_alt *made_of(const struct doctor_tool *t, const char *a, const char *b)
{
	const struct attach_slot *s;
	const char *hook;
	bool all;
	int i, p;

	for (s = t->tool->attach; s->what; s++)
		for (i = 0; i < PLAN_MAX_ALTS && s->alts[i].progs[0]; i++) {
			all = true;
			for (p = 0; p < PLAN_MAX_PROGS && s->alts[i].progs[p]; p++) {
				hook = hook_of(t, s->alts[i].progs[p]);
				all &= !strncmp(hook, a, strlen(a)) || !strncmp(hook, b, strlen(b));
			}
			if (all)
				return &s->alts[i];
		}
	return NULL;
}

static bool is_used(const struct doctor *doctor, const char *a, const char *b)
{
	int i, p;

	for (i = 0; i < doctor->n_tools; i++)
		for (p = 0; p < doctor->tools[i].n_parts; p++)
			if (strstr(doctor->tools[i].parts[p].hooks, a) ||
			    strstr(doctor->tools[i].parts[p].hooks, b))
				return true;
	return false;
}

/* Plans a tool that needs just this, unless one uses it anyway. */
static void try_kind(struct doctor *doctor, enum doctor_facts fact, const char *a, const char *b)
{
	struct attach_slot slots[2] = { { .what = doctor->facts[fact].name } };
	const struct attach_alt *alt = NULL;
	struct fault fault;
	struct plan plan;
	struct doctor_asked asked = { .plan = &plan, .fault = fault.text };
	struct tool tool;
	int i;

	if (is_used(doctor, a, b)) {
		asked.code = EXIT_DONE;
		doctor_tried(doctor, fact, &asked);
		return;
	}
	for (i = 0; i < doctor->n_tools && !alt; i++) {
		alt = made_of(&doctor->tools[i], a, b);
		tool = *doctor->tools[i].tool;
	}
	if (!alt)
		return;
	slots[0].alts[0] = *alt;
	tool.attach = slots;
	asked.code = ask(&tool, 0, &plan, &fault);
	doctor_tried(doctor, fact, &asked);
}

int doctor_examine(struct doctor *doctor, const struct tool *const *tools)
{
	ssize_t len;
	int i;

	memset(doctor, 0, sizeof(*doctor));
	host_read(&doctor->host, "");
	len = readlink("/proc/self/exe", doctor->self, sizeof(doctor->self) - 1);
	if (len <= 0)
		snprintf(doctor->self, sizeof(doctor->self), "nettrace");
	while (tools[doctor->n_tools])
		doctor->n_tools++;
	doctor->tools = calloc(doctor->n_tools, sizeof(*doctor->tools));
	if (!doctor->tools)
		return -ENOMEM;
	doctor_facts(doctor);
	for (i = 0; i < doctor->n_tools; i++) {
		doctor->tools[i].tool = tools[i];
		examine_tool(doctor, &doctor->tools[i]);
	}
	try_kind(doctor, FACT_KPROBES, "kprobe/", "kretprobe/");
	try_kind(doctor, FACT_FENTRY, "fentry/", "fexit/");
	return 0;
}

void doctor_free(struct doctor *doctor)
{
	free(doctor->tools);
}

bool doctor_all_work(const struct doctor *doctor)
{
	int i;

	for (i = 0; i < doctor->n_tools; i++)
		if (doctor->tools[i].verdict == DOCTOR_CANNOT ||
		    (doctor->tools[i].selftest && !strcmp(doctor->tools[i].selftest, "wrong")))
			return false;
	return true;
}
