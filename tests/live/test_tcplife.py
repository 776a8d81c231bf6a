# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""tcplife: owners, bytes, ends and durations of sessions, against what their two ends know."""
import contextlib
import ctypes
import errno
import os
import re
import signal
import socket
import subprocess
import time

import nt
from nt import Curl, Peer, Trace, check, equal, near

# Scene 1: one download, seen from both ends

def download(server_space, client_space):
    """One curl that takes about a second, under the tool as JSON and as a table."""
    size = 2_000_000
    server = nt.http_server(server_space, 8000, {"file": size})
    host = server_space.addr4
    spaces = {server_space, client_space}
    # a server that has written all into large buffers is done long before its client
    for space in spaces:
        space.sysctl("ipv4/tcp_rmem", "4096 32768 32768")
        space.sysctl("ipv4/tcp_wmem", "4096 32768 32768")
    trace = Trace("--json", spaces=spaces)
    table = Trace("-T", spaces=spaces)
    curl = Curl(client_space, f"http://{host}:8000/file", "--limit-rate", str(size))
    equal(curl.http_code, 200, f"curl's answer ({curl.stderr})")
    nt.quiet(*spaces)
    return server, curl, trace.stop(), table.stop()


def check_download(server, curl, trace, table):
    rows = trace.rows()
    equal(len(rows), 2, f"rows of one download {rows}")
    theirs, ours = trace.row(lport=8000), trace.row(rport=8000)
    equal((theirs["comm"], theirs["pid"]), ("python3", server.pid), "owner of the server's half")
    equal((ours["comm"], ours["pid"]), ("curl", curl.pid), "owner of the client's half")
    equal(ours["lport"], curl.local_port, "client's port")
    equal(theirs["rport"], curl.local_port, "server's peer port")
    equal((ours["laddr"], ours["raddr"]), (theirs["raddr"], theirs["laddr"]),
          "addresses of the two halves")
    equal(ours["rx_bytes"], curl.received, "bytes that curl received")
    equal(ours["tx_bytes"], curl.sent, "bytes that curl sent")
    equal((theirs["tx_bytes"], theirs["rx_bytes"]), (ours["rx_bytes"], ours["tx_bytes"]),
          "TX and RX of the halves")
    took = curl.time_total - curl.time_connect
    near(ours["duration_ns"] / 1e9, took, 0.2, "client's duration in s")
    near(theirs["duration_ns"] / 1e9, took, 0.2, "server's duration in s")
    check(not ours["partial"] and not theirs["partial"], f"no session is partial: {rows}")
    equal((ours["owner"], ours["ip"]), ("connect", 4), "client's owner and ip")

    heading, lines = table.table()
    equal(heading, "TIME PID COMM LADDR LPORT RADDR RPORT TX_KB RX_KB MS".split(), "heading")
    equal(len(lines), 2, "lines of the table")
    mine = {line["RPORT"]: line for line in lines}["8000"]
    check(re.fullmatch(r"\d\d:\d\d:\d\d", mine["TIME"]), f"a time of day: {mine}")
    equal((mine["PID"], mine["COMM"], mine["RX_KB"]),
          (str(curl.pid), "curl", str(curl.received // 1024)),
          "curl's line of the table")
    near(float(mine["MS"]) / 1e3, took, 0.2, "client's duration in the table, s")


def test_scene1_veth():
    b, a = nt.pair()
    check_download(*download(b, a))


def test_scene1_loopback():
    space = nt.Space()
    check_download(*download(space, space))


def test_scene2():
    b, a = nt.pair()
    server = nt.http_server(b, 8000, {"file": 100})
    wanted = {("-L", "8000"): 1, ("-D", "8000"): 1, ("-L", "8000", "-D", "8000"): 0,
              ("--port", "8000"): 2,
              ("--filter", "lport 8000 or rport 8000"): 2,
              ("--filter", "not (lport 8000 or rport 8000)"): 0,
              ("--filter", f"(lport 8000 or rport 8000) and !laddr {b.addr4}/32"): 1,
              ("--filter", f"lport 8000 and not raddr {a.addr4} or rport 8000 and net "
                           f"{b.addr4}/24 and !(comm nobody || pid 1)"): 1}
    traces = Trace.several({args: args for args in wanted}, "--json", spaces=(a, b))
    curl = Curl(a, f"http://{b.addr4}:8000/file")
    nt.quiet(a, b)
    got = {args: len(trace.stop().rows()) for args, trace in traces.items()}
    equal(got, wanted, "rows")
    equal(traces[("-L", "8000")].rows()[0]["pid"], server.pid, "PID of the row of -L")
    equal(traces[("-D", "8000")].rows()[0]["pid"], curl.pid, "PID of the row of -D")


# Scene 18: names that are hostile

def test_scene18():
    space = nt.Space()
    count = nt.scaled(3000, 100)
    traces = {form: Trace("-o", form, "--stats", spaces=[space])
              for form in ("json", "csv", "table")}
    report = nt.churn(space, "-n", count, "--pace", max(1000 * nt.SCALE, 20), "--comm-fuzz",
                      "--processes")
    equal(report["connections"], count, "connections that were made")
    nt.quiet(space)
    for trace in traces.values():
        trace.stop()
        equal(trace.stats()["lost_buffer"], 0, "lost events")
    rows = traces["json"].rows()
    equal(len(rows), 2 * count, "JSON rows")
    records = traces["csv"].csv()
    equal(len(records), 2 * count, "CSV records")
    table = traces["table"].out
    bad = {byte for byte in table if (byte < 32 and byte != 10) or byte == 127}
    equal(bad, set(), "control bytes in the table")
    table.decode("utf-8", "strict")
    equal(table.count(b"\n"), 2 * count + 1, "lines of the table")
    mine = [r["comm"] for r in rows if r["pid"] == report["client_pid"]]
    equal(len(mine), count, "rows of the client")
    check(len(set(mine)) > count / 2, "the client's name changes")
    # the same ports may come again: what has them is in the order of time
    equal(by_ports(records, lambda comm: plain(plain(comm))), by_ports(rows, plain),
          "comm in CSV and JSON")


def by_ports(rows, read):
    found = {}
    for row in rows:
        ports = str(row["lport"]), str(row["rport"])
        found.setdefault(ports, []).append(read(row["comm"].encode()))
    return found


def plain(text):
    r"""The bytes behind \xNN. CSV needs it twice: there the backslash itself is written so too."""
    return re.sub(rb"\\x([0-9a-f]{2})", lambda found: bytes([int(found[1], 16)]), text)


def comms(name):
    """A session of a client of this name: its comm in JSON and CSV, and its line of the table."""
    space = nt.Space()
    server, client = Peer(space, "server"), Peer(space, name)
    listener = server.listen("127.0.0.1")
    traces = [Trace("-o", form, "--rport", server.name(listener), spaces=[space])
              for form in ("json", "csv", "table")]
    one_session(server, listener, client)
    nt.quiet(space)
    json, csv, table = [trace.stop() for trace in traces]
    return json.row(pid=client.pid)["comm"], csv.csv()[0]["comm"], table.lines()[1]


def one_session(server, listener, client, size=10, addr="127.0.0.1"):
    """The client sends, the server receives; the client closes first. Returns the client's port."""
    c = client.connect(addr, server.name(listener))
    port = client.name(c)
    s = server.accept(listener)
    client.send(c, size)
    server.recv(s, size)
    client.close(c)
    server.end(s)
    server.close(s)
    return port


def test_comm_quotes():
    json, csv, line = comms(b'a"b,\'c\\d;')
    equal(json, 'a"b,\'c\\d;', "comm in JSON")
    equal(csv, 'a"b,\'c\\x5cd;', "comm in CSV")
    check('a"b,\'c\\x5cd;' in line, f"comm in the table: {line!r}")


def test_comm_control():
    json, csv, line = comms(b"x\n\ty\x1b[1m")
    equal(json, "x\n\ty\x1b[1m", "comm in JSON")
    equal(csv, r"x\x0a\x09y\x1b[1m", "comm in CSV")
    check(r"x\x0a\x09y\x1b[1m" in line, f"comm as \\xNN in the table: {line!r}")


def test_comm_invalid_utf8():
    json, csv, line = comms(b"\xff\xc3(\xe2\x82")
    equal((json, csv), (r"\xff\xc3(\xe2\x82",) * 2, "comm in JSON and CSV")
    check(json in line, f"comm as \\xNN in the table: {line!r}")


def test_comm_utf8():
    json, csv, line = comms("größe".encode())
    equal((json, csv), ("größe", "größe"), "comm")
    check("größe" in line, f"comm in the table: {line!r}")


def test_comm_full_length():
    json, csv, line = comms(b"fifteen-letters")
    equal((json, csv, line.split()[1]), ("fifteen-letters",) * 3, "comm")


# Attribution

def test_attribution():
    space = nt.Space()
    trace = Trace("--json", "--stats", spaces=[space])
    count = nt.scaled(1000, 200)
    report = nt.churn(space, "-n", count, "-b", 777, "--processes", "--close", "half", "--truth")
    nt.quiet(space)
    trace.stop()
    equal(len(trace.rows()), 2 * count, "rows")
    equal(len(report["truth"]), count, "lines of truth")
    rows = {}  # the same ports may come again, in the order of time
    for row in trace.rows():
        rows.setdefault((row["lport"], row["rport"]), []).append(row)
    for line in report["truth"]:
        ports = line["client_port"], line["server_port"]
        check(rows.get(ports) and rows.get(ports[::-1]), f"rows of {line}: {rows.get(ports)}")
        ours, theirs = rows[ports].pop(0), rows[ports[::-1]].pop(0)
        equal((ours["pid"], ours["comm"]), (report["client_pid"], "churn-client"),
              "owner of a client's row")
        equal((theirs["pid"], theirs["comm"]), (report["server_pid"], "churn-server"),
              "owner of a server's row")
        equal((ours["tx_bytes"], ours["rx_bytes"]), (line["client_tx"], line["server_tx"]),
              "a client's bytes")
        equal((theirs["tx_bytes"], theirs["rx_bytes"]), (line["server_tx"], line["client_tx"]),
              "a server's bytes")
        wanted = {"client": ("local_close", "remote_close"),
                  "server": ("remote_close", "local_close")}
        equal((ours["end"], theirs["end"]), wanted[line["closer"]],
              f"ends when the {line['closer']} closes first")
        check(ours["owner"] == "connect" and theirs["owner"] in ("accept", "io"),
              f"owner: {ours} {theirs}")


def test_attribution_nginx():
    b, a = nt.pair()
    worker = nt.nginx(b, b.addr4, 8000, {"file": 50_000})
    trace = Trace("--json", spaces=(a, b))
    curl = Curl(a, f"http://{b.addr4}:8000/file")
    nt.quiet(a, b)
    trace.stop()
    row = trace.row(lport=8000)
    equal((row["pid"], row["comm"], row["tx_bytes"]), (worker, "nginx", curl.received),
          "nginx's row")
    equal(trace.row(rport=8000)["rx_bytes"], curl.received, "bytes that curl received")


def test_attribution_ab():
    b, a = nt.pair()
    worker = nt.nginx(b, b.addr4, 8000, {"file": 1000})
    trace = Trace("--json", spaces=(a, b))
    count = nt.scaled(100, 30)
    ab = nt.start("ab", "-q", "-n", count, "-c", 6, f"http://{b.addr4}:8000/file", space=a,
                  stdout=subprocess.PIPE, text=True)
    out, _ = ab.communicate()
    equal(ab.returncode, 0, f"ab's exit status ({out})")
    nt.quiet(a, b)
    trace.stop()
    theirs = [r for r in trace.rows() if r["lport"] == 8000]
    ours = [r for r in trace.rows() if r["rport"] == 8000]
    # ab may open a few more than it needs
    check(len(theirs) == len(ours) >= count,
          f"rows: {len(theirs)} and {len(ours)} for {count} requests")
    equal({r["pid"] for r in ours}, {ab.pid}, "PIDs of ab's rows")
    equal({r["pid"] for r in theirs if r["rx_bytes"]}, {worker}, "PIDs of nginx's rows")
    total = int(re.search(r"Total transferred:\s+(\d+)", out)[1])
    equal(sum(r["rx_bytes"] for r in ours if r["tx_bytes"]), total, "bytes that ab received")


def forked():
    """A parent accepts, its child does the rest: (parent, child's pid, the server's row)."""
    space = nt.Space()
    server, client = Peer(space, "parent"), Peer(space, "client")
    listener = server.listen("127.0.0.1")
    port = server.name(listener)
    trace = Trace("--json", spaces=[space])
    server.tell("serve_by_child", listener, 100)
    c = client.connect("127.0.0.1", port)
    client.send(c, 100)
    client.recv(c, 100)
    client.end(c)
    client.close(c)
    child = server.answer()
    nt.quiet(space)
    return server.pid, child, trace.stop().row(lport=port)


def test_attribution_forked():
    """Who accepts is the owner."""
    if not nt.sees_accept():
        raise nt.Skip(f"accept() is seen by {nt.accept_hook()} only")
    parent, child, row = forked()
    equal((row["pid"], row["comm"], row["owner"], row["rx_bytes"]),
          (parent, "parent", "accept", 100),
          f"row (the child was {child})")


def test_attribution_forked_hook():
    """Where accept() cannot be seen, it is the first to receive."""
    parent, child, row = forked()
    wanted = (parent, "parent", "accept") if nt.sees_accept() else (child, "child", "io")
    equal((row["pid"], row["comm"], row["owner"]), wanted, "owner")


def test_attribution_accept_only():
    """The server accepts, never touches the socket, and is killed by the client's reset."""
    space = nt.Space()
    server, client = Peer(space, "acceptor"), Peer(space, "client")
    listener = server.listen("127.0.0.1")
    port = server.name(listener)
    trace = Trace("--json", spaces=[space])
    c = client.connect("127.0.0.1", port)
    server.accept(listener)
    client.reset(c)
    nt.quiet(space)
    row = trace.stop().row(lport=port)
    equal((row["pid"], row["comm"]), (server.pid, "acceptor"), "the server's owner")
    equal(row["owner"], "accept" if nt.sees_accept() else "inherited", "how it was found")


def test_attribution_never_accepted():
    """A connection that dies in the queue of its listener belongs to the listener."""
    space = nt.Space()
    server, client = Peer(space, "lazy"), Peer(space, "client")
    trace = Trace("--json", spaces=[space])
    listener = server.listen("127.0.0.1")
    port = server.name(listener)
    client.reset(client.connect("127.0.0.1", port))
    nt.quiet(space)
    row = trace.stop().row(lport=port)
    equal((row["pid"], row["comm"], row["owner"], row["end"]),
          (server.pid, "lazy", "inherited", "reset_received"),
          "the half in the queue")


def test_attribution_listener_closes():
    """The same when the listener goes away with connections in its queue."""
    space = nt.Space()
    server, client = Peer(space, "lazy"), Peer(space, "client")
    trace = Trace("--json", spaces=[space])
    listener = server.listen("127.0.0.1")
    port = server.name(listener)
    client.connect("127.0.0.1", port)
    server.close(listener)
    nt.quiet(space)
    row = trace.stop().row(lport=port)
    equal((row["pid"], row["comm"], row["end"]), (server.pid, "lazy", "reset_sent"),
          "the half in the queue")


def test_attribution_unbound():
    """listen() without bind(): the port is not there yet when LISTEN is announced."""
    space = nt.Space()
    server, other, client = Peer(space, "lazy"), Peer(space, "other"), Peer(space, "client")
    trace = Trace("--json", spaces=[space])
    known = nt.bpf_map_keys(trace, "nt_listeners")
    owners = []
    for addr in ("127.0.0.1", "::1"):
        first, port = server.listen_unbound(addr)
        client.reset(client.connect(addr, port))
        owners += [(port, "lazy")] * 2
        client.reset(client.connect(addr, port))
        second, second_port = other.listen_unbound(addr)  # the first one's port is known
        client.reset(client.connect(addr, second_port))
        owners.append((second_port, "other"))
        # whose child is born first of two that wait, nobody can tell: nobody is named
        third, _ = server.listen_unbound(addr)
        fourth, port = other.listen_unbound(addr)
        client.reset(client.connect(addr, port))
        owners.append((port, None))
        for peer, listener in ((server, first), (other, second), (server, third), (other, fourth)):
            peer.close(listener)
    nt.quiet(space)
    equal(nt.bpf_map_keys(trace, "nt_listeners"), known, "listeners known when all have gone")
    rows = [r for r in trace.stop().rows() if r["lport"] in dict(owners)]
    equal(sorted((r["lport"], str(r["comm"])) for r in rows),
          sorted((port, str(comm)) for port, comm in owners), "the halves in the queues")


def test_attribution_names_stay():
    """Names are those of the moment, although the process has long gone."""
    space = nt.Space()
    server, client = Peer(space, "server"), Peer(space, "shortlived")
    listener = server.listen("127.0.0.1")
    trace = Trace("--json", spaces=[space])
    c = client.connect("127.0.0.1", server.name(listener))
    s = server.accept(listener)
    pid = client.pid
    client.kill()
    server.end(s)
    server.close(s)
    nt.quiet(space)
    row = trace.stop().row(pid=pid)
    equal((row["comm"], row["uid"], row["end"]), ("shortlived", 0, "local_close"),
          "row of the process that has gone")
    check(c, "connected")


def test_attribution_interrupted():
    """Who a packet interrupts is never the owner, when the peer ends what nobody touches."""
    space = nt.Space()
    count = nt.scaled(50, 10)
    server, client = Peer(space, "server"), Peer(space, "client")
    listener = server.listen("127.0.0.1")
    port = server.name(listener)
    trace = Trace("--json", spaces=[space])
    for _ in range(count):
        c = client.connect("127.0.0.1", port)
        server.reset(server.accept(listener))
        client.close(c)
    nt.quiet(space)
    trace.stop()
    equal(sorted({(r["pid"], r["lport"] == port) for r in trace.rows()}),
          sorted({(server.pid, True), (client.pid, False)}), "PIDs and sides")
    equal(len(trace.rows()), 2 * count, "rows")


def test_owner_fields():
    """tid, uid, netns, cgroup."""
    space = nt.Space()
    root = nt.cgroup2_root()
    cgroup = nt.make_cgroup(root, f"nt{os.getpid()}-fields")
    server = Peer(space, "server")
    client = Peer(space, "client", uid=nt.NOBODY, cgroup=cgroup)
    listener = server.listen("127.0.0.1")
    port = server.name(listener)
    trace = Trace("--json", spaces=[space])
    c, tid = client.connect_in_thread("127.0.0.1", port)
    s = server.accept(listener)
    client.close(c)
    server.end(s)
    server.close(s)
    nt.quiet(space)
    trace.stop()
    row = trace.row(rport=port)
    equal((row["pid"], row["tid"], row["uid"]), (client.pid, tid, nt.NOBODY), "pid, tid, uid")
    check(tid != client.pid, "the thread is not the first one")
    equal((row["netns"], row["cgroup"]), (space.inode, f"/nt{os.getpid()}-fields"),
          "netns and cgroup")
    equal(trace.row(lport=port)["uid"], 0, "the server's uid")


def test_owner_contained():
    """A PID is the host's, also of a process in a pid namespace, and also from the snapshot."""
    space = nt.Space()
    server = Peer(space, "server")
    client = Peer(space, "contained", contained=True)
    listener = server.listen("127.0.0.1")
    port = server.name(listener)
    old = client.connect("127.0.0.1", port)
    old_port = client.name(old)
    old_server = server.accept(listener)
    trace = Trace("--json", spaces=[space])
    server.reset(old_server)
    new_port = one_session(server, listener, client)
    client.close(old)
    nt.quiet(space)
    trace.stop()
    for lport, owner in ((old_port, "snapshot"), (new_port, "connect")):
        row = trace.row(lport=lport)
        equal((row["pid"], row["comm"], row["owner"]), (client.pid, "contained", owner), "owner")


def test_owner_passed_on():
    """Who has made the connection keeps it, whoever else gets the descriptor."""
    space = nt.Space()
    server, client = Peer(space, "server"), Peer(space, "maker")
    listener = server.listen("127.0.0.1")
    port = server.name(listener)
    trace = Trace("--json", spaces=[space])
    c = client.connect("127.0.0.1", port)
    s = server.accept(listener)
    server.send(s, 12)
    sitter = client.fork_holder(c)
    server.close(s)
    os.kill(sitter, signal.SIGKILL)
    nt.quiet(space)
    row = trace.stop().row(rport=port)
    equal((row["pid"], row["comm"], row["owner"]), (client.pid, "maker", "connect"),
          f"owner (held by {sitter})")


# How sessions end

@contextlib.contextmanager
def traced(*spaces, args=()):
    trace = Trace("--json", "--stats", *args, spaces=spaces)
    yield trace
    nt.quiet(*spaces)
    trace.stop()


def test_end_refused():
    b, a = nt.pair()
    unused = nt.listen(b, b.addr4)
    port = nt.port_of(unused)
    unused.close()
    with traced(a, b) as trace:
        try:
            nt.connect(a, b.addr4, port)
            raise RuntimeError("nobody refused")
        except ConnectionRefusedError:
            pass
    equal(len(trace.rows()), 1, "rows")
    row = trace.row(rport=port)
    equal((row["end"], row["tx_bytes"], row["rx_bytes"], row["pid"], row["owner"]),
          ("refused", 0, 0, os.getpid(), "connect"), "row of the refused connect()")
    check(row["lport"] and row["laddr"] == a.addr4 and row["raddr"] == b.addr4, f"addresses: {row}")


def check_ends(trace, port, ours, theirs):
    equal((trace.row(rport=port)["end"], trace.row(lport=port)["end"]), (ours, theirs),
          "ends of client and server")
    equal(len(trace.rows()), 2, "rows")


def test_end_linger0():
    b, a = nt.pair()
    with traced(a, b) as trace:
        c, s = nt.joined(b, a, b.addr4)
        port = nt.port_of(s)
        nt.reset(c)
        nt.wait_for(lambda: nt.tcp_info(s)["state"] == 7, "the reset to arrive")
        s.close()
    check_ends(trace, port, "reset_sent", "reset_received")


def test_end_unread_data():
    b, a = nt.pair()
    with traced(a, b) as trace:
        c, s = nt.joined(b, a, b.addr4)
        port = nt.port_of(s)
        c.sendall(bytes(500))
        nt.wait_for(lambda: s.recv(500, socket.MSG_PEEK) == bytes(500), "500 bytes")
        s.close()
        nt.wait_for(lambda: nt.tcp_info(c)["state"] == 7, "the reset to arrive")
        c.close()
    check_ends(trace, port, "reset_received", "reset_sent")
    ours, theirs = trace.row(rport=port), trace.row(lport=port)
    equal((ours["tx_bytes"], theirs["rx_bytes"]), (500, 500), "bytes that were never read")


def test_end_reset_after_fin():
    """The peer's FIN came first, but it was we who ended it, by a reset."""
    b, a = nt.pair()
    with traced(a, b) as trace:
        c, s = nt.joined(b, a, b.addr4)
        port = nt.port_of(s)
        s.shutdown(socket.SHUT_WR)
        nt.end_of(c)
        nt.reset(c)
        nt.wait_for(lambda: nt.tcp_info(s)["state"] == 7, "the reset to arrive")
        s.close()
    check_ends(trace, port, "reset_sent", "reset_received")


def test_end_close():
    b, a = nt.pair()
    with traced(a, b) as trace:
        c, s = nt.joined(b, a, b.addr4)
        c_port, port = nt.port_of(c), nt.port_of(s)
        c.close()
        nt.end_of(s)
        s.close()
        c2, s2 = nt.joined(b, a, b.addr4)
        port2 = nt.port_of(s2)
        s2.close()
        nt.end_of(c2)
        c2.close()
    equal(len(trace.rows()), 4, "rows")
    equal((trace.row(lport=c_port, rport=port)["end"], trace.row(lport=port)["end"]),
          ("local_close", "remote_close"),
          "ends when the client closes first")
    equal((trace.row(rport=port2)["end"], trace.row(lport=port2)["end"]),
          ("remote_close", "local_close"),
          "ends when the server closes first")


def test_end_timeout():
    b, a = nt.pair()
    with traced(a, b) as trace:
        c, s = nt.joined(b, a, b.addr4)
        port = nt.port_of(s)
        c.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 700)
        c.sendall(bytes(100))
        nt.recv_exactly(s, 100)
        undrop = b.drop()
        c.sendall(bytes(100))
        nt.wait_for(lambda: nt.tcp_info(c)["state"] == 7, "the time-out")
        undrop()
        c.close()
        nt.reset(s)
    check_ends(trace, port, "timeout", "reset_sent")
    row = trace.row(rport=port)
    equal(row["tx_bytes"], 100, "bytes that the peer acknowledged")
    check(row["retrans"] >= 1, f"it was tried again: {row}")
    check(row["duration_ns"] > 500e6, f"it lasted as long as the time-out: {row}")


def test_end_timeout_connect():
    b, a = nt.pair()
    b.drop()
    sent = a.snmp("RetransSegs")
    with traced(a, b) as trace:
        c = nt.client(a, b.addr4)
        c.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, 1)
        try:
            c.connect((b.addr4, 9))
            raise RuntimeError("it should not get through")
        except TimeoutError:
            pass
    row = trace.row(rport=9)
    retrans = a.snmp("RetransSegs") - sent
    equal((row["end"], row["tx_bytes"], row["rx_bytes"]), ("timeout", 0, 0), "end and bytes")
    equal((row["retrans"], row["srtt_us"]), (retrans, None),
          "row of the connect() that timed out")
    check(row["duration_ns"] > 900e6, f"it lasted as long as the time-out: {row}")


def test_end_aborted_connect():
    """connect() that the caller gives up."""
    b, a = nt.pair()
    b.drop()
    with traced(a, b) as trace:
        c = nt.client(a, b.addr4)
        c.setblocking(False)
        c.connect_ex((b.addr4, 9))
        c.close()
    equal((trace.row(rport=9)["end"], trace.row(rport=9)["owner"]), ("local_close", "connect"),
          "end and owner")


def test_end_keepalive():
    """A peer that has vanished is noticed by keepalives only."""
    b, a = nt.pair()
    with traced(a, b) as trace:
        c, s = nt.joined(b, a, b.addr4)
        port = nt.port_of(s)
        for option, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1),
                              (socket.TCP_KEEPCNT, 1)):
            c.setsockopt(socket.IPPROTO_TCP, option, value)
        c.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        undrop = b.drop()
        nt.wait_for(lambda: nt.tcp_info(c)["state"] == 7, "the time-out")
        undrop()
        c.close()
        nt.reset(s)
    check_ends(trace, port, "timeout", "reset_sent")


def test_end_unreachable():
    """Nobody answers ARP."""
    b, a = nt.pair()
    with traced(a, b) as trace:
        try:
            nt.connect(a, "10.199.1.77", 9)
            raise RuntimeError("there is nobody")
        except OSError as error:
            equal(error.errno, errno.EHOSTUNREACH, "errno of connect()")
    row = trace.row(rport=9)
    # connect() may have taken the error from the socket before its close is seen
    check(row["end"] in ("unknown", "local_close"), f"how it ended: {row}")
    equal((row["raddr"], row["tx_bytes"]), ("10.199.1.77", 0), "row")


def test_end_killed():
    """ss -K: an abort from outside."""
    b, a = nt.pair()
    with traced(a, b) as trace:
        c, s = nt.joined(b, a, b.addr4)
        port = nt.port_of(s)
        with a:
            nt.run("ss", "-K", "dport", "=", str(port))
        if nt.tcp_info(c)["state"] != 7:
            nt.reset(c)
            nt.reset(s)
            raise nt.Skip("ss -K does nothing here")
        nt.wait_for(lambda: nt.tcp_info(s)["state"] == 7, "the reset to arrive")
        c.close()
        s.close()
    check_ends(trace, port, "reset_sent", "reset_received")


def test_end_shutdown_both():
    b, a = nt.pair()
    with traced(a, b) as trace:
        c, s = nt.joined(b, a, b.addr4)
        port = nt.port_of(s)
        s.shutdown(socket.SHUT_RDWR)
        nt.end_of(c)
        c.shutdown(socket.SHUT_RDWR)
        c.close()
        s.close()
    check_ends(trace, port, "remote_close", "local_close")


def test_end_listener():
    """A listener is no session."""
    b, a = nt.pair()
    with traced(a, b) as trace:
        nt.listen(b, b.addr4).close()
        nt.client(a, b.addr4).close()
    equal(trace.rows(), [], "rows")


def test_end_simultaneous():
    """Both FINs are on their way at once: each side's own came first."""
    b, a = nt.pair()
    with traced(a, b) as trace:
        c, s = nt.joined(b, a, b.addr4)
        port = nt.port_of(s)
        nt.transfer(c, s, 40)
        nt.transfer(s, c, 2)
        nt.wait_for(lambda: not nt.tcp_info(c)["unacked"] and not nt.tcp_info(s)["unacked"],
                    "the acknowledgements")
        undrop = a.drop(), b.drop()
        c.shutdown(socket.SHUT_WR)
        s.shutdown(socket.SHUT_WR)
        for again in undrop:
            again()
        nt.end_of(c)
        nt.end_of(s)
        c.close()
        s.close()
    check_ends(trace, port, "local_close", "local_close")
    ours, theirs = trace.row(rport=port), trace.row(lport=port)
    equal((ours["tx_bytes"], ours["rx_bytes"], theirs["tx_bytes"], theirs["rx_bytes"]),
          (40, 2, 2, 40), "bytes")


def test_syn_cookies():
    """The server remembers nothing until the handshake is complete."""
    b, a = nt.pair()
    b.sysctl("ipv4/tcp_syncookies", "2")
    server = Peer(b, "server")
    listener = server.listen(b.addr4)
    port = server.name(listener)
    with traced(a, b) as trace:
        c = nt.connect(a, b.addr4, port)
        s = server.accept(listener)
        c.sendall(bytes(70))
        server.recv(s, 70)
        server.send(s, 9)
        nt.recv_exactly(c, 9)
        c.close()
        server.end(s)
        server.close(s)
    row = trace.row(lport=port)
    equal((row["pid"], row["tx_bytes"], row["rx_bytes"], row["partial"], row["end"]),
          (server.pid, 9, 70, False, "remote_close"), "server's row")
    row = trace.row(rport=port)
    equal((row["tx_bytes"], row["rx_bytes"], row["partial"]), (70, 9, False), "client's row")


def test_socket_used_twice():
    """connect(), disconnect by AF_UNSPEC, connect() again: two sessions of one socket."""
    b, a = nt.pair()
    listener = nt.listen(b, b.addr4)
    port = nt.port_of(listener)
    with traced(a, b) as trace:
        c = nt.client(a, b.addr4)
        ports = []
        for size in (100, 2000):
            c.connect((b.addr4, port))
            ports.append(nt.port_of(c))
            s, _ = listener.accept()
            nt.transfer(c, s, size)
            nt.wait_for(lambda: not nt.tcp_info(c)["unacked"], "the acknowledgement")
            unspec = ctypes.create_string_buffer(16)
            check(not nt.libc.connect(c.fileno(), unspec, 16), "disconnect")
            nt.wait_for(lambda: nt.tcp_info(s)["state"] == 7, "the reset to arrive")
            s.close()
        c.close()
    equal(len(trace.rows()), 4, "rows")
    for own, size in zip(ports, (100, 2000)):
        row = trace.row(lport=own)
        equal((row["tx_bytes"], row["rx_bytes"], row["end"], row["partial"]),
              (size, 0, "reset_sent", False),
              "client's row")
        equal(trace.row(rport=own)["rx_bytes"], size, "server's bytes")


def test_socket_refused_first():
    """The same socket is refused, then accepted."""
    b, a = nt.pair()
    unused = nt.listen(b, b.addr4)
    closed = nt.port_of(unused)
    unused.close()
    with traced(a, b) as trace:
        listener = nt.listen(b, b.addr4)
        c = nt.client(a, b.addr4)
        c.settimeout(None)  # or Python makes it a connect() of two parts
        with contextlib.suppress(ConnectionRefusedError):
            c.connect((b.addr4, closed))
        c.connect((b.addr4, nt.port_of(listener)))
        s, _ = listener.accept()
        port = nt.port_of(s)
        nt.transfer(c, s, 50)
        c.close()
        nt.end_of(s)
        s.close()
    equal(len(trace.rows()), 3, "rows")
    equal(trace.row(rport=closed)["end"], "refused", "the first end")
    row = trace.row(rport=port)
    equal((row["end"], row["tx_bytes"], row["owner"]), ("local_close", 50, "connect"),
          "the second session")


def test_same_ports_again():
    """The same four numbers twice are two sessions."""
    b, a = nt.pair()
    listener = nt.listen(b, b.addr4)
    port, own = nt.port_of(listener), 40_000
    with traced(a, b) as trace:
        for size in (10, 20, 30):
            c = nt.client(a, b.addr4)
            c.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            c.bind(("", own))
            c.connect((b.addr4, port))
            s, _ = listener.accept()
            nt.transfer(c, s, size)
            nt.wait_for(lambda: not nt.tcp_info(c)["unacked"], "the acknowledgement")
            nt.reset(c)
            nt.wait_for(lambda: nt.tcp_info(s)["state"] == 7, "the reset to arrive")
            s.close()
    equal([r["tx_bytes"] for r in trace.rows() if r["lport"] == own], [10, 20, 30],
          "client's bytes")
    equal([r["rx_bytes"] for r in trace.rows() if r["rport"] == own], [10, 20, 30],
          "server's bytes")


# Bytes, retransmits, round trip time

def half_close(first, second, size):
    """`first` ends its half, `second` answers with `size` bytes and closes."""
    first.shutdown(socket.SHUT_WR)
    nt.end_of(second)
    nt.transfer(second, first, size)
    second.close()
    nt.end_of(first)
    first.close()


def one_exchange(b, a, addr, target, size, order):
    """Returns (client's port, server's port)."""
    listener = nt.listen(b, addr)
    c = nt.client(a, target)
    c.connect((target, nt.port_of(listener)))
    s, _ = listener.accept()
    listener.close()
    ports = nt.port_of(c), nt.port_of(s)
    nt.transfer(c, s, size)
    if order == "client":
        nt.transfer(s, c, size)
        c.close()
        nt.end_of(s)
        s.close()
    elif order == "server":
        nt.transfer(s, c, size)
        s.close()
        nt.end_of(c)
        c.close()
    elif order == "client-half":
        half_close(c, s, size)
    else:
        nt.transfer(s, c, size)
        s.shutdown(socket.SHUT_WR)
        nt.end_of(c)
        nt.transfer(c, s, size)
        c.close()
        nt.end_of(s)
        s.close()
    return ports


def check_bytes(addr_of, target_of, ip):
    b, a = nt.pair()
    addr, target = addr_of(b), target_of(b)
    big = 1 << 20
    flows = {}
    with traced(a, b) as trace:
        for size in (0, 1, 100, big):
            for order in ("client", "server", "client-half", "server-half"):
                flows[one_exchange(b, a, addr, target, size, order)] = size, order
    equal(len(trace.rows()), 2 * len(flows), "rows")
    for (c_port, s_port), (size, order) in flows.items():
        ours, theirs = trace.row(lport=c_port, rport=s_port), trace.row(lport=s_port, rport=c_port)
        sent = 2 * size if order == "server-half" else size
        equal((ours["tx_bytes"], ours["rx_bytes"]), (sent, size),
              f"client's bytes ({size}, {order})")
        equal((theirs["tx_bytes"], theirs["rx_bytes"]), (size, sent),
              f"server's bytes ({size}, {order})")
        first = "local_close", "remote_close"
        wanted = first if order.startswith("client") else first[::-1]
        equal((ours["end"], theirs["end"]), wanted, f"ends ({size}, {order})")
        equal((ours["ip"], theirs["ip"]), (ip, ip), "ip")
        equal((ours["owner"], ours["pid"], theirs["pid"]), ("connect", os.getpid(), os.getpid()),
              "owners")
        own, peer = (a.addr4, b.addr4) if ip == 4 else (a.addr6, b.addr6)
        equal((ours["laddr"], ours["raddr"], theirs["laddr"], theirs["raddr"]),
              (own, peer, peer, own), "addresses")


def test_bytes_ipv4():
    check_bytes(lambda b: b.addr4, lambda b: b.addr4, 4)


def test_bytes_ipv6():
    check_bytes(lambda b: b.addr6, lambda b: b.addr6, 6)


def test_bytes_mapped():
    """AF_INET6 sockets with IPv4-mapped addresses are IPv4."""
    check_bytes(lambda b: "::", lambda b: f"::ffff:{b.addr4}", 4)


def test_bytes_after_reset():
    """A reset takes nothing from what was acknowledged before."""
    b, a = nt.pair()
    with traced(a, b) as trace:
        c, s = nt.joined(b, a, b.addr4)
        port = nt.port_of(s)
        nt.transfer(c, s, 3000)
        nt.transfer(s, c, 70)
        nt.wait_for(lambda: not nt.tcp_info(c)["unacked"] and not nt.tcp_info(s)["unacked"],
                    "the acknowledgements")
        nt.reset(s)
        nt.wait_for(lambda: nt.tcp_info(c)["state"] == 7, "the reset to arrive")
        c.close()
    ours, theirs = trace.row(rport=port), trace.row(lport=port)
    equal((ours["tx_bytes"], ours["rx_bytes"]), (3000, 70), "client's bytes")
    equal((theirs["tx_bytes"], theirs["rx_bytes"]), (70, 3000), "server's bytes")


def test_bytes_unacknowledged():
    """What the peer never acknowledged did not move; a FIN that was lost is not counted either."""
    b, a = nt.pair()
    with traced(a, b) as trace:
        c, s = nt.joined(b, a, b.addr4)
        port = nt.port_of(s)
        nt.transfer(c, s, 1000)
        nt.wait_for(lambda: not nt.tcp_info(c)["unacked"], "the acknowledgement")
        c.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 700)
        undrop = b.drop()
        c.sendall(bytes(5000))
        c.close()
        nt.wait_for(lambda: not [x for x in nt.sockets(a) if x[2] == port and x[0] != nt.TIME_WAIT],
                    "the time-out")
        undrop()
        nt.reset(s)
    equal((trace.row(rport=port)["tx_bytes"], trace.row(rport=port)["end"]), (1000, "timeout"),
          "client")
    equal((trace.row(lport=port)["rx_bytes"], trace.row(lport=port)["end"]), (1000, "reset_sent"),
          "server")


def fill(sock):
    """Sends until nothing more fits into any buffer."""
    sock.setblocking(False)
    while True:
        try:
            sock.send(bytes(65536))
        except BlockingIOError:
            before = nt.tcp_info(sock)["bytes_acked"]
            time.sleep(0.1)  # what is on its way may make room
            if nt.tcp_info(sock)["bytes_acked"] == before:
                return


def zero_window(end):
    """The peer reads nothing: what it acknowledged is what moved, be the rest unsent or lost."""
    b, a = nt.pair()
    with traced(a, b) as trace:
        c, s = nt.joined(b, a, b.addr4)
        port = nt.port_of(s)
        fill(c)
        acked = nt.tcp_info(c)["bytes_acked"] - 1  # the SYN
        end(c, s)
    equal((trace.row(rport=port)["tx_bytes"], trace.row(lport=port)["rx_bytes"]), (acked, acked),
          "bytes")
    return trace.row(rport=port)["end"], trace.row(lport=port)["end"]


def test_bytes_zero_window_reset():
    def end(c, s):
        nt.reset(c)
        nt.wait_for(lambda: nt.tcp_info(s)["state"] == 7, "the reset to arrive")
        s.close()

    equal(zero_window(end), ("reset_sent", "reset_received"), "ends")


def test_bytes_zero_window_close():
    """A FIN that waits behind the data was not sent."""
    def end(c, s):
        c.close()
        s.close()  # with unread data: a reset

    equal(zero_window(end), ("reset_received", "reset_sent"), "ends")


def test_bytes_beyond_4g():
    """More bytes than sequence numbers."""
    b, a = nt.pair()
    size = (5 << 30) if nt.SCALE >= 1 else nt.scaled(300 << 20)
    with traced(a, b) as trace:
        c, s = nt.joined(b, a, b.addr4)
        port = nt.port_of(s)
        nt.transfer(c, s, size)
        nt.transfer(s, c, 1)
        c.close()
        nt.end_of(s)
        s.close()
    equal((trace.row(rport=port)["tx_bytes"], trace.row(rport=port)["rx_bytes"]), (size, 1),
          "client's bytes")
    equal((trace.row(lport=port)["tx_bytes"], trace.row(lport=port)["rx_bytes"]), (1, size),
          "server's bytes")


def test_partial_beyond_4g():
    b, a = nt.pair()
    size = (5 << 30) if nt.SCALE >= 1 else nt.scaled(300 << 20)
    c, s = nt.joined(b, a, b.addr4)
    port = nt.port_of(s)
    nt.transfer(c, s, size)
    with traced(a, b) as trace:
        nt.transfer(c, s, 10)
        c.close()
        nt.end_of(s)
        s.close()
    equal((trace.row(rport=port)["tx_bytes"], trace.row(rport=port)["rx_bytes"]), (size + 10, 0),
          "client's bytes")
    equal((trace.row(lport=port)["tx_bytes"], trace.row(lport=port)["rx_bytes"]), (0, size + 10),
          "server's bytes")


def test_bytes_urgent():
    b, a = nt.pair()
    with traced(a, b) as trace:
        c, s = nt.joined(b, a, b.addr4)
        port = nt.port_of(s)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
        c.sendall(b"abc")
        c.send(b"!", socket.MSG_OOB)
        nt.recv_exactly(s, 4)
        c.close()
        nt.end_of(s)
        s.close()
    equal((trace.row(rport=port)["tx_bytes"], trace.row(lport=port)["rx_bytes"]), (4, 4), "bytes")


def test_bytes_sendfile():
    b, a = nt.pair()
    path = os.path.join(nt.temp_dir(), "file")
    with open(path, "wb") as file:
        file.write(bytes(30_000))
    with traced(a, b) as trace, open(path, "rb") as file:
        c, s = nt.joined(b, a, b.addr4)
        port = nt.port_of(s)
        check(os.sendfile(s.fileno(), file.fileno(), 0, 30_000) == 30_000, "sendfile()")
        s.close()
        nt.recv_exactly(c, 30_000)
        nt.end_of(c)
        c.close()
    equal((trace.row(lport=port)["tx_bytes"], trace.row(rport=port)["rx_bytes"]), (30_000, 30_000),
          "bytes")


def test_bytes_fast_open():
    """Data in the SYN and in the SYN's answer."""
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
            s.sendall(bytes(60))
            nt.recv_exactly(s, 500)
            nt.recv_exactly(c, 60)
            own = nt.port_of(c)
            with_data = nt.tcp_info(c)["options"] & 32  # TCPI_OPT_SYN_DATA
            c.close()
            nt.end_of(s)
            s.close()
    check(with_data, "the second SYN carried data")
    equal(len(trace.rows()), 4, "rows")
    for row in trace.rows():
        wanted = (60, 500) if row["lport"] == port else (500, 60)
        equal((row["tx_bytes"], row["rx_bytes"], row["partial"]), (*wanted, False), f"bytes: {row}")
    check(trace.row(lport=own)["owner"] == "connect",
          "the caller of sendto() is the one who connects")


def check_lossy(upload):
    """Every seventh packet is lost; the sender's counters just before its end are the truth."""
    b, a = nt.pair()
    target = b if upload else a
    match = "-m", "statistic", "--mode", "nth", "--every", "7", "--packet", "6"
    with traced(a, b) as trace:
        c, s = nt.joined(b, a, b.addr4)
        port = nt.port_of(s)
        undrop = target.drop(*match)
        sender, receiver = (c, s) if upload else (s, c)
        nt.transfer(sender, receiver, nt.scaled(1_000_000, 200_000))
        nt.wait_for(lambda: not nt.tcp_info(sender)["unacked"], "the last acknowledgement")
        undrop()
        truth = nt.tcp_info(sender)
        # a FIN's acknowledgement would be one more round trip to measure
        nt.reset(sender)
        nt.wait_for(lambda: nt.tcp_info(receiver)["state"] == 7, "the reset to arrive")
        receiver.close()
    row = trace.row(**{"rport" if upload else "lport": port})
    check(truth["total_retrans"] > 0, "something was retransmitted")
    equal(row["retrans"], truth["total_retrans"], "retransmitted segments")
    equal(row["srtt_us"], truth["rtt"], "smoothed round trip time")
    equal(row["tx_bytes"], nt.scaled(1_000_000, 200_000), "bytes, none of them twice")
    other = trace.row(**{"lport" if upload else "rport": port})
    equal(other["rx_bytes"], row["tx_bytes"], "bytes at the other end")


def test_retrans_client():
    check_lossy(upload=True)


def test_retrans_server():
    check_lossy(upload=False)


def test_retrans_none():
    b, a = nt.pair()
    with traced(a, b) as trace:
        c, s = nt.joined(b, a, b.addr4)
        port = nt.port_of(s)
        nt.transfer(c, s, 10_000)
        nt.wait_for(lambda: not nt.tcp_info(c)["unacked"], "the acknowledgement")
        truth = nt.tcp_info(c)
        c.close()
        nt.end_of(s)
        s.close()
    row = trace.row(rport=port)
    equal(row["retrans"], truth["total_retrans"], "retransmitted segments")
    check(row["srtt_us"] > 0, "a round trip was measured")


# Connections older than the trace

def waiting(space):
    """Ports of connections in state ESTABLISHED, as ss sees them, with their processes."""
    with space:
        return nt.run("ss", "-Htnp", "state", "established")


def test_partial():
    b, a = nt.pair()
    server, client = Peer(b, "old-server"), Peer(a, "old-client")
    listener = server.listen(b.addr4)
    port = server.name(listener)
    c = client.connect(b.addr4, port)
    s = server.accept(listener)
    client.send(c, 1000)
    server.recv(s, 1000)
    server.send(s, 200)
    client.recv(c, 200)
    began = time.monotonic()
    trace, table = Trace("--json", spaces=(a, b)), Trace(spaces=(a, b))
    client.send(c, 50_000)
    server.recv(s, 50_000)
    server.send(s, 7)
    client.recv(c, 7)
    client.close(c)
    server.end(s)
    server.close(s)
    nt.quiet(a, b)
    ended = time.monotonic()
    trace.stop()
    ours, theirs = trace.row(rport=port), trace.row(lport=port)
    equal((ours["tx_bytes"], ours["rx_bytes"]), (51_000, 207), "client's bytes")
    equal((theirs["tx_bytes"], theirs["rx_bytes"]), (207, 51_000), "server's bytes")
    for row, peer, comm in ((ours, client, "old-client"), (theirs, server, "old-server")):
        equal((row["partial"], row["pid"], row["comm"]), (True, peer.pid, comm), "partial, owner")
        check(row["owner"] in ("io", "snapshot"), f"found by its io or the snapshot: {row}")
        check(0 < row["duration_ns"] <= (ended - began) * 1e9, f"a lower bound: {row}")
    equal((ours["end"], theirs["end"]), ("local_close", "remote_close"), "ends")
    _, lines = table.stop().table()
    for line in lines:
        check(line["MS"].startswith(">") and float(line["MS"][1:]) > 0,
              f"MS is a lower bound: {line}")


def partial_bytes(addr, order, before, after):
    """Bytes of a connection that was half old, by either direction of connect() and close()."""
    b, a = nt.pair()
    c, s = nt.joined(b, a, addr(b))
    port = nt.port_of(s)
    nt.transfer(c, s, before)
    nt.transfer(s, c, before)
    with traced(a, b) as trace:
        nt.transfer(c, s, after)
        nt.transfer(s, c, after)
        first, second = (c, s) if order == "client" else (s, c)
        first.close()
        nt.end_of(second)
        second.close()
    for row in (trace.row(rport=port), trace.row(lport=port)):
        what = f"bytes with {before} before and {after} after ({order}): {row}"
        equal((row["tx_bytes"], row["rx_bytes"], row["partial"]),
              (before + after, before + after, True), what)


def test_partial_bytes_client():
    partial_bytes(lambda b: b.addr4, "client", 1000, 2000)


def test_partial_bytes_server():
    partial_bytes(lambda b: b.addr4, "server", 1000, 2000)


def test_partial_bytes_before_only():
    partial_bytes(lambda b: b.addr4, "client", 1000, 0)


def test_partial_bytes_after_only():
    partial_bytes(lambda b: b.addr4, "server", 0, 1000)


def test_partial_bytes_none():
    partial_bytes(lambda b: b.addr4, "client", 0, 0)


def test_partial_bytes_ipv6():
    partial_bytes(lambda b: b.addr6, "server", 100_000, 200_000)


def test_partial_half_closed():
    """The FIN of one side was sent, and acknowledged, before the trace began."""
    b, a = nt.pair()
    c, s = nt.joined(b, a, b.addr4)
    port = nt.port_of(s)
    nt.transfer(c, s, 100)
    c.shutdown(socket.SHUT_WR)
    nt.end_of(s)
    with traced(a, b) as trace:
        nt.transfer(s, c, 300)
        s.close()
        nt.end_of(c)
        c.close()
    ours, theirs = trace.row(rport=port), trace.row(lport=port)
    equal((ours["tx_bytes"], ours["rx_bytes"], ours["end"]), (100, 300, "local_close"), "client")
    equal((theirs["tx_bytes"], theirs["rx_bytes"], theirs["end"]), (300, 100, "remote_close"),
          "server")


def test_partial_connecting():
    """connect() was waiting for its answer when the trace began: its SYN is no byte."""
    b, a = nt.pair()
    server, client = Peer(b, "server"), Peer(a, "old-client")
    listener = server.listen(b.addr4)
    port = server.name(listener)
    undrop = b.drop()
    client.tell("connect", b.addr4, port)
    nt.wait_for(lambda: (2, port) in [(s[0], s[2]) for s in nt.sockets(a)], "the SYN")
    with traced(a, b) as trace:
        undrop()
        c = client.answer()
        s = server.accept(listener)
        client.send(c, 100)
        server.recv(s, 100)
        client.close(c)
        server.end(s)
        server.close(s)
    ours, theirs = trace.row(rport=port), trace.row(lport=port)
    equal((ours["tx_bytes"], ours["rx_bytes"], theirs["tx_bytes"], theirs["rx_bytes"]),
          (100, 0, 0, 100), "bytes")
    equal((ours["pid"], ours["comm"]), (client.pid, "old-client"), "who connected")


def test_partial_reset():
    b, a = nt.pair()
    c, s = nt.joined(b, a, b.addr4)
    port = nt.port_of(s)
    nt.transfer(c, s, 100)
    nt.transfer(s, c, 10)
    nt.wait_for(lambda: not nt.tcp_info(s)["unacked"] and not nt.tcp_info(c)["unacked"],
                "the acknowledgements")
    with traced(a, b) as trace:
        nt.reset(c)
        nt.wait_for(lambda: nt.tcp_info(s)["state"] == 7, "the reset to arrive")
        s.close()
    ours, theirs = trace.row(rport=port), trace.row(lport=port)
    equal((ours["tx_bytes"], ours["rx_bytes"]), (100, 10), "client's bytes")
    equal((theirs["tx_bytes"], theirs["rx_bytes"]), (10, 100), "server's bytes")


def test_partial_in_flight():
    """Aborted with data that was not acknowledged, sent before and after the trace began."""
    for from_client in (True, False):
        b, a = nt.pair()
        c, s = nt.joined(b, a, b.addr4)
        port = nt.port_of(s)
        sender, receiver = (c, s) if from_client else (s, c)
        nt.transfer(sender, receiver, 1000)
        nt.wait_for(lambda: not nt.tcp_info(sender)["unacked"], "the acknowledgement")
        undrop = (b if from_client else a).drop()
        sender.sendall(bytes(300))
        with traced(a, b) as trace:
            sender.sendall(bytes(500))
            nt.wait_for(lambda: nt.tcp_info(sender)["total_retrans"] > 0, "a retransmit")
            nt.reset(sender)
            undrop()
            nt.reset(receiver)
        ours, theirs = trace.row(rport=port), trace.row(lport=port)
        sent, got = (ours, theirs) if from_client else (theirs, ours)
        equal((sent["tx_bytes"], sent["rx_bytes"]), (1000, 0), f"sender's bytes: {sent}")
        equal((got["tx_bytes"], got["rx_bytes"]), (0, 1000), f"receiver's bytes: {got}")


def test_partial_lossy():
    """Retransmits before and after the trace began do not confuse the bytes."""
    for from_client in (True, False):
        b, a = nt.pair()
        c, s = nt.joined(b, a, b.addr4)
        port = nt.port_of(s)
        sender, receiver = (c, s) if from_client else (s, c)
        size = nt.scaled(300_000, 100_000)
        undrop = (b if from_client else a).drop("-m", "statistic", "--mode", "nth", "--every", "7",
                                                "--packet", "6")
        nt.transfer(sender, receiver, size)
        with traced(a, b) as trace:
            nt.transfer(sender, receiver, size)
            nt.wait_for(lambda: not nt.tcp_info(sender)["unacked"], "the acknowledgement")
            undrop()
            truth = nt.tcp_info(sender)
            sender.close()
            nt.end_of(receiver)
            receiver.close()
        check(truth["total_retrans"] > 0, "something was retransmitted")
        ours, theirs = trace.row(rport=port), trace.row(lport=port)
        sent, got = (ours, theirs) if from_client else (theirs, ours)
        equal((sent["tx_bytes"], sent["rx_bytes"], sent["retrans"]),
              (2 * size, 0, truth["total_retrans"]),
              f"sender: {sent}")
        equal((got["tx_bytes"], got["rx_bytes"]), (0, 2 * size), f"receiver's bytes: {got}")


def test_partial_many():
    """The snapshot knows the owners of many sockets in several processes and namespaces."""
    b, a = nt.pair()
    servers = [Peer(b, f"server-{i}") for i in range(3)]
    clients = [Peer(a, f"client-{i}") for i in range(3)]
    made = []
    for i in range(nt.scaled(60, 12)):
        server, client = servers[i % 3], clients[i // 3 % 3]
        listener = server.listen(b.addr4)
        port = server.name(listener)
        c = client.connect(b.addr4, port)
        made.append((server, client, port, c, server.accept(listener)))
        server.close(listener)
    with traced(a, b) as trace:
        for server, client, _, c, s in made:
            # the client's half dies by the reset, nobody of its process is involved
            server.reset(s)
            client.close(c)
    for server, client, port, _, _ in made:
        ours, theirs = trace.row(rport=port), trace.row(lport=port)
        equal((ours["pid"], ours["owner"], theirs["pid"]), (client.pid, "snapshot", server.pid),
              f"owners: {ours} {theirs}")


def test_partial_sitter():
    """A process that only holds the descriptor, inherited from who made the connection."""
    b, a = nt.pair()
    server, client = Peer(b, "server"), Peer(a, "maker")
    listener = server.listen(b.addr4)
    port = server.name(listener)
    c = client.connect(b.addr4, port)
    s = server.accept(listener)
    client.send(c, 5)
    server.recv(s, 5)
    pid = client.fork_holder(c)
    check(f"pid={pid}," in waiting(a), f"ss agrees on who holds it: {waiting(a)}")
    trace = Trace("--json", spaces=(a, b))
    server.reset(s)
    nt.quiet(a, b)
    trace.stop()
    row = trace.row(rport=port)
    equal((row["pid"], row["comm"], row["owner"]), (pid, "sitter", "snapshot"), "owner")
    equal((row["partial"], row["tx_bytes"], row["end"]), (True, 5, "reset_received"),
          "partial, bytes, end")
    row = trace.row(lport=port)
    equal((row["pid"], row["owner"], row["end"]), (server.pid, "io", "reset_sent"),
          "the server, who closed")


def test_partial_queue():
    """It waits in its listener's queue when the trace begins, and is never accepted."""
    b, a = nt.pair()
    server, client = Peer(b, "lazy"), Peer(a, "client")
    listener = server.listen(b.addr4)
    port = server.name(listener)
    c = client.connect(b.addr4, port)
    client.send(c, 11)
    trace = Trace("--json", spaces=(a, b))
    client.reset(c)
    nt.quiet(a, b)
    row = trace.stop().row(lport=port)
    equal((row["pid"], row["comm"], row["owner"]), (server.pid, "lazy", "inherited"), "owner")
    equal((row["partial"], row["rx_bytes"]), (True, 11), "partial, bytes")


def test_partial_queue_any_address():
    """The same with a listener on all addresses of both families."""
    b, a = nt.pair()
    server, client = Peer(b, "lazy"), Peer(a, "client")
    listener = server.listen("::")
    port = server.name(listener)
    four, six = client.connect(b.addr4, port), client.connect(b.addr6, port)
    trace = Trace("--json", spaces=(a, b))
    client.reset(four)
    client.reset(six)
    nt.quiet(a, b)
    trace.stop()
    for ip in (4, 6):
        row = trace.row(lport=port, ip=ip)
        equal((row["pid"], row["comm"], row["owner"]), (server.pid, "lazy", "inherited"),
              f"owner, IPv{ip}")


def test_partial_accepted_later():
    """It waited when the trace began, and is accepted then: it belongs to who accepts."""
    b, a = nt.pair()
    server, client = Peer(b, "late"), Peer(a, "client")
    listener = server.listen(b.addr4)
    port = server.name(listener)
    c = client.connect(b.addr4, port)
    trace = Trace("--json", spaces=(a, b))
    s = server.accept(listener)
    client.send(c, 9)
    server.recv(s, 9)
    client.close(c)
    server.end(s)
    server.close(s)
    nt.quiet(a, b)
    row = trace.stop().row(lport=port)
    equal((row["pid"], row["comm"], row["rx_bytes"]), (server.pid, "late", 9), "owner, bytes")
    equal(row["owner"], "accept" if nt.sees_accept() else "io", "how it was found")


def test_partial_in_time():
    """Not partial: made after the tool was ready; its duration is the real one."""
    b, a = nt.pair()
    with traced(a, b) as trace:
        before = time.monotonic()
        c, s = nt.joined(b, a, b.addr4)
        inner = time.monotonic()
        port = nt.port_of(s)
        time.sleep(0.3)
        inner = time.monotonic() - inner
        c.close()
        nt.end_of(s)
        s.close()
        outer = time.monotonic() - before
    for row in (trace.row(rport=port), trace.row(lport=port)):
        equal(row["partial"], False, "partial")
        check(inner <= row["duration_ns"] / 1e9 <= outer + 0.1,
              f"{inner} <= duration <= {outer}: {row}")
