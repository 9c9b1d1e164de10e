"""Commands ``tsprune models``: the trained and pruned models of studies."""

import sys
from typing import Annotated

import typer

from tsprune.cli.options import StoreFolder, at_home, existing_store
from tsprune.shown import plain

group = typer.Typer(
    invoke_without_command=True,
    help="""Trained and pruned models from studies: list them, save one to a file.

    In the list, density is the share of the prunable weights that are not zero, left the same share of all parameters.
    If a model is another one with zeros, only its masks are kept, and KiB is their size; `save` and `tsprune export`
    write it whole.""",
)


@group.callback()
def list_models(context: typer.Context, store: StoreFolder = "outputs/store") -> None:
    """Print a line per model: what it forecasts, how it was made, its test error, and what is kept of it."""
    if context.invoked_subcommand is None:
        from tsprune.steps.kept import kept_models

        table, damaged = kept_models(existing_store(store))
        formats = dict.fromkeys(("density", "left"), "{:.3g}".format)
        formats |= {"MSE": "{:.4f}".format, "KiB": "{:,.0f}".format}
        none = f"no model in {plain(store)}; a study puts the models that it trains there"
        print(table.to_string(index=False, formatters=formats, na_rep="-") if len(table) else none)
        print(*damaged, sep="\n", end="\n" if damaged else "", file=sys.stderr)


@group.command()
def save(
    key: Annotated[str, typer.Argument(help="The model's key in the list; its first characters are enough if unique.")],
    file: Annotated[str, typer.Argument(help="Checkpoint to write (.safetensors).", callback=at_home)],
    context: typer.Context,
    store: Annotated[
        str | None, typer.Option("--store", help="Folder of results.", show_default="outputs/store", callback=at_home)
    ] = None,
) -> None:
    """Write a model as a checkpoint for tsprune.models.load_checkpoint; a model that was not kept is computed again."""
    from pathlib import Path

    from tsprune.deploy.reading import check_output
    from tsprune.steps.kept import save_model

    check_output(file, [".safetensors"], "a checkpoint")
    # It may also be given before the command: `tsprune models --store x save ...`.
    step = save_model(existing_store(context.parent.params["store"] if store is None else store), key, Path(file))
    print(f"{file}: {step.label}")
