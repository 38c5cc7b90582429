"""A run of few steps, of a user's model that forgets slowly."""

import csv
import json
import pathlib

import keras
import pytest
from keras import layers
from quick_run import forget_last_checkpoint

SHORT = (
    *("--dataset", "digits", "--method", "independent", "--network_b"),
    *("none", "--network_a", "model:slow.keras@relu_1", "--epochs", "2"),
    *("--run_dir", "run"),
)


def slow_model():
    """Returns four convolutions with the BatchNorm of MobileNetV2."""
    x = images = keras.Input((8, 8, 1))
    for i in range(4):
        x = layers.Conv2D(16, 3, padding="same", name=f"conv_{i}")(x)
        x = layers.BatchNormalization(momentum=0.999, name=f"norm_{i}")(x)
        x = layers.ReLU(name=f"relu_{i}")(x)
    return keras.Model(images, layers.GlobalAveragePooling2D()(x))


@pytest.mark.once
def test_what_is_validated_and_saved_has_statistics_of_its_own(call):
    slow_model().save("slow.keras")
    code, out, err = call("train", *SHORT)
    assert code == 0, err
    assert (
        "BatchNorm's averages need 6,905 steps (momentum 0.999), this run has "
        "40: its statistics are taken from training images" in out
    )
    run = pathlib.Path("run")
    with open(run / "history.csv") as file:
        last = list(csv.DictReader(file))[-1]
    result = json.loads((run / "result.json").read_text())
    validated = result["validation"]["network_a"]
    assert validated > 0.3, "0.1 is chance"
    assert validated > float(last["network_a/accuracy"]) - 0.1
    assert validated == pytest.approx(float(last["val_network_a/accuracy"]))
    assert forget_last_checkpoint(run) == 1
    code, out, err = call("train", "--run_dir", run, "--resume")
    assert code == 0, err
    again = json.loads((run / "result.json").read_text())
    assert again["validation"]["network_a"] == pytest.approx(validated, abs=0.1)
