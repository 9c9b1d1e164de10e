"""Steps that do as they are told, for tests of the grid; importable by worker processes."""

import os
import signal
import time
from pathlib import Path
from typing import ClassVar

import torch

from tsprune.engine.progress import Progress
from tsprune.engine.step import Outcome, Step
from tsprune.engine.store import Store
from tsprune.errors import UserError


class FakeStep(Step):
    """``act`` says what happens: ok, error, user-error, memory, torch-memory, diverge, die (the process), die-once (the
    first time that it runs, by a signal), or gpu-once (the first time the GPU fails its process)."""

    kind: ClassVar[str] = "fake"
    name: str
    log: str
    act: str = "ok"
    after: tuple["FakeStep", ...] = ()
    seconds: float = 0.0

    def identity(self) -> dict:
        return {"step": self.kind, "name": self.name, "after": [s.key for s in self.after]}

    @property
    def needs(self) -> tuple[Step, ...]:
        return self.after

    @property
    def label(self) -> str:
        return self.name

    def protocol(self) -> dict:
        return {"name": self.name}

    def run(self, store: Store) -> Outcome:
        with Path(self.log).open("a") as file:
            file.write(f"{self.name}\n")
        time.sleep(self.seconds)
        for need in self.after:
            assert store.row(need.key)["status"] == "ok"
        if self.act == "die":
            os._exit(9)
        first = Path(self.log).read_text().split().count(self.name) == 1
        if self.act == "die-once" and first:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.act == "gpu-once" and first:
            raise torch.AcceleratorError("CUDA error: unknown error")
        if self.act == "gpu-fault-once" and first:  # a real one, after which CUDA answers this process with errors
            row = torch.zeros(1, device="cuda")[torch.tensor([5], device="cuda")]
            row.cpu()
        if self.act == "on-gpu":
            torch.ones(3, device="cuda").sum().item()
        if self.act == "error":
            raise ZeroDivisionError("as told")
        if self.act == "user-error":
            raise UserError("a clear line")
        if self.act == "memory":
            raise MemoryError("as told")
        if self.act == "torch-memory":
            torch.empty(2**60)
        status = "diverged" if self.act == "diverge" else "ok"
        reason = "at step 3" if self.act == "diverge" else None
        return Outcome({"mse": len(self.name) / 7}, {}, {"bad": float("nan")}, status=status, reason=reason)


class TimedStep(FakeStep):
    """Runs alone; its numbers are when it began and when it ended."""

    kind: ClassVar[str] = "timed"
    alone: ClassVar[bool] = True

    def run(self, store: Store) -> Outcome:
        began = time.monotonic()
        super().run(store)
        time.sleep(0.05)
        return Outcome({"began": began, "ended": time.monotonic()}, {}, {})


class Recorder(Progress):
    """Progress that remembers what it would have shown."""

    def __init__(self, jobs: int = 1):
        super().__init__(jobs)
        self.news: list[str] = []

    def show(self, news: str) -> None:
        self.news.append(f"[{self.state()}] {news}")
