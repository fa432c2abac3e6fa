"""Make the bundled model: all-MiniLM-L6-v2 as one f16 GGUF file, the same bytes every time.

    python models/make_minilm.py FOLDER OUTPUT

FOLDER holds model.safetensors, config.json and vocab.txt of sentence-transformers/all-MiniLM-L6-v2.
Needs the packages `gguf`, `safetensors` and `numpy`. See README.md beside this file.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
from gguf import (
    MODEL_ARCH,
    GGUFWriter,
    LlamaFileType,
    PoolingType,
    TokenType,
    get_tensor_name_map,
)
from safetensors.numpy import load_file

WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
ARCH = MODEL_ARCH.BERT
WORD_START = "\u2581"
SPECIAL = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}
# Not weights of the sentence embedding: a constant 0..511, and a head used in pre-training only.
DROPPED = {"embeddings.position_ids", "pooler.dense.weight", "pooler.dense.bias"}
# llama.cpp adds these to f32 activations, and keeps them f32 in its own conversions.
KEPT_F32 = {"position_embd.weight", "token_types.weight"}


def main(folder: Path, output: Path) -> None:
    """Write `output` from the files in `folder`; end with words if the weights are others."""
    weights = folder / "model.safetensors"
    found = hashlib.sha256(weights.read_bytes()).hexdigest()
    if found != WEIGHTS_SHA256:
        sys.exit(f"{weights} is not the expected file: sha256 {found}, expected {WEIGHTS_SHA256}")
    writer = GGUFWriter(output, "bert")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    add_description(writer)
    add_shape(writer, config)
    add_vocabulary(writer, (folder / "vocab.txt").read_text("utf-8").splitlines())
    add_tensors(writer, weights, config["num_hidden_layers"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add_description(writer: GGUFWriter) -> None:
    """Say what the file is and whose work it is."""
    writer.add_name("all-MiniLM-L6-v2")
    writer.add_organization("sentence-transformers")
    writer.add_license("apache-2.0")
    writer.add_file_type(LlamaFileType.MOSTLY_F16)


def add_shape(writer: GGUFWriter, config: dict[str, int | float]) -> None:
    """State the network's sizes, from the model's own config.json."""
    writer.add_context_length(int(config["max_position_embeddings"]))
    writer.add_embedding_length(int(config["hidden_size"]))
    writer.add_block_count(int(config["num_hidden_layers"]))
    writer.add_feed_forward_length(int(config["intermediate_size"]))
    writer.add_head_count(int(config["num_attention_heads"]))
    writer.add_layer_norm_eps(float(config["layer_norm_eps"]))
    writer.add_causal_attention(False)
    writer.add_pooling_type(PoolingType.MEAN)


def add_vocabulary(writer: GGUFWriter, words: list[str]) -> None:
    """Add the vocabulary as llama.cpp spells it: `▁word`, and `piece` for `##piece`."""
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_type_count(2)
    writer.add_token_list([spelled(word) for word in words])
    writer.add_token_types([kind(word) for word in words])
    writer.add_bos_token_id(words.index("[CLS]"))
    writer.add_eos_token_id(words.index("[SEP]"))
    writer.add_sep_token_id(words.index("[SEP]"))
    writer.add_unk_token_id(words.index("[UNK]"))
    writer.add_pad_token_id(words.index("[PAD]"))
    writer.add_mask_token_id(words.index("[MASK]"))
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(True)


def spelled(word: str) -> str:
    """One vocabulary entry in llama.cpp's spelling."""
    if word.startswith("[") and word.endswith("]"):
        return word
    return word[2:] if word.startswith("##") else WORD_START + word


def kind(word: str) -> TokenType:
    """Control for the special tokens, so that no text ever becomes one; normal for the rest."""
    return TokenType.CONTROL if word in SPECIAL else TokenType.NORMAL


def add_tensors(writer: GGUFWriter, weights: Path, layers: int) -> None:
    """Add every weight: matrices as f16, vectors and the small embeddings as f32."""
    names = get_tensor_name_map(ARCH, layers)
    for source, tensor in sorted(load_file(weights).items()):
        if source in DROPPED:
            continue
        name = names.get_name(source, try_suffixes=(".weight", ".bias"))
        if name is None:
            sys.exit(f"no GGUF name for {source}")
        small = tensor.ndim == 1 or name in KEPT_F32
        writer.add_tensor(name, tensor.astype(np.float32 if small else np.float16))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
