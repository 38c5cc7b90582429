"""Entry point of `keras-css to_onnx`; see keras_css_cli/to_onnx.py."""

import sys

from keras_css_cli.command import run_command

if __name__ == "__main__":
    sys.exit(run_command("to_onnx", sys.argv, "python export/to_onnx.py"))
