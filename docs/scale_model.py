"""What a million and a billion pictures take, worked out from what was measured."""

from __future__ import annotations

from dataclasses import dataclass

# What is assumed, not measured.
PICTURE_MP = 1.0
CORES = 64  # a machine
CORE_HOUR_USD = 0.04
NETWORK_GBIT = 10.0  # a machine
PUTS_S = 3500  # writes a second that a store takes below one prefix
REQUESTS_USD = 5.4e-6  # a read and a write


@dataclass(frozen=True)
class Measured:
    """Of one core, unless said otherwise.

    Attributes:
        core_s: Seconds a megapixel, with what Ray adds.
        in_bytes, out_bytes: Bytes a megapixel that are read and written.
        worker_bytes: Memory of a worker.
        driver_s: Seconds that the one driver works for a picture, in long blocks.
        record_s: Of those, seconds to note it in the manifest.
        claim_s: Seconds to plan for a picture before the run.
        row_bytes: Bytes of the manifest a picture.
    """

    core_s: float
    in_bytes: float
    out_bytes: float
    worker_bytes: float
    driver_s: float
    record_s: float
    claim_s: float
    row_bytes: float


@dataclass(frozen=True)
class Run:
    """A run of so many pictures on so many machines."""

    pictures: int
    machines: int
    measured: Measured

    @property
    def picture_s(self) -> float:
        """Seconds of a core a picture."""
        return self.measured.core_s * PICTURE_MP

    @property
    def pictures_s(self) -> float:
        """Pictures a second of all machines."""
        return self.machines * CORES / self.picture_s

    @property
    def hours(self) -> float:
        """Until all are done."""
        return self.pictures / self.pictures_s / 3600

    @property
    def usd(self) -> float:
        """For machines, and for the requests to a store."""
        return self.machines * CORES * self.hours * CORE_HOUR_USD + self.pictures * REQUESTS_USD

    @property
    def manifests(self) -> int:
        """Runs side by side, each with a manifest and a part of the pictures, at 70 % load."""
        return max(1, -int(-self.pictures_s * self.measured.driver_s // 0.7))

    @property
    def network_gbit(self) -> float:
        """Gigabit a second of a machine."""
        moved = (self.measured.in_bytes + self.measured.out_bytes) * PICTURE_MP
        return CORES / self.picture_s * moved * 8 / 1e9

    @property
    def manifest_gb(self) -> float:
        """Gigabytes of all manifests."""
        return self.pictures * self.measured.row_bytes / 1e9


def limits(measured: Measured) -> dict[str, float]:
    """Cores at which each thing that one run has but one of is used up."""
    picture_s = measured.core_s * PICTURE_MP
    return {
        "the driver": picture_s / measured.driver_s,
        "writes below one prefix of a store": picture_s * PUTS_S,
    }
