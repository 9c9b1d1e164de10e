"""Parameters as a profile gives them and as their fields explain them, for tests of many folders."""

from typing import Any

from tsprune.batch.profiles import plan_profile
from tsprune.study.base.config import StudyConfig


def parameters(profile: str, name: str) -> dict[str, Any]:
    """The effective parameters of a profile's notebook, as ``tsprune study`` gives them to it."""
    (run,) = plan_profile(profile, only=[name])
    return run.parameters


def meaning(config: type[StudyConfig], name: str) -> str:
    """First paragraph at a parameter's field, as a comment has it: one line, no capital at its head, no stop."""
    line = " ".join((config.model_fields[name].description or "").split("\n\n")[0].split()).removesuffix(".")
    return line if line[1:2].isupper() else line[:1].lower() + line[1:]
