"""What building a batch costs, as a share of a training step of the small Transformer (d_model 64, batch 32).

    python benchmarks/batches.py

Batches and steps are timed in turn, one thread; the table has medians. No part of the tests.
"""

import statistics
import time

import torch

from tsprune.data import load_table, make_splits
from tsprune.layers import seed_dropout
from tsprune.models import create_model

ROUNDS = 40


def main() -> None:
    torch.set_num_threads(1)
    train = make_splits(load_table("synthetic"), seq_len=96, label_len=48, pred_len=96).train
    model = create_model("Transformer", d_model=64, n_heads=8, d_ff=256)
    seed_dropout(model, 1, "cpu")
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)
    order = torch.randperm(len(train)).split(32)
    batches, steps = [], []
    for i in range(ROUNDS + 5):
        start = time.perf_counter()
        batch = train.batch(order[i])
        built = time.perf_counter()
        loss = torch.nn.functional.mse_loss(model(*batch[:4]), batch.y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if i >= 5:
            batches.append(1e3 * (built - start))
            steps.append(1e3 * (time.perf_counter() - built))
    batch, step = statistics.median(batches), statistics.median(steps)
    print(f"batch {batch:.3f} ms, training step {step:.1f} ms: {batch / step:.2%} of a step")


if __name__ == "__main__":
    main()
