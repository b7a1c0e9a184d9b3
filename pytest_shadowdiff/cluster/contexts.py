"""KUBECONFIG, its contexts, service accounts of pods and exec credentials -> a client configuration.

No cluster is asked anything here.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pytest_shadowdiff.errors import SettingsError, SetupError

IN_CLUSTER = "in-cluster"
TOKEN = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
NAMESPACE = TOKEN.with_name("namespace")
PRODUCTION = re.compile(
    r"(?<!non)(?<!non[-_.])(?<!pre)(?<!pre[-_.])prod(uction)?(?![a-z])|(?<![a-z])(prd|live)(?![a-z])",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Where a cluster is and how one speaks to it.

    Attributes:
        context: the context's name, for messages; "in-cluster" for a pod's service account.
        configuration: a `kubernetes.client.Configuration`.
    """

    context: str
    configuration: Any


def looks_like_production(name: str) -> bool:
    """Whether a context's (or cluster's) name says production: "prod-eu", "gke_acme_live"; not "product", "non-prod"."""
    return PRODUCTION.search(name) is not None


def load(context: str | None, allowed: str | None) -> Credentials:
    """The credentials of a context.

    Args:
        context: its name; None takes the current one, or the pod's service account where there is no KUBECONFIG.
        allowed: the context that may look like production (`--shadow-allow-context`).

    Raises:
        SettingsError: there is no such context, or it looks like production and was not allowed.
        SetupError: the file cannot be read, or its credentials cannot be had.
    """
    files = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    found = [file for file in files.split(os.pathsep) if file and Path(file).expanduser().is_file()]
    if found:
        return _from_files(os.pathsep.join(found), context, allowed)
    if context in (None, IN_CLUSTER) and os.environ.get("KUBERNETES_SERVICE_HOST") and TOKEN.is_file():
        return _in_cluster()
    message = (
        f"No cluster: there is no kubeconfig at {files}, and this is no pod with a service account. "
        "Name one in KUBECONFIG, or make a cluster (`kind create cluster`)."
    )
    raise SetupError(message)


def _in_cluster() -> Credentials:
    from kubernetes import client, config

    configuration = client.Configuration()
    try:
        config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except config.ConfigException as error:
        message = f"The pod's service account cannot be used: {error}. Does the pod have automountServiceAccountToken: false?"
        raise SetupError(message) from None
    return Credentials(IN_CLUSTER, configuration)


def _from_files(files: str, context: str | None, allowed: str | None) -> Credentials:
    import yaml
    from kubernetes import client, config

    try:
        with _complaints() as complaints:
            contexts, current = config.list_kube_config_contexts(config_file=files)  # type: ignore[no-untyped-call]
            names = {each["name"]: each.get("context") or {} for each in contexts}
            name = context or current["name"]
            _check(name, names, files, allowed)
            configuration = client.Configuration()
            config.load_kube_config(config_file=files, context=name, client_configuration=configuration)  # type: ignore[no-untyped-call]
    except (config.ConfigException, yaml.YAMLError, OSError, KeyError, TypeError, ValueError) as error:
        message = (
            f"The kubeconfig {files} cannot be used: {error}. "
            "`kubectl config view` shows what is wrong; `kubectl config use-context NAME` sets a context."
        )
        raise SetupError(message) from None
    if complaints and not configuration.api_key and not configuration.cert_file:
        message = (
            f"The credentials of context {name!r} cannot be had: {complaints[0]}. "
            f"The command under `exec` of its user in {files} has to work here; try `kubectl --context {name} auth whoami`."
        )
        raise SetupError(message)
    return Credentials(name, configuration)


def _check(name: str, names: dict[str, dict[str, str]], files: str, allowed: str | None) -> None:
    if name not in names:
        close = get_close_matches(name, names, 1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        message = f"There is no context {name!r} in {files}.{hint} Known contexts: {', '.join(sorted(names)) or 'none'}."
        raise SettingsError(message)
    cluster = str(names[name].get("cluster") or "")
    if name != allowed and (looks_like_production(name) or looks_like_production(cluster)):
        message = (
            f"The context {name!r} (cluster {cluster!r}) looks like production. "
            f"If a run may send traffic and make objects there, say so: --shadow-allow-context={name}"
        )
        raise SettingsError(message)


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """What the client only logs: it swallows the errors of exec plugins."""
    said: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    keep = Keep(logging.ERROR)
    root = logging.getLogger()
    root.addHandler(keep)
    try:
        yield said
    finally:
        root.removeHandler(keep)
