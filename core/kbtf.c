// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Looks through the kernel's BTF for what object files name. */
#include "kbtf.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "array.h"

#define BTF_DIR "/sys/kernel/btf/"
#define HASH_BITS 12
#define HUGE_PAGE ((uintptr_t)2 << 20)
#define STRIDE 16   /* of types, the place of one in so many is remembered */
#define SIEVE_BITS 13
#define MAX_DEPTH 64 /* of types within types */

#define ENUMS (1u << BTF_KIND_ENUM | 1u << BTF_KIND_ENUM64)

/* A name, and as what it is looked for. */
struct want {
	char *name;
	uint64_t prefix;
	uint32_t types;  /* bits 1 << BTF_KIND_*: relocated against */
	uint32_t hooks;  /* likewise: attached to */
	uint32_t id;     /* of the hook; 0: not in vmlinux */
	uint32_t asked;  /* likewise: its id is asked for */
	uint32_t asked_id;
	bool member;     /* of a struct or enum */
	bool in_module;
	uint16_t next;   /* with the same hash: index + 1 */
};

/*
 * Beginnings of the names that are looked for. Nearly all names of the kernel's functions and types
 * are others: to see that by four bytes takes a quarter of the time that the hash takes.
 */
struct sieve {
	uint8_t bits[1 << (SIEVE_BITS - 3)];
};

struct kbtf {
	struct want *wants;
	size_t n_wants, room;
	uint16_t heads[1 << HASH_BITS]; /* index + 1 */
	int file; /* the small BTF, or -1 */
	char path[32];
};

/* BTF as it is in memory. The BTF of a module counts strings on from `base`. */
struct image {
	const unsigned char *types;
	uint32_t types_len;
	const char *strings;
	uint32_t strings_len;
	const struct image *base;
	uint32_t *places, n_types; /* of index_types() */
};

struct kbtf *kbtf_new(void)
{
	struct kbtf *kbtf = calloc(1, sizeof(*kbtf));

	if (kbtf)
		kbtf->file = -1;
	return kbtf;
}

void kbtf_free(struct kbtf *kbtf)
{
	uint32_t i;

	if (!kbtf)
		return;
	for (i = 0; i < kbtf->n_wants; i++)
		free(kbtf->wants[i].name);
	free(kbtf->wants);
	if (kbtf->file >= 0)
		close(kbtf->file);
	free(kbtf);
}

const char *kbtf_path(const struct kbtf *kbtf)
{
	return kbtf->path;
}

/* The first 8 bytes of a name, 0 behind its end. Little-endian, as all that has probes. */
static inline uint64_t prefix_of(const char *name, size_t room)
{
	const uint64_t ones = 0x0101010101010101, tops = 0x8080808080808080;
	uint64_t word = 0, ends;

	if (room >= sizeof(word))
		memcpy(&word, name, sizeof(word));
	else
		memcpy(&word, name, room);
	ends = (word - ones) & ~word & tops;
	return ends ? word & (((ends & -ends) >> 7) - 1) : word;
}

static inline uint16_t hash_of(uint64_t prefix)
{
	return prefix * 0x9e3779b97f4a7c15 >> (64 - HASH_BITS);
}

static inline uint32_t sieve_of(const char *name)
{
	uint32_t word;

	memcpy(&word, name, sizeof(word));
	return word * 0x9e3779b1 >> (32 - SIEVE_BITS);
}

static void put_in_sieve(struct sieve *sieve, const char *name)
{
	uint32_t bit;

	if (strlen(name) < 3) { /* what follows its end is not known */
		memset(sieve->bits, 0xff, sizeof(sieve->bits));
		return;
	}
	bit = sieve_of(name);
	sieve->bits[bit / 8] |= 1 << bit % 8;
}

/* `room`: bytes that may be read, a NUL among them. */
static inline bool passes_sieve(const struct sieve *sieve, const char *name, size_t room)
{
	uint32_t bit;

	if (room < sizeof(bit))
		return true;
	bit = sieve_of(name);
	return sieve->bits[bit / 8] >> bit % 8 & 1;
}

/* `room`: see passes_sieve(). */
static inline struct want *find_want(const struct kbtf *kbtf, const char *name, size_t room)
{
	uint64_t prefix = prefix_of(name, room);
	uint16_t i = kbtf->heads[hash_of(prefix)];
	struct want *want;

	for (; i; i = want->next) {
		want = &kbtf->wants[i - 1];
		if (want->prefix == prefix && !strcmp(want->name, name))
			return want;
	}
	return NULL;
}

size_t kbtf_plain_len(const char *name)
{
	const char *flavour = strstr(name, "___");

	return flavour ? (size_t)(flavour - name) : strlen(name);
}

/* The entry of a name without its flavour, made when there is none. */
static struct want *want_name(struct kbtf *kbtf, const char *name, bool *new)
{
	char *copy = strndup(name, kbtf_plain_len(name));
	struct want *want = copy ? find_want(kbtf, copy, strlen(copy) + 1) : NULL;
	uint16_t *head;

	if (want || !copy) {
		free(copy);
		return want;
	}
	if (kbtf->n_wants == UINT16_MAX ||
	    array_grow(&kbtf->wants, &kbtf->room, kbtf->n_wants + 1, sizeof(*want))) {
		free(copy);
		return NULL;
	}
	*new = true;
	want = &kbtf->wants[kbtf->n_wants++];
	*want = (struct want){ .name = copy, .prefix = prefix_of(copy, strlen(copy) + 1) };
	head = &kbtf->heads[hash_of(want->prefix)];
	want->next = *head;
	*head = kbtf->n_wants;
	return want;
}

static int want_type(struct kbtf *kbtf, const char *name, uint32_t kinds, bool *new)
{
	struct want *want = want_name(kbtf, name, new);

	if (!want)
		return -ENOMEM;
	*new |= (want->types & kinds) != kinds;
	want->types |= kinds;
	return 0;
}

static int want_member(struct kbtf *kbtf, const char *name, bool *new)
{
	struct want *want = want_name(kbtf, name, new);

	if (!want)
		return -ENOMEM;
	*new |= !want->member;
	want->member = true;
	return 0;
}

/* The BTF name of what a section's programs are attached to: 0, or -ENOENT: no such section. */
static int hook_of(const char *section, char *name, size_t size, uint32_t *kind)
{
	static const struct {
		const char *section, *prefix;
		uint32_t kind;
	} sections[] = {
		{ "tp_btf/", "btf_trace_", BTF_KIND_TYPEDEF },
		{ "fentry/", "", BTF_KIND_FUNC },
		{ "fexit/", "", BTF_KIND_FUNC },
	};
	size_t i, len;

	for (i = 0; i < sizeof(sections) / sizeof(*sections); i++) {
		len = strlen(sections[i].section);
		if (strncmp(section, sections[i].section, len))
			continue;
		*kind = sections[i].kind;
		len = snprintf(name, size, "%s%s", sections[i].prefix, section + len);
		return len < size ? 0 : -ENOENT;
	}
	return -ENOENT;
}

static int want_hook(struct kbtf *kbtf, const char *section, bool *new)
{
	struct want *want;
	char name[128];
	uint32_t kind;

	if (hook_of(section, name, sizeof(name), &kind))
		return 0;
	want = want_name(kbtf, name, new);
	if (!want)
		return -ENOMEM;
	*new |= !(want->hooks >> kind & 1);
	want->hooks |= 1u << kind;
	return 0;
}

int kbtf_want_id(struct kbtf *kbtf, const char *name, uint32_t kind)
{
	bool new;
	struct want *want = want_name(kbtf, name, &new);

	if (!want)
		return -ENOMEM;
	want->asked |= 1u << kind;
	return 0;
}

uint32_t kbtf_id(const struct kbtf *kbtf, const char *name)
{
	char *plain = strndup(name, kbtf_plain_len(name));
	const struct want *want = plain ? find_want(kbtf, plain, strlen(plain) + 1) : NULL;

	free(plain);
	return want ? want->asked_id : 0;
}

int kbtf_hook(const struct kbtf *kbtf, const char *section)
{
	const struct want *want;
	char name[128];
	uint32_t kind;

	if (hook_of(section, name, sizeof(name), &kind))
		return -EAGAIN;
	want = find_want(kbtf, name, strlen(name) + 1);
	if (!want || !(want->hooks >> kind & 1) || want->in_module)
		return -EAGAIN;
	return want->id ? (int)want->id : -ESRCH;
}

/* 0: no such kind. */
static inline size_t type_size(const struct btf_type *type)
{
#define SIZE(more, each) { sizeof(struct btf_type) + (more), each }
	static const struct {
		uint8_t fixed, each;
	} sizes[32] = { /* by all that a kind's bits can be */
		[BTF_KIND_INT] = SIZE(4, 0),
		[BTF_KIND_PTR] = SIZE(0, 0),
		[BTF_KIND_ARRAY] = SIZE(sizeof(struct btf_array), 0),
		[BTF_KIND_STRUCT] = SIZE(0, sizeof(struct btf_member)),
		[BTF_KIND_UNION] = SIZE(0, sizeof(struct btf_member)),
		[BTF_KIND_ENUM] = SIZE(0, sizeof(struct btf_enum)),
		[BTF_KIND_FWD] = SIZE(0, 0),
		[BTF_KIND_TYPEDEF] = SIZE(0, 0),
		[BTF_KIND_VOLATILE] = SIZE(0, 0),
		[BTF_KIND_CONST] = SIZE(0, 0),
		[BTF_KIND_RESTRICT] = SIZE(0, 0),
		[BTF_KIND_FUNC] = SIZE(0, 0),
		[BTF_KIND_FUNC_PROTO] = SIZE(0, sizeof(struct btf_param)),
		[BTF_KIND_VAR] = SIZE(sizeof(struct btf_var), 0),
		[BTF_KIND_DATASEC] = SIZE(0, sizeof(struct btf_var_secinfo)),
		[BTF_KIND_FLOAT] = SIZE(0, 0),
		[BTF_KIND_DECL_TAG] = SIZE(4, 0),
		[BTF_KIND_TYPE_TAG] = SIZE(0, 0),
		[BTF_KIND_ENUM64] = SIZE(0, sizeof(struct btf_enum64)),
	};
#undef SIZE
	uint32_t kind = BTF_INFO_KIND(type->info);

	return sizes[kind].fixed + (size_t)sizes[kind].each * BTF_INFO_VLEN(type->info);
}

static int open_image(struct image *image, const void *data, size_t len, const struct image *base)
{
	const struct btf_header *head = data;
	uint64_t body = len;

	if (len < sizeof(*head) || (uintptr_t)data % 4 || head->magic != BTF_MAGIC ||
	    head->version != BTF_VERSION || head->hdr_len < sizeof(*head) ||
	    head->hdr_len > len)
		return -EINVAL;
	body -= head->hdr_len;
	if ((uint64_t)head->type_off + head->type_len > body || head->type_off % 4 ||
	    (uint64_t)head->str_off + head->str_len > body || !head->str_len || head->hdr_len % 4)
		return -EINVAL;
	*image = (struct image){
		.base = base,
		.types = (const unsigned char *)data + head->hdr_len + head->type_off,
		.types_len = head->type_len,
		.strings = (const char *)data + head->hdr_len + head->str_off,
		.strings_len = head->str_len,
	};
	return image->strings[image->strings_len - 1] ? -EINVAL : 0;
}

/* *room: bytes up to the end of all names. */
static inline const char *name_at(const struct image *image, uint32_t offset, size_t *room)
{
	if (image->base && offset < image->base->strings_len)
		image = image->base;
	else if (image->base)
		offset -= image->base->strings_len;
	if (offset >= image->strings_len) {
		*room = 1;
		return "";
	}
	*room = image->strings_len - offset;
	return image->strings + offset;
}

static const char *name_of(const struct image *image, uint32_t offset)
{
	size_t room;

	return name_at(image, offset, &room);
}

/* Calls `each` for all types; remembers places if there is room for them. */
static inline __attribute__((always_inline)) int
each_type(struct image *image,
		     int (*each)(void *ctx, const struct btf_type *type, uint32_t id), void *ctx)
{
	const struct btf_type *type;
	uint32_t at = 0, id = 1;
	size_t size;
	int err;

	for (; at < image->types_len; at += size, id++) {
		type = (const struct btf_type *)(image->types + at);
		size = image->types_len - at < sizeof(*type) ? 0 : type_size(type);
		if (!size || size > image->types_len - at)
			return -EINVAL;
		if (id % STRIDE == 0 && image->places)
			image->places[id / STRIDE] = at;
		err = each(ctx, type, id);
		if (err)
			return err;
	}
	image->n_types = id;
	return 0;
}

/* For type_at(). `image->places` has to be freed. */
static int index_types(struct image *image)
{
	image->places = calloc(image->types_len / sizeof(struct btf_type) / STRIDE + 2,
			       sizeof(*image->places));
	return image->places ? 0 : -ENOMEM;
}

static const struct btf_type *type_at(const struct image *image, uint32_t id)
{
	uint32_t at, i;

	if (!id || id >= image->n_types)
		return NULL;
	at = image->places[id / STRIDE];
	for (i = id / STRIDE ? 0 : 1; i < id % STRIDE; i++)
		at += type_size((const struct btf_type *)(image->types + at));
	return (const struct btf_type *)(image->types + at);
}

struct wanting {
	struct kbtf *kbtf;
	struct image image;
	bool new;
};

/* Of the object's own types: the members that it knows are those that it reads. */
static int want_members(void *ctx, const struct btf_type *type, uint32_t id)
{
	struct wanting *w = ctx;
	uint32_t i, kind = btf_kind(type), name;
	int err = 0;

	(void)id;
	if (!(1u << kind & (ENUMS | 1u << BTF_KIND_STRUCT | 1u << BTF_KIND_UNION)))
		return 0;
	for (i = 0; i < btf_vlen(type) && !err; i++) {
		name = kind == BTF_KIND_ENUM   ? btf_enum(type)[i].name_off :
		       kind == BTF_KIND_ENUM64 ? btf_enum64(type)[i].name_off :
						 btf_members(type)[i].name_off;
		if (name)
			err = want_member(w->kbtf, name_of(&w->image, name), &w->new);
	}
	return err;
}

/*
 * What has to be known of the kernel's type for a relocation. Others compare whole types, or ask
 * for the id of one.
 */
static int want_root(struct wanting *w, const struct bpf_core_relo *relo)
{
	const struct btf_type *type = type_at(&w->image, relo->type_id);
	uint32_t kind;

	if (!type)
		return -EINVAL;
	kind = btf_kind(type);
	switch (relo->kind) {
	case BPF_CORE_TYPE_ID_LOCAL:
		return 0;
	case BPF_CORE_FIELD_BYTE_OFFSET:
	case BPF_CORE_FIELD_BYTE_SIZE:
	case BPF_CORE_FIELD_EXISTS:
	case BPF_CORE_FIELD_SIGNED:
	case BPF_CORE_FIELD_LSHIFT_U64:
	case BPF_CORE_FIELD_RSHIFT_U64:
	case BPF_CORE_ENUMVAL_EXISTS:
	case BPF_CORE_ENUMVAL_VALUE:
		break;
	case BPF_CORE_TYPE_EXISTS:
	case BPF_CORE_TYPE_SIZE:
		if (kind == BTF_KIND_STRUCT || kind == BTF_KIND_UNION)
			break;
		return -EOPNOTSUPP;
	default:
		return -EOPNOTSUPP;
	}
	if (!type->name_off)
		return -EOPNOTSUPP;
	return want_type(w->kbtf, name_of(&w->image, type->name_off),
			 1u << kind & ENUMS ? ENUMS : 1u << kind, &w->new);
}

/* The head of .BTF.ext (Documentation/bpf/btf.rst); offsets count from its end. */
struct ext_head {
	uint16_t magic;
	uint8_t version, flags;
	uint32_t hdr_len;
	uint32_t func_info_off, func_info_len, line_info_off, line_info_len;
	uint32_t core_relo_off, core_relo_len;
};

/* A record's size, then for each section its name, the number of records, and these. */
static int want_roots(struct wanting *w, const unsigned char *ext, size_t len)
{
	const struct ext_head *head = (const void *)ext;
	const unsigned char *at, *end;
	uint32_t size, n;
	int err = 0;

	if (!len)
		return 0;
	if (len < sizeof(*head) || (uintptr_t)ext % 4 || head->magic != BTF_MAGIC)
		return -EINVAL;
	if (head->hdr_len < sizeof(*head) || !head->core_relo_len)
		return 0;
	if ((uint64_t)head->hdr_len + head->core_relo_off + head->core_relo_len > len ||
	    head->core_relo_len < sizeof(size))
		return -EINVAL;
	at = ext + head->hdr_len + head->core_relo_off;
	end = at + head->core_relo_len;
	memcpy(&size, at, sizeof(size));
	if (size < sizeof(struct bpf_core_relo) || size % 4)
		return -EINVAL;
	for (at += sizeof(size); end - at >= 8 && !err; ) {
		memcpy(&n, at + 4, sizeof(n));
		for (at += 8; n && !err; n--, at += size)
			err = end - at < (ptrdiff_t)size ?
				      -EINVAL : want_root(w, (const void *)at);
	}
	return err;
}

struct section {
	const char *name;
	const unsigned char *data;
	size_t len;
};

/* The i-th section of an ELF file; -ENOENT behind the last. */
static int section_at(const void *object, size_t len, uint32_t i, struct section *section)
{
	const Elf64_Ehdr *elf = object;
	const Elf64_Shdr *at, *names;

	if (len < sizeof(*elf) || memcmp(elf->e_ident, ELFMAG, SELFMAG) ||
	    elf->e_shentsize != sizeof(*at) || elf->e_shoff > len || elf->e_shoff % 8 ||
	    (len - elf->e_shoff) / sizeof(*at) < elf->e_shnum || elf->e_shstrndx >= elf->e_shnum)
		return -EINVAL;
	if (i >= elf->e_shnum)
		return -ENOENT;
	at = (const Elf64_Shdr *)((const char *)object + elf->e_shoff) + i;
	names = at - i + elf->e_shstrndx;
	if (at->sh_type != SHT_NOBITS && (at->sh_offset > len || at->sh_size > len - at->sh_offset))
		return -EINVAL;
	if (names->sh_offset > len || names->sh_size > len - names->sh_offset ||
	    at->sh_name >= names->sh_size ||
	    ((const char *)object)[names->sh_offset + names->sh_size - 1])
		return -EINVAL;
	*section = (struct section){ (const char *)object + names->sh_offset + at->sh_name,
				     (const unsigned char *)object + at->sh_offset,
				     at->sh_type == SHT_NOBITS ? 0 : at->sh_size };
	return 0;
}

int kbtf_want(struct kbtf *kbtf, const void *object, size_t len)
{
	struct section section, btf = { 0 }, ext = { 0 };
	struct wanting w = { .kbtf = kbtf };
	uint32_t i;
	int err;

	for (i = 0; !(err = section_at(object, len, i, &section)); i++) {
		if (!strcmp(section.name, ".BTF"))
			btf = section;
		else if (!strcmp(section.name, ".BTF.ext"))
			ext = section;
		else
			err = want_hook(kbtf, section.name, &w.new);
		if (err)
			return err;
	}
	if (err != -ENOENT)
		return err;
	err = open_image(&w.image, btf.data, btf.len, NULL);
	if (!err)
		err = index_types(&w.image);
	if (!err)
		err = each_type(&w.image, want_members, &w);
	if (!err)
		err = want_roots(&w, ext.data, ext.len);
	free(w.image.places);
	return err ? err : w.new;
}

/* The small BTF while it is made of the kernel's. */
struct small {
	struct kbtf *kbtf;
	struct image kernel;
	struct sieve functions, types;
	bool module;             /* `kernel` is a module's: only its hooks are looked at */
	uint32_t *roots;         /* ids in the kernel's BTF */
	size_t n_roots, room;
	struct btf *btf;
	struct same {
		uint32_t kernel, small;
	} *ids;
	size_t n_ids, ids_room;
};

static __attribute__((noinline)) int match_name(struct small *s, uint32_t kind, const char *name,
						size_t room, uint32_t id)
{
	struct want *want = find_want(s->kbtf, name, room);

	if (!want)
		return 0;
	if (kind & want->hooks && !want->id) {
		want->in_module = s->module;
		want->id = s->module ? 0 : id;
	}
	if (kind & want->asked && !want->asked_id && !s->module)
		want->asked_id = id;
	if (!(kind & want->types) || s->module)
		return 0;
	if (array_grow(&s->roots, &s->room, s->n_roots + 1, sizeof(*s->roots)))
		return -ENOMEM;
	s->roots[s->n_roots++] = id;
	return 0;
}

/* For each type of the kernel: what is done for those that nobody wants is waited for. */
static inline __attribute__((always_inline)) int match(void *ctx, const struct btf_type *type,
						       uint32_t id)
{
	const uint32_t named = ENUMS | 1u << BTF_KIND_STRUCT | 1u << BTF_KIND_UNION |
			       1u << BTF_KIND_TYPEDEF | 1u << BTF_KIND_FUNC;
	uint32_t kind = 1u << BTF_INFO_KIND(type->info);
	struct small *s = ctx;
	const char *name;
	size_t room;

	if (!(kind & named) || !type->name_off)
		return 0;
	name = name_at(&s->kernel, type->name_off, &room);
	if (!passes_sieve(kind == 1u << BTF_KIND_FUNC ? &s->functions : &s->types, name, room))
		return 0;
	return match_name(s, kind, name, room, id);
}

/* libbpf looks through these too, wherever it compares or follows a member's type. */
static uint32_t without_names(const struct image *kernel, uint32_t id)
{
	const uint32_t through = 1u << BTF_KIND_TYPEDEF | 1u << BTF_KIND_CONST |
				 1u << BTF_KIND_VOLATILE | 1u << BTF_KIND_RESTRICT |
				 1u << BTF_KIND_TYPE_TAG;
	const struct btf_type *type;
	int i;

	for (i = 0; i < MAX_DEPTH; i++) {
		type = type_at(kernel, id);
		if (!type || !(through >> btf_kind(type) & 1))
			return id;
		id = type->type;
	}
	return 0;
}

static int convert(struct small *s, uint32_t id, int depth);

/* A member that the objects do not know is left out; one without a name holds others. */
static bool is_read(const struct small *s, uint32_t name)
{
	const struct want *want;
	const char *text;
	size_t room;

	text = name_at(&s->kernel, name, &room);
	want = *text ? find_want(s->kbtf, text, room) : NULL;
	return !*text || (want && want->member);
}

static int convert_struct(struct small *s, const struct btf_type *type, int depth)
{
	const struct btf_member *members = btf_members(type);
	const char *name = name_of(&s->kernel, type->name_off);
	uint32_t i, n = btf_vlen(type);
	int *types = calloc(n + 1, sizeof(*types)), id = types ? 0 : -ENOMEM, err;

	/* What it is made of has to be there before. Only pointers lead back, and are cut. */
	for (i = 0; i < n && id >= 0; i++)
		if (is_read(s, members[i].name_off))
			types[i] = id = convert(s, members[i].type, depth + 1);
	if (id >= 0)
		id = btf_is_struct(type) ? btf__add_struct(s->btf, name, type->size) :
					   btf__add_union(s->btf, name, type->size);
	for (i = 0; i < n && id >= 0; i++) {
		if (!is_read(s, members[i].name_off))
			continue;
		err = btf__add_field(s->btf, name_of(&s->kernel, members[i].name_off), types[i],
				     btf_member_bit_offset(type, i),
				     btf_member_bitfield_size(type, i));
		id = err ? err : id;
	}
	free(types);
	return id;
}

static int convert_enum(struct small *s, const struct btf_type *type)
{
	const char *name = name_of(&s->kernel, type->name_off), *value;
	bool wide = btf_kind(type) == BTF_KIND_ENUM64;
	int id, err = 0;
	uint32_t i, at;

	id = wide ? btf__add_enum64(s->btf, name, type->size, btf_kflag(type)) :
		    btf__add_enum(s->btf, name, type->size);
	for (i = 0; i < btf_vlen(type) && id >= 0; i++) {
		at = wide ? btf_enum64(type)[i].name_off : btf_enum(type)[i].name_off;
		if (!is_read(s, at))
			continue;
		value = name_of(&s->kernel, at);
		err = wide ? btf__add_enum64_value(s->btf, value,
						   btf_enum64_value(&btf_enum64(type)[i])) :
			     btf__add_enum_value(s->btf, value, btf_enum(type)[i].val);
		id = err ? err : id;
	}
	return id;
}

static int convert_array(struct small *s, const struct btf_type *type, int depth)
{
	const struct btf_array *array = btf_array(type);
	int index = convert(s, array->index_type, depth + 1);
	int element = index < 0 ? index : convert(s, array->type, depth + 1);

	return element < 0 ? element : btf__add_array(s->btf, index, element, array->nelems);
}

static int convert_kind(struct small *s, const struct btf_type *type, int depth)
{
	const char *name = name_of(&s->kernel, type->name_off);

	switch (btf_kind(type)) {
	case BTF_KIND_INT:
		return btf__add_int(s->btf, name, type->size, btf_int_encoding(type));
	case BTF_KIND_FLOAT:
		return btf__add_float(s->btf, name, type->size);
	case BTF_KIND_PTR:
		return btf__add_ptr(s->btf, 0); /* what is behind it has relocations of its own */
	case BTF_KIND_ARRAY:
		return convert_array(s, type, depth);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return convert_struct(s, type, depth);
	case BTF_KIND_ENUM:
	case BTF_KIND_ENUM64:
		return convert_enum(s, type);
	}
	return 0; /* void */
}

/* The id in the small BTF of a type of the kernel's, or -errno. */
static int convert(struct small *s, uint32_t id, int depth)
{
	const struct btf_type *type;
	uint32_t i;
	int made;

	id = without_names(&s->kernel, id);
	for (i = 0; i < s->n_ids; i++)
		if (s->ids[i].kernel == id)
			return s->ids[i].small;
	type = type_at(&s->kernel, id);
	if (!type)
		return 0;
	made = depth > MAX_DEPTH ? -ELOOP : convert_kind(s, type, depth);
	if (made < 0)
		return made;
	if (array_grow(&s->ids, &s->ids_room, s->n_ids + 1, sizeof(*s->ids)))
		return -ENOMEM;
	s->ids[s->n_ids++] = (struct same){ id, made };
	return made;
}

static int convert_roots(struct small *s)
{
	const struct btf_type *type;
	uint32_t i;
	int id = 0;

	s->btf = btf__new_empty();
	if (!s->btf)
		return -errno;
	for (i = 0; i < s->n_roots && id >= 0; i++) {
		id = convert(s, s->roots[i], 0);
		type = type_at(&s->kernel, s->roots[i]);
		if (id >= 0 && btf_kind(type) == BTF_KIND_TYPEDEF)
			id = btf__add_typedef(s->btf, name_of(&s->kernel, type->name_off), id);
	}
	return id < 0 ? id : 0;
}

/* Into a file, since libbpf takes it by name. */
static int store(struct kbtf *kbtf, const struct btf *btf)
{
	const void *data;
	uint32_t size;

	data = btf__raw_data(btf, &size);
	if (!data)
		return -errno;
	if (kbtf->file >= 0)
		close(kbtf->file);
	kbtf->file = memfd_create("btf", MFD_CLOEXEC);
	if (kbtf->file < 0 || write(kbtf->file, data, size) != (ssize_t)size)
		return -EIO;
	snprintf(kbtf->path, sizeof(kbtf->path), "/proc/self/fd/%d", kbtf->file);
	return access(kbtf->path, R_OK) ? -errno : 0;
}

struct mapped {
	void *data;
	size_t len;
};

/* The kernel hands its BTF out in one piece, if we may ask for it (CAP_SYS_ADMIN, 5.11). */
static int copy_by_id(const struct mapped *to)
{
	struct bpf_btf_info info;
	uint32_t id, len;
	int fd, err = -ENOENT, tries = 8;
	char name[16];

	for (id = 0; err && tries && !bpf_btf_get_next_id(id, &id); tries--) {
		fd = bpf_btf_get_fd_by_id(id);
		if (fd < 0)
			return -errno;
		memset(&info, 0, sizeof(info));
		len = sizeof(info);
		info.name = (uintptr_t)name;
		info.name_len = sizeof(name);
		if (!bpf_obj_get_info_by_fd(fd, &info, &len) && info.kernel_btf &&
		    !strcmp(name, "vmlinux") && info.btf_size == to->len) {
			info = (struct bpf_btf_info){ .btf = (uintptr_t)to->data,
						      .btf_size = to->len };
			err = bpf_obj_get_info_by_fd(fd, &info, &len) ? -errno : 0;
		}
		close(fd);
	}
	return err;
}

static int copy_file(int fd, const struct mapped *to)
{
	size_t at = 0;
	ssize_t n;

	while (at < to->len) {
		n = read(fd, (char *)to->data + at, to->len - at);
		if (n <= 0)
			return n ? -errno : -EIO;
		at += n;
	}
	return 0;
}

/*
 * Where huge pages can be had, the whole ones of them are: to fault in a thousand small pages takes
 * as long as to fill them. Not for the rest, which would take more memory than it holds.
 */
static void *map_memory(size_t len)
{
	size_t whole = len & -HUGE_PAGE, spare = whole ? HUGE_PAGE : 0;
	uintptr_t page = getpagesize(); /* arm64 may have 64K */
	char *all, *at;

	all = mmap(NULL, len + spare, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (all == MAP_FAILED || !spare)
		return all;
	at = (char *)(((uintptr_t)all + HUGE_PAGE - 1) & -HUGE_PAGE);
	if (at > all)
		munmap(all, at - all);
	munmap((char *)(((uintptr_t)at + len + page - 1) & -page), all + spare - at);
	madvise(at, whole, MADV_HUGEPAGE);
	return at;
}

/* Since 6.16 the file can be mapped; before, it is read by the page. */
static int map_btf(const char *name, struct mapped *map)
{
	char path[sizeof(BTF_DIR) + 256];
	struct stat st;
	int fd, err = 0;

	snprintf(path, sizeof(path), BTF_DIR "%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) || st.st_size <= 0) {
		close(fd);
		return -EINVAL;
	}
	map->len = st.st_size;
	map->data = mmap(NULL, map->len, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map->data == MAP_FAILED) {
		map->data = map_memory(map->len);
		err = map->data == MAP_FAILED ? -errno : 0;
		if (!err && (strcmp(name, "vmlinux") || copy_by_id(map)))
			err = copy_file(fd, map);
		if (err && map->data != MAP_FAILED)
			munmap(map->data, map->len);
	}
	close(fd);
	return err;
}

/* Hooks that vmlinux lacks may be in a module; no module lacks them all. */
static void find_in_modules(struct small *s)
{
	struct image vmlinux = s->kernel;
	struct dirent *entry;
	struct mapped map;
	DIR *dir = opendir(BTF_DIR);

	s->module = true;
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || !strcmp(entry->d_name, "vmlinux") ||
		    map_btf(entry->d_name, &map))
			continue;
		if (!open_image(&s->kernel, map.data, map.len, &vmlinux))
			each_type(&s->kernel, match, s);
		munmap(map.data, map.len);
	}
	if (dir)
		closedir(dir);
}

static void fill_sieves(struct small *s)
{
	const struct want *want = s->kbtf->wants, *end = want + s->kbtf->n_wants;
	const uint32_t function = 1u << BTF_KIND_FUNC;

	for (; want < end; want++) {
		if ((want->hooks | want->asked) & function)
			put_in_sieve(&s->functions, want->name);
		if ((want->types | want->hooks | want->asked) & ~function)
			put_in_sieve(&s->types, want->name);
	}
}

static int find(struct kbtf *kbtf, const void *btf, size_t len, bool modules)
{
	struct small s = { .kbtf = kbtf };
	uint32_t i, lacking = 0;
	int err;

	fill_sieves(&s);
	err = open_image(&s.kernel, btf, len, NULL);
	if (!err)
		err = index_types(&s.kernel);
	if (!err)
		err = each_type(&s.kernel, match, &s);
	if (!err)
		err = convert_roots(&s);
	if (!err)
		err = store(kbtf, s.btf);
	for (i = 0; i < kbtf->n_wants; i++)
		lacking += kbtf->wants[i].hooks && !kbtf->wants[i].id;
	btf__free(s.btf);
	free(s.ids);
	free(s.roots);
	free(s.kernel.places);
	if (!err && modules && lacking)
		find_in_modules(&s);
	return err;
}

int kbtf_find_in(struct kbtf *kbtf, const void *btf, size_t len)
{
	return find(kbtf, btf, len, false);
}

int kbtf_find(struct kbtf *kbtf)
{
	struct mapped map;
	int err = map_btf("vmlinux", &map);

	if (err)
		return err;
	err = find(kbtf, map.data, map.len, true);
	munmap(map.data, map.len);
	return err;
}
