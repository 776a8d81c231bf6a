# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""tcpstates: every transition of every socket, its ports, its owner and the time before it."""
import calendar
import contextlib
import os
import re
import select
import signal
import socket
import subprocess
import threading
import time

import nt
from nt import Curl, Peer, check, equal, near

NAMES = ("tool time pid tid comm uid cgroup netns owner ip laddr lport raddr rport "
         "skaddr cpu_pid cpu_comm old_state new_state duration_ns").split()
HEADING = "SKADDR C-PID C-COMM LADDR LPORT RADDR RPORT OLDSTATE -> NEWSTATE MS".split()

# include/net/tcp_states.h; what a socket may do. LISTEN to SYN_RECV is a child being born.
LEGAL = {
    "CLOSE": {"SYN_SENT", "LISTEN"},
    "LISTEN": {"SYN_RECV", "CLOSE"},
    "SYN_SENT": {"ESTABLISHED", "SYN_RECV", "CLOSE"},
    "SYN_RECV": {"ESTABLISHED", "FIN_WAIT1", "CLOSE"},
    "ESTABLISHED": {"FIN_WAIT1", "CLOSE_WAIT", "CLOSE"},
    "FIN_WAIT1": {"FIN_WAIT2", "CLOSING", "CLOSE"},
    "FIN_WAIT2": {"CLOSE"},
    "CLOSING": {"CLOSE"},
    "CLOSE_WAIT": {"LAST_ACK", "CLOSE"},
    "LAST_ACK": {"CLOSE"},
}
OPENS = "CLOSE SYN_SENT ESTABLISHED"
ACCEPTS = "LISTEN SYN_RECV ESTABLISHED"
FIRST = "FIN_WAIT1 FIN_WAIT2 CLOSE"
SECOND = "CLOSE_WAIT LAST_ACK CLOSE"
LISTENER = "CLOSE LISTEN CLOSE"


class Trace(nt.Trace):
    def __init__(self, *args, tool="tcpstates", **more):
        super().__init__(*args, tool=tool, **more)


def ns(text):
    """An RFC 3339 time as nanoseconds since 1970."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{9})Z", text)
    check(found, f"an RFC 3339 time with nanoseconds in UTC: {text}")
    return calendar.timegm(time.strptime(found[1], "%Y-%m-%dT%H:%M:%S")) * 10**9 + int(found[2])


def begins(row):
    return row["old_state"] == "CLOSE" or (row["old_state"], row["new_state"]) == ("LISTEN",
                                                                                  "SYN_RECV")


class Life:
    """The rows of one socket, from its first transition to CLOSE."""

    def __init__(self, row):
        self.rows = [row]

    @property
    def path(self):
        return " ".join([self.rows[0]["old_state"]] + [row["new_state"] for row in self.rows])

    def one(self, name):
        """The value that all rows have."""
        values = {row[name] for row in self.rows}
        equal(len(values), 1, f"different {name} of {self}")
        return values.pop()

    def duration(self, state):
        (found,) = [row["duration_ns"] for row in self.rows if row["old_state"] == state]
        return found

    def __repr__(self):
        first = self.rows[0]
        return f"{first['lport']}>{first['rport']} {self.path}"

    def check(self, complete=True):
        rows = self.rows
        for row, following in zip(rows, rows[1:]):
            equal(following["old_state"], row["new_state"], f"where it came from: {self}")
            equal(following["duration_ns"], ns(following["time"]) - ns(row["time"]),
                  f"ns in {row['new_state']} and between the rows' times: {self}")
        for row in rows:
            check(row["new_state"] in LEGAL[row["old_state"]], f"it may do this: {row}")
            check(type(row["cpu_pid"]) is int and row["cpu_pid"] >= 0 and row["cpu_comm"],
                  f"who was on the CPU: {row}")
            check(re.fullmatch(r"[0-9a-f]{1,16}", row["skaddr"]), f"skaddr: {row}")
        steps = [(row["old_state"], row["new_state"]) for row in rows]
        equal(len(set(steps)), len(steps), f"different transitions of {self}")
        if not complete:
            return
        check(begins(rows[0]), f"the first transition: {rows[0]}")
        equal(rows[0]["duration_ns"], 0, f"ns before the first transition of {self}")
        equal(rows[-1]["new_state"], "CLOSE", f"the end of {self}")
        total = sum(row["duration_ns"] for row in rows)
        equal(total, ns(rows[-1]["time"]) - ns(rows[0]["time"]), f"ns altogether of {self}")


def lives(rows):
    """Of all sockets. An address is used again when its socket has gone."""
    found, running = [], {}
    for row in rows:
        key = row["skaddr"]
        if key in running:
            check(not begins(row), f"{running[key]} goes on with {row}")
            running[key].rows.append(row)
        else:
            running[key] = Life(row)
            found.append(running[key])
        if row["new_state"] == "CLOSE":
            del running[key]
    return found


def life(trace, **want):
    """Of the one socket all of whose rows have these values, complete and checked."""
    every = lives(trace.rows())
    found = [x for x in every if all(row[k] == v for row in x.rows for k, v in want.items())]
    if len(found) != 1:
        raise nt.Fail(f"expected one socket with {want}, got {found or every}")
    found[0].check()
    return found[0]


@contextlib.contextmanager
def traced(*spaces, args=()):
    trace = Trace("--json", "--stats", *args, spaces=spaces)
    yield trace
    nt.quiet(*spaces)
    trace.stop()


def sees_connects():
    """Whether the row of SYN_SENT comes with the SYN, not with what follows it."""
    done = nt.tool("tcpstates", "--explain")
    found = re.search(rb"connects: (\w+)", done.stdout)
    check(found, f"--explain says how connects are seen: {done.stdout} {done.stderr}")
    return found[1] in (b"tcpstates_connect_fentry", b"tcpstates_connect_sockops")


# Scene 10: one download

def test_scene10():
    b, a = nt.pair()
    size = 500_000
    # a server that has written all into large buffers is done long before its client
    for space in (a, b):
        space.sysctl("ipv4/tcp_rmem", "4096 32768 32768")
        space.sysctl("ipv4/tcp_wmem", "4096 32768 32768")
    traces = Trace.several({"server": ["-L", "8000"], "client": ["-D", "8000"], "all": []},
                           "--json", spaces=(a, b))
    server = nt.http_server(b, 8000, {"file": size})
    curl = Curl(a, f"http://{b.addr4}:8000/file", "--limit-rate", str(size))
    equal(curl.http_code, 200, f"curl's answer ({curl.stderr})")
    nt.quiet(a, b)
    server.terminate()
    server.wait()
    for trace in traces.values():
        trace.stop()

    equal([x.path for x in lives(traces["server"].rows())][::2], [LISTENER],
          "the listener's transitions, and one child")
    listener = life(traces["server"], rport=None)
    child = life(traces["server"], rport=curl.local_port)
    check(child.path.startswith(ACCEPTS), f"the child's path: {child}")
    for row in listener.rows + child.rows:
        equal((row["pid"], row["comm"], row["lport"]), (server.pid, "python3", 8000),
              f"owner and port of the server's row {row}")
    equal((child.one("laddr"), child.one("raddr"), child.one("netns"), child.one("ip")),
          (b.addr4, a.addr4, b.inode, 4), "the child's ends")
    equal([row["owner"] for row in listener.rows], ["listen"] * 2, "the listener's owner")

    equal(len(lives(traces["client"].rows())), 1, "sockets of -D 8000")
    client = life(traces["client"], lport=curl.local_port)
    check(client.path.startswith(OPENS), f"the client's path: {client}")
    equal((client.one("pid"), client.one("comm"), client.one("owner"), client.one("laddr"),
           client.one("raddr"), client.one("rport")),
          (curl.pid, "curl", "connect", a.addr4, b.addr4, 8000), "the client's owner and ends")
    equal((client.rows[0]["cpu_pid"], client.rows[0]["cpu_comm"]), (curl.pid, "curl"),
          "who was on the CPU in connect()")
    near(client.duration("ESTABLISHED") / 1e9, curl.time_total - curl.time_connect, 0.2,
         "seconds of the client in ESTABLISHED")
    check(0 < client.duration("SYN_SENT") < curl.time_connect * 1e9,
          f"ns of the handshake: {client.rows}")

    both = sorted(f"{x}" for x in (listener, child, client))
    equal(sorted(f"{x}" for x in lives(traces["all"].rows())), both, "sockets without an option")


def test_scene10_loopback():
    space = nt.Space()
    server = nt.http_server(space, 8000, {"file": 100})
    with traced(space) as trace:
        curl = Curl(space, "http://127.0.0.1:8000/file")
    equal(len(lives(trace.rows())), 2, "sockets")
    equal((life(trace, lport=8000).one("pid"), life(trace, lport=8000).one("comm")),
          (server.pid, "python3"), "owner of the server's half")
    equal((life(trace, rport=8000).one("pid"), life(trace, rport=8000).one("lport")),
          (curl.pid, curl.local_port), "owner and port of the client's half")


def session(server, listener, client, addr="127.0.0.1", port=None):
    """The client closes first. Returns its port."""
    c = client.connect(addr, port or server.name(listener))
    own = client.name(c)
    s = server.accept(listener)
    client.close(c)
    server.end(s)
    server.close(s)
    return own


def test_csv():
    """-s: the same values as in JSON under the same names."""
    space = nt.Space()
    server, client = Peer(space, "server"), Peer(space, "client")
    listener = server.listen("127.0.0.1")
    traces = Trace.several({"-s": ["-s"], "--csv": ["--csv"], "json": ["--json"]}, spaces=[space])
    session(server, listener, client)
    nt.quiet(space)
    rows = traces["json"].stop().rows()
    equal(len(rows), 10, "rows")
    equal([list(row) for row in rows], [NAMES] * 10, "JSON's keys")
    for option in ("-s", "--csv"):
        records = traces[option].stop().csv()
        equal(traces[option].lines()[0].split(","), NAMES, f"heading of {option}")
        equal(len(records), 10, f"records of {option}")
        for row, record in zip(rows, records):
            ns(record["time"])
            check(record["duration_ns"].isdigit(), f"a number of ns: {record}")
            for name in set(NAMES) - {"time", "duration_ns"}:
                equal(record[name], "" if row[name] is None else str(row[name]),
                      f"{name} in CSV and JSON")


def test_table():
    space = nt.Space()
    server, client = Peer(space, "server"), Peer(space, "client")
    listener = server.listen("127.0.0.1")
    options = ("", "-T", "-t", "-w", "-T -t -w", "--time --timestamp --wide")
    traces = Trace.several({args: args.split() for args in options}, spaces=[space])
    port = str(session(server, listener, client))
    nt.quiet(space)
    wide = HEADING[:3] + ["IP"] + HEADING[3:]
    headings = {"": HEADING, "-T": ["TIME", *HEADING], "-t": ["TIME(s)", *HEADING], "-w": wide,
                "-T -t -w": ["TIME", "TIME(s)", *wide],
                "--time --timestamp --wide": ["TIME", "TIME(s)", *wide]}
    for args, trace in traces.items():
        heading, lines = trace.stop().table()
        equal(heading, headings[args], f"heading of {args}")
        equal(len(lines), 10, f"lines of {args}")
        for line in lines:
            check(re.fullmatch(r"\d+\.\d{3}", line["MS"]), f"ms with three decimals: {line}")
            check(re.fullmatch(r"[0-9a-f]+", line["SKADDR"]), f"SKADDR: {line}")
            equal((line["->"], line.get("IP", "4")), ("->", "4"), f"arrow and IP of {line}")
        mine = [line for line in lines if line["LPORT"] == port]
        equal([line["OLDSTATE"] for line in mine] + [mine[-1]["NEWSTATE"]],
              f"{OPENS} {FIRST}".split(), f"the client's states ({args})")
        equal((mine[0]["C-PID"], mine[0]["C-COMM"], mine[0]["MS"]),
              (str(client.pid), "client", "0.000"), "C-PID, C-COMM and MS of connect()")


# Paths

def check_path(addr_of, target_of, ip):
    b, a = nt.pair()
    server, client = Peer(b, "server"), Peer(a, "client")
    addr, target = addr_of(b), target_of(b)
    with traced(a, b) as trace:
        listener = server.listen(addr)
        port = server.name(listener)
        own = session(server, listener, client, target, port)
        server.close(listener)
    ours, theirs = life(trace, lport=own), life(trace, lport=port, rport=own)
    equal(life(trace, lport=port, rport=None).path, LISTENER, "the listener's path")
    equal((ours.path, theirs.path), (f"{OPENS} {FIRST}", f"{ACCEPTS} {SECOND}"), "paths")
    equal(len(trace.rows()), 12, "rows")
    mine, peer = (a.addr4, b.addr4) if ip == 4 else (a.addr6, b.addr6)
    equal((ours.one("laddr"), ours.one("raddr"), ours.one("rport"), ours.one("ip")),
          (mine, peer, port, ip), "the client's ends")
    equal((theirs.one("laddr"), theirs.one("raddr"), theirs.one("ip")), (peer, mine, ip),
          "the server's ends")
    equal((ours.one("pid"), ours.one("comm"), theirs.one("pid"), theirs.one("comm")),
          (client.pid, "client", server.pid, "server"), "owners")


def test_path_ipv4():
    check_path(lambda b: b.addr4, lambda b: b.addr4, 4)


def test_path_ipv6():
    check_path(lambda b: b.addr6, lambda b: b.addr6, 6)


def test_path_mapped():
    """AF_INET6 sockets with IPv4-mapped addresses are IPv4."""
    check_path(lambda b: "::", lambda b: f"::ffff:{b.addr4}", 4)


def test_path_refused():
    b, a = nt.pair()
    unused = nt.listen(b, b.addr4)
    port = nt.port_of(unused)
    unused.close()
    with traced(a, b) as trace:
        with contextlib.suppress(ConnectionRefusedError):
            nt.connect(a, b.addr4, port)
    equal(len(trace.rows()), 2, "rows")
    refused = life(trace, rport=port)
    equal(refused.path, "CLOSE SYN_SENT CLOSE", "path")
    equal((refused.one("pid"), refused.one("owner"), refused.one("laddr")),
          (os.getpid(), "connect", a.addr4), "owner and address")
    check(refused.one("lport") >= 1024, f"the port that the SYN came from: {refused.rows}")


def test_path_no_port():
    """connect() that finds no free port: SYN_SENT was announced all the same."""
    space = nt.Space()
    space.sysctl("ipv4/ip_local_port_range", "40000 40001")
    listener = nt.listen(space, "127.0.0.1", 9000)
    held = [nt.joined(space, space, "127.0.0.1", listener) for _ in range(2)]
    with traced(space) as trace:
        with contextlib.suppress(OSError):
            nt.connect(space, "127.0.0.1", 9000)
            raise RuntimeError("there should be no port left")
        for c, s in held:
            c.close()
            nt.end_of(s)
            s.close()
    failed = [x for x in lives(trace.rows()) if begins(x.rows[0])]
    equal([x.path for x in failed], ["CLOSE SYN_SENT CLOSE"], "paths of what was refused a port")
    failed[0].check()
    equal(failed[0].one("lport"), None, "a port that it never had")


def test_path_reset():
    b, a = nt.pair()
    with traced(a, b) as trace:
        c, s = nt.joined(b, a, b.addr4)
        port = nt.port_of(s)
        nt.reset(c)
        nt.wait_for(lambda: nt.tcp_info(s)["state"] == 7, "the reset to arrive")
        s.close()
    equal((life(trace, rport=port).path, life(trace, lport=port, ip=4, raddr=a.addr4).path),
          (f"{OPENS} CLOSE", f"{ACCEPTS} CLOSE"), "paths")


def test_path_server_first():
    b, a = nt.pair()
    with traced(a, b) as trace:
        c, s = nt.joined(b, a, b.addr4)
        own, port = nt.port_of(c), nt.port_of(s)
        s.close()
        nt.end_of(c)
        c.close()
    equal((life(trace, lport=own).path, life(trace, lport=port, rport=own).path),
          (f"{OPENS} {SECOND}", f"{ACCEPTS} {FIRST}"), "paths")


def test_path_simultaneous():
    """Both FINs are on their way at once."""
    b, a = nt.pair()
    with traced(a, b) as trace:
        c, s = nt.joined(b, a, b.addr4)
        own = nt.port_of(c)
        undrop = a.drop(), b.drop()
        c.shutdown(socket.SHUT_WR)
        s.shutdown(socket.SHUT_WR)
        for again in undrop:
            again()
        nt.end_of(c)
        nt.end_of(s)
        c.close()
        s.close()
    ours, theirs = life(trace, lport=own), life(trace, rport=own)
    equal((ours.path.split()[:4][-1], theirs.path.split()[:4][-1]), ("FIN_WAIT1",) * 2,
          "what both did first")
    check("CLOSING" in ours.path + theirs.path, f"a FIN met a FIN: {ours} {theirs}")


def test_path_half_open():
    """FIN_WAIT2 and CLOSE_WAIT last as long as the peer does not close."""
    b, a = nt.pair()
    with traced(a, b) as trace:
        c, s = nt.joined(b, a, b.addr4)
        own = nt.port_of(c)
        c.shutdown(socket.SHUT_WR)
        nt.end_of(s)
        time.sleep(0.3)  # what the test is about
        s.close()
        nt.end_of(c)
        c.close()
    ours, theirs = life(trace, lport=own), life(trace, rport=own)
    equal((ours.path, theirs.path), (f"{OPENS} {FIRST}", f"{ACCEPTS} {SECOND}"), "paths")
    # the FIN is perhaps not acknowledged at once
    first = ours.duration("FIN_WAIT1") + ours.duration("FIN_WAIT2")
    for duration in (first, theirs.duration("CLOSE_WAIT")):
        check(300e6 <= duration < nt.PATIENCE * 1e9, f"ns of the half-open time: {duration}")


def test_path_syn_cookies():
    """The child is born when the handshake is complete."""
    b, a = nt.pair()
    b.sysctl("ipv4/tcp_syncookies", "2")
    server, client = Peer(b, "server"), Peer(a, "client")
    listener = server.listen(b.addr4)
    with traced(a, b) as trace:
        own = session(server, listener, client, b.addr4)
    theirs = life(trace, rport=own)
    equal((theirs.path, theirs.one("pid")), (f"{ACCEPTS} {SECOND}", server.pid), "the child")


def test_path_fast_open():
    """The child is born by the SYN, the client sends with it."""
    b, a = nt.pair()
    for space in (a, b):
        space.sysctl("ipv4/tcp_fastopen", "3")
    listener = nt.listen(b, b.addr4)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)
    port = nt.port_of(listener)
    own = []
    with traced(a, b) as trace:
        for _ in range(2):  # the first one only gets the cookie
            c = nt.client(a, b.addr4)
            c.settimeout(None)
            c.sendto(bytes(500), socket.MSG_FASTOPEN, (b.addr4, port))
            own.append(nt.port_of(c))
            s, _ = listener.accept()
            nt.recv_exactly(s, 500)
            c.close()
            nt.end_of(s)
            s.close()
    for number in own:
        equal((life(trace, lport=number).path, life(trace, rport=number).path),
              (f"{OPENS} {FIRST}", f"{ACCEPTS} {SECOND}"), "paths")
        equal(life(trace, lport=number).one("rport"), port, "the server's port")


def test_path_bound():
    """The port is the caller's choice; the same one twice is two sockets."""
    b, a = nt.pair()
    listener = nt.listen(b, b.addr4)
    with traced(a, b) as trace:
        for _ in range(2):
            c = nt.client(a, b.addr4)
            c.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            c.bind(("", 40_000))
            c.connect((b.addr4, nt.port_of(listener)))
            s, _ = listener.accept()
            nt.reset(c)
            nt.wait_for(lambda: nt.tcp_info(s)["state"] == 7, "the reset to arrive")
            s.close()
    found = lives(trace.rows())
    for x in found:
        x.check()
    equal(sorted(x.path for x in found), [f"{OPENS} CLOSE"] * 2 + [f"{ACCEPTS} CLOSE"] * 2, "paths")
    equal([x.one("lport") for x in found if x.path.startswith(OPENS)], [40_000] * 2, "ports")


def test_path_listen_again():
    """One socket listens, stops, listens again."""
    space, port = nt.Space(), 9000
    with traced(space) as trace:
        sock = nt.listen(space, "127.0.0.1", port)
        sock.shutdown(socket.SHUT_RDWR)
        sock.listen()
        sock.close()
    found = lives(trace.rows())
    for x in found:
        x.check()
    equal([(x.path, x.one("lport"), x.one("pid")) for x in found],
          [(LISTENER, port, os.getpid())] * 2, "both times")
    equal(found[0].one("skaddr"), found[1].one("skaddr"), "address of the one socket")


def test_path_listen_unbound():
    """listen() without bind() gets its port on the way; its children are the listener's."""
    b, a = nt.pair()
    with traced(a, b) as trace:
        with b:
            sock = socket.socket()
        sock.listen()
        port = nt.port_of(sock)
        c = nt.connect(a, b.addr4, port)
        s, _ = sock.accept()
        c.close()
        nt.end_of(s)
        s.close()
        sock.close()
    child = life(trace, lport=port, raddr=a.addr4)
    pids = {row["pid"] for row in child.rows}
    equal((child.path, pids), (f"{ACCEPTS} {SECOND}", {os.getpid()}), "the child")
    listener = life(trace, rport=None)
    ports = {row["lport"] for row in listener.rows} - {None}
    equal((listener.path, ports), (LISTENER, {port}), "the listener")


# What is older than the trace

def test_open_before():
    b, a = nt.pair()
    server, client = Peer(b, "old-server"), Peer(a, "old-client")
    listener = server.listen(b.addr4)
    c = client.connect(b.addr4, server.name(listener))
    own = client.name(c)
    s = server.accept(listener)
    table = Trace("-D", server.name(listener), spaces=(a, b))
    with traced(a, b) as trace:
        client.close(c)
        server.end(s)
        server.close(s)
    ours, theirs = lives(trace.rows())
    if ours.rows[0]["lport"] != own:
        ours, theirs = theirs, ours
    for x, path, peer in ((ours, FIRST, client), (theirs, SECOND, server)):
        x.check(complete=False)
        equal(x.path, f"ESTABLISHED {path}", "path")
        check(x.rows[0]["duration_ns"] is None, f"nobody knows when it began: {x.rows[0]}")
        check(all(row["duration_ns"] > 0 for row in x.rows[1:]), f"the rest is known: {x.rows}")
        equal((x.one("pid"), x.one("lport") == own), (peer.pid, peer is client), "owner and port")
    _, lines = table.stop().table()
    equal([line["MS"] == "-" for line in lines], [True, False, False], "unknown ms in the table")


def test_open_before_listener():
    """When it began to listen nobody knows either."""
    space = nt.Space()
    listener = nt.listen(space, "127.0.0.1")
    with traced(space) as trace:
        listener.close()
    row = trace.row(old_state="LISTEN", new_state="CLOSE")
    equal((row["pid"], row["duration_ns"]), (os.getpid(), None), "owner and ns in LISTEN")


def test_pending_at_end():
    """A SYN that nobody has answered yet is told when the tool ends, at the latest."""
    if not sees_connects():
        raise nt.Skip("tcp_connect() itself is not seen")
    b, a = nt.pair()
    b.drop()
    trace = Trace("--json", "--stats", spaces=(a, b))
    c = nt.client(a, b.addr4)
    c.setblocking(False)
    c.connect_ex((b.addr4, 9))
    own = nt.port_of(c)
    trace.stop()
    row = trace.row(rport=9)
    equal((row["old_state"], row["new_state"], row["lport"], row["pid"], row["duration_ns"]),
          ("CLOSE", "SYN_SENT", own, os.getpid(), 0), "the SYN")


def test_pending():
    """It is told with its port and its time while nobody answers."""
    b, a = nt.pair()
    b.drop()
    trace = Trace("--json", spaces=(a, b))
    c = nt.client(a, b.addr4)
    c.setblocking(False)
    before = time.time()
    c.connect_ex((b.addr4, 9))
    after = time.time()
    trace.wait_rows(1)
    (row,) = trace.rows()
    equal((row["new_state"], row["lport"]), ("SYN_SENT", nt.port_of(c)), "the SYN and its port")
    slack = 0.002  # of two clocks read one after the other
    check(before - slack <= ns(row["time"]) / 1e9 <= after + slack, f"when it was sent: {row}")
    c.close()
    nt.quiet(a, b)
    equal(life(trace.stop(), rport=9).path, "CLOSE SYN_SENT CLOSE", "path")


# Many

def check_churn(rows, report):
    """Each socket's path, against who closed first by the truth of churn."""
    found = {}
    for x in lives(rows):
        x.check()
        first = x.rows[0]
        found.setdefault((first["lport"], first["rport"]), []).append(x)
    port = report["truth"][0]["server_port"]
    (listener,) = found.pop((port, None))
    equal((listener.path, listener.one("pid")), (LISTENER, report["server_pid"]), "the listener")
    equal(len(found), 2 * len(report["truth"]), "connections' halves")
    for line in report["truth"]:
        (ours,) = found[line["client_port"], line["server_port"]]
        (theirs,) = found[line["server_port"], line["client_port"]]
        ends = (FIRST, SECOND) if line["closer"] == "client" else (SECOND, FIRST)
        equal((ours.path, theirs.path), (f"{OPENS} {ends[0]}", f"{ACCEPTS} {ends[1]}"),
              f"paths when the {line['closer']} closes first")
        equal((ours.one("pid"), theirs.one("pid")), (report["client_pid"], report["server_pid"]),
              "owners")
        equal((ours.one("comm"), theirs.one("comm")), ("churn-client", "churn-server"),
              "their names")
    equal(len(rows), 2 + 10 * len(report["truth"]), "rows")


def churn(space, count):
    return nt.churn(space, "-n", count, "--processes", "--close", "half", "--truth")


def forgotten(trace, name, before):
    # the host may open a few meanwhile
    nt.wait_for(lambda: nt.bpf_map_keys(trace, name) <= before + 32,
                f"closed sockets to leave {name}; {before} were known before")


def test_many():
    space = nt.Space()
    trace = Trace("--json", "--stats", spaces=[space])
    before = {name: nt.bpf_map_keys(trace, name) for name in ("nt_socks",)}
    report = churn(space, 300)
    nt.quiet(space)
    for name, count in before.items():
        forgotten(trace, name, count)
    stats = trace.stop().stats()
    equal((stats["lost_buffer"], stats["lost_map"], stats["missed"]), (0, 0, 0), "losses")
    check_churn(trace.rows(), report)
    equal(stats["sent"], len(trace.rows()), "events sent")


def test_many_forms():
    """As many rows in each form, and every line of them is whole."""
    space = nt.Space()
    count = nt.scaled(3000, 300)
    traces = {form: Trace("-o", form, "--stats", spaces=[space])
              for form in ("json", "csv", "table")}
    churn(space, count)
    nt.quiet(space)
    rows = [traces["json"].stop().rows(), traces["csv"].stop().csv(),
            traces["table"].stop().table()[1]]
    stats = [trace.stats() for trace in traces.values()]
    for each in stats:
        equal((each["lost_buffer"], each["lost_map"], each["missed"]), (0, 0, 0), "losses")
    # Two CPUs may make a child of one handshake each; the second one never gets any further.
    ended = [row for row in rows[0] if (row["old_state"], row["new_state"]) == ("SYN_RECV", "CLOSE")]
    equal([len(found) for found in rows], [10 * count + 2 + 2 * len(ended)] * 3,
          f"rows in each form ({stats})")


def test_many_open():
    """More sockets than there is room for: that is counted, and nothing is made up."""
    space = nt.Space()
    listener = nt.listen(space, "127.0.0.1")
    trace = Trace("--json", "--stats", "--sockets", 16, spaces=[space])
    opened = [nt.joined(space, space, "127.0.0.1", listener) for _ in range(50)]
    for c, s in opened:
        c.close()
        nt.end_of(s)
        s.close()
    nt.quiet(space)
    stats = trace.stop().stats()
    check(stats["lost_map"] > 0 and "--sockets" in trace.stderr,
          f"16 places are not enough for 100 sockets: {stats} {trace.stderr}")
    rows = trace.rows()
    check(len(rows) >= 50 * 6, f"rows of the end of every socket: {len(rows)}")
    known = 0
    for x in lives(rows):
        for row, following in zip(x.rows, x.rows[1:]):
            known += following["duration_ns"] is not None
            check(following["duration_ns"] in (None, ns(following["time"]) - ns(row["time"])),
                  f"a right duration or none: {row} {following}")
    check(known > 0, "those that had room are known")


# Several tools at once

def in_order(rows):
    for row, following in zip(rows, rows[1:]):
        check(row["time"] <= following["time"], f"in the order of time: {row} {following}")


def test_merged():
    space = nt.Space()
    trace = Trace("--json", "--stats", tool="tcpstates,tcplife", spaces=[space])
    before = nt.bpf_map_keys(trace, "nt_socks")
    count = nt.scaled(3000, 300)
    report = churn(space, count)
    nt.quiet(space)
    forgotten(trace, "nt_socks", before)
    stats = trace.stop().stats()
    equal((stats["lost_buffer"], stats["lost_map"], stats["missed"]), (0, 0, 0), "losses")
    rows = trace.rows()
    in_order(rows)
    states = [r for r in rows if r["tool"] == "tcpstates"]
    ended = {(r["lport"], r["rport"]): r for r in rows if r["tool"] == "tcplife"}
    equal((len(states) + 2 * count, stats["sent"]), (len(rows), len(rows)), "rows of both")
    check_churn(states, report)
    check_ended(ended, report)
    equal({r["partial"] for r in ended.values()}, {False}, "partial")


def check_ended(ended, report):
    """What tcplife alone would say."""
    equal(len(ended), 2 * len(report["truth"]), "rows of tcplife")
    for line in report["truth"]:
        ours = ended[line["client_port"], line["server_port"]]
        theirs = ended[line["server_port"], line["client_port"]]
        equal((ours["pid"], ours["comm"], theirs["pid"], theirs["comm"]),
              (report["client_pid"], "churn-client", report["server_pid"], "churn-server"),
              "tcplife's owners")
        equal((ours["tx_bytes"], ours["rx_bytes"], theirs["tx_bytes"], theirs["rx_bytes"]),
              (line["client_tx"], line["server_tx"], line["server_tx"], line["client_tx"]),
              "tcplife's bytes")
        ends = ("local_close", "remote_close")
        equal((ours["end"], theirs["end"]), ends if line["closer"] == "client" else ends[::-1],
              f"tcplife's ends when the {line['closer']} closes first")


def test_merged_other_order():
    """The tool named first keeps the owners; the second one has them too."""
    space = nt.Space()
    trace = Trace("--json", "--stats", tool="tcplife,tcpstates", spaces=[space])
    report = churn(space, 50)
    nt.quiet(space)
    rows = trace.stop().rows()
    in_order(rows)
    check_churn([r for r in rows if r["tool"] == "tcpstates"], report)
    check_ended({(r["lport"], r["rport"]): r for r in rows if r["tool"] == "tcplife"}, report)


def test_merged_slow():
    """Rows wait for nothing for long, and are in order all the same."""
    if not sees_connects():
        raise nt.Skip("the row of SYN_SENT waits for the answer")
    b, a = nt.pair()
    trace = Trace("--json", tool="tcpstates,tcplife", spaces=(a, b))
    slow = slow_connect(a, b, lambda: Curl(a, f"http://{b.addr4}:9/"))
    slow[0].close()
    nt.end_of(slow[1])
    slow[1].close()
    nt.quiet(a, b)
    rows = trace.stop().rows()
    in_order(rows)
    equal(len(rows), 10 + 2 + 2 + 1 + 2, "rows of both tools")


def test_merged_recorded():
    space = nt.Space()
    path = os.path.join(nt.temp_dir(), "both.nt")
    trace = Trace("--json", "--record", path, tool="tcpstates,tcplife", spaces=[space])
    churn(space, 50)
    nt.quiet(space)
    trace.stop()
    equal(len(trace.rows()), 50 * 12 + 2, "rows")
    done = nt.tool("replay", path, "--json")
    equal((done.returncode, done.stderr), (0, b""), "exit status and stderr of replay")
    equal(done.stdout, trace.out, "the replay and the live rows")
    done = nt.tool("replay", path, "--json", "--comm", "churn-server")
    kept = [line for line in trace.out.splitlines(True) if b'"comm":"churn-server"' in line]
    equal(done.stdout, b"".join(kept), "the replay of one process")


# Filters

def slow_connect(a, b, meanwhile=lambda: None):
    """A connection whose first SYN is lost: it takes a second. (client, server)"""
    listener = nt.listen(b, b.addr4)
    undrop = b.drop("--syn", "--dport", str(nt.port_of(listener)))
    c = nt.client(a, b.addr4)
    c.setblocking(False)
    c.connect_ex((b.addr4, nt.port_of(listener)))
    meanwhile()
    undrop()
    s, _ = listener.accept()
    listener.close()
    check(select.select([], [c], [], nt.PATIENCE)[1], "the handshake is complete")
    c.setblocking(True)
    return c, s


def test_filters():
    b, a = nt.pair()
    server, client = Peer(b, "server"), Peer(a, "client")
    listener = server.listen(b.addr4)
    port = server.name(listener)
    filters = {
        "all": [],
        "handshake": ["--filter", "old_state SYN_SENT and new_state ESTABLISHED"],
        "slow": ["--filter", "old_state SYN_SENT and duration > 900ms"],
        "duration": ["--filter", "duration > 900ms"],
        "pid": ["--pid", client.pid],
        "server": ["--comm", "server"],
        "lport": ["-L", port],
        "rport": ["-D", port],
        "both": ["-L", port, "-D", port],
        "address": ["--filter", "skaddr != 0"],
        "closed": ["--filter", "new_state CLOSE and not old_state LISTEN"],
        "cpu": ["--filter", f"cpu_pid = {client.pid} and new_state SYN_SENT"],
        "none": ["--filter", "old_state TIME_WAIT or new_state NEW_SYN_RECV"],
    }
    traces = Trace.several(filters, "--json", "--stats", spaces=(a, b))
    slow = slow_connect(a, b)
    slow_port = nt.port_of(slow[0])
    slow[0].close()
    nt.end_of(slow[1])
    slow[1].close()
    own = session(server, listener, client, b.addr4)
    nt.quiet(a, b)
    rows = {name: trace.stop().rows() for name, trace in traces.items()}

    def these(wanted):
        return [step(row) for row in rows["all"] if wanted(row)]

    def step(row):
        return row["skaddr"], row["old_state"], row["new_state"], row["lport"], row["rport"]

    equal(len(rows["all"]), 22, "rows without a filter")
    handshake = lambda r: (r["old_state"], r["new_state"]) == ("SYN_SENT", "ESTABLISHED")
    equal(sorted(r["lport"] for r in rows["handshake"]), sorted([slow_port, own]), "handshakes")
    (row,) = rows["slow"]
    equal((row["lport"], row["new_state"]), (slow_port, "ESTABLISHED"), "the slow one")
    check(0.9e9 < row["duration_ns"] < nt.PATIENCE * 1e9, f"it takes a second: {row}")
    expected = {
        "handshake": handshake,
        "address": lambda r: True,
        "pid": lambda r: r["pid"] == client.pid,
        "server": lambda r: r["comm"] == "server",
        "lport": lambda r: r["lport"] == port,
        "rport": lambda r: r["rport"] == port,
        "both": lambda r: False,
        "closed": lambda r: r["new_state"] == "CLOSE" and r["old_state"] != "LISTEN",
        "cpu": lambda r: r["new_state"] == "SYN_SENT" and r["cpu_pid"] == client.pid,
        "none": lambda r: False,
    }
    for name, wanted in expected.items():
        equal([step(row) for row in rows[name]], these(wanted), f"rows of {filters[name]}")
    equal([len(rows[name]) for name in ("pid", "server", "lport", "rport", "closed", "cpu")],
          [5, 5, 5, 5, 4, 1], "how many they are")
    # two runs of a tool see two durations of the same state
    check(step(row) in [step(r) for r in rows["duration"]], f"the slow one: {rows['duration']}")
    check(all(r["duration_ns"] > 900e6 for r in rows["duration"]), f"slow ones: {rows['duration']}")


def test_filters_refused():
    for words in (["--filter", "old_state SYNSENT"], ["--filter", "new_state > CLOSE"],
                  ["--filter", "tx_bytes > 1"], ["-L", "80x"], ["-D", ""]):
        done = nt.tool("tcpstates", *words)
        equal((done.returncode, done.stdout), (2, b""), f"exit status and stdout of {words}")


# The systemd journal

class Journal:
    """A journald of our own. What the test starts from now on sees it instead of the host's."""

    def __init__(self, read=True):
        empty_run_systemd()
        os.mkdir("/run/systemd/journal")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("/run/systemd/journal/socket")
        self.entries, self.wrong = [], []
        self.stopped = False
        self.thread = threading.Thread(target=self._read)
        if read:
            self.thread.start()
            nt.at_end(self.stop)

    def _read(self):
        while not self.stopped or select.select([self.socket], [], [], 0)[0]:
            if select.select([self.socket], [], [], 0.05)[0]:
                self._take(self.socket.recv(65536))

    def _take(self, data):
        """The native protocol, for values without line feeds: NAME=VALUE\n."""
        lines = data.decode().split("\n")
        entry = dict(line.split("=", 1) for line in lines if "=" in line)
        if lines.pop() or len(entry) != len(lines):
            self.wrong.append(data)
        self.entries.append(entry)

    def stop(self):
        self.stopped = True
        if self.thread.is_alive():
            self.thread.join()
        return self


def empty_run_systemd():
    """For this test and its children only."""
    if not os.path.isdir("/run/systemd"):
        os.mkdir("/run/systemd")
        nt.at_end(os.rmdir, "/run/systemd")
    nt.private_mounts()
    nt.mount("none", "/run/systemd", "tmpfs")
    nt.at_end(nt.libc.umount2, b"/run/systemd", 2)


def check_entries(journal, rows):
    equal(journal.stop().wrong, [], "datagrams that are no entries")
    equal(len(journal.entries), len(rows), "one entry a row")
    for entry, row in zip(journal.entries, rows):
        family = f"OBJECT_IPV{row['ip']}"
        ports = {side: "-" if row[side] is None else str(row[side]) for side in ("lport", "rport")}
        message = (f"{row['cpu_comm']} {row['laddr']} {ports['lport']} → {row['raddr']} "
                   f"{ports['rport']} {row['old_state']} → {row['new_state']}")
        wanted = {
            "SYSLOG_IDENTIFIER": "tcpstates", "PRIORITY": "5",
            "_SOURCE_REALTIME_TIMESTAMP": str(ns(row["time"]) // 1000),
            "OBJECT_PID": str(row["cpu_pid"]), "OBJECT_COMM": row["cpu_comm"],
            f"{family}_SOURCE_ADDRESS": row["laddr"],
            "OBJECT_TCP_SOURCE_PORT": ports["lport"],
            f"{family}_DESTINATION_ADDRESS": row["raddr"],
            "OBJECT_TCP_DESTINATION_PORT": ports["rport"],
            "OBJECT_TCP_OLD_STATE": row["old_state"], "OBJECT_TCP_NEW_STATE": row["new_state"],
            "OBJECT_TCP_SPAN_TIME": str((row["duration_ns"] or 0) // 1000), "MESSAGE": message,
        }
        # what nobody knows is left out
        if row["duration_ns"] is None:
            del wanted["OBJECT_TCP_SPAN_TIME"]
        if row["rport"] is None:
            del wanted["OBJECT_TCP_DESTINATION_PORT"]
        equal(entry, wanted, f"the entry of {row}")


def test_journal():
    journal = Journal()
    b, a = nt.pair()
    server, client = Peer(b, "server"), Peer(a, "client")
    trace = Trace("--json", "-Y", spaces=(a, b))
    for addr in (b.addr4, b.addr6):
        listener = server.listen(addr)
        session(server, listener, client, addr)
        server.close(listener)
    slow = slow_connect(a, b)
    for sock in slow:
        sock.close()
    nt.quiet(a, b)
    rows = trace.stop().rows()
    equal(len(rows), 36, "rows")
    equal({row["ip"] for row in rows}, {4, 6}, "IP versions")
    check_entries(journal, rows)
    spans = [int(entry["OBJECT_TCP_SPAN_TIME"]) for entry in journal.entries]
    check(0.9e6 < max(spans) < nt.PATIENCE * 1e6, f"the slow handshake in µs: {spans}")


def test_journal_forms():
    """With every form of output, and with the filters."""
    journal = Journal()
    space = nt.Space()
    server, client = Peer(space, "server"), Peer(space, "client")
    listener = server.listen("127.0.0.1")
    port = server.name(listener)
    traces = [Trace(option, "--journal", "-D", port, spaces=[space])
              for option in ("-T", "-s", "--json")]
    session(server, listener, client)
    nt.quiet(space)
    for trace in traces:
        trace.stop()
    rows = traces[2].rows()
    equal((len(traces[0].table()[1]), len(traces[1].csv()), len(rows)), (5, 5, 5), "rows")
    equal((journal.stop().wrong, len(journal.entries)), ([], 15), "entries")
    equal(sorted(entry["MESSAGE"].split(" ", 1)[1] for entry in journal.entries)[::3],
          sorted(f"127.0.0.1 {r['lport']} → 127.0.0.1 {port} {r['old_state']} → {r['new_state']}"
                 for r in rows), "messages, each three times")


def test_journal_comm():
    """A name with line feeds makes no fields."""
    journal = Journal()
    space = nt.Space()
    server, client = Peer(space, "server"), Peer(space, b"a\nPRIORITY=0\n")
    listener = server.listen("127.0.0.1")
    trace = Trace("--json", "-Y", "--rport", server.name(listener), spaces=[space])
    session(server, listener, client)
    nt.quiet(space)
    rows = trace.stop().rows()
    equal(rows[0]["cpu_comm"], "a\nPRIORITY=0\n", "the name in JSON")
    equal((journal.stop().wrong, len(journal.entries)), ([], len(rows)), "entries")
    equal((journal.entries[0]["OBJECT_COMM"], {e["PRIORITY"] for e in journal.entries}),
          (r"a\x0aPRIORITY=0\x0a", {"5"}), "the name and the priorities")


def test_journal_unknown():
    """A duration that nobody knows is no number."""
    journal = Journal()
    space = nt.Space()
    c, s = nt.joined(space, space, "127.0.0.1")
    trace = Trace("--json", "-Y", spaces=[space])
    c.close()
    nt.end_of(s)
    s.close()
    nt.quiet(space)
    rows = trace.stop().rows()
    equal([row["duration_ns"] for row in rows].count(None), 2, "rows without a duration")
    check_entries(journal, rows)


def test_journal_missing():
    empty_run_systemd()
    for args in (["-Y"], ["--journal", "--json"]):
        done = nt.tool("tcpstates", *args)
        equal((done.returncode, done.stdout), (1, b""), f"exit status and stdout of {args}")
        text = done.stderr.decode()
        check(re.fullmatch(r"[^\n]*/run/systemd/journal/socket[^\n]*\n", text),
              f"one sentence: {text!r}")


def test_journal_goes():
    """The rows go on when nobody takes the entries any more."""
    journal = Journal()
    space = nt.Space()
    trace = Trace("--json", "--stats", "-Y", spaces=[space])
    report = churn(space, 10)
    trace.wait_rows(102)
    nt.wait_for(lambda: len(journal.entries) == 102, "the entries")
    journal.stop().socket.close()
    os.unlink("/run/systemd/journal/socket")
    churn(space, 10)
    nt.quiet(space)
    trace.stop()
    equal(len(trace.rows()), 204, "rows")
    check_churn(trace.rows()[:102], report)


def test_journal_anew():
    """A journald that is started anew is found again, by a run that has given its privileges away."""
    journal = Journal()
    space = nt.Space()
    trace = Trace("--json", "-Y", spaces=[space])
    churn(space, 1)
    nt.wait_for(lambda: len(journal.entries) >= 10, "the entries")
    journal.stop().socket.close()
    os.unlink("/run/systemd/journal/socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as anew:
        anew.bind("/run/systemd/journal/socket")
        anew.settimeout(nt.PATIENCE)
        churn(space, 1)
        for _ in range(10):
            check(b"MESSAGE=" in anew.recv(65536), "an entry")
    trace.stop()


def test_journal_blocked():
    """A journald that reads nothing does not keep the tool from ending."""
    journal = Journal(read=False)
    space = nt.Space()
    trace = Trace("--json", "-Y", spaces=[space])
    churn(space, 100)  # more than a socket's queue takes
    nt.quiet(space)
    time.sleep(0.5)  # it is in the middle of it
    trace.process.send_signal(signal.SIGTERM)
    try:
        trace.process.wait(nt.PATIENCE / 10)
    except subprocess.TimeoutExpired:
        raise nt.Fail("SIGTERM does not end a tool whose journal is blocked") from None
    journal.socket.close()


def test_journal_replayed():
    journal = Journal()
    space = nt.Space()
    path = os.path.join(nt.temp_dir(), "states.nt")
    trace = Trace("--json", "--record", path, spaces=[space])
    churn(space, 3)
    nt.quiet(space)
    rows = trace.stop().rows()
    equal(journal.entries, [], "entries without -Y")
    done = nt.tool("replay", path, "-Y", "--json")
    equal((done.returncode, done.stdout), (0, trace.out), "exit status and rows of replay")
    check_entries(journal, rows)
