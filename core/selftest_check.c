// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Compares JSON lines with what they should say. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "selftest.h"

enum relation { EQUAL, AT_LEAST, AT_MOST };

/* "+tx_bytes>=100" */
struct word {
	bool sum;
	char column[32];
	enum relation relation;
	char value[64]; /* "": unknown */
};

static void look_up(char *value, size_t size, const struct selftest_value *values)
{
	if (*value != '$')
		return;
	for (; values->name; values++)
		if (!strcmp(values->name, value + 1)) {
			snprintf(value, size, "%s", values->text);
			return;
		}
}

/* The next word of *text. false: there is none. */
static bool next_word(const char **text, struct word *word, const struct selftest_value *values)
{
	const char *at = *text + strspn(*text, " ");
	size_t len;

	memset(word, 0, sizeof(*word));
	if (!*at || *at == '|')
		return false;
	word->sum = *at == '+';
	at += word->sum;
	len = strcspn(at, "=<> ");
	snprintf(word->column, sizeof(word->column), "%.*s", (int)len, at);
	at += len;
	word->relation = *at == '>' ? AT_LEAST : *at == '<' ? AT_MOST : EQUAL;
	at += strspn(at, "<>=");
	len = strcspn(at, " ");
	snprintf(word->value, sizeof(word->value), "%.*s", (int)len, at);
	look_up(word->value, sizeof(word->value), values);
	*text = at + len;
	return true;
}

/* The value of a column in a line, without quotes. false: it has no such column. */
static bool value_of(const char *line, size_t len, const char *column, char *value, size_t size)
{
	char key[40];
	const char *at, *end;

	snprintf(key, sizeof(key), "\"%s\":", column);
	at = memmem(line, len, key, strlen(key));
	if (!at)
		return false;
	at += strlen(key);
	if (*at == '"') {
		end = strchr(++at, '"');
		snprintf(value, size, "%.*s", end ? (int)(end - at) : 0, at);
	} else {
		snprintf(value, size, "%.*s", (int)strcspn(at, ",}\n"), at);
	}
	return true;
}

static bool holds(const struct word *word, const char *value)
{
	unsigned long long have = strtoull(value, NULL, 10),
			   want = strtoull(word->value, NULL, 10);

	if (!word->value[0])
		return true;
	if (word->relation == AT_LEAST)
		return have >= want;
	if (word->relation == AT_MOST)
		return have <= want;
	return !strcmp(value, word->value);
}

static bool selected(const char *words, const char *row, size_t len,
		     const struct selftest_value *values)
{
	struct word word;
	char value[64];

	while (next_word(&words, &word, values))
		if (!value_of(row, len, word.column, value, sizeof(value)) || !holds(&word, value))
			return false;
	return true;
}

static bool wrong(const struct word *word, const char *value, char *found, size_t size)
{
	static const char *const relations[] = { "", "at least ", "at most " };

	snprintf(found, size, "%s%s is %s, expected %s%s", word->sum ? "the sum of " : "",
		 word->column, value, relations[word->relation], word->value);
	return false;
}

struct look {
	const char *select, *text;
	const struct selftest_value *values;
	int rows;
};

/* One word of CHECK against all selected rows. */
static bool check_word(struct look *look, const struct word *word, char *found, size_t size)
{
	unsigned long long sum = 0;
	const char *row, *end;
	char value[64];

	look->rows = 0;
	for (row = look->text; (end = strchr(row, '\n')); row = end + 1) {
		if (!selected(look->select, row, end - row, look->values))
			continue;
		look->rows++;
		if (!strcmp(word->column, "rows"))
			continue;
		if (!value_of(row, end - row, word->column, value, sizeof(value)))
			snprintf(value, sizeof(value), "not there");
		if (word->sum)
			sum += strtoull(value, NULL, 10);
		else if (!holds(word, value))
			return wrong(word, value, found, size);
	}
	if (!strcmp(word->column, "rows"))
		snprintf(value, sizeof(value), "%d", look->rows);
	else if (word->sum)
		snprintf(value, sizeof(value), "%llu", sum);
	else
		return true;
	return holds(word, value) || wrong(word, value, found, size);
}

bool selftest_known(const char *line, const struct selftest_value *values)
{
	const char *checks = strchr(line, '|');
	bool known = true;
	struct word word;

	checks = checks ? checks + 1 : "";
	while (next_word(&checks, &word, values))
		known &= word.value[0] || strcmp(word.column, "rows");
	return known;
}

/* What is wrong is seldom seen twice: the rows themselves have to tell what they are. */
static void name_rows(const struct look *look, char *found, size_t size)
{
	const char *words = look->select, *row, *end;
	struct word word;
	size_t at = strlen(found);

	at += snprintf(found + at, size - at, ", of rows with");
	while (at < size && next_word(&words, &word, look->values))
		at += snprintf(found + at, size - at, " %s=%s", word.column, word.value);
	for (row = look->text; at < size && (end = strchr(row, '\n')); row = end + 1)
		if (selected(look->select, row, end - row, look->values))
			at += snprintf(found + at, size - at, "; %.*s", (int)(end - row), row);
}

bool selftest_check(const char *line, const char *text, const struct selftest_value *values,
		    char *found, size_t size)
{
	const char *checks = strchr(line, '|');
	struct look look = { .select = line, .text = text, .values = values };
	bool many = false, right = true;
	struct word word;

	checks = checks ? checks + 1 : "";
	word = (struct word){ .column = "rows", .relation = AT_LEAST };
	check_word(&look, &word, found, size);
	while (right && next_word(&checks, &word, values)) {
		many |= word.sum || !strcmp(word.column, "rows");
		right = check_word(&look, &word, found, size);
	}
	if (right && !many && look.rows != 1) {
		snprintf(found, size, "%d rows, expected one", look.rows);
		right = false;
	}
	if (!right)
		name_rows(&look, found, size);
	return right;
}
