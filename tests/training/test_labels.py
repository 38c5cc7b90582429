"""Labels in every form and from every source that Keras takes."""

import keras
import numpy as np
import pytest
import tiny

import keras_css
from keras_css import OnlineDistiller
from keras_css import UserError
from keras_css.errors import NonFiniteLossError
from keras_css.methods import KDCL
from keras_css.methods import Independent
from keras_css.training.data_checks import first_of
from keras_css.training.labels import batch_labels

KINDS = ("arrays", "tf_data", "loader", "py_dataset", "endless", "generator")


class Batches(keras.utils.PyDataset):
    """Batches of 8, counted as Keras documents it: without `__len__`."""

    def __init__(self, x, y, num_batches=2):
        super().__init__()
        self.x, self.y, self.count = x, y, num_batches

    @property
    def num_batches(self):
        return self.count

    def __getitem__(self, index):
        part = slice(8 * (index % 2), 8 * (index % 2) + 8)
        return self.x[part], self.y[part]


def source(kind, x, y):
    """Returns what `fit` is given for two batches of 8."""
    if kind == "arrays":
        return {"x": x, "y": y, "batch_size": 8}
    if kind == "tf_data":
        tf = pytest.importorskip("tensorflow")
        return {"x": tf.data.Dataset.from_tensor_slices((x, y)).batch(8)}
    if kind == "loader":
        data = pytest.importorskip("torch.utils.data")
        torch = pytest.importorskip("torch")
        tensors = data.TensorDataset(torch.tensor(x), torch.tensor(y))
        return {"x": data.DataLoader(tensors, batch_size=8)}
    batches = Batches(x, y)
    if kind == "py_dataset":
        return {"x": batches}
    if kind == "endless":
        return {"x": Batches(x, y, None), "steps_per_epoch": 2}
    return {"x": (batches[i] for i in range(2)), "steps_per_epoch": 2}


@pytest.fixture(scope="module")
def still():
    """A cohort whose weights stay: equal data have equal losses."""
    distiller = tiny.cohort(
        Independent(), count=1, optimizer=keras_css.SGD(0.0)
    )
    distiller.build((None, 8, 8, 1))
    return distiller


def measured(distiller, **data):
    """Returns loss and an accuracy of an epoch of training."""
    history = distiller.fit(**data, shuffle=False, verbose=0).history
    return history["loss"][0], history["network_a/accuracy"][0]


@pytest.mark.parametrize("kind", KINDS)
def test_one_hot_labels_train_as_classes_do(still, kind):
    x, y = tiny.images(16)
    expected = measured(still, x=x, y=y, batch_size=8)
    for labels in (y, np.eye(4, dtype="float32")[y]):
        found = measured(still, **source(kind, x, labels))
        assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.once
@pytest.mark.parametrize("dtype", ["int64", "uint8", "bool", "float64"])
def test_rows_of_every_kind_of_number(still, dtype):
    x, y = tiny.images(16)
    expected = measured(still, x=x, y=y, batch_size=8)
    rows = np.eye(4, dtype=dtype)[y]
    found = measured(still, x=x, y=rows, batch_size=8)
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y: y.astype("float32"), "must be integers.*float32"),
        (lambda y: np.eye(3, dtype="int32")[y % 3], r"\(N, 4\), a share"),
        (lambda y: np.eye(4, dtype="int32")[y][:, :, None], "must have shape"),
    ],
    ids=["floats", "three columns", "rank 3"],
)
def test_what_is_no_label_is_refused(still, kind, change, message):
    """In one line, of a cohort that is built, before a step is made."""
    x, y = tiny.images(16)
    with pytest.raises(UserError, match=message) as caught:
        measured(still, **source(kind, x, change(y)))
    assert "\n" not in str(caught.value)
    assert "The training labels" in str(caught.value)
    wrong = source(kind, x, change(y))
    data = (wrong["x"], wrong["y"]) if "y" in wrong else wrong["x"]
    with pytest.raises(UserError, match=message) as caught:
        still.fit(x, y, verbose=0, validation_data=data, validation_steps=1)
    assert "training" not in str(caught.value)


@pytest.mark.parametrize("kind", ["labels", "data"])
def test_an_error_in_a_later_batch_leaves_a_cohort_whole(still, kind):
    """Weights, compiled steps and measures are as if it had not been."""
    x, y = tiny.images(16)
    expected = measured(still, x=x, y=y, batch_size=8)

    def batches():
        yield x[:8], y[:8]
        if kind == "labels":
            yield x[:8], y[:8].astype("float32")
        raise RuntimeError("of the user's data")

    # Each backend has its own kind of error for a generator's.
    with pytest.raises(Exception, match=r"float|integers|of the user's data"):
        still.fit(batches(), steps_per_epoch=3, verbose=0)
    found = measured(still, x=x, y=y, batch_size=8)
    assert found == pytest.approx(expected, rel=1e-6)
    with pytest.raises(Exception, match=r"float|integers|of the user's data"):
        still.fit(
            x, y, verbose=0, validation_data=batches(), validation_steps=3
        )
    found = measured(still, x=x, y=y, batch_size=8)
    assert found == pytest.approx(expected, rel=1e-6)


def test_a_loader_is_looked_at_before_a_cohort_is_built():
    x, y = tiny.images(16)
    distiller = tiny.cohort()
    with pytest.raises(UserError, match=r"\[0, 3\].*from 0 to 6"):
        distiller.fit(**source("loader", x, 2 * y), verbose=0)


def test_a_stream_of_pytorch_loses_no_batch(still):
    """An iterable that can be read once, and one that draws its order."""
    data = pytest.importorskip("torch.utils.data")
    torch = pytest.importorskip("torch")
    x, y = tiny.images(16)

    class Stream(data.IterableDataset):
        rows = zip(torch.tensor(x), torch.tensor(y))

        def __iter__(self):
            return self.rows

    once = data.DataLoader(Stream(), batch_size=8)
    still.fit(once, verbose=0)
    assert next(iter(once), None) is None
    Stream.rows = zip(torch.tensor(x), torch.tensor(y))
    predicted = still.predict(data.DataLoader(Stream(), batch_size=8))
    assert len(predicted["network_a"]) == 16
    tensors = data.TensorDataset(torch.tensor(x), torch.tensor(y))
    state = torch.random.get_rng_state()
    first_of(data.DataLoader(tensors, batch_size=8, shuffle=True))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_batch_of_one_image(still):
    """Its one-hot row is a label; four labels for it are none."""
    x, y = tiny.images(2)
    row = np.eye(4, dtype="float32")[y[1:]]
    expected = measured(still, x=x[1:], y=y[1:], batch_size=1)

    def once(labels):
        yield x[1:], labels

    found = measured(still, x=once(row), steps_per_epoch=1)
    assert found == pytest.approx(expected, rel=1e-6)
    with pytest.raises(UserError, match="1 images and 4 labels"):
        measured(still, x=once(row[0].astype("int32")), steps_per_epoch=1)


def test_soft_labels_and_weights_against_the_formula(still):
    x, _ = tiny.images(8)
    rng = np.random.default_rng(0)
    rows = rng.dirichlet(np.ones(4), 8)
    weight = rng.uniform(0, 2, 8).astype("float32")
    logits = still.networks[0](x, training=True)["logits"]
    z = keras.ops.convert_to_numpy(logits).astype("float64")
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    own = [rows_of_branch(rows, i) for i in range(3)]
    ce = -np.mean([(t * log_p[..., i]).sum(1) for i, t in enumerate(own)], 0)
    loss, _ = measured(still, x=x, y=rows, sample_weight=weight, batch_size=8)
    assert loss == pytest.approx(np.mean(weight * ce), rel=1e-5)


def rows_of_branch(rows, branch):
    joint = np.zeros((len(rows), 12))
    joint[:, branch::3] = rows
    return joint


def test_a_row_that_is_no_distribution_makes_the_loss_nan():
    x, y = tiny.images(8)
    rows = np.eye(4, dtype="float32")[y]
    for wrong in (rows * 2, rows * 0, rows - 0.25):
        found = keras.ops.convert_to_numpy(
            batch_labels(keras.ops.convert_to_tensor(wrong), 4)
        )
        assert np.isnan(found).all()

    def batches():
        yield x, rows
        yield x, rows * 2

    distiller = tiny.cohort(Independent(), count=1)
    with pytest.raises(NonFiniteLossError, match="step 2"):
        distiller.fit(batches(), steps_per_epoch=2, epochs=1, verbose=0)


@pytest.mark.once
def test_a_generator_loses_no_batch():
    x, y = tiny.images(16)
    seen = []

    def batches():
        for i in range(2):
            seen.append(i)
            yield x[8 * i : 8 * i + 8], y[8 * i : 8 * i + 8]

    distiller = tiny.cohort(KDCL(target="general"), **KDCL.network_defaults)
    distiller.fit(batches(), epochs=1, verbose=0)
    assert seen == [0, 1]
    assert float(distiller.method.samples.value) == 16


@pytest.mark.once
def test_a_py_dataset_that_has_no_length_is_refused():
    class Nameless(keras.utils.PyDataset):
        def __getitem__(self, index):
            return tiny.images(8)

    with pytest.raises(UserError, match="needs num_batches or __len__"):
        tiny.cohort().fit(Nameless(), verbose=0)


@pytest.mark.once
def test_unlabelled_images_can_be_predicted_with_any_label():
    x, y = tiny.images(8)
    tf = pytest.importorskip("tensorflow")
    data = tf.data.Dataset.from_tensor_slices((x, y - 7.5)).batch(8)
    found = OnlineDistiller([tiny.network()], "independent").predict(
        data, verbose=0
    )
    assert found["network_a"].shape == (8, 4)
