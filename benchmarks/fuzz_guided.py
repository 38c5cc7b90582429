"""Fuzzing that follows coverage, for readers written in Python.

    pip install atheris
    KERAS_BACKEND=torch python benchmarks/fuzz_guided.py matlab [--seconds 60]

For when one of these readers was changed: `fuzz.py` draws damage blindly, while
atheris keeps inputs that reach new lines and goes on from them, so that it gets
deeper into a parser. For compiled readers (pictures, ONNX, HDF5) it sees
nothing and adds nothing. Stops at the first input that is neither read nor
refused, takes more than 1 s or 2 GB with all that was imported, and writes it
to `fuzz-findings/`.
"""

import argparse
import contextlib
import importlib.util
import pathlib
import random
import sys
import tempfile

KEPT = "fuzz-findings"
SEEDS = 40


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("reader", choices=["matlab", "npz", "csv", "pickle"])
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    if not importlib.util.find_spec("atheris"):
        print("error: atheris must be installed: pip install atheris")
        return 2
    import atheris

    with atheris.instrument_imports(
        include=["keras_css.data", "keras_css.arrays"]
    ):
        from fuzzing.readers import READERS

        from keras_css.arrays import UNREADABLE
        from keras_css.arrays import read_arrays
        from keras_css.data.layouts import cifar
        from keras_css.data.layouts import csv_list
        from keras_css.data.layouts.mat import load_mat
        from keras_css.errors import UserError

    made_by, name, read = {
        "matlab": (
            *("matlab_lists", "train_list.mat"),
            lambda path: load_mat(path, "file_list", "labels"),
        ),
        "npz": ("npz", "set.npz", read_arrays),
        "csv": ("csv", "list.csv", csv_list.read),
        "pickle": ("cifar_pickles", "train", cifar._load),
    }[options.reader]
    refused = (UserError, *(UNREADABLE if read is read_arrays else ()))
    pathlib.Path(KEPT).mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        corpus = pathlib.Path(place) / "corpus"
        corpus.mkdir()
        for number in range(SEEDS):
            folder = pathlib.Path(place) / f"seed-{number}"
            folder.mkdir()
            READERS[made_by].make(random.Random(number), folder)
            for found in folder.rglob(name):
                (corpus / str(number)).write_bytes(found.read_bytes())
        path = pathlib.Path(place) / name

        def read_one(data):
            path.write_bytes(data)
            with contextlib.suppress(refused):
                read(path)

        atheris.Setup(
            [
                *(sys.argv[0], str(corpus), "-timeout=1", "-max_len=20000"),
                *(f"-max_total_time={options.seconds}", "-rss_limit_mb=2048"),
                f"-artifact_prefix={KEPT}/{options.reader}-",
            ],
            read_one,
        )
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
