// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* One event for each connect(): when its SYN goes out, or when it fails before that. */
#include "kernel.h"
#include "dns.bpf.h"
#include "sock.bpf.h"
#include "sockaddr.bpf.h"
#include "task.bpf.h"
#include "tcpconnect.bpf.h"
#include "tcpconnect_exit.bpf.h"

SEC("fexit/tcp_connect")
int BPF_PROG(tcpconnect_fexit, struct sock *sk, int ret)
{
	return ret ? 0 : on_syn(sk, NT_DIRECT);
}

static __always_inline int on_exit(const struct sock *sk, const void *addr, int len, int ret)
{
	struct nt_sockaddr peer = {};

	if (!ret)
		return 0;
	nt_read_sockaddr(&peer, addr, len, NT_DIRECT);
	return on_failure(sk, &peer, ret, NT_DIRECT);
}

SEC("fexit/tcp_v4_connect")
int BPF_PROG(tcpconnect_v4_fexit, struct sock *sk, void *addr, int len, int ret)
{
	return on_exit(sk, addr, len, ret);
}

/* It calls tcp_v4_connect() for IPv4-mapped addresses, unless the socket takes IPv6 only. */
SEC("fexit/tcp_v6_connect")
int BPF_PROG(tcpconnect_v6_fexit, struct sock *sk, void *addr, int len, int ret)
{
	struct nt_sockaddr peer = {};

	if (!ret)
		return 0;
	nt_read_sockaddr(&peer, addr, len, NT_DIRECT);
	if (peer.family == AF_INET6 && nt_ip_of((__u8 *)peer.ip6) == 4 &&
	    !BPF_CORE_READ_BITFIELD(&sk->__sk_common, skc_ipv6only))
		return 0;
	return on_failure(sk, &peer, ret, NT_DIRECT);
}

/* What a security module or a program of a cgroup forbids does not come that far. */
SEC("fexit/security_socket_connect")
int BPF_PROG(tcpconnect_lsm_fexit, struct socket *socket, void *addr, int len, int ret)
{
	return ret && nt_is_stream(socket->sk, NT_DIRECT) ? on_exit(socket->sk, addr, len, ret) : 0;
}

SEC("fexit/tcp_v4_pre_connect")
int BPF_PROG(tcpconnect_v4_pre_fexit, struct sock *sk, void *addr, int len, int ret)
{
	return on_exit(sk, addr, len, ret);
}

SEC("fexit/tcp_v6_pre_connect")
int BPF_PROG(tcpconnect_v6_pre_fexit, struct sock *sk, void *addr, int len, int ret)
{
	return on_exit(sk, addr, len, ret);
}

/* The same by kprobes: what a call was given is kept until it returns. */
struct call {
	const struct sock *sk;
	const void *addr;
	__u64 len; /* no padding: 5.10 takes no uninitialised stack */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH); /* a return may go unseen */
	__uint(max_entries, 1024); /* threads inside these at once, none of them waits there */
	__type(key, __u64);
	__type(value, struct call);
} calls SEC(".maps");

static __always_inline int on_call(const struct sock *sk, const void *addr, int len)
{
	struct call call = { sk, addr, len };
	__u64 key = bpf_get_current_pid_tgid();

	bpf_map_update_elem(&calls, &key, &call, BPF_ANY);
	return 0;
}

/* What failed after this, as for want of memory, is told without its error: once, not twice. */
SEC("kprobe/tcp_connect")
int BPF_KPROBE(tcpconnect_kprobe, struct sock *sk)
{
	__u64 key = bpf_get_current_pid_tgid();

	bpf_map_delete_elem(&calls, &key);
	return on_syn(sk, NT_PROBE);
}

/* tcp_v4_connect() inside tcp_v6_connect() leaves nothing for the outer one to tell. */
static __always_inline int on_return(int ret)
{
	__u64 key = bpf_get_current_pid_tgid();
	struct call *found = bpf_map_lookup_elem(&calls, &key), call;
	struct nt_sockaddr peer = {};

	if (!found)
		return 0;
	call = *found;
	bpf_map_delete_elem(&calls, &key);
	if (!ret)
		return 0;
	nt_read_sockaddr(&peer, call.addr, call.len, NT_PROBE);
	return on_failure(call.sk, &peer, ret, NT_PROBE);
}

SEC("kprobe/tcp_v4_connect")
int BPF_KPROBE(tcpconnect_v4_kprobe, struct sock *sk, void *addr, int len)
{
	return on_call(sk, addr, len);
}

SEC("kprobe/tcp_v6_connect")
int BPF_KPROBE(tcpconnect_v6_kprobe, struct sock *sk, void *addr, int len)
{
	return on_call(sk, addr, len);
}

SEC("kprobe/security_socket_connect")
int BPF_KPROBE(tcpconnect_lsm_kprobe, struct socket *socket, void *addr, int len)
{
	const struct sock *sk = NT_READ(NT_PROBE, socket->sk);

	return nt_is_stream(sk, NT_PROBE) ? on_call(sk, addr, len) : 0;
}

SEC("kprobe/tcp_v4_pre_connect")
int BPF_KPROBE(tcpconnect_v4_pre_kprobe, struct sock *sk, void *addr, int len)
{
	return on_call(sk, addr, len);
}

SEC("kprobe/tcp_v6_pre_connect")
int BPF_KPROBE(tcpconnect_v6_pre_kprobe, struct sock *sk, void *addr, int len)
{
	return on_call(sk, addr, len);
}

SEC("kretprobe/tcp_v4_connect")
int BPF_KRETPROBE(tcpconnect_v4_kretprobe, int ret)
{
	return on_return(ret);
}

SEC("kretprobe/tcp_v6_connect")
int BPF_KRETPROBE(tcpconnect_v6_kretprobe, int ret)
{
	return on_return(ret);
}

SEC("kretprobe/security_socket_connect")
int BPF_KRETPROBE(tcpconnect_lsm_kretprobe, int ret)
{
	return on_return(ret);
}

SEC("kretprobe/tcp_v4_pre_connect")
int BPF_KRETPROBE(tcpconnect_v4_pre_kretprobe, int ret)
{
	return on_return(ret);
}

SEC("kretprobe/tcp_v6_pre_connect")
int BPF_KRETPROBE(tcpconnect_v6_pre_kretprobe, int ret)
{
	return on_return(ret);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
