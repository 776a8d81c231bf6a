/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The descriptors in the control messages of sendmsg(), sendmmsg(), recvmsg() and recvmmsg(), read
 * from the caller's memory when the call has returned. Of 64-bit programs.
 */
#ifndef NT_SCM_BPF_H
#define NT_SCM_BPF_H

#include "kernel.h"

#define SOL_SOCKET 1
#define SCM_RIGHTS 1
#define SCM_MAX_FD 253 /* include/net/scm.h */
#define SCM_PIDFD 4 /* to the receiver, of the sender's process */

/* include/linux/socket.h: struct user_msghdr, struct mmsghdr, struct cmsghdr; all of it is ABI. */
struct nt_user_msghdr {
	__u64 name;
	__u64 namelen;
	__u64 iov;
	__u64 iovlen;
	__u64 control;
	__u64 controllen;
	__u64 flags;
	__u32 len; /* struct mmsghdr has it here: bytes sent or received */
	__u32 pad;
};

struct nt_user_cmsghdr {
	__u64 len;
	__s32 level;
	__s32 type;
};

/* Where we are; addresses are in user memory. */
struct nt_scm {
	__u64 msgs;      /* the headers left */
	__u64 cmsg, end; /* control messages left of the present header */
	__u64 fds;       /* descriptors left of the present control message */
	__u32 n_msgs;
	__u32 n_fds;
	__u32 len;       /* bytes in the present message; until there is one: in all */
	__u8 one;        /* a struct msghdr, not a struct mmsghdr */
	__u8 pad[3];
};

enum { NT_SCM_END = -1, NT_SCM_MORE = -2 };

static __always_inline int nt_scm_fd(struct nt_scm *scm)
{
	int fd;

	if (bpf_probe_read_user(&fd, sizeof(fd), (void *)scm->fds) || fd < 0)
		fd = NT_SCM_MORE;
	scm->fds += sizeof(fd);
	scm->n_fds--;
	return fd;
}

static __always_inline void nt_scm_control(struct nt_scm *scm)
{
	struct nt_user_cmsghdr c;

	if (bpf_probe_read_user(&c, sizeof(c), (void *)scm->cmsg) || c.len < sizeof(c) ||
	    c.len > scm->end - scm->cmsg) {
		scm->cmsg = scm->end;
		return;
	}
	if (c.level == SOL_SOCKET && (c.type == SCM_RIGHTS || c.type == SCM_PIDFD)) {
		scm->fds = scm->cmsg + sizeof(c);
		scm->n_fds = (c.len - sizeof(c)) / sizeof(int);
		if (scm->n_fds > SCM_MAX_FD) /* the program may have changed it meanwhile */
			scm->n_fds = SCM_MAX_FD;
	}
	scm->cmsg += (c.len + 7) & ~7ull;
}

static __always_inline void nt_scm_message(struct nt_scm *scm)
{
	struct nt_user_msghdr m;
	__u64 size = scm->one ? sizeof(m) - 8 : sizeof(m);

	m.len = scm->len;
	if (bpf_probe_read_user(&m, size, (void *)scm->msgs))
		m.controllen = 0;
	scm->len = m.len;
	scm->cmsg = m.control;
	scm->end = m.control + m.controllen;
	scm->msgs += sizeof(m);
	scm->n_msgs--;
}

/* Whether there is anything to look for: most messages have no control data. */
static __always_inline bool nt_scm_begin(struct nt_scm *scm, __u64 msgs, bool one, long ret)
{
	__u64 controllen = 0;

	if (one && (bpf_probe_read_user(&controllen, sizeof(controllen),
					&((struct nt_user_msghdr *)msgs)->controllen) ||
		    controllen < sizeof(struct nt_user_cmsghdr)))
		return false;
	*scm = (struct nt_scm){ .msgs = msgs, .n_msgs = one ? 1 : ret, .len = ret, .one = one };
	return true;
}

/* A descriptor, or what is there instead. Each call takes one step. */
static __always_inline int nt_scm_step(struct nt_scm *scm)
{
	if (scm->n_fds)
		return nt_scm_fd(scm);
	if (scm->cmsg + sizeof(struct nt_user_cmsghdr) <= scm->end)
		nt_scm_control(scm);
	else if (scm->n_msgs)
		nt_scm_message(scm);
	else
		return NT_SCM_END;
	return NT_SCM_MORE;
}

#endif
