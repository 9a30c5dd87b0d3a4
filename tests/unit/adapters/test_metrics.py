"""Names, types and labels of the metrics, read back as Prometheus would."""

from collections import Counter
from ipaddress import ip_address

from metalev.adapters.metrics import Announced, Figures, Metrics
from metalev.model.pools import PoolStatus
from metalev.ports.ownership import AddressCounters, Counters, Failovers, PathCounters

ADDRESS = ip_address("192.0.2.1")
CONTROLLER = Figures(
    config_loaded=True,
    config_stale=False,
    pools={"first": PoolStatus(3, 1, 251, 2**64 - 1)},
    allocated=Counter({"first": 4}),
    pending=2,
)
SPEAKER = Figures(
    config_loaded=True,
    config_stale=True,
    announced=(Announced("default/web", "192.0.2.1", "node1"),),
    moved=(("192.0.2.1", 1_700_000_000.5),),
    conflicts=(("192.0.2.9", "02:00:00:00:09:09"),),
    engine=Counters(
        (AddressCounters(ADDRESS, 7, 6, 5, 4),),
        {"announceIP": 9},
        *(11, 10, Failovers(((0.2, 3), (1, 4)), 5, 2.5), 1, 2, 0.21),
        (PathCounters("node2", "eth0", True, 100, 3, 0.07, 0.23), PathCounters("node2", "udp", alive=False)),
        *(12, {"no-answer": 3}),
    ),
)


def exposed(figures: Figures) -> tuple[dict[str, str], dict[str, float]]:
    """Types by metric and values by sample, straight from the text."""
    metrics = Metrics(lambda: figures)
    metrics.moved("missed-beacons")
    metrics.left("stopping", 7)
    metrics.reconciled(0.002, failed=True)
    lines = metrics.render().decode().splitlines()
    types = dict(line.split()[2:4] for line in lines if line.startswith("# TYPE"))
    samples = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return types, {sample: float(value) for sample, value in samples.items()}


def test_the_controller_exposes_the_allocator_as_metallb_does() -> None:
    types, samples = exposed(CONTROLLER)
    rows: dict[str, float] = {
        "metallb_allocator_addresses_total": 2.0**63,
        "metallb_allocator_addresses_in_use_total": 4,
        "metallb_allocator_ipv4_addresses_total": 254,
        "metallb_allocator_ipv4_addresses_in_use_total": 3,
        "metallb_allocator_ipv6_addresses_total": 2.0**63,
        "metallb_allocator_ipv6_addresses_in_use_total": 1,
        "metallb_allocator_services_allocated_total": 4,
    }
    assert {name: types[name] for name in rows} == dict.fromkeys(rows, "gauge")
    assert {name: samples[f'{name}{{pool="first"}}'] for name in rows} == rows


def test_the_configuration_is_loaded_and_stale_by_the_names_of_metallbs_alerts() -> None:
    types, samples = exposed(SPEAKER)
    assert samples["metallb_k8s_client_config_loaded_bool"] == 1
    assert samples["metallb_k8s_client_config_stale_bool"] == 1
    assert types["metallb_k8s_client_config_stale_bool"] == "gauge"
    assert exposed(CONTROLLER)[1]["metallb_k8s_client_config_stale_bool"] == 0


def test_updates_and_errors_are_counted() -> None:
    types, samples = exposed(CONTROLLER)
    for name in ("metallb_k8s_client_updates_total", "metallb_k8s_client_update_errors_total"):
        assert (types[name], samples[name]) == ("counter", 1)


def test_layer2_counters_have_metallbs_names_without_total() -> None:
    types, samples = exposed(SPEAKER)
    rows = {
        "metallb_layer2_requests_received": 7,
        "metallb_layer2_responses_sent": 6,
        "metallb_layer2_gratuitous_sent": 5,
    }
    assert {name: types[name] for name in rows} == dict.fromkeys(rows, "counter")
    assert {name: samples[f'{name}{{ip="192.0.2.1"}}'] for name in rows} == rows
    assert not [name for name in types if name.startswith("metallb_layer2") and name.endswith("_total")]


def test_an_announced_address_has_metallbs_four_labels() -> None:
    types, samples = exposed(SPEAKER)
    assert types["metallb_speaker_announced"] == "gauge"
    labels = 'ip="192.0.2.1",node="node1",protocol="layer2",service="default/web"'
    assert samples[f"metallb_speaker_announced{{{labels}}}"] == 1


def test_our_own_metrics_stand_beside_metallbs() -> None:
    types, samples = exposed(SPEAKER)
    rows = {
        'metalev_layer2_dropped_total{reason="announceIP"}': 9,
        "metalev_beacons_sent_total": 11,
        "metalev_beacons_received_total": 10,
        "metalev_unsent_total": 1,
        "metalev_probes_sent_total": 12,
        'metalev_witness_results_total{result="no-answer"}': 3,
        'metalev_witness_results_total{result="answered"}': 0,
        'metalev_layer2_foreign_claims_total{ip="192.0.2.1"}': 4,
        "metalev_facts_lost_total": 2,
        'metalev_moves_total{reason="missed-beacons"}': 1,
        'metalev_connections_left_total{reason="stopping"}': 7,
    }
    assert {sample: samples[sample] for sample in rows} == rows
    assert {types[sample.partition("{")[0]] for sample in rows} == {"counter"}


def test_the_duration_of_reconciles_is_a_histogram() -> None:
    types, samples = exposed(CONTROLLER)
    assert types["metalev_reconcile_duration_seconds"] == "histogram"
    assert samples['metalev_reconcile_duration_seconds_bucket{le="0.001"}'] == 0
    assert samples['metalev_reconcile_duration_seconds_bucket{le="0.005"}'] == 1


def test_pending_services_are_a_gauge_of_the_controller_alone() -> None:
    types, samples = exposed(CONTROLLER)
    assert (types["metalev_services_pending"], samples["metalev_services_pending"]) == ("gauge", 2)
    assert "metalev_services_pending" not in exposed(SPEAKER)[0]


def test_a_program_shows_nothing_that_is_not_its_own() -> None:
    assert not [name for name in exposed(SPEAKER)[0] if name.startswith("metallb_allocator")]
    assert not [name for name in exposed(CONTROLLER)[0] if name.startswith(("metallb_layer2", "metallb_speaker"))]


def test_no_series_tells_when_another_was_created() -> None:
    assert not [name for name in exposed(SPEAKER)[0] if name.endswith("_created")]


def test_figures_are_read_anew_at_every_scrape() -> None:
    figures = [CONTROLLER, Figures(config_loaded=False, config_stale=False)]
    metrics = Metrics(lambda: figures.pop(0))
    assert b"metallb_k8s_client_config_loaded_bool 1.0" in metrics.render()
    assert b"metallb_k8s_client_config_loaded_bool 0.0" in metrics.render()


def test_the_time_of_the_last_move_is_shown_for_each_address() -> None:
    types, samples = exposed(SPEAKER)
    assert types["metalev_last_move_timestamp_seconds"] == "gauge"
    assert samples['metalev_last_move_timestamp_seconds{ip="192.0.2.1"}'] == 1_700_000_000.5


def test_each_address_that_somebody_else_has_is_shown_with_their_mac() -> None:
    types, samples = exposed(SPEAKER)
    assert types["metalev_address_conflicts"] == "gauge"
    assert samples['metalev_address_conflicts{ip="192.0.2.9",mac="02:00:00:00:09:09"}'] == 1


def test_the_duration_of_failovers_is_a_histogram() -> None:
    types, samples = exposed(SPEAKER)
    name = "metalev_failover_duration_seconds"
    assert types[name] == "histogram"
    assert [samples[f'{name}_bucket{{le="{bound}"}}'] for bound in ("0.2", "1", "+Inf")] == [3, 4, 5]
    assert (samples[f"{name}_count"], samples[f"{name}_sum"]) == (5, 2.5)


def test_how_a_peer_is_heard_is_shown_by_peer_and_path() -> None:
    types, samples = exposed(SPEAKER)
    rows: dict[str, tuple[str, float]] = {
        "metalev_peer_alive": ("gauge", 1),
        "metalev_peer_beacons_received_total": ("counter", 100),
        "metalev_peer_beacons_missed_total": ("counter", 3),
        "metalev_peer_beacon_jitter_seconds": ("gauge", 0.07),
        "metalev_peer_patience_seconds": ("gauge", 0.23),
    }
    found = {name: (types[name], samples[f'{name}{{path="eth0",peer="node2"}}']) for name in rows}
    assert found == rows
    assert samples['metalev_peer_alive{path="udp",peer="node2"}'] == 0


def test_the_promise_is_shown() -> None:
    assert exposed(SPEAKER)[1]["metalev_promise_seconds"] == 0.21
