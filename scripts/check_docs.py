#!/usr/bin/env python3
"""Checks that the Swift code of docs/developers.md is code that an example builds."""
import pathlib
import re
import sys
import textwrap

root = pathlib.Path(__file__).resolve().parent.parent


def lines(text):
    return [line.strip() for line in text.splitlines() if line.strip()]


def main():
    sources = [
        lines(path.read_text())
        for path in sorted((root / "Examples").rglob("*.swift"))
        if ".build" not in path.parts
    ]
    missing = 0
    page = (root / "docs/developers.md").read_text()
    for block in re.findall(r"^```swift\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        wanted = lines(block)
        found = any(
            source[place:place + len(wanted)] == wanted
            for source in sources
            for place in range(len(source) - len(wanted) + 1)
        )
        if not found:
            missing += 1
            print("docs/developers.md: no example has this code:\n" + textwrap.indent(block, "    "), file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
