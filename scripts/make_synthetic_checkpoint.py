#!/usr/bin/env python3
"""Writes a checkpoint of random numbers with the names, shapes and file layout of an 8B Llama in ModelOpt NVFP4.

usage: make_synthetic_checkpoint.py FOLDER [--gib 4] [--shard-gib 2] [--seed 0]
  --gib        write as many of the model's layers as fit this size (embedding and head alone take 2 GiB)
  --shard-gib  begin a new file where one would grow beyond this; one file without an index if all fits
For measuring memory and speed on files of real size. The same seed gives the same bytes. Standard library only."""
import argparse
import dataclasses
import json
import os
import random
import struct

GIB = 1 << 30
BLOCK_BYTES = 1 << 24
GROUP = 16  # codes that share a block scale
DTYPE_RANK = {'F32': 0, 'BF16': 1, 'F8_E4M3': 2, 'U8': 3}  # the exporter's order of tensors inside a file


@dataclasses.dataclass(frozen=True)
class Dims:
    hidden: int = 4096
    intermediate: int = 14336
    heads: int = 32
    kv_heads: int = 8
    vocab: int = 128256
    max_layers: int = 32


@dataclasses.dataclass(frozen=True)
class Tensor:
    name: str
    dtype: str
    shape: tuple
    value: float = 0.0  # of an F32 scalar

    @property
    def size_bytes(self):
        size = {'F32': 4, 'BF16': 2, 'F8_E4M3': 1, 'U8': 1}[self.dtype]
        for dim in self.shape:
            size *= dim
        return size


def nvfp4_linear(module, n, k, multiplier, input_scale):
    return [Tensor(module + '.weight', 'U8', (n, k // 2)),
            Tensor(module + '.weight_scale', 'F8_E4M3', (n, k // GROUP)),
            Tensor(module + '.weight_scale_2', 'F32', (), multiplier),
            Tensor(module + '.input_scale', 'F32', (), input_scale)]


def layer_tensors(dims, layer, rng):
    """One decoder layer. q, k, v and gate, up share their scalars, as the exporter leaves them."""
    prefix = f'model.layers.{layer}.'
    kv = dims.hidden // dims.heads * dims.kv_heads
    groups = [[('self_attn.q_proj', dims.hidden, dims.hidden), ('self_attn.k_proj', kv, dims.hidden),
               ('self_attn.v_proj', kv, dims.hidden)],
              [('self_attn.o_proj', dims.hidden, dims.hidden)],
              [('mlp.gate_proj', dims.intermediate, dims.hidden), ('mlp.up_proj', dims.intermediate, dims.hidden)],
              [('mlp.down_proj', dims.hidden, dims.intermediate)]]
    tensors = []
    for group in groups:
        multiplier = rng.uniform(0.1, 0.6) / (6 * 448)  # largest weight / (largest code * largest block scale)
        input_scale = rng.uniform(2, 30) / (6 * 448)
        for module, n, k in group:
            tensors += nvfp4_linear(prefix + module, n, k, multiplier, input_scale)
    tensors += [Tensor(prefix + 'input_layernorm.weight', 'BF16', (dims.hidden,)),
                Tensor(prefix + 'post_attention_layernorm.weight', 'BF16', (dims.hidden,))]
    return tensors


def model_tensors(dims, budget_bytes, rng):
    """(layers, tensors in the model's order) with as many layers as fit `budget_bytes`, at least one."""
    first = [Tensor('model.embed_tokens.weight', 'BF16', (dims.vocab, dims.hidden))]
    last = [Tensor('model.norm.weight', 'BF16', (dims.hidden,)),
            Tensor('lm_head.weight', 'BF16', (dims.vocab, dims.hidden))]
    left = budget_bytes - sum(t.size_bytes for t in first + last)
    middle, layers = [], 0
    while layers < dims.max_layers:
        tensors = layer_tensors(dims, layers, rng)
        left -= sum(t.size_bytes for t in tensors)
        if left < 0 and layers:
            break
        middle += tensors
        layers += 1
    return layers, first + middle + last


def shards_of(tensors, shard_bytes):
    shards, size = [[]], 0
    for tensor in tensors:
        if shards[-1] and size + tensor.size_bytes > shard_bytes:
            shards.append([])
            size = 0
        shards[-1].append(tensor)
        size += tensor.size_bytes
    return shards


class Blocks:
    """One block of random bytes per dtype; a tensor is cut from it at random places."""

    def __init__(self, rng, block_bytes=BLOCK_BYTES):
        self.rng = rng
        noise = rng.randbytes(block_bytes)
        bf16 = bytearray(noise)
        bf16[1::2] = noise[1::2].translate(bytes(b & 0x80 | 0x3c | b & 1 for b in range(256)))  # +-0.008 to 0.125
        self.blocks = {'U8': memoryview(noise),
                       'F8_E4M3': memoryview(noise.translate(bytes(1 + b % 0x7e for b in range(256)))),  # 0x01 to 0x7e
                       'BF16': memoryview(bytes(bf16))}

    def write(self, file, tensor):
        if tensor.dtype == 'F32':
            file.write(struct.pack('<f', tensor.value))
            return
        block, left = self.blocks[tensor.dtype], tensor.size_bytes
        while left:
            begin = self.rng.randrange(len(block) // 2) & ~1
            piece = block[begin:begin + left]
            file.write(piece)
            left -= len(piece)


def write_shard(path, tensors, blocks):
    tensors = sorted(tensors, key=lambda t: (DTYPE_RANK[t.dtype], t.name))
    header, offset = {'__metadata__': {'format': 'pt'}}, 0
    for tensor in tensors:
        header[tensor.name] = {'dtype': tensor.dtype, 'shape': list(tensor.shape),
                               'data_offsets': [offset, offset + tensor.size_bytes]}
        offset += tensor.size_bytes
    text = json.dumps(header, separators=(',', ':')).encode()
    text += b' ' * (-len(text) % 8)
    with open(path, 'wb') as file:
        file.write(struct.pack('<Q', len(text)) + text)
        for tensor in tensors:
            blocks.write(file, tensor)


def write_json(path, value):
    with open(path, 'w', encoding='utf-8') as file:
        json.dump(value, file, indent=2)
        file.write('\n')


def write_index(folder, placement, total_bytes):
    write_json(os.path.join(folder, 'model.safetensors.index.json'),
               {'metadata': {'total_size': total_bytes}, 'weight_map': dict(sorted(placement.items()))})


def write_configs(folder, dims, layers):
    producer = {'name': 'modelopt', 'version': '0.47.0'}
    exclude = ['lm_head', 'model.embed_tokens']
    number = {'dynamic': False, 'num_bits': 4, 'type': 'float', 'group_size': GROUP}
    write_json(os.path.join(folder, 'config.json'), {
        'architectures': ['LlamaForCausalLM'], 'attention_bias': False, 'bos_token_id': 128000, 'dtype': 'bfloat16',
        'eos_token_id': 128001, 'head_dim': dims.hidden // dims.heads, 'hidden_act': 'silu', 'hidden_size': dims.hidden,
        'intermediate_size': dims.intermediate, 'max_position_embeddings': 8192, 'mlp_bias': False, 'model_type': 'llama',
        'num_attention_heads': dims.heads, 'num_hidden_layers': layers, 'num_key_value_heads': dims.kv_heads,
        'rms_norm_eps': 1e-05, 'tie_word_embeddings': False, 'vocab_size': dims.vocab,
        'quantization_config': {
            'config_groups': {'group_0': {'input_activations': number, 'weights': number, 'targets': ['Linear']}},
            'ignore': exclude, 'quant_algo': 'NVFP4', 'producer': producer, 'quant_method': 'modelopt'}})
    write_json(os.path.join(folder, 'hf_quant_config.json'), {
        'producer': producer,
        'quantization': {'quant_algo': 'NVFP4', 'kv_cache_quant_algo': None, 'group_size': GROUP, 'exclude_modules': exclude}})


def write_checkpoint(folder, dims, budget_bytes, shard_bytes, seed, block_bytes=BLOCK_BYTES):
    """Returns (layers, shards, bytes of tensors)."""
    rng = random.Random(seed)
    layers, tensors = model_tensors(dims, budget_bytes, rng)
    shards = shards_of(tensors, shard_bytes)
    total_bytes = sum(t.size_bytes for t in tensors)
    os.makedirs(folder)
    blocks = Blocks(rng, block_bytes)
    placement = {}
    for number, shard in enumerate(shards, 1):
        name = f'model-{number:05}-of-{len(shards):05}.safetensors' if len(shards) > 1 else 'model.safetensors'
        write_shard(os.path.join(folder, name), shard, blocks)
        placement.update({tensor.name: name for tensor in shard})
    if len(shards) > 1:
        write_index(folder, placement, total_bytes)
    write_configs(folder, dims, layers)
    return layers, len(shards), total_bytes


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split('\n')[2][len('usage: '):], description=__doc__.split('\n', 1)[0])
    parser.add_argument('folder')
    parser.add_argument('--gib', type=float, default=4)
    parser.add_argument('--shard-gib', type=float, default=2)
    parser.add_argument('--seed', type=int, default=0)
    options = parser.parse_args()
    if os.path.exists(options.folder):
        parser.error(f'{options.folder} exists')
    layers, shards, total_bytes = write_checkpoint(
        options.folder, Dims(), int(options.gib * GIB), int(options.shard_gib * GIB), options.seed)
    print(f'{options.folder}: {layers} layers, {shards} shards, {total_bytes} bytes of tensors ({total_bytes / GIB:.2f} GiB)')


if __name__ == '__main__':
    main()
