"""A program of its own: matches lines against a user's regular expression, since no thread can be stopped while it matches.

Reads JSON lines: first the pattern, which it answers with true, then texts, each of which it answers with the named groups, or
null. Imports nothing of ours.
"""

from __future__ import annotations

import json
import re
import sys


def main() -> None:
    """Answer until the input ends."""
    pattern = re.compile(json.loads(sys.stdin.readline()))
    _answer(True)  # noqa: FBT003 - the answer itself
    for line in sys.stdin:
        found = pattern.search(json.loads(line))
        _answer(found and found.groupdict())


def _answer(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
