"""Passwords may be guessed ten times, and then one in six seconds."""

import pytest

from restora.apps.web.brake import EACH_S, FREE, Brake


@pytest.fixture
def clock():
    class Clock:
        now = 1000.0

        def __call__(self):
            return self.now

    return Clock()


def guess(brake, address="192.0.2.1", times=FREE):
    for _ in range(times):
        assert brake.wait_s(address) == 0
        brake.wrong(address)


def test_a_few_wrong_ones_cost_nothing(clock):
    brake = Brake(clock=clock)
    guess(brake)
    assert brake.wait_s("192.0.2.1") == EACH_S
    assert brake.wait_s("192.0.2.2") == 0  # which is somebody else


def test_then_one_at_a_time(clock):
    brake = Brake(clock=clock)
    guess(brake)
    tries = 0
    for _ in range(600):
        clock.now += 1
        if not brake.wait_s("192.0.2.1"):
            brake.wrong("192.0.2.1")
            tries += 1
    assert tries == 600 / EACH_S


def test_it_forgets(clock):
    brake = Brake(clock=clock)
    guess(brake)
    clock.now += FREE * EACH_S
    guess(brake)


def test_all_addresses_of_a_house_are_one(clock):
    brake = Brake(clock=clock)
    for number in range(FREE):
        guess(brake, f"2001:db8::{number + 1:x}", times=1)
    assert brake.wait_s("2001:db8::ffff") > 0
    assert brake.wait_s("2001:db8:0:1::1") == 0


def test_it_remembers_so_many(clock):
    brake = Brake(clock=clock)
    for number in range(10_500):
        brake.wrong(f"10.0.{number // 256}.{number % 256}")
    assert len(brake._paid) == 10_000


@pytest.mark.parametrize("address", ["", "testclient"])
def test_what_is_no_address_is_a_name(address, clock):
    brake = Brake(clock=clock)
    guess(brake, address)
    assert brake.wait_s(address) > 0
