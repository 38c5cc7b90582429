"""Whether a cohort can be made of what was given."""

import string

import keras

from keras_css.data.augmentation.mixing import Mixing
from keras_css.errors import UserError


def check_networks(networks):
    """Raises `UserError` unless these are the networks of a cohort.

    Args:
        networks: What was given as networks.

    Returns:
        List of them.
    """
    if isinstance(networks, (str, keras.layers.Layer)):
        networks = [networks]
    networks = list(networks)
    for network in networks:
        # Another network serves, too, if it has what methods ask for.
        layer = isinstance(network, keras.layers.Layer)
        if not layer or not hasattr(network, "num_branches"):
            raise UserError(
                "A cohort is made of MultiBranchNetworks, received "
                f"{network!r}: make each by MultiBranchNetwork(backbone, "
                "num_classes=...)."
            )
    if len({id(network) for network in networks}) != len(networks):
        raise UserError(
            "A cohort needs different networks, received one of them "
            "twice: make a second one."
        )
    if not 1 <= len(networks) <= len(string.ascii_lowercase):
        raise UserError(
            f"A cohort has 1 to 26 networks. Received: {len(networks)} networks"
        )
    return networks


def check_changes(augmentation, mixing):
    """Raises `UserError` unless these can change training images."""
    if augmentation is not None and not isinstance(
        augmentation, keras.layers.Layer
    ):
        raise UserError(
            "augmentation must be a Keras layer, received "
            f"{augmentation!r}: put a list of changes into "
            "keras_css.data.augmentation.Augmentation, a list of layers into "
            "keras.Sequential."
        )
    if mixing is not None and not isinstance(mixing, Mixing):
        raise UserError(
            "mixing must be a keras_css.data.augmentation.Mixing, received "
            f"{mixing!r}."
        )
