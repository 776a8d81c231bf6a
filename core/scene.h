/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Traffic of our own over loopback, between two processes of our own: one connection each way to
 * end, one that is refused, a loss, a descriptor that is passed. Where we may, in a network
 * namespace of its own.
 */
#ifndef NT_SCENE_H
#define NT_SCENE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define SCENE_CLIENT "nt-client" /* names of the two processes */
#define SCENE_SERVER "nt-server"
#define SCENE_BACKLOG 8
#define SCENE_UP 1000    /* bytes of the client */
#define SCENE_DOWN 3000  /* of the server */
#define SCENE_LOST 500   /* of the client again, which are lost first */

/* What the two know of it. Ports are in host order. */
struct scene_truth {
	bool own_netns;
	uint32_t netns;          /* inode; 0: unknown */
	uint32_t client, server; /* pids */
	uint16_t cport, sport, refused;
	bool lossy;              /* what the client sent was dropped for a while */
	uint32_t retransmits;    /* of the client, by TCP_INFO */
	uint32_t segments;       /* that both ends received, by TCP_INFO */
	int32_t sent_fd, received_fd;
	char passed[40];         /* what /proc calls the file passed: "pipe:[123]" */
	uint64_t packets, bytes; /* sent by the loopback device of an own namespace; 0: unknown */
	char failed[128];        /* what went wrong, or "" */
};

struct scene {
	struct scene_truth *truth; /* shared by all three processes */
	pid_t server;
	int channel;
};

/* Both processes are there and do nothing yet. 0 or -errno. */
int scene_open(struct scene *scene);
/* All of it; 0, or -EIO: truth->failed says what went wrong. Takes some seconds at most. */
int scene_play(struct scene *scene);
void scene_close(struct scene *scene);

#endif
