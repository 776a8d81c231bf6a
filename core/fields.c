// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Words to predicates over the head of an event. */
#include "fields.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup.h"

#define HEAD(member) offsetof(struct nt_event, member), sizeof(((struct nt_event *)0)->member)

const struct field_info fields_info[FIELD_COUNT] = {
	[FIELD_PID] = { "pid", FIELDS_OWNER },
	[FIELD_TID] = { "tid", FIELDS_OWNER },
	[FIELD_COMM] = { "comm", FIELDS_OWNER },
	[FIELD_UID] = { "uid", FIELDS_OWNER },
	[FIELD_PORT] = { "port", FIELDS_LOCAL },
	[FIELD_LPORT] = { "lport", FIELDS_LOCAL },
	[FIELD_RPORT] = { "rport", FIELDS_REMOTE },
	[FIELD_ADDR] = { "addr", FIELDS_LOCAL },
	[FIELD_LADDR] = { "laddr", FIELDS_LOCAL },
	[FIELD_RADDR] = { "raddr", FIELDS_REMOTE },
	[FIELD_IP] = { "ip", FIELDS_LOCAL },
	[FIELD_CGROUP] = { "cgroup", FIELDS_OWNER },
	[FIELD_UNIT] = { "unit", FIELDS_OWNER },
	[FIELD_CONTAINER] = { "container", FIELDS_OWNER },
	[FIELD_NETNS] = { "netns", FIELDS_NETNS },
	[FIELD_MNTNS] = { "mntns", FIELDS_OWNER },
};

static int bad(struct filter_error *err, const char *word, size_t len, const char *why)
{
	*err = (struct filter_error){ word, len, why };
	return -EINVAL;
}

#define MAX_WORD 512

/* The next word of a list. It begins at NULL; 0: this was the last. */
static int next_word(const char *text, const char **word, size_t *len, struct filter_error *err)
{
	*word = *word ? *word + *len + 1 : text + (*text == '!');
	*len = strcspn(*word, ",");
	if (!*len || *len >= MAX_WORD)
		return bad(err, text, strlen(text), *len ? "too long" : "empty element");
	return (*word)[*len] == ',';
}

static int ports(struct filter_node **node, const char *text, uint16_t off, bool either,
		 struct filter_error *err)
{
	int ret = filter_parse_numbers(node, text, off, 2, 65535, true, "not a port", err);

	if (!ret && either)
		*node = filter_either(*node, offsetof(struct nt_event, rport));
	return ret ? ret : *node ? 0 : -ENOMEM;
}

static int addrs(struct filter_node **node, const char *text, uint16_t off, bool either,
		 struct filter_error *err)
{
	int ret = filter_parse_addrs(node, text, off, err);

	if (!ret && either)
		*node = filter_either(*node, offsetof(struct nt_event, raddr));
	return ret ? ret : *node ? 0 : -ENOMEM;
}

/*
 * An inode number stays; a path, or (for netns) a name of `ip netns`, becomes the inode number
 * behind it.
 */
static int namespace_inode(const char *word, bool net, char *number, size_t size)
{
	const int type = net ? CLONE_NEWNET : CLONE_NEWNS;
	char path[512];
	struct stat st;
	int fd, err;

	if (*word && strspn(word, "0123456789") == strlen(word)) {
		snprintf(number, size, "%s", word);
		return 0;
	}
	snprintf(path, sizeof(path), "%s%s", net && !strchr(word, '/') ? "/run/netns/" : "", word);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = ioctl(fd, NS_GET_NSTYPE) != type || fstat(fd, &st) ? -ENOENT : 0;
	close(fd);
	if (!err)
		snprintf(number, size, "%llu", (unsigned long long)st.st_ino);
	return err;
}

static int namespaces(struct filter_node **node, const char *text, uint16_t off, bool net,
		      struct filter_error *err)
{
	char numbers[2048] = "", number[MAX_WORD], one[MAX_WORD];
	const char *word = NULL;
	size_t len, at = *text == '!';
	int more = 1, ret;

	memcpy(numbers, text, at);
	while (more) {
		more = next_word(text, &word, &len, err);
		if (more < 0)
			return more;
		snprintf(one, sizeof(one), "%.*s", (int)len, word);
		ret = namespace_inode(one, net, number, sizeof(number));
		if (ret == -EACCES || ret == -EPERM)
			return bad(err, word, len, "not to be read");
		if (ret)
			return bad(err, word, len,
				   net ? "no network namespace: an inode number, a path or a name "
					 "of 'ip netns' is" :
					 "no mount namespace: an inode number or a path is");
		at += snprintf(numbers + at, sizeof(numbers) - at, "%s%s", number,
			       word[len] ? "," : "");
		if (at >= sizeof(numbers))
			return bad(err, text, strlen(text), "too long a list");
	}
	if (filter_parse_numbers(node, numbers, off, 4, UINT32_MAX, false, "not a namespace", err))
		return bad(err, text, strlen(text), "not an inode number of a namespace");
	return 0;
}

/* The bit of a cgroup. A replay asks for names, not for this host's directories. */
static int watch_cgroup(struct session_opts *opts, enum cgroup_by by, const char *word)
{
	struct session_cgroup *c;
	char dir[4096];
	int i, ret;

	for (i = 0; i < opts->n_cgroups; i++)
		if (opts->cgroups[i].by == by && !strcmp(opts->cgroups[i].word, word))
			return i;
	if (i == NT_MAX_CGROUPS)
		return -E2BIG;
	c = &opts->cgroups[i];
	if (!opts->replaying) {
		ret = cgroup_find(by, word, dir, sizeof(dir));
		if (ret)
			return ret;
		c->dir = strdup(dir);
	}
	c->by = by;
	c->word = strdup(word);
	return c->word && (c->dir || opts->replaying) ? opts->n_cgroups++ : -ENOMEM;
}

static const char *why_no_cgroup(int err, enum cgroup_by by)
{
	if (err == -EEXIST)
		return "ambiguous: more than one cgroup has this name";
	if (err == -E2BIG)
		return "one too many: at most 16 cgroups can be asked for";
	return by == CGROUP_PATH ? "no cgroup" :
	       by == CGROUP_UNIT ? "no systemd unit with a cgroup" :
				   "no container whose id begins so";
}

/* Owns the ranges. A leading '!' of `text` negates. */
static int list_node(struct filter_node **node, struct filter_node list, const char *text)
{
	*node = list.ranges ? malloc(sizeof(list)) : NULL;
	if (!*node) {
		free(list.ranges);
		return -ENOMEM;
	}
	**node = list;
	if (*text == '!')
		*node = filter_not(*node);
	return *node ? 0 : -ENOMEM;
}

static int cgroups(struct filter_node **node, const char *text, enum cgroup_by by,
		   struct session_opts *opts, struct filter_error *err)
{
	struct filter_node list = { .kind = FILTER_BITS, .size = 2, .n = 1,
				    .off = offsetof(struct nt_event, owner.cgroup_bits) };
	const char *word = NULL;
	char one[MAX_WORD];
	uint64_t bits = 0;
	size_t len;
	int ret, more = 1;

	while (more) {
		more = next_word(text, &word, &len, err);
		if (more < 0)
			return more;
		snprintf(one, sizeof(one), "%.*s", (int)len, word);
		ret = watch_cgroup(opts, by, one);
		if (ret < 0)
			return bad(err, word, len, why_no_cgroup(ret, by));
		bits |= 1ull << ret;
	}
	list.ranges = calloc(1, sizeof(*list.ranges));
	if (list.ranges)
		list.ranges->lo = bits;
	return list_node(node, list, text);
}

struct ranges {
	struct filter_range *at;
	size_t n;
};

static int add_ranges(struct ranges *to, const struct filter_range *more, size_t n)
{
	struct filter_range *at = reallocarray(to->at, to->n + n, sizeof(*at));

	if (!at)
		return -ENOMEM;
	memcpy(at + to->n, more, n * sizeof(*at));
	to->at = at;
	to->n += n;
	return 0;
}

/* The column's own names come first. */
static int add_reason(struct ranges *to, const struct column *col, const char *word, size_t len,
		      struct names *names)
{
	struct filter_range *found = NULL, own;
	int i, n, err;

	for (i = 0; i < col->n_names; i++)
		if (strlen(col->names[i]) == len && !strncasecmp(col->names[i], word, len)) {
			own.lo = own.hi = NT_NAME_OWN + i;
			return add_ranges(to, &own, 1);
		}
	n = names_find(names, word, len, &found);
	err = n < 0 ? n : add_ranges(to, found, n);
	free(found);
	return err;
}

int fields_reasons(struct filter_node **node, const struct column *col, const char *text,
		   struct session_opts *opts, struct filter_error *err)
{
	struct filter_node list = { .kind = FILTER_NUM, .off = col->off, .size = col->size };
	struct ranges ranges = { 0 };
	const char *word = NULL;
	size_t len;
	int ret, more = 1;

	while (more) {
		more = next_word(text, &word, &len, err);
		ret = more < 0 ? more : add_reason(&ranges, col, word, len, opts->names);
		if (ret == -ENOENT)
			ret = bad(err, word, len, names_refusal(opts->names));
		if (ret) {
			free(ranges.at);
			return ret;
		}
	}
	list.n = filter_merge_ranges(ranges.at, ranges.n);
	list.ranges = ranges.at;
	return list_node(node, list, text);
}

int fields_parse(struct filter_node **node, enum field field, const char *text,
		 struct session_opts *opts, struct filter_error *err)
{
	switch (field) {
	case FIELD_PID:
		return filter_parse_numbers(node, text, HEAD(owner.pid), UINT32_MAX - 1, false,
					    "not a process id", err);
	case FIELD_TID:
		return filter_parse_numbers(node, text, HEAD(owner.tid), UINT32_MAX - 1, false,
					    "not a thread id", err);
	case FIELD_COMM:
		return filter_parse_names(node, text, offsetof(struct nt_event, owner.comm), err);
	case FIELD_UID:
		return filter_parse_users(node, text, offsetof(struct nt_event, owner.uid), err);
	case FIELD_PORT:
	case FIELD_LPORT:
		return ports(node, text, offsetof(struct nt_event, lport), field == FIELD_PORT,
			     err);
	case FIELD_RPORT:
		return ports(node, text, offsetof(struct nt_event, rport), false, err);
	case FIELD_ADDR:
	case FIELD_LADDR:
		return addrs(node, text, offsetof(struct nt_event, laddr), field == FIELD_ADDR,
			     err);
	case FIELD_RADDR:
		return addrs(node, text, offsetof(struct nt_event, raddr), false, err);
	case FIELD_IP:
		return filter_parse_numbers(node, text, HEAD(ip), 255, false, "not an IP version",
					    err);
	case FIELD_CGROUP:
		return cgroups(node, text, CGROUP_PATH, opts, err);
	case FIELD_UNIT:
		return cgroups(node, text, CGROUP_UNIT, opts, err);
	case FIELD_CONTAINER:
		return cgroups(node, text, CGROUP_CONTAINER, opts, err);
	case FIELD_NETNS:
		return namespaces(node, text, offsetof(struct nt_event, netns), true, err);
	case FIELD_MNTNS:
		opts->want_mntns = true;
		return namespaces(node, text, offsetof(struct nt_event, owner.mntns), false, err);
	case FIELD_COUNT:
		break;
	}
	return -EINVAL;
}
