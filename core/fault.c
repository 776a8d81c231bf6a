// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The sentence of a failure. */
#include "fault.h"

#include <stdarg.h>
#include <stdio.h>

int fault_set(struct fault *fault, enum exit_code code, const char *format, ...)
{
	va_list args;

	if (!fault->text[0]) {
		va_start(args, format);
		vsnprintf(fault->text, sizeof(fault->text), format, args);
		va_end(args);
	}
	return code;
}
