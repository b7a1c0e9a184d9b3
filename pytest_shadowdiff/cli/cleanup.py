"""`shadowdiff cleanup`: puts back every route, and removes every pod and container, that a killed run left behind."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_shadowdiff.errors import ShadowError

if TYPE_CHECKING:
    from pytest_shadowdiff.settings import Service


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--dry-run", action="store_true", help="say what would be put back, and change nothing")
    parser.add_argument("--all-namespaces", action="store_true", help="look in all namespaces of the cluster, not in the service's only")
    parser.add_argument("--config", type=Path, metavar="FILE", help="where [tool.shadowdiff.service] stands (default: pyproject.toml)")
    parser.add_argument("--allow-context", metavar="NAME", help="permit a Kubernetes context whose name looks like production")


def run(arguments: argparse.Namespace) -> int:
    """Put back what is left, of runs that are over.

    Returns:
        0 where nothing is left; 1 where something is: with `--dry-run`, or since a run is alive, or it could not be put back.

    Raises:
        ShadowError: the configuration is wrong, or the cluster cannot be reached.
    """
    left = _containers(dry_run=arguments.dry_run) + _folders(dry_run=arguments.dry_run)
    service = _service(arguments)
    if service is not None or arguments.all_namespaces:
        left += _cluster(arguments, service)
    if not left:
        _say("Nothing is left of any run." if not arguments.dry_run else "Nothing is left of any run that is over.")
    return int(bool(left))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _service(arguments: argparse.Namespace) -> Service | None:
    from pytest_shadowdiff.rules import rule_from
    from pytest_shadowdiff.settings import configuration, resolve

    file = arguments.config or os.environ.get(resolve.variable_of("config"))
    return configuration.load(Path(file) if file else None, Path.cwd(), rule_from).service


def _containers(*, dry_run: bool) -> int:
    """How many containers and networks are still there."""
    from pytest_shadowdiff.containers.engine import leftovers

    left = 0
    for one in leftovers():
        gone = not dry_run and one.remove()
        left += not gone
        _say(f"{'removed' if gone else 'would remove' if dry_run else 'could not remove'} {one.kind} {one.name} of run {one.run}")
    return left


def _folders(*, dry_run: bool) -> int:
    """How many folders of runs on this machine are still there."""
    from pytest_shadowdiff.processes.folders import leftovers, remove

    left = 0
    for folder in leftovers():
        gone = not dry_run and remove(folder)
        left += not gone
        _say(f"{'removed' if gone else 'would remove' if dry_run else 'could not remove'} folder {folder}")
    return left


def _cluster(arguments: argparse.Namespace, service: Service | None) -> int:
    """How many runs have something left in the cluster."""
    from pytest_shadowdiff.cluster import recovery
    from pytest_shadowdiff.cluster.connecting import connect

    allowed = arguments.allow_context or os.environ.get("SHADOWDIFF_ALLOW_CONTEXT")
    connection = connect(service.context if service else None, allowed)
    namespace = None if arguments.all_namespaces or service is None else service.namespace
    left = 0
    for found in recovery.leftovers(connection, namespace):
        _say(f"Service {found.namespace}/{found.service} in context {connection.context}:")
        for line in found.lines():
            _say(line)
        if arguments.dry_run:
            left += 1
            continue
        try:
            done = recovery.clean(connection, found, f"cleanup-{secrets.token_hex(4)}", _say)
        except ShadowError as error:
            done = False
            _say(f"  could not be put back: {error}")
        else:
            _say("  put back" if done else "  its run is alive: left alone")
        left += not done
    return left
