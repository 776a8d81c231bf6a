/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Network devices of our own network namespace. */
#ifndef NT_DEVICES_H
#define NT_DEVICES_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

struct device {
	char name[IF_NAMESIZE];
	uint32_t queues[2]; /* that it uses to send, to receive; 1 if that is not known */
};

/* false: there is no such device. */
bool device_read(struct device *device, const char *name);

#endif
