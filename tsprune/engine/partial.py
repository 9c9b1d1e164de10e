"""A step that was interrupted goes on from the last saved state of its training instead of from its start.

One file per step that is being trained, ``<store>/partial/<key>.safetensors``: replaced as a whole every few minutes,
deleted when the step's entry is in the store. It names its step and has a checksum; one that is damaged, or that the
step cannot go on from, is reported and removed, and the training starts again.
"""

import hashlib
import json
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tsprune import measure
from tsprune.engine.step import FINAL
from tsprune.engine.store import Corrupt, Store
from tsprune.engine.temporary import process_gone, remove

EVERY_SECONDS = 180.0


class DoesNotFit(Exception):
    """A step failed on the state that it was to go on from; the state is gone. The failure is the cause."""


class Interruptible:
    """For :func:`tsprune.training.train`: ``resume`` is the state found (None: none), the object itself keeps states.

    As a context it raises :class:`DoesNotFit` where an exception ends it before one epoch has followed the state found.
    """

    def __init__(self, store: Store, key: str):
        self.store, self.key, self.path = store, key, _path(store, key)
        self._went_on = False
        self._written = time.monotonic()
        self.resume = self._found()

    def _found(self) -> dict | None:
        try:
            return read_state(self.path, self.key)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except Corrupt as damage:
            warnings.warn(f"{damage}: its training starts again", stacklevel=3)
            remove(self.path)
            return None

    def __call__(self, state: dict) -> None:
        self._went_on = True
        if time.monotonic() - self._written < EVERY_SECONDS:
            return
        try:
            write_state(self.store, self.key, state)
        except (OSError, SafetensorError) as error:  # a full disk, say: the training itself can go on
            warnings.warn(f"{self.path} cannot be written ({error}); the training goes on", stacklevel=2)
        self._written = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind, error, _) -> None:
        if self.resume is not None and not self._went_on and _may_be_its_fault(error):
            why = " ".join(f"{type(error).__name__}: {error}".split())
            warnings.warn(f"{self.path} does not fit its step ({why}): its training starts again", stacklevel=2)
            remove(self.path)
            raise DoesNotFit from error


def _may_be_its_fault(error: BaseException | None) -> bool:
    """Whether a start without the state may help: not where memory ran out or a device failed."""
    if not isinstance(error, LookupError | ValueError | TypeError | AttributeError | RuntimeError):
        return False
    return not (measure.out_of_memory(error) or isinstance(error, torch.AcceleratorError))


def forget_state(store: Store, key: str) -> None:
    """Delete the state of a step whose entry is in the store."""
    remove(_path(store, key))


def sweep_states(store: Store) -> None:
    """Delete states that nothing will resume from: those older than the finished row of their step, and files that
    killed writers of earlier versions left."""
    for path in (store.root / "partial").glob("*"):
        key, _, end = path.name.partition(".")
        if (end == "safetensors" and _finished_since(store, key, path)) or process_gone(end):
            remove(path)


def _finished_since(store: Store, key: str, path: Path) -> bool:
    """Whether the step's row is finished and younger than its state: an older row's model is being made again."""
    try:
        row = store.row(key)
        return (
            row is not None
            and row["status"] in FINAL
            and path.stat().st_mtime <= (store.folder(key) / "row.json").stat().st_mtime
        )
    except (Corrupt, FileNotFoundError):
        return False


def write_state(store: Store, key: str, state: dict) -> None:
    """Write nested dicts and lists of tensors, numbers and words; whole or not at all."""
    tensors: dict[str, Tensor] = {}
    words = json.dumps({"key": key, "state": _pack(state, tensors)})
    path = _path(store, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    with store.aside() as temporary:
        save_file(tensors, temporary, metadata={"words": words, "sha256": _sha256(words, tensors)})
        temporary.replace(path)


def read_state(path: Path, key: str) -> dict:
    """As :func:`write_state` was given it for the step ``key``, on the CPU; tuples have become lists.

    Raises FileNotFoundError, or :class:`Corrupt` for anything else.
    """
    path.lstat()
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no mapping)
            told = file.metadata()
        if told["sha256"] != _sha256(told["words"], tensors):
            raise Corrupt(f"{path} is damaged (its checksum does not fit)")
        words = json.loads(told["words"])
        if words["key"] != key:
            raise Corrupt(f"{path} is damaged (it belongs to {words['key']})")
        return _unpack(words["state"], tensors)
    except (SafetensorError, OSError, LookupError, ValueError, TypeError, AttributeError) as damage:
        raise Corrupt(f"{path} is damaged ({type(damage).__name__}: {damage})") from None


def _path(store: Store, key: str) -> Path:
    return store.root / "partial" / f"{key}.safetensors"


def _sha256(words: str, tensors: Mapping[str, Tensor]) -> str:
    """Of everything a state says: its words, and name, type, shape and bytes of every tensor."""
    total = hashlib.sha256(words.encode())
    for name, tensor in sorted(tensors.items()):
        total.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        total.update(tensor.cpu().reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


def _pack(value, tensors: dict[str, Tensor]):
    if isinstance(value, Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().clone().contiguous()  # safetensors refuses two that share memory
        return {"tensor": name}
    if isinstance(value, dict):  # as pairs: a key may be a number
        return {"pairs": [[key, _pack(item, tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return [_pack(item, tensors) for item in value]
    return value


def _unpack(value, tensors: Mapping[str, Tensor]):
    if isinstance(value, list):
        return [_unpack(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        return tensors[value["tensor"]]
    return {key: _unpack(item, tensors) for key, item in value["pairs"]}
