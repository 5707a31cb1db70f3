"""Synthetic results that the tests of reports share; none of them changes them."""

import pytest
from report_kit import SyntheticResults, columns_of, synthetic_results

from radfuse.benchmark.statistics.analysis import MetricStatistics


@pytest.fixture(scope="session")
def results() -> SyntheticResults:
    return synthetic_results()


@pytest.fixture(scope="session")
def columns(results: SyntheticResults) -> list[MetricStatistics]:
    return columns_of(results)
