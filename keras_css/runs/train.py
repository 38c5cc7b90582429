"""A run from its configuration to `result.json`."""

import importlib.metadata
import platform
import statistics
import time

import keras

from keras_css import methods
from keras_css.data import DATASETS
from keras_css.data import channel_statistics
from keras_css.data import split_off_validation
from keras_css.data.augmentation import augmentation
from keras_css.data.batches import Shuffle
from keras_css.data.batches import TrainingBatches
from keras_css.data.batches import even_batch_size
from keras_css.errors import UserError
from keras_css.evaluation import best_student
from keras_css.evaluation import evaluate_students
from keras_css.evaluation import measure_diversity
from keras_css.evaluation.figures import draw_curves
from keras_css.evaluation.report import write_report
from keras_css.networks import MultiBranchNetwork
from keras_css.runs.checkpoints import Checkpoints
from keras_css.runs.checkpoints import load_selected
from keras_css.runs.checkpoints import restore
from keras_css.runs.folder import RunFolder
from keras_css.runs.folder import write_atomically
from keras_css.runs.folder import write_json
from keras_css.runs.history import History
from keras_css.training import SGD
from keras_css.training import OnlineDistiller
from keras_css.training import WarmupMultiStep
from keras_css.version import __version__

PACKAGES = ("keras", "numpy", "tensorflow", "jax", "torch")


def train(config, run_dir, resume=False, verbose="auto", say=print):
    """Trains a cohort and leaves a complete run folder.

    Args:
        config: A `RunConfig`; on resume the stored one.
        run_dir: The folder, new or empty unless `resume`.
        resume: Whether to go on from the last checkpoint.
        verbose: As in `keras.Model.fit`.
        say: Function that takes a line for the user.

    Returns:
        The contents of `result.json`.

    Raises:
        UserError: If a setting or the data does not fit. Nothing is written
            before everything fits.
    """
    began = time.perf_counter()
    folder = RunFolder(run_dir)
    if not resume:
        folder.refuse_if_used()
    dataset = DATASETS.get(config.dataset)(config.data_dir)
    config = config.complete(dataset.recipe)
    rest, validation = split_off_validation(
        dataset.train, config.validation_fraction, config.seed
    )
    if not len(validation):
        raise UserError(
            "Training needs a class with at least two images, one of them for "
            f"validation, received {len(dataset.train)} training images."
        )
    say(
        f"{config.dataset}: {len(rest)} training, {len(validation)} "
        f"validation, {len(dataset.test)} test images of "
        f"{'x'.join(map(str, rest.images.shape[1:]))}, "
        f"{dataset.num_classes} classes"
    )
    keras.utils.set_random_seed(config.seed)
    distiller = build_distiller(config, rest.images, dataset.num_classes)
    batches = TrainingBatches(rest, config.batch_size, config.seed)
    distiller.compile(
        SGD(
            WarmupMultiStep(
                config.learning_rate,
                len(batches),
                config.warmup_epochs,
                config.lr_milestones,
            ),
            momentum=config.momentum,
            weight_decay=config.weight_decay,
        )
    )
    distiller.build((None, *rest.images.shape[1:]))
    distiller.optimizer.build(distiller.trainable_variables)
    say(describe_cohort(config, distiller))

    done, state = 0, None
    if resume:
        check_same_data(folder.read_json(folder.config), dataset)
        folder.make_rooms()
        folder.remove_unfinished()
        done, state = restore(folder, distiller, say)
    else:
        folder.begin(describe_run(config, dataset))

    history = History(folder, done)
    if len(history.rows) < done:
        raise UserError(
            f"{folder.history} must hold the {done} epochs done so far, "
            f"received {len(history.rows)}: start a new run."
        )
    # A resumed run has cost what its first part cost, too.
    began -= sum(row["seconds"] for row in history.rows)
    checkpoints = Checkpoints(folder, state)
    if done < config.epochs:
        distiller.fit(
            batches,
            shuffle=False,
            epochs=config.epochs,
            initial_epoch=done,
            validation_data=(validation.images, validation.labels),
            validation_batch_size=even_batch_size(
                len(validation), config.batch_size
            ),
            callbacks=[Shuffle(batches), history, checkpoints],
            verbose=verbose,
        )
    return _finish(
        folder,
        config,
        distiller,
        {"validation": validation, "test": dataset.test},
        history.rows,
        checkpoints.state,
        len(batches) * batches.batch_size,
        began,
        say,
    )


def build_distiller(config, images, num_classes):
    """Returns the cohort that a complete configuration describes.

    Args:
        config: A complete `RunConfig`.
        images: uint8 training images, for the statistics of the channels.
        num_classes: C.
    """
    mean, deviation = channel_statistics(images)
    names = [config.network_a, config.network_b]
    networks = [
        MultiBranchNetwork(
            name,
            num_classes,
            num_branches=config.branches,
            transformation=config.transformation,
            joint_labels=config.joint_labels,
            preprocessing=keras.layers.Rescaling(
                scale=[1 / (255 * s) for s in deviation],
                offset=[-m / s for m, s in zip(mean, deviation)],
                dtype="float32",
            ),
        )
        for name in names
        if name != "none"
    ]
    return OnlineDistiller(
        networks,
        method=methods.METHODS.get(config.method)(**config.method_options),
        augmentation=augmentation(
            config.crop_padding, config.horizontal_flip, config.seed
        ),
    )


def describe_cohort(config, distiller):
    """Returns a line that says what trains."""
    names = [n for n in (config.network_a, config.network_b) if n != "none"]
    sizes = [
        f"{name} ({network.count_params():,} parameters)"
        for name, network in zip(names, distiller.networks)
    ]
    branches = f"{config.branches} branch" + "es" * (config.branches > 1)
    epochs = f"{config.epochs} epoch" + "s" * (config.epochs > 1)
    return (
        f"{config.method} on {keras.backend.backend()}: {' and '.join(sizes)}, "
        f"{branches} each, {epochs}"
    )


def describe_data(dataset):
    """Returns what tells a run's data from others: classes, shape, sizes."""
    return {
        "class_names": list(dataset.class_names),
        "image_shape": list(dataset.train.images.shape[1:]),
        "training_images": len(dataset.train),
        "test_images": len(dataset.test),
    }


def check_same_data(stored, dataset):
    """Raises `UserError` unless the data look like those of the run.

    Args:
        stored: The contents of `config.json`.
        dataset: The `Dataset` as it is now.
    """
    found = describe_data(dataset)
    for name, value in stored["data"].items():
        if found.get(name) != value:
            raise UserError(
                f"The data must be those of the run, whose {name} was "
                f"{value}, received {found.get(name)}: check --data_dir."
            )


def describe_run(config, dataset):
    """Returns the contents of `config.json`."""
    versions = {"keras_css": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "config": config.to_json(),
        "backend": keras.backend.backend(),
        "data": describe_data(dataset),
        "versions": versions,
        "machine": f"{platform.system()} {platform.machine()}",
    }


def _finish(
    folder,
    config,
    distiller,
    splits,
    rows,
    state,
    images_per_epoch,
    began,
    say,
):
    """Measures the last and the selected epoch and writes what remains."""
    last = {
        part: evaluate_students(distiller, split)
        for part, split in splits.items()
    }
    diverse = measure_diversity(distiller, splits["test"])
    for name, network in distiller.named_networks.items():
        write_atomically(folder.models / f"{name}.keras", network.save)
    selected_epoch = load_selected(folder, distiller, state)
    if selected_epoch is None:
        say("the epoch preferred by validation is lost: reporting the last one")
        selected_epoch = config.epochs
    selected = {
        part: evaluate_students(distiller, split)
        for part, split in splits.items()
    }

    seconds = [row["seconds"] for row in rows]
    # The first epoch holds the compilation.
    usual = statistics.median(seconds[1:] or seconds)
    result = {
        "method": config.method,
        "dataset": config.dataset,
        "backend": keras.backend.backend(),
        "seed": config.seed,
        "epochs": config.epochs,
        "parameters": {
            name: network.count_params()
            for name, network in distiller.named_networks.items()
        },
        "validation": last["validation"],
        "test": last["test"],
        "diversity": diverse,
        "best_student": best_student(last["validation"]),
        "selected_epoch": {"epoch": selected_epoch, **selected},
        "seconds": {
            "total": round(time.perf_counter() - began, 3),
            "per_epoch": usual,
        },
        "images_per_second": round(images_per_epoch / usual, 1),
    }
    curves = folder.figures / "curves.png"
    write_atomically(curves, lambda part: draw_curves(rows, part))
    stored = folder.read_json(folder.config)
    write_atomically(
        folder.report,
        lambda part: write_report(part, result, stored["config"], curves),
    )
    write_json(folder.result, result)
    return result
