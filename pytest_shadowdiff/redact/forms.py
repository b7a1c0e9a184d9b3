"""Secrets that show by their form, anywhere in a text; each pattern is linear in the length of the text."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from pytest_shadowdiff.redact.names import covers, names_secret, parameter_secret

Mark = Callable[[str], str]

MARK = re.compile(r"\[redacted(?::[0-9a-f]{6})?\]")

# A text without any of these (in lower case) holds nothing that a name or a form could give away.
_HINTS = (
    "pass", "pwd", "secret", "token", "auth", "cookie", "sess", "sid", "csrf", "xsrf", "key", "credential", "sig", "jwt",
    "otp", "pin", "cv", "assertion", "saml", "verifier", "eyj", "bearer", "basic", "negotiate", "ntlm", "akia", "asia", "aiza",
    "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat", "glpat", "xox", "sk_", "sk-", "rk_", "rk-", "pk_", "pk-",
    "code", "state", "connectionstring", "principal", "@", "\\u", "%",
)  # fmt: skip

_SHORT = 200
_PEM = re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^-]*(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)")
USERINFO = re.compile(r"(?<=://)[^\s/?#@\"'<>\\\[\]]{1,512}(?=@)")
_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)*")
_PREFIXED = re.compile(
    r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{15,}|xox[abeprs]-[A-Za-z0-9-]{10,}"
    r"|(?:sk|rk|pk)[_-](?:live|test|proj|ant)[_-][A-Za-z0-9_-]{10,}|A(?:KIA|SIA)[0-9A-Z]{16}|AIza[0-9A-Za-z_-]{35})"
)
_SCHEME = re.compile(r"(?i)\b(bearer|basic|negotiate|ntlm)(\s{1,3})([A-Za-z0-9._~+/-]{6,}={0,2})")
_PARAMETER = re.compile(r"(?:(?<=[?&#;])|^)([^=&?#\s\"'<>;,:/{}\\]{1,100})=([^&#\s\"'<>;]+)")
_NAMED = re.compile(
    r"(?<![\w.-])([A-Za-z_][\w.-]{1,80})(\\?[\"']?\s{0,3}(?:[:=]|=>|&#61;)\s{0,3})"
    r"(\"[^\"\n]*\"|'[^'\n]*'|\\\"[^\"\\\n]*\\\"|[^\s\"'&,;<>(){}\[\]\\]+)"
)
_ELEMENT = re.compile(r"<((?:[\w.-]{1,60}:)?[\w.-]{1,80})((?:\s[^<>]{0,500})?>(?:\s{0,8}<!\[CDATA\[)?)([^<]+?)(?=(?:\]\]>\s{0,8})?</)")
_DECLARED = re.compile(
    r"(<!(?:ENTITY\s{1,8}(?:%\s{1,8})?|ATTLIST\s{1,8}[^\s<>]{1,80}\s{1,8})([\w.:-]{1,80})\s[^<>\"']{0,200})(\"[^\"]*\"|'[^']*')"
)
_WORD_IN_BYTES = re.compile(r"[A-Za-z][\w.-]{4,60}")
_FIELD = re.compile(r"(?i)<(?:input|meta|param|property|entry|item|add|option|field|attribute|setting|variable)\b[^<>]{0,2000}>")
_FIELD_NAME = re.compile(r"(?i)\b(?:name|id|key|property)\s{0,3}=\s{0,3}[\"']?([^\"'\s<>]{1,100})")
_FIELD_VALUE = re.compile(r"(?i)(\b(?:value|content)\s{0,3}=\s{0,3})(\"[^\"]*\"|'[^']*'|[^\s\"'<>]+)")
_PASSWORD_FIELD = re.compile(r"(?i)\btype\s{0,3}=\s{0,3}[\"']?password")
_SCHEMES = frozenset({"bearer", "basic", "digest", "negotiate", "ntlm", "token", "apikey"})
_PLAIN = frozenset({"true", "false", "null", "none", "undefined"})


def may_hold_secret(text: str) -> bool:
    """Whether a search is worth its time: False proves that no name and no form would match."""
    return _short_may(text) if len(text) < _SHORT else _may(text)


def _may(text: str) -> bool:
    lowered = text.lower()
    return any(hint in lowered for hint in _HINTS)


_short_may = lru_cache(maxsize=8192)(_may)  # the same headers come with every request


def redact_forms(text: str, mark: Mark) -> str:
    """The text with every secret that shows by its form, or by a name beside it, put through `mark`."""
    if not may_hold_secret(text):
        return text
    text = _PEM.sub(lambda found: mark(found[0]), text)
    if "@" in text:
        text = USERINFO.sub(lambda found: mark(found[0]), text)
    if "=" in text:
        text = _PARAMETER.sub(lambda found: _parameter(found, mark), text)
    text = _JWT.sub(lambda found: mark(found[0]), text)
    text = _PREFIXED.sub(lambda found: mark(found[0]), text)
    text = _SCHEME.sub(lambda found: _scheme(found, mark), text)
    if "<" in text:
        text = _FIELD.sub(lambda found: _field(found[0], mark), text)
        text = _ELEMENT.sub(lambda found: _element(found, mark), text)
        text = _DECLARED.sub(lambda found: _declared(found, mark), text)
    return _NAMED.sub(lambda found: _named(found, mark), text)


def names_secrets(text: str) -> bool:
    """Whether a text that nobody can read as one (bytes) has a word in it that stands before secrets."""
    return may_hold_secret(text) and any(covers(word) for word in _WORD_IN_BYTES.findall(text))


def _scheme(found: re.Match[str], mark: Mark) -> str:
    """`Bearer abc123`, and not "basic authentication": prose has neither digits nor such length."""
    credentials = found[3]
    if credentials.isalpha() and credentials.islower() and len(credentials) < 20:  # noqa: PLR2004
        return found[0]
    return f"{found[1]}{found[2]}{mark(credentials)}"


def _parameter(found: re.Match[str], mark: Mark) -> str:
    if not parameter_secret(found[1], found[2]):
        return found[0]
    return f"{found[1]}={mark(found[2])}"


def _named(found: re.Match[str], mark: Mark) -> str:
    name, between, value = found.groups()
    bare = value.strip("\\\"'")
    if not names_secret(name) or not bare or bare.lower() in _SCHEMES or bare.lower() in _PLAIN or bare.startswith("[redacted"):
        return found[0]
    return f"{name}{between}{value.replace(bare, mark(bare), 1)}"


def _element(found: re.Match[str], mark: Mark) -> str:
    if not names_secret(found[1].rpartition(":")[2]) or not found[3].strip():
        return found[0]
    return f"<{found[1]}{found[2]}{mark(found[3])}"


def _declared(found: re.Match[str], mark: Mark) -> str:
    """`<!ENTITY password "…">`, and the default of an attribute."""
    bare = found[3][1:-1]
    if not names_secret(found[2].rpartition(":")[2]) or not bare:
        return found[0]
    return f"{found[1]}{found[3][0]}{mark(bare)}{found[3][0]}"


def _field(tag: str, mark: Mark) -> str:
    """`<input name="csrf_token" value="…">`, in whatever order its attributes stand."""
    secret = _PASSWORD_FIELD.search(tag) or any(names_secret(name) for name in _FIELD_NAME.findall(tag))
    return _FIELD_VALUE.sub(lambda found: _attribute(found, mark), tag) if secret else tag


def _attribute(found: re.Match[str], mark: Mark) -> str:
    bare = found[2].strip("\"'")
    return f"{found[1]}{found[2].replace(bare, mark(bare), 1)}" if bare else found[0]
