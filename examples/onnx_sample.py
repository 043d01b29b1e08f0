"""Sample without chargen from what `chargen export facts --format onnx` wrote.

pip install numpy onnxruntime
python examples/onnx_sample.py facts.onnx "The color of a strawberry is"
"""

import base64
import codecs
import json
import re
import sys

import numpy as np
import onnxruntime

path, prompt = sys.argv[1:3]
max_tokens, temperature, seed = 200, 0.5, 1
session = onnxruntime.InferenceSession(path)
tokenizer = json.loads(session.get_modelmeta().custom_metadata_map["tokenizer"])
pieces = [base64.b64decode(piece) for piece in tokenizer["pieces"]]  # the bytes of each token
ids = {piece: token for token, piece in enumerate(pieces)}
if tokenizer["kind"] == "subword":
    from sentencepiece import SentencePieceProcessor  # pip install sentencepiece

    model = base64.b64decode(tokenizer["sentencepiece"])
    tokens = SentencePieceProcessor(model_proto=model).encode(prompt)
else:  # a token a word, if the tokenizer has words, else a character, else a byte

    def spell(text: str) -> list[int]:
        if text.encode() in ids:
            return [ids[text.encode()]]
        if text[0] == " " and text[1:].encode() in ids:  # a word that is known without its space
            return [ids[b" "], ids[text[1:].encode()]]
        spelled = [[c] if c in ids else [bytes([b]) for b in c] for c in map(str.encode, text)]
        return [ids[piece] for character in spelled for piece in character]

    cut = re.findall(tokenizer.get("word", "(?s)."), prompt)
    parts = [[w] if w.encode() in ids else re.findall(tokenizer.get("parts", ".+"), w) for w in cut]
    tokens = [token for word in parts for part in word for token in spell(part)]
state = np.zeros((1, *session.get_inputs()[1].shape[1:]), np.float32)  # (batch, parts, hidden)
decoder, random = codecs.getincrementaldecoder("utf-8")("replace"), np.random.default_rng(seed)
to_read = [tokenizer["end"], *tokens]  # a text begins where another has ended
for _ in range(max_tokens):
    for token in to_read:
        logits, state = session.run(None, {"token": np.array([token]), "state": state})
    logits[0, tokenizer["unseen"]] = -np.inf
    odds = np.exp((logits[0].astype(float) - logits.max()) / temperature)
    to_read = [random.choice(len(odds), p=odds / odds.sum())]
    if to_read == [tokenizer["end"]]:
        break
    print(decoder.decode(pieces[to_read[0]]), end="", flush=True)  # whole characters
