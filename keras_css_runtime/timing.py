"""Latency of things that answer the same question, paired in time."""

import time

import numpy as np

WARM_UP = 5
FEWEST, MOST = 20, 2000


class SessionRunner:
    """Runs a session on one batch, as often as it is called.

    On a GPU the batch lies on the device beforehand and the output stays
    there (IO binding): what is timed is the network.

    Args:
        session: An `onnxruntime.InferenceSession`.
        images: The batch, in the form its input takes.
        provider: A name of `PROVIDERS`.
    """

    def __init__(self, session, images, provider="cpu"):
        self.session, self.images = session, images
        self.binding = None
        if provider != "cpu":
            import onnxruntime as ort

            self.binding = session.io_binding()
            self.binding.bind_ortvalue_input(
                "image", ort.OrtValue.ortvalue_from_numpy(images, "cuda", 0)
            )
            self.binding.bind_output(session.get_outputs()[0].name, "cuda")

    def __call__(self):
        if self.binding is None:
            return self.session.run(None, {"image": self.images})[0]
        self.binding.synchronize_inputs()
        self.session.run_with_iobinding(self.binding)
        self.binding.synchronize_outputs()
        return None


def random_batch(session, batch_size):
    """Returns random images in the form a session's input takes."""
    given = session.get_inputs()[0]
    shape = (batch_size, *given.shape[1:])
    rng = np.random.default_rng(0)
    if given.type == "tensor(uint8)":
        return rng.integers(0, 256, shape, dtype="uint8")
    return rng.normal(size=shape).astype("float32")


def paired_latencies(runners, seconds):
    """Times several functions in turns, so that all meet the same machine.

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
    names = list(runners)
    rounds = {name: [] for name in names}
    end = time.perf_counter() + seconds
    while len(rounds[names[0]]) < MOST and (
        len(rounds[names[0]]) < FEWEST or time.perf_counter() < end
    ):
        # Another one goes first each time: the first one finds cold caches.
        names = [*names[1:], names[0]]
        for name in names:
            began = time.perf_counter()
            runners[name]()
            rounds[name].append(time.perf_counter() - began)
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
