"""Classification of machine sounds: models that learn from labelled recordings.

python src/exp_classification.py --base_dir ./dataset --model all --classification_type machine_type
"""

import sys

from mimii.commands.classification import main

if __name__ == "__main__":
    sys.exit(main())
