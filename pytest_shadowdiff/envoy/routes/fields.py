"""Each field of each kind: enacted, or refused with the reason. The tables are complete, so that nothing is passed over in silence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches

from pytest_shadowdiff.envoy.routes.documents import Value

ENACTED = ""
Shape = Mapping[str, str]

_ONE_VERSION = "a version here is one endpoint, and what it decides between several cannot be shown"
_PLACE = "who the caller is in a mesh is not known here; requests come from tests alone"
_TLS = "versions are reached as the target's own `tls` says"
_TCP = "it changes no answer that a test could see"

OBJECT: Shape = {"apiVersion": ENACTED, "kind": ENACTED, "metadata": ENACTED, "spec": ENACTED, "status": ENACTED}

VIRTUAL_SERVICE: Shape = {
    "hosts": ENACTED,
    "gateways": ENACTED,
    "http": ENACTED,
    "exportTo": ENACTED,
    "tls": "only HTTP routes are enacted",
    "tcp": "only HTTP routes are enacted",
}
HTTP: Shape = {
    "name": ENACTED,
    "match": ENACTED,
    "route": ENACTED,
    "redirect": ENACTED,
    "directResponse": ENACTED,
    "delegate": "the VirtualService that it names is not looked up; write its rules here",
    "rewrite": ENACTED,
    "timeout": ENACTED,
    "retries": ENACTED,
    "fault": ENACTED,
    "mirror": ENACTED,
    "mirrors": ENACTED,
    "mirrorPercent": ENACTED,
    "mirrorPercentage": ENACTED,
    "corsPolicy": ENACTED,
    "headers": ENACTED,
}
HTTP_MATCH: Shape = {
    "name": ENACTED,
    "uri": ENACTED,
    "scheme": ENACTED,
    "method": ENACTED,
    "authority": ENACTED,
    "headers": ENACTED,
    "withoutHeaders": ENACTED,
    "queryParams": ENACTED,
    "ignoreUriCase": ENACTED,
    "statPrefix": ENACTED,
    "gateways": ENACTED,
    "port": "requests enter by a port of the mirror's own, not by the service's",
    "sourceLabels": _PLACE,
    "sourceNamespace": _PLACE,
}
STRING_MATCH: Shape = {"exact": ENACTED, "prefix": ENACTED, "regex": ENACTED}
ROUTE_DESTINATION: Shape = {"destination": ENACTED, "weight": ENACTED, "headers": ENACTED}
DESTINATION: Shape = {"host": ENACTED, "subset": ENACTED, "port": ENACTED}
PORT: Shape = {"number": ENACTED}
HEADERS: Shape = {"request": ENACTED, "response": ENACTED}
HEADER_OPERATIONS: Shape = {"set": ENACTED, "add": ENACTED, "remove": ENACTED}
REWRITE: Shape = {"uri": ENACTED, "authority": ENACTED, "uriRegexRewrite": ENACTED}
REGEX_REWRITE: Shape = {"match": ENACTED, "rewrite": ENACTED}
REDIRECT: Shape = {
    "uri": ENACTED,
    "authority": ENACTED,
    "port": ENACTED,
    "derivePort": ENACTED,
    "scheme": ENACTED,
    "redirectCode": ENACTED,
    "prefixRewrite": ENACTED,
}
DIRECT_RESPONSE: Shape = {"status": ENACTED, "body": ENACTED}
BODY: Shape = {"string": ENACTED, "bytes": ENACTED}
RETRIES: Shape = {
    "attempts": ENACTED,
    "perTryTimeout": ENACTED,
    "retryOn": ENACTED,
    "backoff": ENACTED,
    "retryIgnorePreviousHosts": _ONE_VERSION,
    "retryRemoteLocalities": _ONE_VERSION,
}
FAULT: Shape = {"delay": ENACTED, "abort": ENACTED}
DELAY: Shape = {
    "percent": ENACTED,
    "percentage": ENACTED,
    "fixedDelay": ENACTED,
    "exponentialDelay": "Istio does not enact it either",
}
ABORT: Shape = {"percentage": ENACTED, "httpStatus": ENACTED, "grpcStatus": ENACTED, "http2Error": "Istio does not enact it either"}
PERCENTAGE: Shape = {"value": ENACTED}
MIRROR_POLICY: Shape = {"destination": ENACTED, "percentage": ENACTED}
CORS_POLICY: Shape = {
    "allowOrigin": ENACTED,
    "allowOrigins": ENACTED,
    "allowMethods": ENACTED,
    "allowHeaders": ENACTED,
    "exposeHeaders": ENACTED,
    "maxAge": ENACTED,
    "allowCredentials": ENACTED,
    "unmatchedPreflights": ENACTED,
}

DESTINATION_RULE: Shape = {
    "host": ENACTED,
    "subsets": ENACTED,
    "trafficPolicy": ENACTED,
    "exportTo": ENACTED,
    "workloadSelector": _PLACE,
}
SUBSET: Shape = {"name": ENACTED, "labels": ENACTED, "trafficPolicy": ENACTED}
TRAFFIC_POLICY: Shape = {
    "connectionPool": ENACTED,
    "outlierDetection": ENACTED,
    "loadBalancer": ENACTED,
    "tls": ENACTED,
    "portLevelSettings": "a version here has one port",
    "tunnel": "no tunnel leads to a version here",
    "proxyProtocol": "versions are spoken to directly",
    "retryBudget": "how many retries run at once is no property of one answer",
}
LOAD_BALANCER: Shape = {
    "simple": ENACTED,
    "consistentHash": _ONE_VERSION,
    "localityLbSetting": _ONE_VERSION,
    "zoneAwareLbSetting": _ONE_VERSION,
    "warmup": _ONE_VERSION,
    "warmupDurationSecs": _ONE_VERSION,
}
TLS: Shape = {
    "mode": ENACTED,
    "clientCertificate": _TLS,
    "privateKey": _TLS,
    "caCertificates": _TLS,
    "caCrl": _TLS,
    "credentialName": _TLS,
    "insecureSkipVerify": _TLS,
    "sni": _TLS,
    "subjectAltNames": _TLS,
}
CONNECTION_POOL: Shape = {"tcp": ENACTED, "http": ENACTED}
POOL_TCP: Shape = {
    "maxConnections": ENACTED,
    "connectTimeout": ENACTED,
    "idleTimeout": _TCP,
    "maxConnectionDuration": _TCP,
    "tcpKeepalive": _TCP,
}
POOL_HTTP: Shape = {
    "http1MaxPendingRequests": ENACTED,
    "http2MaxRequests": ENACTED,
    "maxRequestsPerConnection": ENACTED,
    "maxRetries": ENACTED,
    "idleTimeout": ENACTED,
    "h2UpgradePolicy": "versions are spoken to in HTTP/1.1",
    "http2KeepAlive": "versions are spoken to in HTTP/1.1",
    "maxConcurrentStreams": "versions are spoken to in HTTP/1.1",
    "useClientProtocol": "versions are spoken to in HTTP/1.1",
}
OUTLIERS: Shape = {
    "consecutive5xxErrors": ENACTED,
    "consecutiveGatewayErrors": ENACTED,
    "interval": ENACTED,
    "baseEjectionTime": ENACTED,
    "maxEjectionPercent": ENACTED,
    "consecutiveErrors": "Istio took it out; write consecutive5xxErrors",
    "consecutiveLocalOriginFailures": "what fails on the way to a version is answered by the proxy before it",
    "splitExternalLocalOriginErrors": "what fails on the way to a version is answered by the proxy before it",
    "minHealthPercent": _ONE_VERSION,
    "outlierDetectionHttpErrorCodes": "which codes eject is no field of the Envoy that runs here",
}

HTTP_ROUTE: Shape = {
    "parentRefs": ENACTED,
    "hostnames": ENACTED,
    "rules": ENACTED,
    "useDefaultGateways": "no Gateway stands here; the mirror's entry stands for those in parentRefs",
}
PARENT: Shape = dict.fromkeys(("group", "kind", "name", "namespace", "port", "sectionName"), ENACTED)
RULE: Shape = {
    "name": ENACTED,
    "matches": ENACTED,
    "filters": ENACTED,
    "backendRefs": ENACTED,
    "timeouts": ENACTED,
    "retry": ENACTED,
    "sessionPersistence": _ONE_VERSION,
}
RULE_MATCH: Shape = {"path": ENACTED, "headers": ENACTED, "queryParams": ENACTED, "method": ENACTED}
RULE_PATH: Shape = {"type": ENACTED, "value": ENACTED}
RULE_NAMED: Shape = {"type": ENACTED, "name": ENACTED, "value": ENACTED}
_EXTENSION = "what it points to is an extension of one implementation"
_EXTERNAL = "no authorisation service stands here"
FILTER: Shape = {
    "type": ENACTED,
    "requestHeaderModifier": ENACTED,
    "responseHeaderModifier": ENACTED,
    "requestMirror": ENACTED,
    "requestRedirect": ENACTED,
    "urlRewrite": ENACTED,
    "cors": ENACTED,
    "extensionRef": _EXTENSION,
    "externalAuth": _EXTERNAL,
}
_OF_RULE = "Istio takes it on a rule alone; write it there"
BACKEND_FILTER: Shape = {
    "type": ENACTED,
    "requestHeaderModifier": ENACTED,
    "responseHeaderModifier": ENACTED,
    "requestMirror": _OF_RULE,
    "requestRedirect": _OF_RULE,
    "urlRewrite": _OF_RULE,
    "cors": _OF_RULE,
    "extensionRef": _EXTENSION,
    "externalAuth": _EXTERNAL,
}
HEADER_MODIFIER: Shape = {"set": ENACTED, "add": ENACTED, "remove": ENACTED}
HEADER_VALUE: Shape = {"name": ENACTED, "value": ENACTED}
REQUEST_MIRROR: Shape = {"backendRef": ENACTED, "percent": ENACTED, "fraction": ENACTED}
FRACTION: Shape = {"numerator": ENACTED, "denominator": ENACTED}
REQUEST_REDIRECT: Shape = {"scheme": ENACTED, "hostname": ENACTED, "path": ENACTED, "port": ENACTED, "statusCode": ENACTED}
URL_REWRITE: Shape = {"hostname": ENACTED, "path": ENACTED}
PATH_MODIFIER: Shape = {"type": ENACTED, "replaceFullPath": ENACTED, "replacePrefixMatch": ENACTED}
RULE_CORS: Shape = {
    "allowOrigins": ENACTED,
    "allowMethods": ENACTED,
    "allowHeaders": ENACTED,
    "exposeHeaders": ENACTED,
    "maxAge": ENACTED,
    "allowCredentials": ENACTED,
}
BACKEND_REF: Shape = {"group": ENACTED, "kind": ENACTED, "name": ENACTED, "namespace": ENACTED, "port": ENACTED}
WEIGHTED_BACKEND_REF: Shape = {**BACKEND_REF, "weight": ENACTED, "filters": ENACTED}
TIMEOUTS: Shape = {"request": ENACTED, "backendRequest": ENACTED}
RETRY: Shape = {"codes": ENACTED, "attempts": ENACTED, "backoff": ENACTED}


def fields_of(value: Value, shape: Shape, *, snake: bool = True) -> dict[str, Value]:
    """The fields that are set, by their name in camel case.

    Args:
        value: a mapping.
        shape: all fields that it may have.
        snake: `mirror_percent` is another spelling of `mirrorPercent`, as in all of Istio's own kinds.

    Raises:
        SettingsError: a field is unknown, refused, or stands there in both spellings.
    """
    found: dict[str, Value] = {}
    for written, item in value.mapping().items():
        name = re.sub(r"_([a-z0-9])", lambda letter: letter[1].upper(), written) if snake else written
        if name not in shape:
            near = get_close_matches(name, shape, 1)
            raise item.refuse(f"no such field{f'; did you mean {near[0]}?' if near else ''}")
        if name in found:
            raise item.refuse(f"stands there in both spellings, {written} and {name}")
        if item.content is None:
            continue
        if shape[name]:
            raise item.refuse(f"is not enacted: {shape[name]}")
        found[name] = item
    return found
