"""Parquet: a table by columns, of which only those that are needed are read. The only door to
pyarrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import count, islice
from typing import TYPE_CHECKING, Any

from chargen.config import CorpusConfig
from chargen.errors import CorpusError
from chargen.formats.content import Content, Head
from chargen.formats.documents import Document
from chargen.formats.records import (
    MAX_RECORD,
    SAMPLE,
    BadRecord,
    Origin,
    Row,
    find_layout,
    read_with,
)
from chargen.formats.seekable import open_seekable

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

MAGIC = b"PAR1"
BATCH_BYTES = 1 << 23  # of records that are read at a time, as the file tells their size
MAX_BATCH = 10_000  # records
BUFFER_BYTES = 1 << 20  # of a column, where else all of it would be read


def recognises(head: Head) -> bool:
    return head.data.startswith(MAGIC)


def read(content: Content, config: CorpusConfig) -> Iterator[Document]:
    """Each row as a document. Raises CorpusError."""
    try:
        import pyarrow as arrow
        from pyarrow import parquet
    except ImportError as error:
        raise CorpusError(
            f"{content.name} is a Parquet file, which pyarrow reads, but that is not installed",
            hint="pip install 'chargen[parquet]'",
        ) from error
    origin = Origin(content.name, "record", "column")
    with ExitStack() as stack:
        stream = stack.enter_context(open_seekable(content))
        try:
            file = parquet.ParquetFile(stream, buffer_size=BUFFER_BYTES, pre_buffer=False)
            sample = list(islice(_rows(file, None, SAMPLE), SAMPLE))
            if not sample:
                return
            layout = find_layout([row.value for row in sample], config, origin)
            rows = _rows(file, layout.fields, MAX_BATCH)
            yield from read_with(layout, rows, config, origin)
        except (arrow.ArrowException, OSError, MemoryError) as error:
            why = str(error).splitlines()[0] if str(error) else "it is too large"
            raise CorpusError(
                f"{content.name} is not a complete Parquet file: {why}",
                hint="get or make it anew",
            ) from error


def _rows(file: ParquetFile, columns: Sequence[str] | None, most: int) -> Iterator[Row]:
    """All records, with these columns, or all that may hold text."""
    names = [name for name in file.schema_arrow.names if columns is None or name in columns]
    numbers = count(1)
    for batch in file.iter_batches(batch_size=min(most, _batch_size(file)), columns=names):
        for record in batch.to_pylist():
            yield Row(next(numbers), _checked(record), 0)


def _batch_size(file: ParquetFile) -> int:
    """How many records are about BATCH_BYTES."""
    metadata = file.metadata
    size = sum(metadata.row_group(at).total_byte_size for at in range(metadata.num_row_groups))
    records = BATCH_BYTES * int(metadata.num_rows) // max(1, int(size))
    return max(1, min(MAX_BATCH, records))


def _checked(record: dict[str, Any]) -> object:
    long = [name for name, value in record.items() if isinstance(value, str)
            and len(value) > MAX_RECORD]  # fmt: skip
    return BadRecord(f"its {long[0]} has more than {MAX_RECORD:,} characters") if long else record
