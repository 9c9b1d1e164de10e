"""The arms of study 05: ways to train, each a step per dense training, named before anything runs or after PALS ran."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tsprune.pruners.pals import PALS
from tsprune.report.text import density_labels
from tsprune.steps.sparse import SparseTrainStep
from tsprune.steps.train import TrainStep
from tsprune.study.pals.config import RIVALS, SparseTraining
from tsprune.study.pals.result import ABLATIONS, CODE, PAPER, SEARCHED, TOLD, at_pals, dense_from
from tsprune.study.pals.settling import first_epoch

_WHOLE = "signal: whole validation set"


@dataclass(frozen=True)
class Arm:
    """One way to train: a step per dense training."""

    label: str
    group: str
    """As in ``SparseTrainingResult.cells``."""
    steps: tuple[SparseTrainStep, ...]
    method: str = "pals"
    """What a legend calls it: the rival's name."""


def planned_arms(config: SparseTraining, dense: Sequence[TrainStep]) -> tuple[Arm, ...]:
    """PALS as in its code (first) and as in the paper, every rival at every density; for ``ablation_models`` also the
    ablations, and gamma, lambda and the interval between updates."""
    found = [_pals(config, CODE, "PALS", as_in_code(config), dense)]
    found.append(_pals(config, PAPER, "PALS", {"gamma": config.gamma, "lam": config.lam}, dense))
    texts = density_labels(config.densities)  # two arms of one name would be taken for one
    for rival in config.rivals:
        for density in texts:
            steps = tuple(_rival(config, rival, trained, density) for trained in dense)
            found.append(Arm(f"{rival} {texts[density]}", "rival", steps, rival))
    few = tuple(trained for trained in dense if trained.model in config.ablation_models)
    if few:
        if config.signal != "whole":  # else it is PALS itself, with nothing changed
            found.append(_pals(config, _WHOLE, "signal", as_in_code(config), few, "whole"))
        found += [
            _pals(config, label, "ablation", as_in_code(config, **switch), few) for label, switch in ABLATIONS.items()
        ]
        grid = [(setting(gamma, lam), {"gamma": gamma, "lam": lam}) for gamma, lam in config.grid()]
        grid += [(f"every {every} steps", {"every": every}) for every in config.intervals if every != config.every]
        found += [_pals(config, label, "sensitivity", as_in_code(config, **switch), few) for label, switch in grid]
    return tuple(found)


def whole_steps(config: SparseTraining, arms: Iterable[Arm]) -> list[SparseTrainStep]:
    """PALS as in its code by the signal of the whole validation set, of ``ablation_models``."""
    label = CODE if config.signal == "whole" else _WHOLE
    steps = (step for arm in arms if arm.label == label for step in arm.steps)
    return [step for step in steps if step.dense.model in config.ablation_models]


def as_in_code(config: SparseTraining, **switches) -> dict:
    """Fields of PALS as its code runs it, with ``switches`` on top."""
    method = PALS.variant("code", **{"gamma": config.gamma, "lam": config.lam} | switches)
    return method.model_dump(mode="json", exclude_unset=True)


def setting(gamma: float, lam: float) -> str:
    """Label of PALS at another gamma and lambda."""
    return f"gamma {gamma:g}, lambda {lam:g}"


def _pals(
    config: SparseTraining,
    label: str,
    group: str,
    fields: dict,
    dense: Iterable[TrainStep],
    signal: str | None = None,
) -> Arm:
    own, words = {"every": config.every} | fields, label.removeprefix("PALS").strip()
    steps = (
        SparseTrainStep(dense=trained, method="pals", fields=own, signal=signal or config.signal, words=words)
        for trained in dense
    )
    return Arm(label, group, tuple(steps))


def _rival(config: SparseTraining, rival: str, trained: TrainStep, density: float) -> SparseTrainStep:
    """As published: besides the density, the study chooses the interval between updates alone, the same for all."""
    method, own = RIVALS[rival]
    fields = own | {"every": config.every, "density": density}
    words = f"{rival} {density:.2g}".removeprefix(method).strip()
    return SparseTrainStep(dense=trained, method=method, fields=fields, signal=config.signal, words=words)


def equal_arms(config: SparseTraining, pals: Arm, rows: Mapping[str, dict]) -> list[Arm]:
    """Each rival at the density that PALS reached, for every model, horizon and seed where it reached one."""
    reached = [(step.dense, rows[step.key]["result"]["density"]) for step in pals.steps if _ok(rows, step)]
    if not config.at_pals_density or not reached:
        return []
    return [
        Arm(
            at_pals(rival),
            "equal",
            tuple(_rival(config, rival, trained, density) for trained, density in reached),
            rival,
        )
        for rival in config.rivals
    ]


def searched_arms(config: SparseTraining, arms: Sequence[Arm], rows: Mapping[str, dict]) -> list[Arm]:
    """PALS at the pair of gammas x lams whose validation MSE, averaged over the seeds, is the lowest of a model and
    horizon. A pair with a seed that has no result is not chosen."""
    if not config.search:
        return []
    tried = [arm for arm in arms if arm.label in search_labels(config)]
    cases: dict[tuple[str, int], list[tuple[SparseTrainStep, ...]]] = {}
    for arm in tried:
        own: dict[tuple[str, int], list[SparseTrainStep]] = {}
        for step in arm.steps:
            if step.dense.model in config.ablation_models:
                own.setdefault((step.dense.model, step.dense.data.pred_len), []).append(step)
        for case, steps in own.items():
            if all(_ok(rows, step) for step in steps):
                cases.setdefault(case, []).append(tuple(steps))
    best = [min(every, key=lambda steps: sum(_validation(rows, s) for s in steps)) for every in cases.values()]
    return [Arm(SEARCHED, "search", tuple(step for steps in best for step in steps))] if best else []


def search_labels(config: SparseTraining) -> list[str]:
    """Labels of the arms that the search chooses among."""
    usual = (config.gamma, config.lam)
    return [CODE if (g, lam) == usual else setting(g, lam) for g in config.gammas for lam in config.lams]


def control_arms(arms: Iterable[Arm], rows: Mapping[str, dict]) -> list[Arm]:
    """Dense trainings that choose their best epoch among those at which a rival may: one per first such epoch."""
    by_epoch: dict[int, dict[str, TrainStep]] = {}
    for step in (step for arm in arms if arm.group in TOLD for step in arm.steps):
        if (epoch := settles_in(step, rows)) is not None and epoch > 1:
            by_epoch.setdefault(epoch, {})[step.dense.key] = step.dense
    return [
        Arm(dense_from(epoch), "control", tuple(control(trained, epoch) for trained in dense.values()), "dense")
        for epoch, dense in sorted(by_epoch.items())
    ]


def control(trained: TrainStep, epoch: int) -> SparseTrainStep:
    """The same training, dense, whose best epoch is this one or a later one."""
    fields = {"settles_at": epoch / trained.train.epochs}
    return SparseTrainStep(dense=trained, method="dense", fields=fields, words=f"from epoch {epoch} on")


def settles_in(step: SparseTrainStep, rows: Mapping[str, dict]) -> int | None:
    """The first epoch that may be the best of ``step``; None where its dense training says no number of windows."""
    dense = rows[step.dense.key]["result"]
    if not dense.get("epochs_run"):
        return None
    recipe = step.dense.train
    steps = -(-dense["windows_seen"] // dense["epochs_run"] // recipe.batch_size)
    return first_epoch(step.method, step.fields, steps, recipe.epochs)


def _ok(rows: Mapping[str, dict], step: SparseTrainStep) -> bool:
    return rows[step.key]["status"] == "ok"


def _validation(rows: Mapping[str, dict], step: SparseTrainStep) -> float:
    return rows[step.key]["result"]["val_mse"]
