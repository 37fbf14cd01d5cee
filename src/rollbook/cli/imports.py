"""Imports a file of users into a data folder or a running server, with a bar at a terminal and refused records on
standard error."""

from __future__ import annotations

import io
import os
import re
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from rollbook import clock
from rollbook.actions import bulk_jobs, import_absence, import_writer, imports
from rollbook.actions.arguments.imports import ColumnMapping, ImportOptions
from rollbook.actions.checking import check_texts
from rollbook.actions.context import Rollbook
from rollbook.actions.import_sources import OWN_FILE
from rollbook.actions.principal import Principal, cli_job
from rollbook.actions.rule_words import of_added
from rollbook.api.files import refused_rows
from rollbook.cli.backends import Backend, at
from rollbook.cli.output import Failure, Misuse, Show, bar, counted, hint, looks, where, written
from rollbook.errors import ApiError, InvalidParameter
from rollbook.jobs.import_runner import ReaderLost, Run
from rollbook.machine import process_began
from rollbook.records.import_rows import Column
from rollbook.records.imports import ABSENT, IMPORTS, MAX_REFUSALS, Counts, Refusal
from rollbook.records.user_imports import FileKeys
from rollbook.sources import reading
from rollbook.sources.columns import kept_as_metadata, read_mapping

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from rollbook.cli.remote import Remote

STDIN = Path("-")
PART = 1 << 18
"""Bytes of a file that are sent at a time."""
FINAL = ("finished", "failed", "canceled")

_encode = msgspec.json.Encoder().encode


class FileImport(Struct):
    """A file to import, and what came of it so far. `report`: where the report is written; None: it is printed.
    `refused`: where refused records are written as they were, to be fixed."""

    file: Path  # `-`: standard input
    options: ImportOptions
    report: IO[bytes] | None = None
    counts: Counts = Counts()
    seconds: float = 0.0
    refused: Path | None = None
    columns: list[Column] = []
    """Fate of each column."""
    refusals: list[Refusal] = []
    """Refused records for the report that the dashboard shows."""
    place: str = "line"
    """The name of what the numbers of records count."""
    absent_users: int | None = None
    """People who are not in the file; None: not asked for."""

    @property
    def size(self) -> int | None:
        return self.file.stat().st_size if self.file != STDIN and self.file.is_file() else None

    @property
    def title(self) -> str:
        return "Dry run" if self.options.dry_run else "Importing"

    @property
    def rate(self) -> int:
        """Records a second."""
        return round(self.counts.records / self.seconds) if self.seconds else 0

    @property
    def sentence(self) -> str:
        others = zip(("updated", "unchanged", "skipped"), self.counts[2:5], strict=True)
        parts = [
            f"{counted(self.counts.added, 'user')} added",
            *(f"{count:,} {name}" for name, count in others if count),
        ]
        if self.counts.without_password:
            parts.append(f"{self.counts.without_password:,} without a password")
        if self.counts.weak_hashes:
            parts.append(f"{self.counts.weak_hashes:,} with a weak password hash")
        refused = counted(self.counts.refused, "record")
        rate = f" ({self.rate:,} records/s)" if self.rate else ""
        done = f"{', '.join(parts)}, {refused} refused, in {self.seconds:.1f} s{rate}."
        return f"Dry run, nothing was changed: {done}" if self.options.dry_run else done

    @property
    def stopped(self) -> str:
        """Sentences about what Ctrl+C has left, and how to go on."""
        if not self.counts.records:
            return "Stopped by Ctrl+C: nothing was imported."
        if self.options.dry_run:
            return f"Stopped by Ctrl+C. {self.sentence}"
        again = {
            "skip": "users who exist are skipped",
            "update": "users who exist are updated where they differ",
            "fail": "add --on-conflict skip, so that users who exist are skipped",
        }[self.options.on_conflict]
        return f"Stopped by Ctrl+C: {self.sentence} They stay. To go on, run the same command again: {again}."

    def say_columns(self) -> None:
        width = max((len(column.name) for column in self.columns), default=0)
        for column in self.columns:
            hint(f"{column.name:{min(width, 40)}}  {column.sentence}")

    def put_out(self, refusals: list[Refusal], say: Callable[[str], None]) -> None:
        if self.report is not None:
            self.report.write(b"".join([_encode(refusal._asdict()) + b"\n" for refusal in refusals]))
            return
        # The file of refused records says why of each.
        for refusal in refusals if self.refused is None else [each for each in refusals if each.user_id]:
            if refusal.code == ABSENT:
                say(f"absent: {refusal.user_id}")
                continue
            who = f" ({refusal.user_id})" if refusal.user_id else ""
            say(f"{self.place} {refusal.line}: {refusal.reason}{who}")

    def say_absent(self, total: int, job_id: str | None, suspend: str) -> None:
        """Sentences about who is absent. `suspend` is the command that approves."""
        self.absent_users = total
        hint(f"{total:,} {'person is' if total == 1 else 'people are'} not in the file.")
        if job_id is not None:
            hint(f"Suspended by the bulk job {job_id}. To undo it: rollbook bulk undo {job_id}")
        elif total and not self.options.dry_run:
            why = "That is too many to suspend them without asking, or some records couldn't be read. "
            hint(f"{why if self.options.absent == 'suspend' else ''}To suspend them: {suspend}")

    def say_rules(self, backend: Backend) -> None:
        """Name the rules that begin with who is added, where the caller may read rules."""
        with suppress(ApiError, Failure):
            if sentence := of_added(backend.all("/v1/rules", {}), self.options.events):
                hint(sentence)

    def moved(self, counts: Counts, began: float, show: Show, bytes_read: int, size: int | None) -> None:
        """`bytes_read` of `size` are those of the records that are done."""
        self.counts, self.seconds = counts, time.perf_counter() - began
        whole = f" of about {counts.records * size // bytes_read:,}" if size and bytes_read else ""
        show(bytes_read, f"{counts.records:,}{whole} records, {self.rate:,}/s")


def import_options(options: Mapping[str, str], columns: Sequence[str]) -> ImportOptions:
    """`columns` are such as `Mail=email`; `Notes=` and `Notes=null` leave one out. Raises InvalidParameter, Misuse."""
    texts = dict(options)
    if columns:
        pairs = [column.rpartition("=") for column in columns]
        if not all(column for column, _, _ in pairs):
            raise Misuse("--map: use the name of a column, =, and the name of a field, such as Mail=email.")
        texts["mapping"] = _encode(
            {column: None if field in ("", "null") else field for column, _, field in pairs}
        ).decode()
    return check_texts(ImportOptions, texts)


def map_all(task: FileImport) -> None:
    """Keep each column of a CSV file that has no field in the metadata, as the dashboard proposes it, and say so before
    the file is read or sent. Raises InvalidParameter, OSError."""
    options = task.options
    if task.size is None or options.source != OWN_FILE:
        return
    with task.file.open("rb", buffering=0) as file:
        try:
            preview = reading.preview(file, options, 0, rows=0)
        except InvalidParameter:
            return  # what is wrong with the file is said when it is read
    if not preview.columns or preview.looks_like:
        return
    mapping = read_mapping(options.mapping)
    try:
        homeless = kept_as_metadata(preview.columns, mapping)
    except InvalidParameter:
        _show_columns(task)
        raise
    if homeless:
        task.options = msgspec.structs.replace(
            options, mapping=ColumnMapping(_encode({**mapping, **homeless}).decode())
        )
        hint(f'Kept as metadata: {", ".join(homeless)}. Elsewhere: --map "COLUMN=FIELD". Not at all: --map "COLUMN=".')


@contextmanager
def report_to(file: Path | None) -> Iterator[IO[bytes] | None]:
    if file is None:
        yield None
    else:
        with open(file, "wb") as report:
            yield report


# ---- into a folder


def load(on: Rollbook, task: FileImport) -> None:
    """Import a file. Users who were imported stay when the import ends early. Raises ApiError, OSError."""
    id, began, status = IMPORTS.new_id(), clock.now(), "failed"
    by = cli_job(id)
    on.run(import_absence.check(on, by, task.options))
    keys = import_absence.file_keys(None, id, task.options)
    with _open(task.file) as source:
        run = _begun(on, source, task, id, keys)
        try:
            _watch(run, task, lambda: run.steps(lambda: by, _uninterrupted))
            status = "finished"
        except KeyboardInterrupt:
            status = "canceled"
            raise
        except ReaderLost:
            raise Failure("The process that reads the file was killed. To go on, run the same command again.") from None
        finally:
            task.counts = run.counts
            task.columns = run.facts.columns
            is_told = run.counts.added or run.counts.updated or (keys is not None and status == "finished")
            if is_told and not task.options.dry_run:
                with suppress(ApiError):  # the one that ended the import matters more
                    done = run.counts, task.refusals, status, began, run.bytes_read
                    on.run(imports.record_local(on, by, id, task.options, *done))
    if task.counts.added and not task.options.dry_run:
        _index(on, task)
    if keys is not None:
        _end_absent(on, by, task, id, keys)


def _end_absent(on: Rollbook, by: Principal, task: FileImport, id: str, keys: FileKeys) -> None:
    """Say who is absent, and suspend them if that is to be done. Raises ApiError."""
    if task.options.dry_run:
        absence, job_id = on.run(import_absence.find(on, by, task.options, task.counts, keys)), None
    else:
        absence = on.run(bulk_jobs.end_absent(on, by, on.run(on.read(IMPORTS.get, id)), task.counts, keys))
        job_id = on.run(on.read(IMPORTS.get, id)).absent_job_id
    task.put_out(absence.reported, hint)
    while job_id is not None and on.run(bulk_jobs.run_part(on, job_id)):
        pass
    task.say_absent(absence.total, job_id, f"rollbook imports suspend {id}{where(on.settings)}")


def _begun(on: Rollbook, source: io.BufferedReader[_Source], task: FileImport, id: str, keys: FileKeys | None) -> Run:
    """Raises InvalidParameter."""
    try:
        return Run(on, source, task.options, id, keys=keys)
    except InvalidParameter as problem:
        if problem.param == "mapping":
            _show_columns(task)
            raise InvalidParameter(_named(problem.message, task), param="mapping") from None
        raise


def _named(message: str, task: FileImport) -> str:
    """A sentence about the mapping with the names of its columns, which the caller gave, instead of their numbers."""
    names = [*msgspec.json.decode(str(task.options.mapping or "{}"))]
    return re.sub(r"entry (\d+)(?: of \d+)?", lambda entry: f"column {names[int(entry[1]) - 1]}", message)


def _show_columns(task: FileImport) -> None:
    """The names and numbers of a file's columns, which the error gives by number, and how to map them. Names only at a
    terminal: what a file without a header has there are the first user's email and password."""
    hint('To keep a column: --map "COLUMN=FIELD", such as "Mail=email" or "Plan=metadata.plan".')
    hint('To leave it out: --map "COLUMN=".')
    if task.size is None or not sys.stderr.isatty():
        return
    with suppress(ApiError, OSError), task.file.open("rb", buffering=0) as file:
        options = ImportOptions(format=task.options.format, delimiter=task.options.delimiter)
        preview = reading.preview(file, options, 0, rows=0)
        hint(f"Columns: {', '.join(f'{number} {column}' for number, column in enumerate(preview.columns, 1))}")


def _watch(run: Run, task: FileImport, steps: Callable[[], Iterator[import_writer.BatchResult]]) -> None:
    began = process_began()
    task.place = run.unit
    with bar(task.title, task.size) as (say, show), _kept(run, task) as keep:
        for step in steps():
            refusals = [refusal for refusal, _ in step.report]
            task.refusals += refusals[: MAX_REFUSALS - len(task.refusals)]
            task.put_out(refusals, say)
            keep(step)
            task.moved(run.counts, began, show, run.bytes_read, task.size)


@contextmanager
def _kept(run: Run, task: FileImport) -> Iterator[Callable[[import_writer.BatchResult], None]]:
    """A function that writes the refused records of a batch to the file for them, which is there if there are any."""
    with ExitStack() as files:
        file: IO[bytes] | None = None

        def keep(step: import_writer.BatchResult) -> None:
            nonlocal file
            found = [(run.raw(source), refusal.reason) for refusal, source in step.report if source is not None]
            if not found or task.refused is None:
                return
            form = refused_rows(run.facts)
            if file is None:
                file = files.enter_context(written(task.refused))
                file.write(form.start)
            file.write(form.part(found))

        yield keep


def _index(on: Rollbook, task: FileImport) -> None:
    """Bring changed users into the search index, which new ones are in. It is part of the time that the import took:
    people wait for it."""
    before, began = task.seconds, time.perf_counter()
    done = on.run(import_writer.index(on))
    if done:
        with bar("Indexing for search", task.counts.updated) as (_, show):
            while indexed := on.run(import_writer.index(on)):
                done += indexed
                task.seconds = before + time.perf_counter() - began
                show(done, f"{counted(done, 'user')}, {task.rate:,} records/s in all")
    task.seconds = before + time.perf_counter() - began


# ---- into a running server


def send(server: Remote, task: FileImport) -> None:
    """The server imports the file. Ctrl+C cancels the import; what was imported stays."""
    fields = msgspec.structs.asdict(task.options).items()
    query = {
        name: str(value).lower() if isinstance(value, bool) else value for name, value in fields if value is not None
    }
    began = process_began()
    job = server.create_import(query, _sent(task))
    id = job["id"]
    try:
        with bar(task.title, job["bytes"]) as (_, show):
            for _ in looks():
                if job["status"] in FINAL:
                    break
                job = server.one("GET", at("imports", id))
                task.moved(_counts(job), began, show, job["bytes_read"], job["bytes"])
    except KeyboardInterrupt:
        task.counts = _counts(server.one("POST", at("imports", id, "cancel")))
        raise
    if task.counts.reported or job.get("absent_users"):
        for line in server.import_report(id):
            task.put_out([Refusal(**{name: line[name] for name in Refusal._fields if name in line})], hint)
    task.columns = msgspec.convert(job.get("columns", []), list[Column])
    if task.refused is not None and job["refused"]:
        with server.body("GET", at("imports", id, "report"), {"format": "rows"}) as line, written(task.refused) as file:
            for part in line.parts:
                file.write(part)
    if job.get("error_code") == InvalidParameter.code and " no field" in job["error"]:
        _show_columns(task)
    if job["status"] != "finished":
        raise ApiError(_named(job["error"] or "", task) or "The import was canceled. What was imported by then stays.")
    if job.get("absent_users") is not None:
        task.say_absent(job["absent_users"], job["absent_job_id"], server.command("imports", "suspend", id))
    if task.options.dry_run:
        hint(f"To import what was tested: {server.command('imports', 'run', id)}")


def _counts(job: Mapping[str, Any]) -> Counts:
    return Counts(*[job.get(name, 0) for name in Counts._fields])


def _sent(task: FileImport) -> Iterator[bytes]:
    sent = 0
    with _open(task.file) as source, bar("Sending", task.size) as (_, show):
        while part := source.read1(PART):
            yield part
            sent += len(part)
            show(sent, f"{sent >> 20:,} MiB")


# ---- files


@contextmanager
def _open(file: Path) -> Iterator[io.BufferedReader[_Source]]:
    heard, wake = os.pipe2(os.O_NONBLOCK)
    before = signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    try:
        with _Source(0 if file == STDIN else file, heard) as source, io.BufferedReader(source, 1 << 20) as buffered:
            yield buffered
    finally:
        signal.set_wakeup_fd(before)
        os.close(heard)
        os.close(wake)


class _Source(io.FileIO):
    """A file whose reads end with Ctrl-C, also with one that comes just before: Python acts on a signal between two
    steps of its own, and a read that it has begun by then waits for input as if nothing had happened. `heard` is a pipe
    into which each signal writes at once."""

    def __init__(self, file: int | Path, heard: int) -> None:
        super().__init__(file, closefd=file != 0)
        self._heard = heard

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        while self not in select.select([self, self._heard], (), ())[0]:
            os.read(self._heard, 64)
        return super().readinto(buffer)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ctrl-C waits for the end of this block, so that what was written is counted."""
    stops = False

    def note(number: int, frame: object) -> None:
        nonlocal stops
        stops = True

    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if stops:
        raise KeyboardInterrupt
