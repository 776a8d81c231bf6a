# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What the meta tests print: a line for each check, and how many there were."""

_counts = {"passed": 0, "failed": 0, "skipped": 0}


def check(name, wrong=None):
    """`wrong` is None, empty, or says what is wrong."""
    _counts["failed" if wrong else "passed"] += 1
    if wrong:
        print(f"FAIL {name}\n     " + str(wrong).replace("\n", "\n     "))
    else:
        print(f"ok   {name}")


def skip(name, reason):
    _counts["skipped"] += 1
    print(f"skip {name}: {reason}")


def close():
    """The exit status."""
    print(", ".join(f"{n} {what}" for what, n in _counts.items()))
    return 1 if _counts["failed"] else 0
