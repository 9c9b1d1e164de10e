"""Commands ``tsprune data``: the catalogue, and files of one's own."""

import shutil
import textwrap
from typing import TYPE_CHECKING, Annotated

import typer

from tsprune.cli.options import ColumnNames, DateColumn, DateOrder, Encoding, Missing, TimeStep, at_home

if TYPE_CHECKING:
    import pandas as pd

group = typer.Typer(no_args_is_help=True, help="Datasets: the catalogue, what is here, what is wrong with a file.")


@group.command("list")
def list_() -> None:
    """Print the datasets of the catalogue: size, time step, where each was found, licence, known defects."""
    from tsprune.data import list_datasets

    print(_listing(list_datasets(), min(shutil.get_terminal_size().columns, 110)))


def _listing(datasets: "pd.DataFrame", width: int) -> str:
    """A line of facts per dataset, and below it what is long, in lines of ``width`` characters at most."""
    facts = datasets[["name", "rows", "columns", "frequency", "found"]].rename(columns={"frequency": "step"})
    longest = facts["name"].str.len().max()
    names = {"name": f"{{:<{longest}}}".format}
    head, *lines = facts.to_string(index=False, justify="left", formatters=names).splitlines()
    text = [head]
    for line, (_, row) in zip(lines, datasets.iterrows(), strict=True):
        about = f"split {row['split']}; licence {row['licence']}" + (f"; {row['defects']}" if row["defects"] else "")
        text += [line.rstrip(), *textwrap.wrap(about, width, initial_indent="    ", subsequent_indent="    ")]
    return "\n".join(text)


@group.command()
def check(
    name: Annotated[str, typer.Argument(help="A name of the catalogue, or the path of a file.")],
    missing: Missing = "error",
    date_column: DateColumn = None,
    time_step: TimeStep = None,
    date_order: DateOrder = None,
    encoding: Encoding = None,
    columns: ColumnNames = None,
) -> None:
    """Check a file or dataset: every problem with its row and column; exit status 1 if there is one.

    A study takes the same options as parameters: -p time_step=B.
    """
    from tsprune.data import check_dataset
    from tsprune.data.as_options import in_options
    from tsprune.data.column_names import from_text

    how = {"date_column": date_column, "time_step": time_step, "date_order": date_order, "encoding": encoding}
    taken = None if columns is None else from_text(columns)
    report = check_dataset(name, missing=missing, columns=taken, **how)
    print(in_options("\n".join(report), keeping="a study keeps it with -p raw=true"))
    if not report.ok:
        raise typer.Exit(1)


@group.command()
def fetch(name: Annotated[str, typer.Argument(help="A name of the catalogue.")]) -> None:
    """Find a dataset or download it to the user's cache, and check its sha256."""
    from tsprune.data import fetch_dataset

    print(fetch_dataset(name))


@group.command()
def entsoe(
    file: Annotated[str, typer.Argument(metavar="FILE.csv", help="File to write: MW by country.", callback=at_home)],
    start: Annotated[str, typer.Option(help="First day, such as 2024-01-01 (UTC).")],
    end: Annotated[str, typer.Option(help="The day after the last.")],
    countries: Annotated[str, typer.Option(help="Country codes, such as at,be,de.")],
    step: Annotated[str, typer.Option(help="1h or 15min.")] = "1h",
) -> None:
    """Download electricity load as the ENTSO-E Transparency Platform has it now; put your key into ENTSOE_API_KEY.

    Each half month is kept in the user's cache; if stopped, the same command goes on from there.
    """
    from tsprune.data.fresh import fresh_load
    from tsprune.whole import write_whole

    write_whole(file, fresh_load(countries.split(","), start, end, step))
    print(file)
