"""Entry point of `keras-css predict`; see keras_css_cli/predict.py."""

import sys

from keras_css_cli.command import run_command

if __name__ == "__main__":
    sys.exit(run_command("predict", sys.argv, "python scripts/predict.py"))
