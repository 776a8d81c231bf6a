# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""tcpconnect: every connect() once, when it starts; those that fail at once; names from DNS."""
import collections
import ctypes
import errno
import os
import re
import socket
import struct
import threading
import time

import bpf
import nt
import test_session
from nt import Curl, Peer, check, equal

NAMES = ("tool time pid tid comm uid cgroup netns owner ip laddr lport raddr rport "
         "error query").split()
HEADING = "PID COMM IP SADDR DADDR DPORT".split()
IPPROTO_MPTCP = 262


class Trace(nt.Trace):
    def __init__(self, *args, tool="tcpconnect", **more):
        super().__init__(*args, tool=tool, **more)


def traced(*spaces, args=()):
    return Trace("--json", "--stats", *args, spaces=spaces)


def ends(row):
    return row["laddr"], row["lport"], row["raddr"], row["rport"], row["error"]


def attempt(space, addr, port, bind=None, kind=socket.SOCK_STREAM, before=lambda sock: None):
    """(name of the error or None, own port) of one blocking connect()."""
    family = socket.AF_INET6 if ":" in addr else socket.AF_INET
    with space:
        sock = socket.socket(family, kind)
    before(sock)
    if bind:
        sock.bind(bind)
    try:
        sock.connect((addr, port))
        return None, nt.port_of(sock)
    except OSError as error:
        return errno.errorcode[error.errno], nt.port_of(sock)
    finally:
        sock.close()


def hook(what):
    """The program that sees it on this kernel."""
    done = nt.tool("tcpconnect", "--explain")
    found = re.search(what.encode() + rb": (\w+)", done.stdout)
    check(found, f"--explain tells how {what} are seen: {done.stdout} {done.stderr}")
    return found[1].decode()


# Scene 4

def test_scene4():
    b, a = nt.pair()
    server = nt.http_server(b, 8000, {"file": 1000})
    traces = Trace.several({"table": [], "-L": ["-L"], "json": ["--json"]}, spaces=(a, b))
    counted = Trace("-c", spaces=(a, b))
    closed = Curl(a, f"http://{b.addr4}:12345/")
    opened = Curl(a, f"http://{b.addr4}:8000/file")
    again = Curl(a, f"http://{b.addr4}:8000/file")
    equal((closed.code, opened.http_code, again.http_code), (7, 200, 200), "curl's results")
    rows = traces["json"].stop().rows()
    equal([list(row) for row in rows], [NAMES] * 3, "JSON's keys")
    for row, curl, port in zip(rows, (closed, opened, again), (12345, 8000, 8000)):
        equal((row["pid"], row["comm"], row["owner"], row["uid"], row["ip"], row["netns"]),
              (curl.pid, "curl", "connect", 0, 4, a.inode), f"whose it is: {row}")
        equal((row["laddr"], row["raddr"], row["rport"], row["error"], row["query"]),
              (a.addr4, b.addr4, port, None, None), f"the ends: {row}")
    equal([row["lport"] for row in rows[1:]], [opened.local_port, again.local_port], "local ports")
    check(rows[0]["lport"] >= 1024, f"the port of the SYN that was refused: {rows[0]}")

    heading, lines = traces["table"].stop().table()
    equal(heading, HEADING, "bcc's heading")
    equal([tuple(line.values()) for line in lines],
          [(str(row["pid"]), "curl", "4", a.addr4, b.addr4, str(row["rport"])) for row in rows],
          "the table")
    heading, lines = traces["-L"].stop().table()
    equal(heading, HEADING[:4] + ["LPORT"] + HEADING[4:], "heading of -L")
    equal([line["LPORT"] for line in lines], [str(row["lport"]) for row in rows], "LPORT")
    heading, lines = counted.stop().table()
    equal(heading, "LADDR RADDR RPORT CONNECTS".split(), "heading of -c")
    equal([tuple(line.values()) for line in lines],
          [(a.addr4, b.addr4, "8000", "2"), (a.addr4, b.addr4, "12345", "1")], "counts")
    check(server.poll() is None, "the server goes on")


def test_scene4_loopback():
    space = nt.Space()
    nt.http_server(space, 8000, {"file": 1000})
    with_name = Resolver(space, {("local.example.test", A): [("127.0.0.1", 60)]})
    use_resolver(with_name)
    trace = traced(space, args=["-d"])
    curl = Curl(space, "http://local.example.test:8000/file")
    equal(curl.http_code, 200, f"curl's answer ({curl.stderr})")
    row = trace.stop().row(rport=8000)
    equal((row["pid"], row["comm"], row["lport"], row["query"]),
          (curl.pid, "curl", curl.local_port, "local.example.test"), "the one row")


def test_table_options():
    space = nt.Space()
    listener = nt.listen(space, "127.0.0.1")
    options = ("-t", "-U", "-s", "-d", "-tULd",
               "--timestamp --print-uid --source-port --dns")
    traces = Trace.several({args: args.split() for args in options}, spaces=[space])
    client = Peer(space, "client", uid=nt.NOBODY)
    own = client.name(client.connect("127.0.0.1", nt.port_of(listener)))
    every = ["TIME(s)", "UID", *HEADING[:4], "LPORT", *HEADING[4:], "QUERY"]
    headings = {"-t": every[:1] + HEADING, "-U": every[1:2] + HEADING,
                "-s": HEADING[:4] + ["LPORT"] + HEADING[4:], "-d": HEADING + ["QUERY"]}
    for args, trace in traces.items():
        heading, lines = trace.stop().table()
        equal(heading, headings.get(args, every), f"heading of {args}")
        (line,) = lines
        equal((line["PID"], line["COMM"], line["DPORT"]),
              (str(client.pid), "client", str(nt.port_of(listener))), f"the row of {args}")
        equal((line.get("TIME(s)", "0.000000"), line.get("UID", "65534"), line.get("QUERY", "-"),
               line.get("LPORT", str(own))), ("0.000000", "65534", "-", str(own)),
              f"what {args} shows")


def test_csv():
    space = nt.Space()
    listener = nt.listen(space, "127.0.0.1")
    traces = Trace.several({"csv": ["--csv"], "json": ["--json"]}, spaces=[space])
    attempt(space, "127.0.0.1", nt.port_of(listener))
    attempt(space, "127.9.9.9", 1, before=lambda sock: sock.bind(("127.0.0.1", 0)))
    attempt(space, "10.9.9.9", 80)
    rows, records = traces["json"].stop().rows(), traces["csv"].stop().csv()
    equal((len(rows), len(records)), (3, 3), "rows")
    for row, record in zip(rows, records):
        equal(list(record), NAMES, "heading")
        for name in set(NAMES) - {"time"}:
            equal(record[name], "" if row[name] is None else str(row[name]), f"{name} of {row}")


# Those that fail at once

def test_no_route():
    b, a = nt.pair()
    a.ip("route", "add", "prohibit", "10.1.0.0/16")
    a.ip("route", "add", "unreachable", "10.2.0.0/16")
    a.ip("route", "add", "blackhole", "10.3.0.0/16")
    a.ip("-6", "route", "add", "prohibit", "fd01::/16")
    a.ip("-6", "route", "add", "unreachable", "fd02::/16")
    cases = {"10.9.9.9": "ENETUNREACH", "10.1.1.1": "EACCES", "10.2.1.1": "EHOSTUNREACH",
             "10.3.1.1": "EINVAL", "255.255.255.255": "ENETUNREACH", "224.0.0.1": "ENETUNREACH",
             "2001:db8::9": "ENETUNREACH", "fd01::1": "EACCES", "fd02::1": "EHOSTUNREACH",
             "fe80::1": "EINVAL", "ff02::1": "ENETUNREACH",
             "::ffff:10.9.9.9": "ENETUNREACH", "::ffff:10.1.1.1": "EACCES"}
    trace = traced(a, b)
    for number, (addr, name) in enumerate(cases.items(), 1):
        found, own = attempt(a, addr, number)
        equal((found, own), (name, 0), f"what connect() to {addr} says")
    rows = trace.stop().rows()
    equal([(row["raddr"], row["error"], row["rport"]) for row in rows],
          [(addr.replace("::ffff:", ""), name, number)
           for number, (addr, name) in enumerate(cases.items(), 1)], "rows")
    for row in rows:
        equal((row["pid"], row["comm"], row["owner"], row["lport"], row["netns"],
               row["ip"]), (os.getpid(), "python3", "connect", None, a.inode,
                            4 if "." in row["raddr"] else 6), f"the rest of {row}")
        check(row["laddr"] is None, f"no address was chosen: {row}")


def test_no_route_bound():
    """What the caller chose is known."""
    b, a = nt.pair()
    trace = traced(a, b)
    equal(attempt(a, "10.9.9.9", 80, bind=("", 40_000)), ("ENETUNREACH", 40_000), "connect()")
    equal(attempt(a, "2001:db8::9", 80, bind=(a.addr6, 40_001)), ("ENETUNREACH", 40_001), "again")
    rows = trace.stop().rows()
    equal([ends(row) for row in rows],
          [(None, 40_000, "10.9.9.9", 80, "ENETUNREACH"),
           (a.addr6, 40_001, "2001:db8::9", 80, "ENETUNREACH")], "rows")


def test_no_port():
    """SYN_SENT is announced, and no SYN goes out."""
    space = nt.Space()
    space.sysctl("ipv4/ip_local_port_range", "40000 40001")
    listeners = [nt.listen(space, addr, 9000) for addr in ("127.0.0.1", "::1")]
    trace = traced(space)
    errors = []
    for listener in listeners:
        held = [nt.joined(space, space, listener.getsockname()[0], listener) for _ in range(2)]
        errors.append(attempt(space, listener.getsockname()[0], 9000))
        del held
    equal(errors, [("EADDRNOTAVAIL", 0)] * 2, "what connect() says")
    rows = trace.stop().rows()
    equal([(row["ip"], row["error"], row["raddr"], row["rport"]) for row in rows],
          [(4, None, "127.0.0.1", 9000)] * 2 + [(4, "EADDRNOTAVAIL", "127.0.0.1", 9000)] +
          [(6, None, "::1", 9000)] * 2 + [(6, "EADDRNOTAVAIL", "::1", 9000)], "rows")
    equal([row["lport"] for row in rows if row["error"]], [None] * 2, "ports they never had")
    for at in (0, 3):
        equal(sorted(row["lport"] for row in rows[at:at + 2]), [40_000, 40_001], "ports of the others")


def test_no_port_bound():
    """A port of one's own choice that is in use towards that peer."""
    b, a = nt.pair()
    listener = nt.listen(b, b.addr4)
    port = nt.port_of(listener)
    held = []

    def reuse(sock):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

    trace = traced(a, b)
    c = nt.client(a, b.addr4)
    reuse(c)
    c.bind(("", 40_000))
    c.connect((b.addr4, port))
    held.append(c)
    equal(attempt(a, b.addr4, port, bind=("", 40_000), before=reuse)[0], "EADDRNOTAVAIL",
          "what the second connect() says")
    rows = trace.stop().rows()
    equal([(row["lport"], row["error"]) for row in rows][0], (40_000, None), "the first")
    if hook("connects") == "tcpconnect_state_tp":
        raise nt.Skip("this variant takes the port for a SYN")
    equal([row["error"] for row in rows], [None, "EADDRNOTAVAIL"], "errors")


def test_forbidden_by_cgroup():
    """A program of a cgroup refuses before the protocol is asked."""
    space = nt.Space()
    top = nt.make_cgroup(nt.cgroup2_root(), f"nt{os.getpid()}-refused")
    bpf.refuse_connects(top)
    listeners = {addr: nt.listen(space, addr) for addr in ("127.0.0.1", "::1")}
    trace = traced(space)
    client = Peer(space, "client", cgroup=top)
    for addr, listener in listeners.items():
        try:
            client.connect(addr, nt.port_of(listener))
            raise RuntimeError("it should be refused")
        except RuntimeError as error:
            check("PermissionError" in str(error), f"EPERM: {error}")
    client.kill()
    rows = trace.stop().rows()
    equal([(row["pid"], row["comm"], row["raddr"], row["rport"], row["error"]) for row in rows],
          [(client.pid, "client", addr, nt.port_of(listener), "EPERM")
           for addr, listener in listeners.items()], "rows")


def landlocked():
    """From now on this process may not connect by TCP."""
    create_ruleset, restrict_self, connect_tcp = 444, 446, 2
    if nt.libc.syscall(create_ruleset, None, 0, 1) < 4:
        raise nt.Skip("no Landlock that knows TCP")
    attr = ctypes.create_string_buffer(struct.pack("QQ", 0, connect_tcp), 16)
    ruleset = nt.libc.syscall(create_ruleset, attr, 16, 0)
    nt.libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
    check(not nt.libc.syscall(restrict_self, ruleset, 0), "Landlock")


def test_forbidden_by_landlock():
    """A security module refuses before the socket is asked."""
    if nt.libc.syscall(444, None, 0, 1) < 4:
        raise nt.Skip("no Landlock that knows TCP")
    space = nt.Space()
    listener = nt.listen(space, "127.0.0.1")
    trace = traced(space)
    client = Peer(space, "client", before=landlocked)
    try:
        client.connect("127.0.0.1", nt.port_of(listener))
        raise RuntimeError("it should be refused")
    except RuntimeError as error:
        check("PermissionError(13" in str(error), f"EACCES: {error}")
    row = trace.stop().row()
    equal((row["pid"], row["raddr"], row["rport"], row["error"]),
          (client.pid, "127.0.0.1", nt.port_of(listener), "EACCES"), "the row")


def test_not_ours():
    """UDP, UNIX sockets, and calls that are no attempts."""
    space = nt.Space()
    trace = traced(space)
    listener = nt.listen(space, "127.0.0.1")
    port = nt.port_of(listener)
    with space:
        for family, addr in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "10.9.9.9"),
                             (socket.AF_INET6, "2001:db8::1")):
            with socket.socket(family, socket.SOCK_DGRAM) as sock:
                sock.connect_ex((addr, 80))
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect_ex(os.path.join(nt.temp_dir(), "none"))
    c = nt.connect(space, "127.0.0.1", port)
    results = [connect_raw(c, inet_addr("127.0.0.1", port)) for _ in range(2)]
    equal(results, [0, errno.EISCONN], "connect() that learns of its success, and one more")
    with space:
        with socket.socket(socket.AF_INET6) as sock:
            disconnect(sock)
        # an address of the wrong family is an attempt all the same
        with socket.socket() as sock:
            equal(connect_raw(sock, inet6_addr("::1", 9)), errno.EAFNOSUPPORT, "IPv6 by IPv4")
            # less than an address is none: what the kernel has behind it is nobody's
            equal(connect_raw(sock, inet_addr("127.0.0.1", 9)[:8]), errno.EINVAL, "half of IPv4")
        with socket.socket(socket.AF_INET6) as sock:
            equal(connect_raw(sock, inet6_addr("::1", 9)[:20]), errno.EINVAL, "half of IPv6")
            equal(connect_raw(sock, inet6_addr("::1", 9)[:24]), errno.ECONNREFUSED, "RFC 2133")
    rows = trace.stop().rows()
    equal([ends(row) for row in rows],
          [("127.0.0.1", nt.port_of(c), "127.0.0.1", port, None),
           (None, None, "::1", 9, "EAFNOSUPPORT"),
           ("::1", rows[-1]["lport"], "::1", 9, None)], "rows")


def inet_addr(addr, port):
    return struct.pack("=HH4s8x", socket.AF_INET, socket.htons(port), socket.inet_aton(addr))


def inet6_addr(addr, port):
    return struct.pack("=HHI16sI", socket.AF_INET6, socket.htons(port), 0,
                       socket.inet_pton(socket.AF_INET6, addr), 0)


def connect_raw(sock, addr):
    if nt.libc.connect(sock.fileno(), addr, len(addr)) < 0:
        return ctypes.get_errno()
    return 0


def disconnect(sock):
    """connect() to AF_UNSPEC."""
    equal(connect_raw(sock, bytes(16)), 0, "AF_UNSPEC")


# Once each

def test_mapped():
    b, a = nt.pair()
    listener = nt.listen(b, b.addr4)
    trace = traced(a, b)
    error, own = attempt(a, f"::ffff:{b.addr4}", nt.port_of(listener))
    equal(error, None, "connect()")

    def only6(sock):
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)

    equal(attempt(a, f"::ffff:{b.addr4}", 7, before=only6)[0], "ENETUNREACH", "of an IPv6 socket")
    rows = trace.stop().rows()
    equal([(row["ip"], *ends(row)) for row in rows],
          [(4, a.addr4, own, b.addr4, nt.port_of(listener), None),
           (4, None, None, b.addr4, 7, "ENETUNREACH")], "rows")


def test_any_address():
    """0.0.0.0 and :: mean this host."""
    space = nt.Space()
    for addr in ("0.0.0.0", "::"):
        listener = nt.listen(space, addr)
        trace = traced(space)
        error, own = attempt(space, addr, nt.port_of(listener))
        row = trace.stop().row()
        local = "127.0.0.1" if addr == "0.0.0.0" else "::1"
        equal((error, *ends(row)), (None, local, own, local, nt.port_of(listener), None), addr)
        listener.close()


def test_refused_later():
    b, a = nt.pair()
    trace = traced(a, b)
    error, own = attempt(a, b.addr4, 9)
    equal(error, "ECONNREFUSED", "connect()")
    equal(attempt(a, b.addr6, 9)[0], "ECONNREFUSED", "connect()")
    # again on the same socket
    c = nt.client(a, b.addr4)
    c.settimeout(None)
    for _ in range(2):
        equal(c.connect_ex((b.addr4, 10)), errno.ECONNREFUSED, "connect()")
    equal(c.connect_ex(("10.9.9.9", 11)), errno.ENETUNREACH, "connect()")
    rows = trace.stop().rows()
    equal([(row["raddr"], row["rport"], row["error"]) for row in rows],
          [(b.addr4, 9, None), (b.addr6, 9, None), (b.addr4, 10, None), (b.addr4, 10, None),
           ("10.9.9.9", 11, "ENETUNREACH")], "rows")
    equal(rows[0]["lport"], own, "the port of the first")


def test_unreachable_later():
    """ICMP may say what a missing route says: the SYN was out."""
    b, a = nt.pair()
    a.ip("route", "add", "10.5.0.0/16", "via", b.addr4)
    b.sysctl("ipv4/ip_forward", "1")
    trace = traced(a, b)
    c = nt.client(a, "10.5.1.1")
    c.settimeout(None)
    c.connect_ex(("10.5.1.1", 80))
    c.close()
    rows = trace.stop().rows()
    equal([(row["laddr"], row["raddr"], row["error"]) for row in rows],
          [(a.addr4, "10.5.1.1", None)], "one row without an error")


def test_nonblocking():
    """Asked again and again, it is one attempt."""
    b, a = nt.pair()
    undrop = b.drop()
    trace = traced(a, b)
    c = nt.client(a, b.addr4)
    c.setblocking(False)
    listener = nt.listen(b, b.addr4)
    port = nt.port_of(listener)
    results = [c.connect_ex((b.addr4, port)) for _ in range(5)]
    equal(results, [errno.EINPROGRESS] + [errno.EALREADY] * 4, "connect() while it waits")
    trace.wait_rows(1)
    equal([ends(row) for row in trace.rows()],
          [(a.addr4, nt.port_of(c), b.addr4, port, None)], "the SYN that nobody answers")
    undrop()
    nt.wait_for(lambda: c.connect_ex((b.addr4, port)) == errno.EISCONN, "the connection")
    refused = nt.client(a, b.addr4)
    refused.setblocking(False)
    refused.connect_ex((b.addr4, 9))
    nt.wait_for(lambda: refused.connect_ex((b.addr4, 9)) == errno.ECONNREFUSED, "the refusal")
    rows = trace.stop().rows()
    equal([(row["rport"], row["error"]) for row in rows], [(port, None), (9, None)], "rows")


def test_interrupted():
    """A signal ends the call, not the attempt."""
    b, a = nt.pair()
    b.drop()
    trace = traced(a, b)
    c = nt.client(a, b.addr4)
    c.settimeout(0.2)
    equal(c.connect_ex((b.addr4, 9)), errno.EAGAIN, "a time-out of the caller's own")
    c.close()
    row = trace.stop().row()
    equal((row["rport"], row["error"]), (9, None), "the row")


def test_pending():
    """The row is there while nobody answers, with its time."""
    b, a = nt.pair()
    b.drop()
    trace = traced(a, b)
    before = time.time()
    client = Peer(a, "client")
    client.tell("connect", b.addr4, 9)
    trace.wait_rows(1)
    row = trace.row(rport=9)
    equal((row["pid"], row["laddr"], row["error"]), (client.pid, a.addr4, None), "the row")
    seen = nt.sockets(a)
    equal([s[1] for s in seen if s[2] == 9], [row["lport"]], f"its port in /proc/net/tcp: {seen}")
    check(before <= moment(row["time"]) <= time.time(), f"when it was: {row}")
    trace.stop()


def moment(text):
    date, fraction = text[:-1].split(".")
    return time.mktime(time.strptime(date + "UTC", "%Y-%m-%dT%H:%M:%S%Z")) - time.timezone + \
        int(fraction) / 1e9


def test_fast_open():
    b, a = nt.pair()
    for space in (a, b):
        space.sysctl("ipv4/tcp_fastopen", "3")
    listener = nt.listen(b, b.addr4)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)
    port = nt.port_of(listener)
    trace = traced(a, b)
    own = []
    for sends in (True, True, False):
        c = nt.client(a, b.addr4)
        c.settimeout(None)
        if sends:  # the first one only gets the cookie
            c.sendto(bytes(500), socket.MSG_FASTOPEN, (b.addr4, port))
        else:
            c.setsockopt(socket.IPPROTO_TCP, 30, 1)  # TCP_FASTOPEN_CONNECT
            c.connect((b.addr4, port))
            c.sendall(bytes(500))
        s, _ = listener.accept()
        nt.recv_exactly(s, 500)
        own.append(nt.port_of(c))
        c.close()
        s.close()
    rows = trace.stop().rows()
    equal([ends(row) for row in rows],
          [(a.addr4, number, b.addr4, port, None) for number in own], "rows")
    equal({row["pid"] for row in rows}, {os.getpid()}, "owners")


def test_mptcp():
    b, a = nt.pair()
    listener = nt.listen(b, b.addr4)
    port = nt.port_of(listener)

    def open_one():
        with a:
            try:
                sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP)
            except OSError as error:
                raise nt.Skip(f"MPTCP: {error}") from None
        sock.settimeout(nt.PATIENCE)
        return sock

    c, refused, unreachable = open_one(), open_one(), open_one()
    trace = traced(a, b)
    c.connect((b.addr4, port))
    equal(refused.connect_ex((b.addr4, 9)), errno.ECONNREFUSED, "a closed port")
    equal(unreachable.connect_ex(("10.9.9.9", 9)), errno.ENETUNREACH, "no route")
    rows = trace.stop().rows()
    equal([(row["pid"], row["raddr"], row["rport"], row["error"]) for row in rows],
          [(os.getpid(), b.addr4, port, None), (os.getpid(), b.addr4, 9, None),
           (os.getpid(), "10.9.9.9", 9, "ENETUNREACH")], "rows")
    equal(rows[0]["lport"], nt.port_of(c), "the port")


# Owners

def test_owner():
    b, a = nt.pair()
    listener = nt.listen(b, b.addr4)
    port = nt.port_of(listener)
    trace = traced(a, b)
    nobody = Peer(a, "as-nobody", uid=nt.NOBODY)
    inner = Peer(a, "contained", contained=True)
    _, thread = nobody.connect_in_thread(b.addr4, port)
    inner.connect(b.addr4, port)
    gone = Peer(a, "gone")
    gone.connect(b.addr4, port)
    gone.kill()
    rows = trace.stop().rows()
    equal([(row["comm"], row["pid"], row["uid"], row["owner"]) for row in rows],
          [("as-nobody", nobody.pid, nt.NOBODY, "connect"),
           ("contained", inner.pid, 0, "connect"), ("gone", gone.pid, 0, "connect")], "owners")
    equal([row["tid"] for row in rows], [thread, inner.pid, gone.pid], "threads")


def churn(space, count):
    return nt.churn(space, "-n", count, "--processes", "--close", "half", "--truth")


def check_churn(rows, report):
    equal(collections.Counter((r["lport"], r["rport"]) for r in rows),
          collections.Counter((t["client_port"], t["server_port"]) for t in report["truth"]),
          "ports of all attempts")
    equal({(r["pid"], r["comm"], r["owner"], r["error"]) for r in rows},
          {(report["client_pid"], "churn-client", "connect", None)}, "owners and errors")


def test_many():
    """1,000 connections over loopback: a row each, all of the client's."""
    space = nt.Space()
    trace = traced(space)
    count = nt.scaled(1000, 100)
    report = churn(space, count)
    nt.quiet(space)
    stats = trace.stop().stats()
    equal((stats["seen"] - stats["filtered"], stats["lost_buffer"], stats["lost_map"]),
          (count, 0, 0), "events")
    check_churn(trace.rows(), report)


def test_many_failures():
    """Nothing is left behind by any of them."""
    space = nt.Space()
    trace = traced(space)
    count = nt.scaled(1000, 100)
    for _ in range(count):
        attempt(space, "10.9.9.9", 80)
        attempt(space, "127.0.0.1", 9)
    rows = trace.rows
    nt.wait_for(lambda: len(rows()) == 2 * count, "all rows")
    nt.wait_for(lambda: nt.bpf_map_keys(trace, "nt_sock_tool") <= 32, "closed sockets to go")
    equal(nt.bpf_map_keys(trace, "calls"), 0, "calls that have returned")
    trace.stop()
    equal(collections.Counter(row["error"] for row in rows()),
          {"ENETUNREACH": count, None: count}, "errors")


def test_two_capabilities():
    """CAP_BPF and CAP_PERFMON are enough, whatever that leaves to choose from."""
    def become():
        nt.unlimited_memory()
        nt.become_nobody_with(nt.CAP_BPF, nt.CAP_PERFMON)

    b, a = nt.pair()
    a.sysctl("ipv4/ip_local_port_range", "40000 40001")
    listener = nt.listen(b, b.addr4)
    port = nt.port_of(listener)
    b.drop("--dport", "99")
    directory = nt.temp_dir()
    os.chmod(directory, 0o777)
    trace = Trace("--json", "--stats", argv=[test_session.copy_of_tool(), "tcpconnect"],
                  spaces=(a, b), before=become, directory=directory)
    equal(attempt(a, b.addr4, 9)[0], "ECONNREFUSED", "a closed port")
    equal(attempt(a, "10.9.9.9", 10)[0], "ENETUNREACH", "no route")
    refused = nt.client(a, b.addr4)
    refused.setblocking(False)
    equal(refused.connect_ex((b.addr4, 11)), errno.EINPROGRESS, "a closed port, not waited for")
    nt.wait_for(lambda: refused.connect_ex((b.addr4, 11)) == errno.ECONNREFUSED, "the refusal")
    opened = [nt.connect(a, b.addr4, port) for _ in range(2)]
    pending = nt.client(a, b.addr4)
    pending.setblocking(False)
    equal(pending.connect_ex((b.addr4, 99)), errno.EINPROGRESS, "one that nobody answers")
    equal(attempt(a, b.addr4, port)[0], "EADDRNOTAVAIL", "one too many")
    own = [nt.port_of(sock) for sock in opened + [pending]]
    trace.wait_rows(7)
    rows = trace.stop().rows()
    equal(sorted((row["rport"], row["error"], row["comm"]) for row in rows if row["error"]),
          [(10, "ENETUNREACH", "python3"), (port, "EADDRNOTAVAIL", "python3")], "those that failed")
    equal(sorted((row["lport"], row["rport"]) for row in rows if row["rport"] in (99, port)
                 and not row["error"]), sorted(zip(own, [port] * 2 + [99])), "the others")
    equal(sorted(row["rport"] for row in rows), sorted([9, 10, 11, 99] + 3 * [port]), "all of them")
    equal({row["pid"] for row in rows}, {os.getpid()}, "owners")


# Filters

def test_filters():
    b, a = nt.pair()
    listeners = [nt.listen(b, "::", port) for port in (8000, 8001, 9000)]
    one, two = Peer(a, "one"), Peer(a, "two", uid=nt.NOBODY)
    filters = {
        "all": [], "-P": ["-P", "8000,9000"], "-P not": ["-P", "!8000"], "-p": ["-p", one.pid],
        "-u": ["-u", nt.NOBODY], "-u name": ["-u", "nobody"], "-4": ["-4"], "-6": ["-6"],
        "--port": ["--port", "8001"], "--raddr": ["--raddr", b.addr6], "comm": ["--comm", "two"],
        "error": ["--filter", "error ENETUNREACH"], "both": ["-4", "-P", "8000"],
        "expression": ["--filter", f"rport 9000 or raddr {b.addr6}"],
    }
    traces = Trace.several(filters, "--json", "--stats", spaces=(a, b))
    lport = one.name(one.connect(b.addr4, 8000))
    one.connect(b.addr4, 8001)
    two.connect(b.addr6, 8000)
    two.connect(b.addr4, 9000)
    attempt(a, "10.9.9.9", 8001)
    rows = {name: trace.stop().rows() for name, trace in traces.items()}
    every = rows["all"]
    equal([(r["comm"], r["ip"], r["rport"]) for r in every],
          [("one", 4, 8000), ("one", 4, 8001), ("two", 6, 8000), ("two", 4, 9000),
           ("python3", 4, 8001)], "rows without a filter")
    equal(every[0]["lport"], lport, "the first one's port")
    wanted = {"-P": [0, 2, 3], "-P not": [1, 3, 4], "-p": [0, 1], "-u": [2, 3], "-u name": [2, 3],
              "-4": [0, 1, 3, 4], "-6": [2], "--port": [1, 4], "--raddr": [2], "comm": [2, 3],
              "error": [4], "both": [0], "expression": [2, 3]}
    for name, which in wanted.items():
        equal([ends(r) for r in rows[name]], [ends(every[i]) for i in which],
              f"rows of {filters[name]}")
        stats = traces[name].stats()
        equal(stats["seen"] - stats["filtered"], len(which), f"events of {filters[name]}")
    for listener in listeners:
        listener.close()


def test_filter_cgroup():
    top = nt.make_cgroup(nt.cgroup2_root(), f"nt{os.getpid()}-inside")
    space = nt.Space()
    listener = nt.listen(space, "127.0.0.1")
    inside, outside = Peer(space, "inside", cgroup=top), Peer(space, "outside")
    trace = traced(space, args=["--cgroup", f"/{os.path.basename(top)}"])
    for peer in (inside, outside):
        peer.connect("127.0.0.1", nt.port_of(listener))
    inside.kill()
    equal([(r["pid"], r["cgroup"]) for r in trace.stop().rows()],
          [(inside.pid, f"/{os.path.basename(top)}")], "rows")


# -c

def counts(trace):
    return {(r["laddr"], r.get("lport", 0), r["raddr"], r["rport"]): r["connects"]
            for r in trace.rows()}


def test_count():
    b, a = nt.pair()
    listener = nt.listen(b, "::")
    port = nt.port_of(listener)
    options = {"-c": ["-c"], "-cL": ["-c", "-L"], "-cs": ["--count", "--source-port"],
               "pid": ["-c", "--comm", "one"], "many": ["-c", "--filter", "connects > 2"],
               "both": ["-c", "--comm", "one", "--filter", "comm one and connects > 1"],
               "none": ["-c", "-P", "1"]}
    traces = Trace.several(options, "--json", "--stats", spaces=(a, b))
    one, two = Peer(a, "one"), Peer(a, "two")
    own = [(a.addr4, one.name(one.connect(b.addr4, port))) for _ in range(2)]
    own += [(a.addr4, two.name(two.connect(b.addr4, port)))]
    own += [(a.addr6, two.name(two.connect(b.addr6, port)))]
    attempt(a, "10.9.9.9", 80)
    for trace in traces.values():
        trace.stop()
    flows = {(a.addr4, 0, b.addr4, port): 3, (a.addr6, 0, b.addr6, port): 1,
             (None, 0, "10.9.9.9", 80): 1}
    equal(counts(traces["-c"]), flows, "counts by flow")
    equal([list(row) for row in traces["-c"].rows()],
          ["tool time laddr raddr rport connects".split()] * 3, "JSON's keys")
    connects = [row["connects"] for row in traces["-c"].rows()]
    equal(connects, sorted(connects, reverse=True), "the largest first")
    ports = {(addr, number, b.addr4 if addr == a.addr4 else b.addr6, port): 1
             for addr, number in own}
    for name in ("-cL", "-cs"):
        equal(counts(traces[name]), {**ports, (None, None, "10.9.9.9", 80): 1}, f"{name}: by port")
        equal(list(traces[name].rows()[0]), "tool time laddr lport raddr rport connects".split(),
              f"keys of {name}")
    equal(counts(traces["pid"]), {(a.addr4, 0, b.addr4, port): 2}, "counts of one process")
    equal(counts(traces["many"]), {(a.addr4, 0, b.addr4, port): 3}, "more than two")
    equal(counts(traces["both"]), {(a.addr4, 0, b.addr4, port): 2}, "of one process, and more than one")
    equal(counts(traces["none"]), {}, "nothing")


def test_count_duration():
    space = nt.Space()
    listener = nt.listen(space, "127.0.0.1")
    trace = Trace("-c", "--csv", "--duration", nt.PATIENCE / 20, spaces=[space])
    for _ in range(7):
        attempt(space, "127.0.0.1", nt.port_of(listener))
    equal(trace.wait(), 0, "exit status")
    (record,) = trace.csv()
    equal((record["laddr"], record["raddr"], record["rport"], record["connects"]),
          ("127.0.0.1", "127.0.0.1", str(nt.port_of(listener)), "7"), "the one flow")


def test_count_many():
    space = nt.Space()
    trace = Trace("-c", "--json", "--stats", spaces=[space])
    count = nt.scaled(1000, 100)
    report = churn(space, count)
    trace.stop()
    equal(counts(trace), {("127.0.0.1", 0, "127.0.0.1", report["truth"][0]["server_port"]): count},
          "the count")


def test_count_recorded():
    space = nt.Space()
    listener = nt.listen(space, "127.0.0.1")
    path = os.path.join(nt.temp_dir(), "count.nt")
    trace = Trace("-c", "--json", "--record", path, spaces=[space])
    for _ in range(3):
        attempt(space, "127.0.0.1", nt.port_of(listener))
    trace.stop()
    done = nt.tool("replay", path, "--json")
    equal((done.returncode, done.stdout), (0, trace.out), "the replay")


# -d

A, CNAME, AAAA, OPT = 1, 5, 28, 41


def wire(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + \
        b"\0"


def record(owner, kind, ttl, data):
    return owner + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data


class Resolver:
    """
    A DNS server on port 53 of a namespace. `zone`: (name, type) to [(address or name, ttl)]; CNAMEs
    are followed, as a resolver does.
    """

    def __init__(self, space, zone, addr="127.0.0.1", port=53):
        self.addr, self.zone = addr, zone
        with space:
            self.socket = socket.socket(socket.AF_INET6 if ":" in addr else socket.AF_INET,
                                        socket.SOCK_DGRAM)
        self.socket.bind((addr, port))
        self.asked = []
        self.stopped = False
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()
        nt.at_end(self.stop)

    def stop(self):
        if not self.stopped:
            self.stopped = True
            self.thread.join()
            self.socket.close()

    def _serve(self):
        self.socket.settimeout(0.05)
        while not self.stopped:
            try:
                query, peer = self.socket.recvfrom(4096)
            except TimeoutError:
                continue
            self.socket.sendto(self.answer(query), peer)

    def answer(self, query):
        ident, _, _, _, _, extra = struct.unpack_from(">6H", query)
        at, labels = 12, []
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += query[at] + 1
        name, kind = ".".join(labels), struct.unpack_from(">H", query, at + 1)[0]
        self.asked.append((name, kind))
        question, answers, owner = query[12:at + 5], [], b"\xc0\x0c"
        current = name.lower()
        while (current, CNAME) in self.zone:
            (target, ttl), = self.zone[current, CNAME]
            answers.append(record(owner, CNAME, ttl, wire(target)))
            current, owner = target, wire(target)
        for addr, ttl in self.zone.get((current, kind), []):
            family = socket.AF_INET if kind == A else socket.AF_INET6
            answers.append(record(owner, kind, ttl, socket.inet_pton(family, addr)))
        known = answers or any(key[0] == current for key in self.zone)
        head = struct.pack(">6H", ident, 0x8180 if known else 0x8183, 1, len(answers), 0,
                           1 if extra else 0)
        edns = b"\0" + struct.pack(">HHIH", OPT, 4096, 0, 0) if extra else b""
        return head + question + b"".join(answers) + edns


def use_resolver(resolver):
    """The C library of this test and of its children asks it."""
    nt.private_mounts()
    texts = {"resolv.conf": f"nameserver {resolver.addr}\n", "nsswitch.conf": "hosts: files dns\n"}
    for name, text in texts.items():
        path = os.path.join(nt.temp_dir(), name)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, 0o644)
        if not os.path.exists(f"/etc/{name}"):
            open(f"/etc/{name}", "w").close()
        nt.mount(path, f"/etc/{name}", None, 0x1000)  # MS_BIND


def question(name, kind=A, edns=False, ident=4711):
    head = struct.pack(">6H", ident, 0x0100, 1, 0, 0, 1 if edns else 0)
    return head + wire(name) + struct.pack(">HH", kind, 1) + \
        (b"\0" + struct.pack(">HHIH", OPT, 4096, 0, 0) if edns else b"")


def ask(space, resolver, name, kind=A, edns=False):
    """A client of our own: sends, and waits for the answer."""
    with space:
        sock = socket.socket(resolver.socket.family, socket.SOCK_DGRAM)
    sock.settimeout(nt.PATIENCE)
    with sock:
        sock.sendto(question(name, kind, edns), (resolver.addr, 53))
        return sock.recv(65536)


def queries(trace):
    return [(row["raddr"], row["query"]) for row in trace.rows()]


def test_dns_curl():
    """curl and the C library's resolver; names with aliases, IPv4 and IPv6."""
    b, a = nt.pair()
    nt.http_server(b, 8000, {"file": 1000}, bind="::")
    zone = {("plain.example.test", A): [(b.addr4, 300)], ("six.example.test", AAAA): [(b.addr6, 300)],
            ("www.example.test", CNAME): [("cdn.example.net", 300)],
            ("cdn.example.net", CNAME): [("host7.example.org", 300)],
            ("host7.example.org", A): [(b.addr4, 300)]}
    use_resolver(Resolver(a, zone))
    trace = traced(a, b, args=["-d"])
    table = Trace("-d", spaces=(a, b))
    names = ("plain.example.test", "six.example.test", "www.example.test")
    curls = [Curl(a, f"http://{name}:8000/file") for name in names]
    numeric = Curl(a, f"http://[{b.addr6}]:8000/file")
    equal([curl.http_code for curl in curls + [numeric]], [200] * 4, "curl's answers")
    rows = trace.stop().rows()
    equal([(row["pid"], row["comm"], row["lport"], row["raddr"], row["query"]) for row in rows],
          [(curls[0].pid, "curl", curls[0].local_port, b.addr4, names[0]),
           (curls[1].pid, "curl", curls[1].local_port, b.addr6, names[1]),
           (curls[2].pid, "curl", curls[2].local_port, b.addr4, names[2]),
           (numeric.pid, "curl", numeric.local_port, b.addr6, names[1])], "rows")
    stats = trace.stats()
    equal((stats["seen"] - stats["filtered"], stats["sent"]), (4, 4), "answers are no events")
    heading, lines = table.stop().table()
    equal(heading, HEADING + ["QUERY"], "heading")
    equal([line["QUERY"] for line in lines], [row["query"] for row in rows], "names in the table")


def test_dns_ipv6_server():
    space = nt.Space()
    listener = nt.listen(space, "::1")
    resolver = Resolver(space, {("six.example.test", AAAA): [("::1", 300)]}, "::1")
    use_resolver(resolver)
    trace = traced(space, args=["-d"])
    Curl(space, f"http://six.example.test:{nt.port_of(listener)}/", "--max-time", "0.5")
    check(("six.example.test", AAAA) in resolver.asked, f"it was asked: {resolver.asked}")
    equal(queries(trace.stop()), [("::1", "six.example.test")], "names")


def test_dns_sockets():
    """Whatever call reads the answer, or none."""
    space = nt.Space()
    names = [f"n{i}.example.test" for i in range(6)]
    resolver = Resolver(space, {(name, A): [(f"10.9.0.{i}", 300)] for i, name in enumerate(names)})
    trace = traced(space, args=["-d"])

    def opened(connected):
        with space:
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.settimeout(nt.PATIENCE)
        if connected:
            sock.connect((resolver.addr, 53))
        return sock

    server = (resolver.addr, 53)
    for name, read in zip(names, (lambda s: s.recvfrom(4096), lambda s: s.recv(4096),
                                  lambda s: s.recvmsg_into([bytearray(5), bytearray(4000)]),
                                  lambda s: os.read(s.fileno(), 4096),
                                  lambda s: s.recv(1, socket.MSG_PEEK), None)):
        with opened(read is not None and name != names[0]) as sock:
            if name == names[0] or not read:
                sock.sendto(question(name), server)
            else:
                sock.send(question(name))
            if read:
                sock.settimeout(None)
                read(sock)
            else:
                nt.wait_for(lambda: (name, A) in resolver.asked, "the question")
                nt.wait_for(lambda: unread(sock), "the answer")
    for i in range(6):
        attempt(space, f"10.9.0.{i}", 80)
    equal(queries(trace.stop()), [(f"10.9.0.{i}", name) for i, name in enumerate(names)], "names")


def unread(sock):
    try:
        return sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False


def test_dns_large():
    """Answers of more than 512 bytes."""
    space = nt.Space()
    zone = {(f"n{count}.example.test", A): [(f"10.{count}.{i >> 8}.{i & 255}", 300)
                                            for i in range(count)] for count in (28, 30, 100, 200)}
    resolver = Resolver(space, zone)
    trace = traced(space, args=["-d"])
    sizes = [len(ask(space, resolver, f"n{count}.example.test", edns=True))
             for count in (28, 30, 100, 200)]
    check(sizes[0] < 512 < sizes[1] and 3000 < sizes[3] < 4096, f"sizes of the answers: {sizes}")
    for count in (28, 30, 100, 200):
        attempt(space, f"10.{count}.0.{count - 1}", 80)
    equal([row["query"] for row in trace.stop().rows()],
          [f"n{count}.example.test" for count in (28, 30, 100, 200)], "names of the last addresses")


def test_dns_ttl():
    space = nt.Space()
    resolver = Resolver(space, {("short.example.test", A): [("10.9.0.1", 3)],
                                ("alias.example.test", CNAME): [("real.example.test", 3)],
                                ("real.example.test", A): [("10.9.0.2", 300)],
                                ("long.example.test", A): [("10.9.0.3", 300)]})
    trace = traced(space, args=["-d"])
    addrs = ["10.9.0.1", "10.9.0.2", "10.9.0.3"]
    for name in ("short", "alias", "long"):
        ask(space, resolver, f"{name}.example.test")
    answered = time.monotonic()
    for addr in addrs:
        attempt(space, addr, 80)
    check(time.monotonic() - answered < 3, "the names were asked for at once")
    time.sleep(answered + 3.2 - time.monotonic())  # what the test is about
    for addr in addrs:
        attempt(space, addr, 80)
    equal([row["query"] for row in trace.stop().rows()],
          ["short.example.test", "alias.example.test", "long.example.test",
           None, None, "long.example.test"], "names, and names later")


def test_dns_hostile():
    """What comes from port 53 may be anything."""
    space = nt.Space()

    class Liar(Resolver):
        def answer(self, query):
            good = super().answer(query)
            number = len(self.asked)
            if number <= 50:
                return os.urandom(number * 80)
            return good[:number - 50] if number <= 90 else good

    resolver = Liar(space, {("good.example.test", A): [("10.9.0.1", 300)]})
    trace = traced(space, args=["-d"])
    for _ in range(91):
        ask(space, resolver, "good.example.test")
    attempt(space, "10.9.0.1", 80)
    equal(queries(trace.stop()), [("10.9.0.1", "good.example.test")], "the last answer was right")
    equal(trace.stderr.count("\n"), 1 if "seen" in trace.stderr else 0, f"stderr: {trace.stderr}")


def test_dns_other_port():
    space = nt.Space()
    resolver = Resolver(space, {("x.example.test", A): [("10.9.0.1", 300)]}, port=5353)
    trace = traced(space, args=["-d"])
    with space:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(nt.PATIENCE)
    sock.sendto(question("x.example.test"), (resolver.addr, 5353))
    sock.recv(4096)
    attempt(space, "10.9.0.1", 80)
    equal(queries(trace.stop()), [("10.9.0.1", None)], "no name from elsewhere")


def test_dns_not_asked():
    """Without -d no packet is looked at, and there are no names."""
    space = nt.Space()
    resolver = Resolver(space, {("x.example.test", A): [("10.9.0.1", 300)]})
    traces = Trace.several({"with": ["-d"], "without": []}, "--json", spaces=[space])
    named = {p.id: p.name for p in bpf.programs()}
    loaded = {name: {named.get(i) for i in trace.bpf_ids()["prog"]} for name, trace in traces.items()}
    check("nt_dns_answer" in loaded["with"], f"programs of -d: {loaded['with']}")
    check("nt_dns_answer" not in loaded["without"], f"programs without: {loaded['without']}")
    ask(space, resolver, "x.example.test")
    attempt(space, "10.9.0.1", 80)
    equal([queries(traces[name].stop()) for name in ("with", "without")],
          [[("10.9.0.1", "x.example.test")], [("10.9.0.1", None)]], "names")
    explained = nt.tool("tcpconnect", "--explain").stdout, nt.tool("tcpconnect", "--explain", "-d").stdout
    equal([b"DNS answers" in text for text in explained], [False, True], "what --explain tells")


def test_dns_recorded():
    """Names come again from a recording, whatever filter is asked of it."""
    space = nt.Space()
    resolver = Resolver(space, {("x.example.test", A): [("10.9.0.1", 300)],
                                ("y.example.test", A): [(f"10.8.0.{i}", 300) for i in range(200)]})
    path = os.path.join(nt.temp_dir(), "names.nt")
    trace = traced(space, args=["-d", "--record", path])
    attempt(space, "10.9.0.1", 79)
    for name in ("x", "y"):
        ask(space, resolver, f"{name}.example.test", edns=True)
    attempt(space, "10.9.0.1", 80)
    attempt(space, "10.8.0.199", 81)
    trace.stop()
    live = [line for line in trace.out.splitlines(True) if b'"tool":"stats"' not in line]
    equal([row["query"] for row in trace.rows()], [None, "x.example.test", "y.example.test"], "names")
    done = nt.tool("replay", path, "--json")
    equal((done.returncode, done.stdout), (0, b"".join(live)), "the replay")
    done = nt.tool("replay", path, "--json", "--rport", "81")
    equal((done.returncode, done.stdout), (0, live[2]), "the replay of one port")


def test_dns_and_count():
    done = nt.tool("tcpconnect", "-c", "-d")
    equal((done.returncode, done.stdout), (2, b""), "exit status and stdout")
    check(b"--dns" in done.stderr and b"--count" in done.stderr, f"what is said: {done.stderr}")


# Several tools

def test_merged():
    """It brings no owners of its own; the tool that needs them gets them, whatever the order."""
    space = nt.Space()
    nt.http_server(space, 8000, {"file": 1000})
    traces = [Trace("--json", "--stats", tool=tools, spaces=[space])
              for tools in ("tcpconnect,tcplife", "tcpstates,tcpconnect")]
    curl = Curl(space, "http://127.0.0.1:8000/file")
    nt.quiet(space)
    for trace in traces:
        trace.stop()
        times = [row["time"] for row in trace.rows()]
        equal(times, sorted(times), "rows in the order of time")
        row = trace.row(tool="tcpconnect")
        equal((row["pid"], row["lport"], row["rport"]), (curl.pid, curl.local_port, 8000), "the row")
    lives = [row for row in traces[0].rows() if row["tool"] == "tcplife"]
    equal(sorted(row["comm"] for row in lives), ["curl", "python3"], "tcplife's owners")
    states = [row for row in traces[1].rows() if row["lport"] == curl.local_port and
              row["tool"] == "tcpstates"]
    equal({row["pid"] for row in states}, {curl.pid}, "tcpstates' owners")
