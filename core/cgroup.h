/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Cgroups by id and by path. The id of a cgroup is the inode number of its directory in the
 * cgroup v2 file system (the kernfs id, as bpf_get_current_cgroup_id() tells it).
 */
#ifndef NT_CGROUP_H
#define NT_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cgroups;

/*
 * Finds the cgroup v2 mount (also the "unified" one of a hybrid host) in /proc/self/mountinfo.
 * A host without cgroup v2 is not an error: nothing but what was learnt is known then, as
 * without `host` (replay). Returns 0 or -errno.
 */
int cgroups_new(struct cgroups **cgroups, bool host);
void cgroups_free(struct cgroups *cgroups);

/* The root directory of the cgroup v2 hierarchy, opened; -ENOENT: it is not mounted; or -errno. */
int cgroup_open_root(void);

/*
 * The path below the cgroup v2 mount ("/", "/system.slice/nginx.service"). It is remembered, so
 * a name found once outlives its cgroup; an unknown id is looked up again at most once a second.
 * NULL: unknown. The string lives until cgroups_free().
 */
const char *cgroups_path(struct cgroups *cgroups, uint64_t id);

/* Remembers a name for an id (replay). The last one learnt counts. Returns 0 or -errno. */
int cgroups_learn(struct cgroups *cgroups, uint64_t id, const char *path);

/* Calls `each` for every id that got a name, by look-up or by learning, and was not yet told. */
void cgroups_new_names(struct cgroups *cgroups,
		       void (*each)(void *ctx, uint64_t id, const char *path), void *ctx);

/*
 * CGROUP_PATH (--cgroup): a path below the v2 mount ("/system.slice"), else an absolute directory
 * of any cgroup mount, else a path below a v1 mount.
 * CGROUP_UNIT (--unit): a systemd unit; ".service" is added to a name without a unit's suffix.
 * CGROUP_CONTAINER (--container): the first 4 or more hex digits of a container's id.
 * Units and containers are searched for in the v2 mount, then in the v1 mounts; the first
 * hierarchy that knows the word decides.
 */
enum cgroup_by { CGROUP_PATH, CGROUP_UNIT, CGROUP_CONTAINER };

/*
 * Writes the absolute directory of the cgroup that `word` means. Returns 0, -ENOENT (no such
 * cgroup), -EEXIST (several: the first two are in `dir`, separated by ' '), -EINVAL (no word for
 * this kind), -ENAMETOOLONG or another -errno.
 */
int cgroup_find(enum cgroup_by by, const char *word, char *dir, size_t size);

/* Whether `path` is, or is below, what `word` means: the same question asked of a name (replay). */
bool cgroup_matches(enum cgroup_by by, const char *word, const char *path);

/*
 * Calls `each` for every process in the cgroup directory `dir` and below it. Returns 0 or -errno.
 */
int cgroup_members(const char *dir, void (*each)(void *ctx, uint32_t pid), void *ctx);

#endif
