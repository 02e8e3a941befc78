"""Folders, tables and annotation files are one list of videos."""
import os

import pytest

from mmdualpath.datasets.collection import (Video, classes_of, is_video_name,
                                            read_collection, read_names)


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return str(path)


def test_folders_of_classes(tmp_path):
    paths = [
        touch(tmp_path / name)
        for name in ('b/1.mp4', 'a/deep/2.avi', 'a/3.txt', 'a/.hidden',
                     '.cache/4.mp4')
    ]
    found = {(v.path, v.labels, v.split) for v in read_collection(tmp_path)}
    assert found == {(paths[0], ('b', ), ''), (paths[1], ('a', ), ''),
                     (paths[2], ('a', ), '')}
    assert is_video_name('x.MP4') and not is_video_name('3.txt')


def test_folders_of_splits(tmp_path):
    for name in ('train/a/1.mp4', 'Val/a/2.mp4', 'train/b/3.mp4'):
        touch(tmp_path / name)
    found = read_collection(tmp_path)
    assert [(v.path[len(str(tmp_path)) + 1:], v.split)
            for v in found] == [('Val/a/2.mp4', 'val'),
                                ('train/a/1.mp4', 'train'),
                                ('train/b/3.mp4', 'train')]


@pytest.mark.parametrize(
    'name, text, expected',
    [
        ('a.txt', 'x.mp4 3\ny.mp4 12\n', [('x.mp4', '3'), ('y.mp4', '12')]),
        # several labels, and a path with blanks in front of one
        ('a.txt', 'x.mp4 3 1\n', [('x.mp4', '3', '1')]),
        ('a.txt', 'my video.mp4 run\n', [('my video.mp4', 'run')]),
        ('a.csv', 'x.mp4,run\ny.mp4,walk\n', [('x.mp4', 'run'),
                                              ('y.mp4', 'walk')]),
        ('a.csv', 'x.mp4,run,wave\n', [('x.mp4', 'run', 'wave')]),
        ('a.csv', 'x.mp4,run;wave\n', [('x.mp4', 'run', 'wave')]),
        ('a.csv', 'x.mp4,"run, wave"\n', [('x.mp4', 'run', 'wave')]),
        ('a.tsv', 'label\tfile\nrun|wave\tx.mp4\n', [('x.mp4', 'run', 'wave')
                                                     ]),
        # a byte order mark, another delimiter, a video in two lines
        ('a.csv', '\ufeffVideo;Class\nx.mp4;run\nx.mp4;wave\n', [
            ('x.mp4', 'run', 'wave')
        ]),
    ])
def test_lists(tmp_path, name, text, expected):
    (tmp_path / name).write_text(text, encoding='utf-8')
    found = read_collection(tmp_path / name, root=tmp_path / 'videos')
    assert [(v.path, *v.labels)
            for v in found] == [(str(tmp_path / 'videos' / path), *labels)
                                for path, *labels in expected]


def test_group_and_split_of_a_table(tmp_path):
    (tmp_path / 'a.csv').write_text('person,split,clip,label\n'
                                    'p1,train,x.mp4,run\np2,test,y.mp4,run\n')
    assert read_collection(
        tmp_path / 'a.csv', root='') == [
            Video('x.mp4', ('run', ), 'p1', 'train'),
            Video('y.mp4', ('run', ), 'p2', 'val')
        ]


def test_root_is_where_the_first_video_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'lists').mkdir()
    (tmp_path / 'lists' / 'a.txt').write_text('x.mp4 0\n')
    assert read_collection('lists/a.txt')[0].path == 'x.mp4'
    path = touch(tmp_path / 'lists' / 'x.mp4')
    assert read_collection(tmp_path / 'lists/a.txt')[0].path == path


def test_numbers_get_names(tmp_path):
    (tmp_path / 'a.txt').write_text('x.mp4 1\ny.mp4 0 1\n')
    found = read_collection(tmp_path / 'a.txt', names=['run', 'wave'])
    assert [v.labels for v in found] == [('wave', ), ('run', 'wave')]
    with pytest.raises(ValueError, match='label 1, but only 1 names'):
        read_collection(tmp_path / 'a.txt', names=['run'])


def test_order_of_classes():
    videos = [Video('', (name, )) for name in ('10', 'b', '9', 'a')]
    assert classes_of(videos) == ['9', '10', 'a', 'b']


@pytest.mark.parametrize(
    'text, message',
    [
        ('', 'lists no videos'),
        ('x.mp4\n', 'line 1: no label'),
        ('video,label\nx.mp4,run\ny.mp4,\n', 'line 3: no label'),
        # as an editor counts them
        ('video,label\n\nx.mp4,run\n\ny.mp4,\n', 'line 5: no label'),
        ('label,what\nrun,x.mp4\n', 'which one has the videos'),
        ('video,label,split\nx.mp4,run,some\n', "split 'some' is none of"),
        ('video,label,split\nx.mp4,run,val\nx.mp4,run,train\n',
         'for training and for validation'),
    ])
def test_mistakes(tmp_path, text, message):
    (tmp_path / 'a.csv').write_text(text)
    with pytest.raises(ValueError, match=message):
        read_collection(tmp_path / 'a.csv')


def test_one_file_by_several_paths(tmp_path):
    path = touch(tmp_path / 'x.mp4')
    (tmp_path / 'y.mp4').symlink_to(path)
    (tmp_path / 'a.csv').write_text('x.mp4,run\nd/../x.mp4,run\ny.mp4,wave\n')
    found, = read_collection(tmp_path / 'a.csv')
    assert found == Video(path, ('run', 'wave'))


@pytest.mark.parametrize('name',
                         [b'a\nb.mp4', b'a\rb.mp4', b'\xff.mp4', b'a\n.mp4'])
def test_names_that_no_list_holds(tmp_path, name):
    touch(tmp_path / 'a/1.mp4')
    touch(tmp_path / 'a' / os.fsdecode(name))
    with pytest.raises(ValueError, match='rename it') as raised:
        read_collection(tmp_path)
    str(raised.value).encode()  # it can be printed


def test_links_to_nothing(tmp_path):
    path = tmp_path / 'a/gone.mp4'
    path.parent.mkdir()
    path.symlink_to('/nowhere/gone.mp4')
    assert [v.path for v in read_collection(tmp_path)] == [str(path)]


def test_names_of_classes(tmp_path):
    path = tmp_path / 'labels.txt'
    path.write_bytes('\ufeffto run\r\nzurück, schnell\r\n\r\n'.encode())
    assert read_names(path) == ['to run', 'zurück, schnell']
    for content, message in ((b'\n', 'no name of a class in line 1'),
                             (b'a\n\nb\n', 'no name of a class in line 2'),
                             (b'a\nb\nc\nb\n',
                              "class 'b' twice, in lines 2 and 4"),
                             (b'\xff\xfe', 'no text in UTF-8')):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f'labels.txt.*{message}'):
            read_names(path)
    with pytest.raises(ValueError, match='no file'):
        read_names(tmp_path)


def test_mistakes_of_folders(tmp_path):
    with pytest.raises(ValueError, match='neither a folder nor a list'):
        read_collection(tmp_path / 'nothing')
    with pytest.raises(ValueError, match='holds no folders'):
        read_collection(tmp_path)
    for name in ('s/train/a/1.mp4', 's/val/a/2.mp4', 's/notes/3.mp4'):
        touch(tmp_path / name)
    with pytest.raises(ValueError, match='and notes beside them'):
        read_collection(tmp_path / 's')
    touch(tmp_path / 'a/1.mp4')
    touch(tmp_path / 'loose.mp4')
    with pytest.raises(ValueError, match='such as loose.mp4'):
        read_collection(tmp_path)
