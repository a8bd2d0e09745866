"""docs/clients.md shows each program of tests/clients in full; tests/clients runs them.

Programs in the folder `control_api` are not shown: the page is about clients of the vendor's API.
"""

from tests.helpers.snippets import ROOT, read_snippets

LANGUAGES = {
    ".py": "python",
    ".mjs": "javascript",
    ".sh": "bash",
    ".go": "go",
    ".rb": "ruby",
    ".php": "php",
    ".java": "java",
}


def test_clients_page_shows_each_program_in_full() -> None:
    shown = [(s.language, s.label, s.text) for s in read_snippets() if s.page == "clients.md" and s.label]
    programs = [
        path
        for path in (ROOT / "tests" / "clients").iterdir()
        if path.is_file() and not path.name.startswith((".", "__", "test_")) and path.suffix != ".json"
    ]
    assert sorted(shown) == sorted(
        (LANGUAGES[path.suffix], path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
        for path in programs
    )
    assert programs
