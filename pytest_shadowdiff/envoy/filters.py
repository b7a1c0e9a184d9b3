"""The HTTP filters of an Envoy of ours, each with the reason why it is there."""

from __future__ import annotations

from typing import Any, Final

from pytest_shadowdiff.envoy import marks

TAP_ID: Final = "shadowdiff"
"""By this name the taps of all versions are switched on together, on one stream."""

_TRAILERS_OF_LIMIT: Final = tuple(
    f"{marks.END}-bandwidth-{name}-ms" for name in ("request-delay", "response-delay", "request-filter-delay", "response-filter-delay")
)
_NO_LIMIT_KBPS: Final = 10**9


def typed(name: str, kind: str, **fields: object) -> dict[str, Any]:
    """An extension of Envoy's with its configuration."""
    return {"name": name, "typed_config": {"@type": f"type.googleapis.com/envoy.extensions.{kind}", **fields}}


def _mutation(**mutations: list[dict[str, Any]]) -> dict[str, Any]:
    return typed("envoy.filters.http.header_mutation", "filters.http.header_mutation.v3.HeaderMutation", mutations=mutations)


def _append(header: str, value: str, action: str = "APPEND_IF_EXISTS_OR_ADD") -> dict[str, Any]:
    return {"append": {"header": {"key": header, "value": value}, "append_action": action}}


RESTORE_REQUEST: Final = _mutation(
    request_mutations=[
        {"remove": "x-envoy-internal"},
        {"remove": "x-forwarded-for"},
        _append("x-forwarded-for", f"%REQ({marks.FORWARDED})%"),
        {"remove": marks.FORWARDED},
    ]
)
"""A copy has `x-envoy-internal` and one `x-forwarded-for` more than the request itself: here both are as the caller sent them."""

TAP: Final = typed(
    "envoy.filters.http.tap",
    "filters.http.tap.v3.Tap",
    common_config={"admin_config": {"config_id": TAP_ID}},
    record_headers_received_time=True,
    record_downstream_connection=True,
)
"""The listener's name, in the downstream connection, says whose exchange it is."""

END_OF_RESPONSE: Final = (
    _mutation(
        response_trailers_mutations=[
            *({"remove": name} for name in _TRAILERS_OF_LIMIT),
            _append(marks.END, "%COMMON_DURATION(DS_RX_BEG:US_RX_END:us)%", "OVERWRITE_IF_EXISTS_OR_ADD"),
        ]
    ),
    typed(
        "envoy.filters.http.bandwidth_limit",
        "filters.http.bandwidth_limit.v3.BandwidthLimit",
        stat_prefix="end",
        enable_mode="RESPONSE",
        limit_kbps=_NO_LIMIT_KBPS,
        enable_response_trailers=True,
        response_trailer_prefix=marks.END,
    ),
)
"""A tap does not say whether a chunked response ended or broke off. A bandwidth limit gives each response that ended
trailers, if it has a body, and a limit that is never reached does nothing else; a mutation makes our mark of them."""

STRIP_END: Final = _mutation(response_trailers_mutations=[{"remove": marks.END}])
"""Our mark is for the tap; no caller sees it."""
