"""Train a bot on a text of conversations, then talk to it.

The text holds turns, with a blank line between one conversation and the next:

    You: What color is a banana?
    Bot: It is yellow.

python examples/chat_bot.py chat.txt
"""

import argparse
import sys
from pathlib import Path

import chargen

parser = argparse.ArgumentParser(description="Train a bot, then talk to it.")
parser.add_argument("text", help="the conversations")
parser.add_argument("--user", default="You:", help="what begins a turn of yours (You:)")
parser.add_argument("--bot", default="Bot:", help="what begins a turn of the bot (Bot:)")
parser.add_argument("--steps", type=int, default=2000, help="steps of training (2000)")
args = parser.parse_args()

checkpoint = Path("checkpoints") / f"{Path(args.text).stem}-bot"
if not checkpoint.exists():  # only the first time
    chargen.train(
        args.text, out=checkpoint, steps=args.steps, user=args.user, bot=args.bot,
        documents="paragraph",  # what separates conversations
    )  # fmt: skip

session = chargen.Session(checkpoint, mode="chat")
print(args.user, end=" ", flush=True)
for line in sys.stdin:  # until Ctrl-D
    print(args.bot, end="")
    for piece in session.answer(line.strip()):
        print(piece, end="", flush=True)
    print(f"\n{args.user}", end=" ", flush=True)
print()
