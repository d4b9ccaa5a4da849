import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentedit.errors import InputError
from latentedit.explorer.setting import Setting, read_setting

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
JSON = LEAVES | st.lists(LEAVES, max_size=3) | st.dictionaries(st.text(max_size=3), LEAVES, max_size=3)
KEYS = st.sampled_from(["seed", "psi", "from_photo", "alphas", "keep", "layers", "scorer", "else"])


@given(st.dictionaries(KEYS, JSON) | JSON)
def test_anything_is_a_setting_or_a_mistake_of_the_senders(data):
    with suppress(InputError):
        assert isinstance(read_setting(data), Setting)


def test_what_the_page_sends_is_read():
    sent = {"seed": 7, "psi": 0.5, "alphas": {"smile": 0.1 + 0.2, "age": 0}, "keep": ["age", "age"], "layers": "4-7"}
    setting = read_setting(json.loads(json.dumps(sent | {"number": 3, "scorer": "omi:happy"})))
    assert setting == Setting(7, 0.5, False, (("smile", 0.3), ("age", 0.0)), ("age",), "4-7", "omi:happy")
    assert setting.moves == (("smile", 0.3),)
    assert setting.scaled(0.5).alphas == (("smile", 0.15), ("age", 0.0))
    assert setting.moved("smile", 2).alphas == (("age", 0.0), ("smile", 2))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ([], "an object of JSON"),
        ({"seed": -1}, "seed '-1': give a whole number"),
        ({"seed": True}, "seed 'True'"),
        ({"seed": 2**32}, "from 0 to 4294967295"),
        ({"psi": float("nan")}, "truncation 'nan': give a number from -2 to 2"),
        ({"alphas": {"smile": 101}}, "smile '101': give a number from -100 to 100"),
        ({"alphas": {"smile": "1"}}, "smile '1'"),
        ({"alphas": dict.fromkeys(map(str, range(25)), 0)}, "24 directions"),
        ({"keep": ["x"] * 17}, "a list of 16"),
        ({"layers": "a\nb"}, "layers"),
        ({"scorer": "x" * 201}, "give a word"),
    ],
)
def test_a_fault_is_named(data, expected):
    with pytest.raises(InputError, match=expected):
        read_setting(data)
