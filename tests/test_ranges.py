import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentedit.errors import InputError
from latentedit.ranges import format_ranges, parse_indices, parse_layers, parse_seeds

numbers = st.lists(st.integers(0, 300), min_size=1, unique=True)


def test_seeds_are_everyones_notation():
    assert parse_seeds("0-3,7") == [0, 1, 2, 3, 7]
    assert parse_seeds(" 85 ") == [85]
    assert parse_seeds("7,0-2,1") == [7, 0, 1, 2]


@given(numbers)
def test_what_is_written_is_read(seeds):
    assert parse_seeds(format_ranges(seeds)) == seeds
    assert parse_layers(format_ranges(seeds), num_ws=301) == tuple(sorted(seeds))


@given(st.text(alphabet="0123456789-, xe.+", max_size=12))
def test_any_text_is_read_or_refused_in_one_line(text):
    try:
        seeds = parse_seeds(text)
    except InputError as error:
        complaint = str(error)
    else:
        complaint = repr(text)
        assert seeds == list(dict.fromkeys(seeds))
    assert repr(text) in complaint
    assert "\n" not in complaint


@pytest.mark.parametrize(
    "text", ["", ",", "3-", "-3", "3-1", "1,,2", "a", "1.5", "4294967296", "0-4294967295", "²", "0x1"]
)
def test_bad_seeds_are_repeated_in_the_error(text):
    with pytest.raises(InputError, match="seeds"):
        parse_seeds(text)


@pytest.mark.parametrize(
    ("text", "layers"),
    [
        ("all", range(10)),
        ("coarse", range(4)),
        ("middle", range(4, 8)),
        ("fine", (8, 9)),
        ("4-7", range(4, 8)),
        ("9,0-1", (0, 1, 9)),
        ("coarse,9", (0, 1, 2, 3, 9)),
    ],
)
def test_layers(text, layers):
    assert parse_layers(text, num_ws=10) == tuple(layers)


def test_layer_names_are_clipped_to_the_generator():
    assert parse_layers("middle", num_ws=6) == (4, 5)
    with pytest.raises(InputError, match="fine starts at layer 8"):
        parse_layers("fine", num_ws=8)


@pytest.mark.parametrize("text", ["10", "8-10", "3-1", "", "top", "0-", "fine-coarse"])
def test_bad_layers_are_repeated_in_the_error(text):
    with pytest.raises(InputError, match=f"layers '{text}'"):
        parse_layers(text, num_ws=10)


def test_indices_are_positions():
    assert parse_indices("0-2,4", 5) == [0, 1, 2, 4]
    with pytest.raises(InputError, match=r"indices '3-5': there are 5, 0-4"):
        parse_indices("3-5", 5)


@pytest.mark.parametrize(
    ("text", "layers"),
    [
        ("all", range(11)),
        ("coarse", range(6)),
        ("middle", range(6, 11)),
        ("9", [9]),
        ("middle,0-1", [0, 1, *range(6, 11)]),
    ],
)
def test_names_of_style_layers_go_by_the_rows_that_feed_them(text, layers):
    rows = [0, 1, 1, 2, 3, 3, 4, 5, 5, 6, 7]  # of a 32 px StyleGAN2
    assert parse_layers(text, 11, rows) == tuple(layers)
    with pytest.raises(InputError, match="fine starts at layer 8, this generator has 0-7"):
        parse_layers("fine", 11, rows)
