"""What is timed: our step on each backend, plain PyTorch, a matrix product.

Each contender is made in a process of its own and answers the same three
questions: the first losses, the seconds of some steps, its peak memory.
"""

import pathlib
import resource
import time
from dataclasses import dataclass

import numpy as np

from steps.cases import NetworkSpec

CHECKED_STEPS = 3


@dataclass(frozen=True)
class Contender:
    """One way to take the step.

    Attributes:
        kind: `"ours"`, `"plain"` or `"matmul"`.
        backend: Keras backend of ours; the others are PyTorch.
        channels_last: Layout of the plain step.
        compiled: Whether the plain step goes through `torch.compile`.
        precision: `"float32"` or `"bfloat16"`.
    """

    kind: str
    backend: str = "torch"
    channels_last: bool = False
    compiled: bool = False
    precision: str = "float32"


CONTENDERS = {
    "plain": Contender("plain"),
    "plain_channels_last": Contender("plain", channels_last=True),
    "plain_compiled": Contender("plain", channels_last=True, compiled=True),
    "plain_compiled_bf16": Contender(
        "plain", channels_last=True, compiled=True, precision="bfloat16"
    ),
    "jax": Contender("ours", "jax"),
    "torch": Contender("ours", "torch"),
    "tensorflow": Contender("ours", "tensorflow"),
    "jax_bf16": Contender("ours", "jax", precision="bfloat16"),
    "torch_bf16": Contender("ours", "torch", precision="bfloat16"),
    "matmul": Contender("matmul"),
    "matmul_bf16": Contender("matmul", precision="bfloat16"),
}
# What an ordinary run compares on a processor; the product is the yardstick
# of utilisation.
DEFAULT = (
    "plain",
    "plain_channels_last",
    "plain_compiled",
    "jax",
    "torch",
    "tensorflow",
    "matmul",
)


def images_of(case):
    """Returns `(uint8 images, labels)` of all batches, the same everywhere."""
    rng = np.random.default_rng(0)
    count = case.batches * case.batch_size
    shape = (count, case.image_size, case.image_size, 3)
    images = rng.integers(0, 256, shape, "uint8")
    return images, rng.integers(0, case.classes, count).astype("int32")


def normalise(images):
    return images.astype("float32") / 64 - 2


class Ours:
    """`OnlineDistiller.fit` on images that live on the device."""

    def __init__(self, contender, case, folder):
        import keras

        import keras_css
        from keras_css.data.batches import TrainingBatches
        from keras_css.data.dataset import Split
        from keras_css.methods import CSS
        from keras_css.training.steps_per_call import decide_steps_per_call

        self.backend = contender.backend
        if contender.precision == "bfloat16":
            keras.config.set_dtype_policy("mixed_bfloat16")
        keras.utils.set_random_seed(0)
        networks = [
            keras_css.MultiBranchNetwork(
                backbone_of(spec),
                case.classes,
                num_branches=case.branches,
                preprocessing=keras.layers.Rescaling(
                    1 / 64, -2, dtype="float32"
                ),
            )
            for spec in case.networks
        ]
        self.distiller = keras_css.OnlineDistiller(
            networks,
            method=CSS(variant="released")
            if len(networks) > 1
            else "independent",
        )
        self.images, self.labels = images_of(case)
        self.batches = TrainingBatches(
            Split(self.images, self.labels),
            case.batch_size,
            seed=0,
            resident=True,
        )
        self.distiller.compile(
            keras_css.SGD(case.rate, momentum=0.9, weight_decay=5e-4),
            steps_per_execution=decide_steps_per_call(
                None, self.distiller, self.batches
            ),
        )
        self.distiller.build((None, *self.images.shape[1:]))
        self.case = case
        start = folder / "start.weights.h5"
        if start.exists():
            self.distiller.load_weights(start)
        else:
            from steps.names import plain_weights

            self.distiller.save_weights(start)
            np.savez(folder / "start.npz", **plain_weights(self.distiller))

    def first_losses(self):
        size = self.case.batch_size
        losses = []
        for i in range(CHECKED_STEPS):
            batch = slice(i * size, (i + 1) * size)
            self.distiller.reset_metrics()
            logs = self.distiller.train_on_batch(
                self.images[batch], self.labels[batch], return_dict=True
            )
            losses.append(float(logs["loss"]))
        return losses

    def run(self, steps):
        epochs = max(1, steps // len(self.batches))
        begun = time.perf_counter()
        self.distiller.fit(
            self.batches, epochs=epochs, verbose=0, shuffle=False
        )
        return time.perf_counter() - begun, epochs * len(self.batches)

    def peak_bytes(self):
        return peak_bytes(self.backend)

    def held_bytes(self):
        return held_bytes(self.backend)


class Plain:
    """`plain_torch.PlainStep` in a loop."""

    def __init__(self, contender, case, folder):
        import torch

        from steps.plain_torch import PlainStep

        self.torch = torch
        self.device = torch.device(
            "cuda" if torch.cuda.is_available() else "cpu"
        )
        torch.backends.cudnn.benchmark = True
        with np.load(folder / "start.npz") as file:
            weights = {name: file[name] for name in file.files}
        self.step = PlainStep(
            case,
            weights,
            self.device,
            channels_last=contender.channels_last,
            compiled=contender.compiled,
            precision=contender.precision,
        )
        images, labels = images_of(case)
        pixels = normalise(images).transpose(0, 3, 1, 2)
        size = case.batch_size
        self.batches = [
            (
                torch.from_numpy(pixels[i : i + size].copy()).to(self.device),
                torch.from_numpy(labels[i : i + size]).long().to(self.device),
            )
            for i in range(0, len(images), size)
        ]
        self.case = case

    def first_losses(self):
        return [
            float(self.step.step(*batch))
            for batch in self.batches[:CHECKED_STEPS]
        ]

    def run(self, steps):
        begun = time.perf_counter()
        for i in range(steps):
            loss = self.step.step(*self.batches[i % len(self.batches)])
        float(loss)
        return time.perf_counter() - begun, steps

    def flops_per_image(self):
        """Counts multiplications and additions of a step by PyTorch."""
        from torch.utils.flop_counter import FlopCounterMode

        with FlopCounterMode(display=False) as counter:
            self.step.step(*self.batches[0])
        return counter.get_total_flops() / self.case.batch_size

    def peak_bytes(self):
        return peak_bytes("torch")


class MatrixProduct:
    """What the machine can do: square matrix products, and nothing else."""

    def __init__(self, contender, case, folder):
        import torch

        gpu = torch.cuda.is_available()
        side = 8192 if gpu else 1024
        device = torch.device("cuda" if gpu else "cpu")
        dtype = getattr(torch, contender.precision)
        # As convolutions are by default, whose utilisation is of this.
        torch.backends.cuda.matmul.allow_tf32 = True
        self.a = torch.rand(side, side, device=device).to(dtype)

    def flops(self):
        return 2 * len(self.a) ** 3

    def run(self, steps):
        begun = time.perf_counter()
        for _ in range(steps):
            product = self.a @ self.a
        float(product[0, 0])
        return time.perf_counter() - begun, steps


KINDS = {"ours": Ours, "plain": Plain, "matmul": MatrixProduct}


def backbone_of(spec: NetworkSpec):
    from keras_css.backbones import CifarResNet
    from keras_css.backbones import ImageNetResNet

    make = CifarResNet if spec.stem == "cifar" else ImageNetResNet
    return make(spec.block, spec.blocks)


def peak_bytes(backend):
    """Returns the most memory held so far: the GPU's, else the process'."""
    on_gpu = gpu_bytes(backend)
    if on_gpu:
        return on_gpu[1]
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def held_bytes(backend):
    """Returns the memory held now: the GPU's, else the process'."""
    on_gpu = gpu_bytes(backend)
    if on_gpu:
        return on_gpu[0]
    pages = pathlib.Path("/proc/self/statm").read_text("ascii").split()[1]
    return int(pages) * resource.getpagesize()


def gpu_bytes(backend):
    """Returns `(held, most held)` on the GPU; None on a processor."""
    if backend == "jax":
        import jax

        known = jax.devices()[0].memory_stats() or {}
        if "peak_bytes_in_use" in known:
            return known["bytes_in_use"], known["peak_bytes_in_use"]
    elif backend == "torch":
        import torch

        if torch.cuda.is_available():
            cuda = torch.cuda
            return cuda.memory_allocated(), cuda.max_memory_allocated()
    return None
