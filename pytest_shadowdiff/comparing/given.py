"""What `compare` is given, held to its types before anything is compared."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_shadowdiff.model import Response


def hold(response: object, side: str) -> None:
    """Refuse what is no response, or has a field of another type.

    Args:
        side: whose it is, for messages.

    Raises:
        TypeError: with the field, what it holds and what is expected.
    """
    if not isinstance(response, Response):
        raise TypeError(f"{side}: {_described(response)} is no Response")
    status: object = response.status
    if not isinstance(status, int) or isinstance(status, bool):
        raise TypeError(f"{side}.status: expected an int, such as 200, not {_described(status)}")
    body: object = response.body
    if not isinstance(body, bytes):
        hint = "; encode it first" if isinstance(body, str) else ""
        raise TypeError(f"{side}.body: expected bytes, not {_described(body)}{hint}")
    for name in ("headers", "trailers"):
        _hold_pairs(getattr(response, name), f"{side}.{name}")


def _hold_pairs(pairs: object, place: str) -> None:
    if not isinstance(pairs, Sequence) or isinstance(pairs, (str, bytes)):
        raise TypeError(f"{place}: expected pairs such as [('Content-Type', 'application/json')], not {_described(pairs)}")
    for n, pair in enumerate(pairs):
        if not isinstance(pair, (tuple, list)) or [type(each) for each in pair] != [str, str]:
            raise TypeError(f"{place}[{n}]: expected a pair of a name and a value, both str, not {_described(pair)}")


def _described(value: object) -> str:
    shown = repr(value)
    return f"{type(value).__name__} {shown[:60]}{'…' if len(shown) > 60 else ''}"  # noqa: PLR2004 - enough to know it by
