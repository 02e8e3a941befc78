"""Properties of the transforms and the list reader, over what users give."""
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mmaction.registry import DATASETS, TRANSFORMS
from mmcv.transforms import Compose

from mmdualpath.datasets.randomness import Draw, seed_all, seeded
from mmdualpath.framesets import grid_framesets, spatial_indices

several = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck))
small = st.integers(1, 4)


@several
@given(
    clips=small,
    framesets=small,
    rows=small,
    columns=small,
    h=small,
    w=small,
    scale=st.integers(1, 3))
def test_a_frameset_has_every_frame_in_its_place(clips, framesets, rows,
                                                 columns, h, w, scale):
    """Constant frames stay constant, row by row, at any size."""
    count = framesets * rows * columns
    values = torch.arange(clips * count, dtype=torch.uint8).view(clips, count)
    frames = values[..., None, None, None].expand(-1, -1, 3, rows * h,
                                                  columns * w)
    size = (rows * h * scale, columns * w * scale)
    got = grid_framesets(frames, (rows, columns), size)
    assert got.shape == (clips, framesets, 3, *size)
    tiles = got.unflatten(-1, (columns, -1)).unflatten(3, (rows, -1))
    for clip in range(clips):
        for t in range(count):
            g, place = divmod(t, rows * columns)
            row, column = divmod(place, columns)
            tile = tiles[clip, g, :, row, :, column]
            assert (tile == values[clip, t]).all()


@several
@given(
    frames=st.integers(1, 12),
    grid=st.tuples(small, small),
    height=st.integers(1, 12),
    width=st.integers(1, 12))
def test_any_other_grid_is_refused_by_name(frames, grid, height, width):
    """Either framesets come out, or a ValueError says what does not fit."""
    clip = torch.zeros(frames, 3, height, width)
    fits = (
        frames % (grid[0] * grid[1]) == 0 and height % grid[0] == 0
        and width % grid[1] == 0)
    if fits:
        grid_framesets(clip, grid)
    else:
        with pytest.raises(ValueError, match='framesets? of'):
            grid_framesets(clip, grid)


values = st.one_of(
    st.integers(-3, 9), st.floats(), st.text(max_size=3), st.none(),
    st.booleans(), st.lists(st.integers(-2, 5), max_size=3),
    st.lists(st.text(max_size=2), max_size=2))


@several
@given(grid=values, size=values, spatial=values)
def test_any_config_value_works_or_is_named(grid, size, spatial):
    """Of ``GridFrameset``, for a clip of 8 frames of 8 x 8 pixels."""
    frames = [np.zeros((8, 8, 3), np.uint8)] * 8
    try:
        transform = TRANSFORMS.build(
            dict(
                type='GridFrameset',
                grid=grid,
                size=size,
                num_spatial_frames=spatial))
        transform.transform(dict(imgs=frames, clip_len=8, num_clips=1))
    except ValueError as error:
        assert any(
            word in str(error) for word in ('grid', 'frameset', 'size',
                                            'num_spatial_frames')), error


@several
@given(total=st.integers(1, 40), count=st.integers(-2, 40))
def test_spatial_frames_are_evenly_spread(total, count):
    if count < 1 or total % count:
        with pytest.raises(ValueError, match='num_spatial_frames'):
            spatial_indices(total, count)
    else:
        got = spatial_indices(total, count)
        assert got == [i * (total // count) for i in range(count)]


@several
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    clips=small,
    crop=st.sampled_from(['CenterCrop', 'ThreeCrop', 'RandomCrop']),
    grid=st.sampled_from([1, 2, (1, 4), (4, 1)]),
    spatial=st.sampled_from([None, 1, 2, 4]))
def test_views_of_any_video(height, width, clips, crop, grid, spatial):
    """Clips x crops views of the right shape, from any size of video."""
    imgs = [np.full((height, width, 3), i, np.uint8) for i in range(4 * clips)]
    collect = dict(collect_keys=('spatial', 'temporal')) if spatial else {}
    steps = [
        dict(type='Resize', scale=(-1, 8)),
        dict(
            type=crop, **{'size' if crop == 'RandomCrop' else 'crop_size': 8})
    ]
    # a narrow video needs both of its sides to reach the crop
    steps[0]['scale'] = (8, 8)
    steps[0]['keep_ratio'] = False
    steps.append(
        dict(type='GridFrameset', grid=grid, num_spatial_frames=spatial))
    if not spatial:
        steps.append(dict(type='FormatShape', input_format='NCTHW'))
    steps.append(dict(type='PackActionInputs', **collect))
    got = Compose([TRANSFORMS.build(s) for s in steps])(dict(
        imgs=imgs,
        clip_len=4,
        num_clips=clips,
        label=0,
        img_shape=(height, width),
        start_index=0,
        modality='RGB'))['inputs']
    views = clips * (3 if crop == 'ThreeCrop' else 1)
    framesets = 4 if grid == 1 else 1
    if spatial:
        assert got['spatial'].shape == (views, spatial, 3, 8, 8)
        assert got['temporal'].shape == (views, framesets, 3, 8, 8)
    else:
        assert got.shape == (views, 3, framesets, 8, 8)


@several
@given(
    height=st.integers(2, 24),
    width=st.integers(2, 24),
    count=st.integers(1, 6),
    seed=st.integers(0, 2**31))
def test_augmentation_keeps_size_and_type(height, width, count, seed):
    """Of clips of any size; the seed alone decides."""
    augment = TRANSFORMS.build(
        dict(
            type='ClipAugment',
            transforms=[
                dict(type='RandAugment', num_ops=2, magnitude=9),
                dict(type='RandomErasing', p=0.5)
            ]))
    frames = np.random.default_rng(seed).integers(
        0, 256, (count, height, width, 3), dtype=np.uint8)
    results = []
    for _ in range(2):
        with seeded(seed, 1):
            got = augment.transform(dict(imgs=list(frames.copy())))
        results.append(np.stack(got['imgs']))
        assert got['img_shape'] == (height, width)
    assert results[0].shape == frames.shape
    assert results[0].dtype == np.uint8
    assert np.array_equal(*results)


@several
@given(
    content=st.one_of(
        st.binary(max_size=60),
        st.text(max_size=60).map(lambda s: s.encode('utf-8', 'surrogatepass')),
        st.lists(
            st.tuples(
                st.sampled_from(['a.mp4', 'b c.mp4', '', 'é', '\0', ' ']),
                st.sampled_from(
                    ['0', '7', '-1', 'x', '', '1e3', '٣', '9' * 30]),
            ).map(' '.join),
            max_size=4).map(lambda x: '\n'.join(x).encode())),
    multi_class=st.booleans(),
    test_mode=st.booleans())
def test_any_list_is_read_or_refused_by_name(tmp_path_factory, content,
                                             multi_class, test_mode):
    """Never an error from deep inside, never a label that is none."""
    path = tmp_path_factory.getbasetemp() / 'fuzzed.txt'
    path.write_bytes(content)
    try:
        dataset = DATASETS.build(
            dict(
                type='ReliableVideoDataset',
                ann_file=str(path),
                pipeline=[],
                multi_class=multi_class,
                num_classes=10,
                test_mode=test_mode))
    except ValueError as error:
        assert 'ann_file' in str(error) and 'fuzzed.txt' in str(error)
        return
    for i in range(len(dataset)):
        label = dataset.get_data_info(i)['label']
        assert multi_class or -test_mode <= label < 10


@several
@given(
    key=st.lists(st.integers(0, 2**40), min_size=1, max_size=4),
    index=st.integers(0, 2**40))
def test_draws_depend_on_the_key_alone(key, index):
    """And what was drawn before goes on as if nothing had happened."""
    import pickle
    import random

    def draws():
        return (random.random(), np.random.rand(), torch.rand(1).item())

    seed_all(5)
    expected = draws(), draws()
    seed_all(5)
    first = draws()
    with seeded(*key):
        inside = draws()
    assert (first, draws()) == expected
    seed_all(*key)
    assert draws() == inside
    draw = pickle.loads(pickle.dumps(Draw(index, tuple(key))))
    assert (int(draw), draw.key) == (index, tuple(key))
