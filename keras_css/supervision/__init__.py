"""Channel self-supervision: transformations, joint labels, aggregation."""

from keras_css.supervision import transformations
from keras_css.supervision.joint_labels import aggregate
from keras_css.supervision.joint_labels import branch_labels
from keras_css.supervision.joint_labels import class_logits
from keras_css.supervision.joint_labels import is_joint
from keras_css.supervision.joint_labels import member_logits
from keras_css.supervision.transformations import TRANSFORMATIONS
from keras_css.supervision.transformations import Transformation

__all__ = [
    "TRANSFORMATIONS",
    "Transformation",
    "aggregate",
    "branch_labels",
    "class_logits",
    "is_joint",
    "member_logits",
    "transformations",
]
