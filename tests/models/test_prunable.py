"""torch-pruning can read the structure of every model, and what a pruner must know is declared."""

import pytest
import torch
import torch_pruning

from tests.models.small import example, small_model
from tsprune.layers import Attention, plain_attention
from tsprune.models import list_models

ROOTS = [torch.nn.Linear, torch.nn.Conv1d, torch.nn.LSTM]


@pytest.mark.timeout(60)
@pytest.mark.filterwarnings("ignore:Unwrapped parameters detected", "ignore:Maximum recursive depth")
@pytest.mark.parametrize("name", list_models(trainable=True))
@pytest.mark.parametrize("plain", [True, False])
def test_dependency_graph_is_built_and_walked(name, plain):
    model = small_model(name, e_layers=2).eval()
    if plain:
        with plain_attention(model):
            graph = torch_pruning.DependencyGraph().build_dependency(model, tuple(example(model, 2)))
    else:
        graph = torch_pruning.DependencyGraph().build_dependency(model, tuple(example(model, 2)))
    groups = list(graph.get_all_groups(ignored_layers=model.output_layers(), root_module_types=ROOTS))
    assert groups or all(
        module in model.output_layers() for module in model.modules() if list(module.parameters(False))
    )


@pytest.mark.filterwarnings("ignore:Unwrapped parameters detected", "ignore:Maximum recursive depth")
@pytest.mark.parametrize("name", list_models(trainable=True))
def test_feed_forward_blocks_shrink_and_the_model_still_runs(name):
    model = small_model(name).eval()
    graph = torch_pruning.DependencyGraph().build_dependency(model, tuple(example(model, 2)))
    for block in [m for m in model.modules() if type(m).__name__ == "FeedForward"]:
        group = graph.get_pruning_group(block.up, torch_pruning.prune_linear_out_channels, [0, 5])
        group.prune()
        assert block.up.out_features == block.down.in_features == 10
    assert model(*example(model)).isfinite().all()


@pytest.mark.parametrize("name", list_models(trainable=True))
def test_heads_are_declared(name):
    model = small_model(name)
    for layer in (m for m in model.modules() if isinstance(m, Attention)):
        assert layer.query.out_features == layer.n_heads * layer.head_dim == layer.out.in_features
