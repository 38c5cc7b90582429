"""Every test runs on every backend that it is about, and none twice."""

import itertools

import pytest
import run_backends
from run_backends import BACKENDS
from run_backends import suites_of

pytestmark = pytest.mark.once


def backends_that_run(suites, once, several):
    """Returns the backends on which a test of these marks runs, sorted."""
    marks = {"once": once, "several": several}
    return sorted(b for b, kind in suites if eval(kind or "True", marks))


@pytest.mark.parametrize(
    ("once", "several"), list(itertools.product([False, True], repeat=2))
)
def test_nothing_is_left_out_and_nothing_runs_twice(once, several):
    kind = (once, several)
    expected = ["tensorflow"] if once else sorted(BACKENDS)
    whole = suites_of([*BACKENDS], [], None)
    assert backends_that_run(whole, *kind) == expected
    alone = suites_of(["tensorflow"], [], None)
    after = suites_of([*BACKENDS], ["jax", "torch"], "tensorflow")
    assert backends_that_run([*alone, *after], *kind) == expected
    assert bool(backends_that_run(alone, *kind)) == (not several)


def test_a_backend_that_is_lacking_fails_where_it_was_named(
    monkeypatch, capsys
):
    monkeypatch.setattr(run_backends, "run", lambda *suite: 0)
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: name == "tensorflow" or None
    )
    assert run_backends.main([]) == 0
    assert "jax: NOT RUN, not installed (make test" in capsys.readouterr().out
    assert run_backends.main(["torch"]) == 1
    assert "torch: NOT RUN, not installed (it was" in capsys.readouterr().out
    assert run_backends.main(["torhc"]) == 2
    monkeypatch.setattr(run_backends, "run", lambda *suite: 1)
    assert run_backends.main([]) == 1
    assert "FAILED (pytest exit 1)" in capsys.readouterr().out


def test_the_files_of_the_fast_lane_are_there():
    for name in run_backends.FAST:
        assert (run_backends.TESTS / name).exists()
