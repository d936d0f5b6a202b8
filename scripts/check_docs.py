#!/usr/bin/env python3
"""Checks that the code of the guides is code that an example builds, or a configuration that a test reads."""
import pathlib
import re
import sys
import textwrap

root = pathlib.Path(__file__).resolve().parent.parent


def lines(text):
    """Lines without imports, and without what the formatter decides: indentation, and the room before a comment."""
    return [" ".join(line.split()) for line in text.splitlines() if line.strip() and not line.startswith("import ")]


# Pages about Martlet's inside show shapes and not code.
NOT_CHECKED = ["architecture", "wire-protocol"]


def pages():
    """All pages for people who use Martlet: a new guide is checked without being named here."""
    docs = sorted((root / "docs").glob("*.md"))
    return [root / "README.md"] + [page for page in docs if page.stem not in NOT_CHECKED]


def examples(suffix):
    return [
        lines(path.read_text())
        for path in sorted((root / "Examples").rglob("*." + suffix))
        if ".build" not in path.parts
    ]


def main():
    sources = {language: examples(language) for language in ["swift", "json", "jsonl", "sh"]}
    missing = 0
    for path in pages():
        for language, block in re.findall(r"^```(swift|jsonl|json|sh)\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL):
            wanted = lines(block)
            found = any(
                source[place:place + len(wanted)] == wanted
                for source in sources[language]
                for place in range(len(source) - len(wanted) + 1)
            )
            if not found:
                missing += 1
                print(f"{path.relative_to(root)}: no example has this code:", file=sys.stderr)
                print(textwrap.indent(block, "    "), file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
