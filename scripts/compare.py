"""Entry point of `keras-css compare`; see keras_css_cli/compare.py."""

import sys

from keras_css_cli.command import run_command

if __name__ == "__main__":
    sys.exit(run_command("compare", sys.argv, "python scripts/compare.py"))
