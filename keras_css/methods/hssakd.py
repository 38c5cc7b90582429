"""HSSAKD, online: auxiliary classifiers predict class and rotation.

Hierarchical Self-supervised Augmented Knowledge Distillation (Yang et al.
2021, arXiv 2107.13715; online form: arXiv 2109.03075).
"""

import keras
from keras import ops

from keras_css.errors import UserError
from keras_css.methods.distillation import Distillation
from keras_css.methods.distillation import check_plain
from keras_css.methods.losses import batch_mean
from keras_css.methods.losses import cross_entropy
from keras_css.networks.head import LinearHead
from keras_css.supervision import branch_labels

ROTATIONS = 4


@keras.saving.register_keras_serializable(package="keras_css")
class HSSAKD(Distillation):
    """Plain networks with an auxiliary classifier after every stage.

    In training each image comes in 4 rotations. An auxiliary classifier
    predicts the joint label y * 4 + r of all of them, the network itself the
    class of the unrotated ones:

        L = sum over networks [CE(z) + sum_l CE(aux_l, joint label)]
          + T^2 sum over pairs a != b [KL(z_b || z_a)
                                       + sum_l KL(aux_b,l || aux_a,l)]

    divided, in larger cohorts than two, by the number of others. Targets are
    detached. An auxiliary classifier is a copy of the stages that follow its
    place (weights of its own), pooling and a linear layer; the stem has none.
    In evaluation only unrotated images are looked at. The networks ship;
    auxiliary classifiers never do.

    Args:
        temperature: T.
        ramp_up_epochs: E of w(e), a weight of the divergences; 0 for 1.
    """

    minimum_networks = 2

    def __init__(self, temperature=3.0, ramp_up_epochs=0, **kwargs):
        super().__init__(temperature, ramp_up_epochs, **kwargs)
        self.auxiliaries = []

    def meet(self, networks):
        super().meet(networks)
        check_plain(self, networks, fewest=1, most=1)
        backbones = [n.backbone for n in networks.values()]
        counts = sorted({len(backbone.stages()) for backbone in backbones})
        if len(counts) != 1:
            raise UserError(
                "HSSAKD pairs the stages of the networks: all need as many, "
                f"received {counts}."
            )
        self.auxiliaries = [
            auxiliary(backbone, place, ROTATIONS * self.num_classes)
            for backbone in backbones
            for place in range(1, counts[0])
        ]

    def begin(self, networks):
        for network in networks.values():
            check_square(network.image_shape)

    def call_networks(self, networks, views, training=None):
        outputs = {}
        places = len(self.auxiliaries) // len(networks)
        for i, (name, network) in enumerate(networks.items()):
            images = views[name]
            own = self.auxiliaries[i * places : (i + 1) * places]
            if training:
                images = rotated(images)
            maps = stage_outputs(network, images, training)
            features = network.tails[0].layers[-1](maps[-1])
            if training:
                features = ops.split(features, ROTATIONS, axis=0)[0]
            output = network.outputs_of([features])
            joint = [
                aux(feature_map, training=training)
                for aux, feature_map in zip(own, maps[1:])
            ]
            joint = ops.cast(ops.stack(joint, -1), output["logits"].dtype)
            outputs[name] = {**output, "auxiliary": joint}
        return outputs

    def compute_losses(
        self, outputs, labels, sample_weight=None, epoch=0.0, training=False
    ):
        weight = self.ramp_up(epoch)
        turns = ROTATIONS if training else 1
        joint = joint_labels(labels, turns, self.num_classes)
        joint_weight = None
        if sample_weight is not None:
            joint_weight = ops.tile(ops.reshape(sample_weight, (-1,)), (turns,))
        terms, total = {}, 0.0
        for name, output in outputs.items():
            z, aux = output["logits"], output["auxiliary"]
            places = aux.shape[2]
            ce = self.supervised(z, labels, sample_weight)
            own = branch_labels(joint, aux, aux.shape[1])
            ce_aux = places * batch_mean(cross_entropy(aux, own), joint_weight)
            kd, kd_aux = [], []
            for peer, other in outputs.items():
                if peer == name:
                    continue
                kd.append(self.taught(other["logits"], z, sample_weight))
                kd_aux.append(
                    places * self.taught(other["auxiliary"], aux, joint_weight)
                )
            kd, kd_aux = sum(kd) / len(kd), sum(kd_aux) / len(kd_aux)
            terms |= {
                f"{name}/ce": ce,
                f"{name}/ce_auxiliary": ce_aux,
                f"{name}/kd": kd,
                f"{name}/kd_auxiliary": kd_aux,
            }
            total = total + ce + ce_aux + weight * (kd + kd_aux)
        return {**terms, "loss": total}


def check_square(image_shape):
    """Raises `UserError` unless `(H, W, channels)` can be turned by 90 degrees.

    Networks for images of any size are taken as they are.
    """
    height, width = image_shape[:2]
    if None not in (height, width) and height != width:
        raise UserError(
            "HSSAKD turns images by 90 degrees: they must be square, received "
            f"{height}x{width}."
        )


def rotated(images):
    """Returns the images turned by 0, 90, 180 and 270 degrees, `(4 B, ...)`."""
    turned = [ops.rot90(images, k, axes=(1, 2)) for k in range(ROTATIONS)]
    return ops.concatenate(turned, axis=0)


def joint_labels(labels, turns, num_classes):
    """Returns `y * 4 + r` of rotated images `(turns * B,)`.

    A label outside [0, C) becomes -1, which no column has. Of distributions
    `(B, C)` the joint ones, `(turns * B, 4 C)`.
    """
    if len(labels.shape) == 2:
        columns = num_classes * ROTATIONS
        rows = ops.convert_to_tensor(labels)[:, :, None]
        places = ops.eye(ROTATIONS, dtype=rows.dtype)
        joint = [
            ops.reshape(rows * places[r], (-1, columns)) for r in range(turns)
        ]
        return ops.concatenate(joint, axis=0)
    known = ops.logical_and(labels >= 0, labels < num_classes)
    joint = [ops.where(known, labels * ROTATIONS + r, -1) for r in range(turns)]
    return ops.concatenate(joint, axis=0)


def stage_outputs(network, images, training):
    """Returns what each stage of a plain network puts out, in order."""
    x = network.prepared(images)
    maps = []
    for stage in network.trunk.layers:
        x = stage(x, training=training)
        maps.append(x)
    x = network.seen(x, 0)
    for stage in network.tails[0].layers[:-1]:
        x = stage(x, training=training)
        maps.append(x)
    return maps


def auxiliary(backbone, place, columns):
    """Returns the classifier that follows a stage.

    Args:
        backbone: The `Backbone` of the network.
        place: Index of the stage.
        columns: Number of joint labels.
    """
    pool = keras.layers.GlobalAveragePooling2D(data_format="channels_last")
    rest = backbone.stages()[place + 1 :]
    return keras.Sequential([*rest, pool, LinearHead(columns)])
