# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""solisten: every listen() once, with what was asked for and what came of it."""
import contextlib
import ctypes
import errno
import os
import re
import socket
import threading

import nt
from nt import Peer, check, equal

NAMES = "tool time pid tid comm uid cgroup netns owner ip laddr lport proto backlog ret".split()
HEADING = "PID COMM PROTO BACKLOG PORT ADDR RET".split()


class Trace(nt.Trace):
    def __init__(self, *args, tool="solisten", **more):
        super().__init__(*args, tool=tool, **more)


@contextlib.contextmanager
def traced(*spaces, args=()):
    trace = Trace("--json", "--stats", *args, spaces=spaces)
    yield trace
    trace.stop()


def values(trace):
    return [(row["proto"], row["laddr"], row["lport"], row["backlog"], row["ret"])
            for row in trace.rows()]


def bound(space, addr, port=0, protocol=0):
    """A socket that does not listen yet; `port` None: not bound either."""
    with space:
        sock = nt.stream(addr, protocol)
    if port is not None:
        sock.bind((addr, port))
    nt.at_end(sock.close)
    return sock


def refused(fd, backlog, want):
    """listen() as the C library has it: Python makes 0 of what is below it."""
    equal((nt.libc.listen(fd, backlog), ctypes.get_errno()), (-1, want), "a listen() that fails")


def in_use(space):
    """Two sockets of one address, which only one may listen at: (the other, port)."""
    first, second = bound(space, "127.0.0.1", None), bound(space, "127.0.0.1", None)
    for sock in (first, second):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", nt.port_of(first) if sock is second else 0))
    first.listen(1)
    return second, nt.port_of(first)


# Scene 14: TCP, IPv6, MPTCP, and one that fails

def test_scene14():
    space = nt.Space()
    second, port = in_use(space)
    server = Peer(space, "server")
    with traced(space) as trace:
        theirs = server.listen("127.0.0.1", 8000)
        six = bound(space, "::1")
        six.listen(6)
        refused(second.fileno(), 5, errno.EADDRINUSE)
    equal(values(trace), [("TCPv4", "127.0.0.1", server.name(theirs), 128, 0),
                          ("TCPv6", "::1", nt.port_of(six), 6, 0),
                          ("TCPv4", "127.0.0.1", port, 5, -errno.EADDRINUSE)], "rows")
    rows = trace.rows()
    equal([(row["pid"], row["comm"], row["owner"], row["netns"], row["ip"]) for row in rows],
          [(server.pid, "server", "listen", space.inode, 4),
           (os.getpid(), rows[1]["comm"], "listen", space.inode, 6),
           (os.getpid(), rows[2]["comm"], "listen", space.inode, 4)], "whose")
    equal(nt.tcp_info(six)["sacked"], 6, "the kernel's own account")


def test_mptcp():
    """One row a call, whatever the kernel calls within it."""
    nt.needs_mptcp()
    space = nt.Space()
    want = []
    with traced(space) as trace:
        for addr, proto in (("127.0.0.1", "MPTCPv4"), ("::1", "MPTCPv6")):
            sock = bound(space, addr, 0, nt.IPPROTO_MPTCP)
            for backlog in (5, 9):
                sock.listen(backlog)
                want.append((proto, addr, nt.port_of(sock), backlog, 0))
        sock = bound(space, "", None, nt.IPPROTO_MPTCP)
        sock.listen(3)
        want.append(("MPTCPv4", "0.0.0.0", nt.port_of(sock), 3, 0))
        client = bound(space, "", None, nt.IPPROTO_MPTCP)
        client.connect(("127.0.0.1", nt.port_of(sock)))
        refused(client.fileno(), 4, errno.EINVAL)
        want.append(("MPTCPv4", "127.0.0.1", nt.port_of(client), 4, -errno.EINVAL))
    equal(values(trace), want, "rows")


def test_http_server():
    space = nt.Space()
    with traced(space) as trace:
        server = nt.http_server(space, 8000)
    row = trace.row(lport=8000)
    equal(len(trace.rows()), 1, "rows")
    equal((row["pid"], row["comm"], row["backlog"], row["ret"], row["laddr"]),
          (server.pid, "python3", 5, 0, "0.0.0.0"), "python3 -m http.server")


# Values

def test_backlog():
    """The argument as the kernel takes it, also of a socket that listens already."""
    space = nt.Space()
    with open("/proc/sys/net/core/somaxconn") as file:
        most = int(file.read())
    sock = bound(space, "127.0.0.1")
    asked = {0: 0, 1: 1, 511: 511, most: most, most + 1: most, 1 << 30: most, -1: most}
    truth = []
    with traced(space) as trace:
        for backlog in asked:
            equal(nt.libc.listen(sock.fileno(), backlog), 0, f"listen({backlog})")
            truth.append(nt.tcp_info(sock)["sacked"])
    equal(truth, list(asked.values()), "the kernel's own account")
    equal([row["backlog"] for row in trace.rows()], truth, "backlogs")
    equal({(row["lport"], row["ret"]) for row in trace.rows()}, {(nt.port_of(sock), 0)},
          "port and result")


def test_addresses():
    space = nt.Space()
    sockets = {
        "any": (bound(space, "0.0.0.0"), "TCPv4", "0.0.0.0", 4),
        "any6": (bound(space, "::"), "TCPv6", "::", 6),
        "mapped": (bound(space, "::ffff:127.0.0.1"), "TCPv6", "127.0.0.1", 4),
        "unbound": (bound(space, "", None), "TCPv4", "0.0.0.0", 4),
        "unbound6": (bound(space, ":", None), "TCPv6", "::", 6),
    }
    four = Trace("--json", "-4", spaces=[space])
    six = Trace("--json", "-6", spaces=[space])
    with traced(space) as trace:
        for sock, *_ in sockets.values():
            sock.listen(2)
    want = [(proto, addr, nt.port_of(sock), ip) for sock, proto, addr, ip in sockets.values()]
    got = [[(row["proto"], row["laddr"], row["lport"], row["ip"]) for row in t.rows()]
           for t in (trace, four.stop(), six.stop())]
    equal(got, [want, [w for w in want if w[3] == 4], [w for w in want if w[3] == 6]],
          "rows; with -4; with -6")
    check(all(w[2] for w in want), f"the port that listen() chose: {want}")


def test_failures():
    """What TCP refuses is a row; what is no TCP socket is none."""
    space = nt.Space()
    listener = bound(space, "127.0.0.1")
    listener.listen(1)
    client = bound(space, "", None)
    client.connect(listener.getsockname())
    second, port = in_use(space)
    with space:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    unix = socket.socket(socket.AF_UNIX)
    unix.bind("\0nt-listen-%d" % os.getpid())
    with traced(space) as trace:
        refused(client.fileno(), 7, errno.EINVAL)
        refused(second.fileno(), 8, errno.EADDRINUSE)
        refused(udp.fileno(), 9, errno.EOPNOTSUPP)
        refused(1 << 20, 9, errno.EBADF)
        with open("/dev/null") as file:
            refused(file.fileno(), 9, errno.ENOTSOCK)
        unix.listen(9)
    equal(values(trace), [("TCPv4", "127.0.0.1", nt.port_of(client), 7, -errno.EINVAL),
                          ("TCPv4", "127.0.0.1", port, 8, -errno.EADDRINUSE)], "rows")


def test_owner():
    """A thread, another user; the namespace is the socket's, not the process's."""
    a, b = nt.Space(), nt.Space()
    server = Peer(a, "server", uid=nt.NOBODY)
    sock = bound(b, "127.0.0.1")
    ids = []

    def work():
        ids.append(threading.get_native_id())
        sock.listen(1)

    with traced(a, b) as trace:
        server.listen("127.0.0.1")
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    equal([(row["pid"], row["tid"], row["uid"], row["netns"]) for row in trace.rows()],
          [(server.pid, server.pid, nt.NOBODY, a.inode), (os.getpid(), ids[0], 0, b.inode)],
          "process, thread, user and namespace")


# Options

def test_options():
    a, b = nt.Space(), nt.Space()
    one, two = Peer(a, "one"), Peer(b, "two")
    spaces = ["--netns", f"{a.inode},{b.inode}"]
    options = {
        "": spaces, "-p": [*spaces, "-p", one.pid], "-n": ["-n", b.inode],
        "--show-netns": [*spaces, "--show-netns"], "-t": [*spaces, "-t"],
        "-t --show-netns": [*spaces, "--timestamp", "--show-netns"],
        "failed": [*spaces, "--filter", "ret != 0"],
        "port": [*spaces, "--port", "8001"], "addr": [*spaces, "--addr", "0.0.0.0"],
    }
    traces = Trace.several(options)
    one.listen("127.0.0.1", 8001)
    two.listen("127.0.0.1", 8002)
    lines = {}
    for args, trace in traces.items():
        heading, lines[args] = trace.stop().table()
        want = list(HEADING)
        if "netns" in args:
            want.insert(2, "NETNS")
        if "-t" in args:
            want.insert(0, "TIME")
        equal(heading, want, f"heading of '{args}'")
    both = [("8001", "one", str(one.pid)), ("8002", "two", str(two.pid))]
    wanted = {"-p": both[:1], "-n": both[1:], "failed": [], "port": both[:1], "addr": []}
    for args, found in lines.items():
        equal([(line["PORT"], line["COMM"], line["PID"]) for line in found],
              wanted.get(args, both), f"lines of '{args}'")
    equal([line["NETNS"] for line in lines["--show-netns"]], [str(a.inode), str(b.inode)], "NETNS")
    check(all(re.fullmatch(r"\d\d:\d\d:\d\d", line["TIME"]) for line in lines["-t"]), "TIME")
    equal([(line["PROTO"], line["BACKLOG"], line["ADDR"], line["RET"]) for line in lines[""]],
          [("TCPv4", "128", "127.0.0.1", "0")] * 2, "the other columns")


def test_formats():
    space = nt.Space()
    second, port = in_use(space)
    traces = Trace.several({"--csv": ["--csv"], "--json": ["--json"]}, spaces=[space])
    refused(second.fileno(), 5, errno.EADDRINUSE)
    (row,) = traces["--json"].stop().rows()
    (record,) = traces["--csv"].stop().csv()
    equal(list(row), NAMES, "JSON's keys")
    equal(list(record), NAMES, "CSV's heading")
    equal((row["lport"], row["ret"]), (port, -errno.EADDRINUSE), "JSON's values")
    for name in set(NAMES) - {"time"}:
        equal(record[name], str(row[name]), f"{name} in CSV")


def test_remote_end():
    """There is none, so nothing can be asked of it."""
    for args in (["--rport", "80"], ["--raddr", "127.0.0.1"], ["--filter", "rport 80"]):
        done = nt.tool("solisten", *args)
        equal(done.returncode, 2, f"exit status of {args}")
        check(b"solisten has no" in done.stderr, f"why {args} is refused: {done.stderr}")


# Together

def test_merged():
    """With tools that see the same socket; none of them disturbs the others."""
    space = nt.Space()
    server, client = Peer(space, "server"), Peer(space, "client")
    trace = Trace("--json", "--stats", tool="solisten,tcpaccept,tcplife", spaces=[space])
    listener = server.listen("127.0.0.1")
    c = client.connect("127.0.0.1", server.name(listener))
    s = server.accept(listener)
    client.close(c)
    server.end(s)
    server.close(s)
    nt.quiet(space)
    trace.stop()
    equal([row["tool"] for row in trace.rows()], ["solisten", "tcpaccept", "tcplife", "tcplife"],
          "tools")
    port = server.name(listener)
    equal({(row["pid"], row["comm"]) for row in trace.rows() if row["lport"] == port},
          {(server.pid, "server")}, "the server's rows")
