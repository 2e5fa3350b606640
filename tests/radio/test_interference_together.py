"""Options of the radio that must get along: coupled cells, estimates, schemes and limits."""

import pytest

from tests.fixtures.runs import outcome
from tests.simulation.test_simulation import check_laws

CELL = (
    "{position: [%d, 0], bandwidth: 10 MHz, uplink: {rate: mcs, csi_error: 0.1, block_snr: 3 dB, "
    "subband: %d}, downlink: {rate: mcs, csi_error: 0.1}}"
)


@pytest.mark.parametrize("subband", [1, 4])
@pytest.mark.parametrize("interference", ["coupled", "load-average", "none"])
def test_two_cells_with_all_of_them_end_and_keep_the_laws(tmp_path, interference, subband):
    cells = f"cells=[{CELL % (-250, subband)}, {CELL % (250, subband)}]"
    result = outcome(tmp_path, cells, f"interference={interference}", "rounds.count=1")
    check_laws(result)
    again = outcome(tmp_path, cells, f"interference={interference}", "rounds.count=1")
    assert [span.end for span in result.spans] == [span.end for span in again.spans]
