// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Loads and attaches a tool's BPF object, trying variants as the planner asks. */
#include "probe.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <zlib.h>

#include "caps.h"
#include "cgroup.h"
#include "hook.h"
#include "nets.h"
#include "pinned.h"

/*
 * libbpf tells which program failed, and why, only in its messages: this keeps the first of them.
 * Its callback takes no context, so this is global.
 */
static struct {
	bool debug;
	char program[64];
	char text[96];
} messages;

#define LOG_STATS 4 /* the verifier's BPF_LOG_STATS: what it spent on each program */

static int on_message(enum libbpf_print_level level, const char *format, va_list args)
{
	char line[512], *quote;
	va_list again;

	if (messages.debug) {
		va_copy(again, args);
		vfprintf(stderr, format, again); /* the verifier's log is long */
		va_end(again);
	}
	if (level != LIBBPF_WARN || messages.program[0])
		return 0;
	vsnprintf(line, sizeof(line), format, args);
	if (sscanf(line, "libbpf: prog '%63[^']'", messages.program) != 1)
		return 0;
	quote = strstr(line, "': ");
	snprintf(messages.text, sizeof(messages.text), "%.*s", (int)strcspn(quote + 3, "\n"),
		 quote + 3);
	return 0;
}

void probe_debug(bool on)
{
	messages.debug = on;
	libbpf_set_print(on_message);
}

static int inflate_image(const struct probe_object *probe, void **image, size_t *len)
{
	z_stream z = { .next_in = (unsigned char *)probe->start,
		       .avail_in = probe->end - probe->start };
	uint32_t size;
	int err = -EINVAL;

	memcpy(&size, probe->end - 4, sizeof(size)); /* gzip ends with the length, little endian */
	*len = le32toh(size);
	*image = malloc(*len);
	if (!*image || inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
		return -ENOMEM;
	z.next_out = *image;
	z.avail_out = *len;
	if (inflate(&z, Z_FINISH) == Z_STREAM_END)
		err = 0;
	inflateEnd(&z);
	return err;
}

/*
 * Behind the filter comes a jump over the no-ops left, always taken but not by its form: code that
 * cannot be reached at all is refused, code that the verifier finds to be dead is removed. Visiting
 * the no-ops took it 300 ms.
 */
static void put_filter(void *to, const struct bpf_insn *filter, int n)
{
	struct bpf_insn skip[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = 0 },
		{ .code = BPF_JMP | BPF_JEQ | BPF_K,
		  .dst_reg = 2,
		  .imm = 0,
		  .off = NT_FILTER_SLOTS - n },
	};

	memcpy(to, filter, n * sizeof(*filter));
	memcpy((struct bpf_insn *)to + n, skip, sizeof(skip));
}

int probe_splice(void *image, size_t len, const struct bpf_insn *filter, int n)
{
	const uint64_t mark = NT_FILTER_MARK;
	struct bpf_insn lo, hi;
	size_t at;

	if (n > NT_FILTER_SLOTS)
		return -E2BIG;
	/* Sections of instructions are 8-byte aligned in the file. */
	for (at = 0; at + (NT_FILTER_SLOTS + 2) * sizeof(lo) <= len; at += sizeof(lo)) {
		memcpy(&lo, (char *)image + at, sizeof(lo));
		memcpy(&hi, (char *)image + at + sizeof(lo), sizeof(hi));
		if (lo.code != (BPF_LD | BPF_DW | BPF_IMM) || (uint32_t)lo.imm != (uint32_t)mark ||
		    (uint32_t)hi.imm != mark >> 32)
			continue;
		put_filter((char *)image + at, filter, n);
		return 0;
	}
	return -ENOENT;
}

static int set_section(struct bpf_object *object, const char *name, const void *data, size_t size)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, name);

	return map ? bpf_map__set_initial_value(map, data, size) : -ENOENT;
}

/* 0 entries: as the object has it, which is small: a map that this run does not use. */
static int set_entries(struct bpf_object *object, const char *name, uint32_t entries)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, name);

	return map && entries ? bpf_map__set_max_entries(map, entries) : 0;
}

static int set_sockets(struct bpf_object *object, const struct probe_config *config)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, "nt_socks");
	int err;

	if (!map)
		return 0;
	err = bpf_map__set_max_entries(map, config->owners ? config->max_sockets : 1);
	if (err || config->states)
		return err;
	return bpf_map__set_value_size(map, offsetof(struct nt_sock, state));
}

/* A single row is not looked for, it has a place. */
static int set_array(struct bpf_map *map)
{
	bool percpu = bpf_map__type(map) == BPF_MAP_TYPE_PERCPU_HASH;
	int err;

	err = bpf_map__set_type(map, percpu ? BPF_MAP_TYPE_PERCPU_ARRAY : BPF_MAP_TYPE_ARRAY);
	return err ? err : bpf_map__set_key_size(map, sizeof(uint32_t));
}

/*
 * An array's size is part of its type as the verifier sees it: what stands for the inner maps has
 * to have it too.
 */
static int set_array_size(struct bpf_map *outer, struct bpf_map *maps[2], uint32_t entries,
			  int *inner)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts);
	struct btf *btf = btf__new_empty(); /* 6.1 compares what BTF says of timers, or its lack */
	int err;

	err = bpf_map__set_max_entries(maps[0], entries);
	if (!err)
		err = bpf_map__set_max_entries(maps[1], entries);
	if (err)
		return err;
	err = libbpf_get_error(btf);
	if (err)
		return err;
	opts.btf_key_type_id = btf__add_int(btf, "u32", sizeof(uint32_t), 0);
	opts.btf_value_type_id = btf__add_struct(btf, "row", bpf_map__value_size(maps[0]));
	err = btf__load_into_kernel(btf);
	opts.btf_fd = btf__fd(btf);
	if (!err) {
		*inner = bpf_map_create((enum bpf_map_type)bpf_map__type(maps[0]), NULL,
					sizeof(uint32_t), bpf_map__value_size(maps[0]), entries,
					&opts);
		err = *inner < 0 ? *inner : bpf_map__set_inner_map_fd(outer, *inner);
	}
	btf__free(btf);
	return err;
}

/* With another key the maps' BTF is refused, and libbpf goes on without it. */
static int set_sums(struct bpf_object *object, const struct probe_config *config, int *inner)
{
	struct bpf_map *outer = bpf_object__find_map_by_name(object, "nt_sums"), *maps[3];
	int err = 0, i;

	if (!outer)
		return 0;
	maps[0] = bpf_object__find_map_by_name(object, "nt_sums_a");
	maps[1] = bpf_object__find_map_by_name(object, "nt_sums_b");
	maps[2] = bpf_map__inner_map(outer);
	if (config->nets && maps[0] && maps[1])
		return set_array_size(outer, maps, config->max_sums, inner);
	for (i = 0; i < 3 && !err; i++) {
		if (!maps[i] || bpf_map__max_entries(maps[i]) > 1)
			return maps[i] ? 0 : -ENOENT;
		if (config->one_sum) {
			err = set_array(maps[i]);
			continue;
		}
		if (config->sum_key)
			err = bpf_map__set_key_size(maps[i], config->sum_key);
		if (!err && i < 2)
			err = bpf_map__set_max_entries(maps[i], config->max_sums);
	}
	return err;
}

static const char *const shared_maps[] = {
	"nt_events", "nt_reader", "nt_socks", "nt_held", "nt_listeners", "nt_cgroups",
};

/* Of the first probe that has the map, or -errno. */
static int shared_fd(const struct probe_config *config, const char *name)
{
	int fd = -ENOENT, i;

	for (i = 0; i < config->n_earlier && fd < 0; i++)
		fd = probe_map(&config->earlier[i], name);
	return fd;
}

static int share_maps(struct bpf_object *object, const struct probe_config *config)
{
	struct bpf_map *map;
	size_t i;
	int fd, err;

	for (i = 0; i < sizeof(shared_maps) / sizeof(*shared_maps); i++) {
		map = bpf_object__find_map_by_name(object, shared_maps[i]);
		fd = shared_fd(config, shared_maps[i]);
		if (!map || fd < 0)
			continue;
		err = bpf_map__reuse_fd(map, fd);
		if (err)
			return err;
	}
	return 0;
}

/* *inner: a map that has to be there until the object is loaded, or -1. */
static int configure(struct bpf_object *object, const struct probe_config *config, int *inner)
{
	int err;

	err = set_section(object, ".rodata.params", &config->params, sizeof(config->params));
	if (!err)
		err = set_entries(object, "nt_sock_tool", config->max_sockets);
	if (!err)
		err = set_entries(object, "nt_task_tool", config->max_tasks);
	if (!err)
		err = set_entries(object, "nt_task_items", config->max_tasks);
	if (!err)
		err = set_sums(object, config, inner);
	if (!err && config->nets)
		err = set_entries(object, "nt_nets", nets_count(config->nets) + 1);
	if (!err)
		err = set_entries(object, "nt_events", config->params.ring_bytes);
	if (!err)
		err = set_sockets(object, config);
	if (!err)
		err = set_entries(object, "nt_held", config->owners ? config->max_held : 1);
	if (!err)
		err = set_entries(object, "nt_listeners", config->owners ? config->max_held : 1);
	if (!err)
		err = pinned_use(object, config->pinned);
	return err ? err : share_maps(object, config);
}

struct attempt {
	struct probe *probe;
	const struct probe_config *config;
	void *image;
	size_t image_len;
	const char *btf; /* hook_btf() */
	bool again;      /* it may go better with libbpf's own look at the kernel */
};

/*
 * Kinds that the kernel did not let us load: it will not let us load others of them either
 * (fentry where it is locked down). So that is asked once in a process.
 */
static bool not_permitted[__MAX_BPF_ATTACH_TYPE];

static bool is_refused(const struct bpf_program *program)
{
	return not_permitted[bpf_program__expected_attach_type(program)];
}

static void remember_refusal(const struct bpf_object *object, const char *name)
{
	const struct bpf_program *program = bpf_object__find_program_by_name(object, name);
	enum bpf_attach_type type = program ? bpf_program__expected_attach_type(program) : 0;

	if (type == BPF_TRACE_FENTRY || type == BPF_TRACE_FEXIT)
		not_permitted[type] = true;
}

/*
 * A kprobe program loads anywhere; without CONFIG_KPROBES only attaching it fails, which --explain
 * does not do.
 */
static bool kprobes_missing(const struct bpf_program *program)
{
	return bpf_program__type(program) == BPF_PROG_TYPE_KPROBE &&
	       access("/sys/bus/event_source/devices/kprobe", F_OK) &&
	       access("/sys/kernel/tracing/kprobe_events", F_OK);
}

/*
 * Debian and Ubuntu know levels of kernel.perf_event_paranoid above 2: only CAP_SYS_ADMIN opens any
 * event then, CAP_PERFMON does not. One that counts nothing tells; it is of a CPU, because the
 * first of a task waits for RCU (account_event(), kernel/events/core.c).
 */
static bool perf_refused(void)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_SOFTWARE, .size = sizeof(attr),
					.config = PERF_COUNT_SW_DUMMY, .disabled = 1 };
	int fd;

	if (caps_has(caps_held(), CAPS_SYS_ADMIN))
		return false;
	fd = syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd >= 0)
		close(fd);
	return fd < 0 && errno == EACCES;
}

/* Programs that run for every socket below a cgroup; ours are attached to the root. */
static bool is_of_cgroups(const struct bpf_program *program)
{
	switch (bpf_program__type(program)) {
	case BPF_PROG_TYPE_SOCK_OPS:
	case BPF_PROG_TYPE_CGROUP_SKB:
	case BPF_PROG_TYPE_CGROUP_SOCK_ADDR:
		return true;
	default:
		return false;
	}
}

static const char *const lack_words[] = {
	[PLAN_LACKS_HOOK] = "this kernel has no such hook",
	[PLAN_LACKS_PERMISSION] = "loading is not permitted",
	[PLAN_LACKS_KPROBES] = "this kernel has no kprobes",
	[PLAN_LACKS_FENTRY] = "this kernel attaches no fentry programs",
	[PLAN_LACKS_PERF] = "kernel.perf_event_paranoid leaves kprobes to CAP_SYS_ADMIN",
	[PLAN_LACKS_CGROUP2] = "no cgroup v2 hierarchy is mounted",
	[PLAN_LACKS_NET_ADMIN] = "CAP_NET_ADMIN is missing",
};

/* What the host lacks for a program that would load all the same. */
static enum plan_lack lacks(const struct bpf_program *program)
{
	const uint64_t held = caps_held();
	int root;

	if (kprobes_missing(program))
		return PLAN_LACKS_KPROBES;
	if (bpf_program__type(program) == BPF_PROG_TYPE_KPROBE && perf_refused())
		return PLAN_LACKS_PERF;
	if (hook_unattachable(program))
		return PLAN_LACKS_FENTRY;
	if (!is_of_cgroups(program))
		return PLAN_LACKS_UNKNOWN;
	/* newer kernels take CAP_SYS_ADMIN for it (bpf_token_capable()): they are asked */
	if (!caps_has(held, CAPS_NET_ADMIN) && !caps_has(held, CAPS_SYS_ADMIN))
		return PLAN_LACKS_NET_ADMIN;
	root = cgroup_open_root();
	if (root < 0)
		return PLAN_LACKS_CGROUP2;
	close(root);
	return PLAN_LACKS_UNKNOWN;
}

static struct bpf_link *attach_to_root(const struct bpf_program *program)
{
	int root = cgroup_open_root();
	struct bpf_link *link;

	if (root < 0) {
		errno = -root;
		return NULL;
	}
	link = bpf_program__attach_cgroup(program, root);
	close(root);
	return link;
}

static int failed(struct plan_failure *failure, int err, const char *format, const char *a,
		  const char *b)
{
	failure->error = -err;
	snprintf(failure->why, sizeof(failure->why), format, a, b);
	return err;
}

static int lacking(struct plan_failure *failure, int err, enum plan_lack lack)
{
	failure->lack = lack;
	return failed(failure, err, "%s%s", lack_words[lack], "");
}

static int load_failed(struct plan_failure *failure, int err)
{
	if (err == -EPERM)
		return lacking(failure, err, PLAN_LACKS_PERMISSION);
	if (err == -ESRCH || err == -ENOENT)
		return lacking(failure, err, PLAN_LACKS_HOOK);
	return failed(failure, err, "loading failed: %s (%s)", strerror(-err), messages.text);
}

/* Marks the chosen programs for loading. */
static int choose(struct attempt *a, const struct plan *plan, int *slot,
		  struct plan_failure *failure)
{
	struct bpf_program *program;
	struct plan_program at;
	enum plan_lack lack;
	int err;

	bpf_object__for_each_program(program, a->probe->object)
		bpf_program__set_autoload(program, false);
	plan_each(plan, &at) {
		program = bpf_object__find_program_by_name(a->probe->object, at.name);
		*slot = at.slot;
		if (!program)
			return failed(failure, -ENOENT, "%s%s is not in the object", at.name, "");
		lack = lacks(program);
		if (lack)
			return lacking(failure, -ENOENT, lack);
		err = is_refused(program) ? -EPERM : hook_set(program, a->btf);
		a->again = err == -EAGAIN;
		if (err)
			return load_failed(failure, err);
		bpf_program__set_autoload(program, true);
	}
	*slot = -1;
	return 0;
}

static int slot_of(const struct plan *plan, const char *program)
{
	struct plan_program at;

	plan_each(plan, &at)
		if (!strcmp(at.name, program))
			return at.slot;
	return -1;
}

static int load(struct attempt *a, const struct plan *plan, int *slot,
		struct plan_failure *failure)
{
	int err;

	messages.program[0] = 0;
	err = bpf_object__load(a->probe->object);
	if (!err)
		return 0;
	*slot = slot_of(plan, messages.program);
	if (err == -EPERM)
		remember_refusal(a->probe->object, messages.program);
	a->again = err != -EPERM && !hook_lacks();
	if (err == -EINVAL && hook_lacks())
		return failed(failure, err, "this kernel has no %s()%s", hook_lacks(), "");
	return load_failed(failure, err);
}

/*
 * The cgroup v2 directories that filters ask for; before attaching, so that no event misses them.
 */
static int put_cgroups(const struct probe *probe, const struct probe_config *config)
{
	int map = probe_map(probe, "nt_cgroups"), fd, err = 0;
	uint32_t i;

	if (shared_fd(config, "nt_cgroups") >= 0)
		return 0;
	for (i = 0; i < config->params.n_cgroups && !err; i++) {
		if (config->params.cgroup1_ids[i])
			continue;
		fd = open(config->cgroups[i].dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		err = bpf_map_update_elem(map, &i, &fd, BPF_ANY) ? -errno : 0;
		close(fd);
	}
	return err;
}

/* A program that others call is in the only place of the map NAME_map. */
static int put_callee(const struct bpf_object *object, const struct bpf_program *program)
{
	int fd = bpf_program__fd(program), map;
	uint32_t zero = 0;
	char name[64];

	snprintf(name, sizeof(name), "%s_map", bpf_program__name(program));
	map = bpf_object__find_map_fd_by_name(object, name);
	return map >= 0 && bpf_map_update_elem(map, &zero, &fd, BPF_ANY) ? -errno : 0;
}

static int attach_program(struct probe *probe, const struct bpf_program *program)
{
	struct bpf_link *link = is_of_cgroups(program) ? attach_to_root(program) :
							 hook_attach(program);

	if (!link)
		return -errno;
	probe->links[probe->n_links++] = link;
	return 0;
}

static int attach(struct probe *probe, const struct plan *plan, int *slot,
		  struct plan_failure *failure)
{
	const struct bpf_program *program;
	struct plan_program at;
	int err;

	plan_each(plan, &at) {
		program = bpf_object__find_program_by_name(probe->object, at.name);
		err = put_callee(probe->object, program);
		if (!err)
			err = attach_program(probe, program);
		if (!err)
			continue;
		*slot = at.slot;
		return failed(failure, err, "attaching failed: %s%s", strerror(-err), "");
	}
	return 0;
}

static int try(struct attempt *a, const struct plan *plan, int *slot, struct plan_failure *failure)
{
	struct probe *probe = a->probe;
	LIBBPF_OPTS(bpf_object_open_opts, open_opts, .object_name = a->probe->tool->name,
		    .btf_custom_path = a->btf,
		    .kernel_log_level = messages.debug ? LOG_STATS : 0);
	int err, inner = -1;

	a->again = false;
	probe->object = bpf_object__open_mem(a->image, a->image_len, &open_opts);
	if (!probe->object)
		return -errno;
	err = choose(a, plan, slot, failure);
	if (!err)
		err = configure(probe->object, a->config, &inner);
	if (!err)
		err = load(a, plan, slot, failure);
	if (inner >= 0)
		close(inner);
	if (!err)
		err = put_cgroups(probe, a->config);
	if (!err && a->config->nets)
		err = nets_put(a->config->nets, probe_map(probe, "nt_nets"));
	if (!err && a->config->attach)
		err = attach(probe, plan, slot, failure);
	if (err)
		probe_close(probe);
	return err;
}

/* What is refused although we found all that it names gets its verdict from libbpf. */
static int attempt(void *ctx, const struct plan *plan, int *slot, struct plan_failure *failure)
{
	struct attempt *a = ctx;
	int err;

	a->btf = hook_btf(a->image, a->image_len);
	err = try(a, plan, slot, failure);
	if (!err || !a->btf || !a->again)
		return err;
	a->btf = NULL;
	*slot = -1;
	return try(a, plan, slot, failure);
}

static const struct probe_object *object_of(const struct tool *tool, bool filtered)
{
	return filtered ? &tool->filtered : &tool->probe;
}

void probe_expect(const struct tool *tool, bool filtered)
{
	void *image;
	size_t len;

	if (!inflate_image(object_of(tool, filtered), &image, &len))
		hook_note(image, len);
	free(image);
}

static bool keeps_owners(const struct attach_slot *slot)
{
	return slot->owners || slot->listeners;
}

int probe_open(struct probe *probe, const struct tool *tool, const struct probe_config *config,
	       int *missing)
{
	struct attempt a = { .probe = probe, .config = config };
	struct plan_kernel kernel = { .attempt = attempt, .ctx = &a };
	int err, s;

	memset(probe, 0, sizeof(*probe));
	probe->tool = tool;
	plan_init(&probe->plan, tool->attach);
	for (s = 0; s < probe->plan.n_slots; s++)
		if ((keeps_owners(&tool->attach[s]) && !config->params.keep_owners) ||
		    (tool->attach[s].flag & ~config->params.flags))
			probe->plan.chosen[s] = PLAN_NONE;
	for (s = 0; config->params.keep_owners == NT_KEEP_CONNECTS && s < probe->plan.n_slots; s++)
		if (tool->attach[s].accepts)
			probe->plan.chosen[s] = PLAN_NONE;
	err = hook_init();
	if (!err)
		err = inflate_image(object_of(tool, config->filter), &a.image, &a.image_len);
	if (!err && config->filter)
		err = probe_splice(a.image, a.image_len, config->filter, config->filter_len);
	if (!err)
		err = plan_run(&probe->plan, &kernel, missing);
	free(a.image);
	return err;
}

void probe_detach(struct probe *probe)
{
	while (probe->n_links)
		bpf_link__destroy(probe->links[--probe->n_links]);
}

void probe_close(struct probe *probe)
{
	probe_detach(probe);
	bpf_object__close(probe->object);
	probe->object = NULL;
}

int probe_map(const struct probe *probe, const char *name)
{
	return bpf_object__find_map_fd_by_name(probe->object, name);
}

static uint64_t missed(const struct probe *probe)
{
	struct plan_misses misses[PLAN_MAX_SLOTS * PLAN_MAX_PROGS];
	const struct bpf_program *program;
	struct bpf_prog_info info;
	struct plan_program at;
	uint32_t len;
	int n = 0;

	plan_each(&probe->plan, &at) {
		program = bpf_object__find_program_by_name(probe->object, at.name);
		memset(&info, 0, sizeof(info));
		len = sizeof(info);
		if (!bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &len))
			misses[n++] = (struct plan_misses){ at.slot,
							    bpf_program__section_name(program),
							    info.recursion_misses };
	}
	return plan_missed(misses, n);
}

int probe_stats(const struct probe *probe, struct session_stats *stats)
{
	int cpus = libbpf_num_possible_cpus(), fd = probe_map(probe, "nt_counters"), i;
	struct nt_counters *count;
	uint32_t key = 0;
	int err = 0;

	if (cpus < 0 || fd < 0)
		return cpus < 0 ? cpus : fd;
	count = calloc(cpus, sizeof(*count));
	if (!count)
		return -ENOMEM;
	if (bpf_map_lookup_elem(fd, &key, count))
		err = -errno;
	for (i = 0; i < cpus; i++) {
		stats->seen += count[i].seen;
		stats->filtered += count[i].filtered;
		stats->lost_buffer += count[i].lost_buffer;
		stats->lost_map += count[i].lost_map;
		stats->lost_stack += count[i].lost_stack;
	}
	free(count);
	stats->missed += missed(probe);
	return err;
}

int probe_hooks(const struct tool *tool, struct probe_hook *hooks, int max)
{
	struct bpf_object *object = NULL;
	struct bpf_program *program;
	void *image = NULL;
	size_t len;
	int n = 0;

	if (!hook_init() && !inflate_image(&tool->probe, &image, &len))
		object = bpf_object__open_mem(image, len, NULL);
	if (object)
		bpf_object__for_each_program(program, object) {
			if (n == max)
				break;
			snprintf(hooks[n].program, sizeof(hooks[n].program), "%s",
				 bpf_program__name(program));
			snprintf(hooks[n].hook, sizeof(hooks[n].hook), "%s",
				 bpf_program__section_name(program));
			n++;
		}
	bpf_object__close(object);
	free(image);
	return n;
}

/* "NAME on HOOK, HOOK": the first program of a variant stands for it. */
static void put_variant(const struct probe *probe, const struct attach_alt *alt, FILE *file)
{
	const struct bpf_program *program;
	char hooks[400] = "";
	size_t at = 0;
	int p;

	for (p = 0; p < PLAN_MAX_PROGS && alt->progs[p] && at < sizeof(hooks); p++) {
		program = bpf_object__find_program_by_name(probe->object, alt->progs[p]);
		if (program && !strstr(hooks, bpf_program__section_name(program)))
			at += snprintf(hooks + at, sizeof(hooks) - at, "%s%s", at ? ", " : " on ",
				       bpf_program__section_name(program));
	}
	fprintf(file, "%s%s", alt->progs[0], hooks);
}

void probe_explain(const struct probe *probe, void *file)
{
	const struct attach_slot *slot;
	const struct attach_alt *alt;
	int s, a;

	for (s = 0; s < probe->plan.n_slots; s++) {
		slot = &probe->plan.slots[s];
		alt = plan_alt(&probe->plan, s);
		if (!alt && (keeps_owners(slot) || slot->flag) && !probe->plan.failures[s][0].error)
			continue; /* another tool of the run does it, or nobody asked for it */
		fprintf(file, "%s: %s: ", probe->tool->name, slot->what);
		if (alt)
			put_variant(probe, alt, file);
		else
			fputs("nothing", file);
		if (alt && alt->loses)
			fprintf(file, " (%s)", alt->loses);
		for (a = 0; a < PLAN_MAX_ALTS && slot->alts[a].progs[0]; a++)
			if (probe->plan.failures[s][a].error) {
				fputs("; tried ", file);
				put_variant(probe, &slot->alts[a], file);
				fprintf(file, ": %s", probe->plan.failures[s][a].why);
			}
		fputc('\n', file);
	}
}
