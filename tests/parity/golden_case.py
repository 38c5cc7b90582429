"""A golden file: the cohort it describes and the values it holds."""

import keras
import numpy as np
from torch_names import from_torch
from torch_names import named_weights

import keras_css
from keras_css.backbones import CifarResNet
from keras_css.methods import CSS

NETWORKS = {"t": "network_a", "s": "network_b"}


class GoldenCase:
    """Builds the file's cohort with the file's initial weights."""

    def __init__(self, path):
        with np.load(path, allow_pickle=False) as file:
            self.values = {key: file[key] for key in file.files}
        images = self.values["x_nchw"].transpose(0, 1, 3, 4, 2)
        self.images = images.astype(keras.config.floatx())
        self.labels = self.values["y"].astype("int32")
        self.num_classes = int(self.values["config/classes"])
        self.distiller = keras_css.OnlineDistiller(
            [self._network(side) for side in NETWORKS],
            method=CSS(temperature=float(self.values["config/temperature"])),
        )
        self.distiller.compile(
            keras_css.SGD(
                0.1,
                momentum=float(self.values["config/momentum"]),
                weight_decay=float(self.values["config/weight_decay"]),
            )
        )
        self.distiller.build((None, *self.images.shape[2:]))
        self.weights = {
            side: named_weights(self.distiller.named_networks[name])
            for side, name in NETWORKS.items()
        }
        for side, weights in self.weights.items():
            expected = self.group(f"init/{side}/")
            expected = {
                name: value
                for name, value in expected.items()
                if not name.endswith("num_batches_tracked")
            }
            assert set(expected) == set(weights)
            for name, variable in weights.items():
                variable.assign(from_torch(expected[name]))

    def group(self, prefix):
        """Returns the values whose key has this prefix, prefix removed."""
        return {
            key[len(prefix) :]: value
            for key, value in self.values.items()
            if key.startswith(prefix)
        }

    def logits(self, images, training=False):
        """Returns dict from side to logits `(B, K, n)`; changes no weight."""
        kept = self.distiller.get_weights()
        outputs = self.distiller(images, training=training)
        self.distiller.set_weights(kept)
        return {
            side: keras.ops.convert_to_numpy(outputs[name]["logits"])
            for side, name in NETWORKS.items()
        }

    def _network(self, side):
        block = str(self.values[f"config/block_{side}"])
        width = int(self.values["config/width_per_group"])
        options = {"inner_width": width // 64} if block != "basic" else {}
        return keras_css.MultiBranchNetwork(
            CifarResNet(
                block, self.values[f"config/layers_{side}"].tolist(), **options
            ),
            num_classes=self.num_classes,
            num_branches=int(self.values["config/branches"]),
        )
