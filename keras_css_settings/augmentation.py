"""How training images and their labels are changed at random."""

import dataclasses

from keras_css_runtime.settings import ANY_COUNT
from keras_css_runtime.settings import Flag
from keras_css_runtime.settings import Number
from keras_css_settings.setting import Settings
from keras_css_settings.setting import setting


@dataclasses.dataclass(frozen=True)
class Augmentation(Settings):
    """Changes of training images and of their labels."""

    crop_padding: int | None = setting(
        None, ANY_COUNT, "Pixels of padding for random crops; 0: off."
    )
    random_resized_crop: float | None = setting(
        None,
        Number(0, 1),
        "Least area of a random part that is scaled to full size, such as "
        "0.25; 0: off.",
    )
    horizontal_flip: bool | None = setting(
        None, Flag(), "Mirror training images at random."
    )
    color_jitter: float = setting(
        0.0,
        Number(0, 1),
        "Random brightness, contrast, saturation, such as 0.4.",
    )
    rand_augment: float = setting(
        0.0,
        Number(0, 10),
        "Strength up to 10 of two random changes an image.",
    )
    cutout: int = setting(
        0, ANY_COUNT, "Pixels a side of a random square without content."
    )
    mixup: float = setting(0.0, Number(0, 100), "Alpha of mixup, such as 0.2.")
    cutmix: float = setting(0.0, Number(0, 100), "Alpha of CutMix, such as 1.")
    mix_probability: float = setting(
        1.0,
        Number(0.001, 1),
        "Share of the batches that mixup and CutMix change.",
    )
    label_smoothing: float = setting(
        0.0,
        Number(0, 0.999),
        "Share of a label that all classes get alike, such as 0.1.",
    )
    augment_each_network: bool | None = setting(
        None,
        Flag(),
        "Change images for each network (for pcl: each branch) anew; default "
        "as the method has it.",
    )
