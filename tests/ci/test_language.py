"""The language check finds what it should, where it is, and nothing else."""

from pathlib import Path

import pytest

from tests.ci.scripts import load_script

language = load_script("check_language")
RULES = """
[phrases]
'begins? anew' = "reset"
[openings]
'What' = "start with a noun"
[names]
given = "value"
[vague_names]
most = "max_…"
[[allowed]]
text = '"begin anew" of the vendor'
files = "docs/*"
reason = "documented message"
"""


def findings(path: str, text: str) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = language.Check(language.load_rules(RULES)).findings(path, text)
    return found


def lines(path: str, text: str) -> list[int]:
    return [line for line, _ in findings(path, text)]


def test_a_phrase_is_reported_with_its_line_and_replacement() -> None:
    assert findings("docs/a.md", "One.\nThe tenant begins anew.\n") == [(2, '"begins anew": write reset')]


def test_a_phrase_matches_across_a_line_break_and_in_any_case() -> None:
    assert findings("README.md", "It Begins\nanew.") == [(1, '"Begins anew": write reset')]


def test_a_phrase_matches_complete_words_only() -> None:
    assert not findings("README.md", "Not rebegin anew, nor begin anewly.")


def test_text_in_code_blocks_of_documents_is_checked() -> None:
    assert lines("docs/a.md", "```python\nx = 1\ny = 2  # begin anew\n```\n") == [3]


def test_other_files_are_checked_as_text() -> None:
    assert lines("Makefile", "all:\n\techo begin anew\n") == [2]


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ('"""Begins anew."""\n', 1),
        ('"""One.\n\nBegins\nanew.\n"""\n', 3),
        ("x = 1\n# It begins\n# anew.\n", 2),
        ('x = "One.\\nTwo.\\nBegins anew."\ny = 2\n', 1),
        ("x = 1  # begins anew\ny = 2  # later\n", 1),
        ("# One.\n\n# It begins anew.\n", 3),
        ('x = f"{x} begins anew"\n', 1),
        ('x = 1\n"""Begins anew."""\n', 2),
        ('x = "begins "\\\n    "anew"\n', 1),
    ],
)
def test_comments_docstrings_and_strings_of_the_product_are_checked(source: str, line: int) -> None:
    assert lines("mock_atoms/a.py", source) == [line]


def test_code_of_the_product_is_no_prose() -> None:
    assert not findings("mock_atoms/a.py", "def begins_anew() -> None:\n    '''Reset.'''\n    return 1\n")


def test_strings_in_tests_are_data_and_names_of_tests_are_prose() -> None:
    assert not findings("tests/test_a.py", 'assert x == "begin anew"\n')
    assert lines("tests/test_a.py", "\n\ndef test_it_begins_anew(): ...\n") == [3]
    assert lines("tests/test_a.py", "class BeginAnew: ...\ndef f():\n    '''Begin anew.'''\n") == [3]


def test_an_allowed_text_may_stay_in_its_files() -> None:
    assert not findings("docs/a.md", 'The message "begin anew" of the vendor.')
    assert lines("README.md", 'The message "begin anew" of the vendor.') == [1]
    assert lines("docs/a.md", 'The "begin anew" of the vendor may not begin anew.') == [1]


def test_an_exception_needs_a_reason() -> None:
    with pytest.raises(KeyError, match="reason"):
        language.load_rules(RULES.replace("reason", "because"))


def test_names_of_the_product_are_checked_by_their_parts() -> None:
    source = "def f(given, most):\n    x._given_value = at_most\n    forgiven = 1\n"
    assert findings("mock_atoms/a.py", source) == [
        (1, "the name `given`: write value"),
        (1, "the name `most`: write max_…"),
        (2, "the name `_given_value`: write value"),
    ]
    assert not findings("tests/a.py", source)


def test_a_long_sentence_of_a_document_is_reported_at_its_line() -> None:
    text = "One.\n\nA short one. And " + "word " * 12 + "\nis\n" + "word " * 11 + "long. Short.\n"
    assert findings("docs/a.md", text) == [
        (3, "26 words in one sentence (And word word word word …): write at most 25")
    ]


@pytest.mark.parametrize(
    "text",
    [
        "word " * 25 + ".",
        "word " * 20 + "ends. " + "word " * 20,
        "- " + "word " * 20 + "\n- " + "word " * 20,
        "1. " + "word " * 20 + "\n2. " + "word " * 20,
        "| " + "word " * 30 + "|",
        "# " + "word " * 30,
        "```\n" + "word " * 30 + "\n```\n",
        "`" + "word " * 30 + "`",
        "[this](https://example.com/" + "word " * 30 + ")",
        "word " * 20 + "\n\n" + "word " * 20,
        "word " * 20 + "\n```\ncode\n```\n" + "word " * 20,
        "word " * 20 + "ends. **" + "word " * 20,
        "word " * 24 + "& end",
    ],
)
def test_code_tables_headings_and_items_make_no_sentence_long(text: str) -> None:
    assert not findings("docs/a.md", text)


def test_a_long_sentence_of_a_docstring_is_reported_at_its_line() -> None:
    source = f'x = 1\n\n\ndef f():\n    """Short.\n\n    {"word " * 26}.\n    """\n'
    assert findings("mock_atoms/a.py", source) == [
        (7, "26 words in one sentence (word word word word word …): write at most 25")
    ]
    assert not findings("tests/a.py", source)


def test_entries_of_docstring_sections_are_separate_sentences() -> None:
    entries = "".join(f"        {name}: {'word ' * 20}\n" for name in ("one", "two, three", "Raises"))
    assert not findings("mock_atoms/a.py", f'def f():\n    """Short.\n\n    Args:\n{entries}    """\n')


def test_a_fronted_clause_is_reported_at_its_line() -> None:
    text = "One.\n\nShort. What is wrong\nis shown.\n\n- What is left\n"
    assert findings("docs/a.md", text) == [
        (3, 'the sentence starts with "What is wrong …": start with a noun'),
        (6, 'the sentence starts with "What is left …": start with a noun'),
    ]


def test_questions_and_headings_are_no_fronted_clauses() -> None:
    assert not findings("docs/a.md", "# What is new\n\nWhat is new?\nWhatsoever.\n\n| What is old |\n")


def test_the_output_names_file_line_and_unused_exceptions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text("\nBegin anew.\n")
    (tmp_path / "docs" / "a.md").write_text("Plain.\n")

    assert language.main(tmp_path, language.load_rules(RULES), []) == 1

    first, second, _ = capsys.readouterr().out.splitlines()
    assert first == 'README.md:2: "Begin anew": write reset'
    assert "is unused: remove it" in second


def test_a_syntax_error_is_reported_at_its_line() -> None:
    ((line, problem),) = findings("mock_atoms/a.py", "x = 1\ny = (\n")
    assert (line, problem.endswith(": fix the syntax")) == (2, True)


def test_named_files_are_checked_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "README.md").write_text("Begin anew.\n")
    (tmp_path / "plain.md").write_text("Plain.\n")
    assert language.main(tmp_path, language.load_rules(RULES), ["plain.md"]) == 0
    assert not capsys.readouterr().out


def test_the_project_has_rules_and_files_to_check() -> None:
    rules = language.load_rules(language.RULES.read_text(encoding="utf-8"))
    assert [instead for pattern, instead in rules.phrases if pattern.search("the how-manieth attempt")]
    files = language.files(language.ROOT)
    assert {"README.md", "docs/faults.md", "mock_atoms/app.py", "Makefile", "tests/ci/test_language.py"} <= set(files)
    assert not [path for path in files if "node_modules" in path]
