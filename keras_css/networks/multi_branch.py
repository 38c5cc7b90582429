"""One peer of a cohort: a trunk and n branches that see it differently."""

import keras
from keras import ops

from keras_css import backbones
from keras_css.class_names import check_class_names
from keras_css.errors import UserError
from keras_css.networks.head import LinearHead
from keras_css.precision import default_precision
from keras_css.supervision import transformations


@keras.saving.register_keras_serializable(package="keras_css")
class MultiBranchNetwork(keras.Model):
    """trunk -> for each branch i: transformation i -> tail i -> head i.

    With a main branch there is one tail and head more, the last of their
    lists: it sees the trunk's output as it is and predicts the C classes.

    Args:
        backbone: A name of `keras_css.backbones.BACKBONES` or a `Backbone`.
        num_classes: C.
        num_branches: n, at least 1.
        transformation: A name of `TRANSFORMATIONS` or a `Transformation`.
        joint_labels: Whether each head has C * n columns (class x
            transformation, CSS) rather than C.
        main_branch: Whether there is a main branch beside the n.
        preprocessing: Optional Keras layer in front of the trunk, for example
            the `Rescaling` that normalises uint8 pixels; saved along.
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
        UserError: If an argument is out of range, or the transformation
            cannot tell n branches apart.

    Example:

    >>> network = MultiBranchNetwork("resnet8", num_classes=10)
    >>> network(np.zeros((1, 32, 32, 3), "float32"))["logits"].shape
    (1, 30, 3)
    """

    def __init__(
        self,
        backbone,
        num_classes,
        num_branches=3,
        transformation="corner_erase",
        joint_labels=True,
        main_branch=False,
        preprocessing=None,
        class_names=None,
        **kwargs,
    ):
        # Pixels are normalised before they are rounded.
        super().__init__(autocast=False, **kwargs)
        if num_classes < 2:
            raise UserError(
                f"num_classes must be at least 2. Received: {num_classes}"
            )
        if num_branches < 1:
            raise UserError(
                f"num_branches must be at least 1. Received: {num_branches}"
            )
        self.backbone = backbones.get(backbone)
        self.num_classes = num_classes
        self.num_branches = num_branches
        self.transformation = transformations.get(transformation)
        self.transformation.check(num_branches)
        self.joint_labels = joint_labels
        self.main_branch = main_branch
        self.preprocessing = preprocessing
        self.class_names = check_class_names(class_names, num_classes)
        self.image_shape = None
        columns = num_classes * num_branches if joint_labels else num_classes
        widths = [columns] * num_branches + [num_classes] * main_branch
        with default_precision(self.dtype_policy):
            self.trunk = self.backbone.trunk()
            self.tails = [self.backbone.tail() for _ in widths]
            self.heads = [LinearHead(width) for width in widths]

    def build(self, input_shape):
        check_image_shape(input_shape)
        self.backbone.check_image_shape(tuple(input_shape[1:]))
        self.image_shape = tuple(input_shape[1:])
        if self.preprocessing is not None:
            if not self.preprocessing.built:
                self.preprocessing.build(input_shape)
            input_shape = self.preprocessing.compute_output_shape(input_shape)
        feature_shape = self._built_for(self.trunk, input_shape)
        self.transformation.check(self.num_branches, feature_shape)
        for tail, head in zip(self.tails, self.heads):
            self._built_for(tail, feature_shape)
            head.build((input_shape[0], self.backbone.feature_dim))
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
        """Returns the trunk's output `(B, h, w, d)` for images."""
        return self.trunk(self.prepared(images), training=training)

    def prepared(self, images):
        """Returns images as the trunk takes them."""
        if self.preprocessing is not None:
            images = self.preprocessing(images)
        return ops.cast(images, self.compute_dtype)

    def seen(self, shared, branch):
        """Returns what a branch sees of the trunk's output."""
        if branch == self.num_branches:
            return shared
        return self.transformation(shared, branch, self.num_branches)

    def branches(self, shared, training=None):
        """Returns the network's outputs for an output of its trunk.

        Args:
            shared: Tensor `(B, h, w, d)`, or a list of one for each branch.
            training: As in `call`.
        """
        if not isinstance(shared, list):
            shared = [shared] * len(self.tails)
        features = [
            tail(self.seen(shared[i], i), training=training)
            for i, tail in enumerate(self.tails)
        ]
        return self.outputs_of(features)

    def outputs_of(self, features):
        """Returns the network's outputs for pooled features of each branch.

        Args:
            features: List of `(B, D)`.
        """
        # Losses are computed in float32 (or more), whatever the precision.
        double = self.compute_dtype == "float64"
        dtype = "float64" if double else "float32"
        logits = [head(f) for head, f in zip(self.heads, features)]
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
