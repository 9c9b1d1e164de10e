"""What calibration batches say: inputs of every kind of layer against the layer's own product, and scores by hand."""

import pytest
import torch
from torch import nn

from tests.models.small import example, small_model
from tsprune.errors import UserError
from tsprune.layers.embedding import CircularTokens
from tsprune.models import list_models
from tsprune.pruners import nm_masks, prunable_weights, score_weights, select
from tsprune.pruners.calibration import layer_inputs, summed_gradients
from tsprune.pruners.initial import initial_masks


def only(layer, *batches):
    """The rows of each weight of ``layer``, called with each of ``batches``."""
    found = {}

    def visit(name, rows):
        found.setdefault(name, []).append(rows)

    left = layer_inputs(layer, [((x,), None) for x in batches], visit)
    return {name: torch.cat(rows) for name, rows in found.items()}, left


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Linear(3, 5, bias=False), (2, 7, 3)),
        (nn.Conv1d(3, 5, 2, bias=False), (2, 3, 7)),
        (nn.Conv1d(3, 5, 3, stride=2, padding=1, dilation=2, bias=False), (2, 3, 11)),
        (nn.Conv1d(3, 5, 3, padding=1, padding_mode="circular", bias=False), (2, 3, 7)),
        (CircularTokens(2, 5), (2, 7, 2)),
    ],
)
def test_rows_times_the_weight_are_what_the_layer_gives(layer, shape):
    x = torch.randn(*shape)
    rows, left = only(layer, x)
    product = rows["weight"] @ layer.weight.flatten(1).T
    expected = layer(x).transpose(1, 2) if isinstance(layer, nn.Conv1d) else layer(x)
    torch.testing.assert_close(product, expected.flatten(0, 1))
    assert left == {}


@pytest.mark.parametrize("batch_first", [True, False])
def test_the_gates_of_an_lstm_see_the_step_and_the_state_before_it(batch_first):
    layer = nn.LSTM(3, 4, batch_first=batch_first)
    x = torch.randn(2, 6, 3)
    rows, left = only(layer, x if batch_first else x.transpose(0, 1))
    gates = rows["weight_ih_l0"].view(2, 6, 3) if batch_first else rows["weight_ih_l0"].view(6, 2, 3).transpose(0, 1)
    assert torch.equal(gates, x)
    before = rows["weight_hh_l0"].view(2, 6, 4)
    states = layer(x if batch_first else x.transpose(0, 1))[0]
    states = states if batch_first else states.transpose(0, 1)
    assert (before[:, 0] == 0).all()
    torch.testing.assert_close(before[:, 1:], states[:, :-1])
    assert left == {}


def test_what_cannot_be_seen_has_a_reason():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.raw = nn.Parameter(torch.ones(3, 3))
            self.used, self.unused = nn.Linear(3, 3), nn.Linear(3, 3)
            self.deep = nn.LSTM(3, 3, num_layers=2)
            self.grouped = nn.Conv1d(3, 3, 1, groups=3)

        def forward(self, x):
            return self.deep(self.grouped(self.used(x @ self.raw).transpose(1, 2)).transpose(1, 2))[0]

    rows, left = only(Model(), torch.randn(2, 4, 3))
    assert list(rows) == ["used.weight"]
    assert left["raw"] == "not the weight of a Linear, Conv1d or LSTM but of Model"
    assert left["unused.weight"] == "no input reaches it"
    assert left["grouped.weight"] == "its Conv1d has groups, or a padding by name"
    assert all("several layers" in why for name, why in left.items() if name.startswith("deep"))
    assert rows.keys() | left.keys() == prunable_weights(Model()).keys()


@pytest.mark.parametrize("name", list_models(trainable=True))
def test_every_linear_convolution_and_lstm_of_a_forecaster_is_seen(name):
    model = small_model(name)
    left = layer_inputs(model, [(example(model), None)], lambda name, rows: None)
    assert all(why.startswith("not the weight of a Linear, Conv1d or LSTM but of") for why in left.values()), left


def test_batches_are_gone_through_one_at_a_time_and_there_must_be_one():
    layer = nn.Linear(2, 2)
    x = torch.randn(3, 2)
    assert torch.equal(only(layer, x[:1], x[1:])[0]["weight"], x)
    for call in (
        lambda: only(layer),
        lambda: summed_gradients(layer, [layer.weight], []),
        lambda: score_weights("synflow", layer, []),
    ):
        with pytest.raises(UserError, match="calibration has no batch"):
            call()
    with pytest.raises(UserError, match="score 'wanda' needs calibration"):
        score_weights("wanda", layer)


# Scores by hand -----------------------------------------------------------------------------------------------------


def layer_of(rows):
    layer = nn.Linear(len(rows[0]), len(rows), bias=False)
    layer.weight.data = torch.tensor(rows)
    return layer


def test_wanda_by_hand():
    """Inputs of norm 5, 1 and 0: a weight of 1 behind the first is worth more than one of 4 behind the second."""
    layer = layer_of([[1.0, -4.0, 9.0], [2.0, 1.0, 0.0]])
    x = torch.tensor([[3.0, 0.6, 0.0], [4.0, -0.8, 0.0]])
    score = score_weights("wanda", layer, [((x[:1],), None), ((x[1:],), None)]).scores["weight"]
    torch.testing.assert_close(score * 2**0.5, torch.tensor([[5.0, 4.0, 0.0], [10.0, 1.0, 0.0]]))
    by_output = select({"weight": score}, 2 / 6, "output")["weight"]
    assert by_output.tolist() == [[True, False, False], [True, False, False]]
    assert select({"weight": score}, 3 / 6, "output")["weight"].tolist() == [[True, True, False], [True, False, False]]


def test_taylor_and_snip_by_hand():
    """One output y = 2 x1 - x2, target 0, batches (1, 1) and (0, 2): dL/dw = 2 y x is (2, 2), then (0, -8)."""
    layer = layer_of([[2.0, -1.0]])
    batches = [((torch.tensor([x]),), torch.zeros(1, 1)) for x in ([1.0, 1.0], [0.0, 2.0])]
    assert score_weights("taylor", layer, batches).scores["weight"].tolist() == [[4.0, 6.0]]
    assert score_weights("snip", layer, batches).scores["weight"].tolist() == [[pytest.approx(0.4), pytest.approx(0.6)]]


def test_a_frozen_weight_has_no_gradient_and_one_without_effect_has_zero():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    model.unused = nn.Linear(2, 2)
    model.forward = lambda x: model[1](model[0](x))
    model[0].weight.requires_grad_(False)
    scores, left = score_weights("taylor", model, [((torch.ones(1, 2),), torch.zeros(1, 1))])
    assert left == {"0.weight": "it is frozen: it has no gradient"}
    assert (scores["unused.weight"] == 0).all() and (scores["1.weight"] > 0).all()


def test_synflow_by_hand():
    """Two layers, one input: through a hidden unit flows the product of its two weights, and both have it as score."""
    model = nn.Sequential(layer_of([[3.0], [-1.0]]), nn.LayerNorm(2), layer_of([[0.5, -2.0]]))
    scores = score_weights("synflow", model, [((torch.zeros(4, 1),), None)]).scores
    assert scores["0.weight"].tolist() == [[1.5], [2.0]] and scores["2.weight"].tolist() == [[1.5, 2.0]]


def test_synflow_prunes_in_rounds_and_cuts_no_layer_off():
    """In one round a wide layer would lose everything: its weights share the flow of a narrow one."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 200, bias=False), nn.Linear(200, 200, bias=False), nn.Linear(200, 2, bias=False))
    before = [p.detach().clone() for p in model.parameters()]
    batches, names = [((torch.zeros(1, 4),), None)], list(prunable_weights(model))
    at_once, in_rounds = (
        initial_masks(model, names, "synflow", 0.01, "global", rounds=rounds, calibration=batches)
        for rounds in (1, None)
    )
    assert sum(int(m.sum()) for m in in_rounds.values()) == round(0.01 * 41200)
    assert int(at_once["1.weight"].sum()) == 1 < int(in_rounds["1.weight"].sum())
    assert all(torch.equal(p, old) for p, old in zip(model.parameters(), before, strict=True))


def test_a_start_that_no_score_decides_is_refused_in_one_line():
    model = small_model("DLinear")
    with pytest.raises(
        UserError, match=r"'synflow' cannot choose a starting mask: 'seasonal.weight': no flow"
    ) as error:
        initial_masks(
            model, list(prunable_weights(model)), "synflow", 0.5, "global", calibration=[(example(model), None)]
        )
    assert "\n" not in str(error.value)


def test_n_of_m_by_an_input_score():
    layer = layer_of([[1.0, 2.0, 3.0, 4.0]])
    x = torch.tensor([[9.0, 4.0, 1.0, 1.0]])
    scores = score_weights("wanda", layer, [((x,), None)]).scores
    assert nm_masks(layer, scores=scores).masks["weight"].tolist() == [[True, True, False, False]]
