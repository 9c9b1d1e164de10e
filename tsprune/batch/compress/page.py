"""The page that answers the question: one HTML file in the look of the studies' reports."""

from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
import pandas as pd
from matplotlib.figure import Figure
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from pandas.io.formats.style import Styler

from tsprune import measure, report
from tsprune.batch.compress.choice import Answer
from tsprune.batch.compress.figure import pareto
from tsprune.batch.compress.ways import ENOUGH_HEADS
from tsprune.batch.compress.words import loss_text, loss_with_interval, named, times_taken, untried, use, verdict
from tsprune.measure.paired import FEW
from tsprune.report.page import render_notebook
from tsprune.report.style import png
from tsprune.report.tables import styled
from tsprune.report.text import NBSP, counted, error_text, literal, short_count, short_number, signed
from tsprune.study.base.protocol import windows_counted

TITLE = "Which compressed model to take"


def write_page(answer: Answer, path: Path) -> None:
    """Write the page to ``path``, beside which the recommended file lies."""
    cells = [
        new_markdown_cell(f"# {TITLE}\n\n{asked(answer)}"),
        _cell(verdict(answer), tags=["verdict"]),
        *([] if answer.untimed and answer.question.goal == "latency" else [_cell(pareto(answer), tags=["figure"])]),
        new_markdown_cell(f"## How to use it\n\n{use(answer)}"),
        new_markdown_cell(f"## Every file\n\n{_meaning(answer)}{_times(answer)}"),
        _cell(files(answer)),
        _cell(report.naive_table(answer.naive)),
        new_markdown_cell(f"## What was not tried, and why\n\n{untried(answer)}"),
        new_markdown_cell("## Protocol"),
        _cell(report.protocol_table(protocol(answer))),
        _cell("\n".join(f"- {note}" for note in answer.notes) or "The data was used as it is."),
        new_markdown_cell("## Provenance"),
        _cell(report.protocol_table(measure.environment())),
    ]
    notebook = new_notebook(cells=cells)
    notebook.metadata["papermill"] = {"end_time": datetime.now(UTC).isoformat(), "duration": answer.seconds}
    with TemporaryDirectory() as folder:
        source = Path(folder) / "compress.ipynb"
        nbformat.write(notebook, source)
        render_notebook(source, path)


def asked(answer: Answer) -> str:
    """The question in a sentence."""
    question = answer.question
    what = {"latency": "the fastest forecast", "size": "the smallest file", "macs": "the fewest multiply-adds"}
    start = f"the checkpoint {Path(question.checkpoint).name}" if question.checkpoint else question.model
    return (
        f"Which form of {literal(start)} has {what[question.goal]} on {literal(answer.dataset)}, at a loss of at most "
        f"{loss_text(question)}? {times_taken(answer)}"
    )


def _meaning(answer: Answer) -> str:
    return (
        "One row per exported file, tested in ONNX Runtime. Validation loss: MSE above that of "
        f"*{literal(named(answer.dense))}* on the validation windows; files are chosen by it. Test loss: the same on "
        "the test windows, with its 95 % interval; the column after it tells whether it is within the accepted loss. "
        "Faster: the time of *dense* in float32 over this one's in the same round."
    )


def _times(answer: Answer) -> str:
    what = "No time was measured" if answer.untimed else "The times cannot be trusted"
    return f" **{what}** ({literal(answer.busy)})." if answer.busy else ""


def files(answer: Answer) -> Styler:
    """A row per file, the one that is written first; costs and losses, by which it is chosen, before the rest."""
    rows = answer.files.loc[[answer.chosen, *answer.files.index.drop(answer.chosen)]]
    table = pd.DataFrame(
        {
            "weights": rows["weights"],
            "KiB": rows["bytes"].map(lambda size: "a checkpoint" if pd.isna(size) else f"{size / 1024:,.0f}"),
            "multiply-adds": rows["macs"].map(lambda count: "unknown" if pd.isna(count) else short_count(count)),
            "ms, batch 1": rows["ms_1"].map(short_number),
            f"faster (95{NBSP}%)": [
                f"{row.speedup_1:.2f} ({row.speedup_low_1:.2f} to {row.speedup_high_1:.2f})"
                for row in rows.itertuples()
            ],
            "validation loss": rows["val_loss"].map(signed),
            f"test loss (95{NBSP}%)": [loss_with_interval(row) for _, row in rows.iterrows()],
            "test windows say": rows["verdict"],
            "test MSE": rows["mse"].map(error_text),
            "ms, batch 32": rows["ms_32"].map(short_number),
            "faster, 32": rows["speedup_32"].map("{:.2f}".format),
            "parameters": rows["parameters"].map(short_count),
            "density": rows["density"].map("{:.2g}".format),
        }
    )
    named = rows["name"].where(rows.index != answer.chosen, rows["name"] + f" ← {answer.mark}")
    table = table.set_axis(pd.Index(list(named)))
    return styled(table, f"Every file; the first is {answer.mark}.")


def protocol(answer: Answer) -> dict[str, str]:
    """What the numbers stand for."""
    question = answer.question
    start = (
        "the checkpoint given" if question.checkpoint else f"trained for at most {counted(question.epochs, 'epoch')}"
    )
    untrusted = "not measured" if answer.untimed else "cannot be trusted"
    return answer.protocol | {
        "dense model": f"{question.model}, d_model {question.d_model}, {start}",
        "narrowed models": f"with {ENOUGH_HEADS} heads or more, attention loses whole heads where the model lets them "
        "go, else features of each head",
        "smaller models": "d_ff and the number of heads in proportion to d_model, as far as heads divide it",
        "training": f"Adam {question.learning_rate:g}, schedule {question.schedule}, batch {question.batch_size}; all "
        f"models then {counted(question.fine_tune_epochs, 'more epoch')} at {question.fine_tune_learning_rate:g}, PALS "
        "in one go",
        "seed": str(question.seeds[0]),
        "windows": f"{answer.windows['validation']:,} for validation, {answer.windows['test']:,} for the test "
        f"({windows_counted(question)}); neighbours overlap, those {answer.block} apart do not",
        "choice": f"the lowest {question.goal} within {loss_text(question)} of the dense model's validation MSE; the "
        "test windows can only rule it out",
        "interval": "paired bootstrap over blocks of test windows as long as look-back and horizon; none below "
        f"{FEW} blocks",
        "latency": f"ONNX Runtime on the CPU, {question.timed_threads} thread; medians of rounds over all files, "
        "each call right after one of the same file" + (f"; {untrusted}: {answer.busy}" if answer.busy else ""),
        "time": times_taken(answer),
    }


def _cell(shown: str | Figure | Styler, tags: list[str] | None = None):
    """A cell that has put this out; there is no code to show."""
    if isinstance(shown, str):
        data, about = {"text/markdown": shown}, {}
    elif isinstance(shown, Styler):
        data, about = {"text/html": shown.to_html()}, {}
    else:
        picture, own = png(shown)
        data, about = {"image/png": picture}, {"image/png": own}
    output = new_output("display_data", data=data, metadata=about)
    return new_code_cell(outputs=[output], metadata={"tags": tags or []})
