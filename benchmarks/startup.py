"""How long a script takes to start: --help, and an experiment whose every row is done.

python benchmarks/startup.py
"""

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import common
from common import SOURCE, Figure, seconds

_HELP, _DONE = 0.5, 3.0  # s


def measure(repeats: int) -> list[Figure]:
    """Each as a user starts it, in a process of its own."""
    script = [sys.executable, str(SOURCE / "exp_autoencoding.py")]
    with tempfile.TemporaryDirectory() as directory:

        def run(*options: str) -> float:
            command = [*script, *options]
            return seconds(lambda: subprocess.run(command, cwd=directory, capture_output=True, check=True))

        maker = [sys.executable, str(SOURCE / "make_demo_dataset.py"), "--output_dir", str(Path(directory) / "demo")]
        subprocess.run(maker, cwd=directory, capture_output=True, check=True)
        experiment = ["--base_dir", "demo", "--model", "simple_ae", "isolation_forest", "--epochs", "1"]
        run(*experiment)
        run("--help")
        figures = []
        for what, options, most in (("start, --help", ["--help"], _HELP), ("start, all rows done", experiment, _DONE)):
            taken = statistics.median(run(*options) for _ in range(repeats))
            floor = statistics.median(seconds(lambda: subprocess.run([sys.executable, "-c", ""])) for _ in range(5))
            figures.append(
                Figure(
                    what,
                    "s",
                    ours=taken,
                    wanted=f"{most} s",
                    holds=taken <= most,
                    floor=floor,
                    notes={"floor": "python"},
                )
            )
    return figures


if __name__ == "__main__":
    sys.exit(common.main(__doc__, measure))
