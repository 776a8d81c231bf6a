// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Reads /proc/kallsyms and looks functions up in it. */
#include "ksyms.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FARTHEST (1 << 20) /* what is so far behind a function is none of it */

struct symbol {
	uint64_t address;
	uint32_t name; /* offset in `text` */
	bool bpf;
};

struct ksyms {
	struct symbol *symbols; /* sorted */
	size_t n, room;
	char *text;             /* names, each ends with NUL */
	size_t len, used;       /* bytes read, bytes of names */
	time_t read;            /* CLOCK_MONOTONIC, s */
	bool parsed;            /* of a given text: not read again */
};

static void clear(struct ksyms *k)
{
	free(k->symbols);
	free(k->text);
	k->symbols = NULL;
	k->text = NULL;
	k->n = k->room = k->len = k->used = 0;
}

/* Names are moved to the front of the text, over what has been read. */
static int add(struct ksyms *k, uint64_t address, const char *name, bool bpf)
{
	size_t len = strlen(name) + 1;
	struct symbol *more;

	if (k->n == k->room) {
		more = reallocarray(k->symbols, k->room * 2 + 4096, sizeof(*more));
		if (!more)
			return -ENOMEM;
		k->symbols = more;
		k->room = k->room * 2 + 4096;
	}
	memmove(k->text + k->used, name, len);
	k->symbols[k->n++] = (struct symbol){ address, k->used, bpf };
	k->used += len;
	return 0;
}

/* "ffffffff81789130 T tcp_conn_request\n", "ffffffffc0201000 t nf_hook\t[nf_tables]\n" */
static int parse_line(struct ksyms *k, char *line, char *end)
{
	uint64_t address;
	char *at, *tab;

	*end = 0;
	address = strtoull(line, &at, 16);
	if (!address || at[0] != ' ' || !at[1] || !strchr("tTwW", at[1]) || at[2] != ' ')
		return 0;
	tab = strchr(at + 3, '\t');
	if (tab)
		*tab = 0;
	return add(k, address, at + 3, tab && !strcmp(tab + 1, "[bpf]"));
}

static int by_address(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address ? 1 :
	       x->name < y->name ? -1 : x->name > y->name;
}

/* Owns what k->text points to. */
static int parse(struct ksyms *k)
{
	char *line = k->text, *last = k->text + k->len, *end;
	int err = 0;
	char *less;

	for (; line < last && !err; line = end + 1) {
		end = memchr(line, '\n', last - line);
		if (!end)
			break;
		err = parse_line(k, line, end);
	}
	if (k->n)
		qsort(k->symbols, k->n, sizeof(*k->symbols), by_address);
	less = realloc(k->text, k->used + 1);
	if (less)
		k->text = less;
	return err;
}

static time_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return ts.tv_sec;
}

static int read_all(struct ksyms *k)
{
	int fd = open("/proc/kallsyms", O_RDONLY | O_CLOEXEC);
	size_t room = 0;
	ssize_t n = 1;
	char *more;

	while (fd >= 0 && n > 0) {
		if (room - k->len < 1 << 16) {
			room = room * 2 + (1 << 20);
			more = realloc(k->text, room);
			if (!more)
				break;
			k->text = more;
		}
		n = read(fd, k->text + k->len, room - k->len);
		k->len += n > 0 ? n : 0;
	}
	if (fd >= 0)
		close(fd);
	k->read = now();
	return n > 0 ? -ENOMEM : parse(k);
}

int ksyms_new(struct ksyms **ksyms)
{
	struct ksyms *k = calloc(1, sizeof(*k));
	int err;

	if (!k)
		return -ENOMEM;
	err = read_all(k);
	if (err) {
		ksyms_free(k);
		return err;
	}
	if (!k->n)
		fprintf(stderr, "the kernel hides its addresses (sysctl kernel.kptr_restrict): "
				"functions are shown as numbers\n");
	*ksyms = k;
	return 0;
}

int ksyms_parse(struct ksyms **ksyms, const char *text, size_t len)
{
	struct ksyms *k = calloc(1, sizeof(*k));
	int err;

	if (!k)
		return -ENOMEM;
	k->parsed = true;
	k->len = len;
	k->text = malloc(len + 1);
	if (k->text)
		memcpy(k->text, text, len);
	err = k->text ? parse(k) : -ENOMEM;
	if (err)
		ksyms_free(k);
	else
		*ksyms = k;
	return err;
}

void ksyms_free(struct ksyms *k)
{
	if (!k)
		return;
	clear(k);
	free(k);
}

/* The function that the address lies in; the first of several names. */
static const struct symbol *find(const struct ksyms *k, uint64_t address)
{
	size_t from = 0, to = k->n, mid;

	while (from < to) {
		mid = from + (to - from) / 2;
		if (k->symbols[mid].address <= address)
			from = mid + 1;
		else
			to = mid;
	}
	if (!from || address - k->symbols[from - 1].address >= FARTHEST)
		return NULL;
	for (from--; from && k->symbols[from - 1].address == k->symbols[from].address; from--)
		;
	return &k->symbols[from];
}

/* It may be that nobody lets us any more: then what we have stays. */
static void read_again(struct ksyms *k)
{
	struct ksyms new = { 0 };

	k->read = now();
	if (!read_all(&new) && new.n) {
		clear(k);
		*k = new;
	} else {
		clear(&new);
	}
}

bool ksyms_name(struct ksyms *k, uint64_t address, char *text, size_t size)
{
	const struct symbol *found = find(k, address);

	if (!found && k->n && !k->parsed && k->read != now()) {
		read_again(k);
		found = find(k, address);
	}
	if (!found)
		return false;
	if (found->bpf)
		*text = 0;
	else
		snprintf(text, size, "%s+0x%" PRIx64, k->text + found->name,
			 address - found->address);
	return true;
}

int ksyms_find(struct ksyms *k, const char *word, size_t len, struct filter_range **ranges)
{
	struct filter_range *found = NULL, *more;
	const char *name;
	uint64_t end;
	size_t i, next;
	int n = 0;

	for (i = 0; i < k->n; i++) {
		name = k->text + k->symbols[i].name;
		if (strncmp(name, word, len) || name[len])
			continue;
		next = i + 1;
		while (next < k->n && k->symbols[next].address == k->symbols[i].address)
			next++;
		end = next < k->n ? k->symbols[next].address - 1 : k->symbols[i].address + FARTHEST;
		more = reallocarray(found, n + 1, sizeof(*more));
		if (!more) {
			free(found);
			return -ENOMEM;
		}
		found = more;
		found[n++] = (struct filter_range){ k->symbols[i].address, end };
	}
	*ranges = found;
	return n ? n : -ENOENT;
}
