// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * In place of libbpf's function of that name (--wrap in CMakeLists.txt). To list the BTF of modules
 * takes CAP_SYS_ADMIN, and without it libbpf 1.1 gives up on an object that names a function which
 * a kernel need not have. Then it is as if there were no modules: nothing of ours is in one.
 */
#include <errno.h>
#include <stdint.h>

int __real_bpf_btf_get_next_id(uint32_t start, uint32_t *next);
int __wrap_bpf_btf_get_next_id(uint32_t start, uint32_t *next);

int __wrap_bpf_btf_get_next_id(uint32_t start, uint32_t *next)
{
	int err = __real_bpf_btf_get_next_id(start, next);

	if (err && errno == EPERM)
		errno = ENOENT;
	return err;
}
