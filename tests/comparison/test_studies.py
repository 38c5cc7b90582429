"""Studies: every one is a valid comparison, and its cells stay small."""

import inspect
import json

import pytest
from finished_cell import CONFIG
from finished_cell import RESULT

from keras_css.comparison.budget import BUDGETS
from keras_css.comparison.cell import check_cell
from keras_css.comparison.cell import make_cells
from keras_css.studies import STUDIES

pytestmark = pytest.mark.once


@pytest.mark.parametrize("name", STUDIES.names())
def test_every_study_can_be_run(name, tmp_path):
    study = STUDIES.get(name)
    said = inspect.getdoc(study)
    for heading in ("Hypothesis:", "Data:", "Budget:", "Hours:", "Command:"):
        assert f"\n{heading}" in said
    assert f"--study {name} " in said
    assert study.BUDGET in BUDGETS
    assert len(set(study.SEEDS)) >= 3
    settings = {k: v for k, v in study.SETTINGS.items() if k != "dataset"}
    dataset = study.SETTINGS["dataset"]
    for cell in make_cells(tmp_path, [dataset], study.METHODS, [0]):
        check_cell(cell, settings)


def test_a_finished_cell_keeps_what_tables_need(tmp_path):
    (cell,) = make_cells(tmp_path, ["digits"], ["css"], [0])
    (cell.folder / "models").mkdir(parents=True)
    (cell.folder / "models" / "network_a.keras").write_bytes(b"large")
    (cell.folder / "report.html").write_text("large")
    cell.log.write_text("many lines")
    (cell.folder / "config.json").write_text(json.dumps(CONFIG))
    (cell.folder / "history.csv").write_text("epoch\n")
    (cell.folder / "result.json").write_text(json.dumps(RESULT))
    for _ in range(2):
        cell.keep_small()
        assert cell.finished
        assert sorted(p.name for p in tmp_path.rglob("*.*")) == [
            *("config.json", "history.csv", "result.json"),
        ]
