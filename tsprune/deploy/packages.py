"""The packages of the extra ``deploy``: asked for when something needs them, missed in one line."""

import importlib
from types import ModuleType

from tsprune.errors import UserError


def need(package: str) -> ModuleType:
    """The package; raises :class:`UserError` where it is not installed."""
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError:
        raise UserError(
            f"{package} is not installed; pip install 'tsprune[deploy]' brings what ONNX files need"
        ) from None
