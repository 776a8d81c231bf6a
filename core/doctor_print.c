// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the doctor found, as text and as JSON lines. */
#include <string.h>

#include "caps.h"
#include "doctor.h"
#include "mend.h"
#include "quote.h"

static const char *const verdicts[] = {
	[DOCTOR_FINE] = "ok",
	[DOCTOR_REDUCED] = "reduced",
	[DOCTOR_CANNOT] = "no",
};

/* The host's words, behind ours if there are any. What a run said may be several lines. */
static void put_words(const char *ours, const char *text)
{
	size_t len;

	fputs(*text ? ours : "", stdout);
	for (; *text; text += len) {
		len = strcspn(text, "\n");
		quote_plain(stdout, text, len);
		if (text[len]) {
			puts("");
			len++;
		}
	}
}

static void put_line(const char *ours, const char *text)
{
	put_words(ours, text);
	if (*text)
		puts("");
}

static void put_fact(const struct doctor_fact *fact)
{
	static const char *const words[] = { "no", "yes", "unknown", "" };
	const char *word = words[fact->state];

	printf("%-13s %s", fact->title, word);
	put_words(*word ? ": " : "", fact->text);
	puts("");
	put_line("              mend: ", fact->mend);
}

static void put_caps(const struct doctor *doctor)
{
	const struct mend mend = { &doctor->host, doctor->self, "TOOL" };
	const struct caps_need *need;
	bool missing = false;
	char text[300];

	fputs("capabilities  ", stdout);
	if (doctor->host.contained)
		fputs("those of a user namespace do not count; ", stdout);
	for (need = caps_needs; need->what; need++) {
		if (!host_needs(&doctor->host, need))
			continue;
		printf("%s%s %s", need == caps_needs ? "" : ", ", caps_name(need->cap),
		       caps_has(doctor->host.held, need->cap) ? "held" : "missing");
		missing |= !caps_has(doctor->host.held, need->cap);
	}
	puts("");
	if (!missing)
		return;
	mend_privilege(&mend, text, sizeof(text));
	put_line("              mend: ", text);
}

static void put_tool(const struct doctor_tool *t)
{
	const struct doctor_part *part;
	int i;

	printf("%-13s %s", t->tool->name, verdicts[t->verdict]);
	put_words(": ", t->why);
	puts("");
	for (i = 0; i < t->n_parts; i++) {
		part = &t->parts[i];
		printf("    %s%s%s: %s", part->what, part->option[0] ? ", with " : "",
		       part->option, part->hooks);
		put_words(part->hooks[0] ? " (tried " : "(tried ", part->tried);
		if (part->tried[0])
			putchar(')');
		if (part->first[0])
			printf("cannot be tried, first would be %s", part->first);
		puts("");
	}
	put_line("    mend: ", t->mend);
	if (t->selftest) {
		printf("    selftest: %s", t->selftest);
		put_words(": ", t->found);
		puts("");
	}
}

void doctor_table(const struct doctor *doctor)
{
	int i;

	for (i = 0; i < FACT_COUNT; i++) {
		if (i == FACT_JIT)
			put_caps(doctor);
		put_fact(&doctor->facts[i]);
	}
	puts("");
	for (i = 0; i < doctor->n_tools; i++)
		put_tool(&doctor->tools[i]);
}

static const char *or_null(const char *text)
{
	return *text ? text : NULL;
}

static void quote_caps(const struct doctor *doctor, bool held)
{
	const struct caps_need *need;
	const char *sep = "";
	int cap;

	printf(",\"%s\":[", held ? "held" : "missing");
	for (cap = 0; held && cap < CAPS_COUNT; cap++)
		if (doctor->host.held & 1ull << cap) {
			printf("%s\"%s\"", sep, caps_name(cap));
			sep = ",";
		}
	for (need = caps_needs; !held && need->what; need++)
		if (host_needs(&doctor->host, need) &&
		    !caps_has(doctor->host.held, need->cap)) {
			printf("%s\"%s\"", sep, caps_name(need->cap));
			sep = ",";
		}
	fputs("]", stdout);
}

static void quote_fact(const struct doctor_fact *fact)
{
	static const char *const words[] = { "false", "true", "null", NULL };

	if (fact->state == DOCTOR_TEXT)
		quote_member(stdout, fact->name, fact->text);
	else
		printf(",\"%s\":%s", fact->name, words[fact->state]);
}

static void quote_host(const struct doctor *doctor)
{
	const char *sep = "";
	int i;

	fputs("{\"tool\":\"doctor\"", stdout);
	for (i = 0; i < FACT_COUNT; i++)
		quote_fact(&doctor->facts[i]);
	printf(",\"capabilities\":{\"user_namespace\":%s",
	       doctor->host.contained ? "true" : "false");
	quote_caps(doctor, true);
	quote_caps(doctor, false);
	fputs("},\"mend\":{", stdout);
	for (i = 0; i < FACT_COUNT; i++)
		if (doctor->facts[i].mend[0]) {
			printf("%s\"%s\":", sep, doctor->facts[i].name);
			quote(stdout, doctor->facts[i].mend);
			sep = ",";
		}
	puts("}}");
}

static void quote_tool(const struct doctor_tool *t)
{
	const struct doctor_part *part;
	int i;

	printf("{\"tool\":\"%s\",\"status\":\"%s\"", t->tool->name, verdicts[t->verdict]);
	quote_member(stdout, "reason", or_null(t->why));
	fputs(",\"hooks\":[", stdout);
	for (i = 0; i < t->n_parts; i++) {
		part = &t->parts[i];
		printf("%s{\"part\":\"%s\"", i ? "," : "", part->what);
		quote_member(stdout, "option", or_null(part->option));
		quote_member(stdout, "hook", or_null(part->hooks));
		quote_member(stdout, "missing", part->loses);
		quote_member(stdout, "tried", or_null(part->tried));
		if (part->first[0])
			quote_member(stdout, "untried", part->first);
		fputs("}", stdout);
	}
	fputs("]", stdout);
	quote_member(stdout, "mend", or_null(t->mend));
	if (t->selftest) {
		quote_member(stdout, "selftest", t->selftest);
		quote_member(stdout, "found", or_null(t->found));
	}
	puts("}");
}

void doctor_json(const struct doctor *doctor)
{
	int i;

	quote_host(doctor);
	for (i = 0; i < doctor->n_tools; i++)
		quote_tool(&doctor->tools[i]);
}
