"""Fresh load of the ENTSO-E platform: answers of the recorded shape, served here."""

import http.server
import sys
import threading
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pytest

from tsprune.data import check_dataset, fresh
from tsprune.data.entsoe import COUNTRIES
from tsprune.errors import UserError

# entsoe-py reads its XML by an HTML parser on purpose, and mutes the remark; pytest undoes that.
pytestmark = pytest.mark.filterwarnings("ignore:It looks like you're using an HTML parser")

AREAS = {"10YAT-APG------L": ("at", "PT15M", 100), "10YCH-SWISSGRIDZ": ("ch", "PT60M", 1000)}
NOTHING = (
    '<Acknowledgement_MarketDocument xmlns="urn:iec62325.351:tc57wg16:451-1:acknowledgementdocument:7:0"><Reason>'
    "<code>999</code><text>No matching data found for Data item ACTUAL_TOTAL_LOAD_R3</text></Reason>"
    "</Acknowledgement_MarketDocument>"
)
MINUTES = {"PT15M": 15, "PT60M": 60}


def document(begin: pd.Timestamp, end: pd.Timestamp, resolution: str, level: float) -> str:
    """Load as the platform writes it: position by position; of a quarter hour: the level and its number in the hour."""
    count = (end - begin) // pd.Timedelta(minutes=MINUTES[resolution])
    points = "".join(
        f"<Point><position>{i + 1}</position><quantity>{level + i % 4}</quantity></Point>" for i in range(count)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><GL_MarketDocument xmlns="urn:iec62325.351:tc57wg16:451-6:generationload'
        'document:3:0"><type>A65</type><process.processType>A16</process.processType><TimeSeries><mRID>1</mRID>'
        "<businessType>A04</businessType><quantity_Measure_Unit.name>MAW</quantity_Measure_Unit.name>"
        f"<curveType>A01</curveType><Period><timeInterval><start>{begin:%Y-%m-%dT%H:%MZ}</start>"
        f"<end>{end:%Y-%m-%dT%H:%MZ}</end></timeInterval><resolution>{resolution}</resolution>{points}</Period>"
        "</TimeSeries></GL_MarketDocument>"
    )


@pytest.fixture
def platform(tmp_path, monkeypatch):
    """A local platform: gives the list of (country, first day, days) asked for, and a list of statuses to answer first;
    the waits that were made, too."""
    client = pytest.importorskip("entsoe.entsoe", reason="entsoe-py is not installed")
    asked, statuses, waits = [], [], []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            country, resolution, level = AREAS[query["outBiddingZone_Domain"]]
            begin, end = (pd.Timestamp(query[name]) for name in ("periodStart", "periodEnd"))
            asked.append((country, f"{begin:%Y-%m-%d}", (end - begin).days))
            status = statuses.pop(0) if statuses else 200
            if query["securityToken"] != "secret":
                status = 401
            refused = end - begin >= pd.Timedelta("28D")
            body = NOTHING if status == 204 else document(begin, end, resolution, level)
            self.send_response(400 if refused else {204: 200}.get(status, status))
            self.send_header("Content-Type", "text/xml")
            self.end_headers()
            self.wfile.write(("<html>closed</html>" if status == 201 else body).encode())

        def log_message(self, *_):
            pass

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setattr(client, "URL", f"http://127.0.0.1:{running.server_port}/api")
    monkeypatch.setenv("ENTSOE_API_KEY", "secret")
    monkeypatch.setattr(fresh, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(fresh.time, "sleep", waits.append)
    yield asked, statuses, waits
    running.shutdown()
    running.server_close()


def test_every_country_has_an_area_of_the_same_name():
    areas = pytest.importorskip("entsoe.mappings", reason="entsoe-py is not installed").Area
    assert all(areas.has_code(country.upper()) for country in COUNTRIES)


def rows(text: bytes) -> list[str]:
    return text.decode().splitlines()


def test_hourly_means_are_made_of_half_months_below_the_platforms_limit(platform):
    asked, _, waits = platform
    text = rows(fresh.fresh_load(["at", "ch"], "2024-02-10", "2024-03-02"))
    assert text[0] == "date,at,ch" and text[1] == "2024-02-10 00:00:00,101.5,1000.0"
    assert text[-1].startswith("2024-03-01 23:00:00,") and len(text) == 1 + 21 * 24
    assert asked == [
        (country, day, days)
        for country in ("at", "ch")
        for day, days in (("2024-02-01", 15), ("2024-02-16", 14), ("2024-03-01", 15))
    ]
    assert waits == [fresh.PAUSE] * 6, "never more than 400 requests a minute"
    assert 60 / fresh.PAUSE < 400


def test_quarter_hours_are_the_readings(platform):
    text = rows(fresh.fresh_load(["at"], "2024-02-10 05:00", "2024-02-10 06:00", "15min"))
    assert text[1:] == [f"2024-02-10 05:{15 * i:02d}:00,{100.0 + i}" for i in range(4)]


def test_what_was_loaded_is_kept_and_a_load_that_stopped_goes_on(platform, tmp_path):
    asked, statuses, waits = platform
    statuses += [200, *[503] * (len(fresh.PATIENCE) + 1)]
    with pytest.raises(UserError) as error:
        fresh.fresh_load(["ch"], "2024-02-01", "2024-03-01")
    assert str(error.value) == (
        "the ENTSO-E platform did not send load of ch from 2024-02-16 in 7 tries: status 503; what came before is "
        "kept: run it again later to go on"
    )
    assert [wait for wait in waits if wait != fresh.PAUSE] == list(fresh.PATIENCE)
    assert [path.name for path in (tmp_path / "cache" / "entsoe_fresh").iterdir()] == ["ch_2024-02-01.csv"]
    asked.clear()
    assert len(rows(fresh.fresh_load(["ch"], "2024-02-01", "2024-03-01"))) == 1 + 29 * 24
    assert asked == [("ch", "2024-02-16", 14)]
    asked.clear()
    fresh.fresh_load(["ch"], "2024-02-20", "2024-02-21")
    assert asked == []


@pytest.mark.parametrize("statuses_first", [[503, 503], [429], [500], [201]], ids=["503", "429", "500", "a web page"])
def test_a_busy_platform_is_asked_again(platform, statuses_first, capsys):
    asked, statuses, waits = platform
    statuses += statuses_first
    assert len(rows(fresh.fresh_load(["ch"], "2024-02-01", "2024-02-02"))) == 25
    assert len(asked) == 1 + len(statuses_first)
    assert [wait for wait in waits if wait != fresh.PAUSE] == list(fresh.PATIENCE[: len(statuses_first)])
    assert capsys.readouterr().err.count("again in") == len(statuses_first)


def test_no_connection_is_waited_for_too(platform, monkeypatch):
    monkeypatch.setattr("entsoe.entsoe.URL", "http://127.0.0.1:9/api")
    with pytest.raises(UserError, match="in 7 tries: no connection") as error:
        fresh.fresh_load(["at"], "2024-02-01", "2024-02-02")
    assert "secret" not in str(error.value)


def test_load_that_is_still_revised_is_asked_for_anew(platform, tmp_path, monkeypatch):
    asked, _, _ = platform
    monkeypatch.setattr(pd.Timestamp, "now", lambda zone: pd.Timestamp("2024-03-05 12:34", tz=zone), raising=False)
    for _ in range(2):
        assert rows(fresh.fresh_load(["ch"], "2024-02-20", "2024-03-05"))[-1] == "2024-03-04 23:00:00,1003.0"
    assert asked == 2 * [("ch", "2024-02-16", 14), ("ch", "2024-03-01", 4)]
    assert not (tmp_path / "cache").exists(), "the end of February is less than a week ago"


def test_half_a_month_without_load_is_empty_and_a_country_without_any_is_named(platform):
    _, statuses, _ = platform
    statuses += [204]
    text = rows(fresh.fresh_load(["at"], "2024-02-15", "2024-02-17"))
    assert text[1] == "2024-02-15 00:00:00," and text[-1] == "2024-02-16 23:00:00,101.5"
    statuses += [204]
    with pytest.raises(UserError, match="no load of ch from 2024-02-01 to 2024-02-05; leave them out"):
        fresh.fresh_load(["ch"], "2024-02-01", "2024-02-05")


def test_a_key_that_is_missing_or_refused_is_one_line_that_says_where_to_get_one(platform, monkeypatch):
    monkeypatch.setenv("ENTSOE_API_KEY", "wrong")
    with pytest.raises(UserError, match=r"refuses the key in ENTSOE_API_KEY \(status 401\); register at") as error:
        fresh.fresh_load(["at"], "2024-02-01", "2024-02-02")
    assert "wrong" not in str(error.value) and "\n" not in str(error.value)
    monkeypatch.delenv("ENTSOE_API_KEY")
    with pytest.raises(
        UserError, match=r"^ENTSOE_API_KEY is not set; it holds your key .* To get one, register at"
    ) as told:
        fresh.fresh_load(["at"], "2024-02-01", "2024-02-02")
    assert "\n" not in str(told.value)


def test_what_the_platform_refuses_otherwise_is_told_without_the_key(platform):
    _, statuses, _ = platform
    statuses += [400]
    with pytest.raises(UserError, match=r"refuses load of at from 2024-02-01 \(status 400\)$"):
        fresh.fresh_load(["at"], "2024-02-01", "2024-02-02")


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setenv("ENTSOE_API_KEY", "secret")
    monkeypatch.setitem(sys.modules, "entsoe", None)
    with pytest.raises(UserError, match=r"^entsoe-py is not installed; pip install 'tsprune\[entsoe\]' installs it$"):
        fresh.fresh_load(["at"], "2024-02-01", "2024-02-02")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((["xx"], "2024-02-01", "2024-02-02"), "unknown country 'xx'"),
        ((["at"], "soon", "2024-02-02"), "start = 'soon' is not a date"),
        ((["at"], "2024-02-02", "2024-02-02"), "start must come before end"),
        ((["at"], "2024-02-02", "2999-02-02"), "and both before 20"),
        ((["at"], "2024-02-02", "2024-02-03", "30min"), "unknown step '30min'"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_before_anything_is(arguments, words):
    with pytest.raises(UserError, match=words):
        fresh.fresh_load(*arguments)


def test_the_command_writes_a_file_that_is_a_dataset(platform, tmp_path, tsprune, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = Path("load.csv")  # here, and not where the project is
    options = ["--start", "2024-02-01", "--end", "2024-02-20", "--countries", "at,ch"]
    assert tsprune("data", "entsoe", str(path), *options)[:2] == (0, f"{path}\n")
    found = check_dataset(str(path))
    assert found.ok and found.facts[0].startswith("load: 456 rows x 2 columns, 2024-02-01 00:00:00 to 2024-02-19 23:00")
