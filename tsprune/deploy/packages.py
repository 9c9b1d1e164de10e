"""Packages that may be missing where forecasts are made: imported when needed, with one clear line if missing."""

import importlib
from types import ModuleType

from tsprune.errors import UserError


def need(package: str, what: str = "what ONNX files need") -> ModuleType:
    """The package; raises :class:`UserError` if it is not installed. ``what``: what the extra installs."""
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError:
        raise UserError(f"{package} is not installed; pip install 'tsprune[deploy]' installs {what}") from None
