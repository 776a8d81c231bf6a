/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The capabilities of this process. */
#ifndef NT_CAPS_H
#define NT_CAPS_H

#include <stdbool.h>
#include <stddef.h>

#define CAPS_SYS_ADMIN 21 /* contains the two below (include/uapi/linux/capability.h) */
#define CAPS_PERFMON 38
#define CAPS_BPF 39

/* `wanted` ends with -1. true: some are missing and `text` names them ("CAP_BPF, CAP_PERFMON"). */
bool caps_missing(const int *wanted, char *text, size_t size);

#endif
