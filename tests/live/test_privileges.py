# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a run needs to start, what it gives away, and that it goes on working without."""
import json
import os
import re
import shutil
import signal
import time

import nt
from nt import Peer, Trace, check, equal

CAP_NET_ADMIN = 12
USER, GROUP = 12345, 54321


def all_tools():
    return [line.split()[0] for line in nt.tool("list").stdout.decode().splitlines()]


def copy_of_tool():
    """Where everybody may run it."""
    path = os.path.join(nt.temp_dir(), "nettrace")
    shutil.copy(nt.BIN, path)
    os.chmod(path, 0o755)
    return path


def status(pid):
    with open(f"/proc/{pid}/status") as file:
        return dict(re.findall(r"(\w+):\t([^\n]*)", file.read()))


def given_away(pid):
    """Until nothing is left; what /proc says then."""
    def done():
        found = status(pid)
        return found if found["Seccomp"] == "2" else None
    found = nt.wait_for(done, f"the filter of system calls: {status(pid)}")
    left = {name: int(found[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}
    if reads_without_bpf():
        equal(set(left.values()), {0}, f"capabilities left: {left}")
    else:
        one = 1 << nt.CAP_BPF
        equal(left, {"CapInh": 0, "CapPrm": one, "CapEff": one, "CapBnd": 0, "CapAmb": 0},
              "capabilities left")
    equal(found["NoNewPrivs"], "1", "no_new_privs")
    return found


def reads_without_bpf():
    """Whether this kernel lets those read a map who hold it and nothing else (since 5.19)."""
    nt.unlimited_memory()  # this process makes that map
    return nt.bpf.readable_by(nt.become_nobody_with)


def test_given_away():
    """Every tool, once it is ready: no capability in any set, no way to new ones, few calls."""
    traces = Trace.several({name: ("--json",) for name in nt.some(dict.fromkeys(all_tools()))})
    for trace in traces.values():
        given_away(trace.pid)
        trace.stop()


def test_sudo():
    """It goes on as who called sudo, whose the recording is."""
    space = nt.Space()
    directory = nt.temp_dir()
    os.chmod(directory, 0o777)
    record = os.path.join(directory, "record")

    trace = Trace("--json", "--record", record, "--stats", spaces=[space], tool="tcplife",
                  argv=["/usr/bin/env", f"SUDO_UID={USER}", f"SUDO_GID={GROUP}", nt.BIN, "tcplife"])
    found = given_away(trace.pid)
    equal((found["Uid"].split(), found["Gid"].split(), found["Groups"].split()),
          ([str(USER)] * 4, [str(GROUP)] * 4, [str(GROUP)]), "who it is")
    c, s = nt.joined(space, space, "127.0.0.1")
    port = nt.port_of(c)
    nt.transfer(c, s, 5000)
    c.close()
    nt.end_of(s)
    s.close()
    nt.quiet(space)
    trace.stop()
    equal(trace.row(lport=port)["tx_bytes"], 5000, "the row")
    entry = os.stat(record)
    equal((entry.st_uid, entry.st_gid, entry.st_mode & 0o777), (USER, GROUP, 0o600), "the recording")
    replayed = nt.tool("replay", record, "--json").stdout.decode().splitlines()
    equal([json.loads(line)["lport"] for line in replayed],
          [row["lport"] for row in trace.rows()], "rows recorded")


def test_sudo_nonsense():
    """What sudo cannot have written is not taken; root stays root then."""
    for uid in ("", "0", "-1", "12x", "99999999999"):
        trace = Trace(tool="tcplife", argv=["/usr/bin/env", f"SUDO_UID={uid}", f"SUDO_GID={GROUP}",
                                            nt.BIN, "tcplife"])
        equal(given_away(trace.pid)["Uid"].split(), ["0"] * 4, f"who it is with {uid!r}")
        trace.stop()


def test_symbolic_links():
    """Nobody has us write to a file of another's choice."""
    directory = nt.temp_dir()
    target, link = os.path.join(directory, "target"), os.path.join(directory, "link")
    with open(target, "w") as file:
        file.write("precious")
    os.symlink(target, link)
    for option in ("--record", "--ready-file"):
        done = nt.tool("tcplife", option, link, "--duration", 5)
        equal(done.returncode, 1, f"exit status with {option}: {done.stderr}")
        check(f"{option}: '{link}': it is a symbolic link".encode() in done.stderr,
              f"why: {done.stderr}")
    with open(target) as file:
        equal(file.read(), "precious", "the file behind the link")


def test_no_other_files():
    """Nothing is written but what was asked for, nothing is pinned."""
    directory = nt.temp_dir()
    pinned = os.listdir("/sys/fs/bpf") if os.path.isdir("/sys/fs/bpf") else []
    trace = Trace("--json", tool="tcplife", before=lambda: os.chdir(directory))
    trace.stop()
    equal(os.listdir(directory), [], "files")
    equal(os.listdir("/sys/fs/bpf") if os.path.isdir("/sys/fs/bpf") else [], pinned, "pinned")


def test_late_cgroup():
    """A cgroup that did not exist when privileges went has its name, also when it is gone."""
    space = nt.Space()
    trace = Trace("--json", spaces=[space], tool="tcplife")
    given_away(trace.pid)
    root = nt.cgroup2_root()
    server = Peer(space, "server")
    listener = server.listen("127.0.0.1")
    ports = {}
    for i in range(3):
        name = f"nt{os.getpid()}-late{i}"
        cgroup = os.path.join(root, name)
        os.mkdir(cgroup)
        client = Peer(space, "client", cgroup=cgroup)
        c = client.connect("127.0.0.1", server.name(listener))
        ports[client.name(c)] = f"/{name}"
        s = server.accept(listener)
        client.close(c)
        server.end(s)
        server.close(s)
        nt.wait_for(lambda: len(trace.rows()) >= 2 * len(ports), "the rows")
        client.kill()
        nt.wait_for(lambda: nt.removed(cgroup), f"{cgroup} to be empty")
        time.sleep(1.1)  # unknown cgroups are looked for once a second where a walk is slow
    nt.quiet(space)
    trace.stop()
    rows = {row["lport"]: row["cgroup"] for row in trace.rows()}
    equal({port: rows[port] for port in ports}, ports, "cgroups")


def test_intervals():
    """Sums are read, and titles and the load with them, after privileges went."""
    trace = Trace("-T", 0.2, 3, tool="softirqs")
    equal(trace.wait(), 0, f"exit status ({trace.stderr})")
    titles = [line for line in trace.lines() if re.fullmatch(r"\d\d:\d\d:\d\d", line)]
    equal(len(titles), 3, f"titles of {trace.lines()}")
    check(len(trace.lines()) > 9, f"rows: {trace.lines()}")


def test_stopped_and_continued():
    """SIGSTOP and SIGCONT, whose way back is a system call of its own."""
    space = nt.Space()
    trace = Trace("--json", "--stats", spaces=[space], tool="tcplife")
    trace.pause()
    c, s = nt.joined(space, space, "127.0.0.1")
    trace.process.send_signal(signal.SIGCONT)
    c.close()
    nt.end_of(s)
    s.close()
    nt.quiet(space)
    trace.wait_rows(2)
    trace.stop()


def test_needs_of_owners():
    """
    Who held a socket before: with CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH it is known, and the
    namespace of the tool's own needs no more.
    """
    path = copy_of_tool()
    space = nt.Space()
    server, client = Peer(space, "server", uid=USER), Peer(space, "client", uid=USER)
    listener = server.listen("127.0.0.1")

    def session(*caps):
        def become():
            nt.unlimited_memory()
            nt.enter(space.path)
            nt.become_nobody_with(*caps)
        c = client.connect("127.0.0.1", server.name(listener))
        s = server.accept(listener)
        port, directory = client.name(c), nt.temp_dir()
        os.chmod(directory, 0o777)
        trace = Trace("--json", argv=[path, "tcpstates"], before=become, directory=directory,
                      spaces=[space])
        client.close(c)
        server.end(s)
        server.close(s)
        nt.quiet(space)
        trace.stop()
        row = trace.row(rport=port, old_state="ESTABLISHED")  # a packet brings this about
        return row["owner"], row["pid"]

    caps = (nt.CAP_BPF, nt.CAP_PERFMON)
    equal(session(*caps, nt.CAP_SYS_PTRACE, nt.CAP_DAC_READ_SEARCH),
          ("snapshot", server.pid), "with them")
    equal(session(*caps), ("none", None), "without")


def lower_paranoia():
    path = "/proc/sys/kernel/perf_event_paranoid"
    with open(path) as file:
        before = file.read()

    def put(value):
        with open(path, "w") as file:
            file.write(value)
    put("2")
    nt.at_end(put, before)


def test_needs():
    """
    Two capabilities, or three: each tool attaches, or says which one it lacks. Kprobes take a
    fourth where kernel.perf_event_paranoid is above 2 (Debian, Ubuntu).
    """
    path = copy_of_tool()

    def run(name, *caps):
        def become():
            nt.unlimited_memory()
            nt.become_nobody_with(*caps)
        return nt.tool(name, "--duration", 0.1, argv=[path], before=become)

    for name in nt.some(dict.fromkeys(all_tools())):
        done = run(name, nt.CAP_BPF, nt.CAP_PERFMON, CAP_NET_ADMIN)
        barred = done.returncode == 3 and b"kernel.perf_event_paranoid" in done.stderr
        if barred:
            lower_paranoia()
            done = run(name, nt.CAP_BPF, nt.CAP_PERFMON, CAP_NET_ADMIN)
        equal(done.returncode, 0, f"exit status of {name} with three: {done.stderr}")
        done = run(name, nt.CAP_BPF, nt.CAP_PERFMON)
        check(done.returncode == 0 or (done.returncode == 3 and b"CAP_NET_ADMIN" in done.stderr),
              f"exit status of {name} with two: {done.returncode}, {done.stderr}")
