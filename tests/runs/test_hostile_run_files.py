"""Run folders and comparisons that somebody damaged, or made to do harm."""

import json
import zipfile

import keras
import numpy as np
import pytest
from finished_cell import CONFIG
from finished_cell import RESULT

from keras_css import UserError
from keras_css.comparison.cell import make_cells
from keras_css.comparison.facts import gather_facts
from keras_css.comparison.folder import complete_grid
from keras_css.runs import RunConfig
from keras_css.runs import RunFolder
from keras_css.runs.evaluate import load_run
from keras_css.runs.folder import json_text
from keras_css.runs.rollback import read_rollbacks
from keras_css.runs.variables import load_values
from keras_css.runs.variables import save_values
from keras_css.runs.variables import values_of

pytestmark = pytest.mark.once
DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dataset": 3}, "--dataset must be a text, received 3"),
        ({"network_a": ["resnet8"]}, "--network_a must be a text"),
        ({"epochs": "3"}, "--epochs must be a whole number, received '3'"),
        ({"epochs": True}, "--epochs must be a whole number, received True"),
        ({"epochs": 2.5}, "--epochs must be a whole number"),
        ({"momentum": "0.9"}, "--momentum must be a number"),
        ({"momentum": float("nan")}, "--momentum must be a number"),
        ({"learning_rate": 10**400}, "--learning_rate must be a number"),
        ({"download": "no"}, "--download must be true or false"),
        ({"data_dir": "\ud800"}, "--data_dir must be a path"),
        ({"lr_milestones": 7}, "--lr_milestones must be a list of whole"),
        ({"lr_milestones": ["1"]}, "--lr_milestones must be a list of whole"),
        ({"image_size": [8]}, "--image_size must be height and width"),
        ({"method_options": []}, "--method_options must be a table"),
        ({"method_options": {"heat": 3}}, "option of method css 'heat'"),
        (
            {"method_options": {"temperature": "hot"}},
            "Option temperature must be a float",
        ),
        ({"more": 1}, "received more: was it written by another version"),
    ],
)
def test_a_setting_of_another_kind_is_refused(changes, words):
    stored = json.loads(json.dumps(RunConfig().to_json()))
    RunConfig.from_json(stored)
    with pytest.raises(UserError, match=words) as caught:
        RunConfig.from_json({**stored, **changes})
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("values", [3, [], "config", None])
def test_a_configuration_is_a_table(values):
    with pytest.raises(UserError, match="must be a table of settings"):
        RunConfig.from_json(values)


@pytest.mark.parametrize(
    "text", [DEEP, "", "[]", "3", "{", '{"a": ' * 50_000, "\0", "\xff"]
)
def test_what_is_no_json_object_is_refused(tmp_path, text):
    folder = RunFolder(tmp_path)
    for path in (folder.config, folder.result, folder.rollbacks):
        path.write_bytes(text.encode("latin1"))
    (tmp_path / "compare.json").write_bytes(text.encode("latin1"))
    named = dict.fromkeys(("datasets", "methods", "seeds"))
    for read in (
        lambda: folder.read_json(folder.config),
        lambda: read_rollbacks(folder),
        lambda: complete_grid(tmp_path, named),
    ):
        with pytest.raises(UserError, match="cannot be read"):
            read()
    (cell,) = make_cells(tmp_path, ["digits"], ["css"], [0])
    cell.folder.mkdir(parents=True)
    for name in ("config", "result"):
        path = cell.folder / f"{name}.json"
        path.write_bytes(text.encode("latin1"))
    assert not cell.begun
    assert not cell.finished


@pytest.mark.parametrize(
    "found", [{}, {"rollbacks": 3}, {"rollbacks": ["x"]}, {"rollbacks": [{}]}]
)
def test_rollbacks_are_a_list_of_reasons(tmp_path, found):
    folder = RunFolder(tmp_path)
    folder.rollbacks.write_text(json.dumps(found))
    with pytest.raises(UserError, match="must list what was undone"):
        read_rollbacks(folder)


@pytest.mark.parametrize(
    ("datasets", "seeds"), [([3], [0]), (["digits"], ["0"]), ({}, [0])]
)
def test_a_grid_is_made_of_names_and_numbers(tmp_path, datasets, seeds):
    settings = RunConfig().to_json()
    for key in ("dataset", "method", "method_options", "seed"):
        del settings[key]
    grid = {"datasets": datasets, "methods": ["css"], "seeds": seeds}
    (tmp_path / "compare.json").write_text(
        json.dumps({"settings": {"backend": "torch", **settings}, "grid": grid})
    )
    with pytest.raises(UserError, match="grid of the wrong kind"):
        complete_grid(tmp_path, dict.fromkeys(grid))


SPOILT = [
    {"test": {}},
    {"test": {"network_a": "0.5"}},
    {"test": {"network_a": float("nan")}},
    {"validation": {"network_a": 0.5, "network_b": 0.5}},
    {"best_student": "network_b"},
    {"selected_epoch": None},
    {"student_parameters": {"other": 1}},
    {"seconds": {}},
]


@pytest.mark.parametrize("changes", SPOILT)
def test_a_result_that_is_not_whole_is_none(tmp_path, changes):
    (cell,) = make_cells(tmp_path, ["digits"], ["css"], [0])
    cell.folder.mkdir(parents=True)
    config, result = (
        cell.folder / f"{name}.json" for name in ("config", "result")
    )
    config.write_text(json.dumps(CONFIG))
    result.write_text(json.dumps(RESULT))
    assert cell.finished
    result.write_text(json.dumps({**RESULT, **changes}))
    assert cell.begun
    assert not cell.finished
    with pytest.raises(UserError, match="must be as a run wrote it"):
        load_run(cell.folder)


def test_what_nobody_asked_for_does_not_reach_the_tables(tmp_path):
    (cell,) = make_cells(tmp_path, ["digits"], ["css"], [0])
    more = {**CONFIG["machine"], "more": float("inf")}
    facts = gather_facts({cell: {**CONFIG, "machine": more}}, "torch", 1)
    assert json.loads(json_text(facts))["machines"] == [CONFIG["machine"]]


def variables():
    return [keras.Variable(np.ones((2, 3))), keras.Variable(np.ones(4))]


@pytest.mark.parametrize("kind", ["S3", "U3", "M8[s]"])
def test_values_that_are_no_numbers_are_not_given(tmp_path, kind):
    given = variables()
    values = {k: v.astype(kind) for k, v in values_of(given).items()}
    save_values(tmp_path / "values.npz", values)
    with pytest.raises(UserError, match="must hold the 2 variables"):
        load_values(tmp_path / "values.npz", given)
    np.testing.assert_array_equal(given[0], np.ones((2, 3)))


def test_values_in_a_damaged_file_are_not_given(tmp_path):
    path = tmp_path / "values.npz"
    save_values(path, values_of(variables()))
    whole = path.read_bytes()
    for damaged in (b"", whole[:50], whole[:-30], b"PK\x03\x04" * 9):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match="cannot be read"):
            load_values(path, variables())
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("0.npy", np.array([None]).dumps())
    with pytest.raises(UserError, match="cannot be read"):
        load_values(path, variables())
