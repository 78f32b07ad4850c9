"""``sealtune doctor --privileges``: how ordinary users of this machine may tune, to be pasted."""

import os


def state() -> str:
    """Return, in a few words, whether this user may tune and by which way."""
    from sealtune.errors import NotRootError
    from sealtune.guard.access import check_access

    if os.geteuid() == 0:
        from sealtune.guard.transient import attempt

        reason = attempt()
        how = f"a child of the session: {reason}" if reason else "a unit of systemd"
        return f"yes; the guard is {how}"
    try:
        way = check_access()
    except NotRootError:
        return "no: tuning needs sudo, or see --privileges; plan and --dry-run need neither"
    return f"not needed: the guard is lent through {way}"


def show() -> int:
    """Print both ways, or why this installation is not fit for either; return the exit code."""
    from sealtune.guard import trust

    print(f"this user       {state()}\n")
    if found := trust.weak_spots():
        print("NOT FIT: what would run as root can be changed by others:")
        print(trust.told(found))
        print("\nInstall sealtune as root, at a place of root's alone, and run doctor from there:")
        print("  python3 -m venv /opt/sealtune && /opt/sealtune/bin/pip install sealtune")
        print("  /opt/sealtune/bin/sealtune doctor --privileges")
        return 1
    try:
        sudoers, units = trust.sudoers(), trust.units()
    except ValueError as error:
        print(f"NOT FIT: {error}")
        return 1
    print("Only root can change what would run as root. As root, for each user who may tune:\n")
    print("groupadd --system --force sealtune\nusermod --append --groups sealtune USER\n")
    print("# One way: sudo, for this one command.")
    print(f"cat > /etc/sudoers.d/sealtune <<'END'\n{sudoers}END")
    print("chmod 0440 /etc/sudoers.d/sealtune && visudo --check\n")
    print("# The other: a service. It needs systemd; elsewhere run its ExecStart as root.")
    for name, text in units.items():
        print(f"cat > /etc/systemd/system/{name} <<'END'\n{text}END")
    print("systemctl daemon-reload && systemctl enable --now sealtune-guard.socket")
    return 0
