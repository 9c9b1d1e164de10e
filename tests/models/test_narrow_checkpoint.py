"""A narrowed model can be saved, loaded, forecast with, trained and narrowed again."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from tests.models.small import example, small_model
from tsprune.errors import UserError
from tsprune.layers.axes import widths
from tsprune.models import list_models, load_checkpoint, save_checkpoint
from tsprune.models.checkpoint import CHECKSUM
from tsprune.pruners import depgraph_paper, magnitude_masks, structured_prune

PRUNABLE = [name for name in list_models(trainable=True) if small_model(name).axes()]


def pruned(name, target=0.4, **settings):
    torch.manual_seed(0)
    model = small_model(name, d_model=16, n_heads=4, d_ff=24)
    return structured_prune(model, example(model), target, **settings).model.eval()


@pytest.mark.parametrize("name", PRUNABLE)
def test_same_forecasts_and_still_a_model(name, tmp_path):
    model = pruned(name)
    masks = magnitude_masks(model, 0.5, "layer")
    save_checkpoint(tmp_path / "m", model, masks)
    loaded, loaded_masks = load_checkpoint(tmp_path / "m")
    assert widths(loaded.axes()) == widths(model.axes())
    assert torch.equal(loaded(*example(model)), model(*example(model)))
    assert all(torch.equal(loaded_masks[key], masks[key]) for key in masks)
    assert str(loaded) == str(model)  # in_features and the like

    optimizer = torch.optim.Adam(loaded.parameters(), 1e-2)
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        losses.append(loaded.train()(*example(model)).square().mean())
        losses[-1].backward()
        assert all(p.grad is not None for p in loaded.parameters())
        optimizer.step()
    assert losses[-1] < losses[0]

    again = structured_prune(loaded.eval(), example(model), 0.6)
    save_checkpoint(tmp_path / "again", again.model)
    second, _ = load_checkpoint(tmp_path / "again")
    assert torch.equal(second(*example(model)), again.model.eval()(*example(model)))


@pytest.mark.parametrize("name", ["Transformer", "Autoformer", "PatchTST"])
def test_fewer_heads(name, tmp_path):
    model = pruned(name, inside="n_heads")
    save_checkpoint(tmp_path / "m", model)
    loaded, _ = load_checkpoint(tmp_path / "m")
    assert torch.equal(loaded(*example(model)), model(*example(model)))


def test_what_the_dependency_graph_pruned(tmp_path):
    torch.manual_seed(0)
    whole = small_model("Informer", d_model=16, n_heads=2)
    model = depgraph_paper(whole, example(whole), 0.5).model.eval()
    save_checkpoint(tmp_path / "m", model)
    assert torch.equal(load_checkpoint(tmp_path / "m")[0](*example(model)), model(*example(model)))


def test_the_file_shrinks_with_the_model(tmp_path):
    torch.manual_seed(0)
    model = small_model("Transformer", d_model=64, d_ff=256)
    save_checkpoint(tmp_path / "whole", model)
    save_checkpoint(tmp_path / "narrow", structured_prune(model, example(model), 0.1).model)
    assert (tmp_path / "narrow").stat().st_size < 0.25 * (tmp_path / "whole").stat().st_size


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda meta: meta["widths"].update({"encoder.d_model": 99}), "no axis encoder.d_model of width 99"),
        (lambda meta: meta["widths"].update({"nowhere": 3}), "no axis nowhere"),
        (lambda meta: meta["widths"].update({"encoder.d_model": 3}), r"has shape \(12, 11\), not \(12, 3\)"),
        (lambda meta: meta.pop("widths"), r"has shape \(7, 4\), not \(16, 4\)"),
    ],
)
def test_widths_that_do_not_fit_are_named(damage, words, tmp_path):
    save_checkpoint(tmp_path / "m", pruned("Transformer"))
    with safe_open(tmp_path / "m", "pt") as file:
        meta = json.loads(file.metadata()["tsprune"])
        tensors = {key: file.get_tensor(key) for key in file.keys() if key != CHECKSUM}  # noqa: SIM118
    damage(meta)
    save_file(tensors, tmp_path / "m", {"tsprune": json.dumps(meta)})
    with pytest.raises(UserError, match=words):
        load_checkpoint(tmp_path / "m")
