"""A Hugging Face folder's tensors as GGUF, laid out as llama.cpp's converter does it (conversion/*.py): its keys, its
names of tensors, and its order of rows. Written from there, not from ken's own writer, so that the reader has another
judge.
"""
import math

# Hugging Face's name in a block -> GGUF's, where families agree.
USUAL = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "block_sparse_moe.gate": "ffn_gate_inp",
}
POST_NORMS = {"post_attention_layernorm": "post_attention_norm", "post_feedforward_layernorm": "post_ffw_norm"}
BLOCKS = {
    "llama": USUAL,
    "mistral": USUAL,
    "mixtral": USUAL,
    "qwen2": USUAL,
    "qwen3": USUAL,
    "smollm3": USUAL,
    "phi3": {**USUAL, "self_attn.qkv_proj": "attn_qkv", "mlp.gate_up_proj": "ffn_up"},
    "olmo2": {**USUAL, **POST_NORMS},
    "gemma3_text": {**USUAL, **POST_NORMS, "pre_feedforward_layernorm": "ffn_norm"},
    "gpt_neox": {
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
        "attention.query_key_value": "attn_qkv",
        "attention.dense": "attn_output",
        "mlp.dense_h_to_4h": "ffn_up",
        "mlp.dense_4h_to_h": "ffn_down",
    },
}
OUTSIDE = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "gpt_neox.embed_in": "token_embd",
    "gpt_neox.final_layer_norm": "output_norm",
    "embed_out": "output",
}
ARCHITECTURES = {"mistral": "llama", "mixtral": "llama", "gpt_neox": "gptneox", "gemma3_text": "gemma3"}
INTERLEAVED = {"llama", "mistral", "mixtral", "smollm3"}  # q and k rows are put in the order (2i, 2i + 1)


def reordered(values, order, rows):
    width = len(values) // rows
    return [x for r in order for x in values[r * width : (r + 1) * width]]


def interleaved_order(heads, rows):
    """Rows of each head from (i, i + half) to (2i, 2i + 1)."""
    width = rows // heads
    half = width // 2
    return [h * width + part * half + i for h in range(heads) for i in range(half) for part in (0, 1)]


def joined_order(heads, rows):
    """GPT-NeoX: q, k, v of each head together -> all q, then all k, then all v."""
    width = rows // heads // 3
    return [h * 3 * width + part * width + i for part in range(3) for h in range(heads) for i in range(width)]


def gguf_name(family, name):
    stem, ending = name.rsplit(".", 1)
    if stem in OUTSIDE:
        return f"{OUTSIDE[stem]}.{ending}"
    parts = stem.split(".")
    layer = parts[2]
    return f"blk.{layer}.{BLOCKS[family]['.'.join(parts[3:])]}.{ending}"


def tensors_of(config, tensors, expert_tensors=False):
    """expert_tensors: one tensor for each expert, as converters wrote them until early 2024."""
    family, heads = config["model_type"], config["num_attention_heads"]
    kv_heads = config.get("num_key_value_heads") or heads
    out, experts = {}, {}
    for name, (shape, values) in tensors.items():
        if ".experts." in name:
            _, _, layer, _, _, expert, part, _ = name.split(".")
            kind = {"w1": "gate", "w2": "down", "w3": "up"}[part]
            experts.setdefault((int(layer), kind), {})[int(expert)] = (shape, values)
            continue
        if family in INTERLEAVED and (".q_proj." in name or ".k_proj." in name):
            n = heads if ".q_proj." in name else kv_heads
            values = reordered(values, interleaved_order(n, shape[0]), shape[0])
        if "query_key_value" in name:
            values = reordered(values, joined_order(heads, shape[0]), shape[0])
        if family == "gemma3_text" and name.endswith("norm.weight"):
            values = [1 + x for x in values]
        out[gguf_name(family, name)] = (shape, values)
    for (layer, kind), parts in experts.items():
        if expert_tensors:
            out.update({f"blk.{layer}.ffn_{kind}.{e}.weight": tensor for e, tensor in sorted(parts.items())})
        else:
            shape, stacked = parts[0][0], [x for e in sorted(parts) for x in parts[e][1]]
            out[f"blk.{layer}.ffn_{kind}_exps.weight"] = ([len(parts), *shape], stacked)
    out.update(factor_tensors(config))
    return out


def rope_of(config):
    rope = dict(config.get("rope_parameters") or config.get("rope_scaling") or {})
    rope = rope.get("full_attention", rope)
    rope.setdefault("rope_type", rope.get("type"))
    rope.setdefault("rope_theta", config.get("rope_theta", config.get("rotary_emb_base")))
    return rope


def llama3_factors(config, rope):
    width = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    original = rope["original_max_position_embeddings"]
    factors = []
    for i in range(0, width, 2):
        wavelength = 2 * math.pi * rope["rope_theta"] ** (i / width)
        if wavelength < original / rope["high_freq_factor"]:
            factors.append(1.0)
        elif wavelength > original / rope["low_freq_factor"]:
            factors.append(rope["factor"])
        else:
            span = rope["high_freq_factor"] - rope["low_freq_factor"]
            smooth = (original / wavelength - rope["low_freq_factor"]) / span
            factors.append(1 / ((1 - smooth) / rope["factor"] + smooth))
    return factors


def factor_tensors(config):
    rope = rope_of(config)
    if rope["rope_type"] == "llama3":
        factors = llama3_factors(config, rope)
        return {"rope_freqs.weight": ([len(factors)], factors)}
    if config["model_type"] == "phi3" and rope.get("long_factor"):
        long, short = ([float(x) for x in rope[key]] for key in ("long_factor", "short_factor"))
        return {"rope_factors_long.weight": ([len(long)], long), "rope_factors_short.weight": ([len(short)], short)}
    return {}


def usual_keys(config, rope):
    """What most converters write."""
    keys = {
        "block_count": ("u32", config["num_hidden_layers"]),
        "context_length": ("u32", config["max_position_embeddings"]),
        "embedding_length": ("u32", config["hidden_size"]),
        "feed_forward_length": ("u32", config["intermediate_size"]),
        "attention.head_count": ("u32", config["num_attention_heads"]),
    }
    if config.get("num_key_value_heads"):
        keys["attention.head_count_kv"] = ("u32", config["num_key_value_heads"])
    if rope["rope_type"] in ("linear", "yarn"):
        keys["rope.scaling.type"] = ("text", rope["rope_type"])
        keys["rope.scaling.factor"] = ("f32", rope["factor"])
    if rope["rope_type"] == "yarn":
        keys["rope.scaling.original_context_length"] = ("u32", rope["original_max_position_embeddings"])
        for own, key in (("attention_factor", "attn_factor"), ("beta_fast", "beta_fast"), ("beta_slow", "beta_slow")):
            if rope.get(own) is not None:
                keys[f"rope.scaling.yarn_{key}"] = ("f32", rope[own])
    keys["rope.freq_base"] = ("f32", rope["rope_theta"])
    local = (config.get("rope_parameters") or {}).get("sliding_attention", {}).get("rope_theta")
    local = local or config.get("rope_local_base_freq")
    if local:
        keys["rope.freq_base_swa"] = ("f32", local)
    keys["attention.layer_norm_rms_epsilon"] = ("f32", config["rms_norm_eps"])
    if config.get("num_local_experts"):
        keys["expert_count"] = ("u32", config["num_local_experts"])
        keys["expert_used_count"] = ("u32", config["num_experts_per_tok"])
    if config.get("head_dim"):
        keys["attention.key_length"] = keys["attention.value_length"] = ("u32", config["head_dim"])
    return keys


def llama_keys(config, rope):
    width = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    more = {"vocab_size": ("u32", config["vocab_size"]), "rope.dimension_count": ("u32", width)}
    return {**usual_keys(config, rope), **more}


def gemma3_keys(config, rope):
    keys = usual_keys(config, rope)
    if config.get("final_logit_softcapping"):
        keys["final_logit_softcapping"] = ("f32", config["final_logit_softcapping"])
    if config.get("sliding_window_pattern") != 1:
        keys["attention.sliding_window"] = ("u32", config["sliding_window"])
    return keys


def gptneox_keys(config, rope):
    share = config.get("rotary_pct", rope.get("partial_rotary_factor"))
    return {
        "context_length": ("u32", config["max_position_embeddings"]),
        "embedding_length": ("u32", config["hidden_size"]),
        "block_count": ("u32", config["num_hidden_layers"]),
        "feed_forward_length": ("u32", config["intermediate_size"]),
        "rope.dimension_count": ("u32", int(share * (config["hidden_size"] // config["num_attention_heads"]))),
        "attention.head_count": ("u32", config["num_attention_heads"]),
        "use_parallel_residual": ("bool", config.get("use_parallel_residual", True)),
        "attention.layer_norm_epsilon": ("f32", config["layer_norm_eps"]),
    }


def phi3_keys(config, rope):
    original = config["original_max_position_embeddings"]
    share = config.get("partial_rotary_factor", rope.get("partial_rotary_factor", 1.0))
    keys = {
        "context_length": ("u32", config["max_position_embeddings"]),
        "rope.scaling.original_context_length": ("u32", original),
        "embedding_length": ("u32", config["hidden_size"]),
        "feed_forward_length": ("u32", config["intermediate_size"]),
        "block_count": ("u32", config["num_hidden_layers"]),
        "attention.head_count": ("u32", config["num_attention_heads"]),
        "attention.head_count_kv": ("u32", config["num_key_value_heads"]),
        "attention.layer_norm_rms_epsilon": ("f32", config["rms_norm_eps"]),
        "rope.dimension_count": ("u32", int(share * config["hidden_size"]) // config["num_attention_heads"]),
        "rope.freq_base": ("f32", rope["rope_theta"]),
        "attention.sliding_window": ("u32", config.get("sliding_window") or 0),
    }
    if rope.get("long_factor"):
        scale = config["max_position_embeddings"] / original
        factor = math.sqrt(1 + math.log(scale) / math.log(original)) if scale > 1 else 1.0
        keys["rope.scaling.attn_factor"] = ("f32", factor)
    return keys


KEYS = {
    "llama": llama_keys,
    "mistral": llama_keys,
    "mixtral": llama_keys,
    "smollm3": llama_keys,
    "gemma3_text": gemma3_keys,
    "gpt_neox": gptneox_keys,
    "phi3": phi3_keys,
}


def metadata_of(config, name):
    family = config["model_type"]
    architecture = ARCHITECTURES.get(family, family)
    metadata = {"general.architecture": ("text", architecture), "general.name": ("text", name)}
    metadata["general.file_type"] = ("u32", 1)  # mostly F16
    own = KEYS.get(family, usual_keys)(config, rope_of(config))
    return {**metadata, **{f"{architecture}.{key}": value for key, value in own.items()}}
