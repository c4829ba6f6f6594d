from pathlib import Path

from fixtures.stacks.mounts import mount_points

MOUNTINFO = """\
22 1 254:0 / / rw,relatime - ext4 /dev/root rw
26 22 0:24 / /tmp/tsse-stack-a/data/storage rw,relatime - tmpfs tmpfs rw,size=1024k
27 22 0:25 / /tmp/with\\040a\\134blank rw shared:7 - tmpfs tmpfs rw
"""


def test_mount_points_are_read_in_their_order_with_the_kernels_escapes_undone() -> None:
    assert mount_points(MOUNTINFO) == [
        Path("/"),
        Path("/tmp/tsse-stack-a/data/storage"),
        Path("/tmp/with a\\blank"),
    ]


def test_a_line_that_was_cut_short_names_no_mount_point() -> None:
    assert mount_points("22 1 254:0\n\n") == []
