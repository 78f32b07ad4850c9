import pytest

from sealtune.catalogue import forbidden_reason, load_catalogue
from sealtune.catalogue.forbidden import canonical

NEVER = [
    "kernel.randomize_va_space",
    "kernel.dmesg_restrict",
    "kernel.kptr_restrict",
    "kernel.perf_event_paranoid",
    "kernel.yama.ptrace_scope",
    "kernel.unprivileged_bpf_disabled",
    "fs.suid_dumpable",
    "fs.protected_hardlinks",
    "net.ipv4.conf.all.rp_filter",
    "net.ipv6.conf.eth0.accept_redirects",
    "net.ipv4.conf.default.secure_redirects",
    "net.ipv4.icmp_echo_ignore_all",
    "net.ipv4.tcp_syncookies",
    "net.core.bpf_jit_harden",
    "kernel.modules_disabled",
    "kernel.kexec_load_disabled",
    "vm.drop_caches",
    "vm.compact_memory",
    "net.ipv4.ip_forward",
    "net.ipv6.conf.all.forwarding",
    "net.ipv6.conf.eth0.mtu",
    "kernel.panic",
    "kernel.panic_on_oops",
    "kernel.sysrq",
    "kernel.sched_rt_runtime_us",
    "kernel.pid_max",
    "kernel.threads-max",
    "vm.panic_on_oom",
    "vm.overcommit_memory",
    "net.ipv4.tcp_low_latency",
    "net.ipv4.route.max_size",
    "net.ipv4.udp_wmem_min",
]


def spellings(name):
    slashed = name.replace(".", "/")
    return [
        name,
        slashed,
        f"/proc/sys/{slashed}",
        f"/proc/sys//{slashed}/",
        f"/proc/sys/vm/../{slashed}",
        f"  {name} ",
        f"-{name}",
        name.upper(),
    ]


@pytest.mark.parametrize("name", NEVER)
def test_a_dangerous_parameter_is_caught_in_every_spelling(name):
    """
    Dots, slashes, absolute paths, detours and capitals all hit the list.
    """
    assert [] == [text for text in spellings(name) if forbidden_reason(text) is None]


@pytest.mark.parametrize(
    "path",
    [
        "/sys/devices/system/cpu/smt/control",
        "/sys/devices/system/cpu/cpu1/online",
        "/sys/devices/system/cpu/vulnerabilities/meltdown",
        "/sys/fs/selinux/enforce",
        "/sys/class/net/eth0/mtu",
        "/proc/sysrq-trigger",
        "/sys/power/state",
        "randomize_va_space",
        "tcp_syncookies",
    ],
)
def test_files_outside_sysctl_and_bare_names_are_caught(path):
    """
    Dangerous files of /sys, and the last part of a dangerous name, hit the list too.
    """
    assert forbidden_reason(path) is not None


@pytest.mark.parametrize("knob", load_catalogue().knobs, ids=lambda knob: knob.name)
def test_nothing_in_the_catalogue_is_forbidden(knob):
    """
    A parameter that is offered is on the never-tune list in no spelling.
    """
    concrete = knob.on_device("vda")
    texts = [knob.path, concrete.path, canonical(knob.name).rpartition(".")[2]]
    texts += spellings(knob.name) + spellings(concrete.name)

    assert [] == [text for text in texts if forbidden_reason(text)]
