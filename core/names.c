// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Reasons of dropped packets and functions of the kernel, by number. */
#include "names.h"

#include <bpf/btf.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "array.h"
#include "ksyms.h"

#define BTF_DIR "/sys/kernel/btf"
#define KERNEL_HALF (1ull << 63) /* addresses of the kernel */

/* A hash table with open addressing; `size` is a power of two, at most half of it is in use. */
struct names {
	bool host;
	bool has_core, has_modules; /* the reasons of the kernel, of its modules were read */
	bool has_reasons;
	struct ksyms *ksyms;
	int kallsyms; /* ksyms_open() */
	struct known {
		uint64_t id;
		char *text; /* NULL: a free place */
	} *known;
	size_t n, size;
	uint64_t *untold; /* ids */
	size_t n_untold, room;
	char function[128];
};

int names_new(struct names **names, bool host)
{
	*names = calloc(1, sizeof(**names));
	if (!*names)
		return -ENOMEM;
	(*names)->host = host;
	(*names)->kallsyms = host ? ksyms_open() : -1;
	return 0;
}

void names_free(struct names *names)
{
	size_t i;

	if (!names)
		return;
	for (i = 0; i < names->size; i++)
		free(names->known[i].text);
	free(names->known);
	free(names->untold);
	ksyms_free(names->ksyms);
	if (names->kallsyms >= 0)
		close(names->kallsyms);
	free(names);
}

/* The place of an id, or the free one where it belongs. */
static struct known *place_of(struct known *known, size_t size, uint64_t id)
{
	size_t i = id * 0x9e3779b97f4a7c15 >> 20 & (size - 1);

	while (known[i].text && known[i].id != id)
		i = (i + 1) & (size - 1);
	return &known[i];
}

static const char *find(const struct names *names, uint64_t id)
{
	return names->size ? place_of(names->known, names->size, id)->text : NULL;
}

static int grow(struct names *names)
{
	size_t size = names->size ? names->size * 2 : 256, i;
	struct known *more = calloc(size, sizeof(*more));

	if (!more)
		return -ENOMEM;
	for (i = 0; i < names->size; i++)
		if (names->known[i].text)
			*place_of(more, size, names->known[i].id) = names->known[i];
	free(names->known);
	names->known = more;
	names->size = size;
	return 0;
}

int names_learn(struct names *names, uint64_t id, const char *text)
{
	struct known *place;
	char *copy;

	if (names->n >= names->size / 2 && grow(names))
		return -ENOMEM;
	if (array_grow(&names->untold, &names->room, names->n_untold + 1, sizeof(*names->untold)))
		return -ENOMEM;
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	place = place_of(names->known, names->size, id);
	names->n += !place->text;
	free(place->text);
	*place = (struct known){ id, copy };
	names->untold[names->n_untold++] = id;
	return 0;
}

void names_new_names(struct names *names, void (*each)(void *ctx, uint64_t id, const char *text),
		     void *ctx)
{
	size_t i;

	for (i = 0; i < names->n_untold; i++)
		each(ctx, names->untold[i], find(names, names->untold[i]));
	names->n_untold = 0;
}

/* The kernel itself prints them without these prefixes (net/core/skbuff.c, drop_reasons). */
static const char *bare(const char *name)
{
	static const char *const prefixes[] = { "SKB_DROP_REASON_", "SKB_" };
	size_t i, len;

	for (i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
		len = strlen(prefixes[i]);
		if (!strncmp(name, prefixes[i], len))
			return name + len;
	}
	return name;
}

static void learn_enum(struct names *names, const struct btf *btf, const struct btf_type *type)
{
	const struct btf_enum *value = btf_enum(type), *end = value + btf_vlen(type);
	const char *name;

	for (; value < end; value++) {
		name = btf__name_by_offset(btf, value->name_off);
		/* What has only zeros or a mask below the subsystem's number is no reason. */
		if (!(value->val & 0xffff) || strstr(name, "_REASON_MAX"))
			continue;
		names_learn(names, (uint32_t)value->val, bare(name));
		names->has_reasons = true;
	}
}

/*
 * Those of the core are in enum skb_drop_reason, those of subsystems, whose number is in the upper
 * half, in enums of their own.
 */
static void learn_enums(struct names *names, const struct btf *btf, uint32_t from)
{
	uint32_t i, n = btf__type_cnt(btf);
	const struct btf_type *type;
	const char *name;

	for (i = from; i < n; i++) {
		type = btf__type_by_id(btf, i);
		if (!btf_is_enum(type) || !type->name_off)
			continue;
		name = btf__name_by_offset(btf, type->name_off);
		if (strstr(name, "drop_reason") && !strstr(name, "drop_reason_subsys"))
			learn_enum(names, btf, type);
	}
}

static struct btf *read_core(struct names *names)
{
	struct btf *btf = btf__parse(BTF_DIR "/vmlinux", NULL);

	if (btf && !names->has_core)
		learn_enums(names, btf, 1);
	names->has_core = true;
	return btf;
}

static void need_core(struct names *names)
{
	if (names->host && !names->has_core)
		btf__free(read_core(names));
}

static void need_modules(struct names *names)
{
	struct btf *core, *btf;
	struct dirent *entry;
	char path[300];
	DIR *dir;

	if (!names->host || names->has_modules)
		return;
	names->has_modules = true;
	core = read_core(names);
	dir = core ? opendir(BTF_DIR) : NULL;
	while (dir && (entry = readdir(dir))) {
		if (*entry->d_name == '.' || !strcmp(entry->d_name, "vmlinux"))
			continue;
		snprintf(path, sizeof(path), BTF_DIR "/%s", entry->d_name);
		btf = btf__parse_split(path, core);
		if (btf)
			learn_enums(names, btf, btf__type_cnt(core));
		btf__free(btf);
	}
	if (dir)
		closedir(dir);
	btf__free(core);
}

void names_all_reasons(struct names *names)
{
	need_core(names);
}

static const char *reason_of(struct names *names, uint64_t id)
{
	need_core(names);
	if (id >> 16 && !find(names, id))
		need_modules(names);
	return find(names, id);
}

int names_read_functions(struct names *names)
{
	return names->ksyms ? 0 : ksyms_new(&names->ksyms, names->kallsyms);
}

const char *names_of(struct names *names, uint64_t id)
{
	const char *known = find(names, id);
	char text[160];

	if (known || !names->host)
		return known;
	if (id < KERNEL_HALF)
		return reason_of(names, id);
	if (names_read_functions(names))
		return NULL;
	if (!ksyms_name(names->ksyms, id, text, sizeof(text)))
		return NULL;
	names_learn(names, id, text);
	return find(names, id);
}

static size_t function_length(const char *text)
{
	return strcspn(text, "+");
}

const char *names_of_function(struct names *names, uint64_t address)
{
	const char *text = names_of(names, address);

	if (!text || !*text)
		return NULL;
	snprintf(names->function, sizeof(names->function), "%.*s", (int)function_length(text),
		 text);
	return names->function;
}

static bool is_word(const struct known *known, const char *word, size_t len)
{
	size_t own = known->id < KERNEL_HALF ? strlen(known->text) : function_length(known->text);

	return own == len && !strncasecmp(known->text, word, len);
}

static int find_known(const struct names *names, const char *word, size_t len,
		      struct filter_range **ranges)
{
	size_t i;
	int n = 0;

	*ranges = NULL;
	for (i = 0; i < names->size; i++)
		n += names->known[i].text && is_word(&names->known[i], word, len);
	if (!n)
		return -ENOENT;
	*ranges = calloc(n, sizeof(**ranges));
	if (!*ranges)
		return -ENOMEM;
	n = 0;
	for (i = 0; i < names->size; i++)
		if (names->known[i].text && is_word(&names->known[i], word, len))
			(*ranges)[n++] = (struct filter_range){ names->known[i].id,
								names->known[i].id };
	return filter_merge_ranges(*ranges, n);
}

int names_find(struct names *names, const char *word, size_t len, struct filter_range **ranges)
{
	int n;

	need_core(names);
	if (names->host && !names->has_reasons) {
		if (names_read_functions(names))
			return -ENOMEM;
		return ksyms_find(names->ksyms, word, len, ranges);
	}
	n = find_known(names, word, len, ranges);
	if (n != -ENOENT || !names->host || names->has_modules)
		return n;
	need_modules(names);
	return find_known(names, word, len, ranges);
}

const char *names_refusal(struct names *names)
{
	if (!names->host)
		return "no drop reason that the recording knows";
	return names->has_reasons ? "no drop reason of this kernel" :
				    "this kernel has no drop reasons: functions stand in for them, "
				    "and it has none of this name";
}
