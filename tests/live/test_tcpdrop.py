# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""tcpdrop: every TCP packet that is dropped, once: which, whose, why and where."""
import collections
import contextlib
import os
import re
import socket
import struct

import nt
from nt import Peer, check, equal

NAMES = ("tool time pid tid comm uid cgroup netns owner ip laddr lport raddr rport "
         "saddr sport daddr dport state flags reason reason_code dev stack").split()
COUNTED = ("tool time netns ip laddr lport raddr rport saddr sport daddr dport reason reason_code "
           "drops").split()
HEADING = "TIME PID IP SADDR:SPORT > DADDR:DPORT STATE (FLAGS) REASON (CODE)".split()

with open("/sys/kernel/btf/vmlinux", "rb") as btf:
    BTF = btf.read()
HAS_REASONS = b"\0SKB_DROP_REASON_NOT_SPECIFIED\0" in BTF
HAS_OVERFLOW = b"\0SKB_DROP_REASON_TCP_LISTEN_OVERFLOW\0" in BTF
OVERFLOW = "TCP_LISTEN_OVERFLOW" if HAS_OVERFLOW else "ListenOverflows"


class Trace(nt.Trace):
    def __init__(self, *args, tool="tcpdrop", **more):
        super().__init__(*args, tool=tool, **more)


def named(reason, function):
    """What stands in where the kernel has no reasons."""
    return reason if HAS_REASONS else function


def codes():
    """{name: number} as the kernel itself prints them, or {} where it does not let us look."""
    nt.private_mounts()
    at = nt.temp_dir()
    try:
        nt.mount("none", at, "tracefs")
        with open(f"{at}/events/skb/kfree_skb/format") as file:
            return {name: int(number)
                    for number, name in re.findall(r'\{ (\d+), "(\w+)" \}', file.read())}
    except OSError:
        return {}


def refused(space, addr, port=9):
    """A connect() to a closed port; the client's port."""
    sock = nt.client(space, addr)
    code = sock.connect_ex((addr, port))
    check(code, "the port is closed")
    own = nt.port_of(sock)
    sock.close()
    return own


def syn(space, addr, port):
    """A SYN that nobody answers; the socket."""
    sock = nt.client(space, addr)
    sock.setblocking(False)
    sock.connect_ex((addr, port))
    return sock


def ends(row):
    return row["saddr"], row["sport"], row["daddr"], row["dport"]


def check_rows(rows):
    for row in rows:
        equal(list(row), NAMES, "JSON's keys")
        near, far = (row["laddr"], row["lport"]), (row["raddr"], row["rport"])
        check(ends(row) in (near + far, far + near), f"the two forms of the ends of {row}")
        check(row["ip"] == (6 if ":" in row["saddr"] else 4), f"family of {row}")
        check(all(re.fullmatch(r"[\w.]+\+0x[0-9a-f]+", frame) for frame in row["stack"] or []),
              f"stack of {row}")
    return rows


# Scene 9

def test_scene9():
    """A web server under load, a SYN that a firewall drops, an accept queue that is full."""
    b, a = nt.pair()
    server = nt.http_server(b, 8000, {"file": 1000})
    again = b.drop("--dport", "81")
    listener = nt.listen(b, b.addr4, backlog=1)
    trace = Trace("--json", "--stats", spaces=(a, b))
    table = Trace(spaces=(a, b))
    ab = nt.start("ab", "-n", "100", "-c", "6", f"http://{b.addr4}:8000/file", space=a,
                  stdout=-3, stderr=-3)
    equal(ab.wait(nt.PATIENCE), 0, "ab")
    before = b.tcp_ext("ListenOverflows")
    blocked = syn(a, b.addr4, 81)
    waiting = [syn(a, b.addr4, nt.port_of(listener)) for _ in range(5)]
    nt.wait_for(lambda: sum(r["dport"] in (81, nt.port_of(listener)) for r in trace.rows()) >= 4,
                f"four SYNs; there are {trace.rows()}")
    again()
    for sock in [blocked, *waiting, listener]:
        sock.close()
    full = b.tcp_ext("ListenOverflows") - before
    rows = check_rows(trace.stop().rows())
    (first, *_) = [row for row in rows if row["dport"] == 81]
    equal((ends(first), first["flags"], first["reason"], first["state"], first["pid"]),
          ((a.addr4, first["sport"], b.addr4, 81), ["SYN"],
           named("NETFILTER_DROP", "nf_hook_slow"), None, None), "the SYN without a socket")
    check(first["stack"], f"stack of {first}")
    found = [row for row in rows if row["reason"] == OVERFLOW]
    check(found and len(found) == full, f"{full} overflows: {found}")
    for row in rows:
        if row["dport"] == 8000 and row["state"]:
            check(row["pid"] == server.pid or row["state"] == "TIME_WAIT", f"owner of {row}")
    check_table(table.stop().lines(), rows)


def check_table(lines, rows):
    """bcc's form: a line, and below it the stack."""
    equal(lines[0].split(), HEADING, "heading")
    at = 1
    for row in rows:
        words = lines[at].split()
        dash = lambda value: "-" if value is None else str(value)
        form = "{}:{}" if row["ip"] == 4 else "[{}]:{}"
        equal(words[1:],
              [dash(row["pid"]), str(row["ip"]), form.format(row["saddr"], row["sport"]), ">",
               form.format(row["daddr"], row["dport"]), dash(row["state"]),
               f"({'|'.join(row['flags'])})", row["reason"], f"({dash(row['reason_code'])})"],
              "a line")
        at += 1
        if row["stack"]:
            stack = lines[at:at + len(row["stack"]) + 1]
            equal([line[1:].split("+")[0] for line in stack],
                  [frame.split("+")[0] for frame in row["stack"]] + [""], "the stack below")
            equal({line[:1] for line in stack}, {"\t", ""}, "tabs")
            at += len(stack)
    equal(at, len(lines), "lines")


# Without a socket

def test_no_socket():
    """A port that nobody listens on, both families; a row a SYN, and what is known of it."""
    b, a = nt.pair()
    resets = b.snmp("OutRsts")
    trace = Trace("--json", "--stats", spaces=(a, b))
    want = [(addr, refused(a, addr)) for addr in (b.addr4, b.addr6) * 3]
    rows = check_rows(trace.stop().rows())
    equal(len(rows), b.snmp("OutRsts") - resets, "rows and answers")
    equal([(row["daddr"], row["sport"]) for row in rows], want, "rows")
    for row in rows:
        v6 = row["ip"] == 6
        equal((row["saddr"], row["dport"], row["laddr"], row["lport"], row["netns"], row["dev"]),
              (a.addr6 if v6 else a.addr4, 9, row["daddr"], 9, b.inode, "veth0"), f"row {row}")
        equal((row["reason"], row["state"], row["flags"], row["pid"], row["owner"]),
              (named("NO_SOCKET", "tcp_v6_rcv" if v6 else "tcp_v4_rcv"), None, ["SYN"], None,
               "none"), f"row {row}")
        check(row["stack"][0].startswith("tcp_v6_rcv+" if v6 else "tcp_v4_rcv+"),
              f"stack of {row}")
    numbers = codes()
    if HAS_REASONS and numbers:
        equal({row["reason_code"] for row in rows}, {numbers["NO_SOCKET"]}, "the kernel's number")
    equal({type(row["reason_code"]) for row in rows}, {int if HAS_REASONS else type(None)}, "codes")


def test_extension_headers():
    """IPv6 headers before TCP's: the ports are behind them."""
    space = nt.Space()
    trace = Trace("--json", spaces=(space,))
    sock = nt.client(space, "::1")
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_HOPOPTS, bytes((0, 0, 1, 4, 0, 0, 0, 0)))
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_DSTOPTS, bytes((0, 0, 1, 4, 0, 0, 0, 0)))
    check(sock.connect_ex(("::1", 9)), "refused")
    trace.wait_rows(1)
    (row,) = check_rows(trace.stop().rows())
    equal((ends(row), row["flags"], row["dev"]), (("::1", nt.port_of(sock), "::1", 9), ["SYN"],
                                                  "lo"), "the row")


def test_firewall_in():
    """As many rows as the rule counts; both families."""
    b, a = nt.pair()
    rule = ("INPUT", "-p", "tcp", "--dport", "81", "-j", "DROP")
    for command in ("iptables", "ip6tables"):
        b.iptables("-A", *rule, command=command)
    trace = Trace("--json", "--stats", spaces=(a, b))
    socks = [syn(a, addr, 81) for addr in (b.addr4, b.addr6)]
    trace.wait_rows(4)  # each is sent again after a second
    ports = [nt.port_of(sock) for sock in socks]
    for sock in socks:
        sock.close()
    rows = check_rows(trace.stop().rows())
    equal({(row["daddr"], row["sport"]) for row in rows},
          {(b.addr4, ports[0]), (b.addr6, ports[1])}, "flows")
    for row in rows:
        equal((row["reason"], row["flags"], row["state"], row["pid"], row["dev"], row["netns"],
               row["lport"]),
              (named("NETFILTER_DROP", "nf_hook_slow"), ["SYN"], None, None, "veth0", b.inode, 81),
              f"row {row}")


def test_firewall_out():
    """What leaves: the sender is here, and so is its owner."""
    b, a = nt.pair()
    for command in ("iptables", "ip6tables"):
        a.iptables("-A", "OUTPUT", "-p", "tcp", "--dport", "81", "-j", "DROP", command=command)
    client = Peer(a, "client")
    trace = Trace("--json", spaces=(a, b))
    for addr in (b.addr4, b.addr6):
        client.tell("connect", addr, 81)
        nt.wait_for(lambda: any(row["daddr"] == addr for row in trace.rows()), f"a row of {addr}")
        client.kill()
        client = Peer(a, "client")
    rows = check_rows(trace.stop().rows())
    for row in rows:
        equal((row["saddr"], row["dport"], row["laddr"], row["rport"], row["state"], row["flags"]),
              (a.addr6 if row["ip"] == 6 else a.addr4, 81, row["saddr"], 81, "SYN_SENT", ["SYN"]),
              f"row {row}")
        equal((row["comm"], row["owner"], row["dev"], row["netns"]),
              ("client", "connect", "veth0", a.inode), f"row {row}")


# Of a socket

def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def segment(space, source, target, seq, flags, data=b"", ack=0):
    """A segment of our own making, from (addr, port) to (addr, port); IPv4 or IPv6."""
    v6 = ":" in source[0]
    family = socket.AF_INET6 if v6 else socket.AF_INET
    header = struct.pack("!HHIIBBHHH", source[1], target[1], seq & 0xffffffff, ack & 0xffffffff,
                         0x50, flags, 1000, 0, 0)
    both = socket.inet_pton(family, source[0]) + socket.inet_pton(family, target[0])
    pseudo = both + (struct.pack("!II", 20 + len(data), 6) if v6 else
                     struct.pack("!BBH", 0, 6, 20 + len(data)))
    total = checksum(pseudo + header + data + b"\0" * (len(data) % 2))
    header = header[:16] + struct.pack("!H", total) + header[18:]
    with space:
        sock = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_TCP)
    sock.sendto(header + data, (target[0], 0))
    sock.close()


FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


def test_established():
    """A segment from far outside the window: the receiver's socket, its owner and its state."""
    b, a = nt.pair()
    client, server = Peer(a, "client"), Peer(b, "server")
    for addr in ("addr4", "addr6"):
        trace = Trace("--json", spaces=(a, b))
        here, there = getattr(b, addr), getattr(a, addr)
        listener = server.listen("::")
        c = client.connect(here, server.name(listener))
        s = server.accept(listener)
        client.send(c, 10)
        server.recv(s, 10)
        far = (there, client.name(c)), (here, server.name(listener))
        segment(a, *far, 12345, ACK | PSH, b"data", 1)
        mine = lambda: [row for row in trace.rows() if ends(row) == far[0] + far[1]]
        nt.wait_for(mine, f"a row of {far}; there are {trace.rows()}")
        check_rows(trace.stop().rows())
        (row,) = mine()
        equal((ends(row), row["laddr"], row["state"], row["pid"], row["comm"], row["netns"],
               row["flags"]),
              (far[0] + far[1], here, "ESTABLISHED", server.pid, "server", b.inode,
               ["PSH", "ACK"]), "the row")
        check("SEQUENCE" in row["reason"] or "OLD" in row["reason"] or
              not HAS_REASONS and row["reason"].startswith("tcp_"), f"reason of {row}")
        client.close(c)
        server.end(s)
        server.close(s)


def test_teardown():
    """Ordinary ends of connections are no drops, whoever closes first; --all shows what is freed."""
    b, a = nt.pair()
    traces = Trace.several({"plain": [], "all": ["--all"]}, "--json", "--stats", spaces=(a, b))
    again = [space.snmp("RetransSegs") for space in (a, b)]
    for first in ("client", "server", "both"):
        for addr in (b.addr4, b.addr6):
            c, s = nt.joined(b, a, addr)
            nt.transfer(c, s, 10_000)
            nt.transfer(s, c, 10_000)
            order = (c, s) if first == "client" else (s, c)
            if first == "both":
                c.shutdown(socket.SHUT_WR)
                s.shutdown(socket.SHUT_WR)
            for sock in order:
                sock.close()
    nt.quiet(a, b)
    for trace in traces.values():
        trace.stop()
    again = sum(space.snmp("RetransSegs") for space in (a, b)) - sum(again)
    check(len(traces["plain"].rows()) <= again,  # a busy host sends some twice
          f"rows: {traces['plain'].rows()}")
    rows = check_rows(traces["all"].rows())
    check(rows, "something was freed")
    if HAS_REASONS and not again:
        check({row["reason"] for row in rows} <= {"NOT_SPECIFIED", "CONSUMED", "QUEUE_PURGE"},
              f"reasons: {rows}")


def test_not_tcp():
    """bcc shows UDP as if it were TCP."""
    b, a = nt.pair()
    trace = Trace("--json", "--all", "--stats", spaces=(a, b))
    for addr in (b.addr4, b.addr6):
        with a:
            sock = socket.socket(socket.AF_INET6 if ":" in addr else socket.AF_INET,
                                 socket.SOCK_DGRAM)
        sock.sendto(b"x", (addr, 9))
        with contextlib.suppress(OSError):
            sock.sendto(b"x", (addr, 9))
    port = refused(a, b.addr4)
    nt.wait_for(lambda: any(row["sport"] == port for row in trace.rows()), "the SYN")
    rows = check_rows(trace.stop().rows())
    equal({port in (row["sport"], row["dport"]) for row in rows}, {True}, "rows of the SYN only")


# Queues of listeners

def check_full(row, listener, server, addr, flags):
    equal((row["reason"], row["state"], row["flags"], row["daddr"], row["dport"]),
          (OVERFLOW, "LISTEN", flags, addr, listener), f"row {row}")
    equal((row["pid"], row["comm"], row["ip"]),
          (server.pid, "server", 6 if ":" in addr else 4), f"owner of {row}")


def test_accept_queue_syn():
    """SYNs that find the accept queue full: as many rows as the kernel counts, once each."""
    for addr in ("addr4", "addr6"):
        b, a = nt.pair()
        server = Peer(b, "server", hands=Small)
        listener = server.listen("::", 1)
        port = server.name(listener)
        traces = Trace.several({"plain": [], "all": ["--all"]}, "--json", "--stats", spaces=(a, b))
        before = b.tcp_ext("ListenOverflows")
        socks = [syn(a, getattr(b, addr), port) for _ in range(6)]
        traces["plain"].wait_rows(4)
        for sock in socks:
            sock.close()
        full = b.tcp_ext("ListenOverflows") - before
        for trace in traces.values():
            rows = [row for row in check_rows(trace.stop().rows()) if row["flags"] == ["SYN"]]
            equal(len(rows), full, "rows and ListenOverflows")
            for row in rows:
                check_full(row, port, server, getattr(b, addr), ["SYN"])


class Small(nt.Hands):
    def listen(self, addr, backlog):
        """Does not accept."""
        sock = nt.stream(addr)
        sock.bind((addr, 0))
        sock.listen(backlog)
        return self._keep(sock)


def test_accept_queue_ack():
    """Handshakes that end when the queue has become full: one row each, though it is freed later."""
    b, a = nt.pair()
    server = Peer(b, "server", hands=Small)
    listener = server.listen(b.addr4, 2)
    port = server.name(listener)
    traces = Trace.several({"plain": [], "all": ["--all"]}, "--json", "--stats", spaces=(a, b))
    match = ("INPUT", "-p", "tcp", "--tcp-flags", "SYN,ACK", "ACK", "--sport", "5001:5002",
             "-j", "DROP")
    b.iptables("-A", *match)
    before = b.tcp_ext("ListenOverflows")
    socks = [nt.client(a, b.addr4) for _ in range(2)]
    for i, sock in enumerate(socks):
        sock.bind((a.addr4, 5001 + i))
        sock.connect((b.addr4, port))
    # The SYN queue is full, and more is accepted by cookies until the accept queue is full, too.
    socks += [nt.connect(a, b.addr4, port) for _ in range(3)]
    b.iptables("-D", *match)
    nt.wait_for(lambda: b.tcp_ext("ListenOverflows") >= before + 2, "two overflows")
    for sock in socks:
        sock.close()
    server.close(listener)
    full = b.tcp_ext("ListenOverflows") - before
    for name, trace in traces.items():
        rows = [row for row in check_rows(trace.stop().rows()) if row["reason"] == OVERFLOW]
        equal(len(rows), full, f"rows and ListenOverflows under {name}")
        check(["ACK"] in [row["flags"] for row in rows], f"an ACK: {rows}")
        times = collections.Counter((row["sport"], row["time"]) for row in trace.rows())
        equal(max(times.values()), 1, "the same packet twice")


def test_syn_queue():
    """Without cookies SYNs are dropped when too many handshakes are under way."""
    b, a = nt.pair()
    b.sysctl("ipv4/tcp_syncookies", "0")
    a.iptables("-A", "INPUT", "-p", "tcp", "-j", "DROP")  # nobody answers the SYN-ACKs
    server = Peer(b, "server", hands=Small)
    listener = server.listen(b.addr4, 3)
    port = server.name(listener)
    trace = Trace("--json", "--stats", spaces=(b,))
    before = b.tcp_ext("TCPReqQFullDrop")
    socks = [syn(a, b.addr4, port) for _ in range(6)]
    full_rows = lambda: [row for row in trace.rows() if row["reason"] == "TCPReqQFullDrop"]
    nt.wait_for(lambda: len(full_rows()) >= 3, "some dropped, and sent again")
    for sock in socks:
        sock.close()
    full = b.tcp_ext("TCPReqQFullDrop") - before
    check_rows(trace.stop().rows())  # where no reasons are also SYNs that are known already
    rows = full_rows()
    equal(len(rows), full, f"rows {rows} and TCPReqQFullDrop")
    for row in rows:
        equal((row["reason"], row["reason_code"], row["state"], row["dport"], row["pid"]),
              ("TCPReqQFullDrop", None, "LISTEN", port, server.pid), f"row {row}")


# Options

def test_filters():
    b, a = nt.pair()
    for command in ("iptables", "ip6tables"):
        b.iptables("-A", "INPUT", "-p", "tcp", "--dport", "81", "-j", "DROP", command=command)
    closed, firewall = named("NO_SOCKET", "tcp_v4_rcv,tcp_v6_rcv"), named("NETFILTER_DROP",
                                                                         "nf_hook_slow")
    is_firewall = lambda row: row["dport"] == 81
    nothing = lambda row: False
    wanted = {
        ("--reason", firewall): is_firewall,
        ("--reason", "!" + firewall): lambda row: not is_firewall(row),
        ("--reason", f"{closed},ListenOverflows"): lambda row: not is_firewall(row),
        ("--filter", f"reason {firewall}"): is_firewall,
        ("--filter", f"reason != {closed} and flags SYN"): is_firewall,
        ("--filter", "flags RST,FIN"): nothing,
        ("--filter", "dport = 9 and state ESTABLISHED"): nothing,
        ("--filter", "dport = 9 and sport > 1000"): lambda row: not is_firewall(row),
        ("-4",): lambda row: row["ip"] == 4,
        ("-6",): lambda row: row["ip"] == 6,
        ("--lport", "81"): is_firewall,
        ("--raddr", a.addr4): lambda row: row["ip"] == 4,
        ("--comm", "nobody"): nothing,
        ("--netns-id", str(b.inode)): lambda row: True,
        ("--netns-id", str(a.inode)): nothing,
        ("--pid-netns", str(Peer(b).pid)): lambda row: True,
        ("--pid-netns", str(Peer(a).pid)): nothing,
    }
    wanted = nt.some(wanted)
    traces = Trace.several({key: list(key) for key in wanted}, "--json", "--no-stack", "--stats",
                           spaces=(a, b))
    every = Trace("--json", "--no-stack", spaces=(a, b))
    socks = [syn(a, addr, 81) for addr in (b.addr4, b.addr6)]
    for addr in (b.addr4, b.addr6):
        refused(a, addr)
    every.wait_rows(4)
    for sock in socks:
        sock.close()
    rows = every.stop().rows()
    equal({row["stack"] for row in rows}, {None}, "--no-stack")
    for key, trace in traces.items():
        trace.stop()
        want = [ends(row) for row in rows if wanted[key](row)]
        # one that was stopped later may have seen a SYN that was sent again
        equal([ends(row) for row in trace.rows()][:len(want)], want, f"rows of {key}")
        check({ends(row) for row in trace.rows()} <= set(want), f"rows of {key}")


def test_count():
    """-c: a row for each flow and reason; as many drops as there are rows without it."""
    b, a = nt.pair()
    b.iptables("-A", "INPUT", "-p", "tcp", "--dport", "81", "-j", "DROP")
    traces = Trace.several({"plain": ["--json"], "-c": ["-c", "--json", "--stats"],
                            "table": ["-c"], "mine": ["-c", "--json", "--port", "9"]},
                           spaces=(a, b))
    for i in range(3):
        segment(a, (a.addr4, 4000), (b.addr4, 9), i, RST)
        segment(a, (a.addr6, 4000), (b.addr6, 9), i, RST | PSH)
    for i in range(2):
        segment(a, (a.addr4, 4001), (b.addr4, 81), i, SYN)
    traces["plain"].wait_rows(8)
    for trace in traces.values():
        trace.stop()
    rows = traces["plain"].rows()
    want = collections.Counter((ends(row), row["reason"], row["netns"]) for row in rows)
    found = traces["-c"].rows()
    equal({(ends(row), row["reason"], row["netns"]): row["drops"] for row in found}, dict(want),
          "drops of each flow and reason")
    equal(sorted(row["drops"] for row in found), [2, 3, 3], "drops")
    equal(found[-1]["drops"], 2, "the largest first")
    equal({tuple(row) for row in found}, {tuple(COUNTED)}, "JSON's keys under -c")
    equal(sum(row["drops"] for row in traces["mine"].rows()), 6, "of port 9")
    heading, lines = traces["table"].table()
    equal(heading, "SADDR:SPORT > DADDR:DPORT REASON (CODE) DROPS".split(), "heading of -c")
    equal([line["DROPS"] for line in lines], ["3", "3", "2"], "table of -c")


def test_csv():
    b, a = nt.pair()
    traces = Trace.several({"csv": ["--csv"], "json": ["--json"]}, spaces=(a, b))
    segment(a, (a.addr4, 4000), (b.addr4, 9), 1, RST | FIN)  # one that nobody answers
    traces["json"].wait_rows(1)
    for trace in traces.values():
        trace.stop()
    (row,), (line,) = traces["json"].rows(), traces["csv"].csv()
    equal(row["flags"], ["FIN", "RST"], "flags")
    equal((line["flags"], line["reason"], line["pid"], line["stack"].split(";")[0]),
          ("FIN|RST", row["reason"], "", row["stack"][0]), "CSV")


def test_recorded():
    """A replay has the run's text, without root, and filters by the recording's names."""
    b, a = nt.pair()
    place = nt.temp_dir()
    runs = {"table": [], "json": ["--json", "--no-stack"], "count": ["-c"]}
    traces = Trace.several({key: [*args, "--record", f"{place}/{key}"]
                            for key, args in runs.items()}, spaces=(a, b))
    both = Trace("--json", "--record", f"{place}/both", tool="tcplife,tcpdrop", spaces=(a, b))
    refused(a, b.addr6)
    refused(a, b.addr4)
    both.wait_rows(2)
    for key, trace in {**traces, "both": both}.items():
        trace.stop()
        os.chmod(f"{place}/{key}", 0o644)
        form = [] if key in ("table", "count") else ["--json"]
        done = nt.tool("replay", f"{place}/{key}", *form, uid=nt.NOBODY)
        equal((done.returncode, done.stderr, done.stdout), (0, b"", trace.out), f"replay of {key}")
    reason = named("NO_SOCKET", "tcp_v4_rcv")
    done = nt.tool("replay", f"{place}/table", "--csv", "--no-header", "--columns", "reason",
                   "--reason", reason)
    equal(set(done.stdout.decode().split()), {reason}, f"filtered ({done.stderr})")
    done = nt.tool("replay", f"{place}/table", "--reason", "NOSUCH")
    equal((done.returncode, b"'NOSUCH'" in done.stderr), (2, True), f"{done.stderr}")


def test_hidden_addresses():
    """kptr_restrict: addresses instead of names, and one line that says why."""
    path = "/proc/sys/kernel/kptr_restrict"
    with open(path) as file:
        before = file.read()
    with open(path, "w") as file:
        file.write("2")
    nt.at_end(lambda: open(path, "w").write(before))
    b, a = nt.pair()
    record = os.path.join(nt.temp_dir(), "file")
    trace = Trace("--json", "--record", record, spaces=(a, b))
    for _ in range(2):
        refused(a, b.addr4)
    trace.wait_rows(2)
    trace.stop()
    for row in trace.rows():
        check(all(re.fullmatch("0x[0-9a-f]{16}", frame) for frame in row["stack"]), f"row {row}")
    equal(trace.stderr.count("kptr_restrict"), 1, f"said once: {trace.stderr}")
    equal(nt.tool("replay", record, "--json").stdout, trace.out, "replay")


def test_refused_options():
    for words, said in ((["--netns-id", "1", "--pid-netns", str(os.getpid())], b"--netns-id and --pid-netns"),
                        (["--reason", "NOSUCH"], b"'NOSUCH'"), (["--reason", ""], b"empty"),
                        (["--pid-netns", "0"], b"'0'"), (["--netns-id", "x"], b"'x'"),
                        (["--filter", "reason NOSUCH"], b"^~~~~~"),
                        (["--filter", "flags XYZ"], b"SYN")):
        done = nt.tool("tcpdrop", *words)
        equal((done.returncode, said in done.stderr), (2, True), f"{words}: {done.stderr}")


def test_explain():
    out = nt.tool("tcpdrop", "--explain").stdout.decode()
    want = "tcpdrop_(cast|read) on [^(]*(;|$)" if HAS_REASONS else "tcpdrop_old on .*stands in"
    check(re.search(f"dropped packets: {want}", out, re.M), f"the hook: {out}")
    check("full queues of listeners: tcpdrop_" in out, f"the other hook: {out}")
