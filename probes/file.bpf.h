/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a struct file is, as the links of /proc/PID/fd say it (d_path() and the d_dname() of the
 * kernel's own file systems), read while the kernel holds the file: nobody can close it, or put
 * another one in its place, before its name is known.
 */
#ifndef NT_FILE_BPF_H
#define NT_FILE_BPF_H

#include "event.bpf.h"

#define NT_LINK_STEPS 64 /* parts of a path and mounts on its way; what is above is left out */
#define NT_NAME_MAX 256  /* NAME_MAX and a NUL */

/* include/uapi/linux/magic.h */
#define PIPEFS_MAGIC 0x50495045
#define SOCKFS_MAGIC 0x534f434b
#define ANON_INODE_FS_MAGIC 0x09041934
#define NSFS_MAGIC 0x6e736673
#define PID_FS_MAGIC 0x50494446
#define DMA_BUF_MAGIC 0x444d4142
#define TMPFS_MAGIC 0x01021994
#define HUGETLBFS_MAGIC 0x958458f6

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct qstr {
	__u32 len;
	const unsigned char *name;
};

struct hlist_bl_node {
	struct hlist_bl_node **pprev;
};

struct dentry {
	struct hlist_bl_node d_hash;
	struct dentry *d_parent;
	struct qstr d_name;
};

struct super_block {
	unsigned long s_magic;
};

struct vfsmount {
	struct dentry *mnt_root;
};

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
};

struct proc_ns_operations {
	const char *name;
};

struct timespec64 {
	__s64 tv_sec;
	long tv_nsec;
};

#pragma clang attribute pop

/* struct ns_common of kernel.h as nsfs sees it */
struct ns_common___ops {
	const struct proc_ns_operations *ops;
} __attribute__((preserve_access_index));

#define NT_NAME_ROOM (NT_LINK_NAMES - NT_NAME_MAX - 1) /* up to here, another one fits */

/*
 * Appends a name; the next one overwrites what is behind its NUL. A global function: the verifier
 * looks at it once, not once a part of a path.
 */
__attribute__((noinline)) int nt_link_copy(struct nt_link *to, __u64 name, __u32 len)
{
	const struct timespec64 *words; /* any type of two words will do */
	__u32 at, i;

	if (!to)
		return 0;
	at = to->used;
	if (at > NT_NAME_ROOM)
		return 0;
	if (len >= NT_NAME_MAX)
		len = NT_NAME_MAX - 1;
	for (i = 0; i < NT_NAME_MAX && i < len; i += 16) {
		words = NT_CAST(NT_DIRECT, timespec64, name + i);
		*(__u64 *)&to->names[at + i] = words->tv_sec;
		*(__u64 *)&to->names[at + i + 8] = words->tv_nsec;
	}
	to->names[at + len] = 0;
	to->used = at + len + 1;
	return 0;
}

static __always_inline void nt_link_add(struct nt_link *to, const void *name, __u32 len,
					enum nt_way way)
{
	__u32 at = to->used;
	long n;

	if (at > NT_NAME_ROOM) {
		to->kind |= NT_LINK_CUT;
	} else if (way == NT_DIRECT) {
		nt_link_copy(to, (__u64)name, len);
	} else {
		n = bpf_probe_read_kernel_str(&to->names[at], NT_NAME_MAX, name);
		if (n > 0 && n <= NT_NAME_MAX)
			to->used = at + n;
	}
}

static __always_inline void nt_link_dentry(struct nt_link *to, const struct dentry *dentry,
					   enum nt_way way)
{
	nt_link_add(to, NT_READ(way, dentry->d_name.name), NT_READ(way, dentry->d_name.len), way);
}

/* The parts of a path from the last to the first, as far as there is room. */
static __always_inline void nt_link_path(struct nt_link *to, const struct dentry *dentry,
					 const struct vfsmount *mnt, enum nt_way way)
{
	const struct dentry *parent;
	const struct mount *mount, *above;
	int i;

	for (i = 0; i < NT_LINK_STEPS; i++) {
		if (dentry == NT_READ(way, mnt->mnt_root)) {
			mount = NT_CAST(way, mount,
					(void *)mnt - bpf_core_field_offset(struct mount, mnt));
			above = NT_READ(way, mount->mnt_parent);
			if (above == mount)
				return;
			dentry = NT_READ(way, mount->mnt_mountpoint);
			mnt = &above->mnt;
			continue;
		}
		parent = NT_READ(way, dentry->d_parent);
		nt_link_dentry(to, dentry, way);
		if (parent == dentry || to->kind & NT_LINK_CUT)
			return;
		dentry = parent;
	}
	to->kind |= NT_LINK_CUT;
}

/* A file that is in no directory: alloc_file_pseudo() and the like. */
static __always_inline void nt_link_pseudo(struct nt_link *to, struct inode *inode,
					   const struct dentry *dentry, enum nt_way way)
{
	const struct super_block *sb = NT_READ(way, inode->i_sb);
	const struct ns_common___ops *ns;
	const struct proc_ns_operations *ops;

	switch (NT_READ(way, sb->s_magic)) {
	case SOCKFS_MAGIC:
		to->kind = NT_LINK_SOCKET;
		return;
	case PIPEFS_MAGIC:
		to->kind = NT_LINK_PIPE;
		return;
	case PID_FS_MAGIC:
		to->kind = NT_LINK_PIDFD;
		return;
	case NSFS_MAGIC:
		to->kind = NT_LINK_NS;
		ns = NT_CAST(way, ns_common___ops, NT_READ(way, inode->i_private));
		ops = NT_READ(way, ns->ops);
		nt_link_add(to, NT_READ(way, ops->name), 16, way);
		return;
	case ANON_INODE_FS_MAGIC:
		to->kind = NT_LINK_ANON;
		break;
	case DMA_BUF_MAGIC:
		to->kind = NT_LINK_DMABUF;
		break;
	case TMPFS_MAGIC: /* memfd_create() */
	case HUGETLBFS_MAGIC:
		to->kind = NT_LINK_DELETED;
		break;
	default:
		to->kind = NT_LINK_PATH;
	}
	nt_link_dentry(to, dentry, way);
}

static __always_inline void nt_link_parts(struct nt_link *to, const struct file *file,
					 enum nt_way way)
{
	const struct dentry *dentry = NT_READ(way, file->f_path.dentry);
	const struct vfsmount *mnt = NT_READ(way, file->f_path.mnt);
	struct inode *inode = NT_READ(way, file->f_inode);
	bool root = NT_READ(way, dentry->d_parent) == dentry;

	to->ino = NT_READ(way, inode->i_ino);
	if (root && dentry != NT_READ(way, mnt->mnt_root)) {
		nt_link_pseudo(to, inode, dentry, way);
		return;
	}
	to->kind = NT_LINK_PATH;
	if (!root && !NT_READ(way, dentry->d_hash.pprev))
		to->kind = NT_LINK_DELETED;
	nt_link_path(to, dentry, mnt, way);
}

static __always_inline void nt_link_read(struct nt_link *to, const struct file *file,
					 enum nt_way way)
{
	__u64 end;

	to->used = 0;
	nt_link_parts(to, file, way);
	end = to->used;
	barrier_var(end); /* the compiler knows it is small, the verifier has forgotten */
	to->names[end & (NT_LINK_NAMES - 1)] = 0;
}

#endif
