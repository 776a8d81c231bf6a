// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Each tool runs in a process of its own, with its JSON in memory, all at once: the scene is played
 * a single time.
 */
#include "selftest.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"
#include "options.h"
#include "scene.h"
#include "session.h"

#define START_MS 120000 /* that attaching may take, on a slow and busy host */

/* A tool that runs. */
struct run {
	pid_t pid; /* 0: it does not */
	int ready, out, err;
};

enum value {
	V_CLIENT, V_SERVER, V_CPORT, V_SPORT, V_REFUSED, V_NETNS, V_UP, V_DOWN, V_BOTH, V_RETRANS,
	V_SEGMENTS, V_BACKLOG, V_SENT_FD, V_RECEIVED_FD, V_PASSED, V_PACKETS, V_BYTES, V_NET_RX_MIN,
	V_NET_RX_MAX, V_COUNT,
};

static const char *const value_names[V_COUNT] = {
	[V_CLIENT] = "client",	 [V_SERVER] = "server",	     [V_CPORT] = "cport",
	[V_SPORT] = "sport",	 [V_REFUSED] = "refused",    [V_NETNS] = "netns",
	[V_UP] = "up",		 [V_DOWN] = "down",	     [V_BOTH] = "both",
	[V_RETRANS] = "retrans", [V_SEGMENTS] = "segments",  [V_BACKLOG] = "backlog",
	[V_SENT_FD] = "sent_fd", [V_RECEIVED_FD] = "received_fd", [V_PASSED] = "passed",
	[V_PACKETS] = "packets", [V_BYTES] = "bytes",	     [V_NET_RX_MIN] = "net_rx_min",
	[V_NET_RX_MAX] = "net_rx_max",
};

/* How often NET_RX ran, on all CPUs. */
static uint64_t net_rx(void)
{
	FILE *file = fopen("/proc/softirqs", "re");
	uint64_t sum = 0;
	char *line = NULL, *at, *end;
	size_t size = 0;

	while (file && getline(&line, &size, file) > 0) {
		at = strstr(line, "NET_RX:");
		if (!at)
			continue;
		for (at += 7; strspn(at, " \n") < strlen(at); at = end)
			sum += strtoull(at, &end, 10);
		break;
	}
	free(line);
	if (file)
		fclose(file);
	return sum;
}

__attribute__((noreturn)) static void be_tool(const struct tool *tool, const struct scene *scene,
					      const struct run *run, int ready)
{
	const struct scene_truth *truth = scene->truth;
	struct session_opts opts = { .tools = { tool }, .n_tools = 1 };
	struct fault fault = { 0 };
	char only[64], *argv[] = { (char *)tool->name, "--json", "--sockets", "8192", NULL, only,
				   NULL };
	int argc = 4, code;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(run->out, STDOUT_FILENO);
	dup2(run->err, STDERR_FILENO);
	if (tool->fields & FIELDS_NETNS && truth->own_netns) {
		argv[argc] = "--netns";
		snprintf(only, sizeof(only), "%u", truth->netns);
		argc += 2;
	}
	options_parse(&opts, tool->name, false, argc, argv);
	opts.ready_fd = ready;
	opts.duration_ns = 2ull * START_MS * 1000000;
	code = session_run(&opts, &fault);
	if (code)
		fprintf(stderr, "%s", fault.text);
	fflush(NULL);
	_exit(code);
}

static int start(struct run *run, const struct tool *tool, const struct scene *scene)
{
	int ready[2];

	run->out = memfd_create("rows", MFD_CLOEXEC);
	run->err = memfd_create("words", MFD_CLOEXEC);
	if (run->out < 0 || run->err < 0 || pipe(ready))
		return -errno;
	fflush(NULL);
	run->pid = fork();
	if (!run->pid) {
		close(ready[0]);
		be_tool(tool, scene, run, ready[1]);
	}
	close(ready[1]);
	run->ready = ready[0];
	return run->pid < 0 ? -errno : 0;
}

static bool wait_ready(const struct run *run)
{
	struct pollfd p = { .fd = run->ready, .events = POLLIN };
	char byte;

	return poll(&p, 1, START_MS) > 0 && read(run->ready, &byte, 1) == 1;
}

/* All of a file in memory, with NUL at its end; free() it. */
static char *contents(int fd)
{
	struct stat st;
	char *text;

	if (fd < 0 || fstat(fd, &st))
		return NULL;
	text = calloc(1, st.st_size + 1);
	if (text && pread(fd, text, st.st_size, 0) != st.st_size)
		text[0] = 0;
	return text;
}

/* true: it ended well. */
static bool stop(struct run *run)
{
	int status = -1;

	kill(run->pid, SIGINT);
	waitpid(run->pid, &status, 0);
	close(run->ready);
	return !status;
}

static void not_tried(struct doctor_tool *t, const char *why)
{
	t->selftest = "not tried";
	snprintf(t->found, sizeof(t->found), "%s", why);
}

static void judge(struct doctor_tool *t, const struct run *run, bool well,
		  const struct selftest_line *lines, const struct selftest_value *values)
{
	char *text = contents(run->out), *words = contents(run->err);
	size_t at;

	t->selftest = "right";
	if (!well || !text) {
		t->selftest = "wrong";
		snprintf(t->found, sizeof(t->found), "the run failed: %s", words ? words : "");
	}
	for (; lines->tool && !strcmp(t->selftest, "right"); lines++) {
		if (strcmp(lines->tool, t->tool->name))
			continue;
		if (!selftest_known(lines->line, values))
			not_tried(t, "a loss needs a socket filter, which is not permitted here");
		else if (!selftest_check(lines->line, text, values, t->found, sizeof(t->found)))
			t->selftest = "wrong";
	}
	at = strlen(t->found);
	if (well && words && *words && !strcmp(t->selftest, "wrong"))
		snprintf(t->found + at, sizeof(t->found) - at, "; the run said: %.*s",
			 (int)strcspn(words, "\n"), words);
	free(text);
	free(words);
}

static bool has_line(const struct selftest_line *lines, const char *tool)
{
	for (; lines->tool; lines++)
		if (!strcmp(lines->tool, tool))
			return true;
	return false;
}

static void put(struct selftest_value *values, enum value v, uint64_t number)
{
	snprintf(values[v].text, sizeof(values[v].text), "%" PRIu64, number);
}

static void list_values(struct selftest_value *values, const struct scene_truth *truth)
{
	int v;

	for (v = 0; v < V_COUNT; v++)
		values[v].name = value_names[v];
	if (host_pids_known() == 1) {
		put(values, V_CLIENT, truth->client);
		put(values, V_SERVER, truth->server);
	}
	if (truth->netns)
		put(values, V_NETNS, truth->netns);
	put(values, V_CPORT, truth->cport);
	put(values, V_SPORT, truth->sport);
	put(values, V_REFUSED, truth->refused);
	put(values, V_UP, SCENE_UP + SCENE_LOST);
	put(values, V_DOWN, SCENE_DOWN);
	put(values, V_BOTH, SCENE_UP + SCENE_LOST + SCENE_DOWN);
	if (truth->retransmits)
		put(values, V_RETRANS, truth->retransmits);
	put(values, V_SEGMENTS, truth->segments);
	put(values, V_BACKLOG, SCENE_BACKLOG);
	put(values, V_SENT_FD, truth->sent_fd);
	put(values, V_RECEIVED_FD, truth->received_fd);
	snprintf(values[V_PASSED].text, sizeof(values[V_PASSED].text), "%s", truth->passed);
	if (truth->packets) {
		put(values, V_PACKETS, truth->packets);
		put(values, V_BYTES, truth->bytes);
	}
}

static int start_all(struct doctor *doctor, const struct selftest_line *lines, struct run *runs,
		     const struct scene *scene)
{
	struct doctor_tool *t;
	int i, err = 0;

	for (i = 0; i < doctor->n_tools && !err; i++) {
		t = &doctor->tools[i];
		if (t->verdict == DOCTOR_CANNOT)
			not_tried(t, "it does not work here");
		else if (!has_line(lines, t->tool->name))
			not_tried(t, "nothing is known about what it should say");
		else
			err = start(&runs[i], t->tool, scene);
	}
	return err;
}

static bool all_ready(const struct doctor *doctor, const struct run *runs)
{
	bool all = true;
	int i;

	for (i = 0; i < doctor->n_tools; i++)
		if (runs[i].pid > 0)
			all &= wait_ready(&runs[i]); /* its sentence comes when it has ended */
	return all;
}

static void play(struct doctor *doctor, const struct selftest_line *lines, struct run *runs,
		 struct scene *scene)
{
	struct selftest_value values[V_COUNT + 1] = { 0 };
	uint64_t began = net_rx(), before, ran;
	bool well[SESSION_MAX_TOOLS] = { 0 };
	int i, err;

	err = start_all(doctor, lines, runs, scene);
	all_ready(doctor, runs);
	before = net_rx();
	err = err ? err : scene_play(scene);
	ran = net_rx() - before;
	for (i = 0; i < doctor->n_tools; i++)
		if (runs[i].pid > 0)
			well[i] = stop(&runs[i]);
	list_values(values, scene->truth);
	/* the kernel counts before it tells us, and may skip a run of a program */
	put(values, V_NET_RX_MIN, ran > 16 ? ran - ran / 20 - 8 : 1);
	put(values, V_NET_RX_MAX, net_rx() - began);
	for (i = 0; i < doctor->n_tools; i++) {
		if (runs[i].pid > 0 && err)
			not_tried(&doctor->tools[i], scene->truth->failed);
		else if (runs[i].pid > 0)
			judge(&doctor->tools[i], &runs[i], well[i], lines, values);
		close(runs[i].out);
		close(runs[i].err);
	}
}

int selftest_run(struct doctor *doctor, const struct selftest_line *lines)
{
	struct run runs[SESSION_MAX_TOOLS] = { 0 };
	struct scene scene;
	bool any = false;
	int i, err;

	for (i = 0; i < doctor->n_tools; i++) {
		runs[i].out = runs[i].err = -1;
		any |= doctor->tools[i].verdict != DOCTOR_CANNOT;
	}
	if (!any) {
		for (i = 0; i < doctor->n_tools; i++)
			not_tried(&doctor->tools[i], "it does not work here");
		return 0;
	}
	err = scene_open(&scene);
	if (!err)
		play(doctor, lines, runs, &scene);
	scene_close(&scene);
	return err;
}
