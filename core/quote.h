/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Texts of our own in JSON; those of the kernel go through output/put.h. */
#ifndef NT_QUOTE_H
#define NT_QUOTE_H

#include <stdio.h>

/* As a JSON string; NULL is null. */
void quote(FILE *to, const char *text);
/* ,"key":"text" */
void quote_member(FILE *to, const char *key, const char *text);

#endif
