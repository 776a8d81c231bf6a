/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A unit that is restarted gets a new cgroup at the same place: the kernel asks for directories, so
 * a filter by path, unit or container has to be given the new one.
 */
#ifndef NT_CGROUP_WATCH_H
#define NT_CGROUP_WATCH_H

#include "session.h"

struct cgroup_watch;

/*
 * Watches the cgroups that filters ask for; `map`: nt_cgroups (probes/task.bpf.h), or -1 when there
 * is none. NULL: nothing to watch, or the host allows no watch (inotify(7)).
 */
struct cgroup_watch *cgroup_watch_open(const struct session_opts *opts, int map);
void cgroup_watch_close(struct cgroup_watch *watch);

/* Readable when there is something to do. */
int cgroup_watch_fd(const struct cgroup_watch *watch);

/*
 * Puts cgroups that came back into the map, and tells of those that went: `say` with a sentence
 * without its end.
 */
void cgroup_watch_do(struct cgroup_watch *watch, void (*say)(void *ctx, const char *text),
		     void *ctx);

#endif
