"""From train.py to predict.py with models that are cut, as a user types it."""

import json

import keras
import numpy as np
import pytest
import trees
from keras import layers
from PIL import Image
from quick_run import only_run

SIDE = 64


def own_model(path):
    """Writes a small classifier of one's own, with BatchNorm on both sides."""
    image = keras.Input((SIDE, SIDE, 3))
    normalise = layers.Normalization()
    rng = np.random.default_rng(0)
    normalise.adapt(rng.uniform(0, 255, (4, SIDE, SIDE, 3)))
    x = layers.Conv2D(6, 5, strides=4)(normalise(image))
    x = layers.ReLU(name="cut")(layers.BatchNormalization()(x))
    x = layers.Conv2D(8, 3, strides=2)(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.GlobalAveragePooling2D()(x)
    keras.Model(image, layers.Dense(7)(x)).save(path)
    return path


@pytest.mark.once
def test_trained_measured_shipped_and_asked(command, call, tmp_path):
    """A published architecture and a file teach each other."""
    photos = trees.class_folders(tmp_path / "photos", {"train": 8, "test": 3})
    mine = own_model(tmp_path / "mine.keras")
    done = command(
        *("scripts/train.py", "--dataset", "folder", "--data_dir", photos),
        *("--image_size", SIDE, "--epochs", "1", "--batch_size", "6"),
        *("--network_a", "applications:MobileNetV2@block_13_expand"),
        *("--network_b", f"model:{mine}@cut", "--learning_rate", "0.01"),
        # With the main branch there are three tails: what was saved wrongly.
        *("--branches", "2"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    run = only_run(tmp_path)
    result = json.loads((run / "result.json").read_text())
    code, said, error = call("evaluate", "--run_dir", run, "--json")
    assert code == 0, error
    found = json.loads(said)
    for part in ("validation", "test"):
        assert found[part] == result[part]
    picture = photos / "test" / "bee" / "0.png"
    pixels = np.asarray(Image.open(picture).resize((SIDE, SIDE)))
    for student in ("network_a/branch_1", "network_b"):
        file = tmp_path / f"{student.replace('/', '_')}.onnx"
        code, _, error = call(
            *("to_onnx", "--run_dir", run, "--student", student),
            *("--out", file),
        )
        assert code == 0, error
        report = json.loads(file.with_suffix(".json").read_text())
        assert report["accuracy"]["test"] == pytest.approx(
            result["test"][student]
        )
        assert report["proof"]["largest_difference"] <= 1e-4
        Image.fromarray(pixels).save(tmp_path / "asked.png")
        code, said, error = call(
            *("predict", file, tmp_path / "asked.png", "--json"),
        )
        assert code == 0, error
        (answer,) = json.loads(said)
        assert answer["class"] in trees.CLASSES
