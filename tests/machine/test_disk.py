from pathlib import Path

import pytest

from sealtune.machine.disk import find_disk


def test_a_partition_stands_for_its_disk(tree):
    """
    A place on a partition belongs to the whole disk, whose queue is described.
    """
    tree.disk("sda", "8:1", partition="sda1").mounts(("8:1", "/", "ext4", "/dev/sda1"))

    disk, filesystem = find_disk(Path("/var/lib"), tree.root)

    assert ("sda", "ext4") == (disk.name, filesystem)
    assert ("mq-deadline", ("none", "mq-deadline", "bfq")) == (disk.scheduler, disk.schedulers)
    assert (2048 * 512, False, 128) == (disk.size_bytes, disk.rotational, disk.tags)


def test_the_innermost_mount_decides(tree):
    """
    A mount nearer to the place wins over the root, and a name that only begins alike does not.
    """
    tree.disk("sda", "8:0").disk("sdb", "8:16").disk("sdc", "8:32")
    tree.mounts(
        ("8:0", "/", "ext4", "/dev/sda"),
        ("8:16", "/var", "xfs", "/dev/sdb"),
        ("8:32", "/var/li", "xfs", "/dev/sdc"),
    )

    assert "sdb" == find_disk(Path("/var/lib"), tree.root)[0].name


def test_of_two_mounts_on_one_point_the_later_hides(tree):
    """
    A filesystem mounted over another is the one in use.
    """
    tree.disk("sda", "8:0").disk("sdb", "8:16")
    tree.mounts(("8:0", "/data", "ext4", "/dev/sda"), ("8:16", "/data", "xfs", "/dev/sdb"))

    assert "sdb" == find_disk(Path("/data"), tree.root)[0].name


def test_a_mount_point_with_a_blank_is_found(tree):
    """
    The kernel's octal escapes in a mount point are undone.
    """
    tree.disk("sda", "8:0").mounts(("8:0", "/my\\040disk", "ext4", "/dev/sda"))

    assert "sda" == find_disk(Path("/my disk/x"), tree.root)[0].name


def test_btrfs_is_found_by_its_source(tree):
    """
    A filesystem with a device number of its own is traced by the device it names.
    """
    tree.disk("sda", "8:2", partition="sda2").mounts(("0:35", "/", "btrfs", "/dev/sda2"))

    assert "sda" == find_disk(Path("/var/lib"), tree.root)[0].name


@pytest.mark.parametrize(
    ("kind", "source"), [("tmpfs", "tmpfs"), ("overlay", "overlay"), ("nfs4", "server:/x")]
)
def test_what_lies_on_no_disk_has_none(tree, kind, source):
    """
    Memory, overlay and network filesystems have no disk to tune, and say what they are.
    """
    tree.mounts(("0:50", "/", kind, source))

    assert (None, kind) == find_disk(Path("/var/lib"), tree.root)


def test_without_a_mount_table_nothing_is_known(tree):
    """
    A system without /proc has neither disk nor filesystem.
    """
    assert (None, None) == find_disk(Path("/var/lib"), tree.root)
