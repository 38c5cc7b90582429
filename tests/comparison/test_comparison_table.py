"""Rows and tables of made-up results: means, deviations, what is chosen."""

import pathlib

import numpy as np
import pytest

from keras_css import UserError
from keras_css.comparison.cell import Cell
from keras_css.comparison.cell import make_cells
from keras_css.comparison.facts import gather_facts
from keras_css.comparison.markdown import summary_table
from keras_css.comparison.markdown import to_markdown
from keras_css.comparison.table import student_rows
from keras_css.comparison.table import summary_rows

pytestmark = pytest.mark.once

STUDENTS = (
    *("network_a/branch_0", "network_b/branch_0", "network_a", "network_b"),
    *("ensemble", "gated"),
)
FACTS = {"digits": {"validation_images": 500}}


def result(validation, test, shift=0.01, seconds=10.0):
    """Returns what `result.json` would hold.

    Args:
        validation: Accuracies of `STUDENTS`.
        test: Likewise.
        shift: By how much the selected epoch is better.
        seconds: Of the run.
    """
    validation = dict(zip(STUDENTS, validation))
    test = dict(zip(STUDENTS, test))
    return {
        "parameters": {"network_a": 100, "network_b": 50},
        "student_parameters": dict(zip(STUDENTS, (100, 50, 100, 50, 150))),
        "validation": validation,
        "test": test,
        "selected_epoch": {
            "epoch": 3,
            "validation": {n: a + shift for n, a in validation.items()},
            "test": {n: a + shift for n, a in test.items()},
        },
        "seconds": {"total": seconds, "per_epoch": 1.0},
    }


def of_seeds(*results, method="css"):
    return {
        Cell(pathlib.Path("out"), "digits", method, seed): found
        for seed, found in enumerate(results)
    }


@pytest.fixture
def three():
    rng = np.random.default_rng(0)
    return of_seeds(
        *(
            result(*rng.uniform(0.5, 0.9, (2, 6)), seconds=rng.uniform(1, 9))
            for _ in range(3)
        )
    )


def test_mean_and_sample_deviation_over_seeds(three):
    rows = {row.student: row for row in student_rows(three)}
    assert set(rows) == set(STUDENTS)
    for name, row in rows.items():
        assert row.seeds == (0, 1, 2)
        expected = {
            "test_last": [r["test"][name] for r in three.values()],
            "validation_last": [r["validation"][name] for r in three.values()],
            "test_selected": [
                r["selected_epoch"]["test"][name] for r in three.values()
            ],
            "validation_selected": [
                r["selected_epoch"]["validation"][name] for r in three.values()
            ],
            "seconds": [r["seconds"]["total"] for r in three.values()],
        }
        assert set(row.measures) == set(expected)
        for measure, values in expected.items():
            series = row.measures[measure]
            assert series.mean == pytest.approx(np.mean(values))
            assert series.std == pytest.approx(np.std(values, ddof=1))


def test_students_stand_together_by_kind(three):
    other = of_seeds(*three.values(), method="independent")
    rows = student_rows({**three, **other})
    kinds = [row.kind for row in rows]
    assert kinds == sorted(
        kinds, key=["branch", "network", "ensemble", "other"].index
    )
    assert {row.student for row in rows if row.kind == "other"} == {"gated"}
    assert [row.parameters for row in rows[:4]] == [100, 50, 100, 50]
    assert rows[-1].parameters is None


def test_one_seed_has_no_deviation():
    cells = of_seeds(result([0.5] * 6, [0.625] * 6, shift=0.0))
    (row, *_) = summary_rows(cells, FACTS)
    assert row.measures["test_last"].std is None
    assert "| 62.5 ± \N{EN DASH} |" in summary_table([row])


def test_the_summary_chooses_on_validation_and_never_on_test():
    """Seed 0 prefers network_a, seed 1 network_b; test says the opposite."""
    cells = of_seeds(
        result([0.9, 0.1, 0.8, 0.2, 0.9, 1], [0.3, 0.7, 0.4, 0.6, 0.5, 1]),
        result([0.1, 0.9, 0.2, 0.8, 0.9, 1], [0.7, 0.1, 0.6, 0.2, 0.5, 1]),
    )
    rows = {row.kind: row for row in summary_rows(cells, FACTS)}
    assert set(rows) == {"branch", "network", "ensemble"}
    assert rows["branch"].measures["test_last"].values == (0.3, 0.1)
    assert rows["network"].measures["test_last"].values == (0.4, 0.2)
    assert rows["ensemble"].measures["test_last"].values == (0.5, 0.5)
    selected = rows["branch"].measures["test_selected"].values
    assert selected == pytest.approx((0.31, 0.11))
    assert rows["branch"].parameters is None, "another size in each seed"
    assert rows["ensemble"].parameters == 150


def test_the_summary_takes_what_a_run_would_ship():
    """Of branches that 100 images cannot tell apart the main one."""
    found = result([0.39, 0.36, 0, 0, 0, 0], [0.43, 0.45, 0, 0, 0, 0])
    parts = [found, found["selected_epoch"]]
    for names in [found["student_parameters"]] + [
        part[kind] for part in parts for kind in ("validation", "test")
    ]:
        names["network_b/main"] = names.pop("network_b/branch_0")
    found["student_parameters"]["network_b/main"] = 100
    for images, test in ((100, 0.45), (10_000, 0.43)):
        facts = {"digits": {"validation_images": images}}
        (row, *_) = summary_rows(of_seeds(found), facts)
        assert row.measures["test_last"].values == (test,)


def test_the_selected_epoch_chooses_its_own_branch():
    found = result([0.9, 0.1, 0, 0, 0, 0], [0.3, 0.7, 0, 0, 0, 0])
    chosen = found["selected_epoch"]["validation"]
    chosen["network_b/branch_0"] = 0.95
    (row, *_) = summary_rows(of_seeds(found), FACTS)
    assert row.measures["test_last"].values == (0.3,)
    assert row.measures["test_selected"].values == pytest.approx((0.71,))


def test_diversity_and_calibration_stand_in_the_table_where_all_seeds_have_it():
    found = [result([0.5] * 6, [0.5] * 6) for _ in range(2)]
    assert "diversity" not in summary_table(
        summary_rows(of_seeds(*found), FACTS)
    )
    for seed, own in enumerate(found):
        own["calibration_error"] = dict.fromkeys(STUDENTS, 0.1 + seed / 5)
        own["diversity"] = {"fair_all": 0.4 + seed / 10, "disagreement": None}
    rows = summary_rows(of_seeds(*found), FACTS)
    assert rows[0].measures["diversity"].values == (0.4, 0.5)
    head, _, line = summary_table(rows).splitlines()
    assert "ECE" in head
    assert "diversity" in head
    assert "disagree" not in head
    assert "| 0.20 ± 0.14 | 0.45 ± 0.07 |" in line


def test_a_method_without_an_ensemble_has_a_gap():
    single = result([0.5] * 6, [0.5] * 6)
    for accuracies in (
        *(single["validation"], single["test"]),
        *(single["selected_epoch"][part] for part in ("validation", "test")),
    ):
        for name in ("network_b/branch_0", "network_b", "ensemble"):
            del accuracies[name]
    table = summary_table(
        summary_rows(
            {
                **of_seeds(single, method="independent"),
                **of_seeds(result([0.5] * 6, [0.5] * 6)),
            },
            FACTS,
        )
    )
    (line,) = [x for x in table.splitlines() if x.startswith("| independent")]
    assert [cell.strip() for cell in line.split("|")][-4:-2] == [
        "\N{EN DASH}"
    ] * 2


def config(date="2026-11-23", **data):
    return {
        "date": date,
        "machine": {
            **{"processor": "one that counts", "cores": 2, "gpu": None},
            "system": "Linux x86_64",
        },
        "data": {
            "class_names": ["cat", "dog"],
            "image_shape": [8, 8, 1],
            "training_images": 1000,
            "validation_images": 100,
            "test_images": 200,
            "content": {"train": "abc"},
            **data,
        },
        "config": {
            **{"network_a": "resnet8", "network_b": "none", "epochs": 2},
            **{"network_c": "none", "network_d": "none"},
            **{"batch_size": 4, "learning_rate": 0.05, "branches": 1},
            **{"transformation": "none", "joint_labels": False},
        },
        "versions": {"keras": "3.15.1", "torch": "2.13.0"},
    }


def test_the_text_states_the_scale_and_what_is_missing(three):
    configs = dict.fromkeys(three, config())
    configs[next(iter(three))] = config(date="2026-11-21")
    facts = gather_facts(configs, "torch", 1)
    missing = make_cells("out", ["digits"], ["o|ther"], [5])
    text = to_markdown(
        facts, summary_rows(three, FACTS), student_rows(three), missing
    )
    for words in (
        "digits: 2 classes; images of 8x8x1: 1,000 training, 100 validation, "
        "200 test; backbones: resnet8; epochs: 2",
        *("backend torch", "keras 3.15.1, torch 2.13.0", "seeds: 0, 1, 2"),
        "trained 2026-11-21 to 2026-11-23",
        "one that counts, 2 cores, GPU: none, Linux x86_64",
        "**missing**: digits o\\|ther seed 5",
        "css: networks: 1, branches of each: 1; transformation: none; joint "
        "labels: no; epochs: 2; batch size: 4; learning rate: 0.05",
    ):
        assert words in text


def test_methods_that_saw_other_images_are_not_compared():
    first, second = make_cells("out", ["digits"], ["css", "independent"], [0])
    configs = {first: config(), second: config(content={"train": "abd"})}
    with pytest.raises(UserError, match="must see the same images"):
        gather_facts(configs, "torch", 1)
