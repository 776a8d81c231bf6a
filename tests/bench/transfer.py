#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What a tool takes from an iperf3 transfer over loopback: pairs of runs, without and with it, and their median.

CPU time a byte tells more than throughput where others use the CPUs too.
"""
import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time


def transfer(args):
    """(bytes a second, CPU seconds of both ends a byte)"""
    server = subprocess.Popen(["iperf3", "-s", "-1", "-p", str(args.port)], stdout=subprocess.DEVNULL)
    time.sleep(0.2)
    done = subprocess.run(["iperf3", "-c", "127.0.0.1", "-p", str(args.port), "-t", str(args.seconds), "-J",
                           "-l", args.length], check=True, capture_output=True)
    server.wait()
    end = json.loads(done.stdout)["end"]
    cpu = end["cpu_utilization_percent"]
    moved = end["sum_received"]["bytes"]
    return (end["sum_received"]["bits_per_second"] / 8,
            (cpu["host_total"] + cpu["remote_total"]) / 100 * end["sum_received"]["seconds"] / moved)


def traced(args):
    ready = f"{tempfile.mkdtemp()}/ready"
    tool = subprocess.Popen([args.nettrace, args.tool, "--json", "--ready-file", ready], stdout=subprocess.DEVNULL)
    while not os.path.exists(ready):
        time.sleep(0.01)
    found = transfer(args)
    tool.send_signal(2)
    tool.wait()
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--nettrace", required=True)
    parser.add_argument("--tool", default="tcptop")
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--length", default="128K", help="bytes a call")
    parser.add_argument("--port", type=int, default=5299)
    args = parser.parse_args()
    transfer(args)
    less, more = [], []
    for i in range(args.pairs):
        pair = [transfer, traced] if i % 2 else [traced, transfer]
        results = {run: run(args) for run in pair}
        less.append(1 - results[traced][0] / results[transfer][0])
        more.append(results[traced][1] / results[transfer][1] - 1)
    print(f"{args.tool}, {args.length} a call, {args.pairs} pairs: throughput {statistics.median(less):.1%} less, "
          f"CPU time a byte {statistics.median(more):.1%} more (medians)")


main()
