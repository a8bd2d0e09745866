"""Uploaded files: their rows, or a refusal that stores nothing."""

import asyncio
import csv
import io
import itertools
import json
import socket
from http.client import HTTPResponse
from typing import Any, Literal

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.types import Message

from mock_atoms import MockServer, create_app
from mock_atoms.contract.errors import ApiError
from mock_atoms.core.slices import run_without_pauses
from mock_atoms.data.csv_file import parse_csv_steps
from tests.helpers.audiences import bearer

BOM = b"\xef\xbb\xbf"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89"
FIVE_MIB = 5 * 1024 * 1024
TOO_LARGE = "File too large: at most 5242880 bytes (5 MB)"
DUPLICATES = (
    "Some phone numbers in your CSV already exist in this audience. Please remove duplicate entries and try again."
)
SAVE = "Save it as CSV UTF-8, separated by commas"
SEMICOLONS = f"Its columns seem to be separated by semicolons. {SAVE}"
NOT_UTF_8 = f"CSV file is not UTF-8 text. {SAVE}"
ADVICE = "Use a string of 7 to 15 digits, such as +14155550123"
ADA, BOB = {"phone": "+14155550100", "name": "Ada"}, {"phone": "14155550101", "name": "Bob"}

Rows = list[dict[str, str]]

ACCEPTED = [
    pytest.param(b"phone,name\n+14155550100,Ada\n14155550101,Bob\n", [ADA, BOB], id="UTF-8"),
    pytest.param(BOM + b"phone,name\n+14155550100,Ada\n14155550101,Bob\n", [ADA, BOB], id="byte order mark"),
    pytest.param(BOM + b'"phone","name"\n"+14155550100","Ada"\n', [ADA], id="byte order mark before a quote"),
    pytest.param(b"phone,name\r\n+14155550100,Ada\r\n14155550101,Bob\r\n", [ADA, BOB], id="CRLF"),
    pytest.param(b"phone,name\r+14155550100,Ada\r14155550101,Bob\r", [ADA, BOB], id="lone CR"),
    pytest.param(b"phone,name\r\n+14155550100,Ada\n14155550101,Bob", [ADA, BOB], id="mixed ends, none at the last"),
    pytest.param(b"name,phone\nAda,+14155550100\n", [ADA], id="another order of columns"),
    pytest.param(
        b"phone\n5550100\n123456789012345\n", [{"phone": "5550100"}, {"phone": "123456789012345"}], id="7, 15"
    ),
    pytest.param(
        b'phone,name\n5550100,"Lovelace, Ada"\n5550101,"""Bob"" 6\'2"""\n5550102,"two\nlines"\n'
        b'5550103,"two\r\nlines"\n',
        [
            {"phone": "5550100", "name": "Lovelace, Ada"},
            {"phone": "5550101", "name": '"Bob" 6\'2"'},
            {"phone": "5550102", "name": "two\nlines"},
            {"phone": "5550103", "name": "two\r\nlines"},
        ],
        id="quoted fields",
    ),
    pytest.param(
        b'phone,name\n5550100,Ada "the" first\n', [{"phone": "5550100", "name": 'Ada "the" first'}], id="quote"
    ),
    pytest.param(
        b"\n\r\n  \nphone,name\n\n+14155550100,Ada\n\n   \n14155550101,Bob\n\n\n", [ADA, BOB], id="blank lines"
    ),
    pytest.param(
        b",\nphone,name\n,,,\n+14155550100,Ada\n , \n14155550101,Bob\n,\n,\n", [ADA, BOB], id="rows of separators"
    ),
    pytest.param(
        b"phone,name,note\n5550100,,\n5550101, ,x\n",
        [{"phone": "5550100", "name": "", "note": ""}, {"phone": "5550101", "name": " ", "note": "x"}],
        id="empty cells",
    ),
    pytest.param(
        'phone,größe,ім\'я\n5550100,groß,"Ада, 👩🏽‍💻"\n'.encode(),
        [{"phone": "5550100", "größe": "groß", "ім'я": "Ада, 👩🏽‍💻"}],
        id="many languages",
    ),
    pytest.param(
        b"phone,a,b,c\n5550100,=1+1,<script>alert(1)</script>,007\n5550101,true,null,1e3\n",
        [
            {"phone": "5550100", "a": "=1+1", "b": "<script>alert(1)</script>", "c": "007"},
            {"phone": "5550101", "a": "true", "b": "null", "c": "1e3"},
        ],
        id="text that looks like something else",
    ),
    pytest.param(
        "phone,a\n5550100,x\u2028y\x0bz\x0c\x85\x1c\n".encode(),
        [{"phone": "5550100", "a": "x\u2028y\x0bz\x0c\x85\x1c"}],
        id="other separators end no line",
    ),
    pytest.param(b"phone,a;b\n5550100,1;2\n", [{"phone": "5550100", "a;b": "1;2"}], id=";"),
    pytest.param(
        ",".join(["phone", *(f"c{number}" for number in range(99))]).encode() + b"\n5550100" + b"," * 99,
        [{"phone": "5550100", **{f"c{number}": "" for number in range(99)}}],
        id="100 columns",
    ),
    pytest.param(b"phone,__proto__\n5550100,x\n", [{"phone": "5550100", "__proto__": "x"}], id="__proto__"),
    pytest.param(b"phone,Phone\n5550100,5550100\n", [{"phone": "5550100", "Phone": "5550100"}], id="letter case"),
]

REFUSED = [
    pytest.param(b"", "CSV file is empty", id="empty"),
    pytest.param(BOM, "CSV file is empty", id="byte order mark alone"),
    pytest.param(b"\n\r\n \r", "CSV file is empty", id="blank lines alone"),
    pytest.param(b"phone,name\n", "CSV file has no rows after its header", id="header alone"),
    pytest.param(b"phone,name\n\n\n", "CSV file has no rows after its header", id="header and blank lines"),
    pytest.param(
        b"tel,name\n5550100,Ada\n", 'CSV file has no column named "phone". It has: "tel", "name"', id="no phone column"
    ),
    pytest.param(
        b"phone ,Phone\n5550100,1\n",
        'CSV file has no column named "phone". It has: "phone ", "Phone"',
        id="near misses",
    ),
    pytest.param(
        b"phone;name\n5550100;Ada\n",
        f'CSV file has no column named "phone". It has: "phone;name". {SEMICOLONS}',
        id="semicolons",
    ),
    pytest.param(
        BOM + b"\r\nphone\tname, first\tnote\r\n5550100\tAda\tx\r\n",
        'CSV file has no column named "phone". It has: "phoneU+0009name", " firstU+0009note". '
        f"Its columns seem to be separated by tabs. {SAVE}",
        id="tabs",
    ),
    pytest.param(
        b'"phone";"name"\n"5550100";"Ada"\n',
        f"CSV file cannot be read after line 1: ',' expected after '\"'. {SEMICOLONS}",
        id="semicolons and quotes",
    ),
    pytest.param(
        "t\u00e9l,name\n5550100,Ada\n".encode(),
        'CSV file has no column named "phone". It has: "t\u00e9l", "name"',
        id="no lookalike",
    ),
    pytest.param(
        ",".join([*(f"c{number}" for number in range(21)), "x" * 41]).encode() + b"\n",
        'CSV file has no column named "phone". It has: ' + ", ".join(f'"c{number}"' for number in range(20)) + "…",
        id="many other columns",
    ),
    pytest.param(
        b"x" * 41 + b"\n5550100\n", f'CSV file has no column named "phone". It has: "{"x" * 40}…"', id="a long header"
    ),
    pytest.param(
        b"5550100,Ada\n5550101,Bob\n", 'CSV file has no column named "phone". It has: "5550100", "Ada"', id="none"
    ),
    pytest.param(b"phone" + b",x" * 100 + b"\n", "CSV file has 101 columns; the maximum is 100", id="101 columns"),
    pytest.param(b"phone,name,phone\n1,2,3\n", 'CSV file has two columns named "phone"', id="duplicate headers"),
    pytest.param(b"phone,,name\n1,2,3\n", "CSV file has a column without a name", id="empty header"),
    pytest.param(b"phone,name,\n5550100,Ada,\n", "CSV file has a column without a name", id="a comma at each end"),
    pytest.param(b"phone, \n5550100,Ada\n", "CSV file has a column without a name", id="blank header"),
    pytest.param(
        b"phone,name\n5550100,Ada\n5550101\n", "CSV line 3 has 1 cells; the header has 2 columns", id="a short row"
    ),
    pytest.param(b"phone,name\n5550100,Ada,1\n", "CSV line 2 has 3 cells; the header has 2 columns", id="a long row"),
    pytest.param(
        b'phone,name\n\n5550100,"Ada\n"\n5550101,b,c\n',
        "CSV line 5 has 3 cells; the header has 2 columns",
        id="a long row after blank lines and one of two",
    ),
    pytest.param(b"phone,name\n5550100,Ada\n,Bob\n", "CSV line 3 has no phone", id="a row without number"),
    pytest.param(b"phone,name\n,\n", "CSV file has no rows after its header", id="only a row of empty cells"),
    pytest.param(b",,,\n", "CSV file is empty", id="separators alone"),
    pytest.param(
        "phone,name\n\u202a+14155550100\u202c,Ada\n".encode(),
        f"CSV line 2: Invalid phone number: U+202A+14155550100U+202C. {ADVICE}",
        id="a pasted number",
    ),
    pytest.param(
        "phone\u200b,\xa0name\n5550100,Ada\n".encode(),
        'CSV file has no column named "phone". It has: "phoneU+200B", "U+00A0name"',
        id="invisible characters in the header",
    ),
    pytest.param(
        b"phone\n+1 415 555 0100\n", f"CSV line 2: Invalid phone number: +1 415 555 0100. {ADVICE}", id="spaces"
    ),
    pytest.param(b"phone\n 5550100\n", f"CSV line 2: Invalid phone number:  5550100. {ADVICE}", id="a space"),
    pytest.param(b"phone\n555-0100\n", f"CSV line 2: Invalid phone number: 555-0100. {ADVICE}", id="a dash"),
    pytest.param(b"phone\n555010\n", f"CSV line 2: Invalid phone number: 555010. {ADVICE}", id="6 digits"),
    pytest.param(
        b"phone\n1234567890123456\n", f"CSV line 2: Invalid phone number: 1234567890123456. {ADVICE}", id="16 digits"
    ),
    pytest.param(b"phone\n05550100\n", f"CSV line 2: Invalid phone number: 05550100. {ADVICE}", id="a leading zero"),
    pytest.param(b"phone\n++5550100\n", f"CSV line 2: Invalid phone number: ++5550100. {ADVICE}", id="two pluses"),
    pytest.param(
        b"phone\n1.4155E+10\n", f"CSV line 2: Invalid phone number: 1.4155E+10. {ADVICE}", id="a spreadsheet's"
    ),
    pytest.param(
        "phone\n\u0665\u0665\u0665\u0660\u0661\u0660\u0660\n".encode(),
        f"CSV line 2: Invalid phone number: \u0665\u0665\u0665\u0660\u0661\u0660\u0660. {ADVICE}",
        id="other digits",
    ),
    pytest.param(b"phone\n5550100\n5550101\n5550100\n", DUPLICATES, id="a number twice"),
    pytest.param(b"phone\n+5550100\n5550100\n", DUPLICATES, id="a number with a plus and without"),
    pytest.param(b"phone\r5550100\r+5550100\r", DUPLICATES, id="a number without a plus and with"),
    pytest.param(
        b'phone,name\n5550100,"Ada\n',
        "CSV file cannot be read after line 2: unexpected end of data",
        id="an open quote",
    ),
    pytest.param(
        b'phone,name\n5550100,"Ada" L\n',
        "CSV file cannot be read after line 2: ',' expected after '\"'",
        id="text behind a quote",
    ),
    pytest.param(
        b"phone,name\n5550100," + b"x" * 131_073 + b"\n",
        "CSV file cannot be read after line 2: field larger than field limit (131072)",
        id="a huge cell",
    ),
    pytest.param("phone,name\n5550100,Zoë\n".encode("latin-1"), NOT_UTF_8, id="Latin-1"),
    pytest.param("phone,größe\n5550100,1\n".encode("latin-1"), NOT_UTF_8, id="Latin-1 in the header"),
    pytest.param(
        b"phone,name\n" + b"".join(b"%d,Ada\n" % (5_550_100 + row) for row in range(5_000)) + b"5550099,\xe9\n",
        NOT_UTF_8,
        id="Latin-1 far down",
    ),
    pytest.param(b"phone,name\n5550100,\xed\xa0\x80\n", NOT_UTF_8, id="half of a surrogate pair"),
    *(
        pytest.param(
            mark + "phone\n5550100\n".encode(encoding), f"CSV file is not UTF-8 text but {name}. {SAVE}", id=test_id
        )
        for mark, encoding, name, test_id in (
            (b"\xff\xfe", "utf-16-le", "UTF-16", "UTF-16"),
            (b"\xfe\xff", "utf-16-be", "UTF-16", "big-endian UTF-16"),
            (b"", "utf-16-le", "UTF-16", "UTF-16 without a mark"),
            (b"", "utf-16-be", "UTF-16", "big-endian UTF-16 without a mark"),
            (b"\xff\xfe\0\0", "utf-32-le", "UTF-32", "UTF-32"),
            (b"PK\x03\x04\x14\0\x06\0\x08", "ascii", "a workbook or another ZIP archive", "a workbook"),
            (b"\x1f\x8b\x08\0", "ascii", "gzip", "gzip"),
        )
    ),
    pytest.param(b"phone,name\n5550100,A\0da\n", "CSV file is not text: it has NUL bytes", id="NUL byte"),
    pytest.param(PNG, NOT_UTF_8, id="PNG"),
]


def numbered(rows: int, first: int = 5_550_100) -> bytes:
    return b"phone\n" + b"".join(b"%d\n" % number for number in range(first, first + rows))


def file_of_size(size: int) -> bytes:
    """Return a file of `size` bytes whose cells are all small enough."""
    lines = [b"phone,note\n", *(b"%d,%s\n" % (5_550_100 + row, b"x" * 100_000) for row in range(52))]
    content = b"".join(lines)
    return content + b"5550099," + b"y" * (size - len(content) - len(b"5550099,\n")) + b"\n"


def rows_of(file: bytes, phone_column: str, identifier_column: str | None = None) -> Rows:
    return run_without_pauses(parse_csv_steps(io.BytesIO(file), phone_column, identifier_column))


@pytest.mark.parametrize(("file", "rows"), ACCEPTED)
def test_a_valid_file_has_these_rows(file: bytes, rows: Rows) -> None:
    assert rows_of(file, "phone") == rows


@pytest.mark.parametrize(("file", "message"), REFUSED)
def test_an_invalid_file_is_refused_with_a_reason(file: bytes, message: str) -> None:
    with pytest.raises(ApiError) as caught:
        rows_of(file, "phone")
    assert (caught.value.status, caught.value.errors) == (400, [message])


def test_the_identifier_column_is_required_if_named() -> None:
    file = b"phone,name\n5550100,Ada\n"
    assert rows_of(file, "phone", "name") == [{"phone": "5550100", "name": "Ada"}]
    with pytest.raises(ApiError) as caught:
        rows_of(file, "phone", "id")
    assert caught.value.errors == ['CSV file has no column named "id". It has: "phone", "name"']


def test_a_column_in_another_unicode_form_is_named() -> None:
    with pytest.raises(ApiError) as caught:
        rows_of("T\u00e9l\u00e9phone\n5550100\n".encode(), "Te\u0301le\u0301phone")
    problem = 'CSV file has no column named "Te\u0301le\u0301phone" in NFD'
    assert caught.value.errors == [
        f"{problem}. It has one in NFC, which only looks the same: use one Unicode form for both"
    ]


@pytest.mark.parametrize(("row", "cells"), [(b"\n", 0), (b",\n", 2), (b'"\n"\n', 1)])
def test_ignored_rows_count_as_work(row: bytes, cells: int) -> None:
    few, many = (
        len(list(parse_csv_steps(io.BytesIO(b"phone\n" + row * count + b"5550100\n"), "phone")))
        for count in (10_000, 20_000)
    )
    assert few == pytest.approx(10_000 * (1 + cells) / 500, rel=0.05)
    assert many == pytest.approx(2 * few, rel=0.05)


@pytest.mark.parametrize("line", [b"\n", b" \r\n", b",\r", b'""\n'])
def test_a_file_has_at_most_100000_lines(line: bytes) -> None:
    assert len(rows_of(b"phone\n" + line * 99_998 + b"5550100\n", "phone")) == 1
    with pytest.raises(ApiError) as caught:
        rows_of(b"phone\n" + line * 99_999 + b"5550100\n", "phone")
    assert caught.value.errors == ["CSV file has more than 100000 lines. Remove the empty ones"]


def test_a_line_has_at_most_100000_commas() -> None:
    assert len(rows_of(b"phone\n" + b"," * 100_000 + b"\n5550100\n", "phone")) == 1
    with pytest.raises(ApiError) as caught:
        rows_of(b"phone\n" + b"," * 100_001 + b"\n5550100\n", "phone")
    assert caught.value.errors == ["CSV line 2 has more than 100000 commas"]


def test_a_file_has_at_most_10000_rows() -> None:
    assert len(rows_of(numbered(10_000), "phone")) == 10_000
    with pytest.raises(ApiError) as caught:
        rows_of(numbered(10_001), "phone")
    assert caught.value.errors == ["Audience cannot exceed 10000 members"]


TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
NAMES = TEXTS.filter(str.strip)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], str, list[list[str]]]:
    """Return columns, the phone column among them, and rows."""
    columns = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    place = draw(st.integers(0, len(columns) - 1))
    numbers = draw(st.lists(st.integers(10**6, 10**15 - 1), min_size=1, max_size=5, unique=True))
    rows = [draw(st.lists(TEXTS, min_size=len(columns), max_size=len(columns))) for _ in numbers]
    for row, number in zip(rows, numbers, strict=True):
        row[place] = draw(st.sampled_from(["", "+"])) + str(number)
    return columns, columns[place], rows


@pytest.mark.slow
@given(tables(), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]), st.sampled_from(["\r\n", "\n", "\r"]))
@settings(max_examples=300, deadline=None, derandomize=True, database=None)
def test_a_file_written_by_python_is_read_back_equal(
    table: tuple[list[str], str, list[list[str]]],
    quoting: Literal[0, 1],
    end: str,
) -> None:
    columns, phone_column, rows = table
    text = io.StringIO()
    # Some Pythons quote a lone CR or LF only where the writer's lines end in it.
    writer = csv.writer(text, quoting=quoting, lineterminator="\r\n" if quoting == csv.QUOTE_MINIMAL else end)
    writer.writerow(columns)
    writer.writerows(rows)
    # With a byte order mark, since the first column may start with that character.
    assert rows_of(BOM + text.getvalue().encode(), phone_column) == [
        dict(zip(columns, row, strict=True)) for row in rows
    ]


def outcome(file: bytes) -> Rows | ApiError:
    try:
        return rows_of(file, "phone")
    except ApiError as error:
        return error


@given(st.binary(max_size=40) | st.text('phone,"\n\r+5\0', max_size=40).map(str.encode), st.booleans())
@settings(max_examples=500, deadline=None, derandomize=True, database=None)
def test_any_file_has_rows_or_is_refused(rest: bytes, has_header: bool) -> None:  # noqa: FBT001 - drawn by name
    result = outcome(b"phone,name\n" * has_header + rest)
    if isinstance(result, ApiError):
        assert result.status == 400
        assert result.errors
    else:
        assert result
        assert all(row["phone"].removeprefix("+").isdigit() for row in result)


TOKENS = (f"sk_mock_empty.upload_{number}" for number in itertools.count())


class Uploader:
    """A client with its own token, which has no audiences."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self.headers = bearer(next(TOKENS))

    def audiences(self) -> list[dict[str, Any]]:
        return list(self._http.get("/audience", headers=self.headers).json()["data"])

    def send(self, headers: dict[str, str] | None = None, **request: Any) -> httpx.Response:  # noqa: ANN401 - httpx has their types
        return self._http.post("/audience", headers=self.headers | (headers or {}), **request)

    def upload(self, file: bytes, **fields: str) -> httpx.Response:
        described = {"name": "Spring", "phoneNumberColumnName": "phone"} | fields
        return self.send(data=described, files={"file": ("people.csv", file, "text/csv")})

    def rows(self, audience_id: str) -> Rows:
        page = self._http.get(f"/audience/{audience_id}/members", headers=self.headers, params={"offset": 10_000})
        return [member["data"] for member in page.json()["data"]["members"]]


@pytest.fixture
def uploader(client: httpx.Client) -> Uploader:
    """Return an uploader with one audience, to see any change of the list."""
    uploader = Uploader(client)
    assert uploader.upload(b"phone\n5550100\n", name="There before").status_code == 200
    return uploader


def assert_refused(uploader: Uploader, response: httpx.Response, *messages: str) -> None:
    """Assert a 400 in the vendor's envelope, with `messages` if there are any, and that nothing is stored."""
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    body = response.json()
    assert body == {"status": False, "errors": list(messages) or body["errors"]}
    assert body["errors"]
    assert all(isinstance(error, str) and error for error in body["errors"])
    (audience,) = uploader.audiences()
    assert (audience["name"], audience["memberCount"]) == ("There before", 1)


@pytest.mark.parametrize(("file", "rows"), ACCEPTED)
def test_the_rows_of_a_file_become_members(uploader: Uploader, file: bytes, rows: Rows) -> None:
    response = uploader.upload(file)
    assert response.status_code == 200
    assert uploader.rows(response.json()["data"]["_id"]) == rows
    assert [audience["memberCount"] for audience in uploader.audiences()] == [1, len(rows)]


@pytest.mark.parametrize(("file", "message"), REFUSED)
def test_an_invalid_file_stores_nothing(uploader: Uploader, file: bytes, message: str) -> None:
    assert_refused(uploader, uploader.upload(file), message)


def test_an_upload_has_at_most_10000_rows(uploader: Uploader) -> None:
    assert_refused(uploader, uploader.upload(numbered(10_001)), "Audience cannot exceed 10000 members")
    response = uploader.upload(numbered(10_000))
    assert response.status_code == 200
    assert [row["phone"] for row in uploader.rows(response.json()["data"]["_id"])] == [
        str(number) for number in range(5_550_100, 5_560_100)
    ]


def test_a_file_has_at_most_5_mib(uploader: Uploader) -> None:
    assert len(file_of_size(FIVE_MIB)) == FIVE_MIB
    assert_refused(uploader, uploader.upload(file_of_size(FIVE_MIB + 1)), TOO_LARGE)
    response = uploader.upload(file_of_size(FIVE_MIB))
    assert response.status_code == 200
    assert len(uploader.rows(response.json()["data"]["_id"])) == 53


def test_the_fields_of_an_upload_describe_the_audience(uploader: Uploader) -> None:
    described = {"description": "", "identifierColumnName": "name"}
    response = uploader.upload(b"phone,name\n5550100,Ada\n", name=" <b>Zoë</b> ", **described)
    created = response.json()["data"]
    assert (created["name"], created["phoneNumberColumnName"]) == (" <b>Zoë</b> ", "phone")
    assert {key: created[key] for key in described} == described
    assert created["createdAt"] == created["updatedAt"]
    assert "memberCount" not in created


@pytest.mark.parametrize(
    ("fields", "messages"),
    [
        ({"name": ""}, ["name is required"]),
        ({"name": " "}, ["name is required"]),
        ({"phoneNumberColumnName": ""}, ["phoneNumberColumnName is required"]),
        ({"name": "", "phoneNumberColumnName": ""}, ["name is required", "phoneNumberColumnName is required"]),
        (
            {"phoneNumberColumnName": "x" * 50},
            [f'CSV file has no column named "{"x" * 40}…". It has: "phone", "name"'],
        ),
        ({"identifierColumnName": "id"}, ['CSV file has no column named "id". It has: "phone", "name"']),
    ],
)
def test_an_upload_without_required_fields_stores_nothing(
    uploader: Uploader, fields: dict[str, str], messages: list[str]
) -> None:
    assert_refused(uploader, uploader.upload(b"phone,name\n5550100,Ada\n", **fields), *messages)


FIELDS = {"name": "Spring", "phoneNumberColumnName": "phone"}
FILE = b"phone\n5550101\n"


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param({"data": FIELDS, "files": {"other": FILE}}, id="under another name"),
        pytest.param({"files": {name: (None, text) for name, text in FIELDS.items()}}, id="no file"),
        pytest.param(
            {"files": {**{name: (None, text) for name, text in FIELDS.items()}, "file": (None, FILE)}}, id="as text"
        ),
        pytest.param({"data": {**FIELDS, "file": FILE.decode()}}, id="urlencoded"),
        pytest.param({"json": {**FIELDS, "file": FILE.decode()}}, id="JSON"),
        pytest.param({"content": FILE, "headers": {"content-type": "text/csv"}}, id="the file alone"),
        pytest.param({"content": FILE}, id="no type"),
        pytest.param({}, id="no body"),
    ],
)
def test_an_upload_without_a_file_stores_nothing(uploader: Uploader, request_: dict[str, Any]) -> None:
    assert_refused(uploader, uploader.send(**request_), "CSV file is required")


def form(*parts: tuple[str, bytes]) -> bytes:
    """Return a form. Each part is the end of its `Content-Disposition` and its content."""
    heads = ((f"--limit\r\nContent-Disposition: form-data{head}\r\n\r\n".encode(), content) for head, content in parts)
    return b"".join(head + content + b"\r\n" for head, content in heads) + b"--limit--\r\n"


NAME, COLUMN = ('; name="name"', b"Spring"), ('; name="phoneNumberColumnName"', b"phone")
CSV = ('; name="file"; filename="people.csv"', FILE)
MULTIPART = {"content-type": "multipart/form-data; boundary=limit"}


@pytest.mark.parametrize(
    ("content_type", "content"),
    [
        pytest.param("multipart/form-data", form(NAME, COLUMN, CSV), id="no boundary"),
        pytest.param("multipart/form-data; boundary=", form(NAME, COLUMN, CSV), id="empty boundary"),
        pytest.param("multipart/form-data; boundary=other", form(NAME, COLUMN, CSV), id="wrong boundary"),
        pytest.param(MULTIPART["content-type"], form(NAME, COLUMN, CSV, CSV), id="two files"),
        pytest.param(
            MULTIPART["content-type"], form(NAME, COLUMN, CSV, ('; name="b"; filename="b"', b"")), id="and another file"
        ),
        pytest.param(MULTIPART["content-type"], form(NAME, COLUMN, ("", b"x"), CSV), id="a part without a name"),
        pytest.param(MULTIPART["content-type"], form(NAME, COLUMN, CSV, ("\r\nx", b"")), id="a malformed header"),
        pytest.param(MULTIPART["content-type"], FILE, id="no form"),
        pytest.param(MULTIPART["content-type"], json.dumps(FIELDS).encode(), id="JSON"),
        pytest.param(MULTIPART["content-type"], form(NAME, COLUMN, CSV).replace(b"\r\n", b"\n"), id="LF"),
        pytest.param(
            MULTIPART["content-type"], form(NAME, COLUMN, ('; name="x"', b"x" * 65_537), CSV), id="a field too long"
        ),
        pytest.param(
            MULTIPART["content-type"],
            form(NAME, COLUMN, (f'; name="x"\r\nA: {"a" * 16_384}', b""), CSV),
            id="headers of a part too long",
        ),
        pytest.param(
            MULTIPART["content-type"],
            form(NAME, COLUMN, *[('; name="x"', b"x")] * 99, CSV),
            id="101 fields",
        ),
    ],
)
def test_a_malformed_form_stores_nothing(uploader: Uploader, content_type: str, content: bytes) -> None:
    response = uploader.send({"content-type": content_type}, content=content)
    assert_refused(uploader, response)
    assert response.json()["errors"][0].startswith("Malformed form: ")


def test_an_empty_form_stores_nothing(uploader: Uploader) -> None:
    assert_refused(uploader, uploader.send(MULTIPART, content=b""), "CSV file is required")


def test_the_order_of_parts_and_extra_fields_do_not_matter(uploader: Uploader) -> None:
    extra = [('; name="x"', b"x")] * 98
    response = uploader.send(
        {"content-type": 'Multipart/Form-Data; Boundary="limit"'}, content=form(CSV, *extra, COLUMN, NAME)
    )
    assert response.status_code == 200
    assert uploader.rows(response.json()["data"]["_id"]) == [{"phone": "5550101"}]


def test_a_truncated_form_stores_nothing(uploader: Uploader) -> None:
    form_bytes = form(NAME, COLUMN, CSV)
    # The line end after the last boundary is optional.
    for length in range(len(form_bytes.rstrip())):
        response = uploader.send(MULTIPART, content=form_bytes[:length])
        assert (response.status_code, response.json()["status"]) == (400, False)
    assert_refused(uploader, uploader.send(MULTIPART, content=form_bytes[:-10]))
    assert uploader.send(MULTIPART, content=form_bytes).status_code == 200


def connect(server: MockServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=30)


def request_head(uploader: Uploader, *lines: str) -> bytes:
    authorization, kind = uploader.headers["Authorization"], MULTIPART["content-type"]
    fixed = (
        "POST /atoms/v1/audience HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: {authorization}",
        f"Content-Type: {kind}",
    )
    return "\r\n".join([*fixed, *lines, "", ""]).encode()


def read_response(line: socket.socket) -> httpx.Response:
    response = HTTPResponse(line, method="POST")
    response.begin()
    with response:
        return httpx.Response(response.status, headers=response.getheaders(), content=response.read())


@pytest.mark.parametrize("sent", [b"", form(NAME, COLUMN, CSV)[:100]], ids=["nothing", "a bit"])
@pytest.mark.parametrize("length", [6 * 1024 * 1024 + 1, 10**12])
def test_a_too_large_content_length_is_refused_before_the_body(
    server: MockServer, uploader: Uploader, length: int, sent: bytes
) -> None:
    with connect(server) as line:
        line.sendall(request_head(uploader, f"Content-Length: {length}") + sent)
        assert_refused(uploader, read_response(line), TOO_LARGE)


@pytest.mark.parametrize(
    "start", [form(NAME, COLUMN, CSV).partition(FILE)[0], form(NAME, COLUMN, CSV)], ids=["file", "rest"]
)
def test_a_chunked_body_is_refused_when_it_gets_too_large(server: MockServer, uploader: Uploader, start: bytes) -> None:
    mebibyte = b"x" * 1024 * 1024
    with connect(server) as line:
        line.sendall(request_head(uploader, "Transfer-Encoding: chunked"))
        for piece in (start, *[mebibyte] * 6):
            line.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        # The last chunk never comes.
        assert_refused(uploader, read_response(line), TOO_LARGE)


def test_a_chunked_body_is_accepted(uploader: Uploader) -> None:
    form_bytes = form(NAME, COLUMN, CSV)
    response = uploader.send(
        MULTIPART, content=(form_bytes[place : place + 7] for place in range(0, len(form_bytes), 7))
    )
    assert response.status_code == 200
    assert uploader.rows(response.json()["data"]["_id"]) == [{"phone": "5550101"}]


@pytest.mark.parametrize("lines", [["Content-Length: 5000"], ["Transfer-Encoding: chunked"]], ids=["length", "chunks"])
def test_a_client_that_disconnects_early_stores_nothing(
    server: MockServer, uploader: Uploader, lines: list[str]
) -> None:
    with connect(server) as line:
        form_bytes = form(NAME, COLUMN, CSV)
        body = form_bytes if "5000" in lines[0] else b"%x\r\n%s\r\n" % (len(form_bytes), form_bytes)
        line.sendall(request_head(uploader, *lines) + body)
        line.shutdown(socket.SHUT_WR)
        # The server closes the connection when it notices.
        while line.recv(65_536):
            pass
    assert [audience["name"] for audience in uploader.audiences()] == ["There before"]


def test_a_file_has_at_most_100_columns(uploader: Uploader) -> None:
    def columns(count: int) -> bytes:
        names = ["phone", *(f"c{number}" for number in range(count - 1))]
        return ",".join(names).encode() + b"\n+14155550100" + b"," * (count - 1) + b"\n"

    assert len(rows_of(columns(100), "phone")[0]) == 100
    assert_refused(uploader, uploader.upload(columns(101)), "CSV file has 101 columns; the maximum is 100")


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/audience", "multipart/form-data; boundary=limit"), ("/audience/x/members", "application/json")],
)
def test_an_incomplete_body_is_refused(path: str, kind: str) -> None:
    """The response reaches no client; it shows that the body is not used."""
    pieces: list[Message] = [
        {"type": "http.request", "body": form(NAME, COLUMN, CSV), "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return pieces.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"authorization", b"Bearer sk_gone"), (b"content-type", kind.encode()), (b"content-length", b"99999")]
    scope = {"type": "http", "method": "POST", "path": f"/atoms/v1{path}", "query_string": b"", "headers": headers}
    asyncio.run(create_app()(scope, receive, send))  # type: ignore[arg-type] # an ASGI callable is a coroutine function
    assert json.loads(sent[1]["body"])["errors"] == ["The request body is incomplete"]


def test_a_field_is_utf_8_unless_its_part_has_another_charset(uploader: Uploader) -> None:
    for charset, name in (("", "Fr\ufffdhling"), ("\r\nContent-Type: text/plain; charset=iso-8859-1", "Frühling")):
        response = uploader.send(MULTIPART, content=form((f'; name="name"{charset}', b"Fr\xfchling"), COLUMN, CSV))
        assert response.json()["data"]["name"] == name


def test_a_field_in_an_unknown_charset_is_ignored(uploader: Uploader) -> None:
    head = '; name="name"\r\nContent-Type: text/plain; charset=klingon'
    assert_refused(uploader, uploader.send(MULTIPART, content=form((head, b"x"), COLUMN, CSV)), "name is required")


def test_an_upload_without_a_file_name_is_no_file(uploader: Uploader) -> None:
    head = '; name="file"\r\nContent-Type: application/octet-stream'
    assert_refused(uploader, uploader.send(MULTIPART, content=form(NAME, COLUMN, (head, b"x"))), "CSV file is required")


def test_a_boundary_with_other_characters_needs_quotes(uploader: Uploader) -> None:
    response = uploader.send({"content-type": "multipart/form-data; boundary=a:b"}, content=b"--a:b--")
    problem = (
        'Malformed form: Content-Type is `multipart/form-data; boundary=a:b`: write multipart/form-data; boundary="…"'
    )
    assert_refused(uploader, response, problem)
