"""A report that is watched while it is written."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

from orapo.generation import Decoding, sample_reports

FILM = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
DECODING = Decoding(max_new_tokens=12, temperature=1.0, samples=3)


def write(model, processor, decoding=DECODING, watch=None):
    return sample_reports(model, processor, [[FILM]], ["Report."], ["s"], decoding, watch)[0]


@pytest.mark.parametrize(
    "decoding", [DECODING, replace(DECODING, samples=1), Decoding(max_new_tokens=12)]
)
def test_what_is_shown_grows_to_the_first_report_and_changes_none(
    tiny_model, tiny_processor, decoding
):
    shown = []
    watched = write(tiny_model, tiny_processor, decoding, lambda text: shown.append(text) or False)
    assert watched == write(tiny_model, tiny_processor, decoding)
    assert shown[-1] == watched[0].text
    assert len(shown) > 1
    assert shown == sorted(shown, key=len)


def test_writing_ends_where_the_watcher_says_so(tiny_model, tiny_processor):
    shown = []

    def third(text):
        shown.append(text)
        return len(shown) == 3

    samples = write(tiny_model, tiny_processor, watch=third)
    assert len(shown) == 3
    assert samples[0].text == shown[-1]
    assert all(sample.cut for sample in samples)
    assert all(sample.log_likelihood < 0 for sample in samples)
