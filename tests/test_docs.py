"""The page on adding things says what is so: its lines are run, in a copy of the package. So does that on clusters."""

import hashlib
import os
import re
import shutil
import subprocess
import sys

import pandas as pd
import pytest

from tsprune.data import catalog, load_table
from tsprune.data.catalog import CATALOG
from tsprune.places import project_root
from tsprune.study.base.cells import Cells
from tsprune.study.registry import STUDIES

ROOT = project_root()
PAGE = (ROOT / "docs" / "extending.md").read_text()
SNIPPETS = dict(re.findall(r"```python (\S+)\n(.*?)```", PAGE, re.S))


def test_the_page_on_clusters_names_the_studies_whose_last_steps_depend_on_the_others():
    later = sorted(name[:2] for name, study in STUDIES.items() if study.trains and study.cells.then is not Cells.then)
    page = " ".join((ROOT / "docs" / "cluster.md").read_text().split())
    assert f"a few steps of studies {', '.join(later[:-1])} and {later[-1]}" in page


@pytest.mark.parametrize("name", SNIPPETS)
def test_each_thing_is_added_in_thirty_lines(name):
    assert len(SNIPPETS[name].splitlines()) <= 30


def test_a_dataset(tmp_path, monkeypatch):
    hours = pd.date_range("2024-01-01", periods=900, freq="h").astype(str)
    text = "date,north,south\n" + "".join(f"{hour},{i % 12},{i % 13}\n" for i, hour in enumerate(hours))
    (tmp_path / "tides.csv").write_text(text)
    code = SNIPPETS["dataset"].replace("SHA256", hashlib.sha256(text.encode()).hexdigest())
    entry = eval(compile(code, "docs/extending.md", "eval"), dict(vars(catalog)))
    monkeypatch.setitem(CATALOG, entry.name, entry)
    monkeypatch.setenv("TSPRUNE_DATA", str(tmp_path))
    table = load_table("Tides")
    assert (len(table.values), table.columns, table.time_step) == (900, ("north", "south"), "1h")


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A copy of the package with everything of the page added; ``run`` starts an interpreter in it."""
    root = tmp_path_factory.mktemp("house")
    for folder in ("tsprune", "notebooks", "params"):
        shutil.copytree(ROOT / folder, root / folder)  # with what is compiled
    shutil.copy(ROOT / "pyproject.toml", root)
    package = root / "tsprune"
    with (package / "pruners" / "scores.py").open("a") as file:
        file.write("\n\n" + SNIPPETS["score"])
    (package / "pruners" / "cooling.py").write_text(SNIPPETS["method"])
    (package / "study" / "seeds").mkdir()
    (package / "study" / "seeds" / "__init__.py").write_text('"""Study 08."""\n')
    for name, text in SNIPPETS.items():
        if name.startswith("study/seeds/"):
            (package / name).write_text(text)
    registry = package / "study" / "registry.py"
    head, brace, tail = registry.read_text().rpartition("}")
    registry.write_text(head + SNIPPETS["study/registry.py"] + brace + tail)

    def run(code: str) -> str:
        # Isolated from the working directory and its editable install: the copy comes first.
        environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
        done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    return run


def test_a_score_makes_masks_in_every_scope(house):
    told = house(
        "from tsprune.models import create_model\n"
        "from tsprune.pruners import density, select\n"
        "from tsprune.pruners.scores import list_scores, score_weights\n"
        "model = create_model('DLinear', seq_len=24, label_len=12, pred_len=12)\n"
        "scores = score_weights('relative', model).scores\n"
        "masks = [select(scores, 0.25, scope) for scope in ('layer', 'global')]\n"
        "print([round(density(model, mask).over_prunable, 3) for mask in masks])\n"
        "print('relative' in list_scores())\n"
    )
    assert told == "[0.25, 0.25]\nTrue\n"


def test_a_method_trains_to_its_density(house):
    told = house(
        "import torch\n"
        "from tsprune.pruners.dynamic import Sparsity\n"
        "from tsprune.pruners.methods import list_methods, make_method\n"
        "model = torch.nn.Linear(20, 10, bias=False)\n"
        "sparsity = Sparsity(make_method('cooling', every=5, density=0.2), steps=100)\n"
        "optimizer = torch.optim.Adam(model.parameters())\n"
        "sparsity.attach(model, optimizer)\n"
        "for _ in range(100):\n"
        "    loss = model(torch.randn(4, 20)).square().mean()\n"
        "    loss.backward(); optimizer.step(); sparsity.after_step(loss.detach())\n"
        "print(sum(sparsity.kept), sparsity.settled, 'cooling' in list_methods())\n"
    )
    assert told == "40 True True\n"


def test_a_study_runs_and_the_walls_still_hold(house):
    told = house(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from tsprune.batch.profiles import plan_profile\n"
        "from tsprune.study.registry import STUDIES\n"
        "(run,) = plan_profile('smoke', only=['01_pruning_sweep'])\n"
        "fields = STUDIES['08_seeds'].config.model_fields\n"
        "given = {name: value for name, value in run.parameters.items() if name in fields}\n"
        "given |= {'models': ['DLinear'], 'seeds': [1, 2], 'density': 0.3, 'store': 'store'}\n"
        "config = STUDIES['08_seeds'].config.parse(given)\n"
        "result = STUDIES['08_seeds'].cells(config).run(make_executor=lambda: ThreadPoolExecutor(1))\n"
        "from tsprune.study.seeds import words\n"
        "print(len(result.cells), result.failures, words.verdict(result.cells))\n"
        "from importlinter.cli import lint_imports\n"
        "assert lint_imports(no_cache=True) == 0\n"
    )
    assert re.search(r"^4 0 Seeds alone move the error by .+DLinear, dense.+ and .+DLinear, magnitude", told, re.M)
