// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Frames on a terminal, written whole, so that nothing flickers. */
#include "screen.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* Other screen, no wrapping, no cursor; and back. */
#define ENTER "\033[?1049h\033[?7l\033[?25l"
#define LEAVE "\033[m\033[?25h\033[?7h\033[?1049l"
#define HOME "\033[H"
#define CANCEL "\030" /* ends a sequence that was given up */
#define BRIGHT "\033[7m"
#define PLAIN "\033[m"
#define CLEAR_LINE "\033[K"
#define CLEAR_BELOW "\033[J"

#define PIECE 256 /* bytes; what a terminal that says it takes something takes without waiting */

struct screen {
	int in, out, stop;
	bool keys;               /* `in` is a terminal */
	bool own;                /* `out` was opened here */
	volatile bool taken;     /* the terminal is ours now */
	struct termios before;   /* of `in` */
	char *frame;
	size_t len, room;
	int rows, cols, shift;
	int y, x;                /* where the next character goes */
	bool mark;
	char typed[16];          /* read and not yet handed out */
	size_t typed_len, typed_at;
};

/* For signals that end the process at once. */
static struct screen *taken;

bool screen_possible(int fd)
{
	const char *term = getenv("TERM");

	return isatty(fd) && term && *term && strcmp(term, "dumb");
}

/* Also from signal handlers. What does not get through in a second is left. */
static void give_back(struct screen *s)
{
	struct pollfd out = { .fd = s->out, .events = POLLOUT };

	if (!s->taken)
		return;
	s->taken = false;
	if (poll(&out, 1, 1000) == 1 && write(s->out, CANCEL LEAVE, sizeof(CANCEL LEAVE) - 1) < 0)
		errno = 0; /* it has gone */
	if (s->keys)
		tcsetattr(s->in, TCSANOW, &s->before);
}

static void on_end(int sig)
{
	if (taken)
		give_back(taken);
	raise(sig); /* SA_RESETHAND: now it does what it always did */
}

static void watch_ends(void)
{
	static const int ends[] = { SIGABRT, SIGALRM, SIGBUS,  SIGFPE,	SIGHUP,    SIGILL,  SIGINT,
				    SIGIO,   SIGPIPE, SIGPROF, SIGPWR,	SIGQUIT,   SIGSEGV, SIGSYS,
				    SIGTERM, SIGTRAP, SIGUSR1, SIGUSR2, SIGVTALRM, SIGXCPU, SIGXFSZ,
				    SIGSTKFLT };
	struct sigaction action = { .sa_handler = on_end, .sa_flags = SA_RESETHAND }, now;
	size_t i;

	for (i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		if (!sigaction(ends[i], NULL, &now) && now.sa_handler == SIG_DFL)
			sigaction(ends[i], &action, NULL);
}

void screen_leave(struct screen *s)
{
	give_back(s);
}

void screen_enter(struct screen *s)
{
	struct termios raw;

	if (s->keys) {
		if (!s->taken)
			tcgetattr(s->in, &s->before);
		raw = s->before;
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		raw.c_cc[VMIN] = 0;
		raw.c_cc[VTIME] = 0;
		tcsetattr(s->in, TCSANOW, &raw);
	}
	taken = s;
	if (s->taken)
		return;
	s->taken = true;
	if (write(s->out, ENTER, sizeof(ENTER) - 1) < 0)
		errno = 0; /* drawing will say why */
}

int screen_open(struct screen **screen, int in, int out, int stop)
{
	struct screen *s = calloc(1, sizeof(*s));
	char path[32];

	if (!s)
		return -ENOMEM;
	/* O_NONBLOCK is a property of the open file, which others have too. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", out);
	s->out = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	s->own = s->out >= 0;
	if (!s->own)
		s->out = out;
	s->in = in;
	s->keys = isatty(in);
	s->stop = stop;
	watch_ends();
	screen_enter(s);
	*screen = s;
	return 0;
}

void screen_close(struct screen *s)
{
	if (!s)
		return;
	give_back(s);
	taken = NULL;
	if (s->own)
		close(s->out);
	free(s->frame);
	free(s);
}

/* The sequences of the arrows, with or without a modifier; of other keys nothing. */
static int sequence(struct screen *s)
{
	char last = 0;

	while (s->typed_at < s->typed_len && last < '@') {
		last = s->typed[s->typed_at++];
		if (last == '[' || last == 'O')
			last = 0;
	}
	return last == 'C' ? SCREEN_RIGHT : last == 'D' ? SCREEN_LEFT : '\033';
}

int screen_key(struct screen *s)
{
	ssize_t n;
	char key;

	if (!s->keys)
		return 0;
	if (s->typed_at == s->typed_len) {
		n = read(s->in, s->typed, sizeof(s->typed));
		s->typed_len = n > 0 ? (size_t)n : 0;
		s->typed_at = 0;
		if (!n || (n < 0 && errno != EINTR && errno != EAGAIN))
			return 0;
	}
	if (s->typed_at == s->typed_len)
		return 0;
	key = s->typed[s->typed_at++];
	return key == '\033' ? sequence(s) : (unsigned char)key;
}

static int put(struct screen *s, const char *text, size_t len)
{
	size_t room = s->room;
	char *more;

	while (s->len + len > room)
		room = room * 2 + 4096;
	if (room != s->room) {
		more = realloc(s->frame, room);
		if (!more)
			return -ENOMEM;
		s->frame = more;
		s->room = room;
	}
	memcpy(s->frame + s->len, text, len);
	s->len += len;
	return 0;
}

#define PUT(s, text) put(s, text, sizeof(text) - 1)

int screen_begin(struct screen *s)
{
	struct winsize size = { 0 };

	if (ioctl(s->out, TIOCGWINSZ, &size) || !size.ws_row || !size.ws_col)
		size = (struct winsize){ .ws_row = 24, .ws_col = 80 };
	s->rows = size.ws_row;
	s->cols = size.ws_col;
	s->shift = s->y = s->x = 0;
	s->mark = false;
	s->len = 0;
	return PUT(s, CANCEL HOME);
}

void screen_shift(struct screen *s, int columns)
{
	s->shift = columns;
}

int screen_room(const struct screen *s)
{
	return s->rows - 1 - s->y;
}

void screen_mark(struct screen *s)
{
	s->mark = true;
}

/* The part of a line that is in the window. A byte that continues a character takes no place. */
static int put_cut(struct screen *s, const char *text, size_t len)
{
	size_t i;
	int err = 0;

	for (i = 0; i < len && !err; i++) {
		if ((text[i] & 0xc0) != 0x80)
			s->x++;
		if (s->x > s->shift && s->x <= s->shift + s->cols)
			err = put(s, text + i, 1);
	}
	return err;
}

static int end_line(struct screen *s)
{
	int err = s->mark ? PUT(s, PLAIN) : 0;

	s->mark = false;
	s->x = 0;
	s->y++;
	return err ? err : PUT(s, CLEAR_LINE "\r\n");
}

int screen_text(void *screen, const char *text, size_t len)
{
	struct screen *s = screen;
	const char *end;
	size_t line;
	int err = 0;

	while (len && !err && screen_room(s) > 0) {
		end = memchr(text, '\n', len);
		line = end ? (size_t)(end - text) : len;
		if (s->mark && !s->x)
			err = PUT(s, BRIGHT);
		if (!err)
			err = put_cut(s, text, line);
		if (!err && end)
			err = end_line(s);
		line += !!end;
		text += line;
		len -= line;
	}
	return err;
}

/* 0 also if the frame was given up. */
static int show(struct screen *s)
{
	struct pollfd fds[2] = { { .fd = s->out, .events = POLLOUT },
				 { .fd = s->stop, .events = POLLIN } };
	size_t at = 0;
	ssize_t n;

	while (at < s->len) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return -errno;
		if (fds[1].revents)
			break;
		n = write(s->out, s->frame + at, s->len - at < PIECE ? s->len - at : PIECE);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		at += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

int screen_end(struct screen *s, const char *status)
{
	char last[48];
	int err, n;

	err = PUT(s, CLEAR_BELOW);
	n = snprintf(last, sizeof(last), "\033[%d;1H" BRIGHT, s->rows);
	if (!err)
		err = put(s, last, (size_t)n);
	s->x = s->shift = 0;
	if (!err)
		err = put_cut(s, status, strlen(status));
	if (!err)
		err = PUT(s, PLAIN CLEAR_LINE HOME);
	return err ? err : show(s);
}
