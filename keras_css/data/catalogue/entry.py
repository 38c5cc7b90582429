"""What is known of a named data set before any of its files is there."""

import collections.abc
import dataclasses

from keras_css.data.dataset import Recipe

# Customary for photographs: channels of the training images of ImageNet.
PHOTOGRAPHS = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclasses.dataclass(frozen=True)
class Entry:
    """One data set of the catalogue.

    Attributes:
        title: Its name in full.
        classes: Number of classes; None if the files say.
        images: Dict from part to the official number of images.
        statistics: Mean and standard deviation of each channel, pixels in
            [0, 1]; None to measure them on the training images.
        source: Where it is published.
        licence: Words on what one may do with it.
        citation: The paper to cite.
        recipe: The settings that suit it.
        read: Function that returns a `Found` without any files; None if there
            are files to read.
        needs_data_dir: Whether only `--data_dir` says where the images are.
        tfds: Its name in tensorflow-datasets, or None.
        needs: Packages beyond ours with which tensorflow-datasets prepares it.
        by_hand: Lines: which files to get, and from where.
        link_is_dead: Whether fetching it is known to fail.
    """

    title: str
    classes: int | None = None
    images: dict = dataclasses.field(default_factory=dict)
    statistics: tuple | None = None
    source: str = ""
    licence: str = ""
    citation: str = ""
    recipe: Recipe = dataclasses.field(default_factory=Recipe)
    read: collections.abc.Callable | None = None
    needs_data_dir: bool = False
    tfds: str | None = None
    needs: tuple = ()
    by_hand: tuple = ()
    link_is_dead: bool = False
