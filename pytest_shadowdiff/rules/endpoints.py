"""Which rules hold for a request: `METHOD` or `*`, and a path template such as `/orders/{id}`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import unquote

from pytest_shadowdiff.errors import SettingsError
from pytest_shadowdiff.model import Rule

_METHOD = re.compile(r"[A-Za-z][A-Za-z0-9!#$%&'*+.^_`|~-]*|\*")
_PLACEHOLDER = re.compile(r"\{([A-Za-z_][\w-]*)\}")


def matching(rules: Sequence[Rule], method: str, path: str) -> tuple[Rule, ...]:
    """The rules that hold for a request, in their order.

    Args:
        path: the request target as it was sent, or its path; a query and an authority are not looked at.
    """
    bare = path_of(path)
    return tuple(rule for rule in rules if not rule.endpoint or _matches(rule.endpoint, method, bare))


def path_of(target: str) -> str:
    """The path of a request target (RFC 9112, 3.2), percent-decoded."""
    if "://" in target.partition("?")[0]:
        target = "/" + target.split("://", 1)[1].partition("/")[2]
    return unquote(target.partition("?")[0].partition("#")[0])


def _matches(endpoint: str, method: str, path: str) -> bool:
    wanted, pattern = compiled(endpoint)
    return wanted in ("*", method.upper()) and (pattern is None or pattern.fullmatch(path) is not None)


@lru_cache(maxsize=1024)
def compiled(endpoint: str) -> tuple[str, re.Pattern[str] | None]:
    """The method, and the path's pattern; None where any path will do.

    Raises:
        SettingsError: it is no endpoint.
    """
    if endpoint.strip() == "*":
        return "*", None
    method, _, template = endpoint.strip().partition(" ")
    template = template.strip()
    if not _METHOD.fullmatch(method) or not (template == "*" or template.startswith("/")):
        raise SettingsError(f"{endpoint!r} is no endpoint. Allowed: METHOD (or *) and a path template, such as 'GET /orders/{{id}}'.")
    if template == "*":
        return method.upper(), None
    fixed = _PLACEHOLDER.split(template)[::2]
    if any("{" in piece or "}" in piece for piece in fixed):
        raise SettingsError(f"{endpoint!r}: a placeholder is a name in braces, such as {{id}}, and stands for what has no slash.")
    return method.upper(), re.compile("[^/]+?".join(re.escape(unquote(piece)) for piece in fixed), re.DOTALL)
