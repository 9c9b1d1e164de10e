import dataclasses
import hashlib

import pytest

from tsprune.data import load_table
from tsprune.data.catalog import CATALOG
from tsprune.data.entsoe import COUNTRIES, build
from tsprune.data.entsoe import QUARTERS as QUARTERLY
from tsprune.data.sources import find_local, read_csv_bytes

QUARTERS = b"""start,end,load
2015-01-01 00:00:00+00:00,2015-01-01 00:15:00+00:00,10.0
2015-01-01 00:15:00+00:00,2015-01-01 00:30:00+00:00,11.0
2015-01-01 00:30:00+00:00,2015-01-01 00:45:00+00:00,
2015-01-01 00:45:00+00:00,2015-01-01 01:00:00+00:00,11.0
2015-01-01 02:45:00+00:00,2015-01-01 03:00:00+00:00,7.0
2015-01-01 04:00:00+00:00,2015-01-01 04:15:00+00:00,99.0
"""
HOURS = b"""start,end,load
2015-01-01 02:00:00+00:00,2015-01-01 03:00:00+00:00,3.5
2015-01-01 02:00:00+01:00,2015-01-01 03:00:00+01:00,2.5
"""


def test_hourly_means_of_the_readings_that_are_there():
    text = build({"aa": QUARTERS, "bb": HOURS}, "1h", "2015-01-01 00:00", "2015-01-01 04:00").decode()
    assert text.splitlines() == [
        "date,aa,bb",
        "2015-01-01 00:00:00,10.667,",  # the mean of three readings, to 0.001 MW
        "2015-01-01 01:00:00,,2.5",  # 02:00 at an offset of one hour
        "2015-01-01 02:00:00,7.0,3.5",
        "2015-01-01 03:00:00,,",  # absent hours stay empty, later rows are cut off
    ]


def test_quarter_hours_are_the_readings_themselves():
    text = build({"aa": QUARTERS}, "15min", "2015-01-01 00:00", "2015-01-01 01:00").decode()
    assert [line.split(",") for line in text.splitlines()[1:]] == [
        ["2015-01-01 00:00:00", "10.0"],
        ["2015-01-01 00:15:00", "11.0"],
        ["2015-01-01 00:30:00", ""],
        ["2015-01-01 00:45:00", "11.0"],
    ]


@pytest.mark.parametrize(("name", "countries"), [("entsoe_hourly", COUNTRIES), ("entsoe_quarter_hour", QUARTERLY)])
def test_the_parts_are_the_countries_in_order(name, countries):
    entry = CATALOG[name]
    assert [part.file for part in entry.parts] == [f"entsoe/{country}.csv" for country in countries]
    assert len(countries) == entry.columns and all(len(part.sha256) == 64 for part in entry.parts)


@pytest.mark.parametrize(
    ("name", "countries"),
    [("entsoe_hourly", COUNTRIES), pytest.param("entsoe_quarter_hour", QUARTERLY, marks=pytest.mark.slow)],
)
def test_the_real_table_is_rebuilt_bit_for_bit(name, countries):
    entry = CATALOG[name]
    found = [find_local(part) for part in entry.parts]
    if not all(found):
        pytest.skip("entsoe/*.csv of the 15 countries is not on this machine: set TSPRUNE_DATA to its folder")
    files = {country: read_csv_bytes(at.path) for country, at in zip(countries, found, strict=True)}
    assert hashlib.sha256(build(files, entry.time_step)).hexdigest() == entry.source.sha256


def test_the_table_is_built_from_parts_where_only_they_are_there(nowhere, monkeypatch):
    built = build({"aa": QUARTERS, "bb": QUARTERS}, "1h", "2015-01-01 00:00", "2015-01-01 03:00")
    original = CATALOG["entsoe_hourly"]
    parts = tuple(
        dataclasses.replace(original.parts[0], file=f"entsoe/{code}.csv", sha256=hashlib.sha256(QUARTERS).hexdigest())
        for code in ("aa", "bb")
    )
    source = dataclasses.replace(original.source, sha256=hashlib.sha256(built).hexdigest())
    entry = dataclasses.replace(original, source=source, parts=parts, rows=3, columns=2)
    monkeypatch.setitem(CATALOG, "entsoe_hourly", entry)
    monkeypatch.setattr("tsprune.data.entsoe.build.__defaults__", ("1h", "2015-01-01 00:00", "2015-01-01 03:00"))
    (nowhere / "data" / "entsoe").mkdir(parents=True)
    for code in ("aa", "bb"):
        (nowhere / "data" / "entsoe" / f"{code}.csv").write_bytes(QUARTERS)
    table = load_table("entsoe_hourly")
    assert table.columns == ("aa", "bb") and "built from the files per country" in table.source
    assert table.counts["missing values"] == 2
    again = load_table("entsoe_hourly")
    assert again.fingerprint == table.fingerprint and "(cache)" in again.source
