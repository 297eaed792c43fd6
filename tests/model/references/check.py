"""Proves forward.py on fixtures whose expected values other implementations computed:

    python3 tests/model/references/check.py FIXTURES/models

Each family that has such a fixture must agree within 1e-4; a family without one shares all code but what its class
overrides.
"""
import json
import pathlib
import sys

import files
import forward


def largest_difference(rows, expected):
    flat = [x for row in rows for x in row]
    assert len(flat) == len(expected)
    return max(abs(a - b) for a, b in zip(flat, expected))


def compared(folder):
    config = json.loads((folder / "hf/config.json").read_text())
    tensors = files.read_safetensors(folder / "hf/model.safetensors")
    expected = files.read_safetensors(folder / "expected.safetensors")
    worst = {}
    p = 0
    while f"p{p}.tokens" in expected:
        result = forward.run(config, tensors, expected[f"p{p}.tokens"][1])
        for key, rows in result.items():
            if f"p{p}.{key}" in expected:
                kind = key.split(".")[0]
                worst[kind] = max(worst.get(kind, 0), largest_difference(rows, expected[f"p{p}.{key}"][1]))
        p += 1
    return worst


def main(root):
    good = True
    for folder in sorted(pathlib.Path(root).iterdir()):
        if not (folder / "hf/model.safetensors").exists() or not (folder / "expected.safetensors").exists():
            continue
        worst = compared(folder)
        good = good and max(worst.values()) <= 1e-4
        print(folder.name, " ".join(f"{kind} {value:.1e}" for kind, value in worst.items()), flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
