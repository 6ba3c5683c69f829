"""Configuration: precedence, refusals with the nearest name, the original's keys, the run's complete file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from vos_tf.config import TrainingSettings, layered, parse_assignments, read_yaml, recipe_names
from vos_tf.errors import VosError
from vos_tf.jobs.run_config import RunConfig, differences, plain, read_run_config, run_config, write_run_config
from vos_tf.training.schedules import learning_rate


def config_of(**sections: dict[str, object]) -> RunConfig:
    return run_config(sections)


def test_later_sources_win(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("training: {lr: 0.1, n_epochs: 3, batch_size: 8}\n")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("training: {lr: 0.2, n_epochs: 4}\n")
    values = layered(file, str(recipe), ["training.lr=3e-1"], {"training": {"n_epochs": None, "lr": None}})
    assert values["training"] == {"lr": 0.3, "n_epochs": 4, "batch_size": 8}
    assert layered(file, str(recipe), [], {"training": {"lr": 0.4}})["training"]["lr"] == 0.4


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"trainin": {}}, r"unknown key trainin; did you mean 'training'\?"),
        ({"training": {"n_epoch": 3}}, r"unknown key training.n_epoch; did you mean 'n_epochs'\?"),
        ({"clips": {"clip_lenght": 3}}, r"unknown key clips.clip_lenght; did you mean 'clip_length'\?"),
        ({"model": {"settings": {"skips": True}}}, r"unknown key model.settings.skips; did you mean 'skip'\?"),
        ({"training": {"lr": "fast"}}, r"training.lr: input should be a valid number.*found 'fast'"),
        ({"training": {"batch_size": 0}}, "training.batch_size: expected at least 1, found 0"),
        ({"training": {"micro_batches": 3, "batch_size": 4}}, "expected a divisor of the batch size 4, found 3"),
        ({"training": {"schedule": "cosin"}}, r"training.schedule: .* did you mean 'cosine'\?"),
        ({"training": {"lr": float("nan")}}, "training.lr: expected a number above 0, found nan"),
        ({"training": {"seed": -1}}, "training.seed: expected 0 or more, found -1"),
        ({"training": {"validation_clips": -1}}, "training.validation_clips: expected 0 or more, found -1"),
        ({"training": {"warmup_epochs": -1}}, "training.warmup_epochs: expected 0 or more, found -1"),
        ({"clips": {"clip_length": "5to9"}}, "clips.clip_length: expected a number such as 7 or a range such as 5-11"),
        ({"clips": {"size": [33, 49]}, "model": {"trunk": "small"}}, r"expected multiples of 8 .* found \(33, 49\)"),
        (
            {"model": {"trunk": "small", "settings": {"trunk": "vgg16"}}},
            "model.settings.trunk: expected 'small' like model.trunk, found 'vgg16'",
        ),
        ({"model": {"trunk": "resnet"}}, "trunk: expected one of vgg16, mobilenet_v2, "),
        ({"model": {"name": "s3s"}}, "model: expected one of s2s, .*found 's3s'"),
        ({"data": 7}, "data: expected keys with values, found 7"),
        ({"data": {"fraction": 0}}, r"data\.fraction: expected 0 < x <= 1, found 0"),
        ({"data": {"records": "a,b", "record_shares": [1]}}, r"data\.record_shares: expected one for each of the 2"),
        (
            {"data": {"records": ["a"], "record_shares": [-1]}},
            r"data\.record_shares: expected numbers above 0, found -1",
        ),
    ],
)
def test_mistakes_are_one_clear_sentence(sections: dict[str, object], message: str) -> None:
    with pytest.raises(VosError, match=message):
        run_config(sections)


def test_networks_of_any_size_say_what_size_is_missing() -> None:
    model = {"name": "osvos", "trunk": "mobilenet_v2"}
    config = config_of(model=model, data={"size": "480x854"}, clips={"size": [64, 96]})
    assert (config.record_size, config.records, config.clip_size) == (
        "480x854",
        Path("records/synthetic-train-480x854"),
        (64, 96),
    )
    config = config_of(model=model, data={"records": "records/mine"})
    assert config.records == Path("records/mine")
    with pytest.raises(VosError, match=r"data\.size: expected a size, as osvos works at any"):
        assert config.record_size
    with pytest.raises(VosError, match=r"clips\.size: expected \[height, width\], as osvos works at any"):
        assert config.clip_size


def test_clip_length_is_a_number_or_a_range() -> None:
    assert config_of(clips={"clip_length": "5-11"}).clips.clip_length == (5, 11)
    assert config_of(clips={"clip_length": "7"}).clips.clip_length == 7
    assert config_of(clips={"clip_length": [2, 4]}).clips.clip_length == (2, 4)


def test_the_originals_two_keys_are_kept() -> None:
    config = config_of(configs={"path": "some/where/", "checkpoints_path": "runs/x"})
    assert config.root == "some/where/"
    assert config_of(configs={"path": "a"}, data={"root": "b"}).root == "b"
    assert config_of(data={"dataset": "davis2016"}).root == "data/davis2016"


def test_the_runs_file_is_complete_and_reads_back(tmp_path: Path) -> None:
    config = config_of(model={"trunk": "small", "settings": {"state_filters": 24}}, clips={"clip_length": "3-5"})
    write_run_config(tmp_path / "config.yaml", config)
    written = read_yaml(tmp_path / "config.yaml")
    assert written["model"]["settings"]["state_filters"] == 24
    assert written["model"]["settings"]["decoder_kernel"] == 4
    assert plain(read_run_config(tmp_path / "config.yaml")) == plain(config)


def test_only_harmless_changes_let_a_run_continue() -> None:
    old = config_of()
    longer = replace(old, training=replace(old.training, n_epochs=200))
    assert differences(old, longer) == []
    other = replace(old, training=replace(old.training, seed=1))
    assert differences(old, other) == ["training.seed: 0 -> 1"]


def test_every_recipe_is_valid_and_states_what_to_expect() -> None:
    assert {"s2s_synthetic", "s2s_demo", "s2s_youtube_vos", "s2s_davis2016"} <= set(recipe_names())
    for name in recipe_names():
        assert run_config(layered(None, name, [], {})).model.name
        path = Path(__file__).parent.parent / "vos_tf" / "recipes" / f"{name}.yaml"
        header = [line for line in path.read_text().splitlines() if line.startswith("#")]
        assert any("Command:" in line for line in header), name
        assert any("Expected:" in line for line in header), name


def test_broken_files_are_one_clear_sentence(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [1, 2\n")
    with pytest.raises(VosError, match=r"broken.yaml: expected YAML, found"):
        read_yaml(broken)
    broken.write_text("- 1\n")
    with pytest.raises(VosError, match="expected a mapping of keys to values, found list"):
        read_yaml(broken)
    with pytest.raises(VosError, match="found no such file"):
        read_yaml(tmp_path / "none.yaml")
    with pytest.raises(VosError, match=r"--recipe s2s_synthetics: .* did you mean 's2s_synthetic'\?"):
        layered(None, "s2s_synthetics", [], {})
    with pytest.raises(VosError, match=r"--set lr: expected section\.key=value"):
        parse_assignments(["lr"])
    with pytest.raises(VosError, match=r"--set model\.settings\.size=\[1: expected a value as YAML writes it"):
        parse_assignments(["model.settings.size=[1"])


@given(st.integers(0, 99), st.sampled_from(["constant", "cosine", "polynomial", "exponential", "step"]))
def test_learning_rates_stay_between_zero_and_the_highest(step: int, schedule: str) -> None:
    settings = TrainingSettings(n_epochs=10, lr=0.5, schedule=schedule, warmup_epochs=1.0)
    rate = learning_rate(settings, step, 10)
    assert 0 <= rate <= 0.5
    if step < 10:
        assert rate == pytest.approx(0.5 * (step + 1) / 10)
    elif schedule == "constant":
        assert rate == 0.5
    elif step < 99:
        assert learning_rate(settings, step + 1, 10) <= rate


def test_step_schedule_falls_by_its_factor() -> None:
    settings = TrainingSettings(n_epochs=3, lr=1.0, schedule="step", schedule_power=0.1, schedule_steps=3)
    assert [learning_rate(settings, step, 10) for step in (0, 9, 10, 19, 20)] == pytest.approx([1, 1, 0.1, 0.1, 0.01])


def test_step_schedule_of_rs2s() -> None:
    """Times 0.99 after every 4 epochs, from epoch 150 on (400 in all)."""
    settings = TrainingSettings(
        n_epochs=400, lr=1.0, schedule="step", schedule_power=0.99, schedule_every=4, schedule_after=150
    )
    rates = [learning_rate(settings, 2 * epoch, 2) for epoch in (0, 153, 154, 157, 158, 399)]
    assert rates == pytest.approx([1, 1, 0.99, 0.99, 0.99**2, 0.99**62])


def test_schedules_begin_after_the_epochs_at_the_full_rate() -> None:
    settings = TrainingSettings(
        n_epochs=8, lr=1.0, schedule="polynomial", schedule_power=1, schedule_after=3, warmup_epochs=1
    )
    rates = [learning_rate(settings, step, 2) for step in range(16)]
    assert rates[:8] == pytest.approx([0.5, 1, 1, 1, 1, 1, 1, 1])
    assert rates[8:] == pytest.approx([1 - step / 8 for step in range(8)])


def test_the_projects_own_config_file_holds_the_defaults() -> None:
    shipped = yaml.safe_load((Path(__file__).parent.parent / "config.yaml").read_text())
    assert plain(run_config(shipped)) == plain(run_config({}))
