// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The server is our child and the client is its child. They go in step: each waits for a byte of
 * the other. An alarm ends each of them, whatever happens.
 */
#include "scene.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LIMIT 120  /* seconds that the processes may live */
#define PATIENCE 20 /* seconds that a part may take */

/* One of the two processes. */
struct actor {
	struct scene_truth *truth;
	int peer; /* the other one */
};

__attribute__((noreturn)) static void fail(const struct actor *a, const char *what)
{
	snprintf(a->truth->failed, sizeof(a->truth->failed), "%s: %s", what, strerror(errno));
	_exit(1);
}

static void need(const struct actor *a, long result, const char *what)
{
	if (result < 0)
		fail(a, what);
}

static void tell(const struct actor *a)
{
	need(a, send(a->peer, "", 1, MSG_NOSIGNAL), "telling the other process");
}

static void await(const struct actor *a)
{
	char byte;

	if (recv(a->peer, &byte, 1, 0) != 1)
		_exit(1); /* the other one has said why */
}

static bool late(time_t *end)
{
	struct timespec pause = { .tv_nsec = 5000000 }, now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!*end)
		*end = now.tv_sec + PATIENCE;
	nanosleep(&pause, NULL);
	return now.tv_sec > *end;
}

static struct sockaddr_in loopback(uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons(port),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

/* A socket with a port of its own; it refuses connections until it listens. */
static int bound(const struct actor *a, uint16_t *port)
{
	struct sockaddr_in addr = loopback(0);
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	need(a, fd, "socket()");
	need(a, bind(fd, (struct sockaddr *)&addr, sizeof(addr)), "bind()");
	need(a, getsockname(fd, (struct sockaddr *)&addr, &len), "getsockname()");
	*port = ntohs(addr.sin_port);
	return fd;
}

static void send_bytes(const struct actor *a, int fd, size_t n)
{
	static const char block[4096];

	if (send(fd, block, n, MSG_NOSIGNAL) != (ssize_t)n)
		fail(a, "send()");
}

static void receive_bytes(const struct actor *a, int fd, size_t n)
{
	char block[4096];
	ssize_t got;

	for (; n; n -= got) {
		got = recv(fd, block, n < sizeof(block) ? n : sizeof(block), 0);
		if (got <= 0)
			fail(a, "recv()");
	}
}

static struct tcp_info info_of(const struct actor *a, int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	need(a, getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len), "TCP_INFO");
	return info;
}

/* The message has one byte and one descriptor. */
union control {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

static void pass(const struct actor *a)
{
	char byte = 0;
	struct iovec io = { &byte, 1 };
	union control control = { .align = { .cmsg_len = CMSG_LEN(sizeof(int)),
					     .cmsg_level = SOL_SOCKET,
					     .cmsg_type = SCM_RIGHTS } };
	struct msghdr msg = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	struct stat st;
	int pipes[2];

	need(a, pipe(pipes), "pipe()");
	need(a, fstat(pipes[0], &st), "fstat()");
	a->truth->sent_fd = pipes[0];
	snprintf(a->truth->passed, sizeof(a->truth->passed), "pipe:[%lu]", (long)st.st_ino);
	memcpy(CMSG_DATA(&control.align), &pipes[0], sizeof(int));
	need(a, sendmsg(a->peer, &msg, MSG_NOSIGNAL), "sendmsg()");
}

static void take(const struct actor *a)
{
	char byte;
	struct iovec io = { &byte, 1 };
	union control control;
	struct msghdr msg = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = &control,
			      .msg_controllen = sizeof(control) };

	if (recvmsg(a->peer, &msg, MSG_CMSG_CLOEXEC) != 1)
		fail(a, "recvmsg()");
	memcpy(&a->truth->received_fd, CMSG_DATA(&control.align), sizeof(int));
}

/* Until the loss is mended: a byte to the server once something was sent again. */
static void lose(const struct actor *a, int fd)
{
	time_t end = 0;

	send_bytes(a, fd, SCENE_LOST);
	while (a->truth->lossy && !info_of(a, fd).tcpi_total_retrans)
		if (late(&end)) {
			errno = ETIMEDOUT;
			fail(a, "a retransmit");
		}
	tell(a);
	while (info_of(a, fd).tcpi_unacked)
		if (late(&end)) {
			errno = ETIMEDOUT;
			fail(a, "an acknowledgement");
		}
	a->truth->retransmits = info_of(a, fd).tcpi_total_retrans;
}

static void act_client(const struct actor *a)
{
	struct scene_truth *truth = a->truth;
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);
	int fd;

	await(a);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	need(a, fd, "socket()");
	addr = loopback(truth->sport);
	need(a, connect(fd, (struct sockaddr *)&addr, sizeof(addr)), "connect()");
	need(a, getsockname(fd, (struct sockaddr *)&addr, &len), "getsockname()");
	truth->cport = ntohs(addr.sin_port);
	send_bytes(a, fd, SCENE_UP);
	receive_bytes(a, fd, SCENE_DOWN);
	tell(a);
	await(a); /* from now on the server's socket drops what it gets */
	lose(a, fd);
	await(a);
	pass(a);
	__sync_fetch_and_add(&truth->segments, info_of(a, fd).tcpi_segs_in);
	close(fd);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	need(a, fd, "socket()");
	addr = loopback(truth->refused);
	if (!connect(fd, (struct sockaddr *)&addr, sizeof(addr)) || errno != ECONNREFUSED)
		fail(a, "a connect() to a port without a listener");
	close(fd);
	tell(a);
	await(a); /* nobody reuses the pid before the tools have ended */
}

/* Connections are left that have not ended on both sides. */
static bool unquiet(uint16_t port)
{
	unsigned int local, remote, state;
	FILE *tcp = fopen("/proc/self/net/tcp", "re");
	bool found = false;
	char line[256];

	while (tcp && fgets(line, sizeof(line), tcp))
		if (sscanf(line, " %*u: %*8x:%x %*8x:%x %x", &local, &remote, &state) == 3 &&
		    (local == port || remote == port) && state != 6 && state != 10)
			found = true; /* neither TIME_WAIT nor LISTEN */
	if (tcp)
		fclose(tcp);
	return found;
}

/* Packets and bytes that the loopback device has sent. */
static void read_device(uint64_t *packets, uint64_t *bytes)
{
	FILE *dev = fopen("/proc/self/net/dev", "re");
	char line[512];

	*packets = *bytes = 0;
	while (dev && fgets(line, sizeof(line), dev))
		if (sscanf(line, " lo: %*u %*u %*u %*u %*u %*u %*u %*u %lu %lu", bytes,
			   packets) == 2)
			break;
	if (dev)
		fclose(dev);
}

/* Not everywhere may everybody do this; then nothing is lost. */
static bool drop_all(int fd)
{
	struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog program = { .len = 1, .filter = &drop };

	return !setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

static void drop_none(const struct actor *a, int fd)
{
	int none = 0;

	need(a, setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof(none)),
	     "SO_DETACH_FILTER");
}

static void serve(const struct actor *a, int listener)
{
	time_t end = 0;
	char byte;
	int fd;

	tell(a);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	need(a, fd, "accept()");
	receive_bytes(a, fd, SCENE_UP);
	send_bytes(a, fd, SCENE_DOWN);
	await(a);
	while (info_of(a, fd).tcpi_unacked && !late(&end))
		;
	a->truth->lossy = drop_all(fd);
	tell(a);
	await(a);
	if (a->truth->lossy)
		drop_none(a, fd);
	receive_bytes(a, fd, SCENE_LOST);
	tell(a);
	take(a);
	if (recv(fd, &byte, 1, 0))
		fail(a, "the end of the connection");
	__sync_fetch_and_add(&a->truth->segments, info_of(a, fd).tcpi_segs_in);
	close(fd);
	await(a);
	for (end = 0; unquiet(a->truth->sport) && !late(&end);)
		;
}

static void act_server(const struct actor *a, const struct actor *us)
{
	struct scene_truth *truth = a->truth;
	uint64_t packets, bytes;
	int listener;
	char byte;

	await(us);
	bound(a, &truth->refused);
	read_device(&packets, &bytes);
	listener = bound(a, &truth->sport);
	need(a, listen(listener, SCENE_BACKLOG), "listen()");
	serve(a, listener);
	if (truth->own_netns) {
		read_device(&truth->packets, &truth->bytes);
		truth->packets -= packets;
		truth->bytes -= bytes;
	}
	tell(us);
	recv(us->peer, &byte, 1, 0); /* until the doctor hangs up: nobody takes over our pids */
	tell(a);
}

static bool loopback_up(void)
{
	struct ifreq request = { .ifr_name = "lo",
				 .ifr_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool up = fd >= 0 && !ioctl(fd, SIOCSIFFLAGS, &request);

	if (fd >= 0)
		close(fd);
	return up;
}

static void begin(const char *name)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, name);
	alarm(LIMIT);
}

__attribute__((noreturn)) static void start_server(struct scene_truth *truth, int ours)
{
	struct actor us = { truth, ours }, client;
	int pair[2];
	pid_t pid;

	begin(SCENE_SERVER);
	truth->own_netns = !unshare(CLONE_NEWNET) && loopback_up();
	truth->server = getpid();
	need(&us, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), "socketpair()");
	pid = fork();
	need(&us, pid, "fork()");
	if (!pid) {
		close(pair[0]);
		close(ours);
		begin(SCENE_CLIENT);
		client = (struct actor){ truth, pair[1] };
		act_client(&client);
		_exit(0);
	}
	close(pair[1]);
	truth->client = pid;
	client = (struct actor){ truth, pair[0] };
	tell(&us);
	act_server(&client, &us);
	waitpid(pid, NULL, 0);
	_exit(0);
}

int scene_open(struct scene *scene)
{
	char path[64], byte;
	int pair[2], err;
	struct stat st;

	*scene = (struct scene){ .channel = -1 };
	scene->truth = mmap(NULL, sizeof(*scene->truth), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (scene->truth == MAP_FAILED)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -errno;
	fflush(NULL);
	scene->server = fork();
	err = errno;
	if (!scene->server) {
		close(pair[0]);
		start_server(scene->truth, pair[1]);
	}
	close(pair[1]);
	scene->channel = pair[0];
	if (scene->server < 0)
		return -err;
	if (recv(scene->channel, &byte, 1, 0) != 1)
		return -EIO;
	snprintf(path, sizeof(path), "/proc/%d/ns/net", scene->server);
	if (!stat(path, &st))
		scene->truth->netns = st.st_ino;
	return 0;
}

int scene_play(struct scene *scene)
{
	char byte = 0;

	if (send(scene->channel, &byte, 1, MSG_NOSIGNAL) == 1 &&
	    recv(scene->channel, &byte, 1, 0) == 1)
		return 0;
	if (!scene->truth->failed[0])
		snprintf(scene->truth->failed, sizeof(scene->truth->failed), "it ended too early");
	return -EIO;
}

/* The server goes when it is told or when we hang up, and takes the client with it. */
void scene_close(struct scene *scene)
{
	if (scene->channel >= 0)
		close(scene->channel);
	if (scene->server > 0)
		waitpid(scene->server, NULL, 0);
	if (scene->truth != MAP_FAILED)
		munmap(scene->truth, sizeof(*scene->truth));
}
