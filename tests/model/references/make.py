"""Writes the reference models beside this file:

    python3 tests/model/references/make.py [NAME...]

Each is a folder NAME/ with hf/ (config.json and model.safetensors as transformers' save_pretrained writes them), the
expected values of forward.py under the names that the fixtures use, and GGUF files as llama.cpp's converter would make
them of hf/. Weights are multiples of 1/256 drawn by counter, so the files come out the same everywhere.
"""
import json
import pathlib
import sys

import convert
import files
import forward
from cases import CASES

LENGTHS = (1, 9, 27)


def text_of(config):
    return config.get("text_config", config)


def mlp_shapes(config, at):
    d, ff = config["hidden_size"], config["intermediate_size"]
    family = config["model_type"]
    if family == "gpt_neox":
        return {at + "mlp.dense_h_to_4h.weight": [ff, d], at + "mlp.dense_4h_to_h.weight": [d, ff],
                at + "mlp.dense_h_to_4h.bias": [ff], at + "mlp.dense_4h_to_h.bias": [d]}
    if family == "mixtral":
        moe, experts = at + "block_sparse_moe.", config["num_local_experts"]
        shapes = {moe + "gate.weight": [experts, d]}
        for e in range(experts):
            shapes.update({f"{moe}experts.{e}.w1.weight": [ff, d], f"{moe}experts.{e}.w2.weight": [d, ff],
                           f"{moe}experts.{e}.w3.weight": [ff, d]})
        return shapes
    if family == "phi3":
        return {at + "mlp.gate_up_proj.weight": [2 * ff, d], at + "mlp.down_proj.weight": [d, ff]}
    shapes = {at + "mlp.gate_proj.weight": [ff, d], at + "mlp.up_proj.weight": [ff, d],
              at + "mlp.down_proj.weight": [d, ff]}
    if config.get("mlp_bias"):
        shapes.update({name.replace(".weight", ".bias"): shape[:1] for name, shape in list(shapes.items())})
    return shapes


def attention_shapes(config, at):
    d, heads = config["hidden_size"], config["num_attention_heads"]
    width = config.get("head_dim") or d // heads
    q, kv = heads * width, (config.get("num_key_value_heads") or heads) * width
    family = config["model_type"]
    if family == "gpt_neox":
        shapes = {at + "attention.query_key_value.weight": [3 * d, d], at + "attention.dense.weight": [d, d]}
        biased = list(shapes) if config["attention_bias"] else []
    elif family == "phi3":
        shapes, biased = {at + "self_attn.qkv_proj.weight": [q + 2 * kv, d], at + "self_attn.o_proj.weight": [d, q]}, []
    else:
        shapes = {at + f"self_attn.{name}_proj.weight": shape
                  for name, shape in (("q", [q, d]), ("k", [kv, d]), ("v", [kv, d]), ("o", [d, q]))}
        biased = list(shapes) if config.get("attention_bias") else list(shapes)[:3] if family == "qwen2" else []
    shapes.update({name.replace(".weight", ".bias"): shapes[name][:1] for name in biased})
    if family in ("qwen3", "gemma3_text"):
        shapes.update({at + "self_attn.q_norm.weight": [width], at + "self_attn.k_norm.weight": [width]})
    if family == "olmo2":
        shapes.update({at + "self_attn.q_norm.weight": [q], at + "self_attn.k_norm.weight": [kv]})
    return shapes


NORMS = {
    "gemma3_text": ("input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm",
                    "post_feedforward_layernorm"),
    "olmo2": ("post_attention_layernorm", "post_feedforward_layernorm"),
}


def shapes_of(config):
    """transformers' names and shapes of a text model's tensors."""
    d, vocab, family = config["hidden_size"], config["vocab_size"], config["model_type"]
    neox = family == "gpt_neox"
    base = "gpt_neox." if neox else "model."
    shapes = {base + ("embed_in" if neox else "embed_tokens") + ".weight": [vocab, d]}
    endings = (".weight", ".bias") if neox else (".weight",)
    for layer in range(config["num_hidden_layers"]):
        at = f"{base}layers.{layer}."
        for norm in NORMS.get(family, ("input_layernorm", "post_attention_layernorm")):
            shapes.update({at + norm + ending: [d] for ending in endings})
        shapes.update({**attention_shapes(config, at), **mlp_shapes(config, at)})
    shapes.update({base + ("final_layer_norm" if neox else "norm") + ending: [d] for ending in endings})
    standard = family in ("gemma3_text", "smollm3")
    if not config.get("tie_word_embeddings", standard):
        shapes["embed_out.weight" if neox else "lm_head.weight"] = [vocab, d]
    return shapes


def drawn(name, shape, noise, family):
    """Weights wide enough that attention is sharp and the stream grows."""
    count = 1
    for n in shape:
        count *= n
    if "norm" in name and name.endswith(".weight"):
        return noise.values(count, 0.25, 0.0 if family == "gemma3_text" else 1.0)
    if "embed" in name:
        return noise.values(count, 0.25 if family == "gemma3_text" else 0.8)
    return noise.values(count, 0.25)


def random_tensors(config, seed):
    text, noise = text_of(config), files.Noise(seed)
    tensors = {name: (shape, drawn(name, shape, noise, text["model_type"])) for name, shape in shapes_of(text).items()}
    if config is text:
        return tensors
    tensors = {"language_model." + name: tensor for name, tensor in tensors.items()}
    tensors["multi_modal_projector.mm_soft_emb_norm.weight"] = ([8], noise.values(8, 0.25))
    return tensors


def expected_of(config, tensors, prompts):
    expected = {}
    for p, ids in enumerate(prompts):
        expected[f"p{p}.tokens"] = ([len(ids)], ids)
        for key, rows in forward.run(config, tensors, ids).items():
            # As in the fixtures: the stream of the longest prompt, the modules' outputs of the middle one.
            if key == "logits" or p == (1 if key.startswith(("attn_out", "mlp_out")) else len(prompts) - 1):
                expected[f"p{p}.{key}"] = ([len(rows), len(rows[0])], [x for row in rows for x in row])
    return expected


def felt(config, tensors, spoil, ids, logits):
    other = forward.run({**config, **spoil}, tensors, ids)["logits"]
    return max(abs(a - b) for x, y in zip(logits, other) for a, b in zip(x, y))


def write_case(root, name, case, seed):
    config = case["config"]
    vocab = text_of(config)["vocab_size"]
    tensors, folder = random_tensors(config, seed), root / name
    (folder / "hf").mkdir(parents=True, exist_ok=True)
    (folder / "hf/config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    files.write_safetensors(folder / "hf/model.safetensors", tensors)
    noise = files.Noise(seed + 1000)
    prompts = [noise.ids(length, vocab) for length in LENGTHS]
    expected = expected_of(config, dict(tensors), prompts)
    files.write_safetensors(folder / "expected.safetensors", expected)
    for gguf in case.get("gguf", []):
        stored = convert.tensors_of(config, tensors, gguf == "experts.gguf")
        files.write_gguf(folder / gguf, convert.metadata_of(config, name), stored)
    longest = len(prompts) - 1
    values = expected[f"p{longest}.logits"][1]
    logits = [values[i : i + vocab] for i in range(0, len(values), vocab)]
    print(name, f"largest logit {max(map(abs, values)):.1f}", flush=True)
    for spoil in case.get("spoils", []):
        change = felt(config, dict(tensors), spoil, prompts[longest], logits)
        print(f"  {spoil}: logits change by {change:.2g}", flush=True)
        if change < 0.001:  # five times the bound that the tests allow
            sys.exit(f"{name} does not feel {spoil}; make it sharper")


def main(names):
    root = pathlib.Path(__file__).parent
    for seed, (name, case) in enumerate(CASES.items()):
        if not names or name in names:
            write_case(root, name, case, seed)


if __name__ == "__main__":
    main(sys.argv[1:])
