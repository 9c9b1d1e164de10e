"""What happens to memory that tensors on the CPU free."""

import ctypes
from functools import cache

# Of glibc's malloc.h: what is set, and the largest values it takes (larger blocks always come from the kernel).
_TRIM_THRESHOLD, _ALL = -1, 2**31 - 1
_MMAP_THRESHOLD, _LARGEST = -3, 32 * 2**20


@cache
def keep_freed_memory() -> bool:
    """Let this process keep the memory it frees, for later tensors. Returns whether the C library supports that.

    By its own rule glibc hands freed memory back to the kernel within a training step and has it again, page by page
    and set to zero, in the next one: up to thousands of pages a step, by chance of how the heap lies, so that a step's
    time differs from process to process (``benchmarks/allocator.py``). Kept, the memory counts as resident until the
    process ends or trims its heap.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _LARGEST)) and bool(mallopt(_TRIM_THRESHOLD, _ALL))
