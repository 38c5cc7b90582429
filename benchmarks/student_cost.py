"""What a shipped branch costs beside the plain backbone, in onnxruntime.

    python benchmarks/student_cost.py [--seconds 5] [--keep]

For each backbone and image size: a branch cut out of a CSS network, the main
branch cut out of one that has it, and the same backbone with a plain head,
all with fresh weights, exported the same way, measured in turns on the CPU.
The branch has one operation more, the multiplication by the mask of the
erased corner; the main branch has none. Prints a table; `--keep` keeps it in
benchmarks/results/.
"""

import argparse
import os
import pathlib
import tempfile

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
from steps.record import keep

from keras_css.deploy.candidate import Candidate
from keras_css.deploy.candidate import ExportOptions
from keras_css.deploy.timing import FileRunner
from keras_css.deploy.timing import paired_latencies
from keras_css.networks import MultiBranchNetwork
from keras_css.students import cut_student
from keras_css_runtime.environment import cores
from keras_css_runtime.onnx_file import OnnxFile

CASES = (
    ("resnet8", (8, 8, 1)),
    ("resnet14", (8, 8, 1)),
    ("resnet8", (32, 32, 3)),
    ("resnet20", (32, 32, 3)),
    ("resnet56_bottleneck", (32, 32, 3)),
    ("wrn20_8", (32, 32, 3)),
    ("resnet20", (96, 96, 3)),
)
# Settings of the network, and which of its branches is cut out.
KINDS = {
    "branch": ({"num_branches": 3}, 0),
    "main": ({"num_branches": 3, "main_branch": True}, 3),
    "plain": (
        {"num_branches": 1, "transformation": "none", "joint_labels": False},
        0,
    ),
}
CLASSES = 100
HERE = pathlib.Path(__file__).parent


def export(backbone, shape, kind, folder):
    """Returns the path of a file with fresh weights, and how many."""
    settings, branch = KINDS[kind]
    network = MultiBranchNetwork(
        backbone,
        CLASSES,
        preprocessing=keras.layers.Rescaling(1 / 64, -2.0, dtype="float32"),
        **settings,
    )
    network.build((None, *shape))
    student = cut_student({"network_a": network}, {("network_a", branch): 1.0})
    images = np.zeros((2, *shape), "uint8")
    proto, _ = Candidate(student, ExportOptions(), folder).convert(images)
    path = folder / f"{backbone}_{shape[0]}_{kind}.onnx"
    path.write_bytes(proto.SerializeToString())
    return path, sum(int(np.prod(i.dims)) for i in proto.graph.initializer)


def measure(paths, threads, batch_size, seconds):
    """Returns medians in milliseconds and median ratios to the plain one."""
    files = {k: OnnxFile(path, threads=threads) for k, path in paths.items()}
    runners = {
        kind: FileRunner(file, file.random_batch(batch_size))
        for kind, file in files.items()
    }
    found = paired_latencies(runners, seconds)
    return {
        "threads": threads,
        "batch_size": batch_size,
        **{
            f"{kind}_ms": float(np.median(seconds) * 1000)
            for kind, seconds in found.items()
        },
        **{
            f"{kind}_ratio": float(np.median(found[kind] / found["plain"]))
            for kind in ("branch", "main")
        },
        "rounds": len(found["plain"]),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    rows = []
    print(
        f"{'backbone':<20}{'image':>10}{'parameters':>12}{'threads':>8}"
        f"{'batch':>6}{'plain ms':>10}{'branch':>8}{'main':>8}"
    )
    with tempfile.TemporaryDirectory() as folder:
        for backbone, shape in CASES:
            paths, parameters = {}, {}
            for kind in KINDS:
                paths[kind], parameters[kind] = export(
                    backbone, shape, kind, pathlib.Path(folder)
                )
            assert len(set(parameters.values())) == 1
            for threads in sorted({1, cores()}):
                for batch_size in (1, 32):
                    row = measure(paths, threads, batch_size, options.seconds)
                    size = "x".join(map(str, shape))
                    print(
                        f"{backbone:<20}{size:>10}{parameters['plain']:>12,}"
                        f"{threads:>8}{batch_size:>6}{row['plain_ms']:>10.3f}"
                        f"{row['branch_ratio']:>8.3f}{row['main_ratio']:>8.3f}",
                        flush=True,
                    )
                    rows.append(
                        {
                            "backbone": backbone,
                            "image": size,
                            "parameters": parameters["plain"],
                            **row,
                        }
                    )
    if options.keep:
        print(keep({"rows": rows}, HERE / "results", "student_cost"))


if __name__ == "__main__":
    main()
