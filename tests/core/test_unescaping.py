import pytest

from mock_atoms.core.slices import run_without_pauses
from mock_atoms.core.unescaping import MAX_LAYERS, Layer, layer_steps


def layers(text: str) -> list[Layer]:
    return run_without_pauses(layer_steps(text))


@pytest.mark.parametrize(
    ("text", "decoded"),
    [
        ("a b", []),
        ("100%", []),
        ("a\\", []),
        ("%61%62c", ["abc"]),
        ("%2561", ["%61", "a"]),
        (r"\u0061\x62\143\d\n\\u0061", ["abcd\n\\u0061", "abcd\na"]),
        (r"\\\\a", [r"\\a", r"\a", "a"]),
        (r"\u12", ["u12"]),
        ("\0a\0b", ["ab"]),
    ],
)
def test_each_layer_is_decoded_once_more(text: str, decoded: list[str]) -> None:
    assert [layer.text for layer in layers(text)] == [text, *decoded]


def test_each_character_has_its_place_in_the_original() -> None:
    *_, layer = layers(r"x%2561\/y" + "\0z")
    places = [r"x%2561\/y"[start:end] for start, end in zip(layer.offsets, layer.offsets[1:], strict=False)]
    assert (layer.text, places[:4]) == ("xa/yz", ["x", "%2561", r"\/", "y"])
    assert layer.offsets[-1] == len(r"x%2561\/y") + 2


@pytest.mark.parametrize("text", ["%" + "25" * 1000 + "41", "\\" * 4096, "%5c" * 1000])
def test_decoding_is_linear(text: str) -> None:
    assert sum(len(layer.text) for layer in layers(text)) <= (MAX_LAYERS + 1) * len(text)


@pytest.mark.parametrize("text", ["%61 ", "a\0"])
def test_long_text_is_decoded_in_steps(text: str) -> None:
    pauses = [sum(1 for _ in layer_steps(text * count)) for count in (10, 2000)]
    assert pauses[1] >= pauses[0] + 3
