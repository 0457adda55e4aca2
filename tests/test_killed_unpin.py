"""Who is killed while it unpins leaves nothing that is in the next one's way."""

from pathlib import Path

import pytest
from killable import UNPIN
from targets import POWER
from test_killed import KILLS, check_killed


@POWER
@pytest.mark.timeout(120 + KILLS)
def test_killed_while_it_unpins(tmp_path: Path) -> None:
    """The same path can be pinned again, and unpinned."""
    check_killed(UNPIN, tmp_path)
