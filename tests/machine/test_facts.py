import getpass
import json
import socket
from pathlib import Path

import pytest

from sealtune.machine import gather_facts


def test_the_facts_of_a_machine_are_read_from_its_files(tree):
    """
    Kernel, memory, swap, processors, offers and disk come from the tree that is given.
    """
    tree.disk("vda", "254:0").mounts(("254:0", "/", "ext4", "/dev/vda"))
    tree.write("/proc/sys/kernel/osrelease", "6.1.0-test\n")
    tree.write("/etc/os-release", 'NAME="D"\nPRETTY_NAME="Debian 12"\n')
    tree.write("/proc/meminfo", "MemTotal:  1024 kB\nSwapTotal:  512 kB\n")
    tree.write("/proc/stat", "cpu  1 2 3 4 5 6 7 8\ncpu0 1\ncpu1 1\ncpu2 1\nctxt 5\n")
    tree.write("/proc/cpuinfo", "model name : Fast One\nflags : fpu hypervisor\n")
    tree.write("/proc/sys/net/ipv4/tcp_available_congestion_control", "reno bbr\n")
    tree.write("/sys/devices/system/cpu/cpuidle/current_governor", "haltpoll\n")
    tree.write("/sys/devices/system/node/node0/x", "").write(
        "/sys/devices/system/node/node1/x", ""
    )
    tree.write("/proc/pressure/cpu", "some avg10=0.00 total=0\n")

    facts = gather_facts(Path("/var/lib"), tree.root)

    assert ("6.1.0-test", "Debian 12") == (facts.kernel, facts.distribution)
    assert (1024 * 1024, 512 * 1024) == (facts.memory_bytes, facts.swap_bytes)
    assert (3, "Fast One", 2) == (facts.cpus, facts.cpu_model, facts.numa_nodes)
    assert ("unnamed hypervisor", "haltpoll") == (facts.virtualisation, facts.cpuidle_governor)
    assert (("reno", "bbr"), ()) == (facts.congestion_controls, facts.governors)
    assert ("vda", "ext4", True) == (facts.disk.name, facts.filesystem, facts.psi)
    assert not facts.systemd


def test_an_empty_tree_gives_facts_all_the_same(tree):
    """
    Where nothing can be read (another operating system), the facts say so and memory is known.
    """
    facts = gather_facts(Path("/var/lib"), tree.root)

    assert (None, None, False, None) == (
        facts.disk,
        facts.virtualisation,
        facts.psi,
        facts.boot_id,
    )
    assert facts.memory_bytes > 0
    assert facts.cpus >= 1


@pytest.mark.parametrize(
    ("vendor", "expected"),
    [("QEMU", "kvm"), ("VMware, Inc.", "vmware"), ("Amazon EC2", "kvm (Amazon)"), ("Dell", None)],
)
def test_the_firmware_names_the_hypervisor(tree, vendor, expected):
    """
    A virtual machine is known by its firmware's maker, a real one by the want of it.
    """
    tree.write("/sys/class/dmi/id/sys_vendor", f"{vendor}\n")

    assert expected == gather_facts(Path("/"), tree.root).virtualisation


def test_facts_are_plain_and_private():
    """
    The facts of this very machine survive JSON, and name neither host nor user.
    """
    facts = gather_facts().as_dict()
    values = json.dumps(facts)

    assert facts.keys() == json.loads(values).keys()
    assert json.dumps(socket.gethostname()) not in values
    assert json.dumps(getpass.getuser()) not in values
