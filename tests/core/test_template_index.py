from itertools import product

import pytest

from mock_atoms.core import template_index
from mock_atoms.core.template_index import INDEXED_SEGMENTS, TemplateIndex, template_key


def index_of(*templates: str) -> TemplateIndex[str]:
    index: TemplateIndex[str] = TemplateIndex()
    for template in templates:
        index.add(template_key(template), template, template)
    return index


def remove(index: TemplateIndex[str], template: str) -> None:
    index.remove(template_key(template), template)


TEMPLATES = ["/{a}", "/{a}/b", "/a/{b}", "/{a}/{b}", "/x-{a}/b", "/{a}/b/", "/{a}//b"]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/a", ["/{a}"]),
        ("/a/b", ["/{a}/b", "/x-{a}/b", "/a/{b}", "/{a}/{b}"]),
        ("/b/a", ["/{a}/{b}"]),
        ("/a/b/", ["/{a}/b/"]),
        ("/a//b", ["/{a}//b"]),
        ("/{x}/{y}", ["/{a}/{b}"]),
        ("/a/{b}", ["/a/{b}", "/{a}/{b}"]),
        ("/a/b/c", []),
        ("/a/b/c/d", []),
        ("", []),
    ],
)
def test_templates_are_found_by_segments(path: str, found: list[str]) -> None:
    assert sorted(index_of(*TEMPLATES).find(path)) == sorted(found)


def test_removed_items_leave_nothing() -> None:
    index = index_of("/{a}", "/{a}/b", "/{a}/c", "/b/{a}", "/{b}/b")
    remove(index, "/{a}/b")
    assert [*index.find("/b/b")] == ["/{b}/b", "/b/{a}"]
    for template in ("/{b}/b", "/b/{a}"):
        remove(index, template)
    assert [*index.find("/b/b")] == []
    assert [*index.find("/b/c")] == ["/{a}/c"]
    for template in ("/{a}/c", "/{a}"):
        remove(index, template)
    assert index.parts() == []
    assert vars(index) == vars(index_of())


def test_templates_that_differ_in_later_segments_share_a_key() -> None:
    start = "/{a}" + "/s" * (INDEXED_SEGMENTS - 2)
    templates = [f"{start}/{{b}}", f"{start}/c"]
    assert [*index_of(*templates, f"{start}/c/d").find(f"{start}/x")] == templates


def test_a_search_takes_a_bounded_number_of_lookups(monkeypatch: pytest.MonkeyPatch) -> None:
    index = index_of(*("/" + "/".join(segments) for segments in product(("a", "{p}"), repeat=INDEXED_SEGMENTS + 2)))
    looked_up: list[tuple[int, ...]] = []
    without = template_index._without  # noqa: SLF001 - called once for each look-up

    def count(segments: list[str], positions: tuple[int, ...]) -> tuple[str, ...]:
        looked_up.append(positions)
        return without(segments, positions)

    monkeypatch.setattr(template_index, "_without", count)
    assert len([*index.find("/b" * (INDEXED_SEGMENTS + 2))]) == 2**3
    assert len(looked_up) == 2 ** (INDEXED_SEGMENTS - 1)
