/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Makes TCP connections over loopback, one after another, and tells the truth about them. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_PAIRS 64
#define MAX_PORTS 16          /* of a server; IPv6 has one loopback address only */
#define PER_ADDRESS 4096      /* connections before the next address or port */
#define CHUNK (64 * 1024)
#define ACCEPT_WAIT_US 20000  /* how long a server may not notice that its client is done */
#define NS 1000000000ull

enum closes { CLOSE_CLIENT, CLOSE_SERVER, CLOSE_HALF };

/* A client thread and its server thread. In memory that both processes share. */
struct pair {
	uint16_t port[MAX_PORTS];
	uint64_t made; /* by the client, once it is done */
	bool done;
	uint64_t tx, rx; /* of the client */
	uint64_t server_tx, server_rx;
	unsigned int failures;
};

struct shared {
	struct pair pair[MAX_PAIRS];
	uint64_t start, end;
	pid_t server, client;
};

struct options {
	uint64_t connections; /* 0: no limit */
	uint64_t bytes;
	double seconds; /* 0: no limit */
	double pace;    /* connections a second, 0: no limit */
	unsigned int port, threads, ports;
	enum closes closes;
	bool ipv6, processes, comm_fuzz;
	const char *truth;
};

struct job {
	const struct options *opt;
	struct shared *shared;
	unsigned int index;
	int listener[MAX_PORTS];
};

struct truth {
	int fd;
	size_t len;
	char text[CHUNK];
};

static const char usage[] =
	"Usage: churn [OPTIONS]\n"
	"Makes TCP connections over loopback and prints one JSON line of what it did; tx and rx\n"
	"are the client's.\n"
	"  -n, --connections N  this many (10000, or no limit with -t)\n"
	"  -b, --bytes BYTES    each way, the client's first (64)\n"
	"  -t, --seconds SEC    stop after this time\n"
	"  -6, --ipv6           over ::1; a server has 16 ports, used in turn\n"
	"  -p, --port PORT      the first server's first port, the others follow (free ones)\n"
	"      --close WHO      closes first: client, server, half (server every second time)\n"
	"      --threads N      N pairs of a client and a server, each with its own port (1)\n"
	"      --processes      clients and servers in two processes, churn-client, churn-server\n"
	"      --pace RATE      connections a second, all pairs together\n"
	"      --comm-fuzz      a new hostile comm for the client before each connection\n"
	"      --truth FILE     a line each: client_port server_port client_tx server_tx closer\n";

static void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, "churn: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NS + ts.tv_nsec;
}

static uint64_t share(const struct options *opt, unsigned int index)
{
	if (!opt->connections)
		return UINT64_MAX;
	return opt->connections / opt->threads + (index < opt->connections % opt->threads);
}

static bool server_closes(const struct options *opt, uint64_t i)
{
	return opt->closes == CLOSE_SERVER || (opt->closes == CLOSE_HALF && i % 2);
}

/* Which of the pair's ports the i-th connection goes to; both sides count alike. */
static unsigned int port_of(const struct options *opt, uint64_t i)
{
	return i / PER_ADDRESS % opt->ports;
}

/*
 * The i-th connection's destination. An address has some 28000 client ports, each of which is
 * taken for a minute: 127.0.0.0/8 has plenty of addresses, ::1 relies on tcp_tw_reuse as well.
 */
static socklen_t target(const struct job *job, uint64_t i, struct sockaddr_storage *to)
{
	const struct pair *pair = &job->shared->pair[job->index];
	in_port_t port = htons(pair->port[port_of(job->opt, i)]);
	uint32_t turn = i / PER_ADDRESS;

	memset(to, 0, sizeof(*to));
	if (job->opt->ipv6) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)to;

		in6->sin6_family = AF_INET6;
		in6->sin6_port = port;
		in6->sin6_addr = in6addr_loopback;
		return sizeof(*in6);
	}
	struct sockaddr_in *in = (struct sockaddr_in *)to;

	in->sin_family = AF_INET;
	in->sin_port = port;
	in->sin_addr.s_addr = htonl(INADDR_LOOPBACK + turn / 254 % 65536 * 256 + turn % 254);
	return sizeof(*in);
}

static bool send_all(int fd, uint64_t left, uint64_t *count)
{
	static const char zeros[CHUNK];

	while (left) {
		ssize_t n = send(fd, zeros, left < CHUNK ? left : CHUNK, MSG_NOSIGNAL);

		if (n < 0)
			return false;
		left -= n;
		*count += n;
	}
	return true;
}

/* An accepted socket inherits the listener's time-out, which is none of the connection's. */
static ssize_t recv_some(int fd, char *buffer, size_t size)
{
	ssize_t n;

	do {
		n = recv(fd, buffer, size, 0);
	} while (n < 0 && (errno == EAGAIN || errno == EINTR));
	return n;
}

static bool recv_all(int fd, uint64_t left, uint64_t *count)
{
	char buffer[CHUNK];

	while (left) {
		ssize_t n = recv_some(fd, buffer, left < CHUNK ? left : CHUNK);

		if (n <= 0)
			return false;
		left -= n;
		*count += n;
	}
	return true;
}

/* The peer's FIN. */
static bool recv_end(int fd)
{
	char byte;

	return recv_some(fd, &byte, 1) == 0;
}

/* Servers */

static int listen_on(const struct options *opt, unsigned int port, uint16_t *got)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port),
				    .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr *to = opt->ipv6 ? (struct sockaddr *)&in6 : (struct sockaddr *)&in;
	struct timeval wait = { .tv_usec = ACCEPT_WAIT_US };
	socklen_t len = opt->ipv6 ? sizeof(in6) : sizeof(in);
	int one = 1;
	int fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	if (bind(fd, to, len) || listen(fd, 1024) || getsockname(fd, to, &len))
		die("listen");
	*got = ntohs(opt->ipv6 ? in6.sin6_port : in.sin_port);
	return fd;
}

static void open_listeners(struct job *jobs, const struct options *opt, struct shared *shared)
{
	for (unsigned int i = 0; i < opt->threads; i++) {
		for (unsigned int k = 0; k < opt->ports; k++) {
			unsigned int port = opt->port ? opt->port + i * opt->ports + k : 0;

			jobs[i].listener[k] = listen_on(opt, port, &shared->pair[i].port[k]);
		}
	}
}

/* The next connection; -1 when the client has made no more than `i`. */
static int next_connection(const struct job *job, struct pair *pair, uint64_t i)
{
	int listener = job->listener[port_of(job->opt, i)];

	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd >= 0)
			return fd;
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			die("accept");
		if (__atomic_load_n(&pair->done, __ATOMIC_ACQUIRE) && i >= pair->made)
			return -1;
	}
}

static void *serve(void *arg)
{
	struct job *job = arg;
	struct pair *pair = &job->shared->pair[job->index];
	uint64_t limit = share(job->opt, job->index), bytes = job->opt->bytes;
	int fd;

	for (uint64_t i = 0; i < limit; i++) {
		bool ok;

		fd = next_connection(job, pair, i);
		if (fd < 0)
			break;
		ok = recv_all(fd, bytes, &pair->server_rx) &&
		     send_all(fd, bytes, &pair->server_tx);
		if (ok && !server_closes(job->opt, i))
			ok = recv_end(fd);
		if (!ok)
			__atomic_add_fetch(&pair->failures, 1, __ATOMIC_RELAXED);
		close(fd);
	}
	return NULL;
}

/* Clients */

static void truth_flush(struct truth *truth)
{
	for (size_t at = 0; at < truth->len;) {
		ssize_t n = write(truth->fd, truth->text + at, truth->len - at);

		if (n < 0)
			die("truth");
		at += n;
	}
	truth->len = 0;
}

static void truth_note(struct truth *truth, const struct job *job, int fd, uint64_t i,
		       uint64_t tx, uint64_t rx)
{
	const struct pair *pair = &job->shared->pair[job->index];
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);

	if (getsockname(fd, (struct sockaddr *)&name, &len))
		die("getsockname");
	/* The port is at the same place in both families. */
	truth->len += snprintf(truth->text + truth->len, sizeof(truth->text) - truth->len,
			      "%u %u %llu %llu %s\n",
			      ntohs(((struct sockaddr_in *)&name)->sin_port),
			      pair->port[port_of(job->opt, i)], (unsigned long long)tx,
			      (unsigned long long)rx,
			      server_closes(job->opt, i) ? "server" : "client");
	if (truth->len > sizeof(truth->text) - 100)
		truth_flush(truth);
}

static uint32_t random_next(uint64_t *state)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return *state >> 33;
}

static void fuzz_comm(uint64_t *state)
{
	static const char nasty[] = "\n\r\t\"',;\\{}[]<>&=%$`|\x1b\x7f\x01\x80\xff\xc3\xe2\xf0 ";
	char comm[16] = "";
	size_t len = 1 + random_next(state) % 15;

	for (size_t i = 0; i < len; i++) {
		if (random_next(state) % 2)
			comm[i] = nasty[random_next(state) % (sizeof(nasty) - 1)];
		else
			comm[i] = 1 + random_next(state) % 255;
	}
	prctl(PR_SET_NAME, comm);
}

/* A connected socket; waits while every client port to that address is taken. */
static int connect_to(const struct job *job, uint64_t i)
{
	struct sockaddr_storage to;
	socklen_t len = target(job, i, &to);

	for (unsigned int tries = 0;; tries++) {
		int fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd < 0)
			die("socket");
		if (!connect(fd, (struct sockaddr *)&to, len))
			return fd;
		if (errno != EADDRNOTAVAIL || tries == 1000)
			die("connect");
		close(fd);
		usleep(10000);
	}
}

static void connect_once(const struct job *job, struct pair *pair, uint64_t i, struct truth *truth)
{
	uint64_t bytes = job->opt->bytes, tx = 0, rx = 0;
	int fd = connect_to(job, i);
	bool ok = send_all(fd, bytes, &tx) && recv_all(fd, bytes, &rx);

	if (ok && server_closes(job->opt, i))
		ok = recv_end(fd);
	if (!ok)
		__atomic_add_fetch(&pair->failures, 1, __ATOMIC_RELAXED);
	if (truth)
		truth_note(truth, job, fd, i, tx, rx);
	close(fd);
	pair->tx += tx;
	pair->rx += rx;
}

static void wait_until(uint64_t when)
{
	struct timespec ts = { .tv_sec = when / NS, .tv_nsec = when % NS };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

static void *run_client(void *arg)
{
	struct job *job = arg;
	const struct options *opt = job->opt;
	struct pair *pair = &job->shared->pair[job->index];
	uint64_t limit = share(opt, job->index), start = job->shared->start;
	uint64_t end = opt->seconds > 0 ? start + opt->seconds * NS : UINT64_MAX;
	uint64_t random = job->index + 1, i;
	struct truth *truth = NULL;

	if (opt->truth) {
		truth = calloc(1, sizeof(*truth));
		if (!truth)
			die("truth");
		truth->fd = open(opt->truth, O_WRONLY | O_APPEND | O_CLOEXEC);
		if (truth->fd < 0)
			die(opt->truth);
	}
	for (i = 0; i < limit; i++) {
		if (opt->pace > 0)
			wait_until(start + (i * opt->threads + job->index) * (NS / opt->pace));
		if (end != UINT64_MAX && now_ns() >= end)
			break;
		if (opt->comm_fuzz)
			fuzz_comm(&random);
		connect_once(job, pair, i, truth);
	}
	if (truth) {
		truth_flush(truth);
		close(truth->fd);
		free(truth);
	}
	pair->made = i;
	__atomic_store_n(&pair->done, true, __ATOMIC_RELEASE);
	return NULL;
}

/* Both */

/* Job 0 runs in the calling thread: a process of one pair has one thread. */
static void run_jobs(struct job *jobs, unsigned int nr, void *(*run)(void *))
{
	pthread_t thread[MAX_PAIRS];

	for (unsigned int i = 1; i < nr; i++)
		if ((errno = pthread_create(&thread[i], NULL, run, &jobs[i])))
			die("thread");
	run(&jobs[0]);
	for (unsigned int i = 1; i < nr; i++)
		pthread_join(thread[i], NULL);
}

static void run_clients(struct job *jobs, const struct options *opt, struct shared *shared)
{
	shared->client = getpid();
	shared->start = now_ns();
	run_jobs(jobs, opt->threads, run_client);
	shared->end = now_ns();
}

static void *run_servers(void *arg)
{
	struct job *jobs = arg;

	run_jobs(jobs, jobs->opt->threads, serve);
	return NULL;
}

static pid_t fork_named(const char *comm)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		die("fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (getppid() != parent)
			exit(1);
		prctl(PR_SET_NAME, comm);
	}
	return pid;
}

/* The parent holds no socket, and neither process holds the other's. */
static void run_processes(struct job *jobs, const struct options *opt, struct shared *shared)
{
	pid_t server, client, ended;
	int ready[2], status, failed = 0;
	char byte;

	if (pipe2(ready, O_CLOEXEC))
		die("pipe");
	server = fork_named("churn-server");
	if (!server) {
		open_listeners(jobs, opt, shared);
		shared->server = getpid();
		if (write(ready[1], "", 1) != 1)
			die("pipe");
		close(ready[1]);
		run_servers(jobs);
		exit(0);
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		exit(1);
	close(ready[0]);
	client = fork_named("churn-client");
	if (!client) {
		run_clients(jobs, opt, shared);
		exit(0);
	}
	while ((ended = wait(&status)) > 0) {
		if (!status)
			continue;
		failed = 1;
		kill(ended == server ? client : server, SIGTERM);
	}
	if (failed)
		exit(1);
}

static void run_threads(struct job *jobs, const struct options *opt, struct shared *shared)
{
	pthread_t servers;

	open_listeners(jobs, opt, shared);
	shared->server = getpid();
	if ((errno = pthread_create(&servers, NULL, run_servers, jobs)))
		die("thread");
	run_clients(jobs, opt, shared);
	pthread_join(servers, NULL);
}

/* Of the whole process: of interest without --processes. */
static double cpu_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static int report(const struct options *opt, const struct shared *shared)
{
	uint64_t made = 0, tx = 0, rx = 0, failures = 0;

	for (unsigned int i = 0; i < opt->threads; i++) {
		const struct pair *pair = &shared->pair[i];

		made += pair->made;
		tx += pair->tx;
		rx += pair->rx;
		failures += pair->failures;
		failures += pair->tx != pair->server_rx || pair->rx != pair->server_tx;
	}
	printf("{\"connections\":%llu,\"tx_bytes\":%llu,\"rx_bytes\":%llu,\"seconds\":%.6f,"
	       "\"cpu_seconds\":%.9f,\"server_pid\":%d,\"client_pid\":%d}\n",
	       (unsigned long long)made, (unsigned long long)tx, (unsigned long long)rx,
	       (shared->end - shared->start) / 1e9, cpu_seconds(), shared->server, shared->client);
	if (failures)
		fprintf(stderr, "churn: %llu connections failed\n", (unsigned long long)failures);
	return failures || fflush(stdout) ? 1 : 0;
}

/* Options */

static void __attribute__((noreturn)) wrong(const char *word)
{
	fprintf(stderr, "churn: cannot take '%s'\n%s", word, usage);
	exit(2);
}

static uint64_t number(const char *word, uint64_t min, uint64_t max)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(word, &end, 10);
	if (*word < '0' || *word > '9' || *end || errno || value < min || value > max)
		wrong(word);
	return value;
}

static double positive(const char *word)
{
	char *end;
	double value = strtod(word, &end);

	if (end == word || *end || !(value > 0) || value > 1e9)
		wrong(word);
	return value;
}

static enum closes parse_closes(const char *word)
{
	static const char *const words[] = {
		[CLOSE_CLIENT] = "client", [CLOSE_SERVER] = "server", [CLOSE_HALF] = "half",
	};

	for (unsigned int i = 0; i < 3; i++)
		if (!strcmp(word, words[i]))
			return i;
	wrong(word);
}

static void take_option(struct options *opt, int option, const char *word)
{
	switch (option) {
	case 'n': opt->connections = number(word, 1, UINT64_MAX); break;
	case 'b': opt->bytes = number(word, 0, UINT64_MAX); break;
	case 't': opt->seconds = positive(word); break;
	case '6': opt->ipv6 = true; break;
	case 'p': opt->port = number(word, 1, 65535); break;
	case 'c': opt->closes = parse_closes(word); break;
	case 'T': opt->threads = number(word, 1, MAX_PAIRS); break;
	case 'P': opt->processes = true; break;
	case 'r': opt->pace = positive(word); break;
	case 'f': opt->comm_fuzz = true; break;
	case 'w': opt->truth = word; break;
	case 'h': fputs(usage, stdout); exit(0);
	default: fputs(usage, stderr); exit(2);
	}
}

static void parse(struct options *opt, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "connections", required_argument, NULL, 'n' },
		{ "bytes", required_argument, NULL, 'b' },
		{ "seconds", required_argument, NULL, 't' },
		{ "ipv6", no_argument, NULL, '6' },
		{ "port", required_argument, NULL, 'p' },
		{ "close", required_argument, NULL, 'c' },
		{ "threads", required_argument, NULL, 'T' },
		{ "processes", no_argument, NULL, 'P' },
		{ "pace", required_argument, NULL, 'r' },
		{ "comm-fuzz", no_argument, NULL, 'f' },
		{ "truth", required_argument, NULL, 'w' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 }
	};
	int option;

	*opt = (struct options){ .bytes = 64, .threads = 1 };
	while ((option = getopt_long(argc, argv, "n:b:t:6p:h", longs, NULL)) != -1)
		take_option(opt, option, optarg);
	if (optind < argc)
		wrong(argv[optind]);
	if (!opt->connections && !(opt->seconds > 0))
		opt->connections = 10000;
	opt->ports = opt->ipv6 ? MAX_PORTS : 1;
	if (opt->port + opt->threads * opt->ports > 65536)
		wrong("--port");
}

int main(int argc, char **argv)
{
	static struct job jobs[MAX_PAIRS];
	struct shared *shared;
	struct options opt;
	int fd;

	parse(&opt, argc, argv);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (shared == MAP_FAILED)
		die("memory");
	if (opt.truth) {
		fd = open(opt.truth, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		if (fd < 0)
			die(opt.truth);
		close(fd);
	}
	for (unsigned int i = 0; i < opt.threads; i++)
		jobs[i] = (struct job){ .opt = &opt, .shared = shared, .index = i };
	if (opt.processes)
		run_processes(jobs, &opt, shared);
	else
		run_threads(jobs, &opt, shared);
	return report(&opt, shared);
}
