"""Runs whose method adapts first: what is kept, taken over, and refused."""

import json

import pytest
from films import film
from segment_runs import Noisy, square

from feelvos_tf.data.synthetic import synthetic_clip, write_clip
from feelvos_tf.errors import InputError
from feelvos_tf.video.adapted import Outcome
from feelvos_tf.video.masks import read_mask, write_mask
from feelvos_tf.video.segment import segment_video


class Adapting(Noisy):
    """Its labels depend on what it was adapted to."""

    def __init__(self, *, planned=7, adapt_error=None, **options):
        super().__init__(**options)
        self.ends_at = None
        self.calls, self._planned, self._adapt_error, self.weights = [], planned, adapt_error, None

    def adapt(self, passes, *, steps, planned):
        stop_at, self._stop_at, self.weights = self._stop_at, None, None
        self.passed = list(passes())
        self._stop_at, self.steps = stop_at, 0
        given = [frame.index for frame in self.passed if frame.given]
        self.calls.append((given, steps))
        steps = self._planned if steps is None else steps
        planned(steps)
        if self._adapt_error:
            raise self._adapt_error
        self.weights = int(sum(frame.labels.sum() for frame in self.passed)) + steps
        steps = steps if self.ends_at is None else self.ends_at
        return Outcome(steps, 0.25, "", 0.5, 0.75, True)

    def save_adapted(self, path):
        path.write_text(str(self.weights))

    def load_adapted(self, path):
        self.weights = int(path.read_text())

    def reset(self, frame, mask):
        super().reset(frame, mask)
        if self.weights is not None:
            self._reference.append(self.weights)


@pytest.fixture
def clip(tmp_path):
    drawn = synthetic_clip(5, 6, 24, 32, num_objects=1)
    write_clip(drawn, tmp_path)
    write_mask(tmp_path / "mask.png", square(1))
    return tmp_path / "JPEGImages" / "480p" / "clip", tmp_path / "mask.png"


def run(clip, output, method, said=None, mask=None, **options):
    return segment_video(
        clip[0],
        mask or clip[1],
        output,
        lambda: method,
        adapt=True,
        contact_sheet=False,
        say=(said if said is not None else []).append,
        **options,
    )


def pictures(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.png"))}


def test_the_network_is_kept_beside_the_masks(clip, tmp_path):
    method, said = Adapting(), []
    run(clip, tmp_path / "out", method, said)
    assert method.calls == [([0], None)]
    kept = tmp_path / "out" / "adapted.npz"
    assert kept.read_text() == str(method.weights)
    told = json.loads((tmp_path / "out" / "run.json").read_text())
    facts = told["adaptation"]
    assert facts["steps"] == facts["planned_steps"] == 7 and facts["kept"]
    assert (facts["before"], facts["after"], facts["loss"]) == (0.5, 0.75, 0.25)
    assert "adapted.npz" in told["files"]
    assert (
        "7 steps; given masks found again from other frames: overlap 50.0 % before, 75.0 % after; "
        "kept" in said
    )


def test_a_resumed_run_does_not_adapt_again(clip, tmp_path):
    run(clip, tmp_path / "whole", Adapting())
    with pytest.raises(KeyboardInterrupt):
        run(clip, tmp_path / "out", Adapting(stop_at=2))
    second, said = Adapting(planned=9), []
    run(clip, tmp_path / "out", second, said, resume=True)
    assert second.calls == [] and any("adapted to this video before" in line for line in said)
    assert pictures(tmp_path / "out") == pictures(tmp_path / "whole")


def test_a_run_killed_while_it_adapts_takes_as_many_steps_the_next_time(clip, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(clip, tmp_path / "out", Adapting(planned=3, adapt_error=KeyboardInterrupt()))
    second = Adapting(planned=9)
    run(clip, tmp_path / "out", second, resume=True)
    assert second.calls == [([0], 3)]


def test_a_damaged_file_is_made_again(clip, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(clip, tmp_path / "out", Adapting(stop_at=2))
    (tmp_path / "out" / "adapted.npz").write_text("99")
    second = Adapting()
    run(clip, tmp_path / "out", second, resume=True)
    assert second.calls == [([0], 7)]
    run(clip, tmp_path / "whole", Adapting())
    assert pictures(tmp_path / "out") == pictures(tmp_path / "whole")


def test_what_was_ended_early_and_is_gone_is_not_made_anew(clip, tmp_path):
    first = Adapting(stop_at=2)
    first.ends_at = 4
    with pytest.raises(KeyboardInterrupt):
        run(clip, tmp_path / "out", first)
    (tmp_path / "out" / "adapted.npz").unlink()
    before = pictures(tmp_path / "out")
    with pytest.raises(InputError, match="adapted.npz: is gone .*--overwrite starts anew"):
        run(clip, tmp_path / "out", Adapting(), resume=True)
    assert pictures(tmp_path / "out") == before


def test_overwriting_forgets_the_plan(clip, tmp_path):
    run(clip, tmp_path / "out", Adapting(planned=3))
    second = Adapting(planned=9)
    run(clip, tmp_path / "out", second, overwrite=True)
    assert second.calls == [([0], None)]


def test_masks_of_new_objects_alone_are_not_taken_for_the_whole_truth(clip, tmp_path):
    masks = tmp_path / "masks"
    masks.mkdir()
    for name, mask in (("00001", square(1)), ("00002", square(2)), ("00004", square(1, 2))):
        write_mask(masks / f"{name}.png", mask)
    method = Adapting()
    run(clip, tmp_path / "out", method, mask=masks, direction="both")
    assert method.calls == [([1, 4], None)]
    assert [frame.index for frame in method.passed] == [1, 2, 3, 4, 5]


def test_a_pass_is_a_run_that_does_not_adapt(clip, tmp_path):
    method = Adapting()
    run(clip, tmp_path / "out", method)
    segment_video(*clip, tmp_path / "plain", Noisy, contact_sheet=False, say=lambda line: None)
    for frame in method.passed[1:]:
        plain = read_mask(tmp_path / "plain" / f"{frame.index:05d}.png")
        assert (frame.labels == plain).all()


def test_unknown_pixels_of_a_given_mask_stay_unknown(clip, tmp_path):
    mask = square(1)
    mask[0, :5] = 255
    write_mask(clip[1], mask)
    method = Adapting()
    run(clip, tmp_path / "out", method, ignore_label=255)
    assert (method.passed[0].labels == mask).all()


def test_what_came_of_it_in_words():
    def lines(*facts):
        return Outcome(*facts).lines()

    assert lines(9, 0.5, "", 0.125, 0.5, False) == [
        "9 steps; given masks found again from other frames: overlap 12.5 % before, 50.0 % after; "
        "not kept: the network stays as it came"
    ]
    nothing = "nothing was learned: no other frame leads back to a given mask"
    assert lines(0, 0.5, "stopped", None, None, False) == ["the adaptation stopped", nothing]
    assert lines(0, 0.5, "stopped", 0.125, None, False) == ["the adaptation stopped"]
    assert lines(9, 0.5, "stopped", 0.125, None, False, False) == ["the adaptation stopped"]
    lost = "not kept: after 9 steps the objects are lost everywhere"
    assert lines(9, 0.5, "", 0.125, None, False) == [lost]


def test_a_pass_shows_how_far_it_is(clip, tmp_path, monkeypatch):
    monkeypatch.setattr("feelvos_tf.video.progress._SECONDS_BETWEEN_LINES", 0.0)
    said = []
    run(clip, tmp_path / "out", Adapting(), said, progress=True)
    assert any(line.startswith("trial pass: 100%") and " 6/6 " in line for line in said)


def test_a_file_of_the_users_is_left_alone(clip, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "adapted.npz").write_text("mine")
    with pytest.raises(InputError, match="adapted.npz: is there already"):
        run(clip, tmp_path / "out", Adapting())
    assert (tmp_path / "out" / "adapted.npz").read_text() == "mine"


def test_a_method_that_cannot_adapt_is_named(clip, tmp_path):
    with pytest.raises(InputError, match="the method cannot adapt"):
        run(clip, tmp_path / "out", Noisy())


def test_a_live_video_does_not_wait(clip, tmp_path):
    film(tmp_path / "film.mkv")
    with pytest.raises(InputError, match="adapt does not go with it"):
        run((f"growing:{tmp_path / 'film.mkv'}", clip[1]), tmp_path / "out", Adapting())
    assert not (tmp_path / "out").exists()
