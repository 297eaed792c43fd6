"""Forward passes of the families that ken opens, in float64 and plain Python, after Hugging Face transformers' models
(modeling_*.py, attn_implementation="eager", no cache). They know nothing of ken; they are what it is judged by.

run(config, tensors, ids) gives {"logits", "resid.0", ..., "attn_out.i", "mlp_out.i", "final_norm"}, each a list of rows.
`config` is config.json as a dict, `tensors` are the folder's by name.
"""
import math
from operator import mul

import rope

ACTIVATIONS = {
    "silu": lambda x: x / (1 + math.exp(-x)) if x > -700 else 0.0,
    "gelu": lambda x: 0.5 * x * (1 + math.erf(x / math.sqrt(2))),
    "gelu_new": lambda x: 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
}
ACTIVATIONS["gelu_pytorch_tanh"] = ACTIVATIONS["gelu_fast"] = ACTIVATIONS["gelu_new"]


def plus(a, b):
    return [[x + y for x, y in zip(p, q)] for p, q in zip(a, b)]


def rms_norm(row, weight, eps, shift=0.0):
    scale = 1 / math.sqrt(sum(x * x for x in row) / len(row) + eps)
    return [x * scale * (w + shift) for x, w in zip(row, weight)]


def layer_norm(row, weight, bias, eps):
    mean = sum(row) / len(row)
    scale = 1 / math.sqrt(sum((x - mean) ** 2 for x in row) / len(row) + eps)
    return [(x - mean) * scale * w + b for x, w, b in zip(row, weight, bias)]


class Model:
    """What most families share: Llama's block. A family overrides what differs."""

    prefix = "model."

    def __init__(self, config, tensors):
        self.config, self.tensors, self.rows = config, tensors, {}
        self.d = config["hidden_size"]
        self.layers = config["num_hidden_layers"]
        self.heads = config["num_attention_heads"]
        self.kv_heads = config.get("num_key_value_heads") or self.heads
        self.width = config.get("head_dim") or self.d // self.heads
        self.eps = config.get("rms_norm_eps", 1e-6)
        self.act = ACTIVATIONS[config.get("hidden_act", "silu")]
        self.scale = self.width**-0.5
        self.softcap = None

    # Tensors.
    def vector(self, name):
        return self.tensors[name][1]

    def matrix(self, name):
        if name not in self.rows:
            (out, width), values = self.tensors[name]
            self.rows[name] = [values[i * width : (i + 1) * width] for i in range(out)]
        return self.rows[name]

    def linear(self, x, name, bias=True):
        w = self.matrix(name + ".weight")
        b = self.vector(name + ".bias") if bias and name + ".bias" in self.tensors else [0.0] * len(w)
        return [[sum(map(mul, row, out)) + shift for out, shift in zip(w, b)] for row in x]

    def norm(self, x, name):
        return [rms_norm(row, self.vector(name + ".weight"), self.eps) for row in x]

    # Positions and windows.
    def layer_type(self, layer):
        types = self.config.get("layer_types")
        if types:
            return types[layer]
        return "sliding_attention" if self.config.get("sliding_window") else "full_attention"

    def window(self, layer):
        return self.config["sliding_window"] if self.layer_type(layer) == "sliding_attention" else None

    def has_rope(self, layer):
        return True

    # Attention.
    def projected(self, x, at):
        names = ["q_proj", "k_proj", "v_proj"]
        return [self.linear(x, at + name) for name in names]

    def split(self, rows):
        return [[row[h : h + self.width] for h in range(0, len(row), self.width)] for row in rows]

    def normed_heads(self, q, k, at):
        return q, k

    def attended(self, q, k, v, window):
        """softmax(scale q k^T) v over the keys that a query sees: itself and those before it, within the window."""
        out, group = [], self.heads // self.kv_heads
        for p in range(len(q)):
            first = 0 if window is None else max(0, p - window + 1)
            row = []
            for h in range(self.heads):
                scores = [sum(map(mul, q[p][h], k[s][h // group])) * self.scale for s in range(first, p + 1)]
                if self.softcap:
                    scores = [math.tanh(s / self.softcap) * self.softcap for s in scores]
                top = max(scores)
                weights = [math.exp(s - top) for s in scores]
                total = sum(weights)
                values = [v[s][h // group] for s in range(first, p + 1)]
                row += [sum(map(mul, weights, column)) / total for column in zip(*values)]
            out.append(row)
        return out

    def attention(self, x, layer, at):
        q, k, v = self.projected(x, at)
        q, k = self.normed_heads(q, k, at)
        q, k, v = self.split(q), self.split(k), self.split(v)
        if self.has_rope(layer):
            cos, sin = rope.table(self.config, self.layer_type(layer), self.width, len(x))
            q = [[rope.turned(head, cos[p], sin[p]) for head in row] for p, row in enumerate(q)]
            k = [[rope.turned(head, cos[p], sin[p]) for head in row] for p, row in enumerate(k)]
        return self.linear(self.attended(q, k, v, self.window(layer)), at + "o_proj")

    def mlp(self, x, at):
        gate, up = self.linear(x, at + "gate_proj"), self.linear(x, at + "up_proj")
        return self.linear([[self.act(g) * u for g, u in zip(a, b)] for a, b in zip(gate, up)], at + "down_proj")

    feed_forward = "mlp."

    # The block: (stream after it, attention's output, feed-forward's output).
    def block(self, x, layer):
        at = f"{self.prefix}layers.{layer}."
        attention = self.attention(self.norm(x, at + "input_layernorm"), layer, at + "self_attn.")
        x = plus(x, attention)
        mlp = self.mlp(self.norm(x, at + "post_attention_layernorm"), at + self.feed_forward)
        return plus(x, mlp), attention, mlp

    def embedded(self, ids):
        return [self.matrix(self.prefix + "embed_tokens.weight")[i] for i in ids]

    def final_norm(self, x):
        return self.norm(x, self.prefix + "norm")

    def tied(self):
        return self.config.get("tie_word_embeddings", False)

    def output(self, x):
        return self.linear(x, (self.prefix + "embed_tokens") if self.tied() else "lm_head", bias=False)

    def run(self, ids):
        x = self.embedded(ids)
        result = {"resid.0": x}
        for layer in range(self.layers):
            x, attention, mlp = self.block(x, layer)
            result[f"resid.{layer + 1}"] = x
            result[f"attn_out.{layer}"], result[f"mlp_out.{layer}"] = attention, mlp
        result["final_norm"] = self.final_norm(x)
        result["logits"] = self.output(result["final_norm"])
        return result


class Mistral(Model):
    pass


class Qwen2(Model):
    def layer_type(self, layer):
        if self.config.get("layer_types"):
            return self.config["layer_types"][layer]
        late = layer >= self.config.get("max_window_layers", 28)
        windows = self.config.get("use_sliding_window") and self.config.get("sliding_window")
        return "sliding_attention" if windows and late else "full_attention"


class Qwen3(Qwen2):
    def normed_heads(self, q, k, at):
        def each(rows, weight):
            heads = self.split(rows)
            return [sum((rms_norm(head, weight, self.eps) for head in row), []) for row in heads]

        return each(q, self.vector(at + "q_norm.weight")), each(k, self.vector(at + "k_norm.weight"))


class Mixtral(Mistral):
    """Router: softmax over all experts, the best kept, their weights made to add up to one."""

    feed_forward = "block_sparse_moe."

    def mlp(self, x, at):
        out = []
        for row, logits in zip(x, self.linear(x, at + "gate")):
            exps = [math.exp(s - max(logits)) for s in logits]
            shares = [e / sum(exps) for e in exps]
            best = sorted(range(len(shares)), key=lambda e: -shares[e])[: self.config["num_experts_per_tok"]]
            total = [0.0] * self.d
            for e in best:
                share = shares[e] / sum(shares[b] for b in best)
                (y,) = self.expert([row], f"{at}experts.{e}.")
                total = [t + share * v for t, v in zip(total, y)]
            out.append(total)
        return out

    def expert(self, x, at):
        gate, up = self.linear(x, at + "w1"), self.linear(x, at + "w3")
        return self.linear([[self.act(g) * u for g, u in zip(a, b)] for a, b in zip(gate, up)], at + "w2")


class Phi3(Mistral):
    def projected(self, x, at):
        q, kv = self.heads * self.width, self.kv_heads * self.width
        rows = self.linear(x, at + "qkv_proj")
        return [r[:q] for r in rows], [r[q : q + kv] for r in rows], [r[q + kv :] for r in rows]

    def mlp(self, x, at):
        rows = self.linear(x, at + "gate_up_proj")
        half = len(rows[0]) // 2
        return self.linear([[self.act(g) * u for g, u in zip(r[:half], r[half:])] for r in rows], at + "down_proj")


class SmolLM3(Model):
    def layer_type(self, layer):
        if self.config.get("layer_types"):
            return self.config["layer_types"][layer]
        windows = self.config.get("use_sliding_window") and self.config.get("sliding_window")
        return "sliding_attention" if windows and not self.has_rope(layer) else "full_attention"

    def has_rope(self, layer):
        switches = self.config.get("no_rope_layers")
        if switches:
            return bool(switches[layer])
        return (layer + 1) % self.config.get("no_rope_layer_interval", 4) != 0

    def tied(self):
        return self.config.get("tie_word_embeddings", True)


class Olmo2(Model):
    """q and k are normed over all heads before they are split; each module's output is normed, not its input."""

    def normed_heads(self, q, k, at):
        return self.norm(q, at + "q_norm"), self.norm(k, at + "k_norm")

    def block(self, x, layer):
        at = f"model.layers.{layer}."
        attention = self.attention(x, layer, at + "self_attn.")
        x = plus(x, self.norm(attention, at + "post_attention_layernorm"))
        mlp = self.mlp(x, at + "mlp.")
        return plus(x, self.norm(mlp, at + "post_feedforward_layernorm")), attention, mlp


class Gemma2(Model):
    """Norms multiply by 1 + weight and stand before and after each module; soft caps; every other layer is local."""

    period = 2

    def __init__(self, config, tensors):
        super().__init__(config, tensors)
        self.act = ACTIVATIONS[config.get("hidden_activation") or "gelu_pytorch_tanh"]
        self.scale = config.get("query_pre_attn_scalar", 256) ** -0.5
        self.softcap = config.get("attn_logit_softcapping")

    def norm(self, x, name):
        return [rms_norm(row, self.vector(name + ".weight"), self.eps, 1.0) for row in x]

    def layer_type(self, layer):
        if self.config.get("layer_types"):
            return self.config["layer_types"][layer]
        local = (layer + 1) % self.config.get("sliding_window_pattern", self.period)
        return "sliding_attention" if local else "full_attention"

    def block(self, x, layer):
        at = f"{self.prefix}layers.{layer}."
        attention = self.attention(self.norm(x, at + "input_layernorm"), layer, at + "self_attn.")
        x = plus(x, self.norm(attention, at + "post_attention_layernorm"))
        mlp = self.mlp(self.norm(x, at + "pre_feedforward_layernorm"), at + "mlp.")
        return plus(x, self.norm(mlp, at + "post_feedforward_layernorm")), attention, mlp

    def embedded(self, ids):
        return [[v * math.sqrt(self.d) for v in row] for row in super().embedded(ids)]

    def tied(self):
        return self.config.get("tie_word_embeddings", True)

    def output(self, x):
        logits, cap = super().output(x), self.config.get("final_logit_softcapping")
        return [[math.tanh(v / cap) * cap for v in row] for row in logits] if cap else logits


class Gemma3(Gemma2):
    """Five local layers to a global one, norms of each head's q and k; the cap on scores is read and not used."""

    period = 6

    def __init__(self, config, tensors):
        super().__init__(config, tensors)
        self.softcap = None

    def normed_heads(self, q, k, at):
        def each(rows, weight):
            return [sum((rms_norm(head, weight, self.eps, 1.0) for head in row), []) for row in self.split(rows)]

        return each(q, self.vector(at + "q_norm.weight")), each(k, self.vector(at + "k_norm.weight"))


class Gemma3Multimodal(Gemma3):
    prefix = "language_model.model."

    def __init__(self, config, tensors):
        super().__init__(config["text_config"], tensors)


class GPTNeoX(Model):
    """q, k and v of a head lie together; both modules may read the same stream; LayerNorm."""

    def __init__(self, config, tensors):
        super().__init__(config, tensors)
        self.eps = config["layer_norm_eps"]

    def norm(self, x, name):
        return [layer_norm(row, self.vector(name + ".weight"), self.vector(name + ".bias"), self.eps) for row in x]

    def projected(self, x, at):
        rows = self.linear(x, at + "query_key_value")
        heads = [[row[h : h + 3 * self.width] for h in range(0, len(row), 3 * self.width)] for row in rows]
        return [[sum((h[i * self.width : (i + 1) * self.width] for h in row), []) for row in heads] for i in range(3)]

    def attention(self, x, layer, at):
        self.tensors.setdefault(at + "o_proj.weight", self.tensors[at + "dense.weight"])
        if at + "dense.bias" in self.tensors:
            self.tensors.setdefault(at + "o_proj.bias", self.tensors[at + "dense.bias"])
        return super().attention(x, layer, at)

    def block(self, x, layer):
        at = f"gpt_neox.layers.{layer}."
        attention = self.attention(self.norm(x, at + "input_layernorm"), layer, at + "attention.")
        after = plus(x, attention)
        source = x if self.config.get("use_parallel_residual", True) else after
        hidden = self.linear(self.norm(source, at + "post_attention_layernorm"), at + "mlp.dense_h_to_4h")
        mlp = self.linear([[self.act(v) for v in row] for row in hidden], at + "mlp.dense_4h_to_h")
        return plus(after, mlp), attention, mlp

    def embedded(self, ids):
        return [self.matrix("gpt_neox.embed_in.weight")[i] for i in ids]

    def final_norm(self, x):
        return self.norm(x, "gpt_neox.final_layer_norm")

    def output(self, x):
        return self.linear(x, "gpt_neox.embed_in" if self.tied() else "embed_out")


class GPT2(Model):
    """Matrices are stored as [in, out]; positions are learned."""

    def __init__(self, config, tensors):
        names = {"hidden_size": "n_embd", "num_hidden_layers": "n_layer", "num_attention_heads": "n_head"}
        super().__init__({**config, **{usual: config[own] for usual, own in names.items()}}, tensors)
        self.eps, self.act = config["layer_norm_epsilon"], ACTIVATIONS[config["activation_function"]]

    def norm(self, x, name):
        return [layer_norm(row, self.vector(name + ".weight"), self.vector(name + ".bias"), self.eps) for row in x]

    def conv(self, x, name):
        columns = list(zip(*self.matrix(name + ".weight")))
        bias = self.vector(name + ".bias")
        return [[sum(map(mul, row, c)) + b for c, b in zip(columns, bias)] for row in x]

    def block(self, x, layer):
        at = f"transformer.h.{layer}."
        rows = self.conv(self.norm(x, at + "ln_1"), at + "attn.c_attn")
        q, k, v = (self.split([row[i * self.d : (i + 1) * self.d] for row in rows]) for i in range(3))
        attention = self.conv(self.attended(q, k, v, None), at + "attn.c_proj")
        x = plus(x, attention)
        hidden = self.conv(self.norm(x, at + "ln_2"), at + "mlp.c_fc")
        mlp = self.conv([[self.act(value) for value in row] for row in hidden], at + "mlp.c_proj")
        return plus(x, mlp), attention, mlp

    def embedded(self, ids):
        tokens, places = self.matrix("transformer.wte.weight"), self.matrix("transformer.wpe.weight")
        return plus([tokens[i] for i in ids], places[: len(ids)])

    def final_norm(self, x):
        return self.norm(x, "transformer.ln_f")

    def output(self, x):
        return self.linear(x, "transformer.wte")


FAMILIES = {
    "llama": Model,
    "mistral": Mistral,
    "mixtral": Mixtral,
    "qwen2": Qwen2,
    "qwen3": Qwen3,
    "gemma2": Gemma2,
    "gemma3_text": Gemma3,
    "gemma3": Gemma3Multimodal,
    "gpt_neox": GPTNeoX,
    "gpt2": GPT2,
    "phi3": Phi3,
    "olmo2": Olmo2,
    "smollm3": SmolLM3,
}


def run(config, tensors, ids):
    return FAMILIES[config["model_type"]](config, tensors).run(ids)
