// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Arrays that grow by doubling. */
#include "array.h"

#include <errno.h>
#include <stdlib.h>

int array_grow(void *array, size_t *room, size_t need, size_t size)
{
	size_t more = *room ? *room : 64;
	void *bigger;

	if (need <= *room)
		return 0;
	while (more < need)
		more *= 2;
	bigger = reallocarray(*(void **)array, more, size);
	if (!bigger)
		return -ENOMEM;
	*(void **)array = bigger;
	*room = more;
	return 0;
}
