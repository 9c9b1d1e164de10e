# ruff: noqa: PD011  (Table.values is an array of our own)
"""Tables: what a study reads off them beside the values."""

import gzip
from dataclasses import replace

import pandas as pd
import pytest

from tsprune.data import CATALOG, check_dataset, fetch_dataset, load_table
from tsprune.data.catalog import SHARES
from tsprune.errors import UserError

SEASONS = {"15min": 96, "1h": 24, "7min": 1, "24h": 7, "1D": 7, "B": 5, "7D": 52, "W-MON": 52, "MS": 12, "QS-JAN": 4}


@pytest.mark.parametrize(("step", "season"), SEASONS.items())
def test_a_season_is_a_day_a_week_or_a_year(step, season):
    assert replace(load_table("synthetic"), time_step=step).season == season


# A dataset is its content


def copy_of(name: str, path, **options) -> str:
    """The catalogue's file under another name, its text changed by ``options``: old -> new."""
    content = fetch_dataset(name).read_bytes()
    content = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
    for old, new in options.items():
        assert old.encode() in content
        content = content.replace(old.encode(), new.encode())
    path.write_bytes(content)
    return str(path)


@pytest.mark.parametrize("name", [name for name, entry in CATALOG.items() if entry.fingerprints])
@pytest.mark.parametrize("raw", [False, True])
def test_a_dataset_of_the_catalogue_is_known_by_its_fingerprint(real_table, name, raw):
    table = real_table(name, raw=raw)
    assert table.catalog_name == name and table.fingerprint in CATALOG[name].fingerprints
    assert real_table(name, raw=raw, columns=table.columns[1:]).catalog_name is None
    assert replace(table, values=table.values + 1e-9).catalog_name is None
    assert replace(table, name="mine").catalog_name == name


@pytest.mark.parametrize("name", ["ETTh1", "ETTm2", "Exchange", "Weather", "ILI"])
def test_its_very_file_given_by_path_is_the_dataset_with_its_split_and_cleaning(real_table, tmp_path, name):
    genuine = real_table(name)
    table = load_table(copy_of(name, tmp_path / "renamed.csv"))
    assert (table.name, table.catalog_name, table.fingerprint) == ("renamed", name, genuine.fingerprint)
    assert table.split == genuine.split and table.source == "renamed.csv (own file)"
    assert table.notes[0] == f"the file is the {name} of the catalogue: its splits and its cleaning hold"
    windows = load_table(copy_of(name, tmp_path / "crlf.csv", **{"\n": "\r\n"}))
    assert windows.fingerprint == genuine.fingerprint
    raw = load_table(str(tmp_path / "renamed.csv"), raw=True)
    assert raw.fingerprint == real_table(name, raw=True).fingerprint


def test_the_same_content_in_another_format_is_the_dataset_too(real_table, tmp_path):
    genuine = real_table("ETTh1")
    frame = pd.DataFrame(genuine.values, columns=list(genuine.columns)).assign(when=genuine.dates)
    frame.to_parquet(tmp_path / "mine.parquet")
    frame.to_csv(tmp_path / "mine.csv", sep=";", decimal=",", index=False, date_format="%d.%m.%Y %H:%M")
    for name in ("mine.parquet", "mine.csv"):
        table = load_table(str(tmp_path / name))
        assert table.catalog_name == "ETTh1" and table.split == genuine.split
        assert table.notes[0] == "the content is that of ETTh1 in the catalogue: its splits hold"


def test_a_file_of_ones_own_is_not_the_dataset_whatever_it_is_called(real_table, tmp_path):
    real_table("ETTh1")
    changed = load_table(copy_of("ETTh1", tmp_path / "ETTh1.csv", **{"30.5310001373291": "30.5310001373292"}))
    assert changed.name == "ETTh1" and changed.catalog_name is None and changed.split == SHARES
    made_up = load_table("synthetic_short")
    frame = pd.DataFrame(made_up.values[:, :2], columns=["a", "b"]).assign(date=made_up.dates)
    frame.to_csv(tmp_path / "ETTh1.csv", index=False)
    assert load_table(str(tmp_path / "ETTh1.csv")).catalog_name is None


def test_an_option_that_asks_to_read_it_otherwise_is_obeyed(real_table, tmp_path):
    real_table("ETTh1")
    path = copy_of("ETTh1", tmp_path / "mine.csv")
    for step in ("1h", "60min"):
        assert load_table(path, date_column="date", time_step=step).catalog_name == "ETTh1"
    with pytest.raises(UserError, match="at a time step of 30min"):
        load_table(path, time_step="30min")


# What is asked for in Python


def test_a_path_is_a_name_like_any_other(tmp_path):
    rows = pd.DataFrame({"date": pd.date_range("2024", periods=60, freq="h"), "load": range(60)})
    rows.to_csv(tmp_path / "load.csv", index=False)
    assert load_table(tmp_path / "load.csv").fingerprint == load_table(str(tmp_path / "load.csv")).fingerprint
    assert check_dataset(tmp_path / "load.csv").ok


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        (pd.DataFrame({"load": [1]}), {}, "a DataFrame is not a dataset.*save a frame first: frame.to_parquet"),
        (["ETTh1"], {}, "a list is not a dataset; give a name or a path as text$"),
        (b"load.csv", {}, "a bytes is not a dataset"),
        ("load.csv", {"columns": "ab"}, r"columns = 'ab': expected a list, such as \['ab'\]"),
        ("load.csv", {"raw": "no"}, "raw = 'no': True or False"),
        ("load.csv", {"time_step": pd.Timedelta("1h")}, "time_step = 0 days 01:00:00: expected text"),
        ("load.csv", {"encoding": 5, "missing": True}, "missing = True, encoding = 5: expected text"),
    ],
)
def test_what_is_no_name_or_no_option_is_one_line(name, options, words):
    with pytest.raises(UserError, match=words):
        load_table(name, **options)
