/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Texts that are in no row: they may be of any bytes too. */
#ifndef NT_QUOTE_H
#define NT_QUOTE_H

#include <stdio.h>

/* As a JSON string; NULL is null. */
void quote(FILE *to, const char *text);
/* ,"key":"text" */
void quote_member(FILE *to, const char *key, const char *text);
/* As a table shows it. */
void quote_plain(FILE *to, const char *text, size_t len);

#endif
