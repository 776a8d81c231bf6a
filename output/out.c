/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The buffer between rows and a file descriptor, and the clock that rows are printed with. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "out_priv.h"

int out_new(struct out **out, int fd, enum out_format format, bool header, struct out_names names)
{
	struct out *o = calloc(1, sizeof(*o));

	if (!o)
		return -ENOMEM;
	o->cap = OUT_BUF;
	o->buf = malloc(o->cap);
	if (!o->buf) {
		free(o);
		return -ENOMEM;
	}
	o->fd = fd;
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

static int write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n > 0) {
			text += n;
			len -= (size_t)n;
		} else if (n < 0 && errno == EAGAIN) {
			struct pollfd full = { .fd = fd, .events = POLLOUT };

			if (poll(&full, 1, -1) < 0 && errno != EINTR)
				return -errno;
		} else if (!n || errno != EINTR) {
			return n ? -errno : -EIO;
		}
	}
	return 0;
}

int out_flush(struct out *out)
{
	if (!out->err && out->len)
		out->err = write_all(out->fd, out->buf, out->len);
	out->len = 0;
	return out->err;
}

bool out_pending(const struct out *out)
{
	return out->len != 0;
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
		out->err = write_all(out->fd, text, len);
		return out->err;
	}
	if (len)
		memcpy(out->buf + out->len, text, len);
	out->len += len;
	return 0;
}
