"""Every forecaster leaves as ONNX and forecasts there what it forecasts here; what cannot leave is told in a line."""

import errno
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from tests.deploy.small import ABOUT, frame, tiny
from tsprune.data.calendar import calendar_fields, time_features
from tsprune.deploy import export
from tsprune.deploy.export import export_checkpoint, export_onnx
from tsprune.deploy.onnx_file import read_onnx
from tsprune.deploy.session import Session
from tsprune.errors import UserError
from tsprune.measure import count_parameters
from tsprune.models import Forecaster, list_models, save_checkpoint
from tsprune.pruners import apply_masks, magnitude_masks, prunable_weights, structured_prune


def in_pytorch(model, values, dates):
    """The forecast in real units of raw ``values`` (batch, seq_len, columns), by the steps that training takes."""
    c = model.config
    x = torch.tensor(((values - np.array(ABOUT.mean)) / np.array(ABOUT.std)).astype(np.float32))
    marks = torch.tensor(time_features(dates, c.freq).astype(np.float32)).expand(len(x), -1, -1)
    x_dec = torch.cat([x[:, c.seq_len - c.label_len :], torch.zeros(len(x), c.pred_len, 3)], 1)
    with torch.no_grad():
        scaled = model(x, marks[:, : c.seq_len], x_dec, marks[:, c.seq_len - c.label_len :])
    return scaled.double().numpy() * ABOUT.std + np.array(ABOUT.mean)


def inputs(model, batch):
    rows = frame(model.config.seq_len + model.config.pred_len)
    values = np.stack([frame(model.config.seq_len, seed=seed).to_numpy() for seed in range(batch)])
    calendar = np.repeat(calendar_fields(rows.index, model.config.freq)[None], batch, 0)
    return values, calendar, rows.index


# Twelve seconds for the Transformer's graph with a factor and a shift in its attention.
BESIDE_ANOTHER = pytest.param("Nonstationary_Transformer", marks=pytest.mark.slow)


@pytest.mark.parametrize("name", [BESIDE_ANOTHER if name in BESIDE_ANOTHER.values else name for name in list_models()])
def test_every_forecaster_narrowed_and_masked_reads_and_forecasts_real_units_at_any_batch(name, tmp_path):
    """Where it has no width to narrow or no weight to mask, without that."""
    model = tiny(name)
    if any(axis.fixed is None for axis in model.axes()):
        inputs = [torch.randn(2, *shape) for shape in model.input_shapes().values()]
        narrow = structured_prune(model, inputs, target=0.6).model
        assert count_parameters(narrow) < count_parameters(model)
        model = narrow
    if prunable_weights(model):
        masks = magnitude_masks(model, density=0.5, scope="layer")
        apply_masks(model, masks)
    leaves_as_it_is(model, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", list_models())
def test_so_does_every_forecaster_dense(name, tmp_path):
    leaves_as_it_is(tiny(name), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Autoformer", "Crossformer", "FEDformer", "Informer", "Nonstationary_Transformer"])
def test_so_do_those_with_more_between_two_layers_and_long_look_backs(name, tmp_path):
    leaves_as_it_is(tiny(name, e_layers=2, d_layers=2, seq_len=96, label_len=48), tmp_path)


def leaves_as_it_is(model, tmp_path):
    name = model.name
    card = export_onnx(model, tmp_path / "x.onnx", about=ABOUT)
    assert card.difference <= 1e-5
    stored, content = read_onnx(tmp_path / "x.onnx")
    assert stored == card and str(Path(export.__file__).parents[2]).encode() not in content
    session = Session(content, name)
    for batch in (1, 7):
        values, calendar, dates = inputs(model, batch)
        given = {"values": values} | ({"calendar": calendar} if card.calendar else {})
        found, wanted = session.run(given), in_pytorch(model, values, dates)
        assert found.dtype == np.float64 and found.shape == (batch, 8, 3)
        assert np.abs((found - wanted) / ABOUT.std).max() <= 1e-5


def test_a_masked_checkpoint_leaves_with_its_zeros_and_its_density(tmp_path):
    model = tiny("DLinear")
    masks = magnitude_masks(model, density=0.25, scope="layer")
    apply_masks(model, masks)
    save_checkpoint(tmp_path / "x.safetensors", model, masks, about=ABOUT)
    card = export_checkpoint(tmp_path / "x.safetensors", tmp_path / "x.onnx")
    zeros = sum((onnx.numpy_helper.to_array(t) == 0).sum() for t in onnx.load(tmp_path / "x.onnx").graph.initializer)
    assert zeros >= 0.75 * 2 * 24 * 8 and card.density == 0.25
    assert (card.parameters, card.macs) == (2 * (24 * 8 + 8), 3 * (24 * 24 + 2 * 24 * 8))


def test_a_narrowed_checkpoint_leaves_bare_with_its_widths_and_the_inputs_that_it_uses(tmp_path):
    inputs = [torch.randn(2, 24, 3), torch.randn(2, 24, 4), None, None]
    model = structured_prune(tiny("iTransformer"), inputs, target=0.5).model
    save_checkpoint(tmp_path / "x.safetensors", model, about=ABOUT)
    card = export_checkpoint(tmp_path / "x.safetensors", tmp_path / "x.onnx", "scaled")
    assert card.parameters == sum(p.numel() for p in model.parameters()) < count_parameters(tiny("iTransformer"))
    assert card.density == 0.41 and card.difference <= 1e-5  # the density that the checkpoint states
    assert card.units == "scaled" and card.calendar == () and card.mean == ABOUT.mean
    proto = onnx.load(tmp_path / "x.onnx")
    onnx.checker.check_model(proto)
    assert [value.name for value in proto.graph.input] == ["x_enc", "x_mark_enc"]
    assert [value.name for value in proto.graph.output] == ["forecast"]
    shapes = [[d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim] for v in proto.graph.input]
    assert shapes == [["batch", 24, 3], ["batch", 24, 4]]
    assert [(i.domain, i.version) for i in proto.opset_import] == [("", 20)] and card.opset == 20
    inputs = [torch.randn(5, 24, 3), torch.randn(5, 24, 4)]
    found = Session(read_onnx(tmp_path / "x.onnx")[1], "x").run(
        {"x_enc": inputs[0].numpy(), "x_mark_enc": inputs[1].numpy()}
    )
    with torch.no_grad():
        np.testing.assert_allclose(found, model.eval()(*inputs).numpy(), atol=1e-5)


def test_the_file_and_its_page_say_what_the_checkpoint_says(tmp_path):
    card = export_onnx(tiny("RepeatLast"), tmp_path / "x.onnx", about=ABOUT)
    properties = {p.key: p.value for p in onnx.load(tmp_path / "x.onnx").metadata_props}
    assert properties["tsprune.columns"] == '["load", "wind", "sun"]' and properties["tsprune.unit"] == '"MW"'
    assert properties["tsprune.season"] == "24" and properties["tsprune.time_step"] == '"1h"'
    assert (card.seq_len, card.pred_len, card.density, card.fingerprint) == (24, 8, 0.41, "ab" * 32)
    page = (tmp_path / "x.md").read_text()
    for line in (
        "# Model card: x.onnx",
        "| columns | load, wind, sun |",
        "| test MSE, scaled units | 0.3 (0.25 before pruning) |",
        "| test MAE, scaled units | unknown |",
        "- `values`: float64 (batch, 24, 3), in the data's own units",
    ):
        assert line in page.splitlines()


def test_the_page_says_how_the_model_was_made_and_how_to_make_it_again(tmp_path):
    training = {"epochs": 3, "learning_rate": 0.0005, "gradient_clip": None}
    made = {"method": "fine-tuned", "structure": "2:4", "scope": "layer", "density_asked": 0.5, "seed": 7}
    made |= {"device": "cpu", "version_torch": "2.13.0"}
    origin = made | {"key": "0a1b", "training": [training, training | {"epochs": 1}]}
    pages = {}
    for name, protocol in (
        ("known", origin),
        ("longer", origin | {"method": "dense longer", "density_asked": 1.0}),
        ("unknown", {}),
    ):
        about = ABOUT.model_copy(update={"protocol": protocol})
        export_onnx(tiny("DLinear"), tmp_path / f"{name}.onnx", "scaled", about=about)
        pages[name] = (tmp_path / f"{name}.md").read_text()
    for line in (
        "| made by | fine-tuned: structure 2:4, scope layer, density asked 0.5 |",
        "| seed | 7 |",
        "| training 1 | epochs 3, learning rate 0.0005 |",
        "| training 2 | epochs 1, learning rate 0.0005 |",
        "| made with | torch 2.13.0, on cpu |",
    ):
        assert line in pages["known"].splitlines()
    assert "`tsprune export 0a1b known.onnx --units scaled`" in pages["known"]
    assert "(0.25 before pruning)" in pages["known"] and "(0.25 before training 2)" in pages["longer"]
    assert "| made by | dense longer: density asked 1.0 |" in pages["longer"]
    assert "| made by | unknown |\n| seed | unknown |\n" in pages["unknown"] and "again" not in pages["unknown"]


def refused(tmp_path, model=None, file="x.onnx", units="real", **given):
    """The line that is said instead of an export; nothing is written."""
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError) as error:
        export_onnx(model or tiny("RepeatLast"), tmp_path / file, units, **{"about": ABOUT} | given)
    assert sorted(tmp_path.rglob("*")) == before
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_cannot_leave_is_told_before_anything_is_written(tmp_path):
    (tmp_path / "notes.md").write_text("mine")
    (tmp_path / "folder.onnx").mkdir()
    assert "no columns" not in refused(tmp_path, about=None)
    assert "does not say columns, mean and std" in refused(tmp_path, about=None)
    assert "c_out = 1; forecasts in the data's own units" in refused(tmp_path, tiny("Transformer", c_out=1))
    assert "unknown units 'reel'; did you mean 'real'?" in refused(tmp_path, units="reel")
    assert "torch.bfloat16; allowed are float32 and float64" in refused(tmp_path, tiny("DLinear").bfloat16())
    assert "it lacks some operators in float64: convert the model with model.float()" in refused(
        tmp_path, tiny("iTransformer").double()
    )
    assert "the weights are on meta; move them to the CPU: model.cpu()" in refused(tmp_path, tiny("DLinear").to("meta"))
    assert "ends in .onnx" in refused(tmp_path, file="x.safetensors")
    assert "there is no folder" in refused(tmp_path, file="none/x.onnx")
    assert "is a folder" in refused(tmp_path, file="folder.onnx")
    assert "notes.md is there and is not a model card" in refused(tmp_path, file="notes.onnx")


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_package_is_told_with_what_brings_it(package, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    assert refused(tmp_path).startswith(f"{package} is not installed; pip install 'tsprune[deploy]'")


def test_other_numbers_than_pytorchs_are_not_written(tmp_path, monkeypatch):
    run = Session.run
    monkeypatch.setattr(Session, "run", lambda self, given: run(self, given) + 2e-5 * np.array(ABOUT.std))
    assert "differs from PyTorch's by 2.0e-05 at batch 1" in refused(tmp_path)


def test_an_operator_without_an_onnx_form_is_named(tmp_path):
    class Bessel(Forecaster):
        name = "Bessel"
        uses = ("x_enc",)

        def forecast(self, x_enc, x_mark_enc, x_dec, x_mark_dec):
            return torch.special.bessel_j0(x_enc[:, :8])

    model = Bessel(tiny("RepeatLast").config)
    said = refused(tmp_path, model)
    assert said == "Bessel cannot be exported: the operator prims.bessel_j0 has no ONNX form"


def test_a_full_disk_is_told_and_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(path, content):
        path.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert refused(tmp_path).endswith("x.onnx cannot be written: No space left on device")
