"""Mixed images have mixed labels, and a method sees them once."""

import keras
import numpy as np
import pytest
import tiny

from keras_css import SGD
from keras_css import OnlineDistiller
from keras_css.data.augmentation import Mixing
from keras_css.data.augmentation.mixing import dominant_labels
from keras_css.data.augmentation.mixing import mixed_labels
from keras_css.methods import KDCL
from keras_css.methods import Independent


def cohort(method, count=2, **options):
    distiller = OnlineDistiller(
        [
            tiny.network(**{**method.network_defaults, **options})
            for _ in range(count)
        ],
        method,
        mixing=Mixing(mixup=1.0),
    )
    distiller.compile(SGD(0.05))
    return distiller


def test_statistics_of_a_method_count_each_image_once():
    distiller = cohort(KDCL(target="general"))
    x, y = tiny.images(16)
    distiller.fit(x, y, batch_size=8, epochs=1, verbose=0)
    assert float(distiller.method.samples.value) == 16


def test_the_method_runs_once_and_gets_distributions():
    class Seen(Independent):
        calls = ()

        def compute_losses(self, outputs, labels, *args, **options):
            self.calls = (*self.calls, (tuple(outputs), labels))
            return super().compute_losses(outputs, labels, *args, **options)

    distiller = cohort(Seen(), count=1)
    x, y = tiny.images(8)
    distiller.build((None, *x.shape[1:]))
    draws = np.random.default_rng(0).random((8, 4), "float32")
    batch = {"images": x, "draws": draws}
    outputs = distiller(batch, training=True)
    share = float(outputs["share"])
    distiller.method.calls = ()
    distiller.compute_loss(batch, y, outputs)
    ((names, labels),) = distiller.method.calls
    assert names == ("network_a",)
    rows = np.eye(4)[y]
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(labels),
        share * rows + (1 - share) * np.roll(rows, 1, axis=0),
        atol=1e-6,
    )
    assert 0.02 < share < 0.98


def test_a_forward_pass_does_not_mix_the_next_loss():
    distiller = cohort(Independent(), count=1)
    x, y = tiny.images(8)
    distiller.build((None, *x.shape[1:]))
    plain = distiller(x, training=False)
    expected = float(distiller.compute_loss(x, y, plain, training=True))
    distiller(x, training=True)
    found = float(distiller.compute_loss(x, y, plain, training=True))
    assert found == expected


def test_a_wrong_label_makes_the_mixed_loss_nan():
    distiller = cohort(Independent(), count=1)
    x, y = tiny.images(8)
    distiller.build((None, *x.shape[1:]))
    outputs = distiller(x, training=True)
    y[3] = 4
    assert np.isnan(float(distiller.compute_loss(x, y, outputs)))


def test_the_larger_share_is_what_training_accuracy_counts():
    labels = keras.ops.convert_to_tensor(np.arange(4, dtype="int32"))
    rows = keras.ops.convert_to_tensor(np.eye(4, dtype="float32"))
    for share, expected in ((0.7, [0, 1, 2, 3]), (0.3, [3, 0, 1, 2])):
        share = keras.ops.convert_to_tensor(np.float32(share))
        found = keras.ops.convert_to_numpy(dominant_labels(labels, share))
        assert list(found) == expected
        mixed = keras.ops.convert_to_numpy(mixed_labels(rows, share))
        assert list(mixed.argmax(axis=1)) == expected
    half = keras.ops.convert_to_tensor(np.float32(0.5))
    own = keras.ops.convert_to_numpy(dominant_labels(labels, half))
    assert list(own) == [0, 1, 2, 3]


def test_soft_labels_are_mixed_too():
    distiller = cohort(Independent(), count=1)
    x, y = tiny.images(8)
    rows = np.eye(4, dtype="float32")[y] * 0.8 + 0.05
    history = distiller.fit(x, rows, batch_size=8, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    for value in history["network_a/accuracy"]:
        assert value * 8 == pytest.approx(round(value * 8))
