"""The relay's process. It is started by its handle, isolated from the caller's folder and environment.

The package's public names, and what they import, are of no use here: only its parts are imported.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType


def _find_parts(paths: list[str]) -> None:
    package = Path(__file__).resolve().parents[1]
    sys.path[:0] = [str(package.parent), *paths]
    bare = ModuleType(package.name)
    bare.__path__ = [str(package)]
    sys.modules[package.name] = bare


if __name__ == "__main__":
    _find_parts(sys.argv[2:])
    from pytest_shadowdiff.relay.process import main

    sys.exit(main(int(sys.argv[1])))
