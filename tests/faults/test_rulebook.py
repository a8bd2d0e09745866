import asyncio

import pytest

from mock_atoms.core.errors import CapacityError
from mock_atoms.core.parsing import ConfigError
from mock_atoms.core.settings import Settings
from mock_atoms.core.slices import run_without_pauses
from mock_atoms.core.tenancy import caller_for
from mock_atoms.faults import rulebook
from mock_atoms.faults.expressions import parse_expression, parse_fault
from mock_atoms.faults.rule_index import ActiveRule, RuleIndex
from mock_atoms.faults.rulebook import RuleBook, RuleSet
from mock_atoms.faults.rules import Rule
from mock_atoms.mock import MockAtoms


def rule(expression: str, token: str | None = None, test_id: str | None = None) -> Rule:
    match = {key: value for key, value in (("token", token), ("testId", test_id)) if value is not None}
    return parse_fault({"fault": expression, "match": match})


def replace_all(book: RuleBook, rules: list[ActiveRule]) -> RuleSet:
    return book.replace_all(run_without_pauses(book.prepare(rules)))


def order(book: RuleBook, token: str, test_id: str | None = None) -> list[str]:
    return [active.id for active in book.matching(caller_for(token, test_id).tenant, "GET", "/audience")]


def test_created_rules_precede_startup_rules_in_order_of_creation() -> None:
    book = RuleBook({"fault-1": parse_expression("500")})
    second = book.add(rule("503", "sk_a")).id
    third = book.add(rule("502")).id
    fourth = book.add(rule("501", "sk_a", "t")).id
    fifth = book.add(rule("504", None, "t")).id
    assert [active.id for active in book] == [second, third, fourth, fifth, "fault-1"]
    assert order(book, "sk_a") == [second, third, "fault-1"]
    assert order(book, "sk_a", "t") == [second, third, fourth, fifth, "fault-1"]
    assert order(book, "sk_b", "t") == [third, fifth, "fault-1"]
    assert order(book, "sk_b", "u") == [third, "fault-1"]
    book.remove(third)
    assert order(book, "sk_b") == ["fault-1"]


def test_id_follows_from_the_content_of_the_rule() -> None:
    one, other = RuleBook({}), RuleBook({})
    a, b = rule("500p25", "sk_a"), rule("500p25", "sk_b")
    ids = [one.add(a).id, one.add(b).id]
    assert ids == [other.add(b).id, other.add(a).id][::-1]
    assert ids[0] != ids[1]
    assert one.add(a).id == f"{ids[0]}-2"
    one.remove(ids[0])
    assert one.add(a).id == ids[0]


def test_an_unknown_rule_cannot_be_removed() -> None:
    book = RuleBook({})
    added = book.add(rule("500", "sk_a"))
    assert book.remove(added.id) is added
    assert book.remove(added.id) is None


def test_a_removal_that_fails_leaves_the_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    book = RuleBook({})
    added = book.add(rule("500", "sk_a"))

    def fail(_index: RuleIndex, _active_rule: ActiveRule) -> None:
        raise KeyError

    with monkeypatch.context() as patch:
        patch.setattr(RuleIndex, "remove", fail)
        with pytest.raises(KeyError):
            book.remove(added.id)
    assert [*book] == [added]
    assert book.remove(added.id) is added


def test_created_ids_can_be_filtered_by_token_and_test() -> None:
    book = RuleBook({"fault-1": rule("500", "sk_a")})
    ids = [book.add(created).id for created in (rule("500"), rule("501", "sk_a"), rule("502", "sk_a", "t"))]
    tenant = caller_for("sk_a", "t").tenant
    assert book.created_ids() == ids
    assert book.created_ids(tenant.token_digest) == ids[1:]
    assert (
        book.created_ids(tenant.token_digest, tenant.test_digest)
        == book.created_ids(test_digest=tenant.test_digest)
        == ids[2:]
    )
    assert {active.id for active in book if not active.is_startup_rule} == set(ids)


def test_reset_restores_the_startup_rules_without_counts() -> None:
    book = RuleBook({"fault-1": rule("500")})
    active_rule = book.get("fault-1")
    assert active_rule is not None
    active_rule.triggered = 5
    created = book.add(rule("503"))
    assert [*book.reset().by_id.values()] == [active_rule, created]
    assert [(active.id, active.triggered) for active in book] == [("fault-1", 0)]
    replace_all(
        book, [ActiveRule("x", rule("501"), (False, 7)), ActiveRule("fault-1", rule("502"), (True, 0), triggered=3)]
    )
    later = book.add(rule("503")).id
    assert order(book, "sk_a") == ["x", later, "fault-1"]
    assert [active.triggered for active in book] == [0, 0, 3]


def test_number_of_created_rules_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rulebook, "MAX_RULES", 2)
    book = RuleBook({"fault-1": rule("500")})
    book.add(rule("501"))
    book.add(rule("502"))
    with pytest.raises(CapacityError, match="there can be at most 2 rules"):
        book.add(rule("503"))
    with pytest.raises(CapacityError, match="there can be at most 2 rules"):
        replace_all(book, [ActiveRule(str(number), rule("503"), (False, 0)) for number in range(3)])
    assert len(list(book)) == 3


def test_the_rules_that_a_request_can_match_are_limited() -> None:
    book = RuleBook({f"fault-{number}": rule("500", "sk_a") for number in range(3)})
    added = [book.add(rule("delay1", "sk_a")) for _ in range(500)]
    match = r"there are already 500 rules with this token \(or none\) and this testId \(or none\): delete"
    with pytest.raises(CapacityError, match=match):
        book.add(rule("delay2", "sk_a"))
    for token, test_id in ((None, None), ("sk_b", None), ("sk_a", "t"), (None, "t")):
        book.add(rule("delay1", token, test_id))
    book.remove(added[0].id)
    assert book.add(rule("delay2", "sk_a")).id == order(book, "sk_a")[500]
    with pytest.raises(CapacityError, match=match):
        book.add(rule("delay1", "sk_a"))
    imported = [ActiveRule(str(number), rule("500"), (number > 500, number)) for number in range(504)]
    with pytest.raises(CapacityError, match=match):
        replace_all(book, imported)
    replace_all(book, imported[1:])
    assert len(order(book, "sk_a")) == 503
    book.reset()
    assert len(order(book, "sk_a")) == 3


def test_an_import_is_indexed_in_steps_and_then_replaces_all_rules() -> None:
    book = RuleBook({})
    old = book.add(rule("500", "sk_a")).id
    steps = book.prepare([ActiveRule(str(number), rule("503", "sk_a"), (False, 0)) for number in range(100)])
    assert [len(order(book, "sk_a")) for _ in steps] == [1] * 100
    assert book.get(old) is not None
    replace_all(book, [ActiveRule("x", rule("503", "sk_a"), (False, 0))])
    assert order(book, "sk_a") == ["x"]
    assert book.created_ids(caller_for("sk_a").tenant.token_digest) == ["x"]


def test_number_of_startup_rules_is_limited() -> None:
    book = RuleBook({})
    rules = [ActiveRule(str(number), rule("503"), (True, number)) for number in range(1_001)]
    replace_all(book, rules[1:])
    with pytest.raises(CapacityError, match="there can be at most 1000 rules with atStart"):
        replace_all(book, rules)
    assert len(list(book)) == 1_000
    assert asyncio.run(MockAtoms(Settings(fault=("500",) * 1_000)).store.rule("fault-1000"))
    with pytest.raises(ConfigError, match=r"^fault: 1001 faults: at most 1000, error rate included$"):
        MockAtoms(Settings(fault=("500",) * 1_000, error_rate=0.5))


def test_memory_of_created_rules_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    small = rule("501")
    large = parse_fault({"respond": {"status": 500, "body": ["x" * 10_000]}})
    assert large.size_bytes > small.size_bytes + 10_000
    monkeypatch.setattr(rulebook, "MAX_RULES_BYTES", 2 * small.size_bytes)
    book = RuleBook({"fault-1": large})
    first = book.add(small).id
    book.add(small)
    with pytest.raises(CapacityError, match=f"the rules need about {3 * small.size_bytes} bytes; the maximum is"):
        book.add(small)
    with pytest.raises(CapacityError, match=f"the rules need about {large.size_bytes} bytes"):
        replace_all(book, [ActiveRule("x", large, (False, 0))])
    book.remove(first)
    book.add(small)
    book.reset()
    assert [book.add(small).id for _ in range(2)] == [first, f"{first}-2"]


def test_a_restored_rule_has_its_place_and_replaces_none() -> None:
    book = RuleBook({})
    first, second = (book.add(parse_fault({"fault": fault})) for fault in ("500", "503"))
    book.remove(first.id)
    for _ in range(2):
        book.restore(ActiveRule(first.id, first.rule, (True, 9)), first.position)
    assert list(book) == [book.get(first.id), second]
