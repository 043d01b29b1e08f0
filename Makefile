# make demo: train a small model for a minute and let it talk.   make test: all checks.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := checkpoints/demo
ROUTE := --cell lstm --hidden-size 256 --num-layers 1 --embedding-size 64 \
         --batch-size 32 --bptt 64 --steps 1400 --seed 1

.PHONY: demo test clean

# One environment for all targets, made anew when the dependencies change.
$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(VENV)/installed
	$(BIN)/chargen train corpora/everyday.txt --out $(DEMO) --overwrite $(ROUTE)
	@echo
	$(BIN)/python examples/sample.py $(DEMO)
	@echo
	@echo "Now talk to it:  $(BIN)/chargen repl $(DEMO)"

test: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest

clean:
	rm -rf $(VENV) $(DEMO) .mypy_cache .pytest_cache .ruff_cache .hypothesis
