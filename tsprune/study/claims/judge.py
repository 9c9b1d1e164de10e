"""From numbers by seed to a verdict; a verdict never says more than the intervals do."""

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import NamedTuple

import pandas as pd

from tsprune.measure import Difference
from tsprune.measure.paired import LEVEL
from tsprune.report.text import counted, percent
from tsprune.study.base.student import student
from tsprune.study.claims.evidence import CASE
from tsprune.study.claims.result import AGAINST, CANNOT, DOES_NOT, FOR, HOLDS, IN_PART, UNCLEAR

Paired = Callable[..., Difference | None]
"""As :meth:`tsprune.study.claims.evidence.Evidence.paired`."""

SIDES = ("key", "other", "key_before", "other_before")
"""Columns with the keys of what is paired."""

MOST = 0.8
"""Share of the cases that must agree for a verdict without "in part"."""

SHARES_ALIKE = 0.2
"""Two shares of cases are taken as the same where they differ by no more."""

LEAST_DATASETS = 3
"""Datasets that a mean over all of them, or a count, is judged with: half of the six of the paper of PALS, whose own
means differ by dataset from a third to nine tenths."""

_ONE_END = (1 - LEVEL) / 2
"""How often chance alone puts a value beyond one end of its interval."""

_NORMAL = NormalDist().inv_cdf((1 + LEVEL) / 2)
"""Half the width, in standard deviations, of what has 95 % of a normal distribution."""


class Judgement(NamedTuple):
    """A verdict, and the numbers that it rests on, in words that can follow it."""

    verdict: str
    basis: str


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean, and the ends of its 95 % interval by Student's t; of one value the interval is everything."""
    count, mean = len(values), sum(values) / len(values)
    if count < 2:
        return mean, -math.inf, math.inf
    free = count - 1
    half = student(LEVEL, free) * math.sqrt(sum((value - mean) ** 2 for value in values) / free / count)
    return mean, mean - half, mean + half


def by_case(
    values: pd.DataFrame, bounds: tuple[float, float], least_seeds: int, paired: Paired = lambda *sides: None
) -> pd.DataFrame:
    """A row per case of ``values``, which have one per case and seed: mean, interval, outcome. A case with fewer than
    ``least_seeds`` seeds is left out; of a seed that ran on several devices the one counts that most of them ran on,
    and of a model on a dataset the recipe that most seeds have: two recipes of it would be one thing counted twice.

    ``bounds``: between which the claim wants the value. Rows that bring their own interval (``low`` and ``high``, those
    of a timing) are cases as they are. Of yes and no the interval is Wilson's, of all else that of the mean over the
    seeds by Student's t. Rows that name what their error is held against (in the columns SIDES, of which the last two
    may lack) are ``paired`` with it window by window as well, where these errors were kept, and the wider interval
    counts at either end: two or three seeds tell little of others, and many windows of these say no more of them. With
    ``before``, the value as it was with less, a case is for the claim only where the change against that is, too."""
    rows = []
    for place, own in _one_recipe(values).groupby([*CASE, "case"], sort=False, dropna=False):
        if "low" in own:
            mean, low, high = own[["value", "low", "high"]].mean()
            outcome = _outcome(low, high, bounds)
        elif own["seed"].nunique() < least_seeds:
            continue
        else:
            own = _each_once(own)
            mean, low, high = _over_seeds(own["value"], own, SIDES[:2], paired)
            outcome = _outcome(low, high, bounds)
            if "before" in own:
                _, *change = _over_seeds(own["value"] / own["before"], own, SIDES, paired)
                outcome = _both(outcome, _outcome(*change, bounds))
        named = dict(zip([*CASE, "case"], place, strict=True))
        numbers = {"seeds": own["seed"].nunique(), "mean": mean, "low": low, "high": high}
        rows.append(named | numbers | {"outcome": outcome})
    return pd.DataFrame(rows, columns=[*CASE, "case", "seeds", "mean", "low", "high", "outcome"])


def _one_recipe(values: pd.DataFrame) -> pd.DataFrame:
    """Of several recipes with as many seeds the first by name, which knows nothing of what they came to."""
    if values.empty:
        return values
    place = [values[name].fillna("") for name in (*CASE, "case") if name != "recipe"]
    seeds = values.groupby([*place, "recipe"])["seed"].transform("nunique")
    order = values.assign(_seeds=-seeds).sort_values(["_seeds", "recipe"], kind="stable")
    first = order.groupby([part.reindex(order.index) for part in place])["recipe"].transform("first")
    return values[values["recipe"] == first.reindex(values.index)]


def _each_once(own: pd.DataFrame) -> pd.DataFrame:
    """The rows of a case in the order of their seeds, one per seed: of the device that most have, and of several there
    the first by key, in whatever order they were read."""
    if own["seed"].is_unique:  # as nearly always: there is nothing to choose
        return own.sort_values("seed", kind="stable")
    if "device" in own:
        own = own.assign(_seeds=-own["device"].map(own.groupby("device")["seed"].nunique()))
    order = ["seed", *(name for name in ("_seeds", "device", "key") if name in own)]
    return own.sort_values(order, kind="stable").drop_duplicates("seed")


def _over_seeds(
    values: pd.Series, own: pd.DataFrame, sides: Sequence[str], paired: Paired
) -> tuple[float, float, float]:
    """Mean and interval of the ``values`` that the rows of a case have; see :func:`by_case`."""
    if values.dtype == bool:
        return (float(values.mean()), *wilson(int(values.sum()), len(values)))
    mean, low, high = interval(values.to_list())
    if {*sides} <= {*own.columns} and (found := paired(*(own[name].to_list() for name in sides))):
        return 1 + found.relative, min(low, 1 + found.low), max(high, 1 + found.high)
    return mean, low, high


def _both(one: str, other: str) -> str:
    return AGAINST if AGAINST in (one, other) else FOR if one == other == FOR else UNCLEAR


def _outcome(low: float, high: float, bounds: tuple[float, float]) -> str:
    if bounds[0] < low and high < bounds[1]:  # what makes no difference at all speaks for no claim
        return FOR
    return AGAINST if high < bounds[0] or low > bounds[1] else UNCLEAR


def of_each(cases: pd.DataFrame, least_cases: int) -> Judgement:
    """A claim about every case: it holds where :data:`MOST` of all cases say so, does not where more than half speak
    against it, and holds in part where no fewer speak for it than against it. Else nothing can be said, nor with too
    few cases, or more than half of them unclear."""
    counts = cases["outcome"].value_counts()
    own, against, unclear = (int(counts.get(name, 0)) for name in (FOR, AGAINST, UNCLEAR))
    return Judgement(_of_counts(len(cases), own, against, unclear, least_cases), _basis(len(cases), own, against))


def _basis(cases: int, own: int, against: int) -> str:
    return f"{own} of {counted(cases, 'case')} for it, {against} against"


def _of_counts(cases: int, own: int, against: int, unclear: int, least_cases: int) -> str:
    if cases < least_cases or unclear > cases / 2:
        return CANNOT
    if own >= MOST * cases:
        return HOLDS
    if against > cases / 2:
        return DOES_NOT
    return IN_PART if own and own >= against else CANNOT


def of_some(cases: pd.DataFrame, least_cases: int) -> Judgement:
    """A claim that there are such cases: it holds where more of them are clearly so than chance alone would give
    (:func:`by_chance`), and in part where no more than that, but more than chance gives on average. It does not where
    fewer are and more than half speak against it."""
    counts = cases["outcome"].value_counts()
    own, against = (int(counts.get(name, 0)) for name in (FOR, AGAINST))
    basis = _basis(len(cases), own, against)
    if len(cases) < least_cases:
        return Judgement(CANNOT, basis)
    if own > _ONE_END * len(cases):
        return Judgement(HOLDS if own > by_chance(len(cases)) else IN_PART, basis)
    return Judgement(DOES_NOT if against > len(cases) / 2 else CANNOT, basis)


def by_chance(cases: int) -> int:
    """How many cases out of this number may seem to make a difference by chance when none does: one in forty does, by
    one end of its 95 % interval, and in 39 of 40 tries no more than this number do."""
    count, within = 0, (1 - _ONE_END) ** cases
    while within < 1 - _ONE_END:
        count += 1
        within += math.comb(cases, count) * _ONE_END**count * (1 - _ONE_END) ** (cases - count)
    return max(1, count)


def of_mean(cases: pd.DataFrame, least_cases: int, bounds: tuple[float, float]) -> Judgement:
    """A claim about the mean of a share over cases of many datasets: it holds where its 95 % interval lies within
    ``bounds``, does not where it lies outside."""
    cases = _over_horizons(cases)
    if few := _few(cases, least_cases):
        return Judgement(CANNOT, few)
    mean, low, high = interval(cases["mean"].tolist())
    verdict = {FOR: HOLDS, AGAINST: DOES_NOT, UNCLEAR: CANNOT}[_outcome(low, high, bounds)]
    return Judgement(verdict, f"{percent(mean)} on average over {len(cases)} cases, {percent(low)} to {percent(high)}")


def of_share(cases: pd.DataFrame, least_cases: int, bounds: tuple[float, float], theirs: float) -> Judgement:
    """A claim about how many cases of many datasets lie within ``bounds`` by their means, as the papers count: a share
    ``theirs``.

    It holds where the whole of Wilson's 95 % interval of our share lies within :data:`SHARES_ALIKE` of theirs, and does
    not where it has not theirs in it."""
    cases = _over_horizons(cases)
    if few := _few(cases, least_cases):
        return Judgement(CANNOT, few)
    count = int(cases["mean"].between(*bounds, inclusive="neither").sum())
    basis = f"so in {count} of {len(cases)} cases by their means"
    low, high = wilson(count, len(cases))
    basis = f"{basis}, {percent(low)} to {percent(high)}"
    if not low <= theirs <= high:
        return Judgement(DOES_NOT, basis)
    return Judgement(HOLDS if theirs - SHARES_ALIKE <= low and high <= theirs + SHARES_ALIKE else CANNOT, basis)


def _over_horizons(cases: pd.DataFrame) -> pd.DataFrame:
    """A case per forecaster and dataset, the mean over its horizons, as the paper of PALS counts its 30: horizons of a
    series have most of their rows in common."""
    return cases.groupby(["dataset", "model"], sort=False, as_index=False)["mean"].mean()


def _few(cases: pd.DataFrame, least_cases: int) -> str:
    """Why these are too few cases to stand for all datasets; empty where they are enough."""
    datasets = cases["dataset"].nunique()
    if len(cases) >= least_cases and datasets >= LEAST_DATASETS:
        return ""
    of = f" on {datasets} of the {LEAST_DATASETS} datasets that it takes" if len(cases) else ""
    return f"{counted(len(cases), 'case')}{of}"


def wilson(count: int, of: int) -> tuple[float, float]:
    """Wilson's 95 % interval of the share ``count`` / ``of``."""
    z2, share = _NORMAL**2, count / of
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = math.sqrt(z2 * (share * (1 - share) / of + z2 / (4 * of**2))) / (1 + z2 / of)
    return middle - half, middle + half
