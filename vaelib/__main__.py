"""`python -m vaelib` is the command `vaelib`."""

import sys

from vaelib.cli import main

sys.exit(main(program="python -m vaelib"))
