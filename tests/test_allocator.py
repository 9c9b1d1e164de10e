import ctypes
import subprocess
import sys

import pytest

FAULTS = """
import resource, torch
from tsprune.allocator import keep_freed_memory
if {keep}:
    assert keep_freed_memory()
def step():
    tensors = [torch.ones(2**19) for _ in range(48)]  # 2 MiB each, given back together
step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
step(), step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def pages_asked_for(keep: bool) -> int:
    run = [sys.executable, "-c", FAULTS.format(keep=keep)]
    return int(subprocess.run(run, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="this C library has no mallopt")
def test_freed_memory_is_kept_for_the_next_tensors():
    assert pages_asked_for(keep=True) * 5 < pages_asked_for(keep=False)
