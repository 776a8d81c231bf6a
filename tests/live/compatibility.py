#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
docs/compatibility.md from what the live tests wrote: compatibility.py build/results build/arm64/results.
With --check the page is only compared with the names of the tests that there are now: what came of
them is as old as their last run.
"""
import argparse
import glob
import json
import os
import subprocess
import sys
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PAGE = os.path.join(ROOT, "docs/compatibility.md")


def names():
    """The live tests that there are, as their runner has them."""
    done = subprocess.run([sys.executable, "-B", os.path.join(HERE, "run.py"), "--list"], capture_output=True,
                          text=True, check=True)
    return done.stdout.split()


def mark():
    """Another one whenever a test is added, renamed or gone."""
    tests = sorted(names())
    return f"<!-- {len(tests)} tests, {zlib.crc32(' '.join(tests).encode()):08x} -->"


def guests():
    with open(os.path.join(ROOT, "tests/vm/kernels"), encoding="utf-8") as file:
        return [line.split()[0] for line in file if line.strip() and not line.startswith("#")]


def read(directories):
    """Results in the order of tests/vm/kernels, this host's last. Runs of parts are put together, the newest wins."""
    found = {}
    paths = [path for each in directories for path in glob.glob(os.path.join(each, "*.json"))]
    for path in sorted(paths, key=os.path.getmtime):
        with open(path, encoding="utf-8") as file:
            run = json.load(file)
        before = found.get(run["kernel"])
        if before and before["release"] == run["release"]:
            run["tests"] = {**before["tests"], **run["tests"]}
        found[run["kernel"]] = run
    return [found[name] for name in [*guests(), "native"] if name in found]


def cell(run, tool, notes, tests):
    outcomes = {name: result for name, result in run["tests"].items() if name in tests and name.split(".")[0] == tool}
    if not outcomes:
        return "not run"
    passed = sum(outcome == "ok" for outcome, _ in outcomes.values())
    wrong = [name for name, (outcome, _) in outcomes.items() if outcome == "FAIL"]
    there = sum(name.split(".")[0] == tool for name in tests)
    text = f"{passed}" + (f" of {there}" if len(outcomes) < there else "") + \
        (f", **{len(wrong)} failed**" if wrong else "")
    for name, (outcome, reason) in sorted(outcomes.items()):
        if outcome == "skip":
            note = notes.setdefault((name, reason), len(notes) + 1)
            text += f" [{note}]"
    return text


def tools():
    with open(os.path.join(ROOT, "cmd/tools.def"), encoding="utf-8") as file:
        return [line[5:line.index(")")] for line in file if line.startswith("TOOL(")]


def page(runs):
    notes, tests = {}, set(names())
    release = {run["kernel"]: run["release"] if run["kernel"] != "native" else run["release"].split("-")[0]
               for run in runs}
    kernels = [run["kernel"] for run in runs]
    yield "# Where it works\n\n"
    yield "Live tests that passed: real traffic, and values compared with somebody else's count. Made by\n"
    yield "`tests/live/compatibility.py` from what runs of them wrote. `3 of 5`: the others were not run\n"
    yield "there; `./dev.sh test --full` runs all. A number in brackets is a test that is not possible\n"
    yield "there, and why.\n\n"
    yield mark() + "\n\n"
    yield "| | " + " | ".join(kernels) + " |\n|---" + "|---" * len(kernels) + "|\n"
    yield "| release | " + " | ".join(f"{release[run['kernel']]} {run['machine']}" for run in runs) + " |\n"
    rest = sorted({name.split(".")[0] for name in tests} - set(tools()))
    for tool in [*sorted(tools()), *rest]:
        label = f"[{tool}](tools/{tool}.md)" if tool in tools() else f"*{tool}*"
        yield f"| {label} | " + " | ".join(cell(run, tool, notes, tests) for run in runs) + " |\n"
    if rest:
        yield f"\n*{'*, *'.join(rest)}*: what all tools share.\n"
    if notes:
        yield "\n| | test | not possible because |\n|---|---|---|\n"
    for (name, reason), number in notes.items():
        yield f"| {number} | {name} | {reason} |\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", nargs="*", help="directories of the JSON files")
    parser.add_argument("--check", action="store_true", help="is the page about the tests of today?")
    options = parser.parse_args()
    if options.check:
        with open(PAGE, encoding="utf-8") as file:
            fresh = mark() in file.read()
        print(f"{'ok  ' if fresh else 'FAIL'} compatibility.fresh"
              f"{'' if fresh else ': tests were added, renamed or removed: make docs/compatibility.md anew'}")
        print(f"{int(fresh)} passed, {int(not fresh)} failed, 0 skipped")
        return not fresh
    runs = read(options.results or parser.error("where are the results?"))
    if not runs:
        parser.error(f"no results in {' '.join(options.results)}")
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write("".join(page(runs)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
