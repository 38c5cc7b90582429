"""What all golden files have: a cohort with given weights, and its steps."""

import keras
from torch_names import from_torch
from torch_names import named_weights

import keras_css
from keras_css.backbones import CifarResNet


class GoldenCase:
    """Builds the file's cohort with the file's initial weights.

    Attributes:
        sides: Dict from a side in the file to the network's name.
        final_logits: Tolerance of outputs after the steps.
        terms: Dict from a loss term of ours to the file's.
    """

    sides = {"a": "network_a"}
    terms = {}
    # Of outputs after the steps, in float32.
    final_logits = 1e-4

    def __init__(self, values):
        self.values = values
        images = self.read_images().transpose(0, 1, 3, 4, 2)
        self.images = images.astype(keras.config.floatx())
        self.labels = self.values["y"].astype("int32")
        self.num_classes = int(self.values["config/classes"])
        self.distiller = keras_css.OnlineDistiller(
            [self.network(side) for side in self.sides],
            self.method(),
            **self.options(),
        )
        self.distiller.compile(
            keras_css.SGD(
                0.1,
                momentum=float(self.values["config/momentum"]),
                weight_decay=float(self.values["config/weight_decay"]),
                nesterov=bool(self.values.get("config/nesterov", False)),
            )
        )
        self.distiller.build((None, *self.images.shape[2:]))
        self.distiller.epoch.assign(float(self.values.get("config/epoch", 0)))
        self.weights = self.all_weights()
        for side, weights in self.weights.items():
            assert not self.assign(weights, side)

    def read_images(self):
        """Returns the images `(steps, B, channels, H, W)`."""
        return self.values["x_nchw"]

    def options(self):
        """Returns further arguments of the distiller."""
        return {}

    def all_weights(self):
        """Returns dict from a side to its variables by PyTorch's names."""
        return {side: self.named_weights(side) for side in self.sides}

    def assign(self, weights, side):
        """Gives variables the file's initial values.

        Args:
            weights: Dict from a PyTorch name to a variable.
            side: Of the file.

        Returns:
            Set of the names that the file has besides.
        """
        expected = {
            name: value
            for name, value in self.group(f"init/{side}/").items()
            if not name.endswith("num_batches_tracked")
        }
        for name, variable in weights.items():
            variable.assign(from_torch(expected.pop(name)))
        return set(expected)

    def begin_step(self, step):
        """Gets ready for a step of the file."""
        rate = float(self.values[f"step{step}/lr"])
        self.distiller.optimizer.learning_rate = rate

    def method(self):
        raise NotImplementedError

    def branches(self):
        """Returns the number of branches of each network."""
        raise NotImplementedError

    def network(self, side):
        suffix = f"_{side}" if f"config/block_{side}" in self.values else ""
        block = str(self.values[f"config/block{suffix}"])
        width = int(self.values.get("config/width_per_group", 64))
        options = {"inner_width": width // 64} if block != "basic" else {}
        layers = self.values[f"config/layers{suffix}"].tolist()
        return keras_css.MultiBranchNetwork(
            CifarResNet(block, layers, **options),
            num_classes=self.num_classes,
            num_branches=self.branches(),
            **self.distiller_networks(),
        )

    def distiller_networks(self):
        """Returns further arguments of the networks."""
        return {"transformation": "none", "joint_labels": False}

    def named_weights(self, side):
        """Returns dict from a PyTorch name to our variable."""
        return named_weights(self.distiller.named_networks[self.sides[side]])

    def group(self, prefix):
        """Returns the values whose key has this prefix, prefix removed."""
        return {
            key[len(prefix) :]: value
            for key, value in self.values.items()
            if key.startswith(prefix)
        }

    def outputs(self, images, training=False):
        """Returns what the file calls the outputs; changes no weight."""
        kept = self.distiller.get_weights()
        outputs = self.distiller(images, training=training)
        named = self.named_outputs(outputs)
        self.distiller.set_weights(kept)
        return {
            name: keras.ops.convert_to_numpy(value)
            for name, value in named.items()
        }

    def named_outputs(self, outputs):
        """Returns dict from a key of the file to the tensor of ours."""
        raise NotImplementedError

    def inference(self, images):
        """Returns what the file has under `eval/`, diversity left out."""
        return self.outputs(images)
