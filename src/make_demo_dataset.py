"""Write a synthetic demo data set in MIMII's layout, to try the framework without downloading MIMII.

python src/make_demo_dataset.py --output_dir ./dataset/demo
"""

import sys

from mimii.commands.make_demo_dataset import main

if __name__ == "__main__":
    sys.exit(main())
