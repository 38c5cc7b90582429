"""How fast images reach the step, without a model: resident and streamed.

  KERAS_BACKEND=jax python benchmarks/feeding.py --npz cifar100.npz \
      --folder stanford_dogs64 [--keep]

Resident: epochs of gathering on the device, random crop and flip, compiled.
Streamed: epochs of reading a folder of pictures, in turns with a bare loop of
as many processes that decode and resize with Pillow and keep nothing. Medians
of epochs after one that warms up; --keep keeps them in benchmarks/results/.

The short form is tests/data/test_batches.py: both feed the same images.
"""

import argparse
import multiprocessing
import pathlib
import statistics
import time

import keras
import numpy as np
from PIL import Image
from steps.record import keep

from keras_css.data import load_dataset
from keras_css.data.augmentation import Augmentation
from keras_css.data.augmentation import HorizontalFlip
from keras_css.data.augmentation import PadAndCrop
from keras_css.data.batches import TrainingBatches
from keras_css.data.dataset import Split
from keras_css.data.layouts import read_layout
from keras_css.data.pictures import Pictures
from keras_css.data.pictures import worker_count
from keras_css.training.views import TrainingViews

BATCH = 128
SIZE = 64
TURNS = 5


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--npz", type=pathlib.Path)
    parser.add_argument("--folder", type=pathlib.Path)
    parser.add_argument("--keep", action="store_true")
    flags = parser.parse_args()
    backend = keras.backend.backend()
    found = {"backend": backend}
    if flags.npz:
        found["resident"] = resident_rates(flags.npz)
    if flags.folder:
        ours, bare = stream_rates(flags.folder)
        ratios = [a / b for a, b in zip(ours, bare)]
        found |= {"stream": ours, "bare": bare, "ratios": ratios}
    for name, rates in found.items():
        if name != "backend":
            print(f"{name}: median {statistics.median(rates):,.2f}")
    if flags.keep:
        folder = pathlib.Path(__file__).parent / "results"
        print(keep(found, folder, f"feeding_{backend}"))


def resident_rates(path):
    """Returns images a second of epochs of gathering and augmenting."""
    data = load_dataset("npz", str(path), feeding="resident")
    augmentation = Augmentation([PadAndCrop(4), HorizontalFlip()])
    views = TrainingViews(["network"], augmentation, False, None)
    batches = TrainingBatches(data.train, BATCH, 0, views.num_draws, True)
    views.resident = batches.resident

    def step(x):
        # Every pixel has to be there for its sum.
        images = views.take(x, ["network"], training=True)["network"]
        return keras.ops.sum(images)

    step = compiled(step)
    rates = []
    for epoch in range(TURNS + 1):
        batches.shuffle(epoch)
        began = time.perf_counter()
        for i in range(len(batches)):
            last = step(batches[i][0] | batches.resident.fields())
        float(last)
        rates.append(len(batches) * BATCH / (time.perf_counter() - began))
    return rates[1:]


def compiled(function):
    """Compiles as the backend's training step is compiled."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # Tensors, as the pipeline of Keras makes them; not a trace a batch.
        inner = tf.function(function, jit_compile=True)
        return lambda x: inner({k: tf.constant(v) for k, v in x.items()})
    return function


def stream_rates(folder):
    """Returns images a second of ours and of the bare loop, in turns."""
    train = read_layout(folder).parts.values()
    paths = [path for split in train for path in split.images.sources]
    labels = np.concatenate([split.labels for split in train])
    split = Split(Pictures(paths, (SIZE, SIZE, 3)), labels)
    ours, bare = [], []
    for turn in range(TURNS + 1):
        # A new one each turn: nothing is read ahead of the clock.
        batches = TrainingBatches(split, BATCH, turn)
        began = time.perf_counter()
        for i in range(len(batches)):
            batches[i]
        # What was begun for the next epoch is read, too, and counted.
        count = len(batches) * BATCH
        for rows, future in batches._ahead._running.values():
            future.result()
            count += len(rows)
        ours.append(count / (time.perf_counter() - began))
        bare.append(bare_rate(paths, worker_count()))
    return ours[1:], bare[1:]


def bare_rate(paths, processes):
    """Returns images a second of Pillow alone, in processes of their own."""
    parts = [paths[i::processes] for i in range(processes)]
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        pool.map(decode, [part[:50] for part in parts])
        began = time.perf_counter()
        pool.map(decode, parts, chunksize=1)
        return len(paths) / (time.perf_counter() - began)


def decode(paths):
    for path in paths:
        with Image.open(path) as image:
            image = image.convert("RGB")
            np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BILINEAR))


if __name__ == "__main__":
    main()
