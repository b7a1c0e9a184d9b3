"""Hooks of users, called so that a mistake in one neither ends the run nor passes unnoticed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pytest_shadowdiff.run import Hooks

if TYPE_CHECKING:
    import pytest

    from pytest_shadowdiff.model import Pair, Request

NAMES = ("endpoint", "normalize", "redact", "judged")
HIDDEN = "[redacted]"


def hooks_of(config: pytest.Config, problems: list[str]) -> Hooks:
    """The hooks that somebody implements.

    Args:
        problems: takes a line for each hook that fails; a run with such a line fails.
    """
    callers: dict[str, Any] = {name: getattr(config.hook, f"pytest_shadowdiff_{name}") for name in NAMES}
    known = {name for name, caller in callers.items() if caller.get_hookimpls()}
    endpoint, normalize, redact, judged = (callers[name] for name in NAMES)

    def tried(name: str, call: Callable[[], Any], otherwise: object) -> Any:  # noqa: ANN401 - what the hook answers
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - whatever a hook of a user raises
            problem = f"The hook pytest_shadowdiff_{name} failed with {type(error).__name__}: {error}"
            if problem not in problems:
                problems.append(problem)
            return otherwise

    def name_endpoint(request: Request) -> str | None:
        answer = tried("endpoint", lambda: endpoint(request=request), None)
        return answer if isinstance(answer, str) else None

    def hide(name: str, value: object) -> object | None:
        answer: object | None = tried("redact", lambda: redact(name=name, value=value), HIDDEN)
        return answer

    def tell(pair: Pair) -> None:
        tried("judged", lambda: judged(pair=pair), None)

    return Hooks(
        endpoint=name_endpoint if "endpoint" in known else None,
        # What this one raises makes the pair incomplete: nothing may be compared that was not normalised as asked.
        normalize=(lambda request, response: normalize(request=request, response=response) or response) if "normalize" in known else None,
        redact=hide if "redact" in known else None,
        judged=tell if "judged" in known else None,
    )
