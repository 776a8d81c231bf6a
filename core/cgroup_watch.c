// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Looks at the directories that the cgroups are in. */
#include "cgroup_watch.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "cgroup1.h"

#define GONE "is gone, and nothing more is seen of it: start anew to see a later one"

struct cgroup_watch {
	const struct session_opts *opts;
	int fd, map;
	int parents[NT_MAX_CGROUPS]; /* watch descriptors, -1: none */
	bool v1[NT_MAX_CGROUPS]; /* the probes know it by a number that is fixed */
};

static int watch_parent(int fd, const char *dir)
{
	char *parent = strdup(dir);
	int wd = parent ? inotify_add_watch(fd, dirname(parent),
					    IN_CREATE | IN_DELETE | IN_ONLYDIR) : -1;

	free(parent);
	return wd;
}

struct cgroup_watch *cgroup_watch_open(const struct session_opts *opts, int map)
{
	struct cgroup_watch *watch = opts->n_cgroups ? calloc(1, sizeof(*watch)) : NULL;
	int i;

	if (!watch)
		return NULL;
	watch->opts = opts;
	watch->map = map;
	watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (watch->fd < 0) {
		free(watch);
		return NULL;
	}
	for (i = 0; i < opts->n_cgroups; i++) {
		watch->parents[i] = watch_parent(watch->fd, opts->cgroups[i].dir);
		watch->v1[i] = cgroup1_is(opts->cgroups[i].dir);
	}
	return watch;
}

void cgroup_watch_close(struct cgroup_watch *watch)
{
	if (!watch)
		return;
	close(watch->fd);
	free(watch);
}

int cgroup_watch_fd(const struct cgroup_watch *watch)
{
	return watch->fd;
}

static bool put_again(const struct cgroup_watch *watch, uint32_t i)
{
	int fd = open(watch->opts->cgroups[i].dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool put = fd >= 0 && !bpf_map_update_elem(watch->map, &i, &fd, BPF_ANY);

	if (fd >= 0)
		close(fd);
	return put;
}

static void on_event(struct cgroup_watch *watch, const struct inotify_event *event,
		     void (*say)(void *ctx, const char *text), void *ctx)
{
	const struct session_cgroup *c;
	const char *what;
	char text[400];
	int i;

	for (i = 0; i < watch->opts->n_cgroups; i++) {
		c = &watch->opts->cgroups[i];
		if (event->mask & IN_Q_OVERFLOW) /* anything may have happened */
			put_again(watch, i);
		if (event->wd < 0 || watch->parents[i] != event->wd)
			continue;
		if (event->mask & IN_IGNORED) /* with the directory it is in */
			what = GONE;
		else if (strcmp(strrchr(c->dir, '/') + 1, event->name))
			continue;
		else if (event->mask & IN_DELETE)
			what = watch->v1[i] ? GONE : "is gone; it is followed when it comes back";
		else if (!watch->v1[i] && put_again(watch, i))
			what = "is back";
		else
			continue;
		snprintf(text, sizeof(text), "the cgroup '%s' %s", c->word, what);
		say(ctx, text);
	}
}

void cgroup_watch_do(struct cgroup_watch *watch, void (*say)(void *ctx, const char *text),
		     void *ctx)
{
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	const struct inotify_event *event;
	ssize_t n, at;

	while ((n = read(watch->fd, buf, sizeof(buf))) > 0)
		for (at = 0; at < n; at += sizeof(*event) + event->len) {
			event = (const struct inotify_event *)(buf + at);
			on_event(watch, event, say, ctx);
		}
}
