"""Tiny random encoders of many architectures, each with a tokenizer of its own kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

SIZES = {
    "hidden_size": 16,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "num_hidden_layers": 3,
    "initializer_range": 0.3,
}
RELATIVE = {
    "relative_attention": True,
    "pos_att_type": ["p2c", "c2p"],
    "position_biased_input": False,
    "share_att_key": True,
    "position_buckets": 16,
    "norm_rel_ebd": "layer_norm",
}
"""As DeBERTa-v3 is: each layer has its relative positions go through query and key maps too."""

BYTES = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2, **SIZES}
WORDS = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, **SIZES}

KINDS: dict[str, tuple[str, int, dict[str, Any]]] = {
    "mpnet": ("MPNet", 66, {**BYTES}),
    "deberta": ("DebertaV2", 64, WORDS),
    "deberta-relative": ("DebertaV2", 64, {**WORDS, **RELATIVE}),
    "roberta": ("Roberta", 66, BYTES),
    "xlm-roberta": ("XLMRoberta", 66, BYTES),
    "camembert": ("Camembert", 66, BYTES),
    "esm": ("Esm", 66, {**BYTES, "position_embedding_type": "absolute"}),
    "electra": ("Electra", 64, {**WORDS, "embedding_size": 8}),
    "distilbert": ("DistilBert", 64, WORDS),
    "modernbert": (
        "ModernBert",
        64,
        {
            **WORDS,
            "cls_token_id": 2,
            "sep_token_id": 3,
            "local_attention": 8,
            "global_attn_every_n_layers": 2,
        },
    ),
    "gpt2": ("GPT2", 64, BYTES),
    "llama": ("Llama", 64, BYTES),
}
"""kind -> (class, max_position_embeddings, the rest of its config). Each reads 64 tokens."""

TEXT = [
    "the heart is normal in size and the lungs are clear",
    "no pleural effusion or pneumothorax",
    "small left pleural effusion with adjacent opacity",
    "a catheter ends in the superior vena cava",
]


def save(folder: Path, kind: str, seed: int = 0) -> Path:
    """Write a tiny random encoder of this kind, with its tokenizer, into a folder."""
    import transformers

    name, positions, sizes = KINDS[kind]
    folder.mkdir(parents=True, exist_ok=True)
    rows = _bytes(folder, kind) if sizes["pad_token_id"] == 1 else _words(folder)
    config = getattr(transformers, f"{name}Config")(
        vocab_size=rows, max_position_embeddings=positions, **sizes
    )
    torch.manual_seed(seed)
    getattr(transformers, f"{name}Model")(config).save_pretrained(folder)
    return folder


def _words(folder: Path) -> int:
    from transformers import BertTokenizerFast

    words = sorted({word for text in TEXT for word in text.split()})
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    (folder / "vocab.txt").write_text("\n".join(vocab) + "\n")
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    return len(vocab)


def _bytes(folder: Path, kind: str) -> int:
    """Bytes and pairs of them, as RoBERTa has them; GPT-2's has no padding token."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import GPT2TokenizerFast, RobertaTokenizerFast

    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(
        TEXT * 9, vocab_size=320, special_tokens=special, show_progress=False
    )
    trained.save_model(str(folder))
    files = {"vocab": str(folder / "vocab.json"), "merges": str(folder / "merges.txt")}
    if kind == "gpt2":
        own = {"bos_token": "</s>", "eos_token": "</s>", "unk_token": "<unk>"}
        GPT2TokenizerFast(**files, **own).save_pretrained(folder)
    else:
        RobertaTokenizerFast(**files).save_pretrained(folder)
    return int(trained.get_vocab_size())
