"""`python -m kinegraph` is the command `kinegraph`."""

import sys

from kinegraph.cli import main

sys.exit(main())
