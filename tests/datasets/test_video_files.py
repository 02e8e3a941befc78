"""Names of videos and of what becomes of them."""
import pytest

from mmdualpath.datasets.video_files import result_names, videos_in


def test_videos_of_a_folder(tmp_path):
    for name in ('b.AVI', 'a.mp4', 'in/c.webm', 'notes.txt', 'in/mp4'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [str(p.relative_to(tmp_path)) for p in videos_in(tmp_path)]
    assert found == ['a.mp4', 'b.AVI', 'in/c.webm']
    with pytest.raises(ValueError, match='holds no video .*.webm'):
        videos_in(tmp_path / 'nothing')


@pytest.mark.parametrize('videos, names', [
    (['a/1.mp4'], ['1']),
    (['a/1.mp4', 'a/2.mp4'], ['1', '2']),
    (['a/1.mp4', 'b/1.mp4'], ['a/1', 'b/1']),
    (['a/1.mp4', 'a/b/1.mp4', './a/b/2.mp4'], ['1', 'b/1', 'b/2']),
    (['a/1.mp4', 'a/1.avi', 'b/2.avi'], ['a/1.mp4', 'a/1.avi', 'b/2.avi']),
    (['a/1.mp4', 'a/1.mp4'], ['1', '1']),
    (['https://x.org/v/1.mp4', 'https://x.org/w/1.mp4'], ['v/1', 'w/1']),
    (['http://x.org/1?v=3', 'http://x.org/1?v=4'], ['1?v=3', '1?v=4']),
    (['http://x.org/a%20b.mp4', 'http://x.org/c.mp4'], ['a b', 'c']),
    (['http://x/a/1.mp4', 'http://x/a/%2e%2e/%2e%2e/%2e%2e/2.mp4'
      ], ['x/a/1', '2']),
])
def test_results_have_names_of_their_own(videos, names):
    assert result_names(videos) == names
