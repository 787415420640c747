"""What is shared by runs, and when it goes."""

from bench.place import Place


class Deleted:
    """A grid that remembers what was deleted in it."""

    def __init__(self):
        self.names = []

    def api(self, method, *path):
        self.names.append((method, *path))


def test_nothing_is_deleted_in_a_broker_that_goes_anyway(tmp_path):
    place, grid = Place(tmp_path), Deleted()
    place._grid = grid
    place.forget("before")
    with place.last_use():
        place.forget("meanwhile")
    assert grid.names == [("DELETE", "queues", "before")]
    assert place._grid is None, "who comes next gets a new one"
