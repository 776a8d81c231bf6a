# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""tcpretrans: every segment that is sent again, once, with its owner, its cause and its number."""
import collections
import os
import socket
import struct

import nt
from nt import Curl, Peer, check, equal

NAMES = ("tool time pid tid comm uid cgroup netns owner ip laddr lport raddr rport "
         "type cause state seq segs").split()
COUNTED = ("tool time pid tid comm uid cgroup netns owner ip laddr lport raddr rport "
           "retransmits").split()
HEADING = "TIME PID IP LADDR:LPORT T> RADDR:RPORT STATE".split()
TYPES = {"rto": "retransmit", "fast": "retransmit", "syn": "retransmit", "other": "retransmit",
         "tlp": "tlp", "synack": "synack"}
ALL = ("--mode", "random", "--probability", "1")


class Trace(nt.Trace):
    def __init__(self, *args, tool="tcpretrans", **more):
        super().__init__(*args, tool=tool, **more)


class Growth:
    """
    What the kernel counts from now on. It counts a segment before it tries to send it, and those
    that it could not send once more.
    """

    def __init__(self, *spaces):
        self.spaces = spaces
        self.before = self.now()

    def now(self):
        return [space.snmp("RetransSegs") - space.tcp_ext("TCPRetransFail")
                for space in self.spaces]

    def __call__(self):
        return sum(self.now()) - sum(self.before)


def without_time(rows):
    """Two traces take the time one after the other."""
    return [{key: value for key, value in row.items() if key != "time"} for row in rows]


def segments(trace):
    return sum(row["segs"] for row in trace.rows())


def wait_cause(trace, cause, count=1):
    nt.wait_for(lambda: sum(row["cause"] == cause for row in trace.rows()) >= count,
                f"{count} rows with cause {cause}; there are {trace.rows()}")


def check_rows(trace, growth, what=""):
    """A row each, and what belongs together."""
    rows = trace.rows()
    equal(len(rows), growth, f"rows {what}")
    equal({row["segs"] for row in rows} - {1}, set(), f"segments of a row {what}")
    for row in rows:
        equal(list(row), NAMES, "JSON's keys")
        equal(row["type"], TYPES[row["cause"]], f"type and cause of {row}")
    return rows


class Wire:
    """What leaves or reaches a namespace's veth0: (sender's port, sequence number, bytes)."""

    def __init__(self, space):
        with space:
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.sock.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
        self.sock.bind(("veth0", 3))
        self.sock.setblocking(False)

    def read(self):
        found = []
        while True:
            try:
                packet = self.sock.recv(1 << 17)
            except BlockingIOError:
                return found
            kind, = struct.unpack_from("!H", packet, 12)
            if kind == 0x0800 and packet[23] == 6:
                at, end = 14 + (packet[14] & 15) * 4, 14 + struct.unpack_from("!H", packet, 16)[0]
            elif kind == 0x86dd and packet[20] == 6:
                at, end = 54, 54 + struct.unpack_from("!H", packet, 18)[0]
            else:
                continue
            port, = struct.unpack_from("!H", packet, at)
            seq, = struct.unpack_from("!I", packet, at + 4)
            found.append((port, seq, end - at - (packet[at + 12] >> 4) * 4))


def sent_again(wire, port):
    """The first numbers of the segments that were sent a second time or more often."""
    top, found = None, []
    for sender, seq, size in wire:
        if sender != port or not size:
            continue
        end = (seq + size) & 0xffffffff
        if top is not None and (end - top) & 0x80000000 or end == top:
            found.append((seq, size))
        else:
            top = end
    return found


# Scene 7: a download through loss

def test_scene7():
    b, a = nt.pair()
    size = nt.scaled(2_000_000, 300_000)
    growth, wire = Growth(a, b), Wire(b)
    traces = Trace.several({"plain": ["--json", "--stats"], "-l": ["--json", "-l"],
                            "-s": ["-s"], "-c": ["--json", "-c", "--stats"],
                            "mine": ["--json", "--port", "8000"], "-c table": ["-c"]},
                           spaces=(a, b))
    server = nt.http_server(b, 8000, {"file": size})
    a.lose("--mode", "random", "--probability", "0.2")
    curl = Curl(a, f"http://{b.addr4}:8000/file")
    equal((curl.http_code, curl.size_download), (200, size), f"curl ({curl.stderr})")
    nt.quiet(a, b)
    for trace in traces.values():
        trace.stop()
    total = growth()
    check(total > 0, "something was lost")

    rows = check_rows(traces["plain"], total, "and growth of RetransSegs")
    equal(traces["plain"].stats()["sent"], total, "events")
    for row in rows:
        at_server = row["laddr"] == b.addr4
        equal((row["pid"], row["comm"], row["ip"]),
              (server.pid, "python3", 4) if at_server else (curl.pid, "curl", 4), f"owner of {row}")
        equal((row["lport"], row["rport"], row["netns"]),
              (8000, curl.local_port, b.inode) if at_server else (curl.local_port, 8000, a.inode),
              f"ends of {row}")
        check(row["state"] in ("ESTABLISHED", "FIN_WAIT1", "LAST_ACK", "CLOSE_WAIT", "CLOSING",
                               "SYN_SENT", "NEW_SYN_RECV"), f"state of {row}")
    again = sent_again(wire.read(), 8000)
    for row in rows:
        if row["lport"] == 8000 and row["type"] != "synack" and row["state"] == "ESTABLISHED":
            check(any((row["seq"] - seq) & 0xffffffff < length for seq, length in again),
                  f"this was on the wire a second time: {row}")

    equal(segments(traces["-l"]), total, "segments under -l")
    plain = without_time(rows)
    equal(without_time(r for r in traces["-l"].rows() if r["segs"]), plain, "rows under -l")
    equal(without_time(traces["mine"].rows()), plain, "rows of --port 8000")
    heading, lines = traces["-s"].table()
    equal(heading, HEADING + ["SEQ"], "heading of -s")
    equal([(line["PID"], line["SEQ"], line["STATE"], line["LADDR:LPORT"]) for line in lines],
          [(str(r["pid"]), str(r["seq"]), r["state"], f"{r['laddr']}:{r['lport']}") for r in rows],
          "rows of -s")
    check_counted(traces["-c"], traces["-c table"], rows, total)


def check_counted(trace, table, rows, total):
    flows = trace.rows()
    equal(sum(r["retransmits"] for r in flows), total, "retransmits under -c")
    want = collections.Counter((r["netns"], r["laddr"], r["lport"], r["raddr"], r["rport"])
                               for r in rows)
    equal({(r["netns"], r["laddr"], r["lport"], r["raddr"], r["rport"]): r["retransmits"]
           for r in flows}, dict(want), "retransmits of each flow")
    equal([r["retransmits"] for r in flows],
          sorted((r["retransmits"] for r in flows), reverse=True), "the largest first")
    for row in flows:
        equal(list(row), COUNTED, "JSON's keys under -c")
    heading, lines = table.table()
    equal(heading, ["LADDR:LPORT", "RADDR:RPORT", "RETRANSMITS"], "heading of -c")
    equal(sorted(tuple(line.values()) for line in lines),
          sorted((f"{r['laddr']}:{r['lport']}", f"{r['raddr']}:{r['rport']}",
                  str(r["retransmits"])) for r in flows), "table of -c")


def test_scene7_netem():
    """Loss, reordering and delay."""
    b, a = nt.pair()
    kinds = nt.tool(argv=["tc", "-n", b.name, "qdisc", "add", "dev", "veth0", "root", "netem",
                          "loss", "10%", "delay", "2ms", "1ms", "reorder", "90%", "50%"])
    if kinds.returncode:
        raise nt.Skip(f"tc: {kinds.stderr.decode().strip()}")
    growth = Growth(a, b)
    trace = Trace("--json", "--stats", spaces=(a, b))
    while not growth():  # chance may lose nothing
        for addr in (b.addr4, b.addr6):
            c, s = nt.joined(b, a, addr)
            nt.transfer(s, c, nt.scaled(1_000_000, 200_000))
            s.close()
            c.close()
        nt.quiet(a, b)
    trace.stop()
    rows = check_rows(trace, growth(), "and growth of RetransSegs")
    equal({row["pid"] for row in rows}, {os.getpid()}, "owners")


# Causes, one at a time

def steady(a, b, addr=None, ports=False):
    """A connection over which data went both ways; TSO is off, so that packets are segments."""
    for space in (a, b):
        space.ip("link", "set", "veth0", "gso_max_segs", "1")
    client, server = Peer(a, "client"), Peer(b, "server")
    listener = server.listen(addr or b.addr4)
    c = client.connect(addr or b.addr4, server.name(listener))
    s = server.accept(listener)
    client.send(c, 1000)
    server.recv(s, 1000)
    server.send(s, 1000)
    client.recv(c, 1000)
    return client, c, server, s


def test_rto():
    """Without probes: the timeout, again and again; the number stays the same."""
    b, a = nt.pair()
    a.sysctl("ipv4/tcp_early_retrans", "0")
    client, c, server, s = steady(a, b)
    growth = Growth(a, b)
    trace = Trace("--json", "--stats", spaces=(a, b))
    again = b.lose(*ALL)
    client.send(c, 500)
    trace.wait_rows(3)
    again()
    server.recv(s, 500)
    trace.stop()
    rows = check_rows(trace, growth(), "and growth of RetransSegs")
    for row in rows:
        equal((row["cause"], row["state"], row["pid"], row["comm"], row["lport"], row["seq"]),
              ("rto", "ESTABLISHED", client.pid, "client", client.name(c), rows[0]["seq"]),
              f"row {row}")


def test_tlp():
    """A probe that sends the last segment again is one row, the timeouts are those that follow."""
    b, a = nt.pair()
    client, c, server, s = steady(a, b)
    growth, probes = Growth(a, b), a.tcp_ext("TCPLossProbes")
    traces = Trace.several({"plain": [], "-l": ["-l"]}, "--json", spaces=(a, b))
    again = b.lose(*ALL)
    client.send(c, 500)
    wait_cause(traces["plain"], "rto")
    again()
    server.recv(s, 500)
    for trace in traces.values():
        rows = check_rows(trace.stop(), growth(), "and growth of RetransSegs")
        equal(rows[0]["type"], "tlp", "type of the first row")
        equal(sum(row["cause"] == "tlp" for row in rows), a.tcp_ext("TCPLossProbes") - probes,
              "rows with cause tlp and probes")
        equal({row["cause"] for row in rows[1:]}, {"rto"}, "what follows")
        equal(len({row["seq"] for row in rows}), 1, "sequence numbers")


def test_fast():
    """One of ten is lost: what the peer acknowledges shows it."""
    b, a = nt.pair()
    client, c, server, s = steady(a, b)
    growth, wire = Growth(a, b), Wire(a)
    trace = Trace("--json", "--stats", spaces=(a, b))
    again = b.lose("--mode", "nth", "--every", "1000000", "--packet", "0")
    client.send(c, 14000)
    server.recv(s, 14000)
    again()
    trace.stop()
    (row,) = check_rows(trace, growth(), "and growth of RetransSegs")
    equal((row["cause"], row["state"], row["pid"]), ("fast", "ESTABLISHED", client.pid), "the row")
    first = [seq for port, seq, size in wire.read() if size and port == client.name(c)][0]
    equal(row["seq"], first, "number of the segment that was lost")


def test_probe_new_data():
    """-l: a probe sends what was not sent yet, if there is any; that is no retransmit."""
    b, a = nt.pair()
    client, c, server, s = steady(a, b)
    growth, wire, before = Growth(a, b), Wire(a), a.tcp_ext("TCPLossProbes")
    traces = Trace.several({"plain": [], "-l": ["-l"]}, "--json", spaces=(a, b))
    restore = b.lose(*ALL)
    client.tell("send", c, 200_000)
    wait_cause(traces["plain"], "rto")
    restore()
    server.recv(s, 200_000)
    client.answer()
    for trace in traces.values():
        trace.stop()
    total = growth()
    check_rows(traces["plain"], total, "and growth of RetransSegs")
    equal(segments(traces["-l"]), total, "segments under -l")
    probes = [row for row in traces["-l"].rows() if not row["segs"]]
    again = sum(row["segs"] for row in traces["-l"].rows() if row["cause"] == "tlp")
    equal(len(probes) + again, a.tcp_ext("TCPLossProbes") - before, "probes and TCPLossProbes")
    check(probes, "a probe of new data")
    sent = {(port, seq) for port, seq, size in wire.read() if size}
    for probe in probes:  # where acknowledgements are slow, later ones too
        equal((probe["type"], probe["cause"], probe["state"], probe["pid"], probe["lport"]),
              ("tlp", "tlp", "ESTABLISHED", client.pid, client.name(c)), "the probe")
        check((client.name(c), probe["seq"]) in sent, f"the probe {probe} was on the wire: {sent}")
    equal(without_time(row for row in traces["-l"].rows() if row["segs"]),
          without_time(traces["plain"].rows()), "rows under -l but for new data")


def test_syn():
    """Nobody answers: SYNs are sent again; nothing else is known of them but whose they are."""
    b, a = nt.pair()
    growth, syns = Growth(a, b), a.tcp_ext("TCPSynRetrans")
    trace = Trace("--json", "--stats", spaces=(a, b))
    again = b.lose(*ALL)
    client, server = Peer(a, "client"), Peer(b, "server")
    listener = server.listen(b.addr4)
    client.tell("connect", b.addr4, server.name(listener))
    trace.wait_rows(2)
    again()
    c = client.answer()
    trace.stop()
    rows = check_rows(trace, growth(), "and growth of RetransSegs")
    equal(len(rows), a.tcp_ext("TCPSynRetrans") - syns, "rows and TCPSynRetrans")
    for row in rows:
        equal((row["type"], row["cause"], row["state"], row["pid"], row["owner"], row["lport"],
               row["rport"], row["seq"]),
              ("retransmit", "syn", "SYN_SENT", client.pid, "connect", client.name(c),
               server.name(listener), rows[0]["seq"]), f"row {row}")


def test_synack():
    """The SYN-ACK is lost: both ends send again; the owner is the listener's."""
    for addr in ("addr4", "addr6"):
        b, a = nt.pair()
        growth, synacks = Growth(a, b), b.tcp_ext("TCPSynRetrans")
        server, client = Peer(b, "server"), Peer(a, "client")
        listener = server.listen("::")
        trace, wire = Trace("--json", "--stats", spaces=(a, b)), Wire(b)
        again = a.lose(*ALL)
        client.tell("connect", getattr(b, addr), server.name(listener))
        trace.wait_rows(3)
        again()
        c = client.answer()
        trace.stop()
        rows = check_rows(trace, growth(), "and growth of RetransSegs")
        synack = [row for row in rows if row["netns"] == b.inode]
        equal(len(synack), b.tcp_ext("TCPSynRetrans") - synacks, "SYN-ACKs and TCPSynRetrans")
        check(synack, f"a SYN-ACK was sent again: {rows}")
        numbers = {seq for port, seq, _ in wire.read() if port == server.name(listener)}
        for row in synack:
            equal((row["type"], row["cause"], row["state"], row["pid"], row["comm"], row["owner"],
                   row["laddr"], row["raddr"], row["rport"], row["ip"]),
                  ("synack", "synack", "NEW_SYN_RECV", server.pid, "server", "inherited",
                   getattr(b, addr), getattr(a, addr), client.name(c), int(addr[-1])),
                  f"row {row}")
            check(row["seq"] in numbers, f"{row['seq']} was on the wire: {numbers}")
        equal({row["cause"] for row in rows if row["netns"] == a.inode}, {"syn"}, "client's causes")


def test_smaller_mtu():
    """A router tells of a smaller MTU: what is too large is sent again in smaller pieces."""
    b, r, a = nt.Space(), nt.Space(), nt.Space()
    for i, end in enumerate((a, b), 1):
        end.ip("link", "add", "veth0", "type", "veth", "peer", "name", f"to{i}", "netns", r.name)
        end.ip("addr", "add", f"10.199.{i}.2/24", "dev", "veth0")
        r.ip("addr", "add", f"10.199.{i}.1/24", "dev", f"to{i}")
        for space, dev in ((end, "veth0"), (r, f"to{i}")):
            space.ip("link", "set", dev, "up")
        end.ip("route", "add", "default", "via", f"10.199.{i}.1")
        end.addr4 = f"10.199.{i}.2"
    r.sysctl("ipv4/ip_forward", "1")
    client, c, server, s = steady(a, b)
    r.ip("link", "set", "to2", "mtu", "1000")
    b.ip("link", "set", "veth0", "mtu", "1000")
    growth = Growth(a, b)
    trace = Trace("--json", "--stats", spaces=(a, b))
    client.send(c, 14000)
    server.recv(s, 14000)
    trace.stop()
    rows = check_rows(trace, growth(), "and growth of RetransSegs")
    check(rows, "segments were too large")
    check(rows[0]["cause"] == "other", f"cause of the first: {rows}")
    equal({row["pid"] for row in rows}, {client.pid}, "owner")


def test_not_sent():
    """What the own firewall takes away was not sent again, though it was tried."""
    b, a = nt.pair()
    a.sysctl("ipv4/tcp_early_retrans", "0")
    client, c, server, s = steady(a, b)
    segs, fails, growth = a.snmp("RetransSegs"), a.tcp_ext("TCPRetransFail"), Growth(a, b)
    trace = Trace("--json", "--stats", spaces=(a, b))
    again = b.lose(*ALL)
    client.send(c, 500)
    trace.wait_rows(1)
    own = ("OUTPUT", "-p", "tcp", "-j", "DROP")
    a.iptables("-A", *own)
    nt.wait_for(lambda: a.tcp_ext("TCPRetransFail") > fails, "a segment that could not be sent")
    a.iptables("-D", *own)
    again()
    server.recv(s, 500)
    trace.stop()
    check(growth() < a.snmp("RetransSegs") - segs, "more was tried than was sent")
    rows = check_rows(trace, growth(), "and what was really sent")
    equal({row["cause"] for row in rows}, {"rto"}, "causes")


# More of the rows

def test_older_socket():
    """A connection that was open before tcpretrans: the owner is who held it."""
    b, a = nt.pair()
    client, c, server, s = steady(a, b, b.addr6)
    growth = Growth(a, b)
    trace = Trace("--json", spaces=(a, b))
    again = a.lose(*ALL)
    server.send(s, 500)
    trace.wait_rows(2)
    again()
    client.recv(c, 500)
    trace.stop()
    for row in check_rows(trace, growth(), "and growth of RetransSegs"):
        equal((row["pid"], row["comm"], row["owner"], row["ip"], row["laddr"], row["rport"]),
              (server.pid, "server", "snapshot", 6, b.addr6, client.name(c)), f"row {row}")


def test_filters():
    b, a = nt.pair()
    client, c, server, s = steady(a, b)
    wanted = {"--pid": client.pid, "--comm": "client", "--lport": client.name(c),
              "--raddr": b.addr4, "--filter": "cause rto,tlp and state ESTABLISHED", "-4": None}
    unwanted = {"--pid ": server.pid, "--comm ": "!client", "--rport ": client.name(c),
                "--filter ": "cause syn,synack", "-6": None}
    options = {key: [key.strip()] + ([value] if value is not None else [])
               for key, value in {**wanted, **unwanted}.items()}
    traces = Trace.several(options, "--json", "--stats", spaces=(a, b))
    every = Trace("--json", spaces=(a, b))
    again = b.lose(*ALL)
    client.send(c, 500)
    every.wait_rows(3)
    again()
    server.recv(s, 500)
    rows = without_time(every.stop().rows())
    for key, trace in traces.items():
        equal(without_time(trace.stop().rows()), rows if key in wanted else [],
              f"rows of {options[key]}")
        equal(trace.stats()["sent"], len(rows) if key in wanted else 0, f"sent {options[key]}")


def test_recorded():
    """Also in one stream with another tool, which then keeps the owners."""
    b, a = nt.pair()
    growth = Growth(a, b)
    path = os.path.join(nt.temp_dir(), "both.nt")
    trace = Trace("--json", "--record", path, tool="tcplife,tcpretrans", spaces=(a, b))
    counted = os.path.join(nt.temp_dir(), "counted.nt")
    count = Trace("-c", "--record", counted, spaces=(a, b))
    client, c, server, s = steady(a, b)
    again = b.lose(*ALL)
    client.send(c, 500)
    nt.wait_for(lambda: growth() > 1, "retransmits")
    again()
    server.recv(s, 500)
    client.close(c)
    server.end(s)
    server.close(s)
    nt.quiet(a, b)
    for running in (trace, count):
        running.stop()
    found = [row for row in trace.rows() if row["tool"] == "tcpretrans"]
    equal((len(found), {row["pid"] for row in found}), (growth(), {client.pid}), "rows")
    for file, out, form in ((path, trace.out, ["--json"]), (counted, count.out, [])):
        done = nt.tool("replay", file, *form)
        equal((done.returncode, done.stderr, done.stdout), (0, b"", out), f"replay of {file}")


def test_explain():
    out = nt.tool("tcpretrans", "--explain").stdout.decode()
    check("tcpretrans_skb" in out and "tcpretrans_synack" in out, f"the hooks: {out}")
    check("new data" not in out, f"nobody asked for probes: {out}")
    out = nt.tool("tcpretrans", "-l", "--explain").stdout.decode()
    check("new data: nt_probe_" in out, f"the hook of -l: {out}")
