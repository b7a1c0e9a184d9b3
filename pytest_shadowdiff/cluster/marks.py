"""The names, labels and annotations by which our objects are known in a cluster."""

from __future__ import annotations

import getpass
import hashlib
import os
import re
import socket
from collections.abc import Mapping

MANAGED_BY = "app.kubernetes.io/managed-by"
NAME = "pytest-shadowdiff"
RUN = f"{NAME}/run"
SERVICE = f"{NAME}/service"
PART = f"{NAME}/part"
OWNER = f"{NAME}/owner"
UNDONE = f"{NAME}/undone"
LABEL_LENGTH = 63

OURS: Mapping[str, str] = {MANAGED_BY: NAME}


def labels(run: str, service: str, part: str) -> dict[str, str]:
    """The labels of an object of ours."""
    return {**OURS, RUN: label(run), SERVICE: label(service), PART: part}


def label(text: str) -> str:
    """A label's value that stands for a text: itself where it may."""
    if len(text) <= LABEL_LENGTH and re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", text):
        return text
    return "x" + hashlib.sha256(text.encode()).hexdigest()[:32]


def object_name(*parts: str) -> str:
    """A DNS label out of parts, the same for the same parts; cut with a hash where it is too long."""
    whole = "-".join(re.sub(r"[^a-z0-9-]+", "-", part.lower()).strip("-") for part in parts)
    if len(whole) <= LABEL_LENGTH:
        return whole
    return whole[: LABEL_LENGTH - 11].rstrip("-") + "-" + hashlib.sha256(whole.encode()).hexdigest()[:10]


def owner() -> str:
    """Who runs this, for whoever meets a lease or a journal: user, machine, process."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as containers have
        user = str(os.getuid()) if hasattr(os, "getuid") else "somebody"
    return f"{user}@{socket.gethostname()}, process {os.getpid()}"
