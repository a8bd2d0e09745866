import pytest

from mock_atoms.core.tenancy import Tenant, caller_for
from mock_atoms.faults.effects import FaultResponse
from mock_atoms.faults.rule_index import ActiveRule, RuleIndex
from mock_atoms.faults.rule_match import RuleMatch
from mock_atoms.faults.rules import Rule
from tests.helpers.profiling import count_calls


def index_of(*matches: RuleMatch) -> RuleIndex:
    index = RuleIndex()
    for number, match in enumerate(matches):
        rule = Rule(match=match, respond=FaultResponse(status=500))
        index.add(ActiveRule(f"rule-{number}", rule, (False, number)))
    return index


def is_matched(match: RuleMatch, tenant: Tenant, method: str, path: str) -> bool:
    return bool(index_of(match).matching(tenant, method, path))


@pytest.mark.parametrize(
    ("match", "hit", "miss"),
    [
        (RuleMatch(), ("sk_a", "GET", "/audience"), None),
        (RuleMatch(token="sk_a"), ("sk_a", "GET", "/x"), ("sk_b", "GET", "/x")),
        (RuleMatch(method="GET"), ("sk_a", "GET", "/x"), ("sk_a", "POST", "/x")),
        (RuleMatch(method="GET"), ("sk_a", "HEAD", "/x"), ("sk_a", "PUT", "/x")),
        (RuleMatch(method="HEAD"), ("sk_a", "HEAD", "/x"), ("sk_a", "GET", "/x")),
        (RuleMatch(path="/audience"), ("sk_a", "GET", "/audience/"), ("sk_a", "GET", "/audience/1")),
        (RuleMatch(path="/audience/{id}"), ("sk_a", "GET", "/audience/1"), ("sk_a", "GET", "/audience/1/members")),
        (
            RuleMatch(path="/audience/{id}/members"),
            ("sk_a", "GET", "/audience/1/members"),
            ("sk_a", "GET", "/audience"),
        ),
        (RuleMatch(path="/x-{id}"), ("sk_a", "GET", "/x-1"), ("sk_a", "GET", "/y-1")),
        (RuleMatch(path="/a.b"), ("sk_a", "GET", "/a.b"), ("sk_a", "GET", "/axb")),
        (RuleMatch(path="/"), ("sk_a", "GET", "/"), ("sk_a", "GET", "/a")),
    ],
)
def test_rule_matches_token_method_and_path(
    match: RuleMatch, hit: tuple[str, str, str], miss: tuple[str, str, str] | None
) -> None:
    assert is_matched(match, caller_for(hit[0]).tenant, *hit[1:])
    assert miss is None or not is_matched(match, caller_for(miss[0]).tenant, *miss[1:])


def test_rule_selects_tenants_by_token_and_test() -> None:
    no_test, one, other = (caller_for("sk_a", test_id).tenant for test_id in (None, "one", "other"))
    other_token = caller_for("sk_b", "one").tenant
    matched = [
        [is_matched(match, tenant, "GET", "/audience") for tenant in (no_test, one, other, other_token)]
        for match in (
            RuleMatch(),
            RuleMatch(token="sk_a"),
            RuleMatch(testId="one"),
            RuleMatch(token="sk_a", testId="one"),
        )
    ]
    assert matched == [
        [True, True, True, True],
        [True, True, True, False],
        [False, True, False, True],
        [False, True, False, False],
    ]


def test_rules_of_all_kinds_are_found_in_order_of_precedence() -> None:
    index = index_of(
        RuleMatch(path="/audience/{id}"),
        RuleMatch(token="sk_a"),
        RuleMatch(method="POST"),
        RuleMatch(path="/audience/{other}/", method="GET"),
        RuleMatch(testId="t", path="/audience/1/"),
        RuleMatch(),
    )
    found = index.matching(caller_for("sk_a", "t").tenant, "GET", "/audience/1")
    assert [active.id for active in found] == ["rule-0", "rule-1", "rule-3", "rule-4", "rule-5"]


@pytest.mark.parametrize("path", [None, "/audience", "/audience/{id}"])
def test_removed_rule_matches_no_more(path: str | None) -> None:
    index = index_of(RuleMatch(path=path), RuleMatch(path=path))
    tenant = caller_for("sk_a").tenant
    requested = (path or "/audience").format(id=1)
    first, second = index.matching(tenant, "GET", requested)
    index.remove(first)
    assert index.matching(tenant, "GET", requested) == [second]
    index.remove(second)
    assert index.matching(tenant, "GET", requested) == []


def test_a_literal_path_with_empty_braces_is_no_template() -> None:
    paths = ["/w/{}", "/w/{x}", "/w/{x}/{}", "/w/{x}/{y}"]
    index = index_of(*(RuleMatch(path=path) for path in paths))
    tenant = caller_for("sk_a").tenant

    def found(path: str) -> list[ActiveRule]:
        return index.matching(tenant, "GET", path)

    assert [active.id for active in found("/w/{}")] == ["rule-0", "rule-1"]
    assert [active.id for active in found("/w/1/2")] == ["rule-3"]
    assert [active.id for active in found("/w/1/{}")] == ["rule-2", "rule-3"]
    template, nested = found("/w/1")[0], found("/w/1/2")[0]
    index.remove(template)
    index.remove(nested)
    assert found("/w/1") == found("/w/1/2") == []
    assert [active.id for active in (*found("/w/{}"), *found("/w/1/{}"))] == ["rule-0", "rule-2"]


def calls_with(index: RuleIndex, path: str) -> int:
    tenant = caller_for("sk_me", "t").tenant
    return count_calls(lambda: index.matching(tenant, "GET", path))


def test_unrelated_rules_cost_nothing() -> None:
    def unrelated(number: int) -> list[RuleMatch]:
        return [
            match
            for n in range(number)
            for match in (
                RuleMatch(token=f"sk_{n}"),
                RuleMatch(testId=f"test-{n}"),
                RuleMatch(method="POST", path=f"/audience/{{id}}/{n}"),
                RuleMatch(path=f"/audience/{n}"),
                RuleMatch(path=f"/{{x}}/a{n}"),
            )
        ]

    own = RuleMatch(token="sk_me")
    few, many = index_of(own, *unrelated(1)), index_of(own, *unrelated(100))
    calls_with(few, "/audience")  # the first time may fill caches
    for path in ("/audience", "/audience/x"):
        assert calls_with(few, path) == calls_with(many, path)
