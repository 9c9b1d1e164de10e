import re
import subprocess
import sys
from pathlib import Path

import pytest

from tsprune.data.catalog import _ENTRIES, CATALOG, ETT_HOURS, ETT_QUARTERS, SHARES
from tsprune.errors import UserError

DOCS = Path(__file__).parents[2] / "docs" / "data.md"
NAMES = (
    "ETTh1 ETTh2 ETTm1 ETTm2 Exchange Weather ILI ECL Traffic "
    "entsoe_hourly entsoe_14 entsoe_quarter_hour entsoe_pooled synthetic synthetic_short"
)


def test_the_catalogue_has_the_promised_datasets():
    assert set(NAMES.split()) <= set(CATALOG)


def test_a_name_is_given_once():
    assert [entry.name for entry in _ENTRIES] == list(CATALOG)


@pytest.mark.parametrize("entry", CATALOG.values(), ids=lambda entry: entry.name)
def test_every_entry_is_complete(entry):
    assert entry.rows > 0 and entry.columns > 0 and entry.licence and entry.page
    assert entry.defects or entry.name not in NAMES.split(), "what is known of it"
    entry.split.borders(entry.rows)
    for source in (entry.source, *entry.parts) if entry.source else ():
        assert source.file.endswith(".csv")
        assert all(re.fullmatch("[0-9a-f]{64}", each) for each in (source.sha256, source.published) if each)
        known = bool(source.sha256 or source.published)
        assert known or not source.addresses, "downloaded only with a checksum"
        for address in source.addresses:
            # Where a host has commits, one is named, not a branch: the file behind the address cannot change.
            hosts = r"(raw\.githubusercontent\.com/[^/]+/[^/]+|huggingface\.co/datasets/[^/]+/[^/]+/resolve)"
            assert re.match(rf"https://({hosts}/[0-9a-f]{{8,40}}/|(?!{hosts}))\S+$", address.url), address.url
            assert address.url.endswith(".zip") == bool(address.member)


def test_the_split_rules():
    assert ETT_HOURS.borders(17_420) == ((0, 8_640), (8_640, 11_520), (11_520, 14_400))
    assert ETT_QUARTERS.borders(69_680) == ((0, 34_560), (34_560, 46_080), (46_080, 57_600))
    assert SHARES.borders(7_588) == ((0, 5_311), (5_311, 6_071), (6_071, 7_588))
    assert SHARES.borders(966) == ((0, 676), (676, 773), (773, 966))
    with pytest.raises(UserError, match="needs 14400 rows, the table has 14399"):
        ETT_HOURS.borders(14_399)


def test_the_page_on_data_agrees_with_the_catalogue():
    table = DOCS.read_text().split("## The catalogue")[1].split("##")[0]
    told = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("|")][2:]
    assert [row[0] for row in told] == list(CATALOG), "a row for each, in the order of the catalogue"
    for (name, rows, columns, step, split, licence), entry in zip(told, CATALOG.values(), strict=True):
        assert (name, int(rows.replace(",", "")), int(columns)) == (entry.name, entry.rows, entry.columns)
        assert (step, licence) == (entry.time_step, entry.licence) and entry.split.text.startswith(split)


def test_the_list_of_datasets_needs_no_torch():
    code = (
        "import sys, tsprune.data as d; d.list_datasets(); assert 'torch' not in sys.modules; d.Windows, d.make_splits"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_name_of_the_package_is_an_attribute_error():
    import tsprune.data

    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = tsprune.data.nothing
