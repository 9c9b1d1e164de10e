import ctypes
import subprocess
import sys

import pytest

FAULTS = """
import resource, torch
from tsprune.allocator import keep_freed_memory
def step():
    tensors = [torch.ones(2**19) for _ in range(48)]  # 2 MiB each, given back together
def pages_asked_for():
    step()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    step(), step()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
before = pages_asked_for()
assert keep_freed_memory()
print(before, pages_asked_for())
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="this C library has no mallopt")
def test_freed_memory_is_kept_for_the_next_tensors():
    run = subprocess.run([sys.executable, "-c", FAULTS], check=True, capture_output=True, text=True)
    given_back, kept = map(int, run.stdout.split())
    assert kept * 5 < given_back
