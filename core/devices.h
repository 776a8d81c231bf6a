/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Network devices of our own network namespace. */
#ifndef NT_DEVICES_H
#define NT_DEVICES_H

#include <stdbool.h>
#include <stdint.h>

/* Queues that it uses to receive, or to send; 1 if that is not known. */
uint32_t devices_queues(const char *name, bool receive);

#endif
