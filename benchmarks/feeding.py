"""How fast images reach the step: resident and streamed, without a model.

Resident: an epoch of indices, gathering on the device, random crop and flip,
compiled, of all images of an `.npz` (CIFAR-100), called directly, without
Keras' own loop. Streamed: an epoch of reading
a folder of pictures, paired in time with a bare loop of as many processes that
decode and resize with Pillow and keep nothing; each is done once to warm the
disk cache, then in turns.

  KERAS_BACKEND=jax python benchmarks/feeding.py --npz cifar100.npz \
      --folder stanford_dogs64 --out benchmarks/results/feeding_MACHINE.json

The short form is tests/data/test_batches.py: both feed the same images.
"""

import argparse
import json
import multiprocessing
import pathlib
import platform
import statistics
import threading
import time

import numpy as np
import psutil
from PIL import Image

BATCH = 128
SIZE = 64
TURNS = 5


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--npz", type=pathlib.Path)
    parser.add_argument("--folder", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path)
    flags = parser.parse_args()

    import keras

    results = {
        "backend": keras.backend.backend(),
        "keras": keras.__version__,
        "machine": f"{platform.machine()}, {psutil.cpu_count()} cores",
        "date": time.strftime("%Y-%m-%d"),
    }
    if flags.npz:
        results["resident"] = measure_resident(flags.npz)
        print(json.dumps(results["resident"], indent=1), flush=True)
    if flags.folder:
        results["stream"] = measure_stream(flags.folder)
        print(json.dumps(results["stream"], indent=1), flush=True)
    if flags.out:
        kept = json.loads(flags.out.read_text()) if flags.out.exists() else {}
        earlier = kept.get(results["backend"], {})
        kept[results["backend"]] = {**earlier, **results}
        flags.out.write_text(json.dumps(kept, indent=1) + "\n")


def measure_resident(path):
    """Images a second of epochs of gathering and augmenting."""
    from keras import ops

    from keras_css.data import load_dataset
    from keras_css.data.augmentation import Augmentation
    from keras_css.data.augmentation import HorizontalFlip
    from keras_css.data.augmentation import PadAndCrop
    from keras_css.data.batches import TrainingBatches
    from keras_css.training.views import TrainingViews

    data = load_dataset("npz", str(path), feeding="resident")
    augmentation = Augmentation([PadAndCrop(4), HorizontalFlip()])
    views = TrainingViews(["network"], augmentation, False, None)
    batches = TrainingBatches(data.train, BATCH, 0, views.num_draws, True)
    views.resident = batches.resident

    def step(x):
        # Every pixel has to be there for its sum.
        return ops.sum(views.take(x, ["network"], training=True)["network"])

    step = compiled(step)
    rates = []
    for epoch in range(TURNS + 1):
        batches.shuffle(epoch)
        began = time.perf_counter()
        for i in range(len(batches)):
            last = step(batches[i][0] | batches.resident.fields())
        float(last)
        seconds = time.perf_counter() - began
        rates.append(len(batches) * BATCH / seconds)
    return {
        "images": len(data.train),
        "images_per_second": round(statistics.median(rates[1:])),
        "first_epoch": round(rates[0]),
        "runs": [round(rate) for rate in rates[1:]],
    }


def compiled(function):
    """Compiles as the backend's training step is compiled."""
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # Tensors, as the pipeline of Keras makes them; not a trace a batch.
        inner = tf.function(function, jit_compile=True)
        return lambda x: inner({k: tf.constant(v) for k, v in x.items()})
    return function


def measure_stream(folder):
    """Images a second of ours and of the bare loop, in turns."""
    from keras_css.data.batches import TrainingBatches
    from keras_css.data.dataset import Split
    from keras_css.data.layouts import read_layout
    from keras_css.data.pictures import worker_count

    train = read_layout(folder).parts.values()
    paths = [path for split in train for path in split.images.sources]
    labels = np.concatenate([split.labels for split in train])
    from keras_css.data.pictures import Pictures

    split = Split(Pictures(paths, (SIZE, SIZE, 3)), labels)
    ours, bare, peaks = [], [], []
    for turn in range(TURNS + 1):
        # A new one each turn: nothing is read ahead of the clock.
        batches = TrainingBatches(split, BATCH, turn)
        with PeakMemory() as memory:
            began = time.perf_counter()
            for i in range(len(batches)):
                batches[i]
            # What was begun for the next epoch is read, too, and counted.
            begun = list(batches._ahead._running.values())
            count = len(batches) * BATCH
            for rows, future in begun:
                future.result()
                count += len(rows)
            seconds = time.perf_counter() - began
        ours.append(count / seconds)
        peaks.append(memory.peak)
        bare.append(bare_rate(paths, worker_count()))
    ratios = [a / b for a, b in zip(ours[1:], bare[1:])]
    return {
        "pictures": len(paths),
        "processes": worker_count(),
        "images_per_second": round(statistics.median(ours[1:])),
        "bare_images_per_second": round(statistics.median(bare[1:])),
        "ratio": round(statistics.median(ratios), 3),
        "ratios": [round(ratio, 3) for ratio in ratios],
        "peak_megabytes": round(max(peaks) / 1e6),
    }


def bare_rate(paths, processes):
    """Images a second of Pillow alone, in processes that keep nothing."""
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


class PeakMemory:
    """Most resident memory of this process and its children meanwhile."""

    def __enter__(self):
        self.peak, self._over = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._over.set()
        self._thread.join()

    def _watch(self):
        me = psutil.Process()
        while not self._over.wait(0.2):
            total = me.memory_info().rss
            for child in me.children(recursive=True):
                try:
                    total += child.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            self.peak = max(self.peak, total)


if __name__ == "__main__":
    main()
