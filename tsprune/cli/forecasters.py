"""Commands for a forecaster that is put to use: make a smaller one, write it as ONNX, forecast with it."""

import os
import re
import sys
from typing import Annotated

import typer

from tsprune.cli.options import (
    ColumnNames,
    DateColumn,
    DateOrder,
    Encoding,
    Missing,
    StoreFolder,
    TimeStep,
    at_home,
    existing_store,
)
from tsprune.errors import UserError
from tsprune.places import near_file
from tsprune.shown import plain, shown_dates


def compress(
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="A CSV file of your own, or a dataset's name.", callback=at_home)
    ],
    max_loss: Annotated[str, typer.Option(metavar="PERCENT", help="Rise in error that you accept, such as 2%.")] = "2%",
    goal: Annotated[str, typer.Option("--for", help="What to minimise: latency, size, or macs.")] = "latency",
    budget: Annotated[
        str, typer.Option(metavar="TIME", help="Time to spend; what has begun by then is finished.")
    ] = "20m",
    model: Annotated[str | None, typer.Option(help="Forecaster to train and compress (iTransformer).")] = None,
    checkpoint: Annotated[
        str | None, typer.Option(help="Or a trained one, from `tsprune models save`.", callback=at_home)
    ] = None,
    look_back: Annotated[int | None, typer.Option(min=1, help="Time steps that a forecast is made from (96).")] = None,
    horizon: Annotated[int | None, typer.Option(min=1, help="Time steps that are forecast (24).")] = None,
    parameter: Annotated[
        list[str],
        typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="Another parameter, such as epochs=10."),
    ] = [],  # noqa: B006
    output: Annotated[str | None, typer.Option(help="Folder for the page and the model.", callback=at_home)] = None,
    store: StoreFolder = "outputs/store",
    missing: Missing = "error",
    date_column: DateColumn = None,
    time_step: TimeStep = None,
    date_order: DateOrder = None,
    encoding: Encoding = None,
    columns: ColumnNames = None,
) -> None:
    """Find the compressed forecaster to use: train, prune, distil, quantise in a set time; measure on this machine.

    For example: tsprune compress load.csv --max-loss 2% --for latency --budget 20m

    Writes report.html (what each file costs and loses, which one to take and how sure that is), model.onnx and its
    model card. Run it again to go on where it stopped; a longer --budget tries more. Files in the folder that answer
    another question are kept as NAME.previous.* (only the latest), and a line says so.
    """
    from pathlib import Path

    from tsprune.batch.compress.place import PAGE_FILE
    from tsprune.batch.compress.question import ask
    from tsprune.batch.compress.run import compress
    from tsprune.batch.compress.words import times_taken, verdict
    from tsprune.data.column_names import from_text
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
        columns=None if columns is None else from_text(columns),
    )
    folder = Path(output or f"outputs/compress/{Path(data).stem}-{question.model}-{goal}")
    answer = compress(question, folder)
    said = [*verdict(answer).split("\n\n"), times_taken(answer)]
    print("", *map(plain_text, said), folder / PAGE_FILE, folder / "model.onnx", sep="\n")


def export(
    model: Annotated[
        str,
        typer.Argument(help="A checkpoint, or the key of a model in the store (`tsprune models`).", callback=at_home),
    ],
    file: Annotated[
        str, typer.Argument(metavar="FILE.onnx", help="File to write; its model card is FILE.md.", callback=at_home)
    ],
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
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from tsprune.deploy.export import check_export, export_checkpoint

    tested = {}
    check_export(Path(file), units)  # before a model of which only the numbers were kept is trained again
    with TemporaryDirectory() as folder:
        if not (os.path.exists(model) or os.sep in model or model.endswith(".safetensors")):
            opened = existing_store(store)
            if not _may_be_key(model):
                raise UserError(
                    f"{plain(model, 300)}: there is no such checkpoint{near_file(model)}; keys of models, as `tsprune "
                    "models` lists them, are of the digits 0-9 and a-f"
                )

            import torch

            from tsprune.steps.kept import save_model

            key, model = model, os.path.join(folder, "model.safetensors")
            step = save_model(opened, key, Path(model))
            data, _ = step.place
            if int8:  # on the windows that float32 was tested on: the first, where a last batch was left out
                count = opened.row(step.key)["result"]["windows_test"]
                test = data.splits("cpu").test
                tested = {"splits": data.every_window().splits("cpu"), "test": test.subset(torch.arange(count))}
        card = export_checkpoint(model, file, units, int8=int8, **tested)
    print(f"{file}: {card.model}, {card.parameters:,} parameters, density {card.density:.3g}{', int8' if int8 else ''}")
    beside = "float32" if int8 else "PyTorch"
    print(f"its forecasts differ from those of {beside} by {card.difference:.1e} standard deviations at most")


def forecast(
    model: Annotated[str, typer.Argument(help="An ONNX file of `tsprune export`, or a checkpoint.", callback=at_home)],
    file: Annotated[
        str,
        typer.Argument(metavar="DATA", help="A file, or a dataset's name: its last rows are read.", callback=at_home),
    ],
    output: Annotated[
        str | None, typer.Option(help="File to write (.csv, .parquet); otherwise printed.", callback=at_home)
    ] = None,
    backtest: Annotated[
        int | None, typer.Option(min=1, help="Forecast this many known horizons instead; print the errors.")
    ] = None,
    level: Annotated[
        float | None, typer.Option(help="Add intervals meant to hold this share of the values: 0.5, 0.8, 0.9, 0.95.")
    ] = None,
    plot: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Picture to write (.png, .svg, .pdf): known values and forecast.", callback=at_home
        ),
    ] = None,
    missing: Missing = "error",
    date_column: DateColumn = None,
    time_step: TimeStep = None,
    date_order: DateOrder = None,
    encoding: Encoding = None,
) -> None:
    """Forecast the values after the last row, with dates, in the data's own units."""
    from tsprune.data.as_options import in_options
    from tsprune.deploy import Forecaster
    from tsprune.deploy.backtest import backtest as run_backtest
    from tsprune.deploy.reading import check_names, read_frame, write_frame

    if backtest and not (output is level is plot is None):
        raise UserError("--output, --level and --plot are for a forecast and --backtest prints errors: give only one")
    _check_files(output, plot, model, file)
    how = {"missing": missing, "date_column": date_column, "time_step": time_step}
    if _may_be_key(model) and not os.path.exists(model):
        raise UserError(
            f"there is no file {model}; of a model in the store `tsprune export {model} FILE.onnx` makes one"
        )
    forecaster = Forecaster.load(model)
    card = forecaster.card
    if not backtest:
        check_names(card.columns)
    needed = card.seq_len + (backtest or 0) * card.pred_len
    try:
        frame, filled, notes = read_frame(file, card, needed, **how, date_order=date_order, encoding=encoding)
    except UserError as error:
        raise UserError(in_options(str(error))) from None
    for note in notes:
        print(f"{plain(file)}: {note}", file=sys.stderr)
    if backtest:
        print(run_backtest(forecaster, frame, backtest, filled))
        return
    predicted = forecaster.predict(frame, level)
    if level is not None:
        share = card.intervals.covered(level)
        print(f"{share:.1%} of the test split's values lay within the {level:.0%} intervals", file=sys.stderr)
    if plot:
        from tsprune.deploy.plot import write_plot

        boxes = write_plot(frame.iloc[-card.seq_len :], predicted, card, level, plot)
        without = f"; its font has no sign for {boxes}" if boxes else ""
        print(f"{plot}: the last {card.seq_len} time steps and the forecast{without}", file=sys.stderr)
    if output is None:
        print(predicted.to_csv(), end="")
        return
    write_frame(predicted, output)
    print(f"{output}: {len(predicted)} time steps, {' to '.join(shown_dates(predicted.index, [0, -1]))}")


def _may_be_key(model: str) -> bool:
    """Whether what is typed for a model can be the key of one in a store, or the beginning of a key."""
    return re.fullmatch("[0-9a-f]{1,20}", model) is not None


def _check_files(output: str | None, plot: str | None, *read: str) -> None:
    """Raise :class:`UserError` for a forecast or a picture that could not be written, or over a file that is read."""
    from tsprune.deploy.files import need_other
    from tsprune.deploy.reading import ENDINGS, check_output

    if output is not None:
        check_output(output, ENDINGS, "a forecast")
        need_other(output, *read)
    if plot is not None:
        from tsprune.deploy.packages import need

        for package in ("matplotlib", "seaborn", "IPython"):
            need(package, "what pictures need")
        from tsprune.deploy.plot import PICTURES

        check_output(plot, PICTURES, "a picture")
        need_other(plot, *read)
