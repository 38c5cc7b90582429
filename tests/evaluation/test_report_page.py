"""The report shows names as they are, and none of them becomes markup."""

import html.parser

import pytest

from keras_css.evaluation.report import write_report

pytestmark = pytest.mark.once
EVIL = "<script>alert('x')</script><img src=x onerror=\"y\">&amp;"


class Page(html.parser.HTMLParser):
    """Collects the tags, their attributes and the text of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text = set(), set(), ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attributes}

    def handle_data(self, data):
        self.text += data


def test_names_of_files_and_classes_stay_text(tmp_path):
    picture = tmp_path / "curves.png"
    picture.write_bytes(b"png")
    accuracy = {"network_a": 0.5, EVIL: 0.25}
    result = {
        **{"method": EVIL, "dataset": EVIL, "backend": "torch"},
        **{"validation": accuracy, "test": accuracy, "epochs": 1},
        **{"calibration_error": accuracy, "best_student": EVIL},
        **{"parameters": {EVIL: 10}, "diversity": {EVIL: 0.5}},
        **{"student_parameters": {EVIL: 10}},
        "most_accurate": {"student": "network_a", "ahead": 0.25, "noise": 0.3},
        **{"selected_epoch": {"epoch": 1}, "seconds": {"total": 1.0}},
    }
    config = {
        "data_dir": f"/photos/{EVIL}",
        "class_names": [EVIL, "ant"],
        EVIL: EVIL,
    }
    write_report(tmp_path / "r.html", result, config, {EVIL: picture})
    page = Page((tmp_path / "r.html").read_text("utf-8"))
    assert page.tags == {
        *("meta", "title", "style", "h1", "h2", "p", "table", "tr", "th"),
        *("td", "img"),
    }
    assert page.attributes == {"charset", "alt", "src", "class"}
    assert f"/photos/{EVIL}" in page.text
