"""Shared set-up: the tests' own modules can be imported from anywhere."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
