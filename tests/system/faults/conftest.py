from collections.abc import Iterator, Mapping
from concurrent.futures import Future

import pytest

from tests.system.faults.__main__ import LANES, begin
from tests.system.faults.trial import Trial, open_lanes


# not for the session: the clock of this process is another while it lives
@pytest.fixture(scope="module")
def trials(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Future[Trial]]]:
    """Try every entry of the catalogue that a test of this session asks for, some at once, in their order."""
    chosen = [
        str(item.callspec.params["entry"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and hasattr(item, "callspec") and "entry" in item.callspec.params
    ]
    # a lane is dear to open
    number = min(LANES, 1 + len(chosen) // 8)
    with open_lanes(number, tmp_path_factory.mktemp("lanes")) as lanes:
        under_way = begin(lanes, chosen)
        lanes.open_others()
        yield under_way
