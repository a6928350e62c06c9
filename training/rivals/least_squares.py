"""One small ridge regression for each row of a sparse matrix: the half-step of alternating least squares."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import sposv
from scipy.sparse import csr_array


def solve_rows(
    targets: csr_array,
    vectors: NDArray[np.float32],
    *,
    ridge: NDArray[np.float64],
    everywhere: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """For each row the x that has x·v_j come near its targets, float32 [rows, d].

        x = (Σ_j v_j v_jᵀ + everywhere + ridge I)⁻¹ Σ_j y_j v_j

    targets     float32 [rows, n], y_j at the places j that the row holds; a place may be held twice
    vectors     float32 [n, d]
    ridge       [rows], above 0
    everywhere  float32 [d, d], what all rows have in common; none is 0

    A row that holds nothing gets 0. Raises ValueError where a ridge is too small for float32.
    """
    width = vectors.shape[1]
    common = np.zeros((width, width), dtype=np.float32) if everywhere is None else everywhere
    solved = np.zeros((targets.shape[0], width), dtype=np.float32)
    for row in np.flatnonzero(np.diff(targets.indptr)):
        held = slice(targets.indptr[row], targets.indptr[row + 1])
        mine = vectors[targets.indices[held]]
        left = mine.T @ mine
        left += common
        left.ravel()[:: width + 1] += ridge[row]
        # The transpose of what is symmetric: columns one after another, as LAPACK wants them.
        _, solved[row], failed = sposv(left.T, targets.data[held] @ mine, overwrite_a=True, overwrite_b=True)
        if failed:
            raise ValueError(f"a ridge of {ridge[row]:g} is too small to solve a row; give more")
    return solved
