/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What this host allows, which hooks each tool would use here, and what would mend the rest. */
#ifndef NT_DOCTOR_H
#define NT_DOCTOR_H

#include <stdbool.h>
#include <stdio.h>

#include "fault.h"
#include "host.h"
#include "plan.h"
#include "probe.h"

#define DOCTOR_MAX_HOOKS 64

enum doctor_state { DOCTOR_NO, DOCTOR_YES, DOCTOR_UNKNOWN, DOCTOR_TEXT };

/* Something about the host. */
struct doctor_fact {
	const char *name, *title; /* in JSON, in the table */
	enum doctor_state state;
	char text[300]; /* DOCTOR_TEXT: the value; else more about it, or "" */
	char mend[300]; /* or "" */
};

enum doctor_facts {
	FACT_KERNEL, FACT_MACHINE, FACT_BTF, FACT_LOCKDOWN, FACT_JIT, FACT_KPROBES, FACT_FENTRY,
	FACT_TRACEFS, FACT_CGROUP, FACT_COUNT,
};

/* A slot of a tool's attach plan. */
struct doctor_part {
	const char *what;
	char option[32]; /* "-d": only used with it; "": always */
	char hooks[300]; /* "fentry/tcp_connect, ..."; "": nothing */
	const char *loses; /* what is missing in this variant, or NULL */
	char tried[700]; /* "fentry/tcp_connect: loading is not permitted; ...", or "" */
	char first[300]; /* what would be tried first, where nothing could be; or "" */
};

enum doctor_verdict { DOCTOR_FINE, DOCTOR_REDUCED, DOCTOR_CANNOT };

struct doctor_tool {
	const struct tool *tool;
	enum doctor_verdict verdict;
	char why[900];   /* what is missing, or why not */
	char mend[500];  /* or "" */
	struct doctor_part parts[PLAN_MAX_SLOTS * 2];
	int n_parts;
	const char *selftest; /* "right", "wrong", "not tried"; NULL: nobody asked */
	char found[1600];     /* what was wrong with it, or why it was not tried */
	struct probe_hook hooks[DOCTOR_MAX_HOOKS];
	int n_hooks;
};

struct doctor {
	struct host host;
	char self[300];  /* path of this program */
	struct doctor_fact facts[FACT_COUNT];
	struct doctor_tool *tools;
	int n_tools;
};

/* What planning said about a tool, without and with an option. */
struct doctor_asked {
	const struct plan *plan;
	int code;          /* of session_plan() */
	const char *fault; /* its sentence */
	uint32_t flag;     /* the option's; 0: none */
};

/* All about `tools` (NULL-terminated). 0 or -errno. */
int doctor_examine(struct doctor *doctor, const struct tool *const *tools);
void doctor_free(struct doctor *doctor);
bool doctor_all_work(const struct doctor *doctor);

/* The parts of it, for tests: they try nothing. */
void doctor_facts(struct doctor *doctor);
/* A kind of hooks, by planning something that needs just that. */
void doctor_tried(struct doctor *doctor, enum doctor_facts fact, const struct doctor_asked *asked);
void doctor_judge(struct doctor *doctor, struct doctor_tool *tool,
		  const struct doctor_asked *asked);

/* Both to stdout. */
void doctor_table(const struct doctor *doctor);
void doctor_json(const struct doctor *doctor);

#endif
