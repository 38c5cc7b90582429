"""Entry point of `keras-css models`; see keras_css_cli/models.py."""

import sys

from keras_css_cli.command import run_command

if __name__ == "__main__":
    sys.exit(run_command("models", sys.argv, "python scripts/models.py"))
