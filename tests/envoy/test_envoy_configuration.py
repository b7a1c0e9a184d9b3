from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from pytest_shadowdiff.envoy.configuration import Address, Configuration, Version, versions_of
from pytest_shadowdiff.errors import SetupError
from pytest_shadowdiff.model import Tls, Upstream

Validate = Callable[[Configuration], None]

V1 = Upstream("v1", "127.0.0.1", 8001)
ROUTES = (
    {"match": {"path": "/old"}, "redirect": {"path_redirect": "/new"}},
    {"match": {"prefix": "/"}, "route": {"cluster": "primary", "timeout": "0s", "request_mirror_policies": [{"cluster": "candidate"}]}},
)


@pytest.mark.parametrize(
    "candidate",
    [
        None,
        Upstream("v2", "127.0.0.1", 8002),
        Upstream("v2", "::1", 8002),
        Upstream("v2", "service.example", 8002),
        Upstream("v2", "localhost", 8002, prefix="/base", host_header="shop.example"),
        Upstream("v2", "127.0.0.1", 8002, headers=(("Authorization", "Bearer 100%"), ("X-Env", "blue"))),
        Upstream("v2", "", 0, socket="/run/v2.sock"),
        Upstream("v2", "service.example", 443, tls=Tls(verify=False)),
        Upstream("v2", "service.example", 443, tls=Tls(server_name="other.example")),
        Upstream("v2", "127.0.0.1", 443, tls=Tls()),
    ],
    ids=["alone", "ipv4", "ipv6", "name", "prefix", "headers", "socket", "unverified", "server-name", "tls-address"],
)
def test_envoy_takes_what_is_made_of_an_upstream(validate: Validate, candidate: Upstream | None) -> None:
    validate(Configuration("r1", versions_of(V1, candidate, None)))


def test_envoy_takes_certificates_of_ones_own(validate: Validate, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("client").private_key_and_cert_chain_pem.write_to_path(tmp_path / "client.pem")
    tls = Tls(ca=str(tmp_path / "ca.pem"), cert=str(tmp_path / "client.pem"), key=str(tmp_path / "client.pem"))
    validate(Configuration("r1", versions_of(V1, Upstream("v2", "service.example", 443, tls=tls), None)))


def test_a_certificate_that_cannot_be_read_is_named() -> None:
    configuration = Configuration("r1", [Version("primary", Upstream("v1", "service.example", 443, tls=Tls(ca="/none/ca.pem")))])
    with pytest.raises(SetupError, match=r"v1: /none/ca\.pem \(tls\.ca\) cannot be read"):
        configuration.text()


def test_envoy_takes_a_third_version_and_fixed_ports(validate: Validate) -> None:
    versions = versions_of(V1, Upstream("v2", "v2", 80), Upstream("v1b", "v1b", 80))
    validate(Configuration("r1", versions, entry=Address("0.0.0.0", 10000), admin=Address("0.0.0.0", 9901)))  # noqa: S104


def test_envoy_takes_routes_of_ones_own(validate: Validate) -> None:
    validate(Configuration("r1", versions_of(V1, Upstream("v2", "127.0.0.1", 8002), None), routes=ROUTES))


def test_routes_of_ones_own_copy_only_what_this_run_marks() -> None:
    configuration = Configuration("r1", versions_of(V1, Upstream("v2", "127.0.0.1", 8002), None), routes=ROUTES)
    entry = configuration.rendered()["static_resources"]["listeners"][0]
    routes = entry["filter_chains"][0]["filters"][0]["typed_config"]["route_config"]["virtual_hosts"][0]["routes"]
    copying = [route for route in routes if "request_mirror_policies" in route.get("route", {})]
    named = [{header["name"]: header for header in route["match"]["headers"]} for route in copying]
    assert all("x-shadowdiff-probe" in headers or headers["x-shadowdiff-run"]["string_match"] == {"exact": "r1"} for headers in named)
    assert len([route for route in routes if "redirect" in route]) == 2
