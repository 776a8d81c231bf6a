/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Joins the sock_diag dumps of all network namespaces with /proc/PID/fd by socket inode. */
#include "snapshot.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/nsfs.h>
#include <linux/sock_diag.h>
#include <mntent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "array.h"
#include "cgroup.h"
#include "filter.h"

#define NOBODY UINT32_MAX
#define DUMP_BUFFER (64 * 1024) /* the kernel fills at most 32 KiB a message */
#define DIAG_TIMER_TIMEWAIT 3   /* inet_twsk_diag_fill() */
#define STATES (((1u << (TCP_CLOSING + 1)) - 2) & ~(1u << TCP_TIME_WAIT))

struct found {
	struct snapshot_socket sock;
	uint32_t inode;  /* 0: nobody's file */
	uint32_t holder; /* index into holders, or NOBODY */
	uint32_t next;   /* of the same hash bucket, or NOBODY */
};

struct holder {
	struct nt_owner owner;
	uint64_t start; /* clock ticks after boot */
};

/* One way into a namespace; there may be many into the same one. */
struct entrance {
	uint32_t netns;
	uint32_t pid; /* /proc/PID/ns/net, unless path */
	char *path;   /* where it is mounted, owned */
};

struct snapshot {
	struct found *found;
	size_t nr_found, room_found;
	struct holder *holders;
	size_t nr_holders, room_holders;
	struct entrance *entrances;
	size_t nr_entrances, room_entrances;
	uint32_t *buckets; /* by inode, first index into found or NOBODY */
	unsigned int bucket_shift;
	uint32_t own_netns;
	int proc;
	char *buffer; /* DUMP_BUFFER */
	size_t denied_netns, denied_processes, denied_fds;
	char cgroup_root[PATH_MAX]; /* "" without cgroup v2 */
	int err;                    /* of the thread that visits the namespaces */
};

/* Room for one more of `size` bytes in *array, which holds nr of *room. */
static int make_room(void *array, size_t nr, size_t *room, size_t size)
{
	return nr < NOBODY - 1 ? array_grow(array, room, nr + 1, size) : -E2BIG;
}

static bool is_denied(int err)
{
	return err == EACCES || err == EPERM;
}

/* Sockets */

static void copy_address(uint8_t to[16], uint8_t family, const __be32 from[4])
{
	if (family == AF_INET6) {
		memcpy(to, from, 16);
		return;
	}
	memcpy(to, filter_ipv4.addr, FILTER_MAPPED);
	memcpy(to + FILTER_MAPPED, from, 4);
}

static int take_socket(struct snapshot *s, const struct inet_diag_msg *msg, uint32_t netns)
{
	struct snapshot_socket *sock;
	int err;

	/* A FIN_WAIT2 without a file is a small timewait socket that keeps that state's name. */
	if (msg->idiag_timer == DIAG_TIMER_TIMEWAIT)
		return 0;
	/* Whoever asks for SYN_RECV gets the requests (NEW_SYN_RECV) under that name too. */
	if (msg->idiag_state == TCP_SYN_RECV && !msg->idiag_inode)
		return 0;
	err = make_room(&s->found, s->nr_found, &s->room_found, sizeof(*s->found));
	if (err)
		return err;
	s->found[s->nr_found] = (struct found){
		.inode = msg->idiag_inode,
		.holder = NOBODY,
		.next = NOBODY,
	};
	sock = &s->found[s->nr_found++].sock;
	sock->cookie = (uint64_t)msg->id.idiag_cookie[1] << 32 | msg->id.idiag_cookie[0];
	sock->netns = netns;
	sock->lport = be16toh(msg->id.idiag_sport);
	sock->rport = be16toh(msg->id.idiag_dport);
	sock->family = msg->idiag_family;
	sock->state = msg->idiag_state;
	copy_address(sock->laddr, msg->idiag_family, msg->id.idiag_src);
	copy_address(sock->raddr, msg->idiag_family, msg->id.idiag_dst);
	return 0;
}

/* 1: there is more to come. NLMSG_DONE carries the error of a dump that failed half-way. */
static int take_messages(struct snapshot *s, const struct nlmsghdr *nlh, size_t len, uint32_t netns)
{
	for (; NLMSG_OK(nlh, len); nlh = NLMSG_NEXT(nlh, len)) {
		size_t payload = nlh->nlmsg_len - NLMSG_HDRLEN;
		int err = 0;

		if (nlh->nlmsg_type == NLMSG_DONE || nlh->nlmsg_type == NLMSG_ERROR) {
			if (payload >= sizeof(err))
				memcpy(&err, NLMSG_DATA(nlh), sizeof(err));
			return err < 0 ? err : 0;
		}
		if (nlh->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
		    payload < sizeof(struct inet_diag_msg))
			continue;
		err = take_socket(s, NLMSG_DATA(nlh), netns);
		if (err)
			return err;
	}
	return 1;
}

static int dump_family(struct snapshot *s, int nl, uint8_t family, uint32_t netns)
{
	struct {
		struct nlmsghdr nlh;
		struct inet_diag_req_v2 req;
	} ask = {
		.nlh.nlmsg_len = sizeof(ask),
		.nlh.nlmsg_type = SOCK_DIAG_BY_FAMILY,
		.nlh.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		.req.sdiag_family = family,
		.req.sdiag_protocol = IPPROTO_TCP,
		.req.idiag_states = STATES,
	};
	int more = 1;

	if (send(nl, &ask, sizeof(ask), 0) < 0)
		return -errno;
	while (more > 0) {
		ssize_t len = recv(nl, s->buffer, DUMP_BUFFER, 0);

		if (len < 0 && errno == EINTR)
			continue;
		if (len <= 0)
			return len ? -errno : -EPROTO;
		more = take_messages(s, (struct nlmsghdr *)s->buffer, len, netns);
	}
	return more;
}

/* The sockets of the namespace that the calling thread is in. */
static int dump_netns(struct snapshot *s, uint32_t netns)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	int err = 0;

	for (size_t i = 0; i < 2 && !err; i++) {
		/* A socket each: what is left of a failed dump cannot be taken for the next. */
		int nl = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

		err = nl < 0 ? -errno : dump_family(s, nl, families[i], netns);
		if (nl >= 0)
			close(nl);
	}
	if (!err || err == -ENOMEM || err == -E2BIG)
		return err;
	s->denied_netns++;
	return 0;
}

/* Namespaces */

static int add_entrance(struct snapshot *s, uint32_t netns, uint32_t pid, const char *path)
{
	struct entrance *entrance;
	int err;

	err = make_room(&s->entrances, s->nr_entrances, &s->room_entrances, sizeof(*entrance));
	if (err)
		return err;
	entrance = &s->entrances[s->nr_entrances];
	*entrance = (struct entrance){ .netns = netns, .pid = pid };
	if (path) {
		entrance->path = strdup(path);
		if (!entrance->path)
			return -ENOMEM;
	}
	s->nr_entrances++;
	return 0;
}

static uint32_t parse_pid(const char *name)
{
	unsigned long pid;
	char *end;

	if (*name < '1' || *name > '9')
		return 0;
	pid = strtoul(name, &end, 10);
	return *end || pid > INT_MAX ? 0 : pid;
}

/* Calls `each` with every process and its name below /proc; an error of `each` ends it. */
static int for_each_process(struct snapshot *s,
			    int (*each)(struct snapshot *s, uint32_t pid, const char *name))
{
	int fd = openat(s->proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int err = 0;

	if (!dir) {
		err = -errno;
		if (fd >= 0)
			close(fd);
		return err;
	}
	while (!err && (entry = readdir(dir))) {
		uint32_t pid = parse_pid(entry->d_name);

		if (pid)
			err = each(s, pid, entry->d_name);
	}
	closedir(dir);
	return err;
}

static int note_process_netns(struct snapshot *s, uint32_t pid, const char *name)
{
	char path[32], link[32];
	const size_t prefix = strlen("net:[");
	uint32_t netns;
	ssize_t len;

	snprintf(path, sizeof(path), "%s/ns/net", name);
	len = readlinkat(s->proc, path, link, sizeof(link) - 1);
	if (len < 0) {
		s->denied_processes += is_denied(errno);
		return 0;
	}
	link[len] = 0;
	netns = (size_t)len > prefix ? strtoul(link + prefix, NULL, 10) : s->own_netns;
	return netns == s->own_netns ? 0 : add_entrance(s, netns, pid, NULL);
}

/* A named namespace may have sockets and no process in it: the holder has moved elsewhere. */
static int note_mounted_netns(struct snapshot *s)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	struct mntent mount;
	char line[2 * PATH_MAX];
	int err = 0;

	while (mounts && !err && getmntent_r(mounts, &mount, line, sizeof(line))) {
		struct stat st;
		int fd;

		if (strcmp(mount.mnt_type, "nsfs"))
			continue;
		fd = open(mount.mnt_dir, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET && !fstat(fd, &st) &&
		    st.st_ino != s->own_netns)
			err = add_entrance(s, st.st_ino, 0, mount.mnt_dir);
		close(fd);
	}
	if (mounts)
		endmntent(mounts);
	return err;
}

static int compare_entrances(const void *one, const void *two)
{
	const struct entrance *a = one, *b = two;

	return (a->netns > b->netns) - (a->netns < b->netns);
}

/* An fd of the namespace, or -1 when this entrance leads there no more. */
static int open_entrance(const struct snapshot *s, const struct entrance *entrance)
{
	char path[32];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%u/ns/net", entrance->pid);
	fd = openat(s->proc, entrance->path ? entrance->path : path,
		    O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0 && (fstat(fd, &st) || st.st_ino != entrance->netns)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Dumps the namespace of entrances[first] by the first entrance that works; *next: after them. */
static int visit_netns(struct snapshot *s, size_t first, size_t *next)
{
	uint32_t netns = s->entrances[first].netns;
	size_t i = first;
	int fd = -1, err = 0;

	for (; i < s->nr_entrances && s->entrances[i].netns == netns; i++)
		if (fd < 0)
			fd = open_entrance(s, &s->entrances[i]);
	*next = i;
	if (fd < 0) /* its processes are gone, and so is the namespace */
		return 0;
	if (setns(fd, CLONE_NEWNET))
		s->denied_netns++;
	else
		err = dump_netns(s, netns);
	close(fd);
	return err;
}

static void *visit_namespaces(void *arg)
{
	struct snapshot *s = arg;

	for (size_t i = 0; i < s->nr_entrances && !s->err;)
		s->err = visit_netns(s, i, &i);
	return NULL;
}

/* In a thread of its own, which dies in whatever namespace it came to: no way back can fail. */
static int visit_others(struct snapshot *s)
{
	sigset_t all, before;
	pthread_t thread;
	int err;

	qsort(s->entrances, s->nr_entrances, sizeof(*s->entrances), compare_entrances);
	/* Signals are for the caller's threads: an interrupted wait of theirs may count on it. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = -pthread_create(&thread, NULL, visit_namespaces, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err)
		return err;
	pthread_join(thread, NULL);
	return s->err;
}

static int collect_sockets(struct snapshot *s)
{
	struct stat st;
	int err;

	if (fstatat(s->proc, "thread-self/ns/net", &st, 0))
		return -errno;
	s->own_netns = st.st_ino;
	s->buffer = malloc(DUMP_BUFFER);
	if (!s->buffer)
		return -ENOMEM;
	err = for_each_process(s, note_process_netns);
	if (!err)
		err = note_mounted_netns(s);
	if (!err)
		err = dump_netns(s, s->own_netns);
	return err || !s->nr_entrances ? err : visit_others(s);
}

/* Holders */

static uint32_t *bucket_of(struct snapshot *s, uint32_t inode)
{
	return &s->buckets[inode * 2654435761u >> s->bucket_shift];
}

/* Returns 1 if any socket may have a holder. */
static int index_inodes(struct snapshot *s)
{
	unsigned int bits = 4;
	int any = 0;

	while ((1ul << bits) < s->nr_found && bits < 31)
		bits++;
	s->bucket_shift = 32 - bits;
	s->buckets = malloc(sizeof(*s->buckets) << bits);
	if (!s->buckets)
		return -ENOMEM;
	memset(s->buckets, 0xff, sizeof(*s->buckets) << bits);
	for (size_t i = 0; i < s->nr_found; i++) {
		uint32_t *bucket = bucket_of(s, s->found[i].inode);

		if (!s->found[i].inode)
			continue;
		s->found[i].next = *bucket;
		*bucket = i;
		any = 1;
	}
	return any;
}

/* Reads a small file of /proc whole; NUL-terminated. Its length or -errno. */
static ssize_t read_at(int dir, const char *name, char *to, size_t size)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t got;

	if (fd < 0)
		return -errno;
	while ((got = read(fd, to + len, size - 1 - len)) > 0)
		len += got;
	if (got < 0)
		got = -errno;
	close(fd);
	to[len] = '\0';
	return got < 0 ? got : (ssize_t)len;
}

/* Field 22 of /proc/PID/stat; the comm before it may hold blanks and parentheses. */
static int read_start(int dir, uint64_t *start)
{
	char text[1024];
	ssize_t len = read_at(dir, "stat", text, sizeof(text));
	char *at = len > 0 ? strrchr(text, ')') : NULL;

	if (!at)
		return len < 0 ? (int)len : -EPROTO;
	for (int field = 2; field < 22 && at; field++)
		at = strchr(at + 1, ' ');
	if (!at)
		return -EPROTO;
	*start = strtoull(at + 1, NULL, 10);
	return 0;
}

static void read_comm(int dir, char comm[NT_COMM_LEN])
{
	char text[64 + 2]; /* more than TASK_COMM_LEN for kernel workers */
	ssize_t len = read_at(dir, "comm", text, sizeof(text));

	if (len > 0 && text[len - 1] == '\n')
		text[--len] = '\0';
	if (len > 0)
		memcpy(comm, text, len < NT_COMM_LEN ? len : NT_COMM_LEN - 1);
}

static uint64_t read_cgroup(const struct snapshot *s, int dir)
{
	char text[4 * PATH_MAX], path[2 * PATH_MAX];
	struct stat st;
	char *line;

	if (!*s->cgroup_root || read_at(dir, "cgroup", text, sizeof(text)) < 0)
		return 0;
	line = strncmp(text, "0::", 3) ? strstr(text, "\n0::") : text;
	if (!line)
		return 0;
	line += (*line == '\n') + 3;
	if (!strncmp(line, "/..", 3)) /* outside our cgroup namespace */
		return 0;
	snprintf(path, sizeof(path), "%s%.*s", s->cgroup_root, (int)strcspn(line, "\n"), line);
	return stat(path, &st) ? 0 : st.st_ino;
}

/*
 * The real user, as bpf_get_current_uid_gid() tells it; the directory's owner would be the
 * effective one.
 */
static int read_uid(int dir, uint32_t *uid)
{
	char text[1024], *line;
	ssize_t len = read_at(dir, "status", text, sizeof(text));

	if (len < 0)
		return len;
	line = strstr(text, "\nUid:\t");
	if (!line)
		return -ENOENT;
	*uid = strtoul(line + 6, NULL, 10);
	return 0;
}

static int describe(const struct snapshot *s, int dir, uint32_t pid, struct holder *holder)
{
	struct nt_owner *owner = &holder->owner;
	struct stat st;
	int err;

	memset(holder, 0, sizeof(*holder));
	err = read_start(dir, &holder->start);
	if (err)
		return err;
	owner->pid = pid;
	owner->how = NT_OWNER_SNAPSHOT;
	owner->cgroup = read_cgroup(s, dir);
	read_comm(dir, owner->comm);
	if (!fstatat(dir, "ns/mnt", &st, 0))
		owner->mntns = st.st_ino;
	return read_uid(dir, &owner->uid);
}

static bool is_younger(const struct holder *a, const struct holder *b)
{
	return a->start != b->start ? a->start > b->start : a->owner.pid > b->owner.pid;
}

/* The process in `dir` holds this inode. *holder: its index, NOBODY before its first socket. */
static int take_hold(struct snapshot *s, int dir, uint32_t pid, uint32_t inode, uint32_t *holder)
{
	int err;

	for (uint32_t i = *bucket_of(s, inode); i != NOBODY; i = s->found[i].next) {
		struct found *found = &s->found[i];

		if (found->inode != inode)
			continue;
		if (*holder == NOBODY) {
			err = make_room(&s->holders, s->nr_holders, &s->room_holders,
					sizeof(*s->holders));
			if (err)
				return err;
			if (describe(s, dir, pid, &s->holders[s->nr_holders]))
				return 0; /* it is gone */
			*holder = s->nr_holders++;
		}
		if (found->holder == NOBODY ||
		    is_younger(&s->holders[*holder], &s->holders[found->holder]))
			found->holder = *holder;
	}
	return 0;
}

static uint32_t socket_inode(int dir, const char *fd)
{
	static const char prefix[] = "socket:[";
	char link[32];
	ssize_t len = readlinkat(dir, fd, link, sizeof(link) - 1);

	if (len < 0 || strncmp(link, prefix, sizeof(prefix) - 1))
		return 0;
	link[len] = '\0';
	return strtoul(link + sizeof(prefix) - 1, NULL, 10);
}

static int scan_fds(struct snapshot *s, int process, uint32_t pid, DIR *fds)
{
	uint32_t holder = NOBODY;
	struct dirent *entry;
	int err = 0;

	while (!err && (entry = readdir(fds))) {
		uint32_t inode = 0;

		if (*entry->d_name != '.')
			inode = socket_inode(dirfd(fds), entry->d_name);
		if (inode)
			err = take_hold(s, process, pid, inode, &holder);
	}
	return err;
}

static int scan_process(struct snapshot *s, uint32_t pid, const char *name)
{
	int process = openat(s->proc, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd, err = 0;
	DIR *fds;

	if (process < 0)
		return 0;
	fd = openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fds = fd < 0 ? NULL : fdopendir(fd);
	if (fds) {
		err = scan_fds(s, process, pid, fds);
		closedir(fds);
	} else if (fd >= 0) {
		err = -errno;
		close(fd);
	} else {
		s->denied_fds += is_denied(errno);
	}
	close(process);
	return err;
}

static int collect_holders(struct snapshot *s)
{
	int any = index_inodes(s);

	if (any <= 0)
		return any;
	if (cgroup_find(CGROUP_PATH, "/", s->cgroup_root, sizeof(s->cgroup_root)))
		*s->cgroup_root = '\0';
	return for_each_process(s, scan_process);
}

static int tell(const struct snapshot *s, snapshot_fn each, void *ctx)
{
	static const struct nt_owner nobody = { .uid = UINT32_MAX, .how = NT_OWNER_NONE };
	int ret = 0;

	for (size_t i = 0; i < s->nr_found && !ret; i++) {
		const struct found *found = &s->found[i];

		ret = each(ctx, &found->sock, found->holder == NOBODY
			   ? &nobody : &s->holders[found->holder].owner);
	}
	return ret;
}

int snapshot_sockets(snapshot_fn each, void *ctx, size_t *unreadable)
{
	struct snapshot *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	s->proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	err = s->proc < 0 ? -errno : collect_sockets(s);
	if (!err)
		err = collect_holders(s);
	/* Who may not see a process's namespace may not see its fds: count it once. */
	if (unreadable)
		*unreadable = s->denied_netns + (s->denied_fds > s->denied_processes
						 ? s->denied_fds : s->denied_processes);
	if (!err)
		err = tell(s, each, ctx);

	for (size_t i = 0; i < s->nr_entrances; i++)
		free(s->entrances[i].path);
	free(s->entrances);
	free(s->buckets);
	free(s->holders);
	free(s->found);
	free(s->buffer);
	if (s->proc >= 0)
		close(s->proc);
	free(s);
	return err;
}
