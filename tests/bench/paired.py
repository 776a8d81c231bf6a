#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a tool takes from a load: with and without it in turn, medians of the pairs.

The load is one stream of iperf3 over loopback, or with --packets small datagrams over a veth, in
network namespaces of their own, and with --refused too connect() to a closed port of loopback. In
a guest started with --icount the figures repeat. Then, once more, the time that the tool's
programs take by the kernel's own count (bpf_stats).
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

FAR = "192.0.2.2"


def run(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


class Spaces:
    """Two network namespaces joined by a veth, for as long as the block lasts."""

    def __enter__(self):
        self.names = [f"ntb{os.getpid()}{end}" for end in "ab"]
        for name in self.names:
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        near, far = self.names
        run("ip", "-n", near, "link", "add", "veth0", "type", "veth", "peer", "name", "veth0", "netns", far)
        for name, addr in ((near, "192.0.2.1"), (far, FAR)):
            run("ip", "-n", name, "addr", "add", f"{addr}/24", "dev", "veth0")
            run("ip", "-n", name, "link", "set", "veth0", "up")
        return self.names

    def __exit__(self, *_):
        for name in self.names:
            run("ip", "netns", "del", name)


def wait_until(condition, what):
    end = time.monotonic() + 30
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"paired.py: waited in vain for {what}")
        time.sleep(0.005)


def ended(process):
    """CPU seconds of a process, and what it said."""
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime, out


def stream(spaces, args):
    """Bytes a second, CPU ns for each KiB, and how many KiB there were."""
    near, _ = spaces
    start = lambda *words: subprocess.Popen(["ip", "netns", "exec", near, "iperf3", "-J", *words],
                                            stdout=subprocess.PIPE, text=True)
    server = start("-s", "-1")
    wait_until(lambda: ":5201" in run("ip", "netns", "exec", near, "ss", "-Hltn"), "iperf3 to listen")
    client = start("-c", "127.0.0.1", "-t", str(args.seconds))
    cpu, out = ended(client)
    cpu += ended(server)[0]
    done = json.loads(out)["end"]["sum_received"]
    return done["bytes"] / done["seconds"], cpu * 1e9 / done["bytes"] * 1024, done["bytes"] / 1024


def packets(spaces, args):
    """The same of packets."""
    near, far = spaces
    target = ("refused", "127.0.0.1") if args.refused else (f"/run/netns/{far}", FAR)
    done = json.loads(run("ip", "netns", "exec", near, args.packets, str(args.count), *target))
    return done["packets"] / done["seconds"], done["cpu_seconds"] * 1e9 / done["packets"], done["packets"]


class Traced:
    """The tool runs for as long as the block lasts."""

    def __init__(self, command):
        self.command = command

    def __enter__(self):
        flag = os.path.join(tempfile.mkdtemp(), "ready")
        self.tool = subprocess.Popen([*self.command, "--ready-file", flag], stdout=subprocess.DEVNULL)
        wait_until(lambda: os.path.exists(flag), "the tool")

    def __exit__(self, *_):
        self.tool.send_signal(2)
        self.tool.wait()


def in_programs(load, spaces, args):
    """ns in the tool's programs for each KiB or packet (kernel.bpf_stats_enabled)."""
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../live"))
    import bpf
    switch = "/proc/sys/kernel/bpf_stats_enabled"
    before = {p.id for p in bpf.programs()}
    open(switch, "w").write("1")
    try:
        with Traced([args.nettrace, *args.tool]):
            _, _, amount = load(spaces, args)
            own = [p for p in bpf.programs() if p.run_cnt and p.id not in before]
            for p in own:
                print(f"  {p.name}: {p.run_time_ns / p.run_cnt:,.0f} ns a run, {p.run_cnt / amount:.2f} runs")
            return sum(p.run_time_ns for p in own) / amount
    finally:
        open(switch, "w").write("0")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nettrace", required=True)
    parser.add_argument("--packets", help="the sender of packets, built from tests/bench/packets.c")
    parser.add_argument("--refused", action="store_true", help="each a SYN that nobody waits for")
    parser.add_argument("--count", type=int, default=300000, help="how many of them")
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("tool", nargs="+", help="the tool and its options")
    args = parser.parse_args()
    rates, costs, untraced = [], [], []
    load = packets if args.packets else stream
    with Spaces() as spaces:
        load(spaces, args)  # warm
        for i in range(args.pairs):
            pair = {}
            for traced in (i % 2, 1 - i % 2):
                if traced:
                    with Traced([args.nettrace, *args.tool]):
                        pair[traced] = load(spaces, args)
                else:
                    pair[traced] = load(spaces, args)
            rates.append(1 - pair[1][0] / pair[0][0])
            costs.append(pair[1][1] / pair[0][1] - 1)
            untraced.append(pair[0][:2])
        programs = in_programs(load, spaces, args)
    unit, each = ("kpps", "packet") if args.packets else ("MB/s", "KiB")
    rate, cost = (statistics.median(column) for column in zip(*untraced))
    rate /= 1e3 if args.packets else 1e6
    print(f"{' '.join(args.tool)}: untraced {rate:,.0f} {unit}, "
          f"{cost:,.1f} ns of CPU a {each}; traced {statistics.median(rates):+.1%} rate lost, "
          f"{statistics.median(costs):+.1%} CPU (medians of {args.pairs} pairs; CPU from "
          f"{min(costs):+.1%} to {max(costs):+.1%}); its programs {programs:,.1f} ns a {each}, "
          f"{programs / cost:.1%}")


main()
