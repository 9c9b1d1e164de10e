"""One safetensors file holds a model: its weights, masks, name, config, narrowed widths and description.

Never pickle.
"""

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from tsprune.errors import UserError
from tsprune.layers.wrappers import computed
from tsprune.models.about import About
from tsprune.models.base import Forecaster, model_class
from tsprune.models.blank import compare, empty
from tsprune.models.filling import fill
from tsprune.models.manifest import FORMATS, KEY, MOST_TEXT, Manifest, need_checkpoint, parse_manifest
from tsprune.models.mask_bits import model_mask_problem, pack
from tsprune.models.weights import unusable, unwrapped, without_wrappers
from tsprune.whole import aside

CHECKSUM = "sha256"
"""Name of the tensor that holds it: safetensors itself notices no changed bytes. A second entry of metadata would make
equal models differ in their bytes, for these come in any order. Files of before have none."""


def save_checkpoint(
    path: str | os.PathLike,
    model: Forecaster,
    masks: Mapping[str, torch.Tensor] | None = None,
    about: About | None = None,
) -> None:
    """Write ``model``, its pruning ``masks`` (parameter name to bool tensor) and what it is ``about`` to ``path``.

    The weights keep their precision, tied ones stay tied, frozen ones frozen; a mask takes a bit per weight. A model
    that a pruner has narrowed is saved with its widths. Constant tables are saved where the config does not say them.
    Of a compiled or data-parallel model, the model inside is saved.

    The file is written under a temporary name in the same folder and renamed, so a reader never sees half of it.

    Raises :class:`UserError` for a model that could not be loaded again or used afterwards: weights that do not fit the
    model's config, that are NaN, infinite or on no device, masks that do not fit the weights, a description with
    another number of columns than the model reads or of more than 4 MiB; and if there is no such folder.
    """
    path, given, model = Path(path), model, unwrapped(model)
    masks = masks or {}
    if model is not given and isinstance(masks, Mapping):
        masks = without_wrappers(masks)
    _refuse(path, model, masks, about)
    try:
        saved_widths, constants = compare(model)
    except ValueError as error:
        raise UserError(f"{model.name} cannot be saved: {error}") from None
    weights, tied = untie(model.state_dict(), set(dict(model.named_parameters(remove_duplicate=False))))
    tensors = {f"weight/{name}": tensor for name, tensor in weights.items()}
    tensors |= {f"mask/{name}": pack(mask) for name, mask in masks.items()}
    tensors |= {f"table/{name}": table.cpu().contiguous() for name, table in constants.items()}
    manifest = Manifest(
        format=FORMATS[-1],
        model=model.name,
        config=model.config.model_dump(mode="json"),
        widths=saved_widths,
        masks={name: tuple(mask.shape) for name, mask in masks.items()},
        tied=tied,
        frozen=tuple(name for name, p in model.named_parameters(remove_duplicate=False) if not p.requires_grad),
        about=about,
    )
    text = json.dumps(manifest.model_dump(mode="json"))
    if len(text) > MOST_TEXT:
        raise UserError(f"{model.name}: config, masks and about take {len(text)} bytes as JSON, at most {MOST_TEXT}")
    tensors[CHECKSUM] = _checksum(text, tensors)
    _write(path, tensors, text)


def _refuse(path: Path, model: Forecaster, masks: Mapping[str, torch.Tensor], about: About | None) -> None:
    """Raise :class:`UserError` for a place that no file can be written to, and for what could not be used again."""
    if not path.parent.is_dir():
        raise UserError(f"there is no folder {path.parent} to save {path.name} in")
    if path.is_dir():
        raise UserError(f"{path} is a folder: name the file")
    if about is not None and about.columns and len(about.columns) != model.config.enc_in:
        raise UserError(
            f"{model.name} reads enc_in = {model.config.enc_in} columns, but about has {len(about.columns)}"
        )
    if problem := computed(model) or unusable(model.state_dict()) or model_mask_problem(model, masks):
        raise UserError(f"{model.name} cannot be saved: {problem}")


def _write(path: Path, tensors: dict[str, torch.Tensor], text: str) -> None:
    """The file, whole or not at all."""
    with aside(path) as temporary:
        temporary.touch(exist_ok=False)
        mode = temporary.stat().st_mode
        try:
            save_file(tensors, temporary, {KEY: text})
        except SafetensorError as error:  # of what is checked above, the disk alone: full, or taken away
            raise OSError(str(error)) from None
        temporary.chmod(mode)  # what safetensors writes is its owner's alone to read


def load_checkpoint(path: str | os.PathLike) -> tuple[Forecaster, dict[str, torch.Tensor]]:
    """The model (on the CPU, in evaluation mode) and the masks that :func:`save_checkpoint` wrote to ``path``.

    Draws no random number and runs no code from the file. A file that is missing, damaged, or was not written by this
    package, that states sizes out of range, or holds NaN raises :class:`UserError`, one line that names it. What else
    the file says: :func:`read_about`.
    """
    need_checkpoint(path)
    try:
        with safe_open(path, "pt") as file:
            manifest = parse_manifest(file.metadata(), path)
            model = blank_model(manifest, path)
            # Copies lie in memory as any tensor does. In the file they lie anywhere, and kernels that take vectors
            # from there give other last digits.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 (not a dict)
            said = tensors.pop(CHECKSUM, None)
            if said is not None and not torch.equal(said, _checksum(file.metadata()[KEY], tensors)):
                raise UserError(f"{path} is damaged: its bytes are not those that were written")
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path} is not a readable checkpoint: {error}") from None
    parts = defaultdict(dict)
    for name, tensor in tensors.items():
        kind, _, rest = name.partition("/")
        parts[kind][rest] = tensor
    try:
        return model.eval(), fill(model, manifest, parts)
    except ValueError as error:
        raise UserError(f"{path} does not fit its own config: {error}") from None


def _checksum(text: str, tensors: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """The SHA-256 of the metadata and of the tensors with their names, in the order of these: (32,) uint8."""
    found = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return torch.tensor([*found.digest()], dtype=torch.uint8)


def untie(
    state: Mapping[str, torch.Tensor], parameters: Collection[str]
) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Tensors on the CPU, each in memory of its own, under the first of their names; other names to the first. A
    buffer in the memory of a parameter is a tensor of its own."""
    weights, tied, first, taken = {}, {}, {}, set()
    for name, tensor in state.items():
        place = (name in parameters, tensor.device, tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride())
        if tensor.numel() and place in first:
            tied[name] = first[place]
            continue
        first[place] = name
        memory = tensor.untyped_storage()
        alone = memory.nbytes() == tensor.nbytes and memory.data_ptr() not in taken
        taken.add(memory.data_ptr())
        weights[name] = (tensor if alone else tensor.clone()).detach().cpu().contiguous()
    return weights, tied


def blank_model(manifest: Manifest, path: str | os.PathLike) -> Forecaster:
    """The model that a checkpoint states, without numbers. Raises :class:`UserError` for one that there cannot be."""
    try:
        cls = model_class(manifest.model)
        return empty(cls, cls.Config.parse(manifest.config))
    except UserError as error:
        raise UserError(f"{path}: {'; '.join(str(error).splitlines())}") from None
