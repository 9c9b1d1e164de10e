"""A step that was interrupted goes on where its training last stood, instead of from its start.

One file per step that is being trained, ``<store>/partial/<key>.safetensors``: replaced as a whole every few minutes,
deleted when the training is done.
"""

import json
import os
import time
import warnings
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tsprune.engine.store import Store

EVERY_SECONDS = 180.0


class Interruptible:
    """For :func:`tsprune.training.train`: ``resume`` is the state found (None: none), the object itself keeps states.

    As a context it deletes the file on leaving, unless by an exception.
    """

    def __init__(self, store: Store, key: str):
        self.path = store.root / "partial" / f"{key}.safetensors"
        self.resume = self._found()
        self._written = time.monotonic()

    def _found(self) -> dict | None:
        if not self.path.exists():
            return None
        try:
            return read_state(self.path)
        except (SafetensorError, KeyError, ValueError) as damage:
            warnings.warn(f"{self.path} is damaged ({damage}): its training starts again", stacklevel=3)
            return None

    def __call__(self, state: dict) -> None:
        if time.monotonic() - self._written >= EVERY_SECONDS:
            write_state(self.path, state)
            self._written = time.monotonic()

    def __enter__(self) -> "Interruptible":
        return self

    def __exit__(self, kind, *_) -> None:
        if kind is None:
            self.path.unlink(missing_ok=True)


def write_state(path: Path, state: dict) -> None:
    """Write nested dicts and lists of tensors, numbers and words; whole or not at all."""
    tensors: dict[str, Tensor] = {}
    words = json.dumps(_pack(state, tensors))
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}")
    save_file(tensors, temporary, metadata={"state": words})
    temporary.replace(path)


def read_state(path: Path) -> dict:
    """As :func:`write_state` was given it, on the CPU; tuples have become lists."""
    with safe_open(path, framework="pt") as file:
        return _unpack(json.loads(file.metadata()["state"]), file.get_tensor)


def _pack(value, tensors: dict[str, Tensor]):
    if isinstance(value, Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().clone().contiguous()  # two that share their memory are refused
        return {"tensor": name}
    if isinstance(value, dict):  # as pairs: a key may be a number
        return {"pairs": [[key, _pack(item, tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return [_pack(item, tensors) for item in value]
    return value


def _unpack(value, tensor):
    if isinstance(value, list):
        return [_unpack(item, tensor) for item in value]
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        return tensor(value["tensor"])
    return {key: _unpack(item, tensor) for key, item in value["pairs"]}
