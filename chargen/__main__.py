"""`python -m chargen` is the same as `chargen`."""

import sys

from chargen.cli import main

sys.exit(main())
