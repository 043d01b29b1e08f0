"""The command line as a user meets it: output, exit codes, one clear line for each mistake."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import chargen
from chargen.checkpoint.locate import BUNDLED
from chargen.config import PROCESSOR_ORDER
from tests.support.command import Chargen
from tests.support.samples import TEXT

SMALL = ["--hidden-size", 16, "--embedding-size", 8, "--batch-size", 4, "--bptt", 16]


def json_lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "story.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


# -- train ------------------------------------------------------------------------------------


def test_training_takes_the_next_free_name(
    run_chargen: Chargen, tmp_path: Path, text: Path
) -> None:
    for name in ("story", "story-2"):
        done = run_chargen("train", "story.txt", "--steps", 5, *SMALL)
        assert done.returncode == 0, done.stderr
        assert f"chargen repl checkpoints/{name}" in done.stdout
        assert "valid" in done.stdout
        assert chargen.load(tmp_path / "checkpoints" / name)


def test_json_is_all_there_is_on_stdout(run_chargen: Chargen, text: Path) -> None:
    done = run_chargen("train", text, "--steps", 20, "--out", "new", "--json", *SMALL)
    lines = json_lines(done.stdout)
    assert {line["event"] for line in lines} == {"plan", "step", "eval", "saved", "done"}
    assert set(lines[-1]) == {
        "event", "checkpoint", "steps", "seconds", "tokens_per_second", "valid_loss",
        "bits_per_byte", "bits_per_character", "stopped_early", "answers", "start_loss",
        "old_bits_per_character", "forgotten_bits_per_character",
    }  # fmt: skip
    assert (lines[-1]["checkpoint"], lines[-1]["steps"]) == ("new", 20)


def test_one_seed_gives_the_same_files(run_chargen: Chargen, tmp_path: Path, text: Path) -> None:
    for name in ("one", "two"):
        run_chargen("train", text, "--steps", 10, "--out", name, "--dropout", 0.2, *SMALL)
    one, two = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "two"))
    assert one == two


def test_text_from_standard_input(spawn_chargen: Chargen, tmp_path: Path) -> None:
    done = spawn_chargen("train", "-", "--steps", 3, *SMALL, stdin=TEXT)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "checkpoints" / "stdin").is_dir()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_an_interrupted_run_is_saved_and_goes_on(
    run_chargen: Chargen, tmp_path: Path, text: Path, number: signal.Signals, code: int
) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "chargen", "train", text, "--steps", "100000", "--out", "run",
         "--json", *map(str, SMALL)],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line)["event"] == "step":
                process.send_signal(number)
                break
        rest, told = process.communicate(timeout=60)
    assert process.returncode == code
    last = json_lines(rest)[-1]
    assert last["event"] == "interrupted"
    assert "chargen train --resume --out run" in told
    assert chargen.load(tmp_path / "run")

    steps = last["steps"] + 5
    done = run_chargen("train", "--resume", "--out", "run", "--steps", steps, "--json")
    assert json_lines(done.stdout)[-1]["steps"] == steps


# -- mistakes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ("train nowhere.txt", 1, "no such text: nowhere.txt"),
        ("train empty.txt", 1, "the text is empty"),
        ("train latin1.txt", 1, "latin1.txt is not UTF-8: byte 3"),
        ("train folder", 1, "notes.md: the text is empty"),
        ("train short.txt", 1, "too few for batch size 16 and bptt 64"),
        ("train story.txt --out folder", 1, "folder exists; name another folder with --out FOLDER"),
        ("train story.txt --out CHECKPOINT", 1, "exists; resume it with --resume"),
        ("train story.txt --out folder --overwrite", 1, "folder is not a checkpoint"),
        ("train story.txt --out story.txt/x", 1, "cannot create the folder story.txt/x"),
        ("train story.txt --resume", 1, "no run of story below"),
        ("train story.txt --resume --overwrite", 2, "--resume and --overwrite cannot be combined"),
        ("train story.txt --resume --preset small", 2, "--resume and --preset cannot be combined"),
        ("train story.txt --init-from x --preset small", 2, "--preset and --init-from cannot"),
        ("train story.txt --init-from nowhere", 1, "no such checkpoint: nowhere"),
        ("train story.txt --hidden-size -3", 2, "--hidden-size must be at least 1, not -3"),
        ("train story.txt --hidden-size three", 2, "--hidden-size: must be a whole number"),
        ("train story.txt --cell lstmm", 2, "invalid choice: 'lstmm'"),
        (
            "train story.txt --steps 5 --minutes 1",
            2,
            "--minutes, --epochs and --steps cannot",
        ),
        (
            "train story.txt --tie-weights --hidden-size 9 --embedding-size 64",
            2,
            "--tie-weights needs --embedding-size (64) equal",
        ),
        ("train story.txt --seed -1", 2, "--seed must be at least 0"),
        ("train story.txt --colour red", 2, "there is no flag --colour"),
        ("train story.txt --valid-fraction 1", 2, "--valid-fraction must be below 1"),
        ("train", 2, "no text was given"),
        ("sample nowhere", 1, "no such checkpoint: nowhere"),
        ("sample folder", 1, "folder has no config.json"),
        ("sample story.txt", 1, "story.txt is a file, not a checkpoint"),
        ("sample CHECKPOINT --temperature -1", 2, "--temperature must be at least 0"),
        ("sample CHECKPOINT --beams 3 --temperature 0.5", 2, "--beams and --temperature cannot"),
        ("sample CHECKPOINT --prompt a --prompt-file b", 2, "not allowed with argument"),
        ("sample CHECKPOINT --length-penalty 1", 2, "--length-penalty needs --beams; add --beams"),
        ("sample CHECKPOINT --min-chars 9 --max-chars 8", 2, "--min-chars must not be more than"),
        ("sample CHECKPOINT --until page", 2, "invalid choice: 'page'"),
        ("sample CHECKPOINT --stop= --stop x", 2, "--stop must not be empty"),
        ("sample CHECKPOINT --ban= --ban x", 2, "--ban must not be empty"),
        ("sample CHECKPOINT --ban xyz", 2, "no token of this model contains 'xyz', so --ban"),
        ("sample CHECKPOINT --charset=", 2, "--charset must not be empty"),
        ("sample CHECKPOINT --charset a --regex a", 2, "--charset and --regex cannot be combined"),
        (
            "sample CHECKPOINT --regex (?=a)",
            2,
            "--regex uses a construct that no finite automaton can match",
        ),
        (
            "sample CHECKPOINT --regex [0-9]",
            2,
            "this model cannot generate any text that matches --reg",
        ),
        ("sample CHECKPOINT --choices=", 2, "--choices must not be empty"),
        ("sample CHECKPOINT --choices a,,b", 2, "--choices must not be empty"),
        ("sample CHECKPOINT --choices a,a", 2, "--choices must differ"),
        ("sample CHECKPOINT --choices a --top-k 3", 2, "--choices and --top-k cannot be combined"),
        ("sample CHECKPOINT --choices a --out x", 2, "--choices and --out cannot be combined"),
        ("sample CHECKPOINT --out x --beams 2", 2, "--beams and --out cannot be combined"),
        ("sample CHECKPOINT --out folder", 1, "folder is not a file"),
        ("sample CHECKPOINT --out x --json", 2, "--json and --out cannot be combined"),
        (f"sample CHECKPOINT --out {'x' * 300}", 1, "File name too long"),
        ("sample CHECKPOINT --regex [0-9] --out x --prompt h", 2, "cannot generate any text"),
        ("sample CHECKPOINT --no-repeat-ngram 300", 2, "--no-repeat-ngram must not be more than"),
        ("sample CHECKPOINT --out no/x", 1, "cannot write no/x"),
        ("sample CHECKPOINT --resume", 2, "--resume needs --out"),
        ("sample CHECKPOINT --out x --resume --overwrite", 2, "--resume and --overwrite cannot"),
        ("sample CHECKPOINT --text story.txt", 2, "--text needs --check-copies"),
        ("sample CHECKPOINT --check-copies --text short.txt", 1, "short.txt is not the text that"),
        ("score CHECKPOINT empty.txt", 1, "the text is empty"),
        ("score CHECKPOINT folder", 1, "folder is a folder"),
        ("score nowhere text", 1, "no such checkpoint: nowhere"),
        ("score CHECKPOINT latin1.txt", 1, "latin1.txt is not UTF-8: byte 3"),
        ("sample CHECKPOINT --prompt-file nowhere", 1, "cannot read the prompt nowhere"),
        ("sample CHECKPOINT --prompt-file latin1.txt", 1, "not UTF-8: byte 3"),
        ("eval CHECKPOINT nowhere.txt", 1, "no such text"),
        ("eval CHECKPOINT --json nowhere.txt", 1, "no such text"),
        ("eval CHECKPOINT --prompts nowhere --json story.txt", 2, "give either texts to score"),
        ("eval CHECKPOINT", 2, "give either texts to score or --prompts"),
        ("eval CHECKPOINT story.txt --prompts story.txt", 2, "give either texts to score or"),
        ("eval CHECKPOINT --prompts nowhere", 1, "cannot read the prompts nowhere"),
        ("eval CHECKPOINT --prompts story.txt", 1, "story.txt, line 1 is not JSON"),
        ("eval CHECKPOINT empty.txt", 1, "the text is empty"),
        ("classify CHECKPOINT text", 2, "the following arguments are required: --labels"),
        ("classify CHECKPOINT text --labels=", 2, "--labels must be at least two"),
        ('classify CHECKPOINT text --labels "a,b', 2, "--labels cannot be split at its commas"),
        ("classify CHECKPOINT text --labels a,,b", 2, "--labels must not be empty"),
        ("classify CHECKPOINT text --labels a,b,a", 2, "--labels must differ"),
        ("classify CHECKPOINT text --labels a,b --template {text}", 2, "--template needs {text}"),
        ("classify CHECKPOINT text --labels a,ab", 2, "'a' is the beginning of 'ab'"),
        ("classify nowhere text --labels a,b", 1, "no such checkpoint: nowhere"),
        ("classify CHECKPOINT text --labels a,b --examples x", 2, "give either texts to classify"),
        ("classify CHECKPOINT --labels a,b --examples nowhere", 1, "cannot read the examples now"),
        ("classify CHECKPOINT --labels a,b --examples story.txt", 1, "line 1 is not JSON"),
        ("info folder", 1, "has no config.json"),
        ("dance", 2, "there is no command dance"),
    ],
)
def test_a_mistake_gets_one_clear_line(
    run_chargen: Chargen,
    tmp_path: Path,
    text: Path,
    checkpoint: Path,
    arguments: str,
    code: int,
    says: str,
) -> None:
    (tmp_path / "empty.txt").touch()
    (tmp_path / "short.txt").write_text("hello")
    (tmp_path / "latin1.txt").write_bytes(b"caf\xe9 au lait")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes.md").touch()
    before = sorted(tmp_path.rglob("*"))
    done = run_chargen(*arguments.replace("CHECKPOINT", str(checkpoint)).split())
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    left = sorted(path for path in tmp_path.rglob("*") if path.name != "checkpoints")
    assert left == before, "nothing half-written"


def test_cuda_that_is_not_there(spawn_chargen: Chargen, text: Path) -> None:
    done = spawn_chargen("train", text, "--device", "cuda", CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 1
    assert "device cuda is not available" in done.stderr


def test_a_changed_text_or_flag_is_refused_on_resuming(
    run_chargen: Chargen, tmp_path: Path, text: Path
) -> None:
    run_chargen("train", text, "--steps", 5, "--out", "run", *SMALL)
    changed = run_chargen("train", "--resume", "--out", "run", "--hidden-size", 32)
    assert changed.returncode == 1
    assert "--hidden-size is 16 in this run and cannot become 32" in changed.stderr
    text.write_text(TEXT + "more", encoding="utf-8")
    other = run_chargen("train", "--resume", "--out", "run", "--steps", 9)
    assert other.returncode == 1
    assert "not the text that run was trained on" in other.stderr
    text.unlink()
    gone = run_chargen("train", "--resume", "--out", "run", "--steps", 9)
    assert "no such text" in gone.stderr and "with --resume and --out run" in gone.stderr


# -- sample, eval, info, list -----------------------------------------------------------------


def test_a_sample_is_printed_alone(run_chargen: Chargen, checkpoint: Path) -> None:
    options = ("--max-tokens", 1, "--temperature", 0)
    done = run_chargen("sample", checkpoint, "--prompt", "GRANN", *options)
    assert (done.returncode, done.stdout, done.stderr) == (0, "Y\n", "")
    piped = run_chargen("sample", checkpoint, "--prompt-file", "-", *options, stdin="GRANN")
    assert piped.stdout == "Y\n"


def test_samples_as_json(run_chargen: Chargen, checkpoint: Path) -> None:
    done = run_chargen(
        "sample", checkpoint, "--prompt", "The 漢", "--num-samples", 2, "--seed", 1,
        "--max-tokens", 9, "--json",
    )  # fmt: skip
    lines = json_lines(done.stdout)
    assert len(lines) == 2
    model = chargen.load(checkpoint)
    for line, expected in zip(
        lines, model.generate("The 漢", num_samples=2, seed=1, max_tokens=9), strict=True
    ):
        assert list(line) == ["prompt", "text", "tokens", "logprob", "finish_reason"]
        assert (line["prompt"], line["text"]) == ("The 漢", expected.text)
        assert model.tokenizer.decode(line["tokens"]) == line["text"]


def test_every_stop_counts(run_chargen: Chargen, checkpoint: Path) -> None:
    done = run_chargen(
        "sample", checkpoint, "--prompt", "The strawberry is", "--temperature", 0,
        "--stop", "e", "--stop", "d", "--json",
    )  # fmt: skip
    assert json_lines(done.stdout)[0]["text"] == " r"
    done = run_chargen(
        "sample", checkpoint, "--prompt", "The sky is", "--temperature", 0, "--stop", "\\n"
    )
    assert done.stdout == " blue.\n"


def test_the_next_words_are_a_table(run_chargen: Chargen, checkpoint: Path) -> None:
    flags = ["--prompt", "The strawberry is", "--until", "word"]
    done = run_chargen("sample", checkpoint, *flags, "--beams", 5)
    rows = done.stdout.splitlines()
    assert rows[0].split() == ["probability", "nats", "text"]
    assert rows[1].split()[-1] == "red"
    assert len(rows) == 6
    assert run_chargen("sample", checkpoint, *flags, "--beams", 1).stdout == " red\n"
    [best, *_] = json_lines(
        run_chargen("sample", checkpoint, *flags, "--beams", 5, "--json").stdout
    )
    assert best["text"] == " red"
    assert best["score"] <= best["logprob"] <= 0


def test_choices_are_ranked(run_chargen: Chargen, checkpoint: Path) -> None:
    flags = ["sample", checkpoint, "--prompt", "The strawberry is", "--choices"]
    done = run_chargen(*flags, ' green, red," red, x"')
    assert [row.split("  ")[-1] for row in done.stdout.splitlines()[1:]] != []
    assert done.stdout.splitlines()[1].endswith(" red   ")
    assert done.stderr == ""
    rows = json_lines(run_chargen(*flags, ' green, red," red, x"', "--json").stdout)
    assert {row["choice"] for row in rows} == {" green", " red", " red, x"}
    assert (rows[0]["choice"], rows[0]["rank"]) == (" red", 1)
    assert sum(row["probability"] for row in rows) == pytest.approx(1)
    joined = run_chargen(*flags, "red,green")
    assert (joined.returncode, joined.stderr.count("\n")) == (0, 1)
    assert 'as they are: "isred"' in joined.stderr


def test_the_order_of_the_chain_is_reported(run_chargen: Chargen) -> None:
    told = " ".join(run_chargen("sample", "--help").stdout.split())
    flags = [f"--{name.replace('_', '-')}" for name in PROCESSOR_ORDER]
    assert ", ".join(flags) in told


def test_a_file_of_samples(run_chargen: Chargen, checkpoint: Path, tmp_path: Path) -> None:
    flags = ["sample", checkpoint, "--max-tokens", 8, "--seed", 1, "--out", "s.jsonl"]
    done = run_chargen(*flags, "--num-samples", 3)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "3 samples in s.jsonl\n"
    before = (tmp_path / "s.jsonl").read_bytes()
    assert run_chargen(*flags, "--num-samples", 3).returncode == 1
    assert (tmp_path / "s.jsonl").read_bytes() == before
    (tmp_path / "s.jsonl").write_bytes(before[:-5])
    assert run_chargen(*flags, "--num-samples", 3, "--resume").returncode == 0
    assert (tmp_path / "s.jsonl").read_bytes() == before
    assert run_chargen(*flags, "--num-samples", 1, "--overwrite").returncode == 0
    assert (tmp_path / "s.jsonl").read_bytes().count(b"\n") == 1


def test_copies_are_reported(run_chargen: Chargen, checkpoint: Path, corpus_file: Path) -> None:
    flags = ["sample", checkpoint, "--check-copies", "--text", corpus_file, "--temperature", 0.01]
    done = run_chargen(*flags, "--seed", 1)
    assert done.returncode == 0
    assert all(name in done.stderr for name in ("copied", "whole", "longest", "common"))
    [row] = json_lines(run_chargen(*flags, "--seed", 1, "--json").stdout)
    assert row["longest_copy_text"] in row["text"]
    assert row["longest_copy"] == len(row["longest_copy_text"]) >= 50
    assert 0 < row["copied_share"] <= 1
    assert 0 <= row["held_out_copied_share"] <= 1
    drawn = run_chargen(*flags, "--num-samples", 3, "--out", "s.jsonl")
    assert "copied" in drawn.stderr


@pytest.mark.parametrize("way", ["literal", "file", "stdin"])
def test_score_tells_what_each_token_costs(
    run_chargen: Chargen, checkpoint: Path, tmp_path: Path, way: str
) -> None:
    text = "The sky is blue.\n"
    (tmp_path / "sky.txt").write_text(text)
    given = {"literal": text, "file": "sky.txt", "stdin": "-"}[way]
    *rows, total = json_lines(run_chargen("score", checkpoint, given, "--json", stdin=text).stdout)
    assert "".join(row["text"] for row in rows) == text
    assert sum(row["nats"] for row in rows) == pytest.approx(total["nats"])
    assert total["tokens"] == len(text)
    [whole] = json_lines(run_chargen("eval", checkpoint, "sky.txt", "--json").stdout)
    assert {name: total[name] for name in whole} == pytest.approx(whole)
    shown = run_chargen("score", checkpoint, given, stdin=text).stdout
    assert len(shown.splitlines()) == 1 + len(text) + 5
    assert "bits per byte" in shown


def test_score_shows_parts_of_characters_and_spaces(run_chargen: Chargen, checkpoint: Path) -> None:
    shown = run_chargen("score", checkpoint, "ß a").stdout
    assert [line.split()[2] for line in shown.splitlines()[1:5]] == ["<C3>", "<9F>", "␣", "a"]


def test_the_newest_checkpoint_is_the_default(
    run_chargen: Chargen, tmp_path: Path, text: Path
) -> None:
    run_chargen("train", text, "--steps", 3, *SMALL)
    assert run_chargen("sample", "--max-tokens", 3).returncode == 0


def test_where_there_is_no_checkpoint_the_one_that_comes_along_is_taken(
    run_chargen: Chargen,
) -> None:
    done = run_chargen("sample", "--prompt", "GRANN", "--temperature", 0, "--max-tokens", 1)
    assert done.stdout == "Y\n"
    assert "the bundled model" in done.stderr


def test_the_bundled_model_is_named_in_a_clone_too(run_chargen: Chargen, tmp_path: Path) -> None:
    (tmp_path / "checkpoints").symlink_to(BUNDLED.parent)
    assert "bundled: " not in run_chargen("list").stdout
    assert "the bundled model everyday" in run_chargen("sample", "--max-tokens", 1).stderr


def test_where_there_is_none_at_all_both_places_are_named(
    run_chargen: Chargen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chargen.checkpoint.locate.BUNDLED", tmp_path / "gone")
    for command in ([], ["sample"]):
        done = run_chargen(*command)
        assert done.returncode == 1
        assert str(tmp_path / "checkpoints") in done.stderr
        assert str(tmp_path / "gone") in done.stderr
        assert "train one with: chargen train corpus.txt" in done.stderr


def test_eval_asks_prompts(run_chargen: Chargen, tmp_path: Path, checkpoint: Path) -> None:
    rows = [
        {"prompt": "The sky is", "answer": " blue"},
        {"prompt": "The banana is", "answer": " red"},
    ]
    (tmp_path / "prompts.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    ask = ["eval", checkpoint, "--prompts", "prompts.jsonl"]
    one, other, total = json_lines(run_chargen(*ask, "--json").stdout)
    assert one == rows[0] | {"text": " blue", "correct": True}
    assert other == rows[1] | {"text": " yellow", "correct": False}
    assert total == {"prompts": 2, "correct": 1, "accuracy": 0.5}
    shown = run_chargen(*ask).stdout
    assert "The sky is" not in shown
    assert "The banana is" in shown and "yellow" in shown
    assert "1 of 2 right (50.0%)" in shown


def test_eval_scores_all_texts_as_one(
    run_chargen: Chargen, tmp_path: Path, checkpoint: Path
) -> None:
    texts = {"a.txt": "The sky is blue.\n", "b.txt": "GRANNY 漢"}
    for name, content in texts.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    both = json_lines(run_chargen("eval", checkpoint, *texts, "--json").stdout)[0]
    one, other = (
        json_lines(run_chargen("eval", checkpoint, name, "--json").stdout)[0] for name in texts
    )
    assert both["tokens"] == one["tokens"] + other["tokens"]
    assert both["bytes"] == len("".join(texts.values()).encode())
    assert both["characters"] == len("".join(texts.values()))
    total = one["loss"] * one["tokens"] + other["loss"] * other["tokens"]
    assert both["loss"] * both["tokens"] == pytest.approx(total)
    assert "bits per byte" in run_chargen("eval", checkpoint, "a.txt").stdout


CLASSIFY = ("--labels", "red,yellow,blue", "--template", "The {text} is {label}.\\n")


def test_texts_are_classified(run_chargen: Chargen, checkpoint: Path) -> None:
    one = run_chargen("classify", checkpoint, "sky", *CLASSIFY)
    rows = [row.split() for row in one.stdout.splitlines()]
    assert rows[0] == ["probability", "nats", "label"]
    assert rows[1][0] == "1" and rows[1][-1] == "blue"
    assert {row[-1] for row in rows[1:]} == {"red", "yellow", "blue"}

    many = run_chargen("classify", checkpoint, *CLASSIFY, stdin="sky\n\r\nbanana\r\nstrawberry")
    piped = run_chargen("classify", checkpoint, *CLASSIFY, "-", stdin="sky\nbanana\nstrawberry")
    assert piped.stdout == many.stdout
    assert (many.returncode, many.stderr) == (0, "")
    rows = [row.split() for row in many.stdout.splitlines()]
    assert rows[0] == ["label", "probability", "text"]
    assert [(row[0], row[2]) for row in rows[1:]] == [
        ("blue", "sky"), ("yellow", "banana"), ("red", "strawberry"),
    ]  # fmt: skip

    asked = run_chargen("classify", checkpoint, *CLASSIFY, "sky", "{banana}", "--json")
    found = json_lines(asked.stdout)
    assert [row["text"] for row in found] == ["sky", "{banana}"]
    for row in found:
        assert row["label"] == row["labels"][0]["label"]
        assert row["probability"] == row["labels"][0]["probability"]
        assert sum(label["probability"] for label in row["labels"]) == pytest.approx(1)


def test_classify_tells_how_many_examples_are_right(
    run_chargen: Chargen, checkpoint: Path, tmp_path: Path
) -> None:
    rows = [
        {"text": "sky", "label": "blue"},
        {"text": "banana", "label": "blue"},
        {"text": "strawberry", "label": "red"},
    ]
    (tmp_path / "examples.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    ask = ["classify", checkpoint, *CLASSIFY, "--examples", "examples.jsonl"]
    *found, total = json_lines(run_chargen(*ask, "--json").stdout)
    assert [row["true_label"] for row in found] == ["blue", "blue", "red"]
    assert [row["correct"] for row in found] == [True, False, True]
    assert total == {
        "examples": 3, "correct": 2, "accuracy": 2 / 3,
        "commonest_label": "blue", "commonest_share": 2 / 3,
    }  # fmt: skip
    shown = run_chargen(*ask).stdout
    assert "banana" in shown and "sky" not in shown
    assert "2 of 3 right (66.7%)\nalways blue: 66.7%" in shown


def test_a_text_to_classify_that_is_not_utf8_is_reported(
    run_chargen: Chargen, checkpoint: Path
) -> None:
    done = run_chargen("classify", checkpoint, *CLASSIFY, stdin=b"sky\ncaf\xe9")
    assert done.returncode == 1
    assert "line 2 of standard input is not UTF-8 at its byte 3" in done.stderr
    assert "sky" in done.stdout, "what came before is reported"


def test_info_and_list(run_chargen: Chargen, tmp_path: Path, checkpoint: Path) -> None:
    about = json_lines(run_chargen("info", checkpoint, "--json").stdout)[0]
    assert about["model"]["cell"] == "lstm"
    assert about["corpus"]["files"][0][0] == "tiny.txt"
    assert "tiny.txt" in run_chargen("info", checkpoint).stdout
    listed = run_chargen("list").stdout
    assert "no checkpoint in ./checkpoints" in listed
    bundled = [line.split()[1] for line in listed.splitlines() if line.startswith("bundled: ")]
    assert bundled == ["everyday", "facts"]
    (tmp_path / "checkpoints" / "broken").mkdir(parents=True)
    (tmp_path / "checkpoints" / "broken" / "config.json").write_text("x")
    told = run_chargen("list").stderr
    assert "checkpoints/broken/config.json is damaged" in told
    shutil.rmtree(tmp_path / "checkpoints")
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "mine").symlink_to(checkpoint)
    assert "mine" in run_chargen("list").stdout
    [entry] = json_lines(run_chargen("list", "--json").stdout)
    assert entry["checkpoint"] == "checkpoints/mine"


def test_utf8_whatever_the_locale_says(
    spawn_chargen: Chargen, text: Path, checkpoint: Path
) -> None:
    done = spawn_chargen(
        "sample", checkpoint, "--prompt", "The caf", "--temperature", 0, "--max-tokens", 1,
        LC_ALL="C", PYTHONUTF8="0", PYTHONIOENCODING="latin-1",
    )  # fmt: skip
    assert done.stdout == "é\n"


def test_whoever_stops_reading_is_no_accident(checkpoint: Path, tmp_path: Path) -> None:
    command = f"{sys.executable} -m chargen sample {checkpoint} --max-tokens 5000 | head -c 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, cwd=tmp_path, timeout=60)
    assert (len(done.stdout), done.stderr) == (1, b"")  # a byte, which may be half a character


@pytest.mark.parametrize(
    "command", ["", "train", "sample", "repl", "eval", "classify", "info", "list"]
)
def test_help_explains_every_flag(run_chargen: Chargen, command: str) -> None:
    done = run_chargen(*command.split(), "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: chargen {command}".rstrip())


def test_the_sampling_script_runs(checkpoint: Path) -> None:
    script = Path(__file__).parents[2] / "examples" / "sample.py"
    done = subprocess.run(
        [sys.executable, script, checkpoint], capture_output=True, encoding="utf-8", check=True
    )
    assert "GRANNY" in done.stdout
