"""A time for a profile is shared among its notebooks, and told in words that cannot be misread."""

from types import SimpleNamespace

import pytest

from tsprune.batch import budget
from tsprune.batch.budget import parse_hours, shared
from tsprune.batch.profiles import plan_profile
from tsprune.errors import UserError


@pytest.mark.parametrize(
    ("text", "hours"), [("2h", 2), ("1.5h", 1.5), ("30m", 0.5), ("0", 0), ("0h", 0), ("90s", 0.025)]
)
def test_a_time_has_its_unit(text, hours):
    assert parse_hours(text) == hours


@pytest.mark.parametrize("text", ["2", "", "h", "-1h", "1d", "1h30m", "nan", "1e3h", " 2h"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(UserError, match=r"--budget .*: expected a time, such as 2h, 30m or 90s, or 0 to begin no step"):
        parse_hours(text)


def test_each_notebook_has_its_part_of_what_those_before_it_left(monkeypatch):
    clock = iter([0, 0, 3600, 3600 * 5, 0])  # the first takes no more than its hour, the second the rest and more
    monkeypatch.setattr(budget, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    runs = plan_profile("smoke")[:3]
    given = list(shared(runs, 3.0))
    assert [run.parameters["budget_hours"] for run in given] == [1.0, 1.0, 0.0]
    assert {run.origins["budget_hours"] for run in given} == {"--budget"}
    assert list(shared(runs, None)) == runs


def test_the_last_that_trains_has_all_that_is_left(monkeypatch):
    monkeypatch.setattr(budget, "time", SimpleNamespace(monotonic=lambda: 0))
    runs = [run for run in plan_profile("smoke") if run.name in ("06_inference", "07_claims")]
    assert [run.parameters.get("budget_hours") for run in shared(runs, 3.0)] == [3.0, None]
