# make demo: train a small model for a minute and let it talk.   make test: all checks.
# make everyday: the model that comes with chargen, made anew.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := checkpoints/demo
EVERYDAY := checkpoints/everyday
SEED := 1
# All that is planned elsewhere is fixed here, and float32 computes much the same everywhere.
RECIPE := --cell lstm --hidden-size 192 --num-layers 2 --embedding-size 64 \
          --dropout 0 --weight-dropout 0 --learning-rate 0.0104167 --precision float32 \
          --batch-size 16 --bptt 64 --valid-fraction 0.03 --test-fraction 0
TRAIN := $(BIN)/chargen train corpora/everyday.txt --overwrite $(RECIPE)

.PHONY: demo everyday test clean

# One environment for all targets, made anew when the dependencies change.
$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(VENV)/installed
	$(TRAIN) --out $(DEMO) --steps 1500
	@echo
	@echo "What it writes after a minute:"
	$(BIN)/python examples/sample.py $(DEMO)
	@echo
	@echo "And the model that comes with chargen, eight times as long in training (make everyday):"
	$(BIN)/python examples/sample.py $(EVERYDAY)
	@echo
	@echo "Now talk to it:  $(BIN)/chargen repl $(EVERYDAY)"

# Without the training state it is small enough to come along.
everyday: $(VENV)/installed
	$(TRAIN) --out "$(EVERYDAY)" --steps 12000 --seed $(SEED)
	rm "$(EVERYDAY)/training.safetensors"
	$(BIN)/chargen eval "$(EVERYDAY)" --prompts corpora/everyday.prompts.jsonl

test: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n auto --dist worksteal

clean:
	rm -rf $(VENV) $(DEMO) .mypy_cache .pytest_cache .ruff_cache .hypothesis
