"""Latency of things that answer the same question, paired in time."""

import time

import numpy as np

WARM_UP = 5
# Fewer rounds have no 99th percentile to speak of.
ENOUGH, FEWEST = 100, 20


class FileRunner:
    """Runs a file on one batch, as often as it is called.

    On a GPU the batch lies on the device beforehand and the output stays
    there (IO binding): what is timed is the network.

    Args:
        file: An `OnnxFile`.
        images: The batch, in the form its input takes.
    """

    def __init__(self, file, images):
        self.session, self.images = file.session, images
        self.binding = None
        if file.provider != "cpu":
            import onnxruntime as ort

            self.binding = self.session.io_binding()
            self.binding.bind_ortvalue_input(
                "image", ort.OrtValue.ortvalue_from_numpy(images, "cuda", 0)
            )
            self.binding.bind_output(self.session.get_outputs()[0].name, "cuda")

    def __call__(self):
        if self.binding is None:
            return self.session.run(None, {"image": self.images})[0]
        self.binding.synchronize_inputs()
        self.session.run_with_iobinding(self.binding)
        self.binding.synchronize_outputs()
        return None


def paired_latencies(runners, seconds):
    """Times several functions in turns, so that all meet the same machine.

    Each round runs all of them once, in a random order of its own. It goes on
    for about `seconds`, longer (at most five times) for fewer than 100 rounds.

    Args:
        runners: Dict from name to a function without arguments.
        seconds: About how long to measure, all together.

    Returns:
        Dict from name to an array of seconds; entry i of all of them was
        measured in round i.
    """
    for run in runners.values():
        for _ in range(WARM_UP):
            run()
    rng = np.random.default_rng(0)
    rounds = {name: [] for name in runners}
    names = list(runners)
    began = time.perf_counter()
    count = 0
    while count < FEWEST or time.perf_counter() - began < (
        seconds if count >= ENOUGH else 5 * seconds
    ):
        for i in rng.permutation(len(names)):
            start = time.perf_counter()
            runners[names[i]]()
            rounds[names[i]].append(time.perf_counter() - start)
        count += 1
    return {name: np.array(found) for name, found in rounds.items()}


def summarise(latencies, batch_size):
    """Returns p50, p90, p99 in milliseconds and images/s of the median."""
    p50, p90, p99 = np.percentile(latencies, (50, 90, 99)) * 1000
    return {
        "p50_ms": float(p50),
        "p90_ms": float(p90),
        "p99_ms": float(p99),
        "images_per_second": float(1000 * batch_size / p50),
        "rounds": len(latencies),
    }
