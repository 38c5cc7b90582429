"""Golden files of methods that look inside a trained teacher."""

import keras
import numpy as np
from golden_base import GoldenCase
from torch_names import linear
from torch_names import named_weights
from torch_names import norm

from keras_css import OnlineDistiller
from keras_css.data.augmentation import Augmentation
from keras_css.methods import SSKD
from keras_css.methods import ChannelDistillation
from keras_css.methods.from_teachers import TEACHERS
from keras_css.methods.sskd import best_ranked
from keras_css.methods.sskd import likenesses
from keras_css.methods.sskd import rank_of
from keras_css.methods.sskd import right_columns
from keras_css.methods.sskd import tiled
from keras_css.methods.sskd import without_first
from keras_css.teachers import teacher_of

VIEWS = 4


class TaughtCase(GoldenCase):
    """One plain network and a teacher.

    Attributes:
        prefix: Of the names of a network's weights in the file.
    """

    prefix = ""
    sides = {"s": "network_a"}

    def branches(self):
        return 1

    def options(self):
        network = self.network("t")
        cohort = OnlineDistiller([network], "independent")
        cohort.build((None, *self.images.shape[2:]))
        self.assign(self.network_weights(network), "t")
        return {"teachers": [teacher_of(cohort, "network_a/branch_0")]}

    def network_weights(self, network):
        found = {}
        for name, variable in named_weights(network).items():
            name = name.replace("layer3_0", "layer3")
            name = name.replace("classifier3_0", "fc")
            found[self.prefix + name] = variable
        return found

    def named_weights(self, side):
        return self.network_weights(self.distiller.networks[0])

    def said(self, outputs):
        """Returns what the teacher said, logits and layers."""
        return next(iter(outputs[TEACHERS].values()))


class ChannelDistillationCase(TaughtCase):
    """The connectors `c` are a side of their own in the file."""

    terms = {
        "network_a/ce": "ce",
        "network_a/gkd": "gkd",
        "network_a/channels": "cd",
    }
    batch_statistics = False

    def method(self):
        return ChannelDistillation(
            alone_epochs=60,
            decay_at="60,160",
            batch_statistics=self.batch_statistics,
        )

    def all_weights(self):
        found = {}
        for i, connector in enumerate(self.distiller.method.connectors):
            convolution, batch_norm, _ = connector.layers
            found[f"{i}.0.weight"] = convolution.kernel
            found.update(norm(f"{i}.1", batch_norm))
        return {**super().all_weights(), "c": found}

    def begin_step(self, step):
        super().begin_step(step)
        # The file counts from 1.
        epoch = float(self.values[f"step{step}/epoch"]) - 1
        self.distiller.epoch.assign(epoch)

    def named_outputs(self, outputs):
        own = outputs["network_a"]
        found = {"logits_s": own["logits"][:, :, 0]}
        for i in range(3):
            found[f"pooled_s{i}"] = own[f"stage_{i + 1}"]
        if TEACHERS in outputs:
            found["logits_t"], maps = self.said(outputs)
            found |= {f"pooled_t{i}": x for i, x in enumerate(maps)}
        return found

    def inference(self, images):
        said = self.distiller.said_by_teachers(images, {"network_a": images})
        outputs = self.distiller(images, training=False)
        found = self.named_outputs({**outputs, **said})
        return {n: keras.ops.convert_to_numpy(x) for n, x in found.items()}


class ReleasedChannelDistillation(ChannelDistillationCase):
    """Its teacher normalises by batches."""

    batch_statistics = True


@keras.saving.register_keras_serializable(package="tests")
class Given(Augmentation):
    """Gives the images that came in the place of random numbers.

    Args:
        shape: `(H, W, channels)`.
    """

    def __init__(self, shape, **kwargs):
        super().__init__([], **kwargs)
        self.shape = tuple(shape)

    @property
    def num_draws(self):
        return int(np.prod(self.shape))

    def call(self, images, draws, training=None):
        return keras.ops.reshape(draws, (-1, *self.shape))


class SSKDCase(TaughtCase):
    """Views come as the file has them; ours are turned by the method."""

    prefix = "backbone."
    terms = {
        "network_a/ce": "ce",
        "network_a/kd": "kd",
        "network_a/kd_turned": "tf",
        "network_a/ss": "ss",
    }
    turned_ratio = "config/ratio_tf"

    def __init__(self, values):
        super().__init__(values)
        views = values["x_nchw"].transpose(0, 1, 2, 4, 5, 3)
        self.views = views.astype(keras.config.floatx())
        back = [np.rot90(views[:, :, j], -j, (2, 3)) for j in range(VIEWS)]
        draws = np.stack(back, axis=2).reshape(*views.shape[:2], -1)
        self.images = [
            {"images": x[:, 0], "draws": given.astype("float32")}
            for x, given in zip(self.views, draws)
        ]

    def read_images(self):
        return self.values["x_nchw"][:, :, 0]

    def method(self):
        ratio = float(self.values[self.turned_ratio])
        return SSKD(turned_ratio=ratio, module_epochs=60)

    def options(self):
        return {
            **super().options(),
            "augmentation": Given(self.images.shape[2:]),
        }

    def all_weights(self):
        method = self.distiller.method
        found = super().all_weights()
        found["s"] |= module_weights(method.own_modules[0])
        # What learns and what teaches begin alike.
        for module in (method.teacher_module, method.teaching_module):
            self.assign(module_weights(module), "t")
        return found

    def begin_step(self, step):
        super().begin_step(step)
        self.distiller.epoch.assign(self.distiller.method.module_epochs)

    def by_image(self, rows):
        """Returns rows `(n B, ...)`, view by view, as `(B, n, ...)`."""
        images = self.views.shape[1]
        rows = keras.ops.reshape(rows, (-1, images, *rows.shape[1:]))
        return keras.ops.moveaxis(rows, 0, 1)

    def about(self, side, logits, features, projected):
        """Returns what the file says of a side, by its names."""
        cosines = likenesses(projected)
        found = {
            "logits": logits,
            "features": features,
            "projection": projected,
            "similarity": cosines,
        }
        return {f"{n}_{side}": self.by_image(x) for n, x in found.items()}

    def named_outputs(self, outputs):
        method, own = self.distiller.method, outputs["network_a"]
        logits, (features,) = self.said(outputs)
        projected = method.teaching_module(features)
        cosines = likenesses(projected)
        labels = keras.ops.convert_to_tensor(self.seen_labels)
        ranks = {
            "tf": rank_of(without_first(logits), tiled(labels)),
            "ss": rank_of(cosines, right_columns(cosines)),
        }
        ratios = {"tf": method.turned_ratio, "ss": method.ss_ratio}
        found = {
            **self.about("t", logits, features, projected),
            **self.about(
                *("s", own["views"][:, :, 0], features, own["projected"])
            ),
        }
        # The file has features of inference only.
        found = {n: x for n, x in found.items() if "features" not in n}
        for name, rank in ranks.items():
            kept = best_ranked(rank, ratios[name])
            found[f"rank_{name}"] = self.by_image(rank)
            found[f"keep_{name}"] = self.by_image(kept)
        return found

    def outputs(self, images, training=False):
        if not training:
            found = self.inference(images)
            return {n: x for n, x in found.items() if n.endswith("_s")}
        step = next(i for i, x in enumerate(self.images) if x is images)
        self.seen_labels = self.labels[step]
        return super().outputs(images, training)

    def inference(self, images):
        """Of all four views, which inference looks at one by one."""
        step = next(i for i, x in enumerate(self.images) if x is images)
        method, network = self.distiller.method, self.distiller.networks[0]
        (teacher,) = self.distiller.teachers
        own, said = [], []
        for j in range(VIEWS):
            view = self.views[step][:, j]
            output = network(view, training=False)
            own.append((output["logits"][..., 0], output["features"][..., 0]))
            logits, (features,) = teacher.look(view)
            said.append((logits, features))
        found = {}
        for side, rows, module in (
            ("s", own, method.own_modules[0]),
            ("t", said, method.teaching_module),
        ):
            logits, features = (
                keras.ops.concatenate(x) for x in zip(*rows, strict=True)
            )
            found |= self.about(side, logits, features, module(features))
        return {n: keras.ops.convert_to_numpy(x) for n, x in found.items()}


class HalfSSKD(SSKDCase):
    """Only half of the wrongly classified turned views teach."""

    turned_ratio = "config/alt_ratio_tf"


def module_weights(module):
    """Returns the weights of a self-supervised module by their names."""
    first, _, last = module.layers
    return {**linear("proj_head.0", first), **linear("proj_head.2", last)}
