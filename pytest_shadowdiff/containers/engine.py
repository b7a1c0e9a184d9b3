"""A Docker engine, or what speaks like one: images pulled, containers and networks made, and swept up."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pytest_shadowdiff.containers import owners
from pytest_shadowdiff.containers.container import Container, Wanted, archive_of, remove
from pytest_shadowdiff.errors import SetupError, TargetError

if TYPE_CHECKING:
    from docker import DockerClient as Sdk
    from docker.models.containers import Container as Raw
    from docker.models.networks import Network
    from testcontainers.core.docker_client import DockerClient

LOOPBACK = "127.0.0.1"
PLACES = ("docker.sock", "podman/podman.sock")  # of rootless engines, below XDG_RUNTIME_DIR


class Engine:
    """An engine that answers.

    Args:
        run_id: of the run that all that is made here belongs to.

    Raises:
        SetupError: none answers; the message says how to name one.
    """

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self._client = _connected()
        self._labels = owners.labels(run_id)
        sweep(self._client.client)

    @property
    def is_local(self) -> bool:
        """Whether it is reached by a socket of this machine."""
        scheme = urlsplit(os.environ.get("DOCKER_HOST") or "unix://").scheme
        return scheme in ("unix", "npipe")

    @property
    def hosts(self) -> list[str]:
        """Where published ports are reached, the likeliest first."""
        found = self._client.host()
        host = LOOPBACK if found == "localhost" else found
        return [LOOPBACK, host] if self.is_local and host != LOOPBACK else [host]

    def start(self, wanted: Wanted, log: Path) -> Container:
        """Start a container; it does not have to answer yet.

        Raises:
            TargetError: its image is not to be had, or it cannot be started.
        """
        from docker.errors import DockerException, ImageNotFound

        self._provide(wanted)
        raw: Raw | None = None
        try:
            raw = self._create(wanted)
            if wanted.files:
                raw.put_archive("/", archive_of(wanted.files))
            raw.start()
        except (DockerException, OSError) as error:
            if raw is not None:
                remove(raw)
            if isinstance(error, ImageNotFound):
                raise TargetError(f"{wanted.name}: there is no image {wanted.image} here, and it was not to be pulled.") from None
            raise TargetError(f"{wanted.name}: the container of {wanted.image} cannot be started: {_said(error)}") from None
        except BaseException:
            if raw is not None:
                remove(raw)
            raise
        return Container(raw, wanted, log)

    def network(self) -> str:
        """The name of the network of this run, made when it is first asked for.

        Raises:
            SetupError: it cannot be made.
        """
        from docker.errors import DockerException

        name = f"shadowdiff-{self.run_id}"
        try:
            if not self._networks():
                self._client.client.networks.create(name, labels=self._labels, check_duplicate=True)
        except (DockerException, OSError) as error:
            raise SetupError(f"The network {name} cannot be made: {_said(error)}") from None
        return name

    def join(self, target: str, published: int, alias: str) -> tuple[str, int] | None:
        """Let a target's container of this run into the run's network, under another name.

        Args:
            published: the port at the engine's host by which it is reached; two containers may be one target's.

        Returns:
            Its address in that network and the port it listens on; None where this run has no such container.
        """
        from docker.errors import DockerException

        labels = [f"{owners.RUN}={self.run_id}", f"{owners.TARGET}={target}"]
        try:
            for raw in self._client.client.containers.list(filters={"label": labels}):
                inside = int(raw.labels[owners.PORT])
                if str(published) in {place["HostPort"] for place in raw.ports.get(f"{inside}/tcp") or ()}:
                    name = self.network()
                    self._networks()[0].connect(raw, aliases=[alias])
                    raw.reload()
                    return str(raw.attrs["NetworkSettings"]["Networks"][name]["IPAddress"]), inside
        except (DockerException, OSError) as error:
            raise SetupError(f"The container of target {target} cannot join the network of its run: {_said(error)}") from None
        return None

    def bridge(self) -> str:
        """The interface of this machine on which packets pass in the run's network; empty where there is none."""
        from docker.errors import DockerException

        with contextlib.suppress(DockerException, OSError):
            for network in self._networks():
                options = network.attrs.get("Options") or {}
                name = options.get("com.docker.network.bridge.name") or f"br-{str(network.id)[:12]}"
                return name if self.is_local and Path("/sys/class/net", name).exists() else ""
        return ""

    def remove_network(self) -> None:
        """Remove the network of this run, where there is one; what is still in it leaves it first."""
        from docker.errors import DockerException

        with contextlib.suppress(DockerException, OSError):
            for network in self._networks():
                network.reload()
                for container in network.containers:
                    network.disconnect(container, force=True)
                network.remove()

    def hang_up(self) -> None:
        """Close the connection, and leave what was made."""
        self._client.client.close()

    def _networks(self) -> list[Network]:
        found: list[Network] = self._client.client.networks.list(filters={"label": f"{owners.RUN}={self.run_id}"})
        return found

    def _create(self, wanted: Wanted) -> Raw:
        more: dict[str, Any] = {} if wanted.network is None else {"network": wanted.network}
        if wanted.network == "host":
            more = {"network_mode": "host"}
        published: Any = (LOOPBACK,) if self.is_local else None
        return self._client.client.containers.create(
            wanted.image,
            command=None if wanted.command is None else list(wanted.command),
            environment=dict(wanted.env),
            ports={f"{port}/tcp": published for port in wanted.ports},
            volumes=[_absolute(volume) for volume in wanted.volumes],
            labels={**self._labels, **wanted.labels},
            detach=True,
            **more,
        )

    def _provide(self, wanted: Wanted) -> None:
        """See that the image is there, as the policy says."""
        from docker.errors import DockerException, ImageNotFound

        images = self._client.client.images
        try:
            if wanted.pull != "always":
                images.get(wanted.image)
                return
        except ImageNotFound:
            if wanted.pull == "never":
                raise TargetError(f'{wanted.name}: there is no image {wanted.image} here, and pull = "never".') from None
        except (DockerException, OSError) as error:
            raise SetupError(f"The Docker engine does not say whether it has the image {wanted.image}: {_said(error)}") from None
        try:
            images.pull(wanted.image)
        except (DockerException, OSError) as error:
            raise TargetError(f"{wanted.name}: the image {wanted.image} cannot be pulled: {_said(error)}") from None


@dataclass(frozen=True, slots=True)
class Left:
    """A container or a network that a run has made.

    Attributes:
        remove: removes it, and says whether it is gone.
    """

    kind: str
    name: str
    labels: Mapping[str, str]
    remove: Callable[[], bool]

    @property
    def run(self) -> str:
        """The run that made it."""
        return self.labels.get(owners.RUN, "")


def answers() -> None:
    """Look whether an engine answers.

    Raises:
        SetupError: none does; the message says how to name one.
    """
    _connected().client.close()


def leftovers() -> list[Left]:
    """What killed runs left at the engine; nothing where no engine answers."""
    try:
        client = _connected()
    except SetupError:
        return []
    return [one for one in _ours(client.client) if owners.is_over(one.labels)]


def sweep(client: Sdk) -> list[str]:
    """Remove what killed runs left; what was removed."""
    return [f"{one.kind} {one.name}" for one in _ours(client) if owners.is_over(one.labels) and one.remove()]


def _ours(client: Sdk) -> Iterator[Left]:
    """All that any run has made, containers first: a network goes when nobody is in it any more."""
    from docker.errors import DockerException

    try:
        containers = client.containers.list(all=True, filters={"label": owners.RUN}, ignore_removed=True)
        networks = client.networks.list(filters={"label": owners.RUN})
    except (DockerException, OSError):
        return
    for raw in containers:
        yield Left("container", str(raw.name), raw.labels, partial(remove, raw))
    for network in networks:
        yield Left("network", str(network.name), network.attrs.get("Labels") or {}, partial(_remove_network, network))


def _remove_network(network: Network) -> bool:
    from docker.errors import DockerException, NotFound

    try:
        network.remove()
    except NotFound:
        return True
    except (DockerException, OSError):
        return False
    return True


def _connected() -> DockerClient:
    try:
        from docker.errors import DockerException
        from testcontainers.core.docker_client import DockerClient
    except ImportError as error:
        raise SetupError(f"Containers need the package testcontainers: {error}") from None
    socket = _rootless()
    try:
        client = DockerClient(environment={**os.environ, "DOCKER_HOST": f"unix://{socket}"}) if socket else DockerClient()
        client.client.ping()
    except (DockerException, OSError, ValueError) as error:
        where = os.environ.get("DOCKER_HOST") or (f"unix://{socket}" if socket else "the default socket")
        raise SetupError(
            f"No Docker engine answers at {where}: {_said(error)}. Start one, or name one in DOCKER_HOST "
            f"(Podman: unix://$XDG_RUNTIME_DIR/podman/podman.sock)."
        ) from None
    return client


def _rootless() -> Path | None:
    """The socket of a rootless engine, where nobody named one and the usual socket is not there."""
    if os.environ.get("DOCKER_HOST") or Path("/var/run/docker.sock").exists():
        return None
    folder = os.environ.get("XDG_RUNTIME_DIR")
    found = [Path(folder, place) for place in PLACES] if folder else []
    return next((path for path in found if path.exists()), None)


def _absolute(volume: str) -> str:
    """A host path that begins with a dot is meant from here, as docker compose has it."""
    host, colon, rest = volume.partition(":")
    return f"{Path(host).resolve()}{colon}{rest}" if host.startswith(".") else volume


def _said(error: Exception) -> str:
    """What an engine's error says, in one line."""
    text = str(getattr(error, "explanation", None) or error)
    return " ".join(text.split())[:500]
