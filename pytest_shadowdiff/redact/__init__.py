"""Secrets, once, where something leaves the run. Nothing is compared here: comparison sees what was sent, exactly.

Whatever is printed, written or handed to another process goes through one `Redactor`. A secret is known by
its name (a header, a cookie, a parameter, a key of a document), by its form (a JWT, `user:password@`, a
private key), or by its value (it stood under such a name elsewhere in the pair, or in the configuration).
"""

from __future__ import annotations

from pytest_shadowdiff.redact.redactor import Redactor, secret_values

__all__ = ["Redactor", "secret_values"]
