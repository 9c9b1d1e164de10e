"""Is ONNX Runtime faster where it leaves a sum and the norm after it apart? Forecasts with that rewrite and without.

    python benchmarks/fusion.py                           Transformer and iTransformer, d_model 512 and a quarter of it
    python benchmarks/fusion.py --models PatchTST

By default the runtime merges the two into one operator; `tsprune.deploy` tells it not to (`UNFUSED` of its session).
Random weights, one thread, both in turn and warm; a speedup is the median over rounds of the merged network's time
over that of the other in the same round. No part of the tests.
"""

from unittest.mock import patch

from models import SIZES, inputs, latency_parser, random_model, speedup_text
from widths import exported

from tsprune.deploy import session
from tsprune.measure import measure_latency

SHARES = (1, 0.25)
BATCHES = (1, 3, 32)


def main() -> None:
    given = latency_parser(__doc__, ["Transformer", "iTransformer"], repeats=20).parse_args()
    print("| model | widths | " + " | ".join(f"speed, batch {batch}" for batch in BATCHES) + " |")
    print("|---|---|" + "---|" * len(BATCHES))
    for name in given.models:
        for share in SHARES:
            model = random_model(name, **{width: int(share * n) for width, n in SIZES[given.size].items()})
            with patch.object(session, "UNFUSED", ()):
                merged = exported(model)
            calls = {"merged": merged, "apart": exported(model)}
            example = inputs(model, max(BATCHES))
            table = measure_latency(
                {form: (call, example) for form, call in calls.items()}, BATCHES, threads=1, repeats=given.repeats
            )
            apart = table[table["variant"] == "apart"]
            said = " | ".join(speedup_text(row) for _, row in apart.iterrows())
            print(f"| {name} | x {share:g} | {said} |", flush=True)
    print(f"({table['load'].iloc[0]})")


if __name__ == "__main__":
    main()
