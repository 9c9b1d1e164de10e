"""Layers of parameters: the notebook, common.yaml, the notebook's file, the command line; errors name their place."""

from pathlib import Path

import pytest

from tsprune.batch.profiles import describe, plan_profile
from tsprune.errors import UserError
from tsprune.parameters import default_parameters
from tsprune.places import project_root
from tsprune.study.registry import STUDIES


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "mine"


@pytest.fixture
def plan(folder):
    """Write the files of a profile of one's own and plan it; runs by name."""

    def plan(files: dict[str, str], **options):
        folder.mkdir(exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text)
        return {run.name: run for run in plan_profile(str(folder), **options)}

    return plan


@pytest.fixture
def problems(plan):
    def problems(files: dict[str, str], **options) -> list[str]:
        with pytest.raises(UserError) as error:
            plan(files, **options)
        return str(error.value).splitlines()

    return problems


def test_later_layers_win_and_each_value_says_where_it_comes_from(plan):
    files = {
        "common.yaml": "epochs: 7\nbatch_size: 8\npatience: 5\n",
        "05_pals.yaml": "batch_size: 16\nevery: 3\npatience: 4\n",
    }
    runs = plan(files, replaced=["patience=6", "device=auto"], jobs=4)
    assert list(runs) == list(STUDIES)
    names = ("seq_len", "epochs", "batch_size", "every", "patience", "device", "jobs", "raw")
    pals, sweep = runs["05_pals"], runs["01_pruning_sweep"]
    assert [pals.parameters[name] for name in names] == [96, 7, 16, 3, 6, "auto", 4, False]
    labels = ["notebook", "common", "file", "file", "-p", "-p", "--jobs", "default"]
    assert [pals.origins[name] for name in names] == labels
    assert (sweep.parameters["batch_size"], sweep.origins["batch_size"]) == (8, "common")


def test_without_a_common_file_the_notebooks_with_files_run_and_an_empty_common_file_runs_all(plan):
    assert list(plan({"02_fine_tuning.yml": "epochs: 1\n", "05_pals.yaml": ""})) == ["02_fine_tuning", "05_pals"]
    runs = plan({"common.yml": "# nothing differs\n"})
    assert list(runs) == list(STUDIES)
    own = default_parameters(project_root() / "notebooks" / "05_pals.ipynb")
    del own["store"]
    assert {name: runs["05_pals"].parameters[name] for name in own} == own


def test_every_run_has_a_value_for_every_field(plan):
    for name, run in plan({"common.yaml": ""}).items():
        assert list(run.parameters) == list(run.origins) == list(STUDIES[name].config.model_fields)


def test_results_go_beside_the_reports_unless_the_files_or_the_command_line_say_otherwise(plan, tmp_path):
    out = tmp_path / "out"
    (run,) = plan({"05_pals.yaml": ""}, output=str(out)).values()
    assert (run.folder, run.parameters["store"], run.origins["store"]) == (out / "mine", str(out / "store"), "--output")
    (run,) = plan({"05_pals.yaml": "store: elsewhere\n"}, output=str(out)).values()
    assert (run.parameters["store"], run.origins["store"]) == ("elsewhere", "file")
    (run,) = plan({}, output=str(out), replaced=["store=there"]).values()
    assert (run.parameters["store"], run.origins["store"]) == (str(Path.cwd() / "there"), "-p")


def test_a_problem_is_told_once_with_the_file_it_comes_from(problems, folder):
    files = {
        "common.yaml": "epochs: many\n",
        "05_pals.yaml": "evry: 3\nepochs: 0\n",
        "02_fine_tuning.yml": "stages: 1\n",
    }
    lines = problems(files, replaced=["batch_size=0"])
    assert len(lines) == 5
    starts = (
        f"{folder / 'common.yaml'}: epochs = 'many': ",
        "-p: batch_size = 0: ",
        f"{folder / '02_fine_tuning.yml'}: stages = 1: ",
        f"{folder / '05_pals.yaml'}: epochs = 0: ",
        f"{folder / '05_pals.yaml'}: unknown parameter 'evry'; did you mean 'every'?",
    )
    for start in starts:
        assert sum(line.startswith(start) for line in lines) == 1


def test_what_not_all_notebooks_take_is_told_with_those_that_do_not(problems, folder):
    lines = problems({"common.yaml": "models: [DLinear]\nepochs: 0\n", "05_pals.yaml": "ablation_models: []\n"})
    (narrow,) = [line for line in lines if "nothing in DLinear can be narrowed" in line]
    assert narrow.startswith(f"{folder / 'common.yaml'}: models = ['DLinear']: ")
    assert narrow.endswith(" (03_right_sizing, 04_entsoe_scale)")
    assert not any(line.endswith(")") for line in lines if "epochs = 0" in line)
    (line,) = problems({}, replaced=["models=[DLinear]"], only=["03_right_sizing"])[:1]
    assert line.startswith("-p: models") and not line.endswith("(03_right_sizing)")


def test_what_values_say_only_together_names_folder_and_notebook(problems, folder):
    (line,) = problems({"03_right_sizing.yaml": "widths: [64]\n"})
    assert line.startswith(f"{folder}, 03_right_sizing: widths: 64 is not below d_model = 48")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("d_model=100000000", "d_model"),
        ("date_column=north", "date_column: only for a file of your own"),
        ("resources={GPU: 1}", "resources: only for executor = 'dask'"),
    ],
)
def test_what_is_typed_and_does_not_go_with_the_rest_is_not_blamed_on_a_file(problems, given, words):
    (line,) = problems({"05_pals.yaml": "epochs: 2\n"}, replaced=[given, "batch_size=8"], jobs=2)
    assert line.startswith("-p and --jobs: ") and words in line
    (line,) = problems({"05_pals.yaml": ""}, replaced=[given])
    assert line.startswith("-p: ") and words in line


def test_what_a_file_says_wrong_is_blamed_on_it_whatever_is_typed(problems, folder):
    (line,) = problems({"05_pals.yaml": "resources: {GPU: 1}\n"}, replaced=["batch_size=8"])
    assert line.startswith(f"{folder}, 05_pals: resources: only for executor = 'dask'")


def test_a_list_is_asked_for_in_words_that_say_what_to_write(problems):
    assert problems({"05_pals.yaml": ""}, replaced=["pred_lens=12"]) == [
        "-p: pred_lens = 12: expected a list, such as [12]"
    ]
    assert problems({"05_pals.yaml": ""}, replaced=["models=DLinear"]) == [
        "-p: models = 'DLinear': expected a list, such as [DLinear]"
    ]
    assert problems({"05_pals.yaml": "seeds: '[1, 2]'\n"})[0].endswith(
        ": seeds = '[1, 2]': expected a list and not a text; leave out the quotes: [1, 2]"
    )
    assert problems({"05_pals.yaml": ""}, replaced=["seeds=[]"]) == [
        "-p: seeds = []: 1 value or more needed, found none"
    ]


@pytest.mark.parametrize("given", ["5", "[a]", "{SLURMCluster: [1]}", "{SLURMCluster: }"])
def test_workers_are_asked_for_in_one_line_of_what_to_write(problems, given):
    (line,) = problems({"05_pals.yaml": ""}, replaced=[f"scheduler={given}", "executor=dask"])
    assert line.startswith("-p: scheduler = ") and "expected an address, such as tcp://" in line


def test_what_is_meant_for_all_notebooks_must_be_a_parameter_of_all_of_them(problems, plan, folder):
    """Plain papermill, too, would hand it to all of them, and those that do not know it would refuse."""
    lines = problems({"common.yaml": "epoch: 3\nstages: 2\n"}, replaced=["every=4"])
    assert len(lines) == 3
    assert lines[0].startswith(f"{folder / 'common.yaml'}: unknown parameter 'epoch'; did you mean 'epochs'?")
    others = ", ".join(name for name, study in STUDIES.items() if study.trains and name != "02_fine_tuning")
    assert (
        lines[1] == f"{folder / 'common.yaml'}: 'stages' is not a parameter of {others}; set it only for 02_fine_tuning"
    )
    assert lines[2].startswith("-p: 'every' is not a parameter of 02_fine_tuning, 01_pruning_sweep")
    assert list(plan({"common.yaml": ""}, replaced=["every=4"], only=["05_pals"])) == ["05_pals"]
    lines = problems({"common.yaml": ""}, replaced=["every=4"], only=["02_fine_tuning"])
    assert lines == ["-p: 'every' is not a parameter of 02_fine_tuning; set it only for 05_pals"]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"comon.yaml": ""}, "unknown notebook 'comon'; did you mean 'common'?"),
        ({"05_pals.yaml": "", "05_pals.yml": ""}, "05_pals.yml: 05_pals.yaml is there too; remove one of them"),
        ({"common.yaml": "epochs: 010\n"}, "common.yaml: line 1: 010 is not a plain number"),
        ({"common.yaml": "epochs: 1\nepochs: 1\n"}, "common.yaml: line 2: 'epochs' appears twice"),
        ({"common.yaml": "1: 2\n"}, "common.yaml: line 1: expected 'name: value'"),
        ({"notes.txt": ""}, "no YAML files there; a profile has common.yaml for all notebooks"),
    ],
)
def test_files_that_cannot_be_meant_are_told_in_a_line(problems, files, words):
    (line,) = problems(files)
    assert words in line


def test_a_file_with_its_ending_in_capitals_is_one_of_the_profile(plan, problems):
    found = plan({"common.YAML": "epochs: 3\n"}, only=["05_pals"])
    assert found["05_pals"].parameters["epochs"] == 3
    (line,) = problems({"common.yml": ""})
    assert line.endswith("common.yml: common.YAML is there too; remove one of them")


def test_a_folder_that_may_not_be_listed_is_told_in_a_line(folder, problems, monkeypatch):
    def denied(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", denied)  # as who runs this may be root
    assert problems({"common.yaml": ""}) == [f"{folder}: Permission denied"]


def test_a_number_is_one_in_a_file_and_on_the_command_line(plan):
    (run,) = plan({"05_pals.yaml": "learning_rate: 1e-3\n"}, replaced=["dropout=1e-1"]).values()
    assert (run.parameters["learning_rate"], run.parameters["dropout"]) == (0.001, 0.1)


def test_a_parameter_that_is_typed_twice_is_refused(plan):
    with pytest.raises(UserError, match=r"^-p: 'epochs' is given twice$"):
        plan({"05_pals.yaml": ""}, replaced=["epochs=1", "seeds=[1]", "epochs=2"])


def test_an_empty_name_of_a_folder_is_refused_and_not_the_working_directory(plan):
    with pytest.raises(UserError, match=r"^--output: the folder name is empty$"):
        plan({"05_pals.yaml": ""}, output="")
    with pytest.raises(UserError, match=r"^-p store: the folder name is empty$"):
        plan({"05_pals.yaml": ""}, replaced=["store=''"])


def test_a_parameter_is_said_by_its_option_or_by_its_name_and_not_by_both(plan):
    with pytest.raises(UserError, match=r"^--jobs and -p jobs: give only one"):
        plan({"05_pals.yaml": "jobs: 3\n"}, replaced=["jobs=2"], jobs=1)
    for options in ({"replaced": ["jobs=2"]}, {"jobs": 2}):
        assert plan({"05_pals.yaml": "jobs: 3\n"}, **options)["05_pals"].parameters["jobs"] == 2


def test_the_working_directory_is_a_profile_where_it_is_named(plan, folder, monkeypatch):
    plan({"05_pals.yaml": ""})
    monkeypatch.chdir(folder)
    assert [run.name for run in plan_profile(".")] == ["05_pals"]


def test_a_profile_of_a_name_that_no_folder_has_is_unknown():
    for name in ("x" * 5000, "a\0b", ""):
        with pytest.raises(UserError, match=r"^unknown profile '") as error:
            plan_profile(name)
        assert len(str(error.value)) < 340


def test_what_will_come_is_said_with_what_the_profile_says_of_itself(plan, folder):
    common = "# Small, in\n# two lines.\n#\n# Not this.\nseeds: [1]\n# nor this\n"
    runs = list(plan({"common.yaml": common}).values())
    about, pages = describe(runs, str(folder)).splitlines()
    assert about == "mine: Small, in two lines."
    assert pages == (
        "pages to come, in this order; the path of each is printed when it is done: "
        + ", ".join(run.name for run in runs)
    )
    (folder / "common.yaml").write_text(common, encoding="utf-8-sig")
    assert describe(runs, str(folder)).splitlines()[0] == about, "Windows puts a mark in front"
    (folder / "common.yaml").write_text("seeds: [1]\n")
    assert describe(runs[:1], str(folder)).startswith("pages to come")
