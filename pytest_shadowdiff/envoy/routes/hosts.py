"""Names of services as files write them: short within a namespace, or full."""

from __future__ import annotations

DEFAULT_NAMESPACE = "default"


def full_name(host: str, namespace: str) -> str:
    """`httpbin` -> `httpbin.default.svc.cluster.local`; a name with dots is taken as it is, as Istio takes it."""
    return host if "." in host else f"{host}.{namespace}.svc.cluster.local"


def first_label(host: str) -> str:
    """`httpbin.default.svc.cluster.local` -> `httpbin`."""
    return host.partition(".")[0]
