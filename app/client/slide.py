"""What a batch is made of: files to send, and objects that the server fetches itself."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ObjectName:
    """The address of an object, s3://bucket/key."""

    address: str

    @property
    def name(self) -> str:
        """Its last part."""
        return self.address.rpartition("/")[2]

    def __str__(self) -> str:
        return self.address


Slide = Path | ObjectName
