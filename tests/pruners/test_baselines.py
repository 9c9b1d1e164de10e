"""The rivals as their authors run them: an update of each worked by hand, and what it does over a whole training."""

import math

import pytest
import torch
from torch import nn

from tests.pruners.test_dynamic import Loop, tiny
from tsprune.errors import UserError
from tsprune.pruners.dynamic import Sparsity
from tsprune.pruners.initial import initial_masks
from tsprune.pruners.methods import list_methods, make_method
from tsprune.pruners.pals import PALS


class Row:
    """A layer of one row whose values, masks and gradients are given, so that an update can be worked by hand."""

    def __init__(self, method, values, mask, steps=10, lr=0.0, optimizer=torch.optim.Adam):
        self.layer = nn.Linear(len(values), 1, bias=False)
        self.optimizer = optimizer(self.layer.parameters(), lr=lr)
        self.sparsity = Sparsity(method, steps=steps, seed=0)
        self.sparsity.attach(self.layer, self.optimizer)
        self.layer.weight.data = torch.tensor([values])
        self.sparsity.set_masks({"weight": torch.tensor([mask]).bool()})

    def step(self, gradient):
        self.layer.weight.grad = torch.tensor([gradient])
        self.optimizer.step()
        self.sparsity.after_step(torch.tensor(1.0))
        return self

    @property
    def weights(self):
        return self.layer.weight.tolist()[0]

    @property
    def mask(self):
        return self.sparsity.masks[0].long().tolist()[0]

    def moment(self, name="exp_avg"):
        return self.optimizer.state[self.layer.weight][name][0]


def rigl(**fields):
    return make_method("rigl", **{"every": 2, "zeta": 0.5, "zeta_schedule": "constant", "density": 0.5} | fields)


PUBLISHED = {
    "rigl": {"zeta": 0.3, "zeta_end": 0, "zeta_over": "updates", "until": 25 / 32, "regrown": "keep", "new": "zero"}
    | {"reset_moments": True, "mask_gradients": True, "update_replaces_step": True, "distribution": "erk"},
    "set": {"zeta": 0.3, "zeta_schedule": "constant", "regrown": "random", "new": "random", "removal": "each sign"}
    | {"distribution": "erk", "until": 0.9},
    "granet": {"zeta": 0.5, "zeta_end": 0.005, "zeta_over": "training", "until": 1, "regrown": "keep", "new": "zero"}
    | {"scope": "global", "initial_density": 1, "target_at": 0.7, "update_replaces_step": False},
    "gmp": {"scope": "layer", "warm_up": 0},
    "gmp_global": {"scope": "global", "warm_up": 0},
    "static": {"score": "random", "distribution": "erk", "rounds": None},
    "one_shot": {"scope": "global"},
}


def test_a_rivals_defaults_are_the_published_ones():
    assert PUBLISHED.keys() <= set(list_methods(asks_density=True))
    for name, fields in PUBLISHED.items():
        assert fields.items() <= make_method(name).model_dump().items(), name


# RigL ---------------------------------------------------------------------------------------------------------------

VALUES, MASK = [6.0, -5.0, 1.0, 2.0, 0.0, 0.0], [1, 1, 1, 1, 0, 0]
GRADIENT = [0.0, 0.0, 0.9, 0.1, -0.5, 0.3]


def test_rigl_by_hand():
    """Half of four go: 1 and 2. Of the four that are missing then, the gradients 0.9 and -0.5 are largest: the one of 1
    comes back with its value, the one of 0.5 is new and zero."""
    row = Row(rigl(), VALUES, MASK).step(GRADIENT).step(GRADIENT)
    assert row.mask == [1, 1, 1, 0, 1, 0]
    assert row.weights == [6.0, -5.0, 1.0, 0.0, 0.0, 0.0]
    assert row.sparsity.log[0]["removed"] == row.sparsity.log[0]["grown"] == [2]


def test_a_weight_that_comes_back_at_once_starts_at_zero_if_asked():
    row = Row(rigl(regrown="zero"), VALUES, MASK).step(GRADIENT).step(GRADIENT)
    assert row.mask == [1, 1, 1, 0, 1, 0] and row.weights == [6.0, -5.0, 0.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, [1, 1, 1, 1, 0, 1]),  # the new one alone
        ({"regrown": "zero"}, [1, 1, 0, 1, 0, 1]),  # who starts at zero has no past
        ({"reset_moments": False}, [1, 1, 1, 1, 1, 1]),
    ],
)
def test_the_moments_of_new_weights_start_anew_and_no_others(fields, expected):
    row = Row(rigl(**fields), VALUES, MASK).step(GRADIENT)
    row.moment().fill_(1.0)
    row.step(GRADIENT)
    assert row.moment().tolist() == expected


def test_the_optimiser_sees_no_gradient_of_weights_that_do_not_exist():
    for masked, expected in ((True, [0.0, 0.0, 0.9, 0.1, 0.0, 0.0]), (False, GRADIENT)):
        row = Row(rigl(mask_gradients=masked), VALUES, MASK).step(GRADIENT)
        torch.testing.assert_close(row.moment(), 0.1 * torch.tensor(expected))


def test_where_masks_are_updated_weights_are_not_but_the_next_step_trains_again():
    for replaced in (True, False):
        method = rigl(update_replaces_step=replaced, density=1.0)
        row = Row(method, [6.0, 5.0], [1, 1], lr=1.0, optimizer=torch.optim.SGD)
        assert row.step([1.0, 1.0]).weights == [5.0, 4.0]
        assert row.step([1.0, 1.0]).weights == ([5.0, 4.0] if replaced else [4.0, 3.0])
        assert row.step([1.0, 1.0]).weights == ([4.0, 3.0] if replaced else [3.0, 2.0])


def test_growth_sees_the_gradients_of_missing_weights_whatever_the_optimiser_sees():
    for replaced in (True, False):
        row = Row(rigl(update_replaces_step=replaced), VALUES, MASK).step(GRADIENT).step(GRADIENT)
        assert row.mask == [1, 1, 1, 0, 1, 0]


def test_rigls_share_reaches_zero_at_its_last_update_three_quarters_through():
    shares, loop = [], Loop(tiny(), make_method("rigl", every=4), steps=64)
    loop.run(64, lambda s: shares.append(s.zeta))
    assert loop.sparsity.last_update == 48 == loop.sparsity.log[-1]["step"]  # 50, a multiple of 4
    assert shares[23] == pytest.approx(0.15) and shares[47] == shares[63] == 0.0
    assert sum(loop.sparsity.log[-1]["removed"]) == 0 < sum(loop.sparsity.log[0]["removed"])
    assert loop.sparsity.log[0]["removed"] == [
        math.floor(0.3 * 0.5 * (1 + math.cos(math.pi * 4 / 48)) * k) for k in loop.sparsity.started_with
    ]


def test_clipping_sees_the_gradients_of_weights_that_exist():
    """Three, four and a missing twelve: the norm is five, and what the optimiser gets is half of it at a limit of
    2.5; growth still finds the twelve."""
    row = Row(rigl(update_replaces_step=False), [1.0, 2.0, 0.0, 0.0], [1, 1, 0, 0], lr=1.0, optimizer=torch.optim.SGD)
    for number in (1, 2):
        row.layer.weight.data = torch.tensor([[1.0, 2.0, 0.0, 0.0]])
        row.layer.weight.grad = torch.tensor([[3.0, 4.0, 12.0, 0.0]])
        row.sparsity.mask_gradients()
        norm = nn.utils.clip_grad_norm_(row.layer.parameters(), 2.5)
        assert norm == pytest.approx(5.0)
        row.optimizer.step()
        torch.testing.assert_close(row.layer.weight.data, torch.tensor([[-0.5, 0.0, 0.0, 0.0]]))
        row.sparsity.after_step(torch.tensor(1.0))
        assert row.mask == ([1, 1, 0, 0] if number == 1 else [1, 0, 1, 0])


# SET ----------------------------------------------------------------------------------------------------------------


def test_set_removes_what_is_nearest_to_zero_from_either_side():
    """A third of three positive and of three negative weights: 1 and -0.1. By magnitude, two of six: 0.1 and 0.2."""
    values, mask = [1.0, 3.0, 2.0, -0.1, -0.3, -0.2, 0.0, 0.0], [1] * 6 + [0, 0]
    for removal, gone in (("each sign", [0, 3]), ("magnitude", [3, 5])):
        method = make_method("set", every=1, zeta=0.34, removal=removal, new="zero", regrown="keep", density=0.75)
        row = Row(method, values, mask)
        kept = []
        row.sparsity.grow = lambda counts, by, kept=kept, row=row: kept.append((row.mask, counts, by))
        row.step([0.0] * 8)
        assert kept == [([int(m and i not in gone) for i, m in enumerate(mask)], [2], "random")]


def test_new_weights_of_set_are_drawn_as_spread_as_the_layer_was_at_the_start():
    torch.manual_seed(0)
    model = nn.Linear(100, 100, bias=False)
    model.weight.data.normal_(std=0.5)
    sparsity = Sparsity(make_method("set", every=1), steps=10, seed=1)
    sparsity.attach(model, torch.optim.SGD(model.parameters(), lr=0.0))
    before, old = sparsity.masks[0], model.weight.detach().clone()
    sparsity.after_step(torch.tensor(1.0))
    mask = sparsity.masks[0]
    changed = model.weight[mask] != old[mask]
    (removed,) = sparsity.log[0]["removed"]
    assert removed == pytest.approx(0.3 * 5000, abs=2) and sum(sparsity.kept) == 5000
    assert int(changed.sum()) == removed, "those that were removed just before are new too"
    assert model.weight[mask][changed].detach().std() == pytest.approx(0.5, rel=0.1)
    assert (mask & ~before).any() and (model.weight[~mask] == 0).all()


def test_new_weights_are_of_the_models_precision():
    model = nn.Linear(20, 20, bias=False, dtype=torch.float64)
    sparsity = Sparsity(make_method("set", every=1), steps=10, seed=1)
    sparsity.attach(model, torch.optim.SGD(model.parameters(), lr=0.0))
    sparsity.after_step(torch.tensor(1.0))
    assert sum(sparsity.log[0]["grown"]) > 0 and int((model.weight != 0).sum()) == sum(sparsity.kept)


def test_the_share_of_set_stays_and_nothing_changes_in_the_last_tenth():
    shares, loop = [], Loop(tiny(), make_method("set", every=2), steps=40)
    loop.run(40, lambda s: shares.append(s.zeta))
    assert set(shares) == {0.3} and loop.sparsity.log[-1]["step"] == 36


@pytest.mark.parametrize("method", ["set", "rigl"])
def test_a_fixed_density_is_exchanged_and_never_changes(method):
    counts = []
    loop = Loop(tiny(), make_method(method, density=0.4, every=2), steps=20)
    start = loop.sparsity.kept
    loop.run(20, lambda s: counts.append(tuple(s.kept)))
    assert set(counts) == {tuple(start)} and sum(start) == 40
    assert all(sum(r["removed"]) == sum(r["grown"]) for r in loop.sparsity.log)
    assert sum(loop.sparsity.log[0]["grown"]) > 0


# Pruning that goes on -----------------------------------------------------------------------------------------------


def cubic_counts(steps, density=0.2):
    return [round((density + (1 - density) * (1 - step / 10) ** 3) * 100) for step in steps]


@pytest.mark.parametrize("method", ["gmp", "gmp_global"])
def test_gmp_follows_the_cubic_to_the_weight(method):
    loop, seen = Loop(tiny(), make_method(method, every=2, density=0.2, until=1.0), steps=10), []
    loop.run(10, lambda s: seen.append(sum(s.kept)))
    assert seen[1::2] == cubic_counts((2, 4, 6, 8, 10))


def test_gmp_prunes_every_layer_alike_and_global_gmp_by_one_ranking():
    for method, alike in (("gmp", True), ("gmp_global", False)):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(6, 40), nn.Linear(40, 10))
        model[0].weight.data.mul_(0.1)
        kept = Loop(model, make_method(method, every=2, density=0.25), steps=10).run(10).sparsity.kept
        assert (kept == [60, 100]) == alike and sum(kept) == 160


def test_gmp_waits_for_its_warm_up_and_then_follows_the_cubic():
    loop, seen = Loop(tiny(), make_method("gmp", every=2, density=0.2, until=1.0, warm_up=0.5), steps=20), []
    loop.run(20, lambda s: seen.append(sum(s.kept)))
    assert seen[:11] == [100] * 11
    assert seen[11::2] == cubic_counts((2, 4, 6, 8, 10))


def test_granet_by_hand():
    """The ranking leaves three of six: 1 goes and is lost. A third of three is exchanged: 2 goes, and as 1 has the
    largest gradient it comes, from zero."""
    method = make_method("granet", every=2, density=0.5, target_at=0.2, zeta=1 / 3, zeta_schedule="constant")
    row = Row(method, [6.0, -5.0, 1.0, 2.0, 0.0, 0.0], [1, 1, 1, 1, 0, 0]).step(GRADIENT)
    row.moment().fill_(1.0)
    row.step(GRADIENT)
    assert row.mask == [1, 1, 1, 0, 0, 0] and row.weights == [6.0, -5.0, 0.0, 0.0, 0.0, 0.0]
    assert row.moment()[2] == 0 and row.sparsity.log[0]["removed"] == [2] and row.sparsity.log[0]["grown"] == [1]
    assert row.sparsity.settled


def test_what_granet_exchanges_keeps_its_value():
    method = make_method("granet", every=2, density=4 / 6, target_at=0.2, zeta=0.25, zeta_schedule="constant")
    row = Row(method, [6.0, -5.0, 1.0, 2.0, 0.0, 0.0], [1, 1, 1, 1, 0, 0]).step(GRADIENT).step(GRADIENT)
    assert row.weights == [6.0, -5.0, 1.0, 2.0, 0.0, 0.0]


def test_granet_reaches_its_density_and_goes_on_exchanging_until_the_end():
    loop, settled = Loop(tiny(), make_method("granet", every=2, density=0.3), steps=20), []
    loop.run(20, lambda s: settled.append(s.settled))
    log = loop.sparsity.log
    assert [r["step"] for r in log] == list(range(2, 21, 2))
    planned = [round((0.3 + 0.7 * (1 - step / 14) ** 3) * 100) for step in range(2, 15, 2)] + [30] * 3
    assert [round(100 * (1 - r["sparsity"])) for r in log] == planned
    assert [r["decision"] for r in log] == ["shrink"] * 7 + ["exchange"] * 3
    assert settled == [False] * 13 + [True] * 7
    assert all(sum(r["grown"]) > 0 for r in log)


def test_granet_may_start_sparse():
    loop = Loop(tiny(), make_method("granet", every=2, density=0.2, initial_density=0.5), steps=20)
    assert sum(loop.sparsity.started_with) == 50
    assert sum(loop.run(20).sparsity.kept) == 20
    assert round(100 * (1 - loop.sparsity.log[0]["sparsity"])) == round(20 + 30 * (1 - 2 / 14) ** 3)


def test_one_shot_prunes_once_and_in_every_allocation():
    for scope in ("layer", "global", "erk", "lamp"):
        loop = Loop(tiny(), make_method("one_shot", every=2, scope=scope, density=0.3), steps=10).run(10)
        assert sum(loop.sparsity.kept) == 30
        assert [r["decision"] for r in loop.sparsity.log] == ["stay", "shrink", "stay"]


# What is left alone -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", list_methods(asks_density=True))
def test_a_frozen_or_excluded_weight_is_neither_pruned_nor_grown(method):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 10), nn.Linear(10, 10), nn.Linear(10, 4))
    model[0].weight.requires_grad_(False)
    frozen = model[0].weight.detach().clone()

    loop = Loop(model, make_method(method, every=2, exclude=["2"]), steps=20)
    loop.consistent = lambda: None  # which expects every weight
    loop.run(20)
    assert loop.sparsity.names == ["1.weight"] and loop.sparsity.kept == [50]
    assert torch.equal(model[0].weight, frozen) and (model[2].weight != 0).all()
    assert list(loop.sparsity.masks_now()) == ["1.weight"]


def test_layers_are_excluded_by_the_name_of_a_module_or_of_a_parameter():
    for patterns, left in ((["3"], ["0.weight"]), (["*.weight"], []), (["[12]", "0.weight"], ["3.weight"])):
        method = make_method("static", exclude=patterns)
        if patterns == ["3"]:
            assert Loop(tiny(), method).sparsity.names == left
        else:
            with pytest.raises(UserError, match=r"no weight to prune|unknown layer to exclude '\[12\]'"):
                Loop(tiny(), method)


# Starts -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("distribution", ["layer", "erk", "global", "lamp"])
def test_static_may_choose_its_mask_by_magnitude(distribution):
    model = tiny()
    weights = [model[0].weight.detach().abs().clone(), model[3].weight.detach().abs().clone()]
    masks = Loop(model, make_method("static", score="magnitude", density=0.4, distribution=distribution)).sparsity.masks
    assert sum(int(m.sum()) for m in masks) == 40
    assert all(w[m].min() >= w[~m].max() for w, m in zip(weights, masks, strict=True))


@pytest.mark.parametrize("score", ["snip", "synflow"])
def test_static_may_choose_its_mask_by_a_score_of_calibration_batches(score):
    model = tiny()
    x = torch.randn(8, 6, generator=torch.Generator().manual_seed(0))
    batches = [((x,), torch.ones(8, 4))]
    method = make_method("static", score=score, density=0.3, distribution="global", rounds=2)
    expected = initial_masks(model, ["0.weight", "3.weight"], score, 0.3, "global", rounds=2, calibration=batches)
    sparsity = Sparsity(method, steps=10, calibration=batches)
    sparsity.attach(model, torch.optim.SGD(model.parameters()))
    assert sum(sparsity.kept) == 30
    assert all(torch.equal(mask, expected[name]) for name, mask in sparsity.masks_now().items())
    with pytest.raises(UserError, match=f"score '{score}' needs calibration"):
        Loop(tiny(), method)


def test_a_random_mask_is_one_of_its_seed():
    def mask(seed, **fields):
        model = tiny()
        sparsity = Sparsity(make_method("static", density=0.3, **fields), steps=10, seed=seed)
        sparsity.attach(model, torch.optim.SGD(model.parameters()))
        assert sum(sparsity.kept) == 30
        return torch.cat([m.flatten() for m in sparsity.masks])

    for fields in ({}, {"distribution": "layer"}, {"distribution": "global"}):
        assert torch.equal(mask(1, **fields), mask(1, **fields)) and not torch.equal(
            mask(1, **fields), mask(2, **fields)
        )


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda: Sparsity(make_method("one_shot", at=0.7, every=3), steps=20),
            "at = 0.7: it would never prune, the last",
        ),
        (lambda: Sparsity(make_method("one_shot", at=0.9), steps=200), "the last update is step 140 of 200"),
        (lambda: Sparsity(make_method("gmp", warm_up=0.7), steps=200), "0.7 of 200 steps after a warm-up of 0.7"),
        (lambda: Sparsity(make_method("rigl", every=1), steps=200), "every = 1: an update takes the place of a step"),
        (lambda: Sparsity(make_method("granet", target_at=0.01), steps=200), "target_at = 0.01: .* steps 20 to 200"),
        (lambda: Sparsity(make_method("granet", target_at=0.9, until=0.8), steps=200), "target_at = 0.9: .* 20 to 160"),
        (lambda: Sparsity(make_method("granet", density=0.6, initial_density=0.5), steps=200), "density = 0.6 is more"),
        (lambda: make_method("static", score="magnitud"), "did you mean 'magnitude'"),
        (lambda: make_method("rigl", exclude="projection"), "exclude = 'projection'"),
        (lambda: Loop(tiny(), make_method("static", exclude=["1"])), "unknown layer to exclude '1'"),
    ],
)
def test_bad_input_is_one_clear_line(make, says):
    with pytest.raises(UserError, match=says) as error:
        make()
    assert "\n" not in str(error.value)


def test_one_shot_at_the_last_update_prunes():
    loop = Loop(tiny(), make_method("one_shot", at=0.7, every=2), steps=20).run(20)
    assert sum(loop.sparsity.kept) == 50


def test_one_shot_prunes_at_its_share_where_that_is_no_binary_fraction():
    assert 0.55 * 100 > 55  # so that this step would be taken for one before the share
    loop = Loop(tiny(), make_method("one_shot", at=0.55, until=0.7, every=5), steps=100).run(60)
    assert [record["step"] for record in loop.sparsity.log if record["decision"] == "shrink"] == [55]
    Sparsity(make_method("one_shot", at=0.55, until=0.55, every=5), steps=100)  # not refused


def test_pals_masks_no_gradient_unless_gradients_are_clipped():
    for clipped, seen in ((False, GRADIENT), (True, [0.0, 0.0, 0.9, 0.1, 0.0, 0.0])):
        row = Row(PALS.variant("code", every=5), VALUES, MASK)
        row.layer.weight.grad = torch.tensor([GRADIENT])
        if clipped:
            row.sparsity.mask_gradients()
        row.optimizer.step()
        torch.testing.assert_close(row.moment(), 0.1 * torch.tensor(seen))
