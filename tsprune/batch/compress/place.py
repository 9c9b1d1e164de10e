"""The folder of an answer: an earlier answer to the same question is replaced, other files are kept under another
name."""

from pathlib import Path

from tsprune.batch.compress.question import Question
from tsprune.batch.outputs import keep_previous, other_parameters, parameters_text, previous
from tsprune.deploy.export import card_place
from tsprune.deploy.files import named, need_other, need_place
from tsprune.steps.artifacts import MODEL_FILE
from tsprune.steps.serve import CARD_FILE, ONNX_FILE
from tsprune.whole import write_whole

PAGE_FILE = "report.html"

PARAMETERS_FILE = "report.params.yaml"
"""What was asked, by which an answer tells whose it is."""

_FILES = (PARAMETERS_FILE, PAGE_FILE, ONNX_FILE, CARD_FILE, MODEL_FILE)
"""In the order in which they are moved away: what is left without the first is nobody's answer."""


def check_place(folder: Path, question: Question) -> None:
    """Raise :class:`UserError` where a file of an answer could not be written to ``folder``, or would replace the data,
    the checkpoint, or a text that is not a model card."""
    read = [path for path in (question.dataset, question.checkpoint) if path is not None]
    for name in _FILES:
        need_place(folder / name)
        for written in (name, previous(name)):
            need_other(folder / written, *read)
    card_place(folder / ONNX_FILE)


def make_way(folder: Path, question: Question) -> str | None:
    """Keep files there that belong to another question, or to none, as ``NAME.previous.*``, replacing older ones kept
    so; returns a line that says so. Afterwards the folder belongs to this question."""
    asked, told = question.model_dump(mode="json"), None
    if any((folder / name).exists() for name in _FILES):
        others = other_parameters(folder / PARAMETERS_FILE, asked)
        if others and (kept := keep_previous(folder, _FILES)):
            told = (
                f"{named(folder)}: the files there answer another question ({', '.join(others)}) and are kept as "
                f"{', '.join(kept)}"
            )
    write_whole(folder / PARAMETERS_FILE, parameters_text(asked).encode())
    return told
