"""A recorded step of PyTorch is the step that it was recorded from."""

import copy

import keras
import numpy as np
import pytest
import tiny
from odd_layers import AddsLoss
from odd_layers import Assigns
from odd_layers import CountsSteps
from odd_layers import ForeignWeight
from odd_layers import KeepsTensor
from odd_layers import Noise
from odd_layers import ReadsValues
from odd_layers import WritesBuffer
from odd_layers import WritesThroughViews

import keras_css
from keras_css.data.augmentation import Augmentation
from keras_css.data.augmentation import Mixing
from keras_css.data.augmentation import PadAndCrop
from keras_css.data.batches import TrainingBatches
from keras_css.methods import CSS
from keras_css.methods import METHODS
from keras_css.training.seed import set_seed

if keras.backend.backend() == "torch":
    from keras_css.training import memory_torch
    from keras_css.training.recording import graph
    from keras_css.training.recording import recorder
    from keras_css.training.recording import trace

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="only PyTorch's step is recorded"
)


def cohort(method="css", eager=False, backbone=None, optimizer=None, **options):
    """Returns a compiled cohort, from the same seed the same."""
    set_seed(0)
    method = METHODS.get(method)() if isinstance(method, str) else method
    network_options = {
        "num_classes": 4,
        **method.network_defaults,
        **options.pop("network", {}),
    }
    preprocessing = options.pop("preprocessing", None)
    networks = [
        keras_css.MultiBranchNetwork(
            backbone or tiny.TinyBackbone(),
            preprocessing=preprocessing and preprocessing(),
            **network_options,
        )
        for _ in range(method.cohort_size)
    ]
    distiller = keras_css.OnlineDistiller(
        networks, method, teachers=tiny.teachers(method), **options
    )
    distiller.compile(
        optimizer or keras_css.SGD(0.05, weight_decay=5e-4), run_eagerly=eager
    )
    distiller.build((None, 8, 8, 1))
    return distiller


def values(distiller):
    """Returns the values of all variables."""
    variables = [*distiller.variables, *distiller.optimizer.variables]
    return [keras.ops.convert_to_numpy(v) for v in variables]


def train(distiller, epochs=2, **options):
    """Trains on batches of 8 and 4; returns all values and the history."""
    x, y = tiny.images(20)
    history = distiller.fit(
        x, y, batch_size=8, epochs=epochs, shuffle=False, verbose=0, **options
    ).history
    return values(distiller), history


def recorded(distiller):
    """Returns whether each shape of a batch was recorded."""
    found = distiller._recorder._recordings.values()
    return [recording is not None for recording in found]


def assert_close(values, expected, rtol=2e-4, atol=2e-5):
    """Sums are taken in another order here and there."""
    for value, wanted in zip(values, expected, strict=True):
        np.testing.assert_allclose(value, wanted, rtol=rtol, atol=atol)


def assert_same_as_eager(make, **options):
    fast, slow = make(), make(eager=True)
    found, history = train(fast, **options)
    expected, told = train(slow, **options)
    assert slow._recorder is None
    assert recorded(fast) == [True, True]
    assert_close(found, expected)
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
    assert_close(values(fast), values(slow), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("transformation", ["corner_erase", "rotation"])
def test_main_branches_augmentation_mixing_and_weights(transformation):
    def make(**options):
        return cohort(
            CSS(variant="main_branch"),
            network={"transformation": transformation},
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


@pytest.mark.parametrize(
    "options",
    [
        {"nesterov": True, "use_ema": True, "ema_momentum": 0.5},
        {"clipvalue": 0.1},
        {"global_clipnorm": 0.1},
    ],
)
def test_averages_and_clipping(options):
    def make(**rest):
        return cohort(optimizer=keras_css.SGD(0.05, **options), **rest)

    assert_same_as_eager(make)


def test_accumulation_is_decided_on_the_host():
    optimizer = keras_css.SGD(0.05, gradient_accumulation_steps=2)
    distiller = cohort(optimizer=optimizer)
    train(distiller)
    assert recorded(distiller) == [False, False]
    # Two epochs of three batches.
    assert int(optimizer.iterations) == 3


@pytest.mark.parametrize("layer", [AddsLoss, Assigns, WritesThroughViews])
def test_layers_with_side_effects(layer):
    def make(**options):
        return cohort("css", preprocessing=layer, **options)

    assert_same_as_eager(make)


def test_half_precision():
    def make(policy, **options):
        keras.config.set_dtype_policy(policy)
        try:
            return cohort("css", **options)
        finally:
            keras.config.set_dtype_policy("float32")

    assert_same_as_eager(lambda **options: make("mixed_bfloat16", **options))
    # Whether a step is taken is decided on the host.
    distiller = make("mixed_float16")
    _, history = train(distiller)
    assert recorded(distiller) == [False, False]
    assert np.isfinite(history["loss"]).all()


def test_images_that_live_on_the_device():
    results = []
    for eager in (False, True):
        distiller = cohort(
            augmentation=Augmentation([PadAndCrop(1)]), eager=eager
        )
        for seed in (0, 1):
            batches = TrainingBatches(
                tiny.split(16, seed),
                8,
                seed=0,
                num_draws=distiller.views.num_draws,
                resident=True,
            )
            distiller.fit(batches, shuffle=False, verbose=0)
            assert eager or recorded(distiller) == [True]
        results.append(values(distiller))
    assert_close(*results)


def test_single_batches_of_arrays():
    fast, slow = (cohort(eager=eager) for eager in (False, True))
    x, y = tiny.images(8)
    for _ in range(3):
        told = [d.train_on_batch(x, y, return_dict=True) for d in (fast, slow)]
        assert told[0]["loss"] == pytest.approx(told[1]["loss"], rel=1e-5)
    assert recorded(fast) == [True]


def test_a_rate_that_python_computes_is_asked_for_each_step():
    rates = iter([0.1] * 3 + [0.0] * 30)
    optimizer = keras_css.SGD(lambda: next(rates))
    distiller = cohort(optimizer=optimizer)
    x, y = tiny.images(16)
    distiller.fit(x, y, batch_size=8, epochs=2, verbose=0)
    assert distiller._recorder is None


def test_a_schedule_that_replaces_a_rate_is_taken():
    class Slow(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                decay = keras.optimizers.schedules.ExponentialDecay(0.5, 1, 0.5)
                self.model.optimizer.learning_rate = decay

    results = [
        train(cohort(eager=eager), callbacks=[Slow()])[0]
        for eager in (False, True)
    ]
    assert_close(*results, rtol=2e-3, atol=2e-4)


def test_freezing_is_noticed_by_single_batches():
    distiller = cohort()
    x, y = tiny.images(8)
    distiller.train_on_batch(x, y)
    trunk = distiller.networks[0].trunk
    trunk.trainable = False
    before = trunk.get_weights()
    distiller.train_on_batch(x, y)
    for value, wanted in zip(trunk.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, wanted)


@pytest.mark.parametrize("layer", [KeepsTensor, CountsSteps, WritesBuffer])
def test_layers_that_keep_tensors_are_not_recorded(layer):
    results = []
    for eager in (False, True):
        distiller = cohort("css", preprocessing=layer, eager=eager)
        results.append(train(distiller)[0])
        assert eager or recorded(distiller) == [False, False]
        distiller.predict(tiny.images(4)[0], verbose=0)
    assert_close(*results)


def test_weights_of_other_modules_train():
    distiller = cohort("css", preprocessing=ForeignWeight)
    train(distiller)
    assert recorded(distiller) == [False, False]
    weight = distiller.networks[0].preprocessing.module.module.weight
    assert float(weight) != 1.0


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


@pytest.mark.parametrize("single", [False, True])
def test_kernels_lie_as_convolutions_read_them(single):
    import torch

    distiller = cohort()
    if single:
        distiller.train_on_batch(*tiny.images(8))
    else:
        train(distiller)
    kernels = [
        variable.value.permute(3, 2, 0, 1)
        for variable in distiller.variables + distiller.optimizer.variables
        if len(variable.shape) == 4
    ]
    # With their velocities: one in the trunk, in each of three branches, in
    # the main one.
    assert len(kernels) == 2 * 2 * 5
    for kernel in kernels:
        assert kernel.is_contiguous(memory_format=torch.channels_last)


def test_a_layout_that_was_not_foreseen_is_not_recorded(monkeypatch):
    order = memory_torch.memory_order
    monkeypatch.setattr(
        trace,
        "memory_order",
        lambda tensor: order(tensor) + [type(tensor).__name__],
    )
    distiller = cohort()
    train(distiller)
    assert recorded(distiller) == [False, False]
