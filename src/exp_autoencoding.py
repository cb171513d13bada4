"""Anomaly detection on machine sounds: models that learn from normal recordings alone.

python src/exp_autoencoding.py --base_dir ./dataset --model all
"""

import sys

from mimii.commands.detection import main

if __name__ == "__main__":
    sys.exit(main())
