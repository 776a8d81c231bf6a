# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""tcprtt: as many values as segments were received, and the values that the sockets have."""
import collections
import re
import socket

import nt
from nt import Peer, check, equal, tcp_info

NAMES = "tool time laddr raddr avg unit count sum p50 p90 p99 max buckets".split()
ROUNDS = nt.scaled(300, 30)


class Trace(nt.Trace):
    def __init__(self, *args, **more):
        super().__init__(*args, tool="tcprtt", **more)

    def only(self):
        rows = self.rows()
        equal(len(rows), 1, f"rows of {self.argv}: {rows}")
        return rows[0]


End = collections.namedtuple("End", "laddr lport raddr rport received")


class Pair:
    """The two sockets of a connection, and how many segments each has received since counting."""

    def __init__(self, client, server):
        self.ends = client, server
        self.count()

    def echo(self, rounds):
        client, server = self.ends
        for _ in range(rounds):
            client.send(b"x")
            nt.recv_exactly(server, 1)
            server.send(b"y")
            nt.recv_exactly(client, 1)
        self.settle()

    def settle(self):
        nt.wait_for(lambda: not any(tcp_info(end)["unacked"] for end in self.ends),
                    "all to be acknowledged")

    def count(self):
        self.start = [tcp_info(end)["segs_in"] for end in self.ends]

    def counted(self):
        """Both ends; an IPv4-mapped address is an IPv4 one."""
        found = []
        for end, start in zip(self.ends, self.start):
            (laddr, lport), (raddr, rport) = end.getsockname()[:2], end.getpeername()[:2]
            found.append(End(laddr.replace("::ffff:", ""), lport, raddr.replace("::ffff:", ""),
                             rport, tcp_info(end)["segs_in"] - start))
        return found

    def received(self):
        return sum(end.received for end in self.counted())


def connected(server_space, client_space, addr, **more):
    """A connection whose round trip time has settled."""
    pair = Pair(*nt.joined(server_space, client_space, addr, **more))
    pair.echo(20)
    pair.count()
    return pair


def exactly(count, want, stats, what):
    """As many as there were but for runs that the kernel skipped and told."""
    check(want - stats["missed"] <= count <= want,
          f"{what}: expected {want}, got {count} and {stats}")


def check_row(row):
    """What holds for every histogram."""
    equal(list(row), NAMES, "names")
    equal(sum(b["count"] for b in row["buckets"]), row["count"], f"count of {row}")
    check(row["p50"] <= row["p90"] <= row["p99"] <= row["max"], f"percentiles: {row}")
    equal(row["avg"], row["sum"] // row["count"], f"mean of {row}")
    last = row["buckets"][-1]
    check(last["lo"] <= row["max"] <= last["hi"], f"the largest is in the last bucket: {row}")
    for bucket in row["buckets"]:
        low = bucket["lo"]
        check(low & (low - 1) == 0 and bucket["hi"] == max(2 * low - 1, 1),
              f"powers of two: {bucket}")


Section = collections.namedtuple("Section", "keys average unit count")


def sections(lines):
    """The table's histograms: the line of the keys, [AVG n] or None, the unit, all counts."""
    found = []
    for i, line in enumerate(lines):
        head = re.fullmatch(r"     (usecs|msecs) {15}: count     distribution", line)
        if head:
            keys = re.fullmatch(r"(.*?)(?: \[AVG (\d+)\])?", lines[i - 1])
            equal(lines[i - 2], "", f"an empty line before {keys[0]}")
            found.append([keys[1], keys[2] and int(keys[2]), head[1], 0])
            continue
        bar = re.fullmatch(r" *\d+ -> \d+ *: (\d+) *\|\**( *)\|", line)
        if bar:
            found[-1][3] += int(bar[1])
    return [Section(*words) for words in found]


# How many

def test_count():
    """Two counts of the kernel's: of the namespaces (InSegs), and of the sockets."""
    b, a = nt.pair()
    pairs = [connected(b, a, b.addr4), connected(b, a, b.addr6)]
    trace = Trace("--json", "--stats", spaces=(a, b))
    before = a.snmp("InSegs") + b.snmp("InSegs")
    for pair in pairs:
        pair.echo(ROUNDS)
    received = a.snmp("InSegs") + b.snmp("InSegs") - before
    trace.stop()
    row = trace.only()
    check_row(row)
    check(received >= 4 * ROUNDS, f"segments received: {received}")
    equal(sum(pair.received() for pair in pairs), received, "segments by both counts")
    exactly(row["count"], received, trace.stats(), "count")
    equal((row["laddr"], row["raddr"], row["unit"]), (None, None, "us"), "key and unit")


def test_established_only():
    """Neither the handshake nor what follows the first FIN is counted."""
    b, a = nt.pair()
    trace = Trace("--json", "--stats", spaces=(a, b))
    client, server = nt.joined(b, a, b.addr4)
    client.close()
    nt.end_of(server)
    server.close()
    nt.quiet(a, b)
    trace.stop()
    # The client's FIN. Its acknowledgement of the SYN-ACK was for a socket in SYN_RECV.
    exactly(trace.only()["count"], 1, trace.stats(), "segments received in ESTABLISHED")


def test_unfiltered():
    """Without a filter another object runs. A host has other traffic: an address of our own."""
    space = nt.Space()
    addr = f"127.{space.inode >> 8 & 255}.{space.inode & 255}.77"
    pair = connected(space, space, addr)
    plain, by_addr = Trace("--json", "--stats"), Trace("--json", "--stats", "-b")
    pair.echo(ROUNDS)
    for trace in (plain, by_addr):
        trace.stop()
    (server,) = [end for end in pair.counted() if end.laddr == addr]
    exactly(by_addr.row(laddr=addr)["count"], server.received, by_addr.stats(),
            "count of the address")
    row = plain.only()
    check_row(row)
    check(row["count"] >= pair.received() - plain.stats()["missed"], f"count of all: {row}")


# Which

def test_value():
    """One segment: the value is the srtt that the socket had before it."""
    b, a = nt.pair()
    pair = connected(b, a, b.addr4)
    client, server = pair.ends
    rtt = tcp_info(server)["rtt"]
    trace = Trace("--json", "-p", nt.port_of(server), spaces=(a, b))
    client.send(b"x")
    pair.settle()
    trace.stop()
    row = trace.only()
    check_row(row)
    equal([row[name] for name in ("count", "sum", "avg", "p50", "p90", "p99", "max")],
          [1, rtt, rtt, rtt, rtt, rtt, rtt], "of one value")


def test_milliseconds():
    """Acknowledgements that are delayed by 40 ms make long round trips."""
    b, a = nt.pair()
    pair = connected(b, a, b.addr4)
    client, server = pair.ends

    def slow_send():
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
        client.send(b"x")
        pair.settle()
    for _ in range(10):
        slow_send()
    rtt = tcp_info(client)["rtt"]
    check(rtt > 4000, f"a long round trip: {rtt} us")
    traces = Trace.several({form: ["-o", form, "-m", "-e", "-P", nt.port_of(server)]
                            for form in ("json", "csv", "table")}, spaces=(a, b))
    slow_send()
    for trace in traces.values():
        trace.stop()
    row = traces["json"].only()
    check_row(row)
    equal((row["unit"], row["count"], row["sum"]), ("ms", 1, rtt // 1000), "of one value in ms")
    (line,) = traces["csv"].csv()
    equal((line["unit"], line["count"]), ("ms", "1"), "a line of CSV")
    equal(sections(traces["table"].lines()),
          [("All Addresses = *******", rtt // 1000, "msecs", 1)], "the table")


# By address

def test_addresses():
    """IPv4 and IPv6 by their addresses; a mapped peer is IPv4."""
    b, a = nt.pair()
    with b:
        listener = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    pairs = [connected(b, a, b.addr4), connected(b, a, b.addr6),
             connected(b, a, b.addr4, listener=listener)]
    options = {("laddr",): ["-b"], ("raddr",): ["--byraddr"], ("laddr", "raddr"): ["-b", "-B"]}
    traces = Trace.several(options, "--json", "--stats", spaces=(a, b))
    table = Trace("-B", spaces=(a, b))
    for pair in pairs:
        pair.echo(ROUNDS // 2)
    for trace in (*traces.values(), table):
        trace.stop()
    ends = [end for pair in pairs for end in pair.counted()]
    for keys, trace in traces.items():
        want = collections.Counter()
        for end in ends:
            want[tuple(getattr(end, key) for key in keys)] += end.received
        equal(len(want), 4, "keys that there are")
        for row in trace.rows():
            check_row(row)
            equal([key for key in ("laddr", "raddr") if row[key]], list(keys), f"keys of {row}")
            exactly(row["count"], want.pop(tuple(row[key] for key in keys)), trace.stats(),
                    f"count of {row}")
        equal(want, {}, "keys without a row")
    equal(sorted(section.keys for section in sections(table.lines())),
          sorted(f"Remote Address = {addr}" for addr in (a.addr4, a.addr6, b.addr4, b.addr6)),
          "sections of the table")


def test_no_room():
    """More addresses than --sockets allows: their segments are lost, and counted."""
    space = nt.Space()
    listener = nt.listen(space, "127.0.0.1")
    pairs = []
    for i in range(20):
        client = nt.connect(space, "127.0.0.1", nt.port_of(listener), f"127.0.1.{i + 1}")
        pairs.append(Pair(client, listener.accept()[0]))
    trace = Trace("--json", "--stats", "-b", "--sockets", 8, spaces=[space])
    for pair in pairs:
        pair.echo(2)
    trace.stop()
    stats = trace.stats()
    check(stats["lost_map"] > 0 and "--sockets" in trace.stderr, f"told: {stats} {trace.stderr}")
    check(8 <= len(trace.rows()) < 21, f"rows: {trace.rows()}")
    exactly(sum(row["count"] for row in trace.rows()) + stats["lost_map"],
            sum(pair.received() for pair in pairs), stats, "segments with a row and without")


# Filters are asked about each segment's socket, not about rows

def test_filters():
    b, a = nt.pair()
    server, alpha, beta = Peer(b, "server"), Peer(a, "alpha"), Peer(a, "beta")
    made = {}
    for number, (peer, addr) in enumerate(((alpha, b.addr4), (beta, b.addr4), (beta, b.addr6))):
        listener = server.listen(addr)
        client = peer.connect(addr, server.name(listener))
        made[number] = (peer, client, server.accept(listener), server.name(listener))
    ports = [port for *_, port in made.values()]
    clients, servers = {(n, "client") for n in made}, {(n, "server") for n in made}
    one, v6 = {(0, "client"), (0, "server")}, {(2, "client"), (2, "server")}
    wanted = {
        ("--pid", alpha.pid): clients & one, ("--comm", "beta"): clients - one,
        ("--comm", "!alpha,beta"): servers, ("-p", ports[0]): servers & one,
        ("-P", ports[0]): clients & one, ("--port", ports[0]): one,
        ("-a", b.addr4): servers - v6, ("-A", b.addr6): clients & v6,
        ("--addr", f"{a.addr4}/24"): (clients | servers) - v6,
        ("-4",): (clients | servers) - v6, ("--ipv6",): v6,
        ("--filter", f"comm server and not port {ports[0]}"): servers - one,
        ("--netns", b.inode): servers, ("--port", "9"): set(),
    }
    wanted = nt.some(wanted)
    traces = {}
    for args in wanted:  # few at a time: each one is asked about every segment
        spaces = () if "--netns" in args else (a, b)
        traces[args] = Trace("--json", "--stats", *args, spaces=spaces)
    before = {}
    for number, (peer, client, accepted, _) in made.items():
        before[number, "client"] = peer.info(client)["segs_in"]
        before[number, "server"] = server.info(accepted)["segs_in"]
    for number, (peer, client, accepted, _) in made.items():
        for _ in range(5 * (number + 1)):
            peer.send(client, 10)
            server.recv(accepted, 10)
        nt.wait_for(lambda: not peer.info(client)["unacked"], "all to be acknowledged")
    received = {}
    for number, (peer, client, accepted, _) in made.items():
        received[number, "client"] = peer.info(client)["segs_in"] - before[number, "client"]
        received[number, "server"] = server.info(accepted)["segs_in"] - before[number, "server"]
    for args, ends in wanted.items():
        trace = traces[args].stop()
        count = sum(row["count"] for row in trace.rows())
        exactly(count, sum(received[end] for end in ends), trace.stats(), f"count of {args}")
        if "--netns" not in args:
            check(trace.stats()["filtered"] >= sum(received.values()) - count,
                  f"filtered segments of {args}: {trace.stats()}")


def test_accepted_later():
    """Connections that begin while it runs: the owner is who called connect() or accept()."""
    space = nt.Space()
    server, client = Peer(space, "server"), Peer(space, "client")
    traces = Trace.several({name: ["--comm", name] for name in ("server", "client")}, "--json",
                           "--stats", spaces=[space])
    listener = server.listen("127.0.0.1")
    c = client.connect("127.0.0.1", server.name(listener))
    s = server.accept(listener)
    for _ in range(10):
        client.send(c, 1)
        server.recv(s, 1)
        server.send(s, 1)
        client.recv(c, 1)
    nt.wait_for(lambda: not server.info(s)["unacked"], "all to be acknowledged")
    # Of the handshake a client has received the SYN-ACK, a server the SYN and the acknowledgement.
    want = {"client": client.info(c)["segs_in"] - 1, "server": server.info(s)["segs_in"] - 2}
    for name, trace in traces.items():
        trace.stop()
        exactly(trace.only()["count"], want[name], trace.stats(), f"count of {name}")


# Scene 11

def test_scene11():
    """ab under three traces. Its connections are short: a handshake and an end of each count."""
    b, a = nt.pair()
    nt.http_server(b, 8000, {"file": 1000})
    requests = nt.scaled(100, 20)
    every = Trace("-i", 1, "-d", 3, "-m", "-T", spaces=(a, b))
    traces = Trace.several({"-B": ["-p", 8000, "-B", "--json"], "-e": ["-e"], "json": ["--json"]},
                           "--stats", spaces=(a, b))
    before = a.snmp("InSegs") + b.snmp("InSegs")
    ab = nt.start("ab", "-q", "-n", requests, "-c", 6, f"http://{b.addr4}:8000/file", space=a,
                  stdout=-3)
    equal(ab.wait(nt.PATIENCE), 0, "exit status of ab")
    nt.quiet(a, b)
    received = a.snmp("InSegs") + b.snmp("InSegs") - before
    for trace in traces.values():
        trace.stop()
    equal(every.wait(), 0, f"exit status of -d 3 ({every.stderr})")
    lines = every.lines()
    equal(len([line for line in lines if re.fullmatch(r"\d\d:\d\d:\d\d", line)]), 3,
          f"readings in 3 s: {lines}")
    check({(s.keys, s.unit) for s in sections(lines)} <= {("All Addresses = *******", "msecs")},
          f"sections: {lines}")
    row = traces["json"].only()
    check_row(row)
    # of each connection three segments begin it, and at most six are received after a FIN
    check(received - 9 * requests - traces["json"].stats()["missed"] <= row["count"]
          <= received - 3 * requests, f"{row['count']} of {received} segments in ESTABLISHED")
    (section,) = sections(traces["-e"].lines())
    check(section.average is not None, f"an average: {section}")
    by_addr = traces["-B"].only()
    check_row(by_addr)
    equal((by_addr["laddr"], by_addr["raddr"]), (None, a.addr4), "the server's only peer")
    check(2 * requests <= by_addr["count"] < row["count"], f"the server's segments: {by_addr}")


def test_ends():
    """-d ends a run without -i, and nothing received is no row."""
    space = nt.Space()
    for form in ("table", "json"):
        trace = Trace("-d", "0.3", "-o", form, spaces=[space])
        equal((trace.wait(), trace.out, trace.stderr), (0, b"", ""), f"of an idle run as {form}")
