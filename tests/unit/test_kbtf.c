/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the objects of all tools name, looked up in a made-up kernel's BTF and in this one's, and
 * compared with libbpf's view of the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <bpf/btf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "kbtf.h"
#include "tool.h"

#define TOOL(name) extern const struct tool name##_tool;
#include "tools.def"
#undef TOOL

static const struct tool *const tools[] = {
#define TOOL(name) &name##_tool,
#include "tools.def"
#undef TOOL
};
#define N_TOOLS (sizeof(tools) / sizeof(*tools))

struct bytes {
	unsigned char *data;
	size_t len;
};

static struct bytes inflated(const struct probe_object *probe)
{
	z_stream z = { .next_in = (unsigned char *)probe->start,
		       .avail_in = probe->end - probe->start };
	struct bytes image = { malloc(4 << 20), 0 };

	assert_non_null(image.data);
	z.next_out = image.data;
	z.avail_out = 4 << 20;
	assert_int_equal(inflateInit2(&z, 16 + MAX_WBITS), Z_OK);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	image.len = z.total_out;
	inflateEnd(&z);
	return image;
}

static int want_tool(struct kbtf *kbtf, const struct tool *tool)
{
	struct bytes image = inflated(&tool->filtered);
	int new = kbtf_want(kbtf, image.data, image.len);

	free(image.data);
	return new;
}

static struct btf *small_of(const struct kbtf *kbtf)
{
	struct btf *btf = btf__parse_raw(kbtf_path(kbtf));

	assert_non_null(btf);
	return btf;
}

/* Offset in bits of a member, -1: not there. Members without a name are looked into. */
static long member_at(const struct btf *btf, int type, const char *name, int *member_type)
{
	const struct btf_type *t = btf__type_by_id(btf, type);
	const struct btf_member *m = btf_members(t);
	const char *is;
	long below;

	for (int i = 0; i < btf_vlen(t); i++) {
		is = btf__name_by_offset(btf, m[i].name_off);
		*member_type = btf__resolve_type(btf, m[i].type);
		if (!strcmp(is, name))
			return btf_member_bit_offset(t, i);
		if (*is || !btf_is_composite(btf__type_by_id(btf, *member_type)))
			continue;
		below = member_at(btf, *member_type, name, member_type);
		if (below >= 0)
			return btf_member_bit_offset(t, i) + below;
	}
	return -1;
}

/* Each member of the small type is where, and as large as, in the kernel's. */
static int same_members(const struct btf *small, int type, const struct btf *kernel, int other)
{
	const struct btf_type *t = btf__type_by_id(small, type);
	const struct btf_member *m = btf_members(t);
	int compared = 0, in_small, in_kernel;
	const char *name;

	assert_int_equal(t->size, btf__type_by_id(kernel, other)->size);
	for (int i = 0; i < btf_vlen(t); i++) {
		name = btf__name_by_offset(small, m[i].name_off);
		if (!*name)
			continue;
		assert_int_equal(member_at(small, type, name, &in_small),
				 member_at(kernel, other, name, &in_kernel));
		assert_int_equal(btf__resolve_size(small, in_small),
				 btf__resolve_size(kernel, in_kernel));
		assert_int_equal(btf_kind(btf__type_by_id(small, in_small)),
				 btf_kind(btf__type_by_id(kernel, in_kernel)));
		compared++;
	}
	return compared;
}

static int same_types(const struct btf *small, const struct btf *kernel)
{
	const struct btf_type *t;
	int compared = 0, other;
	const char *name;

	for (int id = 1; id < (int)btf__type_cnt(small); id++) {
		t = btf__type_by_id(small, id);
		name = btf__name_by_offset(small, t->name_off);
		if (!*name || !btf_is_composite(t))
			continue;
		other = btf__find_by_name_kind(kernel, name, btf_kind(t));
		/* Of several with one name libbpf finds the first. */
		if (other > 0 && btf__find_by_name_kind(small, name, btf_kind(t)) == id)
			compared += same_members(small, id, kernel, other);
	}
	return compared;
}

/* ---- a kernel of our own */

static int add(int id)
{
	assert_true(id > 0);
	return id;
}

static void field(struct btf *btf, const char *name, int type, int byte)
{
	assert_int_equal(btf__add_field(btf, name, type, byte * 8, 0), 0);
}

/* Types that nobody asks for: what is asked for is not at the front, nor near each other. */
static void filler(struct btf *btf, int type, int n)
{
	char name[32];

	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "filler%u", btf__type_cnt(btf));
		add(btf__add_struct(btf, name, 8));
		field(btf, "skc_family", type, 4);
		snprintf(name, sizeof(name), "sock_%d", i);
		add(btf__add_typedef(btf, name, type));
	}
}

static int make_common(struct btf *btf, int u16, int u32)
{
	int inner = add(btf__add_struct(btf, NULL, 8)), both, id;

	field(btf, "skc_daddr", u32, 0);
	field(btf, "skc_rcv_saddr", u32, 4);
	both = add(btf__add_union(btf, NULL, 8));
	field(btf, "skc_addrpair", u32, 0);
	field(btf, NULL, inner, 0);
	filler(btf, u32, 70);
	inner = add(btf__add_const(btf, u16));
	id = add(btf__add_struct(btf, "sock_common", 56));
	field(btf, "skc_hash", u32, 0);
	field(btf, NULL, both, 16);
	field(btf, "skc_dport", u16, 28);
	field(btf, "skc_family", inner, 40);
	return id;
}

static int make_sock(struct btf *btf, int common, int u32)
{
	int lock = add(btf__add_struct(btf, NULL, 12)), unread, id;

	field(btf, "slock", u32, 0);
	field(btf, "owned", u32, 8);
	lock = add(btf__add_typedef(btf, "socket_lock_t", lock));
	unread = add(btf__add_struct(btf, "unread", 4));
	field(btf, "a", u32, 0);
	id = add(btf__add_struct(btf, "sock", 200));
	field(btf, "__sk_common", common, 8);
	field(btf, "sk_lock", lock, 64);
	field(btf, "sk_unread", unread, 80);
	assert_int_equal(btf__add_field(btf, "sk_protocol", u32, 90 * 8 + 3, 9), 0);
	field(btf, "sk_err", u32, 100);
	field(btf, "sk_next", add(id), 104); /* as a cycle it would be void: it is not read */
	return id;
}

static struct btf *make_kernel(void)
{
	struct btf *btf = btf__new_empty();
	int u16, u32, proto, hook;

	assert_non_null(btf);
	u32 = add(btf__add_int(btf, "unsigned int", 4, 0));
	u16 = add(btf__add_int(btf, "unsigned short", 2, 0));
	filler(btf, u32, 100);
	make_sock(btf, make_common(btf, u16, u32), u32);
	proto = add(btf__add_func_proto(btf, 0));
	hook = add(btf__add_ptr(btf, proto));
	add(btf__add_func(btf, "btf_trace_inet_sock_set_state", BTF_FUNC_STATIC, proto));
	add(btf__add_typedef(btf, "btf_trace_inet_sock_set_state", hook));
	add(btf__add_func(btf, "security_sock_graft", BTF_FUNC_STATIC, proto));
	add(btf__add_func(btf, "security_sock_graft", BTF_FUNC_STATIC, proto));
	add(btf__add_func(btf, "sock", BTF_FUNC_STATIC, proto));
	add(btf__add_func(btf, "bpf_rdonly_cast", BTF_FUNC_STATIC, proto));
	add(btf__add_enum(btf, "bpf_func_id", 4));
	assert_int_equal(btf__add_enum_value(btf, "BPF_FUNC_get_current_task_btf", 158), 0);
	assert_int_equal(btf__add_enum_value(btf, "BPF_FUNC_unspec", 0), 0);
	return btf;
}

static struct bytes raw(const struct btf *btf)
{
	uint32_t len;
	const void *data = btf__raw_data(btf, &len);
	struct bytes copy = { malloc(len), len };

	assert_non_null(copy.data);
	memcpy(copy.data, data, len);
	return copy;
}

static void test_made_kernel(void **state)
{
	struct kbtf *kbtf = kbtf_new();
	struct btf *kernel = make_kernel(), *small;
	struct bytes image = raw(kernel);
	int sock, type;

	(void)state;
	assert_int_equal(want_tool(kbtf, tools[0]) >= 0, 1);
	for (size_t i = 0; i < N_TOOLS; i++)
		want_tool(kbtf, tools[i]);
	assert_int_equal(kbtf_find_in(kbtf, image.data, image.len), 0);
	small = small_of(kbtf);
	assert_in_range(btf__type_cnt(small), 8, 24);
	assert_true(same_types(small, kernel) >= 5);
	sock = btf__find_by_name_kind(small, "sock", BTF_KIND_STRUCT);
	assert_true(sock > 0);
	assert_int_equal(member_at(small, sock, "sk_err", &type), 800);
	assert_int_equal(member_at(small, sock, "sk_unread", &type), -1);
	assert_int_equal(btf__find_by_name(small, "unread"), -ENOENT);
	type = btf__find_by_name_kind(small, "bpf_func_id", BTF_KIND_ENUM);
	assert_int_equal(btf_vlen(btf__type_by_id(small, type)), 1);
	assert_int_equal(btf_enum(btf__type_by_id(small, type))[0].val, 158);
	assert_int_equal(kbtf_hook(kbtf, "tp_btf/inet_sock_set_state"),
			 btf__find_by_name_kind(kernel, "btf_trace_inet_sock_set_state",
						BTF_KIND_TYPEDEF));
	assert_int_equal(kbtf_hook(kbtf, "fentry/security_sock_graft"),
			 btf__find_by_name_kind(kernel, "security_sock_graft", BTF_KIND_FUNC));
	assert_int_equal(kbtf_hook(kbtf, "tp_btf/tcp_destroy_sock"), -ESRCH);
	assert_int_equal(kbtf_hook(kbtf, "fexit/security_sock_graft"),
			 kbtf_hook(kbtf, "fentry/security_sock_graft"));
	assert_int_equal(kbtf_hook(kbtf, "fentry/nobody_asked"), -EAGAIN);
	assert_int_equal(kbtf_hook(kbtf, "kprobe/security_sock_graft"), -EAGAIN);
	free(image.data);
	btf__free(small);
	btf__free(kernel);
	kbtf_free(kbtf);
}

/* What was noted once is not new again, and a filter's build names more than the one without. */
static void test_new(void **state)
{
	struct kbtf *kbtf = kbtf_new();
	struct bytes plain;

	(void)state;
	for (size_t i = 0; i < N_TOOLS; i++) {
		assert_true(want_tool(kbtf, tools[i]) >= 0); /* nothing is left to libbpf */
		assert_int_equal(want_tool(kbtf, tools[i]), 0);
		plain = inflated(&tools[i]->probe);
		assert_int_equal(kbtf_want(kbtf, plain.data, plain.len), 0);
		free(plain.data);
	}
	kbtf_free(kbtf);
}

/* Names without end: what was noted before the limit is there still. */
static void test_too_many(void **state)
{
	struct kbtf *kbtf = kbtf_new();
	char name[32];
	int i, err = 0;

	(void)state;
	for (i = 0; i <= UINT16_MAX && !err; i++) {
		snprintf(name, sizeof(name), "name_%d", i);
		err = kbtf_want_id(kbtf, name, BTF_KIND_FUNC);
	}
	assert_int_equal(err, -ENOMEM);
	assert_int_equal(kbtf_want_id(kbtf, "name_0", BTF_KIND_FUNC), 0);
	kbtf_free(kbtf);
}

/* Ids that are asked for by themselves, of a kind each; names that are too short for the sieve. */
static void test_ids(void **state)
{
	struct kbtf *kbtf = kbtf_new();
	struct btf *kernel = make_kernel();
	struct bytes image;
	int a = add(btf__add_struct(kernel, "a", 8)), net = add(btf__add_struct(kernel, "net", 8));

	(void)state;
	image = raw(kernel);
	assert_int_equal(kbtf_want_id(kbtf, "sock", BTF_KIND_STRUCT), 0);
	assert_int_equal(kbtf_want_id(kbtf, "bpf_rdonly_cast", BTF_KIND_FUNC), 0);
	assert_int_equal(kbtf_want_id(kbtf, "security_sock_graft", BTF_KIND_STRUCT), 0);
	assert_int_equal(kbtf_want_id(kbtf, "net___flavour", BTF_KIND_STRUCT), 0);
	assert_int_equal(kbtf_find_in(kbtf, image.data, image.len), 0);
	assert_int_equal(kbtf_id(kbtf, "sock"),
			 btf__find_by_name_kind(kernel, "sock", BTF_KIND_STRUCT));
	assert_int_equal(kbtf_id(kbtf, "bpf_rdonly_cast"),
			 btf__find_by_name_kind(kernel, "bpf_rdonly_cast", BTF_KIND_FUNC));
	assert_int_equal(kbtf_id(kbtf, "security_sock_graft"), 0);
	assert_int_equal(kbtf_id(kbtf, "net___flavour"), net);
	assert_int_equal(kbtf_id(kbtf, "a"), 0);
	assert_int_equal(kbtf_want_id(kbtf, "a", BTF_KIND_STRUCT), 0);
	assert_int_equal(kbtf_find_in(kbtf, image.data, image.len), 0);
	assert_int_equal(kbtf_id(kbtf, "a"), a);
	assert_int_equal(kbtf_id(kbtf, "net"), net);
	free(image.data);
	btf__free(kernel);
	kbtf_free(kbtf);
}

/* Damage is refused or harmless; the sanitizers look on. */
static void test_damaged_btf(void **state)
{
	struct btf *kernel = make_kernel();
	struct bytes whole = raw(kernel), part;
	struct kbtf *kbtf = kbtf_new();
	uint32_t seed = 1;

	(void)state;
	want_tool(kbtf, tools[0]);
	for (size_t len = 0; len < whole.len; len += 1 + len / 16) {
		part = (struct bytes){ malloc(len + 1), len };
		memcpy(part.data, whole.data, len);
		assert_int_not_equal(kbtf_find_in(kbtf, part.data, len), 0);
		free(part.data);
	}
	for (int i = 0; i < 20000; i++) {
		seed = seed * 1664525 + 1013904223;
		part = raw(kernel);
		part.data[(seed >> 4) % part.len] ^= 1 << (seed >> 28 & 7);
		part.data[(seed >> 9) % part.len] = seed >> 16;
		kbtf_find_in(kbtf, part.data, part.len);
		free(part.data);
	}
	free(whole.data);
	btf__free(kernel);
	kbtf_free(kbtf);
}

static void test_damaged_object(void **state)
{
	struct bytes object = inflated(&tools[0]->filtered), part;
	struct kbtf *kbtf;
	uint32_t seed = 1;

	(void)state;
	for (int i = 0; i < 3000; i++) {
		seed = seed * 1664525 + 1013904223;
		part = (struct bytes){ malloc(object.len), object.len };
		memcpy(part.data, object.data, object.len);
		if (i % 2)
			part.len = (seed >> 4) % object.len;
		for (int j = 0; j < 20; j++, seed = seed * 1664525 + 1013904223)
			part.data[(seed >> 4) % object.len] ^= 1 << (seed >> 28 & 7);
		kbtf = kbtf_new();
		kbtf_want(kbtf, part.data, part.len);
		kbtf_free(kbtf);
		free(part.data);
	}
	free(object.data);
}

/* ---- this kernel */

static const char *const hooks[][3] = {
	{ "tp_btf/inet_sock_set_state", "btf_trace_inet_sock_set_state", "t" },
	{ "tp_btf/tcp_destroy_sock", "btf_trace_tcp_destroy_sock", "t" },
	{ "tp_btf/tcp_rcv_space_adjust", "btf_trace_tcp_rcv_space_adjust", "t" },
	{ "fentry/security_sock_graft", "security_sock_graft", "" },
};

static void test_this_kernel(void **state)
{
	struct kbtf *kbtf = kbtf_new();
	struct btf *kernel, *small;
	int id;

	(void)state;
	if (access("/sys/kernel/btf/vmlinux", R_OK))
		skip();
	for (size_t i = 0; i < N_TOOLS; i++)
		want_tool(kbtf, tools[i]);
	assert_int_equal(kbtf_find(kbtf), 0);
	kernel = btf__parse_raw("/sys/kernel/btf/vmlinux");
	assert_non_null(kernel);
	small = small_of(kbtf);
	assert_in_range(btf__type_cnt(small), 10, 2000);
	assert_true(same_types(small, kernel) > 10);
	for (size_t i = 0; i < sizeof(hooks) / sizeof(*hooks); i++) {
		id = btf__find_by_name_kind(kernel, hooks[i][1],
					    *hooks[i][2] ? BTF_KIND_TYPEDEF : BTF_KIND_FUNC);
		if (id > 0)
			assert_int_equal(kbtf_hook(kbtf, hooks[i][0]), id);
	}
	btf__free(small);
	btf__free(kernel);
	kbtf_free(kbtf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_made_kernel), cmocka_unit_test(test_new),
		cmocka_unit_test(test_ids), cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_damaged_btf), cmocka_unit_test(test_damaged_object),
		cmocka_unit_test(test_this_kernel),
	};

	return cmocka_run_group_tests_name("kbtf", tests, NULL, NULL);
}
