"""Acceptances: narrow, dated, stable, without secrets."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_shadowdiff.acceptances import Acceptance, accepts, load, record, save, which
from pytest_shadowdiff.errors import SettingsError
from pytest_shadowdiff.model import Difference

TODAY = date(2030, 1, 1)
PLACE = "GET /orders/{id}"
TOTAL = Difference("$.total", "value_changed", 1, "1")
GONE = Difference("$['odd key']", "missing", {"a": [None, 'it\'s "x" \x85 \ud800']}, None)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(st.characters(), max_size=200),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def test_what_was_recorded_is_accepted_and_nothing_else() -> None:
    entries = record((), [(PLACE, TOTAL), (PLACE, GONE)])
    assert accepts(entries, PLACE, TOTAL, TODAY)
    assert accepts(entries, PLACE, GONE, TODAY)
    for other in (
        Difference("$.total", "value_changed", 1, "2"),
        Difference("$.total", "value_changed", 2, "1"),
        Difference("$.total", "type_changed", 1, "1"),
        Difference("$.totals", "value_changed", 1, "1"),
        Difference("$.total", "value_changed", bool(1), "1"),
        Difference("$.total", "value_changed", 1, 1),
        Difference("$['odd key']", "missing", None, None),
    ):
        assert not accepts(entries, PLACE, other, TODAY)
    assert not accepts(entries, "GET /orders", TOTAL, TODAY)


@given(json_values, json_values)
def test_any_value_survives_the_file(one: object, other: object) -> None:
    import tempfile

    difference = Difference("$.a", "value_changed", one, other)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "accepted.toml"
        entries = record((), [(PLACE, difference)])
        save(file, entries)
        assert load(file) == entries
        assert accepts(load(file), PLACE, difference, TODAY)


def test_the_same_entries_make_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    found = [(PLACE, TOTAL), (PLACE, GONE), ("GET /a", TOTAL), (PLACE, Difference("$.total", "value_changed", 2, "2"))]
    one, other = tmp_path / "one.toml", tmp_path / "other.toml"
    save(one, record((), found))
    save(other, record(record((), found[::-1]), found))
    assert one.read_bytes() == other.read_bytes()
    assert list(tmp_path.iterdir()) == [one, other] or set(tmp_path.iterdir()) == {one, other}


def test_reason_and_expiry_stay_and_an_expired_entry_lets_nothing_through(tmp_path: Path) -> None:
    file = tmp_path / "accepted.toml"
    (entry,) = record((), [(PLACE, TOTAL)])
    save(file, [Acceptance(*entry.key(), entry.values, reason="agreed", expires=date(2030, 1, 31))])
    again = record(load(file), [(PLACE, Difference("$.total", "value_changed", 2, "2"))])
    assert (again[0].reason, again[0].expires, len(again[0].values)) == ("agreed", date(2030, 1, 31), 2)
    assert accepts(again, PLACE, TOTAL, date(2030, 1, 31))
    assert not accepts(again, PLACE, TOTAL, date(2030, 2, 1))


def test_which_entry_was_used() -> None:
    entries = record((), [(PLACE, TOTAL), (PLACE, GONE)])
    used = which(entries, PLACE, TOTAL, TODAY)
    assert used is not None
    assert used.path == "$.total"
    assert which(entries, PLACE, Difference("$.x", "added", None, 1), TODAY) is None


def test_secrets_and_what_varies_are_accepted_by_their_shape(tmp_path: Path) -> None:
    secret = Difference("$.token", "value_changed", "s3cr3t-aaaaaaaaaaaaaaaaaaaa", "s3cr3t-bbbbbbbbbbbbbbbbbbbb")
    varies = Difference("$.id", "shape_changed", "1b4e28ba-2fa1-4d3b-a3f5-ef19b5a7633b", 17)
    entries = record((), [(PLACE, secret), (PLACE, varies)], secret=lambda difference: difference.path == "$.token")
    save(tmp_path / "accepted.toml", entries)
    assert "s3cr3t" not in (tmp_path / "accepted.toml").read_text()
    assert accepts(entries, PLACE, Difference("$.id", "shape_changed", "6fa459ea-ee8a-4ca4-894e-db77e160355e", 18), TODAY)
    assert not accepts(entries, PLACE, Difference("$.id", "shape_changed", "6fa459ea-ee8a-4ca4-894e-db77e160355e", "18"), TODAY)
    assert accepts(
        entries, PLACE, Difference("$.token", "value_changed", "s3cr3t-cccccccccccccccccccc", "s3cr3t-dddddddddddddddddddd"), TODAY
    )
    assert not accepts(entries, PLACE, Difference("$.token", "value_changed", "s3cr3t-cccccccccccccccccccc", ""), TODAY)


def test_long_values_are_kept_as_digests() -> None:
    long = Difference("$.a", "added", None, "x" * 1000)
    entries = record((), [(PLACE, long)])
    assert entries[0].values[0][1].startswith("sha256:")
    assert accepts(entries, PLACE, long, TODAY)
    assert not accepts(entries, PLACE, Difference("$.a", "added", None, "x" * 999 + "y"), TODAY)


def test_no_file_is_no_entry(tmp_path: Path) -> None:
    assert load(tmp_path / "accepted.toml") == ()


ENTRY = '\n[[accepted]]\nendpoint = "GET /a"\npath = "$.a"\nkind = "missing"\nvalues = [{primary = "1"}]\n'


@pytest.mark.parametrize(
    "text,said",
    [
        ("[[accepted]\n", "line 1"),
        ("[other]\n", "unknown key 'other'. Allowed: tables [[accepted]]"),
        ("accepted = 1\n", "no list of tables"),
        (
            ENTRY + "resaon = 'x'\n",
            "line 2: unknown key 'resaon'. Allowed: endpoint, path, kind, values, reason, expires. Did you mean 'reason'?",
        ),
        (ENTRY.replace('kind = "missing"', ""), "line 2: kind is missing"),
        (ENTRY.replace("missing", "mising"), "line 2: 'mising' is no kind. Allowed: value_changed"),
        (ENTRY.replace('"$.a"', "7"), "line 2: path = 7 is no text"),
        (ENTRY.replace('[{primary = "1"}]', "[]"), "line 2: values is no list"),
        (ENTRY.replace('[{primary = "1"}]', "[{primary = 1}]"), "line 2: values: {'primary': 1} is no table"),
        (ENTRY + 'expires = "2030-01-01"\n', "line 2: expires = 2030-01-01 is no date"),
        (ENTRY + ENTRY, "line 8: the entry of line 2 has this endpoint, path and kind already"),
    ],
)
def test_a_wrong_file_says_where(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "accepted.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load(file)
    assert str(file) in str(caught.value)
    assert said in str(caught.value)
