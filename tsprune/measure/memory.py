"""Peak memory of a piece of work, and what a GPU has room for."""

import ctypes
import resource
import sys
from pathlib import Path

import torch

_LIBC = ctypes.CDLL(None)
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")

GPU_STEP = 8 * 2**30
"""Memory of a GPU for one step, bytes: 15 at d_model 512 side by side needed more than 79 GiB (an H100)."""


class PeakMemory:
    """Context manager; afterwards ``.mib`` is the highest memory in MiB.

    On CUDA: memory allocated by torch on that device. On Linux: resident memory of this process, the kernel's
    high-water mark reset at the start, after memory that was freed before has been handed back. Elsewhere the mark
    cannot be reset: highest since the process began.
    """

    mib: float = float("nan")

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
            self.mib = torch.cuda.max_memory_allocated(self.device) / 2**20
        elif _CLEAR.exists():
            mark = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM"))
            self.mib = int(mark.split()[1]) / 2**10
        else:
            unit = 2**20 if sys.platform == "darwin" else 2**10  # bytes there, KiB elsewhere
            self.mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def places_on_gpu() -> int:
    """Steps that the memory of the first GPU has room for, :data:`GPU_STEP` each; one at least, and without a GPU."""
    if not torch.cuda.is_available():
        return 1
    return max(1, torch.cuda.get_device_properties(0).total_memory // GPU_STEP)


def share_gpu() -> None:
    """Give GPU memory that torch holds for later tensors back to other processes."""
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, on the machine or on its GPU; the text of ``error`` says how much was asked for."""
    if isinstance(error, torch.AcceleratorError):
        return "out of memory" in str(error)
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)


def gpu_lost(error: BaseException) -> bool:
    """Whether a GPU failed so that CUDA answers this process with errors from now on. Memory that torch could not get
    is not such a failure; memory that CUDA itself could not get is."""
    return isinstance(error, torch.AcceleratorError)
