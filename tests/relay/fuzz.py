"""By hand, for as long as there is time: the relay's property tests, driven by coverage instead of by chance.

    pip install atheris
    python tests/relay/fuzz.py PROPERTY -max_total_time=3600

What follows the property's name are options of libFuzzer; without a name, the properties are listed. It stops at the first
input that breaks one, and keeps the input in the working folder. Memory is bounded too (`-rss_limit_mb`).
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import atheris  # type: ignore[import-not-found, import-untyped, unused-ignore]  # by hand only: it has no wheels for most versions and machines

sys.path.insert(0, str(Path(__file__).parents[2]))
with atheris.instrument_imports(include=["pytest_shadowdiff.relay", "pytest_shadowdiff.spool"]):
    import_module("pytest_shadowdiff.relay.server")
    import_module("pytest_shadowdiff.spool.reader")

MODULES = ("test_any_order", "test_framing_oracle")


def properties() -> dict[str, object]:
    """All tests of the modules that hypothesis generates input for."""
    modules = (import_module(f"tests.relay.{module}") for module in MODULES)
    return {name: test for module in modules for name, test in vars(module).items() if hasattr(test, "hypothesis")}


if __name__ == "__main__":
    known = properties()
    if len(sys.argv) < 2 or sys.argv[1] not in known:
        sys.exit("\n".join(["Which property?", *known]))
    test = known[sys.argv.pop(1)]
    atheris.Setup(sys.argv, test.hypothesis.fuzz_one_input)  # type: ignore[attr-defined]
    atheris.Fuzz()
