"""The front door: studies, their pages, models, data. Heavy imports wait until they are needed."""

import errno
import gc
import os
import shutil
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from tsprune.batch.stop import stoppable
from tsprune.errors import UserError, unknown
from tsprune.shown import plain

if TYPE_CHECKING:
    import pandas as pd

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="How far can a forecaster be pruned, and what does it gain? Start with: tsprune study quick",
)
data = typer.Typer(no_args_is_help=True, help="Datasets: the catalogue, what is here, what is wrong with a file.")
app.add_typer(data, name="data")
models = typer.Typer(
    invoke_without_command=True, help="Trained and pruned models from studies: list them, save one to a file."
)
app.add_typer(models, name="models")

results = typer.Typer(
    no_args_is_help=True, help="Results that ship with the project, so that nobody need compute them again."
)
app.add_typer(results, name="results")

LONGEST = 4000
"""Signs of a line on stderr: a name that fills more is not what anybody means."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EIO)

StoreFolder = Annotated[str, typer.Option("--store", help="Folder of results.")]
Missing = Annotated[str, typer.Option(help="error: refuse gaps; interpolate: fill them by stated rules.")]
DateColumn = Annotated[str | None, typer.Option(help="Column of dates, if it cannot be detected.")]
TimeStep = Annotated[str | None, typer.Option(help="Time between rows, such as 15min, B, MS.")]
DateOrder = Annotated[
    str | None, typer.Option(help="Order of dates, if several fit: ymd, dmy, mdy, ym, my; excel: Excel's day numbers.")
]
Encoding = Annotated[str | None, typer.Option(help="Encoding of a file that is not UTF-8, such as latin-1.")]


@app.command()
def study(
    profile: Annotated[
        str, typer.Argument(help="A name under params/ (smoke, quick, paper), or a folder of YAML files.")
    ],
    only: Annotated[
        list[str],
        typer.Option(metavar="NAME[,NAME]", help="Run these notebooks only, e.g. 01_pruning_sweep; may be repeated."),
    ] = [],  # noqa: B006  (typer's way to say: none)
    parameter: Annotated[
        list[str],
        typer.Option(
            "--parameter", "-p", metavar="NAME=VALUE", help="Overrides the profile; write the value as in YAML."
        ),
    ] = [],  # noqa: B006
    jobs: Annotated[int | None, typer.Option(min=0, help="Steps side by side; 0: as many as cores.")] = None,
    output: Annotated[str, typer.Option(help="Folder for reports and for the store of results.")] = "outputs",
    show: Annotated[
        bool, typer.Option("--show", help="Run nothing: print every parameter, its value, and where it comes from.")
    ] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Run nothing: print how many steps there are, which must run, why, how long.")
    ] = False,
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Begin no step after this time (2h, 30m, 90s; shared among the notebooks); one seed and horizon of "
            "all models come first; 0: only make pages of the results that are there.",
        ),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(metavar="I/N", help="Run the I-th of N parts of the steps into the store, and make no pages."),
    ] = None,
) -> None:
    """Run a study: its notebooks, a report of each, and an index.html that links them.

    For example: tsprune study quick --only 01_pruning_sweep -p dataset=load.csv

    A parameter can be set in several places; the last one wins: the notebook's own cell, common.yaml of the
    profile, the profile's file for the notebook, -p. --show prints them and runs nothing.

    Relative paths start at the working directory; a dataset that is not there is looked for in the project's root.

    A new report replaces an older one that has the same parameters. An older one with other parameters is kept as
    NAME.previous.html (only the latest), and a line says so.

    Exit status: 0 all well (with --budget: in what was begun); 1 a notebook failed or a cell has no result (the report
    names it); 2 bad input (data, parameters, output folder), reported before anything runs; 130 stopped by Ctrl-C:
    run the same command again to go on.
    """
    from tsprune.batch.shard import Shard, run_shard

    part = None if shard is None else Shard.parse(shard)
    if part is not None and budget is not None:
        raise UserError("--shard and --budget: give only one; a part of the steps always runs to its end")
    if show and plan:
        raise UserError("--show and --plan: give only one")
    with _uncollected():
        from tsprune.batch.profiles import describe, plan_profile

        runs = plan_profile(profile, only=only, replaced=parameter, jobs=jobs, output=output)
        if show:
            from tsprune.batch.show import show_parameters

            print(show_parameters(runs))
            return
        from tsprune.batch.budget import parse_hours

        hours = None if budget is None else parse_hours(budget)
        from tsprune.batch.preflight import check_runs

        tables = check_runs(runs, begins=hours != 0 and not plan, writes=not plan)
        if plan:
            from tsprune.batch.plan import plan_text

            print(plan_text(runs, tables, part))
            return
    if part is not None:
        raise typer.Exit(1 if run_shard(runs, part) else 0)
    print(describe(runs, profile), flush=True)
    from tsprune.batch.notebooks import run_profile

    if run_profile(runs, hours):
        raise typer.Exit(1)


@contextmanager
def _uncollected() -> Iterator[None]:
    """No garbage is collected inside the block, and what exists at its end is never checked: modules, tables and steps
    stay. Checking a hundred thousand of them again and again takes a fifth of a plan's time."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@app.command()
def site(
    profiles: Annotated[list[str], typer.Argument(metavar="PROFILE...", help="Profiles to show, e.g. paper_ili.")],
    output: Annotated[str, typer.Option(help="Folder to publish.")] = "outputs/site",
    store: StoreFolder = "outputs/store",
) -> None:
    """Make a folder to publish from the results that exist: pages, tables, and what was run where. Computes nothing."""
    from tsprune.batch.site import make_site

    if make_site(profiles, output, store):
        raise typer.Exit(1)
    print(f"site: {os.path.join(output, 'index.html')}")


@app.command()
def report(
    notebook: Annotated[str, typer.Argument(help="An executed notebook, from papermill or JupyterLab (.ipynb).")],
    output: Annotated[str | None, typer.Option(help="Page to write (the notebook's name with .html).")] = None,
) -> None:
    """Turn an executed notebook into a page like those of a study: one file to share, which opens offline."""
    from pathlib import Path

    from tsprune.deploy.files import need_other
    from tsprune.deploy.reading import check_output
    from tsprune.report.page import read_notebook, render_notebook

    if not any(cell.get("outputs") for cell in read_notebook(Path(notebook)).cells):
        raise UserError(f"{notebook}: none of its cells has been run; run and save the notebook first")
    page = Path(notebook).with_suffix(".html") if output is None else output
    check_output(page, [".html"], "a report")
    need_other(page, notebook)
    try:
        info = render_notebook(notebook, page)
    except OSError as error:
        raise UserError(f"{page}: cannot be written ({error.strerror}); choose another file with --output") from None
    print(f"{info.headline or info.error or info.title}\nreport: {page}")


@app.command()
def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="A folder of reports, a report, or an executed notebook.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Another.")],
) -> None:
    """Show two runs side by side: parameters that differ, and test errors of cells in both. Computes nothing."""
    from tsprune.batch.compare import compare_runs

    print(compare_runs(first, second))


@app.command()
def export(
    model: Annotated[str, typer.Argument(help="A checkpoint, or the key of a model in the store (`tsprune models`).")],
    file: Annotated[str, typer.Argument(metavar="FILE.onnx", help="File to write; its model card is FILE.md.")],
    units: Annotated[
        str,
        typer.Option(help="real: values and dates in, values out, in the data's own units; scaled: the bare network."),
    ] = "real",
    int8: Annotated[
        bool, typer.Option("--int8", help="Weights in int8 (dynamic quantisation): tested and timed beside float32.")
    ] = False,
    store: StoreFolder = "outputs/store",
) -> None:
    """Write a model as ONNX, once ONNX Runtime agrees with PyTorch; needs the extra tsprune\\[deploy]."""
    from tempfile import TemporaryDirectory

    from tsprune.deploy.export import export_checkpoint

    splits = None
    with TemporaryDirectory() as folder:
        if not (os.path.exists(model) or os.sep in model or model.endswith(".safetensors")):
            from pathlib import Path

            from tsprune.steps.kept import save_model

            key, model = model, os.path.join(folder, "model.safetensors")
            data, _ = save_model(_existing_store(store), key, Path(model)).place
            splits = data.splits("cpu") if int8 else None
        card = export_checkpoint(model, file, units, int8=int8, splits=splits)
    print(f"{file}: {card.model}, {card.parameters:,} parameters, density {card.density:.3g}{', int8' if int8 else ''}")
    beside = "float32" if int8 else "PyTorch"
    print(f"its forecasts differ from those of {beside} by {card.difference:.1e} standard deviations at most")


@app.command()
def forecast(
    model: Annotated[str, typer.Argument(help="An ONNX file of `tsprune export`, or a checkpoint.")],
    file: Annotated[str, typer.Argument(metavar="DATA", help="A file, or a dataset's name: its last rows are read.")],
    output: Annotated[str | None, typer.Option(help="File to write (.csv, .parquet); otherwise printed.")] = None,
    backtest: Annotated[
        int | None, typer.Option(min=1, help="Forecast this many known horizons instead; print the errors.")
    ] = None,
    level: Annotated[
        float | None, typer.Option(help="Add intervals meant to hold this share of the values: 0.5, 0.8, 0.9, 0.95.")
    ] = None,
    plot: Annotated[
        str | None, typer.Option(metavar="FILE", help="Picture to write (.png, .svg, .pdf): known values and forecast.")
    ] = None,
    missing: Missing = "error",
    date_column: DateColumn = None,
    time_step: TimeStep = None,
    date_order: DateOrder = None,
    encoding: Encoding = None,
) -> None:
    """Forecast the values after the last row, with dates, in the data's own units."""
    from tsprune.deploy import Forecaster
    from tsprune.deploy.backtest import backtest as run_backtest
    from tsprune.deploy.files import need_other
    from tsprune.deploy.reading import ENDINGS, check_output, read_frame, write_frame

    if backtest and not (output is level is plot is None):
        raise UserError("--output, --level and --plot are for a forecast and --backtest prints errors: give only one")
    if output is not None:
        check_output(output, ENDINGS, "a forecast")
        need_other(output, model, file)
    if plot is not None:
        from tsprune.deploy.packages import need

        for package in ("matplotlib", "seaborn", "IPython"):
            need(package, "what pictures need")
        from tsprune.deploy.plot import PICTURES, write_plot

        check_output(plot, PICTURES, "a picture")
        need_other(plot, model, file)
    how = {"missing": missing, "date_column": date_column, "time_step": time_step}
    forecaster = Forecaster.load(model)
    card = forecaster.card
    needed = card.seq_len + (backtest or 0) * card.pred_len
    frame, filled, notes = read_frame(file, card, needed, **how, date_order=date_order, encoding=encoding)
    for note in notes:
        print(f"{file}: {note}", file=sys.stderr)
    if backtest:
        print(run_backtest(forecaster, frame, backtest, filled))
        return
    predicted = forecaster.predict(frame, level)
    if level is not None:
        share = card.intervals.covered(level)
        print(f"{share:.1%} of the test split's values lay within the {level:.0%} intervals", file=sys.stderr)
    if plot:
        write_plot(frame.iloc[-card.seq_len :], predicted, card, level, plot)
        print(f"{plot}: the last {card.seq_len} time steps and the forecast", file=sys.stderr)
    if output is None:
        print(predicted.to_csv(), end="")
        return
    write_frame(predicted, output)
    print(f"{output}: {len(predicted)} time steps, {predicted.index[0]} to {predicted.index[-1]}")


@app.command()
def compress(
    data: Annotated[str, typer.Argument(metavar="DATA", help="A CSV file of your own, or a dataset's name.")],
    max_loss: Annotated[str, typer.Option(metavar="PERCENT", help="Rise in error that you accept, such as 2%.")] = "2%",
    goal: Annotated[str, typer.Option("--for", help="What to minimise: latency, size, or macs.")] = "latency",
    budget: Annotated[
        str, typer.Option(metavar="TIME", help="Time to take; what has begun by then comes to its end.")
    ] = "20m",
    model: Annotated[str | None, typer.Option(help="Forecaster to train and compress (iTransformer).")] = None,
    checkpoint: Annotated[str | None, typer.Option(help="Or a trained one, from `tsprune models save`.")] = None,
    look_back: Annotated[int | None, typer.Option(min=1, help="Time steps that a forecast is made from (96).")] = None,
    horizon: Annotated[int | None, typer.Option(min=1, help="Time steps that are forecast (24).")] = None,
    parameter: Annotated[
        list[str],
        typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="Another parameter, such as epochs=10."),
    ] = [],  # noqa: B006
    output: Annotated[str | None, typer.Option(help="Folder for the page and the model.")] = None,
    store: StoreFolder = "outputs/store",
    missing: Missing = "error",
    date_column: DateColumn = None,
    time_step: TimeStep = None,
    date_order: DateOrder = None,
    encoding: Encoding = None,
) -> None:
    """Find the compressed forecaster to use: train, prune, distil, quantise in a set time; measure on this machine.

    For example: tsprune compress load.csv --max-loss 2% --for latency --budget 20m

    Writes report.html (what each file costs and loses, which one to take and how sure that is), model.onnx and its
    model card. Run again, it goes on where it stopped; a longer --budget tries more. Files in the folder that answer
    another question are kept as NAME.previous.* (only the latest), and a line says so.
    """
    from pathlib import Path

    from tsprune.batch.compress.place import PAGE_FILE
    from tsprune.batch.compress.question import ask
    from tsprune.batch.compress.run import compress
    from tsprune.batch.compress.words import times_taken, verdict
    from tsprune.places import need_name
    from tsprune.report.text import plain_text

    need_name(store, "--store")
    if output is not None:
        need_name(output, "--output")
    reading = {"missing": missing, "date_column": date_column, "time_step": time_step, "date_order": date_order}
    lengths = {"seq_len": look_back, "pred_lens": None if horizon is None else [horizon]}
    question = ask(
        data,
        model=model,
        max_loss=max_loss,
        goal=goal,
        budget=budget,
        checkpoint=checkpoint,
        given=parameter,
        store=str(Path(store).absolute()),
        **lengths,
        **reading,
        encoding=encoding,
    )
    folder = Path(output or f"outputs/compress/{Path(data).stem}-{question.model}-{goal}")
    answer = compress(question, folder)
    said = [*verdict(answer).split("\n\n"), times_taken(answer)]
    print("", *map(plain_text, said), folder / PAGE_FILE, folder / "model.onnx", sep="\n")


@models.callback()
def list_models(context: typer.Context, store: StoreFolder = "outputs/store") -> None:
    """Print a line per model: what it forecasts, how it was made, its test error and its size."""
    if context.invoked_subcommand is None:
        from tsprune.steps.kept import kept_models

        table, damaged = kept_models(_existing_store(store))
        formats = {"density": "{:.3g}".format, "MSE": "{:.4f}".format, "KiB": lambda size: f"{size:,.0f}"}
        none = f"no model in {plain(store)}; a study puts the models that it trains there"
        print(table.to_string(index=False, formatters=formats, na_rep="not kept") if len(table) else none)
        print(*damaged, sep="\n", end="\n" if damaged else "", file=sys.stderr)


@models.command()
def save(
    key: Annotated[str, typer.Argument(help="The model's key in the list; its first characters are enough if unique.")],
    file: Annotated[str, typer.Argument(help="Checkpoint to write (.safetensors).")],
    context: typer.Context,
    store: Annotated[
        str | None, typer.Option("--store", help="Folder of results.", show_default="outputs/store")
    ] = None,
) -> None:
    """Write a model as a checkpoint for tsprune.models.load_checkpoint; a model that was not kept is computed again."""
    from pathlib import Path

    from tsprune.deploy.reading import check_output
    from tsprune.steps.kept import save_model

    check_output(file, [".safetensors"], "a checkpoint")
    # It may also be given before the command: `tsprune models --store x save ...`.
    step = save_model(_existing_store(context.parent.params["store"] if store is None else store), key, Path(file))
    print(f"{file}: {step.label}")


def _existing_store(folder: str):
    from tsprune.engine.store import Store
    from tsprune.places import locate, need_name, of_home

    need_name(folder, "--store")
    place = locate(folder)
    if not os.path.isdir(place):
        places = dict.fromkeys((os.path.join(os.getcwd(), of_home(folder)), str(place)))
        raise UserError(f"there is no store at {' or '.join(places)}; choose another folder with --store")
    return Store(place)


@results.command("add")
def add_results(
    run: Annotated[str, typer.Argument(help="A folder of reports, a report, or an executed notebook.")],
) -> None:
    """Add the results of a run to results/, one file per study and dataset; rows that are there already stay."""
    from tsprune.batch.results import add_runs

    print(*add_runs(run), sep="\n")


@results.command("check")
def check_results(
    run: Annotated[str | None, typer.Argument(help="A run to compare with the rows in results/.")] = None,
) -> None:
    """Print what is wrong with the rows in results/, a line each; with RUN, print the rows that differ from those RUN
    computed itself, times aside. Exit status 1 if anything is wrong or differs."""
    from tsprune.batch.results import archive, check_anew

    if run is not None:
        lines, wrong = check_anew(run)
    else:
        problems = archive().problems()
        lines, wrong = problems or [f"{len(archive().lines)} rows, nothing wrong"], bool(problems)
    print(*lines, sep="\n")
    if wrong:
        raise typer.Exit(1)


@results.command("verdicts")
def show_verdicts() -> None:
    """Print what the rows in results/ say about the papers' claims, as a table in Markdown."""
    from tsprune.batch.results import sound
    from tsprune.study.claims.cells import shipped
    from tsprune.study.claims.words import summary

    sound()
    typer.echo(summary(shipped()))


@results.command("list")
def list_results() -> None:
    """Print a line per file in results/: how many rows, of what, when and on which machine they were made."""
    from tsprune.batch.results import list_results

    table = list_results()
    print(table.to_string(index=False) if len(table) else "no rows there")


@data.command("list")
def list_() -> None:
    """Print the datasets of the catalogue: size, time step, where each was found, licence, known defects."""
    from tsprune.data import list_datasets

    print(_listing(list_datasets(), min(shutil.get_terminal_size().columns, 110)))


def _listing(datasets: "pd.DataFrame", width: int) -> str:
    """A line of facts per dataset, and below it what is long, in lines of ``width`` characters at most."""
    facts = datasets[["name", "rows", "columns", "frequency", "found"]].rename(columns={"frequency": "step"})
    head, *lines = facts.to_string(index=False, justify="left", formatters={"name": "{:<15}".format}).splitlines()
    text = [head]
    for line, (_, row) in zip(lines, datasets.iterrows(), strict=True):
        about = f"split {row['split']}; licence {row['licence']}" + (f"; {row['defects']}" if row["defects"] else "")
        text += [line.rstrip(), *textwrap.wrap(about, width, initial_indent="    ", subsequent_indent="    ")]
    return "\n".join(text)


@data.command()
def check(
    name: Annotated[str, typer.Argument(help="A name of the catalogue, or the path of a file.")],
    missing: Missing = "error",
    date_column: DateColumn = None,
    time_step: TimeStep = None,
    date_order: DateOrder = None,
    encoding: Encoding = None,
) -> None:
    """Check a file or dataset: every problem with its row and column; exit status 1 if there is one.

    A study takes the same options as parameters: -p time_step=B.
    """
    from tsprune.data import check_dataset

    how = {"date_column": date_column, "time_step": time_step, "date_order": date_order, "encoding": encoding}
    report = check_dataset(name, missing=missing, **how)
    print("\n".join(report))
    if not report.ok:
        raise typer.Exit(1)


@data.command()
def fetch(name: Annotated[str, typer.Argument(help="A name of the catalogue.")]) -> None:
    """Find a dataset or download it to the user's cache, and check its sha256."""
    from tsprune.data import fetch_dataset

    print(fetch_dataset(name))


@data.command()
def entsoe(
    file: Annotated[str, typer.Argument(metavar="FILE.csv", help="File to write: MW by country.")],
    start: Annotated[str, typer.Option(help="First day, such as 2024-01-01 (UTC).")],
    end: Annotated[str, typer.Option(help="The day after the last.")],
    countries: Annotated[str, typer.Option(help="Country codes, such as at,be,de.")],
    step: Annotated[str, typer.Option(help="1h or 15min.")] = "1h",
) -> None:
    """Download electricity load as the ENTSO-E Transparency Platform has it now; put your key into ENTSOE_API_KEY.

    Each half month is kept in the user's cache; if stopped, the same command goes on from there.
    """
    from tsprune.data.fresh import fresh_load
    from tsprune.places import locate
    from tsprune.whole import write_whole

    path = locate(file)
    write_whole(path, fresh_load(countries.split(","), start, end, step))
    print(path)


def _usage(error: Exception) -> str:
    """What is wrong with a command line, in one line: the closest name, what is allowed, where more is said."""
    context, text = error.ctx, error.format_message().rstrip(".")
    if context is None:
        return text
    if hasattr(error, "possibilities"):  # an option that there is not
        options = [name for option in context.command.params for name in option.opts if name.startswith("--")]
        text = unknown("option", error.option_name, [*options, "--help"])
    elif text.startswith("No such command"):
        text = f"{text}{'' if text.endswith('?') else '.'} Allowed: {', '.join(context.command.commands)}"
    return f"{text} (see {context.command_path} --help)"


def _print_nowhere() -> None:
    """Discard what is still to be printed at the end of the process: printing it would fail once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run() -> int:
    """The exit status of the command that was typed."""
    for stream in (sys.stdout, sys.stderr):  # what a terminal has no sign for is escaped
        if hasattr(stream, "reconfigure") and stream.encoding.lower().replace("-", "") != "utf8":
            stream.reconfigure(errors="backslashreplace")
    try:
        status = app(standalone_mode=False)
        if sys.stdout is not None:  # as where it is closed
            sys.stdout.flush()
    except BrokenPipeError:  # the reader of the pipe has closed it
        _print_nowhere()
        return 1
    except OSError as error:
        if error.errno not in _FULL or error.filename is not None:
            raise
        _print_nowhere()
        raise UserError(f"the output cannot be printed: {error.strerror}") from None
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        if type(error).__name__ == "NoArgsIsHelpError":  # the help has been printed
            return error.exit_code
        raise UserError(_usage(error)) from None
    return status or 0


def main() -> None:
    """Run the command line; bad input ends with a line on stderr and status 2, Ctrl-C with a line and status 130, never
    with a traceback."""
    try:
        with stoppable():
            sys.exit(_run())
    except UserError as error:
        print("tsprune:", "\n".join(plain(line, LONGEST) for line in str(error).splitlines()), file=sys.stderr)
        sys.exit(2)
    except ModuleNotFoundError as error:  # as where forecasts are made without torch
        if error.name is None or error.name.partition(".")[0] == "tsprune":
            raise
        print(f"tsprune: {error.name} is needed and not installed; pip install tsprune installs it", file=sys.stderr)
        sys.exit(2)
