"""One peer of a cohort: a trunk and n branches that see it differently."""

import keras
from keras import ops

from keras_css import backbones
from keras_css.errors import UserError
from keras_css.networks.head import LinearHead
from keras_css.precision import default_precision
from keras_css.supervision import transformations


@keras.saving.register_keras_serializable(package="keras_css")
class MultiBranchNetwork(keras.Model):
    """trunk -> for each branch i: transformation i -> tail i -> head i.

    Args:
        backbone: A name of `keras_css.backbones.BACKBONES` or a `Backbone`.
        num_classes: C.
        num_branches: n, at least 1.
        transformation: A name of `TRANSFORMATIONS` or a `Transformation`.
        joint_labels: Whether each head has C * n columns (class x
            transformation, CSS) rather than C.
        preprocessing: Optional Keras layer in front of the trunk, for example
            the `Rescaling` that normalises uint8 pixels; saved along.
        **kwargs: Of `keras.Model`; `dtype` is the precision of all layers,
            such as `"mixed_bfloat16"`.

    Call arguments:
        images: Tensor `(B, H, W, channels)`, float or integer.

    Returns:
        `{"logits": (B, K, n), "features": (B, D, n)}` with K = C * n for
        joint labels, else C.

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
        preprocessing=None,
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
        self.preprocessing = preprocessing
        self.image_shape = None
        columns = num_classes * num_branches if joint_labels else num_classes
        with default_precision(self.dtype_policy):
            self.trunk = self.backbone.trunk()
            self.tails = [self.backbone.tail() for _ in range(num_branches)]
            self.heads = [LinearHead(columns) for _ in range(num_branches)]

    def build(self, input_shape):
        check_image_shape(input_shape)
        self.image_shape = tuple(input_shape[1:])
        if self.preprocessing is not None:
            if not self.preprocessing.built:
                self.preprocessing.build(input_shape)
            input_shape = self.preprocessing.compute_output_shape(input_shape)
        self.trunk.build(input_shape)
        feature_shape = self.trunk.compute_output_shape(input_shape)
        self.transformation.check(self.num_branches, feature_shape)
        for tail, head in zip(self.tails, self.heads):
            tail.build(feature_shape)
            head.build((input_shape[0], self.backbone.feature_dim))
        self.built = True

    def call(self, images, training=None):
        if self.preprocessing is not None:
            images = self.preprocessing(images)
        shared = self.trunk(
            ops.cast(images, self.compute_dtype), training=training
        )
        logits, features = [], []
        for i, (tail, head) in enumerate(zip(self.tails, self.heads)):
            seen = self.transformation(shared, i, self.num_branches)
            features.append(tail(seen, training=training))
            logits.append(head(features[-1]))
        # Losses are computed in float32 (or more), whatever the precision.
        double = self.compute_dtype == "float64"
        dtype = "float64" if double else "float32"
        return {
            "logits": ops.cast(ops.stack(logits, axis=-1), dtype),
            "features": ops.cast(ops.stack(features, axis=-1), dtype),
        }

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "backbone": serialize(self.backbone),
            "num_classes": self.num_classes,
            "num_branches": self.num_branches,
            "transformation": serialize(self.transformation),
            "joint_labels": self.joint_labels,
            "preprocessing": serialize(self.preprocessing),
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
