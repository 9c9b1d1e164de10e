"""The engine of sparse training and its methods: exact counts, zeros that stay, decisions, and going on bit for bit."""

import copy
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tests.models.small import example, small_model
from tsprune.errors import UserError
from tsprune.models import list_models
from tsprune.pruners import prunable_weights
from tsprune.pruners.allocation import erdos_renyi
from tsprune.pruners.dynamic import Sparsity
from tsprune.pruners.methods import METHODS, list_methods, make_method
from tsprune.pruners.pals import PALS

FAST = {"every": 2, "until": 0.7}


def tiny() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 10), nn.LayerNorm(10), nn.ReLU(), nn.Linear(10, 4))


class Loop:
    """A training on random batches that can be stopped and gone on with."""

    def __init__(self, model, method, steps=12, optimizer=torch.optim.Adam, signal=None, inputs=None, bfloat16=False):
        self.model, self.inputs, self.bfloat16 = model, inputs, bfloat16
        self.optimizer = optimizer(model.parameters(), lr=0.01)
        self.sparsity = Sparsity(method, steps=steps, seed=3, signal=signal)
        self.sparsity.attach(model, self.optimizer)
        self.data = torch.Generator().manual_seed(1)

    def run(self, steps, check=None):
        for _ in range(steps):
            x = self.inputs or [torch.randn(8, 6, generator=self.data)]
            with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
                forecast = self.model(*x)
            loss = (forecast.float() - 1).square().mean()
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.sparsity.after_step(loss.detach())
            self.consistent()
            if check:
                check(self.sparsity)
        return self

    def consistent(self):
        """Counts are what the masks say, weights outside are zero, everything else is untouched by masks."""
        s = self.sparsity
        assert s.kept == [int(mask.sum()) for mask in s.masks]
        assert min(s.kept) >= 1
        assert set(s.names) == set(prunable_weights(self.model))
        for weight, mask in zip(s.weights, s.masks, strict=True):
            assert (weight[~mask] == 0).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("model", list_models(trainable=True))
def test_every_method_trains_every_forecaster(method, model):
    """Each method and each model with Adam and with SGD, in float32 and in bfloat16."""
    number = list(METHODS).index(method) + list_models(trainable=True).index(model)
    forecaster = small_model(model).train()
    loop = Loop(
        forecaster,
        make_method(method, **FAST),
        steps=6,
        optimizer=(torch.optim.Adam, torch.optim.SGD)[number % 2],
        inputs=list(example(forecaster)),
        bfloat16=number // 2 % 2 == 1,
    )
    dense = {n: p.detach().clone() for n, p in forecaster.named_parameters() if p.dim() < 2}
    loop.run(6)
    assert all((p != 0).any() or not dense[n].any() for n, p in forecaster.named_parameters() if p.dim() < 2)
    assert len(loop.sparsity.log) == (2 if METHODS[method].updates else 0)
    if method in list_methods(asks_density=True):
        rounding = len(loop.sparsity.sizes) / sum(loop.sparsity.sizes)
        assert loop.sparsity.sparsity() == pytest.approx(1 - loop.sparsity.method.density, abs=rounding)


def test_the_methods_that_are_told_a_density_are_listed():
    assert list_methods() == list(METHODS)
    assert list_methods(asks_density=False) == ["dense", "pals"]
    assert all("density" in METHODS[name].model_fields for name in list_methods(asks_density=True))


@pytest.mark.parametrize("optimizer", [torch.optim.Adam, torch.optim.SGD])
@pytest.mark.parametrize("method", METHODS)
def test_an_interrupted_training_goes_on_bit_for_bit(method, optimizer):
    def make():
        return Loop(tiny(), make_method(method, every=3), steps=20, optimizer=optimizer)

    whole = make().run(20)
    first, second = make().run(8), make()
    saved = copy.deepcopy(
        (first.model.state_dict(), first.optimizer.state_dict(), first.sparsity.state_dict(), first.data.get_state())
    )
    second.model.load_state_dict(saved[0])
    second.optimizer.load_state_dict(saved[1])
    second.sparsity.load_state_dict(saved[2])
    second.data.set_state(saved[3])
    second.run(12)
    for a, b in zip(whole.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert whole.sparsity.log == second.sparsity.log
    assert all(torch.equal(a, b) for a, b in zip(whole.sparsity.masks, second.sparsity.masks, strict=True))


def test_the_starting_mask_is_denser_in_small_layers_and_right_in_sum():
    shapes = [(512, 512), (512, 7, 3), (7, 512), (2048, 512)]
    for density in (0.5, 0.2, 0.1):
        counts = erdos_renyi(shapes, density)
        sizes = [math.prod(s) for s in shapes]
        assert abs(sum(counts) - density * sum(sizes)) <= len(shapes)
        shares = [c / s for c, s in zip(counts, sizes, strict=True)]
        assert shares[1] >= shares[0] >= shares[3] and max(shares) <= 1
        ratio = (512 + 512) / 512**2 / ((2048 + 512) / (2048 * 512))
        assert shares[0] / shares[3] == pytest.approx(ratio, rel=1e-3)
    with pytest.raises(UserError, match="density = 0"):
        erdos_renyi(shapes, 0.0)


# PALS ---------------------------------------------------------------------------------------------------------------

TABLE = [  # loss, sparsity, best loss, best sparsity -> paper, code
    (1.00, 0.50, 1.0, 0.5, "shrink", "shrink"),
    (1.10, 0.50, 1.0, 0.5, "shrink", "shrink"),  # exactly lambda times the best
    (1.11, 0.50, 1.0, 0.4, "expand", "expand"),
    (1.11, 0.50, 1.0, 0.5, "stable", "stable"),
    (1.11, 0.50, 1.0, 0.6, "stable", "stable"),
    (1.00, 0.90, 1.0, 0.5, "stable", "stable"),
    (1.11, 0.90, 1.0, 0.5, "expand", "expand"),
    (9.00, 0.19, 1.0, 0.1, "expand", "shrink"),  # the code's hidden lower bound
    (9.00, 0.20, 1.0, 0.1, "expand", "expand"),
    (5.00, 0.00, math.inf, 0.0, "shrink", "shrink"),  # the first look
]


@pytest.mark.parametrize(("loss", "now", "best", "at", "paper", "code"), TABLE)
def test_the_decision(loss, now, best, at, paper, code):
    assert PALS.variant("paper").decide(loss, now, best, at) == paper
    assert PALS.variant("code").decide(loss, now, best, at) == code


def test_without_expanding_the_model_stays():
    assert PALS.variant("paper", expands=False).decide(1.11, 0.5, 1.0, 0.4) == "stable"


@given(st.integers(1, 10_000), st.floats(0.005, 0.5), st.floats(1.01, 1.5))
@settings(deadline=None)
def test_counts_move_the_way_the_decision_says(kept, zeta, gamma):
    method = PALS(gamma=gamma)
    for decision, sign in (("shrink", -1), ("stable", 0), ("expand", 1)):
        remove, grow = method.counts(decision, kept, zeta)
        assert 0 <= remove < kept
        assert (grow - remove) * sign >= 0 and (sign or grow == remove)


def test_always_shrinking_thins_every_layer_alike():
    """Thirty updates at zeta 0.5 and gamma 1.1 leave 0.95^30 = 21.5 % of every tensor, whatever its shape."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 400), nn.Linear(400, 90), nn.Linear(90, 40))
    method = PALS.variant("code", every=1, zeta=0.5, zeta_end=0.5, until=1.0, max_sparsity=1.0)
    loop = Loop(model, method, steps=30, signal=lambda: 1.0).run(30)
    assert {r["decision"] for r in loop.sparsity.log} == {"shrink"}
    for kept, size in zip(loop.sparsity.kept, loop.sparsity.sizes, strict=True):
        assert kept / size == pytest.approx(0.95**30, abs=0.01)


def test_from_dense_the_code_removes_small_weights_of_small_gradient_and_changes_no_other():
    """What is removed and grown at once keeps its value; as the paper describes it, it starts at zero."""
    for variant, kept_value in (("code", True), ("paper", False)):
        loop = Loop(tiny(), PALS.variant(variant, every=1, until=1.0), steps=4, signal=lambda: 1.0)
        seen = {}

        def spy(grown, counts, s=loop.sparsity, seen=seen):
            seen.setdefault("before", [w.detach().clone() for w in s.weights])
            seen.setdefault("grown", grown)
            Sparsity._add(s, grown, counts)

        loop.sparsity._add = spy
        loop.run(1)
        for weight, before, grown in zip(loop.sparsity.weights, seen["before"], seen["grown"], strict=True):
            assert grown.any()
            assert torch.equal(weight[grown], before[grown] if kept_value else torch.zeros_like(before[grown]))


def test_every_update_is_logged_and_the_best_is_that_of_earlier_updates():
    losses = iter([5.0, 4.0, 9.0, 4.2, 3.0])
    loop = Loop(tiny(), PALS.variant("paper", every=2), steps=10, signal=lambda: next(losses)).run(10)
    log = loop.sparsity.log
    assert [r["step"] for r in log] == [2, 4, 6, 8, 10]
    assert [r["decision"] for r in log] == ["shrink", "shrink", "expand", "shrink", "shrink"]
    assert [r["best_loss"] for r in log] == [math.inf, 5.0, 4.0, 4.0, 4.0]
    assert log[2]["best_sparsity"] == log[1]["counted"]
    assert all(len(r["removed"]) == len(r["grown"]) == len(loop.sparsity.names) for r in log)


@pytest.mark.parametrize("new", ["zero", "random"])
@pytest.mark.parametrize("regrown", ["keep", "zero", "random"])
def test_values_are_drawn_for_the_weights_that_the_fields_say(new, regrown):
    loop = Loop(tiny(), make_method("set", density=0.5, regrown=regrown, new=new, removal="magnitude", **FAST))
    for weight in loop.sparsity.weights:
        weight.data.fill_(1)  # a value that is neither drawn nor zero
    loop.sparsity.hold()
    loop.sparsity.step = 2
    before = [mask.clone() for mask in loop.sparsity.masks]
    loop.sparsity._before, loop.sparsity.log = before, [{"removed": None, "grown": None}]
    loop.sparsity.exchange([k - 1 for k in loop.sparsity.kept], [k - 1 for k in loop.sparsity.kept], "random")
    kinds = {"keep": lambda w: w == 1, "zero": lambda w: w == 0, "random": lambda w: (w != 0) & (w != 1)}
    for weight, old, mask in zip(loop.sparsity.weights, before, loop.sparsity.masks, strict=True):
        assert (mask & ~old).any() and (mask & old).sum() > 1
        assert kinds[new](weight[mask & ~old]).all()
        # the one that was not removed kept its value
        assert kinds[regrown](weight[mask & old]).sum() >= (mask & old).sum() - 1


def test_a_layer_without_a_gradient_only_loses_and_is_named():
    class Dead(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.used, self.unused = nn.Linear(6, 10), nn.Linear(6, 10)

        def forward(self, x):
            return self.used(x)

    for scope in ("layer", "global"):
        loop = Loop(Dead(), PALS.variant("code", every=1, scope=scope), steps=8, signal=lambda: 1.0).run(4)
        assert all(r["no_gradient"] == ["unused.weight"] for r in loop.sparsity.log)
        assert all(r["grown"][1] == 0 for r in loop.sparsity.log)
        assert loop.sparsity.kept[1] < 60


def test_a_global_ranking_moves_weights_between_layers():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 50), nn.Linear(50, 4))
    with torch.no_grad():
        model[0].weight.mul_(0.01)
    loop = Loop(model, PALS.variant("code", every=1, scope="global", zeta_end=0.5), steps=9, signal=lambda: 1.0).run(6)
    shares = [k / s for k, s in zip(loop.sparsity.kept, loop.sparsity.sizes, strict=True)]
    assert abs(shares[0] - shares[1]) > 0.2
    planned = loop.sparsity.log[-1]
    assert sum(planned["removed"]) > sum(planned["grown"]) > 0


def test_counting_all_parameters_makes_a_dense_model_look_sparse():
    loop = Loop(tiny(), make_method("dense"), steps=1)
    assert loop.sparsity.sparsity() == 0
    assert loop.sparsity.sparsity("all") == pytest.approx(1 - 100 / 134)


def test_what_counts_as_sparsity_decides_whether_the_cap_is_reached():
    """A model of 74.6 % prunable weights, 40 % of them removed: 0.4 of them, 0.55 of all parameters."""
    for counted, now, decision in (("prunable", 0.4, "shrink"), ("all", 1 - 60 / 134, "stable")):
        method = PALS.variant("code", every=1, density=0.6, max_sparsity=0.5, counted=counted)
        loop = Loop(tiny(), method, steps=4, signal=lambda: 1.0)
        assert sum(loop.sparsity.started_with) == 60 and loop.sparsity.memory == {}
        (record, *_) = loop.run(2).sparsity.log
        assert record["counted"] == pytest.approx(now) and record["decision"] == decision
        assert record["best_sparsity"] == pytest.approx(0.4), "before any update: what the random mask left out"


def test_without_a_signal_the_training_loss_decides():
    loop = Loop(tiny(), PALS.variant("paper", every=2), steps=10).run(10)
    losses = [r["loss"] for r in loop.sparsity.log]
    assert all(math.isfinite(x) for x in losses) and losses[-1] < losses[0]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: make_method("pal"), "pals"),
        (lambda: make_method("pals", gama=1.1), "gamma"),
        (lambda: PALS.variant("papers"), "paper"),
        (lambda: Sparsity(make_method("gmp", every=50), steps=10), "no update falls within the first 0.7 of 10 steps"),
        (lambda: Sparsity(make_method("gmp"), steps=0), "steps = 0"),
        (lambda: Loop(nn.LayerNorm(6), make_method("gmp"), steps=100), "no weight to prune"),
    ],
)
def test_bad_input_is_a_clear_line(make, says):
    with pytest.raises(UserError, match=says):
        make()
