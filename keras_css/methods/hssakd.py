"""HSSAKD, online: auxiliary classifiers predict class and rotation.

Hierarchical Self-supervised Augmented Knowledge Distillation (Yang et al.
2021, arXiv 2107.13715; online form: arXiv 2109.03075).
"""

import keras
from keras import ops

from keras_css.errors import UserError
from keras_css.means import mean
from keras_css.methods.distillation import Distillation
from keras_css.methods.distillation import check_plain
from keras_css.methods.losses import batch_mean
from keras_css.methods.losses import cross_entropy
from keras_css.networks.head import LinearHead
from keras_css.networks.stages import pooled
from keras_css.networks.stages import stage_outputs
from keras_css.supervision import branch_labels
from keras_css.supervision.transformations.rotation import turned
from keras_css_runtime.settings import NOT_NEGATIVE

ROTATIONS = 4


@keras.saving.register_keras_serializable(package="keras_css")
class HSSAKD(Distillation):
    """Plain networks with an auxiliary classifier after every stage.

    In training each image comes in 4 rotations. An auxiliary classifier
    predicts the joint label y * 4 + r of all of them, the network itself the
    class of the unrotated ones; peers teach each other on all rotations:

        L = sum over networks [CE(z) + sum_l CE(aux_l, joint label)]
          + T^2 sum over pairs a != b [KL(z_b || z_a), all rotations,
                                       + sum_l KL(aux_b,l || aux_a,l)]

    divided, in larger cohorts than two, by the number of others; a network
    alone has the first sum only. Targets are detached. An auxiliary classifier
    is a copy of the stages that follow its place (weights of its own), pooling
    and a linear layer; the one after the last stage has a further stage of
    that kind (`Backbone.further_stage`), the stem has none. In evaluation only
    unrotated images are looked at. The networks ship; auxiliary classifiers
    never do.

    With `aggregate_weight` (ours, after SLA, arXiv 1910.05872) each network is
    taught by what all auxiliary classifiers of all networks say of an image:

        + aggregate_weight T^2 KL(mean over networks, l and r of the class
                                  columns of aux_l on turn r || z)

    Args:
        temperature: T.
        ramp_up_epochs: E of w(e), a weight of the divergences; 0 for 1.
        aggregate_weight: Of the last term; 0 for none, as released.

    Raises:
        UserError: If an argument is out of range.
    """

    rules = {"aggregate_weight": NOT_NEGATIVE}

    def __init__(
        self,
        temperature=3.0,
        ramp_up_epochs=0,
        aggregate_weight=0.0,
        **kwargs,
    ):
        super().__init__(temperature, ramp_up_epochs, **kwargs)
        self.aggregate_weight = aggregate_weight
        self.auxiliaries = []

    def meet(self, networks):
        super().meet(networks)
        check_plain(self, networks, fewest=1, most=1)
        counts = {
            name: len(network.backbone.stages())
            for name, network in networks.items()
        }
        if len(set(counts.values())) != 1:
            raise UserError(
                "HSSAKD pairs the stages of the networks: all need as many, "
                f"received {sorted(set(counts.values()))}."
            )
        self.auxiliaries = [
            auxiliary(network.backbone, place, ROTATIONS * self.num_classes)
            for name, network in networks.items()
            for place in range(1, counts[name])
        ]

    def begin(self, networks):
        for network in networks.values():
            check_square(network.image_shape, "HSSAKD")

    def call_networks(self, networks, views, training=None):
        outputs = {}
        places = len(self.auxiliaries) // len(networks)
        for i, (name, network) in enumerate(networks.items()):
            images = views[name]
            own = self.auxiliaries[i * places : (i + 1) * places]
            if training:
                images = rotated(images)
            maps = stage_outputs(network, images, training)
            output = network.outputs_of([pooled(network, maps[-1])])
            joint = [
                aux(feature_map, training=training)
                for aux, feature_map in zip(own, maps[1:])
            ]
            joint = ops.cast(ops.stack(joint, -1), output["logits"].dtype)
            further = {"turned": output["logits"], "auxiliary": joint}
            if training:
                output = {
                    key: ops.split(value, ROTATIONS, axis=0)[0]
                    for key, value in output.items()
                }
            outputs[name] = {**output, **further}
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
            terms |= {f"{name}/ce": ce, f"{name}/ce_auxiliary": ce_aux}
            total = total + ce + ce_aux
            kd, kd_aux = [], []
            for peer, other in outputs.items():
                if peer == name:
                    continue
                kd.append(
                    self.taught(other["turned"], output["turned"], joint_weight)
                )
                kd_aux.append(
                    places * self.taught(other["auxiliary"], aux, joint_weight)
                )
            if kd:
                kd, kd_aux = sum(kd) / len(kd), sum(kd_aux) / len(kd_aux)
                terms |= {f"{name}/kd": kd, f"{name}/kd_auxiliary": kd_aux}
                total = total + weight * (kd + kd_aux)
        if self.aggregate_weight:
            everyone = aggregate_of_turns(
                [output["auxiliary"] for output in outputs.values()],
                turns,
                self.num_classes,
            )
            for name, output in outputs.items():
                kd = self.taught(everyone, output["logits"], sample_weight)
                terms[f"{name}/kd_aggregate"] = kd
                total = total + weight * self.aggregate_weight * kd
        return {**terms, "loss": total}

    def get_config(self):
        return {
            **super().get_config(),
            "aggregate_weight": self.aggregate_weight,
        }


def aggregate_of_turns(auxiliaries, turns, num_classes):
    """Returns what auxiliary classifiers say of images, a mean, `(B, C)`.

    Args:
        auxiliaries: List of `(turns * B, 4 C, L)`, one a network.
        turns: Rotations of each image, 4 or only the first.
        num_classes: C.
    """
    said = []
    for aux in auxiliaries:
        together = mean(aux, axis=-1)
        by_turn = ops.reshape(together, (turns, -1, num_classes, ROTATIONS))
        said += [by_turn[r, :, :, r] for r in range(turns)]
    return sum(said) / len(said)


def check_square(image_shape, title):
    """Raises `UserError` unless `(H, W, channels)` can be turned by 90 degrees.

    Networks for images of any size are taken as they are.
    """
    height, width = image_shape[:2]
    if None not in (height, width) and height != width:
        raise UserError(
            f"{title} turns images by 90 degrees: they must be square, "
            f"received {height}x{width}."
        )


def rotated(images):
    """Returns the images turned by 0, 90, 180 and 270 degrees, `(4 B, ...)`."""
    return ops.concatenate(
        [turned(images, quarters) for quarters in range(ROTATIONS)], axis=0
    )


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


def auxiliary(backbone, place, columns):
    """Returns the classifier that follows a stage.

    Args:
        backbone: The `Backbone` of the network.
        place: Index of the stage.
        columns: Number of joint labels.
    """
    pool = keras.layers.GlobalAveragePooling2D(data_format="channels_last")
    rest = backbone.stages()[place + 1 :]
    if not rest:
        further = backbone.further_stage()
        rest = [] if further is None else [further]
    return keras.Sequential([*rest, pool, LinearHead(columns)])
