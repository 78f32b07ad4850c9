"""Parameters that are never tuned, whoever asks and however it is spelled.

Several of them stand in other tuners' knowledge bases as performance knobs: each one buys speed
with security, cannot be taken back, acts instead of setting, or can take the machine down.
"""

from fnmatch import fnmatchcase

_SECURITY = "it is a security switch"
_ONE_WAY = "it cannot be set back while the machine runs"
_ACTION = "writing it performs an action; it is no setting"
_TOPOLOGY = "it changes what the machine is connected to or made of"
_CRASH = "it can hang, crash or lock people out of the machine"
_NO_EFFECT = "the kernel ignores it, or it changes nothing worth measuring"

NEVER_TUNE: dict[str, str] = {
    "kernel.randomize_va_space": _SECURITY,
    "kernel.dmesg_restrict": _SECURITY,
    "kernel.kptr_restrict": _SECURITY,
    "kernel.perf_event_paranoid": _SECURITY,
    "kernel.yama.*": _SECURITY,
    "kernel.unprivileged_*": _SECURITY,
    "kernel.core_pattern": _SECURITY,
    "kernel.modprobe": _SECURITY,
    "vm.mmap_min_addr": _SECURITY,
    "vm.mmap_rnd_*": _SECURITY,
    "vm.unprivileged_userfaultfd": _SECURITY,
    "vm.memfd_noexec": _SECURITY,
    "fs.suid_dumpable": _SECURITY,
    "fs.protected_*": _SECURITY,
    "fs.binfmt_misc.*": _SECURITY,
    "net.*.rp_filter": _SECURITY,
    "net.*.accept_redirects": _SECURITY,
    "net.*.secure_redirects": _SECURITY,
    "net.*.send_redirects": _SECURITY,
    "net.*.accept_source_route": _SECURITY,
    "net.*.accept_ra*": _SECURITY,
    "net.*.icmp_echo_ignore_*": _SECURITY,
    "net.*.echo_ignore_*": _SECURITY,
    "net.*.icmp_ignore_bogus_error_responses": _SECURITY,
    "net.*.log_martians": _SECURITY,
    "net.*.tcp_syncookies": _SECURITY,
    "net.*.tcp_fastopen_key": _SECURITY,
    "net.*.ip_unprivileged_port_start": _SECURITY,
    "net.core.bpf_jit_*": _SECURITY,
    "sys.devices.system.cpu.vulnerabilities.*": _SECURITY,
    "sys.fs.selinux.*": _SECURITY,
    "sys.kernel.security.*": _SECURITY,
    "sys.module.*.parameters.mitigations": _SECURITY,
    "kernel.modules_disabled": _ONE_WAY,
    "kernel.kexec_load_*": _ONE_WAY,
    "kernel.io_uring_disabled": _ONE_WAY,
    "vm.drop_caches": _ACTION,
    "vm.compact_memory": _ACTION,
    "vm.stat_refresh": _ACTION,
    "net.*.route.flush": _ACTION,
    "proc.sysrq-trigger": _ACTION,
    "sys.power.*": _ACTION,
    "net.*.ip_forward": _TOPOLOGY,
    "net.*.forwarding": _TOPOLOGY,
    "net.*.mc_forwarding": _TOPOLOGY,
    "net.*.disable_ipv6": _TOPOLOGY,
    "net.*.mtu": _TOPOLOGY,
    "sys.*.net.*.mtu": _TOPOLOGY,
    "sys.devices.system.cpu.smt.*": _TOPOLOGY,
    "sys.devices.system.cpu.cpu*.online": _TOPOLOGY,
    "sys.devices.system.memory.*": _TOPOLOGY,
    "kernel.hostname": _TOPOLOGY,
    "kernel.domainname": _TOPOLOGY,
    "kernel.panic*": _CRASH,
    "kernel.*_panic": _CRASH,
    "kernel.sysrq": _CRASH,
    "kernel.sched_rt_runtime_us": _CRASH,
    "kernel.sched_rt_period_us": _CRASH,
    "kernel.pid_max": _CRASH,
    "kernel.threads-max": _CRASH,
    "kernel.ctrl-alt-del": _CRASH,
    "kernel.watchdog*": _CRASH,
    "vm.panic_on_oom": _CRASH,
    "vm.oom_kill_allocating_task": _CRASH,
    "vm.overcommit_*": _CRASH,
    "vm.lowmem_reserve_ratio": _CRASH,
    "net.*.tcp_mem": _CRASH,
    "net.*.udp_mem": _CRASH,
    "net.*.tcp_low_latency": _NO_EFFECT,
    "net.*.tcp_fack": _NO_EFFECT,
    "net.*.route.max_size": _NO_EFFECT,
    "net.*.udp_wmem_min": _NO_EFFECT,
}
"""Pattern of a canonical name (see `canonical`) to the reason."""


def canonical(name: str) -> str:
    """Return one spelling for every way to name a parameter: parts joined by dots.

    Dotted, slashed and absolute spellings agree; a file under /proc/sys loses that prefix.

    >>> canonical("vm/swappiness"), canonical("/proc/sys/vm//swappiness ")
    ('vm.swappiness', 'vm.swappiness')
    >>> canonical("/sys/module/haltpoll/../kvm/parameters/halt_poll_ns")
    'sys.module.kvm.parameters.halt_poll_ns'
    """
    parts: list[str] = []
    for part in name.strip().removeprefix("-").split("/"):
        if part == "..":
            del parts[-1:]
        else:
            parts += [piece for piece in part.split(".") if piece]
    if parts[:2] == ["proc", "sys"]:
        parts = parts[2:]
    return ".".join(parts)


def forbidden_reason(name: str) -> str | None:
    """Return why `name` is never tuned, ``None`` if it is not on the list.

    A bare last part (``randomize_va_space``) is recognised as well.

    >>> forbidden_reason("/proc/sys/kernel/randomize_va_space")
    'it is a security switch'
    >>> forbidden_reason("vm.swappiness") is None
    True
    """
    wanted = canonical(name).lower()
    for pattern, reason in NEVER_TUNE.items():
        if fnmatchcase(wanted, pattern):
            return reason
        last = pattern.rpartition(".")[2]
        if wanted == last:
            return reason
    return None
