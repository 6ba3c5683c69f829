"""The whole way on real video: DAVIS files to records to batches, against reading the files directly."""

from dataclasses import replace

import numpy as np

from vos_tf.datasets import open_dataset
from vos_tf.media.images import read_image, resize_image, resize_label_map
from vos_tf.pipeline.clips import clip_batches
from vos_tf.pipeline.options import ClipOptions
from vos_tf.pipeline.sampling import plan_epoch
from vos_tf.records.preprocess import preprocess
from vos_tf.records.verify import verify_records


def test_davis_from_disk_to_batches(shared, tmp_path):
    whole = open_dataset("davis2016", shared / "data" / "davis2016", "train")
    videos = []
    for video in whole.videos[:2]:
        names = video.frame_names[:8]
        objects = tuple(replace(item, frames=tuple(n for n in item.frames if n in names)) for item in video.objects)
        masks = {name: video.masks[name] for name in names}
        videos.append(replace(video, frames=video.frames[:8], masks=masks, objects=objects))
    dataset = replace(whole, videos=tuple(videos))
    manifest = preprocess(dataset, tmp_path / "out", size="256x448", workers=2)
    verify_records(manifest, workers=1)
    options = ClipOptions(clip_length=3, clips_per_object=2)
    (batch,) = clip_batches(manifest, options, batch_size=4, seed=0, epoch=0)
    for row, request in enumerate(plan_epoch(manifest, options, batch_size=4, seed=0, epoch=0)):
        video = dataset.videos[request.video]
        for time, index in enumerate(request.frames):
            image = resize_image(read_image(video.frames[index]), (256, 448)).astype(int)
            # One JPEG of quality 95 lies between the two.
            assert np.abs(batch.frames[row, time].numpy() - image).mean() < 3
            labels = resize_label_map(video.read_mask(video.frame_names[index]), (256, 448))
            np.testing.assert_array_equal(batch.labels[row, time].numpy(), labels)
