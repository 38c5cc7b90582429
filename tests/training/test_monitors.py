"""Names of numbers, and callbacks that must know which way one goes."""

import keras
import pytest
import tiny

from keras_css.training.monitors import direct
from keras_css.training.monitors import direction

NUMBER = "val_ensemble/accuracy"


@pytest.mark.once
def test_names_of_what_evaluate_returns():
    distiller = tiny.cohort()
    x, y = tiny.images(8)
    named = distiller.evaluate(x, y, verbose=0, return_dict=True)
    values = distiller.evaluate(x, y, verbose=0)
    assert distiller.metrics_names[0] == "loss"
    assert len(values) == len(distiller.metrics_names) == 18
    found = dict(zip(distiller.metrics_names, values))
    assert found == pytest.approx(named)


@pytest.mark.once
def test_an_accuracy_goes_up(tmp_path):
    """The last of three epochs is the worst: it is not what is kept."""
    distiller = tiny.cohort()
    x, _ = tiny.images(8)
    distiller.build((None, *x.shape[1:]))
    saved = tmp_path / "best.keras"
    monitors = [
        keras.callbacks.EarlyStopping(NUMBER),
        keras.callbacks.ModelCheckpoint(
            saved, monitor=NUMBER, save_best_only=True
        ),
        keras.callbacks.ReduceLROnPlateau(NUMBER),
    ]
    told = distiller._callbacks(monitors, 0)
    whole = keras.callbacks.CallbackList(told, model=distiller)
    whole.on_train_begin()
    for epoch, value in enumerate((0.5, 0.75, 0.25)):
        whole.on_epoch_begin(epoch)
        # Sizes tell which epoch was saved last.
        distiller.epoch.assign(epoch)
        whole.on_epoch_end(epoch, {NUMBER: value, "loss": 1.0})
    assert distiller.stop_training
    assert monitors[0].best == monitors[1].best == monitors[2].best == 0.75
    loaded = keras.saving.load_model(saved, compile=False)
    assert float(loaded.epoch) == 1


@pytest.mark.once
def test_directions():
    up = ("val_ensemble/accuracy", "network_a/branch_0/accuracy")
    down = ("val_loss", "network_a/main_ce", "network_b/kd", "peers/ce")
    unknown = ("network_a/utility_score", "ramp", "lr")
    assert [direction(name) for name in up] == ["max"] * 2
    assert [direction(name) for name in down] == ["min"] * 4
    assert [direction(name) for name in unknown] == [None] * 3


@pytest.mark.once
def test_what_a_user_says_stays():
    given = keras.callbacks.EarlyStopping(NUMBER, mode="min")
    direct([given, keras.callbacks.LambdaCallback()])
    assert given.mode == "min"
