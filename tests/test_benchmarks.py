"""Benchmarks start, and what they compare gives the same: changed signatures are noticed, no time is measured."""

import runpy
import sys

import pytest
import torch

from tests.models.small import SMALL
from tsprune.places import project_root

FOLDER = project_root() / "benchmarks"
ELSEWHERE = {"neuralforecast_peers"}
"""Needs a package that is not installed with the project."""


@pytest.fixture(scope="module", autouse=True)
def beside():
    """Benchmarks find each other, as in their folder; other tests do not find them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        yield
    for path in FOLDER.glob("*.py"):
        sys.modules.pop(path.stem, None)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_a_benchmark_is_imported_and_says_what_it_takes(path, monkeypatch, capsys):
    if path.stem in ELSEWHERE:
        compile(path.read_text(), path, "exec")
        return
    if "parse_args" not in path.read_text():
        runpy.run_path(str(path))
        return
    monkeypatch.setattr(sys, "argv", [path.name, "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(path), run_name="__main__")
    assert ended.value.code == 0
    assert f"usage: {path.name}" in capsys.readouterr().out


def test_the_published_style_forecasts_the_same_and_can_be_trained():
    from models import MODELS, against_style, inputs, train_step

    for name in MODELS:
        ours, theirs = against_style(name, SMALL)  # compares their forecasts
        for model in (ours, theirs):
            train_step(model, inputs(model, 2))()
        assert all(torch.isfinite(p.real if p.is_complex() else p).all() for p in theirs.parameters()), name
