# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""netqtop: packets and bytes of queues are those that the device counts."""
import json
import os
import re
import socket

import nt
from nt import check, equal, near

NAMES = ("tool time netns dev queue dir packets bytes avg_size b64 b512 b2k b16k b64k bps pps").split()
PACKETS = nt.scaled(100000, 5000)
HEADERS = 14 + 20 + 8  # Ethernet, IPv4, UDP


class Trace(nt.Trace):
    def __init__(self, *args, **more):
        super().__init__(*args, tool="netqtop", **more)


class Wire:
    """A veth pair between two namespaces, and a socket at each end."""

    def __init__(self, queues=1):
        self.spaces = near_space, far_space = nt.Space(), nt.Space()
        near_space.ip("link", "add", "nq0", "numtxqueues", str(queues), "numrxqueues", str(queues), "type",
                      "veth", "peer", "name", "nq0", "numtxqueues", str(queues), "numrxqueues", str(queues),
                      "netns", far_space.name)
        for space, address in zip(self.spaces, ("192.0.2.1", "192.0.2.2")):
            space.sysctl("ipv6/conf/nq0/disable_ipv6", "1")
            space.ip("addr", "add", f"{address}/24", "dev", "nq0")
            space.ip("link", "set", "nq0", "up")
        with near_space:
            self.sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with far_space:
            self.receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.receiver.bind(("192.0.2.2", 5000))
        self.receiver.settimeout(nt.PATIENCE)

    def send(self, count, size):
        for _ in range(count):
            self.sender.sendto(bytes(size), ("192.0.2.2", 5000))
            self.receiver.recv(65536)

    def many_flows(self, flows):
        """Further senders: the kernel spreads flows over queues."""
        with self.spaces[0]:
            return [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(flows)]

    def count_queues(self):
        """The near device's queues count by themselves from now on."""
        nt.run("tc", "-n", self.spaces[0].name, "qdisc", "add", "dev", "nq0", "root", "handle", "1:", "mq")

    def queue_counts(self):
        """Packets and bytes that left by each queue of the near device."""
        found = json.loads(nt.run("tc", "-n", self.spaces[0].name, "-s", "-j", "qdisc", "show", "dev", "nq0"))
        return {int(q["parent"].split(":")[1], 16) - 1: (q["packets"], q["bytes"])
                for q in found if q.get("parent", "").startswith("1:")}

    def counts(self, end):
        """What the device itself counted: (packets, bytes) received, and sent."""
        with self.spaces[end], open("/proc/thread-self/net/dev") as file:
            found = re.search(r"nq0:(.*)", file.read())
        words = list(map(int, found[1].split()))
        return (words[0 + 1], words[0]), (words[8 + 1], words[8])


def moved(after, before):
    return tuple(a - b for a, b in zip(after, before))


def total(rows, **want):
    rows = [r for r in rows if all(r[k] == v for k, v in want.items())]
    return sum(r["packets"] for r in rows), sum(r["bytes"] for r in rows)


def test_counts():
    """All that was sent and received, by the counters of both ends."""
    wire = Wire()
    wire.send(10, 100)  # ARP is done
    trace = Trace("--json", "--stats", "--strict", "-i", 0.5, spaces=wire.spaces)
    before = wire.counts(0), wire.counts(1)
    wire.send(PACKETS // 10, 100)
    after = wire.counts(0), wire.counts(1)
    trace.stop()
    rows = trace.rows()
    check(all(list(row) == NAMES for row in rows), f"names: {rows[:1]}")
    sent = moved(after[0][1], before[0][1])
    received = moved(after[1][0], before[1][0])
    check(sent[0] >= PACKETS // 10, f"the device counts them: {sent}")
    equal(total(rows, netns=wire.spaces[0].inode, dir="tx"), sent, "packets and bytes sent")
    packets, size = total(rows, netns=wire.spaces[1].inode, dir="rx", dev="nq0")
    equal(packets, received[0], "packets received")
    equal(size, received[1] - 14 * received[0], "bytes received, without the Ethernet header")
    equal(trace.code, 0, "exit code")
    trace.check_sum()


def test_many():
    """More devices than there are places outside of the hash, from all CPUs: each has its own packets."""
    space, devices, times = nt.Space(), 300, 3
    space.sysctl("ipv6/conf/default/disable_ipv6", "1")
    batch = f"{nt.temp_dir()}/batch"
    with open(batch, "w") as file:
        for i in range(0, devices, 2):
            file.write(f"link add many{i} type veth peer name many{i + 1}\n"
                       f"link set many{i} up\nlink set many{i + 1} up\n")
    space.ip("-batch", batch)
    with space:
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    trace = Trace("--json", "--stats", "--strict", "-i", 30, "--filter", "dir tx", spaces=[space])
    cpus = os.sched_getaffinity(0)
    for cpu in cpus:
        os.sched_setaffinity(0, {cpu})
        for i in range(devices):
            for _ in range(times + (cpu == min(cpus)) * (i % 2)):
                sock.sendto(bytes(12) + b"\x88\xb5" + bytes(20), (f"many{i}", 0))
    os.sched_setaffinity(0, cpus)
    found = {r["dev"]: r["b64"] for r in trace.stop().rows() if r["dev"] != "lo"}
    equal(found, {f"many{i}": len(cpus) * times + i % 2 for i in range(devices)}, "packets of each device")
    equal(trace.code, 0, "exit code")


# Scene 16

def test_scene16():
    """100,000 small packets: each queue's by the queue's own count, another nq0's are not in it."""
    wire, other = Wire(queues=4), Wire(queues=4)
    wire.count_queues()
    senders = wire.many_flows(8)
    for sender in senders:
        sender.sendto(b"x", ("192.0.2.2", 5000))
        wire.receiver.recv(16)
    inside = ["ip", "netns", "exec", wire.spaces[0].name, nt.BIN, "netqtop", "-n", "nq0", "-i", "1", "-t"]
    rows = Trace("--json", "--stats", "--strict", argv=inside)
    table = Trace("--filter", "dir tx", argv=inside)
    before, queues_before = wire.counts(0), wire.queue_counts()
    for i in range(PACKETS // 10):
        for sender in (senders * 2)[i % 8:i % 8 + 8] + [wire.sender] * 2:
            sender.sendto(b"small", ("192.0.2.2", 5000))
            wire.receiver.recv(16)
        if not i % 10:
            other.send(1, 5)
    received, sent = map(moved, wire.counts(0), before)
    queues = {q: moved(now, queues_before[q]) for q, now in wire.queue_counts().items()}
    nt.wait_for(lambda: table.out.count(b"Total") >= 2, "two readings")
    for trace in (rows, table):
        trace.stop()
    equal({(r["dev"], r["netns"]) for r in rows.rows()}, {("nq0", wire.spaces[0].inode)}, "devices")
    check(sent[0] >= PACKETS and sum(n > 0 for n, _ in queues.values()) > 1, f"the load: {sent} {queues}")
    equal(total(rows.rows(), dir="tx"), sent, "packets and bytes sent, by the device")
    equal({q: total(rows.rows(), dir="tx", queue=q) for q in range(4)}, queues, "by each queue")
    equal(total(rows.rows(), dir="rx"), (received[0], received[1] - 14 * received[0]), "received")
    readings = [line for line in table.lines() if line.startswith("Total")]
    check(len(readings) >= 2, f"a reading a second: {table.lines()}")
    pps = sum(float(word.rstrip("KM")) * {"K": 1 << 10, "M": 1 << 20}.get(word[-1], 1)
              for word in (line.split()[8] for line in readings[:-1]))
    check(0 < pps <= 1.1 * sent[0], f"PPS of whole seconds add up to {pps} of {sent[0]}")


def test_idle():
    """A named device that moves nothing has a row of zeros for each queue, both ways."""
    wire = Wire(queues=3)
    wire.send(1, 100)
    inside = ["ip", "netns", "exec", wire.spaces[0].name, nt.BIN, "netqtop", "-n", "nq0", "-i", "0.2", "2"]
    path = f"{nt.temp_dir()}/recording"
    traces = {"json": Trace("--json", "--record", path, argv=inside, wait=False),
              "table": Trace(argv=inside, wait=False),
              "rx": Trace("--json", "--filter", "dir rx and queue > 0", argv=inside, wait=False),
              "some": Trace("--json", "--filter", "packets > 0", argv=inside, wait=False)}
    for trace in traces.values():
        equal(trace.wait(), 0, "exit code")
    equal([(r["dir"], r["queue"], r["packets"], r["bytes"]) for r in traces["json"].rows()],
          [(way, queue, 0, 0) for way in ("tx", "rx") for queue in range(3)] * 2, "zeros")
    equal(nt.tool("replay", path, "--json").stdout, traces["json"].out, "the recording")
    words = [line.split()[0] for line in traces["table"].lines()]
    reading = words[:1] + ["nq0", "QueueID", "0", "1", "2", "Total"] * 2
    equal(words, reading * 2, "the table")
    equal([(r["dir"], r["queue"]) for r in traces["rx"].rows()], [("rx", 1), ("rx", 2)] * 2, "rx only")
    equal(traces["some"].rows(), [], "zeros that a filter keeps out")


def test_one_way():
    """Sending only: what was received is zeros, not nothing."""
    wire = Wire(queues=2)
    wire.send(1, 100)
    trace = Trace("--json", "-i", 30, spaces=wire.spaces[:1])
    wire.send(20, 100)
    found = [(r["dir"], r["queue"], r["packets"] > 0) for r in trace.stop().rows() if r["dev"] == "nq0"]
    equal(len(found), 4, f"queues both ways: {found}")
    equal([f for f in found if f[0] == "rx"], [("rx", 0, False), ("rx", 1, False)], "received")
    check(any(f[2] for f in found), f"sent: {found}")


def test_sizes():
    """Each packet in its class, one more byte in the next one."""
    wire = Wire()
    wire.send(1, 100)
    trace = Trace("--json", "-i", 30, "--filter", "dir tx", spaces=wire.spaces)
    for size, count in ((63, 3), (64, 4), (511, 5), (512, 6), (1500, 2)):
        wire.send(count, max(size - HEADERS, 0))
    row = trace.stop().row(netns=wire.spaces[0].inode, dev="nq0")
    equal([row[k] for k in ("b64", "b512", "b2k", "b16k", "b64k")], [3, 9, 8, 0, 0], "classes")
    equal(row["packets"], 20, "packets")
    equal(row["avg_size"], row["bytes"] // row["packets"], "average")


def test_queues():
    """Every queue has a row, those that moved nothing too; the sum stands below in the table."""
    wire = Wire(queues=4)
    wire.send(1, 100)
    trace = Trace("--json", "-i", 30, spaces=wire.spaces)
    wire.send(50, 100)
    rows = [r for r in trace.stop().rows() if r["netns"] == wire.spaces[0].inode and r["dir"] == "tx"]
    equal([r["queue"] for r in rows], [0, 1, 2, 3], "queues")
    equal(sum(r["packets"] for r in rows), 50, "packets in all of them")
    table = Trace("-i", 30, "--filter", "dir tx and dev nq0", spaces=wire.spaces[:1])
    wire.send(50, 100)
    lines = table.stop().lines()
    equal(lines[1], "nq0 tx", "group")
    equal([line.split()[0] for line in lines[2:]], ["QueueID", "0", "1", "2", "3", "Total"], "rows")
    near(int(lines[-1].split()[1]), 100 + HEADERS, 0.01, "average size")


def test_name():
    """-n means the device of our namespace, whatever others are called."""
    wire = Wire()
    wire.send(1, 100)
    trace = Trace("--json", "-n", "nq0", "-i", 0.3, 1, before=lambda: nt.enter(wire.spaces[0].path),
                  wait=False)
    trace.wait_ready()
    while trace.process.poll() is None:
        wire.send(50, 100)
    trace.wait()
    rows = trace.rows()
    equal({(r["netns"], r["dev"]) for r in rows}, {(wire.spaces[0].inode, "nq0")}, "devices")
    row = next(r for r in rows if r["dir"] == "tx")
    check(row["pps"] >= row["packets"], f"{row['packets']} packets in 0.3 s: {row}")


def test_readings():
    """So many readings, and each packet in one of them only."""
    wire = Wire()
    wire.send(1, 100)
    before = wire.counts(0)[1]
    trace = Trace("--json", "-i", 0.3, 4, spaces=wire.spaces[:1], wait=False)
    trace.wait_ready()
    while trace.process.poll() is None:
        wire.send(20, 100)
    after = wire.counts(0)[1]
    trace.wait()
    times = {r["time"] for r in trace.rows()}
    equal(len(times), 4, "readings")
    packets, _ = total(trace.rows(), dir="tx", dev="nq0")
    check(0 < packets <= after[0] - before[0], f"{packets} of {moved(after, before)}")
