"""Make tables, statistics, figures and a page from the results of the experiments; nothing is trained.

python src/make_report.py --result_dir results
"""

import sys

from mimii.commands.make_report import main

if __name__ == "__main__":
    sys.exit(main())
