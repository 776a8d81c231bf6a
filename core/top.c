// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A reading on a screen, and what keys do with it. */
#include "top.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "screen.h"

#define SHIFT 8 /* columns that an arrow moves the table by */

struct top {
	struct rows *rows;
	struct screen *screen;
	int epoll, signals;
	struct reading kept; /* the rows that are shown */
	uint64_t time;       /* of that reading */
	char load[64];
	const struct sort_key *by; /* NULL: as the options say */
	int shift;
	bool paused;
};

bool top_wanted(const struct session_opts *opts)
{
	return opts->n_tools == 1 && opts->tools[0]->sums && opts->tools[0]->sums->keys &&
	       opts->format == OUT_TABLE && !opts->plain && !opts->journal && !opts->max_events &&
	       !opts->explain && !opts->replaying && screen_possible(STDOUT_FILENO);
}

static const struct tool_sums *sums_of(const struct top *top)
{
	return top->rows->opts->tools[0]->sums;
}

static const char *sorted_by(const struct top *top)
{
	if (top->by)
		return top->by->columns;
	return top->rows->opts->sort ? top->rows->opts->sort : sums_of(top)->sort;
}

/* " q quit  space pause   b both [r rx] p pid " */
static void put_status(const struct top *top, char *to, size_t size)
{
	const char *by = sorted_by(top);
	const struct sort_key *k;
	size_t at;
	bool on;

	at = snprintf(to, size, " q quit  space %s  ", top->paused ? "continue (paused)" : "pause");
	for (k = sums_of(top)->keys; k->key && at < size; k++) {
		on = by && !strcmp(k->columns, by);
		at += snprintf(to + at, size - at, "%c%c %s%c", on ? '[' : ' ', k->key, k->word,
			       on ? ']' : ' ');
	}
}

/* The rows that have room. */
static int put_table(struct top *top, const unsigned char *data, size_t n)
{
	struct view *view = top->rows->views[0];
	size_t size = top->rows->opts->tools[0]->event_size, k;
	int err = 0;

	screen_shift(top->screen, top->shift);
	if (top->rows->opts->header)
		screen_mark(top->screen);
	if (n > (size_t)screen_room(top->screen)) /* the heading's line may be one too many */
		n = screen_room(top->screen);
	view_narrow(view);
	for (k = 0; k < n && !err; k++)
		err = view_fit(view, data + k * size);
	if (!err)
		err = view_header(view);
	for (k = 0; k < n && !err; k++)
		err = view_row(view, data + k * size);
	return err;
}

static void draw(struct top *top)
{
	struct rows *rows = top->rows;
	uint64_t most = rows->opts->rows ? rows->opts->rows : sums_of(top)->rows;
	size_t n = most && most < top->kept.n ? most : top->kept.n;
	char status[256];

	rows_sort(rows, 0, sorted_by(top), top->kept.data, top->kept.n);
	put_status(top, status, sizeof(status));
	if (!rows->error)
		rows->error = screen_begin(top->screen);
	if (!rows->error)
		rows_title(rows, 0, top->time, top->load);
	if (!rows->error)
		rows->error = out_flush(rows->out);
	if (!rows->error)
		rows->error = put_table(top, top->kept.data, n);
	if (!rows->error)
		rows->error = out_flush(rows->out);
	if (!rows->error)
		rows->error = screen_end(top->screen, status);
}

static int watch(struct top *top, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	return epoll_ctl(top->epoll, EPOLL_CTL_ADD, fd, &event);
}

/* The session has blocked what stops the run. */
static int open_signals(struct top *top)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	sigaddset(&set, SIGTSTP);
	sigaddset(&set, SIGCONT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	top->epoll = epoll_create1(EPOLL_CLOEXEC);
	top->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (top->epoll < 0 || top->signals < 0 || watch(top, top->signals))
		return -errno;
	if (isatty(STDIN_FILENO) && watch(top, STDIN_FILENO))
		return -errno;
	return 0;
}

int top_open(struct top **out, struct rows *rows, int stop, uint64_t time, const char *load)
{
	struct top *top = calloc(1, sizeof(*top));
	int err;

	if (!top)
		return -ENOMEM;
	top->rows = rows;
	top->epoll = top->signals = -1;
	top->time = time;
	snprintf(top->load, sizeof(top->load), "%s", load);
	err = open_signals(top);
	if (!err)
		err = screen_open(&top->screen, STDIN_FILENO, STDOUT_FILENO, stop);
	if (err) {
		top_close(top, false);
		return err;
	}
	out_set_sink(rows->out, screen_text, top->screen);
	draw(top);
	*out = top;
	return 0;
}

void top_close(struct top *top, bool print)
{
	struct rows *rows = top->rows;

	out_set_sink(rows->out, NULL, NULL);
	screen_close(top->screen);
	rows->top = NULL;
	if (print) {
		rows->waiting[0].n = 0;
		for (size_t k = 0; k < top->kept.n; k++)
			rows_event(rows, top->kept.data + k * rows->opts->tools[0]->event_size,
				   rows->opts->tools[0]->event_size);
		rows->readings--; /* counted already */
		rows_reading(rows, 0, top->time, top->load);
	}
	if (top->signals >= 0)
		close(top->signals);
	if (top->epoll >= 0)
		close(top->epoll);
	free(top->kept.data);
	free(top);
}

int top_fd(const struct top *top)
{
	return top->epoll;
}

/* Stops as a process without a screen would have. */
static void suspend(struct top *top)
{
	sigset_t set;

	screen_leave(top->screen);
	sigemptyset(&set);
	sigaddset(&set, SIGTSTP);
	raise(SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &set, NULL); /* here it stops, and here it goes on */
	sigprocmask(SIG_BLOCK, &set, NULL);
	screen_enter(top->screen);
}

static bool on_key(struct top *top, int key)
{
	const struct sort_key *k;

	switch (key) {
	case 'q': return false;
	case ' ': top->paused = !top->paused; return true;
	case SCREEN_RIGHT: top->shift += SHIFT; return true;
	case SCREEN_LEFT: top->shift -= top->shift ? SHIFT : 0; return true;
	}
	for (k = sums_of(top)->keys; k->key; k++)
		if (k->key == key)
			top->by = k;
	return true;
}

bool top_events(struct top *top)
{
	struct signalfd_siginfo info;
	bool more = true;
	int key;

	while (read(top->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGTSTP)
			suspend(top);
		else if (info.ssi_signo == SIGCONT)
			screen_enter(top->screen);
	}
	while (more && (key = screen_key(top->screen)))
		more = on_key(top, key);
	if (more)
		draw(top);
	return more;
}

void top_reading(struct top *top, struct reading *reading, uint64_t time, const char *load)
{
	struct reading free_one = top->kept;

	if (top->paused)
		return;
	top->kept = *reading;
	*reading = free_one;
	top->time = time;
	snprintf(top->load, sizeof(top->load), "%s", load);
	draw(top);
}
