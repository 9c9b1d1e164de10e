"""The part of a checkpoint before its tensors, read and checked without loading them. Needs no torch."""

import json
import os
import stat
from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, Field, JsonValue, NonNegativeInt, PositiveInt

from tsprune.errors import UserError
from tsprune.models.about import About
from tsprune.places import near_file
from tsprune.typed import Config, Names, as_tuple

FORMATS = (1, 2)  # 2: masks are packed and the file may say what it is about
KEY = "tsprune"  # the one metadata entry, JSON

MOST_TEXT = 1 << 22  # bytes of that entry
_MOST = 1 << 24  # bytes of a header: of that entry, quoted, and of ten times as many tensors as there can be layers
_EACH = 8  # bytes of its length, which come first (little-endian)

_OF_ONNX = b"\x08"  # the tag of the version, which comes first
_OF_TORCH = (b"PK", b"\x80")  # how the zip archive and the bare pickle of ``torch.save`` begin
_OTHERS = "weights of another program are read by load_reference_state"

Shape = Annotated[tuple[NonNegativeInt, ...], BeforeValidator(as_tuple)]
Shapes = dict[str, Shape]
Widths = dict[str, PositiveInt]
Ties = dict[str, str]


class Manifest(Config):
    """The metadata of a checkpoint."""

    format: int
    model: str
    config: dict[str, JsonValue]
    widths: Widths = Field(default_factory=dict)  # of every axis, where a pruner has narrowed the model
    masks: Shapes = Field(default_factory=dict)  # of every mask: the file holds its bits, eight to a byte
    tied: Ties = Field(default_factory=dict)  # a further name of a tensor to its first, under which it is stored
    frozen: Names = ()  # parameters that are not trained
    about: About | None = None


def read_about(path: str | os.PathLike) -> About | None:
    """What the checkpoint at ``path`` says of itself; None if it says nothing. No weight is read.

    Raises :class:`UserError`, one line, for a file that is missing, damaged or was not written by tsprune.
    """
    return read_manifest(path).about


def read_manifest(path: str | os.PathLike) -> Manifest:
    """All that the checkpoint at ``path`` states before its tensors. Raises as :func:`read_about` does.

    A safetensors file begins with the length of its header in eight bytes, and the header in JSON.
    """
    need_checkpoint(path)
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(_EACH), "little")
            if not 2 <= length <= min(_MOST, os.fstat(file.fileno()).st_size - _EACH):
                raise ValueError("it does not begin as a safetensors file does")
            header = json.loads(file.read(length))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is not a readable checkpoint: {error}") from None
    return parse_manifest(header.get("__metadata__") if isinstance(header, dict) else None, path)


def is_of_torch(path: str | os.PathLike) -> bool:
    """Whether a file that is there was written by ``torch.save``: one of safetensors may begin with the same bytes, as
    they are a length there, but after eight a brace follows."""
    with open(path, "rb") as file:
        begin = file.read(_EACH + 1)
    return begin.startswith(_OF_TORCH) and not begin.endswith(b"{")


def need_checkpoint(path: str | os.PathLike) -> None:
    """As :func:`need_file`, also for what is a file of ``torch.save``."""
    need_file(path)
    if is_of_torch(path):
        raise UserError(f"{path} is not a readable checkpoint but a file of torch.save; {_OTHERS}")


def need_file(path: str | os.PathLike) -> None:
    """Raise :class:`UserError` if there is nothing at ``path``, or a folder, a pipe that would block, a file that is
    not readable, or an ONNX file."""
    try:
        kind = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"no checkpoint at {path}{near_file(path)}") from None
    except (OSError, ValueError) as error:  # a name that is too long, or holds a zero
        raise UserError(f"{str(path)!r} is not a readable checkpoint: {error}") from None
    if not stat.S_ISREG(kind):
        raise UserError(f"{path} is not a readable checkpoint: not a file")
    try:
        with open(path, "rb") as file:
            begin = file.read(_EACH + 1)
    except OSError as error:  # safetensors says of a file without permission that there is none
        raise UserError(f"{path} is not a readable checkpoint: {error.strerror}") from None
    if begin.startswith(_OF_ONNX) and not begin.endswith(b"{"):
        raise UserError(f"{path} is not a readable checkpoint but an ONNX file; give the .safetensors it was made from")


def parse_manifest(metadata: object, path: str | os.PathLike) -> Manifest:
    """The manifest in the metadata of a safetensors file. ``path``: for messages."""
    text = metadata.get(KEY) if isinstance(metadata, Mapping) else None
    try:
        values = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict) or "format" not in values:
        raise UserError(f"{path} was not written by tsprune: its metadata has no such entry; {_OTHERS}")
    if values["format"] not in FORMATS or isinstance(values["format"], bool):
        allowed = " and ".join(map(str, FORMATS))
        raise UserError(f"{path}: format = {values['format']!r:.40}: this version of tsprune reads formats {allowed}")
    try:
        return Manifest.parse(values)
    except UserError as error:
        raise UserError(f"{path}: {'; '.join(str(error).splitlines())}") from None
