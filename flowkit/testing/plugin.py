"""The pytest plugin. It is loaded at every start of pytest, so it imports nothing of flowkit until a test asks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flowkit import testing


@pytest.fixture
def flowkit_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[testing.PipelineRunner]:
    """Run pipelines in this process with an empty store that lives as long as the test."""
    with testing.PipelineRunner(tmp_path_factory.mktemp("flowkit") / "store") as runner:
        yield runner
