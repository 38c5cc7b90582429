"""What a comparison is made of: data, cohorts, versions, machine."""

from keras_css.errors import UserError
from keras_css.runs.config import RunConfig
from keras_css_runtime.shapes import MACHINE
from keras_css_runtime.text import composed

OF_DATA = (
    *("image_shape", "training_images", "validation_images", "test_images"),
)
OF_TRAINING = ("epochs", "batch_size", "learning_rate")
OF_COHORT = ("branches", "transformation", "joint_labels")


def gather_facts(configs, backend, jobs):
    """Returns what readers of the table must know, as a dict for JSON.

    Args:
        configs: Dict from finished `Cell` to the contents of `config.json`.
        backend: Of Keras.
        jobs: How many trainings ran at a time in the last call.

    Raises:
        UserError: If two methods did not see the same images.
    """
    _check_same_images(configs)
    datasets, cohorts, versions, machines = {}, {}, {}, []
    for cell, stored in configs.items():
        machine = {name: stored["machine"][name] for name in MACHINE}
        if machine not in machines:
            machines.append(machine)
        data, config = stored["data"], stored["config"]
        networks = RunConfig.from_json(config).networks
        backbones = datasets.get(cell.dataset, {}).get("backbones", [])
        datasets[cell.dataset] = {
            "backbones": list(dict.fromkeys([*backbones, *networks])),
            "classes": len(data["class_names"]),
            **{name: data[name] for name in OF_DATA},
            **_values(datasets.get(cell.dataset, {}), config),
        }
        cohorts[cell.method] = {
            "networks": len(networks),
            **{name: config[name] for name in OF_COHORT},
            "teacher": list(config.get("teacher", ())),
            **_values(cohorts.get(cell.method, {}), config),
        }
        for package, version in stored["versions"].items():
            known = versions.setdefault(package, [])
            if version not in known:
                known.append(version)
    return {
        "dates": sorted({stored["date"] for stored in configs.values()}),
        "backend": backend,
        "jobs": jobs,
        "machines": machines,
        "versions": versions,
        "datasets": datasets,
        "methods": cohorts,
        "seeds": sorted({cell.seed for cell in configs}),
    }


def _values(known, config):
    """Returns dict from what is set for training to all values it has.

    Methods may have settings of their own, and epochs by their budget.
    """
    return {
        name: sorted({*known.get(name, []), config[name]})
        for name in OF_TRAINING
    }


def _check_same_images(configs):
    """Cells of one data set and seed share all images, parts included."""
    first = {}
    for cell, stored in configs.items():
        other = first.setdefault((cell.dataset, cell.seed), cell)
        if not _same(configs[other]["data"], stored["data"]):
            raise UserError(
                f"All methods must see the same images, but those of "
                f"'{cell.title}' are others than those of '{other.title}': "
                "they changed in between; begin a new --out_dir."
            )


def _same(data, others):
    """Says whether two tables are equal, however their names are written."""
    return data.keys() == others.keys() and all(
        composed(data[name]) == composed(others[name]) for name in data
    )
