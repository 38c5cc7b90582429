"""Transformations, joint labels and the way back to classes."""

import keras
import numpy as np
import pytest
import tiny

from keras_css import UserError
from keras_css.supervision import TRANSFORMATIONS
from keras_css.supervision import Transformation
from keras_css.supervision import aggregate
from keras_css.supervision import branch_labels
from keras_css.supervision import class_logits
from keras_css.supervision import transformations


def seen_by(name, branch, features, num_branches=3):
    """Returns what a branch sees, as an array."""
    transformation = transformations.get(name)
    value = keras.ops.convert_to_tensor(features)
    seen = transformation(value, branch, num_branches)
    return keras.ops.convert_to_numpy(seen)


@pytest.mark.parametrize(
    ("branch", "rows", "columns"),
    [
        (0, slice(0, 2), slice(0, 3)),
        (1, slice(-2, None), slice(-3, None)),
        (2, slice(-2, None), slice(0, 3)),
        (3, slice(0, 2), slice(-3, None)),
    ],
)
def test_corner_erase_zeroes_one_quarter_sized_corner(branch, rows, columns):
    features = np.random.default_rng(0).normal(size=(2, 9, 14, 5))
    features = features.astype("float32")
    expected = features.copy()
    expected[:, rows, columns] = 0
    np.testing.assert_array_equal(
        seen_by("corner_erase", branch, features, 4), expected
    )


def test_channel_group_drop_takes_each_channel_once():
    features = np.ones((1, 4, 4, 10), "float32")
    for branches in (2, 4, 7):
        groups = max(4, branches)
        lost = [
            seen_by("channel_group_drop", i, features, branches) == 0
            for i in range(branches)
        ]
        times = np.sum(lost, axis=0)
        assert times.max() == 1
        for part in lost:
            count = part[0, 0, 0].sum()
            assert 10 // groups <= count <= -(-10 // groups)


def test_feature_rotation_turns_by_quarters():
    features = np.random.default_rng(0).normal(size=(2, 4, 4, 3))
    for branch in range(4):
        np.testing.assert_array_equal(
            seen_by("feature_rotation", branch, features.astype("float32"), 4),
            np.rot90(features.astype("float32"), branch, (1, 2)),
        )


def test_none_changes_nothing_for_any_number_of_branches():
    features = np.random.default_rng(0).normal(size=(2, 2, 2, 3))
    features = features.astype("float32")
    np.testing.assert_array_equal(seen_by("none", 8, features, 9), features)


@pytest.mark.parametrize("name", ["corner_erase", "feature_rotation"])
def test_a_fifth_branch_is_refused_never_repeated(name):
    with pytest.raises(UserError, match=r"at most 4 branches.*received 5"):
        tiny.network(num_branches=5, transformation=name)


@pytest.mark.parametrize("name", TRANSFORMATIONS.names())
def test_branches_of_every_transformation_differ(name):
    features = np.random.default_rng(0).normal(size=(1, 8, 8, 8))
    seen = [
        seen_by(name, i, features.astype("float32"), 4).tobytes()
        for i in range(4)
    ]
    assert len(set(seen)) == (1 if name == "none" else 4)


def test_maps_without_a_corner_and_too_few_channels_are_refused():
    with pytest.raises(UserError, match=r"at least 4x4.*received 3x6"):
        tiny.network().build((None, 3, 6, 1))
    network = tiny.network(num_branches=9, transformation="channel_group_drop")
    with pytest.raises(UserError, match="9 groups, received 8 channels"):
        network.build((None, 8, 8, 1))


def test_an_unknown_transformation_shows_near_names():
    with pytest.raises(UserError, match="did you mean corner_erase"):
        tiny.network(transformation="corner_erasing")
    with pytest.raises(UserError, match="must be a known name"):
        tiny.network(transformation=3)


@keras.saving.register_keras_serializable(package="tests")
class Scale(Transformation):
    """A user's own: branch i is scaled by factor to the i."""

    def __init__(self, factor):
        self.factor = factor

    def call(self, features, branch, num_branches):
        return features * self.factor**branch

    def get_config(self):
        return {"factor": self.factor}


def test_a_users_own_transformation_is_saved_and_loaded(tmp_path):
    network = tiny.network(transformation=Scale(0.5), num_branches=6)
    x, _ = tiny.images()
    before = keras.ops.convert_to_numpy(network(x)["logits"])
    network.save(tmp_path / "own.keras")
    loaded = keras.saving.load_model(tmp_path / "own.keras")
    assert loaded.transformation.factor == 0.5
    after = keras.ops.convert_to_numpy(loaded(x)["logits"])
    np.testing.assert_allclose(after, before, atol=1e-6)


def test_joint_labels_and_columns_are_inverse():
    """Class c under transformation i is column c * n + i."""
    classes, n = 5, 3
    labels = np.array([0, 2, 4], "int32")
    logits = np.zeros((3, classes * n, n), "float32")
    targets = keras.ops.convert_to_numpy(
        branch_labels(keras.ops.convert_to_tensor(labels), logits, classes)
    )
    assert targets.tolist() == [[0, 1, 2], [6, 7, 8], [12, 13, 14]]
    for b in range(3):
        for i in range(n):
            logits[b, targets[b, i], i] = 1
    own = keras.ops.convert_to_numpy(class_logits(logits, classes))
    assert own.shape == (3, classes, n)
    assert (own.argmax(axis=1) == labels[:, None]).all()
    whole = {("a", i): 1 / n for i in range(n)}
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(aggregate({"a": own}, whole)),
        np.mean([logits[:, i::n, i] for i in range(n)], axis=0),
        atol=1e-7,
    )


def test_plain_heads_keep_their_labels_and_columns():
    logits = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    labels = keras.ops.convert_to_tensor(np.array([1, 7], "int32"))
    targets = keras.ops.convert_to_numpy(branch_labels(labels, logits, 5))
    # A label that is no class becomes -1, which the loss turns into NaN.
    assert targets.tolist() == [[1, 1, 1], [-1, -1, -1]]
    own = keras.ops.convert_to_numpy(class_logits(logits, 5))
    np.testing.assert_array_equal(own, logits)
    with pytest.raises(ValueError, match=r"4 .plain. or 12 .joint. columns"):
        class_logits(logits, 4)
