"""The command line of ``vos-tf segment``."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from encoded_video import encode, moving_frames

import vos_tf
from vos_tf.commands import tf_logging
from vos_tf.commands.main import main
from vos_tf.media.label_maps import write_label_map
from vos_tf.models.weights import save_model

SIZE = (64, 96)


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Run the command in a folder with a video, a mask and a model; its exit code and error stream."""
    monkeypatch.chdir(tmp_path)
    encode(Path("clip.ts"), moving_frames(12, SIZE))
    labels = np.zeros(SIZE, np.uint8)
    labels[20:44, 4:28] = 3
    write_label_map(Path("first.png"), labels)

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["vos-tf", "segment", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0), capsys.readouterr().err

    return run


class _Pipe:
    def __init__(self, content: bytes) -> None:
        self._file = io.BytesIO(content)
        self.buffer = self

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def seekable(self) -> bool:
        return False

    def isatty(self) -> bool:
        return False


def test_video_through_a_pipe_that_breaks_off(
    call: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    keras.utils.set_random_seed(3)
    settings = {"size": (32, 48), "state_filters": 8, "decoder_filters": (8, 6, 4)}
    save_model(Path("run/model"), "s2s", vos_tf.build("s2s", trunk="small", **settings).network)
    content = bytearray(Path("clip.ts").read_bytes())
    middle = len(content) // 2 // 188 * 188
    content[middle : middle + 940] = bytes(940)
    monkeypatch.setattr(sys, "stdin", _Pipe(bytes(content)))
    code, said = call("-", "--mask", "first.png", "--run", "run", "--alpha", "0.3", "--no-ids", "--overlay")
    assert code == 3
    assert "warning: standard input: expected whole data, found damage after frame 0000" in said
    masks = sorted(path.name for path in Path("results/pipe/masks").iterdir())
    assert masks == [f"{index:05d}.png" for index in range(len(masks))]
    assert 1 < len(masks) < 12
    assert len(list(Path("results/pipe/overlays").iterdir())) == len(masks)


@pytest.mark.parametrize(("arguments", "message"), [
    (["none.mp4", "--mask", "first.png"], "none.mp4: expected a video file, a folder of images"),
    (["first.png"], "first.png: expected a video, found an image"),
    (["clip.ts", "--mask", "none.png"], "none.png: expected a mask, found no such file"),
    (["clip.ts", "--mask", "3=none.png"], "none.png: expected a mask, found no such file"),
    (["clip.ts", "--mask", "empty"], "empty: expected masks named like their frames, found none"),
    (["clip.ts", "--mask", "first.png", "--method", "siamese"], "--method: expected one of"),
])  # fmt: skip
def test_names_are_checked_before_tensorflow_is_imported(
    call: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    Path("empty").mkdir()
    monkeypatch.setattr(tf_logging, "quiet_tensorflow", lambda: pytest.fail("TensorFlow is imported first"))
    code, said = call(*arguments)
    assert code == 1
    assert said.startswith("error: ")
    assert message in said


@pytest.mark.parametrize(("arguments", "message"), [
    (["clip.ts", "--run", "a", "--weights", "b"], "expected one of them, found both"),
    (["clip.ts", "--frame-rate", "25/0"], "--frame-rate: expected a number such as 25 or 30000/1001, found '25/0'"),
    (["clip.ts", "--mask", "first.png", "--merge", "best"], "merge rule: expected one of"),
    (["clip.ts", "--mask", "first.png", "--weights", "none"], "none: expected a run or model folder, or one of"),
    (["clip.ts", "--alpha", "2"], "--alpha: expected a share from 0 to 1, found 2"),
    (["91"], "camera 91: expected a camera, found none of that number"),
    (["none.mp4"], "found no such file"),
])  # fmt: skip
def test_mistakes_are_one_sentence(call: Callable[..., tuple[int, str]], arguments: list[str], message: str) -> None:
    code, said = call(*arguments)
    assert code == 1
    assert said.startswith("error: ")
    assert message in said
    assert not Path("results").exists()
