/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* All that crosses the border between the probes and user space. Both sides include it. */
#ifndef NT_ABI_H
#define NT_ABI_H

#ifndef __bpf__
#include <linux/types.h>
#endif

#define NT_MAX_CGROUPS 16
#define NT_MAX_TOOLS 16 /* in one run; a power of two */
#define NT_FILTER_MARK 0x4e54464c54455221 /* see probes/filter.bpf.h */
#define NT_FILTER_SLOTS 2048              /* instructions that a filter may have */
#define NT_FILTER_EACH 256                /* and one that is asked in a loop, see COL_EACH */
#define NT_COMM_LEN 16 /* TASK_COMM_LEN, include/linux/sched.h; any byte but NUL may occur */

/* How the owner of a socket was found; the order of strength is the order of the values. */
enum nt_owner_how {
	NT_OWNER_NONE,
	NT_OWNER_INHERITED, /* the listener's owner */
	NT_OWNER_SNAPSHOT,  /* held the socket when we started */
	NT_OWNER_IO,        /* the first seen sending, receiving or closing */
	NT_OWNER_LISTEN,
	NT_OWNER_ACCEPT,
	NT_OWNER_CONNECT,
};

/* Who owns a socket. All zero but `uid` (all ones) when nobody is known. */
struct nt_owner {
	__u64 cgroup;     /* cgroup v2 id; 0 unknown */
	__u32 pid;        /* thread group id, initial pid namespace */
	__u32 tid;        /* thread id; 0 unknown (a snapshot knows processes only) */
	__u32 uid;        /* initial user namespace */
	__u32 mntns;      /* inode; 0 unless a filter asks for it */
	char comm[NT_COMM_LEN];
	__u16 cgroup_bits; /* bit i: was inside the i-th cgroup of nt_params.cgroups */
	__u8 how;         /* enum nt_owner_how */
	__u8 pad[5];
};

/* One tool of a run keeps the map of sockets; the others read it. */
enum nt_keep {
	NT_KEEP_NOTHING,
	NT_KEEP_CONNECTS, /* only those that called connect() */
	NT_KEEP_ALL,
};

/* What a record of the ring is. */
enum nt_kind {
	NT_ROW,
	NT_DNS, /* struct nt_dns: no event, nobody counts it */
};

/* The head of every event. Filters read these fields by offset, so each stands alone. */
struct nt_event {
	__u64 time;       /* ns, CLOCK_MONOTONIC (bpf_ktime_get_ns) */
	__u32 netns;      /* inode of the socket's network namespace */
	__u16 lport;      /* host order */
	__u16 rport;      /* host order */
	__u8 laddr[16];   /* network order; IPv4 as ::ffff:a.b.c.d */
	__u8 raddr[16];
	struct nt_owner owner;
	__u8 ip;          /* 4 or 6; IPv4-mapped IPv6 is 4 */
	__u8 tool;        /* index of the tool in the session */
	__u8 out;         /* of a row of nt_sums: the filter rejects it */
	__u8 kind;        /* enum nt_kind */
	__u8 pad[4];
};

#define NT_DNS_SMALL 512 /* the largest answer without EDNS */
#define NT_DNS_LARGE 4096

/* An answer of a DNS server, as it came. */
struct nt_dns {
	struct nt_event head; /* time: when it came; raddr, rport: the server */
	__u16 len;            /* of `data` */
	__u8 data[NT_DNS_LARGE]; /* NT_DNS_SMALL where that is enough */
	__u8 pad[6];
};

/*
 * Numbers of the kernel that the loader puts into programs (core/hook.c): the id of a type, whether
 * there is a function that programs may call, the call of it.
 */
#define NT_MARK_TYPE 0x6e740000 /* + enum nt_kernel_type */
#define NT_MARK_HAS 0x6e740100  /* + enum nt_kfunc */
#define NT_MARK_CALL 0x6e740200 /* + enum nt_kfunc */

enum nt_kfunc { NT_RDONLY_CAST, NT_CAST_TO_KERN_CTX, NT_KFUNC_COUNT }; /* 6.2, both */

#define NT_KERNEL_TYPES(each)                                                                      \
	each(dst_entry) each(file) each(in6_addr) each(mount) each(net_device)                     \
	each(ns_common___ops) each(sock) each(sockaddr_in6) each(socket) each(timespec64)

#define NT_KERNEL_TYPE(name) NT_TYPE_##name,
enum nt_kernel_type { NT_KERNEL_TYPES(NT_KERNEL_TYPE) NT_TYPE_COUNT };
#undef NT_KERNEL_TYPE

/* What leads the rows of nt_sums (probes/sums.bpf.h). */
struct nt_sum {
	struct nt_event head; /* time: when it was read */
	__u64 interval_ns;    /* since it was read before; set by the reader */
};

#define NT_HIST_SLOTS 40

#define NT_STACK_FRAMES 64
#define NT_STACK_SIZE (NT_STACK_FRAMES * sizeof(__u64))

/*
 * An id of COL_NAME (output/column.h) that is this or more, and no kernel address, is one of the
 * column's own names.
 */
#define NT_NAME_OWN (1ull << 32)

#define NT_NET_TEXT 56 /* the longest network is IPv4-mapped and has 49 */
#define NT_NO_NET 0xffffffff

/* Key of the map of networks: BPF_MAP_TYPE_LPM_TRIE. */
struct nt_net_key {
	__u32 prefix;  /* bits; of IPv4 96 more than it is called */
	__u8 addr[16]; /* as in nt_event */
};

struct nt_net {
	__u32 index; /* in the list that the user gave, or NT_NO_NET */
	char text[NT_NET_TEXT]; /* as it stands there */
};

/* COL_HIST (output/column.h). */
struct nt_hist {
	__u64 count, sum, max;
	__u64 slots[NT_HIST_SLOTS];
};

enum {
	NT_PINNED_CGROUPS = 1, /* nt_cgroupmap */
	NT_PINNED_MNTNS = 2,   /* nt_mntnsmap */
};

#define NT_LINK_NAMES 1024 /* bytes, a power of two; paths of up to 767 are whole */

/* What a struct file is: the kernel says it so in the links of /proc/PID/fd. */
enum nt_link_kind {
	NT_LINK_UNKNOWN,
	NT_LINK_PATH,
	NT_LINK_DELETED,
	NT_LINK_SOCKET,
	NT_LINK_PIPE,
	NT_LINK_ANON,
	NT_LINK_NS,
	NT_LINK_PIDFD,
	NT_LINK_DMABUF,
	NT_LINK_CUT = 16, /* with PATH or DELETED: the beginning of the path is left out */
};

/* The parts of a link of /proc/PID/fd (probes/file.bpf.h). */
struct nt_link {
	__u64 ino;        /* inode number */
	__u16 used;       /* bytes of `names` */
	__u8 kind;        /* enum nt_link_kind */
	__u8 pad[5];
	char names[NT_LINK_NAMES]; /* the last part of a path first; each ends with NUL */
};

/*
 * Set by the session before the probes are loaded (.rodata.params): the verifier removes what is
 * switched off.
 */
struct nt_params {
	__u64 start;         /* ns, CLOCK_MONOTONIC: what is older is partial */
	__u64 ring_bytes;
	__u64 cgroup1_ids[NT_MAX_CGROUPS]; /* cgroup v1 targets: kernfs id, 0 for a v2 target */
	__u32 cgroup1_subsys[NT_MAX_CGROUPS]; /* their controller: the kernel's cgroup_subsys_id */
	__u32 n_cgroups;     /* that filters ask for; the v2 ones are in the map nt_cgroups */
	__u32 flags;         /* the tool's own, set by its options (struct opt) */
	__u8 tool;           /* nt_event.tool */
	__u8 keep_owners;    /* enum nt_keep: what this object keeps in the map of sockets */
	__u8 want_mntns;
	__u8 want_owners;    /* by columns or by the filter of this tool */
	__u8 pinned;         /* NT_PINNED_*: the maps of others that a row's owner must be in */
	__u8 each_row;       /* the filter looks at a column with COL_EACH */
	__u8 one_more;       /* host_takes_one_more() (core/host.h) */
	__u8 casts;          /* host_survives_faults() (core/host.h) */
};

/*
 * Counted per CPU, never reset: seen == filtered + lost_buffer + lost_map + records in the ring.
 * Rows of nt_sums are counted by the reader.
 */
struct nt_counters {
	__u64 seen;
	__u64 filtered;
	__u64 lost_buffer;
	__u64 lost_map;
	__u64 lost_stack;
	__u64 transition; /* no counter: see nt_transition() in probes/owner.bpf.h */
};

/* One page shared with the reader. */
struct nt_reader {
	__u32 asleep;   /* set before it sleeps; cleared by the probe that wakes it */
	__u32 hurried;  /* a probe woke it, the ring fills; cleared before it reads */
	__u32 map_full; /* nt_socks had no room for a socket once */
	__u32 unbound;  /* entries of nt_listeners whose port is not known yet */
};

/* What tcpstates knows of a socket: here, not in a map of its own, to be found with the rest. */
struct nt_state {
	__u64 since;    /* ns, CLOCK_MONOTONIC: when the present state began; 0: unknown */
	__u32 cpu_pid;  /* of a row held back */
	__u8 held;      /* the old state of a row held back, 0: none is */
	__u8 state;     /* the present state */
	__u8 pad[2];
	char cpu_comm[NT_COMM_LEN];
};

/*
 * What is remembered of a socket while it lives. Key: its address. Guarded by the socket's own
 * lock, but for `owner`: it is claimed without by accept() and by who sends and receives.
 */
struct nt_sock {
	__u64 birth;  /* ns, CLOCK_MONOTONIC: ESTABLISHED, or SYN_SENT till then; 0: before us */
	__u64 syn_sent; /* ns: SYN_SENT of its last connect(); 0: none, or before us */
	struct nt_owner owner;
	/* by tool: the state whose beginning it has handled, or another mark of its own */
	__u8 done[NT_MAX_TOOLS];
	__u8 active;   /* it called connect(): its SYN is counted in bytes_acked */
	__u8 listened; /* it is a listener or was one */
	__u8 closed;   /* what follows CLOSE is another socket, or another connect() */
	__u8 pad[5];
	struct nt_state state; /* only where a tool of the run keeps states (core/tool.h) */
};

/* Key of the map of listeners. */
struct nt_listener {
	__u32 netns;
	__u16 port;   /* host order */
	__u16 family; /* of the listener and of its children */
	__u8 addr[16];
};

#endif
