"""A study of which little or nothing has run yet still makes its page, which says what is missing."""

import ast
import json
import re

import profiles
import pytest
from IPython.display import HTML, Markdown
from matplotlib.figure import Figure
from pandas.io.formats.style import Styler

from tsprune.engine.progress import Progress
from tsprune.parameters import tags
from tsprune.places import project_root
from tsprune.report.missing import Line
from tsprune.report.status import NOT_RUN, STATUS_MIME
from tsprune.study.base.words import missing_words
from tsprune.study.pruning_sweep.cells import PruningSweepCells
from tsprune.study.pruning_sweep.config import PruningSweep
from tsprune.study.registry import STUDIES


@pytest.fixture
def page(tmp_path, monkeypatch):
    """``page(name, **changes)``: what a notebook of the smoke profile shows, its cells run here, and its names."""

    def page(name: str, **changes) -> tuple[list, dict]:
        cells = json.loads((project_root() / "notebooks" / f"{name}.ipynb").read_text())["cells"]
        plumbing = {"store": page.store, "budget_hours": 0.0, "jobs": 1}
        space, shown = profiles.parameters("smoke", name) | plumbing | changes, []
        monkeypatch.setattr("tsprune.report.style", lambda: None)  # it is the session's, not this test's
        monkeypatch.setattr("IPython.display.display", lambda *objects: shown.extend(objects))
        for cell in cells:
            if cell["cell_type"] == "code" and not {"parameters", "explore"} & set(tags(cell)):
                *body, last = ast.parse("".join(cell["source"])).body
                if isinstance(last, ast.Expr):
                    last = ast.Assign([ast.Name("_", ast.Store())], last.value, lineno=1)
                exec(compile(ast.fix_missing_locations(ast.Module([*body, last], [])), name, "exec"), space)
                shown += [value] if (value := space.pop("_", None)) is not None else []
        return shown, space

    page.store = str(tmp_path / "store")
    return page


def texts(shown: list) -> str:
    """Tables and sentences among what is shown, as they are written."""
    tables = [table.to_html() for table in shown if isinstance(table, Styler)]
    return "\n".join([*tables, *(words.data for words in shown if isinstance(words, Markdown))])


@pytest.mark.parametrize("name", [name for name, study in STUDIES.items() if study.trains])
def test_a_page_of_which_nothing_has_run_says_so_in_place_of_every_figure(page, name):
    shown, space = page(name)
    result, steps = space["result"], len(space["study"].rows)
    about = result._repr_mimebundle_()
    assert result.failures == 0 and about[STATUS_MIME]["not_run"] >= len(result.cells) > 0
    assert re.search(rf"{steps} of {steps} steps? ha(s|ve) not run yet \(", about["text/html"])
    assert [line for line in shown if isinstance(line, Line)]
    assert not re.search(r"table '|One seed:|only one seed|\b0 of 0\b|\d of 1: seeds", texts(shown))
    drawn = [figure for figure in shown if isinstance(figure, Figure)]
    assert len(drawn) == (name == "04_entsoe_scale")  # by column: last week's value needs no run
    assert re.search(r"cells? ha(s|ve) not run yet", texts(shown)) and not re.search(r"\bnan\b", texts(shown))


def test_a_page_of_one_model_of_two_draws_the_one_and_names_the_other(page, smoke, threads):
    small = {name: smoke[name] for name in ("structured_densities", "two_of_four", "scores", "authors_paper")}
    small |= {"authors_steps": 0, "latency_repeats": 0, "densities": [1.0, 0.5]}
    config = {"models": ["DLinear"], "budget_hours": None, "store": page.store}
    parameters = profiles.parameters("smoke", "01_pruning_sweep") | small | config
    PruningSweepCells(PruningSweep.parse(parameters)).run(make_executor=threads, progress=Progress())
    shown, space = page("01_pruning_sweep", **small)
    result = space["result"]
    assert result.cells.groupby("model")["status"].unique().map(list).to_dict() == {
        "Transformer": [NOT_RUN],
        "DLinear": ["ok"],
    }
    assert [figure for figure in shown if isinstance(figure, Figure)]
    assert "cells have not run yet (**Transformer** 4)" in texts(shown) and "have not run yet" in result.missing


def test_without_data_the_built_in_series_stands_in_and_the_page_says_so(page, smoke, threads):
    """No dataset to be found and none to be downloaded: a banner, and never numbers under the dataset's name."""
    given = smoke | {"dataset": "Traffic", "models": ["DLinear"], "store": page.store}
    PruningSweepCells(PruningSweep.parse(given)).run(make_executor=threads, progress=Progress())
    shown, space = page("01_pruning_sweep", **given)
    told = texts(shown)
    (banner,) = (thing.data for thing in shown if isinstance(thing, HTML))
    assert "Synthetic data: Traffic is not available here" in banner
    assert "On synthetic" in told and "On Traffic" not in told
    assert space["result"].failures == 0 and set(space["result"].cells["status"]) == {"ok"}


def test_what_is_missing_is_counted_by_kind():
    rows = [{"kind": kind, "status": status} for kind, status in [("train", "ok"), ("train", NOT_RUN), ("prune", "ok")]]
    assert missing_words(rows).startswith("1 of 3 steps has not run yet (1 of 2 trainings). This page shows")
    assert missing_words(rows[:1]) == ""
    assert missing_words(rows[1:2]).startswith("1 of 1 step has not run yet (1 of 1 trainings). This page has no res")
