"""Make reference_vectors.npz: what all-MiniLM-L6-v2 gives for texts of many scripts.

    python tests/data/make_reference.py FOLDER

FOLDER holds model.safetensors, config.json and tokenizer.json of
sentence-transformers/all-MiniLM-L6-v2. The forward pass is BERT in float32 numpy, the tokens come
from the `tokenizers` package: nothing of llama.cpp, nothing of memdesk.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file
from tokenizers import Tokenizer

CONTEXT = 512
Array = NDArray[np.float32]

SENTENCES = [
    "The quick brown fox jumps over the lazy dog.",
    "We decided to keep the embedding model on this machine.",
    "Her flight to Lisbon leaves on Tuesday at 07:45 from gate B12.",
    "def mean(xs: list[float]) -> float:\n    return sum(xs) / len(xs)",
    "SELECT id, text FROM memories WHERE space = 'personal' ORDER BY seq DESC LIMIT 10;",
    "for (let i = 0; i < n; i++) { total += prices[i] * 1.19; } // VAT",
    '#include <stdio.h>\nint main(void) { printf("%d\\n", 42); return 0; }',
    "$ git rebase -i HEAD~3 && git push --force-with-lease origin main",
    "https://example.org/a/b?q=caf%C3%A9&lang=fr#section-2",
    "mail me at jane.doe+notes@example.com or call +49 30 1234567",
    "3.14159 2,718,281 0xDEADBEEF 1e-12 -273.15 100% $19.99 €20 £15 ¥1000",
    "192.168.0.1:8080 fe80::1ff:fe23:4567:890a 2026-11-21T09:56:24Z",
    "🎉🎂 Happy birthday! 👩‍👩‍👧‍👦 family 🇩🇪 flag 👍🏽 thumbs ❤️",
    "😀😃😄 only faces 🤖",
    "Crème brûlée, jalapeño, Ærøskøbing, naïve façade, Łódź, Šķēde, İstanbul, ﬁn",
    "Die Straße nach Köln ist wegen Überschwemmung gesperrt.",
    "El niño comió piñas en la montaña; ¿quién lo sabía?",
    "Příliš žluťoučký kůň úpěl ďábelské ódy.",
    "Tiếng Việt có nhiều dấu thanh: ngã, hỏi, nặng, sắc, huyền.",
    "今天天气很好,我们去公园散步吧。",
    "機械学習のモデルをローカルで動かしています。カタカナとひらがな。",
    "한국어 문장을 벡터로 바꾸는 시험입니다.",
    "اللغة العربية تُكتب من اليمين إلى اليسار، وفيها حَرَكات.",
    "این یک جملهٔ فارسی است با نیم‌فاصله.",
    "Съешь же ещё этих мягких французских булок, да выпей чаю.",
    "Її ґанок виходить на подвір'я; це добре місце для відпочинку.",
    "ภาษาไทยไม่มีการเว้นวรรคระหว่างคำ",
    "हिन्दी में लिखा हुआ एक छोटा वाक्य, जिसमें मात्राएँ हैं।",
    "বাংলা ভাষায় লেখা একটি বাক্য।",
    "தமிழ் மொழியில் ஒரு வாக்கியம்.",
    "תל אביב היא עיר על חוף הים; שָׁלוֹם עֲלֵיכֶם.",
    "Ὀδυσσεὺς ἔφη· ΣΟΦΌΣ ΟΔΥΣΣΕΎΣ, η ζωή είναι ωραία.",
    "ქართული ანბანი და Հայերեն այբուբեն",
    "አማርኛ ቋንቋ ነው። ខ្មែរ ລາວ မြန်မာ བོད་ཡིག",
    "Mixed: Das ist ein テスト with русский, 中文 and العربية in one line 🚀",
    "∀x ∈ ℝ: x² ≥ 0 ∧ √2 ∉ ℚ; ∫₀¹ x dx = ½ — “quotes” … ‘single’ «guillemets»",
    "a\u200bb zero width, soft\u00adhyphen, no\u00a0break, e\u0301 combining, \ufeffmark",
    "snake_case camelCase kebab-case SCREAMING_CASE path/to/file.py C:\\Temp\\x.txt",
    '{"key": [1, 2, {"nested": null}], "ok": true}',
    "| a | b |\n|---|---|\n| **bold** | `code` |\n\n- item\n- [link](url)",
]
ALONE = [
    " ",
    ".",
    "\n",
    "",
    "\t \n",
    "?!",
    "a",
    "I",
    "é",
    "中",
    "🙂",
    "ก",
    "0",
    "...",
    "\u2581",
    "[SEP] [CLS] [MASK] are plain words here",
    "x" * 100,
    "x" * 101,
    "y" * 3000,
    "aGVsbG8gd29ybGQsIHRoaXMgaXMgYSBsb25nIGJhc2U2NCBzdHJpbmc=" * 3,
]
FRAMES = [
    "Note: {}",
    "{} (remember this)",
    "Yesterday Maria wrote «{}» and asked what it means.",
    "{a} | {b}",
    "TODO 17: {} -> see also: {b}",
]


def texts() -> list[str]:
    """About 330 texts: each sentence alone, framed, joined, and repeated beyond the context."""
    made = [*ALONE, *SENTENCES]
    for number, sentence in enumerate(SENTENCES):
        other = SENTENCES[(number * 7 + 3) % len(SENTENCES)]
        made += [
            frame.replace("{}", sentence).replace("{a}", sentence).replace("{b}", other)
            for frame in FRAMES
        ]
        made.append(" ".join([sentence, other] * 4))
    made += [" ".join([sentence] * 120) for sentence in SENTENCES[::2]]
    return [*made, " ".join(SENTENCES), "\n\n".join(reversed(SENTENCES * 3))]


def forward(weights: dict[str, Array], config: dict[str, int], ids: list[int]) -> Array:
    """One normalised sentence vector, shape (384,)."""

    def norm(x: Array, name: str) -> Array:
        centred = x - x.mean(-1, keepdims=True)
        spread = np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
        scaled = centred / spread * weights[name + ".weight"]
        return np.asarray(scaled + weights[name + ".bias"], np.float32)

    def dense(x: Array, name: str) -> Array:
        return np.asarray(x @ weights[name + ".weight"].T + weights[name + ".bias"], np.float32)

    embedded = weights["embeddings.word_embeddings.weight"][ids]
    embedded = embedded + weights["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm(
        embedded + weights["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm"
    )
    heads = config["num_attention_heads"]
    for number in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{number}."
        q, k, v = (
            dense(x, f"{layer}attention.self.{part}").reshape(len(ids), heads, -1).swapaxes(0, 1)
            for part in ("query", "key", "value")
        )
        scores = q @ k.swapaxes(1, 2) / np.float32(math.sqrt(q.shape[-1]))
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (scores / scores.sum(-1, keepdims=True)) @ v
        attended = dense(
            mixed.swapaxes(0, 1).reshape(len(ids), -1), layer + "attention.output.dense"
        )
        x = norm(x + attended, layer + "attention.output.LayerNorm")
        inner = dense(x, layer + "intermediate.dense")
        inner = inner * 0.5 * (1 + ERF(inner / np.float32(math.sqrt(2))))
        x = norm(
            x + dense(inner.astype(np.float32), layer + "output.dense"), layer + "output.LayerNorm"
        )
    pooled = x.mean(0)
    return np.asarray(pooled / np.linalg.norm(pooled), np.float32)


ERF = np.vectorize(math.erf, otypes=[np.float32])


def main(folder: Path) -> None:
    """Write reference_vectors.npz beside this file."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.encode_special_tokens = True
    weights = load_file(folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    made = texts()
    vectors, counts = [], []
    for text in made:
        ids = tokenizer.encode(text).ids
        counts.append(len(ids))
        kept = ids if len(ids) <= CONTEXT else [*ids[: CONTEXT - 1], ids[-1]]
        vectors.append(forward(weights, config, kept))
    np.savez_compressed(
        Path(__file__).with_name("reference_vectors.npz"),
        texts=np.frombuffer(json.dumps(made).encode(), np.uint8),
        counts=np.array(counts, np.int32),
        vectors=np.stack(vectors),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
