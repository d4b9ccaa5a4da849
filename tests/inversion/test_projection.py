"""Projection finds latents whose faces are known, in every space, alone or in a batch, in one go or in two."""

import dataclasses

import pytest
import torch

import latentedit as le
from latentedit.errors import InputError
from latentedit.inversion import projection
from latentedit.inversion.coordinates import Coordinates, measure_axes
from latentedit.inversion.curvature import measure_curvature
from latentedit.inversion.noise import colouring, normalise, own_noise
from latentedit.inversion.projection import ProjectionSettings, choose_start, learning_rate, project
from latentedit.inversion.tuning import TuningSettings, apply_difference, tune
from latentedit.networks import Generator, StyleGAN3Config

QUICK = ProjectionSettings(num_steps=30, candidates=8, snapshot=10, patience=40)


@pytest.fixture(scope="module")
def faces(tiny_generator):
    """Faces whose ws are not among the candidates: ws and images."""
    ws = le.sample(tiny_generator, range(100, 102), 0.7)
    return ws, tiny_generator.synthesis(ws)


@pytest.fixture(scope="module")
def found(tiny_generator, faces):
    """The three faces projected together, by space."""
    settings = {space: dataclasses.replace(QUICK, space=space) for space in ("w", "w+", "s")}
    return {space: project(tiny_generator, faces[1], chosen) for space, chosen in settings.items()}


def error(generator, latents, images):
    draw = generator.synthesis if latents.ndim == 3 else generator.synthesis.render_styles
    return float((draw(latents) - images).square().mean())


@pytest.mark.parametrize("space", ["w", "w+", "s"])
def test_a_known_face_is_found(space, found, tiny_generator, faces):
    start = choose_start(tiny_generator, faces[1], QUICK)
    assert error(tiny_generator, found[space].latents, faces[1]) < 0.35 * error(tiny_generator, start, faces[1])


def test_each_space_has_its_shape(found):
    assert torch.equal(found["w"].latents, found["w"].latents[:, :1].expand(-1, 6, -1))
    assert found["w+"].latents.shape == (2, 6, 16)
    assert found["w+"].latents.std(dim=1).max() > 1e-3
    assert found["s"].latents.shape == (2, 64)


def test_a_face_of_mixed_styles_is_found_in_w_plus_alone(tiny_generator):
    first, second = le.sample(tiny_generator, [100, 101], 0.7)
    photograph = tiny_generator.synthesis(torch.cat([first[:3], second[3:]])[None])
    losses = [
        min(project(tiny_generator, photograph, dataclasses.replace(QUICK, space=space)).losses)
        for space in ("w", "w+")
    ]
    assert losses[1] < 0.7 * losses[0]


def test_a_photograph_is_projected_alike_in_any_batch(found, tiny_generator, faces):
    alone = project(tiny_generator, faces[1][1:2], QUICK)
    assert torch.allclose(alone.latents[0], found["w+"].latents[1], atol=1e-2)


def test_the_start_is_the_nearest_candidate_or_the_given_one(tiny_generator):
    ws = le.sample(tiny_generator, [5, 2], 0.7)
    images = le.render(tiny_generator, ws)
    assert torch.equal(choose_start(tiny_generator, images, QUICK), ws)
    settings = dataclasses.replace(QUICK, space="w+", num_steps=1)
    assert torch.allclose(project(tiny_generator, images, settings, start=ws.flip(0)).latents, ws.flip(0), atol=1e-4)


def test_the_strip_starts_at_the_start_and_ends_at_the_best(found, tiny_generator, faces):
    frames = found["w"].frames
    assert torch.allclose(frames[0][:, 0], choose_start(tiny_generator, faces[1], QUICK)[:, 0], atol=1e-4)
    assert torch.equal(frames[-1], found["w"].latents)


@pytest.fixture(scope="module")
def axes(tiny_generator):
    return measure_curvature(tiny_generator, measure_axes(tiny_generator), 48, 512)


def test_where_the_curvature_is_known_steps_lead_farther(tiny_generator, faces, found, axes):
    quick = dataclasses.replace(QUICK, num_steps=10)
    curved = project(tiny_generator, faces[1], quick, axes=axes)
    assert min(curved.losses) < 0.5 * min(found["w+"].losses[:10])
    alone = project(tiny_generator, faces[1][1:], quick, axes=axes)
    assert torch.allclose(alone.latents[0], curved.latents[1], atol=1e-2)
    assert (
        project(tiny_generator, faces[1], dataclasses.replace(quick, space="w"), axes=axes).latents.std(dim=1).max()
        == 0
    )


@pytest.mark.parametrize("is_curved", [False, True])
def test_an_interrupted_projection_ends_in_the_same_bits(
    is_curved, tiny_generator, faces, found, axes, tmp_path, monkeypatch
):
    known = {"axes": axes} if is_curved else {}
    whole = project(tiny_generator, faces[1], QUICK, **known) if is_curved else found["w+"]
    step, count = projection._step, iter(range(1000))

    def interrupt(*args):
        if next(count) == 25:
            raise KeyboardInterrupt
        return step(*args)

    monkeypatch.setattr(projection, "_step", interrupt)
    with pytest.raises(KeyboardInterrupt):
        project(tiny_generator, faces[1], QUICK, folder=tmp_path / "new", **known)
    (state,) = (tmp_path / "new").iterdir()
    resumed = project(tiny_generator, faces[1], QUICK, folder=tmp_path / "new", **known)
    assert next(count) == 26 + 10  # 25 and the broken one, then those after the snapshot at 20
    assert torch.equal(resumed.latents, whole.latents)
    assert torch.equal(resumed.frames, whole.frames)
    assert resumed.losses == whole.losses
    assert not state.exists()


def test_a_damaged_state_is_named(tiny_generator, faces, tmp_path, monkeypatch):
    monkeypatch.setattr(projection, "_digest", lambda *_: "x")
    (tmp_path / ".projection-x.safetensors").write_bytes(b"junk")
    with pytest.raises(InputError, match=r"projection-x.safetensors"):
        project(tiny_generator, faces[1], QUICK, folder=tmp_path)
    le.save_generator(tmp_path / ".projection-x.safetensors", tiny_generator)
    with pytest.raises(InputError, match=r"projection-x.safetensors is no state of a projection"):
        project(tiny_generator, faces[1], QUICK, folder=tmp_path)


def test_it_stops_where_nothing_is_gained(tiny_generator, faces):
    settings = dataclasses.replace(QUICK, learning_rate=1e-9, patience=5)
    assert len(project(tiny_generator, faces[1], settings).losses) == 6


def test_penalties_draw_to_the_population_and_rows_together(tiny_generator):
    photograph = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(3)) * 2 - 1
    population = measure_axes(tiny_generator)
    free, near, level = (
        project(
            tiny_generator, photograph, dataclasses.replace(QUICK, num_steps=20, population_weight=p, delta_weight=d)
        ).latents
        for p, d in [(0, 0), (1.0, 0), (0, 1.0)]
    )
    assert population.distance(near) < 0.7 * population.distance(free)
    apart = [population.to_coordinates(ws).var(dim=1).mean() for ws in (free, level)]
    assert apart[1] < 0.5 * apart[0]


def test_the_rate_ramps_up_and_down():
    rates = [learning_rate(t, ProjectionSettings(learning_rate=2.0)) for t in (0, 0.025, 0.05, 0.5, 0.875, 1)]
    assert rates == pytest.approx([0.1, 1.1, 2.0, 2.0, 1.0, 0])


def test_coordinates_make_samples_standard(tiny_generator):
    population = measure_axes(tiny_generator)
    ws = le.sample(tiny_generator, range(5000, 6000))
    x = population.to_coordinates(ws)[:, 0]
    variances = x.var(dim=0)
    assert variances.max() < 1.3
    assert variances[:8].min() > 0.7
    assert x.mean(dim=0).abs().max() < 0.2
    assert torch.allclose(population.to_ws(population.to_coordinates(ws)), ws, atol=1e-4)
    assert population.distance(ws).mean() == pytest.approx(0.97, abs=0.1)
    assert population.distance(population.mean.expand(1, 6, -1)) == 0


@pytest.mark.parametrize("space", ["w", "w+", "s"])
def test_coordinates_are_left_where_they_were_entered(space, tiny_generator):
    ws = le.sample(tiny_generator, [1, 2])
    coordinates = Coordinates.of(tiny_generator, measure_axes(tiny_generator), space)
    expected = le.to_styles(tiny_generator, ws) if space == "s" else ws
    assert torch.allclose(coordinates.to_latents(coordinates.start(ws)), expected, atol=1e-4)


def test_coloured_noise_is_told_from_white(tiny_generator):
    shapes = own_noise(tiny_generator, 2)
    assert {tuple(noise.shape) for noise in shapes.values()} == {(2, 1, side, side) for side in (4, 8, 16)}
    random = torch.Generator().manual_seed(0)
    maps = {name: torch.randn(noise.shape, generator=random) for name, noise in shapes.items()}
    smooth = {name: noise.cumsum(2).cumsum(3) for name, noise in maps.items()}
    normalise(smooth)
    assert float(colouring(smooth)) > 20 * float(colouring(maps))
    assert all(abs(float(noise.square().mean()) - 1) < 1e-4 for noise in smooth.values())


def test_noise_takes_part_and_stays_white(tiny_generator, faces, monkeypatch):
    kept = {}
    monkeypatch.setattr(projection, "normalise", lambda maps: normalise(maps) or kept.update(maps))
    project(tiny_generator, faces[1].flip(3), dataclasses.replace(QUICK, num_steps=15))
    kept, before = {name: noise.detach() for name, noise in kept.items()}, own_noise(tiny_generator, 2)
    moved = [(kept[name] - before[name]).abs().max() for name in before if "b16" in name]
    assert min(moved) > 0.05
    assert float(colouring(kept)) < 2 * float(colouring(before))


def test_the_loss_that_is_asked_for_is_lowered(tiny_generator, faces, monkeypatch):
    dark = {"multiscale": lambda images: (images + 1).square().mean(dim=(1, 2, 3))}
    monkeypatch.setattr(projection, "load_loss", lambda loss, targets: dark[loss])
    found = project(tiny_generator, faces[1], dataclasses.replace(QUICK, num_steps=10))
    assert tiny_generator.synthesis(found.latents).mean() < faces[1].mean() - 0.05


def test_photographs_of_another_size_are_refused(tiny_generator):
    with pytest.raises(InputError, match=r"shape \[1, 3, 8, 8\]: this generator needs \[N, 3, 16, 16\]"):
        project(tiny_generator, torch.zeros(1, 3, 8, 8))
    with pytest.raises(InputError, match="space 'z'"):
        project(tiny_generator, torch.zeros(1, 3, 16, 16), ProjectionSettings(space="z"))


def test_a_stylegan3_is_projected_and_tuned_too():
    torch.manual_seed(0)
    config = StyleGAN3Config(16, (6, 5, 4), num_critical=1, z_dim=8, w_dim=8, num_mapping_layers=1)
    generator = Generator(config).eval().requires_grad_(False)
    photograph = generator.synthesis(le.sample(generator, [9]))
    settings = dataclasses.replace(QUICK, num_steps=4, rampup=0.0)
    found = project(generator, photograph, settings)
    assert found.losses[-1] < found.losses[0]
    settings = TuningSettings(num_steps=3, locality_weight=0.0, target_loss=0.0)
    tuned = apply_difference(generator, tune(generator, found.latents, photograph, settings))
    assert error(tuned, found.latents, photograph) < error(generator, found.latents, photograph)
