/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Keeps the map of sockets (owner.bpf.h) for tools that do not look at transitions themselves. */
#ifndef NT_TRACK_BPF_H
#define NT_TRACK_BPF_H

#include "owner.bpf.h"

static __always_inline int nt_track(const struct sock *sk, int oldstate, int newstate,
				    enum nt_turn turn)
{
	if (sk->sk_protocol != IPPROTO_TCP || nt_is_done(sk, newstate, turn))
		return 0;
	nt_on_state(sk, oldstate, newstate);
	nt_done(sk, newstate);
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(nt_track_state, struct sock *sk, int oldstate, int newstate)
{
	return nt_track(sk, oldstate, newstate, NT_FIRST);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(nt_track_again, struct sock *sk, int oldstate, int newstate)
{
	return nt_track(sk, oldstate, newstate, NT_SECOND);
}

#endif
