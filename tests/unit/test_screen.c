/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a screen writes to its terminal, which keys it reads, and what it leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "screen.h"

#define ENTER "\033[?1049h\033[?7l\033[?25l"
#define BEGIN "\030\033[H"
#define END "\033[K\r\r\n" /* the terminal adds a CR */

struct terminal {
	int master, slave, stop[2];
	struct screen *screen;
};

static void set_size(const struct terminal *t, unsigned short rows, unsigned short cols)
{
	struct winsize size = { .ws_row = rows, .ws_col = cols };

	assert_int_equal(ioctl(t->slave, TIOCSWINSZ, &size), 0);
}

/* What came out, as a string. */
static const char *output(const struct terminal *t)
{
	struct pollfd fd = { .fd = t->master, .events = POLLIN };
	static char text[65536];
	ssize_t n, len = 0;

	while (poll(&fd, 1, 20) == 1) {
		n = read(t->master, text + len, sizeof(text) - 1 - (size_t)len);
		assert_true(n > 0);
		len += n;
	}
	text[len] = 0;
	return text;
}

static int setup(void **state)
{
	struct terminal *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	t->master = posix_openpt(O_RDWR | O_NOCTTY);
	assert_true(t->master >= 0 && !grantpt(t->master) && !unlockpt(t->master));
	t->slave = open(ptsname(t->master), O_RDWR | O_NOCTTY);
	assert_true(t->slave >= 0);
	assert_int_equal(pipe(t->stop), 0);
	set_size(t, 5, 10);
	assert_int_equal(screen_open(&t->screen, t->slave, t->slave, t->stop[0]), 0);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct terminal *t = *state;

	screen_close(t->screen);
	close(t->master);
	close(t->slave);
	close(t->stop[0]);
	close(t->stop[1]);
	free(t);
	return 0;
}

static void text(const struct terminal *t, const char *lines)
{
	assert_int_equal(screen_text(t->screen, lines, strlen(lines)), 0);
}

/* Lines are cut at both sides, by characters; the last line is the status. */
static void test_frame(void **state)
{
	const struct terminal *t = *state;

	assert_string_equal(output(t), ENTER);
	assert_int_equal(screen_begin(t->screen), 0);
	assert_int_equal(screen_room(t->screen), 4);
	text(t, "title is long\n");
	screen_shift(t->screen, 2);
	screen_mark(t->screen);
	text(t, "HEA");
	text(t, "DING\n");
	text(t, "\xc3\xa4\xc3\xb6\xc3\xbc" "3456789012345\n");
	assert_int_equal(screen_room(t->screen), 1);
	text(t, "a\nout\nof the window\n");
	assert_int_equal(screen_room(t->screen), 0);
	assert_int_equal(screen_end(t->screen, "keys and more keys"), 0);
	assert_string_equal(output(t),
			    BEGIN "title is l" END "\033[7mADING\033[m" END "\xc3\xbc" "345678901"
			    END END "\033[J\033[5;1H\033[7mkeys and m\033[m\033[K\033[H");
}

/* A frame has the size that the window has when it begins. */
static void test_size(void **state)
{
	const struct terminal *t = *state;

	output(t);
	set_size(t, 2, 3);
	assert_int_equal(screen_begin(t->screen), 0);
	assert_int_equal(screen_room(t->screen), 1);
	text(t, "abcd\nefgh\n");
	assert_int_equal(screen_end(t->screen, ""), 0);
	assert_string_equal(output(t), BEGIN "abc" END "\033[J\033[2;1H\033[7m\033[m\033[K\033[H");
	set_size(t, 0, 0);
	assert_int_equal(screen_begin(t->screen), 0);
	assert_int_equal(screen_room(t->screen), 23);
}

static void test_keys(void **state)
{
	static const char keys[] = "a\033[C\033[1;5D\033OC\033[A\033[15~q\xff";
	static const int want[] = { 'a', SCREEN_RIGHT, SCREEN_LEFT, SCREEN_RIGHT, '\033', '\033',
				    'q', 0xff, 0 };
	const struct terminal *t = *state;
	int got[sizeof(want) / sizeof(*want)];
	size_t i;

	assert_int_equal(write(t->master, keys, 10), 10); /* within a sequence */
	for (i = 0; i < 3; i++)
		got[i] = screen_key(t->screen);
	assert_int_equal(write(t->master, keys + 10, sizeof(keys) - 11), sizeof(keys) - 11);
	for (; i < sizeof(want) / sizeof(*want); i++)
		got[i] = screen_key(t->screen);
	for (i = 0; i < sizeof(want) / sizeof(*want); i++)
		assert_int_equal(got[i], want[i]);
}

/* The terminal is given back, taken again, and given back by the end. */
static void test_leave(void **state)
{
	const struct terminal *t = *state;
	struct termios before, now;

	screen_leave(t->screen);
	assert_string_equal(output(t), ENTER "\030\033[m\033[?25h\033[?7h\033[?1049l");
	assert_int_equal(tcgetattr(t->slave, &before), 0);
	assert_true(before.c_lflag & ECHO && before.c_lflag & ICANON);
	screen_enter(t->screen);
	screen_enter(t->screen); /* others changed it meanwhile: only that is done again */
	assert_string_equal(output(t), ENTER);
	assert_int_equal(tcgetattr(t->slave, &now), 0);
	assert_false(now.c_lflag & (ECHO | ICANON));
	screen_leave(t->screen);
	assert_int_equal(tcgetattr(t->slave, &now), 0);
	assert_int_equal(now.c_lflag, before.c_lflag);
	assert_memory_equal(now.c_cc, before.c_cc, sizeof(now.c_cc));
}

/* A terminal that takes nothing is not waited for when the run shall end. */
static void test_stuck(void **state)
{
	const struct terminal *t = *state;
	char line[400];
	int i;

	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	set_size(t, 300, 500);
	assert_int_equal(write(t->stop[1], "", 1), 1);
	for (i = 0; i < 2; i++) { /* more than a terminal's buffer has room for */
		assert_int_equal(screen_begin(t->screen), 0);
		while (screen_room(t->screen))
			assert_int_equal(screen_text(t->screen, line, sizeof(line)), 0);
		assert_int_equal(screen_end(t->screen, ""), 0);
	}
	output(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_frame, setup, teardown),
		cmocka_unit_test_setup_teardown(test_size, setup, teardown),
		cmocka_unit_test_setup_teardown(test_keys, setup, teardown),
		cmocka_unit_test_setup_teardown(test_leave, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stuck, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
