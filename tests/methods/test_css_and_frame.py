"""Losses and their gradients, held against NumPy in float64."""

import keras
import numpy as np
import pytest
import tiny

from keras_css import SGD
from keras_css import OnlineDistiller
from keras_css import UserError
from keras_css import methods
from keras_css.methods import CSS
from keras_css.methods import DML
from keras_css.methods import Independent
from keras_css.methods import Method
from keras_css.methods.losses import batch_mean
from keras_css.methods.losses import cross_entropy
from keras_css.supervision import branch_labels

CLASSES, BRANCHES, BATCH = 4, 3, 6


class TableNetwork(keras.Model):
    """A network whose logits are its weights: gradients can be read off.

    The first pixel of an image says which row of the table is its logits.
    """

    def __init__(self, logits, num_classes=CLASSES):
        super().__init__()
        self.num_classes = num_classes
        self.num_branches = logits.shape[2]
        self.joint_labels = logits.shape[1] != num_classes
        self.main_branch = False
        self.table = self.add_weight(shape=logits.shape, name="table")
        self.table.assign(logits)
        self.built = True

    def call(self, images, training=None):
        row = keras.ops.cast(images[:, 0, 0, 0], "int32")
        logits = keras.ops.take(self.table, row, axis=0)
        return {"logits": logits, "features": logits[:, :2]}


def tables(seed, count=2, joint=True):
    """Returns random logits of `count` networks."""
    rng = np.random.default_rng(seed)
    columns = CLASSES * BRANCHES if joint else CLASSES
    return rng.normal(0, 2, (count, BATCH, columns, BRANCHES))


def step(method, logits, labels, sample_weight=None):
    """Returns the logs of one real training step and dL/dlogits."""
    networks = [TableNetwork(z.astype("float32")) for z in logits]
    distiller = OnlineDistiller(networks, method=method)
    distiller.compile(SGD(0.1, momentum=0.9, weight_decay=0.0))
    images = np.tile(np.arange(BATCH)[:, None, None, None], (1, 4, 4, 1))
    distiller.build(images.shape)
    logs = distiller.train_on_batch(
        images.astype("float32"),
        labels,
        sample_weight=sample_weight,
        return_dict=True,
    )
    # From rest, the velocity after one step is the gradient.
    gradients = {
        id(variable): distiller.optimizer.velocities[i]
        for i, variable in enumerate(distiller.trainable_variables)
    }
    return (
        {name: float(value) for name, value in logs.items()},
        [
            keras.ops.convert_to_numpy(gradients[id(network.table)])
            for network in networks
        ],
    )


def log_softmax(z):
    z = z - z.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def reference(logits, labels, weight, kind, fixed=None):
    """The formulas in NumPy: `(loss, terms)`.

    Args:
        fixed: Logits whose values stand in for what is detached.
    """
    weight = np.ones(BATCH) if weight is None else weight
    fixed = logits if fixed is None else fixed
    joint = logits[0].shape[1] != CLASSES

    def ce(z):
        columns = labels[:, None] * BRANCHES + np.arange(BRANCHES)
        columns = columns if joint else np.tile(labels[:, None], BRANCHES)
        picked = np.take_along_axis(log_softmax(z), columns[:, None, :], 1)
        return np.mean(weight * -picked[:, 0].mean(axis=1))

    def kl(target, z):
        log_q, log_p = log_softmax(target / 3), log_softmax(z / 3)
        value = (np.exp(log_q) * (log_q - log_p)).sum(axis=1).mean(axis=1)
        return np.mean(weight * value)

    if kind == "independent":
        losses = [ce(z) for z in logits]
        return sum(losses), {"ce": losses}
    total, terms = 0.0, {"ce": [], "kd": [], "utility_score": [], "loss": []}
    for a, z in enumerate(logits):
        others = [b for b in range(len(logits)) if b != a]
        kds = [kl(fixed[b], z) for b in others]
        scores = [ce(fixed[a]) / ce(fixed[b]) for b in others]
        loss = ce(z) + 9 * np.dot(scores, kds) / len(others)
        for name, value in (
            ("ce", ce(z)),
            ("kd", np.mean(kds)),
            ("utility_score", np.mean(scores)),
            ("loss", loss),
        ):
            terms[name].append(value)
        total += loss
    return total, terms


CASES = [
    ("css", "released", 2, True),
    ("css", "detached", 2, True),
    ("css", "released", 3, True),
    ("css", "detached", 2, False),
    ("independent", None, 2, True),
    ("independent", None, 1, False),
]


@pytest.mark.parametrize(("name", "variant", "count", "joint"), CASES)
@pytest.mark.parametrize("weighted", [False, True])
def test_losses_and_gradients(name, variant, count, joint, weighted):
    logits = tables(1, count, joint)
    rng = np.random.default_rng(2)
    labels = rng.integers(0, CLASSES, BATCH).astype("int32")
    weight = rng.uniform(0, 2, BATCH) if weighted else None
    method = CSS(variant=variant) if name == "css" else Independent()
    logs, gradients = step(method, logits, labels, weight)

    total, terms = reference(logits, labels, weight, name)
    assert logs["loss"] == pytest.approx(total, rel=1e-5)
    for term, values in terms.items():
        for letter, value in zip("abc", values):
            found = logs[f"network_{letter}/{term}"]
            assert found == pytest.approx(value, rel=1e-5), term

    # Central differences in float64 at 40 random places of each network.
    detached = logits if variant == "detached" else None
    for a, gradient in enumerate(gradients):
        for place in rng.integers(0, gradient.size, 40):
            place = np.unravel_index(place, gradient.shape)
            ends = []
            for sign in (1, -1):
                moved = logits.copy()
                moved[a][place] += sign * 1e-5
                ends.append(
                    reference(moved, labels, weight, name, fixed=detached)[0]
                )
            slope = (ends[0] - ends[1]) / 2e-5
            assert gradient[place] == pytest.approx(slope, rel=1e-4, abs=1e-6)


def test_detaching_changes_the_gradient_and_not_the_loss():
    logits, labels = tables(1), np.arange(BATCH, dtype="int32") % CLASSES
    released, own = step(CSS(variant="released"), logits, labels)
    detached, other = step(CSS(variant="detached"), logits, labels)
    assert released["loss"] == pytest.approx(detached["loss"], rel=1e-6)
    assert np.abs(own[0] - other[0]).max() > 1e-3


def test_a_label_that_is_no_class_makes_the_loss_nan():
    labels = np.array([0, 1, 2, 3, 0, CLASSES], "int32")
    for joint in (True, False):
        logs, _ = step(Independent(), tables(1, 1, joint), labels)
        assert np.isnan(logs["loss"])


def test_certain_networks_and_batches_without_weight_stay_finite():
    """Cross-entropies of exactly 0 must not make the scores 0 / 0."""
    labels = np.arange(BATCH, dtype="int32") % CLASSES
    logits = np.full((2, BATCH, CLASSES * BRANCHES, BRANCHES), -50.0)
    for i in range(BRANCHES):
        logits[:, np.arange(BATCH), labels * BRANCHES + i, i] = 50.0
    for variant in ("released", "detached"):
        logs, gradients = step(CSS(variant=variant), logits, labels)
        assert np.isfinite(logs["loss"])
        assert all(np.isfinite(gradient).all() for gradient in gradients)
    logs, _ = step(CSS(), tables(1), labels, np.zeros(BATCH))
    assert logs["loss"] == 0


@keras.saving.register_keras_serializable(package="tests")
class Mixer(Method):
    """A method with a layer and a state of its own.

    A trained gate weighs the branches of the first network; a counter and an
    average of one weight follow the steps.
    """

    def build(self, outputs_shape, labels_shape=None):
        self.gate = keras.layers.Dense(1, name="gate")
        width = outputs_shape["network_a"]["features"][1]
        self.gate.build((None, width))
        self.norm = keras.layers.BatchNormalization(name="norm")
        self.norm.build((None, width))
        self.steps = self.add_weight(
            name="steps", shape=(), initializer="zeros", trainable=False
        )
        self.average = self.add_weight(
            name="average", shape=(), initializer="zeros", trainable=False
        )

    def students(self, outputs):
        features = outputs["network_a"]["features"]
        logits = outputs["network_a"]["logits"]
        weights = keras.ops.softmax(
            self.gate(keras.ops.transpose(features, (0, 2, 1))), axis=1
        )
        weights = keras.ops.transpose(weights, (0, 2, 1))
        gated = keras.ops.sum(weights * logits, axis=-1)
        return {**super().students(outputs), "gated": gated}

    def compute_losses(
        self, outputs, labels, sample_weight=None, epoch=0.0, training=False
    ):
        features = outputs["network_a"]["features"][:, :, 0]
        self.norm(features, training=training)
        gated = keras.ops.expand_dims(self.students(outputs)["gated"], -1)
        targets = branch_labels(labels, gated, self.num_classes)
        terms = {
            "gated/ce": batch_mean(cross_entropy(gated, targets)),
            "ramp": keras.ops.cast(epoch, "float32") + 0.0,
        }
        return {**terms, "loss": terms["gated/ce"]}

    def after_step(self, networks):
        self.steps.assign_add(1.0)
        kernel = networks["network_a"].heads[0].kernel
        self.average.assign(keras.ops.mean(keras.ops.abs(kernel)))


# Its norm is moved, and takes no part in the loss.
@pytest.mark.filterwarnings("ignore:Gradients do not exist")
def test_a_method_with_layers_and_state_of_its_own(tmp_path):
    distiller = tiny.cohort(Mixer(), count=1, joint_labels=False)
    x, y = tiny.images()
    distiller.build((None, *x.shape[1:]))
    gate = keras.ops.convert_to_numpy(distiller.method.gate.kernel)
    history = distiller.fit(x, y, batch_size=4, epochs=3, verbose=0).history
    trained = keras.ops.convert_to_numpy(distiller.method.gate.kernel)
    assert np.abs(trained - gate).max() > 0
    assert float(distiller.method.steps.value) == 9
    moved = keras.ops.convert_to_numpy(distiller.method.norm.moving_mean)
    assert np.abs(moved).max() > 0, "own layers do not know that they train"
    distiller.evaluate(x, y, verbose=0)
    still = keras.ops.convert_to_numpy(distiller.method.norm.moving_mean)
    np.testing.assert_array_equal(still, moved)
    head = distiller.networks[0].heads[0].kernel
    expected = np.abs(keras.ops.convert_to_numpy(head)).mean()
    assert float(distiller.method.average.value) == pytest.approx(expected)
    assert history["ramp"] == pytest.approx([0, 1, 2])
    assert "gated/accuracy" in history

    distiller.save(tmp_path / "mixer.keras")
    loaded = keras.saving.load_model(tmp_path / "mixer.keras")
    assert float(loaded.method.steps.value) == 9
    before = distiller.predict(x, verbose=0)
    after = loaded.predict(x, verbose=0)
    np.testing.assert_allclose(after["gated"], before["gated"], atol=1e-6)


def test_teaching_fades_out_over_the_last_epochs():
    """4 of 10: 1 up to the sixth, 0 in the last, from numbers and tensors."""
    method = DML(ramp_down_epochs=4, run_epochs=10)
    for epoch in range(12):
        expected = np.clip((9 - epoch) / 4, 0, 1)
        assert method.ramp_up(epoch) == expected
        tensor = keras.ops.convert_to_tensor(
            float(epoch), keras.config.floatx()
        )
        found = method.ramp_up(tensor)
        assert (
            keras.backend.standardize_dtype(found.dtype)
            == keras.config.floatx()
        )
        assert float(found) == pytest.approx(expected, abs=1e-6)
    assert (expected, method.ramp_up(5), method.ramp_up(7)) == (0, 1, 0.5)
    with pytest.raises(UserError, match="received no run_epochs"):
        DML(ramp_down_epochs=4).ramp_up(0)


def test_what_does_not_suit_a_method_is_refused():
    with pytest.raises(UserError, match="CSS needs at least 2 networks"):
        tiny.cohort("css", count=1)
    with pytest.raises(UserError, match=r"num_branches=\[2, 3\]"):
        OnlineDistiller(
            [tiny.network(num_branches=2), tiny.network(num_branches=3)]
        )
    with pytest.raises(UserError, match="same num_classes"):
        OnlineDistiller([tiny.network(3), tiny.network(4)], "independent")
    with pytest.raises(UserError, match="did you mean detached"):
        CSS(variant="detach")
    with pytest.raises(UserError, match="temperature must be positive"):
        CSS(temperature=0)
    with pytest.raises(UserError, match="Unknown method 'csss': did you mean"):
        methods.get("csss")
