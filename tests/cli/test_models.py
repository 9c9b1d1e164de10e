"""Models of studies, listed and saved."""

import shutil
from types import SimpleNamespace

import pytest


def swept(folder, **more):
    """``folder`` as a store with a dense model, its pruned one, and a naive forecast."""
    from concurrent.futures import ThreadPoolExecutor

    from helpers import Recorder
    from profiles import parameters

    from tsprune.study.pruning_sweep.cells import PruningSweepCells
    from tsprune.study.pruning_sweep.config import PruningSweep

    few = {"models": ["DLinear"], "densities": [1.0, 0.5], "scopes": ["layer"], "latency_repeats": 0}
    few |= {"two_of_four": False, "structured_densities": [], "scores": [], "authors_paper": False, "authors_steps": 0}
    few |= {"store": str(folder)}
    config = PruningSweep.parse(parameters("smoke", "01_pruning_sweep") | few | more)
    PruningSweepCells(config).run(make_executor=lambda: ThreadPoolExecutor(1), progress=Recorder())
    return folder


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return swept(tmp_path_factory.mktemp("models") / "store")


def test_models_are_listed_and_saved(tsprune, store, tmp_path):
    from tsprune.models import load_checkpoint, read_about

    code, out, err = tsprune("models", "--store", str(store))
    lines = out.splitlines()
    assert (code, err, len(lines)) == (0, "", 3)
    assert lines[1].split()[1:5] == ["synthetic_short", "12", "DLinear", "8x1"]
    assert "magnitude, unstructured, layer" in lines[2]
    told = [dict(zip(lines[0].split()[-5:], line.split()[-5:], strict=True)) for line in lines[1:]]
    assert [(row["density"], row["left"], row["kept"]) for row in told] == [
        ("1", "1", "model"),
        ("0.5", "0.52", "masks"),
    ], "the density that export prints, and no size that could be taken for the model's"
    key = lines[2].split()[0]
    code, out, _ = tsprune("models", "save", key[:8], str(tmp_path / "small.safetensors"), "--store", str(store))
    assert code == 0 and "density 0.500 by layer" in out
    assert tsprune("models", "--store", str(store), "save", key, str(tmp_path / "same.safetensors"))[::2] == (0, "")
    assert (tmp_path / "same.safetensors").read_bytes() == (tmp_path / "small.safetensors").read_bytes()
    _, masks = load_checkpoint(tmp_path / "small.safetensors")
    assert sum(int(mask.sum()) for mask in masks.values()) == sum(mask.numel() for mask in masks.values()) / 2
    about = read_about(tmp_path / "small.safetensors")
    assert about.density_achieved == 0.5 and len(about.intervals.steps[0]) == 12 and about.intervals.windows > 100
    code, out, _ = tsprune("export", key[:8], str(tmp_path / "small.onnx"), "--store", str(store))
    assert code == 0 and "small.onnx: DLinear, 600 parameters, density 0.5\n" in out


def test_models_of_other_columns_of_a_file_do_not_look_alike(tsprune, few_hours, tmp_path):
    for columns in (["load"], ["load", "wind"]):
        swept(tmp_path / "store", **few_hours, columns=columns, why_datasets=[])
    lines = tsprune("models", "--store", str(tmp_path / "store"))[1].splitlines()
    for columns in ("(columns load)", "(columns load, wind)"):
        assert sum(columns in line for line in lines) == 2, "the dense model and the pruned one"


def test_int8_is_tested_on_the_windows_that_its_float32_model_was(tsprune, tmp_path, monkeypatch):
    store, sizes = swept(tmp_path / "store", protocol="as_published", eval_batch_size=50), {}

    def export(*given, test, splits, **how):
        sizes.update(test=len(test), every=len(splits.test))
        return SimpleNamespace(model="DLinear", parameters=1, density=1.0, difference=0.0)

    monkeypatch.setattr("tsprune.deploy.export.export_checkpoint", export)
    key = next(store.glob("??/*/model.safetensors")).parent.name
    assert tsprune("export", key, str(tmp_path / "x.onnx"), "--int8", "--store", str(store))[0] == 0
    assert sizes["test"] == sizes["every"] - sizes["every"] % 50 < sizes["every"]


def test_models_are_listed_from_the_store_where_the_command_is_typed_and_strays_are_passed_over(tsprune, subfolder):
    where = subfolder / "outputs" / "store"
    assert f"there is no store at {where} or {subfolder.parent / 'outputs' / 'store'};" in tsprune("models")[2]
    for name in ("ab/.DS_Store", "ab/ab.txt", "ab/" + "ab" * 10, "cd"):
        (where / name).parent.mkdir(parents=True, exist_ok=True)
        (where / name).write_text("x")
    (where / "ef").mkdir()
    (where / "ef" / ("ef" * 10)).symlink_to(where / "nowhere")
    assert tsprune("models") == (0, "no model in outputs/store; a study puts the models that it trains there\n", "")


def test_a_store_that_may_not_be_read_is_not_said_to_be_empty(tsprune, store, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: str(path) != str(store))  # as who runs this may be root
    code, out, err = tsprune("models", "--store", str(store))
    assert (code, out, err.count("\n")) == (2, "", 1) and f"{store} cannot be read: no permission" in err


def test_a_damaged_model_is_computed_again_when_it_is_asked_for(tsprune, store, tmp_path):
    """The dense model too, which the masks are laid over; no study would look at either."""
    damaged = tmp_path / "store"
    shutil.copytree(store, damaged)
    (masks,) = damaged.glob("??/*/masks.safetensors")
    (dense,) = damaged.glob("??/*/model.safetensors")
    before = masks.read_bytes(), dense.read_bytes()
    masks.write_bytes(b"x")
    dense.unlink()
    code, out, err = tsprune("models", "--store", str(damaged))
    assert (code, err) == (0, f"{dense} is missing; the model is made again when asked for\n")
    assert [line.split()[-2:] for line in out.splitlines()[1:]] == [["numbers", "-"], ["masks", "0"]]
    for wrong in (["x.onnx", "--units", "rael"], ["x.txt"], ["no/x.onnx"]):
        code, out, err = tsprune("export", dense.parent.name, *wrong, "--store", str(damaged))
        assert (code, out, len(err.splitlines())) == (2, "", 1), "told before anything is computed"
    file = str(tmp_path / "x.safetensors")
    code, out, err = tsprune("models", "save", masks.parent.name, file, "--store", str(damaged))
    assert code == 0 and "density 0.500 by layer" in out
    assert len(err.splitlines()) == 2 and all(line.endswith(" is computed again") for line in err.splitlines())
    assert all(line.startswith(str(damaged)) for line in err.splitlines()), "the line and no place in the code"
    assert (masks.read_bytes(), dense.read_bytes()) == before


def test_a_model_is_saved_where_the_dense_one_is_gone_and_a_damaged_row_is_told(tsprune, store, tmp_path):
    there = tmp_path / "store"
    shutil.copytree(store, there)
    (masks,) = there.glob("??/*/masks.safetensors")
    (dense,) = there.glob("??/*/model.safetensors")
    shutil.rmtree(dense.parent)
    save = "models", "save", masks.parent.name, str(tmp_path / "x.safetensors"), "--store", str(there)
    assert tsprune(*save)[::2] == (0, "")
    assert dense.exists(), "it was trained again, as the masks are laid over it"
    row = masks.with_name("row.json")
    row.write_text("{}")
    told = f"tsprune: {row} was changed after it was written; run its study again to compute it anew\n"
    assert tsprune(*save) == (2, "", told)


def test_a_checkpoint_is_called_one_and_takes_no_other_files_place(tsprune, store, tmp_path):
    (tmp_path / "load.csv").write_text("date,load\n")
    code, _, err = tsprune("models", "save", "0", str(tmp_path / "load.csv"), "--store", str(store))
    assert code == 2 and "unknown ending of a checkpoint '.csv'. Allowed: .safetensors" in err
    assert (tmp_path / "load.csv").read_text() == "date,load\n"


def test_models_that_cannot_be_had_are_told_in_a_line(tsprune, store, tmp_path, monkeypatch):
    from tsprune.engine.store import Store

    def save(key, file="x.safetensors", folder=store):
        code, out, err = tsprune("models", "save", key, str(tmp_path / file), "--store", str(folder))
        assert (code, out, len(err.splitlines())) == (2, "", 1)
        return err

    opened = Store(store)
    naive = next(key for key in opened.entries() if opened.row(key)["kind"] == "naive")
    assert "no entry with key 'zz'" in save("zz")
    assert "ends with numbers, not with a model" in save(naive)
    with monkeypatch.context() as patched:
        for count, told in ((2, "aa11, aa22; give"), (4, "aa11, aa22, aa33 (and 1 more); give")):
            patched.setattr(Store, "entries", lambda store, count=count: ["aa11", "aa22", "aa33", "aa44"][:count])
            assert f"key 'aa' fits {count} entries: {told} more of its characters" in save("aa")
    assert "there is no store at" in save(naive, folder=tmp_path / "nowhere")
    trained = next(key for key in opened.entries() if opened.row(key)["kind"] == "train")
    assert "no folder" in save(trained, file="no/such/folder.safetensors")
