"""The three lists of versions say the same, the notebooks are clean."""

import ast
import json
import re
import tomllib
from importlib.metadata import version

import pytest
import yaml
from papermill.iorw import load_notebook_node, read_yaml_file
from papermill.parameterize import parameterize_notebook
from profiles import meaning

from tsprune.batch.profiles import COMMON, plan_profile, profile_files
from tsprune.batch.strict_yaml import read_parameters
from tsprune.parameters import default_parameters, read_cell
from tsprune.places import project_root, resolve
from tsprune.study.registry import STUDIES

ROOT = project_root()
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PROFILES = ("smoke", "quick", "paper")


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
    assert "python" + PROJECT["requires-python"].replace(" ", "") in environment["dependencies"]


def test_make_takes_the_pythons_that_the_project_takes():
    lowest, above = re.fullmatch(r">=3\.(\d+), <3\.(\d+)", PROJECT["requires-python"]).groups()
    makefile = (ROOT / "Makefile").read_text()
    assert f"(3, {lowest}) <= sys.version_info[:2] <= (3, {int(above) - 1})" in makefile
    assert f"Python 3.{lowest} to 3.{int(above) - 1}" in makefile
    assert f"Python 3.{lowest} to 3.{int(above) - 1}" in (ROOT / "README.md").read_text()


def test_the_lock_is_what_is_installed():
    differing = {
        name: (wanted, version(name)) for name, wanted in LOCK.items() if version(name).split("+")[0] != wanted
    }
    assert not differing


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
            assert len(read_cell(source)) == len(source.splitlines()), "a parameter, a line"
        else:
            assert len(source.splitlines()) <= 15
    assert [c["metadata"]["tags"] for c in code if "parameters" in c["metadata"].get("tags", [])] == [["parameters"]]
    order = [tag for cell in code for tag in cell["metadata"].get("tags", []) if tag in ("provenance", "explore")]
    assert order == ["provenance", "explore", "explore"] and code[-1]["metadata"]["tags"] == ["explore"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_has_every_parameter_without_a_default_or_with_another_and_those_of_the_place(path):
    config, shown = STUDIES[path.stem].config, default_parameters(path)
    required = {name for name, field in config.model_fields.items() if field.is_required()}
    others = {name for name in shown.keys() - required if shown[name] != config.model_fields[name].default}
    assert shown.keys() == required | others | set(("store", "jobs")[: 1 + STUDIES[path.stem].trains])
    config.parse(default_parameters(path), where=path.name)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_says_of_a_parameter_what_its_field_says(path):
    notebook = json.loads(path.read_text())
    (source,) = (
        "".join(cell["source"]) for cell in notebook["cells"] if "parameters" in cell["metadata"].get("tags", [])
    )
    for line in source.splitlines():
        (name,) = read_cell(line)
        assert line.endswith(f"  # {meaning(STUDIES[path.stem].config, name)}")


@pytest.mark.parametrize("name", STUDIES)
def test_every_parameter_has_its_meaning_at_its_field(name):
    assert [field for field in STUDIES[name].config.model_fields if not meaning(STUDIES[name].config, field)] == []


def test_every_notebook_has_a_config_and_every_profile_runs_them_all():
    assert [path.stem for path in NOTEBOOKS] == sorted(STUDIES)
    for profile in PROFILES:
        assert [run.name for run in plan_profile(profile)] == list(STUDIES)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_file_repeats_no_value_that_the_layers_below_it_give(profile):
    files = {name: read_parameters(path) for name, path in profile_files(ROOT / "params" / profile).items()}
    common = files.pop(COMMON, {})
    below = {name: defaults(name) | default_parameters(ROOT / "notebooks" / f"{name}.ipynb") for name in STUDIES}
    for parameter, value in common.items():
        assert any(below[name][parameter] != value for name in STUDIES), f"{COMMON}.yaml: {parameter}"
    for name, given in files.items():
        for parameter, value in given.items():
            assert (below[name] | common)[parameter] != value, f"{name}.yaml: {parameter}"


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_plain_papermill_gives_a_notebook_what_tsprune_study_gives_it(profile, path):
    """Up to the notebook's own check: papermill reads the files and writes its cell, and both cells run here."""
    files = profile_files(ROOT / "params" / profile)
    given = {}
    for name in (COMMON, path.stem):  # papermill NOTEBOOK OUT -f common.yaml -f NN_name.yaml
        given |= (read_yaml_file(str(files[name])) or {}) if name in files else {}
    notebook = parameterize_notebook(load_notebook_node(str(path)), given)
    namespace = {}
    for tag in ("parameters", "injected-parameters"):
        (cell,) = (c for c in notebook.cells if tag in c.metadata.tags)
        exec(cell.source, namespace)
    plain = STUDIES[path.stem].config.from_namespace(namespace).model_dump(mode="json")
    (run,) = plan_profile(profile, only=[path.stem], output=str(ROOT / "outputs"))
    assert plain | {"store": str(resolve(plain["store"]))} == run.parameters


def defaults(name):
    return {field: info.default for field, info in STUDIES[name].config.model_fields.items() if not info.is_required()}
