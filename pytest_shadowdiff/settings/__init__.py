"""Options, environment and configuration -> one frozen, validated `Settings`. No file is written, nothing is started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pytest_shadowdiff.model import Headers, Rule, Tls

ENVOY_IMAGE = "envoyproxy/envoy:v1.40.0"


@dataclass(frozen=True, slots=True)
class Target:
    """One version, as configured: exactly one of `url`, `command`, `image`, `workload`.

    Attributes:
        command: the words of a command; `{port}` in any of them is the port it has to listen on.
        workload: `{"labels": {...}}` or `{"service": "..."}`.
        ready: path (and query) that is polled until it answers with anything below 500; without it the port
            has to accept a connection.
        ready_seconds: how long it may take until it answers.
        image_command: the words of the command that an image is started with; None for the image's own.
        pull: when an image is pulled: "missing" (the default), "always" or "never".
        log: the format of its log: a name, a table of field names, or a regular expression.
    """

    name: str
    url: str | None = None
    command: Sequence[str] | None = None
    image: str | None = None
    workload: Mapping[str, object] | None = None
    port: int | None = None
    ready: str | None = None
    ready_seconds: float = 60.0
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    image_command: Sequence[str] | None = None
    volumes: Sequence[str] = ()
    pull: str | None = None
    headers: Headers = ()
    host: str | None = None
    tls: Tls | None = None
    log: str | Mapping[str, str] | None = None
    log_file: Path | None = None
    capture: Path | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """The service in a cluster, and how a run may touch it.

    Attributes:
        image: of the Envoy pods that a mirror makes.
        pull_secret: name of the Secret by which that image is pulled.
        account: the service account that a pod of ours has in a mesh, for whose policies it goes.
        start_seconds: how long a pod of ours may take until it is ready.
        wait_seconds: how long a run waits for another one that holds the service.
    """

    name: str
    namespace: str = "default"
    port: int = 80
    context: str | None = None
    entry: str | None = None
    scope: str = "run"
    host: str | None = None
    ephemeral_image: str | None = None
    lease_seconds: float = 60.0
    image: str = ENVOY_IMAGE
    pull_secret: str | None = None
    account: str | None = None
    start_seconds: float = 120.0
    wait_seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class Report:
    """A report that was asked for; `path` is None where the format's own default holds."""

    format: str
    path: Path | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what hostile answers may cost; each is named in the error that it causes.

    Attributes:
        body: bytes of one body that are recorded and compared (`max_body`).
        ratio: how many times a content coding may inflate a body beyond its first MiB (`max_ratio`).
        depth: nesting of a document (`max_depth`).
        seconds: CPU seconds that one comparison may take (`max_compare_seconds`).
        queue: copies that are waited for at one time (`max_queue`).
        queue_bytes: bytes that their requests may hold in memory (`max_queue_bytes`).
        connections: to one version at one time, for copies (`max_connections`).
        head_seconds: how long a caller may take to send a header section (`max_head_seconds`).
        connect_seconds: how long a version may take to accept a connection (`max_connect_seconds`).
        spool: bytes on disk for what was seen and not yet judged (`max_spool`).
    """

    body: int = 16 * 1024 * 1024
    ratio: int = 200
    depth: int = 500
    seconds: float = 2.0
    queue: int = 1024
    queue_bytes: int = 64 * 1024 * 1024
    connections: int = 64
    head_seconds: float = 60.0
    connect_seconds: float = 10.0
    spool: int = 4 * 1024 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that a run was asked for, checked.

    Attributes:
        candidate: None where the plugin is off (the same tests against the primary alone).
        control: a third target; "primary" asks the primary itself again; None asks nobody.
        tap: None takes the mirror's best.
        percent: the share of requests that is mirrored, 0 to 100; None where nobody gave one (100).
        timeout: seconds after the primary's answer that the candidate's may take.
        targets: all that the configuration names (a route file names versions by them).
        endpoints: templates of endpoints, `METHOD template` or a template alone.
        redact: further names of headers and fields whose values are secret.
        envoy: path of an Envoy binary.
        envoy_image: the image of Envoy that the mirror `docker` starts.
        keep: the spool stays at the end.
        home: the folder of the configuration; acceptances live there.
    """

    primary: Target | None
    candidate: Target | None = None
    control: Target | str | None = "primary"
    mirror: str = "local"
    tap: str | None = None
    percent: float | None = None
    timeout: float = 10.0
    allow_unsafe: bool = False
    reports: tuple[Report, ...] = ()
    accept: bool = False
    routes: tuple[Path, ...] = ()
    allow_context: str | None = None
    service: Service | None = None
    targets: Mapping[str, Target] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    endpoints: tuple[str, ...] = ()
    redact: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    envoy: str | None = None
    envoy_image: str = ENVOY_IMAGE
    keep: bool = False
    home: Path = field(default_factory=Path.cwd)
