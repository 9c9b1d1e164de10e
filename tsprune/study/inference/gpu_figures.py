"""The first figure of study 06 on a GPU: every form in every runtime."""

import pandas as pd
from matplotlib.figure import Figure

from tsprune.report import drawing as kit
from tsprune.report.axes import REFERENCE, log_axis
from tsprune.report.cases import CASE
from tsprune.study.inference.phrases import form_text, windows
from tsprune.study.inference.result import BFLOAT16, EAGER, GRAPH, GRAPH_BFLOAT16, GRAPH_TWO_OF_FOUR, machine

_ACROSS = 2
_RUNTIMES = (EAGER, BFLOAT16, GRAPH, GRAPH_BFLOAT16, GRAPH_TWO_OF_FOUR)


def forms(done: pd.DataFrame) -> Figure:
    """Speed over the dense model in eager PyTorch of every form in every runtime, at the largest batch: a panel per
    model, a line per runtime, the forms side by side on it. Bars: 95 % intervals; hollow: not known to a tenth."""
    done = done[done["batch"] == done["batch"].max()]
    names = list(dict.fromkeys(form_text(form, share) for form, share in zip(done["form"], done["share"], strict=True)))
    looks, runtimes = kit.looks(names), [name for name in _RUNTIMES if name in set(done["runtime"])]
    cases = list(done.groupby(CASE, sort=False))
    several = done["pred_len"].nunique() > 1
    low, high = min(1.0, done["speedup_low"].min()), max(1.0, done["speedup_high"].max())
    label = "Times as fast (log scale)"
    with kit.canvas(1.4 + 1.9 * -(-len(cases) // _ACROSS), "Dot plots of speed by runtime and form.") as figure:
        places = kit.panels(figure, len(cases), _ACROSS, label, "", sharey=True)
        for ((model, pred_len), own), axes in zip(cases, places, strict=True):
            for row in own.to_dict("records"):
                name = form_text(row["form"], row["share"])
                colour, marker = looks[name]
                place = runtimes.index(row["runtime"]) + (names.index(name) / max(len(names) - 1, 1) - 0.5) * 0.5
                ends = (row["speedup_low"], row["speedup"], row["speedup_high"])
                kit.dot(axes, place, ends, colour, marker, filled=pd.isna(row["trouble"]))
            kit.lines_named(axes, runtimes)
            log_axis(axes.xaxis, low / 1.15, high * 1.15)
            axes.axvline(1, **REFERENCE)
            axes.set_title(f"{model}, horizon {pred_len}" if several else model)
        kit.legend(figure, kit.handles(looks))
        unclear = "Hollow: not known to a tenth." if done["trouble"].notna().any() else ""
        taken = f"On {machine(done)}, {windows(done['batch'].iloc[0])} at once; dense in eager PyTorch, float32, is 1."
        kit.note(figure, taken, unclear)
    return figure
