import unicodedata

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import InputError
from protocols.scores import ScoreTable


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text("ab\u0301\u00e1z", min_size=1, max_size=3), min_size=1, max_size=8, unique=True), st.randoms())
def test_every_score_stays_with_its_image_whatever_the_spelling_of_the_ids(ids, random):
    ids = list({unicodedata.normalize("NFC", i): i for i in ids}.values())
    rows = [(name, k % 2, float(k), f"p{k}") for k, name in enumerate(ids)]
    random.shuffle(rows)
    table = ScoreTable.checked(pd.DataFrame(rows, columns=["sample_id", "label", "score", "partition"]))
    expected = {unicodedata.normalize("NFC", name): (k, p) for name, _, k, p in rows}
    frame = table.frame
    found = dict(zip(frame.sample_id, zip(frame.score, frame.partition, strict=True), strict=True))
    assert found == expected
    assert list(frame.label) == [int(k) % 2 for k in frame.score]


def test_a_score_that_is_not_finite_names_its_row_and_image():
    frame = pd.DataFrame({"sample_id": ["a", "b"], "label": [0, 1], "score": [1.0, float("nan")]})
    with pytest.raises(InputError, match="b") as error:
        ScoreTable.checked(frame)
    assert error.value.code == "NonFiniteScore"
