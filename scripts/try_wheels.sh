#!/usr/bin/env bash
# Builds the wheels of both distributions and tries each in an environment of
# its own: scripts/try_wheels.sh PYTHON [STUDENT.onnx]. PYTHON is one of an
# environment with `pip install -e ".[checks]"`; the wheels stay in dist/.
set -euo pipefail
cd "$(dirname "$0")/.."
root="$PWD" python="$(realpath -s "$1")"
student="${2:+$(realpath "$2")}"
place="$(mktemp -d)"
trap 'rm -rf "$place"' EXIT

rm -rf dist
for project in . runtime; do
	"$python" -m build --outdir "$root/dist" "$project" > "$place/log" 2>&1 ||
		{ cat "$place/log" >&2; exit 1; }
done
# An installed wheel, not the folder that this runs in.
cd "$place"

"$python" -m venv training
training/bin/python -m pip install -qq --no-deps "$root"/dist/keras_css-*.whl
# Gigabytes that PYTHON has are not installed twice; its keras_css is not seen,
# because links of editable packages are followed in an environment's own only.
"$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
	> "$(echo training/lib/python3*/site-packages)/others.pth"
training/bin/keras-css --help > /dev/null
training/bin/keras-css train --help > /dev/null
training/bin/python -c '
import importlib.util, pathlib, sys
origin = pathlib.Path(importlib.util.find_spec("keras_css").origin)
assert origin.is_relative_to(sys.prefix), origin
assert origin.with_name("py.typed").exists()'

"$python" -m venv predicting
predicting/bin/python -m pip install -qq "$root"/dist/keras_css_runtime-*.whl
predicting/bin/keras-css-predict --help > /dev/null
if [ -n "$student" ]; then
	predicting/bin/python -c '
import sys
from PIL import Image
Image.new("RGB", (40, 30), "gray").save(sys.argv[1])' picture.png
	predicting/bin/keras-css-predict "$student" picture.png
fi
predicting/bin/python -m pip uninstall -qq --yes setuptools pip
size="$(du -sm predicting | cut -f1)"
echo "installed to predict: $size MB"
[ "$size" -lt 200 ]
