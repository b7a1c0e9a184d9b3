"""HTTPRoute -> routes, as the Gateway API defines them (gateway-api.sigs.k8s.io/reference/spec), in its order of precedence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pytest_shadowdiff.envoy.routes import fields, values
from pytest_shadowdiff.envoy.routes.documents import Value
from pytest_shadowdiff.envoy.routes.fields import fields_of
from pytest_shadowdiff.envoy.routes.hosts import full_name
from pytest_shadowdiff.envoy.routes.model import (
    MILLION,
    Answer,
    Cors,
    Destination,
    Edits,
    Forward,
    HeaderEdit,
    Match,
    Mirror,
    NamedMatch,
    PathMatch,
    Redirect,
    Retry,
    Rewrite,
    Route,
    TextMatch,
    Version,
)
from pytest_shadowdiff.envoy.routes.objects import Object
from pytest_shadowdiff.envoy.routes.virtual_service import DEFAULT_RETRY

Found = dict[str, Value]

_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
_FILTERS = {
    "RequestHeaderModifier": "requestHeaderModifier",
    "ResponseHeaderModifier": "responseHeaderModifier",
    "RequestMirror": "requestMirror",
    "RequestRedirect": "requestRedirect",
    "URLRewrite": "urlRewrite",
    "CORS": "cors",
    "ExtensionRef": "extensionRef",
    "ExternalAuth": "externalAuth",
}
_REDIRECT_CODES = ("301", "302", "303", "307", "308")
_CONNECTION_ERRORS = ("connect-failure", "refused-stream", "unavailable", "cancelled")
_NO_BACKEND = Answer(500)
_BAD_PATH = re.compile(r"//|/\./|/\.\./|%2[fF]|#|/\.\.?\Z")


def routes_of(objects: Iterable[Object]) -> Sequence[Route]:
    """The routes of all HTTPRoutes together, the most specific first, as their Gateway tries them.

    Raises:
        SettingsError: something in them is wrong or not enacted; names the field and its place.
    """
    routes = [route for item in sorted(objects, key=lambda item: (item.namespace, item.name)) for route in _routes(item)]
    return tuple(sorted(routes, key=_precedence))


def hostnames_of(route: Object) -> Sequence[str]:
    """The hostnames of one HTTPRoute; they name the service, and requests need not carry them."""
    spec = route.spec.mapping()
    return tuple(sorted(values.texts(spec["hostnames"]))) if "hostnames" in spec and spec["hostnames"].content is not None else ()


def _precedence(route: Route) -> tuple[int, int, bool, int, int]:
    match = route.match
    rank = {"exact": 0, "segments": 1, "prefix": 1, "regex": 2}[match.path.kind]
    method = any(header.name == ":method" for header in match.headers)
    return rank, -len(match.path.value), not method, -len(match.headers), -len(match.query)


def _routes(route: Object) -> Iterator[Route]:
    spec = fields_of(route.spec, fields.HTTP_ROUTE, snake=False)
    for parent in spec["parentRefs"].items() if "parentRefs" in spec else ():
        fields_of(parent, fields.PARENT, snake=False)
    if "hostnames" in spec:
        values.texts(spec["hostnames"])
    if "rules" not in spec or not spec["rules"].items():
        yield Route(route.name, Match(PathMatch("segments", "/")), _NO_BACKEND)
        return
    for rule in spec["rules"].items():
        yield from _Rule(route, rule).routes()


class _Rule:
    """Reads one rule."""

    def __init__(self, route: Object, value: Value) -> None:
        self._namespace = route.namespace
        self._value = value
        self._found = fields_of(value, fields.RULE, snake=False)
        name = self._found["name"].text() if "name" in self._found else value.path.removeprefix("spec.")
        self._name = f"{route.name}.{name}"

    def routes(self) -> Iterator[Route]:
        found = self._found
        matches = found["matches"].items() if "matches" in found else ()
        read = [_match(item) for item in matches] or [Match(PathMatch("segments", "/"))]
        filters = _filters(found["filters"], fields.FILTER) if "filters" in found else []
        for match in read:
            action, edits = self._action(filters, match)
            cors = next((_cors(value) for name, value in filters if name == "cors"), None)
            at = f".{read.index(match)}" if len(read) > 1 else ""
            yield Route(self._name + at, match, action, edits, cors=cors)

    def _action(self, filters: Sequence[tuple[str, Value]], match: Match) -> tuple[Forward | Redirect | Answer, Edits]:
        found = dict(filters)
        edits = Edits(
            _modifier(found["requestHeaderModifier"]) if "requestHeaderModifier" in found else HeaderEdit(),
            _modifier(found["responseHeaderModifier"]) if "responseHeaderModifier" in found else HeaderEdit(),
        )
        mirrors = tuple(self._mirror(value) for name, value in filters if name == "requestMirror")
        if "requestRedirect" in found:
            self._alone(found, mirrors)
            return _redirect(found["requestRedirect"], match), edits
        rewrite, host = _rewrite(found["urlRewrite"], match) if "urlRewrite" in found else (None, "")
        timeout, retry = self._patience()
        destinations = tuple(self._destinations())
        if not destinations:
            if mirrors:
                raise self._value.refuse("has a mirror, but no backend that could answer (its weights are 0, or there is none)")
            return _NO_BACKEND, edits
        return Forward(destinations, mirrors, rewrite, timeout, retry), Edits(edits.request, edits.response, host)

    def _alone(self, found: Mapping[str, Value], mirrors: Sequence[Mirror]) -> None:
        for name in ("backendRefs", "timeouts", "retry"):
            if name in self._found:
                raise self._found[name].refuse("cannot be enacted beside RequestRedirect: no request goes on to a backend")
        if mirrors or "urlRewrite" in found:
            name = "requestMirror" if mirrors else "urlRewrite"
            raise found[name].refuse("cannot be enacted beside RequestRedirect: no request goes on to a backend")

    def _destinations(self) -> Iterator[Destination]:
        for item in self._found["backendRefs"].items() if "backendRefs" in self._found else ():
            found = fields_of(item, fields.WEIGHTED_BACKEND_REF, snake=False)
            weight = found["weight"].integer(0, MILLION) if "weight" in found else 1
            edits = Edits()
            for name, value in _filters(found["filters"], fields.BACKEND_FILTER) if "filters" in found else ():
                edit = _modifier(value)
                edits = Edits(edit, edits.response) if name == "requestHeaderModifier" else Edits(edits.request, edit)
            version = self._backend(item, found)
            if weight:
                yield Destination(version, weight, edits)

    def _backend(self, value: Value, found: Found) -> Version:
        if "kind" in found:
            found["kind"].choice("Service")
        if "group" in found and found["group"].text() not in {"", "core"}:
            raise found["group"].refuse("is not enacted: a backend is a Service, whose group is empty")
        if "namespace" in found and found["namespace"].text() != self._namespace:
            raise found["namespace"].refuse("is not enacted: a backend in another namespace needs a ReferenceGrant, which is not read here")
        if "port" in found:
            found["port"].integer(1, 65535)
        if "name" not in found:
            raise value.refuse("name is missing")
        name = found["name"].text()
        return Version(name, full_name(name, self._namespace), subset=False, at=found["name"])

    def _mirror(self, value: Value) -> Mirror:
        found = fields_of(value, fields.REQUEST_MIRROR, snake=False)
        if "backendRef" not in found:
            raise value.refuse("backendRef is missing")
        version = self._backend(found["backendRef"], fields_of(found["backendRef"], fields.BACKEND_REF, snake=False))
        chosen = values.one_of(found, "percent", "fraction")
        if chosen == "percent":
            return Mirror(version, values.percent(found["percent"]))
        if chosen is None:
            return Mirror(version)
        fraction = fields_of(found["fraction"], fields.FRACTION, snake=False)
        if "numerator" not in fraction:
            raise found["fraction"].refuse("numerator is missing")
        denominator = fraction["denominator"].integer(1, 2**31 - 1) if "denominator" in fraction else 100
        return Mirror(version, fraction["numerator"].integer(0, denominator) * MILLION // denominator)

    def _patience(self) -> tuple[float | None, Retry | None]:
        times = fields_of(self._found["timeouts"], fields.TIMEOUTS, snake=False) if "timeouts" in self._found else {}
        request = values.duration(times["request"]) if "request" in times else 0.0
        backend = values.duration(times["backendRequest"]) if "backendRequest" in times else 0.0
        if request and backend > request:
            raise times["backendRequest"].refuse("is longer than the timeout of the whole request")
        if "retry" not in self._found:
            return (backend or request) or None, DEFAULT_RETRY
        found = fields_of(self._found["retry"], fields.RETRY, snake=False)
        codes = tuple(item.integer(400, 599) for item in found["codes"].items()) if "codes" in found else ()
        attempts = found["attempts"].integer(0, 1000) if "attempts" in found else DEFAULT_RETRY.attempts
        if not attempts:
            return (backend or request) or None, None
        backoff = values.duration(found["backoff"]) if "backoff" in found else 0.0
        conditions = (*_CONNECTION_ERRORS, "retriable-status-codes") if codes else _CONNECTION_ERRORS
        return request or None, Retry(attempts, conditions, codes, backend or None, backoff or None)


def _match(value: Value) -> Match:
    found = fields_of(value, fields.RULE_MATCH, snake=False)
    headers = list(_named(found.get("headers"), header=True))
    if "method" in found:
        headers.append(NamedMatch(":method", TextMatch("exact", found["method"].choice(*_METHODS))))
    return Match(
        _path(found["path"]) if "path" in found else PathMatch("segments", "/"),
        tuple(headers),
        tuple(_named(found.get("queryParams"), header=False)),
    )


def _path(value: Value) -> PathMatch:
    found = fields_of(value, fields.RULE_PATH, snake=False)
    kind = found["type"].choice("Exact", "PathPrefix", "RegularExpression") if "type" in found else "PathPrefix"
    if "value" not in found:
        return PathMatch("segments" if kind == "PathPrefix" else "exact", "/")
    if kind == "RegularExpression":
        return PathMatch("regex", values.pattern(found["value"]))
    path = found["value"].text()
    if not path.startswith("/") or _BAD_PATH.search(path):
        raise found["value"].refuse(f"{path!r} is no path: it starts with / and has no empty or dot segments, no %2F and no #")
    return PathMatch("exact", path) if kind == "Exact" else PathMatch("segments", path.rstrip("/") or "/")


def _named(value: Value | None, *, header: bool) -> Iterator[NamedMatch]:
    seen: set[str] = set()
    for item in value.items() if value else ():
        found = fields_of(item, fields.RULE_NAMED, snake=False)
        for name in ("name", "value"):
            if name not in found:
                raise item.refuse(f"{name} is missing")
        kind = found["type"].choice("Exact", "RegularExpression") if "type" in found else "Exact"
        name = found["name"].text()
        if header:
            values.header_name(found["name"], name)
        key = name.lower() if header else name
        if key in seen:
            raise found["name"].refuse(f"{name!r} stands there twice; an implementation reads only the first")
        seen.add(key)
        text = TextMatch("exact", found["value"].text()) if kind == "Exact" else TextMatch("regex", values.pattern(found["value"]))
        yield NamedMatch(name, text)


def _filters(value: Value, shape: fields.Shape) -> list[tuple[str, Value]]:
    read: list[tuple[str, Value]] = []
    for item in value.items():
        found = fields_of(item, shape, snake=False)
        if "type" not in found:
            raise item.refuse("type is missing")
        name = _FILTERS[found["type"].choice(*_FILTERS)]
        if shape[name]:
            raise found["type"].refuse(f"is not enacted: {shape[name]}")
        for other in found:
            if other not in {"type", name}:
                raise found[other].refuse(f"stands in a filter of type {found['type'].content}")
        if name not in found:
            raise item.refuse(f"{name} is missing")
        if name != "requestMirror" and any(name == known for known, _ in read):
            raise item.refuse(f"a second {found['type'].content}; a rule may have one")
        read.append((name, found[name]))
    return read


def _modifier(value: Value) -> HeaderEdit:
    found = fields_of(value, fields.HEADER_MODIFIER, snake=False)
    kept: dict[str, tuple[tuple[str, str], ...]] = {}
    for operation in ("set", "add"):
        kept[operation] = tuple(_header(item) for item in found[operation].items()) if operation in found else ()
    remove = tuple(values.removable(item) for item in found["remove"].items()) if "remove" in found else ()
    return HeaderEdit(kept["set"], kept["add"], remove)


def _header(item: Value) -> tuple[str, str]:
    found = fields_of(item, fields.HEADER_VALUE, snake=False)
    for name in ("name", "value"):
        if name not in found:
            raise item.refuse(f"{name} is missing")
    name = values.header_name(found["name"], found["name"].text())
    if name.lower() == "host":
        raise found["name"].refuse("the Host is changed by URLRewrite's hostname")
    return name, values.header_value(found["value"], found["value"].text(), formatted=True)  # Istio hands it to Envoy as it stands


def _redirect(value: Value, match: Match) -> Redirect:
    found = fields_of(value, fields.REQUEST_REDIRECT, snake=False)
    path, rewrite = "", None
    if "path" in found:
        kind, text = _path_modifier(found["path"], match)
        path, rewrite = (text, None) if kind == "full" else ("", Rewrite(prefix=text))
    code = found["statusCode"].integer(300, 399) if "statusCode" in found else 302
    if str(code) not in _REDIRECT_CODES:
        raise found["statusCode"].refuse(f"{code} is none of {', '.join(_REDIRECT_CODES)}")
    return Redirect(
        code=code,
        scheme=values.scheme(found["scheme"]) if "scheme" in found else "",
        host=found["hostname"].text() if "hostname" in found else "",
        port=found["port"].integer(1, 65535) if "port" in found else 0,
        path=path,
        rewrite=rewrite,
    )


def _rewrite(value: Value, match: Match) -> tuple[Rewrite | None, str]:
    found = fields_of(value, fields.URL_REWRITE, snake=False)
    host = found["hostname"].text() if "hostname" in found else ""
    if "path" not in found:
        return None, host
    kind, text = _path_modifier(found["path"], match)
    if kind == "full":
        return Rewrite(pattern="/.*", substitution=text.replace("\\", "\\\\")), host
    return _other_prefix(match, text), host


def _other_prefix(match: Match, text: str) -> Rewrite:
    """Another prefix in place of the one that matched: as text, but for `/`, as Istio has it."""
    kept = text.removesuffix("/")
    if not kept:
        return Rewrite(pattern=f"^{re.escape(match.path.value)}(/?)(.*)", substitution="/\\2")
    return Rewrite(prefix=kept)


def _path_modifier(value: Value, match: Match) -> tuple[str, str]:
    found = fields_of(value, fields.PATH_MODIFIER, snake=False)
    if "type" not in found:
        raise value.refuse("type is missing")
    kind = found["type"].choice("ReplaceFullPath", "ReplacePrefixMatch")
    name = "replaceFullPath" if kind == "ReplaceFullPath" else "replacePrefixMatch"
    if name not in found or len(found) > 2:  # noqa: PLR2004 - the type and the one field that it names
        raise value.refuse(f"type {kind} takes the field {name} and no other")
    if kind == "ReplacePrefixMatch" and match.path.kind != "segments":
        raise found["type"].refuse("ReplacePrefixMatch needs a PathPrefix to match")
    return ("full" if kind == "ReplaceFullPath" else "prefix"), found[name].text()


def _cors(value: Value) -> Cors:
    found = fields_of(value, fields.RULE_CORS, snake=False)
    origins = tuple(_origin(item) for item in found["allowOrigins"].items()) if "allowOrigins" in found else ()
    return Cors(
        origins=origins,
        methods=values.texts(found["allowMethods"]) if "allowMethods" in found else (),
        headers=values.texts(found["allowHeaders"]) if "allowHeaders" in found else (),
        expose=values.texts(found["exposeHeaders"]) if "exposeHeaders" in found else (),
        max_age=found["maxAge"].integer(1, 2**31 - 1) if "maxAge" in found else 5,
        credentials=found["allowCredentials"].flag() if "allowCredentials" in found else None,
        forward_unmatched=False,
    )


def _origin(item: Value) -> TextMatch:
    text = item.text()
    if text == "*":
        return TextMatch("regex", r"^[a-zA-Z][a-zA-Z0-9+.-]*://[^/\s?#]+$")
    if "*" not in text:
        return TextMatch("exact", text)
    pattern = re.escape(text).replace(r"\*", ".*")
    return TextMatch("regex", f"^{pattern}$")
