"""The walls of the house hold, and each falls when it is breached: imports between rooms, and what they load."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tsprune.places import project_root

ROOT = project_root()
STUDIES = sorted(path.parent.name for path in (ROOT / "tsprune" / "study").glob("*/cells.py"))

BREACHES = {
    "floors": ("tsprune/layers/dropout.py", "import tsprune.steps.train"),
    "engine": ("tsprune/engine/grid.py", "import tsprune.pruners.masks"),
    "studies": ("tsprune/study/pals/cells.py", "import tsprune.study.fine_tuning.result"),
    "told": ("tsprune/study/right_sizing/words.py", "import torch"),
    "workers": ("tsprune/steps/train.py", "import seaborn"),
    "kernel": ("tsprune/study/base/cells.py", "import tsprune.report.page"),
}
"""For each contract a file and an import that it must refuse."""


def lint(folder: Path) -> tuple[int, str]:
    code = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    environment = {"PYTHONPATH": str(folder), "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, env=environment)
    return done.returncode, done.stdout


def test_the_walls_hold():
    status, told = lint(ROOT)
    assert status == 0, told
    assert f"Contracts: {len(BREACHES)} kept, 0 broken." in told


@pytest.mark.parametrize("name", BREACHES)
def test_a_breach_of_each_wall_is_seen(tmp_path, name):
    shutil.copytree(ROOT / "tsprune", tmp_path / "tsprune", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    path, breach = BREACHES[name]
    with (tmp_path / path).open("a") as file:
        file.write(f"\n{breach}\n")
    status, told = lint(tmp_path)
    (title,) = [
        line
        for line in (ROOT / "pyproject.toml").read_text().split("[[tool.importlinter.contracts]]")
        if f'id = "{name}"' in line
    ]
    wanted = next(line for line in title.splitlines() if line.startswith("name = ")).split('"')[1]
    assert status == 1 and f"{wanted} BROKEN" in told


def loaded_by(*stages: list[str]) -> list[set[str]]:
    """Top-level packages that a fresh interpreter has loaded after importing the modules of each stage in turn."""
    shown = "print(*{name.partition('.')[0] for name in sys.modules})"
    code = "".join(f"import sys, {', '.join(modules)}\n{shown}\n" for modules in stages)
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return [set(line.split()) for line in told.splitlines()]


def test_what_draws_tabulates_and_says_loads_no_torch():
    told = [
        f"tsprune.study.{study}.{part}"
        for study in STUDIES
        for part in ("result", "figures", "tables", "words")
        if any((ROOT / "tsprune" / "study" / study / name).exists() for name in (part, f"{part}.py"))
    ]
    assert len(told) >= 3 * len(STUDIES)
    (loaded,) = loaded_by(told)
    assert "torch" not in loaded


def test_workers_and_plans_load_no_plotting_and_nothing_that_shows_tables_and_a_kernel_no_nbconvert():
    """In one interpreter, which loads torch once: a kernel's imports are those of a plan and the kit of reports."""
    worker = ["tsprune.engine.executors"]
    worker += [f"tsprune.steps.{path.stem}" for path in (ROOT / "tsprune" / "steps").glob("[a-z]*.py")]
    plan = ["tsprune.batch.plan", "tsprune.batch.preflight", *(f"tsprune.study.{study}.cells" for study in STUDIES)]
    by_worker, by_plan, by_kernel = loaded_by(worker, plan, ["tsprune.report"])
    assert not by_worker & {"matplotlib", "seaborn", "nbconvert", "papermill"}
    assert "torch" in by_plan and not by_plan & {"matplotlib", "seaborn", "IPython", "jinja2", "fvcore"}
    assert not by_kernel & {"nbconvert", "papermill"}
