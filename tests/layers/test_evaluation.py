import pytest
import torch
from torch import nn

from tsprune.data import Windows
from tsprune.layers import evaluation
from tsprune.measure import measure_latency
from tsprune.pruners import score_weights
from tsprune.training import TrainConfig, evaluate


def partly_frozen():
    """In training, but for its batch norm, which its owner holds in evaluation."""
    model = nn.Sequential(nn.Conv1d(2, 4, 1), nn.BatchNorm1d(4), nn.Conv1d(4, 2, 1)).train()
    model[1].eval()
    return model


X = torch.randn(2, 2, 8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "use",
    [
        lambda model: score_weights("taylor", model, [([X], X)]),
        lambda model: score_weights("wanda", model, [([X], X)]),
        lambda model: measure_latency({"own": (model, [X])}, [1], repeats=1),
    ],
    ids=["gradients", "inputs", "latency"],
)
def test_every_part_of_a_model_is_in_its_own_mode_again(use):
    model = partly_frozen()
    use(model)
    assert [module.training for module in model.modules()] == [True, True, False, True]


def test_so_it_is_after_an_evaluation_and_after_an_error():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.inside = partly_frozen()

        def forward(self, x, *_):
            assert not any(module.training for module in self.modules())
            return self.inside(x.mT).mT

    sizes, model = {"seq_len": 8, "label_len": 0, "pred_len": 8}, Own()
    evaluate(model, Windows(torch.zeros(16, 2), torch.zeros(16, 1), torch.tensor([0]), **sizes), TrainConfig())
    with pytest.raises(ZeroDivisionError), evaluation(model):
        _ = 1 / 0
    assert [module.training for module in model.modules()] == [True, True, True, False, True]
