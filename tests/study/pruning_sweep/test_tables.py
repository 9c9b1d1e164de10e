import numpy as np
import pandas as pd
import pytest
from reading import read

from tsprune.errors import UserError
from tsprune.report.tables import naive_table
from tsprune.study.pruning_sweep import tables


def test_sweep_table_has_a_column_per_density_and_the_naive_forecasts_beneath(make_cells, make_naive):
    rows, classes = read(tables.sweep(make_cells(), make_naive()))
    assert [cell for cell in rows[0] if cell] == ["1 (dense)", "0.8", "0.64", "0.51", "0.41"]
    # 0.51 and 0.52: mean 0.515, sample standard deviation 0.0071; MAE is 0.9 of it
    assert [row[-6:-4] for row in rows[2:6]] == [["MSE", "0.515 ± 0.007"], ["MAE", "0.464 ± 0.006"]] * 2
    models = ["Transformer", "DLinear"]
    assert [cell for row in rows[2:10] for cell in row[:-6]] == ["layer", *models, "global", *models]
    assert rows[-4:-2] == [["naive", "repeat last value", "MSE", *["1.300"] * 5], ["MAE", *["0.650"] * 5]]
    assert rows[-2:] == [["seasonal naive", "MSE", *["0.620"] * 5], ["MAE", *["0.310"] * 5]]
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
    at = rows[0].index("0.8") - len(rows[0])
    of_dlinear = [row[at] for place, row in enumerate(rows) if "DLinear" in row or "DLinear" in rows[place - 1]]
    assert of_dlinear == ["diverged", "diverged", "0.536 (1 of 2)", "0.482 (1 of 2)"]


def test_a_naive_forecast_without_a_result_says_its_state(make_cells, make_naive):
    naive = make_naive().assign(status=["ok", "failed"])
    naive.loc[naive["status"] == "failed", ["mse", "mae"]] = np.nan
    for table in (tables.sweep(make_cells(), naive), naive_table(naive)):
        rows, _ = read(table)
        assert "failed" in rows[-1] and "nan" not in table.to_html()


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
    assert rows[3] == ["B", *(["no result"] * 3), *(["not run"] * 3)]
    assert "each layer cut alike" in rows[0][1]
    assert "mean over the seeds" in table.caption


def test_limits_table_says_what_has_not_run_and_how_many_seeds_are_known(make_limits):
    limits = [make_limits({("A", "layer"): 0.512}, known=1), make_limits({("B", "layer"): np.nan}, known=0)]
    table = tables.limits(pd.concat([*limits, make_limits({("C", "layer"): (0.512, 0.64)}, known=2, seeds=3)]))
    rows, _ = read(table)
    assert [row[1] for row in rows[2:]] == ["49 % (1 of 2)", "not run yet", "42 % (36–49 %; 2 of 3)"]
    assert "n of 3: seeds known so far, where not all are" in table.caption
    assert "known so far" not in tables.limits(make_limits({("B", "layer"): np.nan}, known=0)).caption


def test_limits_table_by_horizon(make_limits):
    limits = pd.concat(make_limits({("A", "layer"): d}, pred_len=h) for d, h in ((0.8, 96), (0.64, 720)))
    rows, _ = read(tables.limits(limits))
    assert rows[-2:] == [["A", "96", *(["20 %"] * 3)], ["720", *(["36 %"] * 3)]]


def test_missing_columns_and_empty_tables_are_named(make_cells, make_naive, make_limits):
    with pytest.raises(UserError, match="'cells': column 'mae'"):
        tables.sweep(make_cells().drop(columns="mae"), make_naive())
    with pytest.raises(UserError, match="'limits': column 'tolerance'"):
        tables.limits(make_limits({("A", "layer"): 0.5}).drop(columns="tolerance"))


def test_counts_of_models_that_keep_their_accuracy_with_every_seed(make_limits):
    limits = make_limits({("A", "layer"): 0.512, ("B", "layer"): (0.512, 0.8), ("C", "layer"): 1.0})
    table = tables.counts(limits, [1.0, 0.8, 0.512])
    rows, _ = read(table)
    assert [cell for cell in rows[0] if cell] == ["0.8", "0.51"]
    assert rows[1] == ["layer (each layer cut alike)", "2 of 3", "1 of 3"]
    assert (
        table.caption == "How many models keep the MSE within 5\u00a0% of dense down to each density with every seed."
    )
    waiting = pd.concat(
        [limits, make_limits({("D", "layer"): np.nan}, known=0), make_limits({("E", "layer"): 0.8}, known=1)]
    )
    table = tables.counts(waiting, [1.0, 0.8, 0.512])
    assert read(table)[0][1] == ["layer (each layer cut alike)", "3 of 4", "1 of 4"]
    assert table.caption.endswith(
        "Not counted, as too little has run yet: 1 of 5 by layer; 1 counted with fewer seeds than asked for."
    )
    with pytest.raises(UserError, match="no rows"):
        tables.counts(make_limits({("A", "layer"): 0.5}, tolerances=(0.1,)), [0.5])
