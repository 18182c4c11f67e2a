#!/usr/bin/env python3
#===- generate.py - Continues ids with transformers -----------------------===#
#
# Part of the moe-mlir project, under the Apache License v2.0 with LLVM
# Exceptions. See LICENSE for license information.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#===------------------------------------------------------------------------===#
#
# usage: generate.py --model=DIR --ids=1,2,... --new=N --dtype=D --threads=N
#
# Runs in the environment of transformers; models.py starts it. The prompt is
# run twice, the second time counts; then the likeliest token is taken N times.
# Prints a line of JSON.
#
#===------------------------------------------------------------------------===#

import argparse
import json
import time

import torch
import transformers


def run(model, ids, new):
    """Seconds of the prompt and of the tokens after it, and the tokens."""
    start = time.perf_counter()
    out = model(ids, use_cache=True, logits_to_keep=1)
    tokens = [out.logits[:, -1].argmax(dim=-1, keepdim=True)]
    middle = time.perf_counter()
    for _ in range(new - 1):
        out = model(tokens[-1], past_key_values=out.past_key_values, use_cache=True)
        tokens.append(out.logits[:, -1].argmax(dim=-1, keepdim=True))
    end = time.perf_counter()
    return middle - start, end - middle, torch.cat(tokens, dim=1)[0].tolist()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--ids", required=True)
    parser.add_argument("--new", type=int, required=True)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), required=True)
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    transformers.utils.logging.set_verbosity_error()
    model = transformers.AutoModelForCausalLM.from_pretrained(
        options.model, dtype=getattr(torch, options.dtype)
    ).eval()
    ids = torch.tensor([[int(text) for text in options.ids.split(",")]])
    with torch.inference_mode():
        run(model, ids, 2)
        prefill, decode, tokens = run(model, ids, options.new)
    print(
        json.dumps(
            {"prefill_seconds": prefill, "decode_seconds": decode, "ids": tokens}
        )
    )


if __name__ == "__main__":
    main()
