"""The answer in words: the recommendation, how sure it is, what was not tried, how the file is used."""

from collections.abc import Iterator

import pandas as pd

from tsprune.batch.compress.choice import KEPT, OVER, SPARSE_RUN, Answer, cheaper, rivals
from tsprune.batch.compress.question import Question
from tsprune.batch.compress.ways import MASKED
from tsprune.measure.paired import FEW, enough
from tsprune.report.text import NAIVE, NBSP, counted, ends, error_text, literal, short_count, short_number, signed
from tsprune.steps.artifacts import MODEL_FILE
from tsprune.steps.serve import ONNX_FILE

GAINS = {"latency": "as fast", "size": "as small", "macs": "fewer multiply-adds"}


def verdict(answer: Answer) -> str:
    """Whether the dense model is of use; the recommendation in a sentence, how sure it is; how few windows and what
    times it rests on."""
    question, row = answer.question, answer.row
    limit = loss_text(question)
    about = f"On {literal(answer.dataset)}, {question.pred_lens[0]} steps ahead,"
    if answer.chosen == answer.baseline:
        parts = [about, _nothing(answer, limit)]
    else:
        first = (
            f"{about} {'the one to take would be' if answer.useless else 'take'} **{question.model} "
            f"{literal(named(row))}**: {gain(answer)}, at a test MSE "
            f"{signed(row['test_loss'])} against the dense model's."
        )
        parts = [first, _sure(row, limit)]
    if question.goal == "latency" and answer.busy is not None:
        when = "" if answer.untimed else " when the machine is quiet"
        again = f"({literal(answer.busy)}): run this again{when}; everything but the times is in the store."
        if answer.undecided:
            kept = f"Until then {ONNX_FILE} is {question.model} {literal(named(row))}."
            parts = [f"{about} **nothing can be said about times on this machine now** {again} {kept}"]
        elif answer.chosen != answer.baseline:
            parts.append(f"**The times cannot be trusted** {again}")
    first = " ".join(filter(None, [_useless(answer), *parts, _few(answer), _halted(answer)]))
    return "\n\n".join(filter(None, [first, _speed(answer)]))


def _nothing(answer: Answer, limit: str) -> str:
    """Why the dense model is kept."""
    model, alone = answer.question.model, rivals(answer.files, answer.baseline).empty
    if alone and answer.halted:
        return f"**no model could be made** that might cost less than {model} dense."
    if alone and OVER in answer.untried.values():
        return (
            f"**the time was too short** for anything that might cost less than {model} dense: allow more with "
            "--budget; finished work is in the store."
        )
    keep = "" if answer.useless else ": keep it dense"
    left = list(answer.untried.values()).count(OVER)
    were = "was" if left == 1 else "were"
    more = f" {left} more {were} not tried for lack of time: allow more with --budget." if left else ""
    return f"**nothing tried makes {model} cheaper** within a loss of {limit}{keep}. {_closest(answer)}{more}"


def named(row: pd.Series) -> str:
    """A file by the way its model was made, and what differs from float32 with its zeros."""
    return row["name"] + {"float32": "", "int8": ", int8", SPARSE_RUN: ", run without its zeros"}[row["weights"]]


def times_taken(answer: Answer) -> str:
    """``20 minutes allowed, 18.3 taken.``"""
    given, taken = round(60 * answer.question.budget_hours, 1), round(answer.seconds / 60, 1)
    over = ": what had begun was finished" if taken > given else ""
    return f"{counted(given, 'minute')} allowed, {taken} taken{over}."


def loss_text(question: Question) -> str:
    """The accepted loss, with every digit that was given."""
    return f"{100 * question.max_loss:.6g}{NBSP}%"


def _sure(row: pd.Series, limit: str) -> str:
    if pd.isna(row["low"]):
        return (
            f"How certain that is cannot be said: the test windows span less than {FEW} times look-back and horizon, "
            "too few for an interval."
        )
    within = f"all of it lies within the {limit} that you accept"
    beyond = f"it reaches beyond the {limit} that you accept, so the loss is probably within it, not certainly"
    said = within if row["verdict"] == KEPT else beyond
    return f"The 95{NBSP}% interval of this change over the test windows is {ends(row)}{NBSP}%; {said}."


def loss_with_interval(row: pd.Series) -> str:
    """On the test windows: ``+0.7 % (+0.2 to +0.9)``, or without the interval where there is none."""
    return signed(row["test_loss"]) if pd.isna(row["low"]) else f"{signed(row['test_loss'])} ({ends(row)})"


def gain(answer: Answer) -> str:
    """By how much the goal's cost falls: ``2.1 times as fast (0.31 instead of 0.64 ms)``."""
    row, dense, goal = answer.row, answer.dense, answer.question.goal
    times = dense[answer.cost] / row[answer.cost]
    shown = f"{times:.2g}" if times >= 1.1 else f"{times:.3g}"
    return f"{shown} times {GAINS[goal]} ({cost_text(answer, row)} instead of {cost_text(answer, dense)})"


def cost_text(answer: Answer, row: pd.Series) -> str:
    """What the file costs by the measure that is the goal, with its unit."""
    value = row[answer.cost]
    latency = f"{short_number(value)} ms a window"
    return {"latency": latency, "size": f"{value / 1024:,.0f} KiB", "macs": short_count(value)}[answer.question.goal]


def _closest(answer: Answer) -> str:
    """Of what is cheaper than dense, the file that loses least; where times cannot be trusted, of all others."""
    untold = answer.question.goal == "latency" and answer.busy is not None
    found = cheaper(answer.files, answer.question.goal, answer.baseline)
    found = rivals(answer.files, answer.baseline) if untold else found
    if found.empty:
        return "No file that was tried costs less."
    row = found.loc[found["val_loss"].idxmin()]
    return (
        f"Of the {'others' if untold else 'cheaper files'}, {literal(named(row))} comes closest: its loss is "
        f"{signed(row['val_loss'])} on the validation windows and {loss_with_interval(row)} on the test windows."
    )


def _useless(answer: Answer) -> str:
    """What is to be known first where a naive forecast does as well as the dense model, or as well as what loses as
    much as is accepted."""
    dense, row, naive = answer.dense["mse"], answer.row["mse"], answer.best_naive
    if dense * (1 + answer.question.max_loss) < naive["mse"]:
        return ""
    beside = f"{_naive_name(naive)}: MSE {error_text(naive['mse'])}, dense {error_text(dense)}"
    better = row < naive["mse"]
    if dense >= naive["mse"]:
        own = f"; {ONNX_FILE} is {'better' if better else 'no better either'} ({error_text(row)})"
        also = "" if answer.chosen == answer.baseline else own
        return (
            f"**The dense model is no better than a naive forecast** ({beside}){also}. Train it longer, or on more "
            "data, before you compress it."
        )
    lost = "" if better else f", and {ONNX_FILE} is no better ({error_text(row)})"
    return (
        f"**The dense model is hardly better than a naive forecast** ({beside}): the loss that you accept is larger "
        f"than its lead{lost}."
    )


def _naive_name(naive: pd.Series) -> str:
    return NAIVE.get(naive["model"], naive["model"])


def _few(answer: Answer) -> str:
    """How few windows the choice rests on, where they are few."""
    count = answer.windows["validation"]
    if enough(count, answer.block):
        return ""
    span = ": it spans" if count == 1 else ", which overlap: they span"
    return (
        f"The choice rests on {counted(count, 'validation window')}{span} less than {FEW} times look-back and horizon, "
        "so another file may do better on other rows."
    )


def _halted(answer: Answer) -> str:
    if answer.halted is None:
        return ""
    lost = list(answer.untried.values()).count(answer.halted)
    told = f"; {lost} {'was' if lost == 1 else 'were'} not begun" if lost else ""
    return f"**{literal(answer.halted[:1].upper() + answer.halted[1:])}**{told}. Make room and run this again."


def on_card(answer: Answer) -> str:
    """What a model card says of the file beside a forecast that learns nothing."""
    naive, row = answer.best_naive, answer.row
    than = "better" if row["mse"] < naive["mse"] else "**no better**"
    return (
        f"On the same test windows it is {than} than the best naive forecast ({_naive_name(naive)}): MSE "
        f"{error_text(row['mse'])} against {error_text(naive['mse'])}."
    )


def _speed(answer: Answer) -> str:
    """What the times rest on, where they matter."""
    row = answer.row
    if answer.question.goal != "latency" or answer.chosen == answer.baseline:
        return ""
    return (
        f"The ratio of their times, median over rounds that call both ({answer.question.timed_threads} thread), is "
        f"{row['speedup_1']:.2f} (95{NBSP}% interval {row['speedup_low_1']:.2f} to {row['speedup_high_1']:.2f})."
    )


def untried(answer: Answer) -> str:
    """What has no result, and what was left out on purpose, a line each."""
    return "\n".join(f"- {line}" for line in (*_without(answer), *_on_purpose(answer)))


def _without(answer: Answer) -> Iterator[str]:
    for why in dict.fromkeys(answer.untried.values()):
        names = [literal(name) for name, its in answer.untried.items() if its == why]
        yield f"{literal(why)[:1].upper()}{literal(why)[1:]}: {'; '.join(names)}."


def _on_purpose(answer: Answer) -> Iterator[str]:
    masked = answer.files["kind"].isin(MASKED)
    if masked.any():
        yield (
            "Zeros (2:4, single weights, PALS) save no bytes, multiply-adds or time in an ONNX file, so "
            "no such file is cheaper than the dense one."
        )
        if not (answer.files["weights"] == SPARSE_RUN).any():
            yield (
                "Skipping zeros in the computation: of the masked models that were tested, none within the loss has a "
                "layer that runs faster that way here."
            )
    yield "int8 for models that already lose too much in float32, and for those with zeros: it would not help them."
    yield "Other seeds: each model was trained once; another seed may differ by more than the interval says."
    yield "Other forecasters: the question was about this one; a smaller kind of model may do as well."


def use(answer: Answer) -> str:
    """How the recommended file is used, as Markdown."""
    steps = answer.question.pred_lens[0]
    if answer.row["weights"] == SPARSE_RUN:
        return (
            f"{MODEL_FILE} runs in PyTorch, without its zeros.\n\n"
            f"```python\nfrom tsprune.deploy.sparse import sparsify\nfrom tsprune.models import load_checkpoint\n\n"
            f'model, _ = load_checkpoint("{MODEL_FILE}")\n'
            f"model = sparsify(model, batch=1).model  # called like the model, on scaled values\n```\n\n"
            f"{ONNX_FILE} has the same forecasts and the speed of the dense model."
        )
    return (
        f"{ONNX_FILE} is {answer.question.model} {literal(named(answer.row))}: it forecasts {steps} time steps in the "
        "data's own units, and needs no torch.\n\n"
        f"```python\nfrom tsprune.deploy import Forecaster\n\n"
        f'Forecaster.load("{ONNX_FILE}").predict(frame)  # a row per time step, dates as its index\n```\n\n'
        f"On the command line: `tsprune forecast {ONNX_FILE} data.csv`, with `--backtest 5` for its errors beside "
        "those of naive forecasts."
    )
