# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""A terminal for one program: what is on its two screens, its keys, its size, its state."""
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios
import time

import nt

SEQUENCE = re.compile(r"\x1b\[(\??)([\d;]*)([A-Za-z])")


class Screen:
    """The sequences of ECMA-48 and xterm that a full-screen program uses."""

    def __init__(self, rows, cols):
        self.modes = {7: True, 25: True, 1049: False}  # wraps, shows the cursor, other screen
        self.bright = False
        self.lines = {False: [""], True: [""]}
        self.at = {False: [0, 0], True: [0, 0]}
        self.rest = ""
        self.cancelled = False
        self.resize(rows, cols)

    def resize(self, rows, cols):
        self.rows, self.cols = rows, cols

    def feed(self, text):
        text = self.rest + text
        at = 0
        while at < len(text):
            found = SEQUENCE.match(text, at) if text[at] == "\x1b" else None
            if text[at] == "\x1b" and not found:
                cut = text.find("\x18", at)
                if cut < 0:
                    break
                at = cut + 1
                continue
            if found:
                self.sequence(*found.groups())
                at = found.end()
                continue
            self.character(text[at])
            at += 1
        self.rest = text[at:]

    def put(self, y, x, text):
        lines = self.lines[self.modes[1049]]
        while len(lines) <= y:
            lines.append("")
        lines[y] = lines[y][:x].ljust(x) + text + lines[y][x + len(text):]

    def character(self, c):
        place = self.at[self.modes[1049]]
        if c == "\r":
            place[1] = 0
        elif c == "\n":
            place[0] += 1
        elif c != "\x18":
            nt.check(c.isprintable(), f"a control character on the screen: {c!r}")
            if place[1] >= self.cols:  # wraps, or stays in the last column
                place[0], place[1] = (place[0] + 1, 0) if self.modes[7] else (place[0],
                                                                             self.cols - 1)
            self.put(*place, c)
            place[1] += 1

    def sequence(self, private, numbers, letter):
        lines, place = self.lines[self.modes[1049]], self.at[self.modes[1049]]
        if private:
            nt.check(int(numbers) in self.modes and letter in "hl", f"a mode: {numbers}{letter}")
            self.modes[int(numbers)] = letter == "h"
            if numbers == "1049" and letter == "h":
                self.lines[True], self.at[True] = [""], list(place)
        elif letter == "H":
            row, col = map(int, numbers.split(";")) if numbers else (1, 1)
            place[:] = [row - 1, col - 1]
        elif letter == "K" and place[0] < len(lines):
            lines[place[0]] = lines[place[0]][:place[1]]
        elif letter == "J":
            del lines[place[0] + 1:]
            if place[0] < len(lines):
                lines[place[0]] = lines[place[0]][:place[1]]
        elif letter == "m":
            self.bright = numbers == "7"

    @property
    def shown(self):
        return self.lines[self.modes[1049]]

    @property
    def untouched(self):
        return self.modes == {7: True, 25: True, 1049: False} and not self.bright


# As a shell does it: a job of its own in the foreground, in a group that can be stopped.
SHELL = """
import fcntl, os, signal, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
child = os.fork()
if not child:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    os.execvp(sys.argv[1], sys.argv[1:])
status = os.waitpid(child, 0)[1]
os._exit(os.waitstatus_to_exitcode(status) & 255)
"""


class Terminal:
    """Runs `argv` as the job of a shell on a terminal."""

    def __init__(self, *argv, rows=24, cols=80):
        self.master, slave = os.openpty()
        self.screen = Screen(rows, cols)
        self.set_size(rows, cols)
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.process = subprocess.Popen(
            [nt.PYTHON, "-c", SHELL] + [str(a) for a in argv], stdin=slave, stdout=slave,
            stderr=slave, preexec_fn=nt.die_with_parent, env={**os.environ, "TERM": "xterm"})
        nt.at_end(self._end)
        children = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        self.pid = int(nt.wait_for(lambda: open(children).read().split(), "the program")[0])

    def _end(self):
        if self.process.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)

    def set_size(self, rows, cols):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
        self.screen.resize(rows, cols)

    def type(self, keys):
        os.write(self.master, keys.encode())

    def read(self, seconds=0.05):
        """What has come until nothing comes for so long."""
        while select.select([self.master], [], [], seconds)[0]:
            self.screen.feed(os.read(self.master, 65536).decode())

    def wait_shown(self, condition, what):
        """Until condition(lines of the screen); its value."""
        end = time.monotonic() + nt.PATIENCE
        while True:
            self.read()
            value = condition(self.screen.shown)
            if value:
                return value
            if time.monotonic() > end:
                raise nt.Fail(f"waited in vain for {what}; the screen shows:\n" +
                              "\n".join(self.screen.shown))

    def wait_state(self, letters):
        """Until the process is in one of these states of /proc/PID/stat."""
        def state():
            self.read(0)
            with open(f"/proc/{self.pid}/stat") as file:
                return file.read().rsplit(")", 1)[1].split()[0] in letters
        nt.wait_for(state, f"state {letters}")

    def wait(self):
        """Its exit code."""
        def ended():
            self.read(0.01)
            return self.process.poll() is not None
        nt.wait_for(ended, f"{self.process.args} to end")
        self.read()
        return self.process.returncode

    def check_restored(self):
        nt.check(self.screen.untouched, f"the terminal is as it was: {self.screen.modes}")
        nt.equal(termios.tcgetattr(self.slave), self.before, "settings of the terminal")
