"""The memory that is granted is found where the kernel tells it."""

from pathlib import Path

from dragoman.load.cgroup import granted


def write(root: Path, **files: str) -> Path:
    for name, text in files.items():
        file = root / name.replace("__", "/").replace("_dot_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


STAT = "anon 10\ninactive_file 100\n"


def test_the_closest_group_with_a_limit_counts(tmp_path):
    write(tmp_path, proc__self__cgroup="0::/pod/box\n")
    write(tmp_path / "sys/fs/cgroup/pod/box", memory_dot_max="max\n", memory_dot_current="1\n", memory_dot_stat=STAT)
    write(tmp_path / "sys/fs/cgroup/pod", memory_dot_max="1000\n", memory_dot_current="600\n", memory_dot_stat=STAT)
    memory = granted(tmp_path)
    assert memory is not None
    assert (memory.limit, memory.share()) == (1000, 0.5)


def test_the_first_version_is_read_too(tmp_path):
    write(tmp_path, proc__self__cgroup="4:cpu:/x\n9:memory:/x\n")
    files = {"memory_dot_limit_in_bytes": "2000\n", "memory_dot_usage_in_bytes": "1100\n"}
    write(tmp_path / "sys/fs/cgroup/memory/x", **files, memory_dot_stat="total_inactive_file 100\n")
    memory = granted(tmp_path)
    assert memory is not None
    assert memory.share() == 0.5


def test_without_a_limit_there_is_nothing_to_watch(tmp_path):
    assert granted(tmp_path) is None
    write(tmp_path, proc__self__cgroup="0::/\n")
    write(tmp_path / "sys/fs/cgroup", memory_dot_max="max\n")
    assert granted(tmp_path) is None
    write(tmp_path, proc__self__cgroup="9:memory:/\n")
    write(tmp_path / "sys/fs/cgroup/memory", memory_dot_limit_in_bytes=f"{2**63 - 4096}\n")
    assert granted(tmp_path) is None
