"""May packets be captured here?"""

from __future__ import annotations

import pytest

from pytest_shadowdiff.captures.live import Tcpdump
from pytest_shadowdiff.errors import SetupError


def permitted() -> None:
    """Skip where they may not, or nothing reads them."""
    pytest.importorskip("scapy", reason="no scapy: install the extra `capture`")
    tried = Tcpdump([1], lambda _: None)
    try:
        tried.start()
    except SetupError as error:
        pytest.skip(str(error))
    finally:
        tried.stop()
