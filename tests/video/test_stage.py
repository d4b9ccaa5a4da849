import numpy as np
import pytest
import torch

from latentedit.video import Stage


@pytest.mark.parametrize(
    ("num_faces", "columns", "grid"), [(1, None, (1, 1)), (3, None, (3, 1)), (4, None, (2, 2)), (5, 5, (5, 1))]
)
def test_faces_stand_in_a_grid_about_square_or_as_asked(num_faces, columns, grid):
    stage = Stage.around(num_faces, 64, columns)
    assert (stage.columns, stage.rows) == grid
    assert stage.size[0] % 2 == stage.size[1] % 2 == 0
    assert stage.columns * stage.side >= (384 if num_faces == 1 else 765)


def test_every_face_is_drawn_whole_below_the_words():
    stage = Stage.around(4, 64)
    greys = [-0.8, -0.4, 0.2, 0.6]
    images = torch.tensor(greys).reshape(4, 1, 1, 1).expand(4, 3, 64, 64)
    pixels = np.asarray(stage.draw(images, "w_sq", 0.5, [("one", "50")] * 4))
    for grey in greys:
        assert (pixels == round((grey + 1) * 127.5)).all(axis=2).sum() >= stage.side**2


def test_the_dot_moves_with_the_share_and_words_say_what_changes():
    stage = Stage.around(1, 64)
    face = torch.ones(1, 3, 64, 64)

    def centre(share):
        rows = np.asarray(stage.draw(face, "", share))[: stage.size[1] - stage.side]
        return (rows[:, :, 0] < 100).nonzero()[1].mean()

    assert centre(0) < 40
    assert centre(0.5) == pytest.approx(stage.size[0] / 2, abs=2)
    assert centre(1) > stage.size[0] - 40
    one, other = (np.asarray(stage.draw(face, "", 0, [("a", score)])) for score in ("10", "99"))
    assert (one != other).any()


def test_without_words_there_are_faces_only():
    stage = Stage.around(2, 64, with_words=False)
    pixels = np.asarray(stage.draw(torch.zeros(2, 3, 64, 64), "title", 0.5, [("a", "b")] * 2))
    assert stage.size == (768, 384)
    assert (pixels == 128).all()
