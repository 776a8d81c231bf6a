# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Filters in the kernel: each with sessions that match and sessions that do not."""
import json
import os
import time

import nt
from nt import Peer, Trace, check, equal, near


class Flows:
    """Sessions with names; of each there is a client's row (c.NAME) and a server's (s.NAME)."""

    def __init__(self):
        self.names = {}

    def add(self, name, client_port, server_port):
        self.names[client_port, server_port] = f"c.{name}"
        self.names[server_port, client_port] = f"s.{name}"

    def of(self, trace):
        return sorted(self.names.get((r["lport"], r["rport"]), f"stranger {r}")
                      for r in trace.rows())

    def both(self, *names):
        return sorted(f"{side}.{name}" for name in names for side in "cs")

    def all(self):
        return sorted(self.names.values())

    def but(self, *labels):
        return sorted(set(self.all()) - set(labels))


def words(args):
    return args.split() if isinstance(args, str) else args


def sweep(spaces, traffic, wanted):
    """
    `traffic` fills Flows while one tool runs for each key of `wanted`: arguments as one text, or a
    tuple. The values are the rows to see, or a function that tells them from the flows.
    """
    flows = Flows()
    wanted = nt.some(wanted)
    traces = Trace.several({args: words(args) for args in wanted}, "--json", "--stats",
                           "--sockets", 4096, spaces=spaces)
    traffic(flows)
    nt.quiet(*spaces)
    wrong = []
    for args, rows in wanted.items():
        rows = sorted(rows(flows) if callable(rows) else rows)
        got = flows.of(traces[args].stop())
        check(traces[args].stats()["sent"] == len(got),
              f"{args}: sent rows are printed: {traces[args].stats()}")
        if got != rows:
            wrong.append(f"{args}: expected {rows}, got {got}")
    check(not wrong, "; ".join(wrong))


def plain_flow(flows, name, b, a, addr, listener=None, size=0, source=None):
    own = listener or nt.listen(b, addr)
    c = nt.connect(a, addr, nt.port_of(own), source)
    s, _ = own.accept()
    flows.add(name, nt.port_of(c), nt.port_of(s))
    nt.transfer(c, s, size)
    c.close()
    nt.end_of(s)
    s.close()
    if not listener:
        own.close()


def fixed_ports(b, a, ports):
    """A session to each of these ports, named after it."""
    def traffic(flows):
        for port in ports:
            plain_flow(flows, str(port), b, a, b.addr4, nt.listen(b, b.addr4, port))
    return traffic


def test_port():
    b, a = nt.pair()
    sweep([a, b], fixed_ports(b, a, (8000, 8001, 8010, 9000)), {
        "--port 8000": ["c.8000", "s.8000"],
        "--lport 8000": ["s.8000"],
        "--rport 8000": ["c.8000"],
        "--port 8000-8001,9000": lambda f: f.both("8000", "8001", "9000"),
        "--lport 8001-8010": ["s.8001", "s.8010"],
        "--rport 1-8000": ["c.8000"],
        "--port !8000": lambda f: f.both("8001", "8010", "9000"),
        "--lport !8000": lambda f: f.but("s.8000"),
        "--lport !8000-8010": lambda f: f.but("s.8000", "s.8001", "s.8010"),
        "--port !8000,8001,8010,9000": [],
        "--port 8000 --rport 8000": ["c.8000"],
        "--lport 8000 --rport 8000": [],
        "-L 8000 --lport 8000-9000": ["s.8000"],
        "-L 8000,8001": ["s.8000", "s.8001"],
        "-D 9000": ["c.9000"],
        "--port 7": [],
        "--port 0-65535": lambda f: f.all(),
    })


def test_addr():
    b, a = nt.pair()
    b.ip("addr", "add", "10.199.2.9/24", "dev", "veth0")
    a.ip("route", "add", "10.199.2.0/24", "dev", "veth0")

    def traffic(flows):
        plain_flow(flows, "four", b, a, b.addr4)
        plain_flow(flows, "nine", b, a, "10.199.2.9")
        plain_flow(flows, "six", b, a, b.addr6)

    sweep([a, b], traffic, {
        f"--addr {b.addr4}": ["c.four", "s.four"],
        f"--laddr {b.addr4}": ["s.four"],
        f"--raddr {b.addr4}": ["c.four"],
        "--addr 10.199.2.0/24": ["c.nine", "s.nine"],
        "--laddr 10.199.0.0/16": ["c.four", "c.nine", "s.four", "s.nine"],
        "--raddr 10.199.1.0/30": ["c.four", "s.four", "s.nine"],
        "--addr 10.0.0.0/8": lambda f: f.both("four", "nine"),
        "--addr 10.199.1.128/25": [],
        "--addr 0.0.0.0/0": lambda f: f.both("four", "nine"),
        "--addr ::/0": ["c.six", "s.six"],
        "--addr ::/0,0.0.0.0/0": lambda f: f.all(),
        "--addr fd00::/16": ["c.six", "s.six"],
        f"--raddr {b.addr6}": ["c.six"],
        f"--laddr {a.addr6}/127": ["c.six"],
        f"--laddr {b.addr6},10.199.2.9": ["s.nine", "s.six"],
        "--addr !10.199.2.9": lambda f: f.both("four", "six"),
        "--raddr !10.199.2.9": lambda f: f.but("c.nine"),
        "--laddr !10.0.0.0/8": ["c.six", "s.six"],
        f"--laddr ::ffff:{b.addr4}": ["s.four"],
    })


def test_family():
    b, a = nt.pair()

    def traffic(flows):
        plain_flow(flows, "four", b, a, b.addr4)
        plain_flow(flows, "six", b, a, b.addr6)
        listener = nt.listen(b, "::")
        c = nt.client(a, "::")
        c.connect((f"::ffff:{b.addr4}", nt.port_of(listener)))
        s, _ = listener.accept()
        flows.add("mapped", nt.port_of(c), nt.port_of(s))
        c.close()
        nt.end_of(s)
        s.close()

    sweep([a, b], traffic, {
        "-4": lambda f: f.both("four", "mapped"),
        "-6": lambda f: f.both("six"),
        "--ipv4": lambda f: f.both("four", "mapped"),
        "--ipv6": lambda f: f.both("six"),
        "-4 -6": lambda f: f.all(),
        f"--laddr {b.addr4}": ["s.four", "s.mapped"],
        ("--filter", "ip"): lambda f: f.both("four", "mapped"),
        ("--filter", "ip6"): lambda f: f.both("six"),
        ("--filter", "not ip6"): lambda f: f.both("four", "mapped"),
    })


def session(flows, name, server, listener, client, addr, thread=False):
    """Between two peers; the server receives, so that it is known everywhere. The client's tid."""
    port = server.name(listener)
    if thread:
        c, tid = client.connect_in_thread(addr, port)
    else:
        c, tid = client.connect(addr, port), client.pid
    s = server.accept(listener)
    flows.add(name, client.name(c), port)
    client.send(c, 3)
    server.recv(s, 3)
    client.close(c)
    server.end(s)
    server.close(s)
    return tid


def test_owner():
    """pid, comm, uid."""
    space = nt.Space()
    addr = "127.0.0.1"
    server = Peer(space, "the-server")
    alpha, beta = Peer(space, "alpha"), Peer(space, "beta one", uid=nt.NOBODY)
    listener = server.listen(addr)

    def traffic(flows):
        session(flows, "alpha", server, listener, alpha, addr)
        session(flows, "beta", server, listener, beta, addr)

    servers = ["s.alpha", "s.beta"]
    sweep([space], traffic, {
        f"--pid {alpha.pid}": ["c.alpha"],
        f"-p {alpha.pid}": ["c.alpha"],
        f"--pid {server.pid}": servers,
        f"--pid {alpha.pid},{beta.pid}": ["c.alpha", "c.beta"],
        f"--pid !{server.pid}": ["c.alpha", "c.beta"],
        f"--pid {os.getpid()}": [],
        "--comm alpha": ["c.alpha"],
        ("--comm", "beta one"): ["c.beta"],
        ("--comm", "alpha,beta one"): ["c.alpha", "c.beta"],
        "--comm !the-server": ["c.alpha", "c.beta"],
        "--comm alph": [],
        "--comm alphabet": [],
        f"--uid {nt.NOBODY}": ["c.beta"],
        "--uid nobody": ["c.beta"],
        "--uid 0": ["c.alpha", *servers],
        "--uid root,nobody": ["c.alpha", "c.beta", *servers],
        "--uid !nobody": ["c.alpha", *servers],
        "--uid !0": ["c.beta"],
        f"--pid {alpha.pid} --comm alpha --uid 0": ["c.alpha"],
        f"--pid {alpha.pid} --comm beta": [],
        ("--filter", f"pid {alpha.pid} or uid nobody"): ["c.alpha", "c.beta"],
        ("--filter", "comm alpha,the-server and not pid 1"): ["c.alpha", *servers],
        ("--filter", "owner connect"): ["c.alpha", "c.beta"],
        ("--filter", "owner != connect"): servers,
    })


def test_tid():
    space = nt.Space()
    server, client = Peer(space, "server"), Peer(space, "client")
    listener = server.listen("127.0.0.1")
    # a thread's number is known once it runs, so the recording is asked
    record = os.path.join(nt.temp_dir(), "record")
    flows = Flows()
    trace = Trace("--json", "--record", record, spaces=[space])
    first = session(flows, "first", server, listener, client, "127.0.0.1")
    second = session(flows, "second", server, listener, client, "127.0.0.1", thread=True)
    nt.quiet(space)
    trace.stop()
    check(first != second, "two threads")
    for args, wanted in ((("--tid", first), ["c.first"]), (("--tid", second), ["c.second"]),
                         (("--tid", f"!{second}", "--pid", client.pid), ["c.first"]),
                         (("--tid", f"{first},{second}"), ["c.first", "c.second"])):
        text = nt.tool("replay", record, "--json", *args).stdout
        rows = [json.loads(line) for line in text.splitlines()]
        equal(sorted(flows.names[r["lport"], r["rport"]] for r in rows), wanted, f"rows of {args}")


def test_tid_live():
    space = nt.Space()
    server, client = Peer(space, "server"), Peer(space, "client")
    listener = server.listen("127.0.0.1")

    def traffic(flows):
        session(flows, "first", server, listener, client, "127.0.0.1")
        session(flows, "second", server, listener, client, "127.0.0.1", thread=True)

    sweep([space], traffic, {
        f"--tid {client.pid}": ["c.first"],
        f"--tid {server.pid}": ["s.first", "s.second"],
        f"--tid !{client.pid},{server.pid}": ["c.second"],
        f"--tid !{client.pid} --pid {client.pid}": ["c.second"],
    })


def test_netns():
    b, a = nt.pair()
    other = nt.Space()
    peer = Peer(other, "inside")

    def traffic(flows):
        plain_flow(flows, "veth", b, a, b.addr4)
        plain_flow(flows, "lo", other, other, "127.0.0.1")

    flows = Flows()
    wanted = {
        f"--netns {a.inode}": ["c.veth"],
        f"--netns {b.name}": ["s.veth"],
        f"--netns {b.path}": ["s.veth"],
        f"--netns /proc/{peer.pid}/ns/net": ["c.lo", "s.lo"],
        f"--netns {a.name},{other.inode}": ["c.lo", "c.veth", "s.lo"],
        f"--netns !{a.name},{b.name}": ["c.lo", "s.lo"],
        "--netns !/proc/self/ns/net": ["c.lo", "c.veth", "s.lo", "s.veth"],
        "--netns /proc/self/ns/net": [],
    }
    traces = Trace.several({args: words(args) for args in wanted}, "--json", "--stats")
    traffic(flows)
    nt.quiet(a, b, other)
    # --netns itself is tried here, so strangers are taken off by hand
    ours = {a.inode, b.inode, other.inode}
    for args, rows in wanted.items():
        seen = [r for r in traces[args].stop().rows() if r["netns"] in ours]
        got = sorted(flows.names[r["lport"], r["rport"]] for r in seen)
        equal(got, rows, args)


def test_mntns():
    space = nt.Space()
    server = Peer(space, "server")
    apart = Peer(space, "apart", before=nt.private_mounts)
    listener = server.listen("127.0.0.1")
    number = apart.mntns()

    def traffic(flows):
        session(flows, "apart", server, listener, apart, "127.0.0.1")
        session(flows, "here", server, listener, server, "127.0.0.1")

    check(number != server.mntns(), "two mount namespaces")
    sweep([space], traffic, {
        f"--mntns {number}": ["c.apart"],
        f"--mntns /proc/{apart.pid}/ns/mnt": ["c.apart"],
        "--mntns /proc/self/ns/mnt": ["c.here", "s.apart", "s.here"],
        f"--mntns !{number}": ["c.here", "s.apart", "s.here"],
        f"--mntns {number},{server.mntns()}": ["c.apart", "c.here", "s.apart", "s.here"],
    })


def cgroup_flows(root, name):
    """(space, traffic): a client in the cgroup, one in a cgroup below it, one outside."""
    space = nt.Space()
    top = nt.make_cgroup(root, name)
    sub = nt.make_cgroup(top, "sub")
    server, outside = Peer(space, "server"), Peer(space, "outside")
    inside, below = Peer(space, "inside", cgroup=top), Peer(space, "below", cgroup=sub)
    listener = server.listen("127.0.0.1")

    def traffic(flows):
        session(flows, "out", server, listener, outside, "127.0.0.1")
        session(flows, "in", server, listener, inside, "127.0.0.1")
        session(flows, "below", server, listener, below, "127.0.0.1")

    return space, traffic


def test_cgroup2():
    root = nt.cgroup2_root()
    name = f"nt{os.getpid()}"
    space, traffic = cgroup_flows(root, name)
    rest = ["c.out", "s.below", "s.in", "s.out"]
    sweep([space], traffic, {
        f"--cgroup /{name}": ["c.below", "c.in"],
        f"--cgroup {root}/{name}": ["c.below", "c.in"],
        f"--cgroup /{name}/sub": ["c.below"],
        f"--cgroup !/{name}": rest,
        f"--cgroup !/{name}/sub": ["c.in", *rest],
        f"--cgroup /{name} --cgroup !/{name}/sub": ["c.in"],
        ("--filter", f"cgroup /{name} and not cgroup /{name}/sub"): ["c.in"],
        f"--cgroup /{name} --comm below": ["c.below"],
    })


def test_cgroup2_names():
    """--unit and --container find cgroups by their names."""
    root = nt.cgroup2_root()
    pid = os.getpid()
    container = f"{pid:08x}" * 8
    space = nt.Space()
    slice_ = nt.make_cgroup(root, f"nt{pid}.slice")
    unit = nt.make_cgroup(slice_, f"nt{pid}-web.service")
    docker = nt.make_cgroup(slice_, f"docker-{container}.scope")
    server = Peer(space, "server")
    web, boxed = Peer(space, "web", cgroup=unit), Peer(space, "boxed", cgroup=docker)
    listener = server.listen("127.0.0.1")

    def traffic(flows):
        session(flows, "web", server, listener, web, "127.0.0.1")
        session(flows, "boxed", server, listener, boxed, "127.0.0.1")

    sweep([space], traffic, {
        f"--unit nt{pid}-web": ["c.web"],
        f"--unit nt{pid}-web.service": ["c.web"],
        f"--unit nt{pid}.slice": ["c.boxed", "c.web"],
        f"--container {container}": ["c.boxed"],
        f"--container {container[:12]}": ["c.boxed"],
        f"--container !{container}": ["c.web", "s.boxed", "s.web"],
    })


def test_cgroup2_restarted():
    """A unit that is restarted has a new cgroup at the same place."""
    root, name = nt.cgroup2_root(), f"nt{os.getpid()}-again"
    slice_ = nt.make_cgroup(root, f"{name}.slice")
    path = nt.make_cgroup(slice_, f"{name}.service")
    space = nt.Space()
    listener = nt.listen(space, "127.0.0.1")

    def visit(comm):
        client = Peer(space, comm, cgroup=path)
        client.connect("127.0.0.1", nt.port_of(listener))
        client.kill()

    filters = {"unit": ["--unit", name], "path": ["--cgroup", f"/{name}.slice/{name}.service"],
               "other": ["--cgroup", f"!/{name}.slice/{name}.service"]}
    traces = Trace.several(filters, "--json", spaces=[space], tool="tcpconnect")
    visit("first")
    nt.wait_for(lambda: nt.removed(path), "the first one's end")
    for trace in traces.values():
        nt.wait_for(lambda: "is gone" in trace.stderr, f"that it is gone: {trace.argv}")
    os.mkdir(path)
    for trace in traces.values():
        nt.wait_for(lambda: "is back" in trace.stderr, f"that it is back: {trace.argv}")
    visit("second")
    rows = {key: [r["comm"] for r in trace.stop().rows()] for key, trace in traces.items()}
    equal(rows, {"unit": ["first", "second"], "path": ["first", "second"], "other": []}, "rows")


def cgroup1_root():
    """A mounted v1 hierarchy with a controller; one is mounted for this test if there is none."""
    with open("/proc/self/mountinfo") as file:
        for line in file:
            if " - cgroup " in line and "name=" not in line:
                return line.split()[4]
    nt.private_mounts()
    path = nt.temp_dir()
    tried = []
    for controller in ("net_cls", "freezer", "devices", "pids"):
        try:
            nt.mount("none", path, "cgroup", data=controller)
            nt.at_end(nt.libc.umount2, path.encode(), 0)
            return path
        except OSError as error:
            tried.append(f"{controller}: {error.strerror}")
    raise nt.Skip(f"no cgroup v1 controller can be mounted ({', '.join(tried)})")


def test_cgroup1():
    root = cgroup1_root()
    name = f"nt{os.getpid()}"
    space, traffic = cgroup_flows(root, name)
    sweep([space], traffic, {
        f"--cgroup {root}/{name}": ["c.below", "c.in"],
        f"--cgroup {root}/{name}/sub": ["c.below"],
        f"--cgroup !{root}/{name}": ["c.out", "s.below", "s.in", "s.out"],
    })


def test_long_lists():
    """Every element of a long list counts; one that is too long is refused, not shortened."""
    b, a = nt.pair()
    odd = ",".join(str(port) for port in range(7001, 7401, 2))
    many = ",".join(f"10.{i}.0.0/16" for i in range(100))
    sweep([a, b], fixed_ports(b, a, (7001, 7002, 7399, 7400)), {
        f"--lport {odd}": ["s.7001", "s.7399"],
        f"--port !{odd}": lambda f: f.both("7002", "7400"),
        f"--raddr {many},{b.addr4}": ["c.7001", "c.7002", "c.7399", "c.7400"],
        f"--comm {','.join(f'name-{i}' for i in range(100))},python3": lambda f: f.all(),
        ("--filter", " or ".join(f"lport {port}" for port in range(7001, 7101))):
            ["s.7001", "s.7002"],
        ("--filter", "(" * 50 + "lport 7001" + ")" * 50): ["s.7001"],
    })
    done = nt.tool("tcplife", "--port", ",".join(str(port) for port in range(1, 40000, 2)),
                   "--duration", "0.1")
    equal(done.returncode, 2, f"exit status with 20,000 ports ({done.stderr[:300]})")
    check(b"too large" in done.stderr or b"too long" in done.stderr,
          f"why is said: {done.stderr[:300]}")
    done = nt.tool("tcplife", "--filter", "(" * 5000 + "port 1" + ")" * 5000)
    equal(done.returncode, 2, "exit status with 5,000 parentheses")


def shapes(tool):
    """
    (what, n, expression of n terms): as many terms as fit. Ranges that narrow each other and many
    fields in nested parentheses are what the verifier would walk through in all combinations.
    """
    filters, columns = tool["filters"], [c["name"] for c in tool["columns"]]
    known = [name for name in ("lport", "pid") if name in filters] + \
        [name for name in columns if name in ("queue", "cpu")]
    number = known[0]
    if "lport" in filters:
        yield "nested", 56, lambda n: "(" * 60 + " and ".join(
            f"not (host 10.{i % 256}.{i // 256}.0/24 or port {i} or not pid < {i + 2} or "
            f"comm c{i})" for i in range(n)) + ")" * 60
    else:
        yield "ranges", 170 if number == "pid" else 292, lambda n: " and ".join(
            f"({number} < {i + 2} or {number} > {3 * n - i})" for i in range(n))
    yield "numbers", 682, lambda n: " or ".join(f"{number} = {2 * i}" for i in range(n))
    if "lport" in filters:
        yield "list", 597, lambda n: "port " + ",".join(str(2 * i) for i in range(n))
        yield "ranges", 292, lambda n: " and ".join(
            f"(lport < {i + 2} or lport > {3 * n - i})" for i in range(n))
    if "comm" in filters:
        yield "parts", 25, lambda n: "comm ~ " + ",".join(f"{i:x}" for i in range(n))
    if "seq" in columns:  # asked for each row
        yield "each", 84, lambda n: " or ".join(f"seq = {2 * i}" for i in range(n))


def test_largest():
    """What the limits allow, every kernel takes, in every tool."""
    tools = json.loads(nt.tool("help", "--json").stdout)["tools"]
    cases = {(tool["name"], what): (n, make) for tool in tools for what, n, make in shapes(tool)}
    first = {(tool["name"], next(shapes(tool))[0]) for tool in tools}
    slow = nt.SCALE < 1
    for case in first | {("tcpretrans", "each")} if slow else cases:
        n, make = cases[case]
        done = nt.tool(case[0], "--explain", "--filter", make(n))
        equal(done.returncode, 0, f"exit status of {case} with {n} terms: {done.stderr[-300:]}")
        check(b"filter: in the kernel, " in done.stdout, f"where it is decided: {done.stdout}")
        if slow:
            continue
        done = nt.tool(case[0], "--explain", "--filter", make(n + n // 8 + 1))
        equal(done.returncode, 2, f"exit status of {case} with more: {done.stderr[-300:]}")
        check(b"too large" in done.stderr, f"why is said: {done.stderr[-300:]}")


def test_combined():
    """Different options are ANDed, with each other and with --filter."""
    b, a = nt.pair()
    sweep([a, b], fixed_ports(b, a, (8000, 8001)), {
        f"--lport 8000-8001 --laddr {b.addr4} -4": ["s.8000", "s.8001"],
        f"--lport 8000-8001 --laddr {a.addr4}": [],
        f"--port 8000 --pid {os.getpid()} --comm !python": lambda f: f.both("8000"),
        ("--port", "8000", "--filter", "rport 8000,8001"): ["c.8000"],
        ("--filter", "port 8000", "--filter", "rport 8000,8001"): ["c.8000"],
        ("-L", "8000", "--filter", "rport 8000"): [],
    })


def test_expression():
    b, a = nt.pair()
    big, small = 2 << 20, 100

    def traffic(flows):
        plain_flow(flows, "big", b, a, b.addr4, nt.listen(b, b.addr4, 8000), big)
        plain_flow(flows, "small", b, a, b.addr4, nt.listen(b, b.addr4, 8001), small)
        plain_flow(flows, "six", b, a, b.addr6, nt.listen(b, b.addr6, 8000), 1)
        listener = nt.listen(b, b.addr4, 8002)
        c, s = nt.joined(b, a, b.addr4, listener)
        flows.add("slow", nt.port_of(c), 8002)
        time.sleep(1.1)
        nt.reset(c)
        nt.wait_for(lambda: nt.tcp_info(s)["state"] == 7, "the reset to arrive")
        s.close()

    ex = lambda text: ("--filter", text)
    sweep([a, b], traffic, {
        ex("lport 8000 or rport 8000"): lambda f: f.both("big", "six"),
        ex("port 8000"): lambda f: f.both("big", "six"),
        ex("not port 8000"): lambda f: f.both("small", "slow"),
        ex("!port 8000"): lambda f: f.both("small", "slow"),
        ex("! (port 8000)"): lambda f: f.both("small", "slow"),
        ex("not not port 8000"): lambda f: f.both("big", "six"),
        ex("not (port 8000 or port 8001)"): lambda f: f.both("slow"),
        ex("not port 8000 or port 8000"): lambda f: f.all(),
        ex("port 8000,8001"): lambda f: f.both("big", "six", "small"),
        ex("port 8001-8002"): lambda f: f.both("small", "slow"),
        ex("port 8000 and not rport 8000"): ["s.big", "s.six"],
        ex("rport 8000 and ip6"): ["c.six"],
        ex("rport 8001 or rport 8000 and ip6"): ["c.six", "c.small"],
        ex("(rport 8001 or rport 8000) and ip6"): ["c.six"],
        ex("ip6 && lport 8000 || lport 8001"): ["s.six", "s.small"],
        ex(f"host {b.addr4} and port 8001"): lambda f: f.both("small"),
        ex("net 10.199.0.0/16 and port 8000"): lambda f: f.both("big"),
        ex("net fd00::/8"): lambda f: f.both("six"),
        ex(f"laddr {b.addr4} and lport 8000-8001"): ["s.big", "s.small"],
        ex("raddr 10.199.1.0/24 and rport 8000"): ["c.big"],
        ex(f"netns {a.name}"): lambda f: [x for x in f.all() if x[0] == "c"],
        ex(f"pid {os.getpid()} and rport 8001"): ["c.small"],
        ex("tx_bytes >= 2M"): ["c.big"],
        ex("tx_bytes > 2M"): [],
        ex("tx_bytes = 100"): ["c.small"],
        ex("tx_bytes != 0 and tx_bytes < 1K"): ["c.six", "c.small"],
        ex("rx_bytes >= 2048K"): ["s.big"],
        ex("tx >= 1M or rx >= 1M"): lambda f: f.both("big"),
        ex("duration > 1s"): lambda f: f.both("slow"),
        ex("duration_ns > 1000ms"): lambda f: f.both("slow"),
        ex("duration > 1000000000"): lambda f: f.both("slow"),
        ex("duration > 1h"): [],
        ex("end reset_sent"): ["c.slow"],
        ex("end reset_sent,reset_received"): lambda f: f.both("slow"),
        ex("end = local_close and port 8001"): ["c.small"],
        ex("end != local_close and end != remote_close"): lambda f: f.both("slow"),
    })


# (expression, the word under which the caret has to be; None: the end, or anywhere)
WRONG = (
    ("port", None), ("prt 80", "prt"), ("port 80x", "80x"), ("port 80 port 81", "port"),
    ("port 70000", "70000"), ("(port 80", None), ("port 80)", ")"), ("port 80 and", None),
    ("net 10.0.0.0/33", "10.0.0.0/33"), ("tx_bytes > 1X", "1X"), ("tx_bytes >", None),
    ("end sometimes", "sometimes"), ("or port 80", "or"), ("", None), ("port 80,,81", None),
    ("duration > 1M", "1M"), ("not", None), ("pid x", "x"),
)


def test_expression_errors():
    """The expression, a caret under the offending word, exit status 2, and nothing on stdout."""
    for text, word in WRONG:
        done = nt.tool("tcplife", "--filter", text)
        equal(done.returncode, 2, f"exit status for {text!r} ({done.stderr})")
        equal(done.stdout, b"", f"stdout for {text!r}")
        lines = done.stderr.decode().split("\n")
        at = [i for i, line in enumerate(lines) if "^" in line]
        check(at and text in lines[at[0] - 1],
              f"the expression {text!r} with a caret below it: {done.stderr}")
        caret = lines[at[0]].index("^") - lines[at[0] - 1].index(text)
        if word:
            start = text.rindex(word) if text != "or port 80" else 0
            check(start <= caret < start + len(word),
                  f"the caret is under {word!r}: {done.stderr.decode()}")


def test_merged():
    """
    One expression for several tools: each looks at its own columns. The owner of an accepted socket
    is asked where it is known, so the accept, the close and the session are all the server's.
    """
    space = nt.Space()
    server, client = Peer(space, "server"), Peer(space, "client")
    listener = server.listen("127.0.0.1")
    tools = "tcpaccept,tcptracer,tcplife"
    mine = f"pid {server.pid} or comm nobody"
    traces = {text: Trace("--json", "--filter", text, tool=tools, spaces=[space], wait=False)
              for text in (mine, f"not ({mine})", f"({mine}) and not net 127.0.0.0/8",
                           f"net 127.0.0.0/8 and !(host 10.0.0.0/8 || ({mine}))")}
    for trace in traces.values():
        trace.wait_ready()
    session(Flows(), "one", server, listener, client, "127.0.0.1")
    nt.quiet(space)
    theirs = ["tcplife client", "tcptracer client close", "tcptracer client connect"]
    ours = ["tcpaccept server", "tcplife server", "tcptracer server accept",
            "tcptracer server close"]
    for (text, trace), wanted in zip(traces.items(), (ours, theirs, [], theirs)):
        got = sorted(" ".join([r["tool"], r["comm"]] + ([r["type"]] if "type" in r else []))
                     for r in trace.stop().rows())
        equal(got, wanted, text)


def test_merged_fields():
    """A field that one of the tools does not have is an error that names the tool."""
    for tools, text, why in (
            ("tcplife,softirqs", "port 80", "softirqs has no field 'port'"),
            ("softirqs,tcplife", "cpu 1", "expected = != < <= > or >= after 'cpu', found '1'"),
            ("tcplife,tcptracer", "tx > 1M", "tcptracer has no field 'tx'"),
            ("tcplife,tcpaccept,solisten", "raddr 10.0.0.1", "solisten has no field 'raddr'")):
        done = nt.tool(tools, "--filter", text)
        equal((done.returncode, done.stdout), (2, b""), f"{tools} with {text}")
        check(why in done.stderr.decode(), f"{tools} with {text}: {done.stderr}")


def test_kernel_agrees():
    """
    Random expressions and events of all tools: the kernel, replay's evaluator and a reference.
    """
    filterrun = os.path.join(os.path.dirname(nt.CHURN), "filterrun")
    least = nt.scaled(120000, 8000)
    done = nt.run(filterrun, "pairs", str(least))
    result = json.loads(done)
    check(result["pairs"] >= least, f"pairs: {result}")
    near(result["kept"], result["pairs"] / 2, 0.4, "events that are kept")


def test_counters():
    """seen = filtered + sent + lost, and each of them is what was made."""
    space = nt.Space()
    count = nt.scaled(300, 50)
    server_port = 8000
    trace = Trace("--json", "--stats", "--lport", server_port, spaces=[space])
    none = Trace("--csv", "--stats", "--lport", 7, spaces=[space])
    everything = Trace("--json", "--stats")
    report = nt.churn(space, "-n", count, "-p", server_port)
    nt.quiet(space)
    stats = trace.stop().stats()
    equal((stats["sent"], len(trace.rows())), (count, count), "rows sent and printed")
    check(stats["filtered"] >= count, f"the clients' halves are filtered: {stats}")
    equal(none.stop().stats()["sent"], 0, "sent, where nothing matches")
    check(none.stats()["filtered"] >= 2 * count, f"all of it is filtered: {none.stats()}")
    stats = everything.stop().stats()
    equal((stats["filtered"], stats["sent"]), (0, len(everything.rows())),
          "filtered and sent without a filter")
    equal(len([r for r in everything.rows() if r["netns"] == space.inode]),
          2 * report["connections"], "rows")
