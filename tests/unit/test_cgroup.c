/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Names, ids and searches against cgroups that this test makes itself. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"

#define ID_A "3f4e9a0b1c2d3f4e9a0b1c2d3f4e9a0b1c2d3f4e9a0b1c2d3f4e9a0b1c2d3f4e"
#define ID_B "3f4e9a0b1c2d00000a0b1c2d3f4e9a0b1c2d3f4e9a0b1c2d3f4e9a0b1c2d3f4e"

/* The v2 mount and a cgroup of ours below it; all "" when we may not make one. */
struct fixture {
	char root[PATH_MAX];
	char name[64];
	char dir[PATH_MAX + 64];
};

static struct fixture fix;

#define NEEDS_CGROUP()                                                                             \
	do {                                                                                       \
		if (!*fix.dir) {                                                                   \
			print_message("skipped: no cgroup v2, or may not make a cgroup\n");        \
			skip();                                                                    \
		}                                                                                  \
	} while (0)

static int set_up(void **state)
{
	(void)state;
	if (cgroup_find(CGROUP_PATH, "/", fix.root, sizeof(fix.root)))
		return 0;
	snprintf(fix.name, sizeof(fix.name), "/test-cgroup-%d", getpid());
	snprintf(fix.dir, sizeof(fix.dir), "%s%s", fix.root, fix.name);
	if (mkdir(fix.dir, 0755))
		*fix.dir = '\0';
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return *fix.dir ? rmdir(fix.dir) : 0;
}

static uint64_t id_of(const char *dir)
{
	struct stat st;

	assert_int_equal(stat(dir, &st), 0);
	return st.st_ino;
}

static char *make(const char *name)
{
	static char dir[PATH_MAX + 256];

	snprintf(dir, sizeof(dir), "%s/%s", fix.dir, name);
	assert_int_equal(mkdir(dir, 0755), 0);
	return dir;
}

static void drop(const char *name)
{
	char dir[PATH_MAX + 256];

	snprintf(dir, sizeof(dir), "%s/%s", fix.dir, name);
	assert_int_equal(rmdir(dir), 0);
}

static void assert_below_fixture(const char *dir, const char *name)
{
	char want[PATH_MAX + 256];

	snprintf(want, sizeof(want), "%s/%s", fix.dir, name);
	assert_string_equal(dir, want);
}

static struct cgroups *open_cgroups(void)
{
	struct cgroups *cgroups = NULL;

	assert_int_equal(cgroups_new(&cgroups, true), 0);
	assert_non_null(cgroups);
	return cgroups;
}

static void test_path(void **state)
{
	struct cgroups *cgroups;
	char want[128];
	uint64_t id;

	(void)state;
	NEEDS_CGROUP();
	cgroups = open_cgroups();
	assert_string_equal(cgroups_path(cgroups, id_of(fix.root)), "/");
	assert_string_equal(cgroups_path(cgroups, id_of(fix.dir)), fix.name);
	id = id_of(make("inner one"));
	snprintf(want, sizeof(want), "%s/inner one", fix.name);
	assert_string_equal(cgroups_path(cgroups, id), want);
	drop("inner one");
	/* it outlives the cgroup */
	assert_string_equal(cgroups_path(cgroups, id), want);
	cgroups_free(cgroups);
	/* but only if somebody asked in time */
	cgroups = open_cgroups();
	assert_null(cgroups_path(cgroups, id));
	assert_null(cgroups_path(cgroups, id));
	cgroups_free(cgroups);
}

static void test_unknown(void **state)
{
	struct cgroups *cgroups = open_cgroups();

	(void)state;
	assert_null(cgroups_path(cgroups, 0));
	assert_null(cgroups_path(cgroups, UINT64_MAX));
	assert_null(cgroups_path(cgroups, 1ull << 60));
	cgroups_free(cgroups);
}

/* Without CAP_DAC_READ_SEARCH the tree is walked. */
static int walk_as_another_user(uint64_t id)
{
	struct cgroups *cgroups;
	const char *path;

	if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534) ||
	    cgroups_new(&cgroups, true))
		return 1;
	path = cgroups_path(cgroups, id);
	if (!path || strcmp(path, fix.name))
		return 2;
	path = cgroups_path(cgroups, id_of(fix.root));
	if (!path || strcmp(path, "/"))
		return 3;
	if (cgroups_path(cgroups, UINT64_MAX))
		return 4;
	cgroups_free(cgroups);
	return 0;
}

static void test_walk(void **state)
{
	uint64_t id;
	int status;
	pid_t pid;

	(void)state;
	NEEDS_CGROUP();
	id = id_of(fix.dir);
	pid = fork();
	if (!pid)
		_exit(walk_as_another_user(id));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

struct names {
	unsigned int nr;
	uint64_t id[8];
	char path[8][128];
};

static void note_name(void *ctx, uint64_t id, const char *path)
{
	struct names *names = ctx;

	assert_in_range(names->nr, 0, 7);
	names->id[names->nr] = id;
	snprintf(names->path[names->nr++], sizeof(names->path[0]), "%s", path);
}

static void test_learn(void **state)
{
	struct cgroups *cgroups = open_cgroups();
	const uint64_t id = 1ull << 61;
	struct names names = { 0 };
	const char *first;

	(void)state;
	assert_null(cgroups_path(cgroups, id));
	cgroups_new_names(cgroups, note_name, &names);
	assert_int_equal(names.nr, 0);

	assert_int_equal(cgroups_learn(cgroups, id, "/first"), 0);
	assert_int_equal(cgroups_learn(cgroups, id, "/first"), 0);
	first = cgroups_path(cgroups, id);
	assert_string_equal(first, "/first");
	assert_int_equal(cgroups_learn(cgroups, id, "/second"), 0);
	assert_string_equal(cgroups_path(cgroups, id), "/second");
	assert_string_equal(first, "/first");

	cgroups_new_names(cgroups, note_name, &names);
	assert_int_equal(names.nr, 2);
	assert_int_equal(names.id[0], id);
	assert_string_equal(names.path[0], "/first");
	assert_string_equal(names.path[1], "/second");
	cgroups_new_names(cgroups, note_name, &names);
	assert_int_equal(names.nr, 2);
	cgroups_free(cgroups);
}

static void test_new_names(void **state)
{
	struct cgroups *cgroups;
	struct names names = { 0 };

	(void)state;
	NEEDS_CGROUP();
	cgroups = open_cgroups();
	cgroups_path(cgroups, id_of(fix.dir));
	cgroups_path(cgroups, id_of(fix.dir));
	cgroups_new_names(cgroups, note_name, &names);
	assert_int_equal(names.nr, 1);
	assert_int_equal(names.id[0], id_of(fix.dir));
	assert_string_equal(names.path[0], fix.name);
	cgroups_path(cgroups, id_of(fix.root));
	cgroups_new_names(cgroups, note_name, &names);
	assert_int_equal(names.nr, 2);
	assert_string_equal(names.path[1], "/");
	cgroups_free(cgroups);
}

static void test_many(void **state)
{
	struct cgroups *cgroups = open_cgroups();
	char path[32];

	(void)state;
	for (uint64_t id = 1; id <= 20000; id++) {
		snprintf(path, sizeof(path), "/%u", (unsigned int)id);
		assert_int_equal(cgroups_learn(cgroups, id << 32, path), 0);
	}
	for (uint64_t id = 1; id <= 20000; id++) {
		snprintf(path, sizeof(path), "/%u", (unsigned int)id);
		assert_string_equal(cgroups_path(cgroups, id << 32), path);
	}
	cgroups_free(cgroups);
}

static void test_find_path(void **state)
{
	char dir[PATH_MAX], word[PATH_MAX + 128];

	(void)state;
	NEEDS_CGROUP();
	assert_int_equal(cgroup_find(CGROUP_PATH, fix.name, dir, sizeof(dir)), 0);
	assert_string_equal(dir, fix.dir);
	snprintf(word, sizeof(word), "%s/", fix.name);
	assert_int_equal(cgroup_find(CGROUP_PATH, word, dir, sizeof(dir)), 0);
	assert_string_equal(dir, fix.dir);
	assert_int_equal(cgroup_find(CGROUP_PATH, fix.dir, dir, sizeof(dir)), 0);
	assert_string_equal(dir, fix.dir);
	assert_int_equal(cgroup_find(CGROUP_PATH, "/no/such", dir, sizeof(dir)), -ENOENT);
	assert_int_equal(cgroup_find(CGROUP_PATH, "/tmp", dir, sizeof(dir)), -ENOENT);
	assert_int_equal(cgroup_find(CGROUP_PATH, "/../../..", dir, sizeof(dir)), -ENOENT);
	assert_int_equal(cgroup_find(CGROUP_PATH, "/cgroup.procs", dir, sizeof(dir)), -ENOENT);
	assert_int_equal(cgroup_find(CGROUP_PATH, "", dir, sizeof(dir)), -EINVAL);
	assert_int_equal(cgroup_find(CGROUP_PATH, fix.name, dir, 8), -ENAMETOOLONG);
}

static void test_find_v1(void **state)
{
	char want[] = "/sys/fs/cgroup/systemd/test-cgroup-v1-XXXXXX", dir[PATH_MAX];

	(void)state;
	if (!mkdtemp(want)) {
		print_message("skipped: no v1 hierarchy, or may not make a cgroup\n");
		skip();
	}
	assert_int_equal(cgroup_find(CGROUP_PATH, want, dir, sizeof(dir)), 0);
	assert_string_equal(dir, want);
	assert_int_equal(cgroup_find(CGROUP_PATH, strrchr(want, '/'), dir, sizeof(dir)), 0);
	assert_string_equal(dir, want);
	assert_int_equal(rmdir(want), 0);
}

static void test_find_unit(void **state)
{
	char dir[2 * PATH_MAX];

	(void)state;
	NEEDS_CGROUP();
	make("test-unit.slice");
	make("test-unit.slice/test-web.service");
	make("test-unit.slice/test-web.service/test-web.service");
	assert_int_equal(cgroup_find(CGROUP_UNIT, "test-web", dir, sizeof(dir)), 0);
	assert_below_fixture(dir, "test-unit.slice/test-web.service");
	assert_int_equal(cgroup_find(CGROUP_UNIT, "test-web.service", dir, sizeof(dir)), 0);
	assert_below_fixture(dir, "test-unit.slice/test-web.service");
	assert_int_equal(cgroup_find(CGROUP_UNIT, "test-unit.slice", dir, sizeof(dir)), 0);
	assert_below_fixture(dir, "test-unit.slice");
	assert_int_equal(cgroup_find(CGROUP_UNIT, "test-we", dir, sizeof(dir)), -ENOENT);
	assert_int_equal(cgroup_find(CGROUP_UNIT, "test-web.scope", dir, sizeof(dir)), -ENOENT);
	assert_int_equal(cgroup_find(CGROUP_UNIT, "", dir, sizeof(dir)), -EINVAL);
	assert_int_equal(cgroup_find(CGROUP_UNIT, "a/b", dir, sizeof(dir)), -EINVAL);
	assert_int_equal(cgroup_find(CGROUP_UNIT, "test-web", dir, 8), -ENAMETOOLONG);

	make("test-web.service");
	assert_int_equal(cgroup_find(CGROUP_UNIT, "test-web", dir, sizeof(dir)), -EEXIST);
	assert_non_null(strstr(dir, "/test-web.service "));
	assert_non_null(strstr(dir, "/test-unit.slice/test-web.service"));
	drop("test-web.service");
	drop("test-unit.slice/test-web.service/test-web.service");
	drop("test-unit.slice/test-web.service");
	drop("test-unit.slice");
}

static void test_find_container(void **state)
{
	static const char *const names[] = {
		ID_A, "docker-" ID_A ".scope", "libpod-" ID_A ".scope", "crio-" ID_A ".scope",
		"cri-containerd-" ID_A ".scope", "system.slice:docker:" ID_A,
	};
	char dir[2 * PATH_MAX];

	(void)state;
	NEEDS_CGROUP();
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		make(names[i]);
		assert_int_equal(cgroup_find(CGROUP_CONTAINER, "3F4E9a0b1c2d3", dir, sizeof(dir)),
				 0);
		assert_below_fixture(dir, names[i]);
		assert_int_equal(cgroup_find(CGROUP_CONTAINER, ID_A, dir, sizeof(dir)), 0);
		/* not from the middle of an id */
		assert_int_equal(cgroup_find(CGROUP_CONTAINER, "e9a0b1c2d3f4", dir, sizeof(dir)),
				 -ENOENT);
		drop(names[i]);
	}
	make("libpod-conmon-" ID_A ".scope");
	make("3f4e9a0b.service"); /* too short for an id */
	assert_int_equal(cgroup_find(CGROUP_CONTAINER, "3f4e9a", dir, sizeof(dir)), -ENOENT);
	drop("libpod-conmon-" ID_A ".scope");
	drop("3f4e9a0b.service");
	assert_int_equal(cgroup_find(CGROUP_CONTAINER, "3f4", dir, sizeof(dir)), -EINVAL);
	assert_int_equal(cgroup_find(CGROUP_CONTAINER, "3f4e9a0x", dir, sizeof(dir)), -EINVAL);
	assert_int_equal(cgroup_find(CGROUP_CONTAINER, "", dir, sizeof(dir)), -EINVAL);
}

static void test_find_ambiguous(void **state)
{
	char dir[2 * PATH_MAX];

	(void)state;
	NEEDS_CGROUP();
	make("docker-" ID_A ".scope");
	make("docker-" ID_A ".scope/init");
	make("docker-" ID_B ".scope");
	assert_int_equal(cgroup_find(CGROUP_CONTAINER, "3f4e9a0b1c2d", dir, sizeof(dir)), -EEXIST);
	assert_non_null(strstr(dir, ID_A ".scope"));
	assert_non_null(strstr(dir, ID_B ".scope"));
	assert_non_null(strchr(dir, ' '));
	assert_int_equal(cgroup_find(CGROUP_CONTAINER, "3f4e9a0b1c2d0", dir, sizeof(dir)), 0);
	assert_below_fixture(dir, "docker-" ID_B ".scope");
	drop("docker-" ID_A ".scope/init");
	drop("docker-" ID_A ".scope");
	drop("docker-" ID_B ".scope");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_path),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_learn),
		cmocka_unit_test(test_new_names),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_find_path),
		cmocka_unit_test(test_find_v1),
		cmocka_unit_test(test_find_unit),
		cmocka_unit_test(test_find_container),
		cmocka_unit_test(test_find_ambiguous),
	};

	return cmocka_run_group_tests_name("cgroup", tests, set_up, tear_down);
}
