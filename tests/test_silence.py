"""Commands show their own lines, not those of a library that starts."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.once
# Writes as native code does, then ends as it is told.
TENSORFLOW = """
import os
os.write(2, b'''WARNING: All log messages before absl::InitializeLog() is called
I0000 00:00:1795816759.399733    8039 port.cc:153] oneDNN is on.
E0000 00:00:1795816759.399733    8039 dnn.cc:1] registered already
2026-01-01 00:00:00.123: I tensorflow/core/x.cc:1] AVX2
F0000 00:00:1795816759.399733    8039 x.cc:1] no such processor
somebody's warning
''')
"""
IMPORT = """
from keras_css_cli.command import use_backend
use_backend("tensorflow")
import tensorflow
"""
OURS = [
    "F0000 00:00:1795816759.399733    8039 x.cc:1] no such processor",
    "somebody's warning",
]


@pytest.mark.parametrize(
    ("then", "level", "shown"),
    [
        ("", None, OURS),
        ("raise ImportError('damaged')", None, "all"),
        ("os.abort()", None, "all"),
        ("", "0", "all"),
    ],
)
def test_what_tensorflow_logs_while_it_is_loaded(tmp_path, then, level, shown):
    (tmp_path / "tensorflow.py").write_text(TENSORFLOW + then)
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("TF_CPP_MIN_LOG_LEVEL", "KERAS_CSS_LOG_LEVEL")
    }
    if level:
        environment["TF_CPP_MIN_LOG_LEVEL"] = level
    paths = [str(tmp_path), os.getcwd(), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    done = subprocess.run(
        [sys.executable, "-c", IMPORT],
        env=environment,
        capture_output=True,
        text=True,
    )
    lines = done.stderr.splitlines()
    if shown == "all":
        assert lines[0].startswith("WARNING: All log messages")
        assert "oneDNN" in lines[1]
        assert OURS[1] in lines
    else:
        assert lines == shown
