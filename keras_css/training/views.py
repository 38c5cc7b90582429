"""What each network, or branch, sees of a training batch."""

import keras
from keras import ops

from keras_css.data.augmentation import Augmentation


class TrainingViews(keras.layers.Layer):
    """Takes a batch apart, augments its images and mixes them.

    Args:
        names: The names of the views, one a network or a branch.
        augmentation: Keras layer that changes training images, or None.
        each_has_own: Whether every view has its own random changes.
        mixing: A `Mixing`, or None.
    """

    def __init__(self, names, augmentation, each_has_own, mixing):
        super().__init__(name="views", dtype="float32")
        self.names = list(names)
        self.augmentation = augmentation
        self.each_has_own = each_has_own
        self.mixing = mixing
        self.resident = None
        self.generator = keras.random.SeedGenerator()
        self.built = True

    @property
    def num_draws(self):
        """How many uniform numbers one image needs."""
        own = getattr(self.augmentation, "num_draws", 0)
        mixed = self.mixing.num_draws if self.mixing is not None else 0
        return own * (len(self.names) if self.each_has_own else 1) + mixed

    def take(self, x, training):
        """Returns a dict from a view's name to its images.

        Args:
            x: Tensor of images `(B, H, W, c)`, or a dict with `"draws"` and
                `"images"` or `"rows"`, as `TrainingBatches` yields it.
            training: Whether to change them; else all see them as they are.
        """
        return self.take_mixed(x, training)[0]

    def take_mixed(self, x, training):
        """Returns the views, as `take` does, and how they are mixed.

        Returns:
            `(views, share)`: share is that of an image's own label, a scalar,
            or None if images are not mixed. It is the same in all views.
        """
        images, draws = self._unpack(self.with_draws(x) if training else x)
        if not training:
            return dict.fromkeys(self.names, images), None
        count = len(self.names) if self.each_has_own else 1
        found = [self._view(images, draws, i) for i in range(count)]
        if not self.each_has_own:
            found *= len(self.names)
        views = {name: view for name, (view, _) in zip(self.names, found)}
        return views, found[0][1]

    def with_draws(self, x):
        """Returns a training batch with the uniform numbers that it needs."""
        if isinstance(x, dict) or not self.num_draws:
            return x
        draws = keras.random.uniform(
            (ops.shape(x)[0], self.num_draws), seed=self.generator
        )
        return {"images": x, "draws": draws}

    def save_own_variables(self, store):
        # Keras keeps no random state, and training would go on otherwise.
        store["seed"] = self.generator.state

    def load_own_variables(self, store):
        self.generator.state.assign(store["seed"])

    def _unpack(self, x):
        if not isinstance(x, dict):
            return x, None
        if "images" in x:
            return x["images"], x.get("draws")
        return self.resident.take(x), x["draws"]

    def _view(self, images, draws, place):
        """Returns the images of one view, and the share of their own labels."""
        images = self._augment(images, draws, place)
        if self.mixing is None:
            return images, None
        last = draws[:, -self.mixing.num_draws :]
        return self.mixing(ops.cast(images, "float32"), last)

    def _augment(self, images, draws, place):
        if self.augmentation is None:
            return images
        if not isinstance(self.augmentation, Augmentation):
            return self.augmentation(images, training=True)
        count = self.augmentation.num_draws
        part = draws[:, place * count : (place + 1) * count]
        return self.augmentation(images, draws=part, training=True)
