"""What a summary says beside its counts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from pytest_shadowdiff.model import Rule


def idle_rules(rules: Iterable[Rule], of_use: Collection[str], endpoints: Iterable[str]) -> Iterator[str]:
    """Lines about rules that silenced nothing, although their endpoint was asked.

    Args:
        rules: those of the configuration.
        of_use: origins of those that silenced something.
        endpoints: those that were compared.
    """
    asked = {name.partition(" ")[2] for name in endpoints}
    for rule in rules:
        concerned = asked and (not rule.endpoint or rule.endpoint.partition(" ")[2] in asked)
        if concerned and rule.origin not in of_use:
            yield f"{rule.origin}: silenced nothing{f' ({rule.endpoint})' if rule.endpoint else ''}: is it still needed?"
