/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Bytes that a packet from port 53 may bring. Whatever they are, the names that come of them are
 * text that can be printed, for addresses that stand in the bytes.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dns.h"

#define MAX_SIZE 4096
#define TIME 1000000000ull

static void must(bool truth)
{
	if (!truth)
		abort();
}

static void check_name(const char *name)
{
	size_t len = strlen(name);

	must(len && len < DNS_NAME_SIZE);
	for (; *name; name++)
		must(*name > 0x20 && *name < 0x7f && (*name < 'A' || *name > 'Z'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t addr[16] = { [10] = 0xff, [11] = 0xff };
	const char *name;
	struct dns *dns;
	size_t at;

	if (size > MAX_SIZE || dns_new(&dns))
		return -1;
	dns_learn(dns, TIME, data, size);
	for (at = 0; at + 4 <= size; at++) {
		memcpy(addr + 12, data + at, 4);
		name = dns_name(dns, addr, TIME);
		if (name)
			check_name(name);
	}
	for (at = 0; at + 16 <= size; at++) {
		name = dns_name(dns, data + at, TIME);
		if (name)
			check_name(name);
	}
	dns_free(dns);
	return 0;
}
