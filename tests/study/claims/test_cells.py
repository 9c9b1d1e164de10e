"""The page's tables and words, of rows by hand and of none."""

import re
from functools import cache

import pandas as pd
import pytest

from tsprune.engine.store import Store
from tsprune.places import resolve
from tsprune.report.text import NBSP
from tsprune.steps.archive import Archive, write
from tsprune.study.claims import figures, tables, words
from tsprune.study.claims.cells import ClaimsCells, _numbers, _seeds
from tsprune.study.claims.config import Claims
from tsprune.study.claims.evidence import CASE, evidence, gather
from tsprune.study.claims.listed import CLAIMS
from tsprune.study.claims.result import CANNOT, DOES_NOT, HOLDS, PAPERS, SMALL, UNCLEAR
from tsprune.study.registry import STUDIES

HALF = CLAIMS[0].says
OF_PAPERS = sum(claim.paper.startswith("arXiv") for claim in CLAIMS)


@pytest.fixture
def judged(monkeypatch, tmp_path):
    """``judged(lines)``: what study 07 makes of these rows."""

    def judged(lines):
        monkeypatch.setattr("tsprune.study.claims.cells.gather", lambda store, archive: evidence(lines))
        return ClaimsCells(Claims(least_seeds=2, least_cases=3, store=str(tmp_path))).run()

    return judged


def cut(dense, after, width: int, loss: float) -> list[dict]:
    """Three models that lose as much with half of the weights that are counted, two seeds each."""
    models = ("Transformer", "Informer", "Autoformer")
    trained = [dense(model, seed, d_model=width) for model in models for seed in (1, 2)]
    return [*trained, *(after(one, "authors", loss, density=0.512) for one in trained)]


def test_the_first_claim_is_judged_by_size_and_the_words_say_what_the_table_says(dense, after, judged):
    result = judged([*cut(dense, after, 512, 1.01), *cut(dense, after, 32, 1.5)])
    own = result.claims[result.claims["claim"] == "half-is-safe"].set_index("size")
    assert own["verdict"].to_dict() == {PAPERS: HOLDS, SMALL: DOES_NOT}
    assert own.loc[PAPERS, ["cases", "for", "against", "unclear"]].to_list() == [3, 3, 0, 0]
    assert own.loc[SMALL, "here"] == f"MSE +50{NBSP}% with about half of these weights"
    text = words.verdict(result.claims)
    first = (
        f"Of {OF_PAPERS} claims of the two papers, 1 holds, 1 does not hold, and {OF_PAPERS - 2} cannot be judged yet"
    )
    assert text.startswith(f"{first} at the papers' size")
    assert f"{HALF} (3 of 3 cases for it, 0 against)" in text
    assert f"The verdict depends on the size: “{HALF}” does not hold there, and holds at the papers' size." in text
    apart = result.claims.assign(grown="")
    assert "at the papers' size (models or data differ, so size need not be the cause)." in words.verdict(apart)
    assert own["grown"].to_dict() == {PAPERS: "−49 points (−49 to −49; 3 cases)", SMALL: ""}
    html = tables.claims(result.claims).to_html()
    assert "−49 points" in html and "no two cases in both" in html
    assert "holds (3 of 3 cases for it, 0 against)" in html and "does not hold (0 of 3 cases for it, 3 against)" in html
    html = tables.cases(result.cases, result.claims).to_html()
    assert html.count("ETTh1") == 12  # at half they beat dense, or not
    assert "Transformer on ETTh1, horizon 96" in html and f">+50{NBSP}%<" in html
    assert len(figures.outcomes(result.claims).axes) == 2


def test_an_interval_of_two_seeds_that_differ_ends_where_errors_do(dense, after, judged):
    trained = [dense("Informer", seed, d_model=512) for seed in (1, 2)]
    lost = [after(one, "authors", loss, density=0.512) for one, loss in zip(trained, (1.0, 1.5), strict=True)]
    cases = judged([*trained, *lost]).cases
    (case,) = cases[cases["claim"] == "half-is-safe"].to_dict("records")
    assert case["low"] == 0 and case["high"] == pytest.approx(1.25 + 12.706 * 0.25, rel=1e-4)
    assert case["outcome"] == UNCLEAR


def test_without_rows_nothing_can_be_said_and_the_page_stands(judged):
    result = judged([])
    assert set(result.claims["verdict"]) == {CANNOT} and result.cases.empty
    assert f"{OF_PAPERS} cannot be judged yet at the papers' size" in words.verdict(result.claims)
    for made in (tables.claims(result.claims), tables.found(result.claims)):
        assert "half of the weights" in re.sub(r"\s+", " ", made.to_html())
    figures.outcomes(result.claims)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_a_claim_names_a_page_that_there_is_and_where_its_number_stands(claim):
    assert {claim.page, claim.also or claim.page} <= STUDIES.keys()
    assert claim.quantity.count("{}") == 1 and claim.theirs and not claim.says.endswith(".")
    assert claim.why.endswith(".") and claim.why.count(".") == 1


@cache
def shipped_rows():
    return evidence(Archive(resolve("results")).lines.values())


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_of_the_rows_that_ship_a_case_has_one_value_per_seed_and_device(claim):
    values = claim.measure(shipped_rows())
    if "low" not in values:
        parts = [name for name in (*CASE, "case", "seed", "device") if name in values]
        assert not values.duplicated(parts).any()
    assert not values.empty, f"no row in results/ speaks of {claim.name}: its measure is wrong, or rows must be added"


def test_of_a_row_that_ships_and_is_stored_too_the_one_that_ships_counts(dense, tmp_path):
    line = dense(mse=1.0) | {"errors": None, "made": {}}
    store, archive = Store(tmp_path / "store"), Archive(tmp_path / "results")
    store.put(line["config"], {name: line[name] for name in line if name not in ("config", "errors")})
    write(tmp_path / "results/01_x/ETTh1.jsonl.gz", [line | {"result": line["result"] | {"mse": 2.0}}])
    assert gather(store, archive).rows["mse"].to_list() == [2.0]


def test_nothing_is_planned_and_what_is_for_those_that_train_is_passed_over(tmp_path):
    cells = ClaimsCells(Claims(least_seeds=2, least_cases=3, store=str(tmp_path)))
    assert cells.every_step() == []
    namespace = {}
    exec("least_seeds = 2\nleast_cases = 3\nd_model = 32\nmodels = ['DLinear']", namespace)
    assert Claims.from_namespace(namespace).least_cases == 3


def test_a_page_is_told_what_holds_of_its_claims_at_the_papers_size_and_no_more(dense, after, judged):
    claims = judged(cut(dense, after, 512, 1.01)).claims
    claims = claims[claims["claim"] != "sparse-beats-dense"]  # which the same rows deny
    said = f"{HALF}: **holds** (3 of 3 cases for it, 0 against; 2 seeds)"
    told = words.at_papers_size(claims, "01_pruning_sweep")
    assert told == f"At the papers' size (d_model 512, rows that ship with the project): {said}."
    assert words.at_papers_size(claims, "05_pals") == ""
    held = claims[claims["verdict"] == HOLDS]
    other = "The other one cannot be judged yet; the page of claims has all of them."
    twice = pd.concat([held, held.assign(claim="another"), held.assign(claim="a third", verdict=CANNOT)])
    told = words.at_papers_size(twice, "01_pruning_sweep").splitlines()
    first = "At the papers' size (d_model 512, rows that ship with the project), of 3 claims that this page is about"
    items = [f"- {said}: {held['here'].iloc[0]}"] * 2
    assert told == [f"{first}, 2 hold and 1 cannot be judged yet.", "", *items, "", other]
    told = words.at_papers_size(held.assign(verdict=CANNOT), "01_pruning_sweep")
    assert told.endswith(f"{HALF}: **cannot be judged yet** (3 of 3 cases for it, 0 against; 2 seeds)."), "no silence"
    of = len(CLAIMS) - 1
    summary = words.summary(claims).splitlines()
    without = claims[claims["claim"] != "half-is-safe"]
    assert words.in_short(without) == [], "of what has no row nothing is said"
    known = without["claim"].isin(["half-elsewhere", "zeros-academic"]) & (without["size"] == PAPERS)
    numbers = {"middle": "2 x", "ends": " (median; 1 to 3 x)", "cases": 3}
    found = without.assign(**{name: without[name].where(~known, value) for name, value in numbers.items()})
    items = words.in_short(found)
    assert items[0].endswith("of later forecasters by 2 x (median; 1 to 3 x)")
    assert " gives 2 x the best " in items[1] and items[1].endswith(" (median; 1 to 3 x)")
    assert words.summary(found).splitlines()[2:4] == [f"- {item}." for item in items]
    verdict = words.verdict(found).split("\n\n")
    assert verdict[1].splitlines()[1:] == [f"• {items[0]}.  ", f"• {items[1]}.*"], "in italics: shown at once"
    assert f"Of {of} claims, 1 holds and {of - 1} cannot be judged yet. The data: ETTh1." in summary
    summary = summary[summary.index("| claim | whose | at the papers' size | found |") :]
    assert [line.split(" | ")[2] for line in summary[2:]] == ["**holds**: 3 of 3 cases for it, 0 against"]


@pytest.mark.parametrize("claim", [claim for claim in CLAIMS if claim.name in words._IN_SHORT], ids=lambda c: c.name)
def test_in_short_a_number_keeps_the_conditions_it_was_found_under(claim):
    """Of one window or of 32 a speed is another, and so it is beside dense weights of eight bits."""
    for condition in ("eager", "on one CPU thread", "at 3 windows", "in float32"):
        if condition in f"{claim.says} {claim.quantity}":
            assert condition in words._IN_SHORT[claim.name].replace("On", "on", 1)


def test_the_numbers_of_cases_are_their_median_and_the_ends_with_the_horizon_where_a_dataset_has_several():
    cases = [("A", "ILI", 24, 1.1), ("B", "ILI", 36, 1.12), ("C", "ETTh1", 96, 1.3)]
    cases = pd.DataFrame(cases, columns=["model", "dataset", "pred_len", "mean"]).assign(case="")

    def said(own: pd.DataFrame) -> str:
        return "".join(_numbers(CLAIMS[0], own)).replace(NBSP, " ")

    assert said(cases) == "+12 % (median; +10 % for A ILI-24 to +30 % for C ETTh1)"
    assert said(cases.drop(index=1)) == "+10 % and +30 % (A ILI; C ETTh1)"
    assert said(cases.iloc[:1]) == "+10 %" and said(cases.iloc[:0]) == ""


def test_a_timing_has_one_seed_and_no_one_seeds():
    assert [_seeds(pd.Series(seeds)) for seeds in ([1, 1], [2, 5], [3])] == ["1 seed", "2 to 5 seeds", "3 seeds"]
