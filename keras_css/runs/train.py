"""A run from its configuration to `result.json`."""

import contextlib
import datetime
import platform
import time

import keras

from keras_css.data.batches import EvaluationBatches
from keras_css.data.batches import Shuffle
from keras_css.data.load import load
from keras_css.errors import NonFiniteLossError
from keras_css.errors import UserError
from keras_css.evaluation import shipping
from keras_css.runs.checkpoints import Checkpoints
from keras_css.runs.checkpoints import MetricsSoFar
from keras_css.runs.checkpoints import read_state
from keras_css.runs.checkpoints import restore
from keras_css.runs.cohort import build_batches
from keras_css.runs.cohort import build_distiller
from keras_css.runs.cohort import load_initial_weights
from keras_css.runs.cohort import pretrained_weights
from keras_css.runs.finish import finish
from keras_css.runs.folder import RunFolder
from keras_css.runs.history import History
from keras_css.runs.lock import locked
from keras_css.runs.optimizer import build_optimizer
from keras_css.runs.rollback import rate_factor
from keras_css.runs.rollback import remember_rollback
from keras_css.runs.run import Run
from keras_css.runs.signals import StopSignals
from keras_css.runs.teacher_outputs import store_outputs
from keras_css.runs.teachers import check_same_teachers
from keras_css.runs.teachers import find_teachers
from keras_css.training.replicas import refuse_processes
from keras_css.training.seed import set_seed
from keras_css.training.statistics import ReEstimatedStatistics
from keras_css.training.statistics import describe_lag
from keras_css.training.steps_per_call import decide_steps_per_call
from keras_css.training.train_step import processes
from keras_css.version import __version__
from keras_css_runtime.environment import describe_machine
from keras_css_runtime.environment import installed_versions
from keras_css_runtime.text import composed
from keras_css_settings import Running

PACKAGES = ("keras", "numpy", "tensorflow", "jax", "torch")


def train(
    config,
    run_dir,
    resume=False,
    verbose="auto",
    say=print,
    steps_per_call=None,
    checkpoint_minutes=10.0,
    on_nonfinite="stop",
):
    """Trains a cohort and leaves a complete run folder.

    Args:
        config: A `RunConfig`; on resume the stored one.
        run_dir: The folder, new or empty unless `resume`.
        resume: Whether to go on from the last checkpoint.
        verbose: As in `keras.Model.fit`.
        say: Function that takes a line for the user.
        steps_per_call: Steps between two looks at the metrics, default 1 on a
            processor, up to 32 elsewhere. Changes no result.
        checkpoint_minutes: Most time between two checkpoints.
        on_nonfinite: What a loss or weight that is NaN or infinite leads to:
            `"stop"`, or `"rollback"` to the last checkpoint with a lower
            learning rate, see `keras_css.runs.rollback`.

    Returns:
        The contents of `result.json`.

    Raises:
        UserError: If a setting or the data does not fit. Nothing is written
            before everything fits.
        NonFiniteLossError: If a loss or weight became NaN or infinite.
        StoppedError: If SIGINT or SIGTERM came while it trained.
    """
    running = Running(steps_per_call, checkpoint_minutes, on_nonfinite)
    # Before several of them write into the folder.
    refuse_processes(processes())
    folder = RunFolder(run_dir)
    while True:
        try:
            return _train(folder, config, resume, running, verbose, say)
        except NonFiniteLossError as error:
            if on_nonfinite == "stop" or not folder.config.exists():
                raise
            remember_rollback(folder, error, say)
            resume = True


def _train(folder, config, resume, running, verbose, say):
    began = time.perf_counter()
    with contextlib.ExitStack() as stack:
        if resume:
            stack.enter_context(locked(folder.path, "training"))
        else:
            folder.refuse_if_used()
        run = _set_up(folder, config, resume, running.steps_per_call, say)
        entries = []
        if resume:
            stored = folder.read_json(folder.config)
            check_same_data(stored, run.dataset)
            check_same_teachers(stored, run.distiller.teachers)
            folder.make_rooms()
            folder.remove_unfinished()
            entries = restore(folder, run.distiller, say)
        else:
            folder.begin(
                describe_run(run.config, run.dataset, run.distiller.teachers)
            )
            stack.enter_context(locked(folder.path, "training"))
        last = entries[-1] if entries else {"epoch": 0, "step": 0, "seconds": 0}
        history = History(folder, last["epoch"], last["seconds"])
        if len(history.rows) < last["epoch"]:
            raise UserError(
                f"{folder.history} must hold the {last['epoch']} epochs done "
                f"so far, received {len(history.rows)}: start a new run."
            )
        # A resumed run has cost what its first part cost, too.
        began -= sum(row["seconds"] for row in history.rows) + last["seconds"]
        # What a signal stops here goes on where it was.
        validation = store_outputs(run) or EvaluationBatches(
            run.dataset.validation, run.config.batch_size
        )
        with StopSignals() as signals:
            checkpoints = Checkpoints(
                folder,
                history,
                entries,
                running.checkpoint_minutes,
                signals,
                # Where a rollback leads must not depend on the clock.
                every_epoch=running.on_nonfinite == "rollback",
                ship=run.config.ship,
            )
            callbacks = [history, checkpoints]
            _fit(run, last, validation, callbacks, verbose)
        return finish(
            run,
            history.rows,
            checkpoints.selected,
            lambda: time.perf_counter() - began,
        )


def _set_up(folder, config, resume, steps_per_call, say):
    """Returns the `Run`, with the weights that it begins with."""
    dataset = load(config, say)
    config = config.complete(dataset)
    say(f"{config.dataset} from {dataset.describe()}")
    # Before seeds are set: networks begin as they would without.
    teachers = find_teachers(config.teacher, dataset.class_names)
    set_seed(config.seed)
    begun = resume and bool(read_state(folder, lambda line: None))
    distiller = build_distiller(config, dataset, not begun, teachers)
    distiller.check_taught()
    batches = build_batches(config, dataset, distiller)
    optimizer = build_optimizer(config, len(batches), rate_factor(folder))
    distiller.compile(
        optimizer,
        steps_per_execution=decide_steps_per_call(
            steps_per_call, distiller, batches
        ),
    )
    distiller.build((None, *dataset.image_shape))
    shipping(distiller.student_parts(), config.ship)
    if not begun:
        load_initial_weights(config, distiller, say)
    if config.pretrained_rate != 1:
        optimizer.scale_rate(
            pretrained_weights(config, distiller), config.pretrained_rate
        )
    distiller.optimizer.build(distiller.trainable_variables)
    # What no file can hold is told before it trains, not after.
    distiller.get_config()
    say(describe_cohort(config, distiller))
    if late := describe_lag(distiller, config.epochs * len(batches)):
        say(late)
    return Run(folder, config, dataset, distiller, batches, say)


def _fit(run, last, validation, callbacks, verbose):
    """Trains from the last checkpoint's step on."""
    batches, config = run.batches, run.config
    callbacks = [Shuffle(batches), ReEstimatedStatistics(batches), *callbacks]

    def fit(first, end, *others):
        run.distiller.fit(
            batches,
            shuffle=False,
            epochs=end,
            initial_epoch=first,
            validation_data=validation,
            callbacks=[*others, *callbacks],
            verbose=verbose,
        )

    done = last["epoch"]
    if last["step"]:
        batches.begin_at(last["step"])
        fit(done, done + 1, MetricsSoFar(last))
        batches.begin_at(0)
        done += 1
    if done < config.epochs:
        fit(done, config.epochs)


def describe_cohort(config, distiller):
    """Returns a line that says what trains."""
    sizes = [
        f"{name} ({network.count_params():,} parameters)"
        for name, network in zip(config.networks, distiller.networks)
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
        "image_shape": list(dataset.image_shape),
        "training_images": len(dataset.train),
        "validation_images": len(dataset.validation),
        "test_images": len(dataset.test),
        "content": dataset.about["content"],
    }


def check_same_data(stored, dataset):
    """Raises `UserError` unless the data look like those of the run.

    Args:
        stored: The contents of `config.json`.
        dataset: The `Dataset` as it is now.
    """
    found = describe_data(dataset)
    for name, value in stored["data"].items():
        if found.get(name) != composed(value):
            raise UserError(
                f"The data must be those of the run, whose {name} was "
                f"{value}, received {found.get(name)}: check --data_dir."
            )


def describe_run(config, dataset, teachers=()):
    """Returns the contents of `config.json`."""
    versions = {"keras_css": __version__, "python": platform.python_version()}
    versions.update(installed_versions(PACKAGES))
    return {
        "config": config.to_json(),
        "backend": keras.backend.backend(),
        "data": describe_data(dataset),
        "teachers": [teacher.about for teacher in teachers],
        "data_notes": {
            key: value
            for key, value in dataset.about.items()
            if key != "content"
        },
        "versions": versions,
        "date": datetime.date.today().isoformat(),
        "machine": describe_machine(),
    }
