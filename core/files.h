/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Files that a run writes because it was asked to. */
#ifndef NT_FILES_H
#define NT_FILES_H

/*
 * For writing, emptied; a new one belongs to the user who called sudo. A symbolic link in its place
 * is refused: somebody else may have put it there. The descriptor, or -errno.
 */
int files_create(const char *path, int mode);
/* The word for an error of files_create(), positive or negative. */
const char *files_error(int err);

#endif
