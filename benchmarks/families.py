"""Every family of backbones through the whole chain, on every backend.

    python benchmarks/families.py [--backends tensorflow,jax,torch]
        [--families vgg13:32,applications:MobileNetV2:64] [--out FILE.json]

For each backbone and backend: one step of CSS on a small batch; the cohort
saved and loaded on the next backend, where its outputs must be the same; a
branch student exported, and the file proven against Keras. For models of
keras.applications the student's parameters are compared with the original's,
built for as many classes. Prints a row for each; ends with 1 if one failed.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

BACKENDS = ("tensorflow", "jax", "torch")
# With the pixels of the images: small, but more than the strides take.
FAMILIES = (
    "resnet14:32",
    "wrn20_8:32",
    "vgg13:32",
    "vgg16:32",
    "wrn16_2:32",
    "wrn40_1:32",
    "densenet40_12:32",
    "cifar_mobilenetv2:32",
    "cifar_shufflenetv2:32",
    "resnet18:64",
    "resnet50:64",
    "applications:ResNet50:64",
    "applications:MobileNetV2:64",
    "applications:MobileNetV3Small:64",
    "applications:EfficientNetV2B0:64",
    "applications:ConvNeXtTiny:64",
    "applications:DenseNet121:64",
)
CLASSES = 5
BRANCHES = 2
BATCH = 4
# Of the outputs, relative to their largest: three orders of summation.
TOLERANCE = 1e-4
APPLICATIONS = "applications:"


def images_and_labels(size):
    """Returns a batch of random pixels and labels, the same every time."""
    import numpy as np

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (BATCH, size, size, 3)).astype("uint8")
    return images, rng.integers(0, CLASSES, BATCH).astype("int32")


def outputs(distiller, images):
    """Returns dict from network to logits as NumPy arrays."""
    import keras

    return {
        name: keras.ops.convert_to_numpy(
            network(images, training=False)["logits"]
        )
        for name, network in distiller.named_networks.items()
    }


def train_and_export(backbone, size, folder):
    """One step, then everything that leaves the process; returns a report."""
    import keras
    import numpy as np

    import keras_css
    from keras_css.deploy import export_onnx
    from keras_css.students import count_parameters

    keras.utils.set_random_seed(0)
    images, labels = images_and_labels(size)
    networks = [
        keras_css.MultiBranchNetwork(
            backbone,
            CLASSES,
            num_branches=BRANCHES,
            preprocessing=keras.layers.Rescaling(1 / 64, -2.0, dtype="float32"),
        )
        for _ in "ab"
    ]
    distiller = keras_css.OnlineDistiller(networks)
    distiller.compile(keras_css.SGD(0.01))
    began = time.perf_counter()
    logs = distiller.train_on_batch(images, labels, return_dict=True)
    seconds = time.perf_counter() - began
    distiller.save(folder / "cohort.keras")
    np.savez(folder / "outputs.npz", **outputs(distiller, images))
    student = "network_a/branch_1"
    report = export_onnx(
        distiller.student(student),
        folder / "student.onnx",
        images=images,
        say=lambda line: None,
    )
    parts = distiller.method.student_parts()[student]
    return {
        "loss": float(logs["loss"]),
        "first_step_seconds": round(seconds, 1),
        "student_parameters": count_parameters(distiller.named_networks, parts),
        "original_parameters": original_parameters(backbone),
        "proof_largest_difference": report["proof"]["largest_difference"],
        "bytes": report["bytes"],
    }


def original_parameters(backbone):
    """Returns those of a model of keras.applications, else None.

    The classifier is the student's, a dense layer on the pooled features.
    """
    if not backbone.startswith(APPLICATIONS):
        return None
    from keras_css.backbones.applications import application_model

    model = application_model(backbone.removeprefix(APPLICATIONS))
    return model.count_params() + CLASSES * (model.output.shape[-1] + 1)


def load_elsewhere(size, folder):
    """Returns how far a saved cohort's outputs are from those noted."""
    import keras
    import numpy as np

    import keras_css  # noqa: F401

    distiller = keras.saving.load_model(folder / "cohort.keras", compile=False)
    found = outputs(distiller, images_and_labels(size)[0])
    with np.load(folder / "outputs.npz") as file:
        return max(
            float(np.abs(found[name] - file[name]).max())
            / max(1.0, float(np.abs(file[name]).max()))
            for name in file.files
        )


def one_stage(backend, stage, family, folder):
    """Returns what a stage reports, done by a process on one backend."""
    done = subprocess.run(
        [sys.executable, __file__, "--stage", stage, family, str(folder)],
        env={
            "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            **os.environ,
            "KERAS_BACKEND": backend,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        return {"failed": f"{stage} on {backend}: {last}"}
    return json.loads(done.stdout.splitlines()[-1])


def examine(family, backend, elsewhere):
    """Returns the row of one backbone on one backend."""
    row = {"family": family, "backend": backend, "loaded_on": elsewhere}
    with tempfile.TemporaryDirectory() as folder:
        row |= one_stage(backend, "train", family, folder)
        if "failed" not in row:
            row |= one_stage(elsewhere, "load", family, folder)
    if "failed" not in row:
        row |= verdict(row)
    return row


def verdict(row):
    """Returns what is wrong with a row as `{"failed": ...}`, or nothing."""
    if row["loss"] != row["loss"]:
        return {"failed": "the loss is no number"}
    if row["load_difference"] > TOLERANCE:
        return {"failed": f"differs on {row['loaded_on']}"}
    original = row["original_parameters"]
    if original not in (None, row["student_parameters"]):
        return {"failed": f"the original has {original:,} parameters"}
    return {}


def line(row):
    """Returns a row as text."""
    start = f"{row['family']:<36}{row['backend']:<12}"
    if "failed" in row:
        return f"{start}FAILED: {row['failed']}"
    return (
        f"{start}{row['student_parameters']:>12,}{row['loss']:>10.3f}"
        f"{row['first_step_seconds']:>9.1f}"
        f"{row['proof_largest_difference']:>12.1e}"
        f"{row['load_difference']:>12.1e} on {row['loaded_on']}"
    )


def worker(stage, family, folder):
    """Does one stage and prints its report as the last line."""
    backbone, _, size = family.rpartition(":")
    folder = pathlib.Path(folder)
    if stage == "train":
        report = train_and_export(backbone, int(size), folder)
    else:
        report = {"load_difference": load_elsewhere(int(size), folder)}
    print(json.dumps(report))


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backends", default=",".join(BACKENDS))
    parser.add_argument(
        "--families",
        default=",".join(FAMILIES),
        help="backbones, each with a colon and the pixels of its images",
    )
    parser.add_argument("--out", type=pathlib.Path, help="JSON file to keep")
    parser.add_argument("--stage", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.stage:
        worker(*options.stage)
        return 0
    backends = options.backends.split(",")
    print(
        f"{'family':<36}{'backend':<12}{'parameters':>12}{'loss':>10}"
        f"{'step s':>9}{'proof':>12}{'loaded':>12}"
    )
    rows = []
    for family in options.families.split(","):
        for i, backend in enumerate(backends):
            elsewhere = backends[(i + 1) % len(backends)]
            rows.append(examine(family, backend, elsewhere))
            print(line(rows[-1]), flush=True)
            if options.out:
                keep(options.out, rows)
    return int(any("failed" in row for row in rows))


def keep(path, rows):
    """Writes the rows so far, with machine and versions."""
    from keras_css_runtime.environment import describe_machine
    from keras_css_runtime.environment import installed_versions

    packages = ("keras", "tensorflow", "jax", "torch", "onnxruntime")
    found = {
        "machine": describe_machine(),
        "versions": installed_versions(packages),
        "classes": CLASSES,
        "branches": BRANCHES,
        "rows": rows,
    }
    path.write_text(json.dumps(found, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
