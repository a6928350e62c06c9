"""The best 20 of a million items, exactly and in two stages: `make bench-large-catalogue`.

    python docs/benchmarks/measure_large_catalogue.py [--items 1000000] [--threads 2]

Exact: every score in float32, then the best by blocks, as the served graph does (`models/top_k.py`). In two
stages: every score from 8-bit vectors, a quarter of the memory to read, and the best `KEPT` of them once more
from the float32 vectors. Both are graphs of onnxruntime, asked the same states turn by turn; the encoder in
front of them is the same and is left out. Recall is which part of the exact best 20 the two stages find.

Items are 1,000 tastes with noise about them, some more popular than others; a state points at an item.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx.parser
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import numpy_helper

FILE = Path(__file__).parent / "large_catalogue.json"
K, KEPT, WIDTH, BLOCK = 20, 100, 64, 256
BATCHES = (1, 8, 32)
ROUNDS = 3
Floats = NDArray[np.float32]

BEST_OF_BLOCKS = """
    maxima = ReduceMax <keepdims = 0> (blocks, of_block)
    block_score, best_block = TopK (maxima, k)
    best_block_at = Unsqueeze (best_block, of_block)
    candidates = GatherND <batch_dims = 1> (blocks, best_block_at)
    flat = Reshape (candidates, as_row)
    score, place = TopK (flat, k)
    number = Div (place, block)
    block_start = Mul (number, block)
    within = Sub (place, block_start)
    block_row = GatherElements <axis = 1> (best_block, number)
    first = Mul (block_row, block)
"""
EXACT = f"""
<ir_version: 8, opset_import: ["" : 18]>
exact (float[b, {WIDTH}] state, float[v, {WIDTH}] vectors) => (int64[b, {K}] rows) {{
    scores = Gemm <transB = 1> (state, vectors, bias)
    blocks = Reshape (scores, as_blocks)
    {BEST_OF_BLOCKS}
    rows = Add (first, within)
}}"""
TWO_STAGES = f"""
<ir_version: 8, opset_import: ["" : 18, "com.microsoft" : 1]>
two_stages (float[b, {WIDTH}] state, float[v, {WIDTH}] vectors) => (int64[b, {K}] rows) {{
    scores = com.microsoft.DynamicQuantizeMatMul (state, codes, code_scale, code_zero, bias)
    blocks = Reshape (scores, as_blocks)
    {BEST_OF_BLOCKS}
    kept = Add (first, within)
    kept_vectors = Gather <axis = 0> (vectors, kept)
    kept_bias = Gather <axis = 0> (bias, kept)
    column = Unsqueeze (state, of_block)
    product = MatMul (kept_vectors, column)
    unbiased = Squeeze (product, of_block)
    again = Add (unbiased, kept_bias)
    best, at = TopK (again, k_last)
    rows = GatherElements <axis = 1> (kept, at)
}}"""


def measure(*, items: int, threads: int, seed: int = 0) -> dict[str, Any]:
    """Users a second (medians of turns), recall and the bytes that are read for a batch."""
    vectors, bias, states = _world(items, np.random.default_rng(seed))
    codes, scale = _eight_bits(vectors)
    sessions = {
        "exact": _session(EXACT, {"bias": bias, **_constants(K)}, threads=threads),
        "two stages": _session(
            TWO_STAGES,
            {
                "bias": bias,
                "codes": codes,
                "code_scale": scale,
                "code_zero": np.zeros(len(scale), dtype=np.int8),
                "k_last": np.array([K]),
                **_constants(KEPT),
            },
            threads=threads,
        ),
    }
    table = ort.OrtValue.ortvalue_from_numpy(vectors)
    results = []
    for batch in BATCHES:
        took: dict[str, list[float]] = {name: [] for name in sessions}
        found: dict[str, list[NDArray[np.int64]]] = {name: [] for name in sessions}
        for turn in range(ROUNDS + 1):
            for name, session in sessions.items():
                some = [states[at : at + batch] for at in range(0, max(batch, 32), batch)]
                begun = time.perf_counter()
                rows = [_ask(session, one, table) for one in some]
                if turn:  # the first warms up
                    took[name].append((time.perf_counter() - begun) / sum(map(len, some)))
                found[name] = rows
        pairs = zip(np.concatenate(found["exact"]), np.concatenate(found["two stages"]), strict=True)
        recall = float(np.mean([len(np.intersect1d(*pair)) / K for pair in pairs]))
        speed = {name: round(1 / statistics.median(seconds)) for name, seconds in took.items()}
        ratio = statistics.median(a / b for a, b in zip(took["exact"], took["two stages"], strict=True))
        results.append(
            {"batch": batch, "users_per_second": speed, "ratio": round(ratio, 2), "recall": round(recall, 4)}
        )
    sizes = {"exact": vectors.nbytes, "two stages": codes.nbytes}
    return {"items": items, "threads": threads, "kept": KEPT, "bytes_read": sizes, "results": results}


def _world(items: int, random: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    tastes = random.normal(size=(1_000, WIDTH))
    vectors = tastes[random.integers(0, len(tastes), items)] + random.normal(size=(items, WIDTH))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    bias = np.log(random.pareto(1.2, items) + 1.0).astype(np.float32)
    aims = vectors[random.integers(0, items, 256)]
    states = 8.0 * (aims + random.normal(size=aims.shape, scale=0.5 / WIDTH**0.5))
    return vectors, bias, states.astype(np.float32)


def _eight_bits(vectors: Floats) -> tuple[NDArray[np.int8], Floats]:
    """Codes int8 [d, V] and a scale for each item, float32 [V]."""
    scale = np.abs(vectors).max(axis=1) / 127.0
    codes = np.rint(vectors / scale[:, None]).astype(np.int8)
    return np.ascontiguousarray(codes.T), scale.astype(np.float32)


def _constants(k: int) -> dict[str, NDArray[np.int64]]:
    return {
        "k": np.array([k]),
        "block": np.array(BLOCK),
        "of_block": np.array([2]),
        "as_blocks": np.array([0, -1, BLOCK]),
        "as_row": np.array([0, -1]),
    }


def _session(text: str, constants: dict[str, NDArray[Any]], *, threads: int) -> ort.InferenceSession:
    model = onnx.parser.parse_model(text)
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in constants.items())
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _ask(session: ort.InferenceSession, states: Floats, vectors: ort.OrtValue) -> NDArray[np.int64]:
    inputs = {"state": ort.OrtValue.ortvalue_from_numpy(states), "vectors": vectors}
    rows: NDArray[np.int64] = session.run_with_ort_values(["rows"], inputs)[0].numpy()
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    report = measure(items=asked.items // BLOCK * BLOCK, threads=asked.threads)
    FILE.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))
