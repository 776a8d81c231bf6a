#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Man pages from docs/nettrace.md, docs/tools/*.md and `nettrace help --json`: man.py REGISTRY DOCS DATE OUT"""
import json
import os
import re
import sys

# Marks of fonts while a line is made; no text has these characters.
BOLD, ITALIC, ROMAN = "\x01", "\x02", "\x03"


def escape(text):
    """A line of text as roff has it; `-` as it is typed, and no requests by accident."""
    for char, to in (("\\", "\\e"), ("-", "\\-"), ("'", "\\(aq"), ("`", "\\(ga"), ("^", "\\(ha"), ("~", "\\(ti")):
        text = text.replace(char, to)
    text = "\\&" + text if text.startswith(".") else text
    return text.replace(BOLD, "\\fB").replace(ITALIC, "\\fI").replace(ROMAN, "\\fR")


def link(match):
    text, target = match.groups()
    page = re.fullmatch(r"(?:.*/)?tools/(\w+)\.md(?:#.*)?|(\w+)\.md(?:#.*)?", target)
    name = page and (page.group(1) or page.group(2))
    return f"{BOLD}nettrace-{name}{ROMAN}(8)" if name in TOOLS else text


def spans(text):
    """Code is bold: it is what one types, or a name."""
    pieces = re.split(r"(`[^`]*`)", text)
    for i, piece in enumerate(pieces):
        if i % 2:
            pieces[i] = BOLD + piece[1:-1] + ROMAN
        else:
            piece = re.sub(r"\[([^]]*)\]\(([^)]*)\)", link, piece)
            pieces[i] = re.sub(r"\*\*([^*]+)\*\*", BOLD + r"\1" + ROMAN,
                               re.sub(r"(?<!\*)\*([^*]+)\*(?!\*)", ITALIC + r"\1" + ROMAN, piece))
    return escape("".join(pieces))


def cells(line):
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip()[1:-1])]


def table(lines):
    """
    Two lines of heading, then rows. If the last column has no heading it is text: the first cell is
    its tag, what is between them follows the tag. Else it is a table of values.
    """
    rows = [cells(line) for line in lines]
    if rows[0][-1]:
        plain = [[re.sub(r"[`*]", "", cell) for cell in row] for row in rows[:1] + rows[2:]]
        widths = [max(map(len, column)) for column in zip(*plain)]
        yield from code("  ".join(cell.ljust(n) for cell, n in zip(row, widths)).rstrip() for row in plain)
        return
    for first, *middle, last in rows[2:]:
        middle = [m for m in middle if m]
        yield ".TP\n" + spans(first + (f" ({', '.join(middle)})" if middle else ""))
        yield spans(last) or "\\&"


def code(lines):
    yield ".PP\n.RS 4\n.nf"
    yield from (escape(line) or "\\&" for line in lines)
    yield ".fi\n.RE"


def body(text):
    """Markdown as the pages are written: paragraphs, code, tables, lists, headings of parts."""
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        lines = block.split("\n")
        if lines[0].startswith("    "):
            yield from code(line[4:] for line in lines)
        elif lines[0].startswith("|"):
            yield from table(lines)
        elif lines[0].startswith("### "):
            yield ".SS " + spans(lines[0][4:])
        elif re.match(r"- ", lines[0]):
            for item in re.split(r"(?m)^- ", block)[1:]:
                yield ".IP \\(bu 2\n" + "\n".join(spans(line.strip()) for line in item.strip().split("\n"))
        else:
            yield ".PP"
            # Breaks of lines are the same in both, but not where roff would see its own words.
            yield "\n".join(spans(line) for line in lines)


def sections(text):
    """(heading, body) of each `## `."""
    parts = re.split(r"(?m)^## (.*)\n", text)
    return list(zip(parts[1::2], parts[2::2]))


def option_lines(options):
    for option in options:
        words = [f"{BOLD}-{option['letter']}{ROMAN}"] if option["letter"] else []
        words += [f"{BOLD}--{option['name']}{ROMAN}"] if option["name"] else []
        arg = option["arg"]
        tag = ", ".join(words) + (f" {ITALIC}{arg}{ROMAN}" if arg else "")
        yield ".TP\n" + escape(tag)
        yield escape(option["help"])


GROUPS = (("tool", "Of this tool"), ("filter", "Filters"), ("output", "Output"), ("run", "Run"))


def options(of):
    for group, title in GROUPS:
        members = [o for o in of if o["group"] == group]
        if members:
            yield ".SS " + title
            yield from option_lines(members)


def head(name, title):
    """`title` is the page's first line: "# tcplife: TCP sessions that end"."""
    summary = title.split(": ", 1)[1]
    return [f'.TH {name.upper()} 8 "{DATE}" "nettrace {REGISTRY["version"]}" "System Administration"',
            ".SH NAME", escape(name) + " \\- " + spans(summary)]


def tool_page(tool, text):
    out = head("nettrace-" + tool["name"], text.split("\n", 1)[0])
    for title, part in sections(text):
        if title == "SEE ALSO":
            part = re.sub(r"`nettrace help \w+`(, )?", "", part)
            part = re.sub(r"(, )?\[coming with the other tools\]\([^)]*\)", "", part).strip()
            out += [".SH SEE ALSO", ".BR nettrace (8)" + (" ," if part else "")]
            out += [spans(part)] if part else []
            continue
        out.append(".SH " + title)
        if title == "OPTIONS":
            part = re.sub(r"All other options are those of every tool: `nettrace help \w+`\.?", "", part)
        out += body(part)
        if title == "OPTIONS":
            out += options(tool["options"])
            for arg in tool["args"]:
                out += [".TP\n" + escape(ITALIC + arg["name"] + ROMAN), escape(arg["help"])]
    return out


def main_page(text):
    out = head("nettrace", text.split("\n", 1)[0])
    for title, part in sections(text):
        out += [".SH " + title, *body(part)]
        if title != "DESCRIPTION":
            continue
        out.append(".SH TOOLS")
        for tool in REGISTRY["tools"]:
            out += [f".TP\n.BR nettrace\\-{tool['name']} (8)", escape(tool["summary"])]
        out.append(".SH COMMANDS")
        for command in REGISTRY["commands"]:
            tag = f"{BOLD}{command['name']}{ROMAN} {ITALIC}{command['args']}{ROMAN}"
            out += [".TP\n" + escape(tag if command["args"] else tag.split(" ")[0]), escape(command["help"])]
        out += [".SH OPTIONS", *options(REGISTRY["options"])]
    return out


def write(name, lines):
    with open(os.path.join(OUT, name), "w", encoding="utf-8") as file:
        text = "\n".join(lines) + "\n"
        file.write(re.sub(r"(?m)^(\.S[HS] .*)\n\.PP$", r"\1", text))


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


if __name__ == "__main__":
    registry, docs, DATE, OUT = sys.argv[1:]
    REGISTRY = json.loads(read(registry))
    TOOLS = {tool["name"] for tool in REGISTRY["tools"]}
    os.makedirs(OUT, exist_ok=True)
    write("nettrace.8", main_page(read(os.path.join(docs, "nettrace.md"))))
    for each in REGISTRY["tools"]:
        write(f"nettrace-{each['name']}.8", tool_page(each, read(os.path.join(docs, "tools", each["name"] + ".md"))))
