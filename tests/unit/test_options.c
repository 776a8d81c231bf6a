/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The command line, in children because wrong usage ends the process: exit code, both outputs, what
 * was understood.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "options.h"
#include "registry.h"
#include "tcplife.h"

/* exit code of a child that came back from options_parse() and liked what it saw */
#define PARSED 100
#define DISLIKED 101
#define MAX_ARGS 32

extern const struct tool tcplife_tool, tcptracer_tool;

typedef bool (*check_fn)(const struct session_opts *opts);

struct result {
	int code;
	char out[16384], err[4096];
};

static const struct opt no_opts[] = { { 0 } };

/* Letters that are uniform elsewhere, and events without an owner. */
static const struct opt own_opts[] = {
	{ 'v', NULL, NULL, "show the namespace", OPT_SHOW, "netns" },
	{ 'o', "other", NULL, "show the IP version", OPT_SHOW, "ip" },
	{ 'P', "port", "P[,P-P]", "same as --port", OPT_SAME_AS, "port" },
	{ 'h', "hidden", NULL, "show the time", OPT_SHOW, "time" },
	{ 'L', NULL, NULL, "show the local port", OPT_SHOW, "lport" },
	{ 'c', "count", NULL, "a flag", OPT_SHOW, NULL, .flag = 1 },
	{ 'd', NULL, NULL, "a flag that goes with others", OPT_SHOW, NULL, .flag = 2 },
	{ 'e', NULL, NULL, "one that does not", OPT_SHOW, NULL, .flag = 4, .without = 1 | 2 },
	{ 0 },
};

static const struct column flow_columns[] = {
	COLUMN_TIME(struct tcplife_event),  COLUMN_NETNS(struct tcplife_event),
	COLUMN_IP(struct tcplife_event),    COLUMN_LADDR(struct tcplife_event),
	COLUMN_LPORT(struct tcplife_event), { 0 },
};

static const struct tool flow_tool = {
	.name = "flowtool", .summary = "a tool without owners", .fields = FIELDS_FLOW,
	.opts = own_opts,
	.columns = flow_columns, .event_size = sizeof(struct tcplife_event),
};

static const struct tool bare_tool = {
	.name = "baretool", .summary = "a tool without fields", .fields = 0, .opts = no_opts,
	.columns = flow_columns, .event_size = sizeof(struct tcplife_event),
};

/*
 * The words of a command line: a backquote stands for an empty word, '_' inside a word for a blank.
 */
static int words(char *line, char **argv)
{
	int argc = 0;
	char *word;

	argv[argc++] = (char *)"tool";
	while ((word = strsep(&line, " "))) {
		if (!*word)
			continue;
		assert_true(argc < MAX_ARGS - 1);
		for (char *c = word; *c; c++)
			if (*c == '_')
				*c = ' ';
		argv[argc++] = strcmp(word, "`") ? word : (char *)"";
	}
	argv[argc] = NULL;
	return argc;
}

static void read_back(FILE *f, char *text, size_t size)
{
	rewind(f);
	text[fread(text, 1, size - 1, f)] = 0;
	fclose(f);
}

static struct result run_with(const struct session_opts *with, bool replay, const char *line,
			      check_fn check)
{
	static struct session_opts opts;
	static struct result result;
	FILE *out = tmpfile(), *err = tmpfile();
	char copy[1024], *argv[MAX_ARGS];
	int argc, status;
	pid_t pid;

	assert_non_null(out);
	assert_non_null(err);
	snprintf(copy, sizeof(copy), "%s", line);
	argc = words(copy, argv);
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		dup2(fileno(out), STDOUT_FILENO);
		dup2(fileno(err), STDERR_FILENO);
		opts = *with;
		options_parse(&opts, replay ? "nettrace replay" : "nettrace tool", replay, argc,
			      argv);
		status = !check || check(&opts) ? PARSED : DISLIKED;
		options_free(&opts);
		exit(status);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	result.code = WEXITSTATUS(status);
	read_back(out, result.out, sizeof(result.out));
	read_back(err, result.err, sizeof(result.err));
	return result;
}

static struct result run(const char *line, check_fn check)
{
	const struct session_opts with = { .tools = { &tcplife_tool }, .n_tools = 1 };

	return run_with(&with, false, line, check);
}

static struct result run_tool(const struct tool *tool, const char *line, check_fn check)
{
	const struct session_opts with = { .tools = { tool }, .n_tools = 1 };

	return run_with(&with, false, line, check);
}

static void good(const char *line, check_fn check)
{
	struct result r = run(line, check);

	if (r.code != PARSED || *r.out || *r.err)
		print_error("'%s': exit %d\n%s%s", line, r.code, r.out, r.err);
	assert_int_equal(r.code, PARSED);
	assert_string_equal(r.out, "");
	assert_string_equal(r.err, "");
}

/* Exit 2, nothing on stdout, and one of the lines on stderr has `word` between quotes. */
static void bad(const char *line, const char *word)
{
	struct result r = run(line, NULL);
	char quoted[256];

	snprintf(quoted, sizeof(quoted), "'%s'", word);
	if (r.code != EXIT_USAGE || !strstr(r.err, quoted))
		print_error("'%s': exit %d, expected %s in\n%s%s", line, r.code, quoted, r.out,
			    r.err);
	assert_int_equal(r.code, EXIT_USAGE);
	assert_string_equal(r.out, "");
	assert_non_null(strstr(r.err, quoted));
	assert_int_equal(strncmp(r.err, "nettrace tool: ", 15), 0);
}

/* ---- events to ask the filter about */

static struct tcplife_event session(void)
{
	struct tcplife_event e = { 0 };

	e.head.ip = 4;
	e.head.lport = 8000;
	e.head.rport = 443;
	e.head.netns = 4026531840u;
	memcpy(e.head.laddr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\x01\x02\x03", 16);
	memcpy(e.head.raddr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\xa8\x00\x01", 16);
	e.head.owner.pid = 181;
	e.head.owner.tid = 182;
	e.head.owner.uid = 1000;
	e.head.owner.mntns = 4026531841u;
	e.head.owner.how = NT_OWNER_ACCEPT;
	memcpy(e.head.owner.comm, "nginx", 5);
	e.tx_bytes = 4096;
	e.end = TCPLIFE_REFUSED;
	return e;
}

static bool keeps(const struct session_opts *opts, const struct tcplife_event *e)
{
	return filter_eval(opts->filter[0], e, sizeof(*e));
}

static bool passes(const struct session_opts *opts)
{
	struct tcplife_event e = session();

	return opts->filter[0] && keeps(opts, &e);
}

static bool rejects(const struct session_opts *opts)
{
	struct tcplife_event e = session();

	return opts->filter[0] && !keeps(opts, &e);
}

static bool unfiltered(const struct session_opts *opts)
{
	return !opts->filter[0] && !opts->common && !opts->expr[0];
}

/* ---- what is understood */

static bool defaults(const struct session_opts *o)
{
	return unfiltered(o) && o->format == OUT_TABLE && o->header && !o->columns && !o->show[0] &&
	       !o->duration_ns && !o->max_events && o->ring_bytes == 4 << 20 && !o->max_sockets &&
	       !o->record && !o->ready_file && !o->replay && !o->replaying && !o->explain &&
		       !o->stats &&
	       !o->strict && !o->verbose && !o->debug && !o->want_mntns && !o->n_cgroups;
}

static void test_defaults(void **state)
{
	(void)state;
	good("", defaults);
}

static void test_fields(void **state)
{
	static const char *const pass[] = {
		"--pid 181", "--pid 1,181", "--pid !5", "--tid 182", "--comm nginx",
		"--comm a,nginx", "--comm !sshd",
		"--uid 1000", "--uid !root", "--port 443", "--port 8000", "--port 1-443",
		"--port !80,81",
		"--lport 8000", "--lport=7999-8001", "--rport 443", "--addr 10.0.0.0/8",
		"--addr 192.168.0.1",
		"--addr !::1", "--laddr 10.1.2.3", "--raddr 192.168.0.0/24", "-4", "--ipv4",
		"--netns 4026531840", "--mntns 4026531841", "--pid 181 --comm nginx --port 443",
		"--filter lport_8000", "--filter lport_8000_or_rport_80", "--filter end_refused",
		"--filter lport_8000 --filter rport_443", "--filter pid_181 --port 443",
		"--port 443 --port 8000",
	};
	static const char *const reject[] = {
		"--pid 1", "--pid !181", "--tid 181", "--comm ngin", "--comm !nginx", "--uid root",
		"--port 80",
		"--port !443", "--port !8000", "--lport 443", "--rport 8000", "--addr 10.2.0.0/16",
		"--addr !10.0.0.0/8", "--laddr 192.168.0.1", "--raddr 10.1.2.3", "-6", "--ipv6",
		"--netns 1",
		"--mntns 1", "--pid 181 --comm sshd", "--port 443 --port 80",
		"--filter end_timeout",
		"--filter lport_8000 --filter rport_80", "--filter lport_8000 --pid 1",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pass) / sizeof(*pass); i++)
		good(pass[i], passes);
	for (size_t i = 0; i < sizeof(reject) / sizeof(*reject); i++)
		good(reject[i], rejects);
}

static bool wants_mntns(const struct session_opts *o)
{
	return o->want_mntns && o->filter[0];
}

static bool mapped_is_ipv4(const struct session_opts *o)
{
	struct tcplife_event e = session();

	e.head.ip = 6;
	return !keeps(o, &e);
}

static void test_families(void **state)
{
	(void)state;
	good("-4 -6", unfiltered);
	good("-46", unfiltered);
	good("--ipv6 --ipv4", unfiltered);
	good("-4 -4", passes);
	good("-4", mapped_is_ipv4);
	good("--mntns 5", wants_mntns);
}

static bool is_table(const struct session_opts *o) { return o->format == OUT_TABLE && o->header; }
static bool is_csv(const struct session_opts *o) { return o->format == OUT_CSV; }
static bool is_json(const struct session_opts *o) { return o->format == OUT_JSON; }
static bool no_header(const struct session_opts *o) { return !o->header; }
static bool columns(const struct session_opts *o) { return !strcmp(o->columns, "pid,end"); }

static void test_output(void **state)
{
	(void)state;
	good("-o table", is_table);
	good("-o csv", is_csv);
	good("-o json", is_json);
	good("--output=json", is_json);
	good("--csv", is_csv);
	good("--json", is_json);
	good("--json -o table", is_table);
	good("--no-header", no_header);
	good("--columns pid,end", columns);
}

static bool half_a_second(const struct session_opts *o) { return o->duration_ns == 500000000; }
static bool three_seconds(const struct session_opts *o) { return o->duration_ns == 3000000000; }
static bool one_nanosecond(const struct session_opts *o) { return o->duration_ns == 1; }
static bool bounded(const struct session_opts *o) { return o->duration_ns > 0; }
static bool ten_rows(const struct session_opts *o) { return o->max_events == 10; }
static bool all_rows(const struct session_opts *o) { return o->max_events == UINT64_MAX; }
static bool ring_256k(const struct session_opts *o) { return o->ring_bytes == 256 << 10; }
static bool ring_16m(const struct session_opts *o) { return o->ring_bytes == 16 << 20; }
static bool ring_1g(const struct session_opts *o) { return o->ring_bytes == 1 << 30; }
static bool ring_page(const struct session_opts *o) { return o->ring_bytes == 4096; }
static bool ring_8k(const struct session_opts *o) { return o->ring_bytes == 8192; }
static bool sockets(const struct session_opts *o) { return o->max_sockets == 1000; }

static bool files(const struct session_opts *o)
{
	return !strcmp(o->record, "a.nt") && !strcmp(o->ready_file, "b");
}

static bool flags(const struct session_opts *o)
{
	return o->explain && o->stats && o->strict && o->verbose && o->debug;
}

static void test_run(void **state)
{
	(void)state;
	good("--duration 0.5", half_a_second);
	good("--duration .5", half_a_second);
	good("--duration 3", three_seconds);
	good("--duration 3.", three_seconds);
	good("--duration 0.000000001", one_nanosecond);
	good("--max-events 10", ten_rows);
	good("--max-events 18446744073709551615", all_rows);
	good("--buffer 256K", ring_256k);
	good("--buffer 16M", ring_16m);
	good("--buffer 16m", ring_16m);
	good("--buffer 1G", ring_1g);
	good("--buffer 1", ring_page);
	good("--buffer 4097", ring_8k);
	good("--sockets 1000", sockets);
	good("--record a.nt --ready-file b", files);
	good("--explain --stats --strict -v --debug", flags);
	good("--verbose --explain --stats --strict --debug", flags);
}

/* Less than a nanosecond rounds to none, and none means for ever. */
static void test_tiny_duration(void **state)
{
	struct result r = run("--duration 0.0000000001", bounded);

	(void)state;
	assert_true(r.code == EXIT_USAGE || r.code == PARSED);
}

/* ---- bcc's letters */

static bool shows_all(const struct session_opts *o)
{
	return !strcmp(o->show[0], "time") && !strcmp(o->show[1], "elapsed") &&
		!strcmp(o->show[2], "ip") &&
	       !o->show[3] && o->format == OUT_TABLE;
}

static bool shows_ip(const struct session_opts *o) { return !strcmp(o->show[0], "ip") &&
						     !o->show[1]; }

static void test_bcc_letters(void **state)
{
	(void)state;
	good("-T -t -w", shows_all);
	good("-Ttw", shows_all);
	good("--time --timestamp --wide", shows_all);
	good("-w", shows_ip);
	good("-s", is_csv);
	good("-p 181", passes);
	good("-p181", passes);
	good("-p 1", rejects);
	good("-L 8000", passes);
	good("-L 80,8000", passes);
	good("-L 443", rejects);
	good("-D 443", passes);
	good("-D 8000", rejects);
	good("--localport 8000 --remoteport 443", passes);
	good("--localport 443", rejects);
	good("--remoteport 8000", rejects);
	/* A letter may be given again and again. */
	good("-w -w -w -w -w -w -w -w -w -w -w -w -w -w -w -w -w -w -w -w", NULL);
}

/* ---- what is refused */

static void test_bad_words(void **state)
{
	static const char *const cases[][2] = {
		{ "--port 80x", "80x" },
		{ "--port -1", "-1" },
		{ "--port 70000", "70000" },
		{ "--port 65536", "65536" },
		{ "--port 80,70000,90", "70000" },
		{ "--port 90-80", "90-80" },
		{ "--lport 0x50", "0x50" },
		{ "--rport +80", "+80" },
		{ "-L 80x", "80x" },
		{ "-D 70000", "70000" },
		{ "--localport _80", " 80" },
		{ "--addr 10.0.0.0/33", "10.0.0.0/33" },
		{ "--addr 10.0.0", "10.0.0" },
		{ "--laddr ::1/129", "::1/129" },
		{ "--raddr host.example", "host.example" },
		{ "--pid 80x", "80x" },
		{ "-p -1", "-1" },
		{ "--pid 4294967296", "4294967296" },
		{ "--tid x", "x" },
		{ "--uid no-such-user", "no-such-user" },
		{ "--comm a-name-that-is-too-long-for-the-kernel",
		  "a-name-that-is-too-long-for-the-kernel" },
		{ "--netns no-such-namespace", "no-such-namespace" },
		{ "--netns 1,no-such-namespace", "no-such-namespace" },
		{ "--mntns /proc/self/ns/none", "/proc/self/ns/none" },
		{ "--cgroup /no/such/cgroup", "/no/such/cgroup" },
		{ "--unit no-such-unit", "no-such-unit" },
		{ "--container 0123456789abcdef", "0123456789abcdef" },
		{ "--output xml", "xml" },
		{ "-o `", "" },
		{ "-o JSON", "JSON" },
		{ "--duration 0", "0" },
		{ "--duration 0.0", "0.0" },
		{ "--duration abc", "abc" },
		{ "--duration -1", "-1" },
		{ "--duration 1e3", "1e3" },
		{ "--duration `", "" },
		{ "--duration .", "." },
		{ "--duration 1.2.3", "1.2.3" },
		{ "--duration 5s", "5s" },
		{ "--duration inf", "inf" },
		{ "--duration nan", "nan" },
		{ "--duration 9999999999", "9999999999" },
		{ "--max-events 0", "0" },
		{ "--max-events -1", "-1" },
		{ "--max-events 10x", "10x" },
		{ "--max-events `", "" },
		{ "--max-events 18446744073709551616", "18446744073709551616" },
		{ "--buffer 5Q", "5Q" },
		{ "--buffer 0", "0" },
		{ "--buffer -1", "-1" },
		{ "--buffer K", "K" },
		{ "--buffer 4KK", "4KK" },
		{ "--buffer 2G", "2G" },
		{ "--buffer 99999999999999999999", "99999999999999999999" },
		{ "--sockets 0", "0" },
		{ "--sockets 99999999", "99999999" },
		{ "leftover", "leftover" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		bad(cases[i][0], cases[i][1]);
}

/* getopt's own messages quote the option. */
static void test_bad_options(void **state)
{
	(void)state;
	bad("--nonsense", "--nonsense");
	bad("-X", "X");
	bad("--json=yes", "--json");
	bad("--port", "--port");
	bad("-L", "L");
	bad("--columns", "--columns");
}

/* The whole list is quoted when there is no word to quote. */
static void test_empty_lists(void **state)
{
	static const char *const options[] = { "port", "lport", "rport", "pid", "tid", "comm",
					       "uid", "addr", "laddr", "raddr", "netns", "mntns",
					       "cgroup", "unit", "container" };
	static const char *const lists[] = { "`", "!", ",", "1,,2", "1,", ",1" };
	char line[128];

	(void)state;
	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
		for (size_t l = 0; l < sizeof(lists) / sizeof(*lists); l++) {
			struct result r;

			snprintf(line, sizeof(line), "--%s %s", options[i], lists[l]);
			r = run(line, NULL);
			if (r.code != EXIT_USAGE)
				print_error("'%s': exit %d\n%s", line, r.code, r.err);
			assert_int_equal(r.code, EXIT_USAGE);
			assert_string_equal(r.out, "");
			assert_non_null(strchr(r.err, '\''));
			assert_non_null(strstr(r.err, options[i]));
		}
}

/* The expression, and a caret right below the word. */
static void test_bad_filter(void **state)
{
	struct result r;
	const char *shown, *caret;

	(void)state;
	r = run("--filter port_80x", NULL);
	assert_int_equal(r.code, EXIT_USAGE);
	shown = strstr(r.err, "\n    port 80x\n");
	assert_non_null(shown);
	caret = strstr(shown + 1, "\n    ");
	assert_non_null(caret);
	assert_int_equal(strspn(caret + 5, " "), strlen("port "));
	assert_int_equal(strncmp(caret + 5 + 5, "^~~\n", 4), 0);
	r = run("--filter `", NULL);
	assert_int_equal(r.code, EXIT_USAGE);
	r = run("--filter nonsense_5", NULL);
	assert_int_equal(r.code, EXIT_USAGE);
	assert_non_null(strstr(r.err, "nonsense"));
}

static void test_not_this_field(void **state)
{
	struct result r;

	(void)state;
	r = run_tool(&flow_tool, "--pid 1", NULL);
	assert_int_equal(r.code, EXIT_USAGE);
	assert_non_null(strstr(r.err, "--pid: flowtool has no such field"));
	r = run_tool(&flow_tool, "--port 1", NULL);
	assert_int_equal(r.code, PARSED);
	r = run_tool(&bare_tool, "--port 1", NULL);
	assert_int_equal(r.code, EXIT_USAGE);
	r = run_tool(&bare_tool, "-4", NULL);
	assert_int_equal(r.code, EXIT_USAGE);
	assert_non_null(strstr(r.err, "baretool"));
	/* Not a filter, and so not refused. */
	r = run_tool(&bare_tool, "-4 -6", unfiltered);
	assert_true(r.code == PARSED || r.code == EXIT_USAGE);
}

/* ---- a part of a text, and namespaces of what has no addresses */

static const struct opt part_opts[] = {
	{ 'n', "name", "NAME[,NAME]", "only these", OPT_PART, "comm" },
	{ 0 },
};

static const struct column part_columns[] = {
	COLUMN_COMM(struct tcplife_event), { 0 },
};

static const struct tool part_tool = {
	.name = "parttool", .summary = "a tool without addresses", .opts = part_opts,
	.fields = FIELDS_OWNER | FIELDS_NETNS,
	.columns = part_columns, .event_size = sizeof(struct tcplife_event),
};

static void test_parts(void **state)
{
	static const char *const bads[][2] = {
		{ "-n `", "--name: ''" }, { "-n a,", "--name: ''" },
		{ "--name sixteen-bytes-xx", "--name: 'sixteen-bytes-xx': longer than 15 bytes" },
		{ "--port 1", "--port: parttool has no such field" },
		{ "--filter port_1", "parttool has no field 'port'" },
		{ "-4", "parttool has no such field" },
	};
	struct result r;

	(void)state;
	assert_int_equal(run_tool(&part_tool, "-n gin", passes).code, PARSED);
	assert_int_equal(run_tool(&part_tool, "--name x,ngin", passes).code, PARSED);
	assert_int_equal(run_tool(&part_tool, "-n ginx -n ng", passes).code, PARSED);
	assert_int_equal(run_tool(&part_tool, "-n !ginx", rejects).code, PARSED);
	assert_int_equal(run_tool(&part_tool, "-n ginx -n x_", rejects).code, PARSED);
	assert_int_equal(run_tool(&part_tool, "-n ginx --netns 4026531840", passes).code, PARSED);
	assert_int_equal(run_tool(&part_tool, "--netns 1", rejects).code, PARSED);
	for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
		r = run_tool(&part_tool, bads[i][0], NULL);
		assert_int_equal(r.code, EXIT_USAGE);
		if (!strstr(r.err, bads[i][1]))
			fail_msg("'%s': %s", bads[i][0], r.err);
	}
}

/* ---- a tool's letters win */

static bool shows_netns(const struct session_opts *o)
{
	return !strcmp(o->show[0], "netns") && !o->verbose;
}

static bool verbose(const struct session_opts *o) { return o->verbose && !o->show[0]; }
static bool shows_time(const struct session_opts *o) { return !strcmp(o->show[0], "time"); }

static bool shows_long(const struct session_opts *o)
{
	return !strcmp(o->show[0], "netns,letter=type,elapsed=elapsed_ns") && !o->show[1] &&
	       !o->verbose;
}

static bool has_maps(const struct session_opts *o)
{
	return !strcmp(o->pinned[PINNED_CGROUPS], "/c") &&
	       !strcmp(o->pinned[PINNED_MNTNS], "/m") && o->want_mntns && unfiltered(o);
}

static bool has_cgroups(const struct session_opts *o)
{
	return !strcmp(o->pinned[PINNED_CGROUPS], "/c") && !o->pinned[PINNED_MNTNS] &&
	       !o->want_mntns;
}

static void test_maps(void **state)
{
	const struct session_opts with = { .tools = { &tcptracer_tool }, .n_tools = 1 };
	struct result r;

	(void)state;
	assert_int_equal(run_tool(&tcptracer_tool, "--cgroupmap /c", has_cgroups).code, PARSED);
	assert_int_equal(run_tool(&tcptracer_tool, "--cgroupmap /c --mntnsmap /m", has_maps).code,
			 PARSED);
	assert_int_equal(run_tool(&tcptracer_tool, "-C/c -M /m", has_maps).code, PARSED);
	r = run_with(&with, true, "file.nt --mntnsmap /m", NULL);
	assert_int_equal(r.code, EXIT_USAGE);
	assert_non_null(strstr(r.err, "--mntnsmap"));
}

static void test_tool_letters(void **state)
{
	struct result r;

	(void)state;
	/* bcc's meaning of --verbose is that of the letter, and it is told once. */
	assert_int_equal(run_tool(&tcptracer_tool, "-v", shows_long).code, PARSED);
	assert_int_equal(run_tool(&tcptracer_tool, "--verbose", shows_long).code, PARSED);
	r = run_tool(&tcptracer_tool, "--help", NULL);
	assert_non_null(strstr(r.out, "-v, --verbose"));
	assert_null(strstr(strstr(r.out, "--verbose") + 1, "--verbose"));
	assert_int_equal(run_tool(&flow_tool, "-v", shows_netns).code, PARSED);
	assert_int_equal(run_tool(&flow_tool, "--verbose", verbose).code, PARSED);
	assert_int_equal(run_tool(&flow_tool, "-o", shows_ip).code, PARSED);
	assert_int_equal(run_tool(&flow_tool, "--output json", is_json).code, PARSED);
	assert_int_equal(run_tool(&flow_tool, "-P 443", passes).code, PARSED);
	assert_int_equal(run_tool(&flow_tool, "--port 80", rejects).code, PARSED);
	assert_int_equal(run_tool(&flow_tool, "-h", shows_time).code, PARSED);
}

static bool shows_lport(const struct session_opts *o) { return !strcmp(o->show[0], "lport"); }

/* What bcc shows by a long name that is a filter here. */
static void test_bare_filter(void **state)
{
	static const char *const bare[] = {
		"--lport", "-v --lport", "--lport -v", "--lport --json",
	};
	struct result r;

	(void)state;
	assert_int_equal(run_tool(&flow_tool, "-L", shows_lport).code, PARSED);
	assert_int_equal(run_tool(&flow_tool, "--lport 8000", passes).code, PARSED);
	for (size_t i = 0; i < sizeof(bare) / sizeof(*bare); i++) {
		r = run_tool(&flow_tool, bare[i], NULL);
		assert_int_equal(r.code, EXIT_USAGE);
		assert_string_equal(r.err, "nettrace tool: --lport is a filter and needs a value; "
					   "-L shows the column\n");
	}
	r = run_tool(&flow_tool, "--rport", NULL);
	assert_int_equal(r.code, EXIT_USAGE);
	assert_null(strstr(r.err, "is a filter"));
	r = run("--lport -5", NULL);
	assert_null(strstr(r.err, "is a filter"));
}

static bool flags_1_2(const struct session_opts *o) { return o->flags == (1 | 2); }
static bool flags_4(const struct session_opts *o) { return o->flags == 4; }

static void test_together(void **state)
{
	struct result r;

	(void)state;
	assert_int_equal(run_tool(&flow_tool, "-c -d -c", flags_1_2).code, PARSED);
	assert_int_equal(run_tool(&flow_tool, "-e -e", flags_4).code, PARSED);
	r = run_tool(&flow_tool, "-c -e", NULL);
	assert_int_equal(r.code, EXIT_USAGE);
	assert_string_equal(r.err, "nettrace tool: -e and --count cannot be used together\n");
	r = run_tool(&flow_tool, "-ed", NULL);
	assert_int_equal(r.code, EXIT_USAGE);
	assert_string_equal(r.err, "nettrace tool: -e and -d cannot be used together\n");
}

static void test_merged(void **state)
{
	const struct session_opts with = { .tools = { &tcplife_tool, &flow_tool }, .n_tools = 2 };
	struct result r;

	(void)state;
	assert_int_equal(run_with(&with, false, "--port 443", passes).code, PARSED);
	r = run_with(&with, false, "--pid 1", NULL);
	assert_int_equal(r.code, EXIT_USAGE);
	assert_non_null(strstr(r.err, "--pid"));
	/* Whose -T would it be? */
	assert_int_equal(run_with(&with, false, "-T", NULL).code, EXIT_USAGE);
	assert_int_equal(run_with(&with, false, "--filter lport_8000", passes).code, PARSED);
	assert_int_equal(run_with(&with, false, "--filter end_refused", NULL).code, EXIT_USAGE);
}

/* ---- replay */

static bool replaying(const struct session_opts *o)
{
	return o->replaying && !strcmp(o->replay, "file.nt");
}

static bool names_only(const struct session_opts *o)
{
	return o->n_cgroups == 2 && !strcmp(o->cgroups[0].word, "/gone.slice") &&
		!o->cgroups[0].dir &&
	       o->cgroups[1].by == CGROUP_UNIT && o->filter[0];
}

static void test_replay(void **state)
{
	static const char *const live[] = { "--duration 1", "--record x", "--ready-file x",
					    "--explain", "--stats",
					    "--strict", "--buffer 1M", "--sockets 5", "--debug" };
	const struct session_opts with = { .tools = { &tcplife_tool }, .n_tools = 1 };
	char line[64];
	struct result r;

	(void)state;
	assert_int_equal(run_with(&with, true, "file.nt", replaying).code, PARSED);
	assert_int_equal(run_with(&with, true, "--port 80 file.nt -T", replaying).code, PARSED);
	assert_int_equal(run_with(&with, true, "file.nt --max-events 10", ten_rows).code, PARSED);
	assert_int_equal(run_with(&with, true, "file.nt --cgroup /gone.slice --unit gone",
				  names_only).code,
			 PARSED);
	r = run_with(&with, true, "", NULL);
	assert_int_equal(r.code, EXIT_USAGE);
	assert_non_null(strstr(r.err, "replay needs the file"));
	r = run_with(&with, true, "file.nt second.nt", NULL);
	assert_int_equal(r.code, EXIT_USAGE);
	assert_non_null(strstr(r.err, "'second.nt'"));
	for (size_t i = 0; i < sizeof(live) / sizeof(*live); i++) {
		snprintf(line, sizeof(line), "file.nt %s", live[i]);
		r = run_with(&with, true, line, NULL);
		assert_int_equal(r.code, EXIT_USAGE);
		assert_string_equal(r.out, "");
		assert_non_null(strchr(r.err, '\''));
	}
}

/* ---- help */

static void test_help(void **state)
{
	static const char *const ways[] = { "--help", "-h", "-?", "--usage", "--port 80 --help" };
	struct result r;

	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		r = run(ways[i], NULL);
		assert_int_equal(r.code, EXIT_DONE);
		assert_string_equal(r.err, "");
		assert_int_equal(strncmp(r.out, "Usage: nettrace tool", 20), 0);
		assert_non_null(strstr(r.out, "--localport"));
	}
	r = run("--help", NULL);
	assert_non_null(strstr(r.out, "TCP sessions that end"));
	assert_non_null(strstr(r.out, "nettrace tcplife -p 181"));
	r = run_tool(&flow_tool, "--help", NULL);
	assert_int_equal(r.code, EXIT_DONE);
	assert_null(strstr(r.out, "--pid"));
	assert_null(strstr(r.out, "--cgroup"));
	assert_non_null(strstr(r.out, "-P, --port"));
	assert_null(strstr(r.out, "-v, --verbose"));
	assert_non_null(strstr(r.out, "--verbose"));
	r = run_tool(&bare_tool, "--help", NULL);
	assert_null(strstr(r.out, "--port"));
	assert_null(strstr(r.out, "Options of this tool"));
	assert_non_null(strstr(r.out, "--json"));
}

static void test_columns_help(void **state)
{
	struct result r = run("--columns help", NULL);

	(void)state;
	assert_int_equal(r.code, EXIT_DONE);
	assert_string_equal(r.err, "");
	for (const struct column *col = tcplife_tool.columns; col->name; col++) {
		assert_non_null(strstr(r.out, col->name));
		assert_non_null(strstr(r.out, col->help));
	}
}

/* Commas stand between things only: what a JSON parser would say first. */
static void test_registry(void **state)
{
	const struct tool *tools[] = { &tcplife_tool, &flow_tool, &bare_tool };
	const struct command commands[] = { { "list", "", "all" }, { 0 } };
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	(void)state;
	assert_non_null(f);
	registry_print(f, commands, tools, 3);
	fclose(f);
	assert_non_null(strstr(text, "\"name\":\"flowtool\""));
	assert_non_null(strstr(text, "\"filters\":[]"));
	assert_null(strstr(text, ":[,"));
	assert_null(strstr(text, ",]"));
	assert_null(strstr(text, ",,"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_families),
		cmocka_unit_test(test_output),
		cmocka_unit_test(test_run),
		cmocka_unit_test(test_tiny_duration),
		cmocka_unit_test(test_bcc_letters),
		cmocka_unit_test(test_bad_words),
		cmocka_unit_test(test_bad_options),
		cmocka_unit_test(test_empty_lists),
		cmocka_unit_test(test_bad_filter),
		cmocka_unit_test(test_not_this_field),
		cmocka_unit_test(test_maps),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_tool_letters),
		cmocka_unit_test(test_bare_filter),
		cmocka_unit_test(test_together),
		cmocka_unit_test(test_merged),
		cmocka_unit_test(test_replay),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_columns_help),
		cmocka_unit_test(test_registry),
	};

	/* They change the text of --help. */
	unsetenv("ARGP_HELP_FMT");
	unsetenv("POSIXLY_CORRECT");
	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
