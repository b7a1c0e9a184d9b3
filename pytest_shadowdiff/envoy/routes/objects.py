"""The objects in route files, before anything in them is understood."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_shadowdiff.envoy.routes import documents, fields
from pytest_shadowdiff.envoy.routes.documents import Value
from pytest_shadowdiff.envoy.routes.fields import fields_of
from pytest_shadowdiff.envoy.routes.hosts import DEFAULT_NAMESPACE

VIRTUAL_SERVICE = "VirtualService"
DESTINATION_RULE = "DestinationRule"
HTTP_ROUTE = "HTTPRoute"

_ISTIO = ("networking.istio.io/v1alpha3", "networking.istio.io/v1beta1", "networking.istio.io/v1")
_GATEWAY = ("gateway.networking.k8s.io/v1", "gateway.networking.k8s.io/v1beta1", "gateway.networking.k8s.io/v1alpha2")
KINDS = {VIRTUAL_SERVICE: _ISTIO, DESTINATION_RULE: _ISTIO, HTTP_ROUTE: _GATEWAY}


@dataclass(frozen=True, slots=True)
class Object:
    """One object of a file; `at` is the whole of it."""

    kind: str
    name: str
    namespace: str
    spec: Value
    at: Value

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def load(files: Iterable[Path]) -> Sequence[Object]:
    """The objects of all files; of two of one kind and name the later stands, in the earlier one's place.

    Raises:
        SettingsError: a file cannot be read, is no YAML, or holds what is no route; names file, line and column.
    """
    objects: dict[tuple[str, str, str], Object] = {}
    for file in files:
        for document in documents.read(file):
            for item in _flat(document):
                found = _object(item)
                objects[found.kind, found.namespace, found.name] = found
    return tuple(objects.values())


def _flat(document: Value) -> Iterator[Value]:
    content = document.mapping()
    if "kind" in content and content["kind"].content == "List" and "items" in content:
        yield from content["items"].items()
    else:
        yield document


def _object(value: Value) -> Object:
    content = value.mapping()
    for name in ("apiVersion", "kind"):
        if name not in content:
            raise value.refuse(f"{name} is missing; a route file holds {', '.join(KINDS)}")
    kind = content["kind"].text()
    if kind not in KINDS:
        raise content["kind"].refuse(
            f"{kind!r} is not enacted: a route file holds {', '.join(KINDS)}; leave other objects in files of their own"
        )
    content["apiVersion"].choice(*KINDS[kind])
    found = fields_of(value, fields.OBJECT, snake=False)
    metadata = found["metadata"].mapping() if "metadata" in found else {}
    if "name" not in metadata:
        raise value.refuse("metadata.name is missing")
    if "spec" not in found:
        raise value.refuse("spec is missing")
    namespace = metadata.get("namespace")
    return Object(
        kind=kind,
        name=metadata["name"].text(),
        namespace=namespace.text() if namespace and namespace.content else DEFAULT_NAMESPACE,
        spec=found["spec"],
        at=value,
    )
