// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Sends a row to the systemd journal. */
#include "journal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct journal {
	int fd;
	uint64_t lost;
	bool given_up; /* it reads nothing, and we shall end */
	size_t len;
	char entry[4096];
};

static int reconnect(struct journal *journal)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX, .sun_path = JOURNAL_SOCKET };

	return connect(journal->fd, (struct sockaddr *)&to, sizeof(to)) ? -errno : 0;
}

int journal_open(struct journal **journal)
{
	struct journal *j = calloc(1, sizeof(*j));
	int err;

	if (!j)
		return -ENOMEM;
	j->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	err = j->fd < 0 ? -errno : reconnect(j);
	if (!err) {
		*journal = j;
		return 0;
	}
	journal_close(j);
	return err;
}

void journal_close(struct journal *journal)
{
	if (!journal)
		return;
	if (journal->lost)
		fprintf(stderr, "%" PRIu64 " rows did not reach the journal\n", journal->lost);
	if (journal->fd >= 0)
		close(journal->fd);
	free(journal);
}

/* A journald that is busy is waited for; one that was started anew is found again. */
static int send_entry(struct journal *journal, const struct out *out)
{
	bool again = true;
	int err;

	while (send(journal->fd, journal->entry, journal->len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
		if (errno == EAGAIN)
			err = out_wait(out, journal->fd);
		else if (again && (errno == ECONNREFUSED || errno == ENOTCONN))
			err = reconnect(journal), again = false;
		else
			err = errno == EINTR ? 0 : -errno;
		journal->given_up = err == -ETIMEDOUT;
		if (err)
			return err;
	}
	return 0;
}

/* A value is one line: the cells escape line feeds, as everywhere in the table. */
static void put(struct journal *j, const char *name, const char *value)
{
	int n = snprintf(j->entry + j->len, sizeof(j->entry) - j->len, "%s=%s\n", name, value);

	if (n > 0 && (size_t)n < sizeof(j->entry) - j->len)
		j->len += n;
}

static uint64_t number_of(const struct column *col, const void *row)
{
	return cell_load((const char *)row + col->off, col->size < 8 ? col->size : 8);
}

/* Each word of field->column: a column's value, or itself. */
static void put_field(struct journal *j, const struct tool *tool, const struct journal_field *field,
		      const void *row)
{
	const char *word = field->column;
	const struct column *col;
	char value[512];
	size_t at = 0, len;

	for (; *word && at < sizeof(value) - 1; word += len + (word[len] == ' ')) {
		len = strcspn(word, " ");
		if (at)
			value[at++] = ' ';
		col = column_find(tool->columns, word, len);
		if (col && field->divide)
			at += snprintf(value + at, sizeof(value) - at, "%" PRIu64,
				       number_of(col, row) / field->divide);
		else if (col)
			at += cell_text(value + at, sizeof(value) - at, col, row);
		else
			at += snprintf(value + at, sizeof(value) - at, "%.*s", (int)len, word);
		if (at > sizeof(value) - 1) /* it was cut */
			at = sizeof(value) - 1;
	}
	value[at] = 0;
	put(j, field->name, value);
}

/* A field whose only value is unknown is left out. */
static bool is_unknown(const struct tool *tool, const struct journal_field *field, const void *row)
{
	const char *word = field->column;
	const struct column *col = column_find(tool->columns, word, strlen(word));
	uint64_t ones;

	if (!col)
		return false;
	ones = UINT64_MAX >> (64 - 8 * (col->size < 8 ? col->size : 8));
	return (col->flags & COL_NULL_ONES && number_of(col, row) == ones) ||
	       (col->flags & COL_NULL_ZERO && !number_of(col, row));
}

void journal_row(struct journal *journal, const struct out *out, const struct tool *tool,
		 const void *row)
{
	const struct nt_event *e = row;
	const struct journal_field *field;
	char number[32];

	journal->len = 0;
	put(journal, "SYSLOG_IDENTIFIER", tool->name);
	put(journal, "PRIORITY", "5"); /* notice */
	snprintf(number, sizeof(number), "%" PRIu64, ((uint64_t)e->time + out_clock(out)) / 1000);
	put(journal, "_SOURCE_REALTIME_TIMESTAMP", number);
	for (field = tool->journal; field->name; field++)
		if ((!field->ip || field->ip == e->ip) && !is_unknown(tool, field, row))
			put_field(journal, tool, field, row);
	if (!journal->given_up && !send_entry(journal, out))
		return;
	journal->lost++;
}
