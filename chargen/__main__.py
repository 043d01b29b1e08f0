"""`python -m chargen` is the same as `chargen`."""

import sys

from chargen.cli.main import main

sys.exit(main())
