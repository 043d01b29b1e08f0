"""Whatever a text holds, and whatever happens to its file: it is learned as it is, or told."""

from __future__ import annotations

import codecs
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import chargen
from chargen.config import CorpusConfig
from chargen.data import encoding, finding, intake, sources, splits
from chargen.data.cache import cache_folder, scratch_folder
from chargen.data.corpus import Corpus, open_corpus
from chargen.data.reading import read_documents
from chargen.data.shards import ShardWriter
from chargen.errors import ChargenError, CorpusError, TokenizerError
from chargen.formats.archives import is_zip
from chargen.formats.compression import compression_of
from chargen.formats.encodings import marked_encoding, no_text, wide_encoding
from chargen.generation.generator import TextGenerator
from chargen.runtime import workers as processes
from chargen.runtime.files import Lock
from chargen.tokenizers.byte import ByteTokenizer
from tests.support.command import Chargen

WHOLE: dict[str, Any] = {"valid_fraction": 0.0, "test_fraction": 0.0}
BOM = codecs.BOM_UTF8
SIGNS = (
    "שלום مرحبا \u202e e\u0301\u0323 👩\u200d👩\u200d👧 🏳\ufe0f\u200d🌈 \ufeff\u2028\x0b\x85\0\t\r"
)


def learned(corpus: Corpus) -> bytes:
    """The text that the token files spell, ends of documents left out."""
    parts = (corpus.train, corpus.valid, corpus.test)
    return b"".join(corpus.tokenizer.pieces[token] for part in parts for token in part[:].tolist())


hostile_bytes = st.one_of(
    st.binary(max_size=60),
    st.lists(
        st.one_of(
            st.sampled_from([b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80",
                             b"\xe6\xbc", BOM, b"\r", b"\r\n", b"\n", b"\0", b"\xe6\xbc\xa2"]),
            st.text(SIGNS + "ab \n", max_size=8).map(str.encode),
        ),
        max_size=12,
    ).map(b"".join),
)  # fmt: skip


@pytest.mark.parametrize("chunk", [5, 16, 1 << 20])
@given(content=hostile_bytes, kind=st.sampled_from(["char", "byte"]), split=st.booleans())
def test_every_text_is_learnt_as_it_is_or_its_first_bad_byte_is_reported(
    chunk: int, content: bytes, kind: str, split: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assume(compression_of(content) is None)  # which is no UTF-8 either, but unpacked
    assume(marked_encoding(content) in (None, "utf-8-sig"))  # by which others are read
    assume(wide_encoding(content[:chunk]) is None)  # as far as is looked, which is refused
    assume(no_text(content) is None and not is_zip(content))  # which is told as what it is
    path = tmp_path_factory.mktemp("hostile") / "text.txt"
    path.write_bytes(content)
    config = CorpusConfig(tokenizer=kind, **({} if split else WHOLE))
    bad = None
    try:
        content.decode()
    except UnicodeDecodeError as error:
        bad = error.start
    with pytest.MonkeyPatch.context() as patch:
        for module in (intake, sources, splits):
            patch.setattr(module, "CHUNK_BYTES", chunk)
        try:
            corpus = open_corpus([path], config)
        except CorpusError as error:
            told = str(error)
            assert "\n" not in told
            if bad is None:
                assert content in (b"", BOM), "only a text of nothing is refused"
                assert "empty" in told
            else:
                assert f"not UTF-8: byte {bad} " in told
        else:
            assert bad is None
            assert learned(corpus) == content.removeprefix(BOM)


@pytest.mark.parametrize("kind", ["char", "byte", "subword", "word"])
def test_a_hundred_thousand_characters(tmp_path: Path, kind: str) -> None:
    signs = [chr(code) for code in range(0x20, 0x19000) if not 0xD800 <= code < 0xE000][:100_000]
    random.Random(1).shuffle(signs)
    text = "".join(signs) * 2
    (tmp_path / "many.txt").write_text(text, encoding="utf-8", newline="")
    corpus = open_corpus([tmp_path / "many.txt"], CorpusConfig(tokenizer=kind, **WHOLE))
    assert corpus.tokenizer.decode(corpus.tokenizer.encode(text)) == text
    if kind != "subword":
        assert learned(corpus).decode() == text
    assert corpus.tokenizer.vocab_size > (100_000 if kind == "char" else 256)


# -- through the command line -----------------------------------------------------------------


SMALL = ("--hidden-size", 8, "--embedding-size", 4, "--batch-size", 2, "--bptt", 8, "--steps", 2)
GOOD = {
    "newlines": b"\n" * 3000,
    "nul": b"\0" * 3000,
    "nul in between": b"ab\0c\n" * 900,
    "one long line": b"x" * 40_000,
    "bom": BOM + b"hello world\n" * 300,
    "boms": (BOM + b"hello world\n") * 300,
    "lone cr": b"hello\rworld\r" * 300,
    "other scripts": (SIGNS + "\n").encode() * 60,
    "a character across two reads": b"a" * ((1 << 20) - 1) + "\u6f22b".encode() * 9,
}
BAD = {
    "empty": (b"", "the text is empty"),
    "only a bom": (BOM, "the text is empty"),
    "one character": (b"a", "too few for batch size 2 and bptt 8, which need 18; give a longer"),
    "bad at the start": (b"\xffabc" * 900, "not UTF-8: byte 0 (0xFF)"),
    "bad in the middle": (b"a" * 2000 + b"\xc3" + b"b" * 2000, "not UTF-8: byte 2000 (0xC3)"),
    "bad at the end": (b"a" * 4000 + b"\xe4\xbd", "not UTF-8: byte 4000 (0xE4)"),
    "bad across two reads": (b"a" * ((1 << 20) - 1) + b"\xe4\x41", "byte 1048575 (0xE4)"),
    "a surrogate": (b"\xed\xa0\x80" * 900, "not UTF-8: byte 0 (0xED)"),
    "utf-16": ("hello world\n".encode("utf-16-le") * 300, "--encoding utf-16-le"),
    "gzip that is none": (b"\x1f\x8b\x08hello" * 90, "it cannot be unpacked"),
}


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("documents", ["file", "line", "paragraph"])
def test_strange_texts_are_trained_on(
    run_chargen: Chargen, tmp_path: Path, name: str, documents: str
) -> None:
    (tmp_path / "text.txt").write_bytes(GOOD[name])
    done = run_chargen("train", "text.txt", "--out", "run", "--documents", documents, *SMALL)
    if name == "newlines" and documents != "file":
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert "the text has only blank lines" in done.stderr
        assert not (tmp_path / "run").exists()
        return
    assert done.returncode == 0, done.stderr
    for command in (["sample", "run", "--max-tokens", 5], ["eval", "run", "text.txt"]):
        assert run_chargen(*command).returncode == 0


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("kind", ["char", "subword"])
def test_what_is_no_text_is_told_in_a_line(
    run_chargen: Chargen, tmp_path: Path, name: str, kind: str
) -> None:
    content, says = BAD[name]
    (tmp_path / "text.txt").write_bytes(content)
    done = run_chargen("train", "text.txt", "--out", "run", "--tokenizer", kind, *SMALL)
    assert done.returncode == 1
    if name == "one character" and kind == "subword":
        says = "too short to learn subwords"
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == ["text.txt"]


@pytest.mark.parametrize("prompt", [SIGNS, "\0", "\r\r\n", "\ufeff", "漢" * 3000, " ", "", "\\"])
def test_strange_prompts_are_gone_on_with(
    run_chargen: Chargen, tmp_path: Path, checkpoint: Path, prompt: str
) -> None:
    (tmp_path / "prompt.txt").write_text(prompt, encoding="utf-8", newline="")
    flags = ["sample", checkpoint, "--prompt-file", "prompt.txt", "--max-tokens", 3, "--json"]
    done = run_chargen(*flags)
    assert done.returncode == 0, done.stderr
    assert run_chargen("score", checkpoint, "prompt.txt").returncode == (
        0 if prompt.strip("\ufeff") else 1
    )


def test_a_prompt_of_other_bytes_is_reported(
    run_chargen: Chargen, tmp_path: Path, checkpoint: Path
) -> None:
    done = run_chargen("sample", checkpoint, "--prompt", "caf\udce9")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "a byte that is not UTF-8, E9, at character 3" in done.stderr
    (tmp_path / "prompt.txt").write_bytes(b"caf\xe9")
    done = run_chargen("sample", checkpoint, "--prompt-file", "prompt.txt")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "not UTF-8: byte 3" in done.stderr


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(content=hostile_bytes)
def test_any_bytes_get_an_answer_or_one_line(
    run_chargen: Chargen, tmp_path: Path, checkpoint: Path, content: bytes
) -> None:
    """As a text to be scored and as a prompt."""
    (tmp_path / "any").write_bytes(content)
    for command in (
        ["eval", checkpoint, "any", "--json"],
        ["sample", checkpoint, "--prompt-file", "any", "--max-tokens", 2, "--json"],
    ):
        done = run_chargen(*command)
        answered, told = done.stdout.count("\n"), done.stderr.count("\n")
        assert (done.returncode, answered, told) in [(0, 1, 0), (1, 0, 1)], done.stderr


@pytest.fixture(scope="module", params=["checkpoint", "subword_checkpoint"])
def model(request: pytest.FixtureRequest) -> TextGenerator:
    return chargen.load(request.getfixturevalue(request.param))


@given(prompt=st.text(max_size=20) | st.text(SIGNS + "\ud800\udcff", max_size=9))
def test_every_prompt_is_continued_or_reported(model: TextGenerator, prompt: str) -> None:
    if any("\ud800" <= sign <= "\udfff" for sign in prompt):
        with pytest.raises(TokenizerError, match=r"which is not a character|not UTF-8"):
            model.generate(prompt, max_tokens=2)
    else:
        assert model.generate(prompt, max_tokens=2, seed=1).text.encode() is not None


# -- files that others write to ---------------------------------------------------------------


def opened_while(path: Path, doing: str, act: Callable[[], object], **options: Any) -> Corpus:
    """The corpus of a file to which something happens once while that is being done to it."""
    happened: list[object] = []

    def progress(now: str, share: float) -> None:
        if now == doing and not happened:
            happened.append(act())

    with pytest.MonkeyPatch.context() as patch:
        for module in (intake, sources, splits):
            patch.setattr(module, "CHUNK_BYTES", 64)
        try:
            return open_corpus([path], CorpusConfig(**WHOLE, **options), on_progress=progress)
        finally:
            assert happened


def append(path: Path, content: bytes) -> None:
    with open(path, "ab") as file:
        file.write(content)


@pytest.fixture
def changing(tmp_path: Path) -> Path:
    """A text that no other test has in the cache."""
    path = tmp_path / "log.txt"
    lines = (f"line {index} of é in {tmp_path}\n" for index in range(100))
    path.write_bytes("".join(lines).encode())
    return path


@pytest.mark.parametrize("documents", ["file", "line"])
@pytest.mark.parametrize("doing", ["reading", "learning the vocabulary", "encoding"])
def test_a_file_that_grows_is_learnt_as_far_as_it_was_read(
    changing: Path, doing: str, documents: str
) -> None:
    before = changing.read_bytes()
    corpus = opened_while(
        changing, doing, lambda: append(changing, b"more\n" * 9), documents=documents
    )
    assert corpus.sources[0][1] == len(before), "it is not run after"
    if documents == "file":
        assert learned(corpus) == before
    else:
        assert sorted(learned(corpus)) == sorted(before.replace(b"\n", b""))


@pytest.mark.parametrize("documents", ["file", "line"])
@pytest.mark.parametrize("doing", ["learning the vocabulary", "encoding"])
@pytest.mark.parametrize(
    ("act", "says"),
    [
        (lambda path: os.truncate(path, 100), "log.txt became shorter while it was being read"),
        (lambda path: path.write_bytes(b""), "log.txt became shorter while it was being read"),
        (lambda path: path.unlink(), "cannot read .*log.txt: No such file|log.txt: No such file"),
        (lambda path: path.write_bytes(b"\n" * path.stat().st_size), "changed while it was being"),
        (lambda path: path.write_bytes(b"\x80" * path.stat().st_size), "changed while it was"),
        (lambda path: path.write_bytes(path.read_bytes().swapcase()), "changed while it was being"),
    ],
)
def test_a_file_that_changes_is_told_and_nothing_of_it_kept(
    changing: Path, documents: str, doing: str, act: Callable[[Path], object], says: str
) -> None:
    whole = changing.read_bytes()
    with pytest.raises(CorpusError, match=says):
        opened_while(changing, doing, lambda: act(changing), documents=documents)
    changing.write_bytes(whole)
    again = open_corpus([changing], CorpusConfig(documents=documents, **WHOLE))
    assert sorted(learned(again)) == sorted(
        whole if documents == "file" else whole.replace(b"\n", b"")
    )


@pytest.mark.parametrize("doing", ["learning the vocabulary", "encoding"])
def test_so_is_one_that_several_processes_read(
    changing: Path, doing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "cores", lambda: 3)
    monkeypatch.setattr(encoding, "PART_BYTES", 200)
    with pytest.raises(CorpusError, match=r"log.txt became shorter while it was being read"):
        opened_while(changing, doing, lambda: os.truncate(changing, 100))
    assert not list(cache_folder().glob("scratch-*"))


def test_a_file_that_vanishes_while_it_is_scored_is_reported(
    changing: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.txt"
    other.write_bytes(b"x")
    documents = read_documents([other, changing], ByteTokenizer(), CorpusConfig())
    next(documents)
    changing.unlink()
    with pytest.raises(CorpusError, match=r"cannot read log\.txt"):
        for document in documents:
            list(document)


def test_a_pipe_is_read_to_its_end(run_chargen: Chargen, tmp_path: Path, corpus_file: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    def write() -> None:
        (tmp_path / "pipe").write_bytes(corpus_file.read_bytes())

    writer = threading.Thread(target=write)
    writer.start()
    done = run_chargen("train", "pipe", "--out", "run", *SMALL)
    writer.join(60)
    assert done.returncode == 0, done.stderr
    resumed = run_chargen("train", "--resume", "--out", "run", "--steps", 3)
    assert (resumed.returncode, resumed.stderr.count("\n")) == (1, 1)
    assert "pipe is not a file; name it again, with --resume and --out run" in resumed.stderr
    named = run_chargen("train", corpus_file, "--resume", "--out", "run", "--steps", 3)
    assert named.returncode == 0, named.stderr


def test_a_shell_hands_over_a_pipe(tmp_path: Path, corpus_file: Path) -> None:
    words = " ".join(map(str, SMALL))
    command = f"{sys.executable} -m chargen train <(cat {corpus_file}) --out run {words}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert chargen.load(tmp_path / "run")


def test_folders_that_lead_back_to_themselves(tmp_path: Path) -> None:
    """Two links each way, so that whoever follows them all never comes to an end."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "one.txt").write_text("one")
    for name in ("x", "y"):
        (tmp_path / "a" / name).symlink_to(tmp_path / "a")
        (tmp_path / "a" / "b" / name).symlink_to(tmp_path / "a" / "b")
    (tmp_path / "a" / "self.txt").symlink_to("self.txt")
    (tmp_path / "a" / "dead.txt").symlink_to("nowhere")
    os.mkfifo(tmp_path / "a" / "pipe.txt")
    for given_path in (tmp_path / "a", f"{tmp_path}/a/**/one.txt", f"{tmp_path}/**/b"):
        assert [path.name for path in finding.find_texts([given_path])] == ["one.txt"]
    same = [tmp_path / "a" / "b" / "one.txt", tmp_path / "a" / "x" / "b" / "y" / "one.txt"]
    assert finding.find_texts(same) == same[:1]
    with pytest.raises(CorpusError, match=r"cannot read .*self\.txt"):
        open_corpus([tmp_path / "a" / "self.txt"], CorpusConfig())


def test_globs_pass_over_what_is_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.txt", ".b.txt", ".git/c.txt", ".git/.f.txt", "d/e.txt"):
        path = Path(name)
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    found = {
        pattern: [str(path) for path in finding.find_texts([pattern])]
        for pattern in ("*.txt", "**/*.txt", ".*.txt", "./[ad]*", "a**", ".git/*", "d/../*.txt")
    }
    assert found == {
        "*.txt": ["a.txt"], "**/*.txt": ["a.txt", "d/e.txt"], ".*.txt": [".b.txt"],
        "./[ad]*": ["a.txt", "d/e.txt"], "a**": ["a.txt"], ".git/*": [".git/c.txt"],
        "d/../*.txt": ["d/../a.txt"],
    }  # fmt: skip


# -- what killed runs leave -------------------------------------------------------------------


def test_folders_that_killed_runs_left_in_the_cache_are_removed() -> None:
    cache = cache_folder()
    for name in ("scratch-dead", "scratch-used", "scratch-new"):
        (cache / name / "tokens").mkdir(parents=True)
        if name != "scratch-new":
            os.utime(cache / name, (1, 1))
    lock = Lock(cache / "scratch-used")
    with scratch_folder() as own:
        left = {path.name for path in cache.glob("scratch-*")} - {own.name}
    assert left == {"scratch-used", "scratch-new"}
    assert not own.exists()
    lock.release()
    os.utime(cache / "scratch-used", (1, 1))
    os.utime(cache / "scratch-new", (1, 1))
    with scratch_folder() as own:
        assert list(cache.glob("scratch-*")) == [own]


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_token_files_that_changed_are_made_again(changing: Path, split: str) -> None:
    config = CorpusConfig(tokenizer="byte", valid_fraction=0.3, test_fraction=0.3)
    open_corpus([changing], config)
    made = cache_folder().glob(f"tokens-*/{split}-00000.bin")
    path = max(made, key=lambda path: path.stat().st_mtime_ns)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert learned(open_corpus([changing], config)) == changing.read_bytes()
    assert path.read_bytes() == content


@pytest.mark.parametrize("cores", [1, 3])
def test_a_full_cache_says_so(changing: Path, cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    def full_of_shards(shard: ShardWriter, tokens: object) -> None:
        full(0)

    says = r"cannot write token files to .*No space.*XDG_CACHE"
    monkeypatch.setattr(processes, "cores", lambda: cores)
    monkeypatch.setattr(encoding, "PART_BYTES", 200)
    for owner, name, fails in ((os, "fsync", full), (ShardWriter, "write", full_of_shards)):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, fails)
            with pytest.raises(ChargenError, match=says):
                open_corpus([changing], CorpusConfig(tokenizer="byte", valid_fraction=0.1))
        assert not list(cache_folder().glob("scratch-*"))


# -- runs that are ended while they encode ----------------------------------------------------


# Text in many parts and two processes, each of which tells that it is at work, and waits for more
# at a pipe before it goes on.
ENCODING = """
import os, sys
from chargen.cli import main as cli
from chargen.data import encoding
from chargen.runtime import workers as processes
from chargen.tokenizers.byte import ByteTokenizer
encoding.PART_BYTES = 1000
processes.cores = lambda: 2
encode_array = ByteTokenizer.encode_array
def wait(self, text):
    if len(text) > 100:
        os.write(1, b"x")
        os.read(int(sys.argv[1]), 1)
    return encode_array(self, text)
ByteTokenizer.encode_array = wait
sys.exit(cli.main(["train", sys.argv[2], "--tokenizer", "byte"]))
"""


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, -9)],
)
def test_a_run_that_is_ended_while_it_encodes_leaves_nothing_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, code: int
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "text.txt").write_bytes(b"some words\n" * 5000)
    gate, open_gate = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-c", ENCODING, str(gate), "text.txt"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, pass_fds=[gate],
    ) as process:  # fmt: skip
        os.close(gate)
        assert process.stdout is not None
        assert process.stderr is not None
        at_work = os.read(process.stdout.fileno(), 1) + os.read(process.stdout.fileno(), 1)
        assert at_work == b"xx"
        process.send_signal(number)
        assert process.wait(60) == code
        if number != signal.SIGKILL:  # not even its processes are left, which still wait
            assert process.stdout.read() == b""
            assert not list(cache_folder().glob("scratch-*"))
        os.close(open_gate)
        # These end once no process has them open any more.
        assert process.stdout.read() in (b"", b"x", b"xx")
        assert process.stderr.read() == b""
    for left in cache_folder().glob("scratch-*"):
        os.utime(left, (1, 1))
    with scratch_folder() as own:
        assert list(cache_folder().glob("scratch-*")) == [own], "nobody holds a lock on another"
    assert not list(cache_folder().glob("tokens-*"))
