"""Checks how README and the pages of docs/ hang together: links, headings, and the purpose of each page."""

import re
from pathlib import Path

import pytest

from tests.helpers.snippets import PAGES, ROOT

ROOT_PAGES = [ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")]
MAX_WORDS_OF_A_SENTENCE = 25
_LINK = re.compile(r"\]\((?!https?:)([^)\s]+)\)")
_CODE_BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def prose(page: Path) -> str:
    """Return the text of `page` without its code blocks."""
    return _CODE_BLOCK.sub("", page.read_text(encoding="utf-8"))


def heading_anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of `page`."""
    anchors: list[str] = []
    for heading in re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE):
        text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        duplicates = sum(re.fullmatch(rf"{re.escape(anchor)}(-\d+)?", other) is not None for other in anchors)
        anchors.append(f"{anchor}-{duplicates}" if duplicates else anchor)
    return set(anchors)


@pytest.mark.parametrize("page", [*PAGES, *ROOT_PAGES], ids=lambda page: page.name)
def test_links_lead_to_existing_files_and_headings(page: Path) -> None:
    for link in _LINK.findall(prose(page)):
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), link
        assert not anchor or anchor in heading_anchors(target), link


def test_readme_links_to_every_page() -> None:
    linked = {(ROOT / link.partition("#")[0]).resolve() for link in _LINK.findall(prose(ROOT / "README.md"))}
    assert {page.name for page in [*PAGES[1:], *ROOT_PAGES]} <= {path.name for path in linked}


@pytest.mark.parametrize("page", [*PAGES, *ROOT_PAGES], ids=lambda page: page.name)
def test_page_starts_with_its_purpose_in_one_short_sentence(page: Path) -> None:
    title, purpose = prose(page).split("\n\n")[:2]
    assert re.fullmatch(r"# .+", title)
    assert re.match(r"[A-Za-z`]", purpose), "a paragraph follows the title"
    sentence = re.split(r"(?<=[.:])\s", purpose)[0]
    assert sentence.endswith((".", ":"))
    assert len(sentence.split()) <= MAX_WORDS_OF_A_SENTENCE, sentence
