# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""tcpsubnet: bytes of a network are those that the programs at both ends count themselves."""
import collections
import ipaddress
import re
import socket

import nt
from nt import Peer, check, equal

NAMES = "tool time subnet tx_bytes rx_bytes".split()
BCC = "127.0.0.1/32,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,0.0.0.0/0"
SIZE = nt.scaled(2000000, 300000)


class Trace(nt.Trace):
    def __init__(self, *args, **more):
        super().__init__(*args, tool="tcpsubnet", **more)

    def moved(self):
        """Network to [bytes sent, bytes received], of all readings."""
        sums = collections.defaultdict(lambda: [0, 0])
        for row in self.rows():
            equal(list(row), NAMES, "names")
            sums[row["subnet"]][0] += row["tx_bytes"]
            sums[row["subnet"]][1] += row["rx_bytes"]
        return dict(sums)


def wider_pair():
    """nt.pair(), and both have addresses in 192.168 too."""
    b, a = nt.pair()
    for space, addr in ((b, "192.168.77.1/24"), (a, "192.168.77.2/24")):
        space.ip("addr", "add", addr, "dev", "veth0")
    return b, a


def readings(lines):
    """The table without headings: a dict of network and cells for each line with the date."""
    found = []
    for line in lines:
        if line.startswith("["):
            check(re.fullmatch(r"\[\d\d/\d\d/\d\d \d\d:\d\d:\d\d\]", line), f"date: {line}")
            found.append({})
        else:
            name, *cells = line.split()
            found[-1][name] = [int(cell) for cell in cells]
    return found


# Scene 8

def test_scene8():
    """Downloads by clients in 10.x, 192.168.x and an IPv6 network; the server's sockets are IPv6."""
    b, a = wider_pair()
    nt.http_server(b, 8000, {"file": SIZE}, bind="::")
    lists = {
        "default": [], "own": ["10.199.1.2,10.0.0.0/8,fd00:199::/64,::/0,0.0.0.0/0"],
        "wide first": ["0.0.0.0/1,10.199.0.0/16,fd00::/8"], "others": ["10.198.0.0/16,fd01::/16"],
    }
    traces = {name: Trace("-J", *words, spaces=[b]) for name, words in lists.items()}
    table = Trace("-f", "K", "-i", 30, spaces=[b])
    got = {}
    for addr, url in ((a.addr4, b.addr4), ("192.168.77.2", "192.168.77.1"), (a.addr6, f"[{b.addr6}]")):
        curl = nt.Curl(a, f"http://{url}:8000/file", "--interface", addr)
        equal(curl.size_download, SIZE, "the file")
        got[addr] = [curl.received, curl.sent]
    nt.quiet(a, b)
    for trace in (*traces.values(), table):
        trace.stop()
    ten, home, six = got.values()
    equal(traces["default"].moved(), {"10.0.0.0/8": ten, "192.168.0.0/16": home}, "bcc's networks")
    equal(traces["own"].moved(), {"10.199.1.2": ten, "0.0.0.0/0": home, "fd00:199::/64": six},
          "networks of one's own")
    equal(traces["wide first"].moved(), {"0.0.0.0/1": ten, "fd00::/8": six}, "the first counts")
    check("'10.199.0.0/16' gets nothing: '0.0.0.0/1' stands before it" in
          traces["wide first"].stderr, f"it is told: {traces['wide first'].stderr}")
    equal(traces["others"].moved(), {}, "no network of these peers")
    equal(readings(table.lines())[-1],
          {"10.0.0.0/8": [ten[0] // 1024], "192.168.0.0/16": [home[0] // 1024]}, "KiB")


# How much

def test_both_ends():
    """What one end sends the other receives; nothing is counted twice, or before it moved."""
    b, a = nt.pair()
    client, server = nt.joined(b, a, b.addr4)
    subnets = f"{a.addr4}/32,{b.addr4}/32"
    trace = Trace("--json", "--stats", "--strict", subnets, spaces=(a, b))
    nt.transfer(client, server, SIZE)
    nt.transfer(server, client, 54321)
    client.send(b"x" * 100)
    for _ in range(3):
        equal(len(server.recv(50, socket.MSG_PEEK)), 50, "looked at")
    nt.recv_exactly(server, 100)
    client.setblocking(False)
    pending = 0
    while True:
        try:
            pending += client.send(bytes(1 << 20))
        except BlockingIOError:
            break
    check(pending, "the last send() was refused, others moved a part")
    trace.stop()
    equal(trace.moved(), {f"{b.addr4}/32": [SIZE + 100 + pending, 54321],
                          f"{a.addr4}/32": [54321, SIZE + 100]}, "bytes")


def test_unfiltered():
    """Without a filter another object runs. A host has other traffic: an address of our own."""
    space = nt.Space()
    addr = f"127.{space.inode >> 8 & 255}.{space.inode & 255}.78"
    client, server = nt.joined(space, space, addr)
    trace = Trace("--json", f"{addr}/32,0.0.0.0/0")
    nt.transfer(client, server, 100000)
    nt.transfer(server, client, 4000)
    trace.stop()
    equal(trace.moved()[f"{addr}/32"], [100000, 4000], "bytes of the client")


def test_readings():
    """So many seconds apart, each byte in one of them; the date before each, also an empty one."""
    space = nt.Space()
    client, server = nt.joined(space, space, "127.0.0.1")
    json = Trace("--json", "-i", 0.3, "--duration", 1.4, spaces=[space], wait=False)
    table = Trace("-i", 0.3, "--duration", 1.4, "--columns", "+rx_bytes", spaces=[space], wait=False)
    for trace in (json, table):
        trace.wait_ready()
    moved = 0
    while json.process.poll() is None:
        nt.transfer(client, server, 1000)
        moved += 1000
    for trace in (json, table):
        equal(trace.wait(), 0, "exit code")
    times = {row["time"] for row in json.rows()}
    check(4 <= len(times) <= 5, f"readings: {times}")
    sent, received = json.moved()["127.0.0.1/32"]
    check(0 < sent <= moved and 0 < received <= moved, f"{sent}, {received} of {moved}")
    lines = table.lines()
    check(4 <= len([line for line in lines if line.startswith("[")]) <= 5, f"dates: {lines}")
    heading = [line.split() for line in lines if line.startswith("SUBNET")]
    equal(heading, [["SUBNET", "TX", "RX"]] * len(heading), "headings, where --columns is given")
    idle = Trace("-i", 0.2, "--duration", 0.5, spaces=[nt.Space()], wait=False)
    equal(idle.wait(), 0, "exit code")
    check(readings(idle.lines()) in ([{}] * 2, [{}] * 3), f"empty readings: {idle.lines()}")


def test_units():
    """-f is of the table only; rows are sorted by what was sent."""
    space = nt.Space()
    pairs = [nt.joined(space, space, addr) for addr in ("127.0.0.1", "127.0.0.2")]
    subnets = "127.0.0.1/32,127.0.0.0/8"
    forms = {unit: ["-i", 30, "-f", unit, subnets] for unit in "bkmBKM"}
    forms["csv"] = ["--csv", "-i", 30, "-f", "M", subnets]
    traces = Trace.several(forms, spaces=[space])
    for (client, server), size in zip(pairs, (3000000, 5000000)):
        nt.transfer(client, server, size)
        nt.transfer(server, client, 1)
    for trace in traces.values():
        trace.stop()
    # the servers' peer is 127.0.0.1
    first, second = 5000000, 3000002
    for unit, scale in {"b": 8, "k": 8 / 1024, "m": 8 / 1024**2, "B": 1, "K": 1 / 1024,
                        "M": 1 / 1024**2}.items():
        (reading,) = readings(traces[unit].lines())
        equal(list(reading.items()), [("127.0.0.0/8", [int(first * scale)]),
                                      ("127.0.0.1/32", [int(second * scale)])], f"-f {unit}")
    equal([(row["subnet"], row["tx_bytes"]) for row in traces["csv"].csv()],
          [("127.0.0.0/8", str(first)), ("127.0.0.1/32", str(second))], "CSV has bytes")


# Which network

def test_order():
    """Many networks in any order, by the first in which Python finds the address."""
    space = nt.Space()
    space.ip("addr", "add", "fd00::1/128", "dev", "lo", "nodad")
    space.ip("addr", "add", "fd00:1::1/128", "dev", "lo", "nodad")
    peers = ["127.1.2.3", "127.1.2.4", "127.1.9.9", "127.2.0.1", "127.200.0.1", "::1", "fd00::1",
             "fd00:1::1"]
    lists = [
        "127.1.2.0/30,127.1.0.0/16,127.0.0.0/9,::1,fd00::/16,0.0.0.0/0,::/0",
        "::/0,127.0.0.0/8,0.0.0.0/0,127.1.2.3/32",
        "127.1.2.4,127.1.2.3,127.1.0.0/16,fd00:1::/32,fd00::/12",
        "::ffff:127.1.0.0/112,::/1,127.128.0.0/9,fd00:1::/17,0.0.0.0/0",
        ",".join(f"127.{i}.0.0/{16 if i % 2 else 15}" for i in range(200, 0, -1)) + ",::/0",
        "127.1.2.3/8,127.1.2.3/8",
    ]
    traces = [Trace("--json", words, spaces=[space]) for words in lists]
    sizes = {addr: 1000 + 100 * i for i, addr in enumerate(peers)}
    for addr, size in sizes.items():
        client, server = nt.joined(space, space, addr)
        # the server's peer is an address of the host's choice: it moves nothing but what it must
        client.sendall(bytes(size))
        sizes[addr] = (size, server.getpeername()[0])
        nt.recv_exactly(server, size)

    def network(word):
        net = ipaddress.ip_network(word, strict=False)
        mapped = net.version == 6 and net.prefixlen >= 96 and net.network_address.ipv4_mapped
        return ipaddress.ip_network(f"{mapped}/{net.prefixlen - 96}") if mapped else net

    def first(words, addr):
        addr = ipaddress.ip_address(addr)
        return next((w for w in words.split(",")
                     if network(w).version == addr.version and addr in network(w)), None)
    for words, trace in zip(lists, traces):
        trace.stop()
        want = collections.defaultdict(lambda: [0, 0])
        for addr, (size, source) in sizes.items():
            want[first(words, addr)][0] += size
            want[first(words, source)][1] += size
        want.pop(None, None)
        equal(trace.moved(), dict(want), f"networks of {words[:60]}")
    equal(traces[-1].stderr, "'127.1.2.3/8' gets nothing: '127.1.2.3/8' stands before it\n",
          "given twice")


def test_refused():
    for words, bad in ((["10.0.0.0/33"], "10.0.0.0/33"), (["10.0.0.0/8,x"], "x"),
                       (["!10.0.0.0/8"], "!10.0.0.0/8"), (["10.0.0.0/8,"], ""), ([""], ""),
                       (["10.0.0.0/8", "::/0"], "::/0"), (["-f", "kb"], "kb"), (["-i", "0"], "0")):
        done = nt.tool("tcpsubnet", *words)
        equal((done.returncode, done.stdout), (2, b""), f"exit code of {words}")
        check(f"'{bad}'" in done.stderr.decode(), f"{bad!r} in {done.stderr}")


# Filters are asked about each socket, not about rows

def test_filters():
    b, a = nt.pair()
    server, alpha, beta = Peer(b, "server"), Peer(a, "alpha"), Peer(a, "beta")
    made = []
    for peer, addr in ((alpha, b.addr4), (beta, b.addr4), (beta, b.addr6)):
        listener = server.listen(addr)
        client = peer.connect(addr, server.name(listener))
        made.append((peer, client, server.accept(listener), server.name(listener)))
    ports = [port for *_, port in made]
    sizes = [1000, 20000, 300000]
    none, all4, all6 = [0, 0], sizes[0] + sizes[1], sizes[2]
    # of the networks of the clients, of the server: IPv4, IPv6; [sent, received]
    wanted = {
        ("--pid", alpha.pid): {"b4": [1000, 0]},
        ("--comm", "beta"): {"b4": [20000, 0], "b6": [all6, 0]},
        ("--comm", "!alpha,beta"): {"a4": [0, all4], "a6": [0, all6]},
        ("--port", ports[0]): {"b4": [1000, 0], "a4": [0, 1000]},
        ("--lport", ports[1]): {"a4": [0, 20000]},
        ("--rport", ports[2]): {"b6": [all6, 0]},
        ("--raddr", b.addr4): {"b4": [all4, 0]},
        ("-4",): {"a4": [0, all4], "b4": [all4, 0]},
        ("-6",): {"a6": [0, all6], "b6": [all6, 0]},
        ("--filter", f"comm server and not port {ports[0]}"): {"a4": [0, 20000], "a6": [0, all6]},
        ("--filter", "tx_bytes > 100K"): {"b6": [all6, 0]},
        ("--netns", b.inode): {"a4": [0, all4], "a6": [0, all6]},
        ("--port", "9"): {},
    }
    wanted = nt.some(wanted)
    names = {"a4": f"{a.addr4}/32", "a6": f"{a.addr6}/128", "b4": f"{b.addr4}/32",
             "b6": f"{b.addr6}/128"}
    traces = {args: Trace("--json", "--stats", "-i", 60, *args, ",".join(names.values()),
                          spaces=() if "--netns" in args else (a, b)) for args in wanted}
    for (peer, client, accepted, _), size in zip(made, sizes):
        peer.send(client, size)
        server.recv(accepted, size)
    for args, rows in wanted.items():
        trace = traces[args].stop()
        equal(trace.moved(), {names[name]: bytes_ for name, bytes_ in rows.items()
                              if bytes_ != none}, f"rows of {args}")
        if "--netns" not in args:
            check(trace.stats()["filtered"], f"calls that were filtered: {trace.stats()}")


def test_accepted_later():
    """A connection that begins while it runs: the owner is who called connect() or accept()."""
    space = nt.Space()
    server, client = Peer(space, "server"), Peer(space, "client")
    traces = Trace.several({name: ["--json", "--comm", name] for name in ("server", "client")},
                           spaces=[space])
    listener = server.listen("127.0.0.1")
    c = client.connect("127.0.0.1", server.name(listener))
    s = server.accept(listener)
    client.send(c, 5000)
    server.recv(s, 5000)
    server.send(s, 70)
    client.recv(c, 70)
    for name, want in (("server", [70, 5000]), ("client", [5000, 70])):
        equal(traces[name].stop().moved(), {"127.0.0.1/32": want}, f"bytes of {name}")


def test_recorded():
    """A recording shows what the run showed."""
    space = nt.Space()
    client, server = nt.joined(space, space, "127.0.0.1")
    path = f"{nt.temp_dir()}/recording"
    trace = Trace("--json", "-i", 0.2, "--record", path, spaces=[space])
    for _ in range(3):
        nt.transfer(client, server, 1000)
        before = len(trace.rows())
        nt.wait_for(lambda: len(trace.rows()) > before, "a reading")
    trace.stop()
    equal(nt.tool("replay", path, "--json").stdout, trace.out, "the recording")
