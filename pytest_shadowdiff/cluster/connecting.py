"""One connection to one API server: JSON in, JSON out, every failure one error of ours."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, TypeAlias
from urllib.parse import quote, urlencode

from pytest_shadowdiff.cluster.answers import ClusterError, refusal, unreachable
from pytest_shadowdiff.cluster.contexts import Credentials, load

Json: TypeAlias = Any  # what an API server answers

MANAGER = "shadowdiff"
JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
PAUSES = (0.1, 0.3, 0.9)  # between tries of a reading call
CALL_SECONDS = 15.0


class ServerClock:
    """The API server's time, from its `Date` headers: leases must not hang on anybody's own clock.

    A header is cut to whole seconds and has been under way, so each sample is too early, and the latest
    estimate is the best. The count goes on while this machine sleeps, where the system can tell.
    """

    def __init__(self) -> None:
        self._ahead: float | None = None

    def see(self, date: str | None) -> None:
        """Take a `Date` header into account."""
        from email.utils import parsedate_to_datetime

        if not date:
            return
        try:
            ahead = parsedate_to_datetime(date).timestamp() - ticks()
        except ValueError:
            return
        self._ahead = ahead if self._ahead is None else max(self._ahead, ahead)

    def now(self) -> float:
        """Unix seconds; up to one second early."""
        return ticks() + (self._ahead if self._ahead is not None else time.time() - ticks())


def ticks() -> float:
    """Seconds of a clock that nobody sets, and that counts a suspended machine's sleep where it can."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)


class Connection:
    """An API client of its own; each stream and each thread takes `another()`."""

    def __init__(self, credentials: Credentials, clock: ServerClock | None = None) -> None:
        from kubernetes import client

        self.credentials = credentials
        self.clock = clock or ServerClock()
        self._api = client.ApiClient(credentials.configuration)

    @property
    def context(self) -> str:
        """Name of the context, for messages."""
        return self.credentials.context

    @property
    def host(self) -> str:
        """URL of the API server."""
        return str(self.credentials.configuration.host)

    def another(self) -> Connection:
        """A client of its own to the same server, with the same clock."""
        return Connection(self.credentials, self.clock)

    def close(self) -> None:
        """Close idle connections; safe to call twice."""
        self._api.rest_client.pool_manager.clear()

    def authorization(self) -> str | None:
        """The value of the header `Authorization`; expired tokens are renewed by this."""
        configuration = self.credentials.configuration
        for key in ("BearerToken", "authorization"):
            value = configuration.get_api_key_with_prefix(key)
            if value:
                return str(value)
        return configuration.get_basic_auth_token() if configuration.username else None

    def read(self, path: str, query: Mapping[str, str] | None = None, *, doing: str = "") -> Json:
        """GET, tried again for a moment where trying again may help.

        Raises:
            ClusterError: refused, or no answer.
        """
        for pause in PAUSES:
            try:
                return self.call("GET", path, query, doing=doing)
            except ClusterError as error:
                if not error.passing:
                    raise
            time.sleep(pause)
        return self.call("GET", path, query, doing=doing)

    def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: object = None,
        content_type: str = JSON,
        doing: str = "",
    ) -> Json:
        """One call, once.

        Raises:
            ClusterError: refused, or no answer; after no answer nobody knows whether it took effect.
        """
        response = self._send(method, path, query, body=body, content_type=content_type, doing=doing, timeout=CALL_SECONDS)
        return json.loads(response.data) if response.data else None

    def stream(self, path: str, query: Mapping[str, str] | None = None, *, doing: str = "", silence: float = 60.0) -> Json:
        """GET whose body is read as it comes: an `urllib3` response; the caller closes it.

        Args:
            silence: seconds without a byte after which reading raises.

        Raises:
            ClusterError: refused, or no answer.
        """
        return self._send("GET", path, query, doing=doing, timeout=silence, preload=False)

    def _send(  # noqa: PLR0913 (one place where a request is made, every part by name)
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        *,
        doing: str,
        timeout: float,
        body: object = None,
        content_type: str = JSON,
        preload: bool = True,
    ) -> Json:
        import urllib3

        doing = doing or f"{method} {path}"
        url = self.host + quote(path, safe="/:.-_~") + ("?" + urlencode(query) if query else "")
        headers = {"accept": "*/*" if not preload else JSON, "user-agent": MANAGER}
        payload = None
        if body is not None:
            payload = json.dumps(body).encode()
            headers["content-type"] = content_type
        token = self.authorization()
        if token:
            headers["authorization"] = token
        try:
            response = self._api.rest_client.pool_manager.request(
                method,
                url,
                body=payload,
                headers=headers,
                timeout=urllib3.Timeout(connect=min(5.0, timeout), read=timeout),
                retries=False,
                redirect=False,
                preload_content=preload,
            )
        except urllib3.exceptions.HTTPError as error:
            raise unreachable(doing, self.context, self.host, error) from None
        self.clock.see(response.headers.get("date"))
        if response.status >= HTTPStatus.MULTIPLE_CHOICES:
            data = response.data if preload else response.read(8192)
            response.close()
            raise refusal(doing, self.context, self.host, response.status, data)
        return response


def connect(context: str | None, allowed: str | None) -> Connection:
    """A connection to the API server of a context, which answered.

    Raises:
        SettingsError: no such context, or one that looks like production and was not allowed.
        SetupError: no cluster, no credentials, no answer.
    """
    connection = Connection(load(context, allowed))
    connection.read("/version", doing="reading the API server's version")
    return connection


def until(deadline: float, attempt: Callable[[], bool], pause: float = 0.1) -> bool:
    """Whether `attempt` came true before `ticks()` reached the deadline; it is tried at least once."""
    while not attempt():
        if ticks() >= deadline:
            return False
        time.sleep(pause)
    return True
