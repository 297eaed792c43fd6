#!/usr/bin/env python3
"""Writes the seed corpora of the fuzzers: a few small files that reach every branch of each reader."""
import io
import json
import pathlib
import struct
import zipfile

HERE = pathlib.Path(__file__).parent / "corpus"


def text(s):
    b = s.encode()
    return struct.pack("<Q", len(b)) + b


def value(kind, form, v):
    return struct.pack("<I" + form, kind, v)


def gguf(keys, tensors, data=b"", version=3, align=32):
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(keys))
    head += b"".join(text(k) + v for k, v in keys)
    for name, shape, kind, offset in tensors:
        head += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)
    return head + bytes(-len(head) % align) + data


def array(kind, form, vs):
    return struct.pack(f"<IIQ{len(vs)}{form}", 9, kind, len(vs), *vs)


def texts(vs):
    return struct.pack("<IIQ", 9, 8, len(vs)) + b"".join(map(text, vs))


def safetensors(header, data=b"", pad=b""):
    h = (header if isinstance(header, bytes) else json.dumps(header).encode()) + pad
    return struct.pack("<Q", len(h)) + h + data


def put(folder, name, content):
    path = HERE / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


numbers = [(0, "B", 200), (1, "b", -3), (2, "H", 60000), (3, "h", -9), (4, "I", 7), (5, "i", -7), (6, "f", 0.5),
           (10, "Q", 2**63), (11, "q", -1), (12, "d", 1e300)]
put("gguf", "scalars", gguf([(f"k.{k}", value(k, f, v)) for k, f, v in numbers] + [("flag", value(7, "B", 1)),
    ("name", struct.pack("<I", 8) + text("a model"))], []))
put("gguf", "arrays", gguf([(f"a.{k}", array(k, f, [v, v])) for k, f, v in numbers if k != 10]
    + [("tokens", texts(["a", "", "bc"])), ("flags", array(7, "B", [0, 1])), ("none", texts([]))], []))
put("gguf", "tensors", gguf([], [("f32", (4, 2), 0, 0), ("f16", (8,), 1, 32), ("q8", (32, 1), 8, 64)], bytes(64) + bytes(34)))
put("gguf", "blocks", gguf([], [("q4_0", (32,), 2, 0), ("q4_k", (256, 2), 12, 32), ("q6_k", (256,), 14, 320)], bytes(320 + 210)))
put("gguf", "unsupported", gguf([], [("q2", (256,), 10, 0), ("new", (2,), 99, 160), ("s", (), 24, 192)], bytes(193)))
put("gguf", "aligned64", gguf([("general.alignment", value(4, "I", 64))], [("x", (1, 1, 1, 2), 28, 64)], bytes(80), 2, 64))
one = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}
put("safetensors", "one", safetensors({"x": one}, bytes(16)))
put("safetensors", "metadata", safetensors({"__metadata__": {"format": "pt", "é": "\n"}, "x": one}, bytes(16), b"   "))
put("safetensors", "many", safetensors({"b": {"dtype": "BOOL", "shape": [], "data_offsets": [8, 9]},
    "e": {"dtype": "F16", "shape": [0, 3], "data_offsets": [8, 8]}, "a": {"dtype": "I64", "shape": [1], "data_offsets": [0, 8]}},
    bytes(9)))
put("safetensors", "unsupported", safetensors({"q": {"dtype": "F8_E4M3", "shape": [3], "data_offsets": [0, 3]}}, bytes(3)))
put("safetensors", "empty", safetensors({}))
put("records", "jsonl", b'{"q": "a", "n": [1, 2.5, null]}\n\n{"q": "\\u00e9\xc3\xa9", "d": {"x": true}}\n')
put("records", "array", b'\xef\xbb\xbf[\n {"a": "]}\\"",\n "b": -1e3},\n {}\n]\n')
put("records", "csv", b'id,text\r\n1,"a ""b"", c\nd"\r\n\r\n2,\r\n')
put("records", "tsv", b"id\ttext, more\n1\ta\n")
put("records", "parquet", b"PAR1\x15\x04")

calls = {
    "completion": {"model": "m", "prompt": ["a", [1, 2]], "max_tokens": 5, "n": 2, "best_of": 3, "temperature": 0.5, "top_p": 0.9,
                   "stop": ["\n", "b"], "seed": 7, "logit_bias": {"5": -100, "6": 1.5}, "logprobs": 3, "echo": True},
    "tokens": {"prompt": [[1, 2, 3], [4]], "max_tokens": 0, "logprobs": 1, "echo": True, "stream": False},
    "chat": {"messages": [{"role": "developer", "content": "be brief"},
                          {"role": "user", "content": [{"type": "text", "text": "hi"}]}, {"role": "assistant", "content": None}],
             "stream": True, "stream_options": {"include_usage": True}, "logprobs": True, "top_logprobs": 5, "presence_penalty": 1,
             "frequency_penalty": -1, "top_k": -1, "response_format": {"type": "text"}, "tools": []},
    "ken": {"prompt": "a", "ken": {"controls": ["cad:alpha=1", {"name": "vector", "strength": 2}], "confidence": "margin", "capture": "*",
            "context": ["one", "two"], "instruction": "use it", "abstain_under": 0.5, "source": True, "steering": {"path": "x"}}},
    "embedding": {"input": "a", "encoding_format": "base64"},
    "wrong": {"prompt": [], "messages": [{"role": "tool", "content": 5}], "n": 1e300, "ken": {"x": 1}},
}
for name, call in calls.items():
    put("api_call", name, json.dumps(call).encode())

templates = {
    "chat": "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' and loop.first %}{{ m['content'] | trim }}"
            "{% elif m.content is none %}{{ m.tool_calls | tojson }}{% else %}{{ m.content }}{% endif %}\n{%- endfor %}"
            "{% if add_generation_prompt %}<|a|>{% endif %}",
    "blocks": "{% set ns = namespace(x=[], y='') %}{% for i in l if i > 1 %}{% set ns.x = ns.x + [i] %}{{ loop.cycle('a', 'b') }}"
              "{% if i == 2 %}{% break %}{% endif %}{% continue %}{% else %}none{% endfor %}{{ ns.x }}"
              "{% set b | upper %}x{{ n }}{% endset %}{% filter indent(2) %}{{ b }}{% endfilter %}"
              "{% with a = 1, c = n %}{{ a ~ c }}{% endwith %}{% generation %}g{% endgeneration %}",
    "macros": "{% macro g(a, b=2, c=a) -%} {{ a }}{{ b }}{{ caller() }}{{ varargs }}"
              "{{ kwargs }} {%- endmacro %}{% call(x) g(1, 2, 3, 4, z=5) %}{{ x }}{% endcall %}",
    "recursive": "{% for i in [1, [2, [3]]] recursive %}{% if i is iterable %}({{ loop(i) }}){% else %}{{ i }}{{ loop.depth }}"
                 "{{ loop.changed(i) }}{{ loop.previtem }}{% endif %}{% endfor %}{% macro m(n) %}{{ m(n - 1) if n }}{% endmacro %}{{ m(3) }}",
    "values": "{{ 1 + 2 * 3 ** 2 // 4 % 5 - -6 / 7 }}{{ 1 < 2 <= 3 != 4 and not 5 in [6] or 7 not in (8,) }}{{ {'a': [1.5e3, none], 2: true} }}"
              "{{ s[1:-1:2] ~ s[::-1] }}{{ d.b if d is mapping else d['a'] }}{{ '%5.2f|%-4s|%x' % (f, s, n) }}{{ '{} {x}'.format(1, x=2) }}",
    "methods": "{{ s.strip('H').split('o', 1) }}{{ s.upper().lower().title().replace('l', 'L', 1) }}{{ s.startswith(('H', 'x')) }}"
               "{{ s.find('o', 5) }}{{ 'a,b'.rpartition(',') }}{{ ' a b'.rsplit(none, 1) }}{{ d.items()|list }}{{ d.get('z', 1) }}",
    "filters": "{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | join(', ') | e }}{{ l | sort(reverse=true) | batch(2, 0) | list }}"
               "{{ d | dictsort | tojson(indent=2) }}{{ messages | groupby('role') }}{{ f | round(1, 'ceil') }}{{ s | truncate(8) | center(20) }}",
    "spaces": "a\r\n  {%- if true -%}  b {%+ endif +%}\n\t{# c -#}  {% raw -%} {{ x }} {%- endraw %}\n{{- '\\u00e9\\n' 'x' -}}\n",
    "clock": "{{ strftime_now('%d %b %Y %-d %f %Z') }}{% if not tools %}{{ raise_exception('none') }}{% endif %}",
}
for name, source in templates.items():
    put("template", name, source.encode())

byte_level = {"added_tokens": [{"id": 5, "content": "<s>", "special": True}], "normalizer": {"type": "NFC"},
              "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
                  {"type": "Split", "pattern": {"Regex": "\\p{L}+|\\s"}, "behavior": "Isolated", "invert": False},
                  {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}]},
              "decoder": {"type": "ByteLevel"},
              "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}]},
              "model": {"type": "BPE", "ignore_merges": True, "vocab": {"H": 0, "e": 1, "He": 2, "\u0120": 3, "l": 4}, "merges": ["H e", ["l", "l"]]}}
pieces = {"added_tokens": [{"id": 0, "content": "<unk>", "special": True}],
          "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "\u2581"},
                                                               {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]},
          "pre_tokenizer": None, "decoder": {"type": "Sequence", "decoders": [{"type": "ByteFallback"}]},
          "model": {"type": "BPE", "unk_token": "<unk>", "byte_fallback": True,
                    "vocab": {"<unk>": 0, "<0x41>": 1, "\u2581": 2, "H": 3, "\u2581H": 4, "o": 7}, "merges": ["\u2581 H"]}}
gemma = {"added_tokens": [{"id": 0, "content": "<unk>", "special": True}, {"id": 5, "content": "\u2581\u2581", "lstrip": True}],
         "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"},
         "pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False},
         "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True,
                   "vocab": {"<unk>": 0, "\u2581": 1, "H": 2, "e": 3, "He": 4, "\u2581\u2581": 5}, "merges": [["\u2581", "\u2581"], ["H", "e"]]}}
neox = {"added_tokens": [{"id": 3, "content": "  ", "normalized": True}, {"id": 4, "content": "b", "single_word": True, "rstrip": True}],
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Lowercase"}]},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Punctuation", "behavior": "Contiguous"},
            {"type": "ByteLevel", "add_prefix_space": True}, {"type": "Digits", "individual_digits": True}]},
        "model": {"vocab": {"h": 0, "\u0120": 1, "\u0120h": 2}, "merges": ["\u0120 h"]}}
unigram = {"added_tokens": [{"id": 0, "content": "<unk>", "special": True}, {"id": 6, "content": "<s>", "special": True, "lstrip": True}],
           "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Strip", "strip_left": True, "strip_right": False},
               {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}, {"type": "Nmt"}]},
           "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"},
               {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": True}]},
           "model": {"type": "Unigram", "unk_id": 0, "byte_fallback": False,
                     "vocab": [["<unk>", 0.0], ["\u2581", -2.0], ["a", -3.0], ["ab", -3.5], ["\u2581ab", -4], ["l", -1.5]]}}
rules = unigram | {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "BAAAAAAAAAAAYQA="}, "pre_tokenizer": {"type": "Metaspace"}}
wordpiece = {"added_tokens": [{"id": 0, "content": "[UNK]", "special": True}], "normalizer": {"type": "BertNormalizer", "lowercase": True},
             "pre_tokenizer": {"type": "BertPreTokenizer"}, "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
             "post_processor": {"type": "BertProcessing", "sep": ["[UNK]", 0], "cls": ["[UNK]", 0]},
             "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 5,
                       "vocab": {"[UNK]": 0, "un": 1, "##aff": 2, "e": 3, "##e": 4, ",": 5, "\u65e5": 6}}}
shapes = {"byte_level": byte_level, "pieces": pieces, "gemma": gemma, "neox": neox, "unigram": unigram, "rules": rules,
          "wordpiece": wordpiece}
for name, value in shapes.items():
    put("tokenizer_json", name, json.dumps(value).encode())


def varint(n):
    head = b""
    while n >= 128:
        head, n = head + bytes([n & 127 | 128]), n >> 7
    return head + bytes([n])


def field(number, v):
    if isinstance(v, float):
        return varint(number << 3 | 5) + struct.pack("<f", v)
    if isinstance(v, int):
        return varint(number << 3) + varint(v)
    v = v.encode() if isinstance(v, str) else v
    return varint(number << 3 | 2) + varint(len(v)) + v


def sentencepiece(kind, normalizer, more=()):
    vocabulary = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("\u2581", -2.0, 1), ("a", -3.0, 1), ("b", -3.5, 1), ("ab", -4.0, 1),
                  ("\u2581H", -5.0, 1), ("[X]", 0.0, 4), ("unused", -1.0, 5), *more]
    model = b"".join(field(1, field(1, p) + field(2, s) + field(3, t)) for p, s, t in vocabulary)
    return model + field(2, field(3, kind) + field(40, 0)) + field(3, normalizer)


put("sentencepiece", "unigram", sentencepiece(1, b""))
put("sentencepiece", "unigram_suffix", sentencepiece(1, field(3, 1) + field(4, 0)) + field(2, field(24, 1)))
put("sentencepiece", "bpe", sentencepiece(2, field(3, 0) + field(5, 0)))
put("sentencepiece", "bpe_bytes", sentencepiece(2, field(4, 0), [(f"<0x{b:02X}>", 0.0, 6) for b in range(256)]))
# One rule, "a" -> "b": a double array of 128 units whose root leads to "a" (97) and that to its value.
units = [0] * 128
units[0] = 1 << 10
units[1 ^ 97] = 97 | 1 << 8 | (96 ^ 2) << 10
units[2] = 1 << 31
rule = struct.pack("<I128I", 512, *units) + b"b\0"
put("sentencepiece", "rules", sentencepiece(1, field(2, rule)))


def npz(arrays, method, zip64=False):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", method) as z:
        for name, descr, shape, data in arrays:
            head = (f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}").ljust(117) + "\n"
            with z.open(zipfile.ZipInfo(name + ".npy"), "w", force_zip64=zip64) as member:
                member.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + data)
    return archive.getvalue()


three = [("W_enc", "<f4", "(2, 3)", bytes(24)), ("b", "<f8", "(1,)", bytes(8)), ("s", "<i8", "()", bytes(8))]
put("npz", "stored", npz(three, zipfile.ZIP_STORED))
put("npz", "zip64", npz(three[:1], zipfile.ZIP_STORED, True))
put("npz", "deflated", npz([("h", "<f2", "(4, 0)", b""), ("f", "|b1", "(2, 2)", bytes(4))], zipfile.ZIP_DEFLATED))
put("npz", "empty", npz([], zipfile.ZIP_STORED))
