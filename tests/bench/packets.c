/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * packets COUNT NETNS ADDR: sends small datagrams to ADDR, an address in the network namespace at
 * the path NETNS, where nobody reads them. Prints one JSON line of what that took.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
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

int main(int argc, char **argv)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(9) };
	unsigned long count, i;
	static const char data[SIZE];
	double began, cpu;
	int sock;

	if (argc != 4 || inet_pton(AF_INET, argv[3], &addr.sin_addr) != 1) {
		fprintf(stderr, "Usage: packets COUNT NETNS ADDR\n");
		return 2;
	}
	count = strtoul(argv[1], NULL, 10);
	open_sink(argv[2], &addr);
	sock = socket(AF_INET, SOCK_DGRAM, 0);
	if (sock < 0 || connect(sock, (const void *)&addr, sizeof(addr)))
		fail("connect");
	began = seconds();
	cpu = cpu_seconds();
	for (i = 0; i < count; i++)
		if (send(sock, data, sizeof(data), 0) < 0 && errno != ENOBUFS)
			fail("send");
	cpu = cpu_seconds() - cpu;
	printf("{\"packets\":%lu,\"seconds\":%.9f,\"cpu_seconds\":%.9f}\n", count,
	       seconds() - began, cpu);
	return 0;
}
