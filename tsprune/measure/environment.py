"""The provenance stamp: on what machine, with what code, were these numbers made."""

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

import tsprune

# A study asks for every step, and it does not change while a process lives.
_version = lru_cache(version)
_PACKAGES = ("torch", "torch-pruning", "numpy", "pandas", "papermill", "fvcore")


def versions() -> dict[str, str]:
    """Versions of Python, tsprune and the packages that results depend on."""
    return {"python": platform.python_version(), "tsprune": tsprune.__version__} | {p: _version(p) for p in _PACKAGES}


def version_of(package: str) -> str | None:
    """Of a package that need not be there; None where it is not."""
    try:
        return _version(package)
    except PackageNotFoundError:
        return None


@lru_cache
def machine() -> tuple[str, str, str]:
    """What times depend on: processor, accelerator, version of torch."""
    return _processor(), _accelerator(), _version("torch")


def made() -> dict[str, str | int]:
    """What is kept beside every row: day, commit and machine."""
    return {"date": datetime.now(UTC).strftime("%Y-%m-%d")} | _made_by()


@lru_cache
def _made_by() -> dict[str, str | int]:
    return {
        "commit": _commit(),
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "accelerator": _accelerator(),
        "matmul": torch.get_float32_matmul_precision(),
    }


def environment() -> dict[str, str]:
    """Versions, commit, machine and time as readable text, one entry a line of the report."""
    facts = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "tsprune commit": _commit(),
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "accelerator": _accelerator(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }
    return facts | {name: v for name, v in versions().items() if name not in facts}


def _commit() -> str:
    """Commit of the checkout the package is used from, or a word that says there is none."""
    folder = Path(tsprune.__file__).parent
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"unknown ({type(error).__name__})"
    return done.stdout.strip() if done.returncode == 0 else "unknown (not a git checkout)"


def _accelerator() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "none"


def _processor() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
