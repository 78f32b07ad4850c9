"""A machine in a folder."""

import os

import pytest


class Tree:
    """Files of a pretended machine below `root`."""

    def __init__(self, root):
        self.root = root

    def write(self, path, text, mode=0o644):
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.write_text(text)
        file.chmod(mode)
        return self

    def link(self, path, target):
        link = self.root / path.lstrip("/")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(self.root / target.lstrip("/"), link.parent))
        return self

    def disk(self, name, numbers, *, partition=None):
        """Add a disk (or one of its partitions) as /sys shows it."""
        home = f"/sys/devices/pci0/{name}"
        self.write(f"{home}/queue/scheduler", "none [mq-deadline] bfq\n")
        self.write(f"{home}/queue/rotational", "0\n")
        self.write(f"{home}/size", "2048\n")
        self.write(f"{home}/mq/0/nr_tags", "128\n")
        self.link(f"/sys/block/{name}", home)
        if partition:
            self.write(f"{home}/{partition}/partition", "1\n")
            home = f"{home}/{partition}"
        self.link(f"/sys/dev/block/{numbers}", home)
        self.link(f"/sys/class/block/{partition or name}", home)
        return self

    def mounts(self, *lines):
        """Each line: (major:minor, mount point, filesystem, source)."""
        text = "".join(
            f"{20 + row} 1 {numbers} / {point} rw,relatime shared:1 - {kind} {source} rw\n"
            for row, (numbers, point, kind, source) in enumerate(lines)
        )
        return self.write("/proc/self/mountinfo", text)


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)
