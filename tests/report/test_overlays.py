import numpy as np
import pytest
from PIL import Image

from vos_tf.datasets.types import Video, VideoObject
from vos_tf.media.label_maps import davis_palette, write_label_map
from vos_tf.report.overlays import (
    Tile,
    contact_sheet,
    draw_contours,
    draw_overlay,
    encode_picture,
    evenly_spaced,
    overlay_palette,
    write_overlay_sheet,
)

FRAME = np.full((90, 120, 3), 90, np.uint8)


def labels(number=1):
    result = np.zeros(FRAME.shape[:2], np.uint8)
    result[20:70, 30:90] = number
    return result


def test_fill_blends_the_colour_and_leaves_the_rest_alone():
    drawn = draw_overlay(FRAME, labels(), alpha=0.5, contours=False, ids=False)
    inside = labels() == 1
    expected = (90 + overlay_palette()[1].astype(float)) / 2
    assert np.abs(drawn[inside] - expected).max() <= 1
    assert np.array_equal(drawn[~inside], FRAME[~inside])
    assert np.array_equal(FRAME, np.full_like(FRAME, 90))  # the frame itself is not drawn on
    assert (drawn.dtype, drawn.shape) == (np.uint8, FRAME.shape)


def test_contours_and_ids_are_drawn_where_asked_for():
    plain = draw_overlay(FRAME, labels(), contours=False, ids=False)
    outlined = draw_overlay(FRAME, labels(), contours=True, ids=False)
    numbered = draw_overlay(FRAME, labels(), contours=False, ids=True)
    changed = np.any(outlined != plain, axis=-1)
    assert changed[18:22, 30:90].any()
    assert not changed[40:50, 50:70].any()
    at_id = np.any(numbered != plain, axis=-1)
    assert at_id[35:55, 50:70].any()
    assert not at_id[:20].any()


def test_tiny_objects_get_no_id():
    small = np.zeros(FRAME.shape[:2], np.uint8)
    small[40:44, 40:44] = 3
    options = {"contours": False}
    assert np.array_equal(
        draw_overlay(FRAME, small, ids=True, **options), draw_overlay(FRAME, small, ids=False, **options)
    )


def test_void_is_grey_without_contour_or_id():
    drawn = draw_overlay(FRAME, labels(255))
    inside = drawn[20:70, 30:90]
    assert np.ptp(inside.reshape(-1, 3), axis=0).max() == 0
    assert np.ptp(inside[0, 0]) == 0


def test_dark_colours_of_the_palette_are_lifted_and_stay_apart():
    lifted = overlay_palette().astype(float)
    luminance = lifted[1:] @ [0.299, 0.587, 0.114]
    assert luminance.min() >= 70
    assert (lifted >= davis_palette()).all()
    assert len({tuple(colour) for colour in lifted[1:23]}) == 22


def test_sizes_must_agree():
    with pytest.raises(ValueError, match="one size"):
        draw_overlay(FRAME, np.zeros((4, 4), np.uint8))


def test_truth_contours_are_white_lines():
    drawn = draw_contours(FRAME, labels())
    assert (drawn[20, 40:80] > 200).all()
    assert np.array_equal(drawn[45, 60], FRAME[45, 60])


def test_evenly_spaced_holds_both_ends():
    names = [f"{index:05d}" for index in range(100)]
    chosen = evenly_spaced(names, 8)
    assert (len(chosen), chosen[0], chosen[-1]) == (8, "00000", "00099")
    gaps = np.diff([int(name) for name in chosen])
    assert gaps.max() - gaps.min() <= 1
    assert evenly_spaced(names[:3], 8) == tuple(names[:3])


def test_contact_sheet_lays_out_rows():
    tiles = [Tile(FRAME, f"frame {index}") for index in range(5)]
    sheet = contact_sheet(tiles, title="a very long title " * 20, note="note", columns=3, width=120)
    assert sheet.shape[1] > 3 * 120
    assert sheet.shape[0] > 2 * 90
    one = contact_sheet(tiles[:1], title="t", columns=3, width=120)
    assert one.shape[1] < 2 * 120
    with pytest.raises(ValueError, match="needs a picture"):
        contact_sheet([], title="t")


@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_overlay_sheet_of_a_video(tmp_path, kind):
    paths = tuple(tmp_path / "frames" / f"{index:05d}.jpg" for index in range(6))
    (tmp_path / "frames").mkdir()
    for path in paths:
        path.write_bytes(encode_picture(FRAME))
    masks = {}
    for path in paths[:2]:  # ground truth of two frames, predictions of all but one
        masks[path.stem] = tmp_path / "truth" / f"{path.stem}.png"
        write_label_map(masks[path.stem], labels())
    for path in paths[:-1]:
        write_label_map(tmp_path / "results" / "v" / f"{path.stem}.png", labels(2))
    item = VideoObject(1, None, "00000", tuple(path.stem for path in paths))
    video = Video("v", paths, masks, (item,), (90, 120))
    out = tmp_path / f"sheet.{kind}"
    write_overlay_sheet(video, tmp_path / "results", out)
    with Image.open(out) as image:
        assert image.format == {"png": "PNG", "jpg": "JPEG"}[kind]
        assert image.size[0] > 4 * 400
