#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Completion: what `nettrace complete` offers, and real shells that ask it. A shell that is missing is told."""
import argparse
import json
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time

from report import check, close, skip

PATIENCE = 30  # seconds until a shell that says nothing has failed


def run(*args):
    done = subprocess.run([binary, *args], capture_output=True, text=True, timeout=60)
    return done.stdout if not done.returncode else f"exit code {done.returncode}: {done.stderr}"


def offered(*words):
    return [line.split("\t")[0] for line in run("complete", *words).splitlines()]


def expect(name, words, has=(), lacks=(), only=None):
    got = offered(*words)
    wrong = [w for w in has if w not in got] + [w for w in lacks if w in got]
    check(name, f"{got}" if wrong or (only is not None and sorted(got) != sorted(only)) else None)


# ---- the command itself


def check_candidates(registry):
    tools = {tool["name"]: tool for tool in registry["tools"]}
    commands = [command["name"] for command in registry["commands"]]
    expect("first", ["nettrace", ""], only=[*tools, *commands])
    expect("first.prefix", ["./nettrace", "tcplif"], only=["tcplife"])
    expect("first.list", ["nettrace", "tcplife,tcpsta"], only=["tcplife,tcpstates"])
    expect("help", ["nettrace", "help", "tcplif"], only=["tcplife"])
    expect("completion", ["nettrace", "completion", ""], only=["bash", "zsh", "fish"])
    expect("replay", ["nettrace", "replay", ""], only=[":files"])
    expect("replay.options", ["nettrace", "replay", "x.nt", "--"], ["--columns", "--lport"],
           ["--duration"])
    expect("nothing", ["nettrace", "nonsense", ""], only=[])
    for name, tool in tools.items():
        words = {f"--{o['name']}" for o in tool["options"] if o["name"]} | {"--help"}
        letters = {f"-{o['letter']}" for o in tool["options"] if o["letter"]}
        expect(f"{name}.options", ["nettrace", name, "-"], only=words | letters)
        expect(f"{name}.called-as", [f"/usr/lib/{name}", "--"], only=words)
        columns = {c["name"] for c in tool["columns"] + tool.get("variant", [])} | {"tool"}
        for sign in "", "+", "-":
            got = set(offered("nettrace", name, "--columns", f"{sign}tool,{sign}"))
            want = {f"{sign}tool,{sign}{c}" for c in columns}
            check(f"{name}.columns {sign}", None if got == want else got ^ want)
        got = set(offered("nettrace", name, "--filter", ""))
        check(f"{name}.filter", got ^ set(tool["words"]))
    expect("columns.help", ["nettrace", "tcplife", "--columns", "he"], only=["help"])
    expect("columns.equals", ["nettrace", "tcplife", "--columns=pid,tx"],
           only=["--columns=pid,tx_bytes"])
    expect("columns.equals-apart", ["nettrace", "tcplife", "--columns", "=", "pid,tx"],
           only=["pid,tx_bytes"])
    expect("columns.sign-kept", ["nettrace", "tcplife", "--columns", "+retrans,"],
           ["+retrans,+end"], ["+retrans,end"])
    expect("format", ["nettrace", "tcplife", "-o", ""], only=["table", "csv", "json"])
    expect("format.cluster", ["nettrace", "tcplife", "-To", "c"], only=["csv"])
    expect("file", ["nettrace", "tcplife", "--record", ""], only=[":files"])
    expect("device", ["nettrace", "netqtop", "-n", "l"], ["lo"])
    expect("text", ["nettrace", "tcplife", "--pid", ""], only=[])
    expect("filter.value", ["nettrace", "tcplife", "--filter", "end local"], only=["end local_close"])
    expect("filter.values", ["nettrace", "tcplife", "--filter", "not (end timeout,ref"],
           only=["not (end timeout,refused"])
    expect("filter.join", ["nettrace", "tcplife", "--filter", "lport 80 "],
           only=["lport 80 and", "lport 80 or"])
    expect("filter.operator", ["nettrace", "tcplife", "--filter", "duration > "], only=[])
    expect("filter.after-operator", ["nettrace", "tcplife", "--filter", "duration > 1s a"],
           only=["duration > 1s and"])
    expect("filter.alone", ["nettrace", "tcplife", "--filter", "ip6 a"], only=["ip6 and"])
    expect("filter.next", ["nettrace", "tcplife", "--filter", "'ip6 and lpo"],
           only=["ip6 and lport"])
    expect("merged", ["nettrace", "tcplife,tcpstates", "--columns", "old"], only=["old_state"])


# ---- real shells


class Terminal:
    """A shell on a terminal, and what it shows."""

    def __init__(self, command, env):
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.execvpe(command[0], command, env)
        self.seen = ""

    def send(self, text):
        self.seen = ""
        os.write(self.fd, text.encode())

    def wait(self, *patterns):
        """The number of the pattern that is seen first, None: none in time."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\x07|\r", "", self.seen)
            for number, pattern in enumerate(patterns):
                if re.search(pattern, plain):
                    return number
            if select.select([self.fd], [], [], 0.2)[0]:
                try:
                    self.seen += os.read(self.fd, 65536).decode(errors="replace")
                except OSError:
                    return None
        return None

    def close(self):
        os.close(self.fd)
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)


# What is typed, what one TAB makes of it.
TYPED = [
    ("nettrace tcplif", "nettrace tcplife"),
    ("nettrace tcplife --colu", "nettrace tcplife --columns"),
    ("nettrace tcplife --columns pid,dura", "nettrace tcplife --columns pid,duration_ns"),
    ("nettrace tcplife --columns=+partia", "nettrace tcplife --columns=+partial"),
    ("nettrace tcplife --filter 'ip6 and lpo", "nettrace tcplife --filter 'ip6 and lport"),
    ("nettrace tcplife --record reco", "nettrace tcplife --record recording.nt"),
    ("tcpstates --jour", "tcpstates --journal"),
]


def check_on_terminal(shell, command, script, env):
    terminal = Terminal(command, env)
    try:
        terminal.send(script + "\n")
        if terminal.wait("READY1") is None:
            check(f"{shell}.start", repr(terminal.seen))
            return
        for typed, want in TYPED:
            terminal.send(typed + "\t")
            got = terminal.wait(re.escape(want))
            check(f"{shell} {typed}", None if got is not None else repr(terminal.seen))
            terminal.send("\x15 echo READY$((1+1))\n")  # ^U: away with the line
            if terminal.wait("READY2") is None:
                check(f"{shell}.line", repr(terminal.seen))
    finally:
        terminal.close()


def check_bash(env):
    check_on_terminal("bash", ["bash", "--norc", "--noprofile", "-i"],
                      "bind 'set enable-bracketed-paste off'; PS1='$ '; "
                      ". <(nettrace completion bash); echo READY$((2-1))", env)


def check_zsh(env):
    check_on_terminal("zsh", ["zsh", "-f", "-i"],
                      "PS1='%% '; unsetopt beep prompt_sp zle_bracketed_paste 2>/dev/null; autoload -U compinit; "
                      "compinit -u -D; source <(nettrace completion zsh); echo READY$((2-1))", env)


def check_fish(env):
    for typed, want in TYPED:
        done = subprocess.run(["fish", "-N", "-c", "nettrace completion fish | source; complete -C $argv[1]", typed],
                              env=env, capture_output=True, text=True, timeout=PATIENCE, cwd=env["HOME"])
        got = [line.split("\t")[0] for line in done.stdout.splitlines()]
        tail = want.split(" ", typed.count(" "))[-1] if "'" not in want else want.split("'")[1]
        tail = tail if "'" in want else want.rsplit(" ", 1)[-1]
        check(f"fish {typed}", None if got == [tail] else f"{got}, {done.stderr}")


def check_shells():
    with tempfile.TemporaryDirectory() as home:
        os.symlink(binary, os.path.join(home, "nettrace"))
        for tool in registry["tools"]:
            os.symlink("nettrace", os.path.join(home, tool["name"]))
        os.mkdir(os.path.join(home, "work"))
        open(os.path.join(home, "recording.nt"), "w").close()
        env = {"HOME": home, "PATH": f"{home}:/usr/bin:/bin", "TERM": "xterm", "LC_ALL": "C.UTF-8",
               "COLUMNS": "200", "LINES": "50"}
        os.chdir(home)
        for shell, function in (("bash", check_bash), ("zsh", check_zsh), ("fish", check_fish)):
            if shutil.which(shell):
                function(env)
            else:
                skip(shell, "it is not installed: its completion was not tested")
        os.chdir("/")


def main():
    check_candidates(registry)
    check("no-shell", None if "exit code 2" in run("completion", "tcsh") else "it was taken")
    check_shells()
    return close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True, type=os.path.abspath, help="nettrace")
    binary = parser.parse_args().bin
    registry = json.loads(run("help", "--json"))
    sys.exit(main())
