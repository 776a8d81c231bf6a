# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""sofdsnoop: every descriptor that is passed, by its number and its name on either side."""
import array
import contextlib
import ctypes
import errno
import mmap
import os
import re
import select
import socket
import struct
import threading

import nt
from nt import Curl, check, equal

NAMES = "tool time pid tid comm uid cgroup netns owner action sock_fd socket fd name".split()
HEADING = "ACTION TID COMM SOCKET FD NAME".split()
SCM_MAX_FD = 253
SCM_CREDENTIALS, SCM_PIDFD = 2, 4
SO_PASSPIDFD = 76
RIGHTS = (socket.SOL_SOCKET, socket.SCM_RIGHTS)
STREAM, DGRAM, SEQPACKET = socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET
IO_URING_SETUP, IO_URING_ENTER = 425, 426
OP_SENDMSG, OP_RECVMSG = 9, 10


def link(fd):
    return os.readlink(f"/proc/self/fd/{fd}")


def links(fds):
    return [(fd, link(fd)) for fd in fds]


def rights(fds):
    return (*RIGHTS, array.array("i", fds))


def numbers(control):
    """The descriptors in control messages as Python has them."""
    found = array.array("i")
    for level, kind, data in control:
        if level == socket.SOL_SOCKET and kind in (socket.SCM_RIGHTS, SCM_PIDFD):
            found.frombytes(data[:len(data) - len(data) % 4])
    return list(found)


# struct msghdr and what belongs to it, for calls that Python does not have

class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]


class Msghdr(ctypes.Structure):
    _fields_ = [("name", ctypes.c_void_p), ("namelen", ctypes.c_uint), ("iov", ctypes.c_void_p),
                ("iovlen", ctypes.c_size_t), ("control", ctypes.c_void_p),
                ("controllen", ctypes.c_size_t), ("flags", ctypes.c_int)]


class Mmsghdr(ctypes.Structure):
    _fields_ = [("hdr", Msghdr), ("len", ctypes.c_uint)]


class Message:
    """A byte and descriptors, or room for both."""

    def __init__(self, fds=(), room=0):
        control = struct.pack("Nii", 16 + 4 * len(fds), *RIGHTS) + struct.pack(f"{len(fds)}i", *fds)
        control = control.ljust(-len(control) % 8 + len(control), b"\0") if fds else b""
        self.control = ctypes.create_string_buffer(control, max(len(control), room) or 1)
        self.byte = ctypes.create_string_buffer(b"x", 1)
        self.iov = Iovec(ctypes.addressof(self.byte), 1)
        self.hdr = Msghdr(None, 0, ctypes.addressof(self.iov), 1, ctypes.addressof(self.control),
                          len(control) or room, 0)

    def fds(self, used):
        if used < 20:
            return []
        size, level, kind = struct.unpack_from("Nii", self.control.raw)
        equal((level, kind), RIGHTS, "the control message")
        return list(struct.unpack_from(f"{(size - 16) // 4}i", self.control.raw, 16))


def call_many(call, sock, messages):
    """sendmmsg() or recvmmsg(): the headers afterwards."""
    headers = (Mmsghdr * len(messages))(*[Mmsghdr(m.hdr, 0) for m in messages])
    args = [sock, ctypes.byref(headers), len(messages), 0]
    if call is nt.libc.recvmmsg:
        args.append(None)
    equal(call(*args), len(messages), f"messages, {os.strerror(ctypes.get_errno())}")
    return headers


def ring(op, sock, header):
    """One operation by io_uring; its result."""
    params = ctypes.create_string_buffer(120)
    fd = nt.libc.syscall(IO_URING_SETUP, 4, params)
    if fd < 0:
        raise nt.Skip(f"io_uring_setup: {os.strerror(ctypes.get_errno())}")
    sq_tail, sq_mask, sq_array = (struct.unpack_from("I", params.raw, at)[0] for at in (44, 48, 64))
    cq_head, cq_mask, cqes = (struct.unpack_from("I", params.raw, at)[0] for at in (80, 88, 100))
    sq = mmap.mmap(fd, 4096, offset=0)
    cq = mmap.mmap(fd, 4096, offset=0x8000000)
    sqes = mmap.mmap(fd, 4096, offset=0x10000000)
    sqes[:64] = struct.pack("BBHiQQIIQ24x", op, 0, 0, sock, 0, ctypes.addressof(header), 1, 0, 7)
    struct.pack_into("I", sq, sq_array, 0)
    struct.pack_into("I", sq, sq_tail, 1)
    equal(nt.libc.syscall(IO_URING_ENTER, fd, 1, 1, 1, None, 0), 1, "operations submitted")
    head = struct.unpack_from("I", cq, cq_head)[0] & struct.unpack_from("I", cq, cq_mask)[0]
    data, result = struct.unpack_from("Qi", cq, cqes + 16 * head)
    equal(data, 7, "the operation's answer")
    os.close(fd)
    return result


@contextlib.contextmanager
def by_number(fd):
    sock = socket.socket(fileno=fd)
    try:
        yield sock
    finally:
        sock.detach()


class Hands(nt.Hands):
    """The verbs of a process that passes descriptors. Descriptors are (number, link)."""

    def files(self, directory, names):
        return links([os.open(os.path.join(directory, name), os.O_RDWR | os.O_CREAT, 0o644)
                      for name in names])

    def copies(self, fd, count):
        return links([os.dup(fd) for _ in range(count)])

    def assortment(self, directory):
        """One of everything that has a name of its own kind."""
        deep = os.path.join(directory, *["d" * 41] * 4)
        deeper = os.path.join(directory, *["a very long name indeed " * 10] * 4)
        made = os.path.join(directory, "mount")
        for path in (deep, deeper, made):
            os.makedirs(path)
        nt.private_mounts()
        nt.mount("none", made, "tmpfs")
        os.mkdir(os.path.join(made, "sub"))
        names = ["plain", "with blank", "quote\"back\\slash", "two\nlines\t\x1b", "h\u00e9llo \u2192",
                 "n" * 255, f"{deep}/file", f"{made}/sub/file", f"{made}/file"]
        fds = [fd for fd, _ in self.files(directory, names)]
        gone = os.path.join(directory, "gone")
        fds.append(os.open(gone, os.O_CREAT | os.O_RDWR))
        os.unlink(gone)
        here = os.open(deeper, os.O_RDONLY)  # its path is too long for the kernel's taste
        fds += [here, os.open("/", os.O_RDONLY), os.open(made, os.O_RDONLY),
                os.open("/dev/null", os.O_RDONLY), os.open("/proc/self/status", os.O_RDONLY),
                os.open("/proc/self/ns/net", os.O_RDONLY), os.open(directory, os.O_PATH),
                os.memfd_create("mem fd"), os.pidfd_open(os.getpid()), *os.pipe(),
                socket.socket(socket.AF_INET, DGRAM).detach(), nt.libc.eventfd(0, 0)]
        self.kept = select.epoll()
        return links(fds + [self.kept.fileno()])

    def send(self, sock, *lists, data=b"x", flags=0, credentials=False):
        """The errno, or 0. Each list becomes a control message."""
        control = [(*RIGHTS, array.array("i", fds)) for fds in lists]
        if credentials:
            ids = struct.pack("3i", os.getpid(), os.getuid(), os.getgid())
            control.insert(0, (socket.SOL_SOCKET, SCM_CREDENTIALS, ids))
        try:
            with by_number(sock) as s:
                s.sendmsg([data], control, flags)
        except OSError as error:
            return error.errno
        return 0

    def send_in_thread(self, sock, fds, comm):
        """Its thread id."""
        def run():
            nt.set_comm(comm)
            result.append(threading.get_native_id())
            self.send(sock, fds)
        result = []
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        return result[0]

    def send_in_turn(self, sock, directory, count):
        """Each file by the same number, which is used again at once: the names."""
        names = [os.path.join(directory, f"{i}") for i in range(count)]
        used = set()
        for name in names:
            fd = os.open(name, os.O_RDWR | os.O_CREAT)
            used.add(fd)
            equal(self.send(sock, [fd]), 0, "errno")
            os.close(fd)
        equal(len(used), 1, "numbers used")
        return used.pop(), names

    def send_many(self, sock, lists):
        call_many(nt.libc.sendmmsg, sock, [Message(fds) for fds in lists])

    def send_by_ring(self, sock, fds):
        message = Message(fds)
        equal(ring(OP_SENDMSG, sock, message.hdr), 1, "bytes sent")

    def recv(self, sock, room=socket.CMSG_SPACE(4 * SCM_MAX_FD), flags=0):
        """What came, and whether all of it."""
        with by_number(sock) as s:
            _, control, got, _ = s.recvmsg(10, room, flags)
        return links(numbers(control)), not got & socket.MSG_CTRUNC

    def recv_count(self, sock, count):
        """So many messages; what came is closed at once: (number, link) of each."""
        found = []
        for _ in range(count):
            (one,), _ = self.recv(sock)
            os.close(one[0])
            found.append(one)
        return found

    def recv_many(self, sock, count):
        messages = [Message(room=64) for _ in range(count)]
        headers = call_many(nt.libc.recvmmsg, sock, messages)
        return [links(m.fds(h.hdr.controllen)) for m, h in zip(messages, headers)]

    def recv_by_ring(self, sock):
        message = Message(room=64)
        equal(ring(OP_RECVMSG, sock, message.hdr), 1, "bytes received")
        return links(message.fds(message.hdr.controllen))

    def option(self, sock, name):
        with by_number(sock) as s:
            s.setsockopt(socket.SOL_SOCKET, name, 1)

    def link(self, fd):
        return link(fd)

    def close_fd(self, fd):
        os.close(fd)


class Pair:
    """A sender and a receiver, each with both ends of a socket pair."""

    def __init__(self, kind=STREAM, **more):
        self.space = nt.Space()
        with self.space:
            a, b = socket.socketpair(socket.AF_UNIX, kind)
        self.out, self.into = a.fileno(), b.fileno()
        self.sender = nt.Peer(self.space, "fd sender", hands=Hands, **more)
        self.receiver = nt.Peer(self.space, "fd receiver", hands=Hands, **more)
        a.close()
        b.close()
        self.links = {True: self.sender.link(self.out), False: self.receiver.link(self.into)}

    def want(self, action, fds, **other):
        """The rows of these descriptors."""
        send = action == "send"
        peer = self.sender if send else self.receiver
        row = {"tool": "sofdsnoop", "pid": peer.pid, "tid": peer.pid,
               "comm": "fd sender" if send else "fd receiver", "uid": 0,
               "netns": self.space.inode, "owner": "io", "action": action,
               "sock_fd": self.out if send else self.into, "socket": self.links[send]}
        return [{**row, "fd": fd, "name": name, **other} for fd, name in fds]

    def send(self, *fds, **more):
        equal(self.sender.send(self.out, *[[fd for fd, _ in some] for some in fds], **more), 0,
              "errno of sendmsg()")


class Trace(nt.Trace):
    def __init__(self, *args, tool="sofdsnoop", **more):
        super().__init__(*args, tool=tool, **more)


@contextlib.contextmanager
def traced(pair, *args):
    pids = f"{pair.sender.pid},{pair.receiver.pid}"
    trace = Trace("--json", "--stats", "-p", pids, *args)
    yield trace
    trace.stop()


def rows_are(trace, *wanted):
    """These rows, in the order that each action has; times and cgroups aside."""
    rows = trace.rows()
    for action in ("send", "recv"):
        got = [{k: v for k, v in row.items() if k not in ("time", "cgroup")} for row in rows
               if row["action"] == action]
        want = [row for some in wanted for row in some if row["action"] == action]
        for one, other in zip(got, want):
            equal(one, other, f"a row of {action}")
        equal(len(got), len(want), f"rows of {action}")
    for row in rows:
        equal(list(row), NAMES, "JSON's keys")


# Scene 13: three files, credentials first

def test_scene13():
    pair = Pair()
    pair.receiver.option(pair.into, socket.SO_PASSCRED)
    files = pair.sender.files(nt.temp_dir(), ["one", "two", "three"])
    sender, receiver = pair.sender.pid, pair.receiver.pid
    arguments = {"all": [], "-p": ["-p", sender], "-t": ["-t", receiver], "-n": ["-n", "send"],
                 "--name": ["--name", "nothing,d rec"], "not": ["-n", "!send"],
                 "~": ["--filter", "comm ~ rece and action recv"]}
    traces = Trace.several({k: ["--json", *v] for k, v in arguments.items()}, spaces=[pair.space])
    tables = Trace.several({"": [], "-T": ["-T"], "--timestamp": ["--timestamp"]},
                           spaces=[pair.space])
    pair.send(files, credentials=True)
    got, whole = pair.receiver.recv(pair.into)
    equal((len(got), whole), (3, True), "descriptors received")
    equal([name for _, name in got], [name for _, name in files], "what was received")
    for trace in (*traces.values(), *tables.values()):
        trace.stop()
    sent, received = pair.want("send", files), pair.want("recv", got)
    rows_are(traces["all"], sent, received)
    for key in ("-p", "-n"):
        rows_are(traces[key], sent)
    for key in ("-t", "--name", "not", "~"):
        rows_are(traces[key], received)
    check_tables(tables, pair, files, got)


def check_tables(tables, pair, files, got):
    line = "{:6} {:<6} {:16} {:25} {:<5} {}".format
    want = [line(*HEADING)]
    want += [line("SEND", pair.sender.pid, "fd sender", f"{pair.out}:{pair.links[True]}", *one)
             for one in files]
    want += [line("RECV", pair.receiver.pid, "fd receiver", f"{pair.into}:{pair.links[False]}",
                  *one) for one in got]
    equal(sorted(tables[""].lines()), sorted(want), "the table")
    for key in ("-T", "--timestamp"):
        lines = tables[key].lines()
        equal(lines[0][:10], "TIME(s)   ", f"heading of {key}")
        equal(sorted(text[10:] for text in lines), sorted(want), f"the table of {key}")
        check(lines[1].startswith("0.000000 "), f"seconds from the first row on: {lines[1]}")


# What can be passed, and how

def test_links():
    """The names are those of /proc/PID/fd, but for what is longer than there is room for."""
    pair = Pair()
    things = pair.sender.assortment(nt.temp_dir())
    with traced(pair) as trace:
        pair.send(things)
        got, _ = pair.receiver.recv(pair.into)
    equal(len(got), len(things), "descriptors received")
    for fds, action in ((things, "send"), (got, "recv")):
        rows = [row for row in trace.rows() if row["action"] == action]
        equal([row["fd"] for row in rows], [fd for fd, _ in fds], f"numbers of {action}")
        for row, (_, name) in zip(rows, things):
            check_name(row["name"], name)


def check_name(name, want):
    if len(want) <= 767:
        equal(name, want, "the name")
        return
    check(name.startswith(".../") and len(name) > 767, f"the end of a long path: {name}")
    check(want.endswith(name[3:]), f"the end of {want}: {name}")


def test_most():
    """As many as a message can have, twice at once."""
    pair = Pair()
    (one,) = pair.sender.files(nt.temp_dir(), ["file"])
    fds = pair.sender.copies(one[0], SCM_MAX_FD)
    with traced(pair) as trace:
        pair.send(fds)
        pair.send(fds[:100], fds[100:])
        got = pair.receiver.recv(pair.into)[0] + pair.receiver.recv(pair.into)[0]
    equal(len(got), 2 * SCM_MAX_FD, "descriptors received")
    rows_are(trace, pair.want("send", fds + fds), pair.want("recv", got))


def test_kinds_of_sockets():
    for kind in (STREAM, DGRAM, SEQPACKET):
        pair = Pair(kind)
        files = pair.sender.files(nt.temp_dir(), ["a", "b"])
        with traced(pair) as trace:
            pair.send(files, data=b"")
            pair.send(files[:1])
            got, _ = pair.receiver.recv(pair.into)
            if kind != STREAM:
                got += pair.receiver.recv(pair.into)[0]
        sent = files[:1] if kind == STREAM else files + files[:1]
        equal(len(got), len(sent), f"descriptors received of {kind}")
        rows_are(trace, pair.want("send", sent), pair.want("recv", got))


def test_not_passed():
    """What fails has passed nothing."""
    pair = Pair(DGRAM)
    (file,) = pair.sender.files(nt.temp_dir(), ["file"])
    sent = 0
    with traced(pair) as trace:
        while not pair.sender.send(pair.out, [file[0]], flags=socket.MSG_DONTWAIT):
            sent += 1
        equal(pair.sender.send(pair.out, [file[0]], flags=socket.MSG_DONTWAIT), errno.EAGAIN,
              "errno of a full socket")
        equal(pair.sender.send(pair.out, [file[0], 1 << 20]), errno.EBADF, "errno")
        equal(pair.sender.send(pair.out, [file[0]], [1 << 20]), errno.EBADF, "errno")
        equal(pair.sender.send(pair.out, [file[0]] * (SCM_MAX_FD + 1)), errno.EINVAL, "errno")
        for peer in (pair.sender, pair.receiver):
            peer.close_fd(pair.into)
        check(pair.sender.send(pair.out, [file[0]]) in (errno.ECONNREFUSED, errno.ENOTCONN),
              "nobody there")
    check(sent > 1, f"{sent} messages fit into a socket")
    rows_are(trace, pair.want("send", [file] * sent))


def test_other_calls_pass_nothing():
    """dup() and netlink's control messages go the same ways in the kernel."""
    pair = Pair()
    (file,) = pair.sender.files(nt.temp_dir(), ["file"])
    with traced(pair) as trace:
        pair.sender.copies(file[0], 10)
        pair.send([file])
        pair.sender.copies(file[0], 10)
        pair.send()
        pair.send([file])
    rows_are(trace, pair.want("send", [file, file]))


def test_peek():
    """Each look gives descriptors of its own."""
    pair = Pair()
    files = pair.sender.files(nt.temp_dir(), ["a", "b"])
    with traced(pair) as trace:
        pair.send(files)
        got, _ = pair.receiver.recv(pair.into, flags=socket.MSG_PEEK)
        got += pair.receiver.recv(pair.into)[0]
    equal(len({fd for fd, _ in got}), 4, "different numbers")
    rows_are(trace, pair.want("send", files), pair.want("recv", got))


def test_little_room():
    """What has no room among the control messages is not received."""
    pair = Pair()
    files = pair.sender.files(nt.temp_dir(), ["a", "b", "c"])
    with traced(pair) as trace:
        for _ in range(3):
            pair.send(files)
        got, whole = pair.receiver.recv(pair.into, room=socket.CMSG_LEN(4))
        equal((len(got), whole), (1, False), "descriptors, all of them")
        for room in (0, 8):
            equal(pair.receiver.recv(pair.into, room=room), ([], False), f"with room for {room}")
    rows_are(trace, pair.want("send", files * 3), pair.want("recv", got))


def test_many_messages():
    """sendmmsg() and recvmmsg()"""
    pair = Pair(DGRAM)
    files = pair.sender.files(nt.temp_dir(), ["a", "b", "c"])
    lists = [files[:1], [], files[1:], files]
    with traced(pair) as trace:
        pair.sender.send_many(pair.out, [[fd for fd, _ in some] for some in lists])
        got = pair.receiver.recv_many(pair.into, len(lists))
    equal([len(some) for some in got], [len(some) for some in lists], "received in each")
    rows_are(trace, pair.want("send", sum(lists, [])), pair.want("recv", sum(got, [])))


def test_io_uring():
    pair = Pair()
    files = pair.sender.files(nt.temp_dir(), ["a", "b"])
    with traced(pair) as trace:
        pair.sender.send_by_ring(pair.out, [fd for fd, _ in files])
        got = pair.receiver.recv_by_ring(pair.into)
    equal(len(got), 2, "descriptors received")
    if hook() == "sofdsnoop_exit":
        raise nt.Skip("io_uring makes no system calls of its own")
    rows_are(trace, pair.want("send", files, sock_fd=None),
             pair.want("recv", got, sock_fd=None, socket=None, netns=None))


def hook():
    done = nt.tool("sofdsnoop", "--explain")
    found = re.search(rb"descriptors passed: (\w+)", done.stdout)
    check(found, f"--explain says how: {done.stdout} {done.stderr}")
    return found[1].decode()


def test_pidfd():
    """SCM_PIDFD: the kernel adds a descriptor of the sender's process."""
    pair = Pair(SEQPACKET)
    try:
        pair.receiver.option(pair.into, SO_PASSPIDFD)
    except RuntimeError as error:
        raise nt.Skip(f"SO_PASSPIDFD: {error}") from None
    (file,) = pair.sender.files(nt.temp_dir(), ["file"])
    with traced(pair) as trace:
        pair.send()
        pair.send([file])
        got = pair.receiver.recv(pair.into)[0]
        got += pair.receiver.recv(pair.into)[0]
    equal(sorted(name for _, name in got), sorted([file[1]] + ["anon_inode:[pidfd]"] * 2),
          "received")
    rows = trace.rows()
    equal(sorted((row["fd"], row["name"]) for row in rows if row["action"] == "recv"), sorted(got),
          "rows of recv")
    equal([row["fd"] for row in rows if row["action"] == "send"], [file[0]], "rows of send")


def test_thread():
    pair = Pair()
    files = pair.sender.files(nt.temp_dir(), ["a"])
    traces = Trace.several({"all": ["--json"], "-t": ["--json", "-t", pair.sender.pid],
                            "-p": ["--json", "-p", pair.sender.pid]}, spaces=[pair.space])
    tid = pair.sender.send_in_thread(pair.out, [files[0][0]], "worker")
    check(tid != pair.sender.pid, "a thread of its own")
    for trace in traces.values():
        trace.stop()
    want = pair.want("send", files, tid=tid, comm="worker")
    rows_are(traces["all"], want)
    rows_are(traces["-p"], want)
    rows_are(traces["-t"])


def test_waiting():
    """A receiver that has been waiting since before sofdsnoop started."""
    number = {"x86_64": "47", "aarch64": "212"}[os.uname().machine]  # of recvmsg()
    for kind in (STREAM, DGRAM, SEQPACKET):
        pair = Pair(kind)
        files = pair.sender.files(nt.temp_dir(), ["a", "b"])
        pair.receiver.tell("recv", pair.into)

        def waits():
            with open(f"/proc/{pair.receiver.pid}/syscall") as file:
                return file.read().split()[0] == number
        nt.wait_for(waits, "the receiver to be in recvmsg()")
        with traced(pair) as trace:
            pair.send(files)
            got, _ = pair.receiver.answer()
        rows_are(trace, pair.want("send", files), pair.want("recv", got))


def test_number_used_again():
    """The name is that of what was passed, also when its number is another file's by then."""
    pair = Pair(SEQPACKET)
    count = nt.scaled(500, 50)
    with traced(pair) as trace:
        pair.receiver.tell("recv_count", pair.into, count)
        fd, names = pair.sender.send_in_turn(pair.out, nt.temp_dir(), count)
        got = pair.receiver.answer()
    rows_are(trace, pair.want("send", [(fd, name) for name in names]), pair.want("recv", got))
    equal(trace.stats()["seen"] - trace.stats()["filtered"], 2 * count, "events")


def test_filters():
    pair, other = Pair(), Pair()
    files = pair.sender.files(nt.temp_dir(), ["a", "b", "c"])
    high = max(fd for fd, _ in files)
    arguments = {"action": ["--filter", "action send"], "fd": ["--filter", f"fd >= {high}"],
                 "sock_fd": ["--filter", f"sock_fd = {pair.into}"], "uid": ["--uid", "!0"],
                 "comm": ["--comm", "fd sender"], "part": ["-n", "r"], "long": ["-n", "fd receiver"],
                 "none": ["-n", "fd receivers"]}
    traces = Trace.several({k: ["--json", *v] for k, v in arguments.items()}, spaces=[pair.space])
    pair.send(files)
    other.send(other.sender.files(nt.temp_dir(), ["other"]))
    got, _ = pair.receiver.recv(pair.into)
    for trace in traces.values():
        trace.stop()
    sent, received = pair.want("send", files), pair.want("recv", got)
    rows_are(traces["action"], sent)
    rows_are(traces["comm"], sent)
    rows_are(traces["fd"], *[[row for row in rows if row["fd"] >= high]
                             for rows in (sent, received)])
    rows_are(traces["sock_fd"], received)
    rows_are(traces["part"], sent, received)
    rows_are(traces["long"], received)
    rows_are(traces["uid"])
    rows_are(traces["none"])


def test_csv():
    pair = Pair()
    files = pair.sender.files(nt.temp_dir(), ["a,b", "c\"d"])
    trace = Trace("--csv", spaces=[pair.space])
    pair.send(files)
    trace.stop()
    records = trace.csv()
    equal(list(records[0]), NAMES, "heading")
    equal([(r["fd"], r["name"], r["socket"]) for r in records],
          [(str(fd), name, pair.links[True]) for fd, name in files], "records")


def test_duration():
    trace = Trace("-d", "0.2", spaces=[nt.Space()], wait=False)
    equal(trace.wait(), 0, "exit status")
    equal([line.split() for line in trace.lines()], [HEADING], "the table")


def test_merged():
    """A tool that knows no sockets may come first: the other one's owners are right."""
    pair = Pair()
    (file,) = pair.sender.files(nt.temp_dir(), ["file"])
    for tools in ("sofdsnoop,tcplife", "tcplife,sofdsnoop"):
        trace = Trace("--json", "--stats", tool=tools, spaces=[pair.space])
        pair.send([file])
        server = nt.Peer(pair.space, "server")
        listener = server.listen("127.0.0.1")
        client = nt.Peer(pair.space, "client")
        c = client.connect("127.0.0.1", server.name(listener))
        s = server.accept(listener)
        client.close(c)
        server.close(s)
        nt.quiet(pair.space)
        trace.stop()
        equal(sorted((row["tool"], row["comm"]) for row in trace.rows()),
              [("sofdsnoop", "fd sender"), ("tcplife", "client"), ("tcplife", "server")],
              f"rows of {tools}")


# People's programs

def test_nginx():
    """The master tells its workers of each other, by passing the descriptors of their channels."""
    space = nt.Space()
    root = nt.temp_dir()
    conf = os.path.join(root, "nginx.conf")
    temps = "".join(f"{what}_temp_path {root}/t;" for what in
                    ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    with open(conf, "w") as file:
        file.write(f"daemon off; user root; worker_processes 3; pid {root}/pid;"
                   f"error_log {root}/error; events {{}} http {{ access_log off; {temps}"
                   f"server {{ listen 127.0.0.1:8000; }} }}")
    trace = Trace("--json", "--stats", spaces=[space])
    master = nt.start("nginx", "-e", f"{root}/error", "-c", conf, space=space)
    trace.wait_rows(6)
    rows = trace.rows()
    sent = [row for row in rows if row["action"] == "send"]
    received = [row for row in rows if row["action"] == "recv"]
    equal({row["pid"] for row in sent}, {master.pid}, "who sends")
    equal(sorted(row["name"] for row in sent), sorted(row["name"] for row in received),
          "what was sent and received")
    equal(sorted(len([r for r in received if r["pid"] == pid]) for pid in
                 {row["pid"] for row in received}), [1, 2], "descriptors that workers receive")
    for row in rows:
        equal(os.readlink(f"/proc/{row['pid']}/fd/{row['fd']}"), row["name"], f"name of {row}")
        equal(os.readlink(f"/proc/{row['pid']}/fd/{row['sock_fd']}"), row["socket"],
              f"socket of {row}")
        equal(row["comm"], "nginx", "comm")
    trace.stop()
    equal(len(trace.rows()), 6, "rows")


def test_forkserver():
    """Python's own: descriptors for each process that the server shall start."""
    space = nt.Space()
    trace = Trace("--json", "--stats", spaces=[space])
    code = ("import multiprocessing, os\n"
            "if __name__ == '__main__':\n"
            "    process = multiprocessing.get_context('forkserver').Process(target=os.getpid)\n"
            "    process.start(); process.join(); print(process.exitcode)\n")
    path = os.path.join(nt.temp_dir(), "program.py")
    with open(path, "w") as file:
        file.write(code)
    process = nt.start(nt.PYTHON, path, space=space, stdout=-1)
    equal(process.communicate()[0], b"0\n", "exit code of the process")
    trace.stop()
    rows = trace.rows()
    sent = [row["name"] for row in rows if row["action"] == "send"]
    check(len(sent) >= 2, f"descriptors passed: {rows}")
    equal([row["name"] for row in rows if row["action"] == "recv"], sent, "received and sent")
    equal({row["pid"] for row in rows if row["action"] == "send"}, {process.pid}, "who sends")


def test_http_passes_nothing():
    """A web server and its client have connections, and pass no descriptors."""
    space = nt.Space()
    trace = Trace("--json", "--stats", spaces=[space])
    nt.http_server(space, 8000, {"file": 1000})
    equal(Curl(space, "http://127.0.0.1:8000/file").http_code, 200, "curl's answer")
    trace.stop()
    equal(trace.rows(), [], "rows")
