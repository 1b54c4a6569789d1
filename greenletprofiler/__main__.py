"""`python -m greenletprofiler` is the command `greenletprofiler`."""

import sys

from greenletprofiler.cli import main

sys.exit(main())
