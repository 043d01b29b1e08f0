"""Makes `facts.txt`, of which a network learns much in a minute: facts of the kinds that
`everyday.prompts.jsonl` asks for, of the things that everyone speaks of; signs; and short talks.

The prompts' own wordings are left out for what they ask for, as they are in `everyday.txt`. The
same seed gives the same bytes at each run.

    python corpora/make_facts.py [--seed 7] [--folder corpora]
"""

import argparse
import json
import random
from pathlib import Path

from author.facts import FACTS, Facts, read_asked
from author.lexicon import Lexicon
from author.talks import Talk, Talks

SEED = 7
PASSES = 5  # over all facts, each in other words and other company
TALKS = 3500
HERE = Path(__file__).resolve().parent


def write(seed: int, folder: Path) -> None:
    rng, lexicon = random.Random(seed), Lexicon()
    facts, talks, asked = Facts(rng, lexicon), Talks(rng, lexicon), read_asked()
    common = set(lexicon.lists["common"])
    blocks: list[str] = []
    for name in (*asked, "sign") * PASSES:
        known = set(asked[name].left_out) | common if name in asked else common
        told = list(facts.told(name, asked.get(name)))
        some = [telling for telling in told if {telling.word, telling.word.key} & known]
        heading = FACTS[name][2]
        blocks += [facts.headed(group, heading, 0.25) for group in facts.groups(some or told)]
    for _ in range(TALKS):
        talk = Talk(talks)
        talk.hold(rng.choice((1, 2, 2, 3)))
        blocks.append(talk.written())
    text = "\n\n".join(facts.shuffled(blocks)) + "\n"
    for line in (HERE / "everyday.prompts.jsonl").read_text(encoding="utf-8").splitlines():
        prompt = json.loads(line)["prompt"]
        assert prompt.lower() not in text.lower(), f"{prompt!r} stands in the text"
    (folder / "facts.txt").write_text(text, encoding="utf-8", newline="\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--folder", type=Path, default=HERE)
    arguments = parser.parse_args()
    write(arguments.seed, arguments.folder)


if __name__ == "__main__":
    main()
