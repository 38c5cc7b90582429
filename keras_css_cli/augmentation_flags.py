"""Flags on how training images are changed at random."""

from absl import flags

FLAGS = flags.FLAGS
NAMES = (
    *("crop_padding", "random_resized_crop", "horizontal_flip"),
    *("color_jitter", "rand_augment", "cutout", "mixup", "cutmix"),
    *("mix_probability", "label_smoothing", "augment_each_network"),
)

flags.DEFINE_integer("crop_padding", None, "Padding for random crops; 0: off.")
flags.DEFINE_float(
    "random_resized_crop",
    None,
    "Least area of a random part that is scaled to full size, such as 0.25; "
    "0: off.",
)
flags.DEFINE_bool("horizontal_flip", None, "Mirror training images at random.")
flags.DEFINE_float(
    "color_jitter", 0, "Random brightness, contrast, saturation, such as 0.4."
)
flags.DEFINE_float(
    "rand_augment", 0, "Strength up to 10 of two random changes an image."
)
flags.DEFINE_integer("cutout", 0, "Side of a random square without content.")
flags.DEFINE_float("mixup", 0, "Alpha of mixup, such as 0.2.")
flags.DEFINE_float("cutmix", 0, "Alpha of CutMix, such as 1.")
flags.DEFINE_float(
    "mix_probability", 1.0, "Share of the batches that mixup and CutMix change."
)
flags.DEFINE_float(
    "label_smoothing",
    0.0,
    "Share of a label that all classes get alike, such as 0.1.",
)
flags.DEFINE_bool(
    "augment_each_network",
    None,
    "Change images for each network (for pcl: each branch) anew; default as "
    "the method has it.",
)


def augmentation_settings():
    """Returns the flags as a dict of settings."""
    return {name: FLAGS[name].value for name in NAMES}
