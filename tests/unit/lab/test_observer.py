"""The observer finds what may never be."""

from tests.kubernetes.observer import Double, History, Seen


def test_two_with_one_address_are_found_with_when_it_began_and_ended() -> None:
    history = History()
    history.note("a", Seen(1.0, "ua", ("192.0.2.1",)))
    history.note("b", Seen(2.0, "ub", ("192.0.2.1",)))
    history.note("b", Seen(5.0, "ub", ("192.0.2.2",)))
    assert history.doubles() == [Double("192.0.2.1", ("a", "b"), 2.0, 5.0)]
    history.note("a", Seen(6.0, "ua", ("192.0.2.2",)))
    assert history.doubles()[1:] == [Double("192.0.2.2", ("a", "b"), 6.0)]


def test_sharing_is_no_double_but_with_different_keys_it_is() -> None:
    history = History()
    history.note("a", Seen(1.0, "ua", ("192.0.2.1",), "k"))
    history.note("b", Seen(2.0, "ub", ("192.0.2.1",), "k"))
    assert history.doubles() == []
    history.note("b", Seen(3.0, "ub", ("192.0.2.1",), "l"))
    assert len(history.doubles()) == 1


def test_one_that_is_gone_holds_nothing() -> None:
    history = History()
    history.note("a", Seen(1.0, "ua", ("192.0.2.1",)))
    history.note("a", Seen(2.0, "", (), wants=False))
    history.note("b", Seen(3.0, "ub", ("192.0.2.1",)))
    assert (history.doubles(), history.changes()) == ([], [])
    assert history.now() == {"b": ("192.0.2.1",)}


def test_an_address_that_changes_or_is_lost_is_found() -> None:
    history = History()
    for at, addresses in enumerate([(), ("192.0.2.1",), ("192.0.2.2",), ()]):
        history.note("a", Seen(float(at), "ua", addresses))
    assert history.changes() == ["a: 192.0.2.1 became 192.0.2.2", "a: 192.0.2.2 became nothing"]


def test_another_one_under_the_same_name_may_have_another_address() -> None:
    history = History()
    history.note("a", Seen(1.0, "u1", ("192.0.2.1",)))
    history.note("a", Seen(2.0, "u2", ()))
    history.note("a", Seen(3.0, "u2", ("192.0.2.2",)))
    assert history.changes() == []
