// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Options: the uniform table, a tool's own, argp in the middle. */
#include "options.h"

#include <argp.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "expr.h"
#include "fields.h"
#include "nets.h"

/* The options that every tool has; those of the fields come first and have the fields' numbers. */
enum uniform {
	U_FIELDS = FIELD_COUNT,
	U_IPV4 = FIELD_COUNT, U_IPV6, U_FILTER,
	U_OUTPUT, U_CSV, U_JSON, U_COLUMNS, U_NO_HEADER,
	U_DURATION, U_MAX_EVENTS, U_RECORD, U_READY_FILE, U_EXPLAIN, U_STATS, U_STRICT, U_BUFFER,
	U_SOCKETS, U_VERBOSE, U_DEBUG, U_COUNT,
};

static const struct uniform_opt {
	const char *name, *arg, *help;
	char letter;
	enum option_group group;
	bool live; /* makes no sense in a replay */
	enum option_value value; /* VALUE_NONE: by `arg` */
} uniform[U_COUNT] = {
	[FIELD_PID] = { "pid", "P[,P]", "process that owns the socket", 0, GROUP_FILTER },
	[FIELD_TID] = { "tid", "T[,T]", "its thread", 0, GROUP_FILTER },
	[FIELD_COMM] = { "comm", "NAME[,NAME]", "its name", 0, GROUP_FILTER },
	[FIELD_UID] = { "uid", "U[,U]", "its user, by number or name", 0, GROUP_FILTER },
	[FIELD_PORT] = { "port", "P[,P-P]", "local or remote port", 0, GROUP_FILTER },
	[FIELD_LPORT] = { "lport", "P[,P-P]", "local port", 0, GROUP_FILTER },
	[FIELD_RPORT] = { "rport", "P[,P-P]", "remote port", 0, GROUP_FILTER },
	[FIELD_ADDR] = { "addr", "A[/N][,A]", "local or remote address or network", 0,
			 GROUP_FILTER },
	[FIELD_LADDR] = { "laddr", "A[/N][,A]", "local address or network", 0, GROUP_FILTER },
	[FIELD_RADDR] = { "raddr", "A[/N][,A]", "remote address or network", 0, GROUP_FILTER },
	[FIELD_CGROUP] = { "cgroup", "PATH[,PATH]", "owner in this cgroup or below it", 0,
			   GROUP_FILTER },
	[FIELD_UNIT] = { "unit", "NAME[,NAME]", "owner in this systemd unit", 0, GROUP_FILTER },
	[FIELD_CONTAINER] = { "container", "ID[,ID]", "owner in the container whose id begins so",
			      0, GROUP_FILTER },
	[FIELD_NETNS] = { "netns", "NS[,NS]",
			  "network namespace: inode, path or name of 'ip netns'", 0, GROUP_FILTER },
	[FIELD_MNTNS] = { "mntns", "NS[,NS]", "mount namespace of the owner: inode or path", 0,
			  GROUP_FILTER },
	[U_IPV4] = { "ipv4", NULL, "IPv4 only (IPv4-mapped IPv6 is IPv4)", '4', GROUP_FILTER },
	[U_IPV6] = { "ipv6", NULL, "IPv6 only", '6', GROUP_FILTER },
	[U_FILTER] = { "filter", "EXPR", "filter expression: 'port 80 and not host 10.0.0.1'", 0,
		       GROUP_FILTER, .value = VALUE_EXPR },
	[U_OUTPUT] = { "output", "FORMAT", "table, csv or json", 'o', GROUP_OUTPUT,
		       .value = VALUE_FORMAT },
	[U_CSV] = { "csv", NULL, "same as -o csv", 0, GROUP_OUTPUT },
	[U_JSON] = { "json", NULL, "same as -o json: one object a line", 0, GROUP_OUTPUT },
	[U_COLUMNS] = { "columns", "LIST",
			"these columns in this order; +x adds, -x removes; 'help' lists them", 0,
			GROUP_OUTPUT, .value = VALUE_COLUMNS },
	[U_NO_HEADER] = { "no-header", NULL, "no heading line", 0, GROUP_OUTPUT },
	[U_DURATION] = { "duration", "SEC", "stop after SEC seconds", 0, GROUP_RUN, true },
	[U_MAX_EVENTS] = { "max-events", "N", "stop after N rows", 0, GROUP_RUN },
	[U_RECORD] = { "record", "FILE", "write the raw events to FILE too", 0, GROUP_RUN, true,
		       VALUE_FILE },
	[U_READY_FILE] = { "ready-file", "FILE", "create FILE once every probe is attached", 0,
			   GROUP_RUN, true, VALUE_FILE },
	[U_EXPLAIN] = { "explain", NULL,
			"print the hooks that would be used and why; attach nothing", 0,
			GROUP_RUN, true },
	[U_STATS] = { "stats", NULL, "at the end, count what was seen, filtered, sent and lost", 0,
		      GROUP_RUN, true },
	[U_STRICT] = { "strict", NULL, "exit with 5 if any event was lost", 0, GROUP_RUN, true },
	[U_BUFFER] = { "buffer", "SIZE", "event buffer, 4M unless given (256K, 16M)", 0, GROUP_RUN,
		       true },
	[U_SOCKETS] = { "sockets", "N",
			"how many sockets are remembered; unless given, 16384 or 4 times those "
			"open",
			0, GROUP_RUN, true },
	[U_VERBOSE] = { "verbose", NULL, "say more on stderr: the hooks chosen", 'v', GROUP_RUN },
	[U_DEBUG] = { "debug", NULL, "libbpf's and the verifier's messages too", 0, GROUP_RUN,
		      true },
};

#define MAX_EXPRS 16
#define MAX_OWN 256 /* of all tools together */
#define KEY_UNIFORM 0x1000
#define KEY_OWN 0x2000
#define KEY_OTHER 0x4000

struct parser {
	struct session_opts *opts;
	const char *name;
	bool replay;
	uint32_t fields;           /* that all tools have */
	const struct opt *own;     /* NULL in a merged run */
	int letters[128];          /* letter to key, 0: free */
	char letter_of[U_COUNT];   /* given by the tool to a uniform option */
	struct argp_option table[U_COUNT + MAX_OWN];
	int n, n_show, n_args;
	bool want4, want6;
	const char *exprs[MAX_EXPRS]; /* read at the end: -c gives the tool other columns */
	int n_exprs;
	char made[4][512];           /* expressions that options and arguments stand for */
	int n_made;
	char words[128];             /* of OPT_TABLE */
	char args_doc[64];
	const char *netns_of;        /* of OPT_NETNS_OF, or NULL */
};

static int uniform_by_name(const char *name)
{
	int i;

	for (i = 0; i < U_COUNT; i++)
		if (uniform[i].name && !strcmp(uniform[i].name, name))
			return i;
	return -1;
}

static void add(struct parser *p, const char *name, int key, const char *arg, const char *help,
		int group)
{
	p->table[p->n++] = (struct argp_option){ name, key, arg, 0, help, group };
}

static void add_own(struct parser *p, int i)
{
	const struct opt *o = &p->own[i];
	int same = o->kind == OPT_SAME_AS ? uniform_by_name(o->target) : -1;
	int key = same >= 0 ? KEY_UNIFORM + same : KEY_OWN + i;

	if (o->letter)
		p->letters[(int)o->letter] = key;
	if (same >= 0 && o->name && !strcmp(o->name, uniform[same].name)) {
		p->letter_of[same] = o->letter;
		return;
	}
	add(p, o->name, o->letter ? o->letter : key, o->arg, o->help, GROUP_TOOL);
}

static uint32_t fields_of(int i)
{
	if (i < U_FIELDS)
		return fields_info[i].fields;
	return i == U_IPV4 || i == U_IPV6 ? FIELDS_LOCAL : 0;
}

/* The tool gives a name of ours another meaning: bcc's tcptracer has its own --verbose. */
static bool is_own_name(const struct parser *p, const char *name)
{
	int i;

	for (i = 0; p->own && (p->own[i].letter || p->own[i].name); i++)
		if (p->own[i].kind != OPT_SAME_AS && p->own[i].name &&
		    !strcmp(p->own[i].name, name))
			return true;
	return false;
}

static void add_uniform(struct parser *p, int i)
{
	const struct uniform_opt *u = &uniform[i];
	char letter = u->letter;

	if (!u->name || (p->replay && u->live) || is_own_name(p, u->name))
		return;
	if (letter && p->letters[(int)letter])
		letter = 0;
	if (p->letter_of[i])
		letter = p->letter_of[i];
	if (letter)
		p->letters[(int)letter] = KEY_UNIFORM + i;
	add(p, u->name, letter ? letter : KEY_UNIFORM + i, u->arg, u->help, u->group);
	/* Refused with a sentence when used, but not advertised. */
	if (fields_of(i) & ~p->fields)
		p->table[p->n - 1].flags = OPTION_HIDDEN;
}

#define WORD_OF_OPT 40

/* "--count", or "-c" if it has no long name. */
static void put_opt(char word[WORD_OF_OPT], const struct opt *o)
{
	if (o->name)
		snprintf(word, WORD_OF_OPT, "--%s", o->name);
	else
		snprintf(word, WORD_OF_OPT, "-%c", o->letter);
}

/* In a run of several tools: not advertised, but refused with a sentence. */
static void add_other(struct parser *p, int tool, int i)
{
	const struct opt *o = &p->opts->tools[tool]->opts[i];
	const char *name = o->name && uniform_by_name(o->name) < 0 ? o->name : NULL;
	int key = KEY_OTHER + tool * 64 + i, letter = o->letter;

	if (p->letters[letter])
		letter = 0;
	if ((!name && !letter) || p->n + 2 >= U_COUNT + MAX_OWN)
		return;
	p->letters[letter] = letter ? key : 0;
	add(p, name, letter ? letter : key, o->arg, NULL, GROUP_TOOL);
	p->table[p->n - 1].flags = OPTION_HIDDEN;
}

static void add_others(struct parser *p)
{
	const struct opt *o;
	int t, i;

	for (t = 0; t < p->opts->n_tools; t++)
		for (i = 0, o = p->opts->tools[t]->opts; o && (o->letter || o->name); i++, o++)
			add_other(p, t, i);
}

static void refuse_other(const struct parser *p, struct argp_state *state, int key)
{
	const struct tool *tool = p->opts->tools[(key - KEY_OTHER) / 64];
	const struct opt *o = &tool->opts[(key - KEY_OTHER) % 64];
	char word[WORD_OF_OPT];

	put_opt(word, o);
	argp_failure(state, EXIT_USAGE, 0,
		     "%s is an option of %s: a run of several tools takes only those that every "
		     "tool has", word, tool->name);
}

static void build_table(struct parser *p)
{
	int i;

	if (p->own && (p->own->letter || p->own->name))
		add(p, NULL, 0, NULL, "Options of this tool:", GROUP_TOOL);
	for (i = 0; p->own && (p->own[i].letter || p->own[i].name); i++)
		add_own(p, i);
	add(p, NULL, 0, NULL,
	    "Filters (a list is OR, a leading ! negates it, different options are AND):",
	    GROUP_FILTER);
	add(p, NULL, 0, NULL, "Output:", GROUP_OUTPUT);
	add(p, NULL, 0, NULL, "Run:", GROUP_RUN);
	for (i = 0; i < U_COUNT; i++)
		add_uniform(p, i);
	if (!p->own && !p->replay)
		add_others(p);
	if (!p->letters['h']) {
		add(p, NULL, 'h', NULL, NULL, -1);
		p->table[p->n - 1].flags = OPTION_HIDDEN;
	}
}

/* `what` is the option with its dashes, or the argument's name. */
static void refuse(struct argp_state *state, const char *what, const char *arg, const char *why)
{
	argp_failure(state, EXIT_USAGE, 0, "%s: '%s' is %s", what, arg, why);
}

/*
 * A filter's long name is the name of a column that the tool shows by a letter; bcc shows it by
 * that name. `arg` is what would be the filter's value, NULL: nothing.
 */
static void refuse_bare(const struct parser *p, struct argp_state *state, const char *name,
			const char *arg)
{
	int i;

	for (i = 0; p->own && (p->own[i].letter || p->own[i].name) && (!arg || *arg == '-'); i++)
		if (p->own[i].kind == OPT_SHOW && p->own[i].letter && p->own[i].target &&
		    !strcmp(p->own[i].target, name))
			argp_failure(state, EXIT_USAGE, 0,
				     "--%s is a filter and needs a value; -%c shows the column",
				     name, p->own[i].letter);
}

static void refuse_bare_last(const struct parser *p, struct argp_state *state)
{
	const char *last = state->argv[state->argc - 1];

	if (state->argc > 1 && !strncmp(last, "--", 2) && uniform_by_name(last + 2) >= 0 &&
	    uniform_by_name(last + 2) < U_FIELDS)
		refuse_bare(p, state, last + 2, NULL);
}

static void parse_field(struct parser *p, struct argp_state *state, int option, const char *arg)
{
	struct filter_node *node = NULL;
	struct filter_error err = { 0 };
	const char *name = uniform[option].name;
	int ret, i;

	if (!name) /* FIELD_IP */
		name = *arg == '4' ? "ipv4" : "ipv6";
	for (i = 0; i < p->opts->n_tools; i++)
		if (fields_of(option) & ~p->opts->tools[i]->fields)
			argp_failure(state, EXIT_USAGE, 0,
				     "--%s: %s has no such field to filter by", name,
				     p->opts->tools[i]->name);
	refuse_bare(p, state, name, arg);
	ret = fields_parse(&node, option, arg, p->opts, &err);
	if (ret == -EINVAL)
		argp_failure(state, EXIT_USAGE, 0, "--%s: '%.*s': %s", name,
			     (int)err.bad_len, err.bad ? err.bad : arg, err.why);
	if (ret)
		argp_failure(state, EXIT_USAGE, 0, "--%s: '%s': %s", name, arg,
			     strerror(-ret));
	p->opts->common = filter_and(p->opts->common, node);
}

/* How many columns of a terminal: a byte of UTF-8 that goes on is none. */
static int width(const char *text, size_t len)
{
	int n = 0;

	for (; len--; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}

/*
 * The expression with a caret under the offending word: of a long one what is around the word, and
 * in one line, whatever it has in it.
 */
static void refuse_expr(struct argp_state *state, const char *text, const struct expr_error *err)
{
	static const char marks[] = "^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~";
	const size_t around = 60, len = strlen(text);
	size_t from = err->at > around ? err->at - around : 0;
	size_t to = err->at + (err->len < around ? err->len : around) + around;
	char shown[3 * around + 8];
	const char *before, *behind;
	int word;

	if (to > len)
		to = len;
	while (from && (text[from] & 0xc0) == 0x80)
		from--;
	while (to < len && (text[to] & 0xc0) == 0x80)
		to--;
	memcpy(shown, text + from, to - from);
	shown[to - from] = '\0';
	for (char *c = shown; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = ' ';
	before = from ? "..." : "";
	behind = to < len ? "..." : "";
	word = width(text + err->at, err->len);
	argp_failure(state, EXIT_USAGE, 0, "--filter: %s\n    %s%s%s\n    %*s%.*s", err->why,
		     before, shown, behind,
		     (int)strlen(before) + width(text + from, err->at - from), "",
		     word > 40 ? 40 : word, marks);
}

static void parse_expr(struct parser *p, struct argp_state *state, const char *arg)
{
	struct session_opts *opts = p->opts;
	struct filter_node *node;
	struct expr_error err;
	int i, ret;

	for (i = 0; i < opts->n_tools; i++) {
		node = NULL;
		ret = expr_parse(&node, arg, opts->tools[i], opts, &err);
		if (ret == -EINVAL)
			refuse_expr(state, arg, &err);
		if (ret)
			argp_failure(state, EXIT_USAGE, 0, "--filter: %s", strerror(-ret));
		opts->expr[i] = filter_and(opts->expr[i], node);
	}
}

/* What the kernel would refuse is refused everywhere, also in a replay. */
static void refuse_large(const struct session_opts *opts, struct argp_state *state)
{
	static struct bpf_insn insns[NT_FILTER_SLOTS];
	bool each;
	int i, room;

	for (i = 0; i < opts->n_tools; i++) {
		each = session_asks_each(opts, i);
		room = each ? NT_FILTER_EACH : NT_FILTER_SLOTS;
		if (!opts->filter[i] || filter_compile(opts->filter[i], insns, room) != -E2BIG)
			continue;
		argp_failure(state, EXIT_USAGE, 0,
			     "the filter is too large: it would need more than %d instructions%s%s",
			     room, each ? ", of which there are fewer for what differs between the "
					  "rows of one event of " : "",
			     each ? opts->tools[i]->name : "");
	}
}

static void add_expr(struct parser *p, struct argp_state *state, const char *expr)
{
	if (p->n_exprs == MAX_EXPRS)
		argp_failure(state, EXIT_USAGE, 0, "--filter: more than %d of them", MAX_EXPRS);
	p->exprs[p->n_exprs++] = expr;
}

/* "COLUMN OP VALUE" of an option or argument that may be given once or twice. */
static char *make_expr(struct parser *p, struct argp_state *state)
{
	if (p->n_made == sizeof(p->made) / sizeof(*p->made))
		argp_failure(state, EXIT_USAGE, 0, "an option is given too often");
	add_expr(p, state, p->made[p->n_made]);
	return p->made[p->n_made++];
}

static uint64_t whole(struct argp_state *state, const char *what, const char *arg, uint64_t min,
		      uint64_t max)
{
	uint64_t value;
	char *end;

	errno = 0;
	value = strtoull(arg, &end, 10);
	if (!isdigit((unsigned char)*arg) || *end || errno || value < min || value > max)
		refuse(state, what, arg, "no number that is possible here");
	return value;
}

static uint64_t seconds(struct argp_state *state, const char *what, const char *arg)
{
	double value;
	char *end;

	value = strtod(arg, &end);
	if (strspn(arg, "0123456789.") != strlen(arg) || !*arg || *end || value > 1e9 ||
	    llround(value * 1e9) <= 0)
		refuse(state, what, arg, "no positive number of seconds");
	return llround(value * 1e9);
}

static uint64_t size(struct argp_state *state, const char *what, const char *arg)
{
	static const char units[] = "KMG";
	uint64_t value, bytes = 4096;
	const char *unit;
	char *end;

	errno = 0;
	value = strtoull(arg, &end, 10);
	unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
	if (unit)
		end++;
	if (!isdigit((unsigned char)*arg) || *end || errno || value > UINT32_MAX || !value)
		refuse(state, what, arg, "no size; 256K or 16M is one");
	if (unit)
		value <<= 10 * (unit - units + 1);
	if (value > 1ull << 30)
		refuse(state, what, arg, "more than 1G");
	while (bytes < value) /* the kernel takes powers of two */
		bytes *= 2;
	return bytes;
}

static enum out_format format(struct argp_state *state, const char *arg)
{
	if (!strcmp(arg, "table"))
		return OUT_TABLE;
	if (!strcmp(arg, "csv"))
		return OUT_CSV;
	if (strcmp(arg, "json"))
		refuse(state, "--output", arg, "no format; table, csv and json are");
	return OUT_JSON;
}

static void columns_asked(const struct parser *p)
{
	int i;

	if (!p->opts->columns || strcmp(p->opts->columns, "help"))
		return;
	for (i = 0; i < p->opts->n_tools; i++)
		columns_help(stdout, p->opts->tools[i]->columns);
	exit(EXIT_DONE);
}

static void parse_run(struct parser *p, struct argp_state *state, int option, char *arg)
{
	struct session_opts *opts = p->opts;

	switch (option) {
	case U_DURATION: opts->duration_ns = seconds(state, "--duration", arg); break;
	case U_MAX_EVENTS:
		opts->max_events = whole(state, "--max-events", arg, 1, UINT64_MAX);
		break;
	case U_RECORD: opts->record = arg; break;
	case U_READY_FILE: opts->ready_file = arg; break;
	case U_EXPLAIN: opts->explain = true; break;
	case U_STATS: opts->stats = true; break;
	case U_STRICT: opts->strict = true; break;
	case U_BUFFER: opts->ring_bytes = size(state, "--buffer", arg); break;
	case U_SOCKETS: opts->max_sockets = whole(state, "--sockets", arg, 1, 1 << 24); break;
	case U_VERBOSE: opts->verbose = true; break;
	case U_DEBUG: opts->debug = true; break;
	}
}

static void parse_uniform(struct parser *p, struct argp_state *state, int option, char *arg)
{
	struct session_opts *opts = p->opts;

	if (option < U_FIELDS) {
		parse_field(p, state, option, arg);
		return;
	}
	switch (option) {
	case U_IPV4: p->want4 = true; break;
	case U_IPV6: p->want6 = true; break;
	case U_FILTER:
		add_expr(p, state, arg);
		break;
	case U_OUTPUT: opts->format = format(state, arg); break;
	case U_CSV: opts->format = OUT_CSV; break;
	case U_JSON: opts->format = OUT_JSON; break;
	case U_COLUMNS: opts->columns = arg; break;
	case U_NO_HEADER: opts->header = false; break;
	default: parse_run(p, state, option, arg);
	}
}

/* The process is one of this host, now. */
static void parse_netns_of(struct parser *p, struct argp_state *state)
{
	const char *what = "--pid-netns", *arg = p->netns_of;
	uint64_t pid = whole(state, what, arg, 1, UINT32_MAX);
	char path[64];
	struct stat ns;

	if (p->replay)
		argp_failure(state, EXIT_USAGE, 0, "%s asks this host: not in a replay", what);
	snprintf(path, sizeof(path), "/proc/%" PRIu64 "/ns/net", pid);
	if (stat(path, &ns))
		argp_failure(state, EXIT_USAGE, 0, "%s: '%s': %s: %s", what, arg, path,
			     strerror(errno));
	snprintf(make_expr(p, state), sizeof(*p->made), "netns %ju", (uintmax_t)ns.st_ino);
}

/* One family asked for is a filter; both are none. */
static void finish(struct parser *p, struct argp_state *state)
{
	struct session_opts *opts = p->opts;
	int i;

	columns_asked(p);
	if (p->netns_of)
		parse_netns_of(p, state);
	for (i = 0; i < p->n_exprs; i++)
		parse_expr(p, state, p->exprs[i]);
	if (p->want4 != p->want6)
		parse_field(p, state, FIELD_IP, p->want4 ? "4" : "6");
	for (i = 0; i < opts->n_tools; i++) {
		opts->both[i] = (struct filter_node){ .kind = FILTER_AND, .a = opts->common,
						      .b = opts->expr[i] };
		opts->filter[i] = !opts->common ? opts->expr[i] :
				  !opts->expr[i] ? opts->common :
						   &opts->both[i];
	}
	refuse_large(opts, state);
}

/* "a,b,c" to its words, which stay in `room`. */
static void split(const char **words, char *room, size_t size, const char *list)
{
	char *word;
	int n = 0;

	snprintf(room, size, "%s", list);
	while (n < SESSION_MAX_SHOW && (word = strsep(&room, ",")))
		words[n++] = word;
	words[n] = NULL;
}

/* "word=column,word=column": the column of `word`, or NULL. */
static const char *sort_column(const char *list, const char *word)
{
	size_t len = strlen(word);
	const char *at = list;
	static char column[32];

	while (at && (strncmp(at, word, len) || at[len] != '=')) {
		at = strchr(at, ',');
		at = at ? at + 1 : NULL;
	}
	if (!at)
		return NULL;
	snprintf(column, sizeof(column), "%.*s", (int)strcspn(at + len + 1, ","), at + len + 1);
	return column;
}

/* The devices' names, and our own namespace: another one may have devices of the same names. */
static void parse_devices(struct parser *p, struct argp_state *state, const struct opt *o,
			  const char *what, const char *arg)
{
	struct session_opts *opts = p->opts;
	char list[512], *rest = list, *name;
	struct stat own;

	snprintf(list, sizeof(list), "%s", arg);
	for (opts->n_devices = 0; (name = strsep(&rest, ",")); opts->n_devices++) {
		if (opts->n_devices == SESSION_MAX_DEVICES)
			refuse(state, what, name, "one device too many");
		if (!device_read(&opts->devices[opts->n_devices], name))
			refuse(state, what, name, "no network device here");
	}
	if (stat("/proc/self/ns/net", &own))
		argp_failure(state, EXIT_USAGE, 0, "%s: /proc/self/ns/net: %s", what,
			     strerror(errno));
	p->opts->devices_netns = own.st_ino;
	snprintf(make_expr(p, state), sizeof(*p->made), "%s %s and netns %ju", o->target, arg,
		 (uintmax_t)own.st_ino);
}

static void refuse_list(struct argp_state *state, const char *what, const char *arg,
			const struct filter_error *err, int error)
{
	argp_failure(state, EXIT_USAGE, 0, "%s: '%.*s': %s", what, (int)err->bad_len,
		     err->bad ? err->bad : arg, err->why ? err->why : strerror(-error));
}

/* OPT_REASON, or OPT_PART: a list for the column that the option names. */
static void parse_list(struct parser *p, struct argp_state *state, const struct opt *o,
		       const char *what, const char *arg)
{
	const struct column *col = column_find(p->opts->tools[0]->columns, o->target,
					       strlen(o->target));
	struct filter_node *node = NULL;
	struct filter_error err = { 0 };
	int ret;

	ret = o->kind == OPT_REASON ? fields_reasons(&node, col, arg, p->opts, &err) :
				      filter_parse_parts(&node, arg, col->off, &err);
	if (ret)
		refuse_list(state, what, arg, &err, ret);
	p->opts->common = filter_and(p->opts->common, node);
}

/* 0: all of them. */
static void parse_netns(struct parser *p, struct argp_state *state, const char *what,
			const char *arg)
{
	uint64_t inum = whole(state, what, arg, 0, UINT32_MAX);

	if (inum)
		snprintf(make_expr(p, state), sizeof(*p->made), "netns %" PRIu64, inum);
}

/* A recording does not know what the map had in it then. */
static void parse_map(struct parser *p, struct argp_state *state, const struct opt *o,
		      const char *what, const char *arg)
{
	if (p->replay)
		argp_failure(state, EXIT_USAGE, 0, "%s asks the kernel: not in a replay", what);
	p->opts->pinned[o->kind == OPT_CGROUPMAP ? PINNED_CGROUPS : PINNED_MNTNS] = arg;
	p->opts->want_mntns |= o->kind == OPT_MNTNSMAP;
}

static int unit(struct argp_state *state, const char *what, const char *arg)
{
	static const char letters[] = "bkmBKM";
	static const int units[] = { -3, 7, 17, 0, 10, 20 };
	const char *letter = strlen(arg) == 1 ? strchr(letters, *arg) : NULL;

	if (!letter)
		refuse(state, what, arg, "no unit; b, k and m are bits, B, K and M bytes");
	return units[letter - letters];
}

static void parse_nets(struct parser *p, struct argp_state *state, const char *what,
		       const char *arg)
{
	struct filter_error err = { 0 };

	if (nets_parse(&p->opts->nets, arg, &err))
		refuse_list(state, what, arg, &err, -ENOMEM);
}

static void check_together(const struct parser *p, struct argp_state *state)
{
	const struct opt *o, *other;
	char one[WORD_OF_OPT], two[WORD_OF_OPT];

	for (o = p->own; o && (o->letter || o->name); o++) {
		for (other = p->own; other->letter || other->name; other++) {
			if (!(o->flag & p->opts->flags) || !(other->flag & p->opts->flags) ||
			    !(o->without & other->flag))
				continue;
			put_opt(one, o);
			put_opt(two, other);
			argp_failure(state, EXIT_USAGE, 0, "%s and %s cannot be used together", one,
				     two);
		}
	}
}

static void parse_own(struct parser *p, struct argp_state *state, const struct opt *o, char *arg)
{
	struct session_opts *opts = p->opts;
	char what[WORD_OF_OPT];

	put_opt(what, o);
	opts->flags |= o->flag;
	switch (o->kind) {
	case OPT_SHOW:
		if (o->target && p->n_show < SESSION_MAX_SHOW)
			opts->show[p->n_show++] = o->target;
		break;
	case OPT_SAME_AS:
		break; /* has the uniform option's key */
	case OPT_CGROUPMAP:
	case OPT_MNTNSMAP: parse_map(p, state, o, what, arg); break;
	case OPT_JOURNAL: opts->journal = true; break;
	case OPT_PLAIN: opts->plain = true; break;
	case OPT_TABLE: split(opts->table, p->words, sizeof(p->words), o->target); break;
	case OPT_DEVICES: parse_devices(p, state, o, what, arg); break;
	case OPT_NETNS: parse_netns(p, state, what, arg); break;
	case OPT_NETNS_OF: p->netns_of = arg; break;
	case OPT_NUMBER:
		snprintf(make_expr(p, state), sizeof(*p->made), "%s = %" PRIu64, o->target,
			 whole(state, what, arg, 0, UINT32_MAX));
		break;
	case OPT_VARIANT:
		if (p->replay && opts->tools[0]->variant)
			argp_failure(state, EXIT_USAGE, 0, "%s: the recording was made without it",
				     what);
		if (opts->tools[0]->variant)
			opts->tools[0] = opts->tools[0]->variant;
		break;
	case OPT_INTERVAL: opts->interval_ns = seconds(state, what, arg); break;
	case OPT_ROWS: opts->rows = whole(state, what, arg, 1, UINT32_MAX); break;
	case OPT_REASON:
	case OPT_PART: parse_list(p, state, o, what, arg); break;
	case OPT_UNIT: opts->unit = unit(state, what, arg); break;
	case OPT_TITLE: opts->title = o->target ? '-' : '+'; break;
	case OPT_SORT:
		opts->sort = sort_column(o->target, arg);
		if (!opts->sort)
			refuse(state, what, arg, "nothing to sort by");
	}
}

/* The filter "COLUMN >= ARGms". */
static void parse_at_least(struct parser *p, struct argp_state *state, const struct arg *a,
			   const char *arg)
{
	double ms;
	char *end;

	ms = strtod(arg, &end);
	if (strspn(arg, "0123456789.") != strlen(arg) || !*arg || *end || ms > 1e9)
		refuse(state, a->name, arg, "no number of milliseconds");
	snprintf(make_expr(p, state), sizeof(*p->made), "%s >= %.6fms", a->target, ms);
}

static void parse_arg(struct parser *p, struct argp_state *state, char *arg)
{
	const struct arg *args = p->opts->n_tools == 1 ? p->opts->tools[0]->args : NULL, *a;

	if (p->replay && !p->opts->replay) {
		p->opts->replay = arg;
		return;
	}
	a = args ? &args[p->n_args] : NULL;
	if (p->replay || !a || !a->name)
		argp_failure(state, EXIT_USAGE, 0, "'%s' is one argument too many", arg);
	p->n_args++;
	switch (a->kind) {
	case ARG_INTERVAL: p->opts->interval_ns = seconds(state, a->name, arg); break;
	case ARG_READINGS:
		p->opts->readings = whole(state, a->name, arg, 1, UINT64_MAX);
		break;
	case ARG_NETS: parse_nets(p, state, a->name, arg); break;
	case ARG_AT_LEAST_MS: parse_at_least(p, state, a, arg);
	}
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct parser *p = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->name = (char *)p->name; /* argp sets it later */
		refuse_bare_last(p, state);
		return 0;
	case ARGP_KEY_ARG:
		parse_arg(p, state, arg);
		return 0;
	case ARGP_KEY_END:
		if (p->replay && !p->opts->replay)
			argp_failure(state, EXIT_USAGE, 0, "replay needs the file of a recording");
		check_together(p, state);
		finish(p, state);
		return 0;
	}
	if (key == 'h' && !p->letters['h'])
		argp_state_help(state, stdout, ARGP_HELP_STD_HELP);
	if (key > 0 && key < 128)
		key = p->letters[key];
	if (key >= KEY_OTHER && key < KEY_OTHER + 64 * SESSION_MAX_TOOLS)
		refuse_other(p, state, key);
	if (key >= KEY_OWN && key < KEY_OWN + 64) {
		parse_own(p, state, &p->own[key - KEY_OWN], arg);
		return 0;
	}
	if (key < KEY_UNIFORM || key >= KEY_UNIFORM + U_COUNT)
		return ARGP_ERR_UNKNOWN;
	parse_uniform(p, state, key - KEY_UNIFORM, arg);
	return 0;
}

/* "[INTERVAL [COUNT]]" */
static void put_args_doc(struct parser *p)
{
	const struct arg *a = p->own ? p->opts->tools[0]->args : NULL;
	size_t at = 0, n = 0, i;

	for (; a && a->name && at < sizeof(p->args_doc); a++, n++)
		at += snprintf(p->args_doc + at, sizeof(p->args_doc) - at, "%s[%s", n ? " " : "",
			       a->name);
	for (i = 0; i < n && at < sizeof(p->args_doc); i++)
		at += snprintf(p->args_doc + at, sizeof(p->args_doc) - at, "]");
}

/* argp puts what stands behind \v after the options. */
static char *doc_of(const struct parser *p)
{
	const struct tool *tool = p->opts->tools[0];
	char *doc = NULL;
	size_t size;
	FILE *f = open_memstream(&doc, &size);
	int i;

	if (!f)
		return NULL;
	if (p->replay)
		fputs("Print a recording made with --record.", f);
	else if (p->opts->n_tools > 1)
		fputs("Several tools, one merged stream.", f);
	else
		fprintf(f, "%s.", tool->summary);
	if (!p->replay && p->opts->n_tools == 1 && tool->examples) {
		fputs("\vExamples:\n", f);
		for (i = 0; tool->examples[i]; i++)
			fprintf(f, "  nettrace %s\n        %s\n", tool->examples[i],
				tool->examples[i] + strlen(tool->examples[i]) + 1);
	}
	fclose(f);
	return doc;
}

static void start(struct parser *p, struct session_opts *opts, const char *name, bool replay)
{
	int i;

	*p = (struct parser){ .opts = opts, .name = name, .replay = replay, .fields = ~0u };
	for (i = 0; i < opts->n_tools; i++)
		p->fields &= opts->tools[i]->fields;
	p->own = opts->n_tools == 1 ? opts->tools[0]->opts : NULL;
	build_table(p);
}

void options_parse(struct session_opts *opts, const char *name, bool replay, int argc, char **argv)
{
	static struct parser p; /* options keep its words */
	struct argp argp = { .options = p.table, .parser = parse };
	struct filter_error err;
	char *doc;
	int i;

	opts->replaying = replay;
	if (!opts->names && names_new(&opts->names, !replay))
		exit(EXIT_RUNNING);
	opts->header = true;
	opts->ring_bytes = 4 << 20;
	start(&p, opts, name, replay);
	if (replay)
		snprintf(p.args_doc, sizeof(p.args_doc), "FILE");
	else
		put_args_doc(&p);
	argp.args_doc = p.args_doc;
	doc = doc_of(&p);
	argp.doc = doc;
	argp_err_exit_status = EXIT_USAGE;
	argp_program_version = "nettrace " NETTRACE_VERSION;
	argv[0] = (char *)name;
	if (argp_parse(&argp, argc, argv, 0, NULL, &p))
		exit(EXIT_USAGE);
	free(doc);
	for (i = 0; i < opts->n_tools && !opts->nets && !replay; i++)
		if (opts->tools[i]->nets)
			nets_parse(&opts->nets, opts->tools[i]->nets, &err);
}

static enum option_value value_of(const struct parser *p, int key, const char *arg)
{
	const struct opt *o = key >= KEY_OWN ? &p->own[key - KEY_OWN] : NULL;

	if (!arg)
		return VALUE_NONE;
	if (!o)
		return uniform[key - KEY_UNIFORM].value ? uniform[key - KEY_UNIFORM].value :
							  VALUE_TEXT;
	switch (o->kind) {
	case OPT_DEVICES: return VALUE_DEVICE;
	case OPT_SORT: return VALUE_WORD;
	case OPT_CGROUPMAP:
	case OPT_MNTNSMAP: return VALUE_FILE;
	default: return VALUE_TEXT;
	}
}

int options_list(struct option_info *list, int max, const struct tool *const *tools, int n,
		 bool replay)
{
	static struct session_opts opts;
	static struct parser p;
	const struct argp_option *at;
	int i, found = 0;

	for (i = 0; i < n; i++)
		opts.tools[i] = tools[i];
	opts.n_tools = n;
	start(&p, &opts, "", replay);
	for (at = p.table; at < p.table + p.n && found < max; at++) {
		struct option_info *info = &list[found];
		int key = at->key > 0 && at->key < 128 ? p.letters[at->key] : at->key;

		if (!key || at->flags & OPTION_HIDDEN)
			continue; /* a heading; or not of these tools */
		*info = (struct option_info){
			.letter = at->key < 128 ? at->key : 0, .name = at->name, .arg = at->arg,
			.help = at->doc, .group = at->group, .value = value_of(&p, key, at->arg),
		};
		if (key < KEY_OWN &&
		    (!at->name || strcmp(at->name, uniform[key - KEY_UNIFORM].name)))
			info->same_as = uniform[key - KEY_UNIFORM].name;
		if (info->value == VALUE_WORD)
			info->words = p.own[key - KEY_OWN].target;
		found++;
	}
	return found;
}

void options_free(struct session_opts *opts)
{
	int i;

	names_free(opts->names);
	nets_free(opts->nets);
	filter_free(opts->common);
	for (i = 0; i < opts->n_tools; i++)
		filter_free(opts->expr[i]);
	for (i = 0; i < opts->n_cgroups; i++) {
		free(opts->cgroups[i].word);
		free(opts->cgroups[i].dir);
	}
}
