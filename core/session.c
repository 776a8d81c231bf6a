// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A live run: attach, read, print, stop. */
#include "session.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "caps.h"
#include "cgroup1.h"
#include "cgroup_watch.h"
#include "files.h"
#include "holders.h"
#include "host.h"
#include "merge.h"
#include "nets.h"
#include "pinned.h"
#include "probe.h"
#include "readings.h"
#include "record.h"
#include "rows.h"
#include "sandbox.h"
#include "top.h"

#define BATCH_MS 50 /* while events come, the ring is looked at this often */

struct session {
	const struct session_opts *opts;
	struct probe probes[SESSION_MAX_TOOLS];
	int n_probes;
	struct bpf_insn *filters[SESSION_MAX_TOOLS];
	struct readings readings;
	uint32_t kernel; /* host_version() */
	uint64_t start; /* ns, CLOCK_MONOTONIC */
	int64_t offset; /* CLOCK_REALTIME - CLOCK_MONOTONIC */
	struct ring_buffer *ring;
	volatile struct nt_reader *reader;
	struct rows rows;
	struct recorder *recorder;
	struct merge merge;
	struct cgroup_watch *watch; /* NULL: nothing to watch */
	struct session_stats stats;
	int epoll, signals;
	bool stop;  /* leave the loop */
	bool full;  /* --max-events was reached or the output failed: nothing more is printed */
	struct fault *fault;
};

static uint64_t now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static void print_event(void *ctx, const void *event, size_t len)
{
	struct session *s = ctx;

	if (s->full)
		return;
	if (s->recorder)
		rows_record(&s->rows, s->recorder, event, len);
	if (((const struct nt_event *)event)->kind != NT_ROW) {
		rows_learn(&s->rows, event, len);
		return;
	}
	s->full = !rows_event(&s->rows, event, len) ||
		  (s->opts->max_events && s->rows.printed >= s->opts->max_events);
}

static int on_record(void *ctx, void *data, size_t len)
{
	const struct nt_dns *dns = data;
	struct session *s = ctx;

	if (dns->head.kind == NT_ROW)
		s->stats.sent++;
	else if (offsetof(struct nt_dns, data) + dns->len < len)
		len = offsetof(struct nt_dns, data) + dns->len;
	if (s->opts->n_tools == 1 || merge_add(&s->merge, data, len))
		print_event(s, data, len);
	return 0;
}

/*
 * The two clocks are slewed alike and part only when somebody sets the time. Two readings are never
 * of the same moment, and we may be stopped between them: rows must not jump about by that.
 */
static void read_clock(struct session *s)
{
	uint64_t before, after, width = UINT64_MAX;
	int64_t offset = 0, moved, real;
	int i;

	for (i = 0; i < 5 && width > 100000; i++) {
		before = now(CLOCK_MONOTONIC);
		real = now(CLOCK_REALTIME);
		after = now(CLOCK_MONOTONIC);
		if (after - before >= width)
			continue;
		width = after - before;
		offset = real - (int64_t)(before + width / 2);
	}
	moved = offset - s->offset;
	if (moved > -1000000 - (int64_t)width && moved < 1000000 + (int64_t)width)
		return;
	s->offset = offset;
	out_set_clock(s->rows.out, offset);
	if (s->recorder)
		recorder_clock(s->recorder, offset);
}

/*
 * Reads what is in the ring and writes the rows out; in a merged run those that happened until
 * `until`. Returns the number of events read or kept back.
 */
static int drain(struct session *s, uint64_t until)
{
	int n, err;

	read_clock(s);
	s->reader->hurried = 0;
	n = ring_buffer__consume(s->ring);
	merge_drain(&s->merge, until, print_event, s);
	err = s->recorder ? recorder_flush(s->recorder) : 0;
	if (err) {
		fault_set(s->fault, EXIT_RUNNING, "writing %s failed: %s", s->opts->record,
			  strerror(-err));
		s->stop = true;
	}
	s->full |= !rows_flush(&s->rows);
	s->stop |= s->full;
	return n + (int)s->merge.n;
}

/* The least that every tool needs. */
static int check_host(struct fault *fault)
{
	char missing[128];

	if (caps_missing(caps_held(), CAPS_FOR_EVERY, missing, sizeof(missing)))
		return fault_set(fault, EXIT_PRIVILEGE,
				 "not enough privilege: %s missing%s; run it as root or grant them",
				 missing,
				 caps_contained() ? " (those of a user namespace do not count)" :
						    "");
	if (access("/sys/kernel/btf/vmlinux", R_OK))
		return fault_set(fault, EXIT_KERNEL,
				 "this kernel cannot do it: /sys/kernel/btf/vmlinux: %s "
				 "(CONFIG_DEBUG_INFO_BTF is needed)",
				 strerror(errno));
	return 0;
}

static int open_failed(struct session *s, const struct probe *probe, int err, int missing)
{
	const struct attach_slot *slot;
	char tried[600];
	size_t at = 0;
	int a;

	if (err == -EPERM && host_locks_maps(s->kernel) &&
	    !caps_has(caps_held(), CAPS_SYS_RESOURCE))
		return fault_set(s->fault, EXIT_PRIVILEGE,
				 "not enough privilege: CAP_SYS_RESOURCE missing; on this kernel "
				 "maps count as locked memory; grant it, or raise the limit: "
				 "ulimit -l unlimited");
	if (err != -EOPNOTSUPP)
		return fault_set(s->fault, EXIT_KERNEL, "%s: loading the probes failed: %s%s",
				 probe->tool->name, strerror(-err),
				 err == -E2BIG ? " (the filter is too large)" : "");
	slot = &probe->plan.slots[missing];
	for (a = 0; a < PLAN_MAX_ALTS; a++) {
		if (probe->plan.failures[missing][a].lack == PLAN_LACKS_NET_ADMIN)
			return fault_set(s->fault, EXIT_PRIVILEGE,
					 "not enough privilege: CAP_NET_ADMIN missing; here only a "
					 "program of a cgroup sees '%s' for %s; run it as root or "
					 "grant it", slot->what, probe->tool->name);
		if (probe->plan.failures[missing][a].lack == PLAN_LACKS_PERF)
			return fault_set(s->fault, EXIT_PRIVILEGE,
					 "not enough privilege: CAP_SYS_ADMIN missing; here only "
					 "kprobes see '%s' for %s, and kernel.perf_event_paranoid "
					 "leaves them to it; run it as root or lower that to 2",
					 slot->what, probe->tool->name);
	}
	for (a = 0; a < PLAN_MAX_ALTS && slot->alts[a].progs[0] && at < sizeof(tried); a++)
		at += snprintf(tried + at, sizeof(tried) - at, "%s%s: %s", a ? "; " : "",
			       slot->alts[a].progs[0], probe->plan.failures[missing][a].why);
	return fault_set(s->fault, EXIT_KERNEL,
			 "this kernel cannot do it: %s has no hook for '%s' (tried %s)",
			 probe->tool->name, slot->what, tried);
}

bool session_asks_each(const struct session_opts *opts, int i)
{
	const struct column *col;

	for (col = opts->tools[i]->columns; opts->filter[i] && col->name; col++)
		if (col->flags & COL_EACH && filter_reads(opts->filter[i], col->off, col->size))
			return true;
	return false;
}

static int compile_filter(struct session *s, int i, struct probe_config *config)
{
	const struct filter_node *filter = s->opts->filter[i];
	int n = filter ? readings_filter(&s->readings, i, &filter) : 0;

	if (!filter && !n && !config->params.pinned)
		return 0;
	s->filters[i] = calloc(NT_FILTER_SLOTS, sizeof(struct bpf_insn));
	if (!s->filters[i])
		return fault_set(s->fault, EXIT_RUNNING, "no memory");
	if (!n)
		n = filter_compile(filter, s->filters[i], NT_FILTER_SLOTS);
	if (n < 0)
		return fault_set(s->fault, EXIT_USAGE,
				 "the filter is too large: it would need more than %d instructions",
				 NT_FILTER_SLOTS);
	config->filter = s->filters[i];
	config->filter_len = n;
	return 0;
}

/* TCP sockets of all network namespaces: "alloc" counts tcp_sockets_allocated (net/ipv4/proc.c). */
static uint32_t sockets_open(void)
{
	FILE *stat = fopen("/proc/net/sockstat", "re");
	uint32_t n = 0;
	char line[256];

	while (stat && fgets(line, sizeof(line), stat))
		if (sscanf(line, "TCP: inuse %*u orphan %*u tw %*u alloc %" SCNu32, &n) == 1)
			break;
	if (stat)
		fclose(stat);
	return n;
}

static uint32_t at_least(uint32_t least, uint32_t n)
{
	return n > least ? n : least;
}

static void configure_sums(const struct session_opts *opts, int i, struct probe_config *config)
{
	const struct tool_sums *sums = opts->tools[i]->sums;

	config->max_sums = 1; /* of a tool that has them only when asked to count */
	if (!sums)
		return;
	config->max_sums = sums->entries && !opts->max_sockets ? sums->entries :
								 config->max_sockets;
	if (opts->tools[i]->nets) {
		config->nets = opts->nets;
		config->max_sums = nets_count(opts->nets);
	}
	config->sum_key = sums->key_size * __builtin_popcount(opts->flags & sums->keyed);
	config->one_sum = sums->keyed && !config->sum_key;
}

/* The i-th tool shows owners, or what it is filtered by asks for them. */
static bool wants_owners(const struct session_opts *opts, int i)
{
	const size_t start = offsetof(struct nt_event, owner), len = sizeof(struct nt_owner);
	const struct column *col;

	for (col = opts->tools[i]->columns; col->name; col++)
		if (col->off >= start && col->off < start + len)
			return true;
	return pinned_bits(opts) ||
	       (opts->filter[i] && filter_reads(opts->filter[i], start, len));
}

static bool keeps(const struct tool *tool, bool all)
{
	const struct attach_slot *slot;

	for (slot = tool->attach; slot->what; slot++)
		if (all ? slot->owners : slot->listeners)
			return true;
	return false;
}

/*
 * The tool that keeps the map of sockets for the run: the first that can keep all, or else one that
 * keeps listeners. -1: nobody needs it.
 */
static int keeper(const struct session_opts *opts)
{
	bool wanted = false;
	int i;

	for (i = 0; i < opts->n_tools; i++)
		wanted |= wants_owners(opts, i);
	for (i = 0; i < opts->n_tools && wanted; i++)
		if (keeps(opts->tools[i], true))
			return i;
	for (i = 0; i < opts->n_tools && wanted; i++)
		if (keeps(opts->tools[i], false))
			return i;
	return -1;
}

static enum nt_keep owners_wanted(const struct session_opts *opts)
{
	int i;

	for (i = 0; i < opts->n_tools; i++)
		if (wants_owners(opts, i) && opts->tools[i]->owners != OWNERS_CONNECTS)
			return NT_KEEP_ALL;
	return NT_KEEP_CONNECTS;
}

static bool states_wanted(const struct session_opts *opts)
{
	int i;

	for (i = 0; i < opts->n_tools; i++)
		if (opts->tools[i]->states)
			return true;
	return false;
}

static void explain_filter(const struct session *s, int i, const struct probe_config *config,
			   FILE *to)
{
	bool later = s->readings.tools[i].filter; /* its part that asks for sums */

	if (config->filter && s->opts->filter[i])
		fprintf(to, "%s: filter: in the kernel, %d instructions%s\n",
			s->opts->tools[i]->name, config->filter_len,
			later ? "; what it asks of sums when they are read" : "");
	else if (later)
		fprintf(to, "%s: filter: when the sums are read\n", s->opts->tools[i]->name);
}

static int open_probe(struct session *s, int i, struct probe_config *config)
{
	const struct session_opts *opts = s->opts;
	uint32_t sockets = sockets_open();
	int err, code, missing = 0;

	config->params.start = s->start;
	config->params.ring_bytes = opts->ring_bytes;
	config->params.tool = i;
	config->params.keep_owners = i == keeper(opts) ? owners_wanted(opts) : NT_KEEP_NOTHING;
	config->params.want_owners = wants_owners(opts, i);
	config->params.each_row = session_asks_each(opts, i);
	config->owners = keeper(opts) >= 0;
	config->states = states_wanted(opts);
	config->params.casts = host_survives_faults(s->kernel);
	config->params.one_more = host_takes_one_more(s->kernel);
	config->params.want_mntns = opts->want_mntns;
	config->params.n_cgroups = opts->n_cgroups;
	config->params.pinned = pinned_bits(opts);
	config->params.flags = opts->flags;
	config->max_sockets = opts->max_sockets ? opts->max_sockets
						: at_least(16384, 4 * sockets);
	config->max_tasks = opts->max_sockets ? opts->max_sockets : 2048;
	config->max_held = at_least(1024, 2 * sockets);
	configure_sums(opts, i, config);
	config->cgroups = opts->cgroups;
	config->earlier = s->probes;
	config->n_earlier = i;
	code = cgroups1_params(opts, &config->params, s->fault);
	if (!code)
		code = compile_filter(s, i, config);
	if (code)
		return code;
	err = probe_open(&s->probes[i], opts->tools[i], config, &missing);
	if (err)
		return open_failed(s, &s->probes[i], err, missing);
	s->n_probes++;
	if (opts->explain || opts->verbose) {
		probe_explain(&s->probes[i], opts->explain ? stdout : stderr);
		explain_filter(s, i, config, opts->explain ? stdout : stderr);
	}
	return 0;
}

static int open_probes(struct session *s, bool attach)
{
	struct probe_config config;
	int i, code, pinned[PINNED_COUNT];

	code = pinned_open(s->opts, pinned, s->fault);
	for (i = 0; i < s->opts->n_tools && s->opts->n_tools > 1; i++)
		probe_expect(s->opts->tools[i], s->opts->filter[i]);
	for (i = 0; i < s->opts->n_tools && !code; i++) {
		memset(&config, 0, sizeof(config));
		config.attach = attach;
		config.pinned = pinned;
		code = open_probe(s, i, &config);
	}
	pinned_close(pinned);
	return code;
}

/* The maps as the first probe made them; the others share them. */
static int open_ring(struct session *s)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int ring = probe_map(&s->probes[0], "nt_events"),
	    reader = probe_map(&s->probes[0], "nt_reader");
	void *page;

	s->ring = ring_buffer__new(ring, on_record, s, NULL);
	if (!s->ring)
		return fault_set(s->fault, EXIT_KERNEL, "mapping the event buffer failed: %s",
				 strerror(errno));
	page = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE, MAP_SHARED, reader, 0);
	if (page == MAP_FAILED)
		return fault_set(s->fault, EXIT_KERNEL, "mapping the reader's page failed: %s",
				 strerror(errno));
	s->reader = page;
	/*
	 * Edge-triggered: a level-triggered wait would return at once while anything is unread, and
	 * the point is to let events gather.
	 */
	if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, ring, &event))
		return fault_set(s->fault, EXIT_KERNEL, "waiting for events failed: %s",
				 strerror(errno));
	return 0;
}

static int open_readings(struct session *s)
{
	int i, code = 0;

	for (i = 0; i < s->n_probes && !code; i++)
		code = readings_open(&s->readings, i, &s->probes[i], now(CLOCK_MONOTONIC));
	return code;
}

/* A terminal that shows a screen has no place for it. */
static void say(void *ctx, const char *text)
{
	const struct session *s = ctx;

	if (!s->rows.top)
		fprintf(stderr, "%s\n", text);
}

/* After attaching, so that no socket falls between the two. */
static void take_snapshot(struct session *s)
{
	struct holders_missing missing = { 0 };
	int i = keeper(s->opts), err;

	if (i < 0)
		return;
	if (host_pids_known() == 0) {
		say(s, "in a PID namespace of its own: PIDs are the host's, and who holds the "
		       "sockets that are open now is not known");
		return;
	}
	err = holders_put(s->opts, probe_map(&s->probes[i], "nt_held"),
			  probe_map(&s->probes[i], "nt_listeners"), &missing);
	if (err && s->opts->verbose)
		fprintf(stderr,
			"sockets open before the start could not be listed: no owners\n");
	if (missing.unreadable && s->opts->verbose)
		fprintf(stderr,
			"%zu processes or namespaces could not be read: no owners there\n",
			missing.unreadable);
	if (missing.full)
		fprintf(stderr, "%" PRIu64 " sockets opened while we started have no owner\n",
			missing.full);
}

static int open_signals(struct session *s)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = 1 };
	struct epoll_event hangup = { .data.u32 = 2 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	if (top_wanted(s->opts)) { /* the terminal is given back first */
		sigaddset(&set, SIGHUP);
		sigaddset(&set, SIGQUIT);
	}
	sigprocmask(SIG_BLOCK, &set, NULL);
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->epoll < 0 || s->signals < 0 ||
	    epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->signals, &event))
		return fault_set(s->fault, EXIT_RUNNING, "waiting for signals failed: %s",
				 strerror(errno));
	/*
	 * A pipe whose reader has gone reports EPOLLERR without being asked, a socket EPOLLHUP; a
	 * file cannot be waited for, and need not.
	 */
	epoll_ctl(s->epoll, EPOLL_CTL_ADD, STDOUT_FILENO, &hangup);
	return 0;
}

static int open_files(struct session *s)
{
	const struct session_opts *opts = s->opts;
	int err;

	if (!opts->record)
		return 0;
	err = recorder_open(&s->recorder, opts->record, opts->tools, opts->n_tools);
	if (err)
		return fault_set(s->fault, EXIT_RUNNING, "--record: '%s': %s", opts->record,
				 files_error(err));
	rows_record_names(&s->rows, s->recorder);
	return 0;
}

/* One that an earlier run left would say it too soon. */
static void remove_ready_file(const struct session_opts *opts)
{
	struct stat st;

	if (opts->ready_file && !lstat(opts->ready_file, &st) && S_ISREG(st.st_mode))
		unlink(opts->ready_file);
}

/* The file that says it is made just before: what makes it may take what is given up. */
static int make_ready_file(struct session *s)
{
	const char *path = s->opts->ready_file;
	int fd;

	if (!path)
		return 0;
	fd = files_create(path, 0644);
	if (fd < 0)
		return fault_set(s->fault, EXIT_RUNNING, "--ready-file: '%s': %s", path,
				 files_error(fd));
	close(fd);
	return 0;
}

static int give_up_privileges(struct session *s)
{
	const char *what;
	int err = sandbox_enter(probe_map(&s->probes[0], "nt_counters"), &what);

	if (err)
		return fault_set(s->fault, EXIT_RUNNING, "%s failed: %s", what, strerror(-err));
	return 0;
}

static int open_screen(struct session *s)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = 3 };
	char load[READINGS_LOAD];
	int err;

	if (!top_wanted(s->opts))
		return 0;
	read_clock(s);
	readings_load(load);
	err = top_open(&s->rows.top, &s->rows, s->signals, now(CLOCK_MONOTONIC), load);
	if (!err && epoll_ctl(s->epoll, EPOLL_CTL_ADD, top_fd(s->rows.top), &event))
		err = -errno;
	return err ? fault_set(s->fault, EXIT_RUNNING, "the terminal: %s", strerror(-err)) : 0;
}

static int say_ready(struct session *s)
{
	if (isatty(STDOUT_FILENO) && s->opts->tools[0]->sums && !readings_next(&s->readings))
		fprintf(stderr, "Adding up... Ctrl-C prints it and ends.\n");

	if (s->opts->ready_fd && write(s->opts->ready_fd, "", 1) < 0)
		return fault_set(s->fault, EXIT_RUNNING, "nobody waits for this run");
	return 0;
}

static void watch_cgroups(struct session *s)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = 4 };

	s->watch = cgroup_watch_open(s->opts, probe_map(&s->probes[0], "nt_cgroups"));
	if (s->watch)
		epoll_ctl(s->epoll, EPOLL_CTL_ADD, cgroup_watch_fd(s->watch), &event);
}

/* Waits for an event's wake-up, a signal, the end of the output or `timeout_ms` (-1: none). */
static void wait_for(struct session *s, int timeout_ms)
{
	struct epoll_event events[4];
	int i, n;

	n = epoll_wait(s->epoll, events, 4, timeout_ms);
	for (i = 0; i < n; i++) {
		if (events[i].data.u32 == 4)
			cgroup_watch_do(s->watch, say, s);
		if (events[i].data.u32 == 1 ||
		    (events[i].data.u32 == 2 && events[i].events & (EPOLLERR | EPOLLHUP)) ||
		    (events[i].data.u32 == 3 && !top_events(s->rows.top)))
			s->stop = true;
	}
}

/* The end of the run or the next reading, 0: neither is set. */
static uint64_t next_moment(const struct session *s, uint64_t end)
{
	uint64_t next = readings_next(&s->readings);

	return !s->opts->duration_ns || (next && next < end) ? next : end;
}

static int remaining_ms(const struct session *s, uint64_t end, int most)
{
	uint64_t t = now(CLOCK_MONOTONIC), deadline = next_moment(s, end), left;

	if (!deadline)
		return most;
	left = deadline > t ? (deadline - t + 999999) / 1000000 : 0;
	return most >= 0 && left > (uint64_t)most ? most : left > 1000000 ? 1000000 : (int)left;
}

/* No probe that took its time before this is still on its way to the ring. */
static uint64_t settled(void)
{
	return now(CLOCK_MONOTONIC) - 10000000;
}

/*
 * While events come, the ring is read every BATCH_MS; when a batch was empty the next event wakes
 * us (nt_wakeup() in probes/event.bpf.h). A probe that looked before we said so may still be on its
 * way: twice we look by ourselves, the second time late enough for a CPU that was stopped, before
 * we sleep without a timer.
 */
static void run(struct session *s)
{
	static const int waits[] = { BATCH_MS, BATCH_MS, 1000, -1 };
	uint64_t start = now(CLOCK_MONOTONIC), t = start,
		 deadline = s->opts->duration_ns ? start + s->opts->duration_ns : UINT64_MAX;
	unsigned int empty = 0; /* batches in a row */
	bool woken;

	readings_start(&s->readings, start);
	while (!s->stop && t < deadline) {
		s->reader->asleep = empty > 0;
		__sync_synchronize();
		wait_for(s, remaining_ms(s, deadline, waits[empty]));
		woken = empty && !s->reader->asleep; /* others may come right behind */
		if (drain(s, settled()) || woken)
			empty = 0;
		else if (waits[empty] >= 0)
			empty++;
		t = now(CLOCK_MONOTONIC);
		if (t < deadline) /* one that is due when the run ends is the last one */
			s->full |= !readings_due(&s->readings, t);
		s->stop |= s->full;
	}
}

/* `text` has a place for `n`. A replay will say it too. */
__attribute__((format(printf, 3, 0))) static void say_loss(const struct session *s, uint64_t n,
							    const char *text)
{
	char line[160];

	if (!n)
		return;
	snprintf(line, sizeof(line), text, n);
	fprintf(stderr, "%s\n", line);
	if (s->recorder)
		recorder_loss(s->recorder, line);
}

static void say_losses(const struct session *s)
{
	const struct session_stats *st = &s->stats;

	say_loss(s, st->lost_buffer, "%" PRIu64 " events were lost, the buffer was full: "
				     "a larger --buffer helps");
	say_loss(s, st->lost_map, "%" PRIu64 " sockets or calls could not be remembered: "
				  "a larger --sockets helps");
	say_loss(s, st->lost_stack, "%" PRIu64 " stacks could not be taken: their rows have none");
	say_loss(s, st->missed, "the kernel skipped %" PRIu64 " probe runs: "
				"fewer tools at once help");
}

/* Behind a quit or a signal the terminal is as it was; a run that came to its end leaves that. */
static void close_screen(struct session *s)
{
	if (!s->rows.top)
		return;
	s->rows.quiet = s->stop && !s->full;
	top_close(s->rows.top, s->full);
}

static int finish(struct session *s)
{
	const struct session_stats *st = &s->stats;
	int i, err, code;

	close_screen(s);

	for (i = 0; i < s->n_probes; i++)
		probe_detach(&s->probes[i]);
	while (drain(s, UINT64_MAX) > 0)
		;
	if (!s->full)
		readings_last(&s->readings, now(CLOCK_MONOTONIC));
	for (i = 0; i < s->n_probes; i++)
		probe_stats(&s->probes[i], &s->stats);
	s->stats.time = now(CLOCK_MONOTONIC);
	if (s->opts->stats)
		rows_stats(&s->rows, &s->stats);
	rows_flush(&s->rows);
	say_losses(s);
	err = recorder_close(s->recorder);
	s->recorder = NULL;
	code = rows_result(&s->rows, s->fault);
	if (!code && err)
		code = fault_set(s->fault, EXIT_RUNNING, "writing %s failed: %s", s->opts->record,
				 strerror(-err));
	if (!code && s->fault->text[0])
		code = EXIT_RUNNING;
	if (!code && s->opts->strict &&
	    (st->lost_buffer || st->lost_map || st->lost_stack || st->missed))
		code = fault_set(s->fault, EXIT_LOST, "events were lost and --strict was given");
	return code;
}

static void close_session(struct session *s)
{
	int i;

	if (s->rows.top)
		top_close(s->rows.top, false);
	ring_buffer__free(s->ring);
	if (s->reader)
		munmap((void *)s->reader, getpagesize());
	readings_close(&s->readings);
	cgroup_watch_close(s->watch);
	for (i = 0; i < s->n_probes; i++)
		probe_close(&s->probes[i]);
	for (i = 0; i < SESSION_MAX_TOOLS; i++)
		free(s->filters[i]);
	rows_close(&s->rows);
	recorder_close(s->recorder);
	merge_free(&s->merge);
	free(s);
}

/* A network of the list that another one before it contains. */
static void say_shadowed(const struct nets *nets)
{
	uint32_t i;
	int by;

	for (i = 0; nets && i < nets_count(nets); i++) {
		by = nets_shadowed(nets, i);
		if (by >= 0)
			fprintf(stderr, "'%s' gets nothing: '%s' stands before it\n",
				nets_text(nets, i), nets_text(nets, by));
	}
}

/* It takes a tenth of a second, which no row should wait for. */
static void read_functions(const struct session_opts *opts)
{
	const struct column *col;
	int i;

	for (i = 0; i < opts->n_tools; i++)
		for (col = opts->tools[i]->columns; col->name; col++)
			if (col->type == COL_STACK && !(opts->flags & opts->tools[i]->stackless))
				names_read_functions(opts->names);
}

static int prepare(struct session *s)
{
	int code;

	remove_ready_file(s->opts);
	say_shadowed(s->opts->nets);
	code = rows_open(&s->rows, s->opts, s->fault);
	if (!code)
		code = check_host(s->fault);
	if (!code)
		code = open_signals(s);
	if (!code) {
		out_set_stop(s->rows.out, s->signals);
		code = open_files(s);
	}
	s->start = now(CLOCK_MONOTONIC);
	if (!code)
		code = open_probes(s, true);
	if (!code)
		code = open_ring(s);
	if (!code)
		code = open_readings(s);
	if (code)
		return code;
	watch_cgroups(s);
	take_snapshot(s);
	malloc_trim(0); /* what loading needed is not needed again */
	rows_headers(&s->rows);
	rows_flush(&s->rows);
	read_functions(s->opts);
	code = open_screen(s);
	if (!code)
		code = make_ready_file(s);
	if (!code)
		code = give_up_privileges(s);
	return code ? code : say_ready(s);
}

static struct session *new_session(const struct session_opts *opts, struct fault *fault)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s) {
		fault_set(fault, EXIT_RUNNING, "no memory");
		return NULL;
	}
	s->opts = opts;
	s->fault = fault;
	s->kernel = host_version("");
	s->readings = (struct readings){ .opts = opts, .rows = &s->rows,
					 .recorder = &s->recorder, .stats = &s->stats,
					 .fault = fault };
	/*
	 * A fixed threshold: the kernel's BTF, megabytes of it, shall not stay in the heap after it
	 * was freed.
	 */
	mallopt(M_MMAP_THRESHOLD, 128 << 10);
	probe_debug(opts->debug);
	return s;
}

int session_plan(const struct session_opts *opts, struct plan *plan, struct fault *fault)
{
	struct session *s = new_session(opts, fault);
	int code;

	if (!s)
		return EXIT_RUNNING;
	plan_init(plan, opts->tools[0]->attach);
	code = check_host(fault);
	if (!code) {
		code = open_probes(s, false);
		if (s->probes[0].plan.n_slots)
			*plan = s->probes[0].plan;
	}
	close_session(s);
	return code;
}

int session_run(const struct session_opts *opts, struct fault *fault)
{
	struct session *s;
	struct plan plan;
	int code;

	if (opts->explain)
		return session_plan(opts, &plan, fault);
	s = new_session(opts, fault);
	if (!s)
		return EXIT_RUNNING;
	code = prepare(s);
	if (!code) {
		run(s);
		code = finish(s);
	}
	close_session(s);
	return code;
}
