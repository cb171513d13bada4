"""All benchmarks of speed and memory, one after the other, and one table of them.

python benchmarks/run.py --output results/benchmarks.json
"""

import importlib
import sys
import time

import common

BENCHMARKS = ("startup", "memory", "training", "extraction", "sweep", "whole_snr", "recording_models")


def main() -> int:
    """Run those that are named; returns the exit status."""
    options = common.parser(__doc__)
    options.add_argument("--only", nargs="+", choices=BENCHMARKS, default=BENCHMARKS, help="some of them")
    args = options.parse_args()
    figures = []
    for name in args.only:
        begin = time.perf_counter()
        print(f"{name} ...", end=" ", flush=True)
        figures += importlib.import_module(name).measure(args.repeats)
        print(f"{time.perf_counter() - begin:.0f} s", flush=True)
    return common.report(figures, args.output)


if __name__ == "__main__":
    sys.exit(main())
