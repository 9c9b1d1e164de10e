"""A result explains itself: which tables there are, what each means, and how to take them away."""

import dataclasses
import pydoc
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pandas as pd
import pytest

from tsprune import study
from tsprune.errors import UserError
from tsprune.study.base.meaning import meanings
from tsprune.study.base.result import Findings, StudyResult
from tsprune.study.registry import STUDIES


@dataclass(frozen=True)
class Mine(StudyResult):
    """Two more."""

    levels: pd.DataFrame
    """A row per level,
    the lowest first."""
    metric: str
    """What the errors are."""


@pytest.fixture
def mine() -> Mine:
    empty = pd.DataFrame({"status": ["ok"]})
    levels = pd.DataFrame({"level": [1, 2], "mse": [0.5, 0.25]})
    return Mine(empty, empty, empty, empty, (), None, "small", {}, empty, "MW", "", levels, "MSE")


FOLDERS = sorted(path.parent.name for path in Path(study.__file__).parent.glob("*/result.py"))


def test_every_study_with_tables_of_its_own_is_looked_at():
    assert {"base", "why", "pruning_sweep"} <= set(FOLDERS) <= {"base", "why", *(s.folder for s in STUDIES.values())}


@pytest.mark.parametrize("folder", [name for name in FOLDERS if name != "base"])
def test_every_field_of_every_result_says_what_it_means(folder):
    module = import_module(f"tsprune.study.{folder}.result")
    (result,) = (c for c in vars(module).values() if isinstance(c, type) and c.__module__ == module.__name__
                 and issubclass(c, Findings))  # fmt: skip
    told = meanings(result)
    assert [field.name for field in dataclasses.fields(result) if not told.get(field.name)] == []
    assert "``" not in "".join(told.values())


def test_tables_are_listed_with_their_meaning_and_nothing_else_is(mine):
    assert list(mine.tables.index) == ["tidy", "cells", "naive", "published", "units", "levels"]
    assert mine.tables.loc["levels"].to_dict() == {
        "rows": 2,
        "columns": 2,
        "meaning": "A row per level, the lowest first.",
    }


def test_it_prints_as_one_line_and_not_as_all_of_its_tables(mine):
    assert repr(mine) == "<Mine: 1 cell, 0 without a result; 1 row in the long table>"


def test_help_explains_each_table(mine):
    text = pydoc.render_doc(mine, renderer=pydoc.plaintext)
    assert "Two more." in text and "levels: A row per level, the lowest first." in text
    assert "cells: A row per cell" in text


def test_a_class_typed_into_a_session_has_no_meanings():
    namespace = {"StudyResult": StudyResult, "__name__": "session"}
    exec("class Typed(StudyResult):\n    x: int\n    'an x'", namespace)
    assert "x" not in meanings(namespace["Typed"]) and "cells" in meanings(namespace["Typed"])


def test_tables_are_written_as_csv_with_a_list_of_them(mine, tmp_path):
    written = mine.save_csv(tmp_path / "deep" / "down")
    assert [path.name for path in written] == [
        *("tables.csv", "tidy.csv", "cells.csv", "naive.csv", "published.csv", "units.csv", "levels.csv")
    ]
    pd.testing.assert_frame_equal(pd.read_csv(written[-1]), mine.levels)
    assert pd.read_csv(written[0], index_col="table").loc["levels", "meaning"] == "A row per level, the lowest first."
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"tables\.csv cannot be written: Not a directory"):
        mine.save_csv(tmp_path / "file")
