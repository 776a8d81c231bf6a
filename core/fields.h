/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The fields that every tool can be filtered by, and what the words after them mean. Options
 * (`--lport 80,443`) and the expression language (`lport 80,443`) both end here.
 */
#ifndef NT_FIELDS_H
#define NT_FIELDS_H

#include "session.h"

enum field {
	FIELD_PID, FIELD_TID, FIELD_COMM, FIELD_UID, FIELD_PORT, FIELD_LPORT, FIELD_RPORT,
	FIELD_ADDR, FIELD_LADDR, FIELD_RADDR, FIELD_IP, FIELD_CGROUP, FIELD_UNIT, FIELD_CONTAINER,
	FIELD_NETNS, FIELD_MNTNS, FIELD_COUNT,
};

extern const struct field_info {
	const char *name; /* the long option and the word of the language */
	uint32_t fields;  /* FIELDS_*: which tools know it */
} fields_info[FIELD_COUNT];

/*
 * The predicate "`field` is in the list `text`", a leading '!' negates. `opts` takes what the
 * predicate needs besides: the cgroups to watch, whether mount namespaces must be read. -EINVAL
 * with *err filled, or -ENOMEM.
 */
int fields_parse(struct filter_node **node, enum field field, const char *text,
		 struct session_opts *opts, struct filter_error *err);
/* The same for a column of the type COL_REASON. */
int fields_reasons(struct filter_node **node, const struct column *col, const char *text,
		   struct session_opts *opts, struct filter_error *err);

#endif
