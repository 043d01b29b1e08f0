"""lm-evaluation-harness against a real server: its numbers are those of `chargen score`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import chargen
from tests.support.serving import Served

pytest.importorskip("lm_eval", reason="extra lm-eval")

QUESTIONS = [
    ("The color of a strawberry is", ["red", "blue"]),
    ("The color of a strawberry is", ["blue", "red"]),
    ("GRANN", ["Y", "X"]),
]
TASKS = {
    "choices": """\
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_choice: "{{choices}}"
doc_to_target: 0
metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]
""",
    "rolling": """\
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{question}}"
metric_list: [{metric: bits_per_byte, aggregation: bits_per_byte, higher_is_better: false}]
""",
    "answers": """\
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: " {{choices[0]}}"
generation_kwargs: {until: [".", "!", "?", "\\n", ";"], max_gen_toks: 20}
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
""",
}


@pytest.fixture(scope="module")
def samples(server: Served, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """What the harness has noted of each question, by task: one run of its command."""
    folder = tmp_path_factory.mktemp("harness")
    lines = [json.dumps({"question": asked, "choices": said}) for asked, said in QUESTIONS]
    (folder / "questions.jsonl").write_text("\n".join(lines))
    for name, task in TASKS.items():
        source = (
            f"task: {name}\ndataset_path: json\ntest_split: test\n"
            "dataset_kwargs: {data_files: {test: questions.jsonl}}\n"
        )
        (folder / f"{name}.yaml").write_text(source + task)
    model = f"model=everyday,base_url={server.url}/v1/completions"
    command = ["run", "--model", "local-completions", "--model_args", model, "--batch_size", "2"]
    command += ["--include_path", ".", "--output_path", "noted", "--log_samples", "--tasks", *TASKS]
    offline = {"HF_HOME": str(folder / "cache"), "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "lm_eval", *command],
        cwd=folder, env=os.environ | offline, capture_output=True, encoding="utf-8", timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return {name: _noted(folder / "noted", name) for name in TASKS}


def _noted(folder: Path, task: str) -> list[Any]:
    [path] = folder.rglob(f"samples_{task}_*.jsonl")
    noted = [json.loads(line) for line in path.read_text().splitlines()]
    return sorted(noted, key=lambda sample: sample["doc_id"])


def greedy(model: chargen.TextGenerator, before: str, after: str) -> bool:
    """Whether the text is what the model most likely goes on with."""
    size = len(costs_after(model, before, after))
    return model.generate(before, heal=False, temperature=0, max_tokens=size).text == after


def costs_after(model: chargen.TextGenerator, before: str, after: str) -> list[float]:
    """The nats of each token of the text, after those that the harness takes for the question's."""
    costs = model.score(before + after).costs
    return [cost.nats for cost in costs[len(model.tokenizer.encode(before)) :]]


def test_choices_are_as_likely_as_chargen_says(
    samples: dict[str, list[Any]], everyday: chargen.TextGenerator
) -> None:
    for sample, (question, choices) in zip(samples["choices"], QUESTIONS, strict=True):
        for [[nats, is_greedy]], choice in zip(sample["resps"], choices, strict=True):
            expected = -sum(costs_after(everyday, question, f" {choice}"))
            assert float(nats) == pytest.approx(expected, abs=1e-3)
            assert (str(is_greedy) == "True") == greedy(everyday, question, f" {choice}")
    assert [sample["acc"] for sample in samples["choices"]][:2] == [1.0, 0.0]


def test_texts_are_as_likely_as_chargen_says(
    samples: dict[str, list[Any]], everyday: chargen.TextGenerator
) -> None:
    """From their first token on, which is predicted after the end of the text before."""
    for sample, (question, _) in zip(samples["rolling"], QUESTIONS, strict=True):
        [[nats]] = sample["resps"]
        score = everyday.score(question)
        assert -float(nats) == pytest.approx(score.nats, abs=1e-3)


def test_answers_stop_before_a_stop_text(
    samples: dict[str, list[Any]], everyday: chargen.TextGenerator
) -> None:
    for sample, (question, _) in zip(samples["answers"], QUESTIONS, strict=True):
        stop = [".", "!", "?", "\n", ";"]
        expected = everyday.generate(question, temperature=0, max_tokens=20, stop=stop).text
        assert sample["resps"] == [[expected]]
