"""Packages that not every place has where forecasts are made: asked for when needed, missed in one line."""

import importlib
from types import ModuleType

from tsprune.errors import UserError


def need(package: str, what: str = "what ONNX files need") -> ModuleType:
    """The package; raises :class:`UserError` where it is not installed. ``what``: that the extra brings."""
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError:
        raise UserError(f"{package} is not installed; pip install 'tsprune[deploy]' brings {what}") from None
