# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""tcpaccept: every accepted connection once, by whom, from where, and what still waits."""
import contextlib
import ctypes
import errno
import json
import os
import re
import socket
import threading

import nt
from nt import Curl, Peer, check, equal

NAMES = ("tool time pid tid comm uid cgroup netns owner ip laddr lport raddr rport "
         "backlog backlog_max").split()
HEADING = "PID COMM IP RADDR RPORT LADDR LPORT".split()


class Trace(nt.Trace):
    def __init__(self, *args, tool="tcpaccept", **more):
        super().__init__(*args, tool=tool, **more)


@contextlib.contextmanager
def traced(*spaces, args=()):
    trace = Trace("--json", "--stats", *args, spaces=spaces)
    yield trace
    trace.stop()


def ends(row):
    return row["raddr"], row["rport"], row["laddr"], row["lport"], row["ip"]


def accepted(listener):
    """accept(), and what the row of it must say: (remote, local, backlog)."""
    sock, _ = listener.accept()
    nt.at_end(sock.close)
    raddr, rport = sock.getpeername()[:2]
    laddr, lport = sock.getsockname()[:2]
    ip = 6 if ":" in raddr.removeprefix("::ffff:") else 4
    return (raddr.removeprefix("::ffff:"), rport, laddr.removeprefix("::ffff:"), lport, ip)


def listen(space, addr, protocol=0, backlog=128):
    with space:
        sock = nt.stream(addr, protocol)
    sock.bind((addr, 0))
    sock.listen(backlog)
    nt.at_end(sock.close)
    return sock


def connect(space, addr, port, protocol=0):
    with space:
        sock = nt.stream(addr, protocol)
    sock.connect((addr, port))
    nt.at_end(sock.close)
    return sock


def sees_listener():
    """Whether the queue is known also of an accept() that waited when the tool started."""
    done = nt.tool("tcpaccept", "--explain")
    found = re.search(rb"accept: (tcpaccept_\w+)", done.stdout)
    check(found, f"--explain says how accept() is seen: {done.stdout} {done.stderr}")
    return found[1] == b"tcpaccept_exit_tp"


# Scene 5: ssh and http, and an accept() that was already waiting

def test_scene5():
    b, a = nt.pair()
    sshd, ssh = Peer(b, "sshd"), Peer(a, "ssh")
    listener = sshd.listen(b.addr4, 22)
    sshd.tell("accept_blocking", listener)
    nt.wait_in_accept(sshd.pid)
    server = nt.http_server(b, 8000, {"file": 100})
    traces = Trace.several({"json": ["--json"], "table": [], "-P": ["-P", "8000", "--json"],
                            "-p": ["-p", sshd.pid, "--json"]}, spaces=(a, b))
    c = ssh.connect(b.addr4, 22)
    sshd.answer()
    curl = Curl(a, f"http://{b.addr4}:8000/file")
    equal(curl.http_code, 200, f"curl's answer ({curl.stderr})")
    for trace in traces.values():
        trace.stop()

    equal(len(traces["json"].rows()), 2, "rows")
    row = traces["json"].row(lport=22)
    equal((row["pid"], row["comm"], row["owner"]), (sshd.pid, "sshd", "accept"), "who waited")
    equal(ends(row), (a.addr4, ssh.name(c), b.addr4, 22, 4), "ends of the one that waited")
    row = traces["json"].row(lport=8000)
    equal((row["pid"], row["comm"], row["owner"]), (server.pid, "python3", "accept"), "server")
    equal(ends(row), (a.addr4, curl.local_port, b.addr4, 8000, 4), "ends of curl's connection")
    equal((row["netns"], row["uid"]), (b.inode, 0), "namespace and user")
    equal([r["lport"] for r in traces["-P"].rows()], [8000], "rows of -P 8000")
    equal([r["lport"] for r in traces["-p"].rows()], [22], "rows of -p")
    heading, lines = traces["table"].table()
    equal(heading, HEADING, "heading")
    equal([(line["PID"], line["COMM"], line["IP"], line["RADDR"], line["LADDR"], line["LPORT"])
           for line in lines],
          [(str(sshd.pid), "sshd", "4", a.addr4, b.addr4, "22"),
           (str(server.pid), "python3", "4", a.addr4, b.addr4, "8000")], "lines")


def check_waiting(addr, protocol=0):
    """Three threads that wait already: each gets its row, and what they accept later too."""
    space = nt.Space()
    listener = listen(space, addr, protocol, 7)
    listener.settimeout(None)
    truth = {}
    ids = []

    def wait():
        ids.append(threading.get_native_id())
        for _ in range(2):
            want = accepted(listener)
            truth[want[1]] = (threading.get_native_id(), want)

    threads = [threading.Thread(target=wait, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    nt.wait_for(lambda: len(ids) == 3, "three threads")
    for tid in ids:
        nt.wait_in_accept(os.getpid(), tid)
    known = sees_listener()
    with traced(space) as trace:
        for count in range(1, 7):
            connect(space, addr, nt.port_of(listener), protocol)
            nt.wait_for(lambda: len(truth) == count, f"accept() number {count}")
        for thread in threads:
            thread.join()
    rows = {row["rport"]: row for row in trace.rows()}
    equal(len(trace.rows()), 6, "rows")
    equal({port: (row["tid"], ends(row)) for port, row in rows.items()}, truth, "rows")
    equal({(row["pid"], row["owner"]) for row in rows.values()}, {(os.getpid(), "accept")},
          "the process")
    backlogs = [(row["backlog"], row["backlog_max"]) for row in trace.rows()]
    equal(sorted(backlogs, key=str), sorted([(0, 7) if known else (None, None)] * 3 + [(0, 7)] * 3,
                                            key=str), "backlogs; of those that waited, if known")


def test_waiting():
    check_waiting("127.0.0.1")


def test_waiting_ipv6():
    check_waiting("::1")


def test_waiting_mptcp():
    nt.needs_mptcp()
    check_waiting("127.0.0.1", nt.IPPROTO_MPTCP)


# Whose

def fork_acceptors(listener, processes, threads, quota):
    """Processes whose threads accept `quota` connections each: [(pid, pipe)]."""
    children = []
    for number in range(processes):
        read, write = os.pipe()
        pid = os.fork()
        if not pid:
            nt.die_with_parent()
            nt.set_comm(f"worker{number}")
            truth = []

            def work():
                for _ in range(quota):
                    sock, peer = listener.accept()
                    truth.append((peer[1], os.getpid(), threading.get_native_id()))
                    sock.close()

            team = [threading.Thread(target=work) for _ in range(threads)]
            for thread in team:
                thread.start()
            for thread in team:
                thread.join()
            with open(write, "w") as pipe:
                json.dump(truth, pipe)
            os._exit(0)
        os.close(write)
        children.append((pid, open(read)))
    return children


def test_attribution():
    """Many at once from a queue that processes share: who really got it is named."""
    space = nt.Space()
    quota = nt.scaled(125, 50)
    total = 4 * 2 * quota
    listener = listen(space, "127.0.0.1", backlog=1024)
    listener.settimeout(None)
    with traced(space) as trace:
        children = fork_acceptors(listener, 4, 2, quota)

        def come(first):
            for port in range(first, 20000 + total, 4):
                with space:
                    sock = nt.stream("")
                sock.bind(("127.0.0.1", port))
                sock.connect(("127.0.0.1", nt.port_of(listener)))
                sock.close()

        clients = [threading.Thread(target=come, args=(20000 + i,)) for i in range(4)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        truth = []
        for pid, pipe in children:
            truth += json.load(pipe)
            os.waitpid(pid, 0)
    equal(len(truth), total, "accepted")
    rows = trace.rows()
    got = [(row["rport"], row["pid"], row["tid"]) for row in rows]
    want = {tuple(t) for t in truth}
    equal((want - set(got), set(got) - want, len(got)), (set(), set(), total),
          f"port, process and thread: not told, told instead, how many (of {trace.stats()})")
    names = {pid: f"worker{i}" for i, (pid, _) in enumerate(children)}
    equal({(row["pid"], row["comm"]) for row in rows}, set(names.items()), "names")


def test_owner():
    """Another user, another cgroup; the namespace is the socket's, not the process's."""
    b = nt.Space()
    other = nt.Space()
    root = nt.cgroup2_root()
    path = nt.make_cgroup(root, f"nt{os.getpid()}accept")
    server = Peer(b, "server", uid=nt.NOBODY, cgroup=path)
    client = Peer(b, "client")
    listener = server.listen("127.0.0.1")
    with traced(b, other, args=["--cgroup", path]) as trace:
        mine = listen(other, "127.0.0.1")
        connect(other, "127.0.0.1", nt.port_of(mine))
        mine.accept()
        c = client.connect("127.0.0.1", server.name(listener))
        server.accept(listener)
    equal(len(trace.rows()), 1, "rows of the cgroup")
    row = trace.row(rport=client.name(c))
    equal((row["pid"], row["comm"], row["uid"], row["cgroup"], row["netns"]),
          (server.pid, "server", nt.NOBODY, "/" + os.path.relpath(path, root), b.inode), "owner")
    with traced(b, other) as trace:
        connect(other, "127.0.0.1", nt.port_of(mine))
        mine.accept()
    equal([(row["pid"], row["netns"]) for row in trace.rows()], [(os.getpid(), other.inode)],
          "a socket of another namespace")


# Values

def test_backlog():
    """What still waits, by the listener's own account."""
    space = nt.Space()
    with open("/proc/sys/net/core/somaxconn") as file:
        most = int(file.read())
    truth = []
    with traced(space) as trace:
        for backlog, limit in ((7, 7), (0, 0), (most + 1000, most)):
            listener = listen(space, "127.0.0.1", backlog=backlog)
            count = min(limit + 1, 6)  # one more than the limit fits
            for _ in range(count):
                connect(space, "127.0.0.1", nt.port_of(listener))
            nt.wait_for(lambda: nt.tcp_info(listener)["unacked"] == count, "a queue")
            for _ in range(count):
                want = accepted(listener)
                info = nt.tcp_info(listener)
                truth.append((want, info["unacked"], info["sacked"]))
            equal(info["sacked"], limit, "the limit in TCP_INFO")
    equal([(ends(row), row["backlog"], row["backlog_max"]) for row in trace.rows()], truth,
          "ends, backlog and limit")
    equal([want[1] for want in truth[:6]], [5, 4, 3, 2, 1, 0], "how a queue gets empty")


def check_path(addr, target, ip):
    b, a = nt.pair()
    listener = listen(b, addr(b))
    with traced(a, b) as trace:
        connect(a, target(b), nt.port_of(listener))
        want = accepted(listener)
    equal([ends(row) for row in trace.rows()], [want], "ends")
    mine = (a.addr4, b.addr4) if ip == 4 else (a.addr6, b.addr6)
    equal((want[0], want[2], want[4]), (*mine, ip), "addresses")


def test_ipv4():
    check_path(lambda b: b.addr4, lambda b: b.addr4, 4)


def test_ipv6():
    check_path(lambda b: b.addr6, lambda b: b.addr6, 6)


def test_mapped():
    """An IPv4 client of an IPv6 listener."""
    check_path(lambda b: "::", lambda b: b.addr4, 4)


def test_mptcp():
    """One row, of MPTCP and of a client that speaks only TCP."""
    nt.needs_mptcp()
    space = nt.Space()
    truth = []
    with traced(space) as trace:
        for addr in ("127.0.0.1", "::1"):
            listener = listen(space, addr, nt.IPPROTO_MPTCP, 9)
            for protocol in (nt.IPPROTO_MPTCP, 0):
                connect(space, addr, nt.port_of(listener), protocol)
                connect(space, addr, nt.port_of(listener), protocol)
                for backlog in (1, 0):
                    truth.append((accepted(listener), backlog, 9))
    equal([(ends(row), row["backlog"], row["backlog_max"]) for row in trace.rows()], truth,
          "ends, backlog and limit")


def test_reset_before_accept():
    """The peer has gone when it is accepted: its port is known all the same."""
    space = nt.Space()
    listener = listen(space, "127.0.0.1")
    with traced(space) as trace:
        c = connect(space, "127.0.0.1", nt.port_of(listener))
        port = nt.port_of(c)
        nt.reset(c)
        nt.wait_for(lambda: all(s[0] == nt.LISTEN for s in nt.sockets(space)), "the reset")
        listener.accept()
    equal([ends(row) for row in trace.rows()],
          [("127.0.0.1", port, "127.0.0.1", nt.port_of(listener), 4)], "ends")


# What is a row, and what is none

def test_calls():
    """accept() and accept4(), blocking or not; what fails is no row."""
    space = nt.Space()
    listener = listen(space, "127.0.0.1")
    port = nt.port_of(listener)
    unix = socket.socket(socket.AF_UNIX)
    unix.bind("\0nt-accept-%d" % os.getpid())
    unix.listen()
    plain = nt.stream("")
    calls = {
        "accept": lambda fd: nt.libc.accept(fd, None, None),
        "accept4": lambda fd: nt.libc.accept4(fd, None, None, os.O_NONBLOCK),
    }

    def refused(call, fd, want):
        equal((call(fd), ctypes.get_errno()), (-1, want), "a call that fails")

    ports = []
    with traced(space) as trace:
        for call in calls.values():
            listener.setblocking(False)
            refused(call, listener.fileno(), errno.EAGAIN)
            refused(call, plain.fileno(), errno.EINVAL)
            refused(call, 1 << 20, errno.EBADF)
            client = socket.socket(socket.AF_UNIX)
            client.connect(unix.getsockname())
            os.close(call(unix.fileno()))
            for blocking in (False, True):
                listener.setblocking(blocking)
                ports.append(nt.port_of(connect(space, "127.0.0.1", port)))
                fd = call(listener.fileno())
                check(fd >= 0, f"accepted: {os.strerror(ctypes.get_errno())}")
                os.close(fd)
    equal([row["rport"] for row in trace.rows()], ports, "rows")


def test_own_ports():
    """-P means the local port, --port either."""
    space = nt.Space()
    traces = Trace.several({"-P": ["-P", "7001"], "--port": ["--port", "7001"], "-6": ["-6"],
                            "--lport": ["--lport", "7002"]}, "--json", spaces=[space])
    first, second = nt.listen(space, "127.0.0.1", 7001), nt.listen(space, "127.0.0.1", 7002)
    c1 = nt.connect(space, "127.0.0.1", 7001)
    first.accept()
    first.close()
    own = nt.port_of(c1)
    with space:
        c2 = nt.stream("")
    c2.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    c2.bind(("127.0.0.1", 7001))
    c2.connect(("127.0.0.1", 7002))
    second.accept()
    want = {"-P": [(own, 7001)], "--port": [(own, 7001), (7001, 7002)], "-6": [],
            "--lport": [(7001, 7002)]}
    for args, trace in traces.items():
        equal([(row["rport"], row["lport"]) for row in trace.stop().rows()], want[args], args)


# Formats

def test_formats():
    space = nt.Space()
    options = ("", "-T", "-t", "-T -t", "--time --timestamp", "--csv", "--json")
    traces = Trace.several({args: args.split() for args in options}, spaces=[space])
    listener = listen(space, "127.0.0.1", backlog=3)
    connect(space, "127.0.0.1", nt.port_of(listener))
    raddr, rport, laddr, lport, _ = accepted(listener)
    headings = {"": HEADING, "-T": ["TIME", *HEADING], "-t": ["TIME(s)", *HEADING],
                "-T -t": ["TIME", "TIME(s)", *HEADING],
                "--time --timestamp": ["TIME", "TIME(s)", *HEADING]}
    for args, want in headings.items():
        heading, (line,) = traces[args].stop().table()
        equal(heading, want, f"heading of {args}")
        equal([line[name] for name in HEADING if name != "COMM"],
              [str(os.getpid()), "4", raddr, str(rport), laddr, str(lport)], f"line of {args}")
        check(re.fullmatch(r"0\.000000", line.get("TIME(s)", "0.000000")), f"time of {line}")
        check(re.fullmatch(r"\d\d:\d\d:\d\d", line.get("TIME", "00:00:00")), f"time of {line}")
    (row,) = traces["--json"].stop().rows()
    (record,) = traces["--csv"].stop().csv()
    equal(list(row), NAMES, "JSON's keys")
    equal(list(record), NAMES, "CSV's heading")
    equal((row["backlog"], row["backlog_max"], row["pid"], row["rport"]),
          (0, 3, os.getpid(), rport), "JSON's values")
    for name in set(NAMES) - {"time"}:
        equal(record[name], "" if row[name] is None else str(row[name]), f"{name} in CSV")


# Together with tools that keep the map of sockets

def check_merged(tools, count):
    space = nt.Space()
    server, client = Peer(space, "server"), Peer(space, "client")
    old = server.listen("127.0.0.1")
    c_old = client.connect("127.0.0.1", server.name(old))
    s_old = server.accept(old)
    trace = Trace("--json", "--stats", tool=tools, spaces=[space])
    c = client.connect("127.0.0.1", server.name(old))
    own = client.name(c)
    s = server.accept(old)
    for fd in (s_old, s):
        server.close(fd)
    for fd in (c_old, c):
        client.end(fd)
        client.close(fd)
    nt.quiet(space)
    trace.stop()
    row = trace.row(tool="tcpaccept")
    equal((row["pid"], row["rport"]), (server.pid, own), "the one accepted")
    rows = [r for r in trace.rows() if r["tool"] == "tcplife"]
    equal(len(rows), count, "sessions")
    equal({r["pid"] for r in rows if r["lport"] == server.name(old)}, {server.pid}, "the server")
    equal({r["pid"] for r in rows if r["rport"] == server.name(old)}, {client.pid}, "the client")


def test_merged():
    check_merged("tcpaccept,tcplife", 4)


def test_merged_behind():
    check_merged("tcplife,tcpaccept", 4)


def test_merged_three():
    check_merged("tcpaccept,tcpstates,tcplife", 4)


def test_merged_cgroup():
    """One map of cgroups for all: the first tool's."""
    space = nt.Space()
    path = nt.make_cgroup(nt.cgroup2_root(), f"nt{os.getpid()}merged")
    inside, outside = Peer(space, "inside", cgroup=path), Peer(space, "outside")
    trace = Trace("--json", "--cgroup", path, tool="tcpaccept,tcplife", spaces=[space])
    for server, client in ((inside, outside), (outside, inside)):
        listener = server.listen("127.0.0.1")
        c = client.connect("127.0.0.1", server.name(listener))
        s = server.accept(listener)
        client.close(c)
        server.end(s)
        server.close(s)
    nt.quiet(space)
    equal([(row["tool"], row["comm"]) for row in trace.stop().rows()],
          [("tcpaccept", "inside"), ("tcplife", "inside"), ("tcplife", "inside")], "rows")
