"""Commands ``tsprune results``: the rows that ship with the project."""

from typing import Annotated

import typer

from tsprune.places import need_checkout

group = typer.Typer(
    no_args_is_help=True, help="Results that ship with the project, so that nobody need compute them again."
)


@group.command("add")
def add_results(
    run: Annotated[str, typer.Argument(help="A folder of reports, a report, or an executed notebook.")],
) -> None:
    """Add the results of a run to results/, one file per study and dataset; rows that are there already stay.

    Rows made by any code and versions are accepted, as every row names both; the printed line points out code that was
    not committed, and versions that no other row has.
    """
    from tsprune.batch.results import add_runs

    need_checkout()
    print(*add_runs(run), sep="\n")


@group.command("check")
def check_results(
    run: Annotated[str | None, typer.Argument(help="A run to compare with the rows in results/.")] = None,
) -> None:
    """Print what is wrong with the rows in results/, a line each; with RUN, print the rows that differ from those RUN
    computed itself, times aside. Exit status 1 if anything is wrong or differs."""
    from tsprune.batch.results import check_anew, project_archive

    need_checkout()
    if run is not None:
        lines, wrong = check_anew(run)
    else:
        problems = project_archive().problems()
        lines, wrong = problems or [f"{len(project_archive().lines)} rows, nothing wrong"], bool(problems)
    print(*lines, sep="\n")
    if wrong:
        raise typer.Exit(1)


@group.command("verdicts")
def show_verdicts() -> None:
    """Print what the rows in results/ say about the papers' claims, as a table in Markdown."""
    from tsprune.batch.results import sound
    from tsprune.study.claims.cells import shipped
    from tsprune.study.claims.words import summary

    need_checkout()
    sound()
    typer.echo(summary(shipped()))


@group.command("list")
def list_results() -> None:
    """Print a line per file in results/: how many rows, of what, when and on which machine they were made."""
    from tsprune.batch.results import list_results

    need_checkout()
    table = list_results()
    print(table.to_string(index=False) if len(table) else "no rows yet")
