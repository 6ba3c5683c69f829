"""Files and folders appear whole or not at all, and what killed processes left goes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vos_tf import files
from vos_tf.files import is_leftover, publish, replacing, sweep, write_bytes, write_json


def fill(folder: Path, text: str) -> None:
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "a.txt").write_text(text)
    (folder / f"{text}.txt").write_text(text)


def content(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_file_is_replaced_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "new" / "network.weights.h5"
    write_bytes(path, b"old")
    with replacing(path) as temporary:
        assert temporary.name == path.name  # writers that look at the suffix are content
        temporary.write_bytes(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_is_replaced_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "model"
    for text in ("old", "new"):
        with replacing(path) as temporary:
            fill(temporary, text)
            assert path.exists() == (text == "new")
        assert content(path) == {"sub/a.txt": text, f"{text}.txt": text}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
@pytest.mark.parametrize("before", [True, False])
def test_an_error_in_the_block_leaves_what_was_there(tmp_path: Path, error: type[BaseException], before: bool) -> None:
    path = tmp_path / "model"
    if before:
        fill(path, "old")
    with pytest.raises(error), replacing(path) as temporary:
        fill(temporary, "half")
        raise error
    assert content(tmp_path) == ({"model/sub/a.txt": "old", "model/old.txt": "old"} if before else {})
    assert not list(tmp_path.glob(".*"))


def test_a_folder_that_cannot_get_its_name_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model"
    fill(path, "old")
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if (self / "new.txt").exists():
            raise OSError("refused")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OSError, match="refused"), replacing(path) as temporary:
        fill(temporary, "new")
    assert content(path) == {"sub/a.txt": "old", "old.txt": "old"}
    assert list(tmp_path.iterdir()) == [path]


def test_everything_reaches_the_disk_before_the_name_appears(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, reached = tmp_path / "model", []

    def fsync(descriptor: int) -> None:
        assert not path.exists()
        reached.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)

    monkeypatch.setattr(files.os, "fsync", fsync)
    with replacing(path) as temporary:
        fill(temporary, "new")
    assert sorted(reached) == ["a.txt", "model", "new.txt", "sub"]


def test_nothing_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "model"):
        pass
    assert not list(tmp_path.iterdir())


def test_a_folder_is_published_into_an_empty_one(tmp_path: Path) -> None:
    fill(tmp_path / ".out.unfinished", "new")
    (tmp_path / "out").mkdir()
    publish(tmp_path / ".out.unfinished", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert content(tmp_path / "out") == {"sub/a.txt": "new", "new.txt": "new"}


def test_what_killed_processes_left_goes_with_the_next_writing(tmp_path: Path) -> None:
    dead = dead_process()
    fill(tmp_path / f".model.{dead}.partial", "half")
    (tmp_path / f".curve.png.{dead}.partial").write_bytes(b"half")  # a file, as versions before left it
    others = [f".mine.{os.getpid()}.partial", ".mine.partial", f"mine.{dead}.partial", ".unfinished"]
    for name in others:
        (tmp_path / name).mkdir()
    write_json(tmp_path / "new.json", {})
    assert {path.name for path in tmp_path.iterdir()} == {"new.json", *others}
    assert [name for name in others if is_leftover(name)] == others[:1]


def test_a_killed_writing_leaves_the_old_folder_and_is_swept(tmp_path: Path) -> None:
    fill(tmp_path / "model", "old")
    code = (
        "import os, signal, sys; from pathlib import Path; from vos_tf.files import replacing\n"
        "with replacing(Path(sys.argv[1])) as temporary:\n"
        "    temporary.mkdir(); (temporary / 'half.txt').write_text('half'); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "model")], check=False)
    assert content(tmp_path / "model") == {"sub/a.txt": "old", "old.txt": "old"}
    assert [is_leftover(path.name) for path in tmp_path.iterdir() if path.name != "model"] == [True]
    sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
