"""The front door: studies, their pages, models, data. Heavy imports wait until they are needed."""

import errno
import inspect
import os
import re
import sys
from typing import Annotated

import typer

from tsprune import __version__
from tsprune.batch.stop import stoppable
from tsprune.cli import data, forecasters, models, results, runs
from tsprune.errors import UserError, unknown
from tsprune.shown import plain

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="How far can a forecaster be pruned, and what does it gain? Start with: tsprune study quick",
)
for command in (
    *(runs.study, runs.site, runs.report, runs.compare),
    *(forecasters.export, forecasters.forecast, forecasters.compress),
):
    app.command()(command)
for name, module in (("data", data), ("models", models), ("results", results)):
    app.add_typer(module.group, name=name)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"tsprune {__version__}")
        raise typer.Exit


@app.callback()
def front(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def _let_help_flow(group: typer.Typer) -> None:
    """Make every paragraph of the help one line: typer keeps the line breaks of all but the first, which on a narrow
    terminal leave single words on lines."""
    for command in (*group.registered_commands, group.registered_callback):
        if command is not None and (text := command.callback.__doc__):
            command.callback.__doc__ = re.sub(r"(?<!\n)\n(?!\n)", " ", inspect.cleandoc(text))


for group in (app, data.group, models.group, results.group):
    _let_help_flow(group)


LONGEST = 4000
"""Signs of a line on stderr: a name that fills more is not what anybody means."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


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
        if error.errno not in _FULL or (error.errno == errno.EIO and error.filename is not None):
            raise
        _print_nowhere()
        what = error.filename or "the output, or a temporary file,"  # which of the two, the system does not say
        raise UserError(f"{what} cannot be written: {error.strerror}") from None
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        if type(error).__name__ == "NoArgsIsHelpError":  # the help has been printed
            return error.exit_code
        raise UserError(_usage(error)) from None
    return status or 0


def main() -> None:
    """Run the command line; bad input ends with a line on stderr and status 2, Ctrl-C with a line and status 130 and
    SIGTERM with 143, never with a traceback."""
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
