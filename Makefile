# Everything happens in a virtual environment of its own; PYTHON chooses the interpreter (3.11 to 3.13).
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

# Where the real data of `cosnet-davis` lies; TRUNK: a file of ImageNet weights, or nothing to fetch them.
DAVIS ?= data/DAVIS
COCO ?= data/coco128-seg
PEOPLE ?= data/human_segmentation
TRUNK ?=
# Of `emvos-train`: the training sequences of DAVIS-2016, with lists `fit` and `held_out`, and folders of still images.
DAVIS_TRAIN ?= data/davis2016_train
STILLS ?= data

.PHONY: demo s2s-presets rvos-synthetic cosnet-davis emvos-train emvos-davis docs reference test test-docs test-slow lint \
	install clean

$(BIN)/.installed: setup.py pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(BIN)/.installed-dev: $(BIN)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

install: $(BIN)/.installed

demo: $(BIN)/.installed
	$(BIN)/vos-tf demo --out demo

# The tables of S2S in docs/s2s.md: the paper's network, online learning, and all presets in short; about three hours on one core.
PRESETS := paper paper_fc6 paper_fc6_7x7 shashankvkt toghi rs2s
VALID := --dataset synthetic --root data/synthetic --split valid
SHORT := --n_epochs 10 --set clips.grow_every=1 --set clips.clips_per_epoch=270 --set training.export=false
s2s-presets: $(BIN)/.installed
	$(BIN)/vos-tf synthesize --out data/synthetic --videos 400 --valid-videos 20 --seed 0
	$(BIN)/python VOS.py --recipe s2s_synthetic --run runs/s2s_synthetic
	$(BIN)/python VOS_evaluate.py --run runs/s2s_synthetic $(VALID) --scenario-name s2s_synthetic
	$(BIN)/python VOS_evaluate.py --run runs/s2s_synthetic $(VALID) --test-flip --test-scales 1,1.5 --scenario-name s2s_views
	$(BIN)/python VOS_evaluate.py --run runs/s2s_synthetic $(VALID) --online-steps 100 --scenario-name s2s_online
	set -e; for preset in $(PRESETS); do \
	  loss=cross_entropy; if [ $$preset = rs2s ]; then loss=rs2s; fi; \
	  $(BIN)/python VOS.py --recipe s2s_synthetic $(SHORT) --set model.settings.preset=$$preset \
	    --set training.objective.loss=$$loss --run runs/short_$$preset; \
	  $(BIN)/python VOS_evaluate.py --run runs/short_$$preset $(VALID) --scenario-name short_$$preset; \
	done

# The table of the light COSNet in docs/cosnet.md: records, training, two evaluations; about half an hour.
COSNET_VAL := --run runs/cosnet_light --dataset davis2016 --root $(DAVIS) --split val --test-scales 1.5,2
cosnet-davis: $(BIN)/.installed
	$(BIN)/python preprocess.py --dataset davis2016 --root $(DAVIS) --split train --size native --out records/davis
	$(BIN)/python preprocess.py --dataset still_images --root $(COCO) --size short:480 \
	  --set data.options.min_area=0.02 --out records/coco128
	$(BIN)/python preprocess.py --dataset still_images --root $(PEOPLE) --size short:480 --out records/people
	$(BIN)/python VOS.py --model cosnet --recipe cosnet_light $(addprefix --trunk-weights ,$(TRUNK)) --run runs/cosnet_light
	$(BIN)/python VOS_evaluate.py $(COSNET_VAL) --scenario-name cosnet_light
	$(BIN)/python VOS_evaluate.py $(COSNET_VAL) --crf --scenario-name cosnet_light_crf

# The weights of the light EMVOS, docs/emvos.md: records, then three trainings, each from the one before; hours.
EMVOS_STILLS := ecssd pascal_coseg human_segmentation coco128-seg
emvos-train: $(BIN)/.installed
	set -e; for split in fit held_out; do \
	  $(BIN)/python preprocess.py --dataset davis2016 --root $(DAVIS_TRAIN) --split $$split --size native \
	    --out records/davis_$$split; \
	done
	set -e; for name in $(EMVOS_STILLS); do \
	  least=0; if [ $$name = coco128-seg ]; then least=0.02; fi; \
	  $(BIN)/python preprocess.py --dataset still_images --root $(STILLS)/$$name --size short:320 \
	    --set data.options.min_area=$$least --out records/$$name; \
	done
	$(BIN)/python VOS.py --model emvos --recipe emvos_stage0 $(addprefix --trunk-weights ,$(TRUNK)) --run runs/emvos_stage0
	set -e; for stage in 1 2; do \
	  $(BIN)/python VOS.py --model emvos --recipe emvos_stage$$stage --weights runs/emvos_stage$$((stage - 1)) \
	    --run runs/emvos_stage$$stage; \
	done

# The scores of the EMVOS that comes with vos_tf, docs/emvos.md: sequences it was not trained on, then those held out.
EMVOS_SCORES := --checkpoint emvos_light --dataset davis2016
emvos-davis: $(BIN)/.installed
	$(BIN)/python VOS_evaluate.py $(EMVOS_SCORES) --root $(DAVIS) --split val --scenario-name emvos_val
	$(BIN)/python VOS_evaluate.py $(EMVOS_SCORES) --root $(DAVIS_TRAIN) --split held_out --scenario-name emvos_held_out

# The table of light RVOS networks in docs/rvos.md: data, two trainings, three evaluations; about an hour.
rvos-synthetic: $(BIN)/.installed
	$(BIN)/vos-tf synthesize --out data/synthetic --videos 400 --valid-videos 20 --seed 0
	$(BIN)/python VOS.py --recipe rvos_synthetic_oneshot --run runs/rvos_oneshot
	$(BIN)/python VOS.py --recipe rvos_synthetic_zeroshot --run runs/rvos_zeroshot
	$(BIN)/python VOS_evaluate.py --run runs/rvos_oneshot $(VALID) --scenario-name rvos_oneshot
	$(BIN)/python VOS_evaluate.py --run runs/rvos_zeroshot $(VALID) --zero-shot --scenario-name rvos_zeroshot
	$(BIN)/python VOS_evaluate.py --run runs/rvos_zeroshot $(VALID) --zero-shot --matched --scenario-name rvos_matched

# Tables of settings in docs/ and the comments of config.yaml, from the documentation of the settings themselves.
reference: $(BIN)/.installed
	$(BIN)/python -m vos_tf.commands.reference

# The documentation as a site in site/; pages are read from disk or served, nothing comes from other hosts.
docs: $(BIN)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

test: $(BIN)/.installed-dev
	$(BIN)/python -m pytest -q -n 2 --dist loadfile

test-slow: $(BIN)/.installed-dev
	$(BIN)/python -m pytest -q -m slow

# Every command of the documentation, made small; minutes.
test-docs: $(BIN)/.installed-dev
	$(BIN)/python -m pytest -q -n 2 -m docs tests/docs

lint: $(BIN)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
