# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""softirqs: counts are those of /proc/softirqs, times fit into the time that went by."""
import contextlib
import os
import signal
import socket
import time

import nt
from nt import check, equal, near
from test_netqtop import Wire

NAMES = "tool time softirq total_ns count max_ns cpu".split()
KNOWN = "hi timer net_tx net_rx block irq_poll tasklet sched hrtimer rcu".split()
DATAGRAMS = nt.scaled(20000, 5000)


class Trace(nt.Trace):
    def __init__(self, *args, **more):
        super().__init__(*args, tool="softirqs", **more)


def kernel_counts(cpu=None):
    """Softirq to how often it ran, by /proc/softirqs."""
    with open("/proc/softirqs") as file:
        cpus = [int(word[3:]) for word in file.readline().split()]
        counts = {}
        for line in file:
            name, *numbers = line.split()
            ran = dict(zip(cpus, map(int, numbers)))
            counts[name.rstrip(":").lower()] = sum(ran.values()) if cpu is None else ran[cpu]
    return counts


@contextlib.contextmanager
def on_cpu(cpu):
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def load():
    """Each datagram over loopback raises NET_RX where it is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver, \
         socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        receiver.bind(("127.0.0.1", 0))
        for _ in range(DATAGRAMS):
            sender.sendto(b"x", receiver.getsockname())
            receiver.recv(16)


def loaded(*args, cpu=None):
    """(the trace, what the kernel counted and the ns that passed meanwhile)"""
    trace = Trace(*args)
    began, before = time.monotonic_ns(), kernel_counts(cpu)
    load()
    after = kernel_counts(cpu)
    trace.stop()
    counts = {name: after[name] - before[name] for name in after}
    check(counts["net_rx"] >= DATAGRAMS * 0.9 or cpu is not None,
          f"the load raises NET_RX: {counts}")
    return trace, counts, time.monotonic_ns() - began


def test_counts():
    """Sums of a whole run: NET_RX within 1 % of the kernel's own count."""
    trace, counts, passed = loaded("--json", "--stats", "--strict")
    rows = {row["softirq"]: row for row in trace.rows()}
    equal([list(row) for row in rows.values()], [NAMES] * len(rows), "names")
    equal(len(rows), len(trace.rows()), "a row for each softirq")
    check(set(rows) <= set(KNOWN), f"names of softirqs: {rows}")
    near(rows["net_rx"]["count"], counts["net_rx"], 0.01, "count of net_rx")
    for row in rows.values():
        check(0 < row["max_ns"] <= row["total_ns"] <= row["max_ns"] * row["count"],
              f"max <= total <= max * count: {row}")
    total = sum(row["total_ns"] for row in rows.values())
    check(total < passed * os.cpu_count(), f"{total} ns fit into {passed} ns on each CPU")
    equal(trace.code, 0, "exit code")
    stats = trace.check_sum()
    equal((stats["seen"], stats["sent"]), (len(rows), len(rows)), "rows seen and sent")


# Scene 17

def test_scene17():
    """Small packets over a veth, sent on CPU 0: every form counts NET_RX as the kernel does."""
    wire = Wire()
    wire.send(1, 5)
    with on_cpu(0):
        traces = {name: Trace(*words) for name, words in (
            ("-C", ["-C"]), ("-d", ["-d", "--json"]), ("-c", ["-c", 0, "--json"]))}
        before, before0 = kernel_counts()["net_rx"], kernel_counts(0)["net_rx"]
        wire.send(DATAGRAMS, 5)
        count, count0 = kernel_counts()["net_rx"] - before, kernel_counts(0)["net_rx"] - before0
        for trace in traces.values():
            trace.process.send_signal(signal.SIGINT)
        for trace in traces.values():
            trace.stop()
        seconds = Trace(1, 3, "--json")
        before = until = kernel_counts()["net_rx"]
        while len({row["time"] for row in seconds.rows()}) < 3:
            until = kernel_counts()["net_rx"]
            wire.send(10, 5)
        seconds.wait()
    check(count0 >= DATAGRAMS, f"each packet raises NET_RX on CPU 0: {count0}")
    heading, *lines = traces["-C"].lines()
    equal(heading.split(), ["SOFTIRQ", "TOTAL_count"], "heading of -C")
    near(int(dict(line.split() for line in lines)["net_rx"]), count, 0.01, "-C")
    row = traces["-d"].row(softirq="net_rx")
    near(sum(bucket["count"] for bucket in row["buckets"]), count, 0.01, "-d")
    row = traces["-c"].row(softirq="net_rx")
    equal(row["cpu"], 0, "CPU")
    near(row["count"], count0, 0.01, "-c 0")
    rows = [row for row in seconds.rows() if row["softirq"] == "net_rx"]
    equal((seconds.code, len({row["time"] for row in seconds.rows()})), (0, 3), "readings")
    near(sum(row["count"] for row in rows), until - before, 0.01, "1 3")
    check(all(0 < row["max_ns"] <= row["total_ns"] < 1.5e9 * os.cpu_count() for row in rows),
          f"times of a second: {rows}")


def test_cpu():
    """-c: of that CPU only, and the row says so."""
    cpu = max(os.sched_getaffinity(0))
    with on_cpu(cpu):
        trace, counts, _ = loaded("--json", "-c", cpu, cpu=cpu)
    equal({row["cpu"] for row in trace.rows()}, {cpu}, "CPUs")
    near(next(row["count"] for row in trace.rows() if row["softirq"] == "net_rx"),
         counts["net_rx"], 0.01, "count of net_rx there")


def test_filter():
    """The filter is asked once for a softirq, and nothing else is read."""
    trace, counts, _ = loaded("--json", "--stats", "--filter", "softirq net_rx")
    equal([row["softirq"] for row in trace.rows()], ["net_rx"], "rows")
    near(trace.rows()[0]["count"], counts["net_rx"], 0.01, "count")
    stats = trace.check_sum()
    equal(stats["sent"], 1, "rows sent")
    check(stats["filtered"] >= 1, f"others are filtered: {stats}")


def test_filter_by_sum():
    """What the kernel cannot know yet is asked when the sums are read."""
    trace, _, _ = loaded("--json", "--stats", "--filter", f"count >= {DATAGRAMS // 2}")
    names = [row["softirq"] for row in trace.rows()]
    check("net_rx" in names, f"rows: {trace.rows()}")
    check(all(row["count"] >= DATAGRAMS // 2 for row in trace.rows()), f"{trace.rows()}")
    trace.check_sum()


def test_readings():
    """An interval and a count: so many readings, nothing counted twice, nothing between them."""
    trace = Trace(0.5, 3, "--json", wait=False)
    before = kernel_counts()
    trace.wait_ready()
    while trace.process.poll() is None:
        load()
    after = kernel_counts()
    trace.wait()
    equal(trace.code, 0, "exit code")
    times = sorted({row["time"] for row in trace.rows()})
    equal(len(times), 3, f"readings at {times}")
    counted = sum(row["count"] for row in trace.rows() if row["softirq"] == "net_rx")
    check(0 < counted <= after["net_rx"] - before["net_rx"], f"{counted} of {before} to {after}")


def test_table():
    """bcc's columns first, a line with the time with -T, nanoseconds with -N."""
    trace, counts, _ = loaded("-T")
    lines = trace.lines()
    time.strptime(lines[0], "%H:%M:%S")
    equal(lines[1].split(), ["SOFTIRQ", "TOTAL_usecs", "TOTAL_count", "MAX_usecs"], "heading")
    cells = {line.split()[0]: list(map(int, line.split()[1:])) for line in lines[2:]}
    near(cells["net_rx"][1], counts["net_rx"], 0.01, "count")
    trace, _, _ = loaded("-N", "--filter", "softirq net_rx")
    heading, row = trace.lines()
    equal(heading.split(), ["SOFTIRQ", "TOTAL_nsecs", "TOTAL_count", "MAX_nsecs"], "heading")
    check(int(row.split()[1]) > cells["net_rx"][1], f"nanoseconds: {row}")


def test_dist():
    """-d: every run is in a bucket."""
    trace, counts, passed = loaded("-d", "--json")
    row = trace.row(softirq="net_rx")
    near(row["count"], counts["net_rx"], 0.01, "count of net_rx")
    equal(row["unit"], "ns", "unit")
    equal(sum(bucket["count"] for bucket in row["buckets"]), row["count"], "sum of the buckets")
    check(row["p50"] <= row["p90"] <= row["p99"] <= row["max"] <= row["sum"] < passed * 64,
          f"percentiles in order: {row}")
    check(row["buckets"][-1]["lo"] <= row["max"] <= row["buckets"][-1]["hi"],
          f"the largest is in the last bucket: {row}")


def test_counts_alone():
    """-C leaves nothing of what -d and -N ask for."""
    for words in (["-C", "-d"], ["--dist", "--count"], ["-N", "-C"]):
        done = nt.tool("softirqs", *words, "1", "1")
        equal((done.returncode, done.stdout), (2, b""), f"exit status and stdout of {words}")
        check(b"cannot be used together" in done.stderr, f"stderr of {words}: {done.stderr}")


def test_dist_table():
    """The bars of a softirq add up to what JSON would say."""
    trace, counts, _ = loaded("-d", "--filter", "softirq net_rx")
    lines = trace.lines()
    equal(lines[1], "softirq = net_rx", "section")
    check("usecs" in lines[2] and "distribution" in lines[2], f"heading: {lines[2]}")
    near(sum(int(line.split(":")[1].split("|")[0]) for line in lines[3:]), counts["net_rx"], 0.01,
         "sum of the bars")
