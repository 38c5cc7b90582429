"""Students of a finished run, or of a `.keras` file, to ONNX files."""

import pathlib

import numpy as np

from keras_css.class_names import read_class_names
from keras_css.data import load_dataset
from keras_css.deploy.candidate import ExportOptions
from keras_css.deploy.export import check_student
from keras_css.deploy.export import check_target
from keras_css.deploy.export import export_onnx
from keras_css.deploy.run_data import data_of_run
from keras_css.errors import ProofError
from keras_css.errors import UserError
from keras_css.evaluation import choose_student
from keras_css.evaluation import shipping
from keras_css.evaluation.students import KINDS
from keras_css.evaluation.students import student_kind
from keras_css.methods import Independent
from keras_css.networks import MultiBranchNetwork
from keras_css.runs.evaluate import load_run
from keras_css.runs.report import write_report
from keras_css.students.preprocessing import find_preprocessing
from keras_css.training import OnlineDistiller
from keras_css.untrusted.keras_files import load_keras

PROOF_IMAGES = 512


def export_run(
    run_dir, student="best", path=None, data_dir=None, say=print, **options
):
    """Writes students of a finished run as ONNX files, and its page anew.

    The weights are those of the last epoch, as in the run's `models/`. Where
    the data changed since, what is there proves the file, and what was
    measured on other images than the run's is named so.

    Args:
        run_dir: The run folder.
        student: `best` (the cheapest within noise of the highest validation
            accuracy), `accuracy`, `branch`, `network` (the most accurate, of
            their kind), `ensemble`, a student's name, or `all` for the three
            kinds.
        path: Where the file goes; default `student.onnx` in the run folder,
            for `all` `student_<kind>.onnx`.
        data_dir: Where the data are now; default where they were.
        say: Function that takes a line for the user.
        **options: Attributes of `ExportOptions`.

    Returns:
        `(reports, refused)`: dict from path to the contents of the JSON file
        beside it, and dict from path to the `ProofError` of a file that does
        not do what its student does.

    Raises:
        UserError: If the run or an option does not fit.
    """
    ExportOptions(**options)
    if path is not None:
        check_target(pathlib.Path(path))
    run = load_run(run_dir, data_dir, say, changed_data=True)
    stored = run.folder.read_json(run.folder.config)["data"]
    data = data_of_run(stored, run.dataset, say)
    targets = _targets(run, stored, student, path)
    reports, refused = {}, {}
    for path, name in targets.items():
        say(f"{name}: cutting it out of the cohort")
        try:
            reports[path] = export_onnx(
                run.distiller.student(name),
                path,
                stored["class_names"],
                images=data.images,
                **data.same,
                others=data.changed,
                trained={
                    part: run.result[part].get(name)
                    for part in ("validation", "test")
                    if name in run.result[part]
                },
                about={
                    "dataset": run.config.dataset,
                    "trained_on": run.result["backend"],
                    "crop_fraction": run.dataset.about["crop_fraction"],
                    **data.about,
                },
                say=say,
                **options,
            )
        except ProofError as error:
            refused[path] = error
    write_report(run.folder, say)
    return reports, refused


def _targets(run, stored, student, path):
    """Returns dict from the path of each file to its student's name.

    Args:
        run: The `FinishedRun`.
        stored: What the run's `config.json` says of its data.
        student, path: As of `export_run`.
    """
    # What is measured only cannot be cut out.
    parts = shipping(run.distiller.student_parts(), run.config.ship)
    accuracies = {name: run.result["validation"][name] for name in parts}
    sizes = run.result["student_parameters"]
    images = stored["validation_images"]
    if student != "all":
        path = pathlib.Path(path or run.folder.path / "student.onnx")
        return {path: choose_student(student, accuracies, sizes, images)}
    if path is not None:
        raise UserError(
            "--out names one file, received --student all: leave it out."
        )
    targets = {}
    for kind in KINDS:
        if not any(KINDS[student_kind(name)] == kind for name in accuracies):
            continue
        target = run.folder.path / f"student_{kind}.onnx"
        targets[target] = choose_student(kind, accuracies, sizes, images)
    return targets


def export_model(
    model_path,
    path,
    student=None,
    dataset=None,
    data_dir=None,
    say=print,
    **options,
):
    """Writes the model of a `.keras` file as an ONNX file.

    Args:
        model_path: A saved `OnlineDistiller`, `MultiBranchNetwork`, student or
            other Keras model from one image to logits or probabilities of
            classes. Those of ours know their class names.
        path: Where the file goes.
        student: Needed where the file holds several students: a name such as
            `network_a/branch_0` (a network on its own is `network_a`).
        dataset: Name of the data set whose validation images it is proven on
            and whose test images it is measured on.
        data_dir: Where the data are.
        say: Function that takes a line for the user.
        **options: Attributes of `ExportOptions`.

    Returns:
        The contents of the JSON file.

    Raises:
        UserError: If something given does not fit.
        ProofError: If the file does not do what the model does.
    """
    model = load_keras(model_path)
    model_path = pathlib.Path(model_path)
    names = None
    about = {"student": model_path.stem, "method": "unknown"}
    if isinstance(model, MultiBranchNetwork):
        model = OnlineDistiller([model], Independent())
        model.build((None, *model.networks[0].image_shape))
        model, about = _named_student(model, student), {"method": "unknown"}
    elif isinstance(model, OnlineDistiller):
        model, about = _named_student(model, student), {}
    elif student is not None:
        raise UserError(
            f"'{model_path}' holds one model, received --student {student}: "
            "leave it out."
        )
    else:
        names = read_class_names(model_path)
    check_student(model)
    names = names or getattr(model, "class_names", None)
    images, test = None, None
    if dataset is None:
        say("no --dataset: the proof is done on random images")
    else:
        about["dataset"] = dataset
        # The size is the model's: pictures are read as it takes them.
        size = tuple(model.inputs[0].shape[1:3])
        found = load_dataset(dataset, data_dir, say, image_size=size)
        about["crop_fraction"] = found.about["crop_fraction"]
        _check_fits(model, found)
        if not find_preprocessing(model):
            raise UserError(
                "A data set has pixels from 0 to 255, and the model has no "
                "preprocessing that says what to make of them: leave "
                "--dataset out, or give its networks preprocessing."
            )
        names, test = _agreed(names, found.class_names), found.test
        count = len(found.validation)
        chosen = np.linspace(0, count - 1, min(count, PROOF_IMAGES))
        images = found.validation.images[chosen.astype(int)]
    return export_onnx(
        model,
        path,
        names,
        images=images,
        test=test,
        about=about,
        say=say,
        **options,
    )


def _named_student(distiller, name):
    known = list(distiller.student_parts())
    if len(known) == 1:
        name = known[0]
    if name not in known:
        raise UserError(
            "--student must name one of the students of the .keras file, "
            f"{', '.join(known)}, received {name or 'none'}."
        )
    return distiller.student(name)


def _agreed(names, others):
    """Returns the class names of a data set, which must be the model's."""
    if names is not None and list(names) != list(others):
        wrong = next((a, b) for a, b in zip(names, others) if a != b)
        raise UserError(
            "The data set's classes must be those of the model, in that order, "
            f"received '{wrong[1]}' where the model has '{wrong[0]}': give the "
            "data that it was trained on, or leave --dataset out."
        )
    return others


def _check_fits(model, dataset):
    wanted = (*dataset.image_shape, dataset.num_classes)
    received = (*model.inputs[0].shape[1:], model.outputs[0].shape[-1])
    if received != wanted:
        raise UserError(
            "The model must suit the data set's image shape and number of "
            f"classes, {wanted}, received one for {received}."
        )
