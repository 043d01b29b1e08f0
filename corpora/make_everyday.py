"""Makes `everyday.txt`, a training text of plain everyday English, and `everyday.prompts.jsonl`.

Words and wordings lie in `grammar/`, the package `author` puts them together; this script owns
what is in the text, and how much of it. The prompts ask for facts that the text tells, but in a
wording that it does not have for them: `asked.grammar` names the things for which a wording is left
out. The same seed gives the same bytes at each run.

    python corpora/make_everyday.py [--seed 7] [--folder corpora]
"""

import argparse
import json
import random
from pathlib import Path

from author.facts import Facts, read_asked
from author.lexicon import Lexicon, plans
from author.pieces import Pieces
from author.stories import Stories
from author.talks import Talks

SEED = 7
EACH_STORY = 3
EACH_PLOT = 12
EACH_PIECE = 3
PIECES = {
    "letter": 240, "postcard": 100, "note": 120, "invitation": 80, "diary": 160, "forecast": 100,
    "door": 100, "recipe": 110, "shopping": 120, "riddle": 190, "verse": 320, "counting": 80,
    "rhyming": 60, "because": 200, "sums": 220, "likes": 190,
}  # fmt: skip
PORTRAITS = 330
RIDDLES = 70
TALKS = 1050
BRIEF_TALKS = 2670


def write(seed: int, folder: Path) -> None:
    rng, lexicon = random.Random(seed), Lexicon()
    facts, stories = Facts(rng, lexicon), Stories(rng, lexicon)
    talks, pieces = Talks(rng, lexicon), Pieces(rng, lexicon)
    asked = read_asked()
    blocks = list(facts.documents(asked))
    blocks += [stories.story(plan) for plan in plans("stories.grammar") for _ in range(EACH_STORY)]
    blocks += [stories.tale(plot) for plot in stories.plots for _ in range(EACH_PLOT)]
    blocks += [stories.story(plan) for plan in plans("pieces.grammar") for _ in range(EACH_PIECE)]
    blocks += [text for name, count in PIECES.items() for text in pieces.some(name, count)]
    known = [word for word in lexicon.words if len(facts.properties(word, "it")) >= 3]
    blocks += [facts.portrait(facts.pick(known)) for _ in range(PORTRAITS)]
    blocks += [facts.riddle(facts.pick(known)) for _ in range(RIDDLES)]
    blocks += [talks.talk() for _ in range(TALKS)]
    blocks += [talks.brief() for _ in range(BRIEF_TALKS)]
    text = "\n\n".join(facts.shuffled(blocks)) + "\n"

    prompts = [row for property in asked for row in facts.prompts(property, asked[property])]
    for row in prompts:
        assert row["prompt"].lower() not in text.lower(), f"{row['prompt']!r} stands in the text"
    lines = "".join(json.dumps(row) + "\n" for row in prompts)
    (folder / "everyday.txt").write_text(text, encoding="utf-8", newline="\n")
    (folder / "everyday.prompts.jsonl").write_text(lines, encoding="utf-8", newline="\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--folder", type=Path, default=Path(__file__).resolve().parent)
    arguments = parser.parse_args()
    write(arguments.seed, arguments.folder)


if __name__ == "__main__":
    main()
