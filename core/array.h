/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Arrays that grow. */
#ifndef NT_ARRAY_H
#define NT_ARRAY_H

#include <stddef.h>

/* Room for `need` elements of `size` bytes in what *array points to. 0 or -ENOMEM. */
int array_grow(void *array, size_t *room, size_t need, size_t size);

#endif
