# make demo: train a small model for a minute and let it talk.   make test: all checks.
# make docs: the manual, into docs/_build.   make everyday: the bundled model, retrained.
# make stale: which measured results are older than the code that they measure.
# make recording: docs/chargen.svg, as README shows it, in three minutes.
# make test-isa, test-lowest, test-wheel, test-clients: the tests by other instructions, with the
# lowest versions that pyproject.toml allows, as somebody else installs it, and with every client.
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

# What computes numbers, in short: command lines, terminals and files are the same everywhere.
NUMBERS := tests/nn tests/scoring tests/generation tests/evaluation tests/training tests/insight tests/lab \
           tests/session tests/end_to_end/test_everyday.py tests/end_to_end/test_tasks.py
PYTEST := $(BIN)/pytest -n auto --dist worksteal
LOWEST := .venv-lowest
CLIENTS := .venv-clients

.PHONY: demo docs everyday recording stale test test-isa test-sse test-lowest test-wheel \
        test-clients clean

# One environment for all targets, rebuilt when the dependencies change.
$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(VENV)/installed
	$(TRAIN) --out $(DEMO) --steps 1500
	@echo
	@echo "What the model writes after a minute of training:"
	$(BIN)/python examples/sample.py $(DEMO)
	@echo
	@echo "What the bundled model writes, which was trained eight times as long (make everyday):"
	$(BIN)/python examples/sample.py $(EVERYDAY)
	@echo
	@echo "Talk to it:  $(BIN)/chargen repl $(EVERYDAY)"

# Without the training state it is small enough for the repository and the wheel.
everyday: $(VENV)/installed
	$(TRAIN) --out "$(EVERYDAY)" --steps 12000 --seed $(SEED)
	rm "$(EVERYDAY)/training.safetensors"
	$(BIN)/chargen eval "$(EVERYDAY)" --prompts corpora/everyday.prompts.jsonl

test: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST)

# A dead link, an unknown name or a page that no list names is an error.
docs: $(VENV)/installed
	$(BIN)/sphinx-build -W -n --keep-going -q -b html docs docs/_build
	@echo "The manual: docs/_build/index.html"

recording: $(VENV)/installed
	$(BIN)/python docs/recording.py

# Needs the whole history of the repository.
stale: $(VENV)/installed
	$(BIN)/python benchmarks/stale.py

# The same numbers, or nearly, by whatever instructions: ATen, oneDNN and OpenBLAS choose theirs by
# the CPU.
test-isa: test-sse
	ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 OPENBLAS_CORETYPE=Haswell $(PYTEST) $(NUMBERS)
	ONEDNN_MAX_CPU_ISA=AVX512_CORE $(PYTEST) $(NUMBERS)
	CHARGEN_TEST_THREADS=2 $(BIN)/pytest $(NUMBERS)

test-sse: $(VENV)/installed
	ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 OPENBLAS_CORETYPE=Nehalem $(PYTEST) $(NUMBERS)

# torch of those days comes with CUDA, some gigabytes. Old packages warn of newer ones: no failure.
test-lowest: $(VENV)/installed
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/pip install --quiet --disable-pip-version-check uv
	$(LOWEST)/bin/uv pip install --quiet --python $(LOWEST)/bin/python \
	    --resolution lowest-direct -e '.[dev]'
	$(LOWEST)/bin/pytest -n auto --dist worksteal -W default

# Elsewhere, from the wheel alone: train, resume, sample, talk.
test-wheel: $(VENV)/installed
	bash tests/wheel.sh $(PYTHON)

# What talks to the server and is too much for `make test`: LangChain, lm-evaluation-harness.
test-clients:
	$(PYTHON) -m venv $(CLIENTS)
	$(CLIENTS)/bin/pip install --quiet --disable-pip-version-check -c constraints.txt \
	    -e '.[dev,clients,lm-eval]'
	$(CLIENTS)/bin/pytest tests/server/clients "tests/test_manual.py::test_page[docs/guides/serve.md]"

clean:
	rm -rf $(VENV) $(LOWEST) $(CLIENTS) $(DEMO) .mypy_cache .pytest_cache .ruff_cache .hypothesis \
	    .import_linter_cache docs/_build
