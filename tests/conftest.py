"""Parameters of runs that take seconds, and the command line; tidy tables as a study hands them over, small enough to
check by eye."""

import gc
import math
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from types import MappingProxyType

import pandas as pd
import pytest
from hypothesis import settings

from tsprune import cli

# The same examples each time: a run of the tests tells of the change, not of luck.
# `pytest --hypothesis-profile=default` searches further, among a hundred.
settings.register_profile("same", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("same")


# torch and thousands of tests stay to the end: to look them through for garbage again and again is a tenth of the work
# of the tests, and a fifth of an export's.
gc.set_threshold(20_000, 20, 100)


def pytest_collection_finish() -> None:
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def what_is_loaded_is_no_garbage() -> None:
    """Who measures times looks for garbage first, a second each time where what earlier files loaded is looked at."""
    gc.collect()
    gc.freeze()


DENSITIES = [1.0, 0.8, 0.64, 0.512, 0.4096]


@pytest.fixture(scope="session")
def small_sweep() -> MappingProxyType:
    """The smoke profile's parameters with two models, unstructured only: a run takes a second or two."""
    import profiles  # loads torch, which the process that hands out tests to workers does not need

    small = {
        "models": ["DLinear", "Autoformer"],
        "seeds": [1],
        "structured_densities": [],
        "two_of_four": False,
        "scores": [],
        "authors_paper": False,
        "authors_steps": 0,
        "latency_repeats": 0,
        "jobs": 2,
    }
    return MappingProxyType(profiles.parameters("smoke", "01_pruning_sweep") | small)


@pytest.fixture
def smoke(small_sweep) -> dict:
    return dict(small_sweep)


@pytest.fixture(scope="session")
def few_hours(tmp_path_factory) -> MappingProxyType:
    """Parameters of a dataset of 900 hours, for tests that train many models."""
    path = tmp_path_factory.mktemp("few") / "few.csv"
    stamps = pd.date_range("2024-01-01", periods=900, freq="h").astype(str)
    rows = (f"{s},{math.sin(i / 4)},{i % 24 + i / 300}\n" for i, s in enumerate(stamps))
    path.write_text("date,load,wind\n" + "".join(rows))
    return MappingProxyType({"dataset": str(path), "batch_size": 64})


@pytest.fixture
def few(few_hours) -> dict:
    return dict(few_hours)


@pytest.fixture
def tsprune(monkeypatch, capsys):
    """Call the command line in this process; returns (exit status, stdout, stderr)."""

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tsprune", *arguments])
        # Else usage names what runs the tests, where that is `python -m pytest`.
        monkeypatch.setattr(sys.modules["__main__"], "__package__", None, raising=False)
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capsys.readouterr()
        return end.value.code or 0, out, err

    return call


@pytest.fixture
def threads():
    """A maker of executors that start no process."""
    return lambda: ThreadPoolExecutor(2)


@pytest.fixture
def make_cells() -> Callable[..., pd.DataFrame]:
    """Cells whose dense MSE is 0.5 + 0.01 * seed and whose relative MSE is ``rise(model, scope, density, seed)``."""

    def make(
        rise: Callable[[str, str, float, int], float] = lambda model, scope, density, seed: 1 + (1 - density) / 4,
        models: Iterable[str] = ("Transformer", "DLinear"),
        scopes: Iterable[str] = ("layer", "global"),
        horizons: Iterable[int] = (96,),
        seeds: Iterable[int] = (1, 2),
        densities: Iterable[float] = tuple(DENSITIES),
    ) -> pd.DataFrame:
        rows = []
        for model in models:
            for pred_len in horizons:
                for seed in seeds:
                    for scope in scopes:
                        for density in densities:
                            dense = 0.5 + 0.01 * seed
                            relative = 1.0 if density == 1 else rise(model, scope, density, seed)
                            rows.append(
                                {
                                    "dataset": "ETTh1",
                                    "model": model,
                                    "pred_len": pred_len,
                                    "seed": seed,
                                    "method": "magnitude",
                                    "structure": "unstructured",
                                    "scope": scope,
                                    "density_asked": density,
                                    "density": density,
                                    "density_all": density,
                                    "mse": dense * relative,
                                    "mae": 0.9 * dense * relative,
                                    "mse_relative": relative,
                                    "status": "ok",
                                    "reason": "",
                                }
                            )
        return pd.DataFrame(rows)

    return make


@pytest.fixture
def make_naive() -> Callable[..., pd.DataFrame]:
    def make(mse: float = 1.3, horizons: Iterable[int] = (96,)) -> pd.DataFrame:
        return pd.DataFrame(
            [
                {"dataset": "ETTh1", "pred_len": h, "model": model, "mse": value, "mae": value / 2}
                for h in horizons
                for model, value in (("RepeatLast", mse), ("SeasonalNaive", 0.62))
            ]
        )

    return make


@pytest.fixture
def make_limits() -> Callable[..., pd.DataFrame]:
    """Limits from ``{(model, scope): density or (lowest, highest) over two seeds}``; NaN: none below dense. All
    seeds are ``known`` unless a number is given."""

    def make(limits: dict, tolerances=(0.0, 0.05, 0.1), seeds: int = 2, pred_len: int = 96, known=None) -> pd.DataFrame:
        rows = []
        for (model, scope), value in limits.items():
            low, high = value if isinstance(value, tuple) else (value, value)
            density = (low + high) / 2
            for tolerance in tolerances:
                rows.append(
                    {
                        "model": model,
                        "pred_len": pred_len,
                        "scope": scope,
                        "tolerance": tolerance,
                        "density": density,
                        "sparsity": 1 - density,
                        "limit_low": low,
                        "limit_high": high,
                        "known": seeds if known is None else known,
                        "seeds": seeds,
                    }
                )
        return pd.DataFrame(rows)

    return make


@pytest.fixture
def layers() -> pd.DataFrame:
    names = {"Transformer": ["encoder.layers.0.attention.query.weight", "decoder.projection.weight"]}
    names["DLinear"] = ["seasonal.weight"]
    return pd.DataFrame(
        [
            {
                "model": model,
                "pred_len": 96,
                "seed": seed,
                "scope": scope,
                "density_asked": density,
                "layer": layer,
                "layer_density": density if scope == "layer" else density ** (1 + 0.1 * seed),
                "weights": 36_864,
            }
            for model, own in names.items()
            for seed in (1, 3)
            for scope in ("layer", "global")
            for density in DENSITIES
            for layer in own
        ]
    )


@pytest.fixture(scope="session")
def rules_read_once():
    """torch reads the exporter's five hundred rules, which never change, anew for each file: half a second of it."""
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    from tsprune.deploy.export import OPSET

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ONNXRegistry, "from_torchlib", staticmethod(cache(ONNXRegistry.from_torchlib)))
        ONNXRegistry.from_torchlib(opset_version=OPSET)
        gc.freeze()
        yield
