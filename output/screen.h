/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A terminal that one frame after the other is drawn on, and its keys. Lines are cut at the
 * window's edge. It has the sequences of ECMA-48 and xterm's alternate screen that all of today's
 * terminals know. Functions return 0 or -errno unless said otherwise.
 */
#ifndef NT_SCREEN_H
#define NT_SCREEN_H

#include <stdbool.h>
#include <stddef.h>

struct screen;

/* Keys that are no byte. */
enum { SCREEN_LEFT = 256, SCREEN_RIGHT };

/* `fd` is one that frames can be drawn on. */
bool screen_possible(int fd);

/*
 * Takes the terminal over. `in` gives keys if it is a terminal too. A frame is given up when `stop`
 * (a signalfd) becomes readable while the terminal does not take it. Whatever ends the process,
 * but for SIGKILL, leaves the terminal as it was: one screen at a time.
 */
int screen_open(struct screen **screen, int in, int out, int stop);
void screen_close(struct screen *screen);

/* Gives the terminal back for a while, and takes it again, or what others took of it. */
void screen_leave(struct screen *screen);
void screen_enter(struct screen *screen);

/* The next key, 0: none. */
int screen_key(struct screen *screen);

/* A new frame, of the window's size now. */
int screen_begin(struct screen *screen);
/* So many columns of the lines that follow are left out on the left side. */
void screen_shift(struct screen *screen, int columns);
/* Whole lines; a text_sink (out.h). What does not fit below is left out. */
int screen_text(void *screen, const char *text, size_t len);
/* The next line is highlighted. */
void screen_mark(struct screen *screen);
/* Lines that still fit, the last one of the window not counted. */
int screen_room(const struct screen *screen);
/* Draws the frame, `status` in the last line. */
int screen_end(struct screen *screen, const char *status);

#endif
