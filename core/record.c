// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Writes and reads recordings. */
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "files.h"

#define RECORD_VERSION 1
#define RECORD_ORDER 0x01020304u
#define RECORD_MAX_BLOCK (1 << 20)

static const char magic[8] = "nettrace";

struct file_head {
	char magic[8];
	uint32_t order;
	uint32_t version;
};

struct block_head {
	uint32_t kind;
	uint32_t len;  /* of what follows, before padding to 8 bytes */
	uint64_t value;
	uint32_t crc;  /* over the head with crc = 0, then the data */
	uint32_t pad;
};

struct recorder {
	FILE *file;
	uint64_t events;
	int err; /* of the first write that failed: nothing is written behind it */
};

struct recording {
	const unsigned char *data;
	size_t len, at;
	uint64_t events;
	void *owned;
};

static uint32_t block_crc(const struct block_head *head, const void *data)
{
	struct block_head clean = *head;
	uLong crc;

	clean.crc = 0;
	crc = crc32(0, (const unsigned char *)&clean, sizeof(clean));
	return head->len ? crc32(crc, data, head->len) : crc;
}

static int put_block(struct recorder *rec, enum record_kind kind, uint64_t value, const void *data,
		     size_t len)
{
	static const char zeros[8];
	struct block_head head = { .kind = kind, .len = len, .value = value };

	if (rec->err)
		return rec->err;
	head.crc = block_crc(&head, data);
	if (fwrite(&head, sizeof(head), 1, rec->file) != 1 ||
	    (len && fwrite(data, len, 1, rec->file) != 1) ||
	    (-len % 8 && fwrite(zeros, -len % 8, 1, rec->file) != 1))
		rec->err = -errno;
	return rec->err;
}

uint32_t record_schema(const struct tool *tool)
{
	uint32_t place[2] = { tool->event_size, 0 };
	uLong crc = crc32(0, (const unsigned char *)place, sizeof(place));
	const struct column *col;
	int i;

	for (col = tool->columns; col->name; col++) {
		place[0] = col->off;
		place[1] = col->size;
		crc = crc32(crc, (const unsigned char *)col->name, strlen(col->name));
		crc = crc32(crc, (const unsigned char *)place, sizeof(place));
		crc = crc32(crc, (const unsigned char *)&col->type, sizeof(col->type));
		for (i = 0; i < col->n_names; i++)
			if (col->names[i])
				crc = crc32(crc, (const unsigned char *)col->names[i],
					    strlen(col->names[i]) + 1);
	}
	return crc;
}

static int put_head(struct recorder *rec, const struct tool *const *tools, int n_tools)
{
	struct file_head head = { .order = RECORD_ORDER, .version = RECORD_VERSION };
	int i, err = 0;

	memcpy(head.magic, magic, sizeof(magic));
	if (fwrite(&head, sizeof(head), 1, rec->file) != 1)
		return -errno;
	for (i = 0; i < n_tools && !err; i++)
		err = put_block(rec, RECORD_TOOL, record_schema(tools[i]), tools[i]->name,
				strlen(tools[i]->name) + 1);
	return err;
}

int recorder_open(struct recorder **out, const char *path, const struct tool *const *tools,
		  int n_tools)
{
	struct recorder *rec = calloc(1, sizeof(*rec));
	int fd, err;

	if (!rec)
		return -ENOMEM;
	fd = files_create(path, 0600);
	if (fd < 0) {
		err = fd;
		goto free_rec;
	}
	rec->file = fdopen(fd, "w");
	if (!rec->file) {
		err = -ENOMEM;
		goto close_fd;
	}
	err = put_head(rec, tools, n_tools);
	if (!err) {
		*out = rec;
		return 0;
	}
	fclose(rec->file);
	goto free_rec;
close_fd:
	close(fd);
free_rec:
	free(rec);
	return err;
}

int recorder_clock(struct recorder *rec, int64_t offset)
{
	return put_block(rec, RECORD_CLOCK, offset, NULL, 0);
}

int recorder_cgroup(struct recorder *rec, uint64_t id, const char *path)
{
	return put_block(rec, RECORD_CGROUP, id, path, strlen(path) + 1);
}

int recorder_name(struct recorder *rec, uint64_t id, const char *text)
{
	return put_block(rec, RECORD_NAME, id, text, strlen(text) + 1);
}

int recorder_loss(struct recorder *rec, const char *text)
{
	return put_block(rec, RECORD_LOSS, 0, text, strlen(text) + 1);
}

int recorder_event(struct recorder *rec, const void *event, size_t len)
{
	rec->events++;
	return put_block(rec, RECORD_EVENT, 0, event, len);
}

int recorder_reading(struct recorder *rec, uint8_t tool, uint64_t time, const char *load)
{
	char text[128];
	int len = snprintf(text, sizeof(text), "%c%s", tool, load);

	return put_block(rec, RECORD_READING, time, text, (size_t)len < sizeof(text) ? len + 1 : 2);
}

int recorder_flush(struct recorder *rec)
{
	if (fflush(rec->file) && !rec->err)
		rec->err = -errno;
	return rec->err;
}

int recorder_close(struct recorder *rec)
{
	int err;

	if (!rec)
		return 0;
	err = put_block(rec, RECORD_END, rec->events, NULL, 0);
	if (fclose(rec->file) && !err)
		err = -errno;
	free(rec);
	return err;
}

int recording_open_mem(struct recording **out, const void *data, size_t len)
{
	struct recording *rec;
	struct file_head head;

	if (len < sizeof(head) || memcmp(data, magic, sizeof(magic)))
		return -EINVAL;
	memcpy(&head, data, sizeof(head));
	if (head.order != RECORD_ORDER || head.version != RECORD_VERSION)
		return -ENOTSUP;
	rec = calloc(1, sizeof(*rec));
	if (!rec)
		return -ENOMEM;
	rec->data = data;
	rec->len = len;
	recording_rewind(rec);
	*out = rec;
	return 0;
}

/* Looks at the head before it takes the rest: what is no recording may never end. */
static int read_all(int fd, void **data, size_t *len)
{
	size_t room = 1 << 16;
	char *more;
	ssize_t n;

	*len = 0;
	*data = malloc(room);
	while (*data) {
		n = read(fd, (char *)*data + *len, room - *len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : 0;
		*len += n;
		if (*len >= sizeof(magic) && memcmp(*data, magic, sizeof(magic)))
			return -EINVAL;
		if (*len < room)
			continue;
		room *= 2;
		more = realloc(*data, room);
		if (!more)
			return -ENOMEM;
		*data = more;
	}
	return -ENOMEM;
}

int recording_open(struct recording **out, const char *path)
{
	void *data = NULL;
	size_t len;
	int fd, err;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = read_all(fd, &data, &len);
	close(fd);
	if (!err)
		err = recording_open_mem(out, data, len);
	if (err) {
		free(data);
		return err;
	}
	(*out)->owned = data;
	return 0;
}

void recording_close(struct recording *rec)
{
	if (!rec)
		return;
	free(rec->owned);
	free(rec);
}

void recording_rewind(struct recording *rec)
{
	rec->at = sizeof(struct file_head);
	rec->events = 0;
}

static bool is_zero(const char *data, size_t len)
{
	while (len && !data[len - 1])
		len--;
	return !len;
}

static int check_block(struct recording *rec, const struct block_head *head, const void *data)
{
	const char *text = data;

	if (!is_zero(text + head->len, -head->len % 8))
		return -EBADMSG;

#ifndef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION /* nobody guesses checksums */
	if (head->crc != block_crc(head, data))
		return -EBADMSG;
#endif
	switch (head->kind) {
	case RECORD_TOOL:
	case RECORD_CGROUP:
	case RECORD_NAME:
	case RECORD_LOSS:
		return head->len && !text[head->len - 1] ? 0 : -EBADMSG;
	case RECORD_EVENT:
		rec->events++;
		return head->len >= sizeof(struct nt_event) ? 0 : -EBADMSG;
	case RECORD_END:
		return head->value == rec->events ? 0 : -EBADMSG;
	case RECORD_READING:
		return head->len > 1 && !text[head->len - 1] ? 0 : -EBADMSG;
	}
	return head->kind == RECORD_CLOCK ? 0 : -EBADMSG;
}

int recording_next(struct recording *rec, struct record_block *block, size_t *at)
{
	struct block_head head;
	const unsigned char *data;

	*at = rec->at;
	if (rec->len - rec->at < sizeof(head))
		return -EBADMSG;
	memcpy(&head, rec->data + rec->at, sizeof(head));
	data = rec->data + rec->at + sizeof(head);
	if (head.len > RECORD_MAX_BLOCK ||
	    rec->len - rec->at - sizeof(head) < ((size_t)head.len + 7) / 8 * 8 ||
	    check_block(rec, &head, data))
		return -EBADMSG;
	rec->at += sizeof(head) + ((size_t)head.len + 7) / 8 * 8;
	*block = (struct record_block){ .kind = head.kind, .value = head.value,
					.text = (const char *)data, .data = data, .len = head.len };
	if (head.kind != RECORD_END)
		return 1;
	return rec->at == rec->len ? 0 : -EBADMSG; /* nothing comes behind the end */
}
