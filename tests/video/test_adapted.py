"""Runs whose method adapts first: what is kept, taken over, and refused."""

import json
import types

import pytest
from films import film
from segment_runs import Noisy, square

from feelvos_tf.data.synthetic import synthetic_clip, write_clip
from feelvos_tf.errors import InputError
from feelvos_tf.video.masks import write_mask
from feelvos_tf.video.segment import segment_video


class Adapting(Noisy):
    """Its labels depend on what it was adapted to."""

    def __init__(self, *, planned=7, adapt_error=None, **options):
        super().__init__(**options)
        self.ends_at = None
        self.calls, self._planned, self._adapt_error, self.weights = [], planned, adapt_error, 0

    def adapt(self, frames, masks, *, steps, planned):
        self.calls.append((len(frames), steps))
        steps = self._planned if steps is None else steps
        planned(steps)
        if self._adapt_error:
            raise self._adapt_error
        self.weights = int(sum(mask.sum() for mask in masks)) + steps
        steps = steps if self.ends_at is None else self.ends_at
        return types.SimpleNamespace(steps=steps, loss=0.25, note="")

    def save_adapted(self, path):
        path.write_text(str(self.weights))

    def load_adapted(self, path):
        self.weights = int(path.read_text())

    def reset(self, frame, mask):
        super().reset(frame, mask)
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
    assert method.calls == [(1, None)]
    kept = tmp_path / "out" / "adapted.npz"
    assert kept.read_text() == str(method.weights)
    told = json.loads((tmp_path / "out" / "run.json").read_text())
    assert told["adaptation"]["steps"] == 7 and told["adaptation"]["frames"] == ["00000"]
    assert "adapted.npz" in told["files"]
    assert f"adapted in 7 steps, cross entropy 0.250; {kept}" in said


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
    assert second.calls == [(1, 3)]


def test_a_damaged_file_is_made_again(clip, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(clip, tmp_path / "out", Adapting(stop_at=2))
    (tmp_path / "out" / "adapted.npz").write_text("99")
    second = Adapting()
    run(clip, tmp_path / "out", second, resume=True)
    assert second.calls == [(1, 7)]
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
    assert second.calls == [(1, None)]


def test_all_given_frames_are_adapted_to_but_those_of_new_objects_alone(clip, tmp_path):
    masks = tmp_path / "masks"
    masks.mkdir()
    for name, mask in (("00000", square(1)), ("00002", square(2)), ("00004", square(1, 2))):
        write_mask(masks / f"{name}.png", mask)
    method = Adapting()
    run(clip, tmp_path / "out", method, mask=masks, direction="both")
    assert method.calls == [(2, None)]


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
