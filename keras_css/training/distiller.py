"""OnlineDistiller: the Keras model that users compile and fit."""

import string

import keras

from keras_css import methods
from keras_css.configs import serialized_together
from keras_css.precision import scaling_loss
from keras_css.training.averaged import AveragedWeights
from keras_css.training.callbacks import EpochCounter
from keras_css.training.callbacks import NonFiniteGuard
from keras_css.training.callbacks import ValidationGuard
from keras_css.training.cohort_checks import check_changes
from keras_css.training.cohort_checks import check_networks
from keras_css.training.data_checks import check_batch_source
from keras_css.training.data_checks import first_of
from keras_css.training.monitors import direct
from keras_css.training.named_means import NamedMeans
from keras_css.training.progress import ProgressLine
from keras_css.training.replicas import refuse_processes
from keras_css.training.sgd import SGD
from keras_css.training.step_losses import SHARE
from keras_css.training.step_losses import StepLosses
from keras_css.training.student import Students
from keras_css.training.taught import Taught
from keras_css.training.train_step import TrainStep
from keras_css.training.train_step import processes
from keras_css.training.validated import Validated
from keras_css.training.views import TrainingViews
from keras_css_runtime.settings import FRACTION
from keras_css_runtime.settings import Flag
from keras_css_runtime.settings import Number


@keras.saving.register_keras_serializable(package="keras_css")
class OnlineDistiller(
    Students, AveragedWeights, Taught, StepLosses, TrainStep, keras.Model
):
    """Trains a cohort of networks together by one method.

    An ordinary Keras model: `compile`, `fit`, `evaluate`, `predict`, `save`.
    The networks are named `network_a`, `network_b`, ... in the order given.

    Args:
        networks: List of `MultiBranchNetwork`, any number and mix of depths
            that the method accepts.
        method: A `Method` or a name of `METHODS`, default CSS.
        augmentation: Optional Keras layer that changes training images on the
            device, inside the compiled step; never used in inference.
        augment_each_network: Whether every network (every branch where the
            method says so) sees its own random changes of an image; else all
            see the same. None: as the method has it.
        mixing: Optional `Mixing` of training images and their labels, the
            same for all networks.
        label_smoothing: Share of a training label that all C classes get
            alike, in [0, 1); of joint labels those of the branch's own
            transformation.
        average_weights: Largest decay of a running mean of each network's
            weights that is kept beside them, see `averaged`; 0 for none.
        teachers: Finished `Teacher`s or Keras models that teach, too, see
            `teach_with`.
        teacher_weight: Of what they teach, beside methods that want none.
        teacher_temperature: T of that.

    Call arguments:
        x: Tensor of images `(B, H, W, channels)`, or the dict of a batch of
            `TrainingBatches`.

    Returns:
        Dict from network name to its outputs, `{"logits", "features"}`. If a
        training batch is mixed, also `"share"`, that of an image's own label.

    Raises:
        UserError: If the cohort does not suit the method, or an argument is
            out of range.

    Example:

    ```python
    a = MultiBranchNetwork("resnet20", num_classes=10)
    b = MultiBranchNetwork("resnet14", num_classes=10)
    distiller = OnlineDistiller([a, b], method="css")
    distiller.compile(SGD(0.1, momentum=0.9, weight_decay=5e-4))
    distiller.fit(x, y, batch_size=128, epochs=10)
    ```
    """

    def __init__(
        self,
        networks,
        method="css",
        augmentation=None,
        augment_each_network=None,
        mixing=None,
        label_smoothing=0.0,
        average_weights=0.0,
        teachers=(),
        teacher_weight=1.0,
        teacher_temperature=4.0,
        **kwargs,
    ):
        # Draws of augmentation must not be rounded to half precision.
        super().__init__(autocast=False, **kwargs)
        networks = check_networks(networks)
        FRACTION.check("label_smoothing", label_smoothing)
        FRACTION.check("average_weights", average_weights)
        Flag(optional=True).check("augment_each_network", augment_each_network)
        check_changes(augmentation, mixing)
        self.label_smoothing = label_smoothing
        self.average_weights = average_weights
        self.networks = networks
        self.method = methods.get(method)
        self.method.meet(self.named_networks)
        if augment_each_network is None:
            augment_each_network = self.method.augment_each_view
        self.views = TrainingViews(
            self.method.view_names(self.named_networks),
            augmentation,
            augment_each_network,
            mixing,
        )
        # A weight, so that compiled steps see it change and files keep it; of
        # the losses' type, so that methods may multiply the two.
        types = {network.compute_dtype for network in networks}
        self.epoch = self.add_weight(
            name="epoch",
            shape=(),
            dtype="float64" if "float64" in types else "float32",
            initializer="zeros",
            trainable=False,
        )
        self.term_means = None
        self.accuracy_means = None
        self.validated = Validated()
        self.begin_teaching(teachers, teacher_weight, teacher_temperature)

    @property
    def named_networks(self):
        """Dict from `network_a`, `network_b`, ... to the networks."""
        letters = string.ascii_lowercase
        return {f"network_{c}": n for c, n in zip(letters, self.networks)}

    def build(self, input_shape):
        input_shape = (None, *input_shape[1:])
        for network in self.networks:
            if not network.built:
                network.build(input_shape)
        # A symbolic call tells the names of all terms and students, and
        # builds the method's own layers.
        images = keras.Input(batch_shape=input_shape)
        labels = keras.Input((), dtype="int32")
        views = dict.fromkeys(self.views.names, images)
        networks = self.named_networks
        self.method(self.method.call_networks(networks, views), labels)
        self.method.begin(networks)
        self.build_averages()
        self.name_terms()
        accuracies = [f"{name}/accuracy" for name in self.method.student_names]
        self.accuracy_means = NamedMeans(accuracies, name="accuracies")
        self.built = True

    def call(self, x, training=None):
        views, share = self.views.take_mixed(x, training)
        networks = self.named_networks
        outputs = self.method.call_networks(networks, views, training)
        if training:
            outputs = outputs | self.said_by_teachers(x, views, training=True)
        return outputs if share is None else {**outputs, SHARE: share}

    def compile(
        self,
        optimizer=None,
        *,
        run_eagerly=False,
        steps_per_execution=1,
        jit_compile="auto",
        auto_scale_loss=True,
    ):
        """Configures training; the loss and the metrics are the method's.

        Args:
            optimizer: A Keras optimizer or its name; default
                `SGD(0.1, momentum=0.9, weight_decay=5e-4)`. If a network is
                in `"mixed_float16"`, a `LossScaleOptimizer` goes round it.
            run_eagerly: As in `keras.Model.compile`. Without, steps are
                compiled, or on PyTorch on a processor recorded, once:
                attributes of layers, of the method and of the optimizer that
                change after the first step go unnoticed until `compile` is
                called again, hooks are not called, and NumPy's random numbers
                are drawn once. Variables, the learning rate and `trainable`
                (from the next `fit` on) may change.
            steps_per_execution: Steps that training and evaluation take
                between two calls of callbacks, on JAX with an accelerator
                and on TensorFlow in one compiled call. Weights and metrics
                are the same as with 1.
            jit_compile: As in `keras.Model.compile`; "auto" leaves XLA out on
                TensorFlow without a GPU.
            auto_scale_loss: Whether to wrap the optimizer if needed.

        Raises:
            UserError: If `steps_per_execution` is out of range.
        """
        Number(1, whole=True).check("steps_per_execution", steps_per_execution)
        if optimizer is None:
            optimizer = SGD(0.1, momentum=0.9, weight_decay=5e-4)
        policies = {network.dtype_policy.name for network in self.networks}
        if auto_scale_loss and "mixed_float16" in policies:
            optimizer = scaling_loss(optimizer)
        self._jit_compile_asked = jit_compile
        if jit_compile == "auto":
            jit_compile = self.default_jit_compile
        super().compile(
            optimizer=optimizer,
            run_eagerly=run_eagerly,
            steps_per_execution=steps_per_execution,
            jit_compile=jit_compile,
            auto_scale_loss=False,
        )

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        validation_split=0.0,
        validation_data=None,
        **kwargs,
    ):
        """Trains the cohort; arguments as in `keras.Model.fit`.

        The progress line shows the loss and the accuracies of the ensemble,
        each network and each branch; the returned history holds every term
        and every student. Validation data stay known for `student("best")`.
        Labels are integers `(N,)` or `(N, 1)`, or a share of each class
        `(N, C)`: one-hot or soft.

        Raises:
            UserError: If images or labels do not fit, or a loss term becomes
                NaN or infinite.
        """
        self._refuse_several()
        if self.method.begin_fit(epochs):
            self.train_function = self.test_function = None
        x = self._check_and_build(x, y)
        self._hold(getattr(x, "resident", None))
        if isinstance(validation_data, (tuple, list)):
            self._check_and_build(*validation_data[:2], what="validation")
        elif validation_data is not None:
            validation_data = self._check_and_build(
                validation_data, None, what="validation"
            )
        # Of the last fit only: another may train on what one validated on.
        self.validated = Validated(validation_data, batch_size, **kwargs)
        try:
            return super().fit(
                x=x,
                y=y,
                batch_size=batch_size,
                epochs=epochs,
                verbose=0,
                callbacks=self._fit_callbacks(callbacks, verbose),
                validation_split=validation_split,
                validation_data=validation_data,
                **kwargs,
            )
        except Exception as error:
            known = getattr(x, "error", None)
            if known is None or known is error:
                raise
            raise known from error

    def evaluate(
        self,
        x=None,
        y=None,
        batch_size=None,
        verbose="auto",
        callbacks=None,
        **kwargs,
    ):
        """Measures loss terms and accuracies; arguments as in Keras.

        Changes no weight and no statistic.
        """
        inside_fit = isinstance(callbacks, keras.callbacks.CallbackList)
        if not inside_fit:
            self._refuse_several()
            x = self._check_and_build(x, y, what="evaluation")
            callbacks = self._callbacks(callbacks, verbose)
            verbose = 0
        elif "_use_cached_eval_dataset" in kwargs:
            self.validated.keep(x, y, batch_size, **kwargs)
        return super().evaluate(
            x=x,
            y=y,
            batch_size=batch_size,
            verbose=verbose,
            callbacks=callbacks,
            **kwargs,
        )

    def train_on_batch(self, x, y=None, *args, **kwargs):
        """Trains one step; arguments as in Keras. Checks the first batch."""
        self._refuse_several()
        self._meet_first_batch(x, y)
        return super().train_on_batch(x, y, *args, **kwargs)

    def test_on_batch(self, x, y=None, *args, **kwargs):
        """Measures one batch; arguments as in Keras."""
        self._refuse_several()
        self._meet_first_batch(x, y, what="evaluation")
        return super().test_on_batch(x, y, *args, **kwargs)

    def get_config(self):
        parts = {
            "networks": list(self.networks),
            "method": self.method,
            "augmentation": self.views.augmentation,
            "mixing": self.views.mixing,
        }
        return {
            **super().get_config(),
            **serialized_together(parts, self),
            "augment_each_network": self.views.each_has_own,
            "label_smoothing": self.label_smoothing,
            "average_weights": self.average_weights,
            "teacher_weight": self.teacher_weight,
            "teacher_temperature": self.teacher_temperature,
        }

    @classmethod
    def from_config(cls, config):
        restore = keras.saving.deserialize_keras_object
        parts = ("networks", "method", "augmentation", "mixing")
        return cls(**{**config, **{key: restore(config[key]) for key in parts}})

    def get_compile_config(self):
        config = super().get_compile_config()
        if not self.compiled:
            return config
        for fixed in ("loss", "loss_weights", "metrics", "weighted_metrics"):
            config.pop(fixed, None)
        # What suits this backend may not suit the one that loads it.
        return {**config, "jit_compile": self._jit_compile_asked}

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.built:
            with self.building():
                self.optimizer.build(self.trainable_variables)

    def _hold(self, resident):
        """Takes images that live on the device; a compiled step knows them."""
        if resident is not self.views.resident:
            self.views.resident = resident
            self.train_function = None

    def _refuse_several(self):
        refuse_processes(processes())
        self.refuse_replicas()

    def _check_and_build(self, x, y, what="training"):
        """Returns x, or what stands for it where looking took a batch."""
        classes = self.method.num_classes
        batch, x = first_of(x)
        if batch is None:
            shape = check_batch_source(x, y, classes, what)
        else:
            images, labels, _ = keras.utils.unpack_x_y_sample_weight(batch)
            shape = check_batch_source(images, labels, classes, what)
        with self.building():
            if shape is not None and not self.built:
                self.build(shape)
            # Weights made inside a compiled step would make TensorFlow trace
            # the step a second time, which takes longer than an epoch on
            # digits.
            if self.built and self.compiled and not self.optimizer.built:
                self.optimizer.build(self.trainable_variables)
        return x

    def _meet_first_batch(self, x, y, what="training"):
        # Later ones cost nothing more: a check would wait for the device.
        if not self.built:
            self._check_and_build(x, y, what)

    def _fit_callbacks(self, callbacks, verbose):
        others = self._callbacks(callbacks, verbose)
        guards = [NonFiniteGuard(), ValidationGuard(others)]
        return [self.validated, EpochCounter(), *guards, *others]

    def _callbacks(self, callbacks, verbose):
        given = callbacks or []
        given = list(given) if isinstance(given, (list, tuple)) else [given]
        direct(given)
        line = [ProgressLine(verbose)] if verbose else []
        return [*line, *given]
