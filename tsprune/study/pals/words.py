"""The answer of study 05 in words; the frames it reads are described in :mod:`tsprune.study.pals.result`."""

import pandas as pd

from tsprune.report.cases import CASE, of_case
from tsprune.report.frames import finished, need, repeat_last
from tsprune.report.outcomes import BETTER, LOST, NOISE, WORSE, outcomes
from tsprune.report.text import (
    amount,
    between,
    bold,
    density_text,
    interval,
    interval_words,
    left_out,
    listed,
    on_data,
    percent,
    seeds_text,
    signed,
    where,
)
from tsprune.study.base.ended import ended
from tsprune.study.base.words import LAST_VALUE, all_of, idle, standing
from tsprune.study.pals.published import published_every
from tsprune.study.pals.result import (
    CELLS,
    CODE,
    COMPARISONS,
    CONTROL,
    COSTS,
    PAPER,
    SEARCHED,
    TOLD,
    UPDATES,
    alike_words,
    at_pals,
    density_reached,
    rivals_alike,
    wholly_searched,
)

VISIBLE = 0.02
"""Densities closer than this are not called different."""

WITHIN, UNCLAIMED = "MSE within the noise", "nothing claimed"
"""What is said of a difference that is not clear, and of one that was not tested."""

NEGLIGIBLE = 0.001
"""A clear change of the MSE by less is of no use to a reader, and the text says that it is small."""


STEADY = 1.1
"""If the same training, run again, differs in time by this factor or more, the clock says nothing about other
trainings."""


def verdict(cells: pd.DataFrame, updates: pd.DataFrame, comparisons: pd.DataFrame, naive: pd.DataFrame) -> str:
    """Whether the loss finds the sparsity by itself, what that costs and which mechanism matters, as Markdown.

    Where its setting was searched for every model, as its authors do, the first sentence is about that. A training of
    PALS was stopped by its cap, or by the end of its updates (it was shrinking still), or by the loss. A difference of
    errors is claimed where its interval is clear of zero, one of densities where the ranges over two or more seeds do
    not meet. That no dense model beats repeating the last value stands first. Raises UserError for an empty table or a
    missing column.
    """
    need(cells, "cells", [*CELLS, *COSTS, "cap", "every", "gamma", "lam"])
    ours, data = finished(cells[cells["arm"] == CODE]), on_data(cells["dataset"])
    if ours.empty:
        alone = (cells.loc[cells["arm"] == CODE, "status"] == "ok").any()
        why = "none finished together with its dense training" if alone else "no training finished"
        return (
            f"{data}, it cannot be said whether PALS finds by itself how many weights training can remove: {why}."
            f"\n\n{left_out(cells)}"
        )
    need(comparisons, "comparisons", COMPARISONS)
    need(updates, "updates", UPDATES)
    dense = finished(cells[cells["group"] == "dense"]).groupby(CASE, sort=False)["mse"].mean()
    levels = repeat_last(naive)
    searched = finished(cells[cells["arm"] == SEARCHED]) if wholly_searched(cells) else ours.iloc[:0]
    answer = _answer(ours if searched.empty else searched, updates)
    small = idle(dense, levels, LAST_VALUE, cells)
    pairs = comparisons[comparisons["seeds"] > 1]
    details = (
        f"{answer}." if small else "",
        standing(dense, levels, LAST_VALUE, cells),
        "" if searched.empty else _search(cells, updates, pairs),
        _pace(ours, updates, told=searched.empty),
        _densities(ours, pairs),
        _rivals(cells, pairs),
        _ranking(cells, pairs),
        _late(cells, pairs),
        _mechanisms(cells, pairs),
        _settings(cells),
        _search(cells, updates, pairs) if searched.empty else "",
        _paper(cells, pairs),
        _overhead(cells, ours),
        _caveats(cells),
    )
    body = "\n".join(f"- {line}" for words in details for line in words.splitlines())
    return f"{data}, {small or answer}.\n\n{where(cells)}:\n\n{body}"


def _answer(own: pd.DataFrame, updates: pd.DataFrame) -> str:
    """What ended the shrinking of how many trainings of one arm."""
    settings = "settings searched" if own["arm"].iloc[0] == SEARCHED else "one setting"
    by_loss, why = _ended(own, updates)
    return (
        f"PALS, meant to find by itself how many weights training can remove, did so in {by_loss} "
        f"({seeds_text(own)}, {settings}){why}"
    )


def _ended(own: pd.DataFrame, updates: pd.DataFrame) -> tuple[str, str]:
    """How many trainings of one arm the loss ended, as "2 of 4 trainings", and what ended the rest."""
    arm = own["arm"].iloc[0]
    made = updates[updates["arm"] == arm].sort_values("step").groupby([*CASE, "seed"])["sparsity_counted"].agg(list)
    cells = pd.MultiIndex.from_frame(own[[*CASE, "seed"]])
    what = [ended(made.get(cell, ()), cap) for cell, cap in zip(cells, own["cap"], strict=True)]
    total, by_loss = len(own), what.count("loss")

    def many(count: int) -> str:
        return "all" if count == total > 1 else f"{count}"

    how = many(by_loss) if by_loss else "none"
    ends = {"cap": f"hit the limit ({percent(own['cap'].iloc[0])})", "unfinished": "ended still pruning"}
    rest = [f"{many(what.count(end))} {words}" for end, words in ends.items() if end in what]
    return f"{how} of {total} training{'' if total == 1 else 's'}", f"; {', '.join(rest)}" if rest else ""


def _pace(ours: pd.DataFrame, updates: pd.DataFrame, told: bool) -> str:
    """The settings that make how fast it can shrink, and so where it can end; how that was, unless it is ``told``."""
    names = ("gamma", "lam", "every", "cap")
    gamma, lam, every, cap = (listed([f"{value:g}" for value in ours[name].unique()]) for name in names)
    by_loss, why = _ended(ours, updates)
    found = "" if told else f" With this setting the loss ended the shrinking in {by_loss}{why}."
    return (
        f"One setting for all models: gamma {gamma}, lambda {lam}, an update every {every} steps and a cap on sparsity "
        f"of {cap}. It sets how fast PALS can shrink a model, and so partly where it ends (the paper: the best of nine "
        "pairs of gamma and lambda by validation, an update every "
        f"{published_every(ours['dataset'].iloc[0])} steps).{found}"
    )


def _densities(ours: pd.DataFrame, pairs: pd.DataFrame) -> str:
    """Final density of each model and its MSE against dense; the models of which nothing is claimed come together."""
    against = pairs[(pairs["arm"] == CODE) & (pairs["against"] == "dense")]
    clear, alike = [], {}
    for model, own in ours.groupby("model", sort=False):
        words = _difference(against[against["model"] == model])
        reached = f"{density_reached(own).replace('(', '(seeds ')} for **{model}**"
        if words in (WITHIN, UNCLAIMED):
            alike.setdefault(words, []).append(reached)
        else:
            clear.append(f"{reached} ({words})")
    parts = [f"With that setting PALS ends at density {listed(clear)}."] if clear else []
    for words, reached in alike.items():
        it = "It" if parts else "With that setting PALS"
        parts.append(f"{it} ends at density {listed(reached)} ({words}).")
    told = [interval_words(against)] if len(against) else []
    return " ".join([*parts, "MSE is relative to dense.", *told])


def _rivals(cells: pd.DataFrame, pairs: pd.DataFrame) -> str:
    """Against rivals whose density is similar: those that are clear, named; :func:`tables.counts` has the rest."""
    if not cells["group"].isin(TOLD).any() or pairs.empty:
        return ""
    against = rivals_alike(cells, pairs)
    found = outcomes(against)
    against, found = against[found != LOST], found[found != LOST]
    if against.empty:
        return "There is no rival of similar density to compare with."
    parts = []
    for outcome, word in ((BETTER, "lower"), (WORSE, "higher")):
        named = [
            f"{_short(rival)} ({bold(own['model'])})"
            for rival, own in against[found == outcome].groupby("against", sort=False)
        ]
        parts += [f"clearly {word} than {listed(named)}"] if named else []
    noise = int((found == NOISE).sum())
    every = "the one comparison" if len(against) == 1 else f"{all_of(len(against))} comparisons"
    parts += [f"within the noise in {'the rest' if parts else every}"] if noise else []
    return f"Beside {alike_words(cells)} its MSE is {', '.join(parts)}."


def _ranking(cells: pd.DataFrame, pairs: pd.DataFrame) -> str:
    """Which method at the density of PALS is clearly better than every other one, where one is."""
    arms = [CODE, *cells.loc[cells["group"] == "equal", "arm"].unique()]
    if len(arms) < 3 or pairs.empty:
        return ""
    first: dict[str, list[str]] = {}
    unclear = 0
    for case, own in pairs[pairs["arm"].isin(arms) & pairs["against"].isin(arms)].groupby(CASE, sort=False):
        better = {(row["arm"], row["against"]) for row in own[own["clear"] & (own["relative"] < 0)].to_dict("records")}
        better |= {(row["against"], row["arm"]) for row in own[own["clear"] & (own["relative"] > 0)].to_dict("records")}
        best = [arm for arm in arms if all((arm, other) in better for other in arms if other != arm)]
        if best:
            first.setdefault(best[0], []).append(_case_name(cells, *case))
        else:
            unclear += 1
    if not first:
        return "No method at that density clearly has the lowest MSE." if unclear else ""
    named = [f"{_short(arm)} for {listed(found)}" for arm, found in first.items()]
    rest = "; elsewhere there is none" if unclear else ""
    return f"Of all methods at that density, the one with clearly the lowest MSE is {listed(named)}{rest}."


def _late(cells: pd.DataFrame, pairs: pd.DataFrame) -> str:
    """Rivals that choose among the last epochs only, against dense that does the same and against plain dense."""
    group = "equal" if (cells["group"] == "equal").any() else "rival"
    arms = cells.loc[cells["group"] == group, "arm"].unique()
    parts = []
    for arm in arms:
        own = pairs[pairs["arm"] == arm]
        same = own[own["against"].str.startswith(CONTROL)]
        if same.empty:
            continue
        plain = own[own["against"] == "dense"].merge(same[CASE], on=CASE)
        parts.append(f"{_short(arm)} {_tally(same)} (against plain dense {_tally(plain)})")
    if not parts:
        return ""
    return (
        "Methods that reach their density late choose their best epoch from the last ones. MSE against dense that "
        f"chooses from the same epochs: {'; '.join(parts)}."
    )


def _tally(differences: pd.DataFrame) -> str:
    found = outcomes(differences)
    lower, higher = int((found == BETTER).sum()), int((found == WORSE).sum())
    return f"clearly lower in {lower}, higher in {higher} of {len(found)}"


def _short(arm: str) -> str:
    """A rival's name, where the sentence says at which density."""
    return arm.removesuffix(at_pals(""))


def _case_name(cells: pd.DataFrame, model: str, pred_len: int) -> str:
    return f"**{model}**" + (f", horizon {pred_len}" if cells["pred_len"].nunique() > 1 else "")


def _settings(cells: pd.DataFrame) -> str:
    """What gamma and lambda, each from its lowest to its highest value, make of the final density: a line per model."""
    asked = cells[cells["group"] == "sensitivity"]
    done = finished(cells[(cells["group"] == "sensitivity") | (cells["arm"] == CODE)])
    sentences = []
    for case, _ in asked.groupby(CASE, sort=False):
        own = of_case(done, *case)
        usual = own[own["arm"] == CODE].head(1)
        parts = []
        for name, word, other in (("gamma", "gamma", "lam"), ("lam", "lambda", "gamma")):
            line = own[own[other].isin(usual[other]) & own["every"].isin(usual["every"])]
            low, high = line[name].min(), line[name].max()
            before, after = (line.loc[line[name] == value, "density"] for value in (low, high))
            if min(len(before), len(after)) < 2 or low == high:
                continue
            ends = f"from {density_text(before.mean())} to {density_text(after.mean())}"
            does = "moves the final density" if _apart(before, after) else ""
            does = f"{does} {ends}" if does else "does not move the final density beyond the spread of the seeds"
            parts.append(f"raising {word} from {low:g} to {high:g} {does}")
        if parts:
            sentences.append(f"On {_case_name(cells, *case)}, {'; '.join(parts)}.")
    return "\n".join(sentences)


def _search(cells: pd.DataFrame, updates: pd.DataFrame, pairs: pd.DataFrame) -> str:
    """Whether gamma and lambda were searched, what that came to beside dense, and at what cost: a line per model."""
    found = finished(cells[cells["group"] == "search"])
    if found.empty:
        return (
            "Gamma and lambda were not searched here; a search as in the paper trains nine times, which the costs "
            "below leave out."
        )
    lines = []
    for case, own in found.groupby(CASE, sort=False):
        pair = of_case(pairs[pairs["arm"] == SEARCHED], *case)
        usual = cells[cells["arm"] == CODE].iloc[0]
        same = (own[["gamma", "lam"]] == usual[["gamma", "lam"]]).all(axis=None)
        one = "the one setting" if same else f"{_difference(pair[pair['against'] == CODE])} against the one setting"
        many = own["runs"].max()
        its = f"Its {many:.0f} runs together take" if many > 1 else "Its one run takes"
        lines.append(
            f"For {_case_name(cells, *case)}, a search by validation loss, as in the paper, chooses "
            f"gamma {own['gamma'].iloc[0]:g} and lambda {own['lam'].iloc[0]:g} "
            f"(density {density_text(own['density'].mean())}; {_difference(pair[pair['against'] == 'dense'])} against "
            f"dense; {one}). {its} {own['training_macs_share'].mean():.1f} "
            f"times the multiply-adds of one dense training and {own['time_share'].mean():.1f} times its time."
        )
    names = set(found["model"])
    rest = [name for name in cells.loc[cells["arm"] == CODE, "model"].unique() if name not in names]
    by_loss, why = _ended(found, updates)
    if rest:
        lines.append(
            f"For {bold(rest)} gamma and lambda were not searched; where they were, the loss ended the shrinking in "
            f"{by_loss}{why}."
        )
    return "\n".join(lines)


def _paper(cells: pd.DataFrame, pairs: pd.DataFrame) -> str:
    against = pairs[(pairs["arm"] == CODE) & (pairs["against"] == PAPER)]
    theirs = finished(cells[cells["arm"] == PAPER])
    if theirs.empty or against.empty:
        return ""
    ends = theirs.groupby("model", sort=False)["density"].mean()
    reach = between(density_text(ends.min()), density_text(ends.max()))
    clear = against[against["clear"]]
    if clear.empty:
        return f"As the paper describes it, PALS ends at density {reach}, with MSE within the noise of its code's."
    parts = [
        f"{word} for {bold(own['model'])}"
        for sign, word in ((-1, "higher"), (1, "lower"))
        if len(own := _clear(against, sign))
    ]
    differs = " and ".join(parts)
    return f"As the paper describes it, PALS ends at density {reach}, with MSE clearly {differs} than with its code."


def _mechanisms(cells: pd.DataFrame, pairs: pd.DataFrame) -> str:
    """A line per model: the switches whose MSE or density differs clearly, those that differ by next to
    nothing, and how many show no difference."""
    sentences = []
    for case, own in cells[cells["group"].isin(["ablation", "signal"])].groupby(CASE, sort=False):
        usual = of_case(finished(cells[cells["arm"] == CODE]), *case)["density"]
        against = of_case(pairs[pairs["against"] == CODE], *case)
        if told := _switches(own, against, usual):
            sentences.append(f"With one mechanism changed at a time on {_case_name(cells, *case)}, {told}.")
    return "\n".join(sentences)


def _switches(ablations: pd.DataFrame, against: pd.DataFrame, usual: pd.Series) -> str:
    """For one case, ``against`` and ``usual`` being differences to and densities of PALS as in its code; empty where
    nothing can be said."""
    matters, tiny, rest = [], [], 0
    for label, arm in ablations.groupby("arm", sort=False):
        pair = against[against["arm"] == label]
        moved = pair.loc[pair["clear"], "relative"]
        words = [f"MSE {signed(share)}" for share in moved if abs(share) >= NEGLIGIBLE]
        if _apart(now := finished(arm)["density"], usual):
            words.append(f"density {density_text(now.mean())}")
        if words:
            matters.append(f"“{label}” ({', '.join(words)})")
        elif len(moved):
            tiny.append(f"“{label}”")
        elif len(pair):
            rest += 1
    parts = []
    if matters:
        parts.append(f"{listed(matters)} differ{'s' if len(matters) == 1 else ''} beyond the noise")
    if tiny:
        parts.append(f"{listed(tiny)} change{'s' if len(tiny) == 1 else ''} the MSE by less than {amount(NEGLIGIBLE)}")
    if rest:
        others = f"{'the other ' if parts else ''}{rest} do{'es' if rest == 1 else ''} not"
        parts.append(others if matters else f"{others} differ beyond the noise")
    return "; ".join(parts)


def _apart(some: pd.Series, others: pd.Series) -> bool:
    """Whether two densities differ beyond the seeds: two or more each, ranges that do not meet, means that show it."""
    if min(len(some), len(others)) < 2 or abs(some.mean() - others.mean()) < VISIBLE:
        return False
    return some.max() < others.min() or some.min() > others.max()


def _overhead(cells: pd.DataFrame, ours: pd.DataFrame) -> str:
    """By the clock only where every training took longer than dense, and the same dense training again did not take
    much less or more (:data:`STEADY`): masks save no time, so the one and the other is noise of the clock."""
    time = ours["time_share"]
    again = cells.loc[(cells["group"] == "control") & (cells["status"] == "ok"), "time_share"]
    steady = again.between(1 / STEADY, STEADY).all()
    macs = ours.groupby("model", sort=False)["training_macs_share"].mean()
    every = listed([f"{steps:.0f}" for steps in ours["every"].unique()])
    reach = _times(time)
    longer = (
        f"An epoch took {reach} times as long as dense (by the clock, which other work on the machine affects)"
        if time.min() > 1 and steady
        else f"This run's clock cannot tell how much longer an epoch takes ({reach} times as long as dense; "
        f"{'masks make nothing faster' if steady else f'dense itself, trained once more, {_times(again)}'})"
    )
    return (
        f"With an update every {every} steps, training with PALS takes "
        f"{between(percent(macs.min()), percent(macs.max()))} of the multiply-adds of dense training if zeros were "
        f"skipped. {longer}."
    )


def _times(shares: pd.Series) -> str:
    return between(f"{shares.min():.2f}", f"{shares.max():.2f}")


def _caveats(cells: pd.DataFrame) -> str:
    parts = [left_out(cells)] if left_out(cells) else []
    if finished(cells)["seed"].nunique() == 1:
        parts.append("With one seed the spread over seeds is unknown: no difference is claimed.")
    return " ".join(parts)


def _clear(pairs: pd.DataFrame, sign: int) -> pd.DataFrame:
    return pairs[pairs["clear"] & (pairs["relative"] * sign > 0)]


def _difference(pairs: pd.DataFrame) -> str:
    """The clear difference with its interval; of several horizons its range, and how many are clear."""
    if pairs.empty:
        return UNCLAIMED
    clear = pairs[pairs["clear"]]
    if clear.empty:
        return WITHIN
    if len(pairs) == 1:
        return f"MSE {interval(clear.iloc[0])}"
    reach = between(signed(clear["relative"].min()), signed(clear["relative"].max()))
    rest = (
        "" if len(clear) == len(pairs) else f", else within the noise: clear at {len(clear)} of {len(pairs)} horizons"
    )
    return f"MSE {reach}{rest}"


RIVALS_DO = {
    "static": "`static` keeps a random mask from the start",
    "snip": "`snip` keeps a mask from the start, chosen by how much the loss depends on each weight",
    "synflow": "`synflow` keeps a mask from the start, chosen without data",
    "one_shot": "`one_shot` removes the smallest weights in one go",
    "gmp": "`gmp` removes the smallest weights on a cubic schedule, in every layer alike",
    "gmp_global": "`gmp_global` removes the smallest weights on a cubic schedule, over all layers",
    "granet": "`granet` removes weights on a cubic schedule and exchanges some by gradient",
    "set": "`set` exchanges weights at a fixed density, at random",
    "rigl": "`rigl` exchanges weights at a fixed density, by gradient",
}
"""What each rival does."""

_LATE = ("one_shot", "gmp", "gmp_global", "granet")
"""Rivals that reach their density late."""


def rivals(cells: pd.DataFrame) -> str:
    """What the rivals of a run do, as Markdown."""
    need(cells, "cells", [*CELLS, "method"])
    told = cells[cells["group"].isin(TOLD)]
    names = [name for name in told["method"].unique() if name in RIVALS_DO]
    if told.empty:
        return "This run has no rivals beside PALS (`rivals` names none)."
    at = " and at the density that PALS reached" if (told["group"] == "equal").any() else ""
    late = [f"`{name}`" for name in names if name in _LATE]
    text = (
        f"The rivals have the same recipe, epochs and seeds, each as its authors published it{at}: "
        f"{'; '.join(RIVALS_DO[name] for name in names)}."
    )
    if not late:
        return text
    they = "it is" if len(late) == 1 else "they are"
    return (
        f"{text}\n\nFor PALS any epoch may be the best; for {listed(late)} only one that ends at the density. "
        f"So {they} compared with plain dense and with dense whose best epoch is one of the same ones."
    )
