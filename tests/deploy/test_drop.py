"""What a reduced precision may lose is told from chance by counting."""

import numpy as np
import pytest

from keras_css.deploy.drop import Changed
from keras_css.deploy.drop import check_drop
from keras_css.deploy.drop import compare_answers
from keras_css.errors import ProofError

pytestmark = pytest.mark.once


def test_one_answer_of_80_is_no_reason_to_refuse():
    """It is 0.0125, more than the 0.01 that may be lost."""
    lines = []
    check_drop({"validation": Changed(1, 0, 80)}, 0.01, lines.append)
    (line,) = lines
    assert "1 answers lost and 0 gained on the 80 validation images" in line
    assert "about 5,344 images would tell" in line


@pytest.mark.parametrize(
    ("lost", "gained", "images", "passes"),
    [
        (0, 0, 80, True),
        (3, 0, 80, True),
        (4, 0, 80, False),
        (8, 4, 80, True),
        (1, 0, 2, True),
        (100, 0, 10_000, True),
        (150, 0, 10_000, False),
        (300, 175, 10_000, True),
        (400, 200, 10_000, False),
        (0, 9, 80, True),
        (80, 0, 80, False),
    ],
)
def test_a_drop_is_refused_where_it_is_beyond_chance(
    lost, gained, images, passes
):
    changes = {"test": Changed(lost, gained, images)}
    if passes:
        check_drop(changes, 0.01, lambda line: None)
        return
    with pytest.raises(
        ProofError, match=r"at most 0\.01 accuracy.*at least 0\."
    ):
        check_drop(changes, 0.01, lambda line: None)


def test_the_bound_is_that_of_the_score_interval():
    """Where no answer was gained the likeliest share p of gains is simple.

    It maximises b log(p + d) + (n - b) log(1 - 2p - d).
    """
    z = 1.6449
    for n, b in ((80, 3), (80, 60), (10_000, 120)):
        d = Changed(b, 0, n).at_least()
        share = max(0.0, (b - (2 * n - b) * d) / (2 * n))
        variance = n * (2 * share + d * (1 - d))
        assert (b - n * d) ** 2 == pytest.approx(z**2 * variance, rel=1e-4)


def test_the_bound_covers_what_it_says():
    """Drawn 4000 times: the true drop is below it about once in 20."""
    rng = np.random.default_rng(0)
    below = 0
    for _ in range(4000):
        lost, gained, _ = rng.multinomial(500, [0.06, 0.03, 0.91])
        below += Changed(int(lost), int(gained), 500).at_least() > 0.03
    assert 0.03 < below / 4000 < 0.07


def test_answers_are_compared_one_by_one():
    before = np.array([True, True, False, False, True])
    after = np.array([True, False, True, False, True])
    assert compare_answers(before, after) == Changed(1, 1, 5)
    assert Changed(1, 1, 5).drop == 0
