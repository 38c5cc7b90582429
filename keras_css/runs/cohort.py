"""The cohort that a configuration describes, and what it begins with."""

import dataclasses

import keras

from keras_css import backbones
from keras_css import methods
from keras_css.data.augmentation import Augmentation
from keras_css.data.augmentation import ColorJitter
from keras_css.data.augmentation import Cutout
from keras_css.data.augmentation import HorizontalFlip
from keras_css.data.augmentation import Mixing
from keras_css.data.augmentation import PadAndCrop
from keras_css.data.augmentation import RandAugment
from keras_css.data.augmentation import RandomResizedCrop
from keras_css.data.batches import TrainingBatches
from keras_css.errors import UserError
from keras_css.networks import MultiBranchNetwork
from keras_css.networks.weights import load_weights_by_name
from keras_css.training import OnlineDistiller
from keras_css.untrusted.keras_files import load_keras

PUBLISHED = "imagenet"


def build_distiller(config, dataset, published=False, teachers=()):
    """Returns the cohort that a complete configuration describes.

    Args:
        config: A complete `RunConfig`.
        dataset: The `Dataset`.
        published: Whether to fetch the published weights it asks for; without,
            the networks are the same but begin with other weights.
        teachers: List of `Teacher`.
    """
    method = methods.METHODS.get(config.method)(**config.method_options)
    networks = []
    for name, weights in zip(config.networks, config.weights):
        backbone = backbones.get(
            name, weights if published else None, dataset.image_shape
        )
        networks.append(
            MultiBranchNetwork(
                backbone,
                dataset.num_classes,
                **config.network_settings(method),
                preprocessing=_normalising(backbone, dataset),
                class_names=dataset.class_names,
            )
        )
    for network in networks:
        freeze_trunk(network, config.freeze)
    distiller = OnlineDistiller(
        networks,
        method=method,
        augmentation=build_augmentation(config, dataset),
        augment_each_network=config.augment_each_network,
        mixing=build_mixing(config),
        label_smoothing=config.label_smoothing,
        average_weights=config.average_weights,
        teachers=teachers,
        teacher_weight=config.teacher_weight,
        teacher_temperature=config.teacher_temperature,
    )
    distiller.said_is_stored = bool(teachers and config.teacher_views)
    return distiller


def sees_images_as_they_are(config, dataset):
    """Returns whether nothing changes a training image from epoch to epoch."""
    mixing, changes = build_mixing(config), build_augmentation(config, dataset)
    return mixing is None and changes is None


def load_cohort(folder):
    """Returns the `OnlineDistiller` that a run saved, without its optimizer.

    Args:
        folder: The `RunFolder`.

    Raises:
        UserError: If the saved cohort is missing or damaged.
    """
    path = folder.cohort
    distiller = load_keras(path)
    if not isinstance(distiller, OnlineDistiller):
        raise UserError(
            f"'{path}' must be an OnlineDistiller, received a "
            f"{type(distiller).__name__}."
        )
    return distiller


def build_batches(config, dataset, distiller):
    """Returns the training's batches.

    Args:
        config: A complete `RunConfig`.
        dataset: The `Dataset`.
        distiller: What `build_distiller` made of these.
    """
    return TrainingBatches(
        dataset.train,
        config.batch_size,
        config.seed,
        num_draws=distiller.views.num_draws,
        resident=dataset.resident,
        paired=distiller.method.class_pairs,
        num_views=config.teacher_views,
    )


def _normalising(backbone, dataset):
    """Returns the layer that normalises pixels from 0 to 255."""
    mean, deviation = dataset.statistics
    scale, offset = backbone.normalisation or (
        [1 / (255 * s) for s in deviation],
        [-m / s for m, s in zip(mean, deviation)],
    )
    return keras.layers.Rescaling(scale, offset, dtype="float32")


def freeze_trunk(network, what):
    """Keeps weights of a network's trunk as they are while it trains.

    Args:
        network: A `MultiBranchNetwork`, built or not.
        what: `"trunk"` for all of them, `"batch_norm"` for those of BatchNorm,
            its statistics included, `"none"`.
    """
    if what == "trunk":
        network.trunk.trainable = False
    elif what == "batch_norm":
        for layer in network.trunk._flatten_layers():
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False


def load_initial_weights(config, distiller, say):
    """Loads the weights that networks begin with, from the user's files.

    Args:
        config: A complete `RunConfig`.
        distiller: The `OnlineDistiller`, built.
        say: Function that takes a line for the user.

    Raises:
        UserError: If a file is no model saved by Keras, or does not fit.
    """
    pairs = zip(distiller.named_networks.items(), config.weights)
    for (name, network), path in pairs:
        if path == PUBLISHED:
            say(f"{name} begins with the weights published for ImageNet")
        elif path is not None:
            source = load_keras(path)
            if isinstance(source, OnlineDistiller):
                raise UserError(
                    f"'{path}' must hold one network, received a whole cohort: "
                    "give a file of the run's models folder."
                )
            matched = load_weights_by_name(network, source)
            say(f"{name} begins with {path}: {matched.describe()}")


def pretrained_weights(config, distiller):
    """Returns the trainable weights that training does not begin from scratch.

    Trunk and tails of networks that were given weights.
    """
    return [
        weight
        for network, given in zip(distiller.networks, config.weights)
        if given is not None
        for part in (network.trunk, *network.tails)
        for weight in part.trainable_variables
    ]


def float32_twin(config, dataset, distiller):
    """Returns the cohort as it is measured and saved; itself if in float32.

    Args:
        config: A complete `RunConfig`.
        dataset: The `Dataset`.
        distiller: The `OnlineDistiller` that trains. A twin has not its
            weights yet.
    """
    if config.precision == "float32":
        return distiller
    exact = dataclasses.replace(config, precision="float32")
    twin = build_distiller(exact, dataset, teachers=distiller.teachers)
    twin.build((None, *dataset.image_shape))
    return twin


def build_mixing(config):
    """Returns the `Mixing` that a configuration describes, or None."""
    if not config.mixup and not config.cutmix:
        return None
    return Mixing(config.mixup, config.cutmix, config.mix_probability)


def build_augmentation(config, dataset):
    """Returns the `Augmentation` that a configuration describes, or None.

    Args:
        config: A complete `RunConfig`.
        dataset: The `Dataset`.
    """
    size = dataset.image_shape[:2]
    stored = dataset.train.images.shape[1:3]
    transforms = []
    if config.random_resized_crop:
        transforms.append(RandomResizedCrop(size, config.random_resized_crop))
    elif config.crop_padding or stored != size:
        transforms.append(PadAndCrop(config.crop_padding, size))
    if config.horizontal_flip:
        transforms.append(HorizontalFlip())
    if config.color_jitter:
        transforms.append(ColorJitter(*[config.color_jitter] * 3))
    if config.rand_augment:
        transforms.append(RandAugment(magnitude=config.rand_augment))
    if config.cutout:
        transforms.append(Cutout(config.cutout))
    return Augmentation(transforms) if transforms else None
