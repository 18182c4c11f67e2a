#!/usr/bin/env python3
#===- models.py - Measures whole models beside the limits -----------------===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#
#
# usage: models.py [--models=NAME,...] [--layers=N] [--prompt=T] [--new=N]
#                  [--activations=D,...] [--threads=N] [--rounds=N] [--json=FILE]
#
# Models with the dimensions of published ones and random weights (bf16), cut to
# --layers layers: how long a prompt and the tokens after it take moe-run, as a
# part of what the machine can compute and read (moe-bench), and transformers on
# the same files, if benchmarks/peers/setup has installed it. One after another in
# each round; medians over rounds. Writes the table of whole models in
# docs/performance.md, where lines that were not measured stay. Nothing here passes
# or fails by a time.
#
# What is needed: of a prompt, the products of the matrices that each token meets,
# those of the output matrix for its last position, and scores and sums of
# attention up to the diagonal; of a further token, the bytes of the same matrices
# and of the caches.
#
#===------------------------------------------------------------------------===#

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import page

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / "build" / "release" / "bin"
CONFIGS = ROOT / "test" / "Inputs" / "configs"
PEER = ROOT / "build" / "peers" / "transformers"
SECONDS = 1200

# Name -> folder of its configuration, layers that fit into memory twice.
MODELS = {
    "granite": ("granite-3.0-1b-a400m", 8),
    "olmoe": ("olmoe-1b-7b", 4),
}
WEIGHT_BYTES = 2  # bf16
CACHE_BYTES = 4  # f32


def run(command):
    """What a command prints; ends the program with its message if it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"models.py: {Path(command[0]).name}: {done.stderr.strip()[-500:]}")
    return done.stdout


# --- Models -----------------------------------------------------------------------


class Model:
    """A model with random weights in a folder, and what it needs."""

    def __init__(self, name, layers, folder):
        source, most_layers = MODELS[name]
        self.name, self.layers = name, layers or most_layers
        self.folder = Path(folder) / name
        self.folder.mkdir()
        config = json.loads((CONFIGS / source / "config.json").read_text())
        config["num_hidden_layers"] = self.layers
        (self.folder / "config.json").write_text(json.dumps(config))
        weights = self.folder / "model.safetensors"
        run(
            [BIN / "moe-translate", "--import-hf", self.folder]
            + ["--randomize-weights=1", f"--out={weights}"]
        )
        report = run([BIN / "moe-translate", "--import-hf", self.folder, "--report=json"])
        parts = json.loads(report)["components"]
        matrices = ("attention", "router", "experts", "shared_expert", "dense_ffn")
        self.per_token = sum(parts[part]["active"] for part in matrices)
        tied = config["tie_word_embeddings"]
        self.output = parts["embedding" if tied else "lm_head"]["total"]
        heads = config["num_attention_heads"]
        width = config.get("head_dim") or config["hidden_size"] // heads
        self.query_width = heads * width
        self.kv_width = (config.get("num_key_value_heads") or heads) * width
        self.vocabulary = config["vocab_size"]

    def prompt_flops(self, tokens):
        seen = tokens * (tokens + 1) // 2
        attention = 4 * self.query_width * seen * self.layers
        return 2 * tokens * self.per_token + 2 * self.output + attention

    def token_bytes(self, past):
        """Of one more token after `past` positions."""
        caches = 2 * self.kv_width * past * self.layers * CACHE_BYTES
        return (self.per_token + self.output) * WEIGHT_BYTES + caches

    def prompt(self, tokens):
        return ",".join(str(i * 7919 % self.vocabulary) for i in range(tokens))


# --- One round --------------------------------------------------------------------


def measure_limits(activations, threads):
    dtype = "bf16" if activations == "bf16" else "f32"
    out = run(
        [BIN / "moe-bench", "--shape=64,6,1024,704", "--tokens=1", "--rounds=5"]
        + [f"--dtype={dtype}", f"--threads={threads}", "--json"]
    )
    cell = json.loads(out)
    return {"peak_gops": cell["peak_gops"], "read_gbps": cell["read_gbps"]}


def measure_ours(model, options, activations, folder):
    """Of a new process, which has run the prompt once."""
    stats = Path(folder) / "stats.json"
    ids = run(
        [BIN / "moe-run", model.folder, "--prompt-ids", model.prompt(options.prompt)]
        + [f"--max-new-tokens={options.new}", "--ignore-eos", "--quiet"]
        + [f"--activations={activations}", f"--threads={options.threads}"]
        + ["--pin-threads", "--warm-up", f"--stats={stats}"]
    )
    times = json.loads(stats.read_text())
    return {
        "prefill_seconds": times["prefill"]["seconds"],
        "decode_seconds": times["decode"]["seconds"],
        "compile_seconds": times["compile_seconds"],
        "load_seconds": times["load_seconds"],
        "ids": [int(text) for text in ids.split(":")[1].split(",")],
    }


def measure_peer(model, options, dtype):
    python = PEER / "bin" / "python"
    out = run(
        [python, ROOT / "benchmarks" / "peers" / "generate.py"]
        + [f"--model={model.folder}", f"--ids={model.prompt(options.prompt)}"]
        + [f"--new={options.new}", f"--dtype={dtype}", f"--threads={options.threads}"]
    )
    return json.loads(out.splitlines()[-1])


# --- Results ----------------------------------------------------------------------


def same_start(a, b):
    """Tokens that two lists of ids have in common at their start."""
    count = 0
    for left, right in zip(a, b):
        if left != right:
            break
        count += 1
    return count


def summarize(model, options, activations, rounds):
    """Medians over rounds; fractions are of what was measured in the same round."""
    steps = options.new - 1
    flops = model.prompt_flops(options.prompt)
    size = model.token_bytes(options.prompt + options.new // 2)

    def median(value):
        return statistics.median(value(one) for one in rounds)

    def spread(value):
        """Between the largest and the smallest, over the median."""
        values = [value(one) for one in rounds]
        return (max(values) - min(values)) / statistics.median(values)

    row = {
        "model": model.name,
        "layers": model.layers,
        "activations": activations,
        "prompt": options.prompt,
        "prefill_tokens_per_second": median(
            lambda one: options.prompt / one["ours"]["prefill_seconds"]
        ),
        "fraction_of_peak": median(
            lambda one: flops
            / one["ours"]["prefill_seconds"]
            / one["limits"]["peak_gops"]
            / 1e9
        ),
        "decode_tokens_per_second": median(
            lambda one: steps / one["ours"]["decode_seconds"]
        ),
        "fraction_of_read_bandwidth": median(
            lambda one: size
            * steps
            / one["ours"]["decode_seconds"]
            / one["limits"]["read_gbps"]
            / 1e9
        ),
        "prefill_spread": spread(lambda one: one["ours"]["prefill_seconds"]),
        "decode_spread": spread(lambda one: one["ours"]["decode_seconds"]),
        "compile_seconds": median(lambda one: one["ours"]["compile_seconds"]),
        "load_seconds": median(lambda one: one["ours"]["load_seconds"]),
    }
    for dtype in rounds[0]["peers"]:
        row[f"transformers_{dtype}"] = {
            "prefill_of_ours": median(
                lambda one: one["peers"][dtype]["prefill_seconds"]
                / one["ours"]["prefill_seconds"]
            ),
            "decode_of_ours": median(
                lambda one: one["peers"][dtype]["decode_seconds"]
                / one["ours"]["decode_seconds"]
            ),
            "same_ids": same_start(
                rounds[0]["peers"][dtype]["ids"], rounds[0]["ours"]["ids"]
            ),
        }
    return row


def print_row(row, options):
    print(
        f"{row['model']}, {row['layers']} layers, {row['activations']}: prompt of "
        f"{options.prompt} {row['prefill_tokens_per_second']:.0f} tokens/s, "
        f"{row['fraction_of_peak']:.0%} of peak (spread "
        f"{row['prefill_spread']:.0%}); after it "
        f"{row['decode_tokens_per_second']:.1f} tokens/s, "
        f"{row['fraction_of_read_bandwidth']:.0%} of bandwidth (spread "
        f"{row['decode_spread']:.0%}); compiled in "
        f"{row['compile_seconds']:.2f} s, loaded in {row['load_seconds']:.2f} s"
    )
    for key, peer in row.items():
        if key.startswith("transformers_"):
            print(
                f"  transformers, {key.split('_')[1]}: {peer['prefill_of_ours']:.2f} and "
                f"{peer['decode_of_ours']:.2f} times as long; the first "
                f"{peer['same_ids']} of {options.new} tokens are the same"
            )
    sys.stdout.flush()


# --- The page ---------------------------------------------------------------------

COLUMNS = (
    "model",
    "layers",
    "activations",
    "prompt, tokens/s",
    "of peak",
    "transformers' time",
    "after it, tokens/s",
    "of bandwidth",
    "transformers' time after it",
    "spreads",
)


def as_line(row):
    """A line of the table, whose first three columns say what was measured."""
    peers = [peer for key, peer in row.items() if key.startswith("transformers_")]

    def fastest(key):
        return f"{min(peer[key] for peer in peers):.2f}" if peers else ""

    cells = (
        row["model"],
        row["layers"],
        row["activations"],
        f"{row['prefill_tokens_per_second']:.0f}",
        f"{row['fraction_of_peak']:.0%}",
        fastest("prefill_of_ours"),
        f"{row['decode_tokens_per_second']:.1f}",
        f"{row['fraction_of_read_bandwidth']:.0%}",
        fastest("decode_of_ours"),
        f"{row['prefill_spread']:.0%}, {row['decode_spread']:.0%}",
    )
    return page.line(cells)


def write_page(rows):
    page.write("models", COLUMNS, [as_line(row) for row in rows], keys=3)


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--layers", type=int, help="(default: what memory allows)")
    parser.add_argument("--prompt", type=int, default=512)
    parser.add_argument("--new", type=int, default=33)
    parser.add_argument("--activations", default="f32,bf16")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    unknown = set(options.models.split(",")) - set(MODELS)
    if unknown:
        parser.error(f"no model {', '.join(unknown)}; there are {', '.join(MODELS)}")
    if options.new < 2 or options.prompt < 1 or options.rounds < 1:
        parser.error("expected --new from 2, --prompt and --rounds from 1")
    return options


def main():
    options = parse()
    dtypes = ("float32", "bfloat16") if (PEER / "installed").exists() else ()
    if not dtypes:
        print("transformers is left out: benchmarks/peers/setup transformers installs it")
    rows = []
    for name in options.models.split(","):
        with tempfile.TemporaryDirectory() as folder:
            model = Model(name, options.layers, folder)
            for activations in options.activations.split(","):
                rounds = [
                    {
                        "limits": measure_limits(activations, options.threads),
                        "ours": measure_ours(model, options, activations, folder),
                        "peers": {d: measure_peer(model, options, d) for d in dtypes},
                    }
                    for _ in range(options.rounds)
                ]
                rows.append(summarize(model, options, activations, rounds))
                print_row(rows[-1], options)
                write_page(rows)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
