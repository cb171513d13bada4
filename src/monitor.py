"""Watch a machine by its sound: learn what is healthy, judge recordings, say why.

python src/monitor.py train recordings/pump3 --model_file models/pump3.model
python src/monitor.py score new/today.wav --model_file models/pump3.model
"""

import sys

from mimii.commands.monitor import main

if __name__ == "__main__":
    sys.exit(main())
