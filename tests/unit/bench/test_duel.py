"""The arithmetic and the plot of the comparison with keepalived."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from bench.duel import HEADER, Sample, percentile, row
from bench.plot import plot


@pytest.mark.parametrize(("part", "value"), [(0.0, 1.0), (0.5, 2.0), (0.75, 3.0), (0.99, 4.0), (1.0, 4.0)])
def test_a_percentile_is_the_nearest_rank(part: float, value: float) -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], part) == value


def test_a_row_of_the_table_has_the_percentiles_and_the_losses() -> None:
    samples = [Sample(float(number), lost=number % 2, own_delay=number / 10) for number in range(1, 101)]
    found = row("death", "metalev", samples)
    assert found == ["death", "metalev", "100", "50", "90", "99", "100", "50 of 1000", "10"]
    assert len(found) == len(HEADER)


def test_a_plot_has_a_dot_for_each_sample_from_left_to_right() -> None:
    root = ET.fromstring(plot("a < b", {"ours": [15.0, 150.0], "theirs": [300.0]}))
    dots = [float(one.attrib["cx"]) for one in root.iter() if one.tag.endswith("circle")]
    assert dots == sorted(dots)
    assert len(dots) == 3
    texts = [one.text for one in root.iter() if one.tag.endswith("text")]
    assert "a < b" in texts
    assert "ours: 82 (n=2)" in texts
    assert "10 ms" in texts


def test_equal_samples_can_be_plotted() -> None:
    assert "circle" in plot("one", {"ours": [10.0, 10.0]})
