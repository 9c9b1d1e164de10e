"""The three lists of versions say the same, the notebooks are clean, the floors hold."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version

import pytest
import yaml

from tsprune.parameters import default_parameters
from tsprune.places import project_root
from tsprune.study.registry import STUDIES

ROOT = project_root()
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def pins(lines) -> dict[str, str]:
    found = (re.fullmatch(r"([A-Za-z0-9._-]+)==(\S+)", line.strip()) for line in lines)
    return {m[1].lower().replace("_", "-"): m[2] for m in found if m}


LOCK = pins((ROOT / "requirements.lock").read_text().splitlines())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_every_direct_dependency_is_pinned_and_locked_at_that_version():
    named = PROJECT["dependencies"] + [d for group in PROJECT["optional-dependencies"].values() for d in group]
    direct = pins(named)
    assert len(direct) == len(named), "every dependency is pinned with =="
    assert {name: LOCK.get(name) for name in direct} == direct
    assert direct["torch"] == "2.13.0"


def test_conda_reads_the_same_lock():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    pip = next(d["pip"] for d in environment["dependencies"] if isinstance(d, dict))
    assert pip == ["--requirement requirements.lock", "--editable ."]
    python = next(d for d in environment["dependencies"] if str(d).startswith("python="))
    assert PROJECT["requires-python"] == f">={python.removeprefix('python=')}"


def test_the_lock_is_what_is_installed():
    differing = {
        name: (wanted, version(name)) for name, wanted in LOCK.items() if version(name).split("+")[0] != wanted
    }
    assert not differing


def test_the_floors_hold():
    code = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebooks_narrate_and_carry_no_output(path):
    notebook = json.loads(path.read_text())
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    code = [c for c in notebook["cells"] if c["cell_type"] == "code"]
    assert all(not c["outputs"] and c["execution_count"] is None for c in code)
    for cell in code:
        source = "".join(cell["source"])
        tags = cell["metadata"].get("tags", [])
        kinds = {type(node) for node in ast.walk(ast.parse(source))}
        assert not kinds & {ast.FunctionDef, ast.ClassDef, ast.Lambda}
        if "parameters" in tags:
            for line in source.splitlines():
                assert re.fullmatch(r"\w+ = .+  # .+", line), f"a literal and its meaning on one line: {line}"
        else:
            assert len(source.splitlines()) <= 15
    assert [c["metadata"]["tags"] for c in code if "parameters" in c["metadata"].get("tags", [])] == [["parameters"]]
    assert "provenance" in code[-1]["metadata"]["tags"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebooks_parameters_are_its_configs_fields_and_its_defaults_the_quick_profile(path):
    defaults = default_parameters(path)
    STUDIES[path.stem].config.parse(defaults, where=path.name)
    assert list(defaults) != []
    quick = yaml.safe_load((ROOT / "params" / "quick" / f"{path.stem}.yaml").read_text())
    assert {name: defaults[name] for name in quick} == quick


@pytest.mark.parametrize("path", sorted((ROOT / "params").glob("*/*.yaml")), ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_every_profile_is_valid(path):
    notebook = ROOT / "notebooks" / f"{path.stem}.ipynb"
    STUDIES[path.stem].config.parse(default_parameters(notebook) | yaml.safe_load(path.read_text()), where=str(path))


def test_every_notebook_has_a_config_and_every_profile():
    assert [path.stem for path in NOTEBOOKS] == sorted(STUDIES)
    for profile in ("smoke", "quick", "paper"):
        assert {p.stem for p in (ROOT / "params" / profile).glob("*.yaml")} == set(STUDIES)
