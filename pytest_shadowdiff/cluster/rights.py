"""Which rights something needs, and which of them are missing: asked before anything is changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pytest_shadowdiff.cluster.connecting import Connection
from pytest_shadowdiff.cluster.objects import Kind
from pytest_shadowdiff.errors import SetupError

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One verb on one kind of object."""

    group: str
    resource: str
    verb: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}" + (f" ({self.group})" if self.group else "")


def rights(kind: Kind, *verbs: str, part: str = "") -> tuple[Right, ...]:
    """Those verbs on a kind, or on a subresource of it."""
    resource = f"{kind.plural}/{part}" if part else kind.plural
    return tuple(Right(kind.group, resource, verb) for verb in verbs)


def missing(connection: Connection, namespace: str, needed: Iterable[Right]) -> Sequence[Right]:
    """The rights that the user of this connection lacks in a namespace.

    Raises:
        ClusterError: the API server does not say.
    """
    return tuple(right for right in needed if not _allowed(connection, namespace, right))


def _allowed(connection: Connection, namespace: str, right: Right) -> bool:
    resource, _, part = right.resource.partition("/")
    asked = {"namespace": namespace, "verb": right.verb, "group": right.group, "resource": resource, "subresource": part}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": asked}}
    answer = connection.call("POST", REVIEWS, body=body, doing=f"asking whether one may {right} in namespace {namespace}")
    return bool((answer.get("status") or {}).get("allowed"))


def require(connection: Connection, namespace: str, needed: Iterable[Right], role: str) -> None:
    """Return only where all rights are there.

    Args:
        role: the manifest in the project's `deploy/` that grants them.

    Raises:
        SetupError: some are missing, all of them named.
    """
    lacking = missing(connection, namespace, needed)
    if not lacking:
        return
    said = ", ".join(str(right) for right in lacking)
    message = (
        f"Context {connection.context!r} may not do what this run needs in namespace {namespace}: {said}. Nothing was changed. "
        f"The Role in deploy/{role} grants it: let somebody who may "
        f"`kubectl --namespace {namespace} apply -f {role}` and bind it to this user."
    )
    raise SetupError(message)
