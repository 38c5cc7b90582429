"""Changing training images at random, batched, on the device.

Every random choice is made from uniform numbers, `draws`, that come with the
batch, so that an image is changed alike on all backends, and after a resume.
"""

from keras_css.data.augmentation.color import ColorJitter
from keras_css.data.augmentation.crop import HorizontalFlip
from keras_css.data.augmentation.crop import PadAndCrop
from keras_css.data.augmentation.crop import RandomResizedCrop
from keras_css.data.augmentation.cutout import Cutout
from keras_css.data.augmentation.layer import Augmentation
from keras_css.data.augmentation.mixing import Mixing
from keras_css.data.augmentation.policy import RandAugment
from keras_css.data.augmentation.transform import Transform

__all__ = [
    "Augmentation",
    "ColorJitter",
    "Cutout",
    "HorizontalFlip",
    "Mixing",
    "PadAndCrop",
    "RandAugment",
    "RandomResizedCrop",
    "Transform",
]
