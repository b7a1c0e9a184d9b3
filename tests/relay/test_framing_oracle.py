"""h11 as an oracle: generated messages, whole and split at every byte; where the two disagree, the reason is known.

What is listed here is listed in docs/relay.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_shadowdiff.relay.answer import Answer, Body
from pytest_shadowdiff.relay.framing import FramingError, bare_newline, request_head

# What makes a message special: the fragment, and who refuses it: both, h11 alone, or we alone; with the reason.
BOTH, H11, WE, NOBODY = "both", "h11", "we", "nobody"


@dataclass(frozen=True)
class Quirk:
    """One special header line.

    Attributes:
        refused: who refuses a message for it.
        why: where only one of the two does.
    """

    line: bytes
    refused: str
    why: str


QUIRKS = [
    Quirk(b"X-A: 1", NOBODY, ""),
    Quirk(b"x-b:2", NOBODY, ""),
    Quirk(b"X-Empty:", NOBODY, ""),
    Quirk(b"X-Blank: \t ", NOBODY, ""),
    Quirk(b"X-Tab: a\tb c", NOBODY, ""),
    Quirk(b"X-High: \xe9\xff", NOBODY, ""),
    Quirk(b"Connection: close", NOBODY, ""),
    Quirk(b"Connection: Keep-Alive, X-A", NOBODY, ""),
    Quirk(b"X-NUL: a\0b", BOTH, ""),
    Quirk(b"X-CR: a\rb", BOTH, ""),
    Quirk(b"X Blank: 1", BOTH, ""),
    Quirk(b"X-Before : 1", BOTH, ""),
    Quirk(b": 1", BOTH, ""),
    Quirk(b"no colon", BOTH, ""),
    Quirk(b"X-\xe9: 1", BOTH, ""),
    Quirk(b"Transfer-Encoding: gzip, chunked", BOTH, ""),
    Quirk(b"Transfer-Encoding: identity", BOTH, ""),
    Quirk(b"Content-Length: +1", BOTH, ""),
    Quirk(b"Content-Length: 1 1", BOTH, ""),
    Quirk(b"Content-Length: 0x1", BOTH, ""),
    Quirk(b"Content-Length: -0", BOTH, ""),
    Quirk(b"Content-Length:", BOTH, ""),
    Quirk(b"Content-Length: 0, 1", BOTH, ""),
    Quirk(b"Content-Length: 0, 0", WE, "we never rewrite a length, and a list of equal ones would have to be (RFC 9110, 8.6)"),
    Quirk(b"Content-Length: 0\r\nContent-Length: 0", WE, "the same, given in two lines"),
    Quirk(b"Content-Length: 0\r\nTransfer-Encoding: chunked", WE, "two framings: what comes behind us may take the other one"),
    Quirk(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", BOTH, ""),
    Quirk(b"X-Fold: a\r\n b", WE, "obs-fold: deprecated, and read in two ways"),
    Quirk(b"X-LF: a\nX-B: b", WE, "bare LF: what comes behind us may not take it for a line's end"),
    Quirk(b"Connection: Content-Length", WE, "it would have what frames the body removed"),
    Quirk(b"X-Control: a\x01b\x7f", NOBODY, ""),
    Quirk(b"X-VT: a\x0bb", H11, "control characters other than CR, LF and NUL cannot be misread, and are passed on"),
]

HOSTS = [
    (b"Host: a", NOBODY),
    (b"Host: a\r\nHost: b", BOTH),
    (b"X-No-Host: 1", H11),  # it is the primary's to say 400
]

LINES = [
    (b"GET / HTTP/1.1", NOBODY),
    (b"POST /a?b=%zz&c HTTP/1.1", NOBODY),
    (b"OPTIONS * HTTP/1.1", NOBODY),
    (b"m!x http://a/b HTTP/1.1", NOBODY),
    (b"GET /\xc3\xa9 HTTP/1.1", H11),  # raw paths are passed on as they are
    (b"GET  / HTTP/1.1", BOTH),
    (b"GET / HTTP/1.1 ", BOTH),
    (b"GET /", BOTH),
    (b"GET / HTTP/1.", BOTH),
    (b"GET / http/1.1", BOTH),
    (b"G(T / HTTP/1.1", BOTH),
    (b"GET /\0 HTTP/1.1", BOTH),
    (b"GET /a b HTTP/1.1", BOTH),
]

STATUS_LINES = [
    (b"HTTP/1.1 200 OK", NOBODY),
    (b"HTTP/1.1 404 ", NOBODY),
    (b"HTTP/1.1 500", NOBODY),
    (b"HTTP/1.1 204 No Content", NOBODY),
    (b"HTTP/1.1 304 Not Modified", NOBODY),
    (b"HTTP/1.1 200 Sch\xf6n", NOBODY),
    (b"HTTP/1.1 799 What", NOBODY),
    (b"HTTP/1.1 20 OK", BOTH),
    (b"HTTP/1.1 2000 OK", BOTH),
    (b"HTTP/1.1  200 OK", BOTH),
    (b"http/1.1 200 OK", BOTH),
    (b"SSH-2.0-x", BOTH),
]

BODIES = st.one_of(
    st.just((b"", b"", NOBODY)),
    st.binary(max_size=30).map(lambda body: (b"Content-Length: %d" % len(body), body, NOBODY)),
    st.lists(st.binary(min_size=1, max_size=12), max_size=4).map(
        lambda chunks: (
            b"Transfer-Encoding: chunked",
            b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n",
            NOBODY,
        )
    ),
    st.sampled_from(
        [
            (b"Transfer-Encoding: chunked", b"2;ext=1\r\nab\r\n0;x\r\nT: 1\r\nU:\r\n\r\n", NOBODY),
            (b"Transfer-Encoding: Chunked", b"00A \r\n0123456789\r\n0\r\n\r\n", NOBODY),
            (b"Transfer-Encoding: chunked", b"x\r\nab\r\n0\r\n\r\n", BOTH),
            (b"Transfer-Encoding: chunked", b"-1\r\nab\r\n0\r\n\r\n", BOTH),
            (b"Transfer-Encoding: chunked", b"0x2\r\nab\r\n0\r\n\r\n", BOTH),
            (b"Transfer-Encoding: chunked", b"2\r\nabc\r\n0\r\n\r\n", BOTH),
            (b"Transfer-Encoding: chunked", b"2\nab\r\n0\r\n\r\n", BOTH),
            (b"Transfer-Encoding: chunked", b"\r\n0\r\n\r\n", BOTH),
            (b"Transfer-Encoding: chunked", b"0\r\nbad trailer\r\n\r\n", BOTH),
            (b"Transfer-Encoding: chunked", b"fffffffffffffffffffff\r\n", BOTH),
        ]
    ),
)

Result = tuple[str, bytes, bytes]  # "ended", "more" or "refused"; the content; what follows the end


def ours_request(blocks: list[bytes]) -> Result:
    """What the relay makes of a request, in the steps that a caller's connection takes."""
    held, body, content = b"", None, b""
    framed = b""
    try:
        for number, taken in enumerate(blocks):
            block = taken
            if body is None:
                held += block
                end = held.find(b"\r\n\r\n") + 4
                if end < 4:
                    if bare_newline(held) and not held.endswith(b"\r"):
                        return "refused", b"", b""
                    continue
                head = request_head(held[:end])
                body = Body(head.framing, head.length)
                block, held = held[end:], b""
                chunked = head.framing == 2
            stop = body.follow(block, 0)
            framed += block[:stop]
            if body.ended:
                return "ended", unframed(framed, chunked=chunked), block[stop:] + b"".join(blocks[number + 1 :])
    except FramingError:
        return "refused", b"", b""
    return "more", content, b""


def unframed(framed: bytes, *, chunked: bool) -> bytes:
    if not chunked:
        return framed
    content, at = b"", 0
    while True:
        end = framed.index(b"\r\n", at)
        size = int(framed[at:end].partition(b";")[0], 16)
        if not size:
            return content
        content += framed[end + 2 : end + 2 + size]
        at = end + size + 4


def theirs(message: bytes, role: type[h11.CLIENT | h11.SERVER], method: bytes = b"GET") -> Result:
    connection = h11.Connection(role, max_incomplete_event_size=1 << 20)
    if role is h11.CLIENT:
        connection.send(h11.Request(method=method, target=b"/", headers=[(b"Host", b"a")]))
        connection.send(h11.EndOfMessage())
    connection.receive_data(message)
    content = b""
    try:
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                return "more", content, b""
            if event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                return "refused", b"", b""
            if isinstance(event, h11.Data):
                content += bytes(event.data)
            if isinstance(event, h11.EndOfMessage):
                return "ended", content, bytes(connection.trailing_data[0])
    except h11.RemoteProtocolError:
        return "refused", b"", b""


def expected(refused: set[str], oracle: Result) -> Result | str:
    """What we should make of it, by what the oracle says and the known reasons for another opinion."""
    if BOTH in refused or WE in refused:
        return "refused"
    if H11 in refused:
        return "anything"
    return oracle


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(LINES), st.sampled_from(HOSTS), st.lists(st.sampled_from(QUIRKS), max_size=2), BODIES)
def test_a_request_is_read_as_h11_reads_it(
    line: tuple[bytes, str], host: tuple[bytes, str], quirks: list[Quirk], body: tuple[bytes, bytes, str]
) -> None:
    framing, framed, body_refused = body
    fields = [host[0], *(quirk.line for quirk in quirks), *([framing] if framing else [])]
    message = line[0] + b"\r\n" + b"\r\n".join(fields) + b"\r\n\r\n" + framed
    refused = {line[1], host[1], body_refused, *(quirk.refused for quirk in quirks)}
    refused |= conflicts(fields)

    whole = ours_request([message])
    assert ours_request([bytes([byte]) for byte in message]) == whole
    wanted = expected(refused, theirs(message, h11.SERVER))
    if wanted == "refused":
        assert whole[0] in {"refused", "more"}  # "more": the end of the head never comes
    elif wanted != "anything":
        assert whole == wanted


def conflicts(fields: list[bytes]) -> set[str]:
    """Two quirks may be harmless alone: more than one framing is not."""
    text = b"\r\n" + b"\r\n".join(fields).lower()
    lengths, codings = text.count(b"\r\ncontent-length:"), text.count(b"\r\ntransfer-encoding:")
    return {WE} if lengths + codings > 1 else set()


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(STATUS_LINES), st.lists(st.sampled_from(QUIRKS), max_size=2), BODIES, st.sampled_from([b"GET", b"HEAD"]))
def test_an_answer_is_read_as_h11_reads_it(
    line: tuple[bytes, str], quirks: list[Quirk], body: tuple[bytes, bytes, str], method: bytes
) -> None:
    framing, framed, body_refused = body
    fields = [*(quirk.line for quirk in quirks), *([framing] if framing else [])]
    message = line[0] + b"\r\n" + b"".join(field + b"\r\n" for field in fields) + b"\r\n" + framed
    refused = {line[1], *(quirk.refused for quirk in quirks)} | conflicts(fields)
    no_body = method == b"HEAD" or b"204" in line[0] or b"304" in line[0]
    if not no_body:
        refused.add(body_refused)

    whole = ours_answer([message], method)
    assert ours_answer([bytes([byte]) for byte in message], method)[0] == whole[0]
    oracle = theirs(message, h11.CLIENT, method)
    wanted = expected(refused, oracle)
    if wanted == "refused":
        assert whole[0] == "refused"
    elif wanted != "anything":
        assert (whole[0] == "refused") == (oracle[0] == "refused")
        if oracle[0] == "ended":
            assert whole[0] == "ended"


def ours_answer(blocks: list[bytes], method: bytes) -> tuple[str, bytes]:
    """What the relay makes of an answer, and what it lets through of it."""
    answer, out = Answer(method, 1 << 20, None), b""
    try:
        for block in blocks:
            out += answer.feed(block)
            if answer.ended:
                return "ended", out
    except FramingError:
        return "refused", out
    return "more", out


@given(st.binary(max_size=200))
@settings(max_examples=500, deadline=None)
def test_garbage_ends_in_a_reason_never_in_an_exception(data: bytes) -> None:
    for blocks in ([data], [bytes([byte]) for byte in data]):
        assert ours_request(blocks)[0] in {"ended", "more", "refused"}
        assert ours_answer(blocks, b"GET")[0] in {"ended", "more", "refused"}


@given(st.binary(max_size=60))
@settings(max_examples=500, deadline=None)
def test_garbage_between_chunks_is_read_alike_however_it_is_split(data: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    whole = ours_answer([head + data], b"GET")
    split = ours_answer([head, *(bytes([byte]) for byte in data)], b"GET")
    assert whole[0] == split[0]
    if whole[0] == "ended":
        assert whole == split


@pytest.mark.parametrize("quirk", [quirk for quirk in QUIRKS if quirk.refused in {WE, H11}], ids=lambda quirk: repr(quirk.line))
def test_each_listed_disagreement_is_one(quirk: Quirk) -> None:
    message = b"GET / HTTP/1.1\r\nHost: a\r\n" + quirk.line + b"\r\n\r\n"
    if b"chunked" in quirk.line:
        message += b"0\r\n\r\n"
    ours, oracle = ours_request([message])[0], theirs(message, h11.SERVER)[0]
    assert quirk.why
    assert (ours, oracle) == (("refused", "ended") if quirk.refused == WE else ("ended", "refused"))
