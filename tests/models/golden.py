"""Reading the reference figures in tests/golden."""

import json
from functools import cache
from pathlib import Path

from safetensors import safe_open

FOLDER = Path(__file__).parents[1] / "golden"


def model_cases() -> list[dict]:
    """Entries of index.json that are whole models."""
    return [entry for entry in json.loads((FOLDER / "index.json").read_text()) if "model" in entry]


@cache
def load(file: str) -> tuple[dict, dict]:
    """Tensors and metadata of a fixture file."""
    with safe_open(FOLDER / file, "pt") as opened:
        return {name: opened.get_tensor(name) for name in opened.keys()}, json.loads(opened.metadata()["meta"])  # noqa: SIM118


def part(tensors: dict, prefix: str) -> dict:
    """The tensors under ``prefix/``, without it."""
    return {name.removeprefix(f"{prefix}/"): t for name, t in tensors.items() if name.startswith(f"{prefix}/")}
