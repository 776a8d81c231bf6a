/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Keeps the map of sockets (owner.bpf.h) for tools that do not look at transitions themselves. */
#ifndef NT_TRACK_BPF_H
#define NT_TRACK_BPF_H

#include "owner.bpf.h"

static __always_inline bool nt_track_wants(const struct sock *sk, int oldstate, int newstate)
{
	return sk->sk_protocol == IPPROTO_TCP;
}

static __always_inline void nt_track(struct sock *sk, struct nt_sock *s, int oldstate,
				     int newstate)
{
}

NT_STATE_PROGRAMS(nt_track_state, nt_track_wants, nt_track)

#endif
