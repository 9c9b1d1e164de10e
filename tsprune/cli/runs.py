"""Commands that run studies, and those that look at what a run has left."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from tsprune.cli.options import StoreFolder, at_home
from tsprune.errors import UserError


def study(
    profile: Annotated[
        str,
        typer.Argument(help="A name under params/ (smoke, quick, paper), or a folder of YAML files.", callback=at_home),
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
    output: Annotated[
        str, typer.Option(help="Folder for reports and for the store of results.", callback=at_home)
    ] = "outputs",
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
            "all models come first; 0: only make pages from existing results.",
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

    Relative paths start at the working directory; a dataset, or a profile's store, that is not there is looked for in
    the project's root.

    A new report replaces an older one that has the same parameters. An older one with other parameters is kept as
    NAME.previous.html (only the latest), and a line says so.

    Exit status: 0 all well (with --budget: in what was begun); 1 a notebook failed or a cell has no result (the report
    names it); 2 bad input (data, parameters, output folder), reported before anything runs; 130 stopped by Ctrl-C,
    143 by SIGTERM: run the same command again to go on.
    """
    from tsprune.batch.shard import Shard, run_shard

    part = None if shard is None else Shard.parse(shard)
    if part is not None and budget is not None:
        raise UserError("--shard and --budget: give only one; a part of the steps always runs to its end")
    _refuse_idle({"--show": show, "--plan": plan, "--budget": budget is not None})
    _refuse_idle({"--show": show, "--shard": part is not None})
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
    from tsprune.batch.plan import nothing_to_run

    if run_profile(runs, hours, only_pages=hours == 0 or nothing_to_run(runs, tables)):
        raise typer.Exit(1)


def _refuse_idle(given: dict[str, bool]) -> None:
    """Raise :class:`UserError` where more than one of these options is given: the others would do nothing."""
    names = [name for name, is_given in given.items() if is_given]
    if len(names) > 1:
        raise UserError(f"{' and '.join(names)}: give only one")


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


def site(
    profiles: Annotated[list[str], typer.Argument(metavar="PROFILE...", help="Profiles to show, e.g. paper_ili.")],
    output: Annotated[str, typer.Option(help="Folder to publish.", callback=at_home)] = "outputs/site",
    store: StoreFolder = "outputs/store",
) -> None:
    """Make a folder to publish from the results that exist: pages, tables, and what was run where. Computes nothing."""
    from tsprune.batch.site import make_site

    if make_site(profiles, output, store):
        raise typer.Exit(1)
    print(f"site: {os.path.join(output, 'index.html')}")


def report(
    notebook: Annotated[
        str, typer.Argument(help="An executed notebook, from papermill or JupyterLab (.ipynb).", callback=at_home)
    ],
    output: Annotated[
        str | None, typer.Option(help="Page to write (the notebook's name with .html).", callback=at_home)
    ] = None,
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


def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="A folder of reports, a report, or an executed notebook.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Another.")],
) -> None:
    """Show two runs side by side: parameters that differ, and test errors of cells in both. Computes nothing."""
    from tsprune.batch.compare import compare_runs

    print(compare_runs(first, second))
