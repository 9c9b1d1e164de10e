"""Times as told: a dense model of 8 ms for a window and 64 for 32, and what is as many times as fast."""

import pandas as pd

from tsprune.study.inference.result import (
    BFLOAT16,
    DENSE,
    EAGER,
    GRAPH,
    GRAPH_BFLOAT16,
    GRAPH_TWO_OF_FOUR,
    INT8,
    KERNEL,
    NARROW,
    ONNX,
    SPEEDS,
    ZEROS,
)

VARIANTS = (
    (DENSE, 1.0, EAGER, 1.0, 1.0),
    (DENSE, 1.0, BFLOAT16, 1.0, 3.0),
    (DENSE, 1.0, ONNX, 1.0, 2.0),
    (DENSE, 1.0, INT8, 1.0, 2.5),
    (ZEROS, 0.5, KERNEL, 0.52, 0.5),
    (ZEROS, 0.1, KERNEL, 0.12, 4.0),
    (ZEROS, 0.05, KERNEL, 0.07, 6.0),
    (ZEROS, 0.05, EAGER, 0.07, 1.02),
    (NARROW, 0.5, EAGER, 0.25, 3.0),
    (NARROW, 0.5, ONNX, 0.25, 8.0),
)


GPU_VARIANTS = (
    (DENSE, 1.0, EAGER, 1.0, 1.0),
    (DENSE, 1.0, BFLOAT16, 1.0, 1.5),
    (DENSE, 1.0, GRAPH, 1.0, 2.0),
    (DENSE, 1.0, GRAPH_BFLOAT16, 1.0, 5.0),
    (ZEROS, 0.1, EAGER, 0.12, 1.02),
    (ZEROS, 0.5, GRAPH_TWO_OF_FOUR, 0.5, 2.5),
    (NARROW, 0.25, EAGER, 0.1, 1.2),
    (NARROW, 0.25, GRAPH, 0.1, 6.0),
)


def speeds(models=("Transformer",), batches=(1, 32), variants=VARIANTS, **changes) -> pd.DataFrame:
    rows = [
        {
            "dataset": "ETTh1",
            "model": model,
            "pred_len": 96,
            "form": form,
            "share": share,
            "runtime": runtime,
            "machine": "AMD EPYC",
            "device": "cpu",
            "batch": batch,
            "threads": 1,
            "repeats": 10,
            "median_ms": (8.0 if batch == 1 else 64.0) / speed,
            "speedup": speed,
            "speedup_low": 0.95 * speed,
            "speedup_high": 1.05 * speed,
            "load": "2 cores, nothing else running",
            "trouble": None,
            "macs_share": macs,
            "bytes": 2**20,
            "difference": 1e-7,
            "reason": None,
        }
        | changes
        for model in models
        for batch in batches
        for form, share, runtime, macs, speed in variants
    ]
    return pd.DataFrame(rows, columns=SPEEDS)
