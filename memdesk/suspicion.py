"""What looks suspicious in a text: the value of a secret, or words that would steer an AI host.

Precision comes before completeness: what is found here is shown to the person, nothing is refused.
Every expression is linear in the text, which is hostile: no repeat is unbounded where it may start
anew inside itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET, INSTRUCTION = "secret", "instruction"
_MOST = 100
"""Places of one shape that are looked at in one text: whoever has more has enough."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Something in a text that wants the person's eye."""

    kind: str
    """`SECRET` or `INSTRUCTION`."""
    about: str
    """What it looks like, such as “a GitHub token”; never the value itself."""
    span: tuple[int, int]
    """Where it stands, in characters."""


def suspicions(text: str) -> tuple[Suspicion, ...]:
    """Return what looks suspicious in a text, in its order."""
    found = {each.span: each for each in (*_instructions(text), *_secrets(text))}
    return tuple(sorted(found.values(), key=lambda each: each.span))


def secrets(text: str) -> tuple[Suspicion, ...]:
    """Return what looks like a secret in a text, in its order."""
    found = {each.span: each for each in _secrets(text)}
    return tuple(sorted(found.values(), key=lambda each: each.span))


@dataclass(frozen=True, slots=True)
class _Shape:
    """The looks of one kind of secret."""

    about: str
    detector: str
    """Module and class below detect_secrets.plugins that decides; empty where `telltale` does."""
    hints: tuple[str, ...]
    """One of these stands in every text that has one: what costs least to look for."""
    telltale: re.Pattern[str]
    """What has to match before the library is imported, which takes a fifth of a second."""
    before: int = 0
    """Characters before it that the detector needs to see."""


def _shape(
    about: str, detector: str, hints: tuple[str, ...], telltale: str, before: int = 0
) -> _Shape:
    return _Shape(about, detector, hints, re.compile(telltale), before)


_NEW = r"(?<![A-Za-z0-9_-])"
_KEY = (
    r"PRIVATE KEY(?: BLOCK)?-----(?:\s|\\n){1,9}(?:[A-Za-z-]{1,40}: [^\n]{0,200}\n){0,4}\n?"
    r"[A-Za-z0-9+/=]{40}"
)
_SHAPES = (
    _shape(
        "an AWS key",
        "aws.AWSKeyDetector",
        ("AKIA", "ASIA", "ABIA", "ACCA", "A3T"),
        _NEW + r"(?:A3T[A-Z0-9]|ABIA|ACCA|AKIA|ASIA)[0-9A-Z]{16}(?![A-Za-z0-9])",
    ),
    _shape(
        "an AWS secret key",
        "aws.AWSKeyDetector",
        ("aws", "AWS", "Aws"),
        r"(?<=['\"])[0-9a-zA-Z/+]{40}(?=['\"])",
        60,
    ),
    _shape(
        "a GitHub token",
        "github_token.GitHubTokenDetector",
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
        _NEW + r"gh[pousr]_[A-Za-z0-9_]{36}",
    ),
    # Newer than the library's last release; the forms are those their makers document.
    _shape("a GitHub token", "", ("github_pat_",), _NEW + r"github_pat_[A-Za-z0-9_]{60,255}"),
    _shape("an Anthropic key", "", ("sk-ant-",), _NEW + r"sk-ant-[a-z0-9]{2,12}-[\w-]{60,200}"),
    _shape("a Google key", "", ("AIza",), _NEW + r"AIza[\w-]{35}(?![\w-])"),
    _shape(
        "a GitLab token",
        "gitlab_token.GitLabTokenDetector",
        ("glpat-", "gldt-", "glft-", "glsoat-", "glrt-", "glcbt-", "glptt-", "glagent-", "gloas-"),
        _NEW + r"gl(?:pat|dt|ft|soat|rt|cbt|ptt|agent|oas)-[\w-]{20,1024}",
    ),
    _shape(
        "a Slack token",
        "slack.SlackDetector",
        ("xoxa-", "xoxb-", "xoxp-", "xoxo-", "xoxs-", "xoxr-"),
        _NEW + r"xox[abposr]-\d{1,20}-[\w-]{8,400}",
    ),
    _shape(
        "a Slack webhook",
        "slack.SlackDetector",
        ("hooks.slack.com/services/T",),
        r"https://hooks\.slack\.com/services/T\w{1,40}/B\w{1,40}/\w{8,80}",
    ),
    _shape(
        "a Stripe key",
        "stripe.StripeDetector",
        ("sk_live_", "rk_live_"),
        _NEW + r"[rs]k_live_[0-9a-zA-Z]{24}",
    ),
    _shape(
        "a JSON web token",
        "jwt.JwtTokenDetector",
        ("eyJ",),
        r"(?<![\w=.-])eyJ[\w=-]{8,4000}\.[\w=-]{8,8000}",
    ),
    _shape("a private key", "private_key.PrivateKeyDetector", ("PRIVATE KEY",), _KEY, 40),
    _shape(
        "an npm token",
        "npm.NpmDetector",
        (":_authToken=",),
        r":_authToken=\s?(?:npm_\w{8,80}|[A-Fa-f0-9-]{36})",
        200,
    ),
    _shape(
        "an OpenAI key",
        "openai.OpenAIDetector",
        ("T3BlbkFJ",),
        r"[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}",
        100,
    ),
    _shape(
        "a SendGrid key",
        "sendgrid.SendGridDetector",
        ("SG.",),
        _NEW + r"SG\.[\w-]{22}\.[\w-]{43}",
    ),
    _shape(
        "a Square secret", "square_oauth.SquareOAuthDetector", ("sq0csp-",), r"sq0csp-[\w-]{43}"
    ),
    _shape(
        "a PyPI token",
        "pypi_token.PypiTokenDetector",
        ("pypi-AgEI",),
        r"pypi-AgEI[\w-]{70,400}",
    ),
    _shape(
        "an Azure storage key",
        "azure_storage_key.AzureStorageKeyDetector",
        ("AccountKey=",),
        r"AccountKey=[A-Za-z0-9+/=]{88}",
    ),
    _shape(
        "a password in an address",
        "basic_auth.BasicAuthDetector",
        ("://",),
        r"://[\w.%~-]{1,100}:[\w.%~^{}|-]{1,200}@[\w.-]",
    ),
)
_REST_OF_WORD = re.compile(r"[\w+/=~-]*(?:\.[\w+/=~-]+)*")
_END_OF_KEY = re.compile(r"-----END [A-Z0-9 ]{3,40}-----")


def _secrets(text: str) -> Iterator[Suspicion]:
    """Yield each value that has the shape of a secret."""
    for shape in _SHAPES:
        if not any(hint in text for hint in shape.hints):
            continue
        for match in islice(shape.telltale.finditer(text), _MOST):
            start = _start(shape, text, match)
            if start is not None:
                yield Suspicion(SECRET, shape.about, (start, _end(shape, text, match.end())))


def _start(shape: _Shape, text: str, match: re.Match[str]) -> int | None:
    """Return where the secret begins, or None where the library's detector sees none."""
    if not shape.detector:
        return match.start()
    first = max(0, match.start() - shape.before)
    piece = text[first : match.end() + 2]
    detector = _detector(shape.detector)
    if not any(True for _ in detector.analyze_string(piece)):
        return None
    # analyze_string gives values, and of an expression with groups only those: not where it stands.
    starts = (found.start() for each in detector.denylist for found in each.finditer(piece))
    return first + min(starts, default=match.start() - first)


def _end(shape: _Shape, text: str, end: int) -> int:
    """Return where a secret ends: with its word, a private key with its last line."""
    if shape.detector.startswith("private_key"):
        last = _END_OF_KEY.search(text, end)
        return last.end() if last else len(text)
    rest = _REST_OF_WORD.match(text, end)
    return rest.end() if rest else end


@cache
def _detector(name: str) -> _Detector:
    """Return one of the library's detectors.

    Their `verify`, which would ask the makers of the key over the network, is never called.
    """
    module, _, kind = name.partition(".")
    made: _Detector = getattr(import_module(f"detect_secrets.plugins.{module}"), kind)()
    return made


class _Detector:
    """What is used of a detector of detect-secrets (its RegexBasedDetector)."""

    denylist: tuple[re.Pattern[str], ...]

    def analyze_string(self, string: str) -> Iterator[str]:
        """Yield the values of secrets in a string."""
        raise NotImplementedError


def _grammar(
    *rules: tuple[str, tuple[str, ...], str],
) -> tuple[tuple[str, tuple[str, ...], re.Pattern[str]], ...]:
    return tuple(
        (about, hints, re.compile(rule, re.IGNORECASE | re.MULTILINE))
        for about, hints, rule in rules
    )


_FEW = r"(?:\w+\s+){0,3}?"
_ORDERS = r"(?:instructions?|prompts?|directions?|directives?|guidelines?|orders?|programming)\b"
_USER = r"(?:the\s+)?(?:user|human|operator)\b"
_ASSISTANT = r"(?:ai|llms?|language models?|chatbots?|assistants?|claude|chatgpt|copilot)\b"
_OURS = r"(?:all|any|every|the\s+user['’]?s|user['’]s|their|stored|saved)"
_DATA = (
    r"(?:api\s+keys?|passwords?|secrets?|credentials?|tokens?|private\s+keys?|memories|"
    r"(?:chat|conversation)s?(?:\s+history)?|(?:user|personal|private)\s+data|environment\s+variables)\b"
)
_GRAMMAR = _grammar(
    (
        "words that set other instructions aside",
        ("ignore", "disregard", "forget", "override"),
        r"\b(?:ignore|disregard|forget|override)\s+"
        + _FEW
        + r"(?:previous|prior|earlier|preceding|above|your|system)\s+"
        + _FEW
        + _ORDERS
        + r"|\b(?:ignore|disregard|forget)\s+(?:everything|anything|all)\s+(?:that\s+)?"
        r"(?:above|before\s+this|you\s+(?:were|have\s+been)\s+told)\b",
    ),
    (
        "words that set other instructions aside",
        ("ignorier", "vergiss", "missachte"),
        r"\b(?:ignorier(?:e|en|t)?|vergiss|missachte)\s+"
        + _FEW
        + r"(?:vorherigen?|bisherigen?|vorigen?|obigen?|früheren?|deine)\s+(?:\w+\s+)?"
        r"(?:anweisung(?:en)?|instruktionen|befehle|vorgaben)\b",
    ),
    (
        "words that set other instructions aside",
        ("ignor", "oubli", "olvid", "dimentic", "esque"),
        r"\b(?:ignore[rz]?|oublie[rz]?|ignor[ae]n?|olvid[ae]n?|dimentica(?:te)?|esqueça)\s+"
        + _FEW
        + r"(?:instructions|consignes|directives|instrucciones|indicaciones|istruzioni|instruções)\s+"
        r"(?:précédentes|antérieures|ci-dessus|anteriores|previas|precedenti|prévias)\b",
    ),
    (
        "words that set other instructions aside",
        ("игнорир", "забудь"),
        r"\b(?:игнорируй(?:те)?|забудь(?:те)?)\s+"
        + _FEW
        + r"(?:предыдущие|прежние)\s+(?:\w+\s+)?(?:инструкции|указания)\b",
    ),
    (
        "words that set other instructions aside",
        ("忽略", "无视", "忘记", "無視", "忘れ"),
        (
            r"(?:忽略|无视|忘记)[^。\n]{0,12}(?:之前|以上|先前|前面|上述)[^。\n]{0,6}(?:指令|指示|提示)"
            r"|(?:以前|これまで|上記|前)の[^。\n]{0,6}(?:指示|命令)[^。\n]{0,8}(?:無視|忘れ)"
        ),
    ),
    (
        "words that give an AI another role",
        ("you are now", "you will now act", "du bist jetzt", "do anything now", "from now on"),
        (
            r"\byou\s+are\s+now\s+(?:(?:an?|the|in)\s+)?(?:\w+\s+){0,2}?"
            r"(?:ai|assistant|chatbot|DAN|(?:developer|debug|admin|god)\s+mode|unrestricted|jailbroken)\b"
            r"|\bfrom\s+now\s+on,?\s+you\s+(?:are|will\s+act\s+as|will\s+obey|must\s+obey)\b"
            r"|\byou\s+will\s+now\s+act\s+as\b|\bdo\s+anything\s+now\b"
            r"|\bdu\s+bist\s+jetzt\s+(?:ein|eine)\s+(?:\w+\s+){0,2}?(?:ki|assistent|chatbot)\b"
        ),
    ),
    (
        "words that ask for an AI's own instructions",
        ("system prompt", "instructions", "developer message"),
        r"\b(?:reveal|print|repeat|output|leak|display|disclose)\s+"
        + _FEW
        + r"(?:system\s+prompt|developer\s+message|(?:hidden|initial|original|your)\s+instructions)\b",
    ),
    (
        "words that ask to keep something from the person",
        ("the user", "human", "operator", " user", "nutzer", "anwender"),
        r"\b(?:do\s+not|don['’]t)\s+(?:tell|inform|notify|alert|warn)\s+"
        + _USER
        + r"(?=\s+(?:about|of|that\s+you|this|anything)\b|\s*[.,;:!]|\s*$)"
        r"|\bwithout\s+(?:telling|informing|asking|notifying|alerting)\s+"
        + _USER
        + r"|\b(?:do\s+not|don['’]t)\s+(?:mention|reveal|disclose)\s+(?:this|it|that)\s+to\s+"
        + _USER
        + r"|\b(?:sage?|erzähle?|verrate)\s+(?:es\s+|das\s+)?dem\s+(?:be)?(?:nutzer|anwender)\s+nichts?\b",
    ),
    (
        "marks of an AI's own format",
        ("<|", "[inst]", "[/inst]", "<<sys>>", "<tool_call", "<function_call", "begin system"),
        (
            r"<\|(?:im_start|im_end|system|user|assistant|endoftext|begin_of_text|start_header_id|"
            r"end_header_id|eot_id)\|>|\[/?INST\]|<</?SYS>>|</?(?:tool_calls?|function_calls?)>"
            r"|\bBEGIN\s+SYSTEM(?:\s+(?:PROMPT|MESSAGE|INSTRUCTIONS?))\b"
            r"|^\W*BEGIN\s+SYSTEM\W*$"
        ),
    ),
    (
        "words to an AI in a hidden comment",
        ("<!--",),
        r"<!--(?:(?!<!--|-->)[^>]){0,300}?\b(?:" + _ASSISTANT + r"(?:(?!<!--|-->)[^>]){0,200}?"
        r"\b(?:must|ignore|always|never|do\s+not|send|fetch|execute|call)"
        r"|(?:ignore|disregard)\s+(?:\w+\s+){0,3}?instructions)\b",
    ),
    (
        "words that address any AI that reads them",
        ("attention", "note to", "message to", "message for"),
        (
            r"\b(?:attention|note\s+to|message\s+(?:to|for))[\s:,]+(?:all\s+|any\s+|the\s+)?"
            r"(?:ai|llms?|language\s+models?)(?:\s+(?:assistants?|agents?|models?|systems?))?\b"
        ),
    ),
    (
        "words that ask to send private things away",
        ("send", "post", "forward", "upload", "exfiltrate", "email", "transmit"),
        r"\b(?:send|post|forward|upload|exfiltrate|e-?mail|transmit)\s+(?:\w+\s+){0,2}?"
        + _OURS
        + r"\s+(?:[\w'’]+\s+){0,3}?"
        + _DATA
        + r"[^\n]{0,80}?(?:https?://|\bto\s+\S{1,64}@)",
    ),
)


def _instructions(text: str) -> Iterator[Suspicion]:
    """Yield the words that would steer an AI host."""
    lower = text.casefold()
    for about, hints, rule in _GRAMMAR:
        if any(hint in lower for hint in hints):
            for match in islice(rule.finditer(text), _MOST):
                yield Suspicion(INSTRUCTION, about, match.span())
