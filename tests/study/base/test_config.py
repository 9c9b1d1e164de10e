"""Parameters are checked strictly, each problem in one line, and the same in every way of running."""

import json
from pathlib import Path

import pytest

from tsprune.errors import UserError
from tsprune.parameters import default_parameters
from tsprune.places import project_root
from tsprune.study.base.shared import base_steps
from tsprune.study.pruning_sweep.config import PruningSweep
from tsprune.study.registry import STUDIES
from tsprune.study.why.config import Why
from tsprune.typed import digest


@pytest.fixture
def valid(smoke):
    return smoke | {"store": "outputs/store"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"densitys": [0.5]}, "unknown parameter 'densitys'; did you mean 'densities'?"),
        ({"models": ["Autofomer"]}, "unknown model 'Autofomer'; did you mean 'Autoformer'?"),
        ({"models": ["RepeatLast"]}, "unknown model 'RepeatLast'"),
        ({"models": ["DLinear", "DLinear"]}, "appears twice"),
        ({"densities": [1.5]}, "densities.0 = 1.5: input should be less than or equal to 1"),
        ({"densities": []}, "densities = []"),
        ({"epochs": "3"}, "epochs = '3': input should be a valid integer"),
        ({"epochs": 2.5}, "epochs = 2.5"),
        ({"raw": "yes"}, "raw = 'yes': input should be a valid boolean"),
        ({"scopes": ["layers"]}, "scopes.0 = 'layers': input should be 'layer' or 'global'"),
        ({"schedule": "cosin"}, "input should be 'constant', 'type1' or 'cosine'; did you mean 'cosine'?"),
        ({"device": "tpu"}, "device = 'tpu': input should be 'auto', 'cpu' or 'cuda'"),
        ({"store": ""}, "store = '': the folder name is empty"),
        ({"n_heads": 3, "models": ["Autoformer"]}, "n_heads"),
        ({"seeds": [-1]}, "seeds.0 = -1"),
        ({"seeds": [2**63 - 1, 2**63]}, f"seeds.1 = {2**63}: input should be less than or equal to {2**63 - 1}"),
        ({"epochs": 10**22}, f"epochs = {10**22}: input should be less than or equal to {2**31 - 1}"),
        ({"batch_size": 2**31}, f"batch_size = {2**31}"),
        ({"jobs": 2**70}, f"jobs = {2**70}: input should be less than or equal to 10000"),
        ({"latency_repeats": 2**70}, f"latency_repeats = {2**70}"),
        ({"time_step": "B"}, "time_step: only for a file of your own; the catalogue says how synthetic_short is read"),
        ({"encoding": "klingon", "date_column": "x"}, "date_column, encoding: only for a file of your own"),
        ({"seeds": [10**30]}, f"seeds.0 = {10**30}"),
        ({"columns": "load"}, "columns = 'load': expected a list, such as [load]"),
        ({"columns": ["a", "a"]}, "columns = ['a', 'a']: a value appears twice"),
        ({"columns": [False]}, "columns = [False]: names must be texts: put those that look like a number, yes or no"),
    ],
)
def test_bad_parameters_are_named_in_one_line(valid, change, words):
    with pytest.raises(UserError) as error:
        PruningSweep.parse(valid | change, where="my.yaml")
    assert words in str(error.value)
    assert str(error.value).startswith("my.yaml: ")
    assert "\n" not in str(error.value)


def test_a_value_is_shown_by_its_beginning_and_its_signs_are_not_obeyed(valid):
    with pytest.raises(UserError) as error:
        PruningSweep.parse(valid | {"dataset": "\x1b[31m" + "x" * 10_000, "seeds": ["y" * 10_000]})
    dataset, seeds = str(error.value).splitlines()
    assert dataset.startswith("dataset = '\\x1b[31mxxx") and "xxx... (10," in dataset and len(dataset) < 600
    assert seeds.startswith("seeds.0 = 'yyy") and "yyy... (10,002 characters): input should be a valid integer" in seeds
    assert "\x1b" not in dataset


def test_a_file_is_the_same_dataset_from_whichever_folder_it_is_named(valid, tmp_path, monkeypatch):
    """Else a report made again elsewhere would be taken for one of other parameters."""
    (tmp_path / "here").mkdir()
    (tmp_path / "load.csv").write_text("date,a\n")
    monkeypatch.chdir(tmp_path / "here")
    for name in (
        "../load.csv",
        ".././load.csv",
        str(tmp_path / "here" / ".." / "load.csv"),
        str(tmp_path / "load.csv"),
    ):
        assert PruningSweep.parse(valid | {"dataset": name}).dataset == str(tmp_path / "load.csv")
    (tmp_path / "far" / "deep").mkdir(parents=True)
    (tmp_path / "far" / "load.csv").write_text("date,b\n")
    (tmp_path / "here" / "link").symlink_to(tmp_path / "far" / "deep")
    there = PruningSweep.parse(valid | {"dataset": "link/../load.csv"}).dataset
    assert Path(there).samefile(tmp_path / "far" / "load.csv"), "a link before '..' leads where the system says"


def test_a_relative_store_is_looked_for_where_a_relative_dataset_is(valid, tmp_path, monkeypatch):
    for place in ("here", "project"):
        (tmp_path / place).mkdir()
    monkeypatch.setattr("tsprune.places.project_root", lambda: tmp_path / "project")
    monkeypatch.chdir(tmp_path / "here")

    def place(name: str) -> Path:
        return STUDIES["01_pruning_sweep"].cells(PruningSweep.parse(valid | {"store": name})).store.root

    assert place("mine") == tmp_path / "project" / "mine"
    (tmp_path / "here" / "mine").mkdir()
    assert place("mine") == tmp_path / "here" / "mine" == place(str(tmp_path / "here" / "mine"))


def test_no_device_is_meant_by_another_ones_name(valid):
    """Of three letters, two agree by chance."""
    with pytest.raises(UserError, match=r"device = 'gpu': input should be 'auto', 'cpu' or 'cuda'$"):
        PruningSweep.parse(valid | {"device": "gpu"})


def test_all_problems_are_told_at_once(valid):
    with pytest.raises(UserError) as error:
        PruningSweep.parse(valid | {"epochs": 0, "densitys": [1.0], "raw": 3})
    assert len(str(error.value).splitlines()) == 3


def test_a_notebooks_namespace_is_read_strictly(valid):
    namespace = valid | {"_private": 1, "display": print, "pytest": pytest}
    assert PruningSweep.from_namespace(namespace) == PruningSweep.parse(valid)
    with pytest.raises(UserError, match="unknown parameter 'sed'; did you mean 'seeds'"):
        PruningSweep.from_namespace(namespace | {"sed": [1]})
    with pytest.raises(UserError, match="parameter 'seeds' is missing"):
        PruningSweep.from_namespace({k: v for k, v in namespace.items() if k != "seeds"})


def test_what_has_a_default_may_be_left_out_of_a_notebook_and_put_in_from_outside(valid):
    """papermill injects what its notebook has no line for as one more variable."""
    names = [name for name, field in PruningSweep.model_fields.items() if not field.is_required()]
    assert set(names) == {
        *(
            "raw",
            "missing",
            "freq",
            "d_layers",
            "factor",
            "patience",
            "precision",
            "matmul",
            "protocol",
            "eval_stride",
            "store",
            "jobs",
            "keep",
            "budget_hours",
            "executor",
            "scheduler",
            "resources",
        ),
        *("date_column", "time_step", "date_order", "encoding", "columns", "crossformer_own"),
    }
    namespace = {name: value for name, value in valid.items() if name not in names}
    config = PruningSweep.from_namespace(namespace)
    assert (config.raw, config.missing, config.store, config.keep) == (False, "error", "outputs/store", "all")
    assert PruningSweep.from_namespace(namespace | {"missing": "interpolate"}).missing == "interpolate"
    with pytest.raises(UserError, match="keep = 'some': input should be 'all', 'dense' or 'none'"):
        PruningSweep.from_namespace(namespace | {"keep": "some"})


def test_the_columns_named_are_those_of_the_studys_own_dataset(valid):
    assert PruningSweep.parse(valid | {"columns": []}) == PruningSweep.parse(valid), "none named: all"
    config = PruningSweep.parse(valid | {"columns": ["OT", "load_2"]})
    base = base_steps(config)
    (spec,) = base.specs
    assert base.table.columns == ("OT", "load_2") and spec.width == 2
    assert spec.table().fingerprint == spec.fingerprint == base.table.fingerprint
    assert config.on("synthetic").reading()["columns"] is None and config.on(config.dataset) == config


def test_a_recipe_of_before_columns_could_be_chosen_makes_the_same_step(valid):
    trained = base_steps(PruningSweep.parse(valid)).dense[0]
    fields = json.loads(json.dumps(trained.recipe()["fields"]))
    fields["data"]["columns"] = fields["data"].pop("width")
    assert type(trained).model_validate_json(json.dumps(fields)).key == trained.key


def test_asking_why_needs_no_more_than_its_own_parameters(valid):
    own = {name: value for name, value in valid.items() if name in Why.model_fields}
    sweep = PruningSweep.parse(valid)
    assert Why.parse(own).model_dump() == sweep.model_dump(include=set(Why.model_fields))
    assert "structured_densities" not in own and "why_windows" in own


def test_equal_configs_have_equal_hashes_and_order_does_not_matter(valid):
    turned = dict(reversed(valid.items()))
    assert digest(PruningSweep.parse(valid).model_dump(mode="json")) == digest(
        PruningSweep.parse(turned).model_dump(mode="json")
    )
    other = PruningSweep.parse(valid | {"d_ff": 17})
    assert digest(other.model_dump(mode="json")) != digest(PruningSweep.parse(valid).model_dump(mode="json"))


@pytest.mark.parametrize("name", STUDIES)
def test_every_whole_number_of_a_study_has_a_highest(name):
    config, given = STUDIES[name].config, default_parameters(project_root() / "notebooks" / f"{name}.ipynb")
    counts = [field for field, value in given.items() if type(value) is int]
    assert counts
    for field in counts:
        with pytest.raises(UserError, match=rf"{field} = 1000+\b.*less than or equal to"):
            config.parse(given | {field: 10**30})
