/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rows as entries of the systemd journal, by its native protocol
 * (systemd.io/JOURNAL_NATIVE_PROTOCOL).
 */
#ifndef NT_JOURNAL_H
#define NT_JOURNAL_H

#include "out.h"
#include "tool.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

struct journal;

/* 0, or -errno: no journal here. */
int journal_open(struct journal **journal);
void journal_close(struct journal *journal);
/*
 * One entry, as tool->journal says. Those that the journal does not take are counted, and
 * journal_close() says how many.
 */
void journal_row(struct journal *journal, const struct out *out, const struct tool *tool,
		 const void *row);

#endif
