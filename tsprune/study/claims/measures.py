"""What is measured for each claim: from rows to a number per case and seed, in the column ``value``."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean

import pandas as pd

from tsprune.pruners import DENSITIES
from tsprune.pruners.pals import PALS
from tsprune.pruners.structured import LEAST
from tsprune.report.text import percent
from tsprune.steps.runtimes import EAGER, ONNX, SPARSE
from tsprune.study.base.ended import ended
from tsprune.study.base.published_sparsity import published_sparsities
from tsprune.study.claims.evidence import CASE, Evidence
from tsprune.study.claims.judge import SIDES
from tsprune.typed import digest

NEAR = 0.1
"""A density counts as the one that a claim names where it differs by less, as a share; of several the nearest."""

TENTH = DENSITIES[-1]
"""The lowest density of the first paper's grid, 0.8 to the tenth power."""

FOLD = 7
"""By how much multiply-adds must have fallen where the first paper's sevenfold is spoken of."""

EQUALLY_LARGE = 0.05
"""Models count as equally large where their parameters differ by less, as a share."""

WINDOWS = 3
"""Windows forecast at once where time is spoken of: as in the first paper's code. One and 32 are on the pages."""

_PLAIN = {"method": "magnitude", "structure": "unstructured", "scope": "layer"}
"""Single weights, the smallest of every layer: all weights count, unlike in the first paper's code, which ranks those
of linear maps and convolutions over the model and cuts no other."""

_ENDS = {"value": "speedup", "low": "low", "high": "high"}

SETTINGS = 9
"""Settings that the paper of PALS tries of gamma and lambda, three values of either."""

_SETTINGS = ("gamma", "lam", "every")
"""Fields of PALS that its user sets; every other field is a mechanism, which an ablation changes."""


def lost_at(
    evidence: Evidence, density: float, models: tuple[str, ...] = (), but: tuple[str, ...] = ()
) -> pd.DataFrame:
    """Test MSE over dense after cutting every layer to ``density``, without retraining; of all models ``but`` some."""
    rows = _at(_whole(evidence, step="prune", **_PLAIN), density)
    return _plain(evidence.over_dense(_of(rows[~rows["model"].isin(but)], models), "mse"))


def lost_as_counted(evidence: Evidence, density: float, models: tuple[str, ...] = ()) -> pd.DataFrame:
    """The same, cut as the first paper's code cuts: one ranking over the model, in which FEDformer's Fourier weights do
    not stand, so that they are all kept and not counted."""
    rows = _at(_whole(evidence, step="authors"), density)
    return _plain(evidence.over_dense(_of(rows, models), "mse"))


def lost_at_each(evidence: Evidence, densities: Sequence[float], models: tuple[str, ...]) -> pd.DataFrame:
    """:func:`lost_as_counted` at several densities, a case each."""
    found = [
        lost_as_counted(evidence, density, models).assign(case=f"{percent(density)} of the weights")
        for density in densities
    ]
    return pd.concat(found, ignore_index=True)


def missed(evidence: Evidence, step: str) -> pd.DataFrame:
    """How far the share of parameters that structured pruning leaves lies from what was asked, as a part of it; the
    furthest of all densities. A seed that was not asked for the one at which the case is furthest has not tried its
    worst, and does not count. ``step``: "depgraph", the library asked for a ratio of channels, or "structured", ours,
    which says where it was asked for less than it may leave: those are no targets to be met."""
    in_reach = [LEAST not in str(floor) for floor in evidence.rows["floor"]]
    rows = evidence.rows[(evidence.rows["step"] == step) & pd.Series(in_reach, evidence.rows.index, dtype=bool)]
    rows = rows.assign(value=(rows["density_all"] / rows["density_asked"] - 1).abs())
    case = [rows[name].fillna("") for name in CASE]
    off = rows.groupby([*case, "density_asked"])["value"].transform("mean")
    rows = rows[(off == off.groupby(case).transform("max")).groupby([*case, rows["seed"]]).transform("any")]
    return _plain(rows.groupby([*CASE, "seed"], as_index=False, sort=False, dropna=False)["value"].max())


def times_less_macs(evidence: Evidence) -> pd.DataFrame:
    """Multiply-adds of the dense model over those of the one that our structured pruning narrowed to a tenth of its
    parameters; where it came so far."""
    rows = evidence.over_dense(_at(_like(evidence.rows, step="structured"), TENTH), "macs_executed")
    rows = rows[(rows["density_all"] / TENTH - 1).abs() < NEAR]
    return _plain(rows.assign(value=1 / rows["value"]))


def promise_kept(evidence: Evidence, place: str) -> pd.DataFrame:
    """In eager PyTorch, measured speedup over the factor by which multiply-adds fell: of trained models that were
    narrowed to a tenth of their parameters, and of study 06's. ``place``: "cpu" or "cuda"."""
    timed = evidence.over_dense(_at(_timed(evidence, ["structured"], place), TENTH), "macs_executed")
    timed = timed[1 / timed["value"] >= FOLD]
    both = [_with_ends(timed, 1 / timed["value"]), promise_kept_in(evidence, EAGER, place)]
    return pd.concat(both, ignore_index=True)


def zeros_speed(evidence: Evidence) -> pd.DataFrame:
    """Measured speedup of the sparsest model whose single weights are zeros, on one CPU thread."""
    timed = _timed(evidence, ["prune", "authors"], "cpu")
    timed = timed.loc[timed.groupby(CASE, dropna=False)["density_all"].idxmin()]
    return _with_ends(timed, 1.0)


def zeros_skipped_speed(evidence: Evidence, density: float) -> pd.DataFrame:
    """Speed of a model with ``density`` of its weights in the sparse kernel over that of the dense one in the faster of
    eager PyTorch and ONNX Runtime, float32, on one CPU thread."""
    speeds = _like(evidence.speeds, place="cpu", batch=WINDOWS)
    sparse = speeds[(speeds["form"] == "zeros") & (speeds["runtime"] == SPARSE)]
    dense = speeds[(speeds["form"] == "dense") & speeds["runtime"].isin([EAGER, ONNX])]
    dense = dense.loc[dense.groupby(CASE, dropna=False)["speedup"].idxmax()]
    return _beside(sparse[(sparse["share"] / density - 1).abs() < NEAR], dense)


def promise_kept_in(evidence: Evidence, runtime: str, place: str) -> pd.DataFrame:
    """Speed of the narrowest model over that of the dense one, both in ``runtime``, over the factor by which its
    multiply-adds fell; where that is sevenfold or more."""
    speeds = _like(evidence.speeds, place=place, batch=WINDOWS, runtime=runtime)
    narrow, dense = speeds[speeds["form"] == "narrow"], speeds[speeds["form"] == "dense"]
    narrow = narrow[narrow["macs_share"] <= 1 / FOLD]
    narrow = narrow.loc[narrow.groupby(CASE, dropna=False)["macs_share"].idxmin()]
    both = _beside(narrow, dense)
    return both.assign(**{name: both[name] * both["macs_share"] for name in ("value", "low", "high")})


def _beside(ours: pd.DataFrame, dense: pd.DataFrame) -> pd.DataFrame:
    """The one speed over the other. The interval is the widest that those of the two allow."""
    both = ours.merge(dense, on=CASE, suffixes=("", "_dense"))
    ends = {"value": both["speedup"] / both["speedup_dense"], "low": both["low"] / both["high_dense"]}
    return _plain(both.assign(**ends, high=both["high"] / both["low_dense"]))


def regained(evidence: Evidence, density: float) -> pd.DataFrame:
    """Test MSE after a cut and further training, over that of the same cut without further training."""
    tuned, cut = _tuned(evidence, density), _like(evidence.rows, step="prune", **_PLAIN)
    same = ["dense", "density_asked"]
    cuts = cut.drop_duplicates(same).set_index(same)["key"]
    theirs = cuts.reindex(pd.MultiIndex.from_frame(tuned[same])).to_numpy()
    return _plain(evidence.over(tuned, pd.Series(theirs, tuned.index, dtype=object)))


def against_control(
    evidence: Evidence, density: float, models: tuple[str, ...] = (), but: tuple[str, ...] = ()
) -> pd.DataFrame:
    """Test MSE after a cut and further training, over that of the dense model trained as much longer; for all models
    ``but`` some."""
    tuned, dense = _tuned(evidence, density), _like(evidence.rows, step="fine_tune", method="dense longer")
    longer = {(row["dense"], _as_long(row["identity"])): row["key"] for row in dense.to_dict("records")}
    tuned = _of(tuned[~tuned["model"].isin(but)], models)
    theirs = [longer.get((row["dense"], _as_long(row["identity"]))) for row in tuned.to_dict("records")]
    return _plain(evidence.over(tuned, pd.Series(theirs, tuned.index, dtype=object)))


def small_over_pruned(evidence: Evidence) -> pd.DataFrame:
    """Test MSE of a small model trained from scratch over that of a large one pruned to as many parameters, both by one
    recipe, on the same data, and then trained on as long; a case per small width. Where several cuts of the large one
    come near it, the one that most seeds have, of these the nearest."""
    trained = evidence.rows[evidence.rows["step"] == "train"].set_index("key")
    trained = trained["identity"].map(_but_for_width) + trained["tested"]
    rows = evidence.rows.assign(beside=evidence.rows["dense"].map(trained))
    large = _by_length(rows[rows["step"] == "narrow_tune"])
    small = _by_length(_like(rows, step="fine_tune", method="dense longer"))
    same = ["dataset", "model", "pred_len", "seed", "data_fraction", "length", "beside"]
    both = large.merge(small[[*same, "d_model", "parameters", "mse", "key"]], on=same, suffixes=("", "_small"))
    off = (both["parameters_small"] / both["parameters"] - 1).abs()
    both = both.assign(off=off)[(off < EQUALLY_LARGE) & (both["d_model_small"] < both["d_model"])]
    place = [*CASE, "d_model_small"]
    seeds = both.groupby([*place, "density_asked", "length"], dropna=False)["seed"].transform("nunique")
    order = both.assign(seeds=-seeds, cut=list(zip(both["density_asked"], both["length"], strict=True)))
    order = order.sort_values(["seeds", "off"], kind="stable")
    both = order[order["cut"] == order.groupby(place, dropna=False)["cut"].transform("first")]
    case = [
        f"width {width:.0f}" + (f", {percent(share)} of the data" if share < 1 else "")
        for width, share in zip(both["d_model_small"], both["data_fraction"], strict=True)
    ]
    return both.assign(value=both["mse_small"] / both["mse"], case=case, key=both["key_small"], other=both["key"])


def wide_needs_data(evidence: Evidence) -> pd.DataFrame:
    """Test MSE of the widest model over that of the narrowest with all the data; ``before``: with the least of it. All
    of one recipe, on one device, with as many layers; the widths and the share are those that most seeds have."""
    rows = evidence.rows[evidence.rows["step"] == "train"]
    rows = rows.assign(recipe=rows["identity"].map(_but_for_width) + rows["tested"])
    records = []
    group = ["dataset", "model", "pred_len", "recipe"]
    rows = rows[[*group, "seed", "d_model", "data_fraction", "size", "key", "mse"]]
    several = rows.groupby([*group, "seed"])[["d_model", "data_fraction"]].transform("nunique")
    rows = rows[(several > 1).all(axis=1)]
    for place, own in rows.groupby([*group, "seed"], sort=False):
        widths, shares = (sorted(own[name].unique()) for name in ("d_model", "data_fraction"))
        corners = [(width, share) for share in (shares[-1], shares[0]) for width in (widths[-1], widths[0])]
        trained = own.drop_duplicates(["d_model", "data_fraction"]).set_index(["d_model", "data_fraction"])
        if not all(corner in trained.index for corner in corners):
            continue
        found = trained.loc[corners]
        wide_all, narrow_all, wide_few, narrow_few = found["mse"]
        named = dict(zip([*group, "seed"], place, strict=True)) | {"corners": (widths[-1], -widths[0], -shares[0])}
        named |= dict(zip(SIDES, found["key"], strict=True)) | {"size": found["size"].iloc[0]}
        records.append(named | {"value": wide_all / narrow_all, "before": wide_few / narrow_few})
    found = pd.DataFrame(records, columns=[*CASE, "seed", *SIDES, "value", "before", "corners"])
    return _plain(_most(found, group, "corners"))


def found_by_the_loss(evidence: Evidence, models: tuple[str, ...] = ()) -> pd.DataFrame:
    """Whether the loss ended PALS' shrinking: not where the cap did, nor where it was shrinking still."""
    rows = _of(_reported(evidence), models)
    caps = [identity["fields"]["max_sparsity"] for identity in rows["identity"]]
    by_loss = [ended(made, cap) == "loss" for made, cap in zip(rows["sparsities"], caps, strict=True)]
    return _plain(rows.assign(value=pd.Series(by_loss, rows.index, dtype=bool)))


def pals_over_dense(evidence: Evidence, column: str, models: tuple[str, ...] = ()) -> pd.DataFrame:
    """``column`` of a model that PALS trained over that of the dense training of the same recipe."""
    return _plain(evidence.over_dense(_of(_reported(evidence), models), column))


def removed_beside_published(evidence: Evidence) -> pd.DataFrame:
    """Share of all parameters that PALS removed, less what its paper's figures show of the same model, dataset and
    horizon; only where they show it, and where as many settings were tried as there, of which one is chosen: the pace
    alone makes a sparsity half or double."""
    rows = _reported(evidence, least_settings=SETTINGS)
    theirs = published_sparsities().set_index(["model", "dataset", "pred_len"])["sparsity_published"]
    places = pd.MultiIndex.from_frame(rows[["model", "dataset", "pred_len"]])
    return _plain(rows.assign(value=1 - rows["density_all"] - theirs.reindex(places).to_numpy()).dropna(subset="value"))


def macs_saved_by_pals(evidence: Evidence, models: tuple[str, ...] = ()) -> pd.DataFrame:
    """Share of the multiply-adds of a forecast that PALS saves where zeros are skipped."""
    rows = _of(_reported(evidence), models)
    dense = evidence.rows.set_index("key")["macs_executed"].reindex(rows["dense"]).to_numpy()
    return _plain(rows.assign(value=1 - rows["macs_if_zeros_skipped"] / dense).dropna(subset=["value"]))


def cost_of_pals(evidence: Evidence) -> pd.DataFrame:
    """Multiply-adds of a training with PALS over those of a dense training of as many steps, were zeros skipped; with
    the validation windows that its decisions look at."""
    rows = _reported(evidence)
    return _plain(rows.assign(value=rows["training_macs_if_zeros_skipped"] / rows["training_macs_dense"]))


def without(evidence: Evidence, **changed) -> pd.DataFrame:
    """Test MSE of PALS with one mechanism changed over PALS as in its code, both at the same settings. Where that never
    acted, both are the same training to the last bit, which says nothing of it and is left out. One that acted after
    the epoch that is kept made another training of the same error: that counts."""
    whole = _pals(evidence)
    keys = dict(zip(zip(whole["dense"], whole["setting"], strict=True), whole["key"], strict=True))
    rows = _pals(evidence, **changed)
    theirs = [keys.get(place) for place in zip(rows["dense"], rows["setting"], strict=True)]
    found = _plain(evidence.over(rows, pd.Series(theirs, rows.index, dtype=object)))
    made = whole.set_index("key")["sparsities"]
    acted = [ours != made[other] for ours, other in zip(found["sparsities"], found["other"], strict=True)]
    return found[(found["value"] != 1) | pd.Series(acted, found.index, dtype=bool)]


def repeat_last_over(evidence: Evidence, dataset: str, but: tuple[str, ...] = ()) -> pd.DataFrame:
    """Test MSE of repeating the last value over that of each dense model on ``dataset`` ``but`` some, with the recipe
    that suits it best by validation."""
    naive = _like(evidence.rows, step="naive", model="RepeatLast", dataset=dataset)
    same = ["pred_len", "tested"]
    naive = naive.drop_duplicates(same).set_index(same)[["key", "mse"]]
    rows = evidence.rows[(evidence.rows["step"] == "train") & (evidence.rows["dataset"] == dataset)]
    rows = rows[(rows["data_fraction"] == 1) & ~rows["model"].isin(but)]
    rows = rows[pd.MultiIndex.from_frame(rows[same]).isin(naive.index)]
    rows = _chosen(rows, ["model", "pred_len", "size"], "recipe")
    theirs = naive.reindex(pd.MultiIndex.from_frame(rows[same]))
    return _plain(
        rows.assign(value=theirs["mse"].to_numpy() / rows["mse"], other=rows["key"], key=theirs["key"].to_numpy())
    )


def _plain(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(case="")


def _of(rows: pd.DataFrame, models: tuple[str, ...]) -> pd.DataFrame:
    return rows[rows["model"].isin(models)] if models else rows


def _like(rows: pd.DataFrame, **values) -> pd.DataFrame:
    for name, value in values.items():
        rows = rows[rows[name] == value]
    return rows


def _whole(evidence: Evidence, **values) -> pd.DataFrame:
    """:func:`_like` of models that were trained on all the data: of a part of them another claim speaks."""
    return _like(evidence.rows, data_fraction=1, **values)


def _tuned(evidence: Evidence, density: float) -> pd.DataFrame:
    """Of each case at one length of training on: the one that most seeds have, of several the longest."""
    rows = _whole(evidence, step="fine_tune", method="fine-tuned", structure="unstructured", scope="layer")
    return _most(_by_length(_at(rows, density)), CASE, "length")


def _at(rows: pd.DataFrame, density: float) -> pd.DataFrame:
    """Of each case the rows at the density nearest to ``density``: the same for all its seeds."""
    off = (rows["density_asked"].astype(float) / density - 1).abs()
    return rows[(off < NEAR) & (off == off.groupby([rows[name].fillna("") for name in CASE]).transform("min"))]


def _but_for_width(identity: dict) -> str:
    """What trainings share that differ in their width, their share of the data or their seed alone."""
    hyper = {name: value for name, value in identity["hyper"].items() if name not in ("d_model", "d_ff")}
    return digest([hyper, identity["train"]], 8)


def _most(rows: pd.DataFrame, place: Sequence[str], by: str) -> pd.DataFrame:
    """Of each ``place`` the rows of that value of ``by`` which most seeds have, of several the largest."""
    if rows.empty:
        return rows
    places = [rows[name].fillna("") for name in place]
    seeds = rows.groupby([*places, by])["seed"].transform("nunique")
    rank = pd.Series(list(zip(seeds, rows[by], strict=True)), rows.index)
    return rows[rank == rank.groupby(places).transform("max")]


def _by_length(rows: pd.DataFrame) -> pd.DataFrame:
    """With ``length``: how the training on was."""
    return rows.assign(length=[_as_long(identity) for identity in rows["identity"]])


def _as_long(identity: dict) -> tuple:
    return identity["train"]["epochs"], identity["train"]["learning_rate"]


def _pals(evidence: Evidence, **changed) -> pd.DataFrame:
    """Trainings of PALS as in its code, but for what is ``changed``; at all settings, named in ``setting``."""
    rows = _whole(evidence, step="sparse_train", method="pals")
    mechanisms = PALS.variant("code").model_dump(mode="json", exclude=set(_SETTINGS)) | changed
    fits = [mechanisms.items() <= identity["fields"].items() for identity in rows["identity"]]
    rows = rows[pd.Series(fits, rows.index, dtype=bool)]
    return rows.assign(setting=[tuple(one["fields"][name] for name in _SETTINGS) for one in rows["identity"]])


def _reported(evidence: Evidence, least_settings: int = 1) -> pd.DataFrame:
    """Of a case the trainings of PALS at one setting, chosen as its paper chooses: by the validation loss, of so many
    settings at least."""
    rows = _pals(evidence)
    tried = rows.groupby([rows[name].fillna("") for name in CASE])["setting"].transform("nunique")
    return _chosen(rows[tried >= least_settings], CASE, "setting")


def _chosen(rows: pd.DataFrame, place: Sequence[str], by: str) -> pd.DataFrame:
    """Of each ``place`` the rows of that value of ``by`` which has the lowest validation loss."""
    places = list(zip(*(rows[name].fillna("") for name in place), strict=True))
    tried = defaultdict(lambda: defaultdict(list))
    for where, value, seed, loss in zip(places, rows[by], rows["seed"], rows["val_mse"].astype(float), strict=True):
        tried[where][value].append((seed, loss))
    best = {where: _best(own) for where, own in tried.items()}
    kept = [value == best[where] for where, value in zip(places, rows[by], strict=True)]
    return rows[pd.Series(kept, rows.index, dtype=bool)]


def _best(tried: Mapping[object, Sequence[tuple[int, float]]]) -> object:
    """Of seeds and validation losses by what was ``tried``, that with the lowest loss over the seeds that all have
    which have two or more: one that is given further seeds is judged by the same as the others. Of equal ones that with
    most seeds; likewise where they have no seed in common."""
    seeds = {value: {seed for seed, _ in own} for value, own in tried.items()}
    several = [value for value in tried if len(seeds[value]) > 1] or list(tried)
    shared = set.intersection(*(seeds[value] for value in several))

    def rank(value) -> tuple:
        losses = [loss for seed, loss in tried[value] if seed in shared and not math.isnan(loss)]
        return fmean(losses) if losses else math.inf, -len(seeds[value]), value

    return min(several, key=rank)


def _timed(evidence: Evidence, steps: list[str], place: str) -> pd.DataFrame:
    rows = evidence.rows[evidence.rows["step"].isin(steps)]
    return _like(evidence.timings, place=place, batch=WINDOWS).merge(rows, on="key")


def _with_ends(timed: pd.DataFrame, over: pd.Series | float) -> pd.DataFrame:
    """The speedup over something, with the interval of its timing."""
    return _plain(timed.assign(**{end: timed[name] / over for end, name in _ENDS.items()}))
