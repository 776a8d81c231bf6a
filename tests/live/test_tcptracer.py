# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""tcptracer: every connection made, accepted and closed once, by whom and when."""
import contextlib
import errno
import os
import re
import select
import signal
import socket
import struct
import subprocess

import bpf
import nt
from nt import Curl, Peer, check, equal

NAMES = "tool time pid tid comm uid cgroup netns owner ip laddr lport raddr rport type".split()
HEADING = "T PID COMM IP SADDR DADDR SPORT DPORT".split()
LONG = "TYPE PID COMM IP SADDR DADDR SPORT DPORT NETNS".split()
SYN_SENT, CLOSE = 2, 7


class Trace(nt.Trace):
    def __init__(self, *args, tool="tcptracer", **more):
        super().__init__(*args, tool=tool, **more)


@contextlib.contextmanager
def traced(*spaces, args=()):
    trace = Trace("--json", "--stats", *args, spaces=spaces)
    yield trace
    nt.quiet(*spaces)
    trace.stop()


def sees_calls():
    """Whether close() itself is seen, not only the FIN or reset that it sends."""
    done = nt.tool("tcptracer", "--explain")
    found = re.search(rb"connect and close: (\w+)", done.stdout)
    check(found, f"--explain says how a close is seen: {done.stdout} {done.stderr}")
    return found[1] == b"tcptracer_state"


def events(rows, lport=None):
    """(type, pid) in their order, of the socket with this port."""
    return [(row["type"], row["pid"]) for row in rows if lport in (None, row["lport"])]


def session(server, listener, client, addr="127.0.0.1", port=None):
    """The client closes first. Returns its port."""
    c = client.connect(addr, port or server.name(listener))
    own = client.name(c)
    s = server.accept(listener)
    client.close(c)
    server.end(s)
    server.close(s)
    return own


def pending(space, addr, port):
    sock = nt.client(space, addr)
    sock.setblocking(False)
    equal(sock.connect_ex((addr, port)), errno.EINPROGRESS, "connect() that waits")
    return sock


def unspec(sock):
    """connect() to AF_UNSPEC, which Python does not know."""
    nt.libc.connect(sock.fileno(), struct.pack("H14x", socket.AF_UNSPEC), 16)


def syn_sent(space, port):
    return any(state == SYN_SENT and remote == port for state, _, remote in nt.sockets(space))


# Scene 3

def check_scene3(a, b):
    server = nt.http_server(b, 8000, {"file": 100})
    commands = {"": [], "-v": ["-v"], "--verbose -t": ["--verbose", "-t"],
                "-t -p": ["-t", "-p", server.pid], "--json": ["--json"]}
    traces = Trace.several(commands, spaces={a, b})
    curl = Curl(a, f"http://{b.addr4}:8000/file")
    equal(curl.http_code, 200, f"curl's answer ({curl.stderr})")
    nt.quiet(a, b)
    for trace in traces.values():
        trace.stop()

    rows = traces["--json"].rows()
    equal([list(row) for row in rows], [NAMES] * 4, "JSON's keys")
    equal(events(rows, 8000), [("accept", server.pid), ("close", server.pid)], "the server's rows")
    equal(events(rows, curl.local_port), [("connect", curl.pid), ("close", curl.pid)], "curl's rows")
    equal(rows[0]["type"], "connect", "what came first")
    for row in rows:
        mine = row["lport"] == curl.local_port
        ends = (a.addr4, curl.local_port, b.addr4, 8000)
        equal((row["laddr"], row["lport"], row["raddr"], row["rport"]),
              ends if mine else ends[2:] + ends[:2], "ends")
        equal((row["comm"], row["netns"], row["ip"], row["owner"]),
              ("curl", a.inode, 4, "connect") if mine else ("python3", b.inode, 4, "accept"),
              "name, namespace and owner")

    letters = {"connect": "C", "accept": "A", "close": "X"}
    heading, lines = traces[""].table()
    equal(heading, HEADING, "heading")
    # Two runs may see the two ends close in another order: each CPU sends its own.
    equal(sorted((line["T"], line["PID"], line["COMM"], line["SPORT"], line["DPORT"], line["SADDR"])
                 for line in lines),
          sorted((letters[row["type"]], str(row["pid"]), row["comm"], str(row["lport"]),
                  str(row["rport"]), row["laddr"]) for row in rows), "lines")
    heading, lines = traces["-v"].table()
    equal(heading, LONG, "heading of -v")
    equal(sorted((line["TYPE"], line["PID"], line["NETNS"]) for line in lines),
          sorted((row["type"], str(row["pid"]), str(row["netns"])) for row in rows), "lines of -v")
    heading, lines = traces["--verbose -t"].table()
    equal(heading, ["TIME(ns)", *LONG], "heading of --verbose -t")
    times = [int(line["TIME(ns)"]) for line in lines]
    check(times[0] == 0 and times == sorted(times) and times[3] > 1000, f"whole ns: {times}")
    heading, lines = traces["-t -p"].table()
    equal(heading, ["TIME(s)", *HEADING], "heading of -t")
    equal([line["T"] for line in lines], ["A", "X"], "lines of -p")
    equal(lines[0]["TIME(s)"][:5], "0.000", "time of the first one")
    check(0 < float(lines[1]["TIME(s)"]) < nt.PATIENCE, f"of the second one: {lines}")


def test_scene3_veth():
    b, a = nt.pair()
    check_scene3(a, b)


def test_scene3_loopback():
    space = nt.Space()
    check_scene3(space, space)


# Scene 5: accept() that was already waiting

def test_accept_waiting():
    b, a = nt.pair()
    server, client = Peer(b, "server"), Peer(a, "client")
    listener = server.listen(b.addr4)
    port = server.name(listener)
    server.tell("accept_blocking", listener)
    nt.wait_in_accept(server.pid)
    with traced(a, b) as trace:
        c = client.connect(b.addr4, port)
        own = client.name(c)
        s = server.answer()
        client.close(c)
        server.end(s)
        server.close(s)
    row = trace.row(type="accept")
    equal((row["pid"], row["comm"], row["laddr"], row["lport"], row["raddr"], row["rport"]),
          (server.pid, "server", b.addr4, port, a.addr4, own), "the accept that waited")
    equal(len(trace.rows()), 4, "rows")


# Both ends, by family

def check_family(addr_of, target_of, ip):
    b, a = nt.pair()
    server, client = Peer(b, "server"), Peer(a, "client")
    with traced(a, b) as trace:
        listener = server.listen(addr_of(b))
        port = server.name(listener)
        own = session(server, listener, client, target_of(b), port)
        server.close(listener)
    rows = trace.rows()
    equal(events(rows, own), [("connect", client.pid), ("close", client.pid)], "the client's rows")
    equal(events(rows, port), [("accept", server.pid), ("close", server.pid)], "the server's rows")
    mine, peer = (a.addr4, b.addr4) if ip == 4 else (a.addr6, b.addr6)
    for row in rows:
        ends = (mine, own, peer, port) if row["lport"] == own else (peer, port, mine, own)
        equal((row["ip"], row["laddr"], row["lport"], row["raddr"], row["rport"]), (ip, *ends),
              f"ends of {row}")


def test_ipv4():
    check_family(lambda b: b.addr4, lambda b: b.addr4, 4)


def test_ipv6():
    check_family(lambda b: b.addr6, lambda b: b.addr6, 6)


def test_mapped():
    """AF_INET6 sockets with IPv4-mapped addresses are IPv4."""
    check_family(lambda b: "::", lambda b: f"::ffff:{b.addr4}", 4)


# Closes

def test_before():
    """Open before the trace: only the closes, with their owners."""
    b, a = nt.pair()
    server, client = Peer(b, "old-server"), Peer(a, "old-client")
    listener = server.listen(b.addr4)
    port = server.name(listener)
    c = client.connect(b.addr4, port)
    s = server.accept(listener)
    own = client.name(c)
    with traced(a, b) as trace:
        client.close(c)
        server.end(s)
        server.close(s)
    equal([(row["type"], row["pid"], row["comm"], row["lport"]) for row in trace.rows()],
          [("close", client.pid, "old-client", own), ("close", server.pid, "old-server", port)],
          "rows")


def test_before_reset():
    """Open before the trace, and ended by a reset."""
    b, a = nt.pair()
    server, client = Peer(b, "old-server"), Peer(a, "old-client")
    listener = server.listen(b.addr4)
    port = server.name(listener)
    c = client.connect(b.addr4, port)
    s = server.accept(listener)
    own = client.name(c)
    with traced(a, b) as trace:
        client.reset(c)
        nt.quiet(a, b)
        server.close(s)
    equal(sorted(events(trace.rows())), sorted([("close", client.pid), ("close", server.pid)]),
          "rows")
    equal({row["lport"] for row in trace.rows()}, {own, port}, "both ends")


def test_shutdown():
    """shutdown() and close() are one close."""
    b, a = nt.pair()
    with traced(a, b) as trace:
        c, s = nt.joined(b, a, b.addr4)
        own, port = nt.port_of(c), nt.port_of(s)
        c.shutdown(socket.SHUT_WR)
        nt.end_of(s)
        c.shutdown(socket.SHUT_RD)
        s.shutdown(socket.SHUT_RDWR)
        nt.wait_for(lambda: nt.tcp_info(c)["state"] == CLOSE, "the other FIN")
        for sock in (c, s):
            sock.close()
    me = os.getpid()
    equal((events(trace.rows(), own), events(trace.rows(), port)),
          ([("connect", me), ("close", me)], [("accept", me), ("close", me)]), "rows")


def test_half_closed():
    """The FIN first, the close() later."""
    b, a = nt.pair()
    trace = Trace("--json", spaces=(a, b))
    c, s = nt.joined(b, a, b.addr4)
    own, port = nt.port_of(c), nt.port_of(s)
    c.shutdown(socket.SHUT_WR)
    nt.end_of(s)
    s.close()
    nt.end_of(c)
    c.close()
    nt.quiet(a, b)
    rows = trace.stop().rows()
    closes = [row["lport"] for row in rows if row["type"] == "close"]
    order = [port, own] if sees_calls() else [own, port]
    equal((len(rows), closes), (4, order), "rows, and who closes first")


def test_reset():
    """The peer's reset ends it; the close() that follows is the same close."""
    b, a = nt.pair()
    with traced(a, b) as trace:
        c, s = nt.joined(b, a, b.addr4)
        own, port = nt.port_of(c), nt.port_of(s)
        nt.reset(c)
        nt.wait_for(lambda: nt.tcp_info(s)["state"] == CLOSE, "the reset to arrive")
        s.close()
    me = os.getpid()
    equal((events(trace.rows(), own), events(trace.rows(), port)),
          ([("connect", me), ("close", me)], [("accept", me), ("close", me)]), "rows")


def test_unread():
    """close() with data that nobody has read sends a reset instead of a FIN."""
    b, a = nt.pair()
    with traced(a, b) as trace:
        c, s = nt.joined(b, a, b.addr4)
        own, port = nt.port_of(c), nt.port_of(s)
        c.sendall(b"unread")
        nt.wait_for(lambda: not nt.tcp_info(c)["unacked"], "the data to arrive")
        s.close()
        nt.wait_for(lambda: nt.tcp_info(c)["state"] == CLOSE, "the reset to arrive")
        c.close()
    me = os.getpid()
    equal((events(trace.rows(), own), events(trace.rows(), port)),
          ([("connect", me), ("close", me)], [("accept", me), ("close", me)]), "rows")


def test_holders():
    """Several descriptors, several processes: the last one closes, and who connected is named."""
    b, a = nt.pair()
    listener = nt.listen(b, b.addr4)
    client = Peer(a, "client")
    with traced(a, b) as trace:
        c = client.connect(b.addr4, nt.port_of(listener))
        own = client.name(c)
        s, _ = listener.accept()
        sitter = client.fork_holder(c)
        again = s.dup()
        s.close()
        trace.wait_rows(2)
        equal([row["type"] for row in trace.rows()], ["connect", "accept"], "rows so far")
        os.kill(sitter, signal.SIGKILL)
        nt.end_of(again)
        again.close()
        listener.close()
    equal(events(trace.rows(), own), [("connect", client.pid), ("close", client.pid)],
          "the client's rows")
    equal(len(trace.rows()), 4, "rows")


def test_killed():
    """Who dies closes."""
    b, a = nt.pair()
    server, client = Peer(b, "server"), Peer(a, "client")
    listener = server.listen(b.addr4)
    with traced(a, b) as trace:
        c = client.connect(b.addr4, server.name(listener))
        own = client.name(c)
        s = server.accept(listener)
        pids = client.pid, server.pid
        client.kill()
        server.end(s)
        server.kill()
    rows = trace.rows()
    equal(events(rows, own), [("connect", pids[0]), ("close", pids[0])], "the client's rows")
    equal([row["comm"] for row in rows if row["type"] == "close"], ["client", "server"], "closes")
    equal(len(rows), 4, "rows")


def test_child():
    """Who accepted is the owner, whoever uses and closes it then."""
    b, a = nt.pair()
    server, client = Peer(b, "server"), Peer(a, "client")
    listener = server.listen(b.addr4)
    port = server.name(listener)
    with traced(a, b) as trace:
        server.tell("serve_by_child", listener, 10)
        c = client.connect(b.addr4, port)
        client.send(c, 10)
        client.recv(c, 10)
        client.end(c)
        client.close(c)
        check(server.answer() != server.pid, "a child serves")
    equal(events(trace.rows(), port), [("accept", server.pid), ("close", server.pid)],
          "the server's rows")


def test_disconnect():
    """connect() to nobody closes; the socket may connect again."""
    b, a = nt.pair()
    listener = nt.listen(b, b.addr4)
    with traced(a, b) as trace:
        sock = nt.client(a, b.addr4)
        for _ in range(2):
            sock.connect((b.addr4, nt.port_of(listener)))
            s, _ = listener.accept()
            unspec(sock)
            s.close()
        sock.close()
        listener.close()
    ours = [row["type"] for row in trace.rows() if row["laddr"] == a.addr4]
    theirs = [row["type"] for row in trace.rows() if row["laddr"] == b.addr4]
    equal((ours, theirs), (["connect", "close"] * 2, ["accept", "close"] * 2), "rows")


# What is no connection

def test_nothing():
    """Listeners, sockets that never connect, connects that fail."""
    b, a = nt.pair()
    listener = nt.listen(b, b.addr4)
    port = nt.port_of(listener)
    six = nt.listen(b, "::")
    with traced(a, b) as trace:
        listener.close()
        six.close()
        nt.client(a, b.addr4).close()
        unused = nt.listen(b, b.addr4)
        unused.shutdown(socket.SHUT_RDWR)
        unused.close()
        sock = nt.client(a, b.addr4)
        sock.settimeout(None)
        for _ in range(2):
            equal(sock.connect_ex((b.addr4, port)), errno.ECONNREFUSED, "connect()")
        sock.close()
        sock = nt.client(a, b.addr4)
        sock.setblocking(False)
        sock.connect_ex((b.addr4, port))
        select.select([], [sock], [], nt.PATIENCE)
        sock.close()  # nobody has asked for the error
        b.drop()
        pending(a, b.addr4, port).close()
        nt.reset(pending(a, b.addr4, port))
        a.sysctl("ipv4/tcp_syn_retries", "1")
        for wait in (True, False):
            sock = pending(a, b.addr4, port)
            select.select([], [sock], [], nt.PATIENCE)
            if wait:
                equal(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), errno.ETIMEDOUT, "error")
            sock.close()
    equal(trace.rows(), [], "rows")


def test_never_accepted():
    """The client has its rows, the server has none."""
    b, a = nt.pair()
    listener = nt.listen(b, b.addr4)
    with traced(a, b) as trace:
        c = nt.connect(a, b.addr4, nt.port_of(listener))
        own = nt.port_of(c)
        d = nt.connect(a, b.addr4, nt.port_of(listener))
        nt.reset(d)
        listener.close()
        c.close()
    me = os.getpid()
    equal(events(trace.rows(), own), [("connect", me), ("close", me)], "the client's rows")
    equal({row["laddr"] for row in trace.rows()}, {a.addr4}, "rows of the client only")
    equal(len(trace.rows()), 4, "rows")


def test_accepted_late():
    """Accepted after its peer has gone: A and X all the same."""
    b, a = nt.pair()
    listener = nt.listen(b, b.addr4)
    with traced(a, b) as trace:
        nt.connect(a, b.addr4, nt.port_of(listener)).close()
        s, _ = listener.accept()
        nt.end_of(s)
        s.close()
        listener.close()
    port = [row["lport"] for row in trace.rows() if row["type"] == "accept"][0]
    equal([kind for kind, _ in events(trace.rows(), port)], ["accept", "close"], "server's rows")
    equal(len(trace.rows()), 4, "rows")


# How connections come about

def test_pending_before():
    """connect() that waited when the trace began."""
    b, a = nt.pair()
    server, client = Peer(b, "server"), Peer(a, "old-client")
    listener = server.listen(b.addr4)
    undrop = b.drop()
    client.tell("connect", b.addr4, server.name(listener))
    nt.wait_for(lambda: syn_sent(a, server.name(listener)), "the SYN")
    with traced(a, b) as trace:
        undrop()
        c = client.answer()
        s = server.accept(listener)
        own = client.name(c)
        client.close(c)
        server.end(s)
        server.close(s)
    equal(events(trace.rows(), own), [("connect", client.pid), ("close", client.pid)],
          "the client's rows")
    row = trace.row(type="connect")
    equal((row["comm"], row["owner"]), ("old-client", "snapshot"), "its owner")
    equal(len(trace.rows()), 4, "rows")


def test_simultaneous():
    """Both ends connect at once: two connects, no accept."""
    b, a = nt.pair()
    with traced(a, b) as trace:
        undrop = a.drop()
        socks = []
        for space, own, peer, port in ((b, 7001, a, 7002), (a, 7002, b, 7001)):
            sock = nt.client(space, space.addr4)
            sock.bind((space.addr4, own))
            sock.setblocking(False)
            sock.connect_ex((peer.addr4, port))
            socks.append(sock)
        undrop()
        for sock in socks:
            check(select.select([], [sock], [], nt.PATIENCE)[1], "the handshake is complete")
            sock.setblocking(True)
        socks[0].close()
        nt.end_of(socks[1])
        socks[1].close()
    me = os.getpid()
    equal((events(trace.rows(), 7001), events(trace.rows(), 7002)),
          ([("connect", me), ("close", me)],) * 2, "rows")


def test_syn_cookies():
    b, a = nt.pair()
    b.sysctl("ipv4/tcp_syncookies", "2")
    server, client = Peer(b, "server"), Peer(a, "client")
    listener = server.listen(b.addr4)
    port = server.name(listener)
    with traced(a, b) as trace:
        own = session(server, listener, client, b.addr4)
    equal((events(trace.rows(), own), events(trace.rows(), port)),
          ([("connect", client.pid), ("close", client.pid)],
           [("accept", server.pid), ("close", server.pid)]), "rows")


def test_fast_open():
    """The child is accepted when its SYN has come."""
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
        listener.close()
    for number in own:
        equal([kind for kind, _ in events(trace.rows(), number)], ["connect", "close"], "client's")
    equal([kind for kind, _ in events(trace.rows(), port)], ["accept", "close"] * 2, "server's")


def mptcp(space):
    try:
        with space:
            return socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
    except OSError as error:
        raise nt.Skip(f"MPTCP: {error}") from None


def test_mptcp():
    """What programs do with it: its first subflow is the connection."""
    space = nt.Space()
    server, client = mptcp(space), mptcp(space)
    server.bind(("127.0.0.1", 0))
    server.listen()
    port = nt.port_of(server)
    with traced(space) as trace:
        client.connect(("127.0.0.1", port))
        own = nt.port_of(client)
        s, _ = server.accept()
        client.sendall(b"hello")
        nt.recv_exactly(s, 5)
        client.close()
        nt.end_of(s)
        s.close()
        nt.quiet(space)  # a worker may close the subflow, whose owner is then the listener's
        server.close()
    me = os.getpid()
    equal((events(trace.rows(), own), events(trace.rows(), port)),
          ([("connect", me), ("close", me)], [("accept", me), ("close", me)]), "rows")


def test_mptcp_fallback():
    """To a peer that does not speak it: plain TCP."""
    space = nt.Space()
    listener = nt.listen(space, "127.0.0.1")
    client = mptcp(space)
    with traced(space) as trace:
        client.connect(("127.0.0.1", nt.port_of(listener)))
        own, port = nt.port_of(client), nt.port_of(listener)
        s, _ = listener.accept()
        client.close()
        nt.end_of(s)
        s.close()
        listener.close()
    me = os.getpid()
    equal((events(trace.rows(), own), events(trace.rows(), port)),
          ([("connect", me), ("close", me)], [("accept", me), ("close", me)]), "rows")


def test_thread():
    """Threads of both sides, and a user."""
    b, a = nt.pair()
    server, client = Peer(b, "server", uid=nt.NOBODY), Peer(a, "client")
    listener = server.listen(b.addr4)
    with traced(a, b) as trace:
        c, tid = client.connect_in_thread(b.addr4, server.name(listener))
        s = server.accept(listener)
        client.close(c)
        server.end(s)
        server.close(s)
    row = trace.row(type="connect")
    equal((row["pid"], row["tid"], row["uid"]), (client.pid, tid, 0), "who connected")
    row = trace.row(type="accept")
    equal((row["pid"], row["tid"], row["uid"]), (server.pid, server.pid, nt.NOBODY), "who accepted")


# Many

def check_churn(rows, report):
    found = {}
    for row in rows:
        found.setdefault((row["lport"], row["rport"]), []).append(row)
    equal(len(rows), 4 * len(report["truth"]), "rows")
    for line in report["truth"]:
        ports = line["client_port"], line["server_port"]
        # the same ports may come again, in the order of time
        ours, theirs = (found.get(key, [])[:2] for key in (ports, ports[::-1]))
        for key in (ports, ports[::-1]):
            del found[key][:2]
        equal([(row["type"], row["pid"], row["comm"]) for row in ours],
              [(kind, report["client_pid"], "churn-client") for kind in ("connect", "close")],
              f"the client's rows of {line}")
        equal([(row["type"], row["pid"], row["comm"]) for row in theirs],
              [(kind, report["server_pid"], "churn-server") for kind in ("accept", "close")],
              f"the server's rows of {line}")
        equal((ours[0]["owner"], theirs[0]["owner"]), ("connect", "accept"), "how they were found")


def forgotten(trace, before):
    # the host may open a few meanwhile
    nt.wait_for(lambda: nt.bpf_map_keys(trace, "nt_socks") <= before + 32,
                f"closed sockets to leave nt_socks; {before} were known before")


def test_attribution():
    space = nt.Space()
    trace = Trace("--json", "--stats", spaces=[space])
    before = nt.bpf_map_keys(trace, "nt_socks")
    report = nt.churn(space, "-n", nt.scaled(1000, 200), "--processes", "--close", "half",
                      "--truth")
    nt.quiet(space)
    forgotten(trace, before)
    stats = trace.stop().stats()
    equal((stats["lost_buffer"], stats["lost_map"]), (0, 0), "losses")
    check_churn(trace.rows(), report)
    equal(stats["sent"], len(trace.rows()), "events sent")


def test_attribution_nginx():
    b, a = nt.pair()
    worker = nt.nginx(b, b.addr4, 8000, {"file": 1000})
    trace = Trace("--json", spaces=(a, b))
    count = nt.scaled(100, 30)
    ab = nt.start("ab", "-q", "-n", count, "-c", 6, f"http://{b.addr4}:8000/file", space=a,
                  stdout=subprocess.PIPE, text=True)
    out, _ = ab.communicate()
    equal(ab.returncode, 0, f"ab's exit status ({out})")
    nt.quiet(a, b)
    rows = trace.stop().rows()
    theirs = [row for row in rows if row["lport"] == 8000]
    ours = [row for row in rows if row["rport"] == 8000]
    # ab may open a few more than it needs
    check(count <= len(ours) // 2 <= count + 6, f"rows of ab: {len(ours)}")
    equal({(row["pid"], row["comm"]) for row in ours}, {(ab.pid, "ab")}, "owners of ab's rows")
    equal({(row["pid"], row["comm"]) for row in theirs}, {(worker, "nginx")}, "of nginx's rows")
    for rows, opened in ((ours, "connect"), (theirs, "accept")):
        kinds = [row["type"] for row in rows]
        equal(kinds.count("close"), kinds.count(opened), f"closes and {opened}s")


def test_failed_leak_nothing():
    b, a = nt.pair()
    listener = nt.listen(b, b.addr4)
    port = nt.port_of(listener)
    listener.close()
    trace = Trace("--json", "--stats", spaces=(a, b))
    before = nt.bpf_map_keys(trace, "nt_socks")
    for _ in range(300):
        with contextlib.suppress(ConnectionRefusedError):
            nt.connect(a, b.addr4, port).close()
    b.drop()
    for sock in [pending(a, b.addr4, port) for _ in range(300)]:
        sock.close()
    nt.quiet(a)
    forgotten(trace, before)
    equal(trace.stop().rows(), [], "rows")


def test_many_open():
    """More sockets than there is room for: that is counted, and no close comes twice."""
    space = nt.Space()
    listener = nt.listen(space, "127.0.0.1")
    trace = Trace("--json", "--stats", "--sockets", 16, spaces=[space])
    held = [nt.joined(space, space, "127.0.0.1", listener) for _ in range(50)]
    for c, s in held:
        c.close()
        nt.end_of(s)
        s.close()
    listener.close()
    nt.quiet(space)
    stats = trace.stop().stats()
    check(stats["lost_map"] > 0 and "--sockets" in trace.stderr,
          f"16 places are not enough for 100 sockets: {stats} {trace.stderr}")
    kinds = [row["type"] for row in trace.rows()]
    equal([kinds.count(kind) for kind in ("connect", "accept", "close")], [50, 50, 100], "rows")


# Output and filters

def test_table():
    b, a = nt.pair()
    server, client = Peer(b, "server", uid=nt.NOBODY), Peer(a, "client")
    listener = server.listen(b.addr6)
    headings = {"": HEADING, "-t": ["TIME(s)", *HEADING], "-U": ["UID", *HEADING],
                "-t -U": ["TIME(s)", "UID", *HEADING], "--print-uid": ["UID", *HEADING],
                "--timestamp": ["TIME(s)", *HEADING], "-v": LONG, "--verbose": LONG,
                "-v -U": ["UID", *LONG], "-v -t -U": ["TIME(ns)", "UID", *LONG],
                "--columns +tid": [*HEADING, "TID"], "-v --columns -pid": [LONG[0], *LONG[2:]]}
    traces = Trace.several({args: args.split() for args in headings}, spaces=(a, b))
    own = session(server, listener, client, b.addr6)
    nt.quiet(a, b)
    for args, trace in traces.items():
        heading, lines = trace.stop().table()
        equal(heading, headings[args], f"heading of '{args}'")
        equal([line.get("T", line.get("TYPE")) for line in lines],
              ["connect", "accept", "close", "close"] if "-v" in args else list("CAXX"),
              f"lines of '{args}'")
        for line in lines:
            mine = line["SPORT"] == str(own)
            equal((line.get("PID", "?"), line["IP"], line["SADDR"], line.get("UID", "?")),
                  (str((client if mine else server).pid) if "PID" in heading else "?", "6",
                   (a if mine else b).addr6,
                   ("0" if mine else str(nt.NOBODY)) if "UID" in heading else "?"),
                  f"line of '{args}'")


def test_csv():
    space = nt.Space()
    server, client = Peer(space, "server"), Peer(space, "client")
    listener = server.listen("127.0.0.1")
    traces = Trace.several({"--csv": ["--csv"], "-v": ["--csv", "-v"], "--json": ["--json"]},
                           spaces=[space])
    session(server, listener, client)
    nt.quiet(space)
    rows = traces["--json"].stop().rows()
    for option in ("--csv", "-v"):
        records = traces[option].stop().csv()
        equal(list(records[0]), NAMES, f"heading of {option}")
        equal([(r["type"], r["pid"], r["lport"]) for r in records],
              [(r["type"], str(r["pid"]), str(r["lport"])) for r in rows], "values")


def test_filters():
    b, a = nt.pair()
    server, client = Peer(b, "server", uid=nt.NOBODY), Peer(a, "client")
    four, six = server.listen(b.addr4), server.listen(b.addr6)
    port = server.name(four)
    commands = {
        "all": [], "-p": ["-p", client.pid], "-u": ["-u", nt.NOBODY], "--uid": ["--uid", "root"],
        "-4": ["-4"], "-6": ["--ipv6"], "--lport": ["--lport", port], "--comm": ["--comm", "server"],
        "connects": ["--filter", "type connect"], "closes": ["--filter", "type close and port "
                                                            f"{port}"],
        "not": ["--filter", "type != close and pid " + str(server.pid)],
        "none": ["--filter", "type accept and comm client"],
    }
    commands = nt.some(commands)
    traces = Trace.several(commands, "--json", spaces=(a, b))
    netns = Trace("--json", "-N", b.inode)
    for listener, addr in ((four, b.addr4), (six, b.addr6)):
        session(server, listener, client, addr)
    nt.quiet(a, b)
    ours = ["connect", "close"]
    theirs = ["accept", "close"]
    wanted = {"all": 2 * (ours + theirs), "-p": 2 * ours, "-u": 2 * theirs, "--uid": 2 * ours,
              "-4": ours + theirs, "-6": ours + theirs, "--lport": theirs, "--comm": 2 * theirs,
              "connects": ["connect"] * 2, "closes": ["close"] * 2, "not": ["accept"] * 2,
              "none": []}
    for key, trace in traces.items():
        equal(sorted(row["type"] for row in trace.stop().rows()), sorted(wanted[key]),
              f"rows of {commands[key]}")
    equal([row["type"] for row in netns.stop().rows()], 2 * theirs, "rows of -N")


def test_refused_words():
    for words in (["--filter", "type open"], ["--filter", "type > close"], ["-N", ""], ["-p", "x"],
                  ["-u", "no-such-user"], ["5"], ["--filter", "tx_bytes > 1"]):
        done = nt.tool("tcptracer", *words)
        equal((done.returncode, done.stdout), (2, b""), f"exit status and stdout of {words}")


# Maps that somebody else keeps

def bpffs():
    path = nt.temp_dir()
    nt.private_mounts()
    nt.mount("none", path, "bpf")
    nt.at_end(nt.libc.umount2, path.encode(), 2)
    return path


def check_map(trace, chosen, sides, listener_of):
    """Rows of whoever is in the map; what is in it may change while the tool runs."""
    server, one, two = sides
    listener = server.listen("127.0.0.1")
    wanted = []
    for members in ([one], [two], [one, two], []):
        for client in (one, two):
            (chosen.add if client in members else chosen.discard)(client)
        for client in (one, two):
            session(server, listener, client)
        wanted += [("connect", c.pid) for c in members] + [("close", c.pid) for c in members]
        nt.quiet(listener_of)
    server.close(listener)
    stats = trace.stop().stats()
    equal(sorted(events(trace.rows())), sorted(wanted), "rows")
    check(stats["filtered"] >= 4 * 2 * 4 - len(wanted), f"rows that were filtered: {stats}")


class Chosen:
    """Peers whose cgroup or mount namespace is in the map."""

    def __init__(self, path, value_size, key_of):
        self.map = bpf.Pinned(path, value_size)
        self.key_of = key_of

    def add(self, peer):
        self.map.add(self.key_of(peer))

    def discard(self, peer):
        with contextlib.suppress(OSError):
            self.map.remove(self.key_of(peer))


def test_cgroupmap():
    root = nt.cgroup2_root()
    groups = [nt.make_cgroup(root, f"nt{os.getpid()}-{i}") for i in range(2)]
    path = os.path.join(bpffs(), "cgroups")
    space = nt.Space()
    clients = [Peer(space, f"client-{i}", cgroup=groups[i]) for i in range(2)]
    keys = {client.pid: nt.inode(group) for client, group in zip(clients, groups)}
    chosen = Chosen(path, 8, lambda peer: keys[peer.pid])
    trace = Trace("--json", "--stats", "--cgroupmap", path, spaces=[space])
    check_map(trace, chosen, [Peer(space, "server"), *clients], space)
    for client in clients:
        client.kill()


def test_mntnsmap():
    path = os.path.join(bpffs(), "namespaces")
    space = nt.Space()
    clients = [Peer(space, f"client-{i}", before=nt.private_mounts) for i in range(2)]
    chosen = Chosen(path, 4, lambda peer: peer.mntns())
    trace = Trace("--json", "--stats", "--mntnsmap", path, spaces=[space])
    check_map(trace, chosen, [Peer(space, "server"), *clients], space)


def test_both_maps():
    """Both must have the owner."""
    place = bpffs()
    space = nt.Space()
    here = bpf.Pinned(f"{place}/namespaces", 4)
    here.add(nt.inode("/proc/self/ns/mnt"))
    nowhere = bpf.Pinned(f"{place}/cgroups", 8)
    nowhere.add(1 << 40)
    arguments = {"M": ["--mntnsmap", f"{place}/namespaces"],
                 "CM": ["-C", f"{place}/cgroups", "-M", f"{place}/namespaces"],
                 "M and a filter": ["-M", f"{place}/namespaces", "--filter", "type close"]}
    traces = Trace.several(arguments, "--json", spaces=[space])
    c, s = nt.joined(space, space, "127.0.0.1")
    c.close()
    nt.end_of(s)
    s.close()
    nt.quiet(space)
    equal([len(traces[key].stop().rows()) for key in arguments], [4, 0, 2], "rows")


def test_maps_refused():
    place = bpffs()
    bpf.Pinned(f"{place}/values", 16)
    bpf.Pinned(f"{place}/array", 8, kind=2, key_size=4)
    for option in ("--cgroupmap", "--mntnsmap"):
        for path in (f"{place}/none", f"{place}/values", f"{place}/array", "/etc/passwd"):
            done = nt.tool("tcptracer", option, path)
            equal((done.returncode, done.stdout), (2, b""), f"exit status of {option} {path}")
            text = done.stderr.decode()
            check(re.fullmatch(r"[^\n]*\n", text) and option in text and f"'{path}'" in text,
                  f"one sentence: {text!r}")


# Several tools at once

def check_merged(tool):
    space = nt.Space()
    trace = Trace("--json", "--stats", tool=tool, spaces=[space])
    before = nt.bpf_map_keys(trace, "nt_socks")
    report = nt.churn(space, "-n", nt.scaled(300, 50), "--processes", "--truth")
    nt.quiet(space)
    forgotten(trace, before)
    stats = trace.stop().stats()
    equal((stats["lost_buffer"], stats["lost_map"]), (0, 0), "losses")
    check_churn([row for row in trace.rows() if row["tool"] == "tcptracer"], report)
    life = [row for row in trace.rows() if row["tool"] == "tcplife"]
    equal(len(life), 2 * len(report["truth"]), "rows of tcplife")
    for row in life:
        server = row["lport"] in {line["server_port"] for line in report["truth"]}
        equal(row["pid"], report["server_pid" if server else "client_pid"], "tcplife's owners")


def test_merged():
    check_merged("tcptracer,tcplife")


def test_merged_other_order():
    check_merged("tcplife,tcptracer")


def test_merged_connlat():
    """A tool that wants to know of connects only does not keep the others from knowing more."""
    check_merged("tcpconnlat,tcptracer,tcplife")


def test_recorded():
    space = nt.Space()
    path = os.path.join(nt.temp_dir(), "connections.nt")
    trace = Trace("--json", "--record", path, spaces=[space])
    nt.churn(space, "-n", 10)
    nt.quiet(space)
    trace.stop()
    equal(len(trace.rows()), 40, "rows")
    done = nt.tool("replay", path, "--json")
    equal((done.returncode, done.stdout), (0, trace.out), "exit status and rows of replay")
    done = nt.tool("replay", path, "--filter", "type accept")
    equal([line.split()[0] for line in done.stdout.splitlines()], [b"T"] + [b"A"] * 10,
          "the table of a replay")
