"""Times of another machine, for a page that may compute nothing."""

from collections.abc import Iterable
from typing import Any

from tsprune.steps.inference import MACHINE, InferenceStep


def timed_elsewhere(step: InferenceStep, lines: Iterable[dict[str, Any]]) -> InferenceStep:
    """``step`` as it was timed on the machine of one of ``lines``, which are rows of an archive: on this machine if it
    is among them, otherwise on that of the newest row of the same question. ``step`` itself if there is none."""
    asked = _but_for_machine(step.identity())
    found = [line for line in lines if line["kind"] == step.kind and _but_for_machine(line["config"]) == asked]
    if not found or any(line["key"] == step.key for line in found):
        return step
    newest = max(found, key=lambda line: (line["made"]["date"], line["key"]))["config"]
    return step.model_copy(update={"elsewhere": {name: newest[name] for name in MACHINE if name in newest}})


def _but_for_machine(identity: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in identity.items() if name not in MACHINE}
