import pytest
from support import own, own_all
from pynamespaces import *
@pytest.mark.tier("root","userns")
def test_x():
    with unshared("net") as s:
        assert own("net")[1]==s["net"].id.ino
