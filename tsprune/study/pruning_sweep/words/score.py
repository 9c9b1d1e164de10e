"""Scores against magnitude in words: which goes further, how often, and what looking at data costs."""

import pandas as pd

from tsprune.report.frames import need
from tsprune.report.outcomes import BETTER, LOST, NOISE, ONE_SEED, WORSE, furthest, outcomes
from tsprune.report.text import NBSP, bold, counted, density_text, ends, interval_words, on_data, signed
from tsprune.study.pruning_sweep.result import GAINS, HALF, RANDOM, SCORES
from tsprune.study.pruning_sweep.words.common import NAMED


def scores(scores: pd.DataFrame, gains: pd.DataFrame) -> str:
    """How much further a better score goes, as Markdown: an answer in one sentence, then the details.

    Spoken of first is the lowest density of single weights. A score beats magnitude in a case (a model at a horizon)
    where the interval of the difference is clear of zero; the score that does so in most cases, those where it is worse
    taken off, stands first, with others that do so as often.
    Raises UserError for an empty table or a missing column.
    """
    need(scores, "scores", SCORES)
    need(gains, "gains", GAINS)
    half = gains["structure"] == HALF
    rows = gains[~half & (gains["density_asked"] == gains.loc[~half, "density_asked"].min())]
    first = f"{on_data(gains['dataset'])}, {_best_score(rows)}."
    if gains["seeds"].max() < 2:
        return first
    at = f"at density {density_text(rows['density_asked'].iloc[0])}"
    details = [
        _score_counts(rows, f"Against magnitude ranked in the same scope, {at}"),
        _yardstick(rows),
        _score_counts(gains[half], f"As {HALF}, which keeps half of every layer it fits"),
        _looking(scores),
        interval_words(gains),
    ]
    return f"{first}\n\n" + " ".join(sentence for sentence in details if sentence)


def _best_score(rows: pd.DataFrame) -> str:
    """The first sentence, from the data on."""
    at = f"at density {density_text(rows['density_asked'].iloc[0])} without retraining"
    tried = rows[rows["score"] != RANDOM]
    if tried.empty:
        return f"no score other than random choice was compared with magnitude {at}"
    tried = tried[~outcomes(tried).isin([ONE_SEED, LOST])]
    if tried.empty:
        return f"nothing is claimed about scores other than magnitude {at}: fewer than two seeds finished"
    names = tried["score"].unique()
    counts = {name: _counts(tried[tried["score"] == name]) for name in names}
    better = [name for name in names if counts[name][BETTER]]
    if not better:
        what = f"**{names[0]}** does not beat" if len(names) == 1 else f"none of {len(names)} other scores beats"
        most = max(map(sum, counts.values()))
        return f"{at}, {what} magnitude beyond chance in {f'any of {most} cases' if most > 1 else 'the one case'}"
    net = {
        name: (counts[name][BETTER] - counts[name][WORSE], counts[name][BETTER], counts[name].sum()) for name in better
    }
    alike = [name for name in better if net[name] == max(net.values())]
    count, won = counts[alike[0]], outcomes(tried) == BETTER
    most = furthest(tried[tried["score"].isin(alike) & won])
    worse = f" (worse in {count[WORSE]})" if count[WORSE] else ""
    names = bold(alike) if len(alike) <= NAMED else f"{len(alike)} scores"
    beat, by = ("beats", "") if len(alike) == 1 else ("each beat", f" by **{most['score']}**")
    return (
        f"{at}, {names} {beat} magnitude in {count[BETTER]} of {counted(count.sum(), 'case')}{worse}, most{by} for "
        f"**{most['model']}**, {signed(most['relative'])} ({ends(most)}{NBSP}%)"
    )


def _counts(rows: pd.DataFrame) -> pd.Series:
    """How many rows came out how, of those with two seeds or more."""
    return outcomes(rows).value_counts().reindex([BETTER, WORSE, NOISE], fill_value=0)


def _score_counts(rows: pd.DataFrame, where: str) -> str:
    """How often each score but random choice is better and worse, said of ``where``."""
    parts = []
    for score, own in rows[rows["score"] != RANDOM].groupby("score", sort=False):
        count = _counts(own)
        if count.sum():
            parts.append(f"**{score}** better in {count[BETTER]}, worse in {count[WORSE]} of {count.sum()}")
    return f"{where}: {'; '.join(parts)}." if parts else ""


def _yardstick(rows: pd.DataFrame) -> str:
    """What random choice says: where it is not clearly worse, magnitude is not shown to choose better than chance.
    Another score may."""
    own = rows[rows["score"] == RANDOM]
    found = outcomes(own)
    own, found = own[~found.isin([ONE_SEED, LOST])], found[~found.isin([ONE_SEED, LOST])]
    if own.empty:
        return ""
    better, worse = (int((found == how).sum()) for how in (BETTER, WORSE))
    text = f"Random choice, the yardstick, is better than magnitude in {better}, worse in {worse} of {len(own)}"
    alike = bold(own.loc[found != WORSE, "model"])
    unshown = f"; where it is not worse ({alike}), size is not shown to choose better than chance" if alike else ""
    return f"{text}{unshown}."


def _looking(scores: pd.DataFrame) -> str:
    """What calibration costs, of the slowest."""
    seconds = scores["calibration_seconds"].astype(float)
    if seconds.isna().all():
        return ""
    slowest = scores.loc[seconds.idxmax()]
    return (
        f"Calibration takes at most {seconds.max():.1f} seconds a model (**{slowest['score']}** on "
        f"**{slowest['model']}**)."
    )
