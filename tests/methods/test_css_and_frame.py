"""What any method has: own layers and state, teaching that comes and goes."""

import keras
import numpy as np
import pytest
import tiny

from keras_css import OnlineDistiller
from keras_css import UserError
from keras_css import methods
from keras_css.methods import CLILR
from keras_css.methods import CSS
from keras_css.methods import DML
from keras_css.methods import Method
from keras_css.methods import losses
from keras_css.methods.distillation import PLAIN_BRANCHES
from keras_css.methods.losses import batch_mean
from keras_css.methods.losses import cross_entropy
from keras_css.supervision import branch_labels


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


def test_ramps_know_how_long_fit_takes():
    """The published share of it; compiled steps do not outlive another one."""
    x, y = tiny.images(8)
    method = CLILR(ramp_down_epochs=2)
    distiller = tiny.cohort(method, count=1, **PLAIN_BRANCHES)
    distiller.build((None, *x.shape[1:]))
    assert method.ramp_up(40) == losses.ramp_up(40, 80), "of 300 epochs"
    for epochs, length in ((5, 1), (12, 3)):
        logs = distiller.fit(
            x, y, epochs=epochs, initial_epoch=epochs - 3, verbose=0
        ).history
        names = ("loss", "network_a/ce", "network_a/kd")
        for i, (loss, ce, kd) in enumerate(zip(*map(logs.get, names))):
            epoch = epochs - 3 + i
            weight = losses.ramp_up(epoch, length)
            weight *= losses.ramp_down(epoch, 2, epochs)
            assert loss == pytest.approx(ce + weight * kd, rel=1e-5)
    assert method.run_options(12) == {"ramp_up_epochs": 3}
    loaded = CLILR.from_config(method.get_config())
    assert loaded.ramp_up(2) == method.ramp_up(2), "as files say of losses"
    assert not method.begin_fit(12)
    assert method.begin_fit(9)
    assert not CLILR(ramp_up_epochs=3).begin_fit(9)


@pytest.mark.once
@pytest.mark.parametrize("transformation", ["corner_erase", "rotation"])
def test_networks_take_a_main_branch_where_the_method_has_one(transformation):
    def made(method="css", **options):
        networks = [
            tiny.network(transformation=transformation, **options)
            for _ in range(2)
        ]
        distiller = OnlineDistiller(networks, method)
        distiller.build((None, 8, 8, 1))
        return distiller

    left_open = made()
    assert "network_b/main" in left_open.student_parts()
    shapes = [weight.shape for weight in left_open.weights]
    said = made(main_branch=True)
    assert shapes == [weight.shape for weight in said.weights]
    for method in ("independent", CSS(variant="released")):
        assert "network_b/main" not in made(method).student_parts()
    with pytest.raises(UserError, match=r"main_branch=True. Received: \[False"):
        made(main_branch=False)
    built = tiny.network()
    built.build((None, 8, 8, 1))
    with pytest.raises(UserError, match=r"Received: \[False, True\]"):
        OnlineDistiller([built, tiny.network()])


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
