"""What to do next with a run, as commands that can be copied."""

import shlex

from keras_css.evaluation.answers import advised


def next_commands(contents):
    """Returns list of `(what for, command)`.

    Args:
        contents: The `Contents` of the run.
    """
    run_dir = contents.path
    config = contents.stored["config"]
    exported = contents.best_export
    file = run_dir / (exported or "student.onnx")
    row = advised(contents.answers) if contents.answers else None
    least = row["below"] if row else 0.8
    found = []
    if not exported:
        found.append(
            (
                "Cut the best student out, as one file that runs without Keras",
                _command("to_onnx", "--run_dir", run_dir),
            )
        )
    found.append(
        (
            "Classify pictures with it; what it is not sure of is told so",
            _command("predict", file, "PICTURES", "--unsure_below", least),
        )
    )
    if exported not in contents.benchmarks:
        found.append(
            ("Measure how fast it is here", _command("benchmark", file))
        )
    data = ["--dataset", config["dataset"]]
    if config.get("data_dir"):
        data += ["--data_dir", config["data_dir"]]
    for name in ("first_classes", "per_class"):
        if config.get(name) is not None:
            data += [f"--{name}", config[name]]
    teachers = [f"--teacher={name}" for name in config.get("teacher") or ()]
    other = "css" if config["method"] == "independent" else config["method"]
    found.append(
        (
            "See whether another way to train is better on these pictures: "
            "three trainings of each",
            _command(
                *("compare", *data, "--methods", f"independent,{other}"),
                *teachers,
                *("--seeds", "0,1,2", "--epochs", config["epochs"]),
                *("--out_dir", "comparison"),
            ),
        )
    )
    if config.get("data_dir"):
        found.append(
            (
                "Look for copies, wrong labels and odd pictures in the data",
                _command("data", "summary", *data),
            )
        )
    return found


def _command(*words):
    return f"keras-css {shlex.join(map(str, words))}"
