"""Label selectors mean what they mean in Kubernetes."""

from __future__ import annotations

import pytest

from metalev.model.meta import Expression, Kind, LabelSelector, Name, ObjectKey, Operator, any_matches

LABELS = {"app": "web", "tier": "front"}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (Expression("app", Operator.IN, ("web", "api")), True),
        (Expression("app", Operator.IN, ("api",)), False),
        (Expression("zone", Operator.IN, ("dmz",)), False),
        (Expression("app", Operator.NOT_IN, ("api",)), True),
        (Expression("app", Operator.NOT_IN, ("web",)), False),
        (Expression("zone", Operator.NOT_IN, ("dmz",)), True),
        (Expression("app", Operator.EXISTS), True),
        (Expression("zone", Operator.EXISTS), False),
        (Expression("app", Operator.DOES_NOT_EXIST), False),
        (Expression("zone", Operator.DOES_NOT_EXIST), True),
    ],
)
def test_an_expression_asks_for_one_label(expression: Expression, expected: bool) -> None:
    assert expression.matches(LABELS) is expected


def test_a_selector_asks_for_all_of_it() -> None:
    front = (Expression("tier", Operator.IN, ("front",)),)
    assert LabelSelector({"app": "web"}, front).matches(LABELS)
    assert not LabelSelector({"app": "api"}, front).matches(LABELS)
    assert not LabelSelector({"app": "web"}, (Expression("zone", Operator.EXISTS),)).matches(LABELS)


def test_the_empty_selector_matches_everything() -> None:
    assert LabelSelector().matches({})


def test_selectors_in_a_list_are_alternatives_and_no_list_is_everything() -> None:
    assert any_matches((), LABELS)
    assert any_matches((LabelSelector({"app": "api"}), LabelSelector({"app": "web"})), LABELS)
    assert not any_matches((LabelSelector({"app": "api"}),), LABELS)


def test_names_print_as_kubectl_prints_them() -> None:
    assert str(Name("shop", "web")) == "shop/web"
    assert str(Name("", "node-a")) == "node-a"
    assert str(ObjectKey(Kind.SERVICE, Name("shop", "web"))) == "Service shop/web"
