#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""The rules of the house that no compiler holds: includes, lengths, and what is not written."""
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.relpath(os.path.abspath(__file__), ROOT)

COLUMNS = {".c": 100, ".h": 100}  # a tab reaches to the next multiple of 8; 120 elsewhere
TOOL_LINES, PROBE_LINES, FUNCTION_LINES = 120, 200, 60
SPDX = "SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause"
CODE = (".c", ".h", ".py", ".sh", ".S", ".cmake", ".def")
NOT_TOOLS = ("cmd/main.c", "cmd/commands.c", "cmd/doctor.c", "cmd/selftests.c")
SKIP_DIRS = {".git", ".cache", "__pycache__"}

passed = failed = 0


def check(name, findings):
    """`findings`: (path, line or None, what)"""
    global passed, failed
    findings = list(findings)
    if not findings:
        passed += 1
        print(f"ok   {name}")
        return
    failed += 1
    print(f"FAIL {name}")
    for path, line, what in findings:
        print(f"     {path}{f':{line}' if line else ''}: {what}")


def all_files():
    """What belongs to the project: what git has or would take, without git everything."""
    git = subprocess.run(["git", "-C", ROOT, "ls-files", "-z", "-co", "--exclude-standard"],
                         capture_output=True, check=False)
    if not git.returncode:
        found = git.stdout.decode().split("\0")
        return sorted(path for path in found if path and os.path.isfile(os.path.join(ROOT, path)))
    found = []
    for directory, below, names in os.walk(ROOT):
        below[:] = [d for d in below if d not in SKIP_DIRS and not d.startswith("build")]
        found += [os.path.relpath(os.path.join(directory, name), ROOT) for name in names]
    return sorted(found)


def read(path):
    with open(os.path.join(ROOT, path), "rb") as file:
        data = file.read()
    return None if b"\0" in data else data.decode("utf-8")


def is_script(path):
    return TEXT[path].startswith("#!") or path.endswith(("CMakeLists.txt", ".clang-format"))


def is_code(path):
    return path.endswith(CODE) or is_script(path)


def in_c(path):
    return path.endswith((".c", ".h"))


def room(path):
    return path.split("/")[0] if "/" in path else ""


def without_comments(text):
    """C without comments and texts, lines kept: words in them are free."""
    def blank(match):
        found = match.group()
        if found[0] == "/":
            return "\n" * found.count("\n") or " "
        return found[0] + found[0]
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text,
                  flags=re.S)


def search(pattern, paths, what, text_of=None):
    compiled = re.compile(pattern)
    for path in paths:
        text = text_of(TEXT[path]) if text_of else TEXT[path]
        for number, line in enumerate(text.split("\n"), 1):
            found = compiled.search(line)
            if found:
                yield path, number, f"{found.group().strip()!r}: {what}"


# ---- who includes whom


def includes(path):
    for number, line in enumerate(TEXT[path].split("\n"), 1):
        found = re.match(r'\s*#\s*include\s+([<"])([^">]+)[">]', line)
        if found:
            yield number, found.group(1), found.group(2)


def headers_of(directory):
    return {os.path.basename(path) for path in TEXT
            if room(path) == directory and path.endswith(".h")}


def include_rules():
    core, probes = headers_of("core"), headers_of("probes")
    tool_headers = {f"{tool}.h" for tool in TOOLS}
    for path in filter(in_c, TEXT):
        for number, quote, header in includes(path):
            what = wrong_include(path, quote, header, core, probes, tool_headers)
            if what:
                yield path, number, f"{header}: {what}"


def wrong_include(path, quote, header, core, probes, tool_headers):
    base = os.path.basename(header)
    tool = os.path.basename(path).split(".")[0]
    if ".." in header:
        return "no way up"
    if room(path) == "output":
        if header.startswith(("bpf/", "linux/bpf")) or (quote == '"' and base in core | probes):
            return "output/ knows neither core nor libbpf"
    if room(path) == "core" and base in tool_headers and quote == '"':
        return "core/ knows no tool"
    if room(path) == "cmd" and tool in TOOLS and header not in ("tool.h", f"{tool}.h"):
        return "a tool includes tool.h and its own header only"
    if room(path) == "probes" and ".bpf." in path:
        if header not in probes if quote == '"' else not header.startswith("bpf/"):
            return "probes include probes/ and <bpf/...> only"
        if base in tool_headers - {f"{tool}.h"}:
            return "a probe includes no other tool's header"
    return None


# ---- how long things may be


def line_budgets():
    for path, text in TEXT.items():
        lines = text.count("\n")
        if re.fullmatch(r"cmd/\w+\.c", path) and path not in NOT_TOOLS and lines > TOOL_LINES:
            yield path, None, f"{lines} lines; a tool has at most {TOOL_LINES}"
        if re.fullmatch(r"probes/\w+\.bpf\.c", path) and lines > PROBE_LINES:
            yield path, None, f"{lines} lines; a probe has at most {PROBE_LINES}"


def functions(text):
    """(first line, name, lines) of every function: its braces stand in the first column."""
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if line != "{":
            continue
        first = number
        while first and re.search(r"[^;}/]$", lines[first - 1]):
            first -= 1
        last = next((i for i in range(number, len(lines)) if lines[i].startswith("}")),
                    len(lines) - 1)
        name = re.search(r"(\w+)\s*\(", " ".join(lines[first:number]))
        yield first + 1, name.group(1) if name else "?", last - first + 1


def function_budgets():
    for path in filter(in_c, TEXT):
        if room(path) == "tests":
            continue
        for line, name, lines in functions(without_comments(TEXT[path])):
            if lines > FUNCTION_LINES:
                yield path, line, f"{name}() has {lines} lines, more than {FUNCTION_LINES}"


def wide_lines():
    for path in filter(is_code, TEXT):
        for number, line in enumerate(TEXT[path].split("\n"), 1):
            width = len(line.expandtabs(8))
            if width > COLUMNS.get(os.path.splitext(path)[1], 120):
                yield path, number, f"{width} columns"


# ---- what every file has, and what none has


def without_spdx():
    for path in filter(is_code, TEXT):
        if SPDX not in "\n".join(TEXT[path].split("\n")[:2]):
            yield path, None, "the first lines do not say the licence"


def untidy():
    for path, text in TEXT.items():
        if path.endswith((".out", ".err")):
            continue
        if text and not text.endswith("\n"):
            yield path, None, "no newline at the end"
        if text.endswith("\n\n"):
            yield path, None, "blank lines at the end"
        for number, line in enumerate(text.split("\n"), 1):
            if line != line.rstrip():
                yield path, number, "blanks at the end of the line"
            if "\r" in line:
                yield path, number, "carriage return"


def second_tables(paths):
    """The names of TCP states stand in one file."""
    found = list(search(r'"SYN_SENT"', paths, "TCP states have one table"))
    return found if len({path for path, _, _ in found}) > 1 else []


def c_files(*rooms):
    return [path for path in TEXT if in_c(path) and (not rooms or room(path) in rooms)]


def hint_format():
    """clang-format's opinion, which is no rule: tables are often better by hand."""
    program = shutil.which("clang-format")
    if not program:
        return
    differ = []
    for path in c_files("cmd", "core", "output", "probes"):
        done = subprocess.run([program, "--dry-run", "--style=file", path], cwd=ROOT,
                              capture_output=True, text=True, check=False)
        count = done.stderr.count("warning:")
        if count:
            differ.append(f"{path} {count}")
    print(f"hint clang-format would change: {', '.join(differ) or 'nothing'}")


def main():
    check("includes", include_rules())
    check("budget.lines", line_budgets())
    check("budget.functions", function_budgets())
    check("columns", wide_lines())
    check("spdx", without_spdx())
    check("tidy", untidy())
    own = c_files("cmd", "core", "output", "probes")
    check("format-outside-output",
          search(r"\bif\s*\(\s*!?\s*json", [p for p in own if room(p) != "output"],
                                          "only output/ knows formats", without_comments))
    # A unit test fills buffers with texts of its own making; everything else meets the world.
    met = [path for path in c_files() if not path.startswith("tests/unit/")]
    check("banned",
          search(r"\b(?:sprintf|vsprintf|strcpy|strcat|gets|atoi|atol|atof)\s*\(", met,
                           "no bounds, or no errors", without_comments))
    check("version-compare",
          search(r"\b(?:LINUX_VERSION_CODE|KERNEL_VERSION|LINUX_KERNEL_VERSION)\b", c_files(),
                                    "ask the kernel, not its version", without_comments))
    everywhere = [path for path in TEXT if path != HERE]
    check("one-place", search(r"(?i)\bkeep (?:this |these |them )?in sync\b", everywhere,
                              "a fact has one place"))
    check("address-buffer", search(r"\bchar\s+\w*addr\w*\s*\[\s*\d+\s*\]", c_files(),
                                   "a fixed length for an address", without_comments))
    check("unfinished", search(r"\b(?:TODO|FIXME|XXX|[A-Z]+_HERE)\b|^@[A-Z]+@$", everywhere, "finish it or leave it"))
    check("not-implemented",
          search(r"(?i)not (?:yet )?implemented", own, "an option works or is not there"))
    check("machine-paths",
          search(r"(?<![\w.$}])/(?:work|root|home)/", everywhere, "the path of a machine"))
    check("tcp-states", second_tables(own))
    hint_format()
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


TEXT = {path: read(path) for path in all_files()}
TEXT = {path: text for path, text in TEXT.items() if text is not None}
TOOLS = set(re.findall(r"^TOOL\((\w+)\)", TEXT["cmd/tools.def"], re.M))

if __name__ == "__main__":
    sys.exit(main())
