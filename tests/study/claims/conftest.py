"""Rows as the archive has them, small enough to judge by eye."""

import pytest

from tsprune.engine.step import RESULTS_VERSION
from tsprune.typed import digest


@pytest.fixture
def dense():
    """``dense(model, seed, mse, ...)``: a dense training."""

    def dense(model="Transformer", seed=1, mse=1.0, dataset="ETTh1", d_model=512, fraction=1.0, **result) -> dict:
        hyper = {"d_model": d_model, "pred_len": 96}
        config = {"step": "train", "version": RESULTS_VERSION, "model": model, "seed": seed, "hyper": hyper}
        config |= {"train": {"epochs": 10, "protocol": "full"}, "fraction": fraction}
        config |= {"data": {"label": dataset, "fingerprint": dataset}}
        return line("train", config, protocol(dataset, model, seed, "dense", data_fraction=fraction), mse, **result)

    return dense


@pytest.fixture
def after():
    """``after(trained, kind, mse, ...)``: what was done to a dense training."""

    def after(trained, kind, mse, method="magnitude", density=0.1073741824, given=(), **result) -> dict:
        told = trained["protocol"]
        config = {
            "step": kind,
            "version": RESULTS_VERSION,
            "trained": trained["key"],
            "density": density,
            "method": method,
        }
        config |= dict(given)
        asked = {"structure": "unstructured", "scope": "layer", "density_asked": density}
        names = (told["dataset"], told["model"], told["seed"])
        return line(kind, config, protocol(*names, method, **asked, data_fraction=told["data_fraction"]), mse, **result)

    return after


def protocol(dataset, model, seed, method, **more) -> dict:
    return {"dataset": dataset, "model": model, "seq_len": 96, "pred_len": 96, "seed": seed, "method": method} | more


def line(kind, config, protocol, mse, **result) -> dict:
    row = {"key": digest(config), "kind": kind, "status": "ok", "reason": None, "config": config, "protocol": protocol}
    return row | {"result": {"mse": mse, "mae": mse} | result, "detail": {}, "cost": {}}
