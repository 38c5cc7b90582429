"""OnlineDistiller as a Keras model: fit, evaluate, predict, save."""

import keras
import numpy as np
import pytest
import tiny

import keras_css
from keras_css import OnlineDistiller
from keras_css import UserError
from keras_css.data.augmentation import Augmentation
from keras_css.data.augmentation import PadAndCrop
from keras_css.methods import Independent


def weights_of(model):
    return [keras.ops.convert_to_numpy(v) for v in model.variables]


def test_fit_learns_and_reports_every_student():
    distiller = tiny.cohort(optimizer=keras_css.SGD(0.3))
    x, y = tiny.images(48)
    history = distiller.fit(
        x, y, batch_size=16, epochs=15, validation_data=(x, y), verbose=0
    ).history
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert history["val_ensemble/accuracy"][-1] > 0.7
    students = list(distiller.predict(x, verbose=0))
    assert students == [
        *(f"network_{n}/branch_{i}" for n in "ab" for i in range(3)),
        *("network_a", "network_b", "ensemble"),
    ]
    for name in students:
        assert f"{name}/accuracy" in history
        assert f"val_{name}/accuracy" in history
    for term in ("ce", "kd", "utility_score", "loss"):
        assert f"network_b/{term}" in history


def test_reported_accuracies_are_those_of_the_predictions():
    """Under each student's own name, every sample counting the same."""
    distiller = tiny.cohort()
    x, y = tiny.images(37)
    distiller.build(x.shape)
    tiny.draw_weights(distiller)
    logs = distiller.evaluate(x, y, batch_size=16, verbose=0, return_dict=True)
    predictions = distiller.predict(x, batch_size=16, verbose=0)
    found = {name: logs[f"{name}/accuracy"] for name in predictions}
    expected = {
        name: np.mean(logits.argmax(axis=-1) == y)
        for name, logits in predictions.items()
    }
    assert len(set(expected.values())) > 2, "too alike to tell names apart"
    assert found == pytest.approx(expected, abs=1e-6)


def test_students_are_means_of_own_columns():
    distiller = tiny.cohort()
    x, _ = tiny.images()
    outputs = distiller.predict_outputs(x, verbose=0)
    students = distiller.predict(x, verbose=0)
    means = []
    for name in ("network_a", "network_b"):
        z = outputs[name]["logits"]
        branches = [z[:, i::3, i] for i in range(3)]
        for i, branch in enumerate(branches):
            np.testing.assert_allclose(
                students[f"{name}/branch_{i}"], branch, atol=1e-6
            )
        means.append(np.mean(branches, axis=0))
        np.testing.assert_allclose(students[name], means[-1], atol=1e-6)
    np.testing.assert_allclose(
        students["ensemble"], np.mean(means, axis=0), atol=1e-6
    )


def test_one_batch_at_a_time():
    """From the first call on, nothing built before."""
    distiller = tiny.cohort()
    x, y = tiny.images()
    first = distiller.train_on_batch(x, y, return_dict=True)["loss"]
    for _ in range(5):
        last = distiller.train_on_batch(x, y, return_dict=True)["loss"]
    assert float(last) < float(first)
    logs = distiller.test_on_batch(x, y, return_dict=True)
    found = distiller.predict_on_batch(x)
    for name, logits in distiller.predict(x, verbose=0).items():
        np.testing.assert_allclose(found[name], logits, atol=1e-5)
        share = np.mean(logits.argmax(axis=-1) == y)
        assert float(logs[f"{name}/accuracy"]) == pytest.approx(share)


def test_evaluate_and_predict_change_no_weight_and_no_statistic():
    distiller = tiny.cohort()
    x, y = tiny.images()
    distiller.fit(x, y, epochs=1, verbose=0)
    before = weights_of(distiller) + weights_of(distiller.optimizer)
    distiller.evaluate(x, y, verbose=0)
    distiller.predict(x, verbose=0)
    after = weights_of(distiller) + weights_of(distiller.optimizer)
    for old, new in zip(before, after):
        np.testing.assert_array_equal(old, new)


def test_sample_weight_and_class_weight_reach_the_loss():
    x, y = tiny.images(16)
    zero = np.where(y == 0, 0.0, 1.0)

    def loss(**options):
        distiller = tiny.cohort()
        distiller.fit(x, y, batch_size=16, shuffle=False, verbose=0, **options)
        return distiller.history.history["loss"][0]

    plain, weighted = loss(), loss(sample_weight=zero)
    assert weighted != pytest.approx(plain, rel=1e-2)
    by_class = loss(class_weight={0: 0.0, 1: 1.0, 2: 1.0, 3: 1.0})
    assert by_class == pytest.approx(weighted, rel=1e-5)


@pytest.mark.parametrize("method", ["css", "independent"])
def test_three_networks_of_mixed_depths(method):
    networks = [
        tiny.network(),
        keras_css.MultiBranchNetwork("resnet8", 4),
        tiny.network(),
    ]
    distiller = OnlineDistiller(networks, method)
    distiller.compile()
    x, y = tiny.images(16)
    history = distiller.fit(x, y, batch_size=8, epochs=1, verbose=0).history
    assert np.isfinite(history["loss"][0])
    assert "network_c/branch_2/accuracy" in history


def test_saved_whole_and_trained_on(tmp_path):
    """Two epochs, saved, two more: like four in one go."""
    x, y = tiny.images(16)

    def fit(distiller, first, last):
        distiller.fit(
            x,
            y,
            batch_size=8,
            shuffle=False,
            initial_epoch=first,
            epochs=last,
            verbose=0,
        )

    through = tiny.cohort()
    fit(through, 0, 4)
    part = tiny.cohort()
    fit(part, 0, 2)
    part.save(tmp_path / "part.keras")
    loaded = keras.saving.load_model(tmp_path / "part.keras")
    fit(loaded, 2, 4)
    for expected, found in zip(weights_of(through), weights_of(loaded)):
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_tf_dataset_py_dataset_and_generator():
    import tensorflow as tf

    x, y = tiny.images(16)

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            part = slice(8 * index, 8 * index + 8)
            return x[part], y[part]

    def generator():
        yield from (Batches()[i] for i in range(2))

    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(8)
    losses = []
    for source in (dataset, Batches(), generator()):
        distiller = tiny.cohort()
        distiller.fit(source, epochs=1, shuffle=False, verbose=0)
        losses.append(distiller.history.history["loss"][0])
    arrays = tiny.cohort()
    arrays.fit(x, y, batch_size=8, shuffle=False, verbose=0)
    expected = arrays.history.history["loss"][0]
    assert losses == pytest.approx([expected] * 3, rel=1e-4)


def test_augmentation_is_seen_in_training_only():
    x, y = tiny.images()
    distiller = OnlineDistiller(
        [tiny.network(num_branches=1)],
        Independent(),
        Augmentation([PadAndCrop(2)]),
    )
    distiller.compile()
    distiller.build((None, *x.shape[1:]))
    plain = keras.ops.convert_to_numpy(
        distiller(x, training=False)["network_a"]["logits"]
    )
    network = distiller.networks[0]
    direct = keras.ops.convert_to_numpy(network(x, training=False)["logits"])
    np.testing.assert_array_equal(plain, direct)
    changed = distiller.views.take(x, training=True)["network_a"]
    assert np.abs(keras.ops.convert_to_numpy(changed) - x).max() > 0
    distiller.fit(x, y, epochs=1, verbose=0)


def bad_data():
    x, y = tiny.images(8)
    return [
        (x[..., 0], y, "Images must have rank 4"),
        (x, y + 1, r"labels must lie in \[0, 3\].*from 1 to 4"),
        (x, y - 1, r"labels from -1 to 2"),
        (x, y.astype("float32"), "labels must be integers.*float32"),
        (x, np.eye(3, dtype="int32")[y % 3], r"share of each.*\(8, 3\)"),
        (x, np.eye(4, dtype="int32")[y] * 2, r"sum to 1.*row 0 with sum 2"),
        (x, y + 0.5, r"class numbers from 0 to 3\.$"),
        (x, y.astype("str"), "np.unique.*numbers names"),
        (x, y[:5], "8 images and 5 labels"),
        (x[:0], y[:0], "at least one image"),
    ]


@pytest.fixture(scope="module")
def fitted():
    distiller = tiny.cohort()
    distiller.fit(*tiny.images(8), verbose=0)
    return distiller


@pytest.mark.parametrize("case", range(10))
def test_bad_data_is_refused_before_anything_changes(fitted, case):
    x, y, message = bad_data()[case]
    distiller, good = fitted, tiny.images(8)
    before = weights_of(distiller)
    with pytest.raises(UserError, match=message) as caught:
        distiller.fit(x, y, verbose=0)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=message) as caught:
        distiller.fit(*good, validation_data=(x, y), verbose=0)
    assert "training" not in str(caught.value)
    for old, new in zip(before, weights_of(distiller)):
        np.testing.assert_array_equal(old, new)


def test_bad_datasets_are_refused():
    import tensorflow as tf

    x, y = tiny.images(8)
    with pytest.raises(UserError, match="rank 4"):
        tiny.cohort().fit(
            tf.data.Dataset.from_tensor_slices((x[..., 0], y)).batch(4)
        )
    with pytest.raises(UserError, match="must be integers"):
        tiny.cohort().fit(
            tf.data.Dataset.from_tensor_slices((x, y / 2)).batch(4)
        )


def test_labels_of_shape_n_1_are_taken():
    x, y = tiny.images(16)
    losses = []
    for labels in (y, y[:, None].astype("uint8")):
        distiller = tiny.cohort()
        distiller.fit(x, labels, batch_size=16, shuffle=False, verbose=0)
        losses.append(distiller.history.history["loss"][0])
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_a_cohort_needs_different_networks():
    network = tiny.network()
    with pytest.raises(UserError, match="twice"):
        OnlineDistiller([network, network])
    with pytest.raises(UserError, match="1 to 26 networks"):
        OnlineDistiller([], "independent")


def test_compile_takes_no_loss():
    distiller = OnlineDistiller([tiny.network(), tiny.network()])
    with pytest.raises(TypeError, match="loss"):
        distiller.compile("sgd", loss="mse")
