"""Root's guard and the service as units of a real systemd, ended in every way."""

import json
import re

import pytest
from tests.kernel import systemd
from tests.kernel.guards import start_guard
from tests.kernel.systemd_service import SERVICES
from tests.kernel.systemd_ways import ROOTS

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(bool(systemd.absent()), reason=f"no systemd to boot: {systemd.absent()}"),
]


@pytest.fixture(scope="module")
def running():
    """A systemd of its own."""
    start_guard(knobs=[]).close()
    try:
        with systemd.booted() as found:
            yield found
    except OSError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("how", ROOTS)
def test_whatever_ends_roots_unit_the_value_is_back(running, how):
    """
    Within 2 s (10 s when frozen), unaided; then the unit is gone, and none counts as failed.
    """
    (row,) = running.rows(how)
    assert row.is_kept, row
    if how in ("guard", "guard frozen", "unit stopped"):
        assert row.told.startswith("the guard's process has ended"), row


@pytest.mark.parametrize("how", [*SERVICES, "killed eight times"])
def test_whatever_ends_the_services_guard_the_value_is_back(running, how):
    """
    Within 2 s, and the next session of a member is served.
    """
    (row,) = running.rows(f"service: {how}")
    assert row.is_kept, row


def test_the_services_socket_is_for_its_group_alone(running):
    """
    Owned by root and the group, closed to everybody else, who is told what to do.
    """
    (row,) = running.rows("service: a stranger")
    assert row.told.startswith("660 0:sealtune NotRootError"), row


def test_the_services_guard_is_confined_as_its_unit_says(running):
    """
    No capability at all for parameters that need none, system calls filtered, no new privileges.
    """
    (row,) = running.rows("service: confined")
    told = json.loads(row.told)
    assert re.fullmatch("0+", told["CapEff"])
    assert re.fullmatch("0+", told["CapBnd"])
    assert ("1", "2") == (told["NoNewPrivs"], told["Seccomp"])
