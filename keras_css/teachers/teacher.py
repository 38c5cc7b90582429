"""A teacher: a finished classifier in inference form, from pixels to logits."""

import keras
import numpy as np
from keras import ops

from keras_css.errors import UserError
from keras_css_runtime.softmax import are_probabilities

LOOKED_AT = 4
# The logarithm of a probability of 0 must stay finite.
LEAST = 1e-12


class Teacher:
    """A classifier that teaches; nothing of it ever changes.

    Not a Keras layer, so that no cohort takes its weights for its own: they
    are in no file, no optimizer and no count of parameters.

    Args:
        model: A functional Keras model from images `(B, H, W, channels)`,
            pixels as the cohort gets them, to logits or probabilities
            `(B, C)`: a student of ours, or another one with its
            preprocessing inside. Its `trainable` becomes False.
        name: What messages call it; default the model's.
        class_names: Its C names in order, where known.
        about: Dict that tells it from others, for `config.json`.

    Attributes:
        network: `(MultiBranchNetwork, branch)` that the model was cut from,
            whose stages methods may look at (see `inside`), or None.

    Raises:
        UserError: If it is no such classifier.
    """

    network = None
    _compiled = None

    def __init__(self, model, name=None, class_names=None, about=None):
        self.name = name or getattr(model, "name", repr(model))
        self.class_names = class_names or getattr(model, "class_names", None)
        self.about = about or {}
        outputs = getattr(model, "outputs", None) or []
        inputs = getattr(model, "inputs", None) or []
        images = len(inputs) == 1 and len(inputs[0].shape) == 4
        if not images or len(outputs) != 1 or len(outputs[0].shape) != 2:
            raise UserError(
                f"Teacher '{self.name}' must be a functional Keras model from "
                "images (B, H, W, channels) to classes (B, C), received "
                "another: give distiller.student(), or keras.Model(...)."
            )
        self.num_classes = outputs[0].shape[-1]
        self.image_shape = tuple(inputs[0].shape[1:])
        self.model, self._are_probabilities = _to_logits(model)
        self.model.trainable = False

    @property
    def variables(self):
        """All of its variables, which a step must know of."""
        return self.model.variables

    def check(self, num_classes, class_names=None):
        """Raises `UserError` unless it knows these classes.

        Args:
            num_classes: C.
            class_names: Their names in order, or None if not known.
        """
        if self.num_classes != num_classes:
            raise UserError(
                f"Teacher '{self.name}' must know the cohort's {num_classes} "
                f"classes, received one of {self.num_classes}: give another, "
                "or train it on these data."
            )
        if not class_names or not self.class_names:
            return
        for ours, its in zip(class_names, self.class_names):
            if ours != its:
                raise UserError(
                    f"Teacher '{self.name}' must know the classes of the data "
                    f"in their order, received '{its}' where they have "
                    f"'{ours}': give one that was trained on these classes."
                )

    def check_in_steps(self):
        """Raises `UserError` unless a compiled step can compute it."""

    def logits(self, images):
        """Returns what it says of images; no gradient comes back.

        Args:
            images: Tensor `(B, H, W, channels)` of any real type. It gets
                them in its own size, grey ones in its three colours.

        Returns:
            Float tensor `(B, C)`.
        """
        found = self.model(self.seen(images), training=False)
        return ops.stop_gradient(self.as_logits(found))

    def as_logits(self, found):
        """Returns logits of what its model puts out."""
        if self._are_probabilities:
            return ops.log(ops.maximum(found, LEAST))
        return found

    def said(self, images):
        """Returns the same as an array; compiled once for many calls."""
        if self._compiled is None:
            # Training itself knows teachers.
            from keras_css.training.compiled import compiled

            self._compiled = compiled(self._logits_of)
        values = [ops.convert_to_tensor(v) for v in self.variables]
        return ops.convert_to_numpy(self._compiled(values, images))

    def _logits_of(self, values, images):
        # JAX would copy weights of its own accord into the program.
        with keras.StatelessScope(list(zip(self.variables, values))):
            return self.logits(images)

    def seen(self, images):
        """Returns images as it takes them, float32 of its own size."""
        *size, channels = self.image_shape
        images = ops.cast(images, "float32")
        if images.shape[-1] == 1 and channels == 3:
            images = ops.repeat(images, 3, axis=-1)
        if images.shape[-1] != channels:
            raise UserError(
                f"Teacher '{self.name}' must see images of the cohort's "
                f"{images.shape[-1]} channels, received one for {channels}: "
                "give another."
            )
        if None not in size and tuple(images.shape[1:3]) != tuple(size):
            images = ops.image.resize(images, size, data_format="channels_last")
        return images


def as_teacher(given):
    """Returns a `Teacher` of a model, or the one that is given."""
    return given if isinstance(given, Teacher) else Teacher(given)


def _to_logits(model):
    """Returns `(model, whether it puts out probabilities)`.

    A softmax at the end is taken off; where there is none, what it says of
    random images tells what it puts out.
    """
    # With it comes all that ships, ONNX included.
    from keras_css.deploy.ending import without_softmax

    bare = without_softmax(model)
    if bare is not None:
        return bare, False
    shape = (LOOKED_AT, *(side or 32 for side in model.inputs[0].shape[1:]))
    images = np.random.default_rng(0).uniform(0, 255, shape)
    rows = model(images.astype("float32"), training=False)
    return model, are_probabilities(keras.ops.convert_to_numpy(rows))
