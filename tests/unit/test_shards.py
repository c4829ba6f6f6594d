import pytest
from hypothesis import given
from hypothesis import strategies as st

from tsse_validation.lake.shards import shard_of


@pytest.mark.parametrize(
    ("sensor_id", "shards", "shard"),
    # xxh3_64 of "" is 0x2d06800538d394c2 and of "a" is 0xe6c632b61e964e1f, by the algorithm's own test vectors
    [("", 16, "02"), ("a", 16, "15"), ("a", 100, f"{0xE6C632B61E964E1F % 100:02d}"), ("anything", 1, "00")],
)
def test_a_shard_is_the_xxh3_hash_of_the_id_modulo_the_shards(sensor_id: str, shards: int, shard: str) -> None:
    assert shard_of(sensor_id, shards) == shard


@given(st.text(alphabet=st.characters(codec="utf-8")), st.integers(1, 100))
def test_every_id_has_one_shard_of_two_digits_below_their_number(sensor_id: str, shards: int) -> None:
    shard = shard_of(sensor_id, shards)
    assert len(shard) == 2
    assert 0 <= int(shard) < shards
    assert shard_of(sensor_id, shards) == shard
