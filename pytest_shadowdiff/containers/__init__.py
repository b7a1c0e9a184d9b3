"""Containers: started, watched, ended, and swept up where a killed run left them. What they are for is not known here.

By testcontainers' client, so that a remote `DOCKER_HOST`, contexts, rootless engines and Podman's socket are found as
people know it. Its helper container (Ryuk) is not used, since its image cannot be had everywhere: all that is made
carries the labels of `owners`, goes at every end of a run, and what a killed run left goes with the next one.
"""

from __future__ import annotations

from pytest_shadowdiff.containers.container import Container, Wanted
from pytest_shadowdiff.containers.engine import Engine, answers, leftovers, sweep

__all__ = ["Container", "Engine", "Wanted", "answers", "leftovers", "sweep"]
