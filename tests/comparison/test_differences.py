"""Paired differences of made-up results, held to SciPy's own tests."""

import pathlib

import numpy as np
import pytest
from scipy import stats
from test_comparison_table import result

from keras_css.comparison.cell import Cell
from keras_css.comparison.differences import differences
from keras_css.comparison.markdown import summary_table
from keras_css.comparison.table import summary_rows
from keras_css.evaluation.students import standard_error

pytestmark = pytest.mark.once


def compared(accuracies):
    """Returns the summary of methods whose only branch counts.

    Args:
        accuracies: Dict from method to a dict from seed to test accuracy.
    """
    cells = {}
    for method, of_seeds in accuracies.items():
        for seed, value in of_seeds.items():
            found = result([value] * 6, [value] * 6)
            cells[Cell(pathlib.Path("out"), "digits", method, seed)] = found
    return summary_rows(cells, {"digits": {"validation_images": 500}})


def of_branch(found):
    return [d for d in found if d.kind == "branch"]


@pytest.mark.parametrize("count", [2, 5, 9])
def test_intervals_are_those_of_a_paired_t_test(count):
    rng = np.random.default_rng(count)
    plain, css = rng.uniform(0.4, 0.6, (2, count))
    summary = compared(
        {
            "independent": dict(enumerate(plain)),
            "css": dict(enumerate(css)),
        }
    )
    for part in ("test", "validation"):
        (found,) = of_branch(differences(summary, part))
        expected = stats.ttest_rel(css, plain).confidence_interval(0.95)
        assert found.mean == pytest.approx(np.mean(css - plain))
        assert found.interval == pytest.approx(tuple(expected))


def test_verdicts_follow_from_the_interval():
    plain = {0: 0.40, 1: 0.50, 2: 0.45}
    summary = compared(
        {
            "independent": plain,
            "css": {seed: a + 0.04 + seed / 1e3 for seed, a in plain.items()},
            "dml": {seed: a - 0.04 - seed / 1e3 for seed, a in plain.items()},
            # As good on average, though its seeds are up and down.
            "one": {0: 0.46, 1: 0.44, 2: 0.46},
            "pcl": {1: 0.9},
        }
    )
    found = {d.method: d for d in of_branch(differences(summary))}
    verdicts = {method: d.verdict for method, d in found.items()}
    assert verdicts == {
        "css": "better",
        "dml": "worse",
        "one": "open",
        "pcl": "open",
    }
    # Seeds of both only, each beside its own.
    assert found["pcl"].values == pytest.approx((0.4,))
    assert found["pcl"].interval is None
    table = summary_table(summary)
    assert "to independent" in table
    assert "+4.1 (+3.9 to +4.3)" in table
    assert "+40.0 (one seed: no interval)" in table


def test_the_test_part_has_an_error_of_its_own():
    assert standard_error(0.5, 500) == pytest.approx(0.02236, abs=1e-5)
    rng = np.random.default_rng(0)
    drawn = rng.binomial(2000, 0.4, 20000) / 2000
    assert standard_error(0.4, 2000) == pytest.approx(drawn.std(), rel=0.02)
