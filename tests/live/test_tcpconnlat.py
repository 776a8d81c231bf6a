# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""tcpconnlat: how connects end, whose they are, and how long they took by the caller's own clock."""
import contextlib
import errno
import os
import select
import socket
import struct
import threading
import time

import nt
from nt import Curl, Peer, check, equal, near

NAMES = ("tool time pid tid comm uid cgroup netns owner ip laddr lport raddr rport "
         "latency_ns result").split()
HEADING = "PID COMM IP SADDR DADDR DPORT LAT(ms)".split()
SYN_SENT, SYN_RECV, CLOSE = 2, 3, 7


class Trace(nt.Trace):
    def __init__(self, *args, tool="tcpconnlat", **more):
        super().__init__(*args, tool=tool, **more)


@contextlib.contextmanager
def traced(*spaces):
    """A row is there before connect() returns; whether the connection has ended does not matter."""
    trace = Trace("--json", "--stats", spaces=spaces)
    yield trace
    trace.stop()


class Timed:
    """A blocking connect() of this process: its errno (0: none), its ns by our clock, its port."""

    def __init__(self, space, addr, port, sock=None):
        self.sock = sock or nt.client(space, addr)
        self.sock.settimeout(None)
        began = time.monotonic_ns()
        self.errno = self.sock.connect_ex((addr, port))
        self.ns = time.monotonic_ns() - began
        self.port = nt.port_of(self.sock)


def closed_port(space, addr):
    sock = nt.listen(space, addr)
    port = nt.port_of(sock)
    sock.close()
    return port


def states(space, rport):
    return [state for state, _, remote in nt.sockets(space) if remote == rport]


def delayed(a, b, addr, port):
    """A Timed whose first SYN is lost: it takes a second."""
    undrop = b.drop("--syn", "--dport", str(port))
    result = []
    thread = threading.Thread(target=lambda: result.append(Timed(a, addr, port)))
    thread.start()
    nt.wait_for(lambda: SYN_SENT in states(a, port), "the SYN")
    undrop()
    thread.join()
    return result[0]


def check_clock(row, timed):
    check(row["latency_ns"] <= timed.ns, f"not longer than connect() itself, {timed.ns} ns: {row}")
    near(row["latency_ns"], timed.ns, 0.2, "ns by the caller's clock")


# Scene 6

def test_scene6():
    """A server, a closed port, a black hole; by curl."""
    b, a = nt.pair()
    server = nt.http_server(b, 8000, {"file": 100})
    a.sysctl("ipv4/tcp_syn_retries", "1")
    b.drop("--dport", "9")
    table = Trace("-L", spaces=(a, b))
    with traced(a, b) as trace:
        curls = {port: Curl(a, f"http://{b.addr4}:{port}/file") for port in (8000, 12345, 9)}
    equal([curls[port].code for port in (8000, 12345, 9)], [0, 7, 28], "exit codes of curl")
    equal(len(trace.rows()), 3, "rows")
    for port, result in ((8000, "established"), (12345, "refused"), (9, "timeout")):
        row = trace.row(rport=port)
        equal((row["result"], row["pid"], row["comm"], row["owner"], row["laddr"], row["raddr"],
               row["netns"], row["ip"]),
              (result, curls[port].pid, "curl", "connect", a.addr4, b.addr4, a.inode, 4),
              f"row of port {port}")
        check(0 < row["latency_ns"] < curls[port].time_total * 1e9, f"ns: {row} {curls[port]}")
    equal(trace.row(rport=8000)["lport"], curls[8000].local_port, "local port")
    # the SYN and its one repetition, 1 s and 2 s
    near(trace.row(rport=9)["latency_ns"] / 1e9, 3, 0.2, "seconds until the time-out")
    near(trace.row(rport=9)["latency_ns"] / 1e9, curls[9].time_total, 0.2, "curl's own clock")

    heading, lines = table.stop().table()
    equal(heading, "PID COMM IP SADDR LPORT DADDR DPORT LAT(ms)".split(), "heading of -L")
    equal(len(lines), 3, "lines of the table")
    for line in lines:
        row, = [r for r in trace.rows() if str(r["rport"]) == line["DPORT"]]
        equal((line["PID"], line["COMM"], line["IP"], line["SADDR"], line["LPORT"], line["DADDR"]),
              (str(row["pid"]), "curl", "4", a.addr4, str(row["lport"]), b.addr4), "line")
        # another run of the tool, another reading of the clock
        check(0 <= float(line["LAT(ms)"]) < curls[row["rport"]].time_total * 1e3, f"ms: {line}")
    check(server.pid not in {row["pid"] for row in trace.rows()}, "the server connects to nobody")


def test_scene6_clock():
    """Established and refused after a second, by the caller's own clock."""
    b, a = nt.pair()
    listener = nt.listen(b, b.addr4)
    port, closed = nt.port_of(listener), closed_port(b, b.addr4)
    with traced(a, b) as trace:
        good = delayed(a, b, b.addr4, port)
        bad = delayed(a, b, b.addr4, closed)
        good.sock.close()
        listener.close()
    equal((good.errno, bad.errno), (0, errno.ECONNREFUSED), "results of connect()")
    ours, theirs = trace.row(lport=good.port), trace.row(rport=closed)
    equal((ours["result"], theirs["result"]), ("established", "refused"), "results")
    for row, timed in ((ours, good), (theirs, bad)):
        check_clock(row, timed)
        near(row["latency_ns"] / 1e9, 1, 0.2, "a second")
        equal((row["pid"], row["owner"]), (os.getpid(), "connect"), "owner")


def test_scene6_loopback():
    """No second to hide in: between the round trip that the kernel measured and connect()'s time."""
    space = nt.Space()
    listener = nt.listen(space, "127.0.0.1")
    closed = closed_port(space, "127.0.0.1")
    good, bad = [], []
    with traced(space) as trace:
        for _ in range(20):
            good.append(Timed(space, "127.0.0.1", nt.port_of(listener)))
            sock = nt.client(space, "127.0.0.1")
            sock.bind(("127.0.0.1", 0))
            bad.append(Timed(space, "127.0.0.1", closed, sock))
        rtt = [nt.tcp_info(timed.sock)["rtt"] for timed in good]
        for timed in good:
            timed.sock.close()
        listener.close()
    equal(len(trace.rows()), 40, "rows")
    for i in range(20):
        row = trace.row(lport=good[i].port)
        equal(row["result"], "established", "result")
        check(rtt[i] * 1000 <= row["latency_ns"] + 1000 and row["latency_ns"] <= good[i].ns,
              f"ns between the round trip, {rtt[i]} us, and connect(), {good[i].ns} ns: {row}")
        row = trace.row(lport=bad[i].port)
        equal((row["result"], bad[i].errno), ("refused", errno.ECONNREFUSED), "result")
        check(0 < row["latency_ns"] <= bad[i].ns, f"ns within those of connect(): {row}")


# Output

def test_table():
    space = nt.Space()
    listener = nt.listen(space, "127.0.0.1")
    port = nt.port_of(listener)
    headings = {"": HEADING, "-t": ["TIME(s)", *HEADING], "--timestamp": ["TIME(s)", *HEADING],
                "-L": [*HEADING[:4], "LPORT", *HEADING[4:]],
                "-t -L": ["TIME(s)", *HEADING[:4], "LPORT", *HEADING[4:]],
                "--columns +result": [*HEADING, "RESULT"]}
    traces = Trace.several({args: args.split() for args in headings}, spaces=[space])
    made = [Timed(space, "127.0.0.1", port) for _ in range(2)]
    for timed in made:
        timed.sock.close()
    for args, trace in traces.items():
        heading, lines = trace.stop().table()
        equal(heading, headings[args], f"heading of '{args}'")
        equal(len(lines), 2, f"lines of '{args}'")
        for line, timed in zip(lines, made):
            equal((line["PID"], line["DPORT"], line.get("LPORT", str(timed.port)),
                   line.get("RESULT", "established")),
                  (str(os.getpid()), str(port), str(timed.port), "established"), f"line of '{args}'")
            whole, _, decimals = line["LAT(ms)"].partition(".")
            check(whole.isdigit() and decimals.isdigit() and len(decimals) == 2, f"ms: {line}")
        if "TIME(s)" in heading:
            equal(lines[0]["TIME(s)"], "0.000000", "the first row's time")
            check(float(lines[1]["TIME(s)"]) > 0, f"the second one's: {lines}")


def test_csv():
    space = nt.Space()
    listener = nt.listen(space, "127.0.0.1")
    traces = Trace.several({"--csv": ["--csv"], "--json": ["--json"]}, spaces=[space])
    Timed(space, "127.0.0.1", nt.port_of(listener)).sock.close()
    (row,) = traces["--json"].stop().rows()
    (record,) = traces["--csv"].stop().csv()
    equal((list(row), list(record)), (NAMES, NAMES), "JSON's and CSV's names")
    check(record["latency_ns"].isdigit() and record["result"] == "established", f"CSV: {record}")


# Results

def one_result(space, call, result, error, spaces=()):
    """call() makes one connect() and returns its Timed."""
    with traced(space, *spaces) as trace:
        timed = call()
        timed.sock.close()
    (row,) = trace.rows()
    equal((row["result"], timed.errno, row["pid"], row["owner"]),
          (result, error, os.getpid(), "connect"), "result, errno of connect(), owner")
    check(0 < row["latency_ns"] <= timed.ns, f"ns within connect()'s {timed.ns}: {row}")
    return row


def check_both(addr_of, target_of, ip):
    """Established and refused."""
    b, a = nt.pair()
    listener = nt.listen(b, addr_of(b))
    port, closed = nt.port_of(listener), closed_port(b, addr_of(b))
    row = one_result(a, lambda: Timed(a, target_of(b), port), "established", 0)
    mine, peer = (a.addr4, b.addr4) if ip == 4 else (a.addr6, b.addr6)
    equal((row["ip"], row["laddr"], row["raddr"], row["rport"]), (ip, mine, peer, port), "ends")
    row = one_result(a, lambda: Timed(a, target_of(b), closed), "refused", errno.ECONNREFUSED)
    equal((row["ip"], row["laddr"], row["raddr"], row["rport"]), (ip, mine, peer, closed), "ends")
    check(row["lport"] >= 1024, f"the port that the SYN came from: {row}")


def test_ipv4():
    check_both(lambda b: b.addr4, lambda b: b.addr4, 4)


def test_ipv6():
    check_both(lambda b: b.addr6, lambda b: b.addr6, 6)


def test_mapped():
    """AF_INET6 sockets with IPv4-mapped addresses are IPv4."""
    check_both(lambda b: "::", lambda b: f"::ffff:{b.addr4}", 4)


def test_timeout():
    b, a = nt.pair()
    b.drop()
    a.sysctl("ipv4/tcp_syn_retries", "1")
    row = one_result(a, lambda: Timed(a, b.addr4, 9), "timeout", errno.ETIMEDOUT)
    near(row["latency_ns"] / 1e9, 3, 0.2, "seconds of two SYNs")


def test_timeout_polled():
    """Whoever waits for it by poll() takes the error from the socket when it comes."""
    b, a = nt.pair()
    b.drop()
    a.sysctl("ipv4/tcp_syn_retries", "1")
    with traced(a) as trace:
        socks = [nt.client(a, b.addr4) for _ in range(20)]
        poll = select.epoll()
        for sock in socks:
            sock.setblocking(False)
            equal(sock.connect_ex((b.addr4, 9)), errno.EINPROGRESS, "connect()")
            poll.register(sock, select.EPOLLOUT)
        waiting = {sock.fileno(): sock for sock in socks}
        while waiting:
            for fd, _ in poll.poll(nt.PATIENCE):
                sock = waiting.pop(fd)
                error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                equal(error, errno.ETIMEDOUT, "what poll() tells")
                sock.close()
    equal([row["result"] for row in trace.rows()], ["timeout"] * 20, "results")


def router(a, b):
    """b stands between a and 10.200.0.0/16, fd00:200::/32; returns how to route there."""
    for name in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        b.sysctl(name, "1")
    b.sysctl("ipv4/icmp_ratelimit", "0")
    b.sysctl("ipv6/icmp/ratelimit", "0")
    a.ip("route", "add", "10.200.0.0/16", "via", b.addr4)
    a.ip("-6", "route", "add", "fd00:200::/32", "via", b.addr6)


def check_unreachable(addr, route, error):
    b, a = nt.pair()
    router(a, b)
    b.ip("-6" if ":" in addr else "-4", "route", "add", route,
         "fd00:200::/32" if ":" in addr else "10.200.0.0/16")
    row = one_result(a, lambda: Timed(a, addr, 80), "unreachable", error)
    equal((row["raddr"], row["rport"]), (addr, 80), "peer")


def test_unreachable_host():
    check_unreachable("10.200.0.1", "unreachable", errno.EHOSTUNREACH)


def test_unreachable_prohibited():
    check_unreachable("10.200.0.1", "prohibit", errno.EHOSTUNREACH)


def test_unreachable_ipv6():
    check_unreachable("fd00:200::1", "unreachable", errno.ENETUNREACH)


def test_unreachable_prohibited_ipv6():
    check_unreachable("fd00:200::1", "prohibit", errno.EACCES)


def test_unreachable_net():
    """A router without a route."""
    b, a = nt.pair()
    router(a, b)
    one_result(a, lambda: Timed(a, "10.200.0.1", 80), "unreachable", errno.ENETUNREACH)


def test_unreachable_arp():
    """Nobody answers ARP."""
    b, a = nt.pair()
    one_result(a, lambda: Timed(a, "10.199.1.77", 9), "unreachable", errno.EHOSTUNREACH,
               spaces=[b])


def test_unreachable_polled():
    """Whoever waits for it by poll() takes the error from the socket when it comes."""
    b, a = nt.pair()
    with traced(a) as trace:
        for _ in range(3):
            sock = nt.client(a, b.addr4)
            sock.setblocking(False)
            sock.connect_ex(("10.199.1.77", 9))
            select.select([], [sock], [], nt.PATIENCE)
            equal(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), errno.EHOSTUNREACH, "error")
            sock.close()
    equal([row["result"] for row in trace.rows()], ["unreachable"] * 3, "results")


def test_no_route():
    """No SYN was sent: connect() fails before there is anything to measure."""
    b, a = nt.pair()
    with traced(a, b) as trace:
        equal(Timed(a, "10.201.0.1", 80).errno, errno.ENETUNREACH, "errno of connect()")
    equal(trace.rows(), [], "rows")


def pending(space, addr, port):
    sock = nt.client(space, addr)
    sock.setblocking(False)
    equal(sock.connect_ex((addr, port)), errno.EINPROGRESS, "connect() that waits")
    return sock


def unspec(sock):
    """connect() to AF_UNSPEC, which Python does not know."""
    nt.libc.connect(sock.fileno(), struct.pack("H14x", socket.AF_UNSPEC), 16)


def check_aborted(give_up):
    b, a = nt.pair()
    b.drop()
    with traced(a, b) as trace:
        sock = pending(a, b.addr4, 9)
        port = nt.port_of(sock)
        began = time.monotonic_ns()
        time.sleep(0.2)  # what the latency is about
        give_up(sock)
        took = time.monotonic_ns() - began
        sock.close()
    (row,) = trace.rows()
    equal((row["result"], row["pid"], row["lport"], row["rport"]),
          ("aborted", os.getpid(), port, 9), "row")
    check(200e6 <= row["latency_ns"] <= took + 50e6, f"until it was given up, {took} ns: {row}")


def test_aborted_close():
    check_aborted(lambda sock: sock.close())


def test_aborted_linger():
    check_aborted(nt.reset)


def test_aborted_shutdown():
    check_aborted(lambda sock: sock.shutdown(socket.SHUT_RDWR))


def test_aborted_disconnect():
    check_aborted(unspec)


def test_aborted_by_ss():
    b, a = nt.pair()
    b.drop()
    with traced(a, b) as trace:
        sock = pending(a, b.addr4, 9)
        with a:
            nt.run("ss", "-K", "state", "syn-sent", "dport", "=", "9")
        killed = nt.tcp_info(sock)["state"] == CLOSE
        sock.close()
    equal(trace.row(rport=9)["result"], "aborted", f"result (killed by ss: {killed})")


def test_aborted_killed():
    """A process that dies while it waits."""
    b, a = nt.pair()
    b.drop()
    client = Peer(a, "client")
    with traced(a, b) as trace:
        client.tell("connect", b.addr4, 9)
        nt.wait_for(lambda: SYN_SENT in states(a, 9), "the SYN")
        pid = client.pid
        client.kill()
    (row,) = trace.rows()
    equal((row["result"], row["pid"], row["comm"]), ("aborted", pid, "client"), "row")


def test_aborted_no_port():
    """connect() that finds no free port: SYN_SENT was announced all the same."""
    space = nt.Space()
    space.sysctl("ipv4/ip_local_port_range", "40000 40001")
    listener = nt.listen(space, "127.0.0.1", 9000)
    held = [nt.joined(space, space, "127.0.0.1", listener) for _ in range(2)]
    row = one_result_open(space, lambda: Timed(space, "127.0.0.1", 9000))
    equal((row["result"], row["lport"], row["pid"]), ("aborted", None, os.getpid()), "row")
    for pair in held:
        for sock in pair:
            sock.close()


def one_result_open(space, call):
    """While other connections stay open."""
    trace = Trace("--json", "--stats", spaces=[space])
    timed = call()
    equal(timed.errno, errno.EADDRNOTAVAIL, "errno of connect()")
    timed.sock.close()
    (row,) = trace.stop().rows()
    return row


def crossed(a, b):
    """Two sockets on their way to each other; b's SYN is lost, a's has made b's half SYN_RECV."""
    undrop = a.drop()
    theirs = nt.client(b, b.addr4)
    theirs.bind((b.addr4, 7001))
    theirs.setblocking(False)
    theirs.connect_ex((a.addr4, 7002))
    ours = nt.client(a, a.addr4)
    ours.bind((a.addr4, 7002))
    ours.setblocking(False)
    ours.connect_ex((b.addr4, 7001))
    nt.wait_for(lambda: SYN_RECV in states(b, 7002), "SYN_RECV of a socket that connects")
    return ours, theirs, undrop


def test_reset():
    """A reset in the middle of the handshake."""
    b, a = nt.pair()
    with traced(a, b) as trace:
        ours, theirs, undrop = crossed(a, b)
        ours.close()
        undrop()
        select.select([], [theirs], [], nt.PATIENCE)
        equal(theirs.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), errno.ECONNRESET, "error")
        theirs.close()
    equal((trace.row(lport=7002)["result"], trace.row(lport=7001)["result"]),
          ("aborted", "reset"), "results")


def test_simultaneous():
    """Both ends connect at once."""
    b, a = nt.pair()
    with traced(a, b) as trace:
        ours, theirs, undrop = crossed(a, b)
        undrop()
        for sock in (ours, theirs):
            check(select.select([], [sock], [], nt.PATIENCE)[1], "the handshake is complete")
        theirs.close()
        ours.setblocking(True)
        nt.end_of(ours)
        ours.close()
    rows = trace.rows()
    equal([(row["result"], row["pid"]) for row in rows], [("established", os.getpid())] * 2, "rows")
    equal({row["lport"] for row in rows}, {7001, 7002}, "both ends")
    check(all(row["latency_ns"] > 0 for row in rows), f"ns: {rows}")


def test_simultaneous_closed():
    """SYN_RECV goes to FIN_WAIT1 when the caller closes."""
    b, a = nt.pair()
    with traced(a, b) as trace:
        ours, theirs, undrop = crossed(a, b)
        theirs.close()
        undrop()
        select.select([], [ours], [], nt.PATIENCE)
        nt.reset(ours)
    equal(trace.row(lport=7001)["result"], "aborted", "result")
    equal(len(trace.rows()), 2, "rows")


# One socket several times

def test_again():
    """connect() again after it failed: a row each, each with its own latency and port."""
    b, a = nt.pair()
    closed = closed_port(b, b.addr4)
    with traced(a, b) as trace:
        sock = nt.client(a, b.addr4)
        tries = [Timed(a, b.addr4, closed, sock) for _ in range(3)]
        listener = nt.listen(b, b.addr4, closed)
        tries.append(Timed(a, b.addr4, closed, sock))
        sock.close()
        listener.close()
    rows = trace.rows()
    equal([row["result"] for row in rows], ["refused"] * 3 + ["established"], "results")
    for row, timed in zip(rows, tries):
        check(0 < row["latency_ns"] <= timed.ns, f"ns within connect()'s {timed.ns}: {row}")
    equal(rows[3]["lport"], tries[3].port, "port of the last one")


def test_again_disconnected():
    """One socket, two connections."""
    b, a = nt.pair()
    listener = nt.listen(b, b.addr4)
    with traced(a, b) as trace:
        sock = nt.client(a, b.addr4)
        for _ in range(2):
            timed = Timed(a, b.addr4, nt.port_of(listener), sock)
            unspec(sock)
        sock.close()
        listener.close()
    equal([row["result"] for row in trace.rows()], ["established"] * 2, "results")
    check(trace.rows()[1]["latency_ns"] <= timed.ns, f"the second one's own time: {trace.rows()}")


def test_asked_again():
    """connect() that asks how the one before is doing begins nothing."""
    b, a = nt.pair()
    listener = nt.listen(b, b.addr4)
    port = nt.port_of(listener)
    undrop = b.drop("--syn")
    with traced(a, b) as trace:
        began = time.monotonic_ns()
        sock = pending(a, b.addr4, port)
        time.sleep(0.2)  # what the latency is about
        equal(sock.connect_ex((b.addr4, port)), errno.EALREADY, "connect() again")
        undrop()
        select.select([], [sock], [], nt.PATIENCE)
        took = time.monotonic_ns() - began
        sock.close()
        listener.close()
    (row,) = trace.rows()
    near(row["latency_ns"], took, 0.2, "ns since the first connect()")


# Owners

def test_attribution():
    """Only who connects has rows, of every session one."""
    space = nt.Space()
    trace = Trace("--json", "--stats", spaces=[space])
    before = nt.bpf_map_keys(trace, "nt_socks")
    count = nt.scaled(1000, 200)
    report = nt.churn(space, "-n", count, "--processes", "--close", "half", "--truth")
    nt.quiet(space)
    nt.wait_for(lambda: nt.bpf_map_keys(trace, "nt_socks") <= before + 32, "forgotten sockets")
    stats = trace.stop().stats()
    equal((stats["lost_buffer"], stats["lost_map"]), (0, 0), "losses")
    rows = trace.rows()
    equal((len(rows), stats["sent"]), (count, count), "rows")
    wanted = sorted((line["client_port"], line["server_port"]) for line in report["truth"])
    equal(sorted((row["lport"], row["rport"]) for row in rows), wanted, "ports")
    for row in rows:
        equal((row["pid"], row["comm"], row["owner"], row["result"]),
              (report["client_pid"], "churn-client", "connect", "established"), f"row {row}")
        check(row["latency_ns"] > 0, f"ns: {row}")


def test_only_connects_are_remembered():
    """Sockets that others connect to cost no memory, and accept() is not watched."""
    space = nt.Space()
    listener = nt.listen(space, "127.0.0.1")
    trace = Trace("--json", spaces=[space])
    before = nt.bpf_map_keys(trace, "nt_socks")
    held = [nt.joined(space, space, "127.0.0.1", listener) for _ in range(200)]
    known = nt.bpf_map_keys(trace, "nt_socks") - before
    check(200 <= known < 250, f"200 sockets have connected, {known} are known")
    done = nt.tool("tcpconnlat", "--explain")
    check(b"accept" not in done.stdout, f"hooks: {done.stdout}")
    for c, s in held:
        c.close()
        s.close()
    nt.quiet(space)
    nt.wait_for(lambda: nt.bpf_map_keys(trace, "nt_socks") <= before + 32, "forgotten sockets")
    equal(len(trace.stop().rows()), 200, "rows")


def test_thread():
    b, a = nt.pair()
    listener = nt.listen(b, b.addr4)
    client = Peer(a, "client", uid=nt.NOBODY)
    with traced(a, b) as trace:
        c, tid = client.connect_in_thread(b.addr4, nt.port_of(listener))
        client.close(c)
        listener.close()
    (row,) = trace.rows()
    equal((row["pid"], row["tid"], row["uid"]), (client.pid, tid, nt.NOBODY), "owner")


def test_inherited_descriptor():
    """Who called connect() is the owner, whoever holds the socket when the answer comes."""
    b, a = nt.pair()
    listener = nt.listen(b, b.addr4)
    undrop = b.drop("--syn")
    with traced(a, b) as trace:
        read, write = os.pipe()
        pid = os.fork()
        if not pid:
            sock = pending(a, b.addr4, nt.port_of(listener))
            child = os.fork()
            if child:
                os._exit(0)
            os.close(write)
            os.read(read, 1)  # until the test says so
            os._exit(0)
        os.waitpid(pid, 0)
        nt.wait_for(lambda: SYN_SENT in states(a, nt.port_of(listener)), "the SYN")
        undrop()
        s, _ = listener.accept()
        os.close(write)
        os.close(read)
        nt.end_of(s)
        s.close()
        listener.close()
    (row,) = trace.rows()
    equal((row["pid"], row["result"]), (pid, "established"), "row")


def test_pending_before():
    """It waited when the trace began: since when is unknown, how it ends is not."""
    b, a = nt.pair()
    listener = nt.listen(b, b.addr4)
    client = Peer(a, "old-client")
    undrop = b.drop()
    client.tell("connect", b.addr4, nt.port_of(listener))
    nt.wait_for(lambda: SYN_SENT in states(a, nt.port_of(listener)), "the SYN")
    table, least = Trace(spaces=(a, b)), Trace("--json", "0", spaces=(a, b))
    with traced(a, b) as trace:
        undrop()
        c = client.answer()
        client.close(c)
        listener.close()
    (row,) = trace.rows()
    equal((row["result"], row["latency_ns"], row["pid"], row["comm"], row["owner"]),
          ("established", None, client.pid, "old-client", "snapshot"), "row")
    equal(table.stop().table()[1][0]["LAT(ms)"], "-", "unknown ms in the table")
    equal(least.stop().rows(), [], "what is unknown is not at least 0 ms")


def test_mptcp():
    """MPTCP connects by TCP: one row of its first subflow, the caller's."""
    space = nt.Space()
    try:
        with space:
            server, sock = (socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
                            for _ in range(2))
    except OSError as error:
        raise nt.Skip(f"MPTCP: {error}") from None
    server.bind(("127.0.0.1", 0))
    server.listen()
    port = nt.port_of(server)
    with traced(space) as trace:
        timed = Timed(space, "127.0.0.1", port, sock)
        sock.close()
        server.close()
    (row,) = trace.rows()
    equal((row["result"], row["pid"], row["owner"], row["rport"]),
          ("established", os.getpid(), "connect", port), "row")
    check(0 < row["latency_ns"] <= timed.ns, f"ns within connect()'s {timed.ns}: {row}")


def test_fast_open():
    """Data in the SYN: it is established by the SYN's answer all the same."""
    b, a = nt.pair()
    for space in (a, b):
        space.sysctl("ipv4/tcp_fastopen", "3")
    listener = nt.listen(b, b.addr4)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)
    port = nt.port_of(listener)
    with traced(a, b) as trace:
        for _ in range(2):  # the first one only gets the cookie
            c = nt.client(a, b.addr4)
            c.settimeout(None)
            c.sendto(bytes(500), socket.MSG_FASTOPEN, (b.addr4, port))
            s, _ = listener.accept()
            nt.recv_exactly(s, 500)
            c.close()
            nt.end_of(s)
            s.close()
        listener.close()
    equal([(row["result"], row["pid"], row["rport"]) for row in trace.rows()],
          [("established", os.getpid(), port)] * 2, "rows")


# Many

def test_no_answer_leaks_nothing():
    b, a = nt.pair()
    b.drop()
    trace = Trace("--json", "--stats", spaces=(a, b))
    before = nt.bpf_map_keys(trace, "nt_socks")
    for _ in range(5):
        socks = [pending(a, b.addr4, 9) for _ in range(100)]
        for sock in socks:
            sock.close()
    nt.wait_for(lambda: nt.bpf_map_keys(trace, "nt_socks") <= before + 32, "forgotten sockets")
    rows = trace.stop().rows()
    equal([row["result"] for row in rows], ["aborted"] * 500, "results")


def test_refused_many():
    space = nt.Space()
    closed = closed_port(space, "127.0.0.1")
    trace = Trace("--json", "--stats", spaces=[space])
    before = nt.bpf_map_keys(trace, "nt_socks")
    count = nt.scaled(2000, 300)
    for _ in range(count):
        equal(Timed(space, "127.0.0.1", closed).errno, errno.ECONNREFUSED, "errno of connect()")
    nt.wait_for(lambda: nt.bpf_map_keys(trace, "nt_socks") <= before + 32, "forgotten sockets")
    stats = trace.stop().stats()
    equal((stats["lost_buffer"], stats["lost_map"]), (0, 0), "losses")
    equal([row["result"] for row in trace.rows()], ["refused"] * count, "results")


def test_many_open():
    """More sockets than there is room for: that is counted, their latency is unknown."""
    space = nt.Space()
    listener = nt.listen(space, "127.0.0.1")
    trace = Trace("--json", "--stats", "--sockets", 16, spaces=[space])
    held = [nt.joined(space, space, "127.0.0.1", listener) for _ in range(50)]
    for c, s in held:
        c.close()
        s.close()
    stats = trace.stop().stats()
    check(stats["lost_map"] > 0 and "--sockets" in trace.stderr,
          f"16 places are not enough for 50 sockets: {stats} {trace.stderr}")
    rows = trace.rows()
    equal([row["result"] for row in rows], ["established"] * 50, "results")
    known = [row for row in rows if row["latency_ns"] is not None]
    check(0 < len(known) < 50, f"those that had room are known: {len(known)}")
    check(all(row["pid"] == os.getpid() for row in known), f"and their owner: {known}")


# Filters

def test_filters():
    b, a = nt.pair()
    listener = nt.listen(b, b.addr4)
    port, closed = nt.port_of(listener), closed_port(b, b.addr4)
    six = nt.listen(b, b.addr6)
    client = Peer(a, "client")
    mine, slow, refused, other = range(4)
    wanted = {
        "": [mine, slow, refused, other],
        f"-p {client.pid}": [other], f"--pid {os.getpid()}": [mine, slow, refused],
        f"--rport {port}": [mine, slow], f"--port {closed}": [refused], "-4": [mine, slow, refused],
        "-6": [other], "500": [slow], "0": [mine, slow, refused, other], "0.000001":
        [mine, slow, refused, other], "500.5": [slow], "--comm client": [other], "600000": [],
        f"{nt.PATIENCE * 1000}": [],
    }
    expressions = {
        "result refused": [refused], "result != established": [refused], "latency > 500ms": [slow],
        "latency_ns < 500000000": [mine, refused, other], "not latency >= 0.5s and ip6": [other],
    }
    commands = {key: key.split() for key in wanted}
    commands.update({key: ["--filter", key] for key in expressions})
    commands = nt.some(commands)
    traces = Trace.several(commands, "--json", "--stats", spaces=(a, b))
    made = [Timed(a, b.addr4, port), delayed(a, b, b.addr4, port), Timed(a, b.addr4, closed)]
    c = client.connect(b.addr6, nt.port_of(six))
    ports = [made[0].port, made[1].port, None, client.name(c)]
    client.close(c)
    for timed in made:
        timed.sock.close()
    for sock in (listener, six):
        sock.close()
    for key, trace in traces.items():
        found = [refused if row["result"] == "refused" else ports.index(row["lport"])
                 for row in trace.stop().rows()]
        equal(found, wanted.get(key, expressions.get(key)), f"rows of '{key}'")


def test_refused_words():
    for words in (["--filter", "result refusd"], ["--filter", "latency > 1x"], ["x"], ["1", "2"],
                  ["1x"], ["--filter", "duration > 1"], ["--lport"], ["-L", "--lport"]):
        done = nt.tool("tcpconnlat", *words)
        equal((done.returncode, done.stdout), (2, b""), f"exit status and stdout of {words}")
    check(b"-L" in nt.tool("tcpconnlat", "--lport").stderr, "how to show the local port")


# Several tools at once

def check_merged(tool):
    space = nt.Space()
    trace = Trace("--json", "--stats", tool=tool, spaces=[space])
    count, closed = nt.scaled(300, 50), 9
    report = nt.churn(space, "-n", count, "--processes", "--truth")
    timed = [Timed(space, "127.0.0.1", closed) for _ in range(20)]
    for each in timed:
        each.sock.close()
    nt.quiet(space)
    stats = trace.stop().stats()
    equal((stats["lost_buffer"], stats["lost_map"]), (0, 0), "losses")
    mine = [row for row in trace.rows() if row["tool"] == "tcpconnlat"]
    life = [row for row in trace.rows() if row["tool"] == "tcplife"]
    equal((len(mine), len(life)), (count + 20, 2 * count + 20), f"rows of each of {tool}")
    for row in mine:
        check(0 < row["latency_ns"] < nt.PATIENCE * 1e9, f"ns: {row}")
    equal(sum(row["pid"] == report["client_pid"] for row in mine), count, "rows of the client")
    servers = [row for row in life if row["lport"] in {t["server_port"] for t in report["truth"]}]
    equal({row["pid"] for row in servers}, {report["server_pid"]}, "tcplife's owners of servers")
    refused = [row for row in life if row["rport"] == closed]
    for row, ours, each in zip(refused, [r for r in mine if r["rport"] == closed], timed):
        equal((ours["result"], row["end"]), ("refused", "refused"), "how it ended")
        check(ours["latency_ns"] <= each.ns, f"ns within connect()'s {each.ns}: {ours}")


def test_merged():
    check_merged("tcpconnlat,tcplife")


def test_merged_other_order():
    """The other tool keeps the sockets, and knows when they are established."""
    check_merged("tcplife,tcpconnlat")


def test_recorded():
    b, a = nt.pair()
    listener = nt.listen(b, b.addr4)
    path = os.path.join(nt.temp_dir(), "latencies.nt")
    trace = Trace("--json", "--record", path, spaces=(a, b))
    for port in (nt.port_of(listener), closed_port(b, b.addr4)):
        Timed(a, b.addr4, port).sock.close()
    listener.close()
    trace.stop()
    done = nt.tool("replay", path, "--json")
    equal((done.returncode, done.stdout), (0, trace.out), "exit status and rows of replay")
    done = nt.tool("replay", path, "--json", "--filter", "result refused")
    equal(done.stdout, trace.out.splitlines(True)[1], "the refused one of the replay")
