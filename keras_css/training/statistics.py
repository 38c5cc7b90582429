"""BatchNorm's statistics, taken anew from training images.

What BatchNorm normalises with in inference are averages over the last steps,
1 / (1 - momentum) of them: 10 in our families, 100 to 1000 in those of
keras.applications. A shorter run leaves the values that they began with, and
weights that were averaged or put together never had statistics of their own.
"""

import contextlib
import itertools
import math

import keras
import numpy as np
from keras import ops

from keras_css.data.batches import TrainingBatches
from keras_css.errors import UserError
from keras_css.training.compiled import compiled

# Means over so many images serve as well as over all (Wu and Johnson 2021,
# arXiv 2105.07576).
MOST_IMAGES = 1024
# Below this share of the values they began with, averages are of the run.
SHARE_LEFT = 1e-3


def re_estimate_statistics(
    distiller, batches, most_images=MOST_IMAGES, networks=None
):
    """Takes the statistics of all BatchNorm from images, for weights as now.

    They become the mean, over the images, of what each batch has: that which
    the running averages approach if training goes on with a rate of 0.
    Frozen layers keep theirs. Nothing else changes: no weight, metric, state
    of the optimizer or of a random generator.

    Args:
        distiller: A built `OnlineDistiller`.
        batches: Iterable of `(x, y)` or `(x, y, sample_weight)`, or a
            `PyDataset`, as `fit` takes them: images before augmentation.
        most_images: Stops after so many.
        networks: List of those whose statistics are taken; default all, the
            method's own layers included.

    Raises:
        UserError: If there is no batch.
    """
    taken = StatisticsPass(distiller, networks)
    taken(batches_of(batches), most_images)


class StatisticsPass:
    """As `re_estimate_statistics`, compiled once for many calls.

    Args:
        distiller: A built `OnlineDistiller`. Layers that are frozen later, or
            no longer, go unnoticed.
        networks: As there.
    """

    def __init__(self, distiller, networks=None):
        self.distiller = distiller
        self.layers = [
            layer
            for model in ([distiller] if networks is None else networks)
            for layer in moving_layers(model)
        ]
        self.statistics = [
            variable
            for layer in self.layers
            for variable in (layer.moving_mean, layer.moving_variance)
        ]
        self._forward = compiled(self._statistics_of_batch)

    def __call__(self, batches, most_images=MOST_IMAGES):
        if not self.statistics:
            return
        images, sums = 0, None
        changing = self.distiller.non_trainable_variables
        # Random generators go on from batch to batch, and are left alone.
        fixed = [ops.convert_to_tensor(variable) for variable in changing]
        weights = [
            ops.convert_to_tensor(variable)
            for variable in self.distiller.trainable_variables
        ]
        for batch in batches:
            x, y, _ = keras.utils.unpack_x_y_sample_weight(batch)
            x = keras.tree.map_structure(ops.convert_to_tensor, x)
            if isinstance(x, dict) and "rows" in x:
                # JAX would copy images of its own accord into the program.
                x = {**x, **self.distiller.views.resident.fields()}
            y = None if y is None else ops.convert_to_tensor(y)
            count = int((_images_of(x) if y is None else y).shape[0])
            with _without_memory(self.layers):
                found, fixed = self._forward(weights, fixed, x, y)
            found = [ops.convert_to_numpy(v).astype("float64") for v in found]
            sums = [
                total + count * value
                for total, value in zip(sums or [0.0] * len(found), found)
            ]
            images += count
            if images >= most_images:
                break
        if not images:
            raise UserError(
                "BatchNorm's statistics are taken from training images, "
                "received no batch: give at least one."
            )
        for variable, total in zip(self.statistics, sums):
            variable.assign((total / images).astype(variable.dtype))

    def _statistics_of_batch(self, weights, fixed, x, y):
        """Returns a batch's statistics and all values that do not train."""
        model = self.distiller
        changing = model.non_trainable_variables
        mapping = [
            *zip(model.trainable_variables, weights),
            # Kernels of PyTorch write into statistics where they lie.
            *zip(changing, map(ops.copy, fixed)),
            *(
                (v, ops.zeros(v.shape, v.dtype))
                for v in model.metrics_variables
            ),
        ]
        scope = _Collecting(mapping, self.statistics)
        # No statistic depends on what teachers say.
        silent = getattr(model, "teachers_silent", contextlib.nullcontext)
        with scope, silent():
            outputs = model(x, training=True)
            if y is not None:
                model.compute_loss(x, y, outputs, None, True)
        after = [scope.get_current_value(variable) for variable in changing]
        return [scope.mean_of(variable) for variable in self.statistics], after


class _Collecting(keras.StatelessScope):
    """Keeps all values that some variables are given, and changes none.

    A layer that is called several times in a step has several.

    Args:
        mapping: List of `(variable, value)`.
        variables: Those of interest.
    """

    def __init__(self, mapping, variables):
        super().__init__(mapping, collect_losses=True)
        self._given = {id(variable): [] for variable in variables}

    def add_update(self, update):
        super().add_update(update)
        variable, value = update
        if id(variable) in self._given:
            self._given[id(variable)].append(value)

    def mean_of(self, variable):
        given = self._given[id(variable)]
        if not given:
            return self.get_current_value(variable)
        return sum(given[1:], given[0]) / len(given)


@contextlib.contextmanager
def _without_memory(layers):
    """While it lasts, running averages become what the last batch has."""
    momentums = [layer.momentum for layer in layers]
    try:
        for layer in layers:
            layer.momentum = 0.0
        yield
    finally:
        for layer, momentum in zip(layers, momentums):
            layer.momentum = momentum


def _images_of(x):
    return x["draws"] if isinstance(x, dict) else x


def moving_layers(model):
    """Returns the BatchNorm layers whose statistics move in training.

    Not those that are frozen, nor those whose statistics training itself
    normalises with (`renorm=True`).
    """
    layers = {id(layer): layer for layer in model._flatten_layers()}
    return [
        layer
        for layer in layers.values()
        if isinstance(layer, keras.layers.BatchNormalization)
        and layer.built
        and layer.trainable
        # Older Keras has no such option.
        and not getattr(layer, "renorm", False)
        and layer.momentum < 1
    ]


def slowest_momentum(distiller):
    """Returns the largest momentum of BatchNorm that moves, 0 without any."""
    return max(
        (layer.momentum for layer in moving_layers(distiller)), default=0
    )


def steps_needed(momentum):
    """Returns after how many steps averages have forgotten their beginning."""
    if momentum <= 0:
        return 1 if momentum else 0
    return math.ceil(math.log(SHARE_LEFT) / math.log(momentum))


def describe_lag(distiller, steps):
    """Returns a line if BatchNorm's averages need more steps than there are.

    Args:
        distiller: The `OnlineDistiller`.
        steps: Steps of the whole run.
    """
    momentum = slowest_momentum(distiller)
    needed = steps_needed(momentum)
    if steps >= needed:
        return None
    return (
        f"BatchNorm's averages need {needed:,} steps (momentum {momentum:g}), "
        f"this run has {steps:,}: its statistics are taken from training "
        "images before each validation"
    )


class ReEstimatedStatistics(keras.callbacks.Callback):
    """Takes BatchNorm's statistics anew where steps were too few for averages.

    Before each validation, so that what is measured is what is saved after
    it, and at the end of `fit`, by `re_estimate_statistics`. Once the run has
    taken the steps that the slowest layer needs, averages stay as they are.
    Give it last, after callbacks that change weights.

    Args:
        x: Training images, as `fit` takes them: an array, a `PyDataset` or
            another iterable of batches that can be read more than once; or a
            function that returns such an iterable. Up to 1024 images are
            looked at, from all over it; one without a length gives its
            first, so that should be in mixed order.
        y: Labels, where `x` is an array.
        batch_size: Images a batch, likewise.
        always: Whether to do so however many steps there were, as averaged
            weights need it.

    Example:

    ```python
    distiller.fit(x, y, callbacks=[ReEstimatedStatistics(x, y)])
    ```
    """

    def __init__(self, x, y=None, batch_size=32, always=False):
        super().__init__()
        if hasattr(x, "__next__"):
            raise UserError(
                "ReEstimatedStatistics reads its images more than once, "
                "received a generator: give the function that makes it."
            )
        self.x, self.y, self.batch_size = x, y, batch_size
        self.always = always
        self._pass = None
        self._due = False

    def on_train_begin(self, logs=None):
        self._pass = StatisticsPass(self.model)
        self._needed = steps_needed(slowest_momentum(self.model))
        # An optimizer that averages weights puts them in place at the end.
        optimizer = self.model.optimizer
        inner = getattr(optimizer, "inner_optimizer", optimizer)
        self._averaging = getattr(inner, "use_ema", False)

    def on_train_batch_end(self, batch, logs=None):
        self._due = True

    def on_test_begin(self, logs=None):
        if self._pass is not None:
            self._take()

    def on_train_end(self, logs=None):
        if self._due or self._averaging:
            self._take()
        self._pass = None

    def _take(self):
        self._due = False
        steps = int(ops.convert_to_numpy(self.model.optimizer.iterations))
        if self.always or self._averaging or steps < self._needed:
            self._pass(batches_of(self.x, self.y, self.batch_size))


def batches_of(x, y=None, batch_size=32):
    """Returns an iterable of batches that are as mixed as those of training.

    Args:
        x, y, batch_size: As of `ReEstimatedStatistics`.
    """
    if callable(x):
        return x()
    if isinstance(x, TrainingBatches):
        return x.whole_epoch()
    if isinstance(x, keras.utils.PyDataset):
        count = len(x) if hasattr(x, "__len__") else x.num_batches
        return map(x.__getitem__, _mixed(count) if count else itertools.count())
    if not hasattr(x, "shape"):
        return _spread(x)
    order = _mixed(len(x))[:MOST_IMAGES]
    parts = np.split(order, range(batch_size, len(order), batch_size))
    return ((_rows(x, part), _rows(y, part)) for part in parts)


def _spread(batches):
    """Yields batches from all over a stream that says how long it is."""
    try:
        count = len(batches)
    except TypeError:
        count = 0
    every = 1
    for i, batch in enumerate(batches):
        if i == 0:
            x, *_ = keras.utils.unpack_x_y_sample_weight(batch)
            images = count * int(keras.tree.flatten(x)[0].shape[0])
            every = max(1, math.ceil(images / MOST_IMAGES))
        if i % every == 0:
            yield batch


def _mixed(count):
    """Returns the numbers below `count`, mixed: classes may lie in order."""
    return np.random.default_rng(0).permutation(count).tolist()


def _rows(array, rows):
    if array is None:
        return None
    if ops.is_tensor(array):
        return ops.take(array, rows, axis=0)
    values = np.asarray(array)[rows]
    floats = np.issubdtype(values.dtype, np.floating)
    return values.astype(keras.config.floatx()) if floats else values
