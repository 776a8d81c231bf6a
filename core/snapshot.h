/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who holds which TCP socket right now: sock_diag for the sockets of every network namespace in
 * use, /proc/PID/fd for their holders.
 */
#ifndef NT_SNAPSHOT_H
#define NT_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

#include "abi.h"

struct snapshot_socket {
	uint64_t cookie;   /* sk->sk_cookie; the dump makes the kernel assign one */
	uint32_t netns;    /* inode */
	uint16_t lport;    /* host order */
	uint16_t rport;    /* host order; 0 of a listener */
	uint8_t laddr[16]; /* network order, IPv4 as ::ffff:a.b.c.d */
	uint8_t raddr[16];
	uint8_t family;    /* AF_INET or AF_INET6, the socket's own */
	uint8_t state;     /* TCP_ESTABLISHED 1 .. TCP_CLOSING 11 */
};

/*
 * `sock` and `owner` live as long as the call. owner->how is NT_OWNER_SNAPSHOT, or NT_OWNER_NONE
 * when no process is known to hold the socket: it is orphaned, not accepted yet, or its holder
 * cannot be read. Of several holders the process started last is named (of equals the one with
 * the highest PID): a forking server's worker, not its parent. owner->tid and ->cgroup_bits are
 * 0, owner->uid is the real user id. A result other than 0 ends the walk.
 */
typedef int (*snapshot_fn)(void *ctx, const struct snapshot_socket *sock,
			   const struct nt_owner *owner);

/*
 * Calls `each` for every TCP socket that is not a mere request (NEW_SYN_RECV) or remnant
 * (TIME_WAIT, also in its FIN_WAIT2 form). Network namespaces are those of all processes (not of
 * single threads) and those bound to a mount point, as `ip netns` does. The calling thread and
 * its process stay in theirs. While sockets come and go one may be told twice.
 *
 * *unreadable (may be NULL) counts what had to be left out: processes whose fds or namespace we
 * may not see, namespaces we may not enter or that have no tcp_diag (a module on some kernels).
 *
 * Returns 0, the result of `each` that ended the walk, or -errno (-ENOMEM, no /proc, no thread).
 */
int snapshot_sockets(snapshot_fn each, void *ctx, size_t *unreadable);

#endif
