"""Tables of settings and the comments of config.yaml are what `make reference` makes of the settings themselves."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from docs_pages import REPOSITORY

from vos_tf.commands.reference import main, plain, reference, stale
from vos_tf.errors import VosError


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copy(REPOSITORY / "config.yaml", tmp_path)
    (tmp_path / "docs").mkdir()
    shutil.copy(REPOSITORY / "docs" / "configuration.md", tmp_path / "docs")
    return tmp_path


def test_nothing_is_stale() -> None:
    assert stale(REPOSITORY) == [], "run `make reference`"
    names = {path.name for path in reference(REPOSITORY)}
    assert names >= {"config.yaml", "configuration.md", "segmenting.md", "own_video.md"}


def test_what_is_stale_is_written_anew_and_what_is_written_by_hand_stays(
    copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page, config = copy / "docs" / "configuration.md", copy / "config.yaml"
    page.write_text(
        page.read_text().replace("| `70` | Passes", "| `7` | Passages").replace("# Configuration", "# Mine")
    )
    config.write_text(config.read_text().replace("n_epochs: 70", "n_epochs: 3  # few").replace("  seed: 0\n", ""))
    assert stale(copy) == [config, page]
    monkeypatch.chdir(copy)
    main()
    assert capsys.readouterr().out.count("written: ") == 2
    assert stale(copy) == []
    assert "| `70` | Passes" in page.read_text()
    assert page.read_text().startswith("# Mine")
    values = yaml.safe_load(config.read_text())["training"]
    assert (values["n_epochs"], values["seed"]) == (3, 0)


def test_a_table_of_nothing_is_refused(copy: Path) -> None:
    page = copy / "docs" / "configuration.md"
    page.write_text(page.read_text().replace("reference: keys data", "reference: key data"))
    with pytest.raises(VosError, match="expected one of keys, inside, network, options, found 'key data'"):
        stale(copy)


@pytest.mark.parametrize("value", [1e-5, 0.25, 3.0, 7, True, None, "", "adam", [0.5, 1], {}, {"a": 1}, "5-11"])
def test_values_are_read_as_they_were(value: object) -> None:
    assert yaml.safe_load(plain(value)) == value
