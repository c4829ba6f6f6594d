"""What every record of a run log is."""

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Base of the log's records."""

    model_config = ConfigDict(frozen=True, extra="forbid")
