// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Opens files for writing. */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox.h"

int files_create(const char *path, int mode)
{
	const int flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC;
	unsigned int uid, gid;
	int fd = open(path, flags | O_EXCL, mode);

	if (fd >= 0 && sandbox_caller(&uid, &gid) && fchown(fd, uid, gid) < 0)
		errno = 0; /* a file system without owners: it is written all the same */
	if (fd < 0 && errno == EEXIST)
		fd = open(path, flags | O_TRUNC, mode);
	return fd < 0 ? -errno : fd;
}

const char *files_error(int err)
{
	return abs(err) == ELOOP ? "it is a symbolic link, and those are not followed" :
				   strerror(abs(err));
}
