"""A damaged history is refused in one line, whatever is wrong with it."""

import pytest

from keras_css import UserError
from keras_css.runs.history import read_history

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    "text",
    [
        "epoch,loss\n1,2.0\n",
        "seconds,loss\n1,2.0\n",
        "epoch,seconds\n1,\n",
        "epoch,seconds\n1,2,3\n",
        "epoch,seconds\none,2\n",
        "epoch,seconds\n1," + "2" * 200_000 + "\n",
    ],
)
def test_a_damaged_history_gets_one_line(tmp_path, text):
    path = tmp_path / "history.csv"
    path.write_text(text)
    with pytest.raises(UserError, match="must be the history") as caught:
        read_history(path)
    assert str(caught.value).isprintable()
