"""Of boxes that overlap the surest stays, whatever their order."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from latentedit.inversion.overlap import measure_overlap, suppress


def test_overlap_of_known_boxes():
    box, others = torch.tensor([0.0, 0, 4, 4]), torch.tensor([[0.0, 0, 4, 4], [2, 0, 6, 4], [1, 1, 3, 3], [4, 4, 8, 8]])
    assert torch.allclose(measure_overlap(box, others), torch.tensor([1, 1 / 3, 1 / 4, 0]))
    assert torch.allclose(measure_overlap(box, others, of_smaller=True), torch.tensor([1, 1 / 2, 1, 0]))


@given(st.integers(0, 12), st.integers(0, 10**6), st.booleans())
def test_what_stays_overlaps_little_and_what_goes_overlaps_with_something_surer(count, seed, of_smaller):
    random = torch.Generator().manual_seed(seed)
    corners = torch.rand(count, 2, generator=random)
    boxes = torch.cat([corners, corners + 0.05 + torch.rand(count, 2, generator=random)], dim=1)
    scores = torch.rand(count, generator=random)
    kept = suppress(boxes, scores, 0.4, of_smaller).tolist()
    assert scores[kept].tolist() == sorted(scores[kept].tolist(), reverse=True)
    for row in range(count):
        surer = [i for i in kept if i != row and scores[i] >= scores[row]]
        overlaps = measure_overlap(boxes[row], boxes[surer], of_smaller) > 0.4
        assert bool(overlaps.any()) == (row not in kept)
    order = torch.randperm(count, generator=random)
    again = suppress(boxes[order], scores[order], 0.4, of_smaller)
    assert set(order[again].tolist()) == set(kept)
