# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""netqtop: packets and bytes of queues are those that the device counts."""
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
    wire.send(PACKETS, 100)
    after = wire.counts(0), wire.counts(1)
    trace.stop()
    rows = trace.rows()
    check(all(list(row) == NAMES for row in rows), f"names: {rows[:1]}")
    sent = moved(after[0][1], before[0][1])
    received = moved(after[1][0], before[1][0])
    check(sent[0] >= PACKETS, f"the device counts them: {sent}")
    equal(total(rows, netns=wire.spaces[0].inode, dir="tx"), sent, "packets and bytes sent")
    packets, size = total(rows, netns=wire.spaces[1].inode, dir="rx", dev="nq0")
    equal(packets, received[0], "packets received")
    equal(size, received[1] - 14 * received[0], "bytes received, without the Ethernet header")
    equal(trace.code, 0, "exit code")
    trace.check_sum()


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
