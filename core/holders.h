/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who holds the sockets that are open when a run starts, for its probes. */
#ifndef NT_HOLDERS_H
#define NT_HOLDERS_H

#include <stddef.h>
#include <stdint.h>

#include "session.h"

struct holders_missing {
	uint64_t full;     /* sockets that there was no room for */
	size_t unreadable; /* see snapshot_sockets() */
};

/*
 * Puts them into the maps nt_held, by cookie, and nt_listeners (probes/owner.bpf.h), with the
 * cgroups of opts that they are in. 0 or -errno: not all could be listed.
 */
int holders_put(const struct session_opts *opts, int held, int listeners,
		struct holders_missing *missing);

#endif
