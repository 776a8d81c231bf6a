/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Finds cgroups: the path of an id by its file handle, the directory of a unit or container. */
#include "cgroup.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "mountinfo.h"

#define BUCKETS 4096
#define MAX_MOUNTS 64
#define RETRY_NS 1000000000ull
#define MIN_PAUSE_NS 20000000ull /* between two walks */
#define KERNFS_HANDLE 0xfe    /* FILEID_KERNFS, include/linux/exportfs.h (5.5) */
#define MIN_CONTAINER_WORD 4  /* digits that a user must give */
#define MIN_CONTAINER_ID 12   /* digits that make a name a container's */

/* In the order in which they are asked. */
enum rank { RANK_V2, RANK_V2_PART, RANK_V1_NAMED, RANK_V1, NR_RANKS };

struct mounts {
	char *dir[MAX_MOUNTS];
	enum rank rank[MAX_MOUNTS];
	size_t nr;
};

struct entry {
	struct entry *next;   /* of the same bucket, newest first */
	struct entry *untold; /* the next one to tell */
	uint64_t id;
	uint64_t retry; /* ns, CLOCK_MONOTONIC: while unknown, not to be looked up before */
	char *path;     /* NULL: unknown */
	bool listed;    /* was in the list of the untold */
};

struct cgroups {
	char *root; /* the v2 mount; NULL: there is none */
	int fd;     /* of root */
	bool no_handles;
	uint64_t next_walk; /* ns, CLOCK_MONOTONIC */
	struct entry *untold, **untold_end;
	struct entry *buckets[BUCKETS];
};

/* Told of a directory; WALK_SKIP does not enter it, an error or WALK_STOP ends the walk. */
enum { WALK_ON, WALK_SKIP, WALK_STOP };
typedef int (*walk_fn)(void *ctx, const char *path, const char *name, uint64_t id);

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/* All directories below path[0..len], depth first. What vanishes or cannot be read is left out. */
static int walk(char path[PATH_MAX], size_t len, walk_fn visit, void *ctx)
{
	struct dirent *entry;
	DIR *dir = opendir(path);
	int ret = WALK_ON;

	if (!dir)
		return errno == ENOMEM ? -ENOMEM : WALK_ON;
	while ((ret == WALK_ON || ret == WALK_SKIP) && (entry = readdir(dir))) {
		size_t name = strlen(entry->d_name);

		if (entry->d_type != DT_DIR || !strcmp(entry->d_name, ".") ||
		    !strcmp(entry->d_name, "..") || len + 1 + name >= PATH_MAX)
			continue;
		path[len] = '/';
		memcpy(path + len + 1, entry->d_name, name + 1);
		ret = visit(ctx, path, entry->d_name, entry->d_ino);
		if (ret == WALK_ON)
			ret = walk(path, len + 1 + name, visit, ctx);
		path[len] = '\0';
	}
	closedir(dir);
	return ret == WALK_SKIP ? WALK_ON : ret;
}

/* Mounts */

static bool is_cgroup_dir(const char *dir)
{
	struct statfs fs;
	struct stat st;

	return !stat(dir, &st) && S_ISDIR(st.st_mode) && !statfs(dir, &fs) &&
	       (fs.f_type == CGROUP2_SUPER_MAGIC || fs.f_type == CGROUP_SUPER_MAGIC);
}

static void mounts_free(struct mounts *mounts)
{
	for (size_t i = 0; i < mounts->nr; i++)
		free(mounts->dir[i]);
	mounts->nr = 0;
}

static int mounts_insert(struct mounts *mounts, const char *dir, enum rank rank)
{
	size_t at = mounts->nr;
	char *copy;

	if (at == MAX_MOUNTS)
		return 0;
	copy = strdup(dir);
	if (!copy)
		return -ENOMEM;
	for (; at && mounts->rank[at - 1] > rank; at--) {
		mounts->rank[at] = mounts->rank[at - 1];
		mounts->dir[at] = mounts->dir[at - 1];
	}
	mounts->dir[at] = copy;
	mounts->rank[at] = rank;
	mounts->nr++;
	return 0;
}

static int take_mount(void *mounts, const struct mountinfo *mount)
{
	enum rank rank;

	if (!strcmp(mount->type, "cgroup2"))
		rank = strcmp(mount->root, "/") ? RANK_V2_PART : RANK_V2;
	else if (!strcmp(mount->type, "cgroup"))
		rank = strstr(mount->options, "name=") ? RANK_V1_NAMED : RANK_V1;
	else
		return 0;
	/* Something else may be mounted over it. */
	return is_cgroup_dir(mount->at) ? mounts_insert(mounts, mount->at, rank) : 0;
}

static int mounts_read(struct mounts *mounts)
{
	int err;

	mounts->nr = 0;
	err = mountinfo_each("", take_mount, mounts);
	if (err)
		mounts_free(mounts);
	return err;
}

/* Names by id */

static struct entry **bucket_of(struct cgroups *cgroups, uint64_t id)
{
	return &cgroups->buckets[(id * 0x9e3779b97f4a7c15ull) >> 52];
}

static struct entry *find_entry(struct cgroups *cgroups, uint64_t id)
{
	struct entry *entry = *bucket_of(cgroups, id);

	while (entry && entry->id != id)
		entry = entry->next;
	return entry;
}

static struct entry *add_entry(struct cgroups *cgroups, uint64_t id)
{
	struct entry **bucket = bucket_of(cgroups, id);
	struct entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return NULL;
	entry->id = id;
	entry->next = *bucket;
	*bucket = entry;
	return entry;
}

/* A walk names every cgroup of the host: only those that were asked for are worth telling. */
static const char *want(struct cgroups *cgroups, struct entry *entry)
{
	if (entry->path && !entry->listed) {
		entry->listed = true;
		*cgroups->untold_end = entry;
		cgroups->untold_end = &entry->untold;
	}
	return entry->path;
}

/* The part of a directory's path that is below the v2 mount; NULL if it is elsewhere. */
static const char *below_root(const struct cgroups *cgroups, const char *dir)
{
	size_t len = strlen(cgroups->root);

	if (strncmp(dir, cgroups->root, len))
		return NULL;
	return dir[len] == '/' ? dir + len : dir[len] ? NULL : "/";
}

/* " (deleted)" is the kernel's when no such directory is there. */
static void strip_deleted(char *path, size_t len, uint64_t id)
{
	static const char deleted[] = " (deleted)";
	const size_t tail = sizeof(deleted) - 1;
	struct stat st;

	if (len > tail && !strcmp(path + len - tail, deleted) &&
	    (stat(path, &st) || st.st_ino != id))
		path[len - tail] = '\0';
}

/* A kernfs handle is nothing but the id, so it opens the directory without a search. */
static char *path_by_handle(struct cgroups *cgroups, uint64_t id)
{
	union {
		struct file_handle handle;
		char room[sizeof(struct file_handle) + sizeof(id)];
	} ask = { .handle.handle_bytes = sizeof(id), .handle.handle_type = KERNFS_HANDLE };
	char link[32], path[PATH_MAX + 16];
	const char *below;
	ssize_t len;
	int fd;

	memcpy(ask.room + sizeof(ask.handle), &id, sizeof(id));
	fd = open_by_handle_at(cgroups->fd, &ask.handle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		/* CAP_DAC_READ_SEARCH is missing, or a sandbox forbids it; ESTALE: no such id */
		cgroups->no_handles = errno != ESTALE && errno != ENOMEM && errno != EMFILE &&
				      errno != ENFILE;
		return NULL;
	}
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	close(fd);
	if (len < 0)
		return NULL;
	path[len] = '\0';
	strip_deleted(path, len, id);
	below = below_root(cgroups, path);
	return below ? strdup(below) : NULL;
}

static int note_cgroup(void *ctx, const char *path, const char *name, uint64_t id)
{
	struct cgroups *cgroups = ctx;
	struct entry *entry = find_entry(cgroups, id);

	(void)name;
	if (!entry)
		entry = add_entry(cgroups, id);
	if (entry && !entry->path)
		entry->path = strdup(below_root(cgroups, path));
	return entry && entry->path ? WALK_ON : -ENOMEM;
}

static void note_all(struct cgroups *cgroups)
{
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s", cgroups->root);
	if (!fstat(cgroups->fd, &st))
		note_cgroup(cgroups, path, "", st.st_ino);
	walk(path, strlen(path), note_cgroup, cgroups);
}

int cgroups_new(struct cgroups **cgroups, bool host)
{
	struct cgroups *made = calloc(1, sizeof(*made));
	struct mounts mounts;
	int err;

	if (!made)
		return -ENOMEM;
	made->fd = -1;
	made->untold_end = &made->untold;
	*cgroups = made;
	if (!host)
		return 0;
	err = mounts_read(&mounts);
	if (err) {
		cgroups_free(made);
		return err;
	}
	if (mounts.nr && mounts.rank[0] <= RANK_V2_PART)
		made->fd = open(mounts.dir[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (made->fd >= 0) {
		made->root = mounts.dir[0];
		mounts.dir[0] = NULL;
	}
	mounts_free(&mounts);
	return 0;
}

int cgroup_open_root(void)
{
	struct mounts mounts;
	int fd = mounts_read(&mounts);

	if (fd)
		return fd;
	fd = -ENOENT;
	if (mounts.nr && mounts.rank[0] == RANK_V2)
		fd = open(mounts.dir[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		fd = -errno;
	mounts_free(&mounts);
	return fd;
}

void cgroups_free(struct cgroups *cgroups)
{
	if (!cgroups)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		while (cgroups->buckets[i]) {
			struct entry *entry = cgroups->buckets[i];

			cgroups->buckets[i] = entry->next;
			free(entry->path);
			free(entry);
		}
	}
	if (cgroups->fd >= 0)
		close(cgroups->fd);
	free(cgroups->root);
	free(cgroups);
}

/*
 * When the tree may be walked again: often enough that a cgroup which lives shortly gets its name,
 * and not so often that it takes more than a twentieth of the time.
 */
static uint64_t pace(uint64_t began)
{
	uint64_t ended = now_ns(), pause = 20 * (ended - began);

	if (pause < MIN_PAUSE_NS)
		pause = MIN_PAUSE_NS;
	return ended + (pause < RETRY_NS ? pause : RETRY_NS);
}

const char *cgroups_path(struct cgroups *cgroups, uint64_t id)
{
	struct entry *entry = find_entry(cgroups, id);
	uint64_t now;

	if (entry && entry->path)
		return want(cgroups, entry);
	if (!cgroups->root || !id)
		return NULL;
	now = now_ns();
	if (entry && now < entry->retry)
		return NULL;
	if (!entry)
		entry = add_entry(cgroups, id);
	if (!entry)
		return NULL;
	entry->retry = now + RETRY_NS;
	if (!cgroups->no_handles)
		entry->path = path_by_handle(cgroups, id);
	if (cgroups->no_handles && now >= cgroups->next_walk) {
		note_all(cgroups);
		cgroups->next_walk = pace(now);
	} else if (cgroups->no_handles) {
		entry->retry = cgroups->next_walk;
	}
	return want(cgroups, entry);
}

int cgroups_learn(struct cgroups *cgroups, uint64_t id, const char *path)
{
	struct entry *entry = find_entry(cgroups, id);
	char *copy;

	if (entry && entry->path && !strcmp(entry->path, path))
		return 0;
	copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	/* Somebody may still use the old name: it stays, behind the new one. */
	if (!entry || entry->path)
		entry = add_entry(cgroups, id);
	if (!entry) {
		free(copy);
		return -ENOMEM;
	}
	entry->path = copy;
	want(cgroups, entry);
	return 0;
}

void cgroups_new_names(struct cgroups *cgroups,
		       void (*each)(void *ctx, uint64_t id, const char *path), void *ctx)
{
	struct entry *entry = cgroups->untold;

	cgroups->untold = NULL;
	cgroups->untold_end = &cgroups->untold;
	for (; entry; entry = entry->untold)
		each(ctx, entry->id, entry->path);
}

/* Directories by word */

struct search {
	enum cgroup_by by;
	char word[NAME_MAX + 1];
	char *dir; /* the caller's */
	size_t size;
	size_t hits;
};

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* <id>, docker-<id>.scope, cri-containerd-<id>.scope, ...: an id is a long run of hex digits. */
static bool is_container(const char *name, const char *prefix)
{
	size_t len = strlen(prefix);

	if (strstr(name, "conmon-")) /* the monitor of a container bears the same id */
		return false;
	while (*name) {
		size_t run = 0;

		while (is_hex(name[run]))
			run++;
		if (run >= MIN_CONTAINER_ID && run >= len && !strncmp(name, prefix, len))
			return true;
		name += run ? run : 1;
	}
	return false;
}

static bool is_named(const struct search *search, const char *name)
{
	return search->by == CGROUP_UNIT ? !strcmp(name, search->word) :
					   is_container(name, search->word);
}

static int match(void *ctx, const char *path, const char *name, uint64_t id)
{
	struct search *search = ctx;
	size_t used;
	int len;

	(void)id;
	if (!is_named(search, name))
		return WALK_ON;
	used = search->hits ? strlen(search->dir) : 0;
	len = snprintf(search->dir + used, search->size - used, "%s%s", used ? " " : "", path);
	if (!search->hits++)
		return (size_t)len < search->size ? WALK_SKIP : -ENAMETOOLONG;
	return WALK_STOP;
}

static int find_by_name(const struct mounts *mounts, struct search *search)
{
	char path[PATH_MAX];
	int ret = 0;

	for (size_t i = 0; i < mounts->nr && !search->hits && ret >= 0; i++) {
		snprintf(path, sizeof(path), "%s", mounts->dir[i]);
		ret = walk(path, strlen(path), match, search);
	}
	if (ret < 0)
		return ret;
	return !search->hits ? -ENOENT : search->hits > 1 ? -EEXIST : 0;
}

static int take_dir(const char *root, const char *path, char *dir, size_t size)
{
	char joined[2 * PATH_MAX], real[PATH_MAX];
	int len = snprintf(joined, sizeof(joined), "%s/%s", root, path);

	if ((size_t)len >= sizeof(joined))
		return -ENAMETOOLONG;
	if (!realpath(joined, real))
		return errno == ENOTDIR ? -ENOENT : -errno;
	if (!is_cgroup_dir(real))
		return -ENOENT;
	return (size_t)snprintf(dir, size, "%s", real) < size ? 0 : -ENAMETOOLONG;
}

static int find_by_path(const struct mounts *mounts, const char *word, char *dir, size_t size)
{
	bool absolute_tried = false;
	int err = -ENOENT;

	for (size_t i = 0; i < mounts->nr && err == -ENOENT; i++) {
		if (mounts->rank[i] > RANK_V2_PART && *word == '/' && !absolute_tried) {
			absolute_tried = true;
			err = take_dir("", word, dir, size);
		}
		if (err == -ENOENT)
			err = take_dir(mounts->dir[i], word, dir, size);
	}
	if (err == -ENOENT && *word == '/' && !absolute_tried)
		err = take_dir("", word, dir, size);
	return err;
}

static int set_unit(struct search *search, const char *word)
{
	static const char *const suffixes[] = { ".service", ".scope", ".slice",
						".mount", ".socket", ".swap" };
	size_t len = strlen(word);
	bool has_suffix = false;

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++) {
		size_t tail = strlen(suffixes[i]);

		has_suffix |= len > tail && !strcmp(word + len - tail, suffixes[i]);
	}
	if (!len || strchr(word, '/') || len + sizeof(".service") > sizeof(search->word))
		return -EINVAL;
	snprintf(search->word, sizeof(search->word), "%s%s", word, has_suffix ? "" : ".service");
	return 0;
}

static int set_container(struct search *search, const char *word)
{
	size_t len = strlen(word);

	if (len < MIN_CONTAINER_WORD || len >= sizeof(search->word))
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		search->word[i] = tolower((unsigned char)word[i]);
		if (!is_hex(search->word[i]))
			return -EINVAL;
	}
	return 0;
}

int cgroup_find(enum cgroup_by by, const char *word, char *dir, size_t size)
{
	struct search search = { .by = by, .dir = dir, .size = size };
	struct mounts mounts;
	int err;

	if (!size)
		return -ENAMETOOLONG;
	*dir = '\0';
	if (by == CGROUP_PATH)
		err = *word ? 0 : -EINVAL;
	else
		err = by == CGROUP_UNIT ? set_unit(&search, word) : set_container(&search, word);
	if (!err)
		err = mounts_read(&mounts);
	if (err)
		return err;
	if (by == CGROUP_PATH)
		err = find_by_path(&mounts, word, dir, size);
	else
		err = find_by_name(&mounts, &search);
	mounts_free(&mounts);
	return err;
}

bool cgroup_matches(enum cgroup_by by, const char *word, const char *path)
{
	struct search search = { .by = by };
	char copy[PATH_MAX], *rest = copy, *name;
	size_t len = strlen(word);

	if (by == CGROUP_PATH) {
		while (len && word[len - 1] == '/')
			len--;
		return !strncmp(path, word, len) && (!path[len] || path[len] == '/');
	}
	if (by == CGROUP_UNIT ? set_unit(&search, word) : set_container(&search, word))
		return false;
	snprintf(copy, sizeof(copy), "%s", path);
	while ((name = strsep(&rest, "/")))
		if (is_named(&search, name))
			return true;
	return false;
}

struct members {
	void (*each)(void *ctx, uint32_t pid);
	void *ctx;
};

static int tell_members(void *ctx, const char *path, const char *name, uint64_t id)
{
	const struct members *members = ctx;
	char procs[PATH_MAX + sizeof("/cgroup.procs")];
	uint32_t pid;
	FILE *file;

	(void)name;
	(void)id;
	snprintf(procs, sizeof(procs), "%s/cgroup.procs", path);
	file = fopen(procs, "re");
	while (file && fscanf(file, "%u", &pid) == 1)
		members->each(members->ctx, pid);
	if (file)
		fclose(file);
	return WALK_ON;
}

int cgroup_members(const char *dir, void (*each)(void *ctx, uint32_t pid), void *ctx)
{
	struct members members = { each, ctx };
	char path[PATH_MAX];

	if ((size_t)snprintf(path, sizeof(path), "%s", dir) >= sizeof(path))
		return -ENAMETOOLONG;
	tell_members(&members, path, "", 0);
	return walk(path, strlen(path), tell_members, &members);
}
