"""Byte ranges (RFC 9110, 14): pieces of a document are no documents, and their coding cannot be taken off."""

from __future__ import annotations

import gzip

from pytest_shadowdiff import Response, compare


def piece(data: bytes, said: str = "bytes 0-9/100", coding: str = "") -> Response:
    headers = [("Content-Type", "application/json"), ("Content-Range", said)]
    return Response(206, [*headers, ("Content-Encoding", coding)] if coding else headers, data)


def pieces(boundary: str, data: str, said: str = "bytes 0-1/10") -> Response:
    first = f"--{boundary}\r\nContent-Type: application/json\r\nContent-Range: {said}\r\n\r\n{data}\r\n"
    second = f"--{boundary}\r\nContent-Range: bytes 4-5/10\r\n\r\ncd\r\n--{boundary}--\r\n"
    return Response(206, [("Content-Type", f"multipart/byteranges; boundary={boundary}")], (first + second).encode())


def paths(one: Response, other: Response) -> list[str]:
    return [difference.path for difference in compare(one, other)]


def test_a_piece_of_json_is_text() -> None:
    assert paths(piece(b'{"a": 12, "b'), piece(b'{"a": 12, "b')) == []
    assert paths(piece(b'{"a": 12, "b'), piece(b'{"a": 12, "c')) == ["body"]
    assert paths(piece(b"12"), piece(b"12.0")) == ["body"]


def test_another_range_is_a_difference() -> None:
    assert paths(piece(b"12"), piece(b"12", "bytes 0-9/101")) == ["header:content-range"]
    assert paths(piece(b"12"), Response(200, [("Content-Type", "application/json")], b"12")) == ["status", "header:content-range"]


def test_a_piece_of_what_is_encoded_is_bytes() -> None:
    whole = gzip.compress(b'{"a": 1}' * 100, mtime=0)
    assert paths(piece(whole[5:20], coding="gzip"), piece(whole[5:20], coding="gzip")) == []
    assert paths(piece(whole[5:20], coding="gzip"), piece(whole[5:19] + b"\xff", coding="gzip")) == ["body"]


def test_several_ranges_are_compared_part_by_part() -> None:
    assert paths(pieces("x", "ab"), pieces("y", "ab")) == []
    assert paths(pieces("x", "ab"), pieces("y", "ac")) == ["$[0].content"]
    assert paths(pieces("x", "ab"), pieces("y", "ab", "bytes 1-2/10")) == ["$[0]['content-range']"]


def test_json_in_a_part_loses_nothing() -> None:
    def form(document: bytes) -> Response:
        part = b'--b\r\nContent-Disposition: form-data; name="a"\r\nContent-Type: application/json\r\n\r\n'
        return Response(200, [("Content-Type", "multipart/form-data; boundary=b")], part + document + b"\r\n--b--\r\n")

    assert paths(form(b'{"x": 1, "y": 2}'), form(b'{"y": 2, "x": 1.0}')) == []
    assert paths(form(b'{"x": 1, "x": 2}'), form(b'{"x": 2}')) == ["$.a.content.x"]
    assert paths(form(b'{"x": 9007199254740993}'), form(b'{"x": 9007199254740993.0000001}')) == ["$.a.content.x"]
