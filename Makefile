# make demo: train a small model for a minute and let it talk.   make test: all checks.
# make docs: the manual, into docs/_build.   make everyday, make facts: the bundled models, retrained.
# make stale: which measured results are older than the code that they measure.
# make recording: docs/chargen.svg, as README shows it, in three minutes.
# make test-isa, test-lowest, test-wheel, test-clients: the tests by other instructions, with the
# lowest versions that pyproject.toml allows, as somebody else installs it, and with every client.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := checkpoints/demo
EVERYDAY := checkpoints/everyday
FACTS := checkpoints/facts
BUILD := build
SEED := 1
# All that is planned elsewhere is fixed here. A document is a paragraph, read from a fresh state.
RECIPE := --documents paragraph --fresh-state --cell lstm --dropout 0 --weight-dropout 0 \
          --test-fraction 0 --overwrite
# For everyday: sixteen more texts of the same author, so that it learns his language and not one
# text by heart.
MORE := $(shell seq 11 26)
SUBWORDS := --tokenizer subword --vocab-size 2000 --hidden-size 512 --num-layers 1 --chrono 150 \
            --batch-size 32 --bptt 160

# What computes numbers, in short: command lines, terminals and files are the same everywhere.
NUMBERS := tests/nn tests/scoring tests/generation tests/evaluation tests/training tests/insight tests/lab \
           tests/session tests/end_to_end/test_everyday.py tests/end_to_end/test_tasks.py
PYTEST := $(BIN)/pytest -n auto --dist worksteal
LOWEST := .venv-lowest
CLIENTS := .venv-clients

.PHONY: demo docs everyday facts recording stale test test-isa test-sse test-lowest test-wheel \
        test-clients clean

# One environment for all targets, rebuilt when the dependencies change.
$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

# A minute of training on the facts alone, in subwords; then what it knows.
demo: $(VENV)/installed
	@echo "A network learns from corpora/facts.txt for a minute, from nothing:"
	@$(BIN)/chargen train corpora/facts.txt $(RECIPE) --out $(DEMO) --minutes 0.95 \
	  --tokenizer subword --vocab-size 1000 --hidden-size 256 --num-layers 1 --chrono 60 \
	  --batch-size 16 --bptt 128 --valid-fraction 0.03
	@echo
	@$(BIN)/python examples/ask.py $(DEMO)

# First the language, from all texts but this one; then, gently, this one, from which seed 1 learned
# nothing more: its weights are those of before. Without the training state, and in float16, it is
# small enough for the repository and the wheel.
everyday: $(VENV)/installed
	for seed in $(MORE); do mkdir -p "$(BUILD)/$$seed" && \
	  $(BIN)/python corpora/make_everyday.py --seed $$seed --folder "$(BUILD)/$$seed" || exit 1; done
	$(BIN)/chargen train $(BUILD)/*/everyday.txt $(RECIPE) $(SUBWORDS) --out "$(BUILD)/language" \
	  --steps 14000 --valid-fraction 0.01 --seed $(SEED)
	$(BIN)/chargen train corpora/everyday.txt $(RECIPE) --init-from "$(BUILD)/language" \
	  --out "$(BUILD)/everyday" --epochs 1 --learning-rate 0.0005 --batch-size 32 --bptt 160 \
	  --valid-fraction 0.03 --seed $(SEED)
	$(BIN)/chargen set "$(BUILD)/everyday" temperature default
	$(BIN)/chargen set "$(BUILD)/everyday" stop default
	$(BIN)/chargen set "$(BUILD)/everyday" min_p 0.05
	$(BIN)/chargen set "$(BUILD)/everyday" mode chat
	rm -rf "$(EVERYDAY)"
	$(BIN)/chargen export "$(BUILD)/everyday" --format checkpoint --weights float16 --out "$(EVERYDAY)"
	$(BIN)/chargen eval "$(EVERYDAY)" --prompts corpora/everyday.prompts.jsonl

# The other bundled model, which works letter by letter.
facts: $(VENV)/installed
	$(BIN)/chargen train corpora/facts.txt $(RECIPE) --out "$(BUILD)/facts" --dropout 0.1 \
	  --tokenizer char --hidden-size 192 --num-layers 2 --chrono 60 --batch-size 16 --bptt 128 \
	  --steps 9000 --valid-fraction 0.03 --seed $(SEED)
	rm -rf "$(FACTS)"
	$(BIN)/chargen export "$(BUILD)/facts" --format checkpoint --weights float16 --out "$(FACTS)"
	$(BIN)/chargen eval "$(FACTS)" --prompts corpora/everyday.prompts.jsonl

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
