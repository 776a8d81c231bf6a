#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a tool costs: instructions (or ns) a connection of a churn load, start, memory. Prints a table.

In a guest started with --icount a nanosecond is an instruction, and the figures repeat.
"""
import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time


def cpu_ns(pid):
    """On-CPU time of all threads, ns."""
    return sum(int(open(f"/proc/{pid}/task/{t}/schedstat").read().split()[0])
               for t in os.listdir(f"/proc/{pid}/task"))


def status_kb(pid, key):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith(key + ":"):
            return int(line.split()[1])
    return 0


def lines_of(path):
    with open(path, "rb") as f:
        return f.read().count(b"\n")


def churn(args):
    out = subprocess.run([args.churn, "-n", str(args.connections), "-b", "100"], check=True, capture_output=True)
    return json.loads(out.stdout)


def wait_until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            sys.exit("cost.py: waited too long")
        time.sleep(0.002)


def is_attached(pid):
    """For tools that do not say so: they hold a perf event or a BPF link and wait."""
    try:
        fds = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        state = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state == "S" and sum("perf" in fd or "link" in fd for fd in fds) > 1


def start_ms(command):
    """Until something appears on a terminal, which every tool prints once it is attached."""
    time.sleep(1)  # the kernel still takes down what ran before
    master, slave = os.openpty()
    began = time.monotonic_ns()
    tool = subprocess.Popen(command, stdout=slave, stderr=slave)
    os.read(master, 1)
    took = (time.monotonic_ns() - began) / 1e6
    tool.send_signal(2)
    tool.wait()
    os.close(master)
    os.close(slave)
    return took


def measure(name, command, args, ready):
    """One tool around the load; `ready`: it makes a ready file, or is watched until it holds its hooks."""
    work = tempfile.mkdtemp()
    rows, flag = f"{work}/rows", f"{work}/ready"
    with open(rows, "wb") as out:
        tool = subprocess.Popen([w.replace("@READY@", flag) for w in command], stdout=out, stderr=subprocess.DEVNULL)
    wait_until(lambda: os.path.exists(flag) if ready == "file" else is_attached(tool.pid))
    time.sleep(0.3)
    before = cpu_ns(tool.pid)
    load = churn(args)
    time.sleep(0.5)
    result = {
        "name": name,
        "cpu": load["cpu_seconds"] * 1e9 + cpu_ns(tool.pid) - before,
        "peak_kb": status_kb(tool.pid, "VmHWM"),
        "anon_kb": status_kb(tool.pid, "RssAnon"),
    }
    tool.send_signal(2)
    tool.wait()
    result["rows"] = lines_of(rows)
    return result


def programs():
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../live"))
    import bpf
    return list(bpf.programs())


def measure_programs(name, command, args, ready):
    """ns a run of each program that the tool loads (kernel.bpf_stats_enabled)."""
    switch = "/proc/sys/kernel/bpf_stats_enabled"
    try:
        open(switch, "w").write("1")
    except OSError:
        return
    flag = f"{tempfile.mkdtemp()}/ready"
    before = {p.id for p in programs()}
    tool = subprocess.Popen([w.replace("@READY@", flag) for w in command], stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)
    wait_until(lambda: os.path.exists(flag) if ready == "file" else is_attached(tool.pid))
    churn(args)
    for p in programs():
        if p.run_cnt and p.id not in before:
            print(f"{name:28} {p.name:16} {p.run_time_ns / p.run_cnt:9.0f} ns a run, {p.run_cnt} runs")
    tool.send_signal(2)
    tool.wait()
    open(switch, "w").write("0")


def calls(n):
    """ns a send() and a recv() of 100 bytes, on one connection over loopback."""
    block, together = bytes(100), 50
    server = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(server.getsockname())
    peer, _ = server.accept()
    sent = received = 0
    for _ in range(n // together):
        began = time.perf_counter_ns()
        for _ in range(together):
            client.send(block)
        between = time.perf_counter_ns()
        for _ in range(together):
            peer.recv(100)
        sent += between - began
        received += time.perf_counter_ns() - between
    return sent / n, received / n


def measure_calls(args):
    """What a tool that counts bytes adds to each call."""
    calls(args.calls)
    base = [min(found) for found in zip(*(calls(args.calls) for _ in range(3)))]
    print(f"untraced: {base[0]:,.0f} a send(), {base[1]:,.0f} a recv()")
    runs = [(f"nettrace {args.tool}", [args.nettrace, args.tool, "-o", "json", "--ready-file", "@READY@"], "file"),
            (f"libbpf-tools {args.tool}", [args.other, "-C", "1000"], "fds")]
    for name, command, ready in runs:
        if not command[0] or not os.path.exists(command[0]):
            continue
        flag = f"{tempfile.mkdtemp()}/ready"
        tool = subprocess.Popen([w.replace("@READY@", flag) for w in command], stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)
        wait_until(lambda: os.path.exists(flag) if ready == "file" else is_attached(tool.pid))
        calls(args.calls)
        found = [min(both) for both in zip(*(calls(args.calls) for _ in range(3)))]
        print(f"{name:28} adds {found[0] - base[0]:,.0f} to a send(), {found[1] - base[1]:,.0f} to a recv()")
        tool.send_signal(2)
        tool.wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--nettrace", required=True)
    parser.add_argument("--churn", required=True)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--tool", default="tcplife")
    parser.add_argument("--other", help="libbpf-tools' tool of that name, if it is there")
    parser.add_argument("--calls", type=int, help="so many send() and recv() instead of connections")
    args = parser.parse_args()
    if args.calls:
        measure_calls(args)
        return

    churn(args)  # warm: slabs, routes, page cache
    base = min(churn(args)["cpu_seconds"] for _ in range(3)) * 1e9
    n = args.connections
    print(f"untraced: {base / n:,.0f} a connection")
    print(f"{'':28} {'added':>9} {'peak kB':>8} {'anon kB':>8} {'rows':>6}")
    runs = [(f"nettrace {args.tool} -o {f}", [args.nettrace, args.tool, "-o", f, "--ready-file", "@READY@"], "file")
            for f in ("table", "csv", "json")]
    if args.other and os.path.exists(args.other):
        runs.append((f"libbpf-tools {args.tool}", [args.other], "fds"))
    for name, command, ready in runs:
        r = measure(name, command, args, ready)
        print(f"{name:28} {(r['cpu'] - base) / n:9,.0f} {r['peak_kb']:8} {r['anon_kb']:8} {r['rows']:6}")
    for name, command in ((f"nettrace {args.tool}", [args.nettrace, args.tool]),
                          (f"libbpf-tools {args.tool}", [args.other])):
        if command[0] and os.path.exists(command[0]):
            took = sorted(start_ms(command) for _ in range(3))
            print(f"{name:28} starts in {took[0]:.1f} to {took[-1]:.1f} ms")
    for name, command, ready in (runs[0], *runs[3:]):
        measure_programs(name, command, args, ready)


main()
