"""A profile is a folder of YAML files: what will be run, checked before anything is.

Layers, later ones win: the defaults of the config's fields, the notebook's ``parameters`` cell (the quick profile),
``common.yaml``, the notebook's own file, the command line. A file says only what differs from the layers below it.
Light imports only: a misspelt parameter is reported in a second or two, before papermill and the plotting are loaded.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from tsprune.batch.strict_yaml import parse_typed, read_parameters
from tsprune.errors import UserError, unknown
from tsprune.parameters import default_parameters
from tsprune.places import need_checkout, need_name, of_home, project_root
from tsprune.shown import plain
from tsprune.study.registry import STUDIES
from tsprune.typed import Config

COMMON = "common"
"""Name of the file that holds for every notebook."""


@dataclass(frozen=True)
class NotebookRun:
    """One notebook with its checked, effective parameters and the place of its outputs."""

    name: str
    source: Path
    folder: Path
    parameters: dict[str, Any]
    """A value for every field of the notebook's config."""
    origins: dict[str, str]
    """Where each comes from: ``default``, ``notebook``, ``--output``, ``common``, ``file``, ``-p`` or ``--jobs``."""


@dataclass(frozen=True)
class _Layer:
    label: str
    place: str
    """As an error names it."""
    values: dict[str, Any]


def plan_profile(
    profile: str,
    *,
    only: Sequence[str] = (),
    replaced: Sequence[str] = (),
    jobs: int | None = None,
    output: str = "outputs",
) -> list[NotebookRun]:
    """The runs of a profile (a name under ``params/``, or a folder), every parameter checked; nothing is started.

    A folder with ``common.yaml`` runs all notebooks, one without it those it has files for. ``only``: names, each one
    or several with commas between; none: all. ``replaced``: ``name=value``, for every notebook over what the files say.
    Raises :class:`UserError` with a line per problem, each with the place it comes from: an unknown profile, notebook
    or parameter (the closest name is given), a wrong type, a value out of range.
    """
    root = need_checkout()
    folder = _profile_folder(profile, root)
    files = profile_files(folder)
    names = _chosen(only, [name for name in STUDIES if COMMON in files or name in files])
    common = _layer_of("common", files.get(COMMON))
    given = _Layer("-p", "-p", _given(replaced))
    if jobs is not None and "jobs" in given.values:
        raise UserError("--jobs and -p jobs: give only one; both set how many steps run side by side")
    need_name(output, "--output")
    target = Path(output).absolute()
    above = _Layer("--jobs", "--jobs", {} if jobs is None else {"jobs": jobs})
    below = _Layer("--output", "--output", {"store": str(target / "store")})
    runs: list[NotebookRun] = []
    whose: dict[str, list[str]] = {}
    for name in names:
        source = root / "notebooks" / f"{name}.ipynb"
        own = _layer_of("file", files.get(name))
        layers = [_Layer("notebook", str(source), default_parameters(source)), below, common, own, given, above]
        try:
            parameters, origins = _effective(name, layers, shared=(common, given, above), where=f"{folder}, {name}")
        except UserError as error:
            for line in str(error).splitlines():
                whose.setdefault(line, []).append(name)
            continue
        runs.append(NotebookRun(name, source, target / folder.name, parameters, origins))
    if problems := [*_strangers(common, names), *_strangers(given, names), *_named(whose, names)]:
        raise UserError("\n".join(dict.fromkeys(problems)))
    return runs


def _named(whose: dict[str, list[str]], names: Sequence[str]) -> Iterator[str]:
    """Problems, each with the notebooks ``whose`` it is where others take the same: what all share need not suit all,
    and the place does not tell."""
    training = [name for name in names if STUDIES[name].trains]
    for problem, having in whose.items():
        told = len(having) >= len(training) or having[0] in problem
        yield problem if told else f"{problem} ({', '.join(having)})"


def describe(runs: Sequence[NotebookRun], profile: str) -> str:
    """What is about to be run: the profile's description (the first paragraph of comments in its ``common.yaml``), and
    the pages to come, in order."""
    path = profile_files(_profile_folder(profile, project_root())).get(COMMON)
    lines = path.read_text("utf-8-sig").split("\n#\n")[0].splitlines() if path else []
    about = " ".join(line.removeprefix("#").strip() for line in takewhile(lambda line: line.startswith("#"), lines))
    names = ", ".join(run.name for run in runs)
    told = f"{runs[0].folder.name}: {about}\n" if about else ""
    return f"{told}pages to come, in this order; the path of each is printed when it is done: {names}"


def profile_files(folder: Path) -> dict[str, Path]:
    """The YAML files of a profile: :data:`COMMON` and the notebooks that have one, by name.

    Raises :class:`UserError` for a folder without any, a file that belongs to no notebook, and two files for one
    notebook.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".yaml", ".yml"))
    except OSError as error:  # a folder that may be passed through, not listed
        raise UserError(f"{folder}: {error.strerror}") from None
    if not paths:
        raise UserError(
            f"{folder}: no YAML files there; a profile has {COMMON}.yaml for all notebooks, or one file per notebook, "
            "named after the notebook"
        )
    files, problems = {}, []
    for path in paths:
        if path.stem not in (COMMON, *STUDIES):
            problems.append(f"{path}: " + unknown("notebook", path.stem, (COMMON, *STUDIES)))
        elif path.stem in files:
            problems.append(f"{path}: {files[path.stem].name} is there too; remove one of them")
        files[path.stem] = path
    if problems:
        raise UserError("\n".join(problems))
    return files


def _layer_of(label: str, path: Path | None) -> _Layer:
    return _Layer(label, str(path), read_parameters(path)) if path else _Layer(label, "", {})


def _chosen(only: Sequence[str], names: list[str]) -> list[str]:
    asked = [name.strip() for text in only for name in text.split(",")]
    problems = [unknown("notebook", name, names) for name in asked if name not in names]
    if problems:
        raise UserError("\n".join(problems))
    return [name for name in names if name in asked] if asked else names


def _strangers(layer: _Layer, names: Sequence[str]) -> list[str]:
    """A line per parameter of a layer for all notebooks that not all of them have, those aside that train nothing."""
    lines, training = [], [name for name in names if STUDIES[name].trains]
    for parameter in layer.values:
        having = [name for name in STUDIES if parameter in STUDIES[name].config.model_fields]
        if not having:
            whose = names if training else STUDIES
            known = dict.fromkeys(field for name in whose for field in STUDIES[name].config.model_fields)
            lines.append(f"{layer.place}: " + unknown("parameter", parameter, known))
        elif lacking := ", ".join(name for name in training if name not in having):
            lines.append(
                f"{layer.place}: '{parameter}' is not a parameter of {lacking}; set it only for {', '.join(having)}"
            )
    return lines


def _effective(
    name: str, layers: Sequence[_Layer], *, shared: Sequence[_Layer], where: str
) -> tuple[dict[str, Any], dict[str, str]]:
    """Values by parameter, checked, and the label of the layer that each comes from."""
    config = STUDIES[name].config
    values: dict[str, Any] = {}
    origin: dict[str, _Layer] = {}
    for layer in layers:
        known = {k: v for k, v in layer.values.items() if k in config.model_fields or layer not in shared}
        values |= known
        origin |= dict.fromkeys(known, layer)

    def place(parameter: str) -> str:
        if parameter in origin:
            return origin[parameter].place
        return where if parameter else _place_of_all(config, layers, shared[1:], where)

    checked = config.parse(values, where=place)
    labels = {field: origin[field].label if field in origin else "default" for field in config.model_fields}
    return checked.model_dump(mode="json"), labels


def _place_of_all(config: type[Config], layers: Sequence[_Layer], typed: Sequence[_Layer], where: str) -> str:
    """Where it comes from that values do not go together: from what was ``typed``, where all is well without that."""
    rest = [layer.values.items() for layer in layers if layer not in typed]
    try:
        config.parse({name: value for values in rest for name, value in values if name in config.model_fields})
    except UserError:
        return where
    return " and ".join(layer.place for layer in typed if layer.values)


def _given(replaced: Sequence[str]) -> dict[str, Any]:
    """Values by name, each given once; the store's folder, as every path that is typed, from the working directory."""
    values: dict[str, Any] = {}
    for name, value in map(_assignment, replaced):
        if name in values:
            raise UserError(f"-p: '{name}' is given twice")
        if name == "store" and isinstance(value, str):
            need_name(value, "-p store")
            value = str(of_home(value).absolute())
        values[name] = value
    return values


def _assignment(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise UserError(f"parameter {text!r}: expected name=value, such as dataset=ETTh2")
    return name, parse_typed(value, f"parameter {name!r}")


def _profile_folder(profile: str, root: Path) -> Path:
    named = root / "params" / profile
    # Path itself raises for a name that is too long
    if profile not in ("", os.curdir, os.pardir) and os.path.isdir(named):
        return named
    if os.path.isdir(profile):
        return Path(profile).absolute()
    if os.path.isfile(profile):
        raise UserError(f"{plain(profile, 300)} is a file; give the folder of YAML files that it is in")
    known = sorted(path.name for path in (root / "params").glob("*") if path.is_dir())
    raise UserError(unknown("profile", profile, known) + ", or the path of a folder with YAML files")
