# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What every tool does alike: options, formats, exit codes, losses, recordings, bad luck."""
import collections
import contextlib
import datetime
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import time

import nt
from nt import Peer, Trace, check, equal

HEADING = "PID COMM LADDR LPORT RADDR RPORT TX_KB RX_KB MS".split()
NAMES = ("tool time elapsed pid tid comm uid cgroup netns owner ip laddr lport raddr rport "
         "tx_bytes rx_bytes duration_ns partial retrans srtt_us end").split()
JSON_NAMES = [name for name in NAMES if name != "elapsed"]


def some_sessions(space, count=1):
    """`count` sessions over loopback within this process; the server's port."""
    listener = nt.listen(space, "127.0.0.1")
    for _ in range(count):
        c, s = nt.joined(space, space, "127.0.0.1", listener)
        nt.transfer(c, s, 5000)
        c.close()
        nt.end_of(s)
        s.close()
    port = nt.port_of(listener)
    listener.close()
    nt.quiet(space)
    return port


# Options

def test_max_events():
    space = nt.Space()
    trace = Trace("--json", "--max-events", 3, spaces=[space])
    some_sessions(space, 5)
    equal(trace.wait(), 0, "exit status")
    equal(len(trace.rows()), 3, "rows")


def test_max_events_formats():
    space = nt.Space()
    table = Trace("--max-events", 1, spaces=[space])
    csv = Trace("--max-events", 1, "--csv", spaces=[space])
    some_sessions(space, 2)
    equal((table.wait(), csv.wait()), (0, 0), "exit status")
    equal((len(table.table()[1]), len(csv.csv())), (1, 1), "rows")


def test_duration():
    for seconds in (0.4, 1):
        begin = time.monotonic()
        trace = Trace("--json", "--duration", seconds)
        ready = time.monotonic()
        equal(trace.wait(), 0, "exit status")
        end = time.monotonic()
        # it began some time before the file was seen
        check(end - begin >= seconds,
              f"it ran for {end - begin} s, at least {seconds} s were asked for")
        check(end - ready <= seconds + nt.PATIENCE / 20,
              f"it ran for {end - ready} s instead of {seconds} s")


def test_duration_with_events():
    """Steady events do not keep it from ending, and those of the last moment are printed."""
    space = nt.Space()
    trace = Trace("--json", "--duration", 1, "--stats", spaces=[space])
    with contextlib.suppress(RuntimeError):
        nt.churn(space, "-t", 2, "--pace", 200)
    equal(trace.wait(), 0, "exit status")
    stats = trace.check_sum()
    equal(stats["sent"], len(trace.rows()), "rows that were sent are printed")
    check(len(trace.rows()) > 20, f"rows: {len(trace.rows())}")


def test_sigterm():
    space = nt.Space()
    trace = Trace("--json", spaces=[space])
    some_sessions(space)
    trace.stop(signal.SIGTERM)
    equal(len(trace.rows()), 2, "rows of the last moment")


def test_flushed_in_time():
    """A row is out 100 ms after its event, in a pipe too, with and without events before it."""
    space = nt.Space()
    trace = Trace("--json", spaces=[space])
    for count in (2, 4, 6):
        some_sessions(space)
        closed = time.monotonic()
        trace.wait_rows(count)
        took = time.monotonic() - closed
        check(took < 0.1 + nt.PATIENCE / 200, f"the rows came {took} s after their events")
    trace.stop()


def test_no_header():
    space = nt.Space()
    table, csv = Trace("--no-header", spaces=[space]), Trace("--no-header", "--csv", spaces=[space])
    some_sessions(space)
    equal((len(table.stop().lines()), len(csv.stop().lines())), (2, 2), "lines")
    check(all("PID" not in line for line in table.lines()), "no heading in the table")
    check(csv.lines()[0].startswith("tcplife,2"), f"a record comes first: {csv.lines()}")


def test_heading_without_rows():
    space = nt.Space()
    table, csv = Trace(spaces=[space]), Trace("--csv", spaces=[space])
    nt.wait_for(lambda: table.out and csv.out, "the heading, before there is any event")
    equal(table.stop().lines()[0].split(), HEADING, "heading")
    equal(csv.stop().lines(), [",".join(JSON_NAMES)], "heading of CSV")


def test_columns():
    space = nt.Space()
    cases = {
        "lport,pid": ["LPORT", "PID"],
        "+owner,+end": [*HEADING, "OWNER", "END"],
        "-comm,-tx_bytes": [name for name in HEADING if name not in ("COMM", "TX_KB")],
        "+ip,-pid": [name for name in HEADING if name != "PID"] + ["IP"],
        "time,elapsed,uid": ["TIME", "TIME(s)", "UID"],
    }
    tables = Trace.several({spec: ("--columns", spec) for spec in cases}, spaces=[space])
    js = Trace("--json", "--columns", "rx_bytes,pid", spaces=[space])
    csv = Trace("--csv", "--columns", "rport,comm", spaces=[space])
    minus = Trace("--json", "--columns", "-cgroup,-end", spaces=[space])
    some_sessions(space)
    for spec, wanted in cases.items():
        heading, rows = tables[spec].stop().table()
        equal(sorted(heading), sorted(wanted), f"heading with --columns {spec}")
        if "+" not in spec:
            equal(heading, wanted, f"order with --columns {spec}")
        equal(len(rows), 2, f"rows with --columns {spec}")
    equal([list(row) for row in js.stop().rows()], [["tool", "rx_bytes", "pid"]] * 2, "keys")
    equal(csv.stop().lines()[0], "rport,comm", "heading of CSV")
    equal(list(minus.stop().rows()[0]), [n for n in JSON_NAMES if n not in ("cgroup", "end")],
          "keys")


def test_columns_help():
    done = nt.tool("tcplife", "--columns", "help")
    equal((done.returncode, done.stderr), (0, b""), "exit status and stderr")
    lines = done.stdout.decode().splitlines()
    equal([line.split()[0] for line in lines], NAMES, "names of --columns help")
    check(all(len(line.split()) > 2 for line in lines), "each has a title and a sentence")


def test_names():
    """CSV's heading and JSON's keys are the contract's names, in its order."""
    trace, path, port = recorded()
    rows = trace.rows()
    equal([list(row) for row in rows], [JSON_NAMES] * 6, "JSON's keys")
    text = replay(path, "-o", "csv")
    equal(text.split(b"\n")[0].decode().split(","), JSON_NAMES, "CSV's heading")
    for row, record in zip(rows, nt.read_csv(text), strict=True):
        for name, value in row.items():
            if name != "comm":
                text = "" if value is None else str(value)
                text = text.lower() if isinstance(value, bool) else text
                equal(record[name], text, f"{name} in CSV and JSON")
    check(port in [row["lport"] for row in rows], "the server's rows")


def test_json_types():
    space = nt.Space()
    trace = Trace("--json", spaces=[space])
    some_sessions(space)
    for row in trace.stop().rows():
        for name in ("pid", "tid", "uid", "netns", "ip", "lport", "rport", "tx_bytes", "rx_bytes",
                     "duration_ns", "retrans", "srtt_us"):
            check(type(row[name]) is int, f"{name} is a number: {row}")
        for name in ("tool", "time", "comm", "owner", "laddr", "raddr", "end"):
            check(type(row[name]) is str, f"{name} is a string: {row}")
        check(row["partial"] is False, f"partial is a boolean: {row}")


def test_json_null():
    """A refused connect() measured no round trip: null in JSON, empty in CSV, - in the table."""
    space = nt.Space()
    js, csv, table = (Trace("-o", form, "--columns", "rport,srtt_us,end", spaces=[space])
                      for form in ("json", "csv", "table"))
    with contextlib.suppress(ConnectionRefusedError):
        nt.connect(space, "127.0.0.1", 9)
    equal(js.stop().rows(), [{"tool": "tcplife", "rport": 9, "srtt_us": None, "end": "refused"}],
          "JSON")
    equal(csv.stop().lines(), ["rport,srtt_us,end", "9,,refused"], "CSV")
    equal(table.stop().lines()[1].split(), ["9", "-", "refused"], "table")


def moment(text):
    """Seconds since 1970 of an RFC 3339 time with nanoseconds."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{9})Z", text)
    check(found, f"an RFC 3339 time with nanoseconds in UTC: {text}")
    day = datetime.datetime.fromisoformat(found[1]).replace(tzinfo=datetime.timezone.utc)
    return day.timestamp() + int(found[2]) / 1e9


def test_time():
    """The moment of the event, not of printing, whatever the time zone."""
    space = nt.Space()
    zone = {"TZ": "Asia/Kathmandu"}
    trace = Trace("--json", spaces=[space], before=lambda: os.environ.update(zone))
    closes = []
    for _ in range(3):
        before = time.time()
        some_sessions(space)
        closes.append((before, time.time()))
    trace.stop()
    rows = trace.rows()
    equal(len(rows), 6, "rows")
    slack = 0.002  # of two clocks read one after the other
    for i, row in enumerate(rows):
        begin, end = closes[i // 2]
        check(begin - slack <= moment(row["time"]) <= end + slack,
              f"{begin} <= {moment(row['time'])} <= {end}")


def test_time_columns():
    """-T, -t, -w, -s as bcc's letters; -t counts from the first row."""
    space = nt.Space()
    options = ("-T", "-t", "-w", "-s", "-T -t -w", "-ts")
    traces = Trace.several({args: args.split() for args in options}, spaces=[space])
    some_sessions(space)
    time.sleep(0.2)  # what -t measures
    some_sessions(space)
    for trace in traces.values():
        trace.stop()
    equal(traces["-T"].table()[0], ["TIME", *HEADING], "heading of -T")
    heading, rows = traces["-t"].table()
    equal(heading, ["TIME(s)", *HEADING], "heading of -t")
    seconds = [float(row["TIME(s)"]) for row in rows]
    check(seconds[0] == 0 and 0.2 <= seconds[3] < 30 and seconds == sorted(seconds),
          f"seconds of -t: {seconds}")
    heading, rows = traces["-w"].table()
    equal(heading, ["PID", "COMM", "IP", *HEADING[2:]], "heading of -w")
    equal({row["IP"] for row in rows}, {"4"}, "IP of -w")
    check(all(re.fullmatch(r"\d+\.\d{6}", row["TIME(s)"]) for row in traces["-t"].table()[1]),
          "microseconds of -t")
    equal(len(traces["-T -t -w"].table()[0]), len(HEADING) + 3, "columns of -T -t -w")
    equal(len(traces["-s"].csv()), 4, "records of -s")
    equal(len(traces["-ts"].csv()), 4, "records of -ts")


def test_table_aligned():
    """Wide values widen their column, nothing is cut, and columns stay one under the other."""
    b, a = nt.pair()
    trace = Trace("-w", spaces=(a, b))
    for addr in (b.addr4, b.addr6):
        c, s = nt.joined(b, a, addr)
        c.close()
        nt.end_of(s)
        s.close()
    nt.quiet(a, b)
    lines = trace.stop().lines()
    equal(len(lines), 5, "lines")
    check(any(f" {b.addr6} " in line for line in lines), "the whole IPv6 address")
    at = lines[0].index("COMM")
    check(all(line[at - 1] == " " and line[at] != " " for line in lines),
          f"COMM is one column: {lines}")


def test_ready_file():
    """It is there once every probe is attached: what comes after is never missed."""
    space = nt.Space()
    for _ in range(nt.scaled(5, 2)):
        trace = Trace("--json", spaces=[space])
        some_sessions(space)
        equal(len(trace.stop().rows()), 2, "rows of the first session after --ready-file")


def test_ready_file_left():
    """One of an earlier run does not say that this one is ready: it is another file then."""
    directory = nt.temp_dir()
    path = os.path.join(directory, "ready")
    with open(path, "w") as old:
        trace = Trace("--json", directory=directory, wait=False)
        nt.wait_for(lambda: os.path.exists(path) and
                    os.stat(path).st_ino != os.fstat(old.fileno()).st_ino, "a new file")
        trace.stop()


# Commands

def test_list():
    done = nt.tool("list")
    lines = done.stdout.decode().splitlines()
    equal((done.returncode, done.stderr), (0, b""), "exit status, stderr")
    check(any(re.match(r"tcplife\s+\S+.*", line) for line in lines), f"a line of tcplife: {lines}")


def test_help():
    by_command, by_option = nt.tool("help", "tcplife"), nt.tool("tcplife", "--help")
    letter = nt.tool("tcplife", "-h")
    for done in (by_command, by_option, letter):
        equal((done.returncode, done.stderr), (0, b""), "exit status, stderr")
    equal(by_command.stdout, by_option.stdout, "text of help and of --help")
    equal(letter.stdout, by_option.stdout, "text of -h and of --help")
    text = by_option.stdout.decode()
    for option in ("--pid", "--tid", "--comm", "--uid", "--port", "--lport", "--rport", "--addr",
                   "--laddr", "--raddr", "-4, --ipv4", "-6, --ipv6", "--cgroup", "--unit",
                   "--container", "--netns", "--mntns", "--filter", "-o, --output", "--csv",
                   "--json", "--columns", "--no-header", "--duration", "--max-events", "--record",
                   "--ready-file", "--explain", "--stats", "--strict", "--buffer", "-v, --verbose",
                   "--debug", "-T, --time", "-t, --timestamp", "-w, --wide", "-L, ", "-D, "):
        check(option in text, f"{option} is in the help")
    registry = json.loads(nt.tool("help", "--json").stdout)
    check("tcplife" in [tool["name"] for tool in registry["tools"]], "the registry names tcplife")


def test_version():
    done = nt.tool("--version")
    equal(done.returncode, 0, "exit status")
    check(re.fullmatch(rb"nettrace \S+\n", done.stdout), f"one line: {done.stdout}")


def test_symlinks():
    space = nt.Space()
    directory = nt.temp_dir()
    for name in ("tcplife", "nettrace-tcplife"):
        link = os.path.join(directory, name)
        os.symlink(nt.BIN, link)
        trace = Trace("--json", argv=[link], spaces=[space])
        some_sessions(space)
        equal(len(trace.stop().rows()), 2, f"rows of a binary called {name}")
    other = os.path.join(directory, "nettrace-nothing")
    os.symlink(nt.BIN, other)
    equal(nt.tool("--version", argv=[other]).returncode, 0, "another name is the command itself")


def test_install_links():
    directory = nt.temp_dir()
    equal(nt.tool("install-links", directory).returncode, 0, "exit status")
    link = os.path.join(directory, "tcplife")
    check(os.path.samefile(link, nt.BIN), "the link leads to the binary")
    equal(nt.tool("--help", argv=[link]).stdout, nt.tool("tcplife", "--help").stdout,
          "help by the link")
    equal(nt.tool("install-links", directory).returncode, 0, "exit status the second time")
    foreign = os.path.join(nt.temp_dir(), "tcplife")
    with open(foreign, "w") as file:
        file.write("mine")
    done = nt.tool("install-links", os.path.dirname(foreign))
    check(done.returncode and b"tcplife" in done.stderr, f"a foreign file is refused: {done}")
    with open(foreign) as file:
        equal(file.read(), "mine", "a foreign file")
    equal(nt.tool("install-links").returncode, 2, "exit status without a directory")


def test_unknown_tool():
    for word in ("tcplif", "tcpilfe", "Tcplife"):
        done = nt.tool(word)
        equal((done.returncode, done.stdout), (2, b""), f"exit status and stdout of {word}")
        check(word.encode() in done.stderr and b"'tcplife'" in done.stderr,
              f"did you mean: {done.stderr}")
    done = nt.tool("zzzzzzzz")
    equal(done.returncode, 2, "exit status")
    check(b"zzzzzzzz" in done.stderr and b"did you mean" not in done.stderr,
          f"nothing is near: {done.stderr}")
    equal(nt.tool().returncode, 2, "exit status without a word")
    equal(nt.tool("help", "tcplif").returncode, 2, "exit status of help for no tool")
    for words in ("tcplife,tcplife", "tcplife,", ",tcplife", "tcplife,nothing"):
        done = nt.tool(words)
        equal((done.returncode, done.stdout), (2, b""), f"exit status and stdout of {words}")


WRONG = {
    "--port": ("80x", "-1", "70000", "", "!", "80,", ",80", "90-80", "80-", "0x50", "8 0", "http"),
    "--lport": ("65536",),
    "--rport": ("1-65536",),
    "-L": ("80x",),
    "-D": ("80,x",),
    "-p": ("x",),
    "--pid": ("-1", "99999999999"),
    "--tid": ("1.5",),
    "--comm": ("", "sixteen-letters!"),
    "--uid": ("no-such-user", "-1", "4294967295"),
    "--addr": ("10.0.0.0/33", "10.0.0", "fd00::/129", "10.0.0.0/"),
    "--laddr": ("localhost",),
    "--raddr": ("", "::1,"),
    "--netns": ("no-such-name", ""),
    "--mntns": ("/no/such/path",),
    "--cgroup": ("/no/such/cgroup", ""),
    "--unit": ("no-such-unit",),
    "--container": ("0123456789abcdef",),
    "-o": ("xml",),
    "--output": ("",),
    "--columns": ("pid,nonsense", "", "+nonsense", "pid,+ip", "-nonsense"),
    "--duration": ("0", "-1", "1s", "", "inf"),
    "--max-events": ("0", "-1", "1e3"),
    "--buffer": ("0", "4Q", "-4K", "9999G"),
    "--sockets": ("0", "many"),
    "--filter": ("port 70000",),
}


def test_wrong_values():
    for option, value in [(option, value) for option, values in WRONG.items() for value in values]:
        # no word is ever read as an option
        args = [f"{option}={value}"] if option.startswith("--") else [option + value]
        done = nt.tool("tcplife", *args)
        equal(done.returncode, 2, f"exit status of {args} ({done.stderr})")
        equal(done.stdout, b"", f"stdout of {args}")
        said = done.stderr.decode()
        bad = [word for word in value.lstrip("!").split(",") if word in said]
        check(bad and (f"'{bad[0]}" in said or option == "--filter"),
              f"{args}: the offending word is quoted: {said}")


def test_wrong_options():
    for args, word in ((["--nonsense"], "nonsense"), (["-Z"], "Z"), (["word"], "'word'"),
                       (["--port"], "port"),
                       (["--json=yes"], "json"), (["80", "90"], "80")):
        done = nt.tool("tcplife", *args)
        equal((done.returncode, done.stdout), (2, b""), f"exit status and stdout of {args}")
        check(word in done.stderr.decode(), f"{args}: the offending word is named: {done.stderr}")
    done = nt.tool("--nonsense")
    equal(done.returncode, 2, "exit status of an unknown option of nettrace")
    check(b"--nonsense" in done.stderr, f"it is named: {done.stderr}")


def test_explain():
    """A line a hook, the same as -v says."""
    done = nt.tool("tcplife", "--explain")
    equal(done.returncode, 0, f"exit status ({done.stderr})")
    lines = done.stdout.decode().splitlines()
    check(len(lines) >= 3 and all(line.startswith("tcplife: ") for line in lines),
          f"a line a hook: {lines}")
    hooks = dict(line.split(": ", 2)[1:] for line in lines)
    equal(hooks["state changes"], "tcplife_state on tp_btf/inet_sock_set_state", "the hook")
    accept = hooks["accept"]
    check(re.match(r"nt_(accept_fentry|accept_kprobe|recv_tp)", accept),
          f"the hook of accept: {accept}")
    if accept.startswith("nt_recv_tp"):
        check("tried nt_accept_fentry on fentry/security_sock_graft: " in accept and
              "tried nt_accept_kprobe on kprobe/security_sock_graft: " in accept,
              f"what was tried: {accept}")
    equal(Trace("-v", "--json").stop().stderr.splitlines()[:len(lines)], lines,
          "what -v says on stderr")


def test_explain_attaches_nothing():
    """The kernel numbers links one after the other: no gap between the tools before and after."""
    def gap():
        first = Trace("--json")
        equal(nt.tool("tcplife", "--explain").returncode, 0, "exit status")
        second = Trace("--json")
        distance = min(second.bpf_ids()["link"]) - max(first.bpf_ids()["link"])
        first.stop()
        second.stop()
        return distance

    # whoever else attaches something makes a gap too
    distances = []
    while 1 not in distances and len(distances) < 10:
        distances.append(gap())
    check(1 in distances, f"distances of the numbers {distances}")


def test_explain_fentry():
    """Where the kernel takes fentry, accept() is seen by it."""
    hook = nt.accept_hook()
    if hook == "nt_recv_tp":
        raise nt.Skip("this kernel takes neither fentry nor kprobes")
    check(hook in ("nt_accept_fentry", "nt_accept_kprobe"), f"hook {hook}")


# Bad luck

def copy_of_tool():
    """Where everybody may run it."""
    path = os.path.join(nt.temp_dir(), "nettrace")
    shutil.copy(nt.BIN, path)
    os.chmod(path, 0o755)
    return path


def test_unprivileged():
    done = nt.tool("tcplife", "--json", argv=[copy_of_tool()], uid=nt.NOBODY)
    equal((done.returncode, done.stdout), (3, b""), f"exit status and stdout ({done.stderr})")
    check(b"CAP_BPF" in done.stderr and b"CAP_PERFMON" in done.stderr,
          f"both capabilities are named: {done.stderr}")


def test_unprivileged_help():
    """What needs no privilege works without."""
    path = copy_of_tool()
    for args in ("list", "help tcplife", "tcplife --help", "--version", "tcplife --columns help"):
        equal(nt.tool(*args.split(), argv=[path], uid=nt.NOBODY).returncode, 0,
              f"exit status of {args}")
    done = nt.tool("tcplife", "--port", "80x", argv=[path], uid=nt.NOBODY)
    equal(done.returncode, 2, "exit status of a wrong value")


def test_two_capabilities():
    """CAP_BPF and CAP_PERFMON are enough; cgroups are named without open_by_handle_at()."""
    def become():
        nt.unlimited_memory()
        nt.become_nobody_with(nt.CAP_BPF, nt.CAP_PERFMON)

    space = nt.Space()
    root = nt.cgroup2_root()
    cgroup = nt.make_cgroup(root, f"nt{os.getpid()}-caps")
    server, client = Peer(space, "server"), Peer(space, "client", cgroup=cgroup)
    listener = server.listen("127.0.0.1")
    port = server.name(listener)
    directory = nt.temp_dir()
    os.chmod(directory, 0o777)
    trace = Trace("--json", argv=[copy_of_tool(), "tcplife"], spaces=[space], before=become,
                  directory=directory)
    c = client.connect("127.0.0.1", port)
    s = server.accept(listener)
    client.send(c, 8)
    server.recv(s, 8)
    client.close(c)
    server.end(s)
    server.close(s)
    nt.quiet(space)
    trace.stop()
    row = trace.row(rport=port)
    equal((row["pid"], row["tx_bytes"], row["cgroup"]), (client.pid, 8, f"/nt{os.getpid()}-caps"),
          "client's row")
    equal(trace.row(lport=port)["pid"], server.pid, "server's PID")


def test_one_capability():
    """Only what is missing is named."""
    path = copy_of_tool()
    for have, missing in ((nt.CAP_BPF, b"CAP_PERFMON"), (nt.CAP_PERFMON, b"CAP_BPF")):
        done = nt.tool("tcplife", argv=[path], before=lambda have=have: nt.become_nobody_with(have))
        equal((done.returncode, done.stdout), (3, b""), f"exit status and stdout ({done.stderr})")
        names = set(re.findall(rb"CAP_BPF|CAP_PERFMON", done.stderr))
        equal(names, {missing}, f"capabilities that are named in {done.stderr}")


def test_no_btf():
    def hide():
        nt.private_mounts()
        nt.mount("none", "/sys/kernel/btf", "tmpfs")

    done = nt.tool("tcplife", "--json", before=hide)
    equal((done.returncode, done.stdout), (4, b""), f"exit status and stdout ({done.stderr})")
    check(b"btf" in done.stderr.lower(), f"what is missing is named: {done.stderr}")


def test_pipe_head():
    """`| head -1`: it ends by itself, with 0, although nothing happens after."""
    space = nt.Space()
    head = subprocess.Popen(["head", "-n", "1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    trace = Trace("--json", spaces=[space], stdout=head.stdin)
    head.stdin.close()
    some_sessions(space)
    check(json.loads(head.stdout.read()), "one line")
    equal(head.wait(), 0, "exit status of head")
    equal(trace.wait(), 0, "exit status")
    equal(trace.stderr, "", "stderr")


def test_pipe_closed():
    """Nobody reads: it ends, whether or not there are events."""
    for form in ("json", "table"):
        for ends in (os.pipe(), [end.detach() for end in socket.socketpair()]):
            read, write = ends
            trace = Trace("-o", form, stdout=write)
            os.close(write)
            os.close(read)
            equal((trace.wait(), trace.stderr), (0, ""), f"exit status and stderr ({form})")


def test_output_full():
    space = nt.Space()
    for form in ("json", "csv", "table"):
        with open("/dev/full", "w") as full:
            trace = Trace("-o", form, spaces=[space], stdout=full, wait=False)
            trace.wait_ready_or_end()
            some_sessions(space)
            equal(trace.wait(), 1, f"exit status ({form}, {trace.stderr})")
        check("space" in trace.stderr, f"why is said: {trace.stderr}")


def test_output_full_short():
    """Commands that only print notice too that their output went nowhere."""
    codes = {}
    for args in ("list", "help", "help --json", "help tcplife", "--version", "tcplife --help",
                 "tcplife --explain", "tcplife --columns help"):
        with open("/dev/full", "w") as full:
            codes[args] = nt.tool(*args.split(), stdout=full).returncode
    equal(codes, dict.fromkeys(codes, 1), "exit status")


def test_record_full():
    space = nt.Space()
    trace = Trace("--json", "--record", "/dev/full", spaces=[space], wait=False)
    trace.wait_ready_or_end()
    some_sessions(space)
    equal(trace.wait(), 1, f"exit status ({trace.stderr})")
    check("/dev/full" in trace.stderr and "space" in trace.stderr,
          f"what and why is said: {trace.stderr}")


def test_record_nowhere():
    done = nt.tool("tcplife", "--record", "/no/such/directory/file")
    equal((done.returncode, done.stdout), (1, b""), f"exit status, stdout ({done.stderr})")
    check(b"/no/such/directory/file" in done.stderr, f"the file is named: {done.stderr}")


def test_ready_file_nowhere():
    """It cannot be written: that is said, and a link is not followed."""
    directory = nt.temp_dir()
    target, link = os.path.join(directory, "target"), os.path.join(directory, "link")
    os.symlink(target, link)
    for path in ("/no/such/directory/file", link):
        done = nt.tool("tcplife", "--ready-file", path)
        equal(done.returncode, 1, f"exit status ({done.stderr})")
        check(path.encode() in done.stderr, f"the file is named: {done.stderr}")
    check(not os.path.exists(target), "the link's target was not made")


def test_stdout_not_open():
    """`>&-`: nothing that the tool opens itself may take the place of stdout or stderr."""
    space = nt.Space()
    path = os.path.join(nt.temp_dir(), "record")

    def close():
        for fd in (0, 1, 2):
            os.close(fd)

    trace = Trace("--json", "--stats", "-v", "--record", path, spaces=[space], before=close,
                  wait=False)
    trace.wait_ready_or_end()
    some_sessions(space)
    if trace.process.poll() is None:
        trace.process.send_signal(signal.SIGINT)
    equal(trace.wait(), 1, "exit status")
    if os.path.exists(path):
        with open(path, "rb") as file:
            content = file.read()
        check(b'"tool"' not in content and b"tcplife: " not in content,
              "rows or messages in the recording")


def test_output_blocked():
    """Nobody reads the pipe: SIGTERM ends it all the same."""
    space = nt.Space()
    read, write = os.pipe()
    trace = Trace("--json", spaces=[space], stdout=write)
    nt.churn(space, "-n", 1000)

    nt.wait_for(lambda: not select.select([], [write], [], 0)[1], "the pipe to be full")
    os.close(write)
    trace.process.send_signal(signal.SIGTERM)
    try:
        trace.process.wait(nt.PATIENCE / 10)
    except subprocess.TimeoutExpired:
        raise nt.Fail("SIGTERM does not end a tool whose output is blocked") from None
    os.close(read)


def test_output_slow():
    """A reader that pauses loses events, and they are counted."""
    space = nt.Space()
    read, write = os.pipe()
    trace = Trace("--csv", "--buffer", "64K", "--stats", spaces=[space], stdout=write)
    os.close(write)
    report = nt.churn(space, "-n", 3000)
    nt.quiet(space)
    trace.process.send_signal(signal.SIGINT)
    with open(read, "rb") as file:
        records = nt.read_csv(file.read())
    trace.wait()
    stats = trace.check_sum()
    equal((trace.code, len(records)), (0, stats["sent"]), "exit status and rows")
    nt.happened(stats, 2 * report["connections"], "events")
    check(stats["lost_buffer"] > 0 and "--buffer" in trace.stderr,
          f"losses are told: {stats} {trace.stderr}")


def gone(ids):
    for kind in ("prog", "map"):
        nt.wait_for(lambda: not ids[kind] & nt.bpf_loaded(kind),
                    f"{kind}s {ids[kind]} to leave the kernel")


def test_leaves_nothing():
    """Neither after SIGINT nor after SIGKILL is anything of ours left in the kernel."""
    for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        trace = Trace("--json")
        ids = trace.bpf_ids()
        check(len(ids["prog"]) >= 3 and len(ids["map"]) >= 3,
              f"the running tool holds programs and maps: {ids}")
        check(ids["prog"] <= nt.bpf_loaded("prog"), "they are in the kernel")
        trace.process.send_signal(sig)
        equal(trace.wait(), -sig if sig == signal.SIGKILL else 0, f"exit status after {sig.name}")
        gone(ids)


def test_lost_buffer():
    space = nt.Space()
    count = nt.scaled(5000, 1000)
    record = os.path.join(nt.temp_dir(), "record")
    traces = {form: Trace("-o", form, "--buffer", "4K", "--stats", "--record", f"{record}.{form}",
                          spaces=[space]) for form in ("json", "csv")}
    strict = Trace("--buffer", "4K", "--strict", "--stats", spaces=[space])
    readers = [*traces.values(), strict]
    for trace in readers:
        trace.pause()  # or a fast reader may keep up
    report = nt.churn(space, "-n", count)
    nt.quiet(space)
    for trace in readers:
        trace.process.send_signal(signal.SIGCONT)
    for form, trace in traces.items():
        stats = trace.stop().stats()
        made = 2 * report["connections"]
        # what other namespaces do is filtered
        nt.happened(stats, made, f"events of {made // 2} connections ({form})")
        check(stats["lost_buffer"] > 0, f"4 KiB are not enough for {made} events: {stats}")
        equal(stats["sent"] + stats["lost_buffer"], stats["seen"] - stats["filtered"], "sent and lost")
        rows = trace.rows() if form == "json" else trace.csv()
        equal(len(rows), stats["sent"], "rows that were sent are printed")
        for text in (f"{stats['lost_buffer']} events were lost", "--buffer"):
            check(text in trace.stderr, f"how many, and what helps: {trace.stderr}")
        again = nt.tool("replay", f"{record}.{form}", "--json")
        equal((again.returncode, len(again.stdout.splitlines())), (0, len(rows)), "a replay's rows")
        check(f"when this was recorded: {stats['lost_buffer']} events were lost" in
              again.stderr.decode(), f"what a replay says: {again.stderr}")
    strict.process.send_signal(signal.SIGINT)
    equal(strict.wait(), 5, "exit status with --strict")
    check("--strict" in strict.stderr and "events were lost" in strict.stderr,
          f"why is said: {strict.stderr}")


def test_strict_without_loss():
    space = nt.Space()
    trace = Trace("--json", "--strict", "--stats", spaces=[space])
    some_sessions(space, 3)
    equal(trace.stop().stats()["sent"], 6, "sent")


def test_lost_map():
    """More open connections than --sockets: counted, said, and still reported."""
    space = nt.Space()
    trace = Trace("--json", "--sockets", 16, "--stats", spaces=[space])
    listener = nt.listen(space, "127.0.0.1")
    open_ones = [nt.joined(space, space, "127.0.0.1", listener) for _ in range(100)]
    for c, s in open_ones:
        nt.transfer(c, s, 10)
    for c, s in open_ones:
        c.close()
        nt.end_of(s)
        s.close()
    nt.quiet(space)
    stats = trace.stop().stats()
    check(stats["lost_map"] > 0, f"16 places are not enough for 200 sockets: {stats}")
    check("--sockets" in trace.stderr and str(stats["lost_map"]) in trace.stderr,
          f"said on stderr: {trace.stderr}")
    equal(len(trace.rows()), 200, "rows")
    for row in trace.rows():
        mine = row["rport"] == nt.port_of(listener)
        equal((row["tx_bytes"], row["rx_bytes"]), (10, 0) if mine else (0, 10), f"bytes: {row}")


def full_speed(form):
    """As many connections as the machine makes: nothing is lost, nothing remembered afterwards."""
    space = nt.Space()
    count = nt.scaled(20_000, 2000)
    trace = Trace("-o", form, "--stats", spaces=[space])
    before = nt.bpf_map_keys(trace, "nt_socks")
    report = nt.churn(space, "-n", count)
    equal(report["connections"], count, "connections that were made")
    nt.quiet(space)
    # the host may open a few meanwhile
    nt.wait_for(lambda: nt.bpf_map_keys(trace, "nt_socks") <= before + 32,
                f"closed sockets to be forgotten; {before} were known before")
    stats = trace.stop().stats()
    equal((stats["lost_buffer"], stats["lost_map"]), (0, 0), "losses")
    equal(stats["sent"], 2 * count, "events sent")
    rows = {"json": trace.rows, "csv": trace.csv, "table": lambda: trace.table()[1]}[form]()
    equal(len(rows), 2 * count, "rows")
    return rows


def test_closed_are_forgotten():
    """What is known of a socket goes when the socket goes, be it older or younger than the tool."""
    space = nt.Space()
    count, stray = 200, 32  # the host may open and close a few meanwhile
    listener = nt.listen(space, "127.0.0.1")
    old = [nt.joined(space, space, "127.0.0.1", listener) for _ in range(count)]
    trace = Trace("--json", spaces=[space])
    before = nt.bpf_map_keys(trace, "nt_socks")
    new = [nt.joined(space, space, "127.0.0.1", listener) for _ in range(count)]
    rise = nt.bpf_map_keys(trace, "nt_socks") - before
    check(rise >= 2 * count - stray, f"known of {2 * count} new sockets: {rise}")
    for c, s in old:
        nt.transfer(c, s, 1)  # where receiving is seen, these become known too
    for c, s in old + new:
        c.close()
        nt.end_of(s)
        s.close()
    nt.quiet(space)
    nt.wait_for(lambda: nt.bpf_map_keys(trace, "nt_socks") <= before + stray,
                f"closed sockets to be forgotten; {before} were known before")
    equal(len(trace.stop().rows()), 4 * count, "rows")


def test_full_speed_json():
    rows = full_speed("json")
    equal(sum(r["tx_bytes"] for r in rows), 64 * len(rows), "bytes sent")
    equal(sum(r["rx_bytes"] for r in rows), 64 * len(rows), "bytes received")
    equal({r["partial"] for r in rows}, {False}, "partial")


def test_full_speed_csv():
    rows = full_speed("csv")
    equal(sum(int(r["tx_bytes"]) for r in rows), 64 * len(rows), "bytes sent")


def test_full_speed_table():
    full_speed("table")


def test_full_speed_threads():
    """Many more tasks than CPUs. What the kernel skips then is told, and what is printed is true."""
    space = nt.Space()
    count = nt.scaled(8000, 1000)
    trace = Trace("--json", "--stats", spaces=[space])
    report = nt.churn(space, "-n", count, "--threads", 8, "--processes", "-6", "--close", "half",
                      "--truth")
    nt.quiet(space)
    stats = trace.stop().stats()
    rows = trace.rows()
    equal(len(rows), stats["sent"], "rows that were sent are printed")
    ports = [(s["client_port"], s["server_port"]) for s in report["truth"]]
    ends = collections.Counter(ports + [(theirs, ours) for ours, theirs in ports])
    equal(collections.Counter((r["lport"], r["rport"]) for r in rows) - ends, {},
          "rows of no session")
    equal({(r["tx_bytes"], r["rx_bytes"]) for r in rows if not r["partial"]}, {(64, 64)}, "bytes")
    if stats["missed"]:
        check(f"skipped {stats['missed']} " in trace.stderr, f"it is told: {trace.stderr}")
        check(0 <= 2 * count - len(rows) <= stats["missed"], f"{len(rows)} rows, {stats}")
    else:
        equal(len(rows), 2 * count, "rows")
        equal({r["pid"] for r in rows}, {report["server_pid"], report["client_pid"]}, "owners")


def test_pid_namespace():
    """What /proc tells there are other numbers than the probes': none is printed for the other."""
    space = nt.Space()
    c, s = nt.joined(space, space, "127.0.0.1")
    trace = Trace("--json", "--max-events", 4, spaces=[space], tool="tcpstates",
                  argv=["unshare", "--pid", "--fork", "--mount-proc", nt.BIN, "tcpstates"])
    own = nt.port_of(c)
    c.close()
    nt.end_of(s)
    s.close()
    trace.wait()
    equal((trace.code, "PIDs are the host's" in trace.stderr), (0, True), f"stderr: {trace.stderr}")
    equal({r["pid"] for r in trace.rows()} - {None}, {os.getpid()}, "PIDs")
    client = [r for r in trace.rows() if r["lport"] == own]
    equal((client[0]["owner"], client[0]["pid"]), ("io", os.getpid()), "who closed")


def test_two_at_once():
    """Two tools see the same, and neither disturbs the other."""
    space = nt.Space()
    first, second = Trace("--json", spaces=[space]), Trace("--json", spaces=[space])
    some_sessions(space, 3)
    second.stop()
    some_sessions(space, 2)
    first.stop()
    equal((len(first.rows()), len(second.rows())), (10, 6), "rows")


def test_verbose_debug():
    """--debug adds messages to stderr; stdout stays clean."""
    space = nt.Space()
    trace = Trace("--json", "--debug", spaces=[space])
    some_sessions(space)
    equal(len(trace.stop().rows()), 2, "rows")
    check("libbpf" in trace.stderr, "libbpf's messages")


# Recordings

def recorded(*args):
    """(finished live trace, the file)"""
    space = nt.Space()
    path = os.path.join(nt.temp_dir(), "record")
    trace = Trace("--json", "--record", path, *args, spaces=[space])
    server, client = Peer(space, b'na"m\xffe\n'), Peer(space, "client", uid=nt.NOBODY)
    listener = server.listen("127.0.0.1")
    for _ in range(3):
        c = client.connect("127.0.0.1", server.name(listener))
        s = server.accept(listener)
        client.send(c, 4000)
        server.recv(s, 4000)
        client.close(c)
        server.end(s)
        server.close(s)
    nt.quiet(space)
    return trace.stop(), path, server.name(listener)


def replay(path, *args):
    done = nt.tool("replay", path, *args)
    equal((done.returncode, done.stderr), (0, b""), f"exit status and stderr of replay {args}")
    return done.stdout


def test_replay():
    trace, path, port = recorded()
    equal(len(trace.rows()), 6, "rows")
    equal(replay(path, "--json"), trace.out, "the replay, byte for byte")
    equal(len(nt.read_csv(replay(path, "--csv"))), 6, "records as CSV")
    heading = replay(path).decode().splitlines()[0].split()
    equal(heading, HEADING, "heading of the table")
    equal(len(replay(path, "--no-header").splitlines()), 6, "lines without a heading")
    rows = lambda *args: [json.loads(line) for line in replay(path, "--json", *args).splitlines()]
    equal(rows("--lport", port), [r for r in trace.rows() if r["lport"] == port],
          "rows with --lport")
    equal(rows("--filter", f"rport {port}"), [r for r in trace.rows() if r["rport"] == port],
          "rows with --filter")
    equal(rows("--uid", "nobody"), [r for r in trace.rows() if r["uid"] == nt.NOBODY],
          "rows with --uid")
    equal(rows("--comm", "client"), [r for r in trace.rows() if r["comm"] == "client"],
          "rows with --comm")
    equal(rows("--port", f"!{port}"), [], "rows with --port !")
    equal(rows("--max-events", 2), trace.rows()[:2], "rows with --max-events")
    equal(len(rows("--filter", "tx_bytes >= 4000")), 3, "rows with --filter tx_bytes")
    columns = [list(r) for r in rows("--columns", "end,pid")]
    equal(columns, [["tool", "end", "pid"]] * 6, "keys with --columns")


def test_replay_unprivileged():
    trace, path, _ = recorded()
    os.chmod(path, 0o644)
    done = nt.tool("replay", path, "--json", argv=[copy_of_tool()], uid=nt.NOBODY)
    equal((done.returncode, done.stdout), (0, trace.out), "exit status and rows")


def test_replay_truncated():
    trace, path, _ = recorded()
    with open(path, "rb") as file:
        whole = file.read()
    lines = trace.out.splitlines(True)
    for size in range(16, len(whole), max(len(whole) // 40, 1)):
        with open(path, "wb") as file:
            file.write(whole[:size])
        done = nt.tool("replay", path, "--json")
        equal(done.returncode, 1, f"exit status with {size} of {len(whole)} bytes ({done.stderr})")
        check(b"cut off" in done.stderr, f"why is said: {done.stderr}")
        check_beginning(done.stdout, trace)


def check_beginning(text, trace):
    """Some of the trace's first rows, whole. The name of a cgroup may have been cut off."""
    rows = [json.loads(line) for line in text.splitlines()]
    check(len(rows) <= len(trace.rows()), "no row is made up")
    for row, whole in zip(rows, trace.rows()):
        equal({**row, "cgroup": row["cgroup"] or whole["cgroup"]}, whole, "row")


def test_replay_damaged():
    trace, path, _ = recorded()
    with open(path, "r+b") as file:
        whole = file.read()
        file.seek(len(whole) * 2 // 3)
        file.write(b"\xa5\x5a\xa5")
    done = nt.tool("replay", path, "--json")
    equal(done.returncode, 1, f"exit status ({done.stderr})")
    check_beginning(done.stdout, trace)
    check(0 < done.stdout.count(b"\n") < 6, f"the part before the damage: {done.stdout}")


def test_replay_foreign():
    path = os.path.join(nt.temp_dir(), "file")
    for content in (b"", b"n", b"#!/bin/sh\nexit 0\n" * 100):
        with open(path, "wb") as file:
            file.write(content)
        done = nt.tool("replay", path)
        equal((done.returncode, done.stdout), (2, b""),
              f"exit status and stdout of a foreign file ({done.stderr})")
        check(path.encode() in done.stderr, f"the file is named: {done.stderr}")
    done = nt.tool("replay", "/no/such/file")
    equal((done.returncode, done.stdout), (2, b""),
          f"exit status and stdout of a missing file ({done.stderr})")
    check(b"/no/such/file" in done.stderr, f"the file is named: {done.stderr}")
    equal(nt.tool("replay").returncode, 2, "exit status without a file")


def test_replay_killed():
    """What a killed tool has recorded can be read up to where it was killed."""
    space = nt.Space()
    path = os.path.join(nt.temp_dir(), "record")
    trace = Trace("--json", "--record", path, spaces=[space])
    some_sessions(space, 4)
    trace.wait_rows(8)
    trace.process.kill()
    trace.wait()
    done = nt.tool("replay", path, "--json")
    equal((done.returncode, done.stdout), (1, trace.out), "exit status and rows")
