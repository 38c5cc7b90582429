"""Cells that stand in one table were trained alike, wherever that was."""

import copy

import pytest

from keras_css import UserError
from keras_css.comparison.cell import check_cell
from keras_css.comparison.cell import cohort_of
from keras_css.comparison.cell import make_cells
from keras_css.comparison.cell import teachers_of
from keras_css.comparison.folder import remember
from keras_css.comparison.same_settings import check_same_settings
from keras_css.runs import RunConfig

pytestmark = pytest.mark.once

METHODS = ["independent", "independent:cutmix=1.0+epochs=9", "css"]
RECIPE = {"epochs": 3, "batch_size": 8, "network_a": "resnet8"}
# What a data set of its own or the method fills in.
FILLED = {"learning_rate": 0.1, "warmup_epochs": 1, "momentum": 0.9}


def trained(tmp_path):
    """Returns dict from cell to its `config.json`, of two seeds."""
    found = {}
    for cell in make_cells(tmp_path, ["digits"], METHODS, [0, 1]):
        name, _, own = cell.method.partition(":")
        config = {**RECIPE, **FILLED, "dataset": "digits", "seed": cell.seed}
        config |= {"network_b": "resnet8", "network_c": "none"}
        config |= {"network_d": "none", "branches": 3 if name == "css" else 1}
        if own:
            config |= {"epochs": 9, "cutmix": 1.0, "warmup_epochs": 0}
        config = RunConfig(**config, method=name).to_json()
        found[cell] = {"config": config, "backend": "torch"}
    return found


def check(configs, **recipe):
    budget = recipe.pop("budget", "epochs")
    check_same_settings(configs, "torch", {**RECIPE, **recipe}, budget)


def test_what_belongs_together_stands_in_one_table(tmp_path):
    configs = trained(tmp_path)
    check(configs)
    *_, last = configs.values()
    last["config"] |= {"data_dir": "elsewhere", "download": False}
    # As of a version that had fewer settings.
    del last["config"]["average_weights"]
    check(configs)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("epochs", 4, "is 4 and that of the comparison 3"),
        ("network_b", "resnet14", "is resnet14 and that of the comparison"),
        ("seed", 7, "is 7 and that of the comparison 1"),
        ("learning_rate", 0.2, "is 0.2 and that of 'digits independent seed 0"),
        ("branches", 2, "is 2 and that of 'digits css seed 0' 3"),
    ],
)
def test_other_settings_are_named_in_one_line(tmp_path, name, value, words):
    configs = copy.deepcopy(trained(tmp_path))
    last = [cell for cell in configs if cell.method == "css"][-1]
    configs[last]["config"][name] = value
    with pytest.raises(UserError, match=f"^All cells .*{name} of .*{words}"):
        check(configs)


def test_all_that_are_taught_have_one_teacher_and_no_other_has_one(tmp_path):
    texts = ["independent", "css:teacher_weight=2", "kd"]
    plain, css, kd = make_cells(tmp_path, ["digits"], texts, [0])
    configs = {}
    for cell in (plain, css, kd):
        config = RunConfig(
            method=cell.method.partition(":")[0],
            teacher_weight=2.0 if cell is css else 1.0,
            **teachers_of(cell, {"teacher": ["here"]}),
            **cohort_of(cell, ["resnet8"]),
        ).to_json()
        teachers = [{"sha256": "a"}] * len(config["teacher"])
        configs[cell] = {"config": config, "backend": "torch"}
        configs[cell]["teachers"] = teachers
    check(configs, epochs=None, batch_size=None, teacher=["there"])
    configs[plain]["teachers"] = configs[kd]["teachers"]
    with pytest.raises(UserError, match="teachers of 'digits independent"):
        check(configs, epochs=None, batch_size=None)
    configs[plain]["teachers"] = []
    configs[kd]["teachers"] = [{"sha256": "b"}]
    with pytest.raises(UserError, match="teachers of 'digits kd seed 0'"):
        check(configs, epochs=None, batch_size=None)
    for cell in (css, kd):
        check_cell(cell, {"teacher": ["here"]})
        with pytest.raises(UserError, match="give --teacher"):
            check_cell(cell, {})


def test_another_backend_is_another_table(tmp_path):
    configs = trained(tmp_path)
    next(iter(configs.values()))["backend"] = "jax"
    with pytest.raises(UserError, match=r"backend of .* is jax"):
        check(configs)


def test_epochs_that_follow_from_the_compute_are_those_of_a_method(tmp_path):
    configs = trained(tmp_path)
    configs = {c: v for c, v in configs.items() if ":" not in c.method}
    for cell, stored in configs.items():
        stored["config"]["epochs"] = 5 if cell.method == "css" else 20
    check(configs, budget="compute")
    stored["config"]["epochs"] = 6
    with pytest.raises(UserError, match=r"epochs of .* is 6 and that of .* 5"):
        check(configs, budget="compute")


def test_the_data_may_lie_elsewhere_on_another_machine(tmp_path):
    grid = {"datasets": ["cub200"], "methods": ["css"], "seeds": [0]}
    for place in ("here", "there"):
        remember(tmp_path, "torch", {"data_dir": place}, grid)
