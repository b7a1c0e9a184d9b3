"""What an API server (or its silence) says no with -> one error of ours that names the object and the next step."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus

from pytest_shadowdiff.errors import SetupError

UNREACHABLE = 0
ROLES = "the Roles in the project's folder deploy/ grant what a run needs; `shadowdiff plan` lists it"


class ClusterError(SetupError):
    """The API server refused something, or did not answer.

    Attributes:
        status: HTTP status; 0 where there was no answer, so that nobody knows whether the call took effect.
        reason: the machine-readable reason of Kubernetes ("NotFound", "Conflict", "AlreadyExists", ...), or "".
    """

    def __init__(self, message: str, *, status: int, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason

    @property
    def missing(self) -> bool:
        """The object is not there."""
        return self.status == HTTPStatus.NOT_FOUND

    @property
    def conflict(self) -> bool:
        """Somebody else has written since it was read."""
        return self.status == HTTPStatus.CONFLICT and self.reason != "AlreadyExists"

    @property
    def exists(self) -> bool:
        """An object of that name is there already."""
        return self.status == HTTPStatus.CONFLICT and self.reason == "AlreadyExists"

    @property
    def passing(self) -> bool:
        """Trying again may help: no answer, overload, or a server (or its webhook) that is starting."""
        return self.status in (UNREACHABLE, HTTPStatus.TOO_MANY_REQUESTS) or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR


def unreachable(doing: str, context: str, host: str, cause: BaseException) -> ClusterError:
    """No answer came."""
    message = (
        f"{doing}: no answer from the API server {host} of context {context!r} ({_plain(cause)}). "
        f"Is the cluster up and this the right context? Try `kubectl --context {context} get --raw /readyz`."
    )
    return ClusterError(message, status=UNREACHABLE)


def refusal(doing: str, context: str, host: str, status: int, body: bytes) -> ClusterError:
    """The error for an answer of 400 and above.

    Args:
        doing: what was asked for, with the object ("create pods default/shadowdiff-1").
        body: the answer's body, as a rule a `Status` of Kubernetes.
    """
    said = _status(body)
    text = str(said.get("message") or body[:300].decode("utf-8", "replace") or HTTPStatus(status).phrase)
    reason = str(said.get("reason") or "")
    return ClusterError(f"{doing}: {_explained(status, reason, text, context, host)}", status=status, reason=reason)


SAID = (  # what stands in the server's own words, and what to do about it
    ("admission webhook", "refused by an admission webhook of the cluster", "Ask whoever owns it for an exception, or mend what it names."),
    ("AdmissionPolicy '", "refused by an admission policy of the cluster", "Ask whoever owns it for an exception, or mend what it names."),
    ("failed calling webhook", "a webhook of the cluster does not answer", "Try again when it does."),
    (
        "being terminated",
        "the namespace is being deleted",
        "Give another namespace in [tool.shadowdiff.service], or wait until it is gone and make it anew.",
    ),
    ("exceeded quota", "the namespace's quota does not allow it", "Raise the ResourceQuota or free what it counts."),
    ("PodSecurity", "the namespace's pod security standard does not allow it", "Label the namespace with a standard that does."),
)


def _explained(status: int, reason: str, text: str, context: str, host: str) -> str:
    if status == HTTPStatus.UNAUTHORIZED:
        return (
            f"the API server {host} does not accept the credentials of context {context!r} (expired?). "
            f"Log in again, or mend the user in KUBECONFIG; `kubectl --context {context} auth whoami` shows when it works."
        )
    for words, meaning, advice in SAID:
        if words in text:
            return f"{meaning}: {text.rstrip('.')}. {advice}"
    if status == HTTPStatus.FORBIDDEN:
        return f"a right is missing: {text}. Ask for it: {ROLES}."
    if status == HTTPStatus.CONFLICT and reason != "AlreadyExists":
        return f"somebody else has changed it in the meantime: {text}"
    return f"not found: {text}" if status == HTTPStatus.NOT_FOUND else f"{status} {reason}: {text}"


def _status(body: bytes) -> Mapping[str, object]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) and value.get("kind") == "Status" else {}


def _plain(cause: BaseException) -> str:
    inner = getattr(cause, "reason", None)
    text = str(inner if isinstance(inner, BaseException) else cause)
    return text.rpartition("): ")[2].rpartition(">: ")[2] or type(cause).__name__
