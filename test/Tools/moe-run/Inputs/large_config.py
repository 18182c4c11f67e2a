#!/usr/bin/env python3
"""Prints a configuration with about a million small tensors: CONFIG."""

import json
import sys

with open(sys.argv[1]) as file:
    config = json.load(file)
config.update(
    num_hidden_layers=1000,
    num_local_experts=340,
    hidden_size=2,
    intermediate_size=1,
    num_attention_heads=1,
    num_key_value_heads=1,
    vocab_size=3,
    bos_token_id=1,
    eos_token_id=2,
)
print(json.dumps(config))
