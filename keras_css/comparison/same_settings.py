"""What cells of one table must have in common, wherever they were trained."""

from keras_css.comparison.cell import cohort_of
from keras_css.comparison.cell import is_taught
from keras_css.comparison.cell import settings_of
from keras_css.comparison.cell import split_dataset
from keras_css.comparison.cell import split_method
from keras_css.comparison.cell import teachers_of
from keras_css.comparison.cell import with_settings
from keras_css.comparison.folder import OF_PLACE
from keras_css.errors import UserError
from keras_css.runs.config import NETWORKS
from keras_css.runs.config import RunConfig

# What follows from the method where nothing is said, and from the epochs.
OF_METHOD = {"method_options", "branches", "transformation", "joint_labels"}
OF_METHOD |= {"augment_each_network", "teacher_views", *NETWORKS}
OF_LENGTH = {"epochs", "warmup_epochs", "lr_milestones"}
DECIDES_LENGTH = {"epochs", "steps", "batch_size", "schedule"}


def check_same_settings(configs, backend, recipe, budget):
    """Raises `UserError` if a cell was trained otherwise than its table says.

    Each cell has the comparison's settings and those that its method names.
    What neither names is the same for all cells of a data set, or, where the
    method decides it, for all seeds of it.

    Args:
        configs: Dict from finished `Cell` to the contents of `config.json`.
        backend: Of Keras.
        recipe: Dict of settings of `RunConfig`, as JSON has them.
        budget: A name of `BUDGETS`.
    """
    recipe = RunConfig.from_json(recipe).to_json()
    first = {}
    for cell, stored in configs.items():
        found = RunConfig.from_json(stored["config"]).to_json()
        # A setting that came later than the cell is not held against it.
        found = {name: found[name] for name in stored["config"]}
        found["backend"] = stored["backend"]
        found["teachers"] = stored.get("teachers", [])
        own = settings_of(cell)
        asked = {**_asked(cell, recipe, own, budget), "backend": backend}
        if not is_taught(cell):
            asked["teachers"] = []
        decided = set(OF_METHOD)
        if budget == "compute" or DECIDES_LENGTH & set(own):
            decided |= OF_LENGTH
        for name, value in found.items():
            if name in OF_PLACE:
                continue
            if name in asked:
                _refuse_other(cell, name, value, "the comparison", asked[name])
                continue
            method = cell.method if name in decided else None
            place = (cell.dataset, method, name)
            other, its = first.setdefault(place, (cell, value))
            _refuse_other(cell, name, value, f"'{other.title}'", its)


def _asked(cell, recipe, own, budget):
    """Returns the settings that the comparison and the method name."""
    name, _, _ = split_method(cell.method)
    asked = {
        **with_settings(recipe, own),
        **cohort_of(cell, [recipe[key] for key in NETWORKS]),
        **teachers_of(cell, recipe),
        "dataset": split_dataset(cell.dataset)[0],
        "method": name,
        "seed": cell.seed,
    }
    # A run keeps steps as the epochs that they make.
    gone = {"steps", "method_options"}
    if budget == "compute" or asked.get("steps") is not None:
        gone |= {"epochs"}
    return {
        key: value
        for key, value in asked.items()
        if value is not None and key not in gone
    }


def _refuse_other(cell, name, value, other, its):
    if value != its:
        raise UserError(
            f"All cells of a table must have the same settings, but {name} of "
            f"'{cell.title}' is {value} and that of {other} {its}: remove "
            f"{cell.folder}, and it is trained again."
        )
