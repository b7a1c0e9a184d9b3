"""The path templates of an OpenAPI description, 2.0 or 3.x, in JSON or YAML."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pytest_shadowdiff.errors import SettingsError

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


def templates(file: Path, place: str) -> tuple[str, ...]:
    """`GET /orders/{id}` for each operation that is described, behind the path of the first server.

    Args:
        place: what names the file, for messages.

    Raises:
        SettingsError: the file cannot be read, or describes no paths.
    """
    described = _read(file, place)
    paths = described.get("paths") if isinstance(described, Mapping) else None
    if not isinstance(described, Mapping) or not isinstance(paths, Mapping):
        message = f"{place}: {file} has no `paths`; expected an OpenAPI description in JSON or YAML."
        raise SettingsError(message)
    base = _base(described)
    return tuple(
        f"{method.upper()} {base}{path}"
        for path, operations in paths.items()
        if isinstance(path, str) and path.startswith("/") and isinstance(operations, Mapping)
        for method in _METHODS
        if method in operations
    )


def _read(file: Path, place: str) -> object:
    import yaml

    try:
        return yaml.load(file.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
    except (OSError, yaml.YAMLError, RecursionError) as error:
        message = f"{place}: {file} cannot be read as JSON or YAML: {error}."
        raise SettingsError(message) from None


def _base(described: Mapping[object, object]) -> str:
    servers = described.get("servers")
    first = servers[0] if isinstance(servers, list) and servers else None
    url = first.get("url") if isinstance(first, Mapping) else described.get("basePath")
    path = urlsplit(url).path if isinstance(url, str) and "{" not in url else ""
    return path.rstrip("/")
