#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
Every option of bcc's tools is taken, and docs/coming-from-bcc.md says what it is here: bcc-options.txt is the list.
With --update the tables of the page are written anew.
"""
import argparse
import json
import os
import re
import subprocess
import sys

from report import check, close

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PAGE = os.path.join(ROOT, "docs/coming-from-bcc.md")

# A value that an option with this argument takes.
VALUES = {
    "PID": "1", "TID": "1", "UID": "0", "NAME": "name", "SECONDS": "2", "NUMBER": "3", "PATH": "/sys/fs/bpf/none",
    "PORT": "80", "PORTS": "80,443", "INUM": "4026531840", "ADDRESS": "::1", "MS": "0.5", "NIC": "lo", "CPU": "0",
    "SORT": "sent", "FORMAT": "K", "SUBNETS": "10.0.0.0/8,127.0.0.1/32",
}
# Those that have to be another one: a cgroup that every host has.
SPECIAL = {("tcptop", "-c"): "/", ("tcptop", "--cgroup"): "/"}


def run(*args):
    done = subprocess.run([binary, *args], capture_output=True, text=True, timeout=60, check=False,
                          stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout, done.stderr


def entries():
    """(tool, spellings, argument or None, who, note)"""
    with open(os.path.join(HERE, "bcc-options.txt"), encoding="utf-8") as file:
        for line in file:
            if not line.startswith("#"):
                tool, spellings, arg, who, note = line.rstrip("\n").split("\t")
                yield tool, spellings.split(), None if arg == "-" else arg, who, note


def taken(tool, word, arg):
    """What is wrong with an option: it is taken if the columns are listed, and it is in the registry."""
    value = [] if arg is None else [SPECIAL.get((tool["name"], word), VALUES[arg])]
    code, out, err = run(tool["name"], word, *value, "--columns", "help")
    if code or err or not out:
        return f"exit code {code}, {err}"
    name = word.lstrip("-")
    known = [o for o in tool["options"] if name in (o["letter"], o["name"]) or
             (word.startswith("--") and (o["name"] or "").startswith(name))]
    if not known or (known[0]["arg"] is None) != (arg is None):
        return f"the registry has {known}"
    return None


def check_arguments(tool, count):
    """The arguments without dashes, all of them: any answer but "wrong usage" will do."""
    code, _, err = run(tool["name"], *count, "--explain")
    check(f"{tool['name']} {' '.join(count)}", None if code in (0, 3, 4) else f"exit code {code}: {err}")


def check_tool(tool, mine):
    arguments = []
    for _, spellings, arg, _, _ in mine:
        for word in spellings:
            if word.isdigit():
                arguments.append(VALUES[arg])
                check_arguments(tool, arguments)
            elif word.startswith("-"):
                check(f"{tool['name']} {word}", taken(tool, word, arg))
            else:
                # Not as theirs: it has to be another option's, or an error that says more than "unknown".
                other = [o for o in tool["options"] if "--" + (o["name"] or "") == word.strip("()")]
                check(f"{tool['name']} {word}", None if other else "it is nothing here")
    for word in "-h", "-?", "--help", "--usage", "-V", "--version":
        code, out, err = run(tool["name"], word)
        check(f"{tool['name']} {word}", None if not code and out and not err else f"exit code {code}, {err}")


def table(mine):
    yield "| theirs | whose | here |\n|---|---|---|\n"
    for _, spellings, arg, who, note in mine:
        words = [w.strip("()") for w in spellings if not w.isdigit()]
        text = ", ".join(f"`{w}`" for w in words[:-1]) + (", " if len(words) > 1 else "")
        text += f"`{words[-1]}{' ' + arg if arg else ''}`" if words else f"`{arg}`, without dashes"
        yield f"| {text} | {who} | {note} |\n"


def page(tools, options):
    """The page as it should be: a table behind each `### TOOL`, in the order of the list."""
    with open(PAGE, encoding="utf-8") as file:
        text = file.read()
    head, mark, _ = text.partition("<!-- from here on made by tests/meta/test_parity.py --update -->\n")
    made = []
    for name in dict.fromkeys(entry[0] for entry in options):
        if name in tools:
            made.append(f"\n### [{name}](tools/{name}.md)\n\n")
            made += table([entry for entry in options if entry[0] == name])
    return text, head + mark + "".join(made)


def main(update):
    tools = {tool["name"]: tool for tool in json.loads(run("help", "--json")[1])["tools"]}
    options = list(entries())
    for name, tool in tools.items():
        mine = [entry for entry in options if entry[0] == name]
        check(f"{name}.listed", None if mine else "bcc-options.txt does not know this tool")
        check_tool(tool, mine)
    text, want = page(tools, options)
    if update:
        with open(PAGE, "w", encoding="utf-8") as file:
            file.write(want)
    else:
        check("page", None if text == want else f"run this with --update: {PAGE} is not what the list says")
    words = {word for tool in tools.values() for option in tool["options"]
             for word in ("--" + (option["name"] or ""), f"-{option['letter']}")}
    strange = set(re.findall(r"`(--[a-z0-9-]+)", want)) - words - {"--version", "--help", "--millisecond", "--ebpf"}
    check("page.words", sorted(strange))
    return close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True, type=os.path.abspath, help="nettrace")
    parser.add_argument("--update", action="store_true", help="write the page's tables")
    options = parser.parse_args()
    binary = options.bin
    sys.exit(main(options.update))
