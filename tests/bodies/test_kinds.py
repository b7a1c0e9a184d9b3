"""Each kind of body: what means the same, what does not and where, and what is broken."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
import zlib

import cbor2
import msgpack  # type: ignore[import-untyped]
import pytest

from pytest_shadowdiff import Response, Rule, compare

XML = "application/xml"
HTML = "text/html; charset=utf-8"
CSV = "text/csv"
FORM = "application/x-www-form-urlencoded"
EVENTS = "text/event-stream"
NDJSON = "application/x-ndjson"
PARTS = "multipart/mixed; boundary=b"


def answer(kind: str, body: str | bytes) -> Response:
    return Response(200, (("Content-Type", kind),), body.encode() if isinstance(body, str) else body)


def found(kind: str, one: str | bytes, other: str | bytes, *rules: Rule) -> list[tuple[str, str]]:
    return [(d.path, d.kind) for d in compare(answer(kind, one), answer(kind, other), rules)]


def parts(boundary: str, *bodies: tuple[str, str]) -> str:
    return "".join(f"--{boundary}\r\n{head}\r\n\r\n{body}\r\n" for head, body in bodies) + f"--{boundary}--\r\n"


NAME = 'Content-Disposition: form-data; name="a"'


@pytest.mark.parametrize(
    "kind,one,other",
    [
        (XML, '<a x="1" y="2"><b/></a>', "<a y='2' x='1'>\n  <b></b>\n</a>"),
        (XML, '<p:a xmlns:p="u"><p:b/></p:a>', '<a xmlns="u"><b/></a>'),
        (XML, "<a><!-- x --><b>t</b></a>", "<?xml version='1.0'?><a><b>t</b></a>"),
        (XML, "<a>&lt;é</a>", "<?xml version='1.0' encoding='ISO-8859-1'?><a>&#60;é</a>".encode("latin-1")),
        (
            XML,
            "<!DOCTYPE o SYSTEM 'a'[ <!-- x -->\n<!ENTITY  t '1' >]><o>&t;</o>",
            '<!-- > -->\n<!DOCTYPE o SYSTEM "a" [<!ENTITY t "1">] ><o>&t;</o>',
        ),
        (XML, "<?x y?><o><?x z?></o>", "<?xml version='1.0'?>\n<?x   y?><!-- x -->\n<o>\n<?x z?>\n</o>"),
        (HTML, "<p class='a  b'>some   text</p>", '<html><body><p class="b a">some text</p>\n</body></html>'),
        (HTML, "<div> <p> a </p>\n<p>b\n<i>c</i></p></div>", "<div><p>a</p><p>b <i>c</i></p></div>"),
        (XML, '<a xmlns:p="u" p:b="1"/>', '<a xmlns:q="u" q:b="1"/>'),
        (HTML, "<!-- 1 --><ul><li>1<li>2</ul>", "<ul><li>1</li>\n<li>2</li></ul>"),
        (CSV, "a,b\n1,2\n", 'a,b\r\n"1","2"\r\n'),
        (FORM, "a=1&b=x+y", "b=x%20y&a=1"),
        (EVENTS, ": ping\n\ndata: a\ndata: b\n\n", "data:a\r\ndata:b\r\n\r\n"),
        (EVENTS, 'data: {"a":1,"b":2}\n\n', 'data: {"b":2,"a":1}\n\n'),
        (NDJSON, '{"a":1,"b":2}\n{"c":3}\n', '{"b":2,"a":1}\n\n{"c":3}'),
        ("application/json-seq", '\x1e{"a":1}\n\x1e2\n', '\x1e{"a": 1}\n\x1e2\n'),
        ("text/plain", "a\r\nb", "a\nb"),
        ("text/plain; charset=utf-8", "é", b"\xef\xbb\xbf\xc3\xa9"),
        ("application/octet-stream", "", " "),
    ],
)
def test_the_same(kind: str, one: str | bytes, other: str | bytes) -> None:
    assert found(kind, one, other) == []
    assert found(kind, other, one) == []


@pytest.mark.parametrize(
    "kind,one,other,path,what",
    [
        (XML, "<a><b>1</b></a>", "<a><b>2</b></a>", "/a/b/text()", "value_changed"),
        (XML, "<a><b>1</b><b>2</b></a>", "<a><b>1</b><b>3</b></a>", "/a/b[2]/text()", "value_changed"),
        (XML, '<a x="1"/>', '<a x="2"/>', "/a/@x", "value_changed"),
        (XML, '<a x="1"/>', "<a/>", "/a/@x", "missing"),
        (XML, "<a><b/><c/></a>", "<a><b/></a>", "/a/c", "missing"),
        (XML, "<a><b/></a>", "<a><b/><c/></a>", "/a/c", "added"),
        (XML, "<a><b/><c/></a>", "<a><c/><b/></a>", "/a", "reordered"),
        (XML, '<a xmlns="u"/>', '<a xmlns="v"/>', "/a/@xmlns", "value_changed"),
        (XML, "<a/>", "<b/>", "/a", "type_changed"),
        (XML, "<a> x</a>", "<a>x</a>", "/a/text()", "value_changed"),
        (
            XML,
            '<!DOCTYPE o [<!ENTITY total "19.99">]><o><t>&total;</t></o>',
            '<!DOCTYPE o [<!ENTITY total "29.99">]><o><t>&total;</t></o>',
            "doctype",
            "value_changed",
        ),
        (
            XML,
            '<!DOCTYPE o [<!ATTLIST o cur CDATA "EUR">]><o/>',
            '<!DOCTYPE o [<!ATTLIST o cur CDATA "USD">]><o/>',
            "doctype",
            "value_changed",
        ),
        (XML, '<!DOCTYPE o SYSTEM "a"><o/>', '<!DOCTYPE o SYSTEM "b"><o/>', "doctype", "value_changed"),
        (XML, '<!DOCTYPE o PUBLIC "p" "a"><o/>', '<!DOCTYPE o PUBLIC "q" "a"><o/>', "doctype", "value_changed"),
        (XML, '<!DOCTYPE o [<!ENTITY t "a]>b">]><o/>', '<!DOCTYPE o [<!ENTITY t "a]>c">]><o/>', "doctype", "value_changed"),
        (XML, '<!DOCTYPE o [<!ENTITY t "a  b">]><o/>', '<!DOCTYPE o [<!ENTITY t "a b">]><o/>', "doctype", "value_changed"),
        (XML, '<!DOCTYPE o [<!ENTITY % p ""> %p;]><o/>', '<!DOCTYPE o [<!ENTITY % p "">]><o/>', "doctype", "value_changed"),
        (XML, "<!DOCTYPE o><o/>", "<o/>", "doctype", "missing"),
        (XML, "<o/>", "<!DOCTYPE o><o/>", "doctype", "added"),
        (XML, '<?xml-stylesheet href="a.xsl"?><o/>', "<o/>", "/processing-instruction('xml-stylesheet')", "missing"),
        (XML, "<o/>", "<o/><?x y?>", "/processing-instruction('x')", "added"),
        (XML, "<?x a?><?x b?><o/>", "<?x a?><?x c?><o/>", "/processing-instruction('x')[2]", "value_changed"),
        (XML, "<o><l>a<?x y?></l></o>", "<o><l>a<?x z?></l></o>", "/o/l/processing-instruction('x')", "value_changed"),
        (HTML, "<p>a</p><p>b</p>", "<p>a</p><p>c</p>", "/html/body/p[2]/text()", "value_changed"),
        (HTML, "<a href='/x'>y</a>", "<a href='/z'>y</a>", "/html/body/a/@href", "value_changed"),
        (HTML, "<input type=hidden value=1>", "<input type=hidden value=2>", "/html/body/input/@value", "value_changed"),
        (HTML, "<p>one <b>two</b></p>", "<p>one<b>two</b></p>", "/html/body/p/text()", "value_changed"),
        (HTML, "<!DOCTYPE html><p>a</p>", "<p>a</p>", "/html/@doctype", "missing"),
        (HTML, "<html><p>a</p></html><p>b</p>", "<html><p>a</p></html><p>c</p>", "/html/body/p[2]/text()", "value_changed"),
        (XML, '<a xmlns:p="u" p:b="1"/>', '<a xmlns:p="u" p:b="2"/>', "/a/@Q{u}b", "value_changed"),
        (HTML, "<pre>a  b</pre>", "<pre>a b</pre>", "/html/body/pre/text()", "value_changed"),
        (CSV, "a,b\n1,2\n3,4\n", "a,b\n1,2\n3,5\n", "$[1].b", "value_changed"),
        (CSV, "a,b\n1,2\n3,4\n", "a,b\n3,4\n", "$[0]", "missing"),
        (CSV, "a,b\n1,2\n", "b,a\n2,1\n", "$", "reordered"),
        (CSV, "a,b\n1,2\n", "a\n1\n", "$[*].b", "missing"),
        (CSV, "1,2\n3,4\n", "1,2\n3,5\n", "$[1][1]", "value_changed"),
        (FORM, "a=1&a=2", "a=2&a=1", "$.a", "reordered"),
        (FORM, "a=1", "a=", "$.a", "value_changed"),
        (EVENTS, "data: a\n\n", "event: x\ndata: a\n\n", "$[0].event", "added"),
        (EVENTS, 'data: {"a":1}\n\n', 'data: {"a":2}\n\n', "$[0].data.a", "value_changed"),
        (EVENTS, "data: a\n\n", "data: a\n", "$[0].unfinished", "added"),
        (NDJSON, "1\n2\n3\n", "1\n3\n", "$[1]", "missing"),
        ("text/plain", "a\nb\nc", "a\nx\nc", "body:2", "body_changed"),
        ("text/plain", "a", "b", "body", "body_changed"),
        ("application/octet-stream", b"\0\1\2", b"\0\1\3", "body", "body_changed"),
        ("image/jpeg", b"\xff\xd8\xff\0a", b"\xff\xd8\xff\0b", "body", "body_changed"),
    ],
)
def test_a_difference_has_its_place(kind: str, one: str | bytes, other: str | bytes, path: str, what: str) -> None:
    assert found(kind, one, other) == [(path, what)]


def test_multipart_by_names_whatever_the_boundary() -> None:
    def form(boundary: str, *bodies: tuple[str, str]) -> Response:
        return answer(f'multipart/form-data; boundary="{boundary}"', parts(boundary, *bodies))

    b = 'Content-Disposition: form-data; name="b"; filename="f.json"\r\nContent-Type: application/json'
    one = form("xx", (NAME, "1"), (b, '{"c":[1,2]}'))
    assert compare(one, form("yyy", (b, '{"c":[1, 2]}'), (NAME, "1"))) == []
    assert [d.path for d in compare(one, form("yyy", (b, '{"c":[1,3]}'), (NAME, "1")))] == ["$.b.content.c[1]"]
    assert [(d.path, d.kind) for d in compare(one, form("xx", (NAME, "1")))] == [("$.b", "missing")]
    assert found("multipart/mixed; boundary=q", parts("q", ("", "1"), ("", "2")), parts("q", ("", "1"), ("", "3"))) == [
        ("$[1].content", "value_changed")
    ]


def test_binary_documents() -> None:
    document = {"a": 1, "b": [True, None, 2.5, b"\0"], "c": "x"}
    other = {"a": 1, "b": [True, None, 3.5, b"\0"], "c": "x"}
    for kind, code in (("application/msgpack", msgpack.packb), ("application/cbor", cbor2.dumps)):
        assert found(kind, code(document), code({name: document[name] for name in "cba"})) == []
        assert found(kind, code(document), code(other)) == [("$.b[2]", "value_changed")]
        assert found(kind, code({"a": 1}), code({"a": True})) == [("$.a", "type_changed")]
        assert found(kind, code({1: 1}), code({1: 2})) == [("$['1']", "value_changed")]
        assert found(kind, code(document), code(document)[:-1]) == [("body", "body_changed")]


def test_archives_by_what_they_hold() -> None:
    def packed(year: int, **members: str) -> bytes:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for name, text in members.items():
                archive.writestr(zipfile.ZipInfo(name, (year, 1, 1, 0, 0, 0)), text)
        return file.getvalue()

    assert found("application/zip", packed(2030, a="1", b="2"), packed(2031, b="2", a="1")) == []
    assert found("application/zip", packed(2030, a="1", b="2"), packed(2030, a="1", b="3")) == [("$.b.crc32", "value_changed")]
    assert found("application/gzip", gzip.compress(b"x", mtime=1), gzip.compress(b"x", mtime=2)) == []
    assert found("application/gzip", gzip.compress(b"x"), gzip.compress(b"y")) == [("$.content.sha256", "value_changed")]


def test_an_archive_that_is_broken_inside_does_not_pass_for_its_directory() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a", "content")
    whole = file.getvalue()
    assert found("application/zip", whole, whole.replace(b"content", b"kontent")) == [("body", "body_changed")]


@pytest.mark.parametrize("one,other", [(b"<p>a\xff</p>", b"<p>a\xfe</p>"), (b"<p>a\x01</p>", b"<p>a\x02</p>")])
def test_bytes_that_a_parser_of_html_would_replace_are_still_compared(one: bytes, other: bytes) -> None:
    assert found("text/html", one, other) == [("body", "body_changed")]


def png(pixels: bytes, *, level: int = 9, made: bytes = b"") -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 2, len(pixels) // 3, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"tEXt", made)
        + chunk(b"IDAT", zlib.compress(pixels, level))
        + chunk(b"IEND", b"")
    )


def test_images_by_what_they_show() -> None:
    pixels = bytes([0, 1, 2, 0, 3, 4])
    assert found("image/png", png(pixels, made=b"a"), png(pixels, level=0, made=b"b")) == []
    assert found("image/png", png(pixels), png(bytes([0, 1, 2, 0, 3, 5]))) == [("$.pixels", "value_changed")]
    assert ("$.height", "value_changed") in found("image/png", png(pixels), png(pixels + bytes([0, 1, 1])))


def test_a_kind_is_what_the_bytes_say_where_the_type_says_nothing() -> None:
    for vague in ("text/plain", "text/html; charset=utf-8"):
        assert found(vague, '{"a":1,"b":2}', '{"b":2,"a":1}') == []
        assert found(vague, '{"a":1}', '{"a":2}') == [("$.a", "value_changed")]
    assert found("text/plain", '{"a":1', '{"a":2') == [("body", "body_changed")]
    assert found("text/css", "[a]{}", "[b]{}") == [("body", "body_changed")]
    assert found("application/octet-stream", '{"a":1,"b":2}', '{"b":2,"a":1}') == []
    assert compare(Response(200, (), b'{"a":1}'), Response(200, (), b'{"a": 1}')) == []


def test_another_kind_is_a_difference() -> None:
    page = answer("text/html", "<html><body>error</body></html>")
    assert [(d.path, d.kind) for d in compare(answer("application/json", "{}"), page)] == [
        ("header:content-type", "header_changed"),
        ("body", "body_changed"),
    ]
    assert [d.path for d in compare(answer("application/json", "{}"), answer("application/json", "<html>error</html>"))] == ["body"]
    assert [d.path for d in compare(answer("application/json", "{}"), answer("application/json", ""))] == ["body"]


@pytest.mark.parametrize(
    "kind,whole,broken,why",
    [
        (XML, "<a/>", "<a>", "no XML"),
        (XML, "<a/>", "<a></b>", "line 1, column"),
        (NDJSON, "1\n2", "1\n{2", "document 2, line 1, column 2"),
        (CSV, "a,b\n1,2", 'a,b\n"1,2', "no CSV"),
        (PARTS, parts("b", ("", "1")), "--b\r\n\r\n1", "no multipart"),
        ("image/png", png(b"\0\1\2"), png(b"\0\1\2")[:-20], "no PNG"),
    ],
)
def test_what_is_broken_says_so(kind: str, whole: str | bytes, broken: str | bytes, why: str) -> None:
    (one,) = compare(answer(kind, whole), answer(kind, broken))
    assert (one.path, one.kind) == ("body", "body_changed")
    assert why in str(one.candidate)


def test_rules_by_xpath() -> None:
    one = '<a xmlns="u"><b id="1" at="7">x</b><c>1.00</c><d><e/><f/></d></a>'
    other = '<a xmlns="u"><b id="1" at="8">y</b><c>1.01</c><d><f/><e/></d></a>'
    assert [path for path, _ in found(XML, one, other)] == ["/a/b/@at", "/a/b/text()", "/a/c/text()", "/a/d"]
    assert [path for path, _ in found(XML, one, other, Rule(ignore=("//@at",)))] == ["/a/b/text()", "/a/c/text()", "/a/d"]
    assert [path for path, _ in found(XML, one, other, Rule(ignore=("/a/b",)))] == ["/a/c/text()", "/a/d"]
    tolerant = Rule(ignore=("/a/b/text()", "//@at"), tolerance=({"path": "/a/c/text()", "absolute": 0.02},), unordered=("/a/d",))
    assert found(XML, one, other, tolerant) == []
    assert [path for path, _ in found(XML, one, other, Rule(tolerance=({"path": "/a/c/text()", "absolute": 0.001},)))][2] == "/a/c/text()"


def test_rules_for_the_document_type_and_processing_instructions() -> None:
    one = '<?p a?><!DOCTYPE o [<!ENTITY t "1">]><o><?q a?></o>'
    other = '<?p b?><!DOCTYPE o [<!ENTITY t "2">]><o><?q b?></o>'
    places = ["doctype", "/processing-instruction('p')", "/o/processing-instruction('q')"]
    assert [path for path, _ in found(XML, one, other)] == places
    for place in places:
        assert [path for path, _ in found(XML, one, other, Rule(ignore=(place,)))] == [path for path in places if path != place]


def test_the_document_type_is_shown_as_it_is_declared_and_never_beyond_a_bound() -> None:
    (one,) = compare(answer(XML, '<!DOCTYPE o [\n<!ENTITY t "1">\n]><o/>'), answer(XML, "<o/>"))
    assert (one.primary, one.candidate) == ('<!DOCTYPE o [<!ENTITY t "1">]>', None)
    first, second = (answer(XML, '<!DOCTYPE o [<!ENTITY t "' + "x" * 100_000 + f'{n}">]><o/>') for n in "12")
    (long,) = compare(first, second)
    assert long.primary != long.candidate
    assert len(str(long.primary)) < 3000
    (added,) = compare(answer(XML, "<o/>"), answer(XML, "<?x a b?><o/>"))
    assert (added.primary, added.candidate) == (None, "<?x a b?>")


def test_rules_for_text_name_all_of_it_or_a_line() -> None:
    assert found("text/plain", "a\nb\nc\nd", "a\nx\nc\ny", Rule(ignore=("body:2",))) == [("body:4", "body_changed")]
    assert found("text/plain", "a\nb\nc\nd", "a\nx\nc\ny", Rule(ignore=("body",))) == []
