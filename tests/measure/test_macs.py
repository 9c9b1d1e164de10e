"""Multiply-adds against hand counts, closed formulas and torch's own counter."""

import json
import math
import subprocess
import sys
from collections import Counter

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from tests.models import golden
from tests.models.small import example, small_model
from tsprune.errors import UserError
from tsprune.layers import plain_attention
from tsprune.layers.probsparse import logarithmic
from tsprune.measure import count_macs, live_parameters
from tsprune.measure.macs import einsum_macs
from tsprune.models import create_model, list_models
from tsprune.models.base import INPUTS
from tsprune.pruners import magnitude_masks

every_model = pytest.mark.parametrize("name", list_models())
trainable_model = pytest.mark.parametrize("name", list_models(trainable=True))


def torch_macs(model, inputs):
    """torch counts two per multiply-add, misses fused attention and oneDNN's LSTM, and needs gradients enabled."""
    with plain_attention(model), torch.backends.mkldnn.flags(enabled=False), FlopCounterMode(display=False) as counter:
        model(*inputs)
    return counter.get_total_flops() / 2


def function(f):
    """A model of one call."""

    class Model(nn.Module):
        def forward(self, *inputs):
            return f(*inputs)

    return Model()


def by_module(report) -> Counter:
    """Multiply-adds of each module with all it owns."""
    total: Counter[str] = Counter()
    for operation in report.operations:
        parts = operation.module.split(".")
        for end in range(1, len(parts) + 1):
            total[".".join(parts[:end])] += operation.macs
    return total


def by_kind(report) -> Counter:
    """Multiply-adds of each kind of operation."""
    total: Counter[str] = Counter()
    for operation in report.operations:
        total[operation.kind] += operation.macs
    return total


@every_model
@pytest.mark.filterwarnings("ignore:TF32 acceleration")
def test_equals_torchs_counter(name):
    model = small_model(name, d_model=16, e_layers=2, d_layers=2).eval()
    assert count_macs(model, example(model)).macs_executed == torch_macs(model, example(model, 1))


@every_model
@pytest.mark.parametrize("changes", [{}, {"seq_len": 23, "label_len": 11, "pred_len": 13, "d_layers": 2}])
def test_nothing_is_unsupported(name, changes):
    model = small_model(name, **changes)
    report = count_macs(model, example(model))
    assert report.unsupported == {} and model.training
    assert bool(report.operations) == model.trainable
    if model.trainable:
        assert "constant" not in by_kind(report)
        assert sum(report.elements.values()) > 0
        assert {operation.module for operation in report.operations} <= {name for name, _ in model.named_modules()}


@trainable_model
def test_is_per_window_and_the_same_fused_or_plain_and_without_unused_inputs(name):
    model = small_model(name, d_model=16, e_layers=1, d_layers=1)
    one, many = count_macs(model, example(model, 1)), count_macs(model, example(model, 5))
    used = [x if key in model.uses else None for key, x in zip(INPUTS, example(model), strict=True)]
    with plain_attention(model):
        plain = count_macs(model, used)
    assert by_kind(one) == by_kind(many) == by_kind(plain)
    assert by_module(one) == by_module(many) == by_module(plain)


def test_transformer_equals_the_closed_formulas():
    c = {"enc_in": 7, "d_model": 16, "d_ff": 24, "seq_len": 24, "label_len": 12, "pred_len": 18, "n_heads": 2}
    model = create_model("Transformer", e_layers=2, d_layers=1, **c)
    d, ff, enc, dec = c["d_model"], c["d_ff"], c["seq_len"], c["label_len"] + c["pred_len"]
    out = c["pred_len"]  # the only decoder layer attends to all steps, but computes those of the horizon
    embedding = (enc + dec) * (3 * 7 * d + 4 * d)
    feed_forward = (2 * enc + out) * 2 * d * ff
    projections = 2 * enc * 4 * d * d + (2 * out + 2 * dec) * d * d + (2 * out + 2 * enc) * d * d  # self, self, cross
    linear = embedding + feed_forward + projections + c["pred_len"] * d * 7  # only the horizon is projected
    attention = 2 * d * (2 * enc * enc + out * dec + out * enc)
    report = count_macs(model, example(model))
    assert by_kind(report) == {"linear": linear, "attention": attention}
    modules = by_module(report)
    assert modules["projection"] == c["pred_len"] * d * 7
    assert modules["encoder.layers.0.feed_forward"] == 2 * enc * d * ff
    assert modules["decoder.layers.0.cross_attention"] == (2 * out + 2 * enc) * d * d + 2 * out * enc * d


def test_informer_autoformer_and_fedformer_equal_the_formulas_of_what_runs():
    c = {"d_model": 16, "e_layers": 1, "d_layers": 1, "d_ff": 12, "distil": False}
    enc, dec, d = 24, 30, 16

    model = small_model("Informer", **c)
    expected = 0
    for q, k in ((enc, enc), (dec, dec), (dec, enc)):
        # All scores (sampling by one product and a gather), then scores and values of the selected queries.
        expected += q * k * d + 2 * logarithmic(q, model.config.factor) * k * d
    assert by_kind(count_macs(model, example(model)))["ProbSparse attention"] == expected

    model = small_model("Autoformer", **c)
    kinds = by_kind(count_macs(model, example(model)))
    assert kinds["auto-correlation"] == 2 * d * (enc * enc + dec * dec + dec * enc)  # K Q^T, circulant times V
    assert kinds["decomposition"] == enc * enc * 3 + 2 * enc * enc * d + 3 * dec * dec * d

    model = small_model("FEDformer", n_heads=2, modes=4, **c)
    head = d // 2
    block = 2 * 4 * d * (enc + enc) + 4 * 2 * 4 * head**2, 2 * 4 * d * (dec + dec) + 4 * 2 * 4 * head**2
    # To the modes and back, scores and values between modes (two complex products of 4 x 4 x d), complex weights.
    cross = 2 * 4 * d * (dec + enc + dec) + 2 * 4 * 4 * 4 * d + 4 * 2 * 4 * head**2
    assert by_kind(count_macs(model, example(model)))["Fourier"] == sum(block) + cross


COUNTS = json.loads((golden.FOLDER / "param_counts.json").read_text())
LABEL = 48 * 512 * (4 * 512 + 2 * (144 + 96) + 2 * 2048 + 7)
SAVED = {
    "Transformer": LABEL,  # the last decoder layer computes no output for the label part: see below
    "Nonstationary_Transformer": LABEL,
    "iTransformer": 4 * 512 * 96,  # nor are the tokens of the calendar
    "PatchTST": 0,
    "Crossformer": 0,
    "DLinear": -96 * 96 * 7,  # the moving average is a product here
}
"""What the reference computes more than we do, in multiply-adds of products. LABEL: for 48 steps, query and output
projections of two attentions, their products with 144 and 96 keys, the feed-forward block, the output layer."""


@pytest.mark.parametrize("name", SAVED)
def test_published_size_against_the_references_count(name):
    config = {key: value for key, value in COUNTS["config"].items() if not isinstance(value, dict)}
    model = create_model(name, **config | COUNTS["config"].get(name, {}))
    reference = COUNTS["models"][name]["7"]["96"]["flops"] // 2
    assert count_macs(model, example(model, 1)).macs_executed == reference - SAVED[name]


@trainable_model
def test_masked_weights_count_with_their_density(name):
    model = small_model(name, d_model=16)
    masks = magnitude_masks(model, 0.25, "global")
    report = count_macs(model, example(model), masks)
    dense = count_macs(model, example(model))
    assert report.macs_executed == dense.macs_executed and dense.macs_if_zeros_skipped is None
    by_hand = 0
    for operation in dense.operations:
        kept = sum(int(masks[weight].sum()) for weight in operation.weights)
        size = sum(masks[weight].numel() for weight in operation.weights)
        by_hand += operation.macs * (kept / size if size else 1)
    assert report.macs_if_zeros_skipped == round(by_hand) < dense.macs_executed
    assert report == dense.with_masks(masks)
    used = {name for operation in report.operations for name in operation.weights}
    assert all("positions" in weight or "routers" in weight for weight in masks.keys() - used)
    everything = dense.with_masks({n: torch.zeros_like(mask) for n, mask in masks.items()})
    weightless = sum(operation.macs for operation in dense.operations if not operation.weights)
    assert everything.macs_if_zeros_skipped == weightless


@pytest.mark.parametrize("count", [count_macs, lambda model, x, masks: live_parameters(model, x, masks=masks)])
def test_masks_that_do_not_fit_are_refused_and_counted_by_nobody(count):
    model = small_model("DLinear")
    shape, other = model.trend.weight.shape, (2, 2)
    for mask, found in (
        (torch.ones(other, dtype=torch.bool), r"torch.bool \(2, 2\)"),
        (torch.ones(shape), "torch.float32"),
        (None, "a NoneType"),
    ):
        with pytest.raises(UserError, match=f"^mask of 'trend.weight': expected .*, found {found}"):
            count(model, example(model), {"trend.weight": mask})


def test_mask_of_an_unknown_weight():
    model = small_model("DLinear")
    with pytest.raises(UserError, match=r"trend\.weigth.*trend\.weight"):
        count_macs(model, example(model), {"trend.weigth": torch.ones(1, dtype=torch.bool)})


def test_tied_and_shared_weights():
    model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
    model[1].weight = model[0].weight
    report = count_macs(model, (torch.randn(2, 3, 4),), {"0.weight": torch.eye(4, dtype=torch.bool)})
    assert report.macs_executed == 2 * 3 * 16 and report.macs_if_zeros_skipped == 2 * 3 * 4
    assert [operation.weights for operation in report.operations] == [("0.weight",), ("0.weight",)]


def test_a_product_of_activations_made_from_parameters_alone_stays_dense():
    class Queries(nn.Module):
        def __init__(self):
            super().__init__()
            self.start = nn.Parameter(torch.randn(5, 4))
            self.key = nn.Linear(4, 4, bias=False)

        def forward(self, x):
            return self.key(self.start).softmax(-1) @ x.transpose(1, 2)

    report = count_macs(Queries(), (torch.randn(1, 3, 4),), {"key.weight": torch.zeros(4, 4, dtype=torch.bool)})
    assert [(o.kind, o.weights) for o in report.operations] == [("linear", ("key.weight",)), ("attention", ())]
    assert report.macs_if_zeros_skipped == 5 * 4 * 3


x, y = torch.randn(1, 6, 8), torch.randn(1, 8, 5)


@pytest.mark.parametrize(
    ("call", "inputs", "macs"),
    [
        (torch.matmul, (x, y), 6 * 8 * 5),
        (torch.bmm, (x, y), 6 * 8 * 5),
        (lambda a: torch.ones(6, 6) @ a, (x.expand(1, 6, 8),), 6 * 6 * 8),
        (lambda a, b: torch.einsum("bij,bjk->bik", a, b), (x, y), 6 * 8 * 5),
        (lambda a: torch.einsum("bij,bkj,bkl->bil", a, a, a), (x,), 6 * 6 * 8 * 2),
        (lambda a, b: torch.baddbmm(torch.ones(1, 6, 5), a, b), (x, y), 6 * 8 * 5),
        (lambda a: torch.addbmm(torch.ones(6, 6), a[0].expand(3, 6, 8), torch.ones(3, 8, 6)), (x,), 3 * 6 * 8 * 6),
        (lambda a: F.scaled_dot_product_attention(a, a, a, is_causal=True), (x,), 2 * 6 * 6 * 8),
        (lambda a: torch.fft.irfft(torch.fft.rfft(a, dim=-1), dim=-1), (x,), 2 * 6 * round(2.5 * 8 * 3 / 2)),
        (lambda a: torch.fft.rfft(a, dim=1), (x,), round(2.5 * 8 * 6 * math.log2(6) / 2)),
        (lambda a: torch.fft.rfft(a, n=16, dim=-1), (x,), 6 * round(2.5 * 16 * 4 / 2)),
        (lambda a: torch.fft.fft(a, n=4, dim=-1), (x,), 6 * round(5 * 4 * 2 / 2)),
        (lambda a: torch.complex(a, a).transpose(1, 2) @ torch.complex(a, a), (x,), 4 * 8 * 8 * 6),
        (lambda a: F.conv1d(a, torch.ones(4, 6, 3)), (x,), 6 * 4 * 6 * 3),
        (lambda a: F.conv1d(a, torch.ones(6, 2, 3), groups=3), (x,), 6 * 6 * 2 * 3),
        (lambda a: F.conv_transpose1d(a, torch.ones(6, 2, 3)), (x,), 8 * 6 * 2 * 3),
        (lambda a: a.relu() + a.softmax(-1), (x,), 0),
    ],
)
def test_operators_by_hand(call, inputs, macs):
    report = count_macs(function(call), inputs)
    assert report.unsupported == {}
    assert report.macs_executed == macs


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_layers_by_hand(kind):
    gates = {nn.LSTM: 4, nn.GRU: 3, nn.RNN: 1}[kind]
    model = kind(8, 5, num_layers=2, batch_first=True)
    report = count_macs(model, (x,), {"weight_hh_l0": torch.zeros_like(model.weight_hh_l0, dtype=torch.bool)})
    assert report.macs_if_zeros_skipped == report.macs_executed - 6 * gates * 5 * 5
    assert report.macs_executed == 6 * gates * (8 * 5 + 3 * 5 * 5)
    assert by_kind(report) == {"recurrent": report.macs_executed}


def test_what_is_not_known_is_named():
    report = count_macs(function(lambda a: torch.cdist(a, a)), (x,))
    assert report.macs_executed == 0 and list(report.unsupported) == ["aten::cdist"]


def test_einsum():
    assert einsum_macs("ij,jk", [(2, 3), (3, 4)]) == einsum_macs("ij, jk -> ik", [(2, 3), (3, 4)]) == 24
    assert einsum_macs("bhex,heox->bhox", [(1, 2, 4, 3), (2, 4, 4, 3)]) == 2 * 4 * 4 * 3
    with pytest.raises(UserError, match="ellipsis"):
        einsum_macs("...i,ij->...j", [(2, 3), (3, 4)])


def test_a_failing_model_keeps_no_hooks():
    model = nn.Sequential(nn.Linear(3, 3))
    with pytest.raises(RuntimeError):
        count_macs(model, (torch.randn(1, 4),))
    assert not model[0]._forward_pre_hooks and not model[0]._forward_hooks


def test_a_warning_of_what_is_imported_for_a_count_stops_nobody_to_whom_warnings_are_errors():
    code = (
        "import torch; from tsprune.measure import count_macs\n"
        "print(count_macs(torch.nn.Linear(3, 2), (torch.zeros(1, 3),)).macs_executed)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning", "-c", code], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "6\n", "")
