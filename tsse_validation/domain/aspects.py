"""The aspects of what the runbook looks at, of which each has a test of its own."""

FILE_ASPECTS = ("readable", "schema", "shard", "date", "duplicates")
"""What is held of every file of the lake (contract section 4)."""
INSPECTION_ASPECTS = ("paths", "watermark", "replication", "partitions")
"""In what an inspection by the API and one by the files must agree."""
