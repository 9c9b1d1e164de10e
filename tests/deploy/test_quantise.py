"""int8: what becomes of a file and what is said of it; and an exported file in the place of its model."""

import numpy as np
import onnx
import pandas as pd
import pytest
import torch

from tests.deploy.small import ABOUT, INTERVALS, frame, tiny
from tsprune.data import load_table, make_splits
from tsprune.deploy import quantise
from tsprune.deploy.export import export_onnx
from tsprune.deploy.in_place import InPlace
from tsprune.deploy.model_card import card_text
from tsprune.deploy.network import Bare
from tsprune.deploy.onnx_file import join, read_onnx
from tsprune.deploy.quantise import in_int8
from tsprune.deploy.session import Session
from tsprune.errors import UserError
from tsprune.measure import measure_latency, prediction_intervals
from tsprune.models import load_checkpoint
from tsprune.training import TrainConfig, evaluate


@pytest.fixture(scope="module")
def splits(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "rows.csv"
    frame(400).rename_axis("date").to_csv(path)
    return make_splits(load_table(str(path)), seq_len=24, label_len=12, pred_len=8)


def in_place(exported, file):
    card, content = read_onnx(exported / f"{file}.onnx")
    return InPlace(card, Session(content, file, threads=1)), content


@pytest.mark.parametrize("file", ["linear", "tcn"])  # the second reads the calendar
def test_a_file_stands_in_the_place_of_its_model_window_by_window(exported, splits, file):
    model, _ = load_checkpoint(exported / f"{file}.safetensors")
    served, _ = in_place(exported, file)
    wanted, found = (evaluate(each, splits.test, TrainConfig()) for each in (model, served))
    assert found.mse == pytest.approx(wanted.mse, rel=1e-5)
    torch.testing.assert_close(found.window_mse, wanted.window_mse, rtol=1e-4, atol=1e-6)


def test_a_bare_file_is_given_what_it_names(tmp_path, splits):
    model = tiny("TCN")
    export_onnx(model, tmp_path / "x.onnx", "scaled")
    card, content = read_onnx(tmp_path / "x.onnx")
    served = InPlace(card, Session(content, "x", threads=1))
    given = splits.test.batch(torch.arange(5))[:4]
    with torch.no_grad():
        torch.testing.assert_close(served(*given), model(*given), rtol=1e-4, atol=1e-5)


def test_a_model_that_is_timed_bare_stays_in_evaluation():
    model = tiny("DLinear")
    network = Bare(model)
    measure_latency({"bare": (network, network.example(1))}, [1], repeats=1)
    assert not model.training and not network.training


def test_int8_is_tested_and_timed_beside_float32_and_has_intervals_of_its_own(exported, splits):
    served, content = in_place(exported, "linear")
    card = served.card.model_copy(update={"intervals": INTERVALS})
    inputs = served.arrays(*splits.test.batch(torch.arange(32))[:4])
    some = splits.test.subset(torch.arange(0, len(splits.test), 5))
    small, found = in_int8(
        content, card, lambda batch: {name: each[:batch] for name, each in inputs.items()}, splits, some
    )
    quantised = InPlace(found, Session(small, "int8", threads=1))
    scores = evaluate(quantised, some, TrainConfig())
    assert found.weights == "int8"  # what is multiplied is rounded by the batch, so its size is in the fourth digit
    assert found.after == pytest.approx({"mse": scores.mse, "mae": scores.mae}, rel=1e-3)
    assert found.intervals == prediction_intervals(quantised, splits) and found.intervals != INTERVALS
    assert found.unquantised.errors == ABOUT.after and found.unquantised.bytes == len(join(content, card))
    told = found.unquantised
    assert {*told.speedup, *told.untimed} == {"1", "32"} and not told.speedup.keys() & told.untimed.keys()
    assert all(low <= middle <= high for middle, low, high in found.unquantised.speedup.values())
    with torch.no_grad():
        given = splits.test.batch(torch.arange(32))[:4]
        difference = (quantised(*given) - served(*given)).abs().max().item()
    assert 0 < found.difference < 0.05 and found.difference >= 0.999 * difference  # of one window it may be larger
    weights = [onnx.numpy_helper.to_array(t) for t in onnx.ModelProto.FromString(small).graph.initializer]
    # The moving average, and what seasonal and trend have in common as long as they are untrained.
    rounded = [w for w in weights if w.dtype == np.int8 and w.ndim == 2]
    assert [w.shape for w in rounded] == [(24, 24), (24, 8)]
    assert all(np.abs(w.astype(int)).max() <= 64 for w in rounded), "a sum of two products must fit into 16 bits"


def test_of_times_that_are_not_to_be_trusted_a_card_says_why_and_no_speedup(exported, splits, monkeypatch):
    served, content = in_place(exported, "linear")
    inputs = served.arrays(*splits.test.batch(torch.arange(32))[:4])
    table = pd.DataFrame({"variant": "int8", "batch": [1, 32], "speedup": 1.2, "speedup_p5": 1.1, "speedup_p95": 1.3})
    table["trouble"] = [None, "not measurable here: 2 cores, 1.8 of them busy"]
    monkeypatch.setattr(quantise, "measure_latency", lambda *given, **how: table)
    _, card = in_int8(content, served.card, lambda batch: {name: each[:batch] for name, each in inputs.items()})
    page = card_text(card, "x.onnx", 100, {})
    assert "| speed beside float32, batch 1 | 1.20 times as fast" in page
    assert "| speed beside float32, batch 32 | not measurable here: 2 cores, 1.8 of them busy |" in page


def test_without_data_an_int8_file_claims_no_error_and_its_card_says_so(tmp_path):
    about = ABOUT.model_copy(update={"intervals": INTERVALS})
    card = export_onnx(tiny("DLinear"), tmp_path / "x.onnx", about=about, int8=True)
    assert read_onnx(tmp_path / "x.onnx")[0] == card and card.after == {} and card.intervals is None
    page = (tmp_path / "x.md").read_text()
    assert (
        "| weights | int8 |" in page and "| test MSE in float32 | 0.3; int8 was not tested: no data was given |" in page
    )
    assert "| speed beside float32, batch 32 | " in page and "| largest difference from the float32 file | " in page


def test_what_has_no_product_to_quantise_is_refused_and_nothing_is_written(tmp_path):
    for model in (tiny("RepeatLast"), tiny("DLinear").double()):
        with pytest.raises(UserError, match="in int8: it has no matrix product with float32 weights"):
            export_onnx(model, tmp_path / "x.onnx", about=ABOUT, int8=True)
    assert list(tmp_path.iterdir()) == []
