"""Rotary frequencies, after Hugging Face transformers' modeling_rope_utils.py, in float64.

transformers 4 keeps `rope_theta` and `rope_scaling` in config.json, transformers 5 gathers both in `rope_parameters`,
where Gemma 3 has one set for each type of layer.
"""
import math


def parameters(config, layer_type):
    """The rotary parameters of a layer of this type, under the names of transformers 5."""
    rope = dict(config.get("rope_parameters") or config.get("rope_scaling") or {})
    if layer_type in rope:
        rope = dict(rope[layer_type])
    elif config["model_type"] == "gemma3_text" and layer_type == "sliding_attention":
        rope = {"rope_theta": config.get("rope_local_base_freq", 10000.0)}
    rope.setdefault("rope_type", rope.get("type", "default"))
    rope.setdefault("rope_theta", config.get("rope_theta", config.get("rotary_emb_base", DEFAULT_THETA(config))))
    rope.setdefault("partial_rotary_factor", config.get("partial_rotary_factor", config.get("rotary_pct", 1.0)))
    if "original_max_position_embeddings" in config:
        rope["original_max_position_embeddings"] = config["original_max_position_embeddings"]
    rope.setdefault("original_max_position_embeddings", config["max_position_embeddings"])
    return rope


def DEFAULT_THETA(config):
    return {"gemma3_text": 1e6, "mixtral": 1e6, "smollm3": 2e6}.get(config["model_type"], 10000.0)


def plain(rope, width):
    return [rope["rope_theta"] ** (-i / width) for i in range(0, width, 2)]


def default(config, rope, width, length):
    return plain(rope, width), 1.0


def linear(config, rope, width, length):
    return [f / rope["factor"] for f in plain(rope, width)], 1.0


def llama3(config, rope, width, length):
    original, low, high = rope["original_max_position_embeddings"], rope["low_freq_factor"], rope["high_freq_factor"]
    result = []
    for f in plain(rope, width):
        wavelength = 2 * math.pi / f
        if wavelength < original / high:
            result.append(f)
        elif wavelength > original / low:
            result.append(f / rope["factor"])
        else:
            smooth = (original / wavelength - low) / (high - low)
            result.append((1 - smooth) * f / rope["factor"] + smooth * f)
    return result, 1.0


def yarn(config, rope, width, length):
    factor, original, theta = rope["factor"], rope["original_max_position_embeddings"], rope["rope_theta"]

    def magnitude(weight):
        return 1.0 if factor <= 1 else 0.1 * weight * math.log(factor) + 1.0

    attention = rope.get("attention_factor")
    if attention is None and rope.get("mscale") and rope.get("mscale_all_dim"):
        attention = magnitude(rope["mscale"]) / magnitude(rope["mscale_all_dim"])
    elif attention is None:
        attention = magnitude(1)

    def dimension(rotations):
        return width * math.log(original / (rotations * 2 * math.pi)) / (2 * math.log(theta))

    low, high = dimension(rope.get("beta_fast") or 32), dimension(rope.get("beta_slow") or 1)
    if rope.get("truncate", True):
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, width - 1)
    if low == high:
        high += 0.001
    result = []
    for i, f in enumerate(plain(rope, width)):
        stays = 1 - min(max((i - low) / (high - low), 0.0), 1.0)
        result.append(f / factor * (1 - stays) + f * stays)
    return result, attention


def longrope(config, rope, width, length):
    original = rope["original_max_position_embeddings"]
    factor = rope.get("factor") or config["max_position_embeddings"] / original
    attention = rope.get("attention_factor")
    if attention is None:
        attention = 1.0 if factor <= 1 else math.sqrt(1 + math.log(factor) / math.log(original))
    factors = rope["long_factor"] if length > original else rope["short_factor"]
    return [f / x for f, x in zip(plain(rope, width), factors)], attention


KINDS = {"default": default, "linear": linear, "llama3": llama3, "yarn": yarn, "longrope": longrope, "su": longrope}


def table(config, layer_type, head_width, length):
    """(cos, sin) by position, each [width]; width is how much of a head is turned."""
    rope = parameters(config, layer_type)
    width = int(head_width * rope["partial_rotary_factor"])
    frequencies, scale = KINDS[rope["rope_type"]](config, rope, width, length)
    angles = [[p * f for f in frequencies] * 2 for p in range(length)]
    cos = [[math.cos(a) * scale for a in row] for row in angles]
    sin = [[math.sin(a) * scale for a in row] for row in angles]
    return cos, sin


def turned(x, cos, sin):
    """One head's values at one position: its first values are turned, in halves; the rest pass."""
    width, half = len(cos), len(cos) // 2
    rotated = [-v for v in x[half:width]] + x[:half]
    return [x[i] * cos[i] + rotated[i] * sin[i] for i in range(width)] + x[width:]
