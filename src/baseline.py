"""The baseline of the MIMII authors (Purohit et al., 2019): a dense autoencoder for each machine.

python src/baseline.py
"""

import sys

from mimii.commands.baseline import main

if __name__ == "__main__":
    sys.exit(main())
