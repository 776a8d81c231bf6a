/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel as the probes see it: only the types and fields that are read, relocated against the
 * running kernel's BTF when a probe is loaded (CO-RE), so that a build needs neither a vmlinux.h
 * nor a kernel with BTF.
 */
#ifndef NT_KERNEL_H
#define NT_KERNEL_H

/*
 * bpf_tracing.h picks the field names of struct pt_regs by this word: the kernel's own names, as
 * below.
 */
#define __VMLINUX_H__

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef signed char __s8;
typedef short __s16;
typedef int __s32;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef _Bool bool;
#define true 1
#define false 0
#define NULL ((void *)0)

/* include/uapi/linux/bpf.h; bpf_helper_defs.h names map types and flags that come from there. */
enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PROG_ARRAY = 3,
	BPF_MAP_TYPE_PERCPU_HASH = 5,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_CGROUP_ARRAY = 8,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_LPM_TRIE = 11,
	BPF_MAP_TYPE_ARRAY_OF_MAPS = 12,
	BPF_MAP_TYPE_RINGBUF = 27,
};
enum { BPF_ANY, BPF_NOEXIST, BPF_EXIST };
enum { BPF_F_NO_PREALLOC = 1U << 0, BPF_F_MMAPABLE = 1U << 10 };
enum { BPF_RB_NO_WAKEUP = 1, BPF_RB_FORCE_WAKEUP = 2 };
enum { BPF_RB_AVAIL_DATA = 0 };
enum { BPF_F_CURRENT_NETNS = -1L };

#include "abi.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>

/* The frame of a kprobe; its layout is ABI (arch/ARCH/include/asm/ptrace.h). */
#if defined(__TARGET_ARCH_x86)
struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di;
	unsigned long orig_ax, ip, cs, flags, sp, ss;
};
#elif defined(__TARGET_ARCH_arm64)
struct user_pt_regs {
	__u64 regs[31], sp, pc, pstate;
};
#endif
#include <bpf/bpf_tracing.h>

/*
 * How a program may read kernel memory. What the verifier knows the type of (tp_btf, fentry) is
 * loaded directly: that is allowed under lockdown=confidentiality too. Elsewhere (kprobes, pointers
 * found in maps) it takes a helper. A constant in always-inlined code, so only one remains.
 */
enum nt_way { NT_DIRECT, NT_PROBE, NT_TYPED };

/*
 * NT_TYPED is for kernels that know the type of the first pointer but cannot be told that of others
 * (bpf_rdonly_cast() below): those are read this way. Nor may a direct load fail there, see
 * host_survives_faults() (core/host.h).
 */
#define NT_OTHER(way) ((way) == NT_TYPED ? NT_PROBE : (way))

/* A scalar or pointer one dereference away, zero-extended. */
#define NT_READ(way, lvalue)                                                                       \
	({                                                                                         \
		typeof((lvalue) + 0) nt_value_ = 0;                                                \
		if ((way) != NT_PROBE)                                                             \
			nt_value_ = (lvalue);                                                      \
		else                                                                               \
			bpf_core_read(&nt_value_, sizeof(lvalue), &(lvalue));                      \
		nt_value_;                                                                         \
	})

/*
 * A pointer of any origin as one to `struct type` that may be loaded from (6.2, a35b9af4ec2c): what
 * reads memory under lockdown=confidentiality. Not by libbpf's means, for which it has to take the
 * kernel's BTF apart: core/hook.c puts in the kernel's numbers.
 */
#define NT_CAST(way, type, pointer)                                                                \
	((struct type *)((way) == NT_DIRECT && nt_params.casts ?                                   \
				 nt_rdonly_cast(pointer, NT_TYPE_##type) :                         \
				 (void *)(pointer)))
#define nt_rdonly_cast(pointer, type)                                                              \
	({                                                                                         \
		register const void *nt_from_ asm("r1") = (const void *)(pointer);                 \
		register void *nt_to_ asm("r0");                                                   \
		asm volatile("r2 = %2\ncall %3"                                                    \
			     : "=r"(nt_to_), "+r"(nt_from_)                                        \
			     : "i"(NT_MARK_TYPE + (type)), "i"(NT_MARK_CALL + NT_RDONLY_CAST)      \
			     : "r2", "r3", "r4", "r5");                                            \
		nt_to_;                                                                            \
	})

static __always_inline bool nt_can_cast(void)
{
	__u64 can;

	asm volatile("%0 = %1" : "=r"(can) : "i"(NT_MARK_HAS + NT_RDONLY_CAST));
	return can;
}

#define AF_UNIX 1
#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd
#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_TCP 6
#define IPPROTO_MPTCP 262

/* include/net/tcp_states.h */
enum {
	TCP_ESTABLISHED = 1,
	TCP_SYN_SENT,
	TCP_SYN_RECV,
	TCP_FIN_WAIT1,
	TCP_FIN_WAIT2,
	TCP_TIME_WAIT,
	TCP_CLOSE,
	TCP_CLOSE_WAIT,
	TCP_LAST_ACK,
	TCP_LISTEN,
	TCP_CLOSING,
	TCP_NEW_SYN_RECV,
};

/* enum tcp_ca_state, include/uapi/linux/tcp.h */
enum {
	TCP_CA_Open,
	TCP_CA_Disorder,
	TCP_CA_CWR,
	TCP_CA_Recovery,
	TCP_CA_Loss,
};

#define ICSK_TIME_LOSS_PROBE 5 /* include/net/inet_connection_sock.h */

/* Bits of the flags in a TCP header, the low byte (include/net/tcp.h). */
enum {
	TCPHDR_FIN = 1 << 0,
	TCPHDR_SYN = 1 << 1,
	TCPHDR_RST = 1 << 2,
	TCPHDR_PSH = 1 << 3,
	TCPHDR_ACK = 1 << 4,
};

/* include/uapi/asm-generic/errno.h */
#define EINTR 4
#define MAX_ERROR 133 /* the last one that has a name */
#define EPIPE 32
#define ECONNABORTED 103
#define EISCONN 106
#define ECONNRESET 104
#define ETIMEDOUT 110
#define ECONNREFUSED 111
#define EHOSTUNREACH 113
#define EALREADY 114
#define EINPROGRESS 115

/* Walked first by the verifier: what it wrote may be anything to the path that is walked then. */
#define nt_likely(condition) __builtin_expect(!!(condition), 1)

/*
 * A function that the verifier walks once by itself, not on each path that leads there. It knows
 * nothing of the arguments, which have to be numbers, and the caller nothing of the result.
 */
#define NT_GLOBAL __attribute__((noinline))

/*
 * What may be handed pointers: the verifier walks it for each call, but behind it goes on with one
 * state for all of its paths, not with one for each.
 */
#define NT_CALLED static __attribute__((noinline, unused))

/*
 * The verifier walks what follows a branch once for each constant that the branch left behind, if a
 * later branch depends on it. This makes it forget a number: `unknown` is one that it cannot know.
 */
#define NT_FORGET(number, unknown)                                                                 \
	({                                                                                         \
		__u64 nt_number_ = (number);                                                       \
		asm volatile("%0 += %1\n%0 -= %1" : "+r"(nt_number_) : "r"((__u64)(unknown)));     \
		nt_number_;                                                                        \
	})

/*
 * An address as a number. What the verifier takes for a pointer cannot be handed to an NT_GLOBAL
 * function; negated, it is none.
 */
static __always_inline __u64 nt_address(const void *p)
{
	__u64 number = (__u64)p;

	asm volatile("%0 = -%0\n%0 = -%0" : "+r"(number));
	return number;
}

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common {
	__u32 inum;
};

struct netns_core {
	int sysctl_somaxconn;
};

struct netns_ipv4 {
	__u8 sysctl_tcp_syncookies; /* wider until 5.12 */
};

struct net {
	struct ns_common ns;
	struct netns_core core;
	struct netns_ipv4 ipv4;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct in6_addr {
	union {
		__be32 u6_addr32[4];
	} in6_u;
};

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	__s64 counter;
} atomic64_t;

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__u32 skc_hash;     /* of namespace, addresses and ports; stays when it is unhashed */
	__u32 skc_portpair; /* skc_dport and skc_num */
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	unsigned char skc_ipv6only : 1;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	atomic64_t skc_cookie;
	unsigned long skc_flags;
};

struct hlist_node {
	struct hlist_node **pprev; /* NULL: in no list */
};

struct timer_list {
	struct hlist_node entry;
};

typedef struct {
	int owned;
} socket_lock_t;

struct sock {
	struct sock_common __sk_common;
	socket_lock_t sk_lock;
	struct timer_list tcp_retransmit_timer;
	__u16 sk_protocol; /* 16 bits wide since 5.6 (bf9765145b85) */
	int sk_err;
	__u8 sk_shutdown;
	struct socket *sk_socket; /* NULL: no process holds it (not yet accepted, or closed) */
	atomic_t sk_drops;
	__u32 sk_ack_backlog; /* of a listener: how many connections wait for accept() */
	__u32 sk_max_ack_backlog;
};

struct inet_sock {
	struct sock sk;
	__be16 inet_sport;
};

struct request_sock_queue {
	atomic_t qlen; /* handshakes under way */
};

struct inet_connection_sock {
	struct inet_sock icsk_inet;
	struct request_sock_queue icsk_accept_queue;
	struct timer_list icsk_retransmit_timer; /* until 6.18; then struct sock has it */
	__u8 icsk_ca_state : 5; /* enum tcp_ca_state */
	__u8 icsk_retransmits; /* unanswered timeouts */
	__u8 icsk_pending; /* which timer is set, 0: none */
};

struct mptcp_sock {
	struct sock *first; /* the subflow it began with; of a listener, the one that listens */
};

struct socket {
	short type;
	struct file *file;
	struct sock *sk;
};

struct inode {
	unsigned short i_mode;
	unsigned long i_ino;
	void *i_private;
	struct super_block *i_sb;
};

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

struct file {
	void *private_data;
	struct inode *f_inode;
	struct path f_path;
};

struct thread_info {
	unsigned long flags;
	__u32 status; /* x86 */
};

struct task_struct {
	struct thread_info thread_info;
	void *stack;
	struct files_struct *files;
	struct nsproxy *nsproxy;
	struct css_set *cgroups;
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u64 bytes_received;
	__u64 bytes_acked;
	__u64 bytes_sent;
	__u64 bytes_retrans;
	__u32 rcv_nxt;
	__u32 snd_una;
	__u32 snd_nxt;
	__u32 write_seq;
	__u32 srtt_us; /* smoothed round trip time << 3, in us */
	__u32 total_retrans;
	__u32 undo_marker;
	bool is_mptcp; /* a subflow; only where MPTCP is built in */
};

struct request_sock {
	struct sock_common __req_common;
};

struct inet_timewait_sock {
	struct sock_common __tw_common;
};

struct tcp_request_sock {
	__u32 snt_isn;
};

struct net_device {
	char name[16]; /* IFNAMSIZ */
	int ifindex;
	unsigned int real_num_tx_queues;
	unsigned int real_num_rx_queues;
	possible_net_t nd_net;
};

struct dst_entry {
	struct net_device *dev;
};

struct sk_buff {
	struct net_device *dev; /* something else while the packet is in a tree */
	struct sock *sk;
	unsigned int len;
	unsigned long _skb_refdst; /* struct dst_entry *, the lowest bit is none of it */
	int skb_iif;       /* interface it came in by; 0: it is leaving */
	unsigned int tail; /* this and the headers: from head */
	unsigned char *head;
	__u16 queue_mapping;
	__be16 protocol;
	__u16 transport_header;
	__u16 network_header;
	char cb[48];
};

/* The record of the tracepoint: what it has tells what the tracepoint's arguments are. */
struct trace_event_raw_tcp_retransmit_skb {
	int err;
};

enum skb_drop_reason {
	SKB_CONSUMED = 1,
	SKB_DROP_REASON_NOT_SPECIFIED = 2,
	SKB_DROP_REASON_TCP_LISTEN_OVERFLOW = 40,
	SKB_DROP_REASON_QUEUE_PURGE = 104,
};

struct trace_event_raw_kfree_skb {
	void *rx_sk;
	enum skb_drop_reason reason;
};

/* In sk_buff.cb while TCP has the packet. */
struct tcp_skb_cb {
	__u32 seq;
	__u32 end_seq;
	__u16 tcp_gso_segs;
	__u16 tcp_gso_size;
	__u8 tcp_flags; /* wider since 6.16; the low byte is as in the header */
};

#pragma clang attribute pop

/* include/uapi/linux/bpf.h: the context of cgroup_skb programs and its socket; never moved. */
struct bpf_sock {
	__u32 before[18];
	__u32 state;
};

struct bpf_sock_tuple {
	union {
		struct {
			__be32 saddr, daddr;
			__be16 sport, dport;
		} ipv4;
		struct {
			__be32 saddr[4], daddr[4];
			__be16 sport, dport;
		} ipv6;
	};
};

struct __sk_buff {
	__u32 len; /* from the IP header on: this hook puts it there */
	__u32 between_len[3];
	__u32 protocol; /* network order */
	__u32 between_protocol[14];
	__u32 data, data_end; /* what is between them can be read directly */
	__u32 between_data[21];
	struct bpf_sock *sk;
};

#endif
