"""The base of all configs: strict, frozen and hashable, with one clear line per value that does not fit."""

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from tsprune.errors import UserError, meant, unknown
from tsprune.shown import plain

LONGEST = 200  # signs of a value that a message shows


def as_tuple(value: Any) -> Any:
    """An array, a tensor or a list as the tuple that a frozen config keeps; anything else as it is."""
    value = value.tolist() if hasattr(value, "tolist") else value
    return tuple(value) if isinstance(value, list) else value


def composed(name: Any) -> Any:
    """The name of a column as all that compare names have it: 'ü' as one sign, where a Mac may have written it as two
    (Unicode's NFC). What is no text stays as it is."""
    return unicodedata.normalize("NFC", name) if isinstance(name, str) else name


def _all_composed(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(composed, names))


Names = Annotated[tuple[str, ...], BeforeValidator(as_tuple)]
Columns = Annotated[Names, AfterValidator(_all_composed)]
Numbers = Annotated[tuple[float, ...], BeforeValidator(as_tuple)]


def _with_a_name(folder: str) -> str:
    if not folder:  # which would be the project itself
        raise ValueError("the folder name is empty")
    return folder


Folder = Annotated[str, AfterValidator(_with_a_name)]

AboveZero = Annotated[float, Field(gt=0, le=1)]
"""A share above 0 and at most 1."""
Between = Annotated[float, Field(gt=0, lt=1)]
"""A share above 0 and below 1, such as every density below dense."""
ZeroToOne = Annotated[float, Field(ge=0, le=1)]
"""A share from 0 to 1."""


class _Called(type(BaseModel)):
    """A config that is called, as ``TrainConfig(epochs=0)``, raises what :meth:`Config.parse` does. Not by way of an
    ``__init__``: pydantic would call that for configs within others, and lose the place of what is wrong."""

    def __call__(cls, *args: Any, **values: Any) -> Any:
        try:
            return super().__call__(*args, **values)
        except ValidationError as error:
            raise UserError("\n".join(f"{cls.__name__}: {line}" for _, line in cls._explain(error))) from None


class Config(BaseModel, metaclass=_Called):
    """Base of every config: unknown keys refused, types not coerced, values frozen; what does not fit raises
    :class:`UserError`, one readable line per problem.

    Build one from values whose place is known (a YAML file, a notebook, a command line) with :meth:`parse`, which says
    the place in front of each line.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False, protected_namespaces=())

    @classmethod
    def parse(cls, values: dict[str, Any], where: str | Callable[[str], str] = "") -> Self:
        """Validate ``values``; raise :class:`UserError` with one line per problem, each starting with ``where``.

        ``where`` may be a function that gives the place of a parameter by its name (``""``: of several together).
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            lines = []
            for name, line in cls._explain(error):
                place = where(name) if callable(where) else where
                lines.append(f"{place}: {line}" if place else line)
            raise UserError("\n".join(lines)) from None

    @classmethod
    def parse_json(cls, text: str, where: str) -> Self:
        """:meth:`parse` of values written as JSON, where lists stand for tuples."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise UserError("\n".join(f"{where}: {line}" for _, line in cls._explain(error))) from None

    @classmethod
    def _explain(cls, error: ValidationError) -> list[tuple[str, str]]:
        """Name of the parameter and what is wrong, per problem; no name where it is several together."""
        lines = []
        for problem in error.errors():
            place = [str(part) for part in problem["loc"]]
            name, first = ".".join(place), place[0] if place else ""
            if problem["type"] == "extra_forbidden":
                lines.append((first, unknown("parameter", name, cls.model_fields)))
            elif problem["type"] == "missing":
                lines.append((first, f"parameter '{name}' is missing"))
            else:
                message = _said(problem)
                if not name:  # what several values say together names them itself
                    lines.append(("", message))
                    continue
                value = plain(repr(problem["input"]), LONGEST)
                lines.append((first, f"{name} = {value}: {message[:1].lower()}{message[1:]}"))
        return lines


def _said(problem: Mapping[str, Any]) -> str:
    """What is wrong with a value; of lists in words that say what to write."""
    given, context = problem["input"], problem.get("ctx", {})
    match problem["type"]:
        case "list_type":
            one = isinstance(given, str | int | float) and not isinstance(given, bool)
            written = plain(given).strip()
            if written.startswith("["):
                return f"expected a list and not a text; leave out the quotes: {written}"
            return f"expected a list, such as [{written}]" if one else "expected a list"
        case "too_short":
            return f"{_values(context['min_length'])} or more needed, found {_found(context['actual_length'])}"
        case "too_long":
            return f"{_values(context['max_length'])} at most, found {_found(context['actual_length'])}"
        case "literal_error":
            return problem["msg"] + meant(given, re.findall("'([^']+)'", context["expected"]))
    return problem["msg"].removeprefix("Value error, ")


def _values(count: int) -> str:
    return f"{count} value{'s' if count > 1 else ''}"


def _found(count: int | None) -> str:
    return {None: "more", 0: "none"}.get(count, str(count))


def canonical_json(value: Any) -> str:
    """JSON text that is the same for equal values: sorted keys, no white space, no NaN."""
    return _CANONICAL(value)


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


def digest(value: Any, length: int = 20) -> str:
    """First ``length`` hexadecimal digits of the sha256 of the canonical JSON of ``value``."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:length]
