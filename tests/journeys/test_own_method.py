"""A method of the user's own: one class in one file, and nothing else."""

import json
import pathlib
import subprocess
import sys

import keras
import onnxruntime
import pytest

ROOT = pathlib.Path(__file__).parents[2]
BACKEND = keras.backend.backend()
METHOD = '''
import keras

from keras_css.methods import METHODS
from keras_css.methods.distillation import Distillation
from keras_css.methods.losses import batch_mean, cross_entropy
from keras_css.supervision import branch_labels


@keras.saving.register_keras_serializable(package="mine")
class FirstTeaches(Distillation):
    """Network a learns alone and teaches network b."""

    minimum_networks = 2

    def compute_losses(
        self, outputs, labels, sample_weight=None, epoch=0.0, training=False
    ):
        a, b = (outputs[f"network_{letter}"]["logits"] for letter in "ab")
        terms = {}
        for name, z in (("network_a", a), ("network_b", b)):
            targets = branch_labels(labels, z, self.num_classes)
            ce = batch_mean(cross_entropy(z, targets), sample_weight)
            terms[f"{name}/ce"] = ce
        terms["network_b/kd"] = self.taught(a, b, sample_weight)
        return {**terms, "loss": sum(terms.values())}


METHODS.add("first_teaches", FirstTeaches)
'''


@pytest.mark.once
def test_an_own_method_is_compared_and_shipped(tmp_path):
    (tmp_path / "mine.py").write_text(METHOD)

    def command(*words):
        done = subprocess.run(
            [sys.executable, ROOT / words[0], *words[1:]],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    recipe = ("--network_a", "resnet8", "--network_b", "resnet8")
    said = command(
        *("scripts/compare.py", "--extension", "mine.py", *recipe),
        *("--methods", "first_teaches", "--seeds", "0", "--epochs", "1"),
        *("--batch_size", "256", "--out_dir", "out", "--backend", BACKEND),
    )
    assert "first_teaches" in said
    run = tmp_path / "out/cells/digits/first_teaches/seed-0"
    result = json.loads((run / "result.json").read_text())
    assert result["method"] == "first_teaches"

    command(
        *("export/to_onnx.py", "--extension", "mine.py", "--run_dir", run),
        *("--student", "network_b/branch_0", "--backend", BACKEND),
    )
    session = onnxruntime.InferenceSession(
        run / "student.onnx", providers=["CPUExecutionProvider"]
    )
    about = session.get_modelmeta().custom_metadata_map
    assert "first_teaches" in about.values()
