"""Weights from another program's file: safetensors, or ``torch.save`` without running the code in its pickle."""

import os
import pickle

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from tsprune.errors import UserError
from tsprune.models.manifest import KEY, is_of_torch, need_file


def read_state(path: str | os.PathLike) -> object:
    """What the file at ``path`` holds, its tensors on the CPU. Raises :class:`UserError`, one line that names it, for a
    file that is missing, damaged, or holds more than tensors, numbers and words."""
    need_file(path)
    try:
        if is_of_torch(path):
            return _of_torch(path)
        with safe_open(path, "pt") as file:
            if KEY in (file.metadata() or {}):
                raise UserError(f"{path} is a checkpoint of tsprune: load_checkpoint reads it")
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} is not a readable file of weights: {error}") from None


def _of_torch(path: str | os.PathLike) -> object:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise UserError(
            f"{path} holds more than tensors, numbers and text, or is damaged; it is not unpickled"
        ) from None
    except Exception as error:  # damaged bytes meet the unpickler anywhere
        raise UserError(
            f"{path} is not a readable file of weights: it is damaged, or no state_dict that torch.save wrote, but a "
            f"TorchScript program, say ({type(error).__name__})"
        ) from None
