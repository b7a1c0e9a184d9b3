"""The command `shadowdiff`: what is done without pytest. A subcommand is one module and one line in `COMMANDS`.

Its module has `register(parser)`, which adds its arguments, and `run(arguments) -> int`, which returns the exit status.
Nothing here decides what is different: the same rules and the same judge do as in a run.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import NamedTuple

from pytest_shadowdiff.errors import ShadowError

WRONG = 4
"""Exit status of a bad option, file or configuration."""
INTERRUPTED = 130


class Command(NamedTuple):
    """What is known of a subcommand before it is imported."""

    module: str
    help: str


COMMANDS: Mapping[str, Command] = {
    "diff": Command("pytest_shadowdiff.cli.diff", "compare traffic that was captured elsewhere"),
    "judge": Command("pytest_shadowdiff.cli.judge", "judge a run that was kept again, by the rules as they are now"),
    "plan": Command("pytest_shadowdiff.cli.plan", "print what a run would change in a cluster, and change nothing"),
    "cleanup": Command("pytest_shadowdiff.cli.cleanup", "put back and remove what killed runs left behind"),
    "report": Command("pytest_shadowdiff.cli.report", "render a run's JSON report again, in another form"),
}


class _Parser(argparse.ArgumentParser):
    """Ends with pytest's status for a usage error, in one line."""

    def error(self, message: str) -> None:  # type: ignore[override]
        self.exit(WRONG, f"{self.prog}: {message}. See {self.prog} --help.\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand.

    Args:
        arguments: those of the command line; None takes the process's.

    Returns:
        The exit status: 0 nothing is wrong, 1 something differs or has no verdict, 4 a bad option, file or configuration.
    """
    parser = _Parser(prog="shadowdiff", description="Compare two versions of a service by captured traffic, and look after what runs left.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        import_module(command.module).register(commands.add_parser(name, help=command.help, description=f"{command.help.capitalize()}."))
    given = parser.parse_args(arguments)
    try:
        status: int = import_module(COMMANDS[given.command].module).run(given)
    except ShadowError as error:
        sys.stderr.write(f"shadowdiff {given.command}: {error}\n")
        return WRONG
    except KeyboardInterrupt:
        return INTERRUPTED
    return status
