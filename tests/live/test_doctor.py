# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""doctor: what it says of a host is what a run finds there, and every failure names what mends it."""
import json
import os
import re
import resource
import shutil
import subprocess

import nt
from nt import check, equal

CLONE_NEWUSER = 0x10000000
MS_BIND = 0x1000
MNT_DETACH = 2
PATIENCE = 1.5 * nt.PATIENCE  # it loads every tool's programs, and in a selftest twice
FACTS = "kernel architecture btf lockdown jit kprobes fentry tracefs cgroup".split()
NEEDED = {"CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN", "CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH",
          "CAP_SYS_ADMIN"} | ({"CAP_SYS_RESOURCE"} if nt.locks_maps() else set())


def copy_of_tool():
    """Where everybody may run it."""
    path = os.path.join(nt.temp_dir(), "nettrace")
    shutil.copy(nt.BIN, path)
    os.chmod(path, 0o755)
    return path


class Doctor:
    """What `doctor --json` says."""

    def __init__(self, *args, code=None, **how):
        done = nt.tool("doctor", "--json", *args, patience=PATIENCE, **how)
        equal(done.stderr, b"", "stderr")
        lines = [json.loads(line) for line in done.stdout.decode("utf-8", "strict").splitlines()]
        self.code = done.returncode
        self.host, self.tools = lines[0], {line["tool"]: line for line in lines[1:]}
        equal(self.host["tool"], "doctor", "the first line is the host's")
        equal(set(self.tools), all_tools(), "a line a tool")
        works = all(t["status"] in ("ok", "reduced") and t.get("selftest") != "wrong"
                    for t in self.tools.values())
        equal(self.code, 0 if works else 4, f"exit status of {self.tools}")
        if code is not None:
            equal(self.code, code, f"exit status of {self.tools}")
        for tool in self.tools.values():
            self.check_tool(tool)

    def check_tool(self, tool):
        if tool["status"] == "ok":
            equal((tool["reason"], tool["mend"]), (None, None), f"of what is ok: {tool}")
        else:
            check(tool["reason"] and tool["mend"], f"why, and what mends it: {tool}")
        check(tool["hooks"], f"the parts of {tool}")
        for part in tool["hooks"]:
            check(part["hook"] or part["tried"] or part["untried"], f"what is said of {part}")
            check(not part["missing"] or tool["status"] == "reduced", f"what is missing: {tool}")

    def mends(self, pattern):
        for tool in self.tools.values():
            equal(tool["status"], "no", f"status of {tool}")
            check(re.search(pattern, tool["mend"]), f"{pattern} mends {tool}")

    def statuses(self):
        return {name: tool["status"] for name, tool in self.tools.items()}


def all_tools():
    return {line.split()[0] for line in nt.tool("list").stdout.decode().splitlines()}


def read(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return None


def mounted():
    """(type, where, root) of all mounts."""
    found = []
    for line in read("/proc/self/mountinfo").splitlines():
        before, after = line.split(" - ")
        found.append((after.split()[0], before.split()[4], before.split()[3]))
    return found


def check_hooks(doctor):
    """They are those that a run takes."""
    for name, tool in nt.some(doctor.tools).items():
        lines = nt.tool(name, "--explain").stdout.decode().splitlines()
        wanted = {re.match(r"\w+: ([^:]+): (\w+)", line).groups() for line in lines}
        always = [part for part in tool["hooks"] if not part["option"]]
        equal({part["part"] for part in always}, {what for what, _ in wanted}, f"parts of {name}")
        for part in always:
            used = dict(wanted)[part["part"]]
            equal(part["hook"] is None, used == "nothing", f"{part} of {name}, {used}")
            kind = re.search(r"fentry|fexit|kprobe|sockops|_tp$|ingress", used)
            kind = {"_tp": "tp_btf", "ingress": "cgroup_skb"}.get(kind and kind[0], kind and kind[0])
            check(not kind or kind in part["hook"], f"{part} of {name}, --explain says {used}")


def check_kinds(doctor):
    """A kind of hooks that no tool could use is not said to work, and the other way round."""
    used = {hook.split("/")[0] for tool in doctor.tools.values() for part in tool["hooks"]
            for hook in (part["hook"] or "").split(", ")}
    equal(doctor.host["fentry"], bool(used & {"fentry", "fexit"}), f"fentry, of {used}")
    if used & {"kprobe", "kretprobe"}:
        equal(doctor.host["kprobes"], True, f"kprobes, of {used}")


def test_root():
    """Every tool works on every kernel; the facts are those of the host."""
    doctor = Doctor(code=0)
    host = doctor.host
    equal([key for key in host if key in FACTS], FACTS, "facts")
    equal((host["kernel"], host["architecture"], host["btf"]),
          (os.uname().release, os.uname().machine, True), "kernel")
    lockdown = read("/sys/kernel/security/lockdown")
    equal(host["lockdown"], lockdown and re.search(r"\[(\w+)\]", lockdown)[1], "lockdown")
    equal(host["jit"], read("/proc/sys/net/core/bpf_jit_enable").strip() != "0", "JIT")
    equal(host["tracefs"] or None,
          next((at for kind, at, _ in mounted() if kind == "tracefs"), None), "tracefs")
    kinds = {kind for kind, _, root in mounted() if kind == "cgroup" or root == "/"}
    equal(host["cgroup"], "mixed" if {"cgroup", "cgroup2"} <= kinds else
          "v2" if "cgroup2" in kinds else "v1", "cgroup")
    status = dict(line.split(":\t") for line in read("/proc/self/status").splitlines()
                  if line.startswith("Cap"))
    equal(len(host["capabilities"]["held"]), bin(int(status["CapEff"], 16)).count("1"),
          "capabilities held")
    equal(host["capabilities"]["missing"], [], "capabilities missing")
    for fact, mend in host["mend"].items():
        check(mend and host[fact] in (None, False, "integrity", "confidentiality"),
              f"{fact}: {host[fact]}, mended by {mend}")
    check_kinds(doctor)
    check_hooks(doctor)


def test_selftest():
    """Every tool says what is right about traffic of its own, and nothing is left behind."""
    done = nt.tool("doctor", "--selftest", patience=PATIENCE)
    equal((done.returncode, done.stderr), (0, b""), f"exit status and stderr: {done.stdout}")
    lines = done.stdout.decode().splitlines()
    for name in all_tools():
        (at,) = [i for i, line in enumerate(lines) if re.match(rf"{name} +(ok|reduced)\b", line)]
        below = lines[at + 1:]
        end = next((i for i, line in enumerate(below) if not line.startswith(" ")), len(below))
        check("    selftest: right" in below[:end], f"below {lines[at]}: {below[:end]}")
    names = {read(f"/proc/{pid}/comm") for pid in os.listdir("/proc") if pid.isdigit()}
    equal(names & {"nt-client\n", "nt-server\n"}, set(), "processes left")


def test_usage():
    for args in (["--jsn"], ["tcplife"], ["--json", "now"]):
        done = nt.tool("doctor", *args)
        equal((done.returncode, done.stdout), (2, b""), f"exit status of {args}")
        check(repr(args[-1]).encode() in done.stderr, f"the word is quoted: {done.stderr}")
    done = nt.tool("doctor", "--help")
    equal((done.returncode, done.stderr), (0, b""), "exit status of --help")


def test_nobody():
    """Without capabilities it names those that are missing, and what a run would try first."""
    doctor = Doctor("--selftest", argv=[copy_of_tool()], uid=nt.NOBODY, code=4)
    doctor.mends(r"^sudo nettrace \w+, or once: sudo setcap cap_bpf,cap_perfmon,\S+\+ep /\S+$")
    equal(doctor.host["capabilities"]["held"], [], "capabilities held")
    equal(set(doctor.host["capabilities"]["missing"]), NEEDED, "capabilities missing")
    equal((doctor.host["kprobes"], doctor.host["fentry"]), (None, None), "what was not tried")
    for tool in doctor.tools.values():
        check("CAP_BPF, CAP_PERFMON" in tool["reason"], f"the reason: {tool}")
        check(all(part["untried"] for part in tool["hooks"]), f"what would be first: {tool}")
        equal(tool["selftest"], "not tried", f"selftest of {tool}")


def test_two_capabilities():
    """What needs no more works; what a cgroup's hook is for names CAP_NET_ADMIN."""
    def become():
        nt.unlimited_memory()
        nt.become_nobody_with(nt.CAP_BPF, nt.CAP_PERFMON)

    path = copy_of_tool()
    doctor = Doctor(argv=[path], before=become)
    equal(set(doctor.host["capabilities"]["held"]), {"CAP_BPF", "CAP_PERFMON"}, "held")
    for name, tool in nt.some(doctor.tools).items():
        code = nt.tool(name, "--explain", argv=[path], before=become).returncode
        equal(code, 3 if tool["status"] == "no" else 0, f"exit status of {name}: {tool}")
        if tool["status"] == "no":
            check("CAP_NET_ADMIN" in tool["hooks"][0]["tried"] and "sudo" in tool["mend"],
                  f"the third one is named: {tool}")
    dns = [p for p in doctor.tools["tcpconnect"]["hooks"] if p["part"] == "DNS answers"]
    equal([(p["option"], p["hook"]) for p in dns], [("-d", None)], "DNS answers without it")
    check("CAP_NET_ADMIN is missing" in dns[0]["tried"], f"why: {dns}")


def test_locked_memory():
    """Where maps count as locked memory, what the limit keeps from loading names its capability."""
    def become():
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (65536, 65536))
        nt.become_nobody_with(nt.CAP_BPF, nt.CAP_PERFMON)

    path = copy_of_tool()
    done = nt.tool("tcplife", "--duration", 0.1, argv=[path], before=become)
    if not nt.locks_maps():
        return equal(done.returncode, 0, f"exit status: {done.stderr}")
    equal(done.returncode, 3, f"exit status: {done.stderr}")
    check(b"CAP_SYS_RESOURCE" in done.stderr and b"ulimit -l unlimited" in done.stderr,
          f"what is missing: {done.stderr}")
    doctor = Doctor(argv=[path], before=become, code=4)
    doctor.mends(r"setcap cap_bpf,\S*cap_sys_resource\S*\+ep")


def test_user_namespace():
    """Capabilities of a user namespace are none."""
    def become():
        nt.unshare(CLONE_NEWUSER)

    doctor = Doctor(argv=[copy_of_tool()], before=become, code=4)
    doctor.mends("leave the user namespace")
    equal(doctor.host["capabilities"]["user_namespace"], True, "where we are")


def masked(*paths):
    """A mount namespace in which nothing is at these paths."""
    nt.private_mounts()
    for path in paths:
        if os.path.isdir(path):
            nt.mount("none", path, "tmpfs")
        elif os.path.exists(path):
            nt.mount("/dev/null", path, None, MS_BIND)


def test_container():
    """No capabilities, no tracefs, no BTF, a masked /proc: an answer all the same."""
    def before():
        masked("/sys/kernel", "/proc/sys")

    doctor = Doctor("--selftest", argv=[copy_of_tool()], before=before, uid=nt.NOBODY, code=4)
    doctor.mends("setcap")
    host = doctor.host
    equal((host["btf"], host["lockdown"], host["jit"]), (False, None, None), "what is hidden")
    check("btf" in host["mend"] and "lockdown" in host["mend"], f"what mends it: {host['mend']}")


def test_empty_root():
    """In a directory with nothing but the program: no /proc, no /sys, and yet root."""
    path = copy_of_tool()
    root = os.path.dirname(path)

    def before():
        os.chroot(root)
        os.chdir("/")

    doctor = Doctor("--selftest", argv=["/nettrace"], before=before, code=4)
    doctor.mends(r"^mount -t sysfs sysfs /sys$")
    mends = doctor.host["mend"]
    equal(mends["btf"], "mount -t sysfs sysfs /sys", "BTF")
    equal(mends["tracefs"], "mount -t tracefs tracefs /sys/kernel/tracing", "tracefs")
    equal(mends["cgroup"], "mount -t cgroup2 cgroup2 /sys/fs/cgroup", "cgroup")


def test_root_without_capabilities():
    """As in a container: root, and nothing behind it."""
    def before():
        for cap in range(64):
            nt.libc.prctl(24, cap, 0, 0, 0)  # PR_CAPBSET_DROP
        header = nt.struct.pack("Ii", 0x20080522, 0)
        nt.libc.capset(header, nt.struct.pack("6I", 0, 0, 0, 0, 0, 0))

    doctor = Doctor(before=before, code=4)
    doctor.mends("--cap-add BPF --cap-add PERFMON")


def test_btf_masked():
    doctor = Doctor("--selftest", before=lambda: masked("/sys/kernel/btf"), code=4)
    doctor.mends("^umount /sys/kernel/btf$")
    equal(doctor.host["mend"]["btf"], "umount /sys/kernel/btf", "BTF")
    for tool in doctor.tools.values():
        check("/sys/kernel/btf/vmlinux" in tool["reason"], f"the reason: {tool}")


def unmount_cgroups(kind=None):
    nt.private_mounts()
    for type_, at, _ in reversed(mounted()):
        if type_ in ("cgroup", "cgroup2") and (not kind or type_ == kind):
            nt.libc.umount2(at.encode(), MNT_DETACH)


def cgroup_parts(doctor):
    """Parts in which a program of a cgroup was tried or used."""
    return [(name, part) for name, tool in doctor.tools.items() for part in tool["hooks"]
            if re.search("sockops|cgroup_skb", f"{part['hook']} {part['tried']}")]


def test_no_cgroup2():
    """Nothing is mounted: what needs a cgroup's hook says so, and names the command."""
    doctor = Doctor(before=unmount_cgroups)
    mend = "mount -t cgroup2 cgroup2 /sys/fs/cgroup"
    equal((doctor.host["cgroup"], doctor.host["mend"]["cgroup"]), (None, mend), "cgroup")
    parts = cgroup_parts(doctor)
    check(any(part["part"] == "DNS answers" for _, part in parts), f"-d is one: {parts}")
    for name, part in parts:
        check("no cgroup v2 hierarchy is mounted" in part["tried"], f"why: {part} of {name}")
        if not part["hook"]:
            equal(doctor.tools[name]["mend"], mend, f"what mends {name}")


def test_cgroup1():
    """v1 alone."""
    def before():
        unmount_cgroups()
        mount_cgroup1(path)

    path = copy_of_tool()
    host = Doctor(argv=[path], before=before, uid=nt.NOBODY).host
    equal(host["cgroup"], "v1", "cgroup")
    equal(host["mend"]["cgroup"], "mkdir -p /sys/fs/cgroup/unified && "
          "mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified", "what mends it")


def mount_cgroup1(path):
    directory = os.path.join(os.path.dirname(path), "v1")
    os.mkdir(directory)
    nt.mount("none", directory, "cgroup", 0, "none,name=nettrace")


def test_mixed_cgroups():
    def before():
        nt.private_mounts()
        mount_cgroup1(path)

    path = copy_of_tool()
    host = Doctor(argv=[path], before=before, uid=nt.NOBODY).host
    equal((host["cgroup"], host["mend"].get("cgroup")), ("mixed", None), "cgroup")


def test_mend_works():
    """The command that it names mends it."""
    unmount_cgroups()
    nt.mount("none", "/sys/fs/cgroup", "tmpfs")
    path = copy_of_tool()
    before = Doctor(argv=[path], uid=nt.NOBODY)
    subprocess.run(["/bin/sh", "-c", before.host["mend"]["cgroup"]], check=True)
    after = Doctor(argv=[path], uid=nt.NOBODY)
    equal((before.host["cgroup"], after.host["cgroup"]), (None, "v2"), "cgroup")
