"""One notebook, executed by papermill in a kernel that listens where nobody else does and that Ctrl-C ends."""

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import TextIO

import nbformat
import papermill
from jupyter_client import AsyncKernelManager
from nbclient.exceptions import DeadKernelError
from papermill.engines import NBClientEngine, papermill_engines
from traitlets.config import Config as Traits

from tsprune.batch.profiles import NotebookRun
from tsprune.batch.stop import undone_by_stop
from tsprune.engine.progress import LINES_VARIABLE

_LONGEST_ADDRESS = 100
"""Bytes in the address of a socket that is a file: systems allow 103 to 107, and its number comes behind."""


class _Kernel(AsyncKernelManager):
    """Ctrl-C ends it, and with it its workers, which leave when their parent is gone."""

    process_id: int | None = None
    """Kept by the class, since papermill makes the manager: each notebook has a class of its own."""

    async def start_kernel(self, **named) -> None:
        await super().start_kernel(**named)
        type(self).process_id = self.provisioner.pid

    async def _async_interrupt_kernel(self) -> None:
        """Does nothing: an idle kernel can be shut down without an interrupt, and one that is still answering the last
        message would report the interrupt as an error."""

    @classmethod
    def kill(cls) -> None:
        if cls.process_id is not None:
            with suppress(ProcessLookupError):
                os.kill(cls.process_id, signal.SIGKILL)


class _Engine(NBClientEngine):
    """Writes the notebook once, when it has ended, failed or not. Papermill writes it twice per cell, which was most of
    the work beside the kernel's, though nobody reads the file before the end."""

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, **named) -> None:
        nb_man.save = lambda: None
        try:
            super().execute_managed_notebook(nb_man, kernel_name, **named)
        finally:
            del nb_man.save


papermill_engines.register("tsprune", _Engine)


def execute(run: NotebookRun, output: Path, told: TextIO) -> bool:
    """Run the notebook, and write to ``told`` what it prints; return whether it failed. To be called within
    :func:`environment`.

    The kernel starts in the working directory, so that the notebook finds the data that the command finds.
    """
    # It warns of parameters that stand in no cell of the notebook, though all were checked against the study's config,
    # and reports a kernel's death, as is done below.
    logging.getLogger("papermill").setLevel(logging.CRITICAL)
    kernel = type("Kernel", (_Kernel,), {})
    try:
        with _sockets() as sockets, undone_by_stop(kernel.kill):
            papermill.execute_notebook(
                run.source,
                output,
                parameters=run.parameters,
                engine_name="tsprune",
                kernel_name="python3",
                progress_bar=False,
                stdout_file=told,
                kernel_manager_class=kernel,
                config=Traits({"KernelManager": sockets}),
            )
    except papermill.PapermillExecutionError as error:
        print(f"{run.name} failed: {error.ename}: {error.evalue}", file=sys.stderr, flush=True)
        return True
    except RuntimeError as error:  # the kernel, not the notebook in it: it died, or did not start in time
        died = isinstance(error, DeadKernelError)
        reason = "the process of its kernel died; out of memory?" if died else f"its kernel: {error}"
        print(f"{run.name} failed: {reason}", file=sys.stderr, flush=True)
        _mark_failed(output, type(error).__name__, reason)
        return True
    return False


@contextmanager
def _sockets() -> Iterator[dict[str, str]]:
    """Where the kernel listens: at files in a folder of its own, where the system has such sockets and the name of the
    folder is short enough. A free port may be taken by the kernel of another study before this one opens it, and then
    this one dies. The file with its keys is there too, and gone with the folder however the run ends."""
    with TemporaryDirectory(prefix="tsprune-") as folder, undone_by_stop(partial(rmtree, folder)):
        address, keys = (str(Path(folder) / name) for name in ("kernel", "kernel.json"))
        if os.name == "posix" and len(os.fsencode(address)) <= _LONGEST_ADDRESS:
            yield {"connection_file": keys, "transport": "ipc", "ip": address}
        else:
            # With keys where it can use them; without, it warns at every start.
            yield {"connection_file": keys, "transport_encryption": "auto"}


@contextmanager
def environment() -> Iterator[None]:
    """Variables for every kernel: a line per finished step, and no words on semaphores when it was killed (they are
    cleaned up by Python's own resource tracker, which warns of it)."""
    before = {name: os.environ.get(name) for name in (LINES_VARIABLE, "PYTHONWARNINGS")}
    quiet = "ignore::UserWarning:multiprocessing.resource_tracker"
    os.environ[LINES_VARIABLE] = "lines"
    os.environ["PYTHONWARNINGS"] = ",".join(filter(None, (before["PYTHONWARNINGS"], quiet)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _mark_failed(path: Path, name: str, reason: str) -> None:
    """Write the error into the cell that was running, as papermill does not where no error came from the kernel."""
    notebook = nbformat.read(path, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    begun = [cell for cell in cells if cell.metadata.get("papermill", {}).get("start_time")]
    cell = begun[-1] if begun else cells[0]
    cell.outputs.append(nbformat.v4.new_output("error", ename=name, evalue=reason, traceback=[]))
    nbformat.write(notebook, path)
