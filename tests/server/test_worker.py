"""Requests in, texts out as they come: beside others, in turn, cancelled, failed."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from contextvars import copy_context
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import pytest

import chargen
from chargen.config import SampleConfig, SamplingDefaults
from chargen.errors import ChargenError, ConfigError, TokenizerError
from chargen.generation.automata import on_wait
from chargen.generation.batch import Written
from chargen.generation.generator import TextGenerator
from chargen.generation.prompt_reader import CHUNK
from chargen.generation.sampling import RandomStream
from chargen.server import preparing
from chargen.server import worker as worker_module
from chargen.server.text_requests import Busy, Closed, Generation, TextRequest
from chargen.server.worker import Worker

Value = TypeVar("Value")
# More than can be sampled while a test waits: the end of a document is no end of it.
ENDLESS: dict[str, Any] = {"max_tokens": 100_000, "min_chars": 1_000_000}


@pytest.fixture(scope="module")
def everyday() -> TextGenerator:
    """Without sampling defaults, which a request has from elsewhere."""
    generator = chargen.load("everyday")
    assert generator.metadata is not None
    generator.metadata = replace(generator.metadata, sampling=SamplingDefaults())
    return generator


@pytest.fixture
def worker(everyday: TextGenerator) -> Iterator[Worker]:
    made = Worker(everyday, max_batch=32, max_waiting=64)
    yield made
    made.close()


def run(work: Coroutine[Any, Any, Value]) -> Value:
    return asyncio.run(asyncio.wait_for(work, timeout=60))


def request(prompt: str | tuple[int, ...] = "The", **options: Any) -> TextRequest:
    own = {
        name: options.pop(name)
        for name in ("bias", "top_logprobs", "score_prompt", "samples_nothing")
        if name in options
    }
    return TextRequest(
        prompt=prompt, config=SampleConfig(**({"max_tokens": 20, "seed": 1} | options)), **own
    )


async def begun(worker: Worker, asked: TextRequest) -> Generation:
    return worker.submit(await worker.prepare(asked))


async def finished(generation: Generation) -> list[list[Written]]:
    """All that comes of each text."""
    found: list[list[Written]] = [[] for _ in generation.texts]
    while not generation.is_done:
        await generation.news()
        for written, text in zip(found, generation.texts, strict=True):
            written += text.take()
    if generation.error is not None:
        raise generation.error
    return found


async def answer(worker: Worker, asked: TextRequest) -> list[list[Written]]:
    return await finished(await begun(worker, asked))


def words(written: list[Written]) -> str:
    return "".join(part.piece.text for part in written)


def test_a_text_is_what_the_generator_samples(worker: Worker, everyday: TextGenerator) -> None:
    for prompt in ("", "The color of a strawberry is", "The " * 40):
        [written] = run(answer(worker, request(prompt, max_tokens=30)))
        assert words(written) == everyday.generate(prompt, max_tokens=30, seed=1).text
    assert worker.is_idle
    assert worker.running == worker.waiting == 0


def test_what_fits_the_prompt_is_what_the_generator_samples(
    worker: Worker, everyday: TextGenerator
) -> None:
    dialogue, unprompted = "You: hi\nBot: Hi!\nYou: What color is a crow?\nBot:", "Bot:"
    plain: dict[str, Any] = {"seed": 4, "max_tokens": 30}
    options = plain | {"relevance": 0.6}

    async def ask(prompt: str, beside: str | None, **more: Any) -> str:
        asked = replace(request(prompt, **options | more), unprompted=beside)
        [written] = await answer(worker, asked)
        return "".join(part.piece.text for part in written)

    async def all_of_them() -> list[str]:
        others = [ask("The color of a", ""), ask("The", None)]
        others.append(ask(dialogue, unprompted, relevance=0.0))
        return await asyncio.gather(ask(dialogue, unprompted), *others)

    found = run(all_of_them())
    config = SampleConfig(**options)
    start = everyday.prefill(everyday.document_start, dialogue, config, kept=unprompted)
    [done] = everyday.generate_batch(start, "", config, [RandomStream(4)])
    assert found == [
        done.text,
        everyday.generate("The color of a", **options).text,
        everyday.generate("The", **plain).text,
        everyday.generate(dialogue, **plain).text,
    ]


def test_several_texts_are_those_of_the_streams_of_a_seed(
    worker: Worker, everyday: TextGenerator
) -> None:
    found = run(answer(worker, request("The", num_samples=5)))
    expected = everyday.generate("The", num_samples=5, max_tokens=20, seed=1)
    assert [words(written) for written in found] == [completion.text for completion in expected]


def test_a_seeded_text_is_the_same_in_any_company(worker: Worker) -> None:
    prompts = ["The", "A cow " * 30, "You: hello\nBot:", "x"]

    async def together() -> tuple[list[Any], list[Any]]:
        alone = [await answer(worker, request(p, top_logprobs=2)) for p in prompts]
        others = [
            asyncio.create_task(answer(worker, request(f"{n} " * n, seed=n))) for n in range(40)
        ]
        beside = await asyncio.gather(
            *(answer(worker, request(p, top_logprobs=2)) for p in prompts)
        )
        await asyncio.gather(*others)
        return alone, list(beside)

    alone, beside = run(together())
    assert alone == beside


def test_without_a_seed_every_text_is_another(worker: Worker) -> None:
    found = [run(answer(worker, request(seed=None, max_tokens=40))) for _ in range(3)]
    assert len({words(written) for [written] in found}) == 3


def test_a_prompt_is_read_once(worker: Worker, everyday: TextGenerator) -> None:
    text = "The color of a strawberry is red.\n" * 20

    async def twice() -> tuple[int, int]:
        first = await begun(worker, request(text))
        await finished(first)
        second = await begun(worker, request(text + "And then?"))
        await finished(second)
        return first.cached_tokens, second.cached_tokens

    first, second = run(twice())
    assert first == 0
    size = len(everyday.tokenizer.encode(text))
    assert size - CHUNK < second <= size


def test_ids_are_taken_as_they_are(worker: Worker, everyday: TextGenerator) -> None:
    tokenizer = everyday.tokenizer
    ids = tuple(tokenizer.encode("The cat"))
    by_text, by_ids, after_end = (
        run(answer(worker, request(prompt, heal=False)))
        for prompt in ("The cat", ids, (tokenizer.end, *ids))
    )
    assert by_text == by_ids == after_end
    with pytest.raises(TokenizerError, match="ids go from 0"):
        run(answer(worker, request((10**9,))))


def test_scores_of_a_prompt_are_those_of_its_tokens(
    worker: Worker, everyday: TextGenerator
) -> None:
    text = ("The color of a strawberry is red.\n" * 30).strip()
    expected = [-cost.nats for cost in everyday.score(text).costs]

    async def scored(prompt: str | tuple[int, ...]) -> Generation:
        generation = await begun(
            worker,
            request(prompt, heal=False, score_prompt=True, top_logprobs=1, samples_nothing=True),
        )
        await finished(generation)
        return generation

    generation = run(scored(text))
    assert [text.finish_reason for text in generation.texts] == ["length"]
    first, *others = generation.prompt_scores
    assert first.logprob is None
    assert [score.logprob for score in others] == pytest.approx(expected[1:], abs=1e-4)
    assert all(score.token in dict(score.top) for score in others)
    assert all(score.top[0][1] >= (score.logprob or 0.0) for score in others)
    # After the end of a document, which is given, all is known.
    ids = (everyday.tokenizer.end, *generation.prompt_tokens)
    generation = run(scored(ids))
    assert [score.logprob for score in generation.prompt_scores][1:] == pytest.approx(
        expected, abs=1e-4
    )
    assert len(generation.prompt_scores) == len(ids)
    assert run(scored("")).prompt_scores == ()


def test_beams_are_found_beside_what_is_sampled(worker: Worker, everyday: TextGenerator) -> None:
    async def both() -> tuple[list[list[Written]], list[list[Written]]]:
        searched = asyncio.create_task(
            answer(worker, request("The color of", beams=3, seed=None, max_tokens=8))
        )
        return await answer(worker, request()), await searched

    sampled, searched = run(both())
    expected = everyday.generate("The color of", beams=3, max_tokens=8)
    assert [words(written) for written in searched] == [found.text for found in expected]
    assert words(sampled[0]) == everyday.generate("The", max_tokens=20, seed=1).text


def test_what_is_cancelled_is_left_at_once(worker: Worker) -> None:
    """In the batch, in the queue, while its prompt is read, while it is searched for."""

    async def cancel() -> None:
        endless = [
            request(seed=n, **ENDLESS, num_samples=16) for n in range(3)
        ]  # more than there is room for
        endless.append(request("a" * 200_000, **ENDLESS))
        endless.append(request(beams=8, seed=None, **ENDLESS))
        generations = [await begun(worker, asked) for asked in endless]
        await generations[0].news()
        for generation in generations:
            generation.cancel()
        while not worker.is_idle:
            await asyncio.sleep(0)
        # The next one has the worker for itself.
        await answer(worker, request())

    run(cancel())
    assert worker.running == worker.waiting == 0


def test_requests_take_turns(worker: Worker) -> None:
    """One of many texts, which has the whole batch, does not keep those out that come later."""

    async def ended_first() -> None:
        many = await begun(worker, request(num_samples=90, max_tokens=100, min_chars=10_000))
        await many.news()
        one = await begun(worker, request(seed=2, max_tokens=5))
        await finished(one)
        ended = sum(text.is_over for text in many.batched)
        assert ended < 64
        assert worker.running + worker.waiting <= 90 - ended
        await finished(many)

    run(ended_first())


def test_a_full_queue_says_so(worker: Worker) -> None:
    async def fill() -> None:
        first = await begun(worker, request(num_samples=90, **ENDLESS))
        prepared = await worker.prepare(request(num_samples=7))
        with pytest.raises(Busy):
            worker.submit(prepared)
        last = worker.submit(await worker.prepare(request(num_samples=6)))
        first.cancel()
        await finished(last)

    run(fill())


def test_scores_that_could_take_all_memory_are_too_many(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = request("The", max_tokens=20, top_logprobs=4)
    monkeypatch.setattr(worker_module, "MAX_SCORES", 2 * asked.max_scores)
    assert asked.max_scores == 20 * 5

    async def fill() -> None:
        prepared = await worker.prepare(asked)
        generations = [worker.submit(prepared) for _ in range(2)]
        with pytest.raises(Busy):
            worker.submit(prepared)
        await asyncio.gather(*map(finished, generations))
        await finished(worker.submit(prepared))

    run(fill())


def test_a_long_prompt_is_hashed_beside_the_thread(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a second for a million tokens, in which nobody else would get any."""
    monkeypatch.setattr("chargen.generation.prompt_reader.state_keys", lambda tokens: 1 / 0)
    run(answer(worker, request("The " * 40)))


def test_one_that_fails_leaves_the_others_alone(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def both() -> None:
        expected = await answer(worker, request())
        broken = await worker.prepare(request(top_k=3))
        monkeypatch.setattr(broken.rules, "allowed", lambda *_: 1 / 0)
        failing = worker.submit(broken)
        good = await begun(worker, request())
        with pytest.raises(ZeroDivisionError):
            await finished(failing)
        assert await finished(good) == expected

    run(both())
    assert worker.is_alive


def test_a_thread_that_dies_fails_what_it_had(
    everyday: TextGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(everyday, max_batch=4, max_waiting=4)

    async def die() -> None:
        prepared = await worker.prepare(request())
        for name in ("step", "remove"):  # it may be in any state then
            monkeypatch.setattr(worker._batch, name, lambda *texts: 1 / 0)
        generation = worker.submit(prepared)
        with pytest.raises(ZeroDivisionError):
            await finished(generation)
        assert not worker.is_alive
        with pytest.raises(Closed):
            worker.submit(prepared)

    run(die())
    worker.close()
    assert isinstance(worker.error, ZeroDivisionError)


def test_what_is_unfinished_fails_when_it_closes(everyday: TextGenerator) -> None:
    worker = Worker(everyday, max_batch=4, max_waiting=4)

    async def close() -> None:
        running = await begun(worker, request(num_samples=6, **ENDLESS))
        searched = await begun(worker, request(beams=2, seed=None, **ENDLESS))
        await running.news()
        worker.close()
        for generation in (running, searched):
            with pytest.raises(Closed):
                await finished(generation)

    run(close())
    assert not worker.is_alive


def test_a_text_that_nobody_takes_waits(
    worker: Worker, everyday: TextGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "MAX_UNTAKEN", 20)
    monkeypatch.setattr(worker_module, "WAKE_SECONDS", 0.0)
    long: dict[str, Any] = {"max_tokens": 400, "min_chars": 20_000}

    async def wait() -> None:
        generation = await begun(worker, request(**long))
        [text] = generation.texts
        while worker.running or not text.num_untaken:
            await asyncio.sleep(0)
        assert text.num_untaken < 100
        assert worker.waiting == 1
        # The others do not wait for it.
        await answer(worker, request(seed=2, max_tokens=200))
        [written] = await finished(generation)
        assert words(written) == everyday.generate("The", **long, seed=1).text

    run(wait())


def test_a_guide_that_nobody_waits_for_is_given_up(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chargen.generation.automata.SECONDS", 1000)

    async def work() -> None:
        endless = [
            asyncio.ensure_future(worker.prepare(request(regex=f"(a|b)*a(a|b){{4{number}}}")))
            for number in range(preparing.NUM_GUIDING + 1)
        ]
        await asyncio.sleep(0)
        for one in endless:
            one.cancel()
        await worker.prepare(request(regex="[a-z ]+"))
        building = asyncio.ensure_future(worker.prepare(request(regex="(a|b)*a(a|b){49}")))
        await asyncio.sleep(0)
        worker.close()
        with pytest.raises(Closed):
            await building

    run(work())


def test_only_expressions_wait_for_expressions(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chargen.generation.automata.SECONDS", 1000)
    monkeypatch.setattr(preparing, "MAX_GUIDES", preparing.NUM_GUIDING)

    async def work() -> None:
        await worker.prepare(request(regex="[a-z ]+"))
        endless = [
            asyncio.ensure_future(worker.prepare(request(regex=f"(a|b)*a(a|b){{4{number}}}")))
            for number in range(preparing.NUM_GUIDING)
        ]
        await asyncio.sleep(0)
        await worker.prepare(request("The " * 2000))
        await worker.prepare(request(regex="[a-z ]+"))  # is known
        with pytest.raises(Busy):
            await worker.prepare(request(regex="[a-y ]+"))
        for one in endless:
            one.cancel()

    run(work())


@pytest.mark.parametrize("prompt", ["The " * 10_000, (5,) * 40_000])
def test_a_long_prompt_is_given_up_between_two_parts_of_it(
    worker: Worker, prompt: str | tuple[int, ...]
) -> None:
    is_wanted = iter([True])

    def check() -> None:
        if not next(is_wanted, False):
            raise Closed

    def prepare() -> None:
        on_wait.set(check)
        worker._preparer._prepare(request(prompt), None)

    with pytest.raises(Closed):
        copy_context().run(prepare)


def test_what_cannot_be_is_said_before_anything_is_sampled(worker: Worker) -> None:
    for wrong in ({"regex": "("}, {"regex": "\N{SNOWMAN}+"}, {"ban": ("no such token",)}):
        with pytest.raises(ConfigError):
            run(begun(worker, request(heal=False, **wrong)))
    with pytest.raises(ChargenError):
        run(begun(worker, request("\ud800")))
    assert worker.is_idle


def test_expressions_may_not_take_all_memory(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "MAX_GUIDE_BYTES", 1)

    async def expressions() -> None:
        held = await worker.prepare(request(regex="[a-z]+"))
        with pytest.raises(Busy):
            await worker.prepare(request(regex="[a-y]+"))
        # That of a request that is over is given up, once the thread that made it has let it go.
        del held
        prepared = None
        while prepared is None:
            with suppress(Busy):
                prepared = await worker.prepare(request(regex="[a-y]+"))

    run(expressions())


def test_a_bias_is_part_of_what_texts_are_sampled_by(
    worker: Worker, everyday: TextGenerator
) -> None:
    [token] = everyday.tokenizer.encode("z")
    [written] = run(answer(worker, request(bias={token: 100.0}, heal=False)))
    assert words(written) == "z" * 20
    [written] = run(answer(worker, request()))
    assert words(written) != "z" * 20
    assert np.isfinite(sum(part.piece.logprob for part in written))
