"""Download, unpack and check MIMII.

python src/prepare_dataset.py download --base_dir ./dataset --snr 6dB --machine_type fan
python src/prepare_dataset.py extract --base_dir ./dataset
python src/prepare_dataset.py verify --base_dir ./dataset
python src/prepare_dataset.py download --base_dir ./dataset --dataset dcase2024
"""

import sys

from mimii.commands.prepare_dataset import main

if __name__ == "__main__":
    sys.exit(main())
