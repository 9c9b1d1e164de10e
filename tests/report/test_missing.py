"""Where there is nothing to show, a line says so in its place; everything else stays as loud as it is."""

from types import SimpleNamespace

import pandas as pd
import pytest

from tsprune.errors import UserError
from tsprune.report import where_rows
from tsprune.report.frames import NoRows, need


def table(rows: pd.DataFrame) -> str:
    """A table."""
    return f"{len(need(rows, 'cells', ['mse']))} rows"


def figures(rows: pd.DataFrame) -> list[str]:
    return [table(rows)]


(told,) = where_rows(SimpleNamespace(table=table, figures=figures, _hidden=table, WIDTH=9.6, Error=UserError))
NONE = "*Nothing to show.*"


def test_a_line_stands_where_there_are_no_rows_as_markdown_and_for_words():
    line = told.table(pd.DataFrame())
    assert line == line._repr_markdown_() == NONE and isinstance(line, str)
    assert told.figures(pd.DataFrame()) == [NONE]


def test_a_reader_is_not_told_the_names_of_tables():
    def drawn() -> str:
        raise NoRows("table 'cells': none of the 4 cells finished")

    (shown,) = where_rows(SimpleNamespace(drawn=drawn))
    assert shown.drawn() == "*Nothing to show: none of the 4 cells finished.*"


def test_cells_that_failed_are_not_called_ones_to_come():
    (shown,) = where_rows(SimpleNamespace(table=table, figures=figures))
    cells = pd.DataFrame({"seed": [1, 2], "status": ["failed", "diverged"], "mse": None})
    cells["reason"] = ["needs A, which diverged: loss_a not finite", "loss_a not finite"]
    assert shown.table(cells) == "2 rows"
    why = (
        "2 of 2 cells have failed, the first because: loss_a not finite. The table of what did not finish has them all."
    )
    assert shown.figures(pd.DataFrame()) == [f"*Nothing to show. {why}*"], "differences of these cells"
    shown.table(cells.assign(status=["failed", "not run"]))
    assert shown.table(pd.DataFrame()) == "*Nothing to show yet.*"
    shown.table(cells.assign(status=["failed", "ok"]))
    assert shown.table(pd.DataFrame()) == "*Nothing to show.*"


def test_with_rows_a_function_is_as_it_was_and_anything_else_is_raised():
    rows = pd.DataFrame({"mse": [0.5]})
    assert (told.table(rows), told.figures(rows)) == ("1 rows", ["1 rows"]) and told.table.__doc__ == "A table."
    with pytest.raises(UserError, match=r"column 'mse' is missing\. Present: mae") as error:
        told.table(rows.rename(columns={"mse": "mae"}))
    assert not isinstance(error.value, NoRows)
    with pytest.raises(TypeError):
        told.table()
    assert told.Error is UserError and not hasattr(told, "_hidden")
    (again,) = where_rows(told)
    assert again.table(rows) == "1 rows"
