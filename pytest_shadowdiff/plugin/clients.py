"""The clients that the fixtures hand out: httpx, on a test's own entry, and what the test may ask of its pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    import ssl

    from pytest_shadowdiff.model import Pair
    from pytest_shadowdiff.run import Entry

Check = Callable[[], Sequence["Pair"]]
LOOPBACK = ("all://127.0.0.1", "all://localhost", "all://[::1]")


class ShadowClient(httpx.Client):
    """An `httpx.Client` on the mirror's entry; its responses are the primary's."""

    def __init__(self, base_url: str, entry: Entry, check: Check) -> None:
        # Proxies of the environment never apply to loopback; elsewhere, after a redirect, they do as anywhere.
        mounts = {**dict.fromkeys(LOOPBACK), **{place: _Through(base_url) for place in _known(entry)}}
        super().__init__(base_url=base_url, mounts=mounts, timeout=_patience(), verify=_tls())
        self._entry = entry
        self._check = check

    @property
    def pairs(self) -> Sequence[Pair]:
        """This test's pairs so far, those that have their verdict."""
        return self._entry.pairs

    def check(self) -> Sequence[Pair]:
        """Wait for this test's pairs so far, and judge them.

        Returns:
            The pairs, with their verdicts.

        Raises:
            ShadowDifference: the candidate means something else, as at the end of the test.
        """
        __tracebackhide__ = True
        return self._check()


class AsyncShadowClient(httpx.AsyncClient):
    """An `httpx.AsyncClient` on the mirror's entry; its responses are the primary's."""

    def __init__(self, base_url: str, entry: Entry, check: Check) -> None:
        # A fixture cannot close connections in the loop of a test that is over, so none is kept open between requests.
        limits = httpx.Limits(max_connections=100, max_keepalive_connections=0)
        mounts = {**dict.fromkeys(LOOPBACK), **{place: _AsyncThrough(base_url) for place in _known(entry)}}
        super().__init__(base_url=base_url, mounts=mounts, timeout=_patience(), verify=_tls(), limits=limits)
        self._entry = entry
        self._check = check

    @property
    def pairs(self) -> Sequence[Pair]:
        """This test's pairs so far, those that have their verdict."""
        return self._entry.pairs

    async def check(self) -> Sequence[Pair]:
        """Wait for this test's pairs so far, and judge them; see `ShadowClient.check`."""
        import anyio.to_thread

        __tracebackhide__ = True
        return await anyio.to_thread.run_sync(self._check)


class _Through(httpx.HTTPTransport):
    """Takes requests for a Host that only a mesh knows to the entry that leads there: a redirect stays inside the mirror."""

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self._entry = httpx.URL(base_url)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return super().handle_request(_led(request, self._entry))


class _AsyncThrough(httpx.AsyncHTTPTransport):
    """The same, for the client of async tests."""

    def __init__(self, base_url: str) -> None:
        super().__init__(limits=httpx.Limits(max_keepalive_connections=0))
        self._entry = httpx.URL(base_url)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await super().handle_async_request(_led(request, self._entry))


def _led(request: httpx.Request, entry: httpx.URL) -> httpx.Request:
    url = request.url.copy_with(scheme=entry.scheme, host=entry.host, port=entry.port)
    return httpx.Request(request.method, url, headers=request.headers, stream=request.stream, extensions=request.extensions)


def _known(entry: Entry) -> Sequence[str]:
    """The Host by which the mirror's routes know the versions, where it is another one than the entry's."""
    return [f"all://{entry.run.authority}"] if entry.run.authority else []


def _patience() -> httpx.Timeout:
    # Longer than httpx's own 5 s for reading: a primary that takes its time is no failure of the mirror.
    return httpx.Timeout(5.0, read=60.0)


@cache
def _tls() -> ssl.SSLContext:
    # Reading the bundle of authorities takes longer than most tests, so it is read once.
    return httpx.create_ssl_context()
