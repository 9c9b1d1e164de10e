"""Peak memory of a piece of work, of a forward pass, of a training step."""

import copy
import ctypes
import resource
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_LIBC = ctypes.CDLL(None)
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")

GPU_STEP = 8 * 2**30
"""Memory of a GPU for one step, bytes: 15 at d_model 512 side by side needed more than 79 GiB (an H100)."""


class PeakMemory:
    """Context manager; afterwards ``.mib`` is the highest memory in MiB and ``.what`` says of what.

    On CUDA: memory allocated by torch on that device. On Linux: resident memory of this process, the kernel's
    high-water mark reset at the start, after memory that was freed before has been handed back. Elsewhere the mark
    cannot be reset: highest since the process began.
    """

    mib: float = float("nan")
    what: str = ""

    def __init__(self, device: torch.device | str = "cpu"):
        self.device = torch.device(device)

    def __enter__(self) -> "PeakMemory":
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        elif _CLEAR.exists():
            # glibc keeps freed memory resident: what is allocated next would hide in it.
            if hasattr(_LIBC, "malloc_trim"):
                _LIBC.malloc_trim(0)
            _CLEAR.write_text("5")
        return self

    def __exit__(self, *_) -> None:
        if self.device.type == "cuda":
            self.mib, self.what = torch.cuda.max_memory_allocated(self.device) / 2**20, "allocated on the device"
        elif _CLEAR.exists():
            mark = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM"))
            self.mib, self.what = int(mark.split()[1]) / 2**10, "resident, process"
        else:
            unit = 2**20 if sys.platform == "darwin" else 2**10  # bytes there, KiB elsewhere
            self.mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
            self.what = "resident, process, since its start"


def places_on_gpu() -> int:
    """Steps that the memory of the first GPU has room for, :data:`GPU_STEP` each; one at least, and without a GPU."""
    if not torch.cuda.is_available():
        return 1
    return max(1, torch.cuda.get_device_properties(0).total_memory // GPU_STEP)


def share_gpu() -> None:
    """Give what torch holds of a GPU's memory for tensors to come back to the processes beside this one."""
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, on the machine or on its GPU; the text of ``error`` says how much was asked for."""
    if isinstance(error, torch.AcceleratorError):
        return "out of memory" in str(error)
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)


def gpu_lost(error: BaseException) -> bool:
    """Whether a GPU failed so that CUDA answers this process with errors from now on. Memory that torch could not have
    is no such failure; memory that CUDA itself could not have is."""
    return isinstance(error, torch.AcceleratorError)


def forward_memory(model: nn.Module, inputs: Sequence[Tensor | None]) -> float:
    """Peak memory in MiB of one forward pass in evaluation and inference mode, on the device of the model.

    The size of the tensors held before (parameters, buffers, ``inputs``), and by how much :class:`PeakMemory` rises
    above its start. On a CPU that is resident memory, with what the allocator keeps for reuse: to about 1 MiB and 10 %,
    with nothing else running in the process. NaN where the mark cannot be reset. ``model`` is unchanged.
    """
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            model(*inputs)  # thread pools and the caches of kernels are not the model's
            return _peak(lambda: model(*inputs), _held(model, inputs))
    finally:
        model.train(was_training)


def training_memory(model: nn.Module, inputs: Sequence[Tensor | None]) -> float:
    """Peak memory in MiB of one training step: forward, squared error, backward, Adam; float32 unless autocast is on.

    As :func:`forward_memory`; the state of the optimiser, which an earlier step has made, is among the tensors held.
    The step is taken on a copy: ``model`` is unchanged.
    """
    model = copy.deepcopy(model).train()
    optimizer = torch.optim.Adam(model.parameters(), fused=True)

    def step() -> None:
        forecast = model(*inputs)
        F.mse_loss(forecast, torch.zeros_like(forecast)).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    with torch.random.fork_rng():
        step()
        states = [value for state in optimizer.state.values() for value in state.values()]
        return _peak(step, _held(model, inputs) + states)


def _held(model: nn.Module, inputs: Sequence[Tensor | None]) -> list[Tensor]:
    return [*model.parameters(), *model.buffers(), *(x for x in inputs if x is not None)]


def _peak(work: Callable[[], Any], held: list[Tensor]) -> float:
    """MiB of ``held``, tensors that share memory once, and of what ``work`` adds at its highest point."""
    storages = {s.data_ptr(): s.nbytes() for s in (t.untyped_storage() for t in held)}
    with PeakMemory(held[0].device) as before:
        pass
    with PeakMemory(held[0].device) as during:
        work()
    if "since its start" in during.what:
        return float("nan")
    return sum(storages.values()) / 2**20 + during.mib - before.mib
