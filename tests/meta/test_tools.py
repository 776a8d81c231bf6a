#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Walks the tool table and holds every tool to what all of them promise. Needs no privilege."""
import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile

from report import check, close

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

COMMON = "time pid tid comm uid cgroup netns owner ip laddr lport raddr rport".split()
FILTERS = ("pid tid comm uid port lport rport addr laddr raddr ipv4 ipv6 cgroup unit container "
           "netns mntns").split()
TYPES = {"number", "string", "array", "boolean", "time", "address", "name", "histogram"}
UNITS = {"_ns": "ns", "_us": "us", "_bytes": "bytes"}  # an end of a column's name says its unit
TABLE_ONLY = {"elapsed"}  # shows `time` in another way, stands behind it

# Names that scripts rely on, behind the common ones. Tools that print histograms have none.
OWN = {
    "tcplife": "tx_bytes rx_bytes duration_ns partial retrans srtt_us end",
    "tcpconnect": "error query",
    "tcpaccept": "backlog backlog_max",
    "tcptracer": "type",
    "tcpconnlat": "latency_ns result",
    "tcpstates": "skaddr cpu_pid cpu_comm old_state new_state duration_ns",
    "tcpretrans": "type cause state seq",
    "tcpdrop": "saddr sport daddr dport state flags reason reason_code dev stack",
    "tcpsubnet": "subnet tx_bytes rx_bytes",
    "tcptop": "tx_bytes rx_bytes interval_ns",
    "solisten": "proto backlog ret",
    "netqtop": "dev queue dir packets bytes avg_size b64 b512 b2k b16k b64k bps pps",
    "softirqs": "softirq total_ns count max_ns cpu",
    "sofdsnoop": "action sock_fd socket fd name",
}


def run(*args, executable=None):
    env = {name: value for name,
           value in os.environ.items() if name not in ("ARGP_HELP_FMT", "POSIXLY_CORRECT")}
    done = subprocess.run([executable or binary, *args], env=env, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def quiet(result, code=0):
    """What is wrong with a run that should say something on stdout and nothing on stderr."""
    got, out, err = result
    if got != code or err or not out:
        return f"exit code {got}, {len(out)} bytes on stdout, stderr: {err}"
    return None


def refused(result, *words):
    got, out, err = result
    if got != 2 or out or not err:
        return f"exit code {got}, stdout {out!r}, stderr {err!r}"
    return [word for word in words if word not in err] and f"{words} not in {err!r}"


def missing(words, text):
    return ", ".join(word for word in words
                     if not re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text))


# ---- the table itself


def check_registry(registry):
    with open(os.path.join(ROOT, "cmd/tools.def"), encoding="utf-8") as file:
        defined = re.findall(r"^TOOL\((\w+)\)", file.read(), re.M)
    names = [tool["name"] for tool in registry["tools"]]
    check("registry.tools",
          None if names == defined else f"tools.def has {defined}, help --json {names}")
    result = run("list")
    check("list", quiet(result))
    listed = [line.split(None, 1) for line in result[1].splitlines()]
    want = [[tool["name"], tool["summary"]] for tool in registry["tools"]]
    check("list.lines", None if listed == want else f"{listed} instead of {want}")
    code, out, err = run("--help")
    check("registry.commands", missing([c["name"] for c in registry["commands"]], out))
    uniform = [option["name"] for option in registry["options"]]
    check("registry.options", [name for name in uniform if uniform.count(name) > 1])
    check("registry.filters", [name for name in FILTERS if name not in uniform])
    promised = ("filter output csv json columns no-header duration max-events record ready-file "
                "explain stats strict buffer verbose debug").split()
    check("registry.promised", [name for name in promised if name not in uniform])
    with open(os.path.join(ROOT, "docs/nettrace.md")) as file:
        page = file.read()
    check("registry.documented", [name for name in uniform
                                  if f"`--{name}`" not in page and f"`--{name} " not in page])
    version = run("--version")
    check("version", quiet(version) or (registry["version"] not in version[1] and version[1]))


# ---- each tool


def check_summary(tool):
    summary = tool["summary"]
    line = f"{tool['name']:12} {summary}"
    wrong = not summary or summary.endswith(".") or "\n" in summary or len(line) > 79
    check(f"{tool['name']}.summary",
          f"{summary!r}: one line of at most 66 columns, no full stop" if wrong else None)


def check_columns(tool):
    name, columns = tool["name"], tool["columns"]
    names = [column["name"] for column in columns]
    check(f"{name}.columns.unique", [n for n in names if names.count(n) > 1])
    check(f"{name}.columns.spelling",
          [n for n in names if not re.fullmatch("[a-z0-9_]+", n) or n == "tool"])
    check(f"{name}.columns.title", [c["name"] for c in columns if not (c["title"] or "").strip()])
    check(f"{name}.columns.help", [c["name"] for c in columns if not (c["help"] or "").strip()])
    plain = [n for n in names if n not in TABLE_ONLY]
    common = [n for n in COMMON if n in plain]
    check(f"{name}.columns.common-first",
          None if plain[:len(common)] == common else f"{plain[:len(common)]} instead of {common}")
    check(f"{name}.columns.types", [c for c in columns + tool.get("variant", []) if c["type"] not in TYPES or
                                    (c["type"] == "name") != bool(c.get("values"))])
    check(f"{name}.columns.units", [c for c in columns for end, unit in UNITS.items()
                                    if c["name"].endswith(end) and c["unit"] != unit])
    check_words_of(tool)
    want = OWN.get(name, "").split()
    own = [n for n in plain if n in want]
    check(f"{name}.columns.own", None if own == want else f"{own} instead of {want}")
    code, out, err = run(name, "--columns", "help")
    check(f"{name}.columns.listed", quiet((code, out, err)) or missing(names, out))


def check_words_of(tool):
    """A predicate may begin with these words: what is wrong then is its value, if anything."""
    name = tool["name"]
    for word in tool["words"]:
        _, _, err = run(name, "--filter", word + " )")
        check(f"{name}.word {word}", None if "--filter: " in err and "has no field" not in err else err)


def spellings(option):
    words = ["--" + option["name"]] if option["name"] else []
    return words + (["-" + option["letter"]] if option["letter"] else [])


def check_help(tool, registry):
    name, own = tool["name"], tool["options"]
    result = run(name, "--help")
    text = result[1]
    check(f"{name}.help", quiet(result))
    check(f"{name}.registry.help", missing([word for option in own for word in spellings(option)], text))
    check(f"{name}.help.own-text",
          [spellings(o) for o in own if not o["help"]])
    known = {"--" + option["name"] for option in own if option["name"]} | {"--help", "--usage", "--version"}
    check(f"{name}.help.complete",
          [w for w in re.findall(r"(?m)^ {2,6}(?:-\S, )?(--[a-z0-9-]+)", text) if w not in known])
    check(f"{name}.registry.letters", [o for o in own if o["letter"] and
                                       [p["letter"] for p in own].count(o["letter"]) > 1])
    check(f"{name}.registry.kinds", [o for o in own if (o["kind"] == "none") != (o["arg"] is None)])
    want = [o["name"] for o in registry["options"]
            if o["name"] not in FILTERS or o["name"] in tool["filters"] or
            (o["name"] in ("ipv4", "ipv6") and "ip" in tool["filters"])]
    check(f"{name}.registry.uniform", [w for w in want if w not in {o["name"] for o in own}])
    check_examples(name, text)


def check_examples(name, text):
    lines = re.findall(r"^ {2}nettrace (.*)$", text.partition("Examples:\n")[2], re.M)
    check(f"{name}.examples", None if lines else "there are none")
    for line in lines:
        if not re.search("--(unit|container|cgroup|netns|mntns|record)",
                         line):  # what this host may not have
            words = shlex.split(line)
            check(f"{name}.example {line}", quiet(run(*words, "--columns", "help")))


def check_files(name):
    for path in (f"docs/tools/{name}.md", f"tests/live/test_{name}.py",
                 f"tests/replay/{name}/cases"):
        check(f"{name}.has {path}", None if os.path.isfile(os.path.join(ROOT, path)) else "missing")
    directory = os.path.join(ROOT, "tests/replay", name)
    ends = {os.path.splitext(f)[1]
            for f in os.listdir(directory)} if os.path.isdir(directory) else set()
    check(f"{name}.has goldens",
          None if {".nt", ".out"} <= ends else "no recording, or no expectation")


def check_usage(name):
    check(f"{name}.refuses.option", refused(run(name, "--no-such-option"), "--no-such-option"))
    check(f"{name}.refuses.letter", refused(run(name, "-@"), "'@'"))
    check(f"{name}.refuses.format",
          refused(run(name, "-o" if "o" not in letters_of(name) else "--output", "xml"), "'xml'"))
    check(f"{name}.refuses.twice", refused(run(f"{name},{name}"), name))
    check(f"{name}.suggested", refused(run(name[:-1] + "x"), f"'{name[:-1]}x'", "did you mean"))
    check(f"{name}.merged-unknown", refused(run(f"{name},no-such-tool"), "'no-such-tool'"))
    with tempfile.TemporaryDirectory() as place:
        for link in (name, "nettrace-" + name):
            path = os.path.join(place, link)
            os.symlink(binary, path)
            check(f"{name}.called-as {link}",
                  None if run("--help", executable=path) == run(name, "--help")
                  else "the symlink does something else")


def letters_of(name):
    return {option["letter"] for tool in registry["tools"] if tool["name"] == name
            for option in tool["options"]}


# ---- words that are not tools


def check_words():
    check("words.nothing", refused(run()))
    for words in (["no-such-tool"], ["--no-such-option"], ["help", "no-such-tool"], [""], [","],
                  ["list,tcplife"]):
        check(f"words.{words}", refused(run(*words), f"'{words[-1]}'"
                                        if words[-1] not in ("", ",", "list,tcplife") else "'"))
    for words in (["--help"], ["help"]):
        check(f"words.{words}", quiet(run(*words)))
    check("words.replay", refused(run("replay")))


def check_links():
    names = [tool["name"] for tool in registry["tools"]]
    check("links.no-directory", refused(run("install-links")))
    for word in ("list", "help", "completion", "install-links"):
        check(f"{word}.help", quiet(run(word, "--help")))
    with tempfile.TemporaryDirectory() as place:
        for turn in ("first", "again"):
            code, out, err = run("install-links", place)
            wrong = [n for n in names
                     if os.path.realpath(os.path.join(place, n)) != os.path.realpath(binary)]
            check(f"links.{turn}", f"exit code {code}, {err}" if code or out or err else wrong)
        path = os.path.join(place, names[0])
        os.unlink(path)
        with open(path, "w", encoding="utf-8") as file:
            file.write("not ours")
        code, _, err = run("install-links", place)
        with open(path, encoding="utf-8") as file:
            kept = file.read() == "not ours"
        check("links.not-ours", None if code == 1 and kept and path in err
              else f"exit code {code}, {err}, kept {kept}")
        code, _, err = run("install-links", os.path.join(place, "missing"))
        check("links.missing-directory",
              None if code == 1 and "missing" in err else f"exit code {code}, {err}")


def main():
    for tool in registry["tools"]:
        check_summary(tool)
        check_columns(tool)
        check_help(tool, registry)
        check_files(tool["name"])
        check_usage(tool["name"])
    check_registry(registry)
    check_words()
    check_links()
    return close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True, type=os.path.abspath, help="nettrace")
    binary = parser.parse_args().bin
    registry = json.loads(run("help", "--json")[1])
    sys.exit(main())
