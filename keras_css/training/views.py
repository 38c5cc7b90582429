"""What each network, or branch, sees of a training batch."""

import keras
from keras import ops

from keras_css.data.augmentation import Augmentation
from keras_css.data.augmentation.mixing import partner


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
        # Of the batch in the step that is being traced.
        self._share = None
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
        images, draws = self._unpack(self.with_draws(x) if training else x)
        if not training:
            return dict.fromkeys(self.names, images)
        if self.each_has_own:
            return {
                name: self._view(images, draws, i)
                for i, name in enumerate(self.names)
            }
        return dict.fromkeys(self.names, self._view(images, draws, 0))

    def with_draws(self, x):
        """Returns a training batch with the uniform numbers that it needs."""
        if isinstance(x, dict) or not self.num_draws:
            return x
        draws = keras.random.uniform(
            (ops.shape(x)[0], self.num_draws), seed=self.generator
        )
        return {"images": x, "draws": draws}

    def mix_terms(self, losses_for, labels, training):
        """Returns the loss terms of a batch, for mixed labels if it is mixed.

        A loss that is linear in the label's distribution, as cross-entropy is,
        is mixed as the labels are; a term without labels stays as it is.

        Args:
            losses_for: Function from labels `(B,)` to a dict of terms.
            labels: int32 `(B,)`.
            training: Whether this is a training step.
        """
        terms = losses_for(labels)
        share, self._share = self._share, None
        if not training or share is None:
            return terms
        others = losses_for(partner(labels))
        return {
            name: share * term + (1 - share) * others[name]
            for name, term in terms.items()
        }

    def save_own_variables(self, store):
        # Keras keeps no random state, and training would go on otherwise.
        store["seed"] = self.generator.state

    def load_own_variables(self, store):
        self.generator.state.assign(store["seed"])

    def _unpack(self, x):
        if not isinstance(x, dict):
            return x, None
        if "images" in x:
            return x["images"], x["draws"]
        return self.resident.take(x), x["draws"]

    def _view(self, images, draws, place):
        """Returns the images of one view, and notes the share of labels."""
        images = self._augment(images, draws, place)
        if self.mixing is None:
            return images
        last = draws[:, -self.mixing.num_draws :]
        images, self._share = self.mixing(ops.cast(images, "float32"), last)
        return images

    def _augment(self, images, draws, place):
        if self.augmentation is None:
            return images
        if not isinstance(self.augmentation, Augmentation):
            return self.augmentation(images, training=True)
        count = self.augmentation.num_draws
        part = draws[:, place * count : (place + 1) * count]
        return self.augmentation(images, draws=part, training=True)
