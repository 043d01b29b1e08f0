"""What was meant by a name that is none of ours: one that begins so, one that is spelled alike, or
what other tools call the same. Needs nothing, so that any surface may ask."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# Options by their names in char-rnn, torch, Hugging Face, OpenAI's API, llama.cpp and ollama.
OTHER_TOOLS = {
    "learning_rate": "lr step_size alpha",
    "hidden_size": "rnn_size n_hidden num_hidden hidden hidden_dim hidden_units units nhid width",
    "num_layers": "layers n_layers nlayers n_layer depth",
    "embedding_size": "embedding_dim embed embed_size n_embd emsize wordvec_size",
    "bptt": "seq_length seq_len sequence_length block_size max_seq_len context_length",
    "batch_size": "batch batchsize bs",
    "clip": "grad_clip clip_grad max_grad_norm gradient_clip",
    "weight_decay": "wd l2",
    "accumulate": "gradient_accumulation gradient_accumulation_steps grad_accum",
    "cell": "model model_type rnn_type rnn cell_type",
    "dropout": "drop drop_prob dropout_prob p_drop",
    "valid_fraction": "val_frac val_fraction valid_frac val_split validation_split",
    "epochs": "max_epochs num_epochs num_train_epochs",
    "steps": "max_steps max_iters num_steps iterations iters",
    "patience": "early_stopping early_stop",
    "init_from": "checkpoint pretrained fine_tune finetune",
    "out": "output out_dir output_dir save_dir save_to savefile checkpoint_name checkpoint_dir o",
    "save_every": "checkpoint_every save_interval",
    "minutes": "time max_time duration",
    "prompt": "primetext prime prime_text start_text start prefix seed_text input_text p",
    "max_tokens": "length max_length max_new_tokens num_tokens n_predict num_predict",
    "temperature": "temp t",
    "top_p": "nucleus",
    "num_samples": "n nsamples n_samples samples num_return_sequences number",
    "beams": "num_beams beam_width beam_size beam",
    "repetition_penalty": "repeat_penalty",
    "no_repeat_ngram": "no_repeat_ngram_size",
    "penalty_window": "repeat_last_n",
    "stop": "stop_sequences stop_strings stop_sequence stopping until_text end eos",
    "regex": "pattern grammar",
    "seed": "random_seed random_state manual_seed",
    "device": "gpu gpuid gpu_id cuda",
    "checkpoint": "model m ckpt model_path checkpoint_path",
    "corpus": "input input_txt input_file data data_dir data_path dataset text_file train_file",
}


def meant_elsewhere(name: str) -> list[str]:
    """What is ours of what another tool calls by this name."""
    return [ours for ours, others in OTHER_TOOLS.items() if name.lower() in others.split()]


def nearest(name: str, known: Iterable[str]) -> str:
    """The known one that another tool calls so, that begins so, or that is spelled most alike;
    nothing where none is near."""
    known = list(known)
    name = name[:40].lower()
    same = [ours for ours in meant_elsewhere(name) if ours in known]
    begin_so = [one for one in known if name and one.startswith(name)]
    alike = difflib.get_close_matches(name, known, n=1)
    return next(iter([*same, *begin_so, *alike]), "")
