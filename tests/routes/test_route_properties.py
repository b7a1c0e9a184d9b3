"""Whatever a route file says: it is understood, or refused in words; and what is understood, Envoy takes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_shadowdiff.envoy import binary
from pytest_shadowdiff.envoy.configuration import Configuration, Version
from pytest_shadowdiff.envoy.routes import enact, read_routes
from pytest_shadowdiff.envoy.routes.documents import parse
from pytest_shadowdiff.envoy.routes.model import MILLION
from pytest_shadowdiff.envoy.routes.translate import variants
from pytest_shadowdiff.errors import SettingsError, SetupError
from pytest_shadowdiff.model import Role, Upstream
from pytest_shadowdiff.settings import Target

SIDES: dict[Role, Target] = {"primary": Target("v1", url="http://a"), "candidate": Target("v2", url="http://b")}
RELAXED = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

PATHS = st.from_regex(r"/[a-z]{0,5}(/[a-z0-9]{1,4}){0,2}", fullmatch=True)
NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)
WORDS = st.text(st.characters(codec="ascii", min_codepoint=33, max_codepoint=126), min_size=1, max_size=8)
STRING_MATCHES = st.one_of(
    WORDS.map(lambda word: {"exact": word}), WORDS.map(lambda word: {"prefix": word}), NAMES.map(lambda name: {"regex": f"{name}[0-9]+.*"})
)
PATH_MATCHES = st.one_of(
    PATHS.map(lambda path: {"exact": path}), PATHS.map(lambda path: {"prefix": path}), PATHS.map(lambda path: {"regex": f"{path}.*"})
)
VERSIONS = st.sampled_from([{"host": "h", "subset": "v1"}, {"host": "h", "subset": "v2"}])
DURATIONS = st.sampled_from(["1s", "0.5s", "20ms", "1m30s", "2h"])
EDITS = st.fixed_dictionaries(
    {},
    optional={
        "set": st.dictionaries(NAMES, WORDS.map(lambda word: word.replace("%", "%%")), max_size=2),
        "add": st.dictionaries(NAMES, st.sampled_from(["%PROTOCOL%", "a", ""]), max_size=2),
        "remove": st.lists(NAMES.filter(lambda name: name != "host"), max_size=2),
    },
)
MATCHES = st.fixed_dictionaries(
    {},
    optional={
        "uri": PATH_MATCHES,
        "ignoreUriCase": st.booleans(),
        "method": STRING_MATCHES,
        "headers": st.dictionaries(NAMES, st.one_of(STRING_MATCHES, st.just({})), max_size=2),
        "withoutHeaders": st.dictionaries(NAMES, st.one_of(STRING_MATCHES, st.just({})), max_size=2),
        "queryParams": st.dictionaries(NAMES, st.one_of(STRING_MATCHES, st.just({})), max_size=2),
    },
)
SHARES = st.one_of(st.just([100]), st.integers(1, 99).map(lambda share: [share, 100 - share]), st.sampled_from([[0, 100], [20, 30, 50]]))
FORWARDS = st.builds(
    lambda shares, versions, more: {
        "route": [{"destination": version, "weight": share} for share, version in zip(shares, versions, strict=False)],
        **more,
    },
    SHARES,
    st.lists(VERSIONS, min_size=3, max_size=3),
    st.fixed_dictionaries(
        {},
        optional={
            "name": st.sampled_from(["one", "one (2)"]),
            "match": st.lists(MATCHES, min_size=1, max_size=3),
            "mirrors": st.lists(
                st.builds(lambda version, value: {"destination": version, "percentage": {"value": value}}, VERSIONS, st.floats(0, 100)),
                max_size=3,
            ),
            "timeout": DURATIONS,
            "rewrite": PATHS.map(lambda path: {"uri": path}),
            "retries": st.builds(
                lambda attempts, on: {"attempts": attempts, "retryOn": on}, st.integers(1, 5), st.sampled_from(["5xx", "503,reset"])
            ),
            "fault": st.builds(lambda value: {"abort": {"httpStatus": 503, "percentage": {"value": value}}}, st.floats(0, 100)),
            "headers": st.builds(lambda request, response: {"request": request, "response": response}, EDITS, EDITS),
            "corsPolicy": STRING_MATCHES.map(lambda match: {"allowOrigins": [match], "maxAge": "1h"}),
        },
    ),
)
OTHERS = st.one_of(
    PATHS.map(lambda path: {"redirect": {"uri": path, "redirectCode": 307}}),
    st.integers(200, 599).map(lambda status: {"directResponse": {"status": status, "body": {"string": "x"}}}),
)
SERVICES = st.lists(st.one_of(FORWARDS, OTHERS), min_size=1, max_size=5)


def files(folder: Path, http: Any) -> list[Path]:
    service = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "s"},
        "spec": {"hosts": ["h"], "http": http},
    }
    subsets = [{"name": name, "labels": {"version": name}} for name in ("v1", "v2")]
    rule = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": "r"},
        "spec": {"host": "h", "subsets": subsets},
    }
    used = any("route" in one for one in http)
    file = folder / "route.yaml"
    file.write_text(yaml.safe_dump_all([service, rule] if used else [service]), encoding="utf-8")
    return [file]


@RELAXED
@given(SERVICES)
def test_each_route_in_a_file_is_enacted_and_every_request_has_one_variant(tmp_path: Path, http: Any) -> None:
    table = read_routes(files(tmp_path, http))
    enacted = enact(table, SIDES)
    assert len(table.routes) == sum(max(1, len(one.get("match", ()))) for one in http)
    assert len(enacted.explain()) == len(table.routes) + 2
    for route in table.routes:
        bounds = [share for _, _, share in variants(route)]
        assert bounds == sorted(set(bounds))
        assert bounds[-1] == MILLION
    names = [route["name"] for route in enacted.routes]
    assert len(names) == len(set(names))


def test_what_is_understood_envoy_takes(tmp_path: Path) -> None:
    try:
        found = binary.find()
    except SetupError as error:
        pytest.skip(f"no Envoy: {error}")
    routes: list[Any] = []

    @settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(SERVICES)
    def gather(http: Any) -> None:
        routes.extend(enact(read_routes(files(tmp_path, http)), SIDES).routes)

    gather()
    enacted = enact(read_routes(files(tmp_path, [{"directResponse": {"status": 200}}])), SIDES)
    versions = [Version(role, Upstream(role, "127.0.0.1", 1)) for role in SIDES]
    file = tmp_path / "envoy.json"
    file.write_text(Configuration("run", versions, routes=routes, filters=enacted.filters).text(), encoding="utf-8")
    done = subprocess.run(
        [found.path, "--mode", "validate", "-c", file, "--log-level", "error"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(routes) > 60


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=8),
    st.sampled_from(["httpbin", "v1", "1s", "*", "/x"]),
)
KEYS = st.sampled_from(
    [
        *(
            "route",
            "match",
            "mirror",
            "mirrors",
            "mirror_percent",
            "mirrorPercentage",
            "value",
            "destination",
            "host",
            "subset",
            "weight",
            "uri",
            "exact",
        ),
        *(
            "regex",
            "headers",
            "set",
            "fault",
            "abort",
            "timeout",
            "retries",
            "corsPolicy",
            "redirect",
            "rules",
            "filters",
            "type",
            "backendRefs",
            "name",
        ),
    ]
)
TREES = st.recursive(SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)), max_leaves=20)


@RELAXED
@given(st.sampled_from(["VirtualService", "DestinationRule", "HTTPRoute"]), TREES)
def test_no_object_breaks_the_reader(tmp_path: Path, kind: str, tree: Any) -> None:
    group = "gateway.networking.k8s.io/v1" if kind == "HTTPRoute" else "networking.istio.io/v1"
    spec = {"VirtualService": {"hosts": ["h"], "http": [tree]}, "DestinationRule": tree, "HTTPRoute": {"rules": [tree]}}[kind]
    file = tmp_path / "route.yaml"
    file.write_text(json.dumps({"apiVersion": group, "kind": kind, "metadata": {"name": "n"}, "spec": spec}), encoding="utf-8")
    understood_or_refused(file)


@RELAXED
@given(st.one_of(st.binary(max_size=200), st.text(alphabet="abc: -[]{}&*!|>'\"\n#%@`", max_size=200).map(str.encode)))
def test_no_bytes_break_the_reader(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "route.yaml"
    file.write_bytes(content)
    understood_or_refused(file)


@RELAXED
@given(TREES)
def test_places_are_those_of_the_text(tree: Any) -> None:
    text = yaml.safe_dump(tree)
    lines = text.splitlines()
    for value in parse(text, "f"):
        assert 1 <= value.place.line <= max(1, len(lines))
        assert value.place.column >= 1


def understood_or_refused(file: Path) -> None:
    try:
        enact(read_routes([file]), SIDES)
    except SettingsError as error:
        assert str(file) in str(error)  # noqa: PT017 - the refusal is one of two good ends
