"""All benchmarks of speed and memory, one after the other, and one table of them.

python benchmarks/run.py --output results/benchmarks.json
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import common
from common import Figure, seconds

BENCHMARKS = (
    "startup",
    "memory",
    "training",
    "extraction",
    "sweep",
    "whole_snr",
    "clip_level",
    "samples",
    "monitoring",
)


def main() -> int:
    """Run those that are named, each in a process of its own; returns the exit status."""
    options = common.parser(__doc__)
    options.add_argument("--only", nargs="+", choices=BENCHMARKS, default=BENCHMARKS, help="some of them")
    args = options.parse_args()
    figures = []
    with tempfile.TemporaryDirectory() as directory:
        for name in args.only:
            output = Path(directory) / f"{name}.json"
            script = str(Path(__file__).with_name(f"{name}.py"))
            command = [sys.executable, script, "--repeats", str(args.repeats), "--output", str(output)]
            print(f"{name} ...", end=" ", flush=True)
            taken = seconds(lambda command=command: subprocess.run(command, stdout=subprocess.DEVNULL))
            print(f"{taken:.0f} s", flush=True)
            if not output.exists():
                print(f"{name} failed", file=sys.stderr)
                return 2
            figures += [Figure(**figure) for figure in json.loads(output.read_text(encoding="utf-8"))["figures"]]
    return common.report(figures, args.output)


if __name__ == "__main__":
    sys.exit(main())
