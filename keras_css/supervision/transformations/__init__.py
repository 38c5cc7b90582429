"""Transformations of features and of images, by name."""

from keras_css.errors import UserError
from keras_css.registry import Registry
from keras_css.supervision.transformations.base import Transformation
from keras_css.supervision.transformations.channel_group_drop import (
    ChannelGroupDrop,
)
from keras_css.supervision.transformations.color_permutation import (
    ColorPermutation,
)
from keras_css.supervision.transformations.corner_erase import CornerErase
from keras_css.supervision.transformations.feature_rotation import (
    FeatureRotation,
)
from keras_css.supervision.transformations.none import NoTransformation
from keras_css.supervision.transformations.rotation import Rotation
from keras_css.supervision.transformations.rotation_color import RotationColor
from keras_css.supervision.transformations.turned_quadrant import TurnedQuadrant

TRANSFORMATIONS = Registry(
    "transformation",
    {
        "corner_erase": CornerErase,
        "channel_group_drop": ChannelGroupDrop,
        "feature_rotation": FeatureRotation,
        "rotation": Rotation,
        "color_permutation": ColorPermutation,
        "turned_quadrant": TurnedQuadrant,
        "rotation_color": RotationColor,
        "none": NoTransformation,
    },
)


def get(transformation):
    """Returns a transformation from its name, or the one that is given.

    Raises:
        UserError: If the name is unknown or the object is no transformation.
    """
    if isinstance(transformation, str):
        return TRANSFORMATIONS.get(transformation)()
    if isinstance(transformation, Transformation):
        return transformation
    raise UserError(
        "A transformation must be a known name or a keras_css.supervision."
        f"Transformation. Received: transformation={transformation!r}"
    )


__all__ = [
    "TRANSFORMATIONS",
    "ChannelGroupDrop",
    "ColorPermutation",
    "CornerErase",
    "FeatureRotation",
    "NoTransformation",
    "Rotation",
    "RotationColor",
    "Transformation",
    "TurnedQuadrant",
    "get",
]
