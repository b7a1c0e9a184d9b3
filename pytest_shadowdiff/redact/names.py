"""Is a name one that stands before a secret? Decided from its words, in any case and style of writing."""

from __future__ import annotations

import re
from functools import lru_cache

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# A name with one of these words is secret, with everything that stands below it.
_WORDS = _set(
    "password passwords passwd passwort passphrase passcode pwd secret secrets token tokens credential credentials "
    "authorization cookie cookies jwt apikey apikeys privatekey accesskey secretkey csrf xsrf otp totp bearer"
)

# ... unless the name ends with one of these, which speak about a secret without being one.
_ABOUT = _set(
    "type types count counts length size limit limits policy name names enabled required algorithm alg used usage remaining budget "
    "expires expiry expiration ttl age at in format kind status scope scopes domain path valid strength header endpoint samesite httponly "
    "secure method methods details"
)

# Written as one word, or as several: what matters is the sequence of letters.
_PARTS = _set(
    "apikey accesskey secretkey privatekey signingkey encryptionkey masterkey sharedkey authkey subscriptionkey functionskey accountkey "
    "sessionid sessionkey sessionsecret authcode securitycode onetimecode verificationcode recoverycode backupcode clientassertion "
    "samlresponse samlrequest codeverifier amzsignature amzcredential googsignature googcredential sharedaccesssignature "
    "connectionstring jsessionid phpsessid aspsessionid setcookie clientprincipal"
)

_ENDINGS = ("password", "passwd", "passphrase", "secret", "token", "cookie", "apikey")

# Short names that are secret as a value, while what stands below them is not.
_SCALARS = _set("auth sid connectsid sig signature session sess sessid pass pin cvv cvc cvv2 assertion authentication")

# In a query or a form these hold keys and codes, when their value is long enough for one.
_PARAMETERS = _set("key code state")
_PARAMETER_LENGTH = 16


@lru_cache(maxsize=8192)
def _letters(name: str) -> tuple[tuple[str, ...], str]:
    words = tuple(word.lower() for word in _WORD.findall(name))
    return words, "".join(words)


@lru_cache(maxsize=8192)
def covers(name: str) -> bool:
    """Whether all values below this name are secret, at any depth."""
    words, joined = _letters(name[:200])
    if not words or (words[-1] in _ABOUT and len(words) > 1):
        return False
    return not _WORDS.isdisjoint(words) or joined.endswith(_ENDINGS) or any(part in joined for part in _PARTS)


@lru_cache(maxsize=8192)
def names_secret(name: str) -> bool:
    """Whether a text right under this name is secret."""
    return covers(name) or _letters(name[:200])[1] in _SCALARS


@lru_cache(maxsize=8192)
def names_number(name: str) -> bool:
    """Whether a number right under this name is secret: a pin is, a count of tokens is not."""
    words, joined = _letters(name[:200])
    return names_secret(name) and not joined.endswith("s") and "session" not in words


def parameter_secret(name: str, value: str) -> bool:
    """Whether a parameter of a query or a form is secret."""
    return names_secret(name) or (name.lower() in _PARAMETERS and len(value) >= _PARAMETER_LENGTH)
