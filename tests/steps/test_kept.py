"""The list of what a store keeps of models."""

from types import SimpleNamespace

from tsprune.steps.kept import kept_models


def test_models_of_one_density_that_differ_in_rounded_widths_are_told_apart():
    told = {"dataset": "load", "pred_len": 24, "model": "iTransformer", "d_model": 128, "e_layers": 2, "seed": 1}
    told |= {"method": "fine-tuned", "structure": "structured", "scope": "global"}
    row = {"kind": "narrow_tune", "status": "ok", "result": {"density": 0.2, "density_all": 0.25, "mse": 0.1}}
    rows = {"a": row | {"protocol": told}, "b": row | {"protocol": told | {"multiple": 8}}}
    store = SimpleNamespace(entries=lambda: list(rows), row=rows.get, has=lambda key, name: False)
    table, damaged = kept_models(store)
    assert damaged == [] and table["made"].tolist() == [
        "fine-tuned, structured, global",
        "fine-tuned, structured, global, multiples of 8",
    ]


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


def test_models_of_one_size_trained_on_different_shares_of_the_rows_are_told_apart():
    told = {"dataset": "load", "pred_len": 24, "model": "iTransformer", "d_model": 16, "e_layers": 1, "seed": 1}
    row = {"kind": "train", "status": "ok", "result": {"density": 1.0, "density_all": 1.0, "mse": 0.1}}
    shares = {"a": {"data_fraction": 0.2}, "b": {"data_fraction": 1.0}, "c": {}}
    rows = {key: row | {"protocol": told | {"method": "dense"} | share} for key, share in shares.items()}
    store = SimpleNamespace(entries=lambda: list(rows), row=rows.get, has=lambda key, name: False)
    table, _ = kept_models(store)
    assert dict(zip(table["key"], table["dataset"], strict=True)) == {"a": "load (20%)", "b": "load", "c": "load"}
    assert set(table["kept"]) == {"numbers"} and table["KiB"].isna().all()
