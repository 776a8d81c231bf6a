/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The buffer between rows and a file descriptor, and the clock that rows are printed with. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "out_priv.h"

int out_new(struct out **out, int fd, enum out_format format, bool header, struct out_names names)
{
	struct out *o = calloc(1, sizeof(*o));
	struct stat st;

	if (!o)
		return -ENOMEM;
	o->cap = OUT_BUF;
	o->buf = malloc(o->cap);
	if (!o->buf) {
		free(o);
		return -ENOMEM;
	}
	o->fd = fd;
	o->stop = -1;
	o->may_block = fstat(fd, &st) || !S_ISREG(st.st_mode);
	o->format = format;
	o->header = header;
	o->names = names;
	o->tool_width = strlen(out_tool_column.title);
	tzset(); /* localtime_r() need not read TZ */
	out_new_second(o, 0);
	*out = o;
	return 0;
}

void out_free(struct out *out)
{
	if (!out)
		return;
	free(out->buf);
	free(out);
}

int64_t out_clock(const struct out *out)
{
	return (int64_t)out->clock;
}

void out_set_clock(struct out *out, int64_t realtime_minus_monotonic)
{
	out->clock = (uint64_t)realtime_minus_monotonic;
}

void out_set_unit(struct out *out, int unit)
{
	out->unit = unit;
}

void out_new_second(struct out *out, uint64_t now)
{
	time_t seconds = (time_t)(now / 1000000000);
	char *p = out->second_text;
	struct tm tm;

	out->second = (uint64_t)seconds * 1000000000;
	if (out->format == OUT_TABLE) {
		localtime_r(&seconds, &tm);
	} else {
		gmtime_r(&seconds, &tm);
		p = put_digits(p, (uint32_t)tm.tm_year + 1900, 4);
		*p++ = '-';
		p = put_digits(p, (uint32_t)tm.tm_mon + 1, 2);
		*p++ = '-';
		p = put_digits(p, (uint32_t)tm.tm_mday, 2);
		*p++ = 'T';
	}
	p = put_digits(p, (uint32_t)tm.tm_hour, 2);
	*p++ = ':';
	p = put_digits(p, (uint32_t)tm.tm_min, 2);
	*p++ = ':';
	p = put_digits(p, (uint32_t)tm.tm_sec, 2);
	*p = '.';
}

void out_set_stop(struct out *out, int fd)
{
	out->stop = fd;
}

void out_set_sink(struct out *out, text_sink *sink, void *ctx)
{
	out->sink = sink;
	out->sink_ctx = ctx;
}

int out_wait(const struct out *out, int fd)
{
	struct pollfd fds[2] = { { .fd = fd, .events = POLLOUT },
				 { .fd = out->stop, .events = POLLIN } };
	int timeout = -1, n;

	for (;;) {
		n = poll(fds, 2, timeout);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0 && fds[0].revents)
			return 0;
		if (!n)
			return -ETIMEDOUT;
		if (n > 0) {
			fds[1].fd = -1;
			timeout = 1000;
		}
	}
}

/* What may block is written in pieces that do not, see pipe(7); a file never blocks. */
static int write_all(struct out *out, const char *text, size_t len)
{
	ssize_t n;
	int err;

	if (out->sink)
		return out->sink(out->sink_ctx, text, len);
	while (len) {
		err = out->may_block ? out_wait(out, out->fd) : 0;
		if (err)
			return err;
		n = write(out->fd, text, out->may_block && len > PIPE_BUF ? PIPE_BUF : len);
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		} else if (!n || (errno != EINTR && errno != EAGAIN)) {
			return n ? -errno : -EIO;
		}
	}
	return 0;
}

int out_flush(struct out *out)
{
	if (!out->err && out->len)
		out->err = write_all(out, out->buf, out->len);
	out->len = 0;
	return out->err;
}

char *out_resize(struct out *out, char *p, size_t size)
{
	size_t at = (size_t)(p - out->buf);
	char *buf = realloc(out->buf, size);

	if (!buf)
		return NULL;
	out->buf = buf;
	out->cap = size;
	return buf + at;
}

int out_reserve(struct out *out)
{
	if (out->err)
		return out->err;
	if (out->len && out->len + out->slack > OUT_BUF) {
		int err = out_flush(out);

		if (err)
			return err;
	}
	return out_grow(out, out->buf + out->len, 0) ? 0 : -ENOMEM;
}

int out_text(struct out *out, const char *text, size_t len)
{
	if (out->err)
		return out->err;
	if (out->len + len > OUT_BUF) {
		int err = out_flush(out);

		if (err)
			return err;
	}
	if (len > OUT_BUF) {
		out->err = write_all(out, text, len);
		return out->err;
	}
	if (len)
		memcpy(out->buf + out->len, text, len);
	out->len += len;
	return 0;
}
