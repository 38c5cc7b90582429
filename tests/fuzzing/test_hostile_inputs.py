"""Whatever a file holds or a flag says: read, or refused in one line.

`python benchmarks/fuzz.py` is the long form; here hypothesis draws the damage,
so that what breaks a reader is made small.
"""

import os
import pathlib
import sys
import tempfile

import hypothesis
import pytest
from hypothesis import strategies as st

sys.path.append(str(pathlib.Path(__file__).parents[2] / "benchmarks"))
from fuzzing import guard
from fuzzing.readers import READERS

pytestmark = pytest.mark.once
# Below a second each but for these, of which one input takes longer.
INPUTS = {"comparison": 60, "keras": 40, "flags": 120, "checkpoint_state": 60}


@pytest.mark.parametrize("name", READERS)
def test_a_hostile_input_is_read_or_refused_in_one_line(name):
    reader = READERS[name]

    @hypothesis.settings(
        max_examples=INPUTS.get(name, 150),
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(st.randoms(use_true_random=False))
    def holds(rng):
        with tempfile.TemporaryDirectory() as place:
            # The folder's name must not tell one input from another.
            folder = pathlib.Path(place) / name
            folder.mkdir()
            reader.make(rng, folder)
            outcome = guard.watch(reader, folder)
        assert outcome.kind != "finding", outcome.detail

    before = os.getcwd()
    try:
        holds()
    finally:
        os.chdir(before)
