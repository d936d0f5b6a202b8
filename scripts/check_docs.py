#!/usr/bin/env python3
"""Checks that the code of the guides is code that an example builds, or a configuration that a test reads."""
import pathlib
import re
import sys
import textwrap

root = pathlib.Path(__file__).resolve().parent.parent


def lines(text):
    return [line.strip() for line in text.splitlines() if line.strip()]


PAGES = ["developers", "guide-one-off", "guide-idempotency", "guide-results", "guide-fairness"]


def examples(suffix):
    return [
        lines(path.read_text())
        for path in sorted((root / "Examples").rglob("*." + suffix))
        if ".build" not in path.parts
    ]


def main():
    sources = {"swift": examples("swift"), "json": examples("json")}
    missing = 0
    for name in PAGES:
        page = (root / "docs" / (name + ".md")).read_text()
        for language, block in re.findall(r"^```(swift|json)\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
            wanted = lines(block)
            found = any(
                source[place:place + len(wanted)] == wanted
                for source in sources[language]
                for place in range(len(source) - len(wanted) + 1)
            )
            if not found:
                missing += 1
                print(f"docs/{name}.md: no example has this code:\n" + textwrap.indent(block, "    "), file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
