# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""tcptop: the bytes that programs moved, each once, and whose they were; its screen."""
import json
import os
import re
import select
import signal
import socket
import struct
import subprocess
import termios
import threading
import time

import nt
from nt import BIN, Peer, Skip, check, equal, near, port_of
from terminal import Terminal

NAMES = ("tool time pid tid comm uid cgroup netns owner ip laddr lport raddr rport tx_bytes rx_bytes "
         "interval_ns").split()
SIZE = nt.scaled(50 << 20, 4 << 20)
MSG_ZEROCOPY, SO_ZEROCOPY, MSG_ERRQUEUE = 0x4000000, 60, 0x2000


class Trace(nt.Trace):
    def __init__(self, *args, **more):
        super().__init__(*args, tool="tcptop", **more)

    def moved(self):
        """{(own port, other port): (sent, received)}, all readings together."""
        sums = {}
        for row in self.rows():
            tx, rx = sums.get((row["lport"], row["rport"]), (0, 0))
            sums[row["lport"], row["rport"]] = tx + row["tx_bytes"], rx + row["rx_bytes"]
        return sums

    def check_moved(self, *connections):
        """(socket or port, socket or port, sent by the first, received by it, or None), ...: all there is."""
        want = {}
        for one, other, tx, rx in connections:
            ports = tuple(end if isinstance(end, int) else port_of(end) for end in (one, other))
            want[ports] = tx, rx
            want[ports[::-1]] = rx, tx
        equal(self.stop().moved(), want, "(sent, received) of each end")


def traced(*args):
    """A namespace, and a run that sees it."""
    space = nt.Space()
    return space, Trace("--json", "--stats", *args, spaces=[space])


# Scene 12

def test_scene12():
    """A large transfer and many short curls; the names stay when the processes have gone."""
    b, a = nt.pair()
    nt.http_server(b, files={"small": 3000})
    receiver, sender = Peer(b, "taker"), Peer(a, "giver")
    trace = Trace("-C", "--json", "--stats", 1, spaces=(a, b))
    listener = receiver.listen(b.addr4, 9000)
    out = sender.connect(b.addr4, 9000)
    inwards = receiver.accept(listener)
    receiver.tell("recv", inwards, SIZE)
    sender.send(out, SIZE)
    receiver.answer()
    port = sender.name(out)
    sender.kill()
    curls = [nt.Curl(a, f"http://{b.addr4}:8000/small") for _ in range(nt.scaled(20, 8))]
    trace.stop()
    moved = trace.moved()
    near(moved[port, 9000][0], SIZE, 0.01, "sent")
    near(moved[9000, port][1], SIZE, 0.01, "received")
    equal((moved[port, 9000][1], moved[9000, port][0]), (0, 0), "the other way")
    for row in trace.rows():
        equal(list(row), NAMES, "names")
        if port in (row["lport"], row["rport"]):
            equal((row["comm"], row["pid"]),
                  ("giver", sender.pid) if row["lport"] == port else ("taker", receiver.pid), "owner")
    for curl in curls:
        equal(moved[curl.local_port, 8000], (curl.sent, curl.received), "(sent, received) of a curl")
        equal(moved[8000, curl.local_port], (curl.received, curl.sent), "of its server")
        equal({(row["comm"], row["pid"]) for row in trace.rows() if row["lport"] == curl.local_port},
              {("curl", curl.pid)}, "owner")


def test_scene12_pid():
    """-p: the owner's rows only, also of what it did before the run and after."""
    b, a = nt.pair()
    peers = [Peer(b, "one"), Peer(a, "two")]
    listener = peers[0].listen(b.addr4, 9000)
    out = peers[1].connect(b.addr4, 9000)
    inwards = peers[0].accept(listener)
    trace = Trace("-C", "--json", "-p", peers[1].pid, spaces=(a, b))
    peers[1].send(out, 5000)
    peers[0].recv(inwards, 5000)
    trace.stop()
    equal([(r["pid"], r["comm"], r["tx_bytes"], r["rx_bytes"]) for r in trace.rows()],
          [(peers[1].pid, "two", 5000, 0)], "rows")


# What moved, and what did not

def test_not_moved():
    """What was asked for but not taken, looked at but not taken, or refused."""
    space, trace = traced()
    c, s = nt.joined(space, space, "127.0.0.1")
    c.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 20000)
    sent, block = 0, bytes(1 << 20)
    c.setblocking(False)
    try:
        while True:
            sent += c.send(block)
    except BlockingIOError:
        pass
    check(sent % len(block), f"a send() that was cut short: {sent}")
    for _ in range(3):
        equal(len(s.recv(1000, socket.MSG_PEEK)), 1000, "peeked")
    s.recv(3000, socket.MSG_TRUNC)  # taken, and thrown away
    nt.recv_exactly(s, sent - 3000)
    s.setblocking(False)
    try:
        s.recv(1)
    except BlockingIOError:
        pass
    ports = port_of(c), port_of(s)
    nt.reset(s)
    try:
        c.send(b"x")
        c.send(b"x")
    except (BrokenPipeError, ConnectionResetError):
        pass
    trace.check_moved((*ports, sent, 0))


def test_readings():
    """Readings as short as can be: nothing is lost between two of them, nothing counted twice."""
    space, trace = traced(0.02)
    c, s = nt.joined(space, space, "127.0.0.1")
    for _ in range(20):
        nt.transfer(c, s, SIZE // 20)
        nt.transfer(s, c, 100000)
    trace.check_moved((c, s, SIZE // 20 * 20, 20 * 100000))
    check(len({row["time"] for row in trace.rows()}) > 2, "more than two readings")
    for row in trace.rows():
        check(10_000_000 < row["interval_ns"] < 60_000_000_000, f"interval of {row}")


def test_sendfile():
    """sendfile() and splice() to a socket, of each version of IP."""
    space, trace = traced()
    path = os.path.join(nt.temp_dir(), "file")
    with open(path, "wb") as file:
        file.write(bytes(300000))
    ends = []
    for addr in ("127.0.0.1", "::1"):
        c, s = nt.joined(space, space, addr)
        with open(path, "rb") as file:
            equal(os.sendfile(c.fileno(), file.fileno(), 0, 200000), 200000, "sendfile()")
        read, write = os.pipe()
        for _ in range(5):
            os.write(write, bytes(10000))
            equal(splice(read, c.fileno(), 10000), 10000, "splice()")
        nt.recv_exactly(s, 250000)
        ends.append((c, s, 250000, 0))
    trace.check_moved(*ends)


def splice(source, target, size):
    return nt._syscall(nt.libc.splice(source, None, target, None, size, 0), "splice")


def test_splice_read():
    """splice() from a socket."""
    space, trace = traced("-v")
    if "splice() from sockets: nothing" in trace.stderr:
        raise Skip("neither fentry nor kprobes")
    c, s = nt.joined(space, space, "127.0.0.1")
    move_by_splice(c, s)
    trace.check_moved((c, s, 30000, 0))


def move_by_splice(source, target):
    """30000 bytes, which the receiver splices away."""
    read, write = os.pipe()
    for _ in range(3):
        source.sendall(bytes(10000))
        got = 0
        while got < 10000:
            try:
                got += splice(target.fileno(), write, 10000 - got)
            except BlockingIOError:
                select.select([target], [], [], nt.PATIENCE)
        os.read(read, 10000)


def test_zerocopy():
    """MSG_ZEROCOPY; asking what became of it is no payload."""
    space, trace = traced()
    c, s = nt.joined(space, space, "127.0.0.1")
    c.setsockopt(socket.SOL_SOCKET, SO_ZEROCOPY, 1)
    for _ in range(3):
        equal(c.send(bytes(50000), MSG_ZEROCOPY), 50000, "send()")
        nt.recv_exactly(s, 50000)
    nt.wait_for(lambda: reports(c), "the report about the last one")
    trace.check_moved((c, s, 150000, 0))


def reports(sock):
    try:
        return sock.recvmsg(100, 200, MSG_ERRQUEUE | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return None


def test_tls():
    """Kernel TLS: what programs give and get, not what it is on the wire."""
    space, trace = traced()
    c, s = nt.joined(space, space, "127.0.0.1")
    secret = struct.pack("HH8s16s4s8s", 0x0303, 51, bytes(8), bytes(16), bytes(4), bytes(8))
    try:
        for end, way in ((c, 1), (s, 2)):  # TLS_TX, TLS_RX
            end.setsockopt(socket.IPPROTO_TCP, 31, b"tls")  # TCP_ULP
            end.setsockopt(282, way, secret)  # SOL_TLS
    except OSError as error:
        raise Skip(f"no kernel TLS: {error}") from None
    for _ in range(10):
        c.sendall(bytes(20000))
        nt.recv_exactly(s, 20000)
    trace.check_moved((c, s, 200000, 0))


def test_mptcp():
    """Once: not on the subflow too. Over IPv6, by splice(), and with a peer that has TCP only."""
    nt.needs_mptcp()
    space, trace = traced()
    ends = []
    for addr, protocol in (("127.0.0.1", nt.IPPROTO_MPTCP), ("::1", nt.IPPROTO_MPTCP), ("127.0.0.1", 0)):
        with space:
            listener, c = nt.stream(addr, nt.IPPROTO_MPTCP), nt.stream(addr, protocol)
        listener.bind((addr, 0))
        listener.listen()
        c.connect(listener.getsockname())
        s, _ = listener.accept()
        s.settimeout(nt.PATIENCE)
        nt.transfer(c, s, 1 << 20)
        nt.transfer(s, c, 300000)
        ends.append((c, s, 1 << 20, 300000))
    move_by_splice(*ends[0][:2])
    ends[0] = (*ends[0][:2], (1 << 20) + 30000, 300000)
    trace.check_moved(*ends)
    equal({row["pid"] for row in trace.rows()}, {os.getpid()}, "owner")


# Whose they are

def test_same_memory():
    """Connections one after the other, whose sockets have the same memory: a row each."""
    space, trace = traced(1000)
    report = nt.churn(space, "-n", nt.scaled(300, 50), "-b", 100, "--truth")
    trace.stop()
    want = {}
    for one in report["truth"]:
        want[one["client_port"], one["server_port"]] = one["client_tx"], one["server_tx"]
        want[one["server_port"], one["client_port"]] = one["server_tx"], one["client_tx"]
    equal(trace.moved(), want, "bytes of each connection")
    equal(trace.stats()["missed"], 0, "runs that the kernel skipped")


def test_open_before():
    """A connection older than the run has its owner, and its bytes from now on."""
    space = nt.Space()
    one, two = Peer(space, "one"), Peer(space, "two")
    listener = one.listen("::1")
    out = two.connect("::1", one.name(listener))
    inwards = one.accept(listener)
    two.send(out, 1000)
    one.recv(inwards, 1000)
    trace = Trace("--json", spaces=[space])
    two.send(out, 70)
    one.recv(inwards, 70)
    trace.stop()
    equal(sorted((r["comm"], r["pid"], r["tx_bytes"], r["rx_bytes"]) for r in trace.rows()),
          [("one", one.pid, 0, 70), ("two", two.pid, 70, 0)], "rows")


def test_child():
    """A child that inherited the socket moves bytes: the owner is who accepted, or the child where
    accept() cannot be seen."""
    space = nt.Space()
    parent = Peer(space, "parent")
    listener = parent.listen("127.0.0.1")
    port = parent.name(listener)
    trace = Trace("--json", spaces=[space])
    parent.tell("serve_by_child", listener, 4000)
    c = nt.connect(space, "127.0.0.1", port)
    c.sendall(bytes(4000))
    nt.recv_exactly(c, 4000)
    child = parent.answer()
    trace.stop()
    want = ("accept", "parent", parent.pid) if nt.sees_accept() else ("io", "child", child)
    equal({(r["owner"], r["comm"], r["pid"]) for r in trace.rows() if r["lport"] == port}, {want}, "owner")


def test_read_when_closed():
    """What came before both FINs is read after them: the socket has no port any more, the row has."""
    space, trace = traced()
    c, s = nt.joined(space, space, "127.0.0.1")
    ports = port_of(c), port_of(s)
    c.shutdown(socket.SHUT_WR)
    nt.end_of(s)
    s.sendall(bytes(500))
    s.close()
    nt.quiet(space)
    nt.recv_exactly(c, 500)
    trace.check_moved((*ports, 0, 500))


# Filters, order, forms

def test_filters():
    """Each sees what it should of three connections: what the kernel is asked, and what the reading."""
    space = nt.Space()
    one, two = Peer(space, "one"), Peer(space, "two", uid=65533)
    ends = [(one, two, "127.0.0.1"), (two, one, "127.0.0.2"), (two, one, "::1")]
    listeners = [server.listen(addr) for server, _, addr in ends]
    first = one.name(listeners[0])
    expression = f"tx_bytes > 1500 and uid != 65533 and not raddr ::1 and not port {first}"
    words = {"-6": ["-6"], "-p": ["-p", two.pid, "-4"], "--filter": ["--filter", expression]}
    traces = Trace.several({key: ["--json", *value] for key, value in words.items()}, spaces=[space])
    for i, (server, client, addr) in enumerate(ends):
        out = client.connect(addr, server.name(listeners[i]))
        inwards = server.accept(listeners[i])
        client.send(out, 1000 * (i + 1))
        server.recv(inwards, 1000 * (i + 1))
    want = {"-6": {("one", 3000, 0), ("two", 0, 3000)}, "-p": {("two", 1000, 0), ("two", 0, 2000)},
            "--filter": {("one", 2000, 0)}}
    for key, trace in traces.items():
        equal({(r["comm"], r["tx_bytes"], r["rx_bytes"]) for r in trace.stop().rows()}, want[key],
              f"rows of {words[key]}")


def test_cgroup():
    """-c: owners in that cgroup."""
    group = nt.make_cgroup(nt.cgroup2_root(), f"nt{os.getpid()}top")
    space = nt.Space()
    inside, outside = Peer(space, "inside", cgroup=group), Peer(space, "outside")
    listener = outside.listen("127.0.0.1")
    trace = Trace("--json", "-c", group, spaces=[space])
    out = inside.connect("127.0.0.1", outside.name(listener))
    inwards = outside.accept(listener)
    inside.send(out, 10)
    outside.recv(inwards, 10)
    trace.stop()
    equal([(r["comm"], r["tx_bytes"]) for r in trace.rows()], [("inside", 10)], "rows")
    inside.kill()


def three(space, factor=1):
    """Connections, and how much each moves up and down."""
    return [(*nt.joined(space, space, "127.0.0.1"), up * factor, down * factor)
            for up, down in ((5000, 4000), (9000, 1000), (2000, 9500))]


def move(connections):
    for c, s, up, down in connections:
        nt.transfer(c, s, up)
        nt.transfer(s, c, down)


def test_order():
    """-s and -r."""
    space = nt.Space()
    words = {"sent": ["--sort", "sent"], "received": ["-s", "received", "-r", 2], "all": []}
    traces = Trace.several({key: [1000, "--json", *value] for key, value in words.items()}, spaces=[space])
    move(three(space))
    got = {key: [(r["tx_bytes"], r["rx_bytes"]) for r in trace.stop().rows()] for key, trace in traces.items()}
    sums = [tx + rx for tx, rx in got["all"]]
    equal(sums, sorted(sums, reverse=True), "-s all")
    equal(sums, [11500, 11500, 10000, 10000, 9000, 9000], "sums")
    equal([tx for tx, _ in got["sent"]], [9500, 9000, 5000, 4000, 2000, 1000], "-s sent")
    equal([rx for _, rx in got["received"]], [9500, 9000], "-s received -r 2")


def test_table():
    """bcc's columns, in KiB, with and without the line before them; two readings."""
    space = nt.Space()
    traces = Trace.several({"with": ["-C", 1.5, 2], "without": ["-S", 1000]}, spaces=[space])
    c, s = nt.joined(space, space, "127.0.0.1")
    nt.transfer(c, s, 300 * 1024 + 1023)
    equal(traces["with"].wait(), 0, "exit code")
    lines = traces["with"].lines()
    starts = [i for i, line in enumerate(lines) if " loadavg: " in line]
    equal(len(starts), 2, f"readings of {lines}")
    check(re.fullmatch(r"\d\d:\d\d:\d\d loadavg: [\d.]+ [\d.]+ [\d.]+ \d+/\d+ \d+", lines[0]), lines[0])
    heading, rows = nt.read_table(traces["without"].stop().lines())
    equal(heading, "PID COMM LADDR RADDR RX_KB TX_KB".split(), "heading")
    ends = f"127.0.0.1:{port_of(c)}", f"127.0.0.1:{port_of(s)}"
    equal(sorted((r["LADDR"], r["RADDR"], r["RX_KB"], r["TX_KB"]) for r in rows),
          sorted([(*ends, "0", "300"), (*ends[::-1], "300", "0")]), "rows")
    equal({r["PID"] for r in rows}, {str(os.getpid())}, "PID")


def test_full():
    """What has no room is counted, and nothing else is wrong."""
    space = nt.Space()
    trace = Trace(1000, "--json", "--stats", "--strict", "--sockets", 64, spaces=[space])
    report = nt.churn(space, "-n", 300, "-b", 100)
    trace.process.send_signal(signal.SIGINT)
    equal(trace.wait(), 5, "exit code")
    stats = trace.check_sum()
    check(stats["lost_map"] > 0 and stats["sent"] <= 64, f"{stats} of {report}")
    equal({row["tx_bytes"] for row in trace.rows()}, {100}, "bytes of those that had room")


# Programs that people use

def test_nginx():
    """nginx with sendfile and a worker, curl as a client, which says itself what it got."""
    b, a = nt.pair()
    worker = nt.nginx(b, b.addr4, files={"large": 3 << 20})
    trace = Trace("--json", spaces=(a, b))
    curl = nt.Curl(a, f"http://{b.addr4}:8000/large")
    trace.stop()
    equal(trace.moved(), {(curl.local_port, 8000): (curl.sent, curl.received),
                          (8000, curl.local_port): (curl.received, curl.sent)}, "bytes")
    equal({r["pid"] for r in trace.rows() if r["lport"] == 8000}, {worker}, "owner")


def test_iperf3():
    """Each stream moved what iperf3 says of it."""
    b, a = nt.pair()
    server = nt.start("iperf3", "-s", "-1", "-p", 5201, "-B", b.addr6, space=b, stdout=subprocess.DEVNULL)
    nt.wait_listening(b, 5201, server)
    trace = Trace("--json", "--comm", "iperf3", spaces=(a, b))
    client = nt.start("iperf3", "-c", b.addr6, "-p", 5201, "-n", SIZE, "-P", 2, "-J", space=a,
                      stdout=subprocess.PIPE)
    said = json.loads(client.communicate(timeout=nt.PATIENCE)[0])
    server.wait(nt.PATIENCE)
    trace.stop()
    moved = trace.moved()
    for connected, stream in zip(said["start"]["connected"], said["end"]["streams"]):
        tx, _ = moved[connected["local_port"], 5201]
        near(tx, stream["sender"]["bytes"], 0.01, "sent")
        near(moved[5201, connected["local_port"]][1], stream["receiver"]["bytes"], 0.01, "received")


# The screen

def table_of(lines):
    """The rows on the screen, as dicts."""
    start = next((i for i, line in enumerate(lines) if line.startswith("PID ")), None)
    if start is None:
        return []
    heading = lines[start].split()
    return [dict(zip(heading, line.split())) for line in lines[start + 1:-1] if line]


def screen(space, *args, rows=24, cols=100):
    ready = os.path.join(nt.temp_dir(), "ready")
    terminal = Terminal(BIN, "tcptop", "--netns", space.inode, "--ready-file", ready, *args,
                        rows=rows, cols=cols)
    terminal.wait_shown(lambda lines: os.path.exists(ready) and "q quit" in lines[-1], "the screen")
    return terminal


def test_screen():
    """Sorts by keys, pauses, follows the window's size, ends by q and leaves no trace."""
    space = nt.Space()
    terminal = screen(space, 0.3)
    connections, enough = three(space, 10), threading.Event()

    def keep_moving():
        while not enough.wait(0.05):
            move(connections)
    thread = threading.Thread(target=keep_moving)
    thread.start()
    terminal.wait_shown(lambda lines: len(table_of(lines)) == 6, "rows")
    terminal.type("t ")
    terminal.wait_shown(lambda lines: "paused" in lines[-1] and "[t tx]" in lines[-1], "the pause")
    enough.set()
    thread.join()
    equal(len(table_of(terminal.screen.shown)), 6, "rows that stay")
    orders = {"t": lambda r: -int(r["TX_KB"]), "r": lambda r: -int(r["RX_KB"]),
              "p": lambda r: int(r["PID"]), "l": lambda r: int(r["LADDR"].split(":")[1]),
              "a": lambda r: int(r["RADDR"].split(":")[1]),
              "b": lambda r: -(int(r["RX_KB"]) + int(r["TX_KB"]))}
    for key, order in orders.items():
        terminal.type(key)
        lines = terminal.wait_shown(lambda lines, key=key: f"[{key} " in lines[-1] and lines, key)
        got = [order(r) for r in table_of(lines)]
        if key != "b":  # the sum of what is shown is not what is shown of the sum
            equal(got, sorted(got), f"order after {key}")
    terminal.set_size(5, 60)
    lines = terminal.wait_shown(lambda lines: len(lines) == 5 and lines, "five lines")
    check(all(len(line) <= 60 for line in lines), f"lines fit: {lines}")
    check(" RX_KB" not in "".join(lines), f"cut at the edge: {lines}")
    terminal.type("\x1b[C\x1b[C\x1b[C")
    terminal.wait_shown(lambda lines: any(line.endswith("RX_KB  TX_KB") for line in lines), "the right part")
    terminal.type("q")
    equal(terminal.wait(), 0, "exit code")
    equal(terminal.screen.shown, [""], "nothing is left on the screen")
    terminal.check_restored()


def test_screen_signals():
    """Whatever ends or stops it, the terminal is as it was."""
    space = nt.Space()
    for sig, code in ((signal.SIGTERM, 0), (signal.SIGHUP, 0), (signal.SIGSEGV, -signal.SIGSEGV)):
        terminal = screen(space)
        check(not termios.tcgetattr(terminal.slave)[3] & termios.ECHO, "keys are not echoed")
        os.kill(terminal.pid, sig)
        equal(terminal.wait(), code & 255, f"exit code after {sig}")
        terminal.check_restored()
    terminal = screen(space)
    terminal.type("\x1a")
    terminal.wait_state("T")
    terminal.read()
    terminal.check_restored()
    os.kill(terminal.pid, signal.SIGCONT)
    terminal.wait_shown(lambda lines: "q quit" in lines[-1], "the screen again")
    terminal.type("\x03")
    equal(terminal.wait(), 0, "exit code after Ctrl-C")
    terminal.check_restored()


def test_screen_stuck():
    """A terminal that takes nothing does not keep it from ending."""
    terminal = screen(nt.Space(), 0.05, rows=200, cols=400)
    termios.tcflow(terminal.slave, termios.TCOOFF)
    time.sleep(0.2)
    os.kill(terminal.pid, signal.SIGTERM)
    nt.wait_for(lambda: terminal.process.poll() is not None, "the end")
    equal(terminal.process.returncode, 0, "exit code")


def test_screen_count():
    """A run with an end leaves its last reading; with -C there is no screen."""
    space = nt.Space()
    for more, readings in (([], 1), (["-C"], 2)):
        terminal = Terminal(BIN, "tcptop", "--netns", space.inode, *more, 0.3, 2)
        equal(terminal.wait(), 0, "exit code")
        equal(len([line for line in terminal.screen.shown if "loadavg" in line]), readings, "readings")
        terminal.check_restored()
