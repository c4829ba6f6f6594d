"""What every record of the run log is."""

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Base of the log's records: one JSON object a line, of known keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")
