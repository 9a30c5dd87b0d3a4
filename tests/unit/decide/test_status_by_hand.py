"""Somebody edits a Service's status: it is the record, and is judged like one that was written by us."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from msgspec.structs import replace
from tests.unit.decide.controller import Controller
from tests.unit.decide.worlds import name, service

from metalev.model.services import ServiceStatus


@pytest.fixture
def controller() -> Controller:
    """One pool of four addresses, of which ``web`` has the first and ``dns`` the second."""
    controller = Controller(service("web"), service("dns"))
    controller.settle("web", "dns")
    return controller


def edit(controller: Controller, text: str, *addresses: str) -> None:
    """As ``kubectl edit --subresource=status`` does, and what it leads to."""
    status = ServiceStatus(tuple(ip_address(one) for one in addresses), pool="main" if addresses else "")
    controller.put(replace(controller.snapshot.services[name(text)], status=status))
    controller.settle(text)


def test_a_status_that_is_edited_to_a_free_address_moves_the_service(controller: Controller) -> None:
    edit(controller, "web", "10.0.0.3")
    assert controller.holders() == {"web": ["10.0.0.3"], "dns": ["10.0.0.1"]}


def test_what_it_had_before_is_free_for_whoever_asks_for_it_by_name(controller: Controller) -> None:
    edit(controller, "web", "10.0.0.3")
    controller.put(service("new", wish="10.0.0.0"))
    controller.settle("new")
    assert controller.held("new") == ["10.0.0.0"]


def test_a_status_that_is_edited_to_the_address_of_another_takes_nothing_from_that_one(controller: Controller) -> None:
    edit(controller, "web", "10.0.0.1")
    assert controller.held("dns") == ["10.0.0.1"]
    assert controller.held("web") == ["10.0.0.0"]


def test_a_status_that_is_edited_to_an_address_of_no_pool_is_replaced(controller: Controller) -> None:
    edit(controller, "web", "192.0.2.7")
    assert controller.holders() == {"web": ["10.0.0.0"], "dns": ["10.0.0.1"]}


def test_a_service_whose_status_is_cleared_gets_its_address_back(controller: Controller) -> None:
    edit(controller, "web")
    assert controller.holders() == {"web": ["10.0.0.0"], "dns": ["10.0.0.1"]}


def test_a_status_that_was_cleared_while_no_controller_ran_costs_nobody_else_an_address(controller: Controller) -> None:
    fresh = Controller(replace(controller.snapshot.services[name("dns")]), service("web"))
    fresh.settle("web", "dns")
    assert fresh.held("dns") == ["10.0.0.1"]
    assert fresh.held("web") == ["10.0.0.0"]
