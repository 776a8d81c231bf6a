# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What live tests are made of: the tool under test, network namespaces, peers, servers, bpf(2)."""
import contextlib
import csv
import ctypes
import fcntl
import io
import json
import os
import pickle
import re
import resource
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

import bpf

PYTHON = "/usr/bin/python3"  # its comm is python3, whatever comes first in PATH
BIN = os.environ.get("NT_BIN", "")
CHURN = os.environ.get("NT_CHURN", "")
SCALE = float(os.environ.get("NT_SCALE", "1"))  # of counts that only make a test long
PATIENCE = float(os.environ.get("NT_PATIENCE", "60"))  # how long anything may take to come true
SHARE = int(os.environ.get("NT_SHARE", "0"))  # which third of a long list, see some()
TOOL = "tcplife"
NOBODY = 65534

libc = ctypes.CDLL(None, use_errno=True)


class Fail(Exception):
    """The tool did not do what it should."""


class Skip(Exception):
    """This kernel cannot do what the test is about."""


def check(truth, what):
    if not truth:
        raise Fail(what)


def equal(got, want, what):
    if got != want:
        raise Fail(f"{what}: expected {want!r}, got {got!r}")


def happened(stats, want, what):
    """As many events as there were, but for those that the kernel skipped and told."""
    got = stats["seen"] - stats["filtered"]
    check(want - stats["missed"] <= got <= want, f"{what}: expected {want}, got {got} of {stats}")


def near(got, want, share, what):
    if abs(got - want) > share * want:
        raise Fail(f"{what}: expected {want} within {share:.0%}, got {got}")


def scaled(count, least=1):
    return max(int(count * SCALE), least)


def some(variants):
    """A dict of variants; a third of them where a test is slow, another one on another kernel."""
    if SCALE >= 1 or len(variants) < 9:
        return variants
    return {key: value for i, (key, value) in enumerate(variants.items()) if i % 3 == SHARE}


def wait_for(condition, what, patience=None):
    """The first true value of condition()."""
    end = time.monotonic() + (patience or PATIENCE)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Fail(f"waited {patience or PATIENCE:.0f} s in vain for {what}")
        time.sleep(0.01)


# What a test leaves behind: undone in reverse order when it ends.
_cleanups = contextlib.ExitStack()


def at_end(function, *args):
    _cleanups.callback(function, *args)


def clean_up():
    _cleanups.close()


def temp_dir():
    path = tempfile.mkdtemp(prefix=f"nt{os.getpid()}-")
    os.chmod(path, 0o755)
    at_end(shutil.rmtree, path, True)
    return path


# System calls that Python 3.11 does not have

CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET = 0x00020000, 0x20000000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE, MS_SHARED = 0x1000, 0x4000, 0x40000, 0x100000
MNT_DETACH = 2
SIOCSIFFLAGS, IFF_UP = 0x8914, 1


def _syscall(result, what):
    if result < 0:
        err = ctypes.get_errno()
        raise OSError(err, f"{what}: {os.strerror(err)}")
    return result


def unshare(flags):
    _syscall(libc.unshare(flags), "unshare")


def mount(source, target, kind, flags=0, data=None):
    encode = lambda text: text.encode() if text is not None else None
    _syscall(libc.mount(encode(source), encode(target), encode(kind), flags, encode(data)),
             f"mount {target}")


def private_mounts():
    """Mounts made from now on are seen by this process and its children only; they go with them."""
    unshare(CLONE_NEWNS)
    mount("none", "/", None, MS_REC | MS_PRIVATE)


def set_comm(comm):
    libc.prctl(15, comm if isinstance(comm, bytes) else comm.encode(), 0, 0, 0)


def die_with_parent():
    libc.prctl(1, signal.SIGKILL, 0, 0, 0)


def inode(path):
    return os.stat(path).st_ino


PR_SET_KEEPCAPS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 8, 47, 2
CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE, CAP_PERFMON, CAP_BPF = 2, 19, 38, 39


def become_nobody_with(*caps):
    """User nobody with these capabilities only, which stay when a program is executed."""
    libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    bits = sum(1 << cap for cap in caps)
    low, high = bits & 0xffffffff, bits >> 32
    header = struct.pack("Ii", 0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3
    _syscall(libc.capset(header, struct.pack("6I", low, low, low, high, high, high)), "capset")
    for cap in caps:
        _syscall(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0), "ambient capability")
    die_with_parent()


def locks_maps():
    """Maps count as locked memory, those of root too."""
    return [int(n) for n in os.uname().release.split(".")[:2]] < [5, 11]


def unlimited_memory():
    """For where locks_maps()."""
    with contextlib.suppress(ValueError):  # a sandbox may keep even root from it
        resource.setrlimit(resource.RLIMIT_MEMLOCK,
                           (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


# Network namespaces

class Space:
    """A network namespace of `ip netns`; `with space:` puts the calling thread into it."""
    made = 0

    def __init__(self):
        Space.made += 1
        self.name = f"nt{os.getpid()}n{Space.made}"
        self.path = f"/run/netns/{self.name}"
        new_network(self.path)
        at_end(remove_network, self.path)
        self.inode = inode(self.path)
        self.addr4, self.addr6 = "127.0.0.1", "::1"
        self._outside = []

    def ip(self, *args):
        run("ip", "-n", self.name, *args)

    def __enter__(self):
        self._outside.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY))
        enter(self.path)
        return self

    def __exit__(self, *_):
        fd = self._outside.pop()
        _syscall(libc.setns(fd, CLONE_NEWNET), "setns")
        os.close(fd)

    def sysctl(self, name, value):
        with self, open(f"/proc/sys/net/{name}", "w") as file:
            file.write(value)

    def snmp(self, name, group="Tcp", file="snmp"):
        """A counter of the Tcp lines of /proc/net/snmp, or of TcpExt in netstat."""
        with self, open(f"/proc/thread-self/net/{file}") as lines:
            names, values = [line.split() for line in lines if line.startswith(f"{group}:")]
        return int(values[names.index(name)])

    def tcp_ext(self, name):
        return self.snmp(name, "TcpExt", "netstat")

    def iptables(self, *args, command="iptables"):
        """With whichever flavour this kernel has."""
        with self:
            tried = []
            for command in (command, f"{command}-legacy"):
                if not shutil.which(command):
                    continue
                done = subprocess.run([command, "-w", *args], capture_output=True, text=True)
                if not done.returncode:
                    return
                tried.append(f"{command}: {done.stderr.strip()}")
        raise Skip(f"{command} {' '.join(args)}: {'; '.join(tried)}")

    def drop(self, *match):
        """Drops what matches on its way in until the returned function is called."""
        self.iptables("-A", "INPUT", "-p", "tcp", *match, "-j", "DROP")
        return lambda: self.iptables("-D", "INPUT", "-p", "tcp", *match, "-j", "DROP")


    def lose(self, *which):
        """
        Of what comes in by TCP, IPv4 and IPv6: `which` is how the match "statistic" says it. Until
        the returned function is called.
        """
        match = ["INPUT", "-p", "tcp", "-m", "statistic", *which, "-j", "DROP"]

        def both(what):
            for command in ("iptables", "ip6tables"):
                self.iptables(what, *match, command=command)
        both("-A")
        return lambda: both("-D")


def new_network(path):
    """As `ip netns add` and `ip link set lo up`, without two processes: in a guest they are slow."""
    with contextlib.suppress(FileExistsError):
        os.mkdir("/run/netns")
    try:
        mount(None, "/run/netns", None, MS_SHARED | MS_REC)
    except OSError:  # it is no mount yet
        mount("/run/netns", "/run/netns", None, MS_BIND | MS_REC)
        mount(None, "/run/netns", None, MS_SHARED | MS_REC)
    os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL, 0))
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    unshare(CLONE_NEWNET)
    try:
        mount("/proc/thread-self/ns/net", path, None, MS_BIND)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP))
    finally:
        _syscall(libc.setns(home, CLONE_NEWNET), "setns")
        os.close(home)


def remove_network(path):
    _syscall(libc.umount2(path.encode(), MNT_DETACH), f"umount {path}")
    os.unlink(path)


def enter(path):
    fd = os.open(path, os.O_RDONLY)
    _syscall(libc.setns(fd, CLONE_NEWNET), f"setns {path}")
    os.close(fd)


def run(*args):
    done = subprocess.run(args, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(args)}: {done.stderr.strip()}")
    return done.stdout


def pair():
    """Two namespaces joined by a veth: (10.199.1.1, fd00:199::1) and (10.199.1.2, fd00:199::2)."""
    a, b = Space(), Space()
    a.ip("link", "add", "veth0", "type", "veth", "peer", "name", "veth0", "netns", b.name)
    for i, space in enumerate((a, b), 1):
        space.addr4, space.addr6 = f"10.199.1.{i}", f"fd00:199::{i}"
        space.ip("addr", "add", f"{space.addr4}/24", "dev", "veth0")
        space.ip("addr", "add", f"{space.addr6}/64", "dev", "veth0", "nodad")
        space.ip("link", "set", "veth0", "up")
    return a, b


LISTEN, TIME_WAIT, SYN_RECV = 10, 6, 3


def sockets(space):
    """(state, local port, remote port) of every TCP socket in /proc/net."""
    found = []
    with space:
        for name in ("tcp", "tcp6"):
            path = f"/proc/thread-self/net/{name}"
            if not os.path.exists(path):
                continue
            with open(path) as file:
                next(file)
                for line in file:
                    words = line.split()
                    found.append((int(words[3], 16), int(words[1].rsplit(":")[1], 16),
                                  int(words[2].rsplit(":")[1], 16)))
    return found


def quiet(*spaces):
    """Waits until no connection is open: all that tcplife can say about them it has been told."""
    def open_ones():
        return [s for space in spaces for s in sockets(space) if s[0] not in (LISTEN, TIME_WAIT)]
    wait_for(lambda: not open_ones(), f"the connections to end: {open_ones()}")


# The tool under test

class Trace:
    """A running tool. `spaces`: only what happens in these namespaces; a host has other traffic."""

    def __init__(self, *args, spaces=(), tool=TOOL, argv=None, stdout=None, before=None, wait=True,
                 directory=None):
        self.dir = directory or temp_dir()
        self.ready_file = os.path.join(self.dir, "ready")
        self.out_file = os.path.join(self.dir, "out")
        self.err_file = os.path.join(self.dir, "err")
        argv = list(argv or [BIN, tool]) + [str(a) for a in args]
        if spaces:
            argv += ["--netns", ",".join(str(s.inode) for s in spaces)]
        argv += ["--ready-file", self.ready_file]
        self.argv = argv
        self.code = None
        self.started = time.time()
        with open(self.err_file, "wb") as err, open(self.out_file, "wb") as out:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=err,
                                            stdout=out if stdout is None else stdout,
                                            preexec_fn=_before(before))
        self.pid = self.process.pid
        at_end(self.kill)
        if wait:
            self.wait_ready()

    def wait_ready_or_end(self):
        wait_for(lambda: os.path.exists(self.ready_file) or self.process.poll() is not None,
                 f"--ready-file of {' '.join(self.argv)}")

    def wait_ready(self):
        self.wait_ready_or_end()
        if not os.path.exists(self.ready_file):
            raise Fail(f"{' '.join(self.argv[1:])} ended with {self.process.poll()} before it was "
                       f"ready: {self.stderr.strip()}")

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self, sig=signal.SIGINT):
        """Ends it by a signal; checks that it took that well."""
        if self.process.poll() is None:
            self.process.send_signal(sig)
        self.wait()
        equal(self.code, 0, f"exit status of {' '.join(self.argv[1:])} ({self.stderr.strip()})")
        if "--stats" in self.argv:
            self.check_sum()
        return self

    def pause(self):
        """It reads nothing until SIGCONT."""
        self.process.send_signal(signal.SIGSTOP)

        def stopped():
            with open(f"/proc/{self.pid}/stat") as file:
                return file.read().rsplit(")", 1)[1].split()[0] == "T"
        wait_for(stopped, "SIGSTOP")

    def wait(self):
        """Until it ends by itself."""
        try:
            self.code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise Fail(f"{' '.join(self.argv[1:])} does not end") from None
        self.ended = time.time()
        return self.code

    @classmethod
    def several(cls, arguments, *always, **more):
        """One for each key, a few starting at once: {key: trace}."""
        traces, keys = {}, list(arguments)
        for at in range(0, len(keys), 4):
            batch = {key: cls(*arguments[key], *always, wait=False, **more)
                     for key in keys[at:at + 4]}
            for trace in batch.values():
                trace.wait_ready()
            traces.update(batch)
        return traces

    @property
    def out(self):
        with open(self.out_file, "rb") as file:
            return file.read()

    @property
    def stderr(self):
        with open(self.err_file, errors="backslashreplace") as file:
            return file.read()

    def records(self):
        """Every whole JSON line so far."""
        lines = self.out.split(b"\n")[:-1]
        return [json.loads(line.decode("utf-8", "strict")) for line in lines]

    def rows(self):
        return [r for r in self.records() if r["tool"] != "stats"]

    def row(self, **want):
        """The one row in which these fields have these values."""
        found = [r for r in self.rows() if all(r[k] == v for k, v in want.items())]
        if len(found) != 1:
            raise Fail(f"expected one row with {want}, got {found or self.records()}")
        return found[0]

    def wait_rows(self, count):
        wait_for(lambda: len(self.rows()) >= count or self.process.poll() is not None,
                 f"{count} rows; there are {self.rows()}")

    def csv(self):
        return read_csv(self.out)

    def lines(self):
        text = self.out.decode("utf-8", "strict")
        check(text.endswith("\n") or not text, "the output ends within a line")
        return text.split("\n")[:-1]

    def table(self):
        """(words of the heading, a dict a line); no cell may contain a space."""
        return read_table(self.lines())

    def stats(self):
        """The counters of --stats."""
        if "--json" in self.argv or "json" in self.argv:
            found = [r for r in self.records() if r["tool"] == "stats"]
            check(len(found) == 1 and self.records()[-1] == found[0],
                  f"one last record of counters: {found}")
            return found[0]
        found = dict(re.findall(r"(\w+) (\d+)(?:,|$)", self.stderr.strip().split("\n")[0]))
        check("seen" in found, f"no line of counters on stderr: {self.stderr!r}")
        return {k: int(v) for k, v in found.items()}

    def check_sum(self):
        s = self.stats()
        equal(s["seen"],
              s["filtered"] + s["sent"] + s["lost_buffer"] + s["lost_map"] + s["lost_stack"],
              f"seen = filtered + sent + lost of {s}")
        return s

    def bpf_ids(self):
        """{"prog": ids, "map": ids, "link": ids} of all that the running tool holds."""
        ids = {"prog": set(), "map": set(), "link": set()}
        for fd in os.listdir(f"/proc/{self.pid}/fdinfo"):
            with contextlib.suppress(OSError), open(f"/proc/{self.pid}/fdinfo/{fd}") as file:
                for kind, number in re.findall(r"^(prog|map|link)_id:\s*(\d+)", file.read(), re.M):
                    ids[kind].add(int(number))
        return ids


def read_csv(data):
    """A dict a record, after checking that every record has as many fields as the heading."""
    reader = csv.reader(io.StringIO(data.decode("utf-8", "strict"), newline=""), strict=True)
    records = list(reader)
    heading = records[0]
    for record in records[1:]:
        equal(len(record), len(heading), f"fields of the CSV record {record}")
    return [dict(zip(heading, record)) for record in records[1:]]


def read_table(lines):
    heading = lines[0].split()
    rows = []
    for line in lines[1:]:
        equal(len(line.split()), len(heading), f"cells of the line {line!r} under {lines[0]!r}")
        rows.append(dict(zip(heading, line.split())))
    return heading, rows


def _before(function=None, space=None, uid=None):
    def prepare():
        die_with_parent()
        if space:
            enter(space.path)
        if function:
            function()
        if uid is not None:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            die_with_parent()  # forgotten when the user changes
    return prepare


def tool(*args, argv=None, before=None, uid=None, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
         patience=PATIENCE):
    """Runs the tool to its end: code, stdout and stderr as bytes."""
    argv = list(argv or [BIN]) + [str(a) for a in args]
    try:
        return subprocess.run(argv, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE,
                              timeout=patience, preexec_fn=_before(before, uid=uid))
    except subprocess.TimeoutExpired:
        raise Fail(f"{' '.join(argv[1:])} does not end") from None


def accept_hook():
    """The program that sees accept() on this kernel."""
    done = tool(TOOL, "--explain")
    found = re.search(rb"accept: (\w+)", done.stdout)
    check(found, f"--explain says nothing about accept: {done.stdout} {done.stderr}")
    return found[1].decode()


def sees_accept():
    return accept_hook() in ("nt_accept_fentry", "nt_accept_kprobe")


def wait_in_accept(pid, tid=None):
    """Until this thread waits in accept()."""
    numbers = {"x86_64": ("43", "288"), "aarch64": ("202", "242")}[os.uname().machine]
    path = f"/proc/{pid}/task/{tid or pid}/syscall"
    wait_for(lambda: open(path).read().split()[0] in numbers, f"accept() in {path}")


# Sockets of this process

IPPROTO_MPTCP = 262


def stream(addr, protocol=0):
    """A socket for addresses like this one, with a timeout."""
    sock = socket.socket(socket.AF_INET6 if ":" in addr else socket.AF_INET, socket.SOCK_STREAM,
                         protocol)
    sock.settimeout(PATIENCE)
    return sock


def needs_mptcp():
    try:
        stream("", IPPROTO_MPTCP).close()
    except OSError as error:
        raise Skip(f"no MPTCP: {error}") from None


def listen(space, addr, port=0, backlog=128):
    family = socket.AF_INET6 if ":" in addr else socket.AF_INET
    with space:
        sock = socket.socket(family)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((addr, port))
    sock.listen(backlog)
    return sock


def client(space, addr):
    with space:
        sock = socket.socket(socket.AF_INET6 if ":" in addr else socket.AF_INET)
    sock.settimeout(PATIENCE)
    return sock


def connect(space, addr, port, source=None):
    sock = client(space, addr)
    if source:
        sock.bind((source, 0))
    sock.connect((addr, port))
    return sock


def port_of(sock):
    return sock.getsockname()[1]


def joined(server_space, client_space, addr, listener=None):
    """(client, server) of a new connection to `addr`, which is the server's."""
    own = listener or listen(server_space, addr)
    c = connect(client_space, addr, port_of(own))
    s, _ = own.accept()
    s.settimeout(PATIENCE)
    if not listener:
        own.close()
    return c, s


def transfer(source, target, size):
    """Moves `size` bytes, both ends in this thread."""
    block = memoryview(bytes(1 << 20))
    sent = got = 0
    while got < size:
        readable, writable, _ = select.select([target], [source] if sent < size else [], [],
                                              PATIENCE)
        check(readable or writable, f"transfer stands still after {got} of {size} bytes")
        if writable:
            sent += source.send(block[:size - sent], socket.MSG_DONTWAIT)
        if readable:
            n = len(target.recv(1 << 20))
            check(n, f"end of the connection after {got} of {size} bytes")
            got += n


def recv_exactly(sock, size):
    while size:
        n = len(sock.recv(min(size, 65536)))
        check(n, f"end of the connection with {size} bytes to come")
        size -= n


def end_of(sock):
    equal(sock.recv(1), b"", "the peer's FIN")


def reset(sock):
    """Close without a FIN."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def tcp_info(sock):
    raw = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    number = lambda at: struct.unpack_from("I", raw, at)[0]
    # of a listener "unacked" is how many wait, "sacked" how many may
    return {"state": raw[0], "options": raw[5], "unacked": number(24), "sacked": number(28),
            "rtt": number(68),
            "total_retrans": number(100), "bytes_acked": struct.unpack_from("Q", raw, 120)[0],
            "segs_in": number(140)}


# Other processes with sockets

class Peer:
    """
    A process that does with sockets what it is told; sockets are named by their descriptors.
    `contained`: in a pid namespace of its own; `pid` is what the host calls it. `hands`: its verbs.
    """

    def __init__(self, space, comm="peer", uid=None, cgroup=None, before=None, contained=False,
                 hands=None):
        ours, theirs = socket.socketpair()
        self.channel = ours
        sys.stdout.flush()
        self.pid = os.fork()
        if not self.pid:
            ours.close()
            try:
                if cgroup:
                    with open(os.path.join(cgroup, "cgroup.procs"), "w") as file:
                        file.write(str(os.getpid()))
                _before(before, space, uid)()
                if contained:
                    self._contain(theirs)
                set_comm(comm)
                (hands or Hands)(theirs).obey()
            finally:
                os._exit(0)
        theirs.close()
        self.child = self.pid
        at_end(self.kill)
        if contained:
            self.pid = self.answer()

    @staticmethod
    def _contain(channel):
        unshare(CLONE_NEWPID)
        inner = os.fork()
        if inner:
            send_message(channel, ("value", inner))
            os.waitpid(inner, 0)
            os._exit(0)
        die_with_parent()

    def __getattr__(self, verb):
        return lambda *args, **named: self.do(verb, *args, **named)

    def tell(self, verb, *args, **named):
        send_message(self.channel, (verb, args, named))

    def answer(self):
        self.channel.settimeout(PATIENCE)
        kind, value = receive_message(self.channel)
        if kind == "error":
            raise RuntimeError(f"peer: {value}")
        return value

    def do(self, verb, *args, **named):
        self.tell(verb, *args, **named)
        return self.answer()

    def kill(self):
        if self.child:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.child, 0)
            self.child = 0
            self.channel.close()


def send_message(channel, message):
    data = pickle.dumps(message)
    channel.sendall(struct.pack("I", len(data)) + data)


def receive_message(channel):
    def exactly(size):
        data = b""
        while len(data) < size:
            more = channel.recv(size - len(data))
            if not more:
                raise EOFError
            data += more
        return data
    return pickle.loads(exactly(struct.unpack("I", exactly(4))[0]))


class Hands:
    """The verbs of a Peer."""

    def __init__(self, channel):
        self.channel = channel
        self.held = {}

    def obey(self):
        while True:
            try:
                verb, args, named = receive_message(self.channel)
            except EOFError:
                return
            try:
                message = ("value", getattr(self, verb)(*args, **named))
            except Exception as error:
                message = ("error", f"{verb}: {error!r}")
            send_message(self.channel, message)

    def _keep(self, sock):
        sock.settimeout(PATIENCE)
        self.held[sock.fileno()] = sock
        return sock.fileno()

    def listen(self, addr, port=0, protocol=0):
        sock = stream(addr, protocol)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((addr, port))
        sock.listen(128)
        return self._keep(sock)

    def listen_unbound(self, addr):
        """The kernel chooses the port when it listens; (descriptor, port)."""
        sock = stream(addr)
        sock.listen(128)
        return self._keep(sock), port_of(sock)

    def connect(self, addr, port, protocol=0):
        sock = stream(addr, protocol)
        sock.connect((addr, port))
        return self._keep(sock)

    def connect_in_thread(self, addr, port):
        """(descriptor, thread id)"""
        result = []
        thread = threading.Thread(
            target=lambda: result.extend((self.connect(addr, port), threading.get_native_id())))
        thread.start()
        thread.join()
        return tuple(result)

    def accept(self, fd):
        return self._keep(self.held[fd].accept()[0])

    def accept_blocking(self, fd):
        """Waits in accept() itself; with a timeout Python waits in poll()."""
        self.held[fd].settimeout(None)
        return self.accept(fd)

    def name(self, fd):
        """Port of the own end."""
        return self.held[fd].getsockname()[1]

    def info(self, fd):
        return tcp_info(self.held[fd])

    def send(self, fd, size):
        self.held[fd].sendall(bytes(size))

    def recv(self, fd, size):
        recv_exactly(self.held[fd], size)

    def end(self, fd):
        end_of(self.held[fd])

    def shutdown(self, fd):
        self.held[fd].shutdown(socket.SHUT_WR)

    def close(self, fd):
        self.held.pop(fd).close()

    def reset(self, fd):
        reset(self.held.pop(fd))

    def fork_holder(self, fd):
        """A child that only holds this socket; the own descriptor is closed."""
        read, write = os.pipe()
        pid = os.fork()
        if not pid:
            die_with_parent()
            set_comm("sitter")
            for other in list(self.held):
                if other != fd:
                    self.held.pop(other).close()
            self.channel.close()
            os.write(write, b".")
            signal.pause()
        os.read(read, 1)
        self.close(fd)
        return pid

    def serve_by_child(self, fd, size):
        """Accepts here; a child receives and sends `size` bytes and closes. The child's pid."""
        sock = self.held[fd].accept()[0]
        pid = os.fork()
        if not pid:
            set_comm("child")
            sock.settimeout(PATIENCE)
            recv_exactly(sock, size)
            sock.sendall(bytes(size))
            sock.close()
            os._exit(0)
        sock.close()
        os.waitpid(pid, 0)
        return pid

    def mntns(self):
        return inode("/proc/self/ns/mnt")


# Servers and clients that people use

def start(*argv, space=None, uid=None, before=None, **more):
    """A process that is gone when the test ends."""
    process = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL,
                               preexec_fn=_before(before, space, uid), **more)
    at_end(_end, process)
    return process


def _end(process):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_listening(space, port, process):
    def listening():
        check(process.poll() is None, f"{process.args} ended with {process.poll()}")
        return any(s[0] == LISTEN and s[1] == port for s in sockets(space))
    wait_for(listening, f"{process.args[0]} to listen on port {port}")


def http_server(space, port=8000, files=None, bind=None):
    """python3 -m http.server; `files`: name to size."""
    root = temp_dir()
    for name, size in (files or {}).items():
        with open(os.path.join(root, name), "wb") as file:
            file.write(bytes(size))
    argv = [PYTHON, "-m", "http.server", port, "--directory", root]
    if bind:
        argv += ["--bind", bind]
    process = start(*argv, space=space, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_listening(space, port, process)
    return process


def nginx(space, addr, port=8000, files=None):
    """One master, one worker (its pid is returned)."""
    root = temp_dir()
    for name, size in (files or {}).items():
        with open(os.path.join(root, name), "wb") as file:
            file.write(bytes(size))
    conf = os.path.join(root, "nginx.conf")
    temps = "".join(f"{what}_temp_path {root}/t;" for what in
                    ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    with open(conf, "w") as file:
        file.write(f"daemon off; user root; worker_processes 1; pid {root}/pid;"
                   f"error_log {root}/error; events {{}} http {{ access_log off; {temps}"
                   f"server {{ listen {addr}:{port}; root {root}; }} }}")
    process = start("nginx", "-e", f"{root}/error", "-c", conf, space=space)
    wait_listening(space, port, process)
    workers = f"/proc/{process.pid}/task/{process.pid}/children"
    return int(wait_for(lambda: open(workers).read().split(), "nginx's worker")[0])


class Curl:
    """A finished curl: what it says of its connection."""
    FIELDS = {"size_download": int, "size_header": int, "size_request": int, "size_upload": int,
              "time_total": float, "time_connect": float, "local_port": int, "http_code": int}

    def __init__(self, space, url, *options):
        form = " ".join("%{" + name + "}" for name in self.FIELDS)
        process = start("curl", "-q", "-s", "--noproxy", "*", "-o", "/dev/null", "-w", form,
                        *options, url,
                        space=space, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        out, err = process.communicate(timeout=PATIENCE)
        self.pid, self.code = process.pid, process.returncode
        for (name, kind), word in zip(self.FIELDS.items(), out.split()):
            setattr(self, name, kind(word))
        self.stderr = err

    @property
    def received(self):
        return self.size_download + self.size_header

    @property
    def sent(self):
        return self.size_request + self.size_upload


def churn(space, *args):
    """Runs the traffic generator; its report, with the lines of --truth as dicts if given."""
    truth = os.path.join(temp_dir(), "truth")
    with_truth = "--truth" in args
    args = [a for a in args if a != "--truth"] + (["--truth", truth] if with_truth else [])
    process = start(CHURN, *args, space=space, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                    text=True)
    out, err = process.communicate()
    if process.returncode:
        raise RuntimeError(f"churn {' '.join(map(str, args))}: {err.strip()}")
    report = json.loads(out)
    if with_truth:
        names = ("client_port", "server_port", "client_tx", "server_tx", "closer")
        with open(truth) as file:
            lines = [[int(w) if w.isdigit() else w for w in line.split()] for line in file]
            report["truth"] = [dict(zip(names, line)) for line in lines]
    return report


# cgroups

def cgroup2_root():
    with open("/proc/self/mountinfo") as file:
        for line in file:
            if " - cgroup2 " in line and line.split()[3] == "/":
                return line.split()[4]
    raise Skip("no cgroup2 is mounted")


def make_cgroup(parent, name):
    path = os.path.join(parent, name)
    os.mkdir(path)
    # a process that has been waited for may still be on its way out of it
    at_end(wait_for, lambda: removed(path), f"{path} to be empty")
    return path


def removed(path):
    try:
        os.rmdir(path)
    except OSError:
        return False
    return True


# bpf(2)

def bpf_loaded(kind):
    """The ids of all programs or maps in the kernel."""
    return {found.id for found in (bpf.programs() if kind == "prog" else bpf.maps())}


def bpf_map_keys(trace, name):
    """How many keys the running tool's map of this name holds."""
    held = trace.bpf_ids()["map"]
    (found,) = [m for m in bpf.maps() if m.id in held and m.name == name]
    return bpf.count_keys(found)
