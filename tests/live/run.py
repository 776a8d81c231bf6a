#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Runs the live tests, each in a process of its own, and cleans up behind them."""
import argparse
import contextlib
import ctypes
import glob
import importlib
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
MODULES = sorted(os.path.basename(path)[:-3] for path in glob.glob(os.path.join(HERE, "test_*.py")))


def cases():
    """(name, function) in the order of the source."""
    for module in MODULES:
        found = vars(importlib.import_module(module)).items()
        tests = [(name, f) for name, f in found if name.startswith("test_") and callable(f)]
        for name, function in sorted(tests, key=lambda test: test[1].__code__.co_firstlineno):
            yield f"{module[5:]}.{name[5:]}", function


def read_skips(kernel):
    """Test name to reason."""
    skips = {}
    with open(os.path.join(HERE, "skips.txt")) as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                where, name, reason = line.split(None, 2)
                if where == kernel:
                    skips[name] = reason.strip()
    return skips


def remove_named(pid):
    """Namespaces and cgroups of the test's process: a run that was killed left them, and its number is used again."""
    for path in glob.glob(f"/run/netns/nt{pid}n*"):
        subprocess.run(["ip", "netns", "del", os.path.basename(path)], stderr=subprocess.DEVNULL)
    with open("/proc/self/mountinfo") as file:
        mounts = [line.split()[4] for line in file if re.search(r" - cgroup2? ", line)]
    for mount in mounts:
        for path in glob.glob(f"{mount}/nt{pid}") + glob.glob(f"{mount}/nt{pid}[!0-9]*"):
            for below, _, _ in os.walk(path, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(below)


def in_child(function, pipe, log):
    """Runs one test; what came of it goes into the pipe."""
    import nt

    os.setsid()
    nt.die_with_parent()
    os.dup2(log, 1)
    os.dup2(log, 2)
    try:
        remove_named(os.getpid())
        try:
            function()
            result = ["ok", ""]
        finally:
            nt.clean_up()
    except nt.Skip as skip:
        result = ["skip", str(skip)]
    except nt.Fail as fail:
        traceback.print_exc()
        result = ["FAIL", str(fail)]
    except BaseException as error:
        traceback.print_exc()
        result = ["FAIL", f"{type(error).__name__}: {error}"]
    sys.stdout.flush()
    result[1] = result[1][:3000]
    os.write(pipe, json.dumps(result).encode())
    os._exit(0)


def children():
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return [int(pid) for pid in file.read().split()]


def sweep(pid, temp):
    """What a test that was killed could not clean up. Its orphans have become our children."""
    while children():
        for child in children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    remove_named(pid)
    shutil.rmtree(temp, True)


def run_case(function, limit):
    """(outcome, reason, log, seconds)"""
    temp = tempfile.mkdtemp(prefix="nettrace-live-")
    os.chmod(temp, 0o755)
    read, write = os.pipe()
    start = time.monotonic()
    with tempfile.TemporaryFile() as log:
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if not pid:
            os.environ["TMPDIR"] = tempfile.tempdir = temp
            in_child(function, write, log.fileno())
        try:
            # not the end of the pipe: processes that the test left behind hold it too
            ended = os.pidfd_open(pid)
            ready, _, _ = select.select([ended], [], [], limit)
            os.close(ended)
        finally:
            sweep(pid, temp)
        os.close(write)
        data = os.read(read, 65536)
        os.close(read)
        if data:
            outcome, reason = json.loads(data)
        else:
            outcome, reason = "FAIL", "it died" if ready else f"not done after {limit:.0f} s"
        log.seek(0)
        text = log.read().decode(errors="backslashreplace")
    return outcome, reason, text, time.monotonic() - start


def judge(name, outcome, reason, skips):
    """A skip has to be announced, and what is announced has to happen."""
    if outcome == "skip" and name not in skips:
        return "FAIL", f"unexpected skip: {reason}"
    if outcome == "ok" and name in skips:
        return "FAIL", f"expected skip passed: {skips[name]}"
    return outcome, reason


def in_share(name, at, share):
    """I/N: every Nth test from the Ith on, and the scenes, which play on every kernel."""
    if not share:
        return True
    which, of = map(int, share.split("/"))
    return at % of == which or ".scene" in name


def parse():
    parser = argparse.ArgumentParser(description="Run the live tests (as root).")
    parser.add_argument("--bin", help="nettrace")
    parser.add_argument("--churn", help="the traffic generator, built from tests/bench/churn.c")
    parser.add_argument("--kernel", default="native", help="name in skips.txt (native)")
    parser.add_argument("--only", default="", metavar="REGEX", help="tests whose names match")
    parser.add_argument("--share", default="", metavar="I/N",
                        help="every Nth test from the Ith on, and all scenes")
    parser.add_argument("--list", action="store_true", help="print the names and end")
    parser.add_argument("--scale", type=float,
                        help="of counts (1; 0.1 unless the kernel is native)")
    parser.add_argument("--limit", type=float,
                        help="seconds a test may take (300; 240 unless native)")
    parser.add_argument("--results", metavar="FILE", help="write what came of each test, for compatibility.py")
    parser.add_argument("-v", "--verbose", action="store_true",
                        help="seconds of each test; tracebacks of failed ones on stderr")
    options = parser.parse_args()
    if not options.list and not (options.bin and options.churn):
        parser.error("--bin and --churn are needed")
    return options


def main():
    options = parse()
    native = options.kernel == "native"
    limit = options.limit or (300 if native else 240)
    os.environ["NT_BIN"] = os.path.abspath(options.bin or "")
    os.environ["NT_CHURN"] = os.path.abspath(options.churn or "")
    os.environ["NT_SCALE"] = str(options.scale or (1 if native else 0.1))
    os.environ["NT_PATIENCE"] = str(60 if native else 150)
    os.environ["NT_SHARE"] = str(zlib.crc32(options.kernel.encode()) // 3 % 3)
    sys.path.insert(0, HERE)
    sys.dont_write_bytecode = True
    chosen = [(name, f) for at, (name, f) in enumerate(cases())
              if re.search(options.only, name) and in_share(name, at, options.share)]
    if options.list:
        print("\n".join(name for name, _ in chosen))
        return 0
    if os.geteuid():
        print("the live tests need root: nothing was tested")
        return 77
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: orphans of tests come to us
    skips = read_skips(options.kernel)
    unknown = set(skips) - {name for name, _ in cases()}
    # A time that ran out on a busy host or under emulation may be nobody's fault; each try is told.
    tries = 2 if native else 3
    count = {"ok": 0, "FAIL": 0, "skip": 0}
    results = {}
    for name in sorted(unknown):
        print(f"FAIL {name}: skips.txt names it, and there is no such test")
        count["FAIL"] += 1
    for name, function in chosen:
        for again in range(tries):
            outcome, reason, log, seconds = run_case(function, limit)
            outcome, reason = judge(name, outcome, reason, skips)
            if outcome != "FAIL":
                break
            print(f"try {again + 1} of {name} failed: {' '.join(reason.split())}", flush=True)
        count[outcome] += 1
        results[name] = [outcome, skips.get(name, reason)]
        tail = f": {' '.join(reason.split())}" if reason else ""
        if options.verbose:
            tail += f" [{seconds:.1f} s]"
        print(f"{outcome} {name}{tail}", flush=True)
        if options.verbose and outcome == "FAIL":
            print("\n".join("    " + line for line in log.splitlines()), file=sys.stderr,
                  flush=True)
    if options.results:
        with open(options.results, "w", encoding="utf-8") as file:
            json.dump({"kernel": options.kernel, "release": os.uname().release, "machine": os.uname().machine,
                       "tests": results}, file, indent=1)
    print(f"{count['ok']} passed, {count['FAIL']} failed, {count['skip']} skipped")
    return 1 if count["FAIL"] else 0


if __name__ == "__main__":
    sys.exit(main())
