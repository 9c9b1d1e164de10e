import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from tsprune.errors import UserError
from tsprune.report.tables import naive_table, protocol_table, published_table
from tsprune.study.pruning_sweep import tables


class _Cells(HTMLParser):
    def __init__(self):
        super().__init__()
        self.rows, self.classes, self.open = [], {}, False

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.open, self.kind = True, dict(attrs).get("class", "")

    def handle_endtag(self, tag):
        self.open = self.open and tag not in ("td", "th")

    def handle_data(self, data):
        if self.open:
            self.rows[-1][-1] += data
            self.classes[data] = self.kind


def read(styler):
    """Rows of a table as a reader sees them, and the CSS class of each text."""
    parser = _Cells()
    parser.feed(styler.to_html())
    rows = [[re.sub(r"\s+", " ", cell).strip() for cell in row] for row in parser.rows]
    return rows, parser.classes


def test_sweep_table_has_mse_and_mae_per_density_and_the_naive_forecasts_beneath(make_cells, make_naive):
    rows, classes = read(tables.sweep(make_cells(), make_naive()))
    assert [cell for cell in rows[0] if cell] == ["Transformer", "DLinear"]
    dense = next(row for row in rows if "1 (dense)" in row)
    # 0.51 and 0.52: mean 0.515, sample standard deviation 0.0071; MAE is 0.9 of it
    assert dense == ["layer", "1 (dense)", *(["0.515 ± 0.007", "0.464 ± 0.006"] * 2)]
    assert [row[-5] for row in rows if row[-5:-4] and row[-5].startswith("0.")] == ["0.8", "0.64", "0.51", "0.41"] * 2
    assert rows[-2] == ["naive", "repeat last value", *(["1.300", "0.650"] * 2)]
    assert rows[-1] == ["seasonal naive", *(["0.620", "0.310"] * 2)]
    assert "naive" in classes["1.300"]


def test_sweep_table_marks_what_is_no_better_than_repeating_the_last_value(make_cells, make_naive):
    table = tables.sweep(make_cells(lambda m, s, d, seed: 3.0 if m == "DLinear" and d < 0.5 else 1.1), make_naive())
    rows, classes = read(table)
    fallen = [cell for row in rows for cell in row if "†" in cell]
    assert fallen == ["1.545 ± 0.021 †"] * 2
    assert "fallen" in classes[fallen[0]]
    assert "† on average no better than repeating the last value" in table.caption
    assert "†" not in tables.sweep(make_cells(), make_naive()).to_html()


def test_sweep_table_says_what_is_missing(make_cells, make_naive):
    cells = make_cells()
    lost = (cells["model"] == "DLinear") & (cells["density_asked"] == 0.8)
    one = lost & (cells["scope"] == "global") & (cells["seed"] == 2)
    cells.loc[(lost & (cells["scope"] == "layer")) | one, ["mse", "mae", "mse_relative"]] = np.nan
    cells.loc[cells["mse"].isna(), "status"] = "diverged"
    rows, _ = read(tables.sweep(cells, make_naive()))
    assert [row[-2:] for row in rows if "0.8" in row] == [["diverged"] * 2, ["0.536 (1 of 2)", "0.482 (1 of 2)"]]


def test_sweep_table_names_horizons_where_there_are_several_and_one_seed_as_such(make_cells, make_naive):
    table = tables.sweep(make_cells(horizons=(96, 720), seeds=(1,)), make_naive(horizons=(96, 720)))
    assert "one seed" in table.caption
    assert "±" not in table.to_html()
    assert {"96", "720"} <= {cell for row in read(table)[0] for cell in row}


def test_the_same_content_gives_the_same_html(make_cells, make_naive):
    assert tables.sweep(make_cells(), make_naive()).to_html() == tables.sweep(make_cells(), make_naive()).to_html()


def test_limits_table_shows_the_share_removed(make_limits):
    limits = make_limits({("A", "layer"): 0.512, ("A", "global"): (0.4096, 0.512), ("B", "layer"): np.nan})
    table = tables.limits(limits)
    rows, _ = read(table)
    assert rows[1][1:4] == ["+0 %", "+5 %", "+10 %"]
    assert rows[2] == ["A", *(["49 %"] * 3), *(["54 % (49–59 %)"] * 3)]
    assert rows[3] == ["B", *(["none"] * 3), *(["not run"] * 3)]
    assert "each layer cut alike" in rows[0][1]
    assert "mean of 2 seeds" in table.caption


def test_limits_table_by_horizon(make_limits):
    limits = pd.concat(make_limits({("A", "layer"): d}, pred_len=h) for d, h in ((0.8, 96), (0.64, 720)))
    rows, _ = read(tables.limits(limits))
    assert rows[-2:] == [["A", "96", *(["20 %"] * 3)], ["720", *(["36 %"] * 3)]]


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
        "Autoformer", "ETTh1", "96", "0.449", "0.462", "+0.013", "0.459", "0.462", "Table 1", "there: <drop_last>",
    ]  # fmt: skip
    assert rows[2][4:6] == ["not run", "not run"]
    assert "<drop_last>" not in styler.to_html()


def test_naive_table(make_naive):
    rows, _ = read(naive_table(make_naive()))
    assert rows[1] == ["repeat last value", "ETTh1", "96", "1.300", "0.650"]


def test_protocol_table_writes_values_for_people():
    rows, _ = read(protocol_table({"look-back": 96, "seeds": [1, 2], "drop_last": False, "rate": 5e-4}))
    assert rows[-4:] == [["look-back", "96"], ["seeds", "1, 2"], ["drop_last", "no"], ["rate", "0.0005"]]


def test_missing_columns_and_empty_tables_are_named(make_cells, make_naive, make_limits):
    with pytest.raises(UserError, match="'cells': column 'mae'"):
        tables.sweep(make_cells().drop(columns="mae"), make_naive())
    with pytest.raises(UserError, match="'limits': column 'tolerance'"):
        tables.limits(make_limits({("A", "layer"): 0.5}).drop(columns="tolerance"))
    for function in (published_table, naive_table):
        with pytest.raises(UserError, match=r"column '.*' is missing"):
            function(pd.DataFrame())
    with pytest.raises(UserError, match="'protocol' has no rows"):
        protocol_table({})
