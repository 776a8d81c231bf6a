/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The doctor's words about plans and hosts of this test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "caps.h"
#include "doctor.h"
#include "mend.h"
#include "selftest.h"

#define ALL_CAPS ((1ull << CAPS_COUNT) - 1)

static const struct attach_slot slots[] = {
	{ .what = "first", .alts = { { { "a_fentry" } },
				     { { "a_kprobe" } },
				     { { "a_skb" }, "half of it" } } },
	{ .what = "second", .optional = true, .alts = { { { "b_tp" } } } },
	{ .what = "third", .flag = 4, .alts = { { { "c_skb" } } } },
	{ 0 },
};
static const struct opt opts[] = { { 'd', "dns", NULL, NULL, OPT_SHOW, NULL, 4 }, { 0 } };
static const struct tool tool = { .name = "toy", .opts = opts, .attach = slots };

static const struct probe_hook hooks[] = {
	{ "a_fentry", "fentry/a" }, { "a_kprobe", "kprobe/a" }, { "a_skb", "cgroup_skb/ingress" },
	{ "b_tp", "tp_btf/b" },	    { "c_skb", "cgroup_skb/egress" },
};

/* A host that has everything, and a plan that chose the best of everything. */
struct scene {
	struct doctor doctor;
	struct doctor_tool t;
	struct plan plan;
	struct doctor_asked asked;
};

static void begin(struct scene *s)
{
	memset(s, 0, sizeof(*s));
	s->doctor.host = (struct host){ .sysfs = true, .lockdown = "none", .jit = 1,
					.cgroup2 = "/sys/fs/cgroup", .tracefs = "/t",
					.held = ALL_CAPS, .root = true,
					.version = HOST_VERSION(6, 1, 0) };
	snprintf(s->doctor.self, sizeof(s->doctor.self), "/bin/nettrace");
	s->t.tool = &tool;
	memcpy(s->t.hooks, hooks, sizeof(hooks));
	s->t.n_hooks = sizeof(hooks) / sizeof(*hooks);
	plan_init(&s->plan, slots);
	s->plan.chosen[2] = PLAN_NONE;
	s->asked = (struct doctor_asked){ .plan = &s->plan, .fault = "the sentence" };
}

static void refuse(struct scene *s, int slot, int alt, enum plan_lack lack)
{
	s->plan.failures[slot][alt] = (struct plan_failure){ .error = EPERM, .lack = lack };
	snprintf(s->plan.failures[slot][alt].why, sizeof(s->plan.failures[slot][alt].why), "no");
	s->plan.chosen[slot] = slots[slot].alts[alt + 1].progs[0] ? alt + 1 : PLAN_NONE;
}

static void all_fine(void **state)
{
	struct scene s;

	(void)state;
	begin(&s);
	doctor_judge(&s.doctor, &s.t, &s.asked);
	assert_int_equal(s.t.verdict, DOCTOR_FINE);
	assert_string_equal(s.t.why, "");
	assert_string_equal(s.t.mend, "");
	assert_int_equal(s.t.n_parts, 2); /* the third belongs to an option */
	assert_string_equal(s.t.parts[0].hooks, "fentry/a");
}

static void another_as_good(void **state)
{
	struct scene s;

	(void)state;
	begin(&s);
	refuse(&s, 0, 0, PLAN_LACKS_PERMISSION);
	doctor_judge(&s.doctor, &s.t, &s.asked);
	assert_int_equal(s.t.verdict, DOCTOR_FINE);
	assert_string_equal(s.t.parts[0].hooks, "kprobe/a");
	assert_string_equal(s.t.parts[0].tried, "fentry/a: no");
}

/* What is missing is said, and of what would mend it the easiest. */
static void reduced(void **state)
{
	struct scene s;

	(void)state;
	begin(&s);
	refuse(&s, 0, 0, PLAN_LACKS_PERMISSION);
	refuse(&s, 0, 1, PLAN_LACKS_KPROBES);
	snprintf(s.doctor.host.lockdown, sizeof(s.doctor.host.lockdown), "confidentiality");
	doctor_judge(&s.doctor, &s.t, &s.asked);
	assert_int_equal(s.t.verdict, DOCTOR_REDUCED);
	assert_string_equal(s.t.why, "first: half of it");
	assert_string_equal(s.t.mend, "boot with lockdown=none on the kernel's command line");
	assert_string_equal(s.t.parts[0].tried, "fentry/a: no; kprobe/a: no");
}

static void optional_missing(void **state)
{
	struct scene s;

	(void)state;
	begin(&s);
	refuse(&s, 1, 0, PLAN_LACKS_HOOK);
	doctor_judge(&s.doctor, &s.t, &s.asked);
	assert_int_equal(s.t.verdict, DOCTOR_REDUCED);
	assert_string_equal(s.t.why, "second: nothing sees it");
	assert_string_equal(s.t.mend, "boot a kernel that has tp_btf/b");
}

static void none_left(void **state)
{
	struct scene s;

	(void)state;
	begin(&s);
	refuse(&s, 0, 0, PLAN_LACKS_PERMISSION);
	refuse(&s, 0, 1, PLAN_LACKS_KPROBES);
	refuse(&s, 0, 2, PLAN_LACKS_NET_ADMIN);
	s.asked.code = EXIT_KERNEL;
	s.doctor.host.held &= ~(1ull << CAPS_NET_ADMIN);
	s.doctor.host.root = false;
	doctor_judge(&s.doctor, &s.t, &s.asked);
	assert_int_equal(s.t.verdict, DOCTOR_CANNOT);
	assert_int_equal(s.t.n_parts, 1); /* the others were not tried */
	assert_non_null(strstr(s.t.mend, "sudo nettrace toy"));
	assert_non_null(strstr(s.t.mend, "cap_net_admin"));
	assert_non_null(strstr(s.t.mend, "+ep /bin/nettrace"));
}

/* An option that does not work leaves the rest. */
static void option_missing(void **state)
{
	struct scene s;

	(void)state;
	begin(&s);
	doctor_judge(&s.doctor, &s.t, &s.asked);
	s.plan.chosen[2] = 0;
	refuse(&s, 2, 0, PLAN_LACKS_CGROUP2);
	s.asked.flag = 4;
	s.asked.code = EXIT_KERNEL;
	s.doctor.host.cgroup2[0] = 0;
	doctor_judge(&s.doctor, &s.t, &s.asked);
	assert_int_equal(s.t.verdict, DOCTOR_REDUCED);
	assert_string_equal(s.t.why, "third (-d): nothing sees it");
	assert_string_equal(s.t.mend, "mount -t cgroup2 cgroup2 /sys/fs/cgroup");
	assert_string_equal(s.t.parts[2].option, "-d");
}

static void no_privilege(void **state)
{
	struct scene s;

	(void)state;
	begin(&s);
	s.asked.code = EXIT_PRIVILEGE;
	s.doctor.host.held = 0;
	s.plan.failures[0][0].error = -ENOENT; /* tried before it failed, and replaced */
	s.plan.chosen[0] = 1;
	doctor_judge(&s.doctor, &s.t, &s.asked);
	assert_int_equal(s.t.verdict, DOCTOR_CANNOT);
	assert_string_equal(s.t.why, "the sentence");
	assert_int_equal(s.t.n_parts, 3);
	assert_string_equal(s.t.parts[0].first, "fentry/a");
	assert_non_null(strstr(s.t.mend, "--cap-add BPF")); /* root without them: a container */
	s.doctor.host.contained = true;
	s.t.n_parts = 0;
	doctor_judge(&s.doctor, &s.t, &s.asked);
	assert_non_null(strstr(s.t.mend, "leave the user namespace"));
}

static void no_btf(void **state)
{
	struct scene s;

	(void)state;
	begin(&s);
	s.asked.code = EXIT_KERNEL;
	s.doctor.host.btf = ENOENT;
	doctor_judge(&s.doctor, &s.t, &s.asked);
	assert_string_equal(s.t.mend, "boot a kernel with CONFIG_DEBUG_INFO_BTF=y");
	s.doctor.host.btf_covered = true;
	doctor_judge(&s.doctor, &s.t, &s.asked);
	assert_string_equal(s.t.mend, "umount /sys/kernel/btf");
	s.doctor.host.sysfs = false;
	doctor_judge(&s.doctor, &s.t, &s.asked);
	assert_string_equal(s.t.mend, "mount -t sysfs sysfs /sys");
}

/* How much a distribution tells in uname(2) of what its kernel contains. */
static void versions(void **state)
{
	static const char debian[] = "#1 SMP Debian 5.10.262-1 (2026-07-31)", plain[] = "#1 SMP";

	(void)state;
	assert_int_equal(host_parse_version("5.10.0-46-cloud-amd64", debian, NULL),
			 HOST_VERSION(5, 10, 255));
	assert_int_equal(host_parse_version("5.15.0-91-generic", "#101-Ubuntu SMP",
					    "Ubuntu 5.15.0-91.101-generic 5.15.131\n"),
			 HOST_VERSION(5, 15, 131));
	assert_int_equal(host_parse_version("6.18.5", plain, NULL), HOST_VERSION(6, 18, 5));
	assert_int_equal(host_parse_version("7.0-rc1", plain, "damaged"), HOST_VERSION(7, 0, 0));
	assert_int_equal(host_parse_version("unknown", plain, NULL), 0);
	assert_false(host_takes_one_more(HOST_VERSION(5, 10, 233)));
	assert_true(host_takes_one_more(HOST_VERSION(5, 10, 234)));
	assert_false(host_takes_one_more(HOST_VERSION(6, 11, 200)));
	assert_true(host_takes_one_more(HOST_VERSION(6, 12, 118)));
	assert_true(host_takes_one_more(HOST_VERSION(6, 18, 0)));
	assert_false(host_survives_faults(HOST_VERSION(6, 2, 16)));
	assert_true(host_survives_faults(HOST_VERSION(6, 12, 11)));
	assert_true(host_locks_maps(HOST_VERSION(5, 10, 300)));
	assert_false(host_locks_maps(HOST_VERSION(5, 11, 0)));
}

/* Only where maps count as locked memory is the capability for that of use. */
static void locked_memory(void **state)
{
	struct mend mend = { NULL, "/bin/nettrace", "tcplife" };
	struct scene s;
	char text[300];

	(void)state;
	begin(&s);
	mend.host = &s.doctor.host;
	s.doctor.host.root = false;
	mend_privilege(&mend, text, sizeof(text));
	assert_null(strstr(text, "cap_sys_resource"));
	s.doctor.host.version = HOST_VERSION(5, 10, 262);
	mend_privilege(&mend, text, sizeof(text));
	assert_non_null(strstr(text, "cap_sys_resource"));
}

/* A tree that host_read() takes for the host's. */
static void put_file(const char *root, const char *path, const char *text)
{
	char whole[300], *slash;
	FILE *file;

	snprintf(whole, sizeof(whole), "%s%s", root, path);
	for (slash = whole + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = 0;
		mkdir(whole, 0755);
		*slash = '/';
	}
	file = fopen(whole, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static const char mounts[] =
	"22 1 0:20 / /sys rw - sysfs sysfs rw\n"
	"23 22 0:21 / /sys/kernel/tracing rw shared:1 - tracefs tracefs rw\n"
	"24 22 0:22 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
	"25 22 0:23 /part /sys/fs/cgroup/part rw - cgroup2 cgroup2 rw\n"
	"26 22 0:23 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

static void reads_host(void **state)
{
	char root[] = "/tmp/nt-doctor-XXXXXX", command[64], line[600];
	struct doctor doctor = { 0 };

	(void)state;
	assert_non_null(mkdtemp(root));
	host_read(&doctor.host, root);
	assert_int_equal(doctor.host.btf, ENOENT);
	assert_int_equal(doctor.host.jit, -1);
	doctor_facts(&doctor);
	assert_string_equal(doctor.facts[FACT_BTF].mend, "mount -t sysfs sysfs /sys");
	assert_string_equal(doctor.facts[FACT_CGROUP].mend,
			    "mount -t cgroup2 cgroup2 /sys/fs/cgroup");
	assert_string_equal(doctor.facts[FACT_TRACEFS].mend,
			    "mount -t tracefs tracefs /sys/kernel/tracing");
	put_file(root, "/proc/self/mountinfo", mounts);
	put_file(root, "/proc/sys/net/core/bpf_jit_enable", "0\n");
	put_file(root, "/sys/kernel/btf/vmlinux", "x");
	put_file(root, "/sys/kernel/security/lockdown", "[none] integrity confidentiality\n");
	host_read(&doctor.host, root);
	assert_string_equal(doctor.host.lockdown, "none");
	put_file(root, "/sys/kernel/security/lockdown", "none integrity [confidentiality]\n");
	host_read(&doctor.host, root);
	assert_string_equal(doctor.host.lockdown, "confidentiality");
	assert_string_equal(doctor.host.tracefs, "/sys/kernel/tracing");
	assert_string_equal(doctor.host.cgroup2, "/sys/fs/cgroup/unified");
	assert_true(doctor.host.cgroup1 && doctor.host.sysfs && !doctor.host.btf_covered);
	assert_int_equal(doctor.host.btf, 0);
	doctor_facts(&doctor);
	assert_string_equal(doctor.facts[FACT_CGROUP].text, "mixed");
	assert_string_equal(doctor.facts[FACT_JIT].mend, "sysctl -w net.core.bpf_jit_enable=1");
	assert_string_equal(doctor.facts[FACT_LOCKDOWN].mend,
			    "boot with lockdown=none on the kernel's command line");
	snprintf(line, sizeof(line),
		 "23 1 0:21 / /sys/kernel/%0*d rw - tracefs tracefs rw\n"
		 "24 1 0:22 / /mnt/a\\040\\134b rw - cgroup2 cgroup2 rw\n", 300, 0);
	put_file(root, "/proc/self/mountinfo", line);
	host_read(&doctor.host, root);
	assert_string_equal(doctor.host.tracefs, "");
	assert_string_equal(doctor.host.cgroup2, "/mnt/a \\b");
	snprintf(command, sizeof(command), "rm -r %s", root);
	assert_int_equal(system(command), 0);
}

static void names_missing_caps(void **state)
{
	char text[128];

	(void)state;
	assert_false(caps_missing(ALL_CAPS, CAPS_FOR_EVERY, text, sizeof(text)));
	assert_true(caps_missing(0, CAPS_FOR_EVERY, text, sizeof(text)));
	assert_string_equal(text, "CAP_BPF, CAP_PERFMON");
	assert_false(caps_missing(1ull << CAPS_SYS_ADMIN, CAPS_FOR_EVERY, text, sizeof(text)));
	assert_true(caps_missing(1ull << CAPS_BPF, CAPS_FOR_CGROUP_HOOKS, text, sizeof(text)));
	assert_string_equal(text, "CAP_NET_ADMIN");
}

static char *printed(void (*print)(const struct doctor *doctor), const struct doctor *doctor)
{
	FILE *screen = stdout;
	char *text = NULL;
	size_t len;

	stdout = open_memstream(&text, &len);
	assert_non_null(stdout);
	print(doctor);
	fclose(stdout);
	stdout = screen;
	return text;
}

/* Paths, mounts and what a run said: no control character in either form, JSON in UTF-8. */
static void any_bytes(void **state)
{
	static const char bytes[] = "a\x1b[2J\xc2\x9b\xff\x7f\"\xc3\xa4";
	struct scene s;
	char *text;
	int i;

	(void)state;
	begin(&s);
	s.doctor.tools = &s.t;
	s.doctor.n_tools = 1;
	doctor_facts(&s.doctor);
	for (i = 0; i < FACT_COUNT; i++)
		snprintf(s.doctor.facts[i].mend, sizeof(s.doctor.facts[i].mend), "%s", bytes);
	s.t.selftest = "wrong";
	snprintf(s.t.mend, sizeof(s.t.mend), "%s", bytes);
	snprintf(s.t.found, sizeof(s.t.found), "%s\nsecond line", bytes);
	text = printed(doctor_table, &s.doctor);
	assert_non_null(strstr(text, "mend: a\\x1b[2J\\xc2\\x9b\\xff\\x7f\"\xc3\xa4\n"));
	assert_non_null(strstr(text, "selftest: wrong: a\\x1b[2J"));
	assert_non_null(strstr(text, "\nsecond line\n"));
	assert_null(strpbrk(text, "\x1b\x7f\xff"));
	free(text);
	text = printed(doctor_json, &s.doctor);
	assert_non_null(strstr(text, "\"mend\":\"a\\u001b[2J\\u009b\\\\xff\\u007f\\\"\xc3\xa4\""));
	assert_null(strpbrk(text, "\x1b\x7f\xff"));
	free(text);
}

/* The words that a selftest is made of. */
static void compares_rows(void **state)
{
	static const struct selftest_value values[] = {
		{ "port", "80" }, { "name", "a" }, { "lost", "" }, { 0 },
	};
	static const char rows[] = "{\"tool\":\"x\",\"lport\":80,\"comm\":\"a\",\"n\":5}\n"
				   "{\"tool\":\"x\",\"lport\":81,\"comm\":\"b\",\"n\":7}\n"
				   "{\"tool\":\"x\",\"lport\":81,\"comm\":\"c\",\"n\":8}\n";
	static const struct {
		const char *line;
		bool right;
	} cases[] = {
		{ "lport=$port | comm=$name n=5", true }, { "lport=$port | comm=b", false },
		{ "lport=$port | n>=5 n<=5", true },	  { "lport=$port | n>=6", false },
		{ "lport=$port | n<=4", false },	  { "lport=81 | n>=7", false },
		{ "lport=81 | rows=2 n>=7", true },	  { "lport=81 | +n=15", true },
		{ "lport=81 | +n=14", false },		  { "lport=82 | n=1", false },
		{ "lport=82 | rows=0", true },		  { "lport=$port | pid=1", false },
		{ "lport=$lost comm=a | n=5", true },	  { "lport=$port | comm=$lost", true },
	};
	char found[300];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (selftest_check(cases[i].line, rows, values, found, sizeof(found)) !=
		    cases[i].right)
			fail_msg("%s", cases[i].line);
	selftest_check("lport=$port | n=6", rows, values, found, sizeof(found));
	assert_string_equal(found, "n is 5, expected 6, of rows with lport=80; "
				   "{\"tool\":\"x\",\"lport\":80,\"comm\":\"a\",\"n\":5}");
	selftest_check("lport=81 | n>=7", rows, values, found, 60);
	assert_string_equal(found,
			    "2 rows, expected one, of rows with lport=81; {\"tool\":\"x\",\"l");
	assert_false(selftest_known("a=1 | rows=$lost", values));
	assert_true(selftest_known("a=$lost | rows=$port", values));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions),
		cmocka_unit_test(locked_memory),
		cmocka_unit_test(all_fine),	    cmocka_unit_test(another_as_good),
		cmocka_unit_test(reduced),	    cmocka_unit_test(optional_missing),
		cmocka_unit_test(none_left),	    cmocka_unit_test(option_missing),
		cmocka_unit_test(no_privilege),	    cmocka_unit_test(no_btf),
		cmocka_unit_test(reads_host),	    cmocka_unit_test(names_missing_caps),
		cmocka_unit_test(any_bytes),
		cmocka_unit_test(compares_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
