/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* make_TOOL DIR: writes the recordings of a tool into DIR. */
#include "make_recording.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(int err, const char *what)
{
	if (!err)
		return;
	fprintf(stderr, "make_recording: %s: %s\n", what, strerror(-err));
	exit(1);
}

void make_event(struct recorder *rec, const void *event, size_t len)
{
	check(recorder_event(rec, event, len), "event");
}

void make_cgroup(struct recorder *rec, uint64_t id, const char *path)
{
	check(recorder_cgroup(rec, id, path), path);
}

void make_reading(struct recorder *rec, uint64_t ns, const char *load)
{
	check(recorder_reading(rec, 0, MAKE_TIME + ns, load), "reading");
}

void make_clock(struct recorder *rec, int64_t offset)
{
	check(recorder_clock(rec, offset), "clock");
}

void make_addr(uint8_t to[16], const char *text)
{
	memset(to, 0, 16);
	if (inet_pton(AF_INET6, text, to) == 1)
		return;
	to[10] = to[11] = 0xff;
	check(inet_pton(AF_INET, text, to + 12) == 1 ? 0 : -EINVAL, text);
}

void make_comm(char to[NT_COMM_LEN], const char *text)
{
	size_t len = strlen(text);

	check(len <= NT_COMM_LEN ? 0 : -E2BIG, text);
	memset(to, 0, NT_COMM_LEN);
	memcpy(to, text, len);
}

int main(int argc, char **argv)
{
	const struct made_file *file;
	const struct tool *tool;
	struct recorder *rec;
	char path[PATH_MAX];

	if (argc != 2) {
		fprintf(stderr, "usage: %s DIR\n", argv[0]);
		return 2;
	}
	for (file = made_files; file->name; file++) {
		snprintf(path, sizeof(path), "%s/%s", argv[1], file->name);
		tool = file->variant ? made_tool->variant : made_tool;
		check(recorder_open(&rec, path, &tool, 1), path);
		make_clock(rec, MAKE_CLOCK);
		file->write(rec);
		check(recorder_close(rec), path);
	}
	return 0;
}
