"""Whether only root can change what runs as root, and the lines that are given out if so."""

import os
import re
import shutil
import subprocess

import pytest

from sealtune.guard import access, link, trust


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A tree whose every file and directory counts as root's, up to the test's own folder."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/program"
    program.write_text("")
    for path in (tmp_path, tmp_path / "bin", program):
        path.chmod(0o755)
    real = os.lstat

    def lstat(path):
        found = real(path)
        if str(path).startswith(str(tmp_path)):
            return os.stat_result((found.st_mode, *found[1:4], 0, *found[5:]))
        return os.stat_result((found.st_mode & ~0o022, *found[1:4], 0, *found[5:]))

    monkeypatch.setattr(os, "lstat", lstat)
    return program


def test_what_is_roots_alone_has_no_weak_spot(installed):
    """
    Modes 755 all the way up, owned by root: nothing is said.
    """
    assert [] == trust.weak_spots([str(installed)])


@pytest.mark.parametrize("weak", ["program", "bin", "target", "target's directory"])
def test_a_weak_spot_is_found_wherever_it_is(installed, weak, tmp_path):
    """
    The file, a directory above it, and what a link on the way leads to are all looked at.
    """
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    target = elsewhere / "python"
    target.write_text("")
    target.chmod(0o755)
    interpreter = tmp_path / "bin/python"
    interpreter.symlink_to("../elsewhere/python")
    spots = {"program": installed, "bin": installed.parent, "target": target}
    path = spots.get(weak, elsewhere)
    path.chmod(0o777)
    found = trust.weak_spots([str(installed), str(interpreter)])
    assert [f"{path} can be written by others than root"] == found


def test_a_file_of_somebody_else_is_a_weak_spot(tmp_path, monkeypatch):
    """
    Its owner can change it, whatever its mode says.
    """
    real = os.lstat

    def lstat(path):
        found = real(path)
        owner = 1234 if str(path) == str(tmp_path) else 0
        return os.stat_result((0o040755, *found[1:4], owner, *found[5:]))

    monkeypatch.setattr(os, "lstat", lstat)
    assert [f"{tmp_path} belongs to user 1234"] == trust.weak_spots([str(tmp_path)])


def test_the_sudoers_line_pins_the_command_that_a_session_uses(monkeypatch, tmp_path):
    """
    What is allowed is exactly what is started, and how it is restored; sudo can read it.
    """
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    text = trust.sudoers()
    allowed = [one.strip() for one in text.splitlines()[0].partition("= ")[2].split(",")]
    command = access.guard_command()
    assert ["sudo", "-n"] == command[:2]
    assert [" ".join(command[2:]), " ".join([*command[2:-1], "restore"])] == allowed
    if shutil.which("visudo"):
        file = tmp_path / "sudoers"
        file.write_text(text)
        file.chmod(0o440)
        subprocess.run(["visudo", "-c", "-f", str(file)], check=True, capture_output=True)


@pytest.mark.parametrize("path", ["/home/a b/python", "/opt/x,y/python", "/opt/*/python"])
def test_a_path_that_cannot_be_pinned_is_refused(monkeypatch, path):
    """
    A space, a comma or a wildcard would mean something else to sudo and to systemd.
    """
    monkeypatch.setattr("sys.executable", path)
    for make in (trust.sudoers, trust.units):
        with pytest.raises(ValueError, match="plain letters"):
            make()


def test_the_units_start_and_restore_this_installation(monkeypatch):
    """
    The units name this interpreter and this program, and leave no placeholder behind.
    """
    units = trust.units()
    assert ["sealtune-guard.service", "sealtune-guard.socket"] == list(units)
    text = units["sealtune-guard.service"]
    assert not re.search(r"@[A-Z]+@", "".join(units.values()))
    assert f"{access.PROGRAM} serve\n" in text
    assert f"ExecStopPost={os.sys.executable} -I -S {access.PROGRAM} restore\n" in text
    assert f"ListenStream={link.SERVICE_SOCKET}\n" in units["sealtune-guard.socket"]


def test_without_service_and_sudo_both_are_named(monkeypatch, tmp_path):
    """
    A user with no way to a guard is told why neither works, and how to get one.
    """
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(access, "SERVICE_SOCKET", str(tmp_path / "socket"))
    for attempt in (access.check_access, access.connect):
        with pytest.raises(link.NotRootError, match="sudo is not installed") as caught:
            attempt()
        assert "doctor --privileges" in caught.value.fix


@pytest.mark.parametrize(("code", "works"), [(0, True), (1, False)])
def test_sudo_is_asked_for_the_guards_own_command(monkeypatch, tmp_path, code, works):
    """
    A user whose sudo allows just that may tune; nothing is started to find out.
    """
    sudo = tmp_path / "sudo"
    said = f'for word in "$@"; do printf "%s " "$word"; done > {tmp_path}/asked'
    sudo.write_text(f"#!/bin/sh\n{said}\nexit {code}\n")
    sudo.chmod(0o755)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(access, "SERVICE_SOCKET", str(tmp_path / "socket"))
    if works:
        assert "sudo" == access.check_access()
    else:
        with pytest.raises(link.NotRootError, match="without a password"):
            access.check_access()
    words = (tmp_path / "asked").read_text().split()
    assert ["-n", "-l", *access.guard_command()[2:]] == words


def test_restoring_through_sudo_reports_what_came_back(monkeypatch, tmp_path):
    """
    The session whose guard was killed learns from its sudo what was put back, or why it was not.
    """
    answers = tmp_path / "answers"
    sudo = tmp_path / "sudo"
    sudo.write_text(f'#!/bin/sh\ncase "$*" in *" restore") cat {answers};; *) cat;; esac\n')
    sudo.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    line = link.Process(["sudo", "-n", "python", "program", "lend"])
    answers.write_text('{"result": [[["vm.swappiness", "10", "60"]], [], [], null]}\n')
    assert [("vm.swappiness", "10", "60")] == line.recover().restored
    answers.write_text('{"error": "JournalError", "message": "damaged", "fix": "look"}\n')
    with pytest.raises(link.SealtuneError, match="damaged") as caught:
        line.recover()
    assert "JournalError" == type(caught.value).__name__
    answers.write_text("sudo: a password is required\n")
    with pytest.raises(link.RestoreError):
        line.recover()
    line.end()
