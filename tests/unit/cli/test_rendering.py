"""What a person reads, to the letter, and what a program reads."""

from __future__ import annotations

import json
from ipaddress import ip_address

from metalev.cli import rendering
from metalev.decide.findings import Chain, Finding, mind, no, yes
from metalev.decide.overview import NodeRow, Overview, PoolRow
from metalev.model.meta import Name

WELL = Chain(
    Name("shop", "web"),
    (yes("address", "192.0.2.1 from pool main"), yes("announced", "by node1 (term 2)", "node2 said so before")),
    (ip_address("192.0.2.1"),),
    "main",
    ("node1",),
)
PENDING = Chain(
    Name("shop", "app"),
    (no("address", 'shop/app has no address: Failed to allocate IP for "shop/app": no available IPs', "make room"),),
)


def seen(*chains: Chain, nodes: int = 1, **fields: object) -> Overview:
    rows = tuple(NodeRow(f"node{number}", "runs", 1, nodes - 1) for number in range(1, nodes + 1))
    pools = (PoolRow("main", {4: (11, 11, 0), 6: (2**40, 1, 7)}, ("home", "lab")), PoolRow("spare", {4: (2, 0, 2)}, ()))
    content = {"foreign": (), "pools": pools, "nodes": rows, "problems": ()} | fields
    return Overview(chains=chains, **content)  # type: ignore[arg-type]


def numbered(chain: Chain, count: int) -> list[Chain]:
    return [Chain(Name("shop", f"s{one}"), chain.findings, chain.addresses, "main") for one in range(count)]


def test_a_chain_that_holds() -> None:
    assert rendering.chain_text(WELL) == (
        "Service shop/web\n"
        "\n"
        "  ok    address    192.0.2.1 from pool main\n"
        "  ok    announced  by node1 (term 2)\n"
        "                   - node2 said so before\n"
        "\n"
        "all is well: node1 answers for 192.0.2.1\n"
        "no answer still? On a machine of its segment: ping -c 1 192.0.2.1; ip neigh show 192.0.2.1"
    )


def test_a_chain_that_does_not() -> None:
    chain = Chain(PENDING.service, (*PENDING.findings, mind("conditions", "none", "look at the log")))
    assert rendering.chain_text(chain) == (
        "Service shop/app\n"
        "\n"
        '  NO    address     shop/app has no address: Failed to allocate IP for "shop/app": no available IPs\n'
        "                    => make room\n"
        "  mind  conditions  none\n"
        "                    => look at the log\n"
        "\n"
        'why: shop/app has no address: Failed to allocate IP for "shop/app": no available IPs'
    )


def test_long_lines_are_wrapped_below_their_own_beginning_on_a_terminal() -> None:
    finding = Finding("nodes", WELL.findings[0].answer, "one two three", details=("four five six seven eight",))
    text = rendering.chain_text(Chain(Name("a", "b"), (finding,), WELL.addresses), width=28)
    assert text.splitlines()[2:6] == [
        "  ok    nodes  one two three",
        "               - four five",
        "                 six seven",
        "                 eight",
    ]


def test_one_screen() -> None:
    assert rendering.overview_text(seen(PENDING, WELL, problems=("web.yaml:1: spec.ports is no list",))) == (
        "SERVICE   ADDRESS    POOL  NODE\n"
        "shop/app  <pending>  -     -\n"
        "    has no address: no available IPs\n"
        "shop/web  192.0.2.1  main  node1\n"
        "\n"
        "POOL   IPV4                 IPV6                 ADVERTISED BY\n"
        "main   11 of 11, none free  1 of over a million  home,lab\n"
        "spare  0 of 2               -                    nobody\n"
        "\n"
        "NODE   SPEAKER  ANNOUNCES  HEARS\n"
        "node1  runs     1          0 of 0\n"
        "\n"
        "PROBLEMS\n"
        "- web.yaml:1: spec.ports is no list\n"
        "\n"
        "1 of 2 Services without traffic, and 1 problem"
    )


def test_remarks_stand_below_the_problems() -> None:
    text = rendering.overview_text(seen(WELL, problems=("broken",), remarks=("node2 is late",)))
    assert "PROBLEMS\n- broken\n\nREMARKS\n- node2 is late\n" in text
    assert json.loads(rendering.overview_json(seen(WELL, remarks=("node2 is late",))))["remarks"] == ["node2 is late"]


def test_an_empty_cluster_is_one_line() -> None:
    empty = Overview((), (), (), (), ())
    assert rendering.overview_text(empty) == "all is well: there is no Service of type LoadBalancer"


def test_one_reason_of_several_services_is_said_once() -> None:
    text = rendering.overview_text(seen(*numbered(Chain(Name("", ""), (no("endpoints", "none is ready", ""),)), 3)))
    assert text.count("none is ready") == 1
    assert text.splitlines()[3:5] == ["shop/s2  <pending>  main  -", "    none is ready"]


def test_thousands_of_services_and_nodes_stay_one_screen_unless_all_are_asked_for() -> None:
    broken = numbered(Chain(Name("", ""), (no("endpoints", "none is ready", ""),)), 50)
    many = seen(*broken, *numbered(WELL, 5000), nodes=100)
    text = rendering.overview_text(many)
    assert len(text.splitlines()) < 80
    assert "... and 30 more without traffic (50 by endpoints); --all lists them" in text
    assert "... and 4980 more that are answered for; --all lists them" in text
    assert "... and 80 more, 80 of them with a speaker that runs; --all lists them" in text
    assert len(rendering.overview_text(many, everything=True).splitlines()) > 5150


def test_services_of_other_classes_are_counted_and_a_few_named() -> None:
    foreign = tuple(Name("shop", f"t{number}") for number in range(7))
    (line,) = (line for line in rendering.overview_text(seen(WELL, foreign=foreign)).splitlines() if "another" in line)
    assert line == (
        "7 of another loadBalancerClass, which others serve: shop/t0, shop/t1, shop/t2, shop/t3, shop/t4, ..."
    )


def test_a_program_reads_the_same_chain() -> None:
    assert json.loads(rendering.chain_json(PENDING)) == {
        "service": "shop/app",
        "healthy": False,
        "verdict": PENDING.verdict,
        "addresses": [],
        "pool": "",
        "announcers": [],
        "findings": [
            {
                "asked": "address",
                "answer": "no",
                "text": PENDING.findings[0].text,
                "advice": "make room",
                "details": [],
            }
        ],
    }


def test_a_program_reads_every_service_and_what_is_around_them() -> None:
    read = json.loads(rendering.overview_json(seen(*numbered(WELL, 100), foreign=(Name("a", "b"),))))
    assert len(read["services"]) == 100
    assert (read["healthy"], read["otherClasses"], read["problems"]) == (True, ["a/b"], [])
    assert read["pools"][0]["usage"][0] == {"family": "IPv4", "total": 11, "inUse": 11, "free": 0}
    assert read["nodes"] == [{"name": "node1", "speaker": "runs", "announces": 1, "hears": 0}]
