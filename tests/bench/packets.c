/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * packets COUNT NETNS ADDR: sends small datagrams to ADDR, an address in the network namespace at
 * the path NETNS, where nobody reads them.
 * packets COUNT refused ADDR: calls connect() for a port of ADDR where nobody listens.
 * Prints one JSON line of what that took.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SIZE 18 /* bytes: with the headers of UDP, IPv4 and Ethernet 60, the least of a wire */

static void fail(const char *what)
{
	fprintf(stderr, "packets: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void enter(int fd)
{
	if (setns(fd, CLONE_NEWNET))
		fail("setns");
}

/* In `netns`: what is sent there is no error, and dropped when the queue is full. */
static void open_sink(const char *netns, const struct sockaddr_in *addr)
{
	int here = open("/proc/self/ns/net", O_RDONLY), there = open(netns, O_RDONLY), sock;

	if (here < 0 || there < 0)
		fail(netns);
	enter(there);
	sock = socket(AF_INET, SOCK_DGRAM, 0);
	if (sock < 0 || bind(sock, (const void *)addr, sizeof(*addr)))
		fail("bind");
	enter(here);
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static double cpu_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void send_all(unsigned long count, const struct sockaddr_in *addr)
{
	static const char data[SIZE];
	int sock = socket(AF_INET, SOCK_DGRAM, 0);

	if (sock < 0 || connect(sock, (const void *)addr, sizeof(*addr)))
		fail("connect");
	for (; count; count--)
		if (send(sock, data, sizeof(data), 0) < 0 && errno != ENOBUFS)
			fail("send");
	close(sock);
}

static void be_refused(unsigned long count, const struct sockaddr_in *addr)
{
	int sock;

	for (; count; count--) {
		sock = socket(AF_INET, SOCK_STREAM, 0);
		if (sock < 0 || !connect(sock, (const void *)addr, sizeof(*addr)) ||
		    errno != ECONNREFUSED)
			fail("connect");
		close(sock);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(9) };
	bool refused = argc == 4 && !strcmp(argv[2], "refused");
	unsigned long count;
	double began, cpu;

	if (argc != 4 || inet_pton(AF_INET, argv[3], &addr.sin_addr) != 1) {
		fprintf(stderr, "Usage: packets COUNT NETNS|refused ADDR\n");
		return 2;
	}
	count = strtoul(argv[1], NULL, 10);
	if (!refused)
		open_sink(argv[2], &addr);
	began = seconds();
	cpu = cpu_seconds();
	(refused ? be_refused : send_all)(count, &addr);
	cpu = cpu_seconds() - cpu;
	printf("{\"packets\":%lu,\"seconds\":%.9f,\"cpu_seconds\":%.9f}\n", count,
	       seconds() - began, cpu);
	return 0;
}
