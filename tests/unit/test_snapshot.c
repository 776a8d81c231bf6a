/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The snapshot against sockets whose owner, addresses and cookie this test knows itself. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "snapshot.h"

/* What the snapshot said of the socket with this cookie, or with these ports. */
struct seen {
	uint64_t cookie;
	uint16_t lport, rport;
	unsigned int times;
	struct snapshot_socket sock;
	struct nt_owner owner;
};

struct pair {
	int listener, client, server;
};

/* What a child says of the socket it holds; all 0 if it could not do its part. */
struct report {
	uint64_t cookie;
	uint64_t netns; /* the socket's */
	uint64_t lport;
};

struct child {
	pid_t pid;
	int pipe; /* the child lives until it is closed */
	struct report report;
};

static uint64_t inode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_ino;
}

static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len), 0);
	return cookie;
}

static int note(void *ctx, const struct snapshot_socket *sock, const struct nt_owner *owner)
{
	struct seen *seen = ctx;

	if (seen->cookie ? sock->cookie == seen->cookie
			 : sock->lport == seen->lport && sock->rport == seen->rport) {
		seen->times++;
		seen->sock = *sock;
		seen->owner = *owner;
	}
	return 0;
}

static struct seen look_for(uint64_t cookie)
{
	struct seen seen = { .cookie = cookie };
	size_t unreadable;

	assert_int_equal(snapshot_sockets(note, &seen, &unreadable), 0);
	return seen;
}

static struct seen look(uint64_t cookie)
{
	struct seen seen = look_for(cookie);

	assert_in_range(seen.times, 1, 2);
	return seen;
}

static void make_address(const char *text, uint16_t port, struct sockaddr_storage *to,
			 socklen_t *len)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)to;
	struct sockaddr_in *in = (struct sockaddr_in *)to;

	memset(to, 0, sizeof(*to));
	if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		*len = sizeof(*in6);
		return;
	}
	assert_int_equal(inet_pton(AF_INET, text, &in->sin_addr), 1);
	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	*len = sizeof(*in);
}

static uint16_t port_of(int fd)
{
	struct sockaddr_in6 name;
	socklen_t len = sizeof(name);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &len), 0);
	return ntohs(name.sin6_port); /* at the same place in both families */
}

static int listen_at(const char *text)
{
	struct sockaddr_storage at;
	socklen_t len;
	int fd;

	make_address(text, 0, &at, &len);
	fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

static int connect_to(const char *text, uint16_t port)
{
	struct sockaddr_storage to;
	socklen_t len;
	int fd;

	make_address(text, port, &to, &len);
	fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, len), 0);
	return fd;
}

static struct pair open_pair(const char *listen_text, const char *connect_text)
{
	struct pair pair = { .listener = listen_at(listen_text) };

	pair.client = connect_to(connect_text, port_of(pair.listener));
	pair.server = accept4(pair.listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(pair.server >= 0);
	return pair;
}

static void close_pair(struct pair *pair)
{
	close(pair->client);
	close(pair->server);
	close(pair->listener);
}

static void assert_address(const uint8_t got[16], const char *want)
{
	char text[INET6_ADDRSTRLEN];

	assert_non_null(inet_ntop(AF_INET6, got, text, sizeof(text)));
	assert_string_equal(text, want);
}

static void assert_mine(const struct seen *seen)
{
	const struct nt_owner *owner = &seen->owner;

	assert_int_equal(owner->how, NT_OWNER_SNAPSHOT);
	assert_int_equal(owner->pid, getpid());
	assert_int_equal(owner->tid, 0);
	assert_int_equal(owner->uid, geteuid());
	assert_int_equal(owner->mntns, inode_of("/proc/self/ns/mnt"));
	assert_int_equal(seen->sock.netns, inode_of("/proc/self/ns/net"));
}

static void test_listener(void **state)
{
	int fd = listen_at("127.0.0.1"), fd6 = listen_at("::");
	struct seen seen = look(cookie_of(fd));

	(void)state;
	assert_mine(&seen);
	assert_int_equal(seen.sock.state, TCP_LISTEN);
	assert_int_equal(seen.sock.family, AF_INET);
	assert_int_equal(seen.sock.lport, port_of(fd));
	assert_int_equal(seen.sock.rport, 0);
	assert_address(seen.sock.laddr, "::ffff:127.0.0.1");

	seen = look(cookie_of(fd6));
	assert_mine(&seen);
	assert_int_equal(seen.sock.state, TCP_LISTEN);
	assert_int_equal(seen.sock.family, AF_INET6);
	assert_int_equal(seen.sock.lport, port_of(fd6));
	assert_address(seen.sock.laddr, "::");
	close(fd);
	close(fd6);
}

static void check_pair(const char *listen_text, const char *connect_text, int client_family,
		       int server_family, const char *address)
{
	struct pair pair = open_pair(listen_text, connect_text);
	struct seen client = look(cookie_of(pair.client)), server = look(cookie_of(pair.server));

	assert_mine(&client);
	assert_mine(&server);
	assert_int_equal(client.sock.family, client_family);
	assert_int_equal(server.sock.family, server_family);
	assert_int_equal(client.sock.state, TCP_ESTABLISHED);
	assert_int_equal(server.sock.state, TCP_ESTABLISHED);
	assert_int_equal(client.sock.lport, port_of(pair.client));
	assert_int_equal(client.sock.rport, port_of(pair.listener));
	assert_int_equal(server.sock.lport, port_of(pair.listener));
	assert_int_equal(server.sock.rport, port_of(pair.client));
	assert_address(client.sock.laddr, address);
	assert_address(client.sock.raddr, address);
	assert_address(server.sock.laddr, address);
	assert_address(server.sock.raddr, address);
	close_pair(&pair);
}

static void test_established(void **state)
{
	(void)state;
	check_pair("127.0.0.1", "127.0.0.1", AF_INET, AF_INET, "::ffff:127.0.0.1");
	check_pair("::1", "::1", AF_INET6, AF_INET6, "::1");
}

static void test_mapped(void **state)
{
	(void)state;
	check_pair("::", "127.0.0.1", AF_INET, AF_INET6, "::ffff:127.0.0.1");
	check_pair("::", "::ffff:127.0.0.1", AF_INET6, AF_INET6, "::ffff:127.0.0.1");
}

static void test_comm(void **state)
{
	static const char odd[NT_COMM_LEN] = "\n) \"',\x01\xff\\ 1 (\n";
	static const char *const comms[] = { odd, "fifteen bytes..", "" };
	int fd = listen_at("127.0.0.1");
	char before[NT_COMM_LEN];

	(void)state;
	prctl(PR_GET_NAME, before);
	for (size_t i = 0; i < sizeof(comms) / sizeof(*comms); i++) {
		char want[NT_COMM_LEN] = "";
		struct seen seen;

		strncpy(want, comms[i], sizeof(want) - 1);
		prctl(PR_SET_NAME, want);
		seen = look(cookie_of(fd));
		assert_mine(&seen);
		assert_memory_equal(seen.owner.comm, want, sizeof(want));
	}
	prctl(PR_SET_NAME, before);
	close(fd);
}

/* Connected but not accepted: it has no file, so nobody holds it. */
static void test_not_accepted(void **state)
{
	static const struct nt_owner nobody = { .uid = UINT32_MAX };
	int listener = listen_at("127.0.0.1");
	int client = connect_to("127.0.0.1", port_of(listener));
	struct seen seen = { .lport = port_of(listener), .rport = port_of(client) };

	(void)state;
	assert_int_equal(snapshot_sockets(note, &seen, NULL), 0);
	assert_in_range(seen.times, 1, 2);
	assert_int_equal(seen.sock.state, TCP_ESTABLISHED);
	assert_memory_equal(&seen.owner, &nobody, sizeof(nobody));
	close(client);
	close(listener);
}

/* Closed with unsent data: the kernel keeps the socket, its process is done with it. */
static void test_orphan(void **state)
{
	static const char block[65536];
	struct pair pair = open_pair("127.0.0.1", "127.0.0.1");
	uint64_t cookie = cookie_of(pair.server);
	struct seen seen;

	(void)state;
	while (send(pair.server, block, sizeof(block), MSG_DONTWAIT) > 0)
		;
	assert_int_equal(errno, EAGAIN);
	close(pair.server);
	seen = look(cookie);
	assert_int_equal(seen.sock.state, TCP_FIN_WAIT1);
	assert_int_equal(seen.owner.how, NT_OWNER_NONE);
	assert_int_equal(seen.owner.uid, UINT32_MAX);
	close(pair.client);
	close(pair.listener);
}

/* The peer may take its time to acknowledge a FIN. */
static void await_state(int fd, int state)
{
	struct tcp_info info;
	socklen_t len;

	for (unsigned int tries = 0; tries < 1000; tries++) {
		len = sizeof(info);
		assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
		if (info.tcpi_state == state)
			return;
		usleep(1000);
	}
	fail_msg("socket is in state %d, not in %d", info.tcpi_state, state);
}

/* A half-closed socket has its holder; a closed one is a timewait remnant named FIN_WAIT2. */
static void test_closing(void **state)
{
	struct pair pair = open_pair("127.0.0.1", "127.0.0.1");
	uint64_t cookie = cookie_of(pair.server);
	struct seen seen;

	(void)state;
	shutdown(pair.server, SHUT_WR);
	await_state(pair.server, TCP_FIN_WAIT2);
	seen = look(cookie);
	assert_mine(&seen);
	assert_int_equal(seen.sock.state, TCP_FIN_WAIT2);
	seen = look(cookie_of(pair.client));
	assert_mine(&seen);
	assert_int_equal(seen.sock.state, TCP_CLOSE_WAIT);
	close(pair.server);
	assert_int_equal(look_for(cookie).times, 0);
	close(pair.client);
	assert_int_equal(look_for(cookie).times, 0);
	close(pair.listener);
}

/* Children: no assertion there, the parent judges by the report. */

static struct child start_child(bool (*run)(struct report *report, void *arg), void *arg)
{
	struct child child = { 0 };
	int go[2], back[2];

	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	assert_int_equal(pipe2(back, O_CLOEXEC), 0);
	child.pid = fork();
	if (!child.pid) {
		struct report report = { 0 };
		char byte;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(go[1]);
		if (!run(&report, arg) || write(back[1], &report, sizeof(report)) < 0)
			_exit(0);
		_exit(read(go[0], &byte, 1) != 0);
	}
	assert_true(child.pid > 0);
	close(go[0]);
	close(back[1]);
	child.pipe = go[1];
	if (read(back[0], &child.report, sizeof(child.report)) != sizeof(child.report))
		memset(&child.report, 0, sizeof(child.report));
	close(back[0]);
	return child;
}

static void end_child(const struct child *child)
{
	int status;

	close(child->pipe);
	assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
	assert_int_equal(status, 0);
}

static bool be_worker(struct report *report, void *arg)
{
	struct pair *pair = arg;
	socklen_t len = sizeof(report->cookie);

	close(pair->listener);
	close(pair->client);
	prctl(PR_SET_NAME, "worker");
	return !getsockopt(pair->server, SOL_SOCKET, SO_COOKIE, &report->cookie, &len);
}

static void test_worker(void **state)
{
	struct pair pair = open_pair("127.0.0.1", "127.0.0.1");
	struct child child = start_child(be_worker, &pair);
	struct seen seen = look(child.report.cookie);

	(void)state;
	assert_int_equal(child.report.cookie, cookie_of(pair.server));
	/* both hold it: the younger one counts */
	assert_int_equal(seen.owner.pid, child.pid);
	assert_string_equal(seen.owner.comm, "worker");
	seen = look(cookie_of(pair.listener));
	assert_mine(&seen);
	/* the child alone */
	close(pair.server);
	seen = look(child.report.cookie);
	assert_int_equal(seen.owner.pid, child.pid);
	assert_int_equal(seen.owner.how, NT_OWNER_SNAPSHOT);
	end_child(&child);
	close(pair.client);
	close(pair.listener);
}

static bool report_listener(struct report *report)
{
	struct sockaddr_in name = { .sin_family = AF_INET };
	socklen_t len = sizeof(report->cookie), name_len = sizeof(name);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct stat st;

	if (fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof(name)) || listen(fd, 1) ||
	    getsockname(fd, (struct sockaddr *)&name, &name_len) ||
	    stat("/proc/self/ns/net", &st))
		return false;
	report->lport = ntohs(name.sin_port);
	report->netns = st.st_ino;
	return !getsockopt(fd, SOL_SOCKET, SO_COOKIE, &report->cookie, &len);
}

static bool be_elsewhere(struct report *report, void *arg)
{
	(void)arg;
	return !unshare(CLONE_NEWNET) && report_listener(report);
}

/* A socket of a namespace that has a mount point, but no process. */
static bool be_back_home(struct report *report, void *mount_point)
{
	int home = open("/proc/self/ns/net", O_RDONLY);

	return home >= 0 && !unshare(CLONE_NEWNET) && report_listener(report) &&
	       !mount("/proc/self/ns/net", mount_point, NULL, MS_BIND, NULL) &&
	       !setns(home, CLONE_NEWNET);
}

static void check_elsewhere(const struct child *child)
{
	uint64_t home = inode_of("/proc/self/ns/net");
	struct seen seen = look(child->report.cookie);

	assert_int_not_equal(child->report.netns, home);
	assert_int_equal(seen.sock.netns, child->report.netns);
	assert_int_equal(seen.sock.lport, child->report.lport);
	assert_int_equal(seen.sock.state, TCP_LISTEN);
	assert_address(seen.sock.laddr, "::ffff:0.0.0.0");
	assert_int_equal(seen.owner.pid, child->pid);
	assert_int_equal(inode_of("/proc/self/ns/net"), home);
	assert_int_equal(inode_of("/proc/thread-self/ns/net"), home);
}

static void test_other_netns(void **state)
{
	struct child child = start_child(be_elsewhere, NULL);

	(void)state;
	if (!child.report.cookie) {
		end_child(&child);
		print_message("skipped: may not make a network namespace\n");
		skip();
	}
	check_elsewhere(&child);
	end_child(&child);
	assert_int_equal(look_for(child.report.cookie).times, 0);
}

static void test_mounted_netns(void **state)
{
	char name[] = "/tmp/test snapshot XXXXXX"; /* the blank is \040 in /proc/self/mounts */
	int fd = mkstemp(name);
	struct child child;

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	child = start_child(be_back_home, name);
	if (child.report.cookie)
		check_elsewhere(&child);
	else
		print_message("skipped: may not mount a network namespace\n");
	end_child(&child);
	umount2(name, MNT_DETACH);
	unlink(name);
	if (!child.report.cookie)
		skip();
}

static bool be_in_cgroup(struct report *report, void *dir)
{
	char procs[64];
	int fd, written;

	snprintf(procs, sizeof(procs), "%s/cgroup.procs", (char *)dir);
	fd = open(procs, O_WRONLY);
	written = fd < 0 ? -1 : write(fd, "0", 1);
	close(fd);
	return written == 1 && report_listener(report);
}

static void test_cgroup(void **state)
{
	static const char *const roots[] = { "/sys/fs/cgroup/unified", "/sys/fs/cgroup" };
	struct child child;
	char dir[64], procs[80];
	bool made = false;

	(void)state;
	for (size_t i = 0; i < 2 && !made; i++) {
		snprintf(dir, sizeof(dir), "%s/test-snapshot-%d", roots[i], getpid());
		snprintf(procs, sizeof(procs), "%s/cgroup.procs", dir);
		made = !mkdir(dir, 0755) && !access(procs, W_OK);
		if (!made)
			rmdir(dir);
	}
	if (!made) {
		print_message("skipped: may not make a cgroup\n");
		skip();
	}
	child = start_child(be_in_cgroup, dir);
	if (child.report.cookie)
		assert_int_equal(look(child.report.cookie).owner.cgroup, inode_of(dir));
	end_child(&child);
	assert_int_equal(rmdir(dir), 0);
	assert_int_not_equal(child.report.cookie, 0);
}

/* Another user's processes are unreadable for us: that is counted, and no failure. */
static bool be_another_user(struct report *report, void *arg)
{
	struct seen seen = { .cookie = *(uint64_t *)arg };
	size_t unreadable = 0;

	if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
		return false;
	if (snapshot_sockets(note, &seen, &unreadable))
		return false;
	report->cookie = seen.times;
	report->netns = seen.owner.how;
	report->lport = unreadable;
	return true;
}

static void test_unreadable(void **state)
{
	int fd = listen_at("127.0.0.1");
	uint64_t cookie = cookie_of(fd);
	struct child child;

	(void)state;
	if (geteuid()) {
		print_message("skipped: not root\n");
		skip();
	}
	child = start_child(be_another_user, &cookie);
	end_child(&child);
	assert_in_range(child.report.cookie, 1, 2);
	assert_true(child.report.lport > 0);
	/* its own inherited copy of the fd is readable, or not: a changed user is not dumpable */
	assert_in_range(child.report.netns, NT_OWNER_NONE, NT_OWNER_SNAPSHOT);
	close(fd);
}

/* The call itself */

static int stop_at_once(void *ctx, const struct snapshot_socket *sock, const struct nt_owner *owner)
{
	(void)sock;
	(void)owner;
	++*(int *)ctx;
	return 77;
}

static void test_stop(void **state)
{
	int fd = listen_at("127.0.0.1"), calls = 0;

	(void)state;
	assert_int_equal(snapshot_sockets(stop_at_once, &calls, NULL), 77);
	assert_int_equal(calls, 1);
	close(fd);
}

static unsigned int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int nr = 0;

	assert_non_null(dir);
	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}

static void test_no_leak(void **state)
{
	unsigned int before = count_fds();

	(void)state;
	look_for(1);
	assert_int_equal(count_fds(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_listener),
		cmocka_unit_test(test_established),
		cmocka_unit_test(test_mapped),
		cmocka_unit_test(test_comm),
		cmocka_unit_test(test_not_accepted),
		cmocka_unit_test(test_orphan),
		cmocka_unit_test(test_closing),
		cmocka_unit_test(test_worker),
		cmocka_unit_test(test_other_netns),
		cmocka_unit_test(test_mounted_netns),
		cmocka_unit_test(test_cgroup),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_no_leak),
	};

	return cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
}
