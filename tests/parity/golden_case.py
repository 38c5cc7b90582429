"""A golden file: the cohort it describes and the values it holds."""

import keras
import numpy as np
from golden_base import GoldenCase
from taught_case import ChannelDistillationCase
from taught_case import SSKDCase
from torch_names import linear
from torch_names import norm
from torch_names import stage_weights

from keras_css.methods import CSS
from keras_css.methods import HSSAKD
from keras_css.methods import ONE
from keras_css.methods import OKDDip


def golden_case(path):
    """Returns the case of a file; `config/method` says whose values it has."""
    with np.load(path, allow_pickle=False) as file:
        values = {key: file[key] for key in file.files}
    method = str(values.get("config/method", "css"))
    return CASES[method](values)


class CSSCase(GoldenCase):
    """Two networks of joint-label branches."""

    sides = {"t": "network_a", "s": "network_b"}
    terms = {
        f"{name}/{ours}": f"{theirs}_{side}"
        for side, name in sides.items()
        for ours, theirs in (
            ("ce", "ce"),
            ("kd", "kd"),
            ("utility_score", "alpha"),
            ("loss", "loss"),
        )
    }

    def method(self):
        temperature = float(self.values["config/temperature"])
        return CSS(temperature, variant="released")

    def branches(self):
        return int(self.values["config/branches"])

    def distiller_networks(self):
        return {}

    def named_outputs(self, outputs):
        return {
            f"logits_{side}": outputs[name]["logits"]
            for side, name in self.sides.items()
        }

    def inference(self, images):
        students = self.distiller.predict(images, verbose=0)
        return {
            **self.outputs(images),
            "agg": students["ensemble"],
            **{f"agg_{s}": students[name] for s, name in self.sides.items()},
        }


class OKDDipCase(GoldenCase):
    """One network whose last branch leads."""

    terms = {
        "peers/ce": "ce",
        "leader/ce": "ce_leader",
        "peers/kd": "kd",
        "leader/kd": "kd_leader",
    }

    def method(self):
        return OKDDip(
            temperature=float(self.values["config/temperature"]),
            ramp_up_epochs=int(self.values["config/ramp_up_epochs"]),
            target_epsilon=float(self.values["config/target_epsilon"]),
        )

    def branches(self):
        return self.values["step0/peers"].shape[2] + 1

    def named_weights(self, side):
        method = self.distiller.method
        return {
            **super().named_weights(side),
            "query_weight.weight": method.query.kernel,
            "key_weight.weight": method.key.kernel,
        }

    def named_outputs(self, outputs):
        peers, leader, targets = self.distiller.method.group(outputs)
        return {"peers": peers, "leader": leader, "targets": targets}


class ONECase(GoldenCase):
    """One network and the gate over its branches."""

    terms = {
        "network_a/ce": "ce",
        "network_a/ce_teacher": "ce_teacher",
        "network_a/kd": "kd",
    }

    def method(self):
        return ONE(
            temperature=float(self.values["config/temperature"]),
            ramp_up_epochs=int(self.values["config/ramp_up_epochs"]),
            target_epsilon=float(self.values["config/target_epsilon"]),
        )

    def branches(self):
        return self.values["step0/branches"].shape[2]

    def named_weights(self, side):
        dense, batch_norm, _ = self.distiller.method.gates[0].layers
        ours = {}
        for name, variable in super().named_weights(side).items():
            # Their branches count from 1, and the classifier is misspelt.
            stem, _, rest = name.partition(".")
            kind, _, branch = stem.partition("_")
            if branch:
                kind = kind.replace("classifier", "classfier")
                name = f"{kind}_{int(branch) + 1}.{rest}"
            ours[name] = variable
        return {
            **ours,
            **linear("control_v1", dense),
            **norm("bn_v1", batch_norm),
        }

    def named_outputs(self, outputs):
        output = outputs["network_a"]
        return {"branches": output["logits"], "teacher": output["teacher"]}


class HSSAKDCase(GoldenCase):
    """Two plain networks and their auxiliary classifiers.

    Rounding in float32 moves the outputs after its steps by up to 1.2e-3; in
    float64 they agree within 1e-5.
    """

    final_logits = 3e-3
    sides = {"a": "network_a", "b": "network_b"}
    turns = 4

    def __init__(self, values):
        # The file has a number for each place, we have their sum.
        sums = {
            f"{key}_sum": value.sum()
            for key, value in values.items()
            if "_aux_" in key and key.startswith("step") and value.ndim == 1
        }
        super().__init__({**values, **sums})

    @property
    def terms(self):
        return {
            f"{name}/{ours}": f"{theirs.format(side)}"
            for side, name in self.sides.items()
            for ours, theirs in (
                ("ce", "ce_{}"),
                ("ce_auxiliary", "ce_aux_{}_sum"),
                ("kd", "kd_{}"),
                ("kd_auxiliary", "kd_aux_{}_sum"),
            )
        }

    def method(self):
        return HSSAKD(temperature=float(self.values["config/temperature"]))

    def branches(self):
        return 1

    def named_weights(self, side):
        found = {}
        for name, variable in super().named_weights(side).items():
            name = name.replace("layer3_0", "layer3")
            name = name.replace("classifier3_0", "fc")
            found[f"backbone.{name}"] = variable
        auxiliaries = self.distiller.method.auxiliaries
        count = len(auxiliaries) // len(self.sides)
        first = count * list(self.sides).index(side)
        own = auxiliaries[first : first + count]
        for place, classifier in enumerate(own, 1):
            *stages, _, head = classifier.layers
            prefix = "auxiliary_classifier"
            for i, stage in enumerate(stages):
                name = f"{prefix}.block_extractor{place}.{i}"
                found.update(stage_weights(name, stage))
            found.update(linear(f"{prefix}.fc{place}", head))
        return found

    def outputs(self, images, training=False):
        """Of all four turns, which inference looks at one by one."""
        if training:
            return super().outputs(images, training)
        by_turn = [
            GoldenCase.outputs(self, np.rot90(images, r, (1, 2)).copy())
            for r in range(self.turns)
        ]
        return {
            name: np.concatenate([turn[name] for turn in by_turn], axis=-2)
            for name in by_turn[0]
        }

    def named_outputs(self, outputs):
        found = {}
        for side, name in self.sides.items():
            # Ours are turn by turn, theirs image by image.
            turned = outputs[name]["turned"][:, :, 0]
            auxiliary = keras.ops.transpose(
                outputs[name]["auxiliary"], (2, 0, 1)
            )
            images = self.images.shape[1]
            by_turn = keras.ops.reshape(turned, (-1, images, self.num_classes))
            found[f"logits_{side}"] = keras.ops.transpose(by_turn, (1, 0, 2))
            places, columns = auxiliary.shape[0], auxiliary.shape[2]
            by_turn = keras.ops.reshape(
                auxiliary, (places, -1, images, columns)
            )
            found[f"aux_{side}"] = keras.ops.transpose(by_turn, (0, 2, 1, 3))
        return found


class HSSAKDAlone(HSSAKDCase):
    """The first of the two networks, without a peer."""

    sides = {"a": "network_a"}


CASES = {
    "channel_distillation": ChannelDistillationCase,
    "css": CSSCase,
    "hssakd": HSSAKDCase,
    "okddip": OKDDipCase,
    "one": ONECase,
    "sskd": SSKDCase,
}
