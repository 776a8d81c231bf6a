// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The filter language: a tokenizer, and a recursive descent parser that builds the predicates. */
#include "expr.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fields.h"
#include "nearest.h"

#define BLANKS " \t\n\v\f\r"
#define SYMBOLS "()=!<>&|~" /* a word ends before them, unless they are quoted */
#define MAX_NAME 32        /* longer than any field, column or number that makes sense */
#define E18 1000000000000000000ULL

#define NO_SIZE "not a size; 512, 64K or 1.5M is one"
#define NO_DURATION "not a duration; 10ms, 1.5s or 2m is one"
#define ONE_WORD "a list is one word: no blanks around its commas"

typedef unsigned __int128 u128;
typedef struct filter_node *join_fn(struct filter_node *, struct filter_node *);

enum kind {
	T_END, T_WORD, T_BAD, T_OPEN, T_CLOSE, T_NOT, T_AND, T_OR,
	T_HAS,
	T_EQ, T_NE, T_LT, T_LE, T_GT, T_GE, /* the operators come last */
};

struct token {
	enum kind kind;
	size_t at, len; /* at the end: 0 */
};

struct parser {
	const char *text;
	const struct tool *tool;
	struct session_opts *opts;
	struct expr_error *err;
	struct token tok; /* the next one */
	int depth;
	int ret;
};

/* A list and its '!', without quotes, and where it stands in the text. */
struct list {
	char *text;
	size_t at, len;
};

/* What was written as a number, in a column's unit. */
struct number {
	uint64_t floor;
	bool more; /* it lies between floor and floor + 1 */
};

struct unit {
	const char *name;
	uint64_t scale;
};

/* The part that all tools' events have. */
struct any_event {
	struct nt_event head;
};

static const struct {
	const char *text;
	enum kind kind;
} symbols[] = {
	{ "&&", T_AND }, { "||", T_OR }, { "==", T_EQ },  { "!=", T_NE }, { "<=", T_LE },
	{ ">=", T_GE },	 { "(", T_OPEN }, { ")", T_CLOSE }, { "=", T_EQ },  { "!", T_NOT },
	{ "<", T_LT },	 { ">", T_GT },  { "~", T_HAS },
}, keywords[] = {
	{ "and", T_AND }, { "or", T_OR }, { "not", T_NOT },
};

static const struct {
	const char *name;
	enum field field;
} aliases[] = {
	{ "host", FIELD_ADDR }, { "net", FIELD_ADDR }, { "ip6", FIELD_IP },
};

static const struct unit durations[] = {
	{ "ns", 1 }, { "us", 1000 }, { "ms", 1000000 }, { "s", 1000000000 },
	{ "m", 60000000000 }, { "h", 3600000000000 }, { 0 },
};

static const struct unit sizes[] = {
	{ "K", 1 << 10 }, { "k", 1 << 10 }, { "M", 1 << 20 }, { "m", 1 << 20 },
	{ "G", 1 << 30 }, { "g", 1 << 30 }, { 0 },
};

static const struct number_type {
	const char *suffix;   /* that its columns' names may go without */
	const char *refusal;
	const char *unit;
	const struct unit *units;
	uint64_t scale;       /* the column's own unit among `units` */
	const char *value;    /* for help */
} number_types[] = {
	[COL_NUM] = { "", "not a whole number", NULL, NULL, 1, "NUMBER" },
	[COL_BYTES] = { "_bytes", NO_SIZE, "bytes", sizes, 1, "SIZE" },
	[COL_NSEC] = { "_ns", NO_DURATION, "ns", durations, 1, "DURATION" },
	[COL_USEC] = { "_us", NO_DURATION, "us", durations, 1000, "DURATION" },
	[COL_INT] = { "", "not a whole number", NULL, NULL, 1, "NUMBER" },
	[COL_HEX] = { "", "not a hexadecimal number", NULL, NULL, 1, "HEX" },
};
#define N_NUMBER_TYPES (sizeof(number_types) / sizeof(number_types[0]))

static struct filter_node *parse_or(struct parser *p);

static bool is_quote(char c)
{
	return c == '\'' || c == '"';
}

/*
 * Copies up to `n` bytes of a word without its quotes; `out` may be NULL. Returns how many bytes
 * of the word these are.
 */
static size_t unquote(char *out, size_t n, const char *word, size_t len)
{
	char quote = 0;
	size_t i;

	for (i = 0; i < len && n; i++) {
		if (quote ? word[i] == quote : is_quote(word[i])) {
			quote = quote ? 0 : word[i];
			continue;
		}
		if (out)
			*out++ = word[i];
		n--;
	}
	if (i < len && quote && word[i] == quote)
		i++;
	if (out)
		*out = '\0';
	return i;
}

static struct token scan_word(const char *text, size_t at)
{
	struct token tok = { .kind = T_WORD, .at = at };
	const char *end;
	size_t i;

	for (i = at; text[i] && !strchr(BLANKS SYMBOLS, text[i]); i++) {
		if (!is_quote(text[i]))
			continue;
		end = strchr(text + i + 1, text[i]);
		if (!end)
			return (struct token){ T_BAD, i, 1 };
		i = end - text;
	}
	tok.len = i - at;
	for (i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++)
		if (tok.len == strlen(keywords[i].text) &&
		    !memcmp(text + at, keywords[i].text, tok.len))
			tok.kind = keywords[i].kind;
	return tok;
}

static void advance(struct parser *p)
{
	size_t at = p->tok.at + p->tok.len, i;

	at += strspn(p->text + at, BLANKS);
	p->tok = (struct token){ .kind = T_END, .at = at };
	if (!p->text[at])
		return;
	for (i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
		size_t len = strlen(symbols[i].text);

		if (strncmp(p->text + at, symbols[i].text, len))
			continue;
		p->tok = (struct token){ symbols[i].kind, at, len };
		return;
	}
	if (strchr("&|", p->text[at]))
		p->tok = (struct token){ T_BAD, at, 1 };
	else
		p->tok = scan_word(p->text, at);
}

/* A token as the arguments of "%.*s", cut to leave room for the reason. */
#define SHOWN(p, tok) (int)((tok).len < 40 ? (tok).len : 40), (p)->text + (tok).at

__attribute__((format(printf, 4, 5)))
static void *fail(struct parser *p, size_t at, size_t len, const char *format, ...)
{
	va_list args;
	char *c;

	p->err->at = at;
	p->err->len = len ? len : 1;
	va_start(args, format);
	vsnprintf(p->err->why, sizeof(p->err->why), format, args);
	va_end(args);
	for (c = p->err->why; *c; c++)
		if (iscntrl((unsigned char)*c))
			*c = '?';
	p->ret = -EINVAL;
	return NULL;
}

/* The next token is not what has to stand here, or behind `after`. */
static void *unexpected(struct parser *p, const char *wanted, const struct token *after)
{
	const struct token *tok = &p->tok;
	char behind[64] = "";

	if (tok->kind == T_BAD && is_quote(p->text[tok->at]))
		return fail(p, tok->at, tok->len, "a quote without its end");
	if (tok->kind == T_BAD)
		return fail(p, tok->at, tok->len,
			    "a single '%c': write it twice, or quote the word", p->text[tok->at]);
	if (after)
		snprintf(behind, sizeof(behind), " after '%.*s'", SHOWN(p, *after));
	if (tok->kind == T_END)
		return fail(p, tok->at, tok->len, "expected %s%s", wanted, behind);
	return fail(p, tok->at, tok->len, "expected %s%s, found '%.*s'", wanted, behind,
		    SHOWN(p, *tok));
}

static void *expected_operator(struct parser *p)
{
	const struct token *tok = &p->tok;

	if (tok->kind == T_CLOSE)
		return fail(p, tok->at, tok->len, "')' without '('");
	if (tok->kind == T_WORD && p->text[tok->at] == ',')
		return fail(p, tok->at, tok->len, ONE_WORD);
	return unexpected(p, "'and' or 'or'", NULL);
}

static struct filter_node *made(struct parser *p, struct filter_node *node)
{
	if (!node)
		p->ret = -ENOMEM;
	return node;
}

static struct filter_node *join(struct parser *p, join_fn *op, struct filter_node *left,
				struct filter_node *right)
{
	if (left && right)
		return made(p, op(left, right));
	filter_free(left);
	filter_free(right);
	return NULL;
}

static struct filter_node *negate_if(struct parser *p, bool negate, struct filter_node *node)
{
	return node && negate ? made(p, filter_not(node)) : node;
}

static struct filter_node *in_ranges(struct parser *p, uint16_t off, uint16_t size,
				     const struct filter_range *ranges, size_t n)
{
	struct filter_node *node = calloc(1, sizeof(*node));

	if (node)
		*node = (struct filter_node){ .kind = FILTER_NUM, .off = off, .size = size,
					      .n = n, .ranges = calloc(n, sizeof(*ranges)) };
	if (!node || !node->ranges) {
		free(node);
		return made(p, NULL);
	}
	memcpy(node->ranges, ranges, n * sizeof(*ranges));
	return node;
}

/* What is unknown equals nothing. */
static struct filter_node *guarded(struct parser *p, const struct column *col,
				   struct filter_node *node)
{
	static const struct filter_range known = { 1, UINT8_MAX };

	if (!node || !(col->flags & COL_GUARDED))
		return node;
	return join(p, filter_and, node, in_ranges(p, col->guard, 1, &known, 1));
}

static bool is_number(const struct column *col)
{
	return col->type < N_NUMBER_TYPES && number_types[col->type].suffix;
}

/* What can have one value only, as an arrow in the table, is no field. */
static bool is_list(const struct column *col)
{
	return (col->type == COL_ENUM && col->n_names > 1) || col->type == COL_ADDR ||
	       col->type == COL_REASON || col->type == COL_FLAGS ||
	       (col->type == COL_STR && col->size == 16);
}

static bool is_null(const struct column *col, uint64_t value)
{
	uint64_t ones = UINT64_MAX >> (64 - col->size * 8);

	return ((col->flags & COL_NULL_ZERO) && !value) ||
	       ((col->flags & COL_NULL_ONES) && value == ones);
}

static const char *suffix_of(const struct column *col)
{
	return is_number(col) ? number_types[col->type].suffix : "";
}

static const struct column *find_column(const struct tool *tool, const char *name, size_t len)
{
	const struct column *col, *found = NULL;

	for (col = tool->columns; col->name; col++) {
		if (strncmp(col->name, name, len))
			continue;
		if (!col->name[len])
			return col;
		if (!found && !strcmp(col->name + len, suffix_of(col)))
			found = col;
	}
	return found;
}

static bool is_word(const struct parser *p, const struct token *word, const char *name)
{
	return word->len == strlen(name) && !memcmp(p->text + word->at, name, word->len);
}

static bool has_field(const struct tool *tool, enum field field)
{
	return !(fields_info[field].fields & ~tool->fields);
}

/* FIELD_COUNT: not a field of this tool. */
static enum field find_field(const struct parser *p, const struct token *word)
{
	enum field field;
	size_t i;

	for (i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
		if (is_word(p, word, aliases[i].name) && has_field(p->tool, aliases[i].field))
			return aliases[i].field;
	for (field = 0; field < FIELD_COUNT; field++)
		if (is_word(p, word, fields_info[field].name) && has_field(p->tool, field))
			return field;
	return FIELD_COUNT;
}

bool expr_is_field(const struct tool *tool, const char *name)
{
	enum field field;

	for (field = 0; field < FIELD_COUNT; field++)
		if (has_field(tool, field) && !strcmp(fields_info[field].name, name))
			return true;
	return false;
}

void expr_words(const struct tool *tool, expr_word_fn *each, void *arg)
{
	const struct column *col;
	enum field field;
	size_t i;

	for (field = 0; field < FIELD_COUNT; field++)
		if (has_field(tool, field))
			each(arg, fields_info[field].name, strlen(fields_info[field].name));
	for (i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
		if (has_field(tool, aliases[i].field))
			each(arg, aliases[i].name, strlen(aliases[i].name));
	for (col = tool->columns; col->name; col++) {
		if (!expr_value(col) || expr_is_field(tool, col->name))
			continue;
		each(arg, col->name, strlen(col->name));
		if (col->name[expr_short_name(col)])
			each(arg, col->name, expr_short_name(col));
	}
	each(arg, "not", 3);
}

static void *unknown_word(struct parser *p, const struct token *word)
{
	const char *by = p->tool->by ? p->tool->by : "";
	struct nearest near;

	if (isdigit((unsigned char)p->text[word->at]))
		return fail(p, word->at, word->len, "expected a field, found '%.*s'; a list is one "
			    "word: port 80,443", SHOWN(p, *word));
	nearest_start(&near, p->text + word->at, word->len);
	expr_words(p->tool, nearest_try, &near);
	if (near.best)
		return fail(p, word->at, word->len,
			    "%s%s has no field '%.*s'; did you mean '%.*s'?", p->tool->name, by,
			    SHOWN(p, *word), (int)near.best_len, near.best);
	return fail(p, word->at, word->len, "%s%s has no field '%.*s'", p->tool->name, by,
		    SHOWN(p, *word));
}

/* Without an operator a list is one to be in. */
static bool take_equality(struct parser *p, const struct token *word, enum kind *op)
{
	*op = T_EQ;
	if (p->tok.kind < T_EQ)
		return true;
	if (p->tok.kind > T_NE) {
		fail(p, p->tok.at, p->tok.len, "'%.*s' takes = and !=, not %.*s", SHOWN(p, *word),
		     SHOWN(p, p->tok));
		return false;
	}
	*op = p->tok.kind;
	advance(p);
	return true;
}

static bool take_list(struct parser *p, const struct token *word, struct list *list)
{
	struct token first = p->tok;

	if (first.kind == T_NOT && p->text[first.at] == '!')
		advance(p);
	if (p->tok.kind != T_WORD) {
		unexpected(p, "a value", word);
		return false;
	}
	if (first.kind == T_NOT && p->tok.at != first.at + first.len) {
		fail(p, first.at, first.len, "a '!' stands right before its list: !80,443");
		return false;
	}
	list->at = first.at;
	list->len = p->tok.at + p->tok.len - first.at;
	advance(p);
	if (p->text[list->at + list->len - 1] == ',' && p->tok.kind != T_END) {
		fail(p, list->at, list->len, ONE_WORD);
		return false;
	}
	list->text = malloc(list->len + 1);
	if (!list->text) {
		p->ret = -ENOMEM;
		return false;
	}
	unquote(list->text, list->len, p->text + list->at, list->len);
	return true;
}

static void *list_error(struct parser *p, const struct list *list, int ret,
			const struct filter_error *err)
{
	size_t from = err->bad ? err->bad - list->text : 0;
	size_t n = err->bad ? err->bad_len : strlen(list->text);
	size_t begin = unquote(NULL, from, p->text + list->at, list->len);
	size_t end = unquote(NULL, from + n, p->text + list->at, list->len);

	if (ret != -ENOMEM)
		return fail(p, list->at + begin, end - begin, "%s",
			    err->why ? err->why : "not a value that is possible here");
	p->ret = ret;
	return NULL;
}

/* Signed numbers are handled as what they are above the least one, which keeps their order. */
static uint64_t bias_of(const struct column *col)
{
	return col->type == COL_INT ? 1ull << (col->size * 8 - 1) : 0;
}

/* As it is printed, or with 0x before. */
static const char *read_hex(const char *text, struct number *number)
{
	size_t digits;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		text += 2;
	digits = strspn(text, "0123456789abcdefABCDEF");
	if (!digits || text[digits])
		return number_types[COL_HEX].refusal;
	if (digits > 16)
		return "too large for this column";
	number->floor = strtoull(text, NULL, 16);
	return NULL;
}

/* NULL, or why it is refused. */
static const char *read_number(const struct column *col, const char *text, struct number *number)
{
	const struct number_type *type = &number_types[col->type];
	bool negative = col->type == COL_INT && *text == '-';
	const char *whole = text += negative;
	u128 value = 0, fraction = 0;
	uint64_t scale = type->scale, place = E18;

	if (col->type == COL_HEX)
		return read_hex(text, number);
	for (; isdigit((unsigned char)*text); text++)
		if (!(value >> 80))
			value = value * 10 + (*text - '0');
	if (text == whole)
		return type->refusal;
	if (type->units && text[0] == '.' && isdigit((unsigned char)text[1])) {
		for (text++; isdigit((unsigned char)*text); text++) {
			place /= 10;
			fraction += place * (*text - '0');
			if (!place && *text != '0')
				return "too many decimals";
		}
	}
	if (*text) {
		const struct unit *unit = type->units;

		while (unit && unit->name && strcmp(unit->name, text))
			unit++;
		if (!unit || !unit->name)
			return type->refusal;
		scale = unit->scale;
	}
	fraction *= scale;
	value = value * scale + fraction / E18;
	number->more = fraction % E18 || value % type->scale;
	value /= type->scale;
	if (negative && value > bias_of(col))
		return "too large for this column";
	value = negative ? bias_of(col) - value : bias_of(col) + value;
	number->floor = value;
	if (value + number->more > UINT64_MAX >> (64 - col->size * 8))
		return "too large for this column";
	return NULL;
}

/* The values that compare so. What is unknown is neither less nor more than anything. */
static bool range_of(const struct column *col, enum kind op, struct number number,
		     struct filter_range *range)
{
	uint64_t max = UINT64_MAX >> (64 - col->size * 8);
	uint64_t ceiling = number.floor + number.more;

	*range = (struct filter_range){ 0, max };
	switch (op) {
	case T_LT:
		if (!ceiling)
			return false;
		range->hi = ceiling - 1;
		break;
	case T_LE:
		range->hi = number.floor;
		break;
	case T_GT:
		if (number.floor == max)
			return false;
		range->lo = number.floor + 1;
		break;
	case T_GE:
		range->lo = ceiling;
		break;
	default:
		*range = (struct filter_range){ number.floor, number.floor };
		return !number.more;
	}
	if (is_null(col, range->lo) && range->lo++ == range->hi)
		return false;
	if (is_null(col, range->hi) && range->hi-- == range->lo)
		return false;
	return true;
}

static void *no_such_number(struct parser *p, const struct column *col, enum kind op,
			    const struct token *value)
{
	static const char *const where[] = {
		[T_LT] = "below", [T_LE] = "at or below", [T_GT] = "above", [T_GE] = "at or above",
	};

	if (op == T_EQ || op == T_NE)
		return fail(p, value->at, value->len, "not a whole number of %s",
			    number_types[col->type].unit);
	return fail(p, value->at, value->len, "nothing is %s %.*s%s", where[op], SHOWN(p, *value),
		    is_null(col, 0) && (op == T_LT || op == T_LE) ? "; 0 is unknown" : "");
}

static struct filter_node *in_column(struct parser *p, const struct column *col,
				     const struct filter_range *range)
{
	uint64_t bias = bias_of(col), max = UINT64_MAX >> (64 - col->size * 8);
	struct filter_range parts[2] = { { range->lo ^ bias, range->hi ^ bias } };
	size_t n = 1;

	/* From below 0 to above it: those below have the larger bit patterns. */
	if (range->lo < bias && range->hi >= bias) {
		parts[1] = (struct filter_range){ parts[0].lo, max };
		parts[0].lo = 0;
		n = parts[0].hi + 1 == parts[1].lo ? 1 : 2;
		if (n == 1)
			parts[0].hi = max;
	}
	return guarded(p, col, in_ranges(p, col->off, col->size, parts, n));
}

/* COLUMN OP VALUE; with `other`, either column. */
static struct filter_node *parse_number(struct parser *p, const struct token *word,
					const struct column *col, const struct column *other)
{
	enum kind op = p->tok.kind;
	struct filter_node *node;
	struct filter_range range;
	struct number number = { 0 };
	char text[MAX_NAME * 2];
	const char *why;
	struct token value;

	if (op < T_EQ)
		return unexpected(p, "= != < <= > or >=", word);
	advance(p);
	value = p->tok;
	if (value.kind != T_WORD)
		return unexpected(p, "a value", word);
	advance(p);
	unquote(text, sizeof(text) - 1, p->text + value.at, value.len);
	why = value.len < sizeof(text) ? read_number(col, text, &number) : "too long a number";
	if (why)
		return fail(p, value.at, value.len, "%s", why);
	if (!range_of(col, op, number, &range))
		return no_such_number(p, col, op, &value);
	node = in_column(p, col, &range);
	if (other)
		node = join(p, filter_or, node, in_column(p, other, &range));
	return negate_if(p, op == T_NE, node);
}

static struct filter_node *parse_bool(struct parser *p, const struct token *word,
				      const struct column *col)
{
	const struct filter_range yes = { 1, UINT64_MAX >> (64 - col->size * 8) }, no = { 0, 0 };
	bool want = true;
	enum kind op = T_EQ;

	if (p->tok.kind >= T_EQ) {
		if (!take_equality(p, word, &op))
			return NULL;
		want = is_word(p, &p->tok, "true");
		if (!want && !is_word(p, &p->tok, "false"))
			return unexpected(p, "true or false", word);
		advance(p);
	}
	return negate_if(p, op == T_NE,
			 guarded(p, col, in_ranges(p, col->off, col->size, want ? &yes : &no, 1)));
}

static bool choose(const struct column *col, const char *name, size_t len, bool *chosen)
{
	bool found = false;
	int i;

	for (i = 0; i < col->n_names; i++) {
		if (!col->names[i] || is_null(col, i) || strlen(col->names[i]) != len ||
		    strncasecmp(col->names[i], name, len))
			continue;
		chosen[i] = found = true;
	}
	return found;
}

/* The known names, as many as fit. */
static void name_refusal(const struct column *col, char *why, size_t size)
{
	size_t at = snprintf(why, size, "no value of '%s'; known:", col->name);
	const char *comma = "";
	int i;

	for (i = 0; i < col->n_names && at < size; i++) {
		if (!col->names[i] || is_null(col, i))
			continue;
		if (at + strlen(col->names[i]) + sizeof(", , ...") > size) {
			snprintf(why + at, size - at, "%s ...", comma);
			return;
		}
		at += snprintf(why + at, size - at, "%s %s", comma, col->names[i]);
		comma = ",";
	}
}

static struct filter_node *parse_enum(struct parser *p, const struct column *col,
				      const struct list *list, const char *name)
{
	struct filter_range ranges[UINT8_MAX / 2 + 1];
	char why[sizeof(p->err->why)] = "empty element";
	struct filter_error err = { .why = why };
	bool chosen[UINT8_MAX + 1] = { false };
	size_t n = 0, len;
	int i;

	for (;; name += len + 1) {
		len = strcspn(name, ",");
		if (!choose(col, name, len, chosen)) {
			if (len)
				name_refusal(col, why, sizeof(why));
			err.bad = name;
			err.bad_len = len;
			return list_error(p, list, -EINVAL, &err);
		}
		if (!name[len])
			break;
	}
	for (i = 0; i < col->n_names; i++) {
		if (!chosen[i])
			continue;
		if (i && chosen[i - 1])
			ranges[n - 1].hi = i;
		else
			ranges[n++] = (struct filter_range){ i, i };
	}
	return in_ranges(p, col->off, col->size, ranges, n);
}

/* Some of these bits are set. */
static struct filter_node *with_bits(struct parser *p, const struct column *col,
				     const struct filter_node *bits)
{
	const struct filter_range known = { 0, (UINT64_MAX >> (64 - col->size * 8)) - 1 };
	struct filter_range mask = { 0 };
	struct filter_node *node;
	size_t i;

	for (i = 0; i < bits->n; i++)
		for (mask.hi = bits->ranges[i].lo; mask.hi <= bits->ranges[i].hi; mask.hi++)
			mask.lo |= 1ull << mask.hi;
	node = in_ranges(p, col->off, col->size, &mask, 1);
	if (!node)
		return NULL;
	node->kind = FILTER_BITS;
	if (!(col->flags & COL_NULL_ONES))
		return node;
	return join(p, filter_and, node, in_ranges(p, col->off, col->size, &known, 1));
}

static struct filter_node *parse_flags(struct parser *p, const struct column *col,
				       const struct list *list, const char *name)
{
	struct filter_node *bits = parse_enum(p, col, list, name), *node = NULL;

	if (bits)
		node = with_bits(p, col, bits);
	filter_free(bits);
	return node;
}

/* NAME list */
static struct filter_node *parse_list(struct parser *p, const struct token *word,
				      const struct column *col)
{
	struct filter_node *node = NULL;
	struct filter_error err = { 0 };
	struct list list;
	const char *words;
	enum kind op;
	bool negate;
	int ret = 0;

	if (!take_equality(p, word, &op) || !take_list(p, word, &list))
		return NULL;
	/* Not left to the parsers of lists: what is unknown is in none, so also in "not one of". */
	negate = *list.text == '!';
	words = list.text + negate;
	if (col->type == COL_ENUM)
		node = parse_enum(p, col, &list, words);
	else if (col->type == COL_FLAGS)
		node = parse_flags(p, col, &list, words);
	else if (col->type == COL_REASON)
		ret = fields_reasons(&node, col, words, p->opts, &err);
	else if (col->type == COL_STR)
		ret = filter_parse_names(&node, words, col->off, &err);
	else
		ret = filter_parse_addrs(&node, words, col->off, &err);
	if (ret)
		node = list_error(p, &list, ret, &err);
	free(list.text);
	return negate_if(p, negate != (op == T_NE), guarded(p, col, node));
}

static struct filter_node *parse_column(struct parser *p, const struct token *word,
					const struct column *col)
{
	if (is_number(col))
		return parse_number(p, word, col, NULL);
	if (is_list(col))
		return parse_list(p, word, col);
	if (col->type == COL_BOOL)
		return parse_bool(p, word, col);
	return fail(p, word->at, word->len, "'%s' is no column to filter by", col->name);
}

/* FIELD < VALUE and the like, where the field is a number. */
static struct filter_node *parse_order(struct parser *p, const struct token *word, enum field field)
{
	static const struct column numbers[FIELD_COUNT] = {
		[FIELD_PID] = COLUMN_PID(struct any_event),
		[FIELD_TID] = COLUMN_TID(struct any_event),
		[FIELD_UID] = COLUMN_UID(struct any_event),
		[FIELD_PORT] = COLUMN_LPORT(struct any_event),
		[FIELD_LPORT] = COLUMN_LPORT(struct any_event),
		[FIELD_RPORT] = COLUMN_RPORT(struct any_event),
		[FIELD_IP] = COLUMN_IP(struct any_event),
		[FIELD_NETNS] = COLUMN_NETNS(struct any_event),
	};
	const struct column *other = field == FIELD_PORT ? &numbers[FIELD_RPORT] : NULL;
	enum kind op;

	if (numbers[field].name)
		return parse_number(p, word, &numbers[field], other);
	take_equality(p, word, &op);
	return NULL;
}

/* FIELD list */
static struct filter_node *parse_field(struct parser *p, const struct token *word, enum field field)
{
	struct filter_node *node = NULL;
	struct filter_error err = { 0 };
	struct list list;
	enum kind op;
	int ret;

	if (p->tok.kind > T_NE)
		return parse_order(p, word, field);
	if (!take_equality(p, word, &op) || !take_list(p, word, &list))
		return NULL;
	ret = fields_parse(&node, field, list.text, p->opts, &err);
	if (ret)
		node = list_error(p, &list, ret, &err);
	free(list.text);
	return negate_if(p, op == T_NE, node);
}

static struct filter_node *parse_family(struct parser *p, const char *version)
{
	struct filter_node *node = NULL;
	struct filter_error err;
	int ret = fields_parse(&node, FIELD_IP, version, p->opts, &err);

	if (ret)
		p->ret = ret;
	return ret ? NULL : node;
}

/* TEXT ~ list: a part of it */
static struct filter_node *parse_part(struct parser *p, const struct token *word, enum field field,
				      const struct column *col)
{
	size_t off = field == FIELD_COMM ? offsetof(struct nt_event, owner.comm) : 0;
	struct filter_node *node = NULL;
	struct filter_error err = { 0 };
	struct list list;
	bool negate;
	int ret;

	if (!off && col && col->type == COL_STR && is_list(col))
		off = col->off;
	if (!off)
		return fail(p, p->tok.at, p->tok.len, "'%.*s' is no text: ~ asks for a part of one",
			    SHOWN(p, *word));
	advance(p);
	if (!take_list(p, word, &list))
		return NULL;
	negate = *list.text == '!';
	ret = filter_parse_parts(&node, list.text + negate, off, &err);
	if (ret)
		node = list_error(p, &list, ret, &err);
	free(list.text);
	return negate_if(p, negate, col ? guarded(p, col, node) : node);
}

static struct filter_node *parse_predicate(struct parser *p)
{
	struct token word = p->tok;
	const struct column *col;
	enum field field;

	if (word.kind == T_END && !p->text[strspn(p->text, BLANKS)])
		return fail(p, word.at, word.len, "an empty expression");
	if (word.kind != T_WORD)
		return unexpected(p, "a field", NULL);
	advance(p);
	field = find_field(p, &word);
	col = find_column(p->tool, p->text + word.at, word.len);
	if (p->tok.kind == T_HAS)
		return parse_part(p, &word, field, col);
	if (field == FIELD_IP && (p->tok.kind < T_EQ || is_word(p, &word, "ip6")))
		return parse_family(p, is_word(p, &word, "ip") ? "4" : "6");
	if (field != FIELD_COUNT)
		return parse_field(p, &word, field);
	if (col)
		return parse_column(p, &word, col);
	return unknown_word(p, &word);
}

static struct filter_node *close_paren(struct parser *p, const struct token *open,
				       struct filter_node *node)
{
	if (node && p->tok.kind == T_CLOSE) {
		advance(p);
		return node;
	}
	if (node && p->tok.kind == T_END)
		fail(p, open->at, open->len, "'(' without ')'");
	else if (node)
		expected_operator(p);
	filter_free(node);
	return NULL;
}

static struct filter_node *parse_not(struct parser *p)
{
	struct token first = p->tok;
	struct filter_node *node;

	if (first.kind != T_NOT && first.kind != T_OPEN)
		return parse_predicate(p);
	if (p->depth == EXPR_MAX_DEPTH)
		return fail(p, first.at, first.len, "nested more than %d deep", EXPR_MAX_DEPTH);
	p->depth++;
	advance(p);
	if (first.kind == T_NOT)
		node = negate_if(p, true, parse_not(p));
	else
		node = close_paren(p, &first, parse_or(p));
	p->depth--;
	return node;
}

static struct filter_node *parse_and(struct parser *p)
{
	struct filter_node *node = parse_not(p);

	while (node && p->tok.kind == T_AND) {
		advance(p);
		node = join(p, filter_and, node, parse_not(p));
	}
	return node;
}

static struct filter_node *parse_or(struct parser *p)
{
	struct filter_node *node = parse_and(p);

	while (node && p->tok.kind == T_OR) {
		advance(p);
		node = join(p, filter_or, node, parse_and(p));
	}
	return node;
}

int expr_parse(struct filter_node **node, const char *text, const struct tool *tool,
	       struct session_opts *opts, struct expr_error *err)
{
	struct parser p = { .text = text, .tool = tool, .opts = opts, .err = err };

	*err = (struct expr_error){ 0 };
	advance(&p);
	*node = parse_or(&p);
	if (*node && p.tok.kind != T_END) {
		expected_operator(&p);
		filter_free(*node);
		*node = NULL;
	}
	return p.ret;
}

const char *expr_value(const struct column *col)
{
	if (is_number(col))
		return number_types[col->type].value;
	if (is_list(col))
		return col->type == COL_ADDR ? "ADDRESS" : "NAME";
	return col->type == COL_BOOL ? "FLAG" : NULL;
}

size_t expr_short_name(const struct column *col)
{
	size_t len = strlen(col->name), tail = strlen(suffix_of(col));

	return len > tail && !strcmp(col->name + len - tail, suffix_of(col)) ? len - tail : len;
}

const char *expr_field(const struct tool *tool, int i)
{
	const size_t n = sizeof(aliases) / sizeof(aliases[0]);

	if (i < FIELD_COUNT)
		return has_field(tool, i) ? fields_info[i].name : "";
	i -= FIELD_COUNT;
	return i >= (int)n ? NULL : has_field(tool, aliases[i].field) ? aliases[i].name : "";
}
