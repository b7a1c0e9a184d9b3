"""Texts that vary: identifiers, times, templates around them, and free text."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from pytest_shadowdiff.noise import numbers, shapes, times
from pytest_shadowdiff.noise.series import ABSENT, Opinion, Sample, Series, constant, doubt, key, lean, same, worst

_LONGEST = 4096
_MOST_TOKENS = 256
_SAFE_DIGITS = 15
_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_TOKENS = re.compile(
    rf"""(?<![\w-])\d{{4}}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{{1,9}})?)?(?:\ ?(?:[Zz]\b|UTC|GMT|[+-]\d\d:?\d\d))?(?![\w-])
       | (?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,\ \d\d[ -]{_MONTH}[ -]\d{{4}}\ \d\d:\d\d:\d\d\ (?:GMT|UTC|[+-]\d{{4}})
       | \d\d/{_MONTH}/\d{{4}}:\d\d:\d\d:\d\d\ [+-]\d{{4}}
       | (?<![\w.])\d+\.\d+(?=[a-zA-Z\u00b5%]{{0,3}}(?!\w|\.\w))
       | [0-9A-Za-z_\-]+
       | [^0-9A-Za-z_\-]+""",
    re.VERBOSE,
)
_BROKEN = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffd]|[\u00c2\u00c3][\u0080-\u00bf]"
    r"|&(?:amp|lt|gt|quot|#\d+|#x[0-9a-f]+);|\[object |\{\{|%[sd]\b|\\u[0-9a-f]{4}"
)
_GROUPS = (
    (shapes.LOWER_HEX | shapes.LOWER, 26 / 62),
    (shapes.UPPER_HEX | shapes.UPPER, 26 / 62),
    (shapes.DIGIT, 10 / 62),
)
"""Classes of characters, and which share of base 62 they are."""
_HEX_GROUPS = ((shapes.LOWER_HEX, 6 / 16), (shapes.UPPER_HEX, 6 / 16), (shapes.DIGIT, 10 / 16))
"""The same of hexadecimal digits."""
_BY_CHANCE = 1e-4
_PLACEHOLDER = re.compile(r"none|null|nil|undefined|nan|n/a|todo|-+", re.IGNORECASE)


def weigh(series: Series) -> Opinion:
    """What may be thought of texts, where the primary's own vary."""
    if max(len(text) for text in _values([*series.primary, *series.candidate])) > _LONGEST:
        return _long(series)
    for shape in (_known, _moments, _template, _affixed):
        opinion = shape(series)
        if opinion is not None:
            return opinion
    return _free(series)


def stuck(series: Series, text: str) -> Opinion | None:
    """The candidate always shows one value where the primary never showed one twice."""
    ours, theirs = series.primary, series.candidate
    if series.pooled or len(theirs) < 2 or not constant(theirs):  # noqa: PLR2004 - one value varies as little as it repeats
        return None
    if len({key(s.value) for s in ours}) < len(ours):
        return None
    return doubt(series, theirs, f"{text}, always the same in the candidate", shape=True)


def _values(samples: Sequence[Sample]) -> list[str]:
    return [str(s.value) for s in samples]


def _known(series: Series) -> Opinion | None:
    kinds = [shapes.known(text) for text in _values(series.primary)]
    kind = kinds[0]
    if kind is None or any(other != kind for other in kinds):
        return None
    other = [s for s in series.candidate if shapes.known(str(s.value)) != kind]
    if other:
        found = shapes.known(str(other[0].value))
        return doubt(series, other, f"{kind} in the primary, {found or 'something else'} in the candidate", shape=True)
    if kind == "JWT":
        return _claims(series)
    return stuck(series, kind) or Opinion(noise=True, more=False, text=kind)


def _claims(series: Series) -> Opinion:
    """A JWT is held to its header, to the names of its claims, and to what each claim shows by itself."""
    read = series.map(lambda s: {**_flat(shapes.claims(str(s.value)))})
    fields = {name: None for s in read.primary if isinstance(s.value, dict) for name in s.value}
    fields |= {name: None for s in read.candidate if isinstance(s.value, dict) for name in s.value}
    parts = [_field(read.map(lambda s, name=name: s.value.get(name, ABSENT)), name) for name in fields]  # type: ignore[misc]
    return worst(parts, Opinion(noise=True, more=False, text="JWT"))


def _flat(claims: tuple[object, object] | None) -> dict[str, object]:
    flat: dict[str, object] = {}
    for part, name in zip(claims or (), ("header", "payload"), strict=False):
        if isinstance(part, dict):
            flat |= {f"{name} {key}": value for key, value in part.items()}
    return flat


def _field(series: Series, name: str) -> Opinion:
    noise = Opinion(noise=True, more=False, text=name)
    if constant(series.primary):
        if isinstance(series.primary[0].value, (int, float)) and name.endswith((" exp", " iat", " nbf")):
            return numbers.weigh(series)
        novel = [s for s in series.candidate if not same(s.value, series.primary[0].value)]
        return doubt(series, novel, f"a JWT whose {name} differs", shape=True) if novel else noise
    kinds = {type(s.value) for s in series.primary}
    novel = [s for s in series.candidate if type(s.value) not in kinds]
    if novel:
        return doubt(series, novel, f"a JWT whose {name} is of another type", shape=True)
    if kinds <= {int, float}:
        return numbers.weigh(series)
    return weigh(series) if kinds == {str} else noise


def _moments(series: Series) -> Opinion | None:
    ours = [times.read(text) for text in _values(series.primary)]
    theirs = [times.read(text) for text in _values(series.candidate)]
    found = [moment for moment in ours if moment is not None]
    if len(found) < len(ours):
        return None
    formats = {moment.format for moment in found}
    digits = {moment.digits for moment in found}
    text = f"a time, {' or '.join(sorted(formats))}"
    read = list(zip(series.candidate, theirs, strict=True))
    off = [s for s, moment in read if moment is None or moment.format not in formats]
    if off:
        return doubt(series, off, f"{text}, in another format in the candidate", shape=True)
    finer = [s for s, moment in read if moment is not None and not _digits_fit(moment.digits, digits)]
    if finer:  # whoever cuts zeros at the end shows fewer digits now and then
        return lean(series, finer, f"{text}, with other digits of a second in the candidate")
    step = max(moment.step for moment in found)
    at = series.replace(
        [Sample(moment.epoch, s.turn, s.at) for s, moment in zip(series.primary, found, strict=True)],
        [Sample(moment.epoch, s.turn, s.at) for s, moment in zip(series.candidate, theirs, strict=True) if moment is not None],
    )
    opinion = numbers.moments(at, step=step, what=text)
    return (stuck(series, text) if step < 1 and opinion.noise else None) or opinion


def _digits_fit(digits: int, seen: set[int]) -> bool:
    """One count of digits is a promise; several mean that trailing zeros are cut, or that a whole second shows none."""
    return digits in seen or (len(seen) > 1 and digits <= max(seen)) or (digits == 0 and max(seen) > _SAFE_DIGITS)


def tokens(text: str) -> list[str]:
    """A text cut into words, numbers, times, and what stands between them; nothing where it is too long to look at."""
    return _TOKENS.findall(text) if len(text) <= _LONGEST else []


def _template(series: Series) -> Opinion | None:
    ours = [tokens(text) for text in _values(series.primary)]
    count = len(ours[0])
    if not 0 < count <= _MOST_TOKENS or any(len(words) != count for words in ours):
        return None
    if any(not _is_run(token) and any(words[n] != token for words in ours) for n, token in enumerate(ours[0])):
        return None
    if count == 1:
        return _run(series)
    theirs = [tokens(text) for text in _values(series.candidate)]
    off = [s for s, words in zip(series.candidate, theirs, strict=True) if len(words) != count]
    if off:
        return lean(series, off, "a text of one form, of another in the candidate")
    parts = [_part(_column(series, ours, theirs, n)) for n in range(count)]
    varying = [part for part in parts if part is not None]
    return worst(varying, Opinion(noise=True, more=False, text=f"a text around {varying[0].text}" if varying else "a text"))


def _is_run(token: str) -> bool:
    return token[0].isalnum() or token[0] in "_-"


def _column(series: Series, ours: Sequence[Sequence[str]], theirs: Sequence[Sequence[str]], n: int) -> Series:
    return series.replace(
        [Sample(words[n], s.turn, s.at) for s, words in zip(series.primary, ours, strict=True)],
        [Sample(words[n], s.turn, s.at) for s, words in zip(series.candidate, theirs, strict=True)],
    )


def _part(series: Series) -> Opinion | None:
    """One token of a template; None where it is the same everywhere."""
    if not constant(series.primary):
        return _known(series) or _moments(series) or _run(series)
    fixed = series.primary[0].value
    novel = [s for s in series.candidate if s.value != fixed]
    if not novel:
        return None
    now = close_to_now(series)
    return now if now is not None else doubt(series, novel, f"a text whose fixed part {fixed!r} changed", shape=True)


def close_to_now(series: Series) -> Opinion | None:
    """Times of one format, each close to the moment of its own request: a clock that did not tick between two answers."""
    samples = [*series.primary, *series.candidate]
    moments = [times.read(s.value) if isinstance(s.value, str) else None for s in samples]
    if not all(
        moment is not None
        and moments[0] is not None
        and moment.format == moments[0].format
        and abs(moment.epoch - s.at) <= numbers.NEAR_NOW + moment.step
        for moment, s in zip(moments, samples, strict=True)
    ):
        return None
    return _moments(series)


def _run(series: Series) -> Opinion | None:
    """One word without blanks: a number, or characters of an alphabet."""
    texts = _values(series.primary)
    if all(_is_number(text) for text in texts):
        off = [s for s in series.candidate if not _is_number(str(s.value))]
        if off:
            return doubt(series, off, "a number as text, something else in the candidate", shape=True)
        return numbers.weigh(series.map(lambda s: float(str(s.value)) if "." in str(s.value) else int(str(s.value))))
    if not all(_is_run(text) for text in texts):
        return None
    return _spelled(series)


def _is_number(text: str) -> bool:
    whole, point, fraction = text.partition(".")
    if not (whole.isascii() and whole.isdigit() and len(whole) <= _SAFE_DIGITS) or (len(whole) > 1 and whole[0] == "0"):
        return False
    return not point or (fraction.isascii() and fraction.isdigit())


def _affixed(series: Series) -> Opinion | None:
    """What stands between a fixed beginning and a fixed end, where it has no blanks."""
    texts = _values(series.primary)
    before, after = _affixes(texts)
    middle = [text[len(before) : len(text) - len(after)] for text in texts]
    if not all(middle) or any(character.isspace() for text in middle for character in text):
        return None
    off = [s for s in series.candidate if not _between(str(s.value), before, after)]
    if off:
        return lean(series, off, f"a text between {before!r} and {after!r}, another in the candidate")
    return _spelled(series.map(lambda s: str(s.value)[len(before) : len(str(s.value)) - len(after)]))


def _affixes(texts: Sequence[str]) -> tuple[str, str]:
    before = _common(texts)
    while before and before[-1].isalnum():
        before = before[:-1]
    after = _common([text[len(before) :][::-1] for text in texts])[::-1]
    while after and after[0].isalnum():
        after = after[1:]
    return before, after


def _common(texts: Sequence[str]) -> str:
    """The longest beginning that all have."""
    low, high = min(texts), max(texts)
    return low[: next((n for n, (one, other) in enumerate(zip(low, high, strict=False)) if one != other), min(len(low), len(high)))]


def _between(text: str, before: str, after: str) -> bool:
    return len(text) >= len(before) + len(after) and text.startswith(before) and text.endswith(after)


def _spelled(series: Series) -> Opinion:
    """Held to the alphabet and to the lengths that the primary showed."""
    texts = _values(series.primary)
    before = _prefix(texts)
    if before:
        off = [s for s in series.candidate if not str(s.value).startswith(before)]
        if off:
            return lean(series, off, f"a text that begins with {before!r}")
        inner = _spelled(series.map(lambda s: str(s.value)[len(before) :]))
        return replace(inner, text=f"{inner.text} after {before!r}")
    alphabet = shapes.alphabet(texts)
    lengths = [len(text) for text in texts]
    low, high = min(lengths), max(lengths)
    spread = (high - low) * 3 + (2 if high > low else 0)
    if alphabet.name == "letters":
        spread = max(spread, 2 * high)
    text = alphabet.name if alphabet.name == "letters" else f"{alphabet.name} of {low if low == high else f'{low} to {high}'} characters"
    off = [
        s for s in series.candidate if not alphabet.holds(str(s.value)) or not max(low - spread, 1) <= len(str(s.value)) <= high + spread
    ]
    if off:
        return lean(series, off, f"{text}, something else in the candidate")
    if alphabet.name != "letters" and low >= shapes.TOKEN_LENGTH:
        opinion = _narrower(series, text) or stuck(series, text)
        if opinion is not None:
            return opinion
    return Opinion(noise=True, more=False, text=text)


def _prefix(texts: Sequence[str]) -> str:
    """What stands before the identifier itself: `ord_`, `req-`; letters only, or it may be chance."""
    before = _common(texts)
    cut = max(before.rfind("_"), before.rfind("-")) + 1
    before = before[:cut]
    return before if before[:-1].isalpha() and all(len(text) > cut for text in texts) else ""


def _narrower(series: Series, text: str) -> Opinion | None:
    """The candidate never uses a class of characters that each of the primary's texts has, though chance would have used it."""
    ours = [shapes.classes(value) for value in _values(series.primary)]
    written = "".join(_values(series.candidate))
    theirs = shapes.classes(written)
    groups = _HEX_GROUPS if all(not found & ~(shapes.DIGIT | shapes.LOWER_HEX | shapes.UPPER_HEX) for found in ours) else _GROUPS
    for group, share in groups:
        if all(found & group for found in ours) and not theirs & group and (1 - share) ** len(written) < _BY_CHANCE:
            return doubt(series, series.candidate, f"{text}, of fewer kinds of characters in the candidate", shape=True)
    return None


def _long(series: Series) -> Opinion:
    """Held to a length alone, since looking closer costs more than it shows."""
    lengths = numbers.spread(series.map(lambda s: len(str(s.value))))
    return replace(lengths, text=f"long text whose length is {lengths.text}")


def _free(series: Series) -> Opinion:
    """Text that no form fits: it may not be empty, broken, a placeholder, or of quite another length."""
    texts = _values(series.primary)
    checks: list[tuple[str, Callable[[str], bool]]] = [
        ("broken", lambda text: _BROKEN.search(text) is not None),
        ("a placeholder", lambda text: _PLACEHOLDER.fullmatch(text.strip()) is not None),
        ("padded with blanks", lambda text: text != text.strip()),
        ("without small letters", lambda text: text == text.upper() and text != text.lower()),
        ("without capitals", lambda text: text == text.lower() and text != text.upper()),
    ]
    for name, check in checks:
        if not any(map(check, texts)):
            off = [s for s in series.candidate if check(str(s.value))]
            if off:
                opinion = lean(series, off, f"free text, {name} in the candidate")
                if not opinion.noise:
                    return opinion
    lengths = numbers.spread(series.map(lambda s: len(str(s.value))))
    if len(set(map(len, texts))) > 1 and not lengths.noise and not series.pooled:
        return replace(lengths, text=f"free text whose length is {lengths.text}")
    return Opinion(noise=True, more=False, text="free text")
