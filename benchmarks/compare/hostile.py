"""What hostile bodies cost: CPU seconds and memory of one comparison, each in a process of its own.

    python benchmarks/compare/hostile.py [PART OF A NAME ...]
    python benchmarks/compare/hostile.py --one NAME      one of them, as a line of JSON

The goal is at most 2 s and 500 MB each. Memory is what the comparison adds to the process that made the bodies.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import resource
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from time import process_time

from pytest_shadowdiff import IncompleteError, Response, compare

JSON = "application/json"
XML = "application/xml"
HTML = "text/html"
TEXT = "text/plain"
Bodies = tuple[str, bytes, bytes]
CASES: dict[str, Callable[[], Bodies]] = {}


def case(make: Callable[[], Bodies]) -> Callable[[], Bodies]:
    CASES[make.__name__] = make
    return make


def repeated(name: str, kind: str, one: bytes, other: bytes) -> None:
    CASES[name] = lambda: (kind, one, other)


def compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def shuffled(values: list[object]) -> list[object]:
    copy = list(values)
    random.Random(1).shuffle(copy)
    return copy


@case
def a_million_keys() -> Bodies:
    one = {f"k{n}": n for n in range(1_000_000)}
    return JSON, compact(one), compact({**one, "k500000": -1})


@case
def many_keys_reordered() -> Bodies:
    one = {f"k{n}": n for n in range(800_000)}
    return JSON, compact(one), compact(dict(reversed(one.items())))


@case
def a_million_elements_permuted() -> Bodies:
    one: list[object] = list(range(1_000_000))
    return JSON, compact(one), compact(shuffled(one))


@case
def a_million_elements_permuted_and_one_changed() -> Bodies:
    one: list[object] = list(range(1_000_000))
    return JSON, compact(one), compact([-1, *shuffled(one)[1:]])


@case
def a_million_texts_permuted() -> Bodies:
    one: list[object] = [f"s{n}" for n in range(1_000_000)]
    return JSON, compact(one), compact(shuffled(one))


@case
def objects_permuted() -> Bodies:
    one: list[object] = [{"a": n, "b": 2 * n} for n in range(300_000)]
    return JSON, compact(one), compact(shuffled(one)[1:])


@case
def objects_that_all_differ() -> Bodies:
    return JSON, compact([{"a": n} for n in range(200_000)]), compact([{"a": -n - 1} for n in range(190_000)])


@case
def few_values_many_times() -> Bodies:
    bits = random.Random(2)
    return JSON, compact([bits.randrange(2) for _ in range(300_000)]), compact([bits.randrange(2) for _ in range(299_000)])


@case
def deep_and_wide() -> Bodies:
    def made(inner: object) -> object:
        for _ in range(400):
            inner = [list(range(500)), inner]
        return inner

    return JSON, compact(made(1)), compact(made(2))


@case
def documents_within_texts() -> Bodies:
    one, other = "1", "2"
    for _ in range(20):
        one, other = json.dumps([one]), json.dumps([other])
    return JSON, one.encode(), other.encode()


@case
def long_decimals() -> Bodies:
    numbers = [f"0.12345678901234567{n}" for n in range(400_000)]
    return JSON, ("[" + ",".join(numbers) + "]").encode(), ("[" + ",".join(numbers[:-1]) + ",1]").encode()


@case
def one_name_many_times() -> Bodies:
    members = [f'"a":{n}' for n in range(400_000)]
    return JSON, ("{" + ",".join(members) + "}").encode(), ("{" + ",".join(members[:-1]) + ',"a":0}').encode()


@case
def lines_shuffled() -> Bodies:
    one: list[object] = [f"line {n}" for n in range(500_000)]
    return TEXT, "\n".join(map(str, one)).encode(), "\n".join(map(str, shuffled(one))).encode()


@case
def a_thousand_million_laughs() -> Bodies:
    entities = "".join(f'<!ENTITY {new} "{f"&{old};" * 10}">' for old, new in zip("abcdefghi", "bcdefghij", strict=True))
    text = f'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "lol">{entities}]><l>&j;%d</l>'
    return XML, (text % 1).encode(), (text % 2).encode()


@case
def an_entity_from_a_file() -> Bodies:
    text = '<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/hostname">]><l>&a;%d</l>'
    return XML, (text % 1).encode(), (text % 2).encode()


@case
def attributes() -> Bodies:
    many = b"".join(b' a%d="1"' % n for n in range(200_000))
    return XML, b"<a" + many + b"/>", b"<a" + many + b' z="1"/>'


@case
def fields_of_a_form() -> Bodies:
    names = [b"a%d=" % n for n in range(700_000)]
    return "application/x-www-form-urlencoded", b"1&".join(names), b"2&".join(names)


@case
def members_of_a_zip() -> Bodies:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for n in range(30_000):
            archive.writestr(zipfile.ZipInfo(str(n)), "")
    return "application/zip", file.getvalue(), file.getvalue().replace(b"29999", b"x9999")


@case
def a_zip_that_inflates() -> Bodies:
    def packed(size: int) -> bytes:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a", bytes(size))
        return file.getvalue()

    return "application/zip", packed(1 << 27), packed((1 << 27) + 1)


@case
def an_image_that_inflates() -> Bodies:
    def chunk(data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + b"IDAT" + data + struct.pack(">I", zlib.crc32(b"IDAT" + data))

    one, other = (b"\x89PNG\r\n\x1a\n" + chunk(zlib.compress(bytes(size))) for size in (1 << 27, (1 << 27) + 1))
    return "image/png", one, other


@case
def a_file_that_inflates() -> Bodies:
    return "application/gzip", gzip.compress(bytes(1 << 27)), gzip.compress(bytes((1 << 27) + 1))


repeated("depth_400", JSON, b"[" * 400 + b"1" + b"]" * 400, b"[" * 400 + b"2" + b"]" * 400)
repeated("depth_900", JSON, b"[" * 900 + b"1" + b"]" * 900, b"[" * 900 + b"2" + b"]" * 900)
repeated("depth_100000", JSON, b"[" * 100_000 + b"]" * 100_000, b"[" * 100_000 + b"1" + b"]" * 100_000)
repeated("depth_of_objects", JSON, b'{"a":' * 100_000 + b"1" + b"}" * 100_000, b'{"a":' * 100_000 + b"2" + b"}" * 100_000)
repeated("empty_lists", JSON, b"[" + b"[]," * 5_000_000 + b"1]", b"[" + b"[]," * 5_000_000 + b"2]")
repeated("a_huge_integer", JSON, b"[" + b"9" * 3_000_000 + b"]", b"[" + b"9" * 2_999_999 + b"8]")
repeated("a_huge_exponent", JSON, b"[1e" + b"9" * 3_000_000 + b"]", b"[1e" + b"9" * 2_999_999 + b"8]")
repeated("lone_surrogates", JSON, b'["' + b"\\ud800" * 1_000_000 + b'"]', b'["' + b"\\ud800" * 999_999 + b'"]')
repeated("no_utf8", JSON, b'["' + b"\xff" * 5_000_000 + b'"]', b'["' + b"\xff" * 5_000_000 + b'x"]')
repeated("documents", "application/x-ndjson", b"1\n" * 2_000_000, b"1\n" * 2_000_000 + b"2")
repeated("lines", TEXT, b"a\n" * 1_000_000, b"b\n" * 1_000_000)
repeated("xml_deep", XML, b"<a>" * 200_000 + b"1" + b"</a>" * 200_000, b"<a>" * 200_000 + b"2" + b"</a>" * 200_000)
repeated("xml_wide", XML, b"<a>" + b"<b/>" * 700_000 + b"</a>", b"<a>" + b"<b/>" * 700_000 + b"<c/></a>")
repeated("html_deep", HTML, b"<div>" * 300_000 + b"1", b"<div>" * 300_000 + b"2")
repeated("html_unclosed", HTML, b"<a><b><i>" * 200_000 + b"1", b"<a><b><i>" * 200_000 + b"2")
repeated("html_wide", HTML, b"<p>a" * 700_000 + b"1", b"<p>a" * 700_000 + b"2")
repeated("columns", "text/csv", b"," * 2_000_000 + b"1", b"," * 2_000_000 + b"2")
repeated("rows", "text/csv", b"a,b\n" + b"1,2\n" * 400_000, b"a,b\n" + b"1,2\n" * 400_000 + b"3,4\n")
repeated("parts", "multipart/mixed; boundary=b", b"--b\r\n\r\n1\r\n" * 9_000 + b"--b--", b"--b\r\n\r\n2\r\n" * 9_000 + b"--b--")
repeated("boundaries", "multipart/mixed; boundary=b", b"\r\n--b" * 3_000_000, b"\r\n--b" * 3_000_001)
repeated("events", "text/event-stream", b"data:a\n\n" * 300_000, b"data:a\n\n" * 300_000 + b"data:b\n\n")
repeated(
    "maps_of_messagepack",
    "application/msgpack",
    b"\xdd\x00\x98\x96\x80" + b"\x90" * 10_000_000,
    b"\xdd\x00\x98\x96\x80" + b"\x80" * 10_000_000,
)
repeated("claims_of_messagepack", "application/msgpack", b"\xdd\xff\xff\xff\xff\x01", b"\xdd\xff\xff\xff\xff\x02")
repeated("depth_of_cbor", "application/cbor", b"\x81" * 100_000 + b"\x01", b"\x81" * 100_000 + b"\x02")
repeated("cycle_of_cbor", "application/cbor", b"\xd8\x1c\x82\xd8\x1d\x00\x01", b"\xd8\x1c\x82\xd8\x1d\x00\x02")
repeated("bytes_16_mb", "application/octet-stream", bytes(16_000_000), bytes(15_999_999) + b"\1")


def measured(name: str) -> dict[str, object]:
    kind, one, other = CASES[name]()
    primary, candidate = (Response(200, (("Content-Type", kind),), body) for body in (one, other))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = process_time()
    try:
        found = compare(primary, candidate)
        outcome = f"{len(found)} differences" + (f", the first at {found[0].path[:40]}" if found else "")
    except IncompleteError as error:
        outcome = f"incomplete: {error.reason}"
    seconds = process_time() - started
    unit = 1024 if sys.platform == "darwin" else 1
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // (1000 * unit)
    return {"name": name, "seconds": round(seconds, 2), "megabytes": grown, "outcome": outcome}


def main() -> None:
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measured(sys.argv[2])))
        return
    for name in CASES:
        if len(sys.argv) > 1 and not any(part in name for part in sys.argv[1:]):
            continue
        done = subprocess.run([sys.executable, str(Path(__file__)), "--one", name], capture_output=True, text=True, timeout=120, check=True)
        seen = json.loads(done.stdout)
        kept = "" if seen["seconds"] <= 2 and seen["megabytes"] <= 500 else "  MISSED"
        print(f"{name:<45} {seen['seconds']:>5} s {seen['megabytes']:>5} MB  {seen['outcome'][:90]}{kept}", flush=True)


if __name__ == "__main__":
    main()
