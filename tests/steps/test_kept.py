"""The list of what a store keeps of models."""

import errno
import json
import os
import re
from types import SimpleNamespace

import pytest

from tsprune.engine.execute import RECIPE_FILE
from tsprune.engine.store import Store
from tsprune.errors import UserError
from tsprune.steps.kept import kept_models, save_model
from tsprune.study.base.shared import base_steps
from tsprune.study.pruning_sweep.config import PruningSweep


def test_models_of_one_density_that_differ_in_rounded_widths_are_told_apart():
    told = {"dataset": "load", "pred_len": 24, "model": "iTransformer", "d_model": 128, "e_layers": 2, "seed": 1}
    told |= {"method": "fine-tuned", "structure": "structured", "scope": "global"}
    row = {"kind": "narrow_tune", "status": "ok", "result": {"density": 0.2, "density_all": 0.25, "mse": 0.1}}
    coarse = {"multiple": 8, "inside": "n_heads"}
    rows = {"a": row | {"protocol": told}, "b": row | {"protocol": told | coarse}}
    store = SimpleNamespace(entries=lambda: list(rows), row=rows.get, has=lambda key, name: False)
    table, damaged = kept_models(store)
    assert damaged == [] and table["made"].tolist() == [
        "fine-tuned, structured, global",
        "fine-tuned, structured, global, whole heads, multiples of 8",
    ]


@pytest.fixture
def trained(smoke, few):
    return base_steps(PruningSweep.parse(smoke | few | {"models": ["DLinear"]})).dense[0]


def test_a_model_that_cannot_be_made_again_where_nothing_may_be_written_is_a_line(trained, tmp_path, monkeypatch):
    row, recipe = {"kind": "train", "status": "ok", "result": {}}, json.dumps(trained.recipe())
    store = Store(tmp_path / "store")
    store.put(trained.identity(), row, {RECIPE_FILE: lambda path: path.write_text(recipe)})
    refuse = OSError(errno.EROFS, os.strerror(errno.EROFS))
    monkeypatch.setattr(Store, "aside", lambda self: (_ for _ in ()).throw(refuse))
    said = f"the model of entry {trained.key} cannot be read or made again in {store.root}: Read-only file system"
    with pytest.raises(UserError, match=f"^{re.escape(said)}$"):
        save_model(store, trained.key[:6], tmp_path / "x.safetensors")


def test_a_recipe_of_another_model_is_told_and_not_followed(trained, tmp_path):
    store, recipe = Store(tmp_path / "store"), json.dumps(trained.recipe())
    key = store.put({"x": 1}, {"kind": "train", "status": "ok"}, {RECIPE_FILE: lambda path: path.write_text(recipe)})
    with pytest.raises(UserError, match=rf"^entry {key}: its recipe makes another model; delete .*{key} and run again"):
        save_model(store, key, tmp_path / "x.safetensors")


def test_a_recipe_of_a_version_whose_steps_had_other_fields_is_told_in_a_line(trained, tmp_path):
    recipe = trained.recipe()
    recipe["fields"]["train"]["epoch"] = 3
    store, text = Store(tmp_path / "store"), json.dumps(recipe)
    key = store.put({"x": 1}, {"kind": "train", "status": "ok"}, {RECIPE_FILE: lambda path: path.write_text(text)})
    with pytest.raises(UserError, match=rf"^\S*{key}/step.json: unknown parameter 'train.epoch'[^\n]*$"):
        save_model(store, key, tmp_path / "x.safetensors")


def test_a_dense_model_that_was_trained_longer_is_not_called_pruned():
    told = {"dataset": "load", "pred_len": 24, "model": "DLinear", "seed": 1, "scope": "layer"}
    row = {"kind": "fine_tune", "status": "ok", "result": {"density": 1.0, "density_all": 1.0, "mse": 0.1}}
    ways = {"dense longer": "unstructured", "fine-tuned": "2:4", "structured": "structured"}
    rows = {way: row | {"protocol": told | {"method": way, "structure": ways[way]}} for way in ways}
    store = SimpleNamespace(entries=lambda: list(rows), row=rows.get, has=lambda key, name: False)
    table, _ = kept_models(store)
    assert dict(zip(table["key"], table["made"], strict=True)) == {
        "dense longer": "dense, trained longer",
        "fine-tuned": "fine-tuned, 2:4, layer",
        "structured": "structured, layer",
    }


def test_models_of_one_size_trained_or_tested_on_different_shares_of_the_data_are_told_apart():
    told = {"dataset": "load", "pred_len": 24, "model": "iTransformer", "d_model": 16, "e_layers": 1, "seed": 1}
    row = {"kind": "train", "status": "ok", "result": {"density": 1.0, "density_all": 1.0, "mse": 0.1}}
    shares = {"a": {"data_fraction": 0.2}, "b": {"data_fraction": 1.0}, "c": {}, "d": {"eval_stride": 5}}
    shares["e"] = shares["a"] | shares["d"]
    rows = {key: row | {"protocol": told | {"method": "dense"} | share} for key, share in shares.items()}
    store = SimpleNamespace(entries=lambda: list(rows), row=rows.get, has=lambda key, name: False)
    table, _ = kept_models(store)
    assert dict(zip(table["key"], table["dataset"], strict=True)) == {
        "a": "load (20%)",
        "b": "load",
        "c": "load",
        "d": "load (test 1 in 5)",
        "e": "load (20%, test 1 in 5)",
    }
    assert set(table["kept"]) == {"numbers"} and table["KiB"].isna().all()
