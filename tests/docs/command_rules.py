"""How the commands of the pages are run in a test: what is added to make them small, and which are not run."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """Options that are added to commands; of an option that is given twice, the last one counts.

    Attributes:
        commands: Regular expression that is searched in a command.
        options: What is added behind it.
    """

    commands: str
    options: str


TINY_S2S = (
    "--trunk small --trunk-weights none --set model.settings.size=[32,48] --set model.settings.state_filters=8 "
    "--set model.settings.decoder_filters=[8,6,4]"
)

RULES = (
    # All trainings: one epoch of one update, then one clip to validate on.
    Rule(
        r"VOS\.py|vos-tf train",
        "--n_epochs 1 --batch_size 2 --set clips.clips_per_epoch=2 --set training.validation_clips=1 "
        "--set data.workers=1",
    ),
    # SavedModels, which take long to write, where the page goes on with one.
    Rule(r"VOS\.py (?!.*--run runs/s2s$)", "--set training.export=false"),
    # Networks of a GPU's size become small ones.
    Rule(r"VOS\.py (?!.*(--model |--recipe (s2s_demo|s2s_synthetic|rvos|cosnet|osvos|emvos)))", TINY_S2S),
    Rule(r"VOS\.py .*--recipe rvos_(one|zero)shot", "--trunk small --trunk-weights none"),
    Rule(
        r"VOS\.py .*(--recipe rvos_|--model rvos)",
        "--set model.settings.size=[64,96] --set model.settings.slots=4 --set clips.max_objects=4 "
        "--set clips.clip_length=1-2 --set clips.grow_every=1",
    ),
    Rule(
        r"VOS\.py .*--recipe cosnet_(davis|tianchi)",
        "--trunk mobilenet_v2 --trunk-weights none --set model.settings.size=[64,96]",
    ),
    Rule(r"VOS\.py .*--recipe cosnet_light (?!.*--trunk-weights)", "--trunk-weights none"),
    Rule(r"VOS\.py .*--recipe cosnet_light", "--set model.settings.size=[64,96] --set clips.size=[64,96]"),
    Rule(
        r"VOS\.py .*--recipe osvos_parent ",
        "--trunk mobilenet_v2 --trunk-weights none --set training.micro_batches=1 --set clips.size=[64,96]",
    ),
    Rule(
        r"VOS\.py .*--recipe emvos",
        "--set model.settings.size=[64,96] --set model.settings.bases=8 --set clips.size=[64,96] "
        "--set training.validation_size=[64,96] --set training.validation_frames=1",
    ),
    Rule(r"VOS\.py .*--recipe osvos_parent_light", "--set clips.size=[64,96]"),
    # Fine-tuning takes two steps, and later frames teach nothing.
    Rule(r"VOS_evaluate\.py .*(osvos|--online-steps)", "--steps 2"),
    Rule(r"VOS_evaluate\.py .*osvos", "--set adaptation.steps=0"),
    Rule(r"vos-tf segment .*finetune\.steps", "--set finetune.steps=2"),
    Rule(r"vos-tf segment .*--method osvos", "--set adaptation.steps=0"),
    # Processes take seconds to start.
    Rule(r"VOS_evaluate\.py|vos-tf (evaluate|score|compare|convert|doctor|merge)", "--workers 1"),
    Rule(r"preprocess\.py|vos-tf preprocess", "--workers 1"),
    # A handful of small videos.
    Rule(r"vos-tf synthesize", "--videos 4 --valid-videos 1 --frames 8 --size 48x84"),
    Rule(r"vos-tf split", "--fraction 0.9"),
    Rule(r"benchmarks/preprocessing\.py", "--workers 1 --rounds 1 --size 32x48"),
    Rule(r"benchmarks/training_pipeline\.py", "--clips 4 --batch-size 2 --rounds 1 --size 32x48"),
)

# Commands that no test can run: regular expressions for the whole of them, and the reason.
EXCEPTIONS = {
    r"make .*": "makes a virtual environment from the network",
    r"python -m venv .*": "makes a virtual environment",
    r"\. \.venv/bin/activate": "changes the shell",
    r"pip install .*": "installs from the network",
    r"export TF_CONFIG=.*": "needs two machines",
    r"python VOS\.py .*--strategy multi_worker.*": "needs two machines",
}

# Commands that end otherwise than well, and have to.
EXIT_CODES = {"vos-tf doctor my_videos": 1}


def made_small(command: str) -> str:
    """A command with all options that the rules add."""
    return " ".join([command, *(rule.options for rule in RULES if re.search(rule.commands, command))])


def reason_not_to_run(command: str) -> str | None:
    """Why a command is not run; ``None``: it is."""
    return next((reason for pattern, reason in EXCEPTIONS.items() if re.fullmatch(pattern, command)), None)
