"""The page on adding things says what is so: its lines are run, in a copy of the package. So does that on clusters."""

import hashlib
import json
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
from tsprune.study.base.config import StudyConfig
from tsprune.study.registry import STUDIES

ROOT = project_root()
PAGE = (ROOT / "docs" / "extending.md").read_text()
MODEL = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "models.md").read_text(), re.S)[-1]
ADDED = ("NLinear", "Tides", "relative", "cooling", "08_seeds")
"""Names of what the pages add."""
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
    for folder in ("tsprune", "notebooks", "params", "tests", "docs"):
        shutil.copytree(ROOT / folder, root / folder)  # with what is compiled
    for name in ("pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, root)
    package = root / "tsprune"
    with (package / "pruners" / "scores.py").open("a") as file:
        file.write("\n\n" + SNIPPETS["score"])
    (package / "pruners" / "cooling.py").write_text(SNIPPETS["method"])
    (package / "study" / "seeds").mkdir()
    (package / "study" / "seeds" / "__init__.py").write_text('"""Study 08."""\n')
    for name, text in SNIPPETS.items():
        if name.startswith("study/seeds/"):
            (package / name).write_text(text)
    (package / "models" / "nlinear.py").write_text(MODEL)
    _add_dataset(root)
    registry = package / "study" / "registry.py"
    head, brace, tail = registry.read_text().rpartition("}")
    registry.write_text(head + SNIPPETS["study/registry.py"] + brace + tail)

    def run(*arguments: str) -> str:
        # Isolated from the working directory and its editable install: the copy comes first.
        environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
        done = subprocess.run([sys.executable, *arguments], cwd=root, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
        return done.stdout

    run.root = root
    return run


def _add_dataset(root):
    catalogue, page = root / "tsprune" / "data" / "catalog.py", root / "docs" / "data.md"
    entry = SNIPPETS["dataset"].strip().replace("SHA256", "0" * 64)
    catalogue.write_text(catalogue.read_text().replace("    *_LOADS,\n", f"    {entry},\n    *_LOADS,\n"))
    row = "| Tides | 900 | 2 | 1h | 0.7 / 0.1 / 0.2 | CC0 |\n"
    page.write_text(page.read_text().replace("| entsoe_hourly | 48", f"{row}| entsoe_hourly | 48"))


@pytest.mark.slow
def test_what_the_registries_tests_ask_of_what_is_added_is_on_the_page(house):
    """They find it by themselves, and nothing has to be edited but what the page says."""
    (house.root / "notebooks" / "08_seeds.ipynb").write_text(_notebook())
    models, pals = house.root / "docs" / "models.md", house.root / "notebooks" / "05_pals.ipynb"
    models.write_text(
        models.read_text().replace("| LSTM, TCN |", "| NLinear | Zeng et al. | `x_enc` | |\n| LSTM, TCN |")
    )
    pals.write_text(pals.read_text().replace("set, rigl, snip", "set, rigl, cooling, snip"))
    files = (
        *("tests/test_setup.py", "tests/test_walls.py", "tests/data/test_catalog.py", "tests/models/test_docs.py"),
        *("tests/models/test_axes.py", "tests/models/test_contract.py", "tests/pruners/test_baselines.py"),
        *("tests/pruners/test_scores.py", "tests/pruners/test_dynamic.py", "tests/study/base/test_looks.py"),
        *("tests/study/base/test_result.py", "tests/batch/test_profiles.py"),
    )
    # And what goes over all at once, but for what a checkout has besides.
    chosen = " or ".join((*ADDED, "(not [ and not test_setup and not of_ones_own)", "every_notebook_has_a_config"))
    told = house("-m", "pytest", "-rA", "-p", "no:cacheprovider", "--color=no", "-k", chosen, *files)
    for name in ADDED:
        assert re.search(rf"^PASSED .*\[.*{name}", told, re.M), name


def _notebook() -> str:
    """Notebook 08 as the page describes it: a copy of 02, its parameters and its cells changed."""
    notebook = json.loads((ROOT / "notebooks" / "02_fine_tuning.ipynb").read_text())
    cells = notebook["cells"]
    fields = STUDIES["02_fine_tuning"].config.model_fields.keys() - StudyConfig.model_fields.keys()
    parameters = [line for line in "".join(cells[1]["source"]).splitlines() if line.split(" = ")[0] not in fields]
    added = re.search(r"`(density = .+)`", PAGE)[1]
    cells[1]["source"] = "\n".join([*parameters[:-2], added, *parameters[-2:]])
    return json.dumps(notebook)


def test_a_score_makes_masks_in_every_scope_and_a_method_trains_to_its_density(house):
    told = house(
        "-c",
        "import torch\n"
        "from tsprune.models import create_model\n"
        "from tsprune.pruners import density, select\n"
        "from tsprune.pruners.dynamic import Sparsity\n"
        "from tsprune.pruners.methods import list_methods, make_method\n"
        "from tsprune.pruners.scores import list_scores, score_weights\n"
        "model = create_model('DLinear', seq_len=24, label_len=12, pred_len=12)\n"
        "scores = score_weights('relative', model).scores\n"
        "masks = [select(scores, 0.25, scope) for scope in ('layer', 'global')]\n"
        "print([round(density(model, mask).over_prunable, 3) for mask in masks])\n"
        "print('relative' in list_scores())\n"
        "model = torch.nn.Linear(20, 10, bias=False)\n"
        "sparsity = Sparsity(make_method('cooling', every=5, density=0.2), steps=100)\n"
        "optimizer = torch.optim.Adam(model.parameters())\n"
        "sparsity.attach(model, optimizer)\n"
        "for _ in range(100):\n"
        "    loss = model(torch.randn(4, 20)).square().mean()\n"
        "    loss.backward(); optimizer.step(); sparsity.after_step(loss.detach())\n"
        "print(sum(sparsity.kept), sparsity.settled, 'cooling' in list_methods())\n",
    )
    assert told == "[0.25, 0.25]\nTrue\n40 True True\n"


def test_a_study_runs_and_the_walls_still_hold(house):
    told = house(
        "-c",
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
        "assert lint_imports(no_cache=True) == 0\n",
    )
    assert re.search(r"^4 0 Seeds alone move the error by .+DLinear, dense.+ and .+DLinear, magnitude", told, re.M)
