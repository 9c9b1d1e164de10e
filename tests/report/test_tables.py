"""The tables all studies show alike: what stands in them, and what they refuse."""

import html
import re

import numpy as np
import pandas as pd
import pytest
from reading import read

from tsprune.errors import UserError
from tsprune.report.tables import (
    Marked,
    claim,
    labelled,
    naive_table,
    protocol_table,
    published_table,
    styled,
    units_table,
)


def test_published_table_puts_the_protocols_beside_the_numbers():
    published = pd.DataFrame(
        [
            {
                "model": "Autoformer",
                "dataset": "ETTh1",
                "pred_len": pred_len,
                "mse_published": 0.449,
                "mae_published": 0.459,
                "source": "Table 1",
                "mse_here": here,
                "mae_here": here,
                "difference": here - 0.449,
                "protocol": "there: <drop_last>",
            }
            for pred_len, here in ((96, 0.462), (192, np.nan))
        ]
    )
    styler = published_table(published)
    rows, _ = read(styler)
    assert rows[1] == [
        "Autoformer", "96", "0.449", "0.462", "+0.013", "0.459", "0.462", "Table 1", "there: <drop_last>",
    ]  # fmt: skip
    assert rows[2][3:5] == ["not run", "not run"]
    assert ", dataset ETTh1 (" in styler.caption, "what all rows share stands once"
    assert "<drop_last>" not in styler.to_html()
    naive = published.head(3).assign(model="RepeatLast", mse_published=0.081, difference=[-0.00001, -0.0028])
    rows, _ = read(published_table(naive))
    assert [row[0] for row in rows[1:]] == ["repeat last value"] * 2
    assert [row[4] for row in rows[1:]] == ["0.0000", "−0.0028"], "what rounds to nothing has no sign"


def test_a_cell_of_a_number_breaks_at_its_lesser_parts_alone():
    table = pd.DataFrame({"a": ["−0.1 to 2 (3–5)", "1 ± 2", "0.5: −3 %", "no result"]})
    html = styled(table, "").to_html()
    assert ">−0.1\u00a0to\u00a02 (3–\u20605)<" in html and ">no result<" in html
    assert ">1 ±\u00a02<" in html and ">0.5: −3\u00a0%<" in html
    assert "white-space: normal" not in html, "there is room"
    wide = pd.concat([table] * 9, axis="columns").set_axis([f"column {i}" for i in range(9)], axis="columns")
    assert "white-space: normal" in styled(wide, "").to_html()


def test_naive_table(make_naive):
    rows, _ = read(naive_table(make_naive()))
    assert rows[1] == ["repeat last value", "ETTh1", "96", "1.300", "0.650"]


def test_protocol_table_writes_values_for_people():
    rows, _ = read(protocol_table({"look-back": 96, "seeds": [1, 2], "drop_last": False, "rate": 5e-4}))
    assert rows[-4:] == [["look-back", "96"], ["seeds", "1, 2"], ["drop_last", "no"], ["rate", "0.0005"]]


def test_labels_names_and_captions_are_text_whatever_signs_are_in_them():
    """In a table with a label per group of rows, as of datasets, the label stands alone in its cell."""
    rows = pd.MultiIndex.from_tuples([("<img src=x>", "a & b"), ("<img src=x>", "c")], names=["<b>", "model"])
    columns = pd.MultiIndex.from_tuples([("<i>", "<u>")], names=["<s>", "<q>"])
    table = styled(pd.DataFrame([["<p>"], ["x"]], index=rows, columns=columns), "less < more & <em>").to_html()
    assert not re.findall("<(?:img|b|i|u|s|q|p|em)[ >]", table)
    for text in ("<img src=x>", "a & b", "<b>", "<i>", "<u>", "<s>", "<q>", "<p>", "less < more & <em>"):
        assert f">{html.escape(text)}</" in table


def test_a_cell_that_claims_nothing_stands_in_italics_under_its_own_label():
    rows = {("A", "24"): {"x": claim("1", True), "y": claim("2", False)}, ("B", "24"): {"y": Marked("3", "naive")}}
    frame = pd.DataFrame({"pred_len": [24, 24]})
    html = styled(labelled(rows, ["model", "horizon"], frame), "").to_html()
    cells = re.findall(r'<td class="([^"]*)"[^>]*>(.*?)</td>', html)
    looks = {text: look.split() for look, text in cells}
    assert [("fallen" in looks[n], "naive" in looks[n]) for n in "123"] == [
        (False, False),
        (True, False),
        (False, True),
    ]


def test_missing_columns_and_empty_tables_are_named():
    for function in (published_table, naive_table):
        with pytest.raises(UserError, match=r"column '.*' is missing"):
            function(pd.DataFrame({"x": [1]}))
    with pytest.raises(UserError, match="'protocol' has no rows"):
        protocol_table({})


def test_errors_in_units_have_a_row_per_column_and_no_more_than_can_be_read():
    rows = [
        {"pred_len": 9, "model": model, "column": f"c<{i}>", "mae": 1000.0 * i + k}
        for i in range(50)
        for k, model in enumerate(("RepeatLast", "A"))
    ]
    html = units_table(pd.DataFrame(rows), "MW").to_html()
    assert "in MW, by column" in html and "The first 40 of 50 columns." in html
    assert "c&lt;39&gt;" in html and "c&lt;40&gt;" not in html and "39,001" in html and "repeat last value" in html
    few = [row | {"model": model} for row in rows[:1] for model in ("RepeatLast", "A", "B")]
    table = units_table(pd.DataFrame(few), None)
    assert "in the data" in table.caption
    assert read(table)[0][-3:] == [["repeat last value", "0.00"], ["A", "0.00"], ["B", "0.00"]]
    with pytest.raises(UserError, match="column 'mae' is missing"):
        units_table(pd.DataFrame(rows).drop(columns="mae"), None)
