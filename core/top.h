/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The readings of a tool on a screen, one in the place of the other, until a key says otherwise. */
#ifndef NT_TOP_H
#define NT_TOP_H

#include "rows.h"

struct top;

/* One tool that has keys, a table, and a terminal to show it on. */
bool top_wanted(const struct session_opts *opts);

/*
 * Takes the terminal over, with a reading of nothing. `stop`: see screen_open(); `time` and `load`:
 * rows_reading(). 0 or -errno.
 */
int top_open(struct top **top, struct rows *rows, int stop, uint64_t time, const char *load);
/*
 * Gives it back. `print`: the last reading is printed below what was there, as a run without a
 * screen would have done.
 */
void top_close(struct top *top, bool print);

/* Readable when top_events() has something to do: keys, another size, Ctrl-Z. */
int top_fd(const struct top *top);
/* false: a key said that it is enough. */
bool top_events(struct top *top);

/* Shows a reading; its rows are sorted in place and kept, `reading` gets others to use. */
void top_reading(struct top *top, struct reading *reading, uint64_t time, const char *load);

#endif
