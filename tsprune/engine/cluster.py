"""Steps on Dask workers, beyond one machine. Dask (the extra ``cluster``) is imported when a cluster is asked for.

A worker gives back the key of a step and nothing else: results vanish with a worker or a scheduler, the store does not.
What a step comes to is read from there. Dask's own retries are off, since it blames everything that lay on a worker
that died; :mod:`tsprune.engine.grid` counts deaths per step.
"""

import inspect
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from typing import Any
from uuid import uuid4

import torch

from tsprune.engine.executors import Lost, WorkerDied, local_processes
from tsprune.engine.step import Step
from tsprune.engine.store import Store
from tsprune.errors import UserError, unknown

Scheduler = str | dict[str, dict[str, Any]] | None
"""An address; or the name of a class of dask-jobqueue with its options; or None: workers on this machine."""

INSTALL = "Dask is not installed: python -m pip install 'tsprune[cluster]'"

_ANSWERS_WITHIN = 20.0
"""Seconds that a scheduler is given to answer."""

_SEEN_WITHIN = 60.0
"""Seconds after which a row that another machine wrote is there: NFS looks again for a file it did not find."""

_COUNTED_EVERY = 1.0
"""Seconds after which workers are counted anew: jobs in a queue start when they may."""


def dask_workers(scheduler: Scheduler, jobs: int, resources: Mapping[str, float]) -> Callable[[], Executor]:
    """A maker of executors on the workers of ``scheduler``, of ``jobs`` workers where they are of this machine.

    A step asks for ``resources``, as ``{"GPU": 1}``. Raises UserError where Dask is not installed, no scheduler
    answers, or a worker has several threads, which share a random generator.
    """

    def make() -> Executor:
        if found := list(problems(scheduler)):
            raise UserError("\n".join(found))
        return DaskExecutor(*_connected(scheduler, jobs), resources)

    return make


def problems(scheduler: Scheduler) -> Iterator[str]:
    """What can be said of a scheduler before it is asked: a line per problem."""
    if find_spec("distributed") is None:
        yield INSTALL
    elif isinstance(scheduler, dict):
        yield from _of_queue(scheduler)


def _of_queue(block: dict[str, dict[str, Any]]) -> Iterator[str]:
    if find_spec("dask_jobqueue") is None:
        yield INSTALL
        return
    import dask_jobqueue
    from dask_jobqueue.core import Job, JobQueueCluster

    queues = {
        name: of for name, of in vars(dask_jobqueue).items() if name.endswith("Cluster") and name != "LocalCluster"
    }
    if len(block) != 1:
        yield f"scheduler: give one kind of cluster with options, not {len(block)}; known: {', '.join(sorted(queues))}"
        return
    ((name, options),) = block.items()
    if name not in queues:
        yield "scheduler: " + unknown("kind of cluster", name, sorted(queues))
        return
    taken = {key for of in (queues[name].job_cls, Job, JobQueueCluster) for key in inspect.signature(of).parameters}
    for option in options.keys() - taken:
        yield f"scheduler: {name}: " + unknown("option", option, sorted(taken - {"self"}))
    if options.get("cores") != options.get("processes", 1):
        yield f"scheduler: {name}: processes must equal cores: each worker has one thread"


def _connected(scheduler: Scheduler, jobs: int) -> tuple[Any, Any]:
    """A client, and the cluster that ends with it, if it is of our own making."""
    from distributed import Client, LocalCluster

    for name in ("distributed", "distributed.client"):  # whom they lose, the grid tells in a line
        logging.getLogger(name).setLevel(logging.CRITICAL)
    cluster = None
    if isinstance(scheduler, dict):
        import dask_jobqueue

        ((name, options),) = scheduler.items()
        cluster = getattr(dask_jobqueue, name)(**options)
    elif scheduler is None:
        # No limit of memory: what a step keeps for its next tensors (tsprune.allocator) counts as taken.
        sizes = {"n_workers": jobs or None, "threads_per_worker": 1, "memory_limit": 0}
        cluster = LocalCluster(**sizes, host="127.0.0.1", dashboard_address=None, silence_logs="ERROR")
    try:
        client = Client(cluster or scheduler, timeout=_ANSWERS_WITHIN, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UserError(f"scheduler {scheduler}: does not answer ({type(error).__name__}: {error})") from None
    client.run_on_scheduler(_no_retries)
    return client, cluster


def _no_retries(dask_scheduler: Any) -> None:
    dask_scheduler.allowed_failures = 0


class DaskExecutor(Executor):
    """Runs ``work(step, *rest)`` on a worker; the future has the row that the store then has.

    A future fails with :class:`WorkerDied` where the step's worker died, with :class:`Lost` where the scheduler did.
    Steps that must run alone measure time on the machine that their identity names: this one.
    """

    def __init__(self, client: Any, cluster: Any = None, resources: Mapping[str, float] | None = None):
        self.client, self.cluster, self.resources = client, cluster, dict(resources or {})
        self._remote: dict[Future, Any] = {}
        self._here: Executor | None = None
        self._counted, self._slots = float("-inf"), 0

    def slots(self) -> int:
        """Steps that find a worker now. Raises UserError for a worker of several threads."""
        if time.monotonic() - self._counted > _COUNTED_EVERY and self.client.status == "running":
            with suppress(OSError):  # it has just gone, which the steps in flight will report
                self._slots = self._count()
                self._counted = time.monotonic()
        return self._slots

    def _count(self) -> int:
        threads = self.client.nthreads()
        for address, count in threads.items():
            if count != 1:
                raise UserError(f"worker {address} has {count} threads: start it with --nthreads 1 --nworkers {count}")
        return len(threads)

    def submit(self, work: Callable, step: Step, root: str, *rest: Any) -> Future:
        if step.alone:
            self._here = self._here or local_processes(1)()
            return self._here.submit(work, step, root, *rest)
        if self.client.status != "running":
            raise BrokenExecutor(f"no scheduler: {self.client.status}")
        future = Future()
        future.set_running_or_notify_cancel()
        name = f"{step.kind}-{step.key}-{uuid4().hex[:8]}"
        remote = self.client.submit(
            _key_of, work, step, root, *rest, key=name, pure=False, retries=0, resources=self.resources or None
        )
        self._remote[future] = remote  # what nobody holds Dask forgets
        remote.add_done_callback(partial(self._tell, future, step.key, root))
        return future

    def _tell(self, future: Future, key: str, root: str, remote: Any) -> None:
        """In a thread of Dask's: hand on how a step ended."""
        self._remote.pop(future, None)
        try:
            future.set_result(_row(self._ended(remote, key), root))
        except BaseException as error:  # whatever it is, the grid waits for it
            future.set_exception(error)

    def _ended(self, remote: Any, key: str) -> str:
        from distributed.scheduler import KilledWorker

        if remote.status == "finished":
            return key
        if remote.status != "error":
            raise Lost(f"its scheduler is gone: {remote.status}")
        error = remote.exception(timeout=_ANSWERS_WITHIN)
        if isinstance(error, KilledWorker):
            raise WorkerDied(f"worker {error.last_worker.address} died")
        raise error

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Give up all steps. One that already runs on a worker that is not ours still ends, and stores its row."""
        with suppress(Exception):  # of a scheduler that is gone
            self.client.cancel(list(self._remote.values()), force=True)
        self.client.close(timeout=2)
        if self.cluster is not None:
            self.cluster.close(timeout=10)
        if self._here is not None:
            self._here.shutdown(wait, cancel_futures=cancel_futures)

    def kill(self) -> None:
        """End at once, whatever runs here."""
        if self._here is not None:
            self._here.kill()


def _key_of(work: Callable, step: Step, *rest: Any) -> str:
    """On a worker: do the work, and say no more than whose row the store now has."""
    torch.set_num_threads(1)
    work(step, *rest)
    return step.key


def _row(key: str, root: str) -> dict:
    """The row of a step that a worker has just stored, once this machine sees it."""
    store, begun = Store(root), time.monotonic()
    while (row := store.row(key)) is None:
        if time.monotonic() - begun > _SEEN_WITHIN:
            raise UserError(f"{store.folder(key)} is not there: do workers see the store's folder under this path?")
        time.sleep(0.2)
    return row
