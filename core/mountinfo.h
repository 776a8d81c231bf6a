/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is mounted where: proc_pid_mountinfo(5). */
#ifndef NT_MOUNTINFO_H
#define NT_MOUNTINFO_H

#include <sys/types.h>

/* The texts live until the call returns. */
struct mountinfo {
	dev_t dev;
	const char *root; /* what of the file system is mounted: "/" is all of it */
	const char *at, *type;
	char *options;    /* of the super block; may be written to */
};

/*
 * Calls `each` for every mount of this process, by the /proc that is below `root`. 0, -errno, or
 * what `each` returned that was not 0, which ends it.
 */
int mountinfo_each(const char *root, int (*each)(void *ctx, const struct mountinfo *mount),
		   void *ctx);

#endif
