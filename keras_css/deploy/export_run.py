"""Students of a finished run, or of a `.keras` file, to ONNX files."""

import pathlib

import keras
import numpy as np

from keras_css.data import DATASETS
from keras_css.data import split_off_validation
from keras_css.deploy.cut import cut_student
from keras_css.deploy.export import check_student
from keras_css.deploy.export import export_onnx
from keras_css.deploy.proof import LARGEST_DIFFERENCE
from keras_css.deploy.proof import compare
from keras_css.errors import ProofError
from keras_css.errors import UserError
from keras_css.evaluation import choose_student
from keras_css.methods import Independent
from keras_css.networks import MultiBranchNetwork
from keras_css.runs.evaluate import load_keras
from keras_css.runs.evaluate import load_run
from keras_css.training import OnlineDistiller

ALL = ("branch", "network", "ensemble")


def export_run(
    run_dir, student="best", path=None, data_dir=None, say=print, **options
):
    """Writes students of a finished run as ONNX files.

    The weights are those of the last epoch, as in the run's `models/`.

    Args:
        run_dir: The run folder.
        student: `best`, `branch`, `network` (the best of their kind on
            validation), `ensemble`, a student's name, or `all` for the three
            kinds.
        path: Where the file goes; default `student.onnx` in the run folder,
            for `all` `student_<kind>.onnx`.
        data_dir: Where the data are now; default where they were.
        say: Function that takes a line for the user.
        **options: Attributes of `ExportOptions`.

    Returns:
        Dict from path to the contents of the JSON file beside it.

    Raises:
        UserError: If the run or an option does not fit.
        ProofError: If a file does not do what its student does.
    """
    run = load_run(run_dir, data_dir)
    accuracies = run.result["validation"]
    if student == "all":
        kinds = [k for k in ALL if _exists(k, accuracies)]
        if path is not None:
            raise UserError(
                "--out names one file, received --student all: leave it out."
            )
        targets = {
            run.folder.path / f"student_{kind}.onnx": kind for kind in kinds
        }
    else:
        path = path or run.folder.path / "student.onnx"
        targets = {pathlib.Path(path): student}
    chosen = {
        path: choose_student(word, accuracies) for path, word in targets.items()
    }
    cohort = run.distiller.predict(run.validation.images, verbose=0)
    reports = {}
    for path, name in chosen.items():
        say(f"{name}: cutting it out of the cohort")
        cut = cut_student(
            run.distiller.named_networks,
            run.distiller.method.student_parts(name),
        )
        about = {
            "student": name,
            "method": run.config.method,
            "dataset": run.config.dataset,
            "backbones": _backbones(run, name),
            "trained_on": run.result["backend"],
            "proof_of_cut": _check_cut(run, name, cut, cohort[name]),
        }
        reports[path] = export_onnx(
            cut,
            path,
            run.dataset.class_names,
            validation=run.validation,
            test=run.dataset.test,
            about=about,
            say=say,
            **options,
        )
    return reports


def export_model(
    model_path,
    path,
    student="best",
    dataset=None,
    data_dir=None,
    say=print,
    **options,
):
    """Writes the model of a `.keras` file as an ONNX file.

    Args:
        model_path: A saved `OnlineDistiller`, `MultiBranchNetwork`, student or
            other Keras model from one image to class logits.
        path: Where the file goes.
        student: A student's name, for a distiller or a network (then
            `network_a/branch_0`, ..., and `network_a` for the whole).
        dataset: Name of the data set it is proven and measured on.
        data_dir: Where the data are.
        say: Function that takes a line for the user.
        **options: Attributes of `ExportOptions`.

    Returns:
        The contents of the JSON file.

    Raises:
        UserError: If something given does not fit.
        ProofError: If the file does not do what the model does.
    """
    model = load_keras(pathlib.Path(model_path))
    about = {"student": pathlib.Path(model_path).stem, "method": "unknown"}
    if isinstance(model, MultiBranchNetwork):
        model = OnlineDistiller([model], Independent())
    if isinstance(model, OnlineDistiller):
        if student == "best":
            student = "ensemble" if len(model.networks) > 1 else "network_a"
        about = {"student": student, "method": type(model.method).__name__}
        model = cut_student(
            model.named_networks, model.method.student_parts(student)
        )
    splits, names = {}, None
    if dataset is None:
        say("no --dataset: the proof is done on random pixels")
    else:
        about["dataset"] = dataset
        found = DATASETS.get(dataset)(data_dir)
        names = found.class_names
        _, validation = split_off_validation(found.train, 0.1, 0)
        splits = {"validation": validation, "test": found.test}
        _check_fits(model, found)
    return export_onnx(
        model, path, names, about=about, say=say, **splits, **options
    )


def _check_cut(run, name, student, expected):
    """Compares a student with what the whole cohort says of it.

    Returns:
        What `proof.compare` returns, on the validation images.

    Raises:
        ProofError: If they differ beyond rounding.
    """
    found = student.predict(run.validation.images, verbose=0)
    compared = compare(found, expected)
    networks = run.distiller.networks
    exact = all(network.compute_dtype == "float32" for network in networks)
    largest = LARGEST_DIFFERENCE * max(1.0, float(np.abs(expected).max()))
    if exact and not compared["largest_difference"] <= largest:
        raise ProofError(
            f"Student {name} must agree with its cohort within {largest:g}, "
            f"but differs by {compared['largest_difference']:g}: nothing was "
            "written."
        )
    return compared


def _exists(kind, accuracies):
    try:
        return bool(choose_student(kind, accuracies))
    except UserError:
        return False


def _backbones(run, name):
    """Returns the configuration of each backbone in a student."""
    networks = run.distiller.named_networks
    parts = run.distiller.method.student_parts(name)
    return {
        network: keras.saving.serialize_keras_object(networks[network].backbone)
        for network in sorted({network for network, _ in parts})
    }


def _check_fits(model, dataset):
    check_student(model)
    shape = tuple(model.inputs[0].shape[1:])
    wanted = (*dataset.train.images.shape[1:], dataset.num_classes)
    received = (*shape, model.outputs[0].shape[-1])
    if received != wanted:
        raise UserError(
            f"The model must suit the data set's images and classes, {wanted}, "
            f"received one for {received}."
        )
