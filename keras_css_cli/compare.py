"""Compare methods on your data: every method, seed and data set in one table.

Each cell of the grid is a training in a process of its own, with the same
recipe, images and batches for every method. A finished cell is never trained
again: after an interruption give the same command once more. More methods,
seeds or data sets may be named later; what is then not named is that of the
calls before. The recipe stays, and its flags are given each time.

--dataset may be a list here, and a set's own place may follow its name as
name=path. A method is a name, or name:option=value+option=value, where an
option is one of the method or a setting of how it trains, such as cutmix=1 or
weight_decay=0.005. All networks of all methods have one backbone, --network_a
or the data set's; each method has as many of them, and as many branches, as it
has by default. (With --network_b and further ones, a cohort takes the backbones
in turn.)

--teacher is for the methods that need one, such as kd; independent or css have
it, too, where they name what it weighs: css:teacher_weight=1.

--budget compute compares at equal training compute instead of equal epochs.

Writes table.md, table.csv, results.json and figure.png into --out_dir, and the
run folders under cells/. Examples:

  python scripts/compare.py --methods independent,css --out_dir OUT
  python scripts/compare.py --dataset digits,folder=PHOTOS --seeds 0,1,2,3,4 \\
      --methods independent,css,css:transformation=rotation --out_dir OUT
  python scripts/compare.py --dataset digits --teacher RUN@ensemble \\
      --methods independent,css,kd,dkd --out_dir OUT
"""

import os
import pathlib
import shlex
import sys

from absl import flags

import keras_css_cli
from keras_css_cli import extension_flags
from keras_css_cli import recipe_flags
from keras_css_cli.command import say
from keras_css_cli.command import use_backend
from keras_css_cli.extension_flags import run_extensions
from keras_css_cli.setting_flags import arguments
from keras_css_cli.setting_flags import define
from keras_css_runtime.environment import share_of_machine
from keras_css_runtime.errors import FailedCellsError
from keras_css_runtime.errors import UserError
from keras_css_settings import GROUPS
from keras_css_settings import Method
from keras_css_settings.networks import NETWORKS
from keras_css_settings.setting import fields_of
from keras_css_settings.setting import registered

SHARED_FLAGS = (recipe_flags, *GROUPS, extension_flags)
FLAGS = flags.FLAGS
# All but those of a cell.
OF_ALL_CELLS = {"teacher", "teacher_views"}
OF_A_CELL = {*fields_of(Method), "seed"} - OF_ALL_CELLS
SETTINGS = define(*GROUPS, but=OF_A_CELL)

flags.DEFINE_list(
    "methods",
    None,
    "What to compare, with commas between: name or "
    "name:option=value+option=value. Default: those of earlier calls, else "
    "independent,css.",
)
flags.DEFINE_list(
    "seeds",
    None,
    "Seeds that every method meets. Default: those of earlier calls, else "
    "0,1,2.",
)
flags.DEFINE_string("out_dir", None, "Folder of the comparison.")
flags.DEFINE_enum(
    "budget",
    "epochs",
    ["epochs", "compute"],
    "What is equal: epochs, or training compute. Then steps are measured, the "
    "dearest method trains for --epochs, and each other one for as many as "
    "cost the same; measure on an otherwise idle machine.",
)
flags.DEFINE_enum(
    "keep",
    "all",
    ["all", "small"],
    "Of a finished training: all of its run folder, or only the small files "
    "that tables need.",
)
flags.DEFINE_string(
    "study",
    None,
    "An experiment by name, which other flags change: "
    f"{', '.join(registered('studies'))}. It names methods, seeds, budget and "
    "settings, and keeps small files; the files in keras_css/studies say what "
    "each is for.",
)
flags.DEFINE_integer("jobs", 1, "Trainings at a time; they share the cores.")

AFTER_INTERRUPT = (
    "finished cells are kept, and the last checkpoint of the others; go on "
    "with the same command"
)


def run():
    """Compares as the flags say."""
    if not FLAGS.out_dir:
        raise UserError("--out_dir must name the folder of the comparison.")
    if FLAGS.jobs < 1:
        raise UserError(f"--jobs must be at least 1, received {FLAGS.jobs}.")
    grid = {
        "datasets": _listed("dataset"),
        "methods": _listed("methods"),
        "seeds": _seeds(),
    }
    budget, keep = FLAGS.budget, FLAGS.keep
    environment = _environment()
    use_backend(FLAGS.backend)
    run_extensions()

    import keras

    from keras_css.comparison import compare

    if FLAGS.study:
        study = _study()
        grid = {name: grid[name] or study[name] for name in grid}
        budget = budget if FLAGS["budget"].present else study["budget"]
        keep = keep if FLAGS["keep"].present else "small"
    recipe = recipe_flags.settings(SETTINGS)
    dataset = recipe.pop("dataset")
    if FLAGS.recipe and not grid["datasets"]:
        grid["datasets"] = [dataset]
    text, failed = compare(
        FLAGS.out_dir,
        recipe,
        grid,
        Training(recipe, keras.backend.backend()),
        FLAGS.jobs,
        environment,
        say,
        *(budget, keep),
    )
    print(f"\n{text}\n")
    print(f"tables and figure: {pathlib.Path(FLAGS.out_dir) / 'table.md'}")
    if failed:
        raise FailedCellsError(
            f"cells that failed: {', '.join(cell.title for cell in failed)}; "
            "their logs say why, and the same command tries them again."
        )


def _study():
    """Returns the grid and budget of the study that was named.

    Its settings become the flags that were not given, as trainings get them.
    """
    from keras_css.studies import STUDIES

    study = STUDIES.get(FLAGS.study)
    for name, value in study.SETTINGS.items():
        if not FLAGS[name].present:
            FLAGS[name].parse(value)
    return {
        "datasets": [study.SETTINGS["dataset"]],
        "methods": list(study.METHODS),
        "seeds": list(study.SEEDS),
        "budget": study.BUDGET,
    }


def _listed(name):
    """Returns the entries of a flag, each once; None if it is not given."""
    if not FLAGS[name].present:
        return None
    value = FLAGS[name].value
    texts = value.split(",") if isinstance(value, str) else value
    entries = [text.strip() for text in texts]
    if not entries or not all(entries):
        raise UserError(
            f"--{name} must be a list with commas between its entries, "
            f"received '{','.join(texts)}'."
        )
    return list(dict.fromkeys(entries))


def _seeds():
    texts = _listed("seeds")
    try:
        return texts and list(dict.fromkeys(int(text) for text in texts))
    except ValueError:
        raise UserError(
            "--seeds must be whole numbers with commas between them, received "
            f"'{','.join(texts)}'."
        ) from None


def _environment():
    """Returns the environment of trainings, which run this very code."""
    root = str(pathlib.Path(keras_css_cli.__file__).parents[1])
    paths = [root, os.environ.get("PYTHONPATH", "")]
    return {
        **share_of_machine(FLAGS.jobs),
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "PYTHONUNBUFFERED": "1",
    }


class Training:
    """The commands that train cells.

    Args:
        recipe: Dict of the settings that all cells have.
        backend: Of Keras.
    """

    def __init__(self, recipe, backend):
        self.recipe, self.backend = recipe, backend

    def __call__(self, cell, epochs=None, estimate=False):
        """Returns the words that train a cell, or go on with it.

        Args:
            cell: A `Cell`.
            epochs: Instead of those of the recipe, or None.
            estimate: Whether steps are only measured.
        """
        words = [sys.executable, "-P", "-m", "keras_css_cli", "train"]
        words += extension_flags.extension_arguments()
        if estimate:
            words.append("--estimate")
        else:
            words += [f"--run_dir={cell.folder}", "--resume"]
        if cell.begun and not estimate:
            return words
        return [*words, *self._flags(cell, epochs), f"--seed={cell.seed}"]

    def typed(self, cell, epochs=None):
        """Returns what a user types to train like a cell."""
        words = [*extension_flags.extension_arguments()]
        words += self._flags(cell, epochs)
        return shlex.join(["keras-css", "train", *words])

    def _flags(self, cell, epochs):
        from keras_css.comparison.cell import cohort_of
        from keras_css.comparison.cell import split_dataset
        from keras_css.comparison.cell import split_method
        from keras_css.comparison.cell import teachers_of
        from keras_css.comparison.cell import with_settings
        from keras_css.runs.config import parse_settings

        method, options, own = split_method(cell.method)
        dataset, data_dir = split_dataset(cell.dataset)
        settings = {
            **with_settings(self.recipe, parse_settings(own)),
            **cohort_of(cell, [self.recipe[name] for name in NETWORKS]),
            **teachers_of(cell, self.recipe),
        }
        if data_dir:
            settings["data_dir"] = data_dir
        if epochs:
            settings |= {"epochs": epochs, "steps": None}
        return [
            *(f"--dataset={dataset}", f"--method={method}"),
            *(f"--method_option={option}" for option in options),
            *arguments(settings),
            f"--backend={self.backend}",
        ]
