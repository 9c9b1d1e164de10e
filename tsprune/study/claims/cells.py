"""Study 07: from the rows that are there to a verdict per claim and size; nothing is trained."""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

import pandas as pd

from tsprune.engine.progress import Progress
from tsprune.report.text import NBSP, counted, number, percent
from tsprune.steps.archive import project_archive
from tsprune.study.base.cells import Cells
from tsprune.study.claims.config import Claims
from tsprune.study.claims.evidence import Evidence, evidence, gather
from tsprune.study.claims.judge import MOST, by_case, interval
from tsprune.study.claims.listed import CLAIMS, Claim
from tsprune.study.claims.result import (
    AGAINST,
    CASE_COLUMNS,
    CLAIM_COLUMNS,
    FOR,
    PAPERS,
    SIZES,
    UNCLEAR,
    ClaimsResult,
    written,
)

LEAST_SEEDS, LEAST_CASES = 2, 3
"""What notebook 07 asks for too."""


class ClaimsCells(Cells[Claims, ClaimsResult]):
    """No steps: what other studies have run is the evidence."""

    jobs = 1

    def steps(self) -> tuple[()]:
        return ()

    def plan(self) -> tuple[()]:
        return ()

    def run(
        self, *, make_executor: Callable[[], Executor] | None = None, progress: Progress | None = None
    ) -> ClaimsResult:
        """As :meth:`gather`: there is nothing to run."""
        return self.gather()

    def gather(self) -> ClaimsResult:
        rows = gather(self.store, self.archive)
        claims, cases = judged(rows, self.config.least_seeds, self.config.least_cases)
        return ClaimsResult(claims, cases, self._protocol(rows))

    def _protocol(self, found: Evidence) -> dict[str, str]:
        config, rows = self.config, found.rows
        trained = rows[rows["step"] == "train"]
        sizes = {size: trained[trained["size"] == size] for size in SIZES}
        return {
            "rows": f"{len(rows):,} of the store and of those that ship with the project, on real data",
            **{
                f"dense trainings at {size}": f"{len(own)} of {own['model'].nunique()} models on "
                f"{', '.join(sorted(own['dataset'].unique())) or 'nothing'}"
                for size, own in sizes.items()
            },
            "a case": "one model on one dataset at one horizon with one recipe; it counts with "
            f"{config.least_seeds} seeds or more, by its 95 % interval: that of the mean over the seeds (Student's t), "
            "and of a ratio of MSE no narrower than the paired bootstrap over seeds and blocks of test windows; of "
            "timings that of the median over rounds (study 06 on a CPU: of a model called again and again; else models "
            "take turns); of a share of trainings Wilson's. All are of the benchmark's own "
            "test windows: where these are few, as for influenza, another period may say otherwise",
            "a verdict": f"of {counted(config.least_cases, 'case')} or more, no more than half of them unclear: holds "
            f"where {percent(MOST)} say so, does not where more than half speak against it, in part where no fewer "
            "speak for it than against; counts and means of the papers by the interval of ours",
        }


def judged(
    found: Evidence,
    least_seeds: int = LEAST_SEEDS,
    least_cases: int = LEAST_CASES,
    claims: Sequence[Claim] = CLAIMS,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The claims at every size, and the cases that the verdicts rest on: the tables of :class:`ClaimsResult`."""
    cases = {claim.name: _cases(claim, found, least_seeds) for claim in claims}
    records = [_verdict(claim, size, cases[claim.name], least_cases) for claim in claims for size in SIZES]
    every = [own.assign(claim=name) for name, own in cases.items() if len(own)]
    table = pd.concat(every, ignore_index=True) if every else pd.DataFrame(columns=CASE_COLUMNS)
    return pd.DataFrame(records, columns=CLAIM_COLUMNS), table[CASE_COLUMNS]


def _cases(claim: Claim, found: Evidence, least_seeds: int) -> pd.DataFrame:
    """As :func:`by_case`, with intervals cut to what is possible: by two seeds that differ an error may be below 0."""
    cases = by_case(claim.measure(found), claim.bounds, least_seeds, found.paired)
    least, most = (-1.0, 1.0) if claim.unit == "points" else (0.0, math.inf)
    return cases.assign(low=cases["low"].clip(lower=least), high=cases["high"].clip(upper=most))


def shipped(page: str = "") -> pd.DataFrame:
    """The claims, where a ``page`` is named those that it is about, as the rows judge them that ship with the project,
    whatever a store holds."""
    claims = [claim for claim in CLAIMS if not page or page in (claim.page, claim.also)]
    return judged(evidence(project_archive().lines.values()), claims=claims)[0]


def _verdict(claim: Claim, size: str, cases: pd.DataFrame, least_cases: int) -> dict:
    own = cases[cases["size"] == size]
    counts = own["outcome"].value_counts()
    found = claim.judge(own, least_cases)
    middle, ends = _numbers(claim, own)
    return {
        "claim": claim.name,
        "paper": claim.paper,
        "says": claim.says,
        "theirs": claim.theirs,
        "page": claim.page,
        "also": claim.also,
        "unit": claim.unit,
        "size": size,
        "verdict": found.verdict,
        "basis": found.basis,
        "seeds": _seeds(own["seeds"]),
        "datasets": ", ".join(sorted(own["dataset"].unique())),
        "cases": len(own),
        **{name: int(counts.get(name, 0)) for name in (FOR, AGAINST, UNCLEAR)},
        "here": claim.quantity.format(middle) + ends if middle else "",
        "middle": middle,
        "ends": ends,
        "grown": _grown(claim, cases) if size == PAPERS else "",
        "why": claim.why,
    }


def _seeds(seeds: pd.Series) -> str:
    """How many seeds a case has: ``5 seeds``, ``3 to 5 seeds``; empty where there is no case."""
    if seeds.empty:
        return ""
    low, high = int(seeds.min()), int(seeds.max())
    return counted(high, "seed") if low == high else f"{low} to {high} seeds"


def _numbers(claim: Claim, cases: pd.DataFrame) -> tuple[str, str]:
    """What the cases came to: their median, and in brackets the lowest and the highest, each with its place. Two
    cases are both named; of none, both texts are empty."""
    if cases.empty:
        return "", ""
    low, high = cases.loc[cases["mean"].idxmin()], cases.loc[cases["mean"].idxmax()]
    ends = [written(row["mean"], claim.unit) for row in (low, high)]
    if ends[0] == ends[1]:
        return ends[0], ""
    horizons = cases.groupby("dataset")["pred_len"].nunique()
    places = [_named(row, horizons[row["dataset"]] > 1) for row in (low, high)]
    if len(cases) == 2:
        return " and ".join(ends), f" ({places[0]}; {places[1]})"
    middle = written(cases["mean"].median(), claim.unit)
    return middle, f" (median; {ends[0]} for {places[0]} to {ends[1]} for {places[1]})"


def _grown(claim: Claim, cases: pd.DataFrame) -> str:
    """By how much the number lies higher at the papers' size than in small models, over the cases that both have: the
    mean with its 95 % interval; empty where there are no such two."""
    place = ["dataset", "model", "pred_len", "case"]
    large, small = (cases[cases["size"] == size].groupby(place)["mean"].mean() for size in SIZES)
    pairs = (large - small).dropna()
    if len(pairs) < 2:
        return ""
    ends = interval(pairs.to_list())
    if claim.unit == "factor":
        mean, low, high = (f"{value:+.1f}".replace("-", "−") for value in ends)
        return f"{mean}{NBSP}× ({low} to {high}; {len(pairs)} cases)"
    mean, low, high = (number(value) for value in ends)
    return f"{mean} points ({low} to {high}; {len(pairs)} cases)"


def _named(case: pd.Series, with_horizon: bool) -> str:
    data = f"{case['dataset']}-{case['pred_len']}" if with_horizon else case["dataset"]
    return " ".join(part for part in (case["model"], data, case["case"]) if part)
