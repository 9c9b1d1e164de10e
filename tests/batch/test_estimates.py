"""What a plan says of hours and disk, by device, from rows that are there: worked by hand."""

import re

import pandas as pd
import profiles
import pytest
import yaml

from tsprune.batch.plan import plan_text
from tsprune.batch.profiles import plan_profile
from tsprune.engine.store import Store
from tsprune.models import create_model, list_models, outline
from tsprune.steps.archive import Archive
from tsprune.study.base.cells import Cells
from tsprune.study.pruning_sweep.cells import PruningSweepCells
from tsprune.study.pruning_sweep.config import PruningSweep
from tsprune.study.registry import STUDIES


@pytest.fixture
def plan(tmp_path, smoke, few, monkeypatch):
    """``plan(device, **changes)``: the text for study 01 with DLinear, where a training of another seed took two hours
    on ``device`` and came to 2^20 parameters; nothing is in the archive."""
    monkeypatch.setattr(Cells, "archive", property(lambda cells: Archive(tmp_path / "results")))

    def plan(device: str, **changes) -> str:
        folder = tmp_path / "mine"
        folder.mkdir(exist_ok=True)
        small = {"models": ["DLinear"], "densities": [1.0, 0.5, 0.2], "scopes": ["layer"], "jobs": 2}
        given = smoke | few | small | {"store": str(tmp_path / device)} | changes
        (folder / "01_pruning_sweep.yaml").write_text(yaml.safe_dump(given))
        runs = plan_profile(str(folder), output=str(tmp_path / "out"))
        cells = PruningSweepCells(PruningSweep.parse(runs[0].parameters))
        protocol = cells.base.dense[0].protocol() | {"seed": 99, "device": device}
        told = {"result": {"parameters": 2**20}, "cost": {"seconds": 7200.0, "peak_memory_mib": 300.0}}
        row = {"kind": "train", "key": "0", "status": "ok", "reason": None, "protocol": protocol, "detail": {}} | told
        Store(tmp_path / device).put({"of": "test"}, row)
        return plan_text(runs)

    return plan


def line(text: str, kind: str) -> list[str]:
    """The cells of a row of the table."""
    return re.split(r"\s{2,}", re.search(rf"^{kind} .*", text, re.M).group())


def test_hours_and_disk_are_those_of_like_rows(plan):
    text = plan("cpu")
    assert "== 01_pruning_sweep, 2 at a time on cpu ==" in text
    assert line(text, "train")[5:8] == ["2.0 h", "300", "4 MiB"]
    assert line(text, "prune")[5:8] == ["?", "-", "0 MiB"]  # two masks of 2^20 bits: a quarter of a MiB
    assert "about 60 min on cpu for 1 of them, 2 at a time: medians of" in text
    assert "about 4 MiB of models and masks will be kept; `keep: dense` or `none` spares them" in text
    assert line(plan("cpu", keep="none"), "train")[7] == "-"


def test_hours_on_one_device_say_nothing_of_another(plan):
    text = plan("cuda")
    assert line(text, "train")[5:8] == ["?", "-", "4 MiB"]
    assert re.search(r"for \d+ of them no earlier step of their kind, model and width on cpu tells the time", text)


def test_hours_are_shared_by_each_runs_own_jobs_and_grow_with_its_data(tmp_path, smoke, few, monkeypatch):
    """A training on 900 rows took two hours; one on 1800 takes four. Two and four at a time: an hour each."""
    monkeypatch.setattr(Cells, "archive", property(lambda cells: Archive(tmp_path / "results")))
    hours = pd.date_range("2024-01-01", periods=1800, freq="h")
    rows = "".join(f"{hour},{i % 24},{i % 7}\n" for i, hour in enumerate(hours))
    (tmp_path / "many.csv").write_text("date,load,wind\n" + rows)
    small = {"models": ["DLinear"], "seeds": [1], "store": str(tmp_path / "store")}
    own = {
        "01_pruning_sweep": smoke | few | small | {"densities": [1.0, 0.5], "scopes": ["layer"], "jobs": 2},
        "02_fine_tuning": profiles.parameters("smoke", "02_fine_tuning")
        | few
        | small
        | {"dataset": str(tmp_path / "many.csv"), "jobs": 4},
    }
    folder = tmp_path / "mine"
    folder.mkdir()
    for name, given in own.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(given))
    runs = plan_profile(str(folder), output=str(tmp_path / "out"))
    protocol = PruningSweepCells(PruningSweep.parse(runs[1].parameters)).base.dense[0].protocol() | {"seed": 99}
    told = {"result": {"windows_test": 5}, "cost": {"seconds": 7200.0}}
    row = {"kind": "train", "key": "0", "status": "ok", "reason": None, "protocol": protocol, "detail": {}} | told
    Store(tmp_path / "store").put({"of": "test"}, row)
    text = plan_text(runs)
    assert re.findall(r"^train .*", text, re.M)[0].split()[5:7] == ["4.0", "h"]
    assert "about 2.0 h on cpu for 2 of them, 2 and 4 at a time" in text


def test_every_study_can_be_planned_that_runs_something(tmp_path):
    text = plan_text(plan_profile("smoke", output=str(tmp_path)))
    assert re.findall(r"^== (\w+),", text, re.M) == [name for name, study in STUDIES.items() if study.trains]


@pytest.mark.parametrize("name", list_models(trainable=True))
def test_an_outline_has_every_parameter_and_no_number(name):
    model = outline(name, d_model=8, n_heads=2)
    same = create_model(name, d_model=8, n_heads=2)
    shapes = {name: (value.shape, value.dtype) for name, value in same.named_parameters()}
    assert {name: (value.shape, value.dtype) for name, value in model.named_parameters()} == shapes
    assert {value.device.type for value in model.parameters()} == {"meta"}
