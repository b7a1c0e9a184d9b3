"""VirtualService -> routes, as Istio defines them (istio.io/docs/reference/config/networking/virtual-service)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from http import HTTPStatus

from pytest_shadowdiff.envoy.routes import fields, values
from pytest_shadowdiff.envoy.routes.documents import Value
from pytest_shadowdiff.envoy.routes.fields import fields_of
from pytest_shadowdiff.envoy.routes.hosts import first_label, full_name
from pytest_shadowdiff.envoy.routes.model import (
    MILLION,
    Answer,
    Cors,
    Destination,
    Edits,
    Fault,
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

Found = dict[str, Value]

HUNDRED = 100
DEFAULT_RETRY = Retry(2, ("connect-failure", "refused-stream", "unavailable", "cancelled", "retriable-status-codes"))
_REDIRECT_CODES = (301, 302, 303, 307, 308)
_GRPC = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED"),
    *("RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE"),
    *("DATA_LOSS", "UNAUTHENTICATED"),
)
_RETRY_ON = (
    *("5xx", "gateway-error", "reset", "reset-before-request", "connect-failure", "envoy-ratelimited", "retriable-4xx", "refused-stream"),
    *("retriable-status-codes", "retriable-headers", "http3-post-connect-failure"),
    *("cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable"),
)


def routes_of(service: Object) -> Sequence[Route]:
    """The routes of a VirtualService, one for each match of each rule, in the order in which they are tried.

    Raises:
        SettingsError: something in it is wrong or not enacted; names the field and its place.
    """
    spec = fields_of(service.spec, fields.VIRTUAL_SERVICE)
    if not spec.get("hosts") or not spec["hosts"].items():
        raise service.spec.refuse("hosts is missing; it names the service")
    values.texts(spec["hosts"])
    check_export(spec.get("exportTo"))
    if "http" not in spec or not spec["http"].items():
        raise service.spec.refuse("has no http routes")
    gateways = tuple(values.texts(spec["gateways"])) if "gateways" in spec else ()
    reader = _Rules(service, gateways)
    return tuple(route for rule in spec["http"].items() for route in reader.rule(rule))


def check_export(value: Value | None) -> None:
    """`.` and `*` change nothing for the callers here; anything else hides the object from them."""
    for item in value.items() if value else ():
        if item.text() not in {".", "*"}:
            raise item.refuse(f"is not enacted: {item.text()!r} decides which namespaces see the object; here stands only one (. or *)")


class _Rules:
    """Reads the rules of one VirtualService."""

    def __init__(self, service: Object, gateways: Sequence[str]) -> None:
        self._service = service
        self._gateways = gateways

    def rule(self, value: Value) -> Iterator[Route]:
        found = fields_of(value, fields.HTTP)
        name = found["name"].text() if "name" in found else value.path.removeprefix("spec.")
        action, edits = self._action(value, found)
        fault = _fault(found["fault"]) if "fault" in found else None
        cors = _cors(found["corsPolicy"]) if "corsPolicy" in found else None
        matches = found["match"].items() if "match" in found else ()
        _check_prefixes(found, action)
        for at, item in enumerate(matches):
            parts = fields_of(item, fields.HTTP_MATCH)
            if self._elsewhere(parts.get("gateways")):
                continue
            label = parts["name"].text() if "name" in parts else str(at)
            yield Route(f"{name}.{label}" if len(matches) > 1 or "name" in parts else name, _match(parts), action, edits, fault, cors)
        if not matches:
            yield Route(name, Match(), action, edits, fault, cors)

    def _elsewhere(self, gateways: Value | None) -> bool:
        """The mirror's entry stands for all gateways of the VirtualService at once, so a rule for some of them has no answer."""
        if gateways is None or not gateways.items():
            return False
        named = set(values.texts(gateways))
        known = set(self._gateways or ("mesh",))
        if known & named and not known <= named:
            raise gateways.refuse(
                f"is not enacted: the mirror's entry stands for {', '.join(sorted(known))} at once, and the rule for some of them"
            )
        return not known & named

    def _action(self, value: Value, found: Found) -> tuple[Forward | Redirect | Answer, Edits]:
        edits = _headers(found["headers"]) if "headers" in found else Edits()
        chosen = values.one_of(found, "route", "redirect", "directResponse")
        if chosen is None:
            raise value.refuse("one of route, redirect and directResponse is needed")
        if chosen != "route":
            for name in ("rewrite", "fault", "timeout", "retries", "mirror", "mirrors", "mirrorPercent", "mirrorPercentage"):
                if name in found:
                    raise found[name].refuse(f"cannot be enacted beside {chosen}: no request goes on to a version")
            return (_redirect(found[chosen]) if chosen == "redirect" else _answer(found[chosen])), edits
        rewrite, host = _rewrite(found["rewrite"]) if "rewrite" in found else (None, "")
        edits = Edits(edits.request, edits.response, host or edits.host)
        timeout = values.duration(found["timeout"]) if "timeout" in found else 0.0
        retry = _retry(found["retries"]) if "retries" in found else DEFAULT_RETRY
        return Forward(self._destinations(found["route"]), self._mirrors(found), rewrite, timeout or None, retry), edits

    def _destinations(self, value: Value) -> Sequence[Destination]:
        items = value.items()
        if not items:
            raise value.refuse("is empty; a destination is needed")
        return tuple(self._shares(value, items))

    def _shares(self, value: Value, items: Sequence[Value]) -> Iterator[Destination]:
        total, only = 0, len(items) == 1
        for item in items:
            found = fields_of(item, fields.ROUTE_DESTINATION)
            if "destination" not in found:
                raise item.refuse("destination is missing")
            weight = found["weight"].integer(0, 2**31 - 1) if "weight" in found else 0
            weight = weight or (HUNDRED if only else 0)
            total += weight
            yield Destination(self._version(found["destination"]), weight, _headers(found["headers"]) if "headers" in found else Edits())
        if total != HUNDRED:
            raise value.refuse(f"the weights add up to {total}, not to 100")

    def _version(self, value: Value) -> Version:
        found = fields_of(value, fields.DESTINATION)
        if "host" not in found:
            raise value.refuse("host is missing")
        if "port" in found:
            port = fields_of(found["port"], fields.PORT)
            if "number" in port:
                port["number"].integer(1, 65535)
        host = full_name(found["host"].text(), self._service.namespace)
        if "subset" not in found:
            return Version(first_label(host), host, subset=False, at=found["host"])
        return Version(found["subset"].text(), host, subset=True, at=found["subset"])

    def _mirrors(self, found: Found) -> Sequence[Mirror]:
        kind = values.one_of(found, "mirror", "mirrors")
        for name in ("mirrorPercentage", "mirrorPercent"):
            if name in found and kind != "mirror":
                raise found[name].refuse(
                    "stands without a mirror" if kind is None else "stands beside mirrors; each of those has its own percentage"
                )
        if kind == "mirror":
            share = MILLION
            if "mirrorPercent" in found:
                share = values.percent(found["mirrorPercent"])
            if "mirrorPercentage" in found:
                exact = values.percentage(found["mirrorPercentage"])
                if "mirrorPercent" in found and exact != share:
                    raise found["mirrorPercent"].refuse("says another share than mirrorPercentage, which Istio prefers")
                share = exact
            return (Mirror(self._version(found["mirror"]), share),)
        return tuple(self._policy(item) for item in found["mirrors"].items()) if kind else ()

    def _policy(self, item: Value) -> Mirror:
        found = fields_of(item, fields.MIRROR_POLICY)
        if "destination" not in found:
            raise item.refuse("destination is missing")
        return Mirror(self._version(found["destination"]), values.percentage(found["percentage"]) if "percentage" in found else MILLION)


def _check_prefixes(found: Found, action: Forward | Redirect | Answer) -> None:
    """A redirect that swaps a prefix needs one in each match."""
    if not isinstance(action, Redirect) or action.rewrite is None or "match" not in found:
        return
    for item in found["match"].items():
        uri = fields_of(item, fields.HTTP_MATCH).get("uri")
        if uri is not None and values.string_match(uri).kind != "prefix":
            raise uri.refuse("prefixRewrite of the redirect needs a prefix to match here")


def _match(found: Found) -> Match:
    path = PathMatch()
    ignore = found["ignoreUriCase"].flag() if "ignoreUriCase" in found else False
    if "uri" in found:
        match = values.demanding_match(found["uri"])
        kind = match.kind if match.kind != "present" else "prefix"
        path = PathMatch(kind, match.value, ignore_case=ignore and kind != "regex")
    headers = [*_named(found.get("headers")), *_named(found.get("withoutHeaders"), absent=True)]
    headers += [NamedMatch(f":{name}", values.demanding_match(found[name])) for name in ("method", "authority", "scheme") if name in found]
    query = tuple(_named(found.get("queryParams"), header=False))
    return Match(path, tuple(headers), query, found["statPrefix"].text() if "statPrefix" in found else "")


def _named(value: Value | None, *, absent: bool = False, header: bool = True) -> Iterator[NamedMatch]:
    for name, item in sorted(value.mapping().items()) if value else ():
        if name.startswith("@request.auth"):
            raise item.refuse("is not enacted: no token is read here, so there are no claims to match")
        text = TextMatch("present") if item.content is None else values.string_match(item)
        yield NamedMatch(values.header_name(item, name) if header and not name.startswith(":") else name, text, absent)


def _headers(value: Value) -> Edits:
    found = fields_of(value, fields.HEADERS)
    request, host = values.header_operations(found["request"]) if "request" in found else (HeaderEdit(), "")
    response, refused = values.header_operations(found["response"]) if "response" in found else (HeaderEdit(), "")
    if refused:
        raise found["response"].refuse("a response has no Host")
    return Edits(request, response, host)


def _rewrite(value: Value) -> tuple[Rewrite | None, str]:
    found = fields_of(value, fields.REWRITE)
    host = found["authority"].text() if "authority" in found else ""
    chosen = values.one_of(found, "uri", "uriRegexRewrite")
    if chosen == "uri":
        return Rewrite(prefix=found["uri"].text()), host
    if chosen is None:
        if not host:
            raise value.refuse("uri, uriRegexRewrite or authority is needed")
        return None, host
    regex = fields_of(found[chosen], fields.REGEX_REWRITE)
    if "match" not in regex:
        raise found[chosen].refuse("match is missing")
    return Rewrite(pattern=values.pattern(regex["match"]), substitution=regex["rewrite"].text() if "rewrite" in regex else ""), host


def _redirect(value: Value) -> Redirect:
    found = fields_of(value, fields.REDIRECT)
    path = values.one_of(found, "uri", "prefixRewrite")
    chosen = values.one_of(found, "port", "derivePort")
    if not any(name in found for name in ("uri", "prefixRewrite", "authority", "scheme")) and not chosen:
        raise value.refuse("uri, prefixRewrite, authority, scheme or port is needed")
    port = found["port"].integer(1, 65535) if chosen == "port" else 0
    if chosen == "derivePort" and found["derivePort"].choice("FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT") == "FROM_REQUEST_PORT":
        raise found["derivePort"].refuse("is not enacted: requests enter by a port of the mirror's own, not by the service's")
    code = found["redirectCode"].integer(300, 399) if "redirectCode" in found else 301
    if code not in _REDIRECT_CODES:
        raise found["redirectCode"].refuse(f"{code} is none of {', '.join(map(str, _REDIRECT_CODES))}")
    return Redirect(
        code=code,
        scheme=values.scheme(found["scheme"]) if "scheme" in found else "",
        host=found["authority"].text() if "authority" in found else "",
        port=port,
        path=found["uri"].text() if path == "uri" else "",
        rewrite=Rewrite(prefix=found["prefixRewrite"].text()) if path == "prefixRewrite" else None,
    )


def _answer(value: Value) -> Answer:
    found = fields_of(value, fields.DIRECT_RESPONSE)
    if "status" not in found:
        raise value.refuse("status is missing")
    body = b""
    if "body" in found:
        inner = fields_of(found["body"], fields.BODY)
        kind = values.one_of(inner, "string", "bytes")
        if kind == "string":
            body = inner["string"].text().encode()
        elif kind:
            try:
                body = base64.b64decode(inner["bytes"].text(), validate=True)
            except (binascii.Error, ValueError):
                raise inner["bytes"].refuse("is no base64") from None
    return Answer(values.status(found["status"]), body)


def _retry(value: Value) -> Retry | None:
    found = fields_of(value, fields.RETRIES)
    attempts = found["attempts"].integer(0, 1000) if "attempts" in found else 0
    if not attempts:
        for name in ("retryOn", "perTryTimeout", "backoff"):
            if name in found:
                raise found[name].refuse("stands beside attempts: 0, which asks once")
        return None
    conditions, codes = DEFAULT_RETRY.on, []
    if "retryOn" in found:
        words = [word.strip() for word in found["retryOn"].text().split(",") if word.strip()]
        codes = [int(word) for word in words if word.isdecimal() and _is_status(int(word))]
        conditions = tuple(word for word in words if not (word.isdecimal() and _is_status(int(word))))
        for word in conditions:
            if word not in _RETRY_ON:
                raise found["retryOn"].refuse(f"{word!r} is no condition for a retry: {', '.join(sorted(_RETRY_ON))}, or a status")
        if codes and "retriable-status-codes" not in conditions:
            conditions = (*conditions, "retriable-status-codes")
    per_try = values.duration(found["perTryTimeout"]) if "perTryTimeout" in found else 0.0
    backoff = values.duration(found["backoff"]) if "backoff" in found else 0.0
    return Retry(attempts, conditions, tuple(codes), per_try or None, backoff or None)


def _is_status(code: int) -> bool:
    return any(code == known for known in HTTPStatus)


def _fault(value: Value) -> Fault:
    found = fields_of(value, fields.FAULT)
    delay: float | None = None
    delay_share = abort_share = 0
    http = grpc = None
    if "delay" in found:
        inner = fields_of(found["delay"], fields.DELAY)
        if "fixedDelay" not in inner:
            raise found["delay"].refuse("fixedDelay is missing")
        delay = values.duration(inner["fixedDelay"])
        chosen = values.one_of(inner, "percentage", "percent")
        if chosen:
            delay_share = values.percentage(inner[chosen]) if chosen == "percentage" else values.percent(inner[chosen])
    if "abort" in found:
        inner = fields_of(found["abort"], fields.ABORT)
        chosen = values.one_of(inner, "httpStatus", "grpcStatus")
        if chosen is None:
            raise found["abort"].refuse("httpStatus or grpcStatus is missing")
        http = values.status(inner["httpStatus"]) if chosen == "httpStatus" else None
        grpc = _GRPC.index(inner["grpcStatus"].choice(*_GRPC)) if chosen == "grpcStatus" else None
        abort_share = values.percentage(inner["percentage"]) if "percentage" in inner else 0
    return Fault(delay, delay_share, http, grpc, abort_share)


def _cors(value: Value) -> Cors:
    found = fields_of(value, fields.CORS_POLICY)
    chosen = values.one_of(found, "allowOrigins", "allowOrigin")
    origins: tuple[TextMatch, ...] = ()
    if chosen == "allowOrigins":
        origins = tuple(values.demanding_match(item) for item in found[chosen].items())
    elif chosen:
        origins = tuple(TextMatch("exact", item) for item in values.texts(found[chosen]))
    unmatched = found["unmatchedPreflights"].choice("UNSPECIFIED", "FORWARD", "IGNORE") if "unmatchedPreflights" in found else "FORWARD"
    return Cors(
        origins=origins,
        methods=values.texts(found["allowMethods"]) if "allowMethods" in found else (),
        headers=values.texts(found["allowHeaders"]) if "allowHeaders" in found else (),
        expose=values.texts(found["exposeHeaders"]) if "exposeHeaders" in found else (),
        max_age=int(values.duration(found["maxAge"])) if "maxAge" in found else None,
        credentials=found["allowCredentials"].flag() if "allowCredentials" in found else None,
        forward_unmatched=unmatched != "IGNORE",
    )
