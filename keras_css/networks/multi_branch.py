"""One peer of a cohort: a trunk and n branches that see it differently."""

import operator
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_css import backbones
from keras_css.backbones import Backbone
from keras_css.class_names import check_class_names
from keras_css.configs import REGISTER
from keras_css.configs import check_readable
from keras_css.errors import UserError
from keras_css.networks.head import LinearHead
from keras_css.networks.preprocessing import check_preprocessing
from keras_css.networks.preprocessing import preprocessed_shape
from keras_css.precision import default_precision
from keras_css.supervision import Transformation
from keras_css.supervision import transformations
from keras_css_runtime.settings import Flag


@keras.saving.register_keras_serializable(package="keras_css")
class MultiBranchNetwork(keras.Model):
    """trunk -> for each branch i: transformation i -> tail i -> head i.

    With a main branch there is one tail and head more, the last of their
    lists: it sees the trunk's output as it is and predicts the C classes.

    With a transformation of images the branches are views of one network:

        transformation i of the image -> trunk -> tail -> head

    There is one tail, which all branches and the main one share, one head for
    all branches and a second one for the main branch. A head of its own would
    tell a branch which transformation it sees, and nothing were left to
    recognise. The views of all branches go through trunk and tail as one
    batch of n B images, in which BatchNorm sees them all; the first is the
    image as it is, and from its features the main head predicts the class.
    So trunk, tail and main head are the plain backbone.

    Args:
        backbone: A name of `keras_css.backbones.BACKBONES` or a `Backbone`.
        num_classes: C.
        num_branches: n, at least 1.
        transformation: A name of `TRANSFORMATIONS` or a `Transformation`.
        joint_labels: Whether each head has C * n columns (class x
            transformation, CSS) rather than C.
        main_branch: Whether there is a main branch beside the n; None leaves
            that to the method of the network's cohort.
        preprocessing: Optional Keras layer in front of the trunk, for example
            the `Rescaling` that normalises uint8 pixels; saved along. Networks
            of a cohort that are given the same layer share it, in saved files,
            too.
        class_names: Optional list of C different names; saved along, for
            what is exported later.
        **kwargs: Of `keras.Model`; `dtype` is the precision of all layers,
            such as `"mixed_bfloat16"`.

    Call arguments:
        images: Tensor `(B, H, W, channels)`, float or integer.

    Returns:
        `{"logits": (B, K, n), "features": (B, D, n)}` with K = C * n for
        joint labels, else C; with a main branch also `"main": (B, C)`.

    Raises:
        UserError: If an argument is out of range, the transformation cannot
            tell n branches apart, or a part could not be saved and loaded.

    Example:

    >>> network = MultiBranchNetwork("resnet8", num_classes=10)
    >>> network(np.zeros((1, 32, 32, 3), "float32"))["logits"].shape
    (1, 30, 3)
    """

    def __init__(
        self,
        backbone: str | Backbone,
        num_classes: int,
        num_branches: int = 3,
        transformation: str | Transformation = "corner_erase",
        joint_labels: bool = True,
        main_branch: bool | None = None,
        preprocessing: keras.layers.Layer | None = None,
        class_names: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        # Pixels are normalised before they are rounded.
        super().__init__(autocast=False, **kwargs)
        num_classes = _whole_number("num_classes", num_classes, least=2)
        num_branches = _whole_number("num_branches", num_branches, least=1)
        Flag().check("joint_labels", joint_labels)
        Flag(optional=True).check("main_branch", main_branch)
        check_preprocessing(preprocessing)
        self.backbone = backbones.get(backbone)
        check_readable("A network's backbone", self.backbone, REGISTER)
        self.num_classes = num_classes
        self.num_branches = num_branches
        self.transformation = transformations.get(transformation)
        check_readable(
            "A network's transformation", self.transformation, REGISTER
        )
        self.on_images = self.transformation.acts_on == "images"
        self.transformation.check(num_branches)
        self.joint_labels = bool(joint_labels)
        self.main_branch = bool(main_branch)
        self._may_take_one = main_branch is None
        self.preprocessing = preprocessing
        self.class_names = check_class_names(class_names, num_classes)
        self.image_shape = None
        columns = num_classes * num_branches if joint_labels else num_classes
        own = 1 if self.on_images else num_branches
        widths = [columns] * own + [num_classes] * self.main_branch
        tails = 1 if self.on_images else len(widths)
        with default_precision(self.dtype_policy):
            self.trunk = self.backbone.trunk()
            self.tails = [self.backbone.tail() for _ in range(tails)]
            self.heads = [LinearHead(width) for width in widths]

    def take_main_branch(self):
        """Adds a main branch, if that was left open and nothing is built."""
        if not self._may_take_one or self.main_branch or self.built:
            return
        with default_precision(self.dtype_policy):
            if not self.on_images:
                self.tails.append(self.backbone.tail())
                # Weights come in the order of layers: tails before heads, as
                # in copies that are made with a main branch.
                self._layers.remove(self.tails[-1])
                place = self._layers.index(self.heads[0])
                self._layers.insert(place, self.tails[-1])
            self.heads.append(LinearHead(self.num_classes))
        self.main_branch = True

    def build(self, input_shape):
        check_image_shape(input_shape)
        self.backbone.check_image_shape(tuple(input_shape[1:]))
        self.image_shape = tuple(input_shape[1:])
        if self.preprocessing is not None:
            input_shape = preprocessed_shape(self.preprocessing, input_shape)
        feature_shape = self._built_for(self.trunk, input_shape)
        self.transformation.check(
            self.num_branches, input_shape if self.on_images else feature_shape
        )
        for tail in self.tails:
            width = self._built_for(tail, feature_shape)[-1]
        if width != self.backbone.feature_dim:
            raise UserError(
                f"{type(self.backbone).__name__}.feature_dim must be the width "
                f"of its last stage's map, {width}, received "
                f"{self.backbone.feature_dim}: set feature_dim = {width}."
            )
        for head in self.heads:
            head.build((input_shape[0], width))
        self.built = True

    def _built_for(self, part, shape):
        """Builds trunk or tail and returns the shape of its output."""
        try:
            part.build(shape)
            return part.compute_output_shape(shape)
        except ValueError as error:
            height, width, channels = self.image_shape
            side = self.backbone.smallest_side(channels)
            if side is None or min(height or side, width or side) >= side:
                raise
            raise UserError(
                "Images must be large enough for the backbone's strides, for "
                f"example {side}x{side}, received {height}x{width}: use larger "
                "images (--image_size) or another backbone."
            ) from error

    def call(self, images, training=None):
        return self.branches(self.shared(images, training), training)

    def shared(self, images, training=None):
        """Returns the trunk's output `(B, h, w, d)` for images.

        With a transformation of images `(n B, h, w, d)`, view by view.
        """
        images = self.prepared(images)
        if self.on_images:
            views = [self.view(images, i) for i in range(self.num_branches)]
            images = ops.concatenate(views, axis=0)
        return self.trunk(images, training=training)

    def prepared(self, images):
        """Returns images as the trunk takes them."""
        if self.preprocessing is not None:
            images = self.preprocessing(images)
        return ops.cast(images, self.compute_dtype)

    def view(self, images, branch):
        """Returns what a branch sees of prepared images.

        The first branch and the main one see them as they are.
        """
        if not self.on_images or self._view_of(branch) == 0:
            return images
        return self.transformation(images, branch, self.num_branches)

    def seen(self, shared, branch):
        """Returns what a branch sees of the trunk's output."""
        if self.on_images or branch == self.num_branches:
            return shared
        return self.transformation(shared, branch, self.num_branches)

    def tail_of(self, branch):
        """Returns the tail of a branch; the main one comes last."""
        return self.tails[0 if self.on_images else branch]

    def head_of(self, branch):
        """Returns the head of a branch; the main one comes last."""
        if self.on_images and branch < self.num_branches:
            return self.heads[0]
        return self.heads[-1 if branch == self.num_branches else branch]

    def branches(self, shared, training=None):
        """Returns the network's outputs for an output of its trunk.

        Args:
            shared: Tensor as `shared` returns it, or, without a
                transformation of images, a list of one for each branch.
            training: As in `call`.
        """
        count = self.num_branches + self.main_branch
        if self.on_images:
            pooled = self.tails[0](shared, training=training)
            views = ops.split(pooled, self.num_branches, axis=0)
            features = [views[self._view_of(i)] for i in range(count)]
            return self.outputs_of(features)
        if not isinstance(shared, list):
            shared = [shared] * count
        features = [
            tail(self.seen(shared[i], i), training=training)
            for i, tail in enumerate(self.tails)
        ]
        return self.outputs_of(features)

    def _view_of(self, branch):
        return 0 if branch == self.num_branches else branch

    def outputs_of(self, features):
        """Returns the network's outputs for pooled features of each branch.

        Args:
            features: List of `(B, D)`, that of the main branch last.
        """
        # Losses are computed in float32 (or more), whatever the precision.
        double = self.compute_dtype == "float64"
        dtype = "float64" if double else "float32"
        logits = [self.head_of(i)(f) for i, f in enumerate(features)]
        n = self.num_branches
        outputs = {
            "logits": ops.cast(ops.stack(logits[:n], axis=-1), dtype),
            "features": ops.cast(ops.stack(features[:n], axis=-1), dtype),
        }
        if self.main_branch:
            outputs["main"] = ops.cast(logits[n], dtype)
        return outputs

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "backbone": serialize(self.backbone),
            "num_classes": self.num_classes,
            "num_branches": self.num_branches,
            "transformation": serialize(self.transformation),
            "joint_labels": self.joint_labels,
            "main_branch": self.main_branch,
            "preprocessing": serialize(self.preprocessing),
            "class_names": self.class_names and list(self.class_names),
        }

    @classmethod
    def from_config(cls, config):
        restore = keras.saving.deserialize_keras_object
        parts = ("backbone", "transformation", "preprocessing")
        return cls(**{**config, **{key: restore(config[key]) for key in parts}})


def check_image_shape(shape):
    """Raises `UserError` unless the shape is that of a batch of images."""
    if len(shape) != 4:
        raise UserError(
            "Images must have rank 4, (batch, height, width, channels). "
            f"Received: shape={tuple(shape)}; add the missing axis, for "
            "example images[..., None] for grey images."
        )


def _whole_number(name, value, least):
    """Returns an integer of any kind, such as NumPy's, as Python's own.

    NumPy's would overflow in products, and Keras takes none as a width.
    """
    try:
        number = int(operator.index(value))
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise UserError(f"{name} must be an integer. Received: {value!r}")
    if number < least:
        raise UserError(f"{name} must be at least {least}. Received: {value}")
    return number
