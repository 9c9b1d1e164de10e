"""Each claim's number from rows by hand."""

import math

import pandas as pd
import pytest
import torch

from tsprune.engine.step import RESULTS_VERSION
from tsprune.measure import paired_difference
from tsprune.pruners.pals import PALS
from tsprune.report.text import NBSP
from tsprune.steps.packed import pack, unpack
from tsprune.study.claims import measures
from tsprune.study.claims.evidence import evidence
from tsprune.study.claims.judge import by_case
from tsprune.study.claims.result import FOR, PAPERS, SMALL


def found(rows: pd.DataFrame) -> list[float]:
    return [pytest.approx(value) for value in rows["value"]]


def test_a_row_is_held_against_the_training_it_goes_back_to(dense, after):
    one, two = dense(seed=1, mse=2.0), dense(seed=2, mse=4.0)
    lines = [one, two, after(one, "prune", 3.0), after(two, "prune", 4.4)]
    assert found(measures.lost_at(evidence(lines), 0.107)) == [1.5, 1.1]
    assert found(measures.lost_at(evidence(lines), 0.107, ("FEDformer",))) == []
    assert found(measures.lost_at(evidence([one, lines[3]]), 0.107)) == []  # its training is not there
    assert found(measures.lost_as_counted(evidence(lines), 0.107)) == []  # their own code's cut is another
    assert found(measures.lost_as_counted(evidence([*lines, after(one, "authors", 2.2)]), 0.107)) == [1.1]


def test_the_nearest_density_counts_and_none_that_is_far(dense, after):
    one = dense(mse=1.0)
    cuts = [after(one, "prune", mse, density=density) for density, mse in ((0.64, 1.1), (0.512, 1.2), (0.47, 1.3))]
    assert found(measures.lost_at(evidence([one, *cuts]), 0.5)) == [1.2]
    assert found(measures.lost_at(evidence([one, *cuts[2:]]), 0.5)) == [1.3]
    assert found(measures.lost_at(evidence([one, *cuts[:1]]), 0.5)) == []
    two = dense(seed=2, mse=1.0)
    other = after(two, "prune", 1.4, density=0.47)
    assert found(measures.lost_at(evidence([one, two, *cuts, other]), 0.5)) == [1.2], "one density for all seeds"


def test_models_that_saw_a_part_of_the_data_say_nothing_of_what_pruning_costs(dense, after):
    """They would be another recipe of the same case, and the one that counts where more seeds have it."""
    one, less = dense(mse=1.0), dense(mse=1.0, fraction=0.2)
    recipe = {"train": {"epochs": 2, "learning_rate": 1e-4}}
    lines = [one, less]
    for trained, mse in ((one, 2.0), (less, 9.0)):
        lines += [after(trained, "prune", mse), after(trained, "authors", mse), pals(trained, after, mse, 0.4)]
        lines += [after(trained, "fine_tune", mse / 2, method="fine-tuned", given=recipe)]
    rows = evidence(lines)
    assert found(measures.lost_at(rows, 0.107)) == [2.0]
    assert found(measures.lost_as_counted(rows, 0.107)) == [2.0]
    assert found(measures.regained(rows, 0.107)) == [0.5]
    assert found(measures.pals_over_dense(rows, "mse")) == [2.0]


def test_what_is_no_evidence(dense):
    real, made_up = dense(), dense(dataset="synthetic_short")
    assert len(evidence([dense(dataset="photosynthetic")]).rows) == 1
    failed, old = dense(seed=3) | {"status": "failed"}, dense(seed=4)
    old["config"] = old["config"] | {"version": RESULTS_VERSION - 1}
    assert evidence([real, made_up, failed, old]).rows["key"].to_list() == [real["key"]]


def test_size_is_the_width_that_the_training_had(dense, after):
    wide, narrow = dense(d_model=512), dense(d_model=32)
    rows = evidence([wide, narrow, after(wide, "prune", 1), after(narrow, "prune", 1), dense(d_model=1024)]).rows
    assert rows["size"].to_list()[:4] == [PAPERS, SMALL, PAPERS, SMALL] and pd.isna(rows["size"].iloc[4])


def test_a_seed_that_ran_on_another_device_is_of_the_same_case(dense):
    lines = [dense(seed=seed) for seed in (1, 2, 3)]
    changes = {"device": "cpu"}, {"device": "cuda"}, {"device": "cpu", "epochs": 5}
    for line, change in zip(lines, changes, strict=True):
        line["config"] |= {"train": line["config"]["train"] | change}
    one, two, other = evidence(lines).rows["recipe"]
    assert one == two != other


def test_structured_pruning(dense, after):
    one = dense(macs_executed=1000)
    rows = [after(one, "depgraph", 1, density=d, density_all=a, macs_executed=m)
            for d, a, m in ((0.5, 0.4, 300), (0.1, 0.15, 100))]  # fmt: skip
    assert found(measures.missed(evidence([one, *rows]), "depgraph")) == [0.5]
    ours = [after(one, "structured", 1, density=d, density_all=a) for d, a in ((0.5, 0.51), (0.01, 0.1))]
    ours[1]["detail"] = {"floor": "0.1000 is the least at max_ratio = 0.9: ..."}
    assert found(measures.missed(evidence([one, *ours]), "structured")) == [0.02]
    ours[1]["detail"] = {"floor": "0.1000 is as close as whole units come: ..."}  # that is a miss
    assert found(measures.missed(evidence([one, *ours]), "structured")) == [9]
    fewer = [
        after(one, "structured", 1, density=d, density_all=d, macs_executed=m) for d, m in ((0.1074, 125), (0.01, 10))
    ]
    assert found(measures.times_less_macs(evidence([one, *rows, *fewer]))) == [8]
    assert measures.times_less_macs(evidence([one, fewer[1]])).empty, "more may always be cut away"
    fewer[0]["result"]["density_all"] = 0.3
    assert measures.times_less_macs(evidence([one, fewer[0]])).empty, "asked for a tenth, it did not come so far"


def test_a_seed_that_was_not_asked_for_the_worst_density_says_nothing_of_it(dense, after):
    one, two = dense(seed=1), dense(seed=2)
    asked = ((one, 0.5, 0.25), (one, 0.1, 0.01), (two, 0.5, 0.25))
    rows = [after(trained, "depgraph", 1, density=d, density_all=a) for trained, d, a in asked]
    assert found(measures.missed(evidence([one, two, *rows]), "depgraph")) == [0.9]


@pytest.mark.parametrize("units", [{"multiple": 8}, {"inside": "n_heads"}])
def test_coarser_units_are_another_way_to_prune(dense, after, units):
    """Their share of the parameters is off by design, and they would be a second row of the same case and seed."""
    one = dense(parameters=1000)
    free = after(one, "structured", 2.0, density_all=0.11)
    rounded = after(one, "structured", 2.0, density_all=0.2, given=units)
    rounded["protocol"] |= units
    assert len(measures.missed(evidence([one, free, rounded]), "structured")) == 1
    assert found(measures.missed(evidence([one, free, rounded]), "structured")) == [0.11 / 0.1073741824 - 1]


def test_speed_is_held_against_multiply_adds_and_zeros_against_dense(dense, after):
    one = dense(macs_executed=1000, density_all=1.0)
    narrow = after(one, "structured", 1, density_all=0.1, macs_executed=100)
    zeros = after(one, "prune", 1, density_all=0.1, macs_executed=1000)
    timed = [{"key": row["key"], "baseline": one["key"], "batch": 3, "speedup": speedup, "speedup_low": speedup - 0.5,
              "speedup_high": speedup + 0.5, "load": "all cores busy", "trouble": trouble, "device": "cpu",
              "threads": 1}
             for row, speedup, trouble in ((narrow, 2.0, "a speedup of 1.5 to 2.5"), (zeros, 1.0, None))]  # fmt: skip
    config = {"step": "latency", "version": RESULTS_VERSION}
    latency = one | {"key": "l", "kind": "latency", "config": config, "protocol": {}, "detail": {"latency": timed}}
    kept = measures.promise_kept(evidence([one, narrow, zeros, latency]), "cpu")
    assert kept[["value", "low", "high"]].to_numpy().tolist() == [[0.2, 0.15, 0.25]]
    assert measures.promise_kept(evidence([one, narrow, zeros, latency]), "cuda").empty
    assert measures.zeros_speed(evidence([one, narrow, zeros, latency]))["value"].to_list() == [1.0]
    timed[1]["trouble"] = "not measurable here: all cores busy"
    assert measures.zeros_speed(evidence([one, narrow, zeros, latency])).empty
    for elsewhere in ({"threads": 2}, {"device": "cuda"}, {"batch": 32}):
        timed[1] |= {"trouble": None, "threads": 1, "device": "cpu", "batch": 3} | elsewhere
        assert measures.zeros_speed(evidence([one, narrow, zeros, latency])).empty
    timed[0] |= {"device": "cuda", "threads": 2}
    assert found(measures.promise_kept(evidence([one, narrow, latency]), "cuda")) == [0.2], "of a GPU, any threads"


def timed_alone(speeds: list[tuple]) -> dict:
    """A row of study 06, of (form, share, runtime, speedup) at three windows; intervals reach a tenth either way. A
    share of the widths has its square of the multiply-adds."""
    records = [
        {"form": form, "share": share, "runtime": runtime, "batch": 3, "speedup": speedup, "macs_share": share**2}
        | {"speedup_low": 0.9 * speedup, "speedup_high": 1.1 * speedup, "load": "all cores busy", "trouble": None}
        | {"device": "cpu", "threads": 1}
        for form, share, runtime, speedup in speeds
    ]
    config = {"step": "inference", "version": RESULTS_VERSION, "model": "Transformer", "hyper": {"d_model": 512}}
    told = {"dataset": "ETTh1", "model": "Transformer", "pred_len": 96, "seed": 1}
    row = {"key": "i", "kind": "inference", "status": "ok", "config": config, "protocol": told, "result": {}}
    return row | {"detail": {"speeds": [*records, {"form": "dense", "reason": "no such runtime here"}]}}


def test_zeros_that_are_skipped_are_held_against_the_faster_dense_one():
    row = timed_alone(
        [
            ("dense", 1.0, "PyTorch", 1.0),
            ("dense", 1.0, "ONNX Runtime", 2.0),
            ("dense", 1.0, "PyTorch, bfloat16", 9.0),  # another precision
            ("zeros", 0.5, "sparse kernel", 1.5),
            ("zeros", 0.1, "sparse kernel", 6.0),
        ]
    )
    speeds = measures.zeros_skipped_speed(evidence([row]), 0.1)
    assert speeds["size"].to_list() == [PAPERS]
    assert speeds[["value", "low", "high"]].to_numpy().tolist() == [pytest.approx([3.0, 5.4 / 2.2, 6.6 / 1.8])]
    row["detail"]["speeds"][4]["trouble"] = "not measurable here: all cores busy"
    assert measures.zeros_skipped_speed(evidence([row]), 0.1).empty


def test_the_narrowest_model_is_held_against_dense_in_the_same_runtime():
    row = timed_alone(
        [
            ("dense", 1.0, "PyTorch", 1.0),
            ("dense", 1.0, "ONNX Runtime", 2.0),
            ("narrow", 0.5, "ONNX Runtime", 6.0),
            ("narrow", 0.25, "ONNX Runtime", 16.0),
            ("narrow", 0.25, "PyTorch", 1.0),
        ]
    )
    kept = measures.promise_kept_in(evidence([row]), "ONNX Runtime", "cpu")
    assert found(kept) == [16 / 2 / 16]
    assert kept[["low", "high"]].to_numpy().tolist() == [
        [pytest.approx(0.5 * 0.9 / 1.1), pytest.approx(0.5 * 1.1 / 0.9)]
    ]
    assert measures.promise_kept(evidence([row]), "cpu")["value"].to_list() == [pytest.approx(1 / 16)]
    less = timed_alone([("dense", 1.0, "ONNX Runtime", 2.0), ("narrow", 0.5, "ONNX Runtime", 6.0)])
    assert measures.promise_kept_in(evidence([less]), "ONNX Runtime", "cpu").empty, (
        "a quarter of the multiply-adds is no seventh"
    )


def test_training_on_is_held_against_the_cut_and_against_the_control_that_trained_as_long(dense, after):
    one, recipe = dense(mse=1.0), {"train": {"epochs": 2, "learning_rate": 1e-4}}
    longer = {"train": {"epochs": 4, "learning_rate": 1e-4}}
    lines = [
        one,
        after(one, "prune", 2.0),
        after(one, "fine_tune", 1.0, method="fine-tuned", given=recipe),
        after(one, "fine_tune", 0.8, method="dense longer", density=1.0, given=recipe),
        after(one, "fine_tune", 0.1, method="dense longer", density=1.0, given=longer),
    ]
    assert found(measures.regained(evidence(lines), 0.107)) == [0.5]
    assert measures.regained(evidence([*lines[:1], after(one, "prune", 9.0, density=0.1), lines[2]]), 0.107).empty, (
        "the same cut and no other"
    )
    assert found(measures.against_control(evidence(lines), 0.107)) == [1.25]
    model = one["protocol"]["model"]
    assert found(measures.against_control(evidence(lines), 0.107, models=(model,))) == [1.25]
    assert measures.against_control(evidence(lines), 0.107, but=(model,)).empty
    lines.append(after(one, "fine_tune", 0.5, method="fine-tuned", given=longer))
    for order in (lines, lines[::-1]):
        assert found(measures.regained(evidence(order), 0.107)) == [0.25], "of two lengths one"
        assert found(measures.against_control(evidence(order), 0.107)) == [5.0]


def test_a_small_model_is_held_against_a_pruned_one_of_as_many_parameters(dense, after):
    recipe, longer = ({"train": {"epochs": epochs, "learning_rate": 1e-4}} for epochs in (2, 4))
    large, small = dense(parameters=1000), dense(d_model=64, mse=1.5, parameters=100)
    trained_on = [
        after(small, "fine_tune", mse, method="dense longer", density=1.0, given=given, parameters=100)
        for mse, given in ((0.9, recipe), (0.1, longer))
    ]
    tuned = [
        after(large, "narrow_tune", mse, density=d, given=recipe, parameters=p)
        for mse, d, p in ((1.2, 0.1, 102), (1, 0.5, 500))
    ]
    less = dense(parameters=1000, fraction=0.2)  # what saw less data is not held against what saw all
    tuned += [less, after(less, "narrow_tune", 9.0, density=0.1, given=recipe, parameters=102)]
    rows = measures.small_over_pruned(evidence([large, small, *trained_on, *tuned]))
    assert found(rows) == [0.75] and rows["case"].to_list() == ["width 64"]
    other = dense(d_model=64, mse=0.1, parameters=100, seed=1)
    other["config"] |= {"train": other["config"]["train"] | {"precision": "bfloat16"}}
    other["key"] = "other"
    beside = after(other, "fine_tune", 0.1, method="dense longer", density=1.0, given=recipe, parameters=100)
    assert found(measures.small_over_pruned(evidence([large, other, beside, *tuned]))) == [], "of another recipe"
    shares = [dense(parameters=1000, fraction=0.2, seed=2), dense(d_model=64, parameters=100, fraction=0.2, seed=2)]
    tuned_on = [
        after(shares[0], "narrow_tune", 1.0, density=0.1, given=recipe, parameters=102),
        after(shares[1], "fine_tune", 0.5, method="dense longer", density=1.0, given=recipe, parameters=100),
    ]
    rows = measures.small_over_pruned(evidence([*shares, *tuned_on]))
    assert rows["case"].to_list() == [f"width 64, 20{NBSP}% of the data"]
    nearer = after(large, "narrow_tune", 3.0, density=0.11, given=recipe, parameters=101)
    rows = measures.small_over_pruned(evidence([large, small, *trained_on, *tuned, nearer]))
    assert found(rows) == [0.3], "of two cuts the nearer"


def test_more_data_should_widen_the_lead_of_the_wide_model(dense):
    corners = {(512, 1.0): 0.5, (64, 1.0): 1.0, (512, 0.1): 0.9, (64, 0.1): 1.0}
    lines = [dense(d_model=width, fraction=share, mse=mse) for (width, share), mse in corners.items()]

    def lead(*lines) -> list[list[float]]:
        return measures.wide_needs_data(evidence(lines))[["value", "before"]].to_numpy().tolist()

    assert lead(*lines) == [[0.5, 0.9]]
    assert lead(*lines[:3]) == []
    second = [dense(d_model=width, fraction=share, mse=mse, seed=2) for (width, share), mse in corners.items()]
    wider = [dense(d_model=1024, fraction=share, mse=0.1, seed=2) for share in (1.0, 0.1)]
    third = [dense(d_model=width, fraction=share, mse=mse, seed=3) for (width, share), mse in corners.items()]
    assert lead(*lines, *second, *wider, *third) == [[0.5, 0.9]] * 2, "the widths that most seeds have"
    for change in ({"epochs": 1}, {"epochs": 10, "device": "cuda"}):
        other = dense(d_model=512, fraction=1.0, mse=0.1)
        # Another recipe, or another device, says nothing of these.
        other["config"] |= {"train": other["config"]["train"] | change}
        other["key"] = "other"
        assert lead(other, *lines) == [[0.5, 0.9]]


def test_a_lead_is_paired_on_both_sides(dense):
    corners = {(512, 1.0): 0.5, (64, 1.0): 1.0, (512, 0.1): 0.9, (64, 0.1): 1.0}
    lines = []
    for seed in (1, 2):
        for (width, share), mse in corners.items():
            line = dense(d_model=width, fraction=share, mse=mse, seed=seed)
            parts = {name: torch.ones(1, dtype=torch.float64) for name in ("column_mse", "column_mae")}
            line["errors"] = pack({"window_mse": torch.full((8,), mse, dtype=torch.float64)} | parts)
            line["protocol"] |= {"seq_len": 2, "pred_len": 1}
            lines.append(line)
    rows = evidence(lines)
    case = by_case(measures.wide_needs_data(rows), (-math.inf, 1), 2, rows.paired).iloc[0]
    assert [case["mean"], case["low"], case["high"]] == pytest.approx([0.5] * 3) and case["outcome"] == FOR


def pals(dense, after, mse, density_all, sparsities=(0.5, 0.6, 0.6), val_mse=1.0, gamma=1.2, **changed) -> dict:
    row = after(dense, "sparse_train", mse, method="pals", density=None, density_all=density_all,
                macs_if_zeros_skipped=40)  # fmt: skip
    row["result"] |= {"density": density_all, "val_mse": val_mse}
    row["result"] |= {"training_macs_if_zeros_skipped": 80, "training_macs_dense": 100}
    pairs = zip((0, *sparsities), sparsities, strict=False)
    updates = [{"counted": before, "sparsity_before": before, "sparsity": sparsity} for before, sparsity in pairs]
    row["detail"] = {"updates": updates}
    fields = PALS.variant("code", gamma=gamma, **changed).model_dump(mode="json")
    return row | {"config": row["config"] | {"fields": fields}, "key": f"{row['key']}{gamma}{changed}"}


def test_of_pals_settings_the_one_counts_that_its_validation_loss_chooses(dense, after):
    one, two = dense(seed=1, mse=1.0), dense(seed=2, mse=1.0)
    rows = [
        pals(trained, after, mse, 0.4, val_mse=loss, gamma=gamma)
        for gamma, mse, loss in ((1.05, 0.5, 0.9), (1.1, 0.8, 0.7), (1.2, 0.6, 0.8))
        for trained in (one, two)
    ]
    rows.append(pals(one, after, 0.1, 0.4, val_mse=0.1, gamma=1.3))  # one seed has no say beside two
    assert found(measures.pals_over_dense(evidence([one, two, *rows]), "mse")) == [0.8, 0.8]
    three = dense(seed=3, mse=1.0)
    more = [three, pals(three, after, 0.5, 0.4, val_mse=0.1, gamma=1.05)]  # nor has a seed that one setting has alone
    assert found(measures.pals_over_dense(evidence([one, two, *rows, *more]), "mse")) == [0.8, 0.8]
    more.append(pals(three, after, 0.7, 0.4, val_mse=0.9, gamma=1.1))
    assert found(measures.pals_over_dense(evidence([one, two, *rows, *more]), "mse")) == [0.8, 0.8, 0.7]
    changed = pals(one, after, 1.2, 0.4, gamma=1.2, expands=False)
    assert found(measures.without(evidence([one, two, *rows, changed]), expands=False)) == [2.0]  # at its own setting


def test_pals_beside_dense_and_its_mechanisms_beside_itself(dense, after):
    one = dense(mse=1.0, macs_executed=100)
    whole, capped = pals(one, after, 0.9, 0.4), pals(one, after, 1.8, 0.05, max_sparsity=0.99)
    both = evidence([one, whole, capped])
    assert found(measures.pals_over_dense(both, "mse")) == [0.9]
    assert found(measures.macs_saved_by_pals(both)) == [0.6]
    assert found(measures.cost_of_pals(both)) == [0.8]
    assert found(measures.without(both, max_sparsity=0.99)) == [2.0]
    assert measures.found_by_the_loss(both)["value"].to_list() == [True]
    capped = pals(one, after, 1, 0.4, sparsities=(0.5, 0.9, 0.6))  # whichever epoch's weights were kept
    short = pals(one, after, 1, 0.4, sparsities=(0.5, 0.48, 0.7, 0.72))
    for other in (capped, short):
        assert measures.found_by_the_loss(evidence([one, other]))["value"].to_list() == [False]


def test_what_pals_removes_is_held_against_its_papers_figures_of_the_same_case(dense, after):
    trained = [dense(model, dataset="ETTm2") for model in ("Autoformer", "DLinear")]
    paces = [1.1 + i / 100 for i in range(9)]
    rows = [pals(one, after, 1.0, 0.4, gamma=gamma) for one in trained for gamma in paces]
    assert measures.removed_beside_published(evidence([*trained, *rows[1:9]])).empty, (
        "eight settings are not its search"
    )
    beside = measures.removed_beside_published(evidence([*trained, *rows]))
    assert found(beside) == [0.6 - 0.9] and beside["model"].to_list() == ["Autoformer"]


def test_a_mechanism_that_never_acted_is_no_evidence(dense, after):
    one = dense(mse=1.0)
    rows = [pals(one, after, 0.9, 0.4), pals(one, after, 0.9, 0.4, max_sparsity=0.99)]
    assert measures.without(evidence([one, *rows]), max_sparsity=0.99).empty
    late = pals(one, after, 0.9, 0.4, sparsities=(0.5, 0.6, 0.7), max_sparsity=0.99)  # after the epoch that is kept
    assert found(measures.without(evidence([one, rows[0], late]), max_sparsity=0.99)) == [1.0]


def test_repeating_the_last_value(dense):
    one = dense(dataset="Exchange", mse=0.2)
    config = {"step": "naive", "version": RESULTS_VERSION, "data": one["config"]["data"], "protocol": "full"}
    told = one["protocol"] | {"model": "RepeatLast"}
    naive = one | {"key": "n", "kind": "naive", "config": config, "protocol": told, "result": {"mse": 0.1}}
    assert found(measures.repeat_last_over(evidence([one, naive]), "Exchange")) == [0.5]
    better = dense(dataset="Exchange", mse=0.05, val_mse=0.1)
    better["config"] |= {"train": one["config"]["train"] | {"epochs": 5}}
    better["key"], one["result"]["val_mse"] = "better", 0.2
    assert found(measures.repeat_last_over(evidence([one, better, naive]), "Exchange")) == [2.0], "its best recipe"
    assert measures.repeat_last_over(evidence([one, naive]), "Exchange", ("Transformer",)).empty
    some = naive | {"key": "some", "config": strided(naive), "result": {"mse": 0.8}}
    assert found(measures.repeat_last_over(evidence([some, one, naive]), "Exchange")) == [0.5], "on the same windows"
    assert measures.repeat_last_over(evidence([some, one]), "Exchange").empty


def strided(line: dict) -> dict:
    """The identity of ``line`` where one test window in five counts."""
    return line["config"] | {"data": line["config"]["data"] | {"eval_stride": 5}}


def test_models_of_one_recipe_that_were_tested_on_other_windows_are_not_mixed(dense, after):
    recipe = {"train": {"epochs": 2, "learning_rate": 1e-4}}
    large, small = dense(parameters=1000), dense(d_model=64, parameters=100)
    tuned = after(large, "narrow_tune", 1.0, density=0.1, given=recipe, parameters=102)
    longer = after(small, "fine_tune", 0.9, method="dense longer", density=1.0, given=recipe, parameters=100)
    assert found(measures.small_over_pruned(evidence([large, small, tuned, longer]))) == [0.9]
    small["config"] = strided(small)
    assert found(measures.small_over_pruned(evidence([large, small, tuned, longer]))) == []
    corners = [dense(d_model=width, fraction=share) for width in (512, 64) for share in (1.0, 0.1)]
    assert len(measures.wide_needs_data(evidence(corners))) == 1
    corners[0]["config"] = strided(corners[0])
    assert measures.wide_needs_data(evidence(corners)).empty


def test_errors_of_rows_that_ship_are_paired_by_window_and_without_them_nothing_is(dense, after):
    one = dense(mse=1.0)
    cut = after(one, "prune", 2.0)
    for line, level in ((one, 1.0), (cut, 2.0)):
        parts = {name: torch.ones(1, dtype=torch.float64) for name in ("column_mse", "column_mae")}
        line["errors"] = pack({"window_mse": torch.full((8,), level, dtype=torch.float64)} | parts)
        line["protocol"] |= {"seq_len": 2, "pred_len": 1}
    found = evidence([one, cut]).paired([cut["key"]], [one["key"]])
    assert (found.relative, found.low, found.high, found.windows) == (1.0, 1.0, 1.0, 8)
    assert evidence([one | {"errors": None}, cut]).paired([cut["key"]], [one["key"]]) is None


def test_blocks_of_pooled_data_span_a_window_of_every_series(dense, after):
    """Windows of one time stand together: a block that is shorter than all series would tear what errs alike."""
    one = dense(mse=1.0)
    cut = after(one, "prune", 2.0)
    for line, levels in ((one, torch.ones(40)), (cut, torch.tensor([1.0] * 20 + [3.0] * 20))):
        parts = {name: torch.ones(4, dtype=torch.float64) for name in ("column_mse", "column_mae")}
        line["errors"] = pack({"window_mse": levels.double()} | parts)
        line["protocol"] |= {"seq_len": 2, "pred_len": 3}
    alone = evidence([one, cut]).paired([cut["key"]], [one["key"]])
    for line in (one, cut):
        line["protocol"] |= {"series": 4}
    pooled = evidence([one, cut]).paired([cut["key"]], [one["key"]])
    a, b = (unpack(line["errors"])["window_mse"].numpy()[None] for line in (cut, one))
    assert pooled == paired_difference(a, b, block=20)
    assert pooled.high - pooled.low > alone.high - alone.low
