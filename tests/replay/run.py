#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Replays recordings and compares every byte; then damages them and looks what is said.

A tool's directory holds recordings (*.nt), `cases` (see there) and what each case prints.
Recordings that the tool's make.c writes must be what it writes today. --update rewrites recordings
and expectations: read the difference before it is checked in.
"""
import argparse
import csv
import io
import json
import os
import re
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
HEAD = 16  # bytes: magic, byte order, version
BLOCK = struct.Struct("<IIQII")  # kind, length, value, crc, pad
TOOL, CLOCK, CGROUP, EVENT, END, READING, NAME = range(1, 8)


class Report:
    def __init__(self, only):
        self.only = re.compile(only)
        self.passed = self.failed = self.skipped = 0

    def wants(self, name):
        return bool(self.only.search(name))

    def check(self, name, wrong):
        """`wrong` is None or says what is wrong."""
        if not self.wants(name):
            return
        if wrong is None:
            self.passed += 1
            print(f"ok   {name}")
        else:
            self.failed += 1
            print(f"FAIL {name}\n     " + str(wrong).replace("\n", "\n     "))

    def skip(self, name, why):
        self.skipped += 1
        print(f"skip {name}: {why}")

    def close(self):
        print(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped")
        return 1 if self.failed else 0


def run(args, cwd, env=(), stdout=subprocess.PIPE):
    environ = {"PATH": os.environ.get("PATH", ""), "TZ": "UTC", "LC_ALL": "C", **dict(env)}
    for name in os.environ:  # the sanitizers' options
        if name.endswith("SAN_OPTIONS"):
            environ[name] = os.environ[name]
    done = subprocess.run(args, cwd=cwd, env=environ, stdin=subprocess.DEVNULL, stdout=stdout,
                          stderr=subprocess.PIPE, timeout=60)
    return done.returncode, done.stdout, done.stderr


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


def difference(what, want, got):
    if want == got:
        return None
    if want is None:
        return f"{what}: no expectation is checked in"
    a, b = want.split(b"\n"), got.split(b"\n")
    for i in range(max(len(a), len(b))):
        old = a[i] if i < len(a) else None
        new = b[i] if i < len(b) else None
        if old != new:
            return f"{what}, line {i + 1}:\n- {old!r}\n+ {new!r}"
    return f"{what} differs"


# ---- cases


def read_cases(directory):
    """(name, exit code, environment, arguments)"""
    with open(os.path.join(directory, "cases"), encoding="utf-8") as file:
        for line in file:
            if not line.strip() or line.startswith("#"):
                continue
            name, code, *rest = shlex.split(line)
            env = []
            while rest and re.match(r"[A-Z_]+=", rest[0]):
                env.append(rest.pop(0).split("=", 1))
            yield name, int(code), env, rest


def check_case(report, options, directory, tool, case):
    name, want_code, env, args = case
    code, out, err = run([options.bin, "replay", *args], directory, env)
    base = os.path.join(directory, name)
    if options.update and code == want_code:
        write(base + ".out", out)
        if code:
            write(base + ".err", err)
    wrong = None
    if code != want_code:
        wrong = f"exit code {code} instead of {want_code}: {err.decode(errors='replace')}"
    wrong = wrong or difference("standard output", read(base + ".out"), out)
    if code:
        wrong = wrong or difference("standard error", read(base + ".err"), err)
    elif err:
        wrong = wrong or f"standard error is not empty: {err!r}"
    report.check(f"{tool}.{name}", wrong)


def check_leftovers(report, directory, tool, cases):
    """Expectations of cases that are gone would rot."""
    known = {case[0] + ".out" for case in cases} | {case[0] + ".err" for case in cases if case[1]}
    left = [f for f in os.listdir(directory) if f.endswith((".out", ".err")) and f not in known]
    report.check(f"{tool}.leftovers", f"no case has {', '.join(sorted(left))}" if left else None)


# ---- what holds for every recording, whatever is expected of it


def json_rows(text):
    rows = []
    for line in text.decode("utf-8").splitlines(keepends=True):
        if not line.endswith("\n"):
            raise ValueError(f"unfinished line: {line!r}")
        rows.append(json.loads(line, object_pairs_hook=lambda pairs: pairs))
    return rows


def csv_text(value):
    """A JSON value as CSV spells it; a JSON text may hold what CSV shows as \\xNN."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return str(value)
    escaped = (f"\\x{ord(c):02x}" if ord(c) < 32 or ord(c) == 127 or c == "\\" else c
               for c in value)
    return "".join(escaped)


def compare_formats(options, directory, recording):
    rows = json_rows(run([options.bin, "replay", recording, "--json"], directory)[1])
    text = run([options.bin, "replay", recording, "--csv"], directory)[1].decode("utf-8")
    lines = list(csv.reader(io.StringIO(text, newline="")))
    table = run([options.bin, "replay", recording], directory)[1]
    if any(isinstance(value, list) for row in rows for _, value in row):
        table = b"".join(line for line in table.splitlines(True)  # without the stacks
                         if not re.fullmatch(rb"(\t[^\t]+)?\n", line))
    if any(c < 32 and c != 10 or c == 127 for c in table):
        return "the table has control bytes"
    if any("buckets" in dict(row) for row in rows):
        return None  # a histogram is one line in JSON only
    headed = has_readings(read(os.path.join(directory, recording)))  # once for each reading
    headed |= not rows and not table
    if len(lines) != len(rows) + 1 or (len(table.splitlines()) != len(rows) + 1 and not headed):
        return (f"{len(rows)} rows as JSON, {len(lines) - 1} as CSV, "
                f"{len(table.splitlines()) - 1} as table")
    for row, line in zip(rows, lines[1:]):
        if [key for key, _ in row][:2] != ["tool", "time"] or [key for key, _ in row] != lines[0]:
            return f"keys {[key for key, _ in row]}, heading {lines[0]}"
        # What is no UTF-8 is the text \xNN in both: its backslash is not escaped once more in CSV.
        for (key, value), cell in zip(row, line):
            if isinstance(value, list):
                value = (";" if key == "stack" else "|").join(value)
            if csv_text(value).replace("\\x5cx", "\\x") != cell.replace("\\x5cx", "\\x"):
                return f"{key} is {value!r} in JSON and {cell!r} in CSV"
    return None


def subset(options, directory, args):
    """Filtered rows are some of all rows, in their order, unchanged."""
    keep = run([options.bin, "replay", *args, "--json"], directory)[1].splitlines()
    rest = iter(run([options.bin, "replay", args[0], "--json"], directory)[1].splitlines())
    same = all(line in rest for line in keep)
    return None if same else "rows that the unfiltered replay does not have"


# ---- damage


def blocks(data):
    """(offset, kind, value, payload) of each block."""
    at = HEAD
    while at < len(data):
        kind, length, value, _, _ = BLOCK.unpack_from(data, at)
        yield at, kind, value, data[at + BLOCK.size:at + BLOCK.size + length]
        at += BLOCK.size + (length + 7) // 8 * 8


def has_readings(data):
    return any(kind == READING for _, kind, _, _ in blocks(data))


def block(kind, value, payload):
    crc = zlib.crc32(BLOCK.pack(kind, len(payload), value, 0, 0) + payload)
    return BLOCK.pack(kind, len(payload), value, crc, 0) + payload + bytes(-len(payload) % 8)


def rebuild(data, change):
    """The recording with each block passed through `change`, checksums made right."""
    made = [data[:HEAD]]
    for _, kind, value, payload in blocks(data):
        made += [block(*new) for new in change(kind, value, payload)]
    return b"".join(made)


class Damage:
    """One recording and a place to put damaged copies of it."""

    def __init__(self, report, options, tool, path, place):
        self.report, self.options, self.tool = report, options, tool
        self.data, self.place = read(path), place
        self.name = os.path.basename(path)[:-3]
        self.readings = has_readings(self.data)
        about = run([options.bin, "help", "--json"], place)[1]
        self.about = next(t for t in json.loads(about)["tools"] if t["name"] == tool)
        self.rows = self.replay(self.data)[1].splitlines(keepends=True)

    def replay(self, data):
        write(os.path.join(self.place, "x.nt"), data)
        # A name may come behind the event it belongs to, so it may be cut off.
        names = [column["name"] for column in self.about["columns"]]
        columns = ["--columns", "-cgroup"] if "cgroup" in names else []
        return run([self.options.bin, "replay", "x.nt", "--json", *columns], self.place)

    def expect(self, what, data, code, rows, message):
        got, out, err = self.replay(data)
        err = err.decode(errors="replace")
        wrong = None
        if got != code:
            wrong = f"exit code {got} instead of {code}"
        elif out != b"".join(self.rows[:rows]):
            wrong = f"{len(out.splitlines())} rows instead of {rows}, or others"
        elif not re.fullmatch(f"nettrace replay: x.nt: {message}\n", err):
            wrong = f"standard error: {err!r} instead of {message}"
        self.report.check(f"{self.tool}.{self.name}.{what}", wrong)

    def of_reading(self, first):
        """How many rows have the time of this one: a reading may add rows of zeros."""
        times = [json.loads(row)["time"] for row in self.rows[first:]]
        return sum(time == times[0] for time in times)

    def cuts(self):
        """Behind, before and inside every block."""
        rows = waiting = 0
        ends = [at for at, _, _, _ in blocks(self.data)] + [len(self.data)]
        for i, (at, kind, _, payload) in enumerate(blocks(self.data)):
            message = f"damaged or cut off at byte {at}; what came before is printed"
            for cut in sorted({at, at + 1, at + BLOCK.size - 1, (at + ends[i + 1]) // 2,
                               ends[i + 1] - 1}):
                self.expect(f"cut-{cut}", self.data[:cut], 1, rows, message)
            flipped = bytearray(self.data)
            flipped[at + (BLOCK.size if payload else 8)] ^= 1
            self.expect(f"flip-{at}", bytes(flipped), 1, rows, message)
            waiting += kind == EVENT
            if waiting and (kind == READING or not self.readings):
                rows, waiting = rows + (self.of_reading(rows) if self.readings else waiting), 0

    def heads(self):
        order, version = struct.unpack_from("<II", self.data, 8)
        other = "a recording of another version or byte order"
        swapped = struct.pack(">II", order, version)
        self.expect("other-order", self.data[:8] + swapped + self.data[HEAD:], 2, 0, other)
        newer = struct.pack("<II", order, version + 1)
        self.expect("other-version", self.data[:8] + newer + self.data[HEAD:], 2, 0, other)
        for what, data in (("nothing", b""), ("half-a-head", self.data[:HEAD - 1]),
                           ("text", b"PID COMM LADDR\n" * 9),
                           ("zeros", bytes(4096)), ("elf", b"\x7fELF" + bytes(60))):
            self.expect(what, data, 2, 0, "not a recording of nettrace")

    def contents(self):
        def other_schema(kind, value, payload):
            return [(kind, value ^ 1 if kind == TOOL else value, payload)]

        def other_tool(kind, value, payload):
            return [(kind, value, b"tcpnope\0" if kind == TOOL else payload)]

        def hostile_tool(kind, value, payload):
            return [(kind, value, b"\x1b[2J\nx\xff\0" if kind == TOOL else payload)]

        def lose_an_event(kind, value, payload):
            lose_an_event.seen += kind == EVENT
            return [] if kind == EVENT and lose_an_event.seen == 1 else [(kind, value, payload)]

        self.expect("other-schema", rebuild(self.data, other_schema), 2, 0,
                    f"made by another version of {self.tool}")
        self.expect("other-tool", rebuild(self.data, other_tool), 2, 0,
                    "made by a tool 'tcpnope' that this nettrace does not have")
        self.expect("hostile-tool", rebuild(self.data, hostile_tool), 2, 0,
                    r"made by a tool '\\x1b\[2J\\x0ax\\xff' that this nettrace does not have")
        if self.rows and not self.readings:  # theirs are sorted
            lose_an_event.seen = 0
            data, rows = rebuild(self.data, lose_an_event), self.rows
            last = [at for at, _, _, _ in blocks(data)][-1]
            self.rows = rows[1:]
            self.expect("lost-event", data, 1, len(self.rows),
                        f"damaged or cut off at byte {last}; "
                        "what came before is printed")
            self.rows = rows

    def inputs(self):
        """A recording need not be a file, and not every file that is named is one."""
        write(os.path.join(self.place, "x.nt"), self.data)
        if "comm" in self.about["filters"]:
            args = [self.options.bin, "replay", "--comm", "decoy", "x.nt"]
            want = run(args, self.place)
            write(os.path.join(self.place, "decoy"), b"a name of a process, too\n")
            same = run(args, self.place) == want
            os.unlink(os.path.join(self.place, "decoy"))
            self.report.check(f"{self.tool}.{self.name}.decoy",
                              None if same else "a file named like an option's value counts")
        want = run([self.options.bin, "replay", "x.nt"], self.place)
        piped = run(["sh", "-c", 'cat x.nt | "$0" replay /dev/stdin', self.options.bin], self.place)
        self.report.check(f"{self.tool}.{self.name}.pipe", None if piped == want else f"{piped}")

    def outputs(self):
        """A full disk is a failure, a reader that went away is none."""
        def multiply(kind, value, payload):
            if kind == END:
                return [(kind, value * 5000, payload)]
            return [(kind, value, payload)] * (5000 if kind == EVENT else 1)

        many = rebuild(self.data, multiply)
        write(os.path.join(self.place, "x.nt"), many)
        args = [self.options.bin, "replay", "x.nt"]
        for form in ("table", "csv", "json"):
            with open("/dev/full", "wb") as full:
                code, _, err = run([*args, "-o", form], self.place, stdout=full)
            right = code == 1 and b": writing the output failed: No space left on device\n" in err
            self.report.check(f"{self.tool}.{self.name}.full-disk-{form}",
                              None if right else f"exit {code}, {err!r}")
            reader, writer = os.pipe()
            os.close(reader)
            code, _, err = run([*args, "-o", form], self.place, stdout=writer)
            os.close(writer)
            right = code == 0 and not err
            self.report.check(f"{self.tool}.{self.name}.closed-pipe-{form}",
                              None if right else f"exit {code}, {err!r}")


# ---- a tool


def check_made(report, options, directory, tool, generator):
    with tempfile.TemporaryDirectory() as place:
        code, _, err = run([generator, place], place)
        made = sorted(os.listdir(place))
        wrong = None if code == 0 and made else f"{generator}: exit {code}, {err!r}"
        for name in made if not wrong else ():
            if options.update and report.wants(f"{tool}.made"):
                shutil.copyfile(os.path.join(place, name), os.path.join(directory, name))
            if read(os.path.join(place, name)) != read(os.path.join(directory, name)):
                wrong = f"{name} is not what make.c writes"
                break
    report.check(f"{tool}.made", wrong)


def check_tool(report, options, tool, place):
    directory = os.path.join(HERE, tool)
    cases = list(read_cases(directory))
    if tool in options.make:
        check_made(report, options, directory, tool, os.path.abspath(options.make[tool]))
    elif os.path.exists(os.path.join(directory, "make.c")):
        report.skip(f"{tool}.made", "no --make for it")
    recordings = sorted(f for f in os.listdir(directory) if f.endswith(".nt"))
    report.check(f"{tool}.recordings", None if recordings else "there are none")
    if not recordings:
        return
    names = [case[0] for case in cases]
    report.check(f"{tool}.names",
                 None if len(set(names)) == len(names) else "a case's name is there twice")
    for case in cases:
        if report.wants(f"{tool}.{case[0]}"):
            check_case(report, options, directory, tool, case)
    check_leftovers(report, directory, tool, cases)
    for recording in recordings:
        report.check(f"{tool}.{recording[:-3]}.formats",
                     compare_formats(options, directory, recording))
    for name, code, _, args in cases:
        plain = not code and "--columns" not in args
        if name.startswith("filter") and plain and report.wants(f"{tool}.{name}"):
            report.check(f"{tool}.{name}.subset", subset(options, directory, args))
    used = {args[0] for _, _, _, args in cases if args}
    report.check(f"{tool}.used",
                 None if used >= set(recordings) else f"no case uses {set(recordings) - used}")
    damage = Damage(report, options, tool, os.path.join(directory, recordings[0]), place)
    damage.cuts()
    damage.heads()
    damage.contents()
    damage.inputs()
    damage.outputs()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True, type=os.path.abspath, help="nettrace")
    parser.add_argument("--make", action="append", default=[], metavar="TOOL=FILE",
                        help="a tool's generator")
    parser.add_argument("--update", action="store_true", help="rewrite recordings and expectations")
    parser.add_argument("--only", default="", metavar="REGEX",
                        help="what has a name that matches, and only that is rewritten")
    options = parser.parse_args()
    options.make = dict(made.split("=", 1) for made in options.make)
    report = Report(options.only)
    tools = sorted(d for d in os.listdir(HERE) if os.path.isfile(os.path.join(HERE, d, "cases")))
    if sys.byteorder != "little":
        report.skip("all", "the recordings are of a little-endian host")
        return report.close()
    with tempfile.TemporaryDirectory() as place:
        for tool in tools:
            check_tool(report, options, tool, place)
    if not tools:
        report.check("tools", "no tool has recordings")
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
