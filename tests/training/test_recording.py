"""A recorded step of PyTorch is the step that it was recorded from."""

import copy

import keras
import numpy as np
import pytest
import tiny

import keras_css
from keras_css.data.augmentation import Augmentation
from keras_css.data.augmentation import Mixing
from keras_css.data.augmentation import PadAndCrop
from keras_css.methods import CSS
from keras_css.methods import METHODS
from keras_css.training.seed import set_seed

if keras.backend.backend() == "torch":
    from keras_css.training.recording import graph
    from keras_css.training.recording import recorder

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="only PyTorch's step is recorded"
)


class Same(keras.layers.Layer):
    """A layer whose output has the shape of its input."""

    def compute_output_shape(self, input_shape):
        return input_shape


class Noise(Same):
    """Draws random numbers, as dropout does."""

    def __init__(self):
        super().__init__()
        self.generator = keras.random.SeedGenerator(0)

    def call(self, x):
        shape = keras.ops.shape(x)
        return x + 0.01 * keras.random.normal(shape, seed=self.generator)


class ReadsValues(Same):
    """Decides on the host."""

    def call(self, x):
        if isinstance(x, keras.KerasTensor):
            return x
        return x if float(keras.ops.mean(x)) > 0 else 2 * x


class AddsLoss(Same):
    def call(self, x):
        self.add_loss(0.1 * keras.ops.mean(keras.ops.square(x)))
        return 1.0 * x


def cohort(method="css", eager=False, backbone=None, optimizer=None, **options):
    """Returns a compiled cohort, from the same seed the same."""
    set_seed(0)
    method = METHODS.get(method)() if isinstance(method, str) else method
    network_options = {"num_classes": 4, **method.network_defaults}
    preprocessing = options.pop("preprocessing", None)
    networks = [
        keras_css.MultiBranchNetwork(
            backbone or tiny.TinyBackbone(),
            preprocessing=preprocessing and preprocessing(),
            **network_options,
        )
        for _ in range(method.cohort_size)
    ]
    distiller = keras_css.OnlineDistiller(networks, method, **options)
    distiller.compile(
        optimizer or keras_css.SGD(0.05, weight_decay=5e-4), run_eagerly=eager
    )
    distiller.build((None, 8, 8, 1))
    return distiller


def train(distiller, epochs=2, **options):
    """Trains on batches of 8 and 4; returns all values and the history."""
    x, y = tiny.images(20)
    history = distiller.fit(
        x, y, batch_size=8, epochs=epochs, shuffle=False, verbose=0, **options
    ).history
    values = [*distiller.variables, *distiller.optimizer.variables]
    return [keras.ops.convert_to_numpy(v) for v in values], history


def recorded(distiller):
    """Returns whether each shape of a batch was recorded."""
    found = distiller._recorder._recordings.values()
    return [recording is not None for recording in found]


def assert_same_as_eager(make, **options):
    fast, slow = make(), make(eager=True)
    values, history = train(fast, **options)
    expected, told = train(slow, **options)
    assert slow._recorder is None
    assert recorded(fast) == [True, True]
    # Sums are taken in another order here and there.
    for value, wanted in zip(values, expected, strict=True):
        np.testing.assert_allclose(value, wanted, rtol=2e-4, atol=2e-5)
    for name, numbers in told.items():
        np.testing.assert_allclose(
            history[name], numbers, rtol=1e-4, atol=1e-5, err_msg=name
        )


@pytest.mark.parametrize("name", METHODS.names())
def test_every_method(name):
    assert_same_as_eager(lambda **options: cohort(name, **options))


@pytest.mark.parametrize("name", ["resnet8", "cifar_shufflenetv2"])
def test_ready_backbones(name):
    """One step: the second of a ShuffleNet multiplies what rounding does."""
    fast, slow = (
        cohort("dml", backbone=name, eager=eager) for eager in (False, True)
    )
    x, y = tiny.images(8)
    for distiller in (fast, slow):
        distiller.fit(x, y, batch_size=8, shuffle=False, verbose=0)
    assert recorded(fast) == [True]
    for value, wanted in zip(fast.variables, slow.variables, strict=True):
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(value),
            keras.ops.convert_to_numpy(wanted),
            rtol=1e-3,
            atol=1e-3,
        )


def test_main_branches_augmentation_mixing_and_weights():
    def make(**options):
        return cohort(
            CSS(variant="main_branch"),
            augmentation=Augmentation([PadAndCrop(1)]),
            mixing=Mixing(mixup=0.5),
            **options,
        )

    assert_same_as_eager(
        make, sample_weight=np.linspace(0.5, 1.5, 20, dtype="float32")
    )


def test_other_optimizers_and_schedules():
    def make(**options):
        schedule = keras.optimizers.schedules.CosineDecay(0.01, 6)
        adam = keras.optimizers.AdamW(schedule, clipnorm=1.0)
        return cohort("css", optimizer=adam, **options)

    assert_same_as_eager(make)


def test_losses_of_layers():
    def make(**options):
        return cohort("css", preprocessing=AddsLoss, **options)

    assert_same_as_eager(make)


@pytest.mark.parametrize("layer", [Noise, ReadsValues])
def test_what_cannot_be_repeated_is_not_recorded(layer):
    distiller = cohort("css", preprocessing=layer)
    _, history = train(distiller)
    assert recorded(distiller) == [False, False]
    assert np.isfinite(history["loss"]).all()


def test_freezing_a_layer_is_noticed():
    distiller = cohort()
    train(distiller)
    trunk = distiller.networks[0].trunk
    trunk.trainable = False
    before = copy.deepcopy(trunk.get_weights())
    train(distiller)
    for value, wanted in zip(trunk.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, wanted)
    trunk.trainable = True
    train(distiller)
    assert not np.array_equal(trunk.get_weights()[0], before[0])


def test_a_rate_set_between_steps_is_taken():
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.optimizer.learning_rate = 0.0

    distiller = cohort()
    train(distiller, epochs=1)
    kernel = distiller.trainable_variables[0]

    class Note(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.values = []

        def on_train_batch_end(self, batch, logs=None):
            self.values.append(keras.ops.convert_to_numpy(kernel).copy())

    note = Note()
    train(distiller, epochs=1, callbacks=[note, Stop()])
    first, second, third = note.values
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(second, third)


def test_more_shapes_than_are_kept_train_all_the_same(monkeypatch):
    monkeypatch.setattr(recorder, "MOST_SHAPES", 1)
    distiller = cohort()
    train(distiller)
    assert recorded(distiller) == [True, False]


def test_memory_that_is_read_again_is_not_written_over():
    import torch
    from torch.fx.experimental.proxy_tensor import make_fx

    def function(x, y):
        once = x * 2
        kept = once + y
        view = (x * 3)[0]
        return kept + once, view + y[0], (x * 5) + y

    inputs = [torch.rand(3, 4), torch.rand(3, 4)]
    before = [x.clone() for x in inputs]
    module = make_fx(function, tracing_mode="fake")(*inputs)
    graph.simplify(module)
    graph.reuse_memory(module)
    targets = [str(node.target) for node in module.graph.nodes]
    assert targets.count("aten.add_.Tensor") == 2
    for value, wanted in zip(module(*inputs), function(*inputs)):
        torch.testing.assert_close(value, wanted)
    for value, wanted in zip(inputs, before):
        torch.testing.assert_close(value, wanted)
